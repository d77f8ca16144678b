# SPDX-License-Identifier: Apache-2.0
# Thin: each target calls the script that does the work. `make help` lists them.

PREFIX ?= /usr/local

all: ## compile into build/
	tools/install-packages build
	tools/build build

demo: ## the life of a service, from create to terminate, on this machine
	tools/install-packages demo
	tools/build build
	examples/quickstart/demo

run: ## as demo, and stays: provostd, a backend, and the commands to try
	tools/install-packages demo
	tools/build build
	examples/quickstart/demo --stay

test: ## everything that is tested; ends in "N passed, N failed"
	tools/install-packages test
	tests/run

bench: ## what it does a second, and the gates on cost and memory
	tools/install-packages test
	tools/build build-bench --buildtype=release -Dtests=false -Dbench=true
	tests/bench/run --build build-bench

bench-big: ## its gates behind a million finished operations, and 100,000 that wait
	tools/install-packages test
	tools/build build-bench --buildtype=release -Dtests=false -Dbench=true
	tests/bench/run --build build-bench --loaded 1000000 --waiting 100000

install: ## a release build into PREFIX (/usr/local), under DESTDIR
	tools/install-packages build
	tools/build build-release --buildtype=release --prefix=$(PREFIX) -Dtests=false
	meson install -C build-release --no-rebuild --quiet

check: ## the gates on format, layers, style, headers, scripts and docs
	tools/check-all

format: ## clang-format over every C file
	tools/check-format --fix

clean: ## removes build folders
	rm -rf build build-*

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

.PHONY: all demo run test bench bench-big install check format clean help
