# SPDX-License-Identifier: Apache-2.0
"""tests/fuzz/run: is red when a fuzzer finds something, and tries the others all the same. Fuzzers are
replaced by scripts."""

import os
import shutil
import subprocess

import pytest

DONE = "Done 12 runs in 1 second(s)"
FINE = f"echo '{DONE}' >&2\n"


@pytest.fixture
def run(root, tmp_path):
    """run({name: (body of its replay, body of its fuzzer)}) -> (status, lines in order of the alphabet, as
    fuzzers end in any)"""
    (tmp_path / "tests/fuzz").mkdir(parents=True)
    shutil.copy(root / "tests/fuzz/run", tmp_path / "tests/fuzz/run")

    def script(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)

    def call(fuzzers, build=0):
        script("bin/ninja", f"exit {build}\n")
        (tmp_path / "build-fuzz").mkdir()
        (tmp_path / "build-fuzz/build.ninja").touch()
        for name, (replay, fuzz) in fuzzers.items():
            script(f"build-fuzz/tests/fuzz/replay-{name}", replay)
            script(f"build-fuzz/tests/fuzz/fuzz-{name}", fuzz)
        done = subprocess.run(["bash", "tests/fuzz/run", "1"], cwd=tmp_path, capture_output=True, text=True,
                              timeout=60, env=os.environ | {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})
        return done.returncode, sorted(done.stdout.splitlines())

    return call


def test_nothing_is_found(run):
    assert run({"a": ("", FINE), "b": ("", FINE)}) == (0, [f"a: {DONE}", f"b: {DONE}"])


def test_one_finds_something(run):
    assert run({"a": ("", "echo 'does not hold' >&2\nexit 77\n"), "b": ("", FINE)}) == (
        1, ["a: FAILED", f"b: {DONE}", "does not hold"])


def test_a_seed_is_enough(run):
    assert run({"a": ("exit 1\n", FINE), "b": ("", FINE)}) == (1, ["a: FAILED with one of its seeds", f"b: {DONE}"])


@pytest.mark.parametrize("status", [1, 255, None])
def test_the_others_are_tried_however_one_ends(run, status):
    """255 is what ends xargs, without a status what was killed."""
    others = {name: ("", FINE) for name in "bcdefg"}
    ending = "kill -9 $$\n" if status is None else f"exit {status}\n"
    assert run({"a": ("", ending), **others}) == (1, ["", "a: FAILED", *(f"{name}: {DONE}" for name in others)])


def test_what_cannot_be_built_is_not_fuzzed(run):
    assert run({"a": ("", FINE)}, build=1) == (1, [])


def test_no_fuzzer_at_all_fails(run):
    assert run({}) == (1, [])
