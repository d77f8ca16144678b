# SPDX-License-Identifier: Apache-2.0
"""tests/fuzz/run: is red when a fuzzer finds something, and tries the others all the same. Fuzzers are
replaced by scripts."""

import os
import shutil
import subprocess

import pytest

FINE = "echo 'Done 12 runs in 1 second(s)' >&2\n"


@pytest.fixture
def run(root, tmp_path):
    """run({name: (body of its replay, body of its fuzzer)}) -> (status, output)"""
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
        return done.returncode, done.stdout

    return call


def test_nothing_is_found(run):
    assert run({"a": ("", FINE), "b": ("", FINE)}) == (
        0, "a: Done 12 runs in 1 second(s)\nb: Done 12 runs in 1 second(s)\n")


def test_one_finds_something(run):
    status, output = run({"a": ("", "echo 'does not hold' >&2\nexit 77\n"), "b": ("", FINE)})
    assert status == 1
    assert output == "does not hold\na: FAILED\nb: Done 12 runs in 1 second(s)\n"


def test_a_seed_is_enough(run):
    status, output = run({"a": ("exit 1\n", FINE), "b": ("", FINE)})
    assert status == 1
    assert output == "a: FAILED with one of its seeds\nb: Done 12 runs in 1 second(s)\n"


def test_what_cannot_be_built_is_not_fuzzed(run):
    assert run({"a": ("", FINE)}, build=1) == (1, "")
