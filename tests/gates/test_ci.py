# SPDX-License-Identifier: Apache-2.0
""".ci/run: sums up, and is red when a gate is. The gates are replaced by scripts that say so."""

import json
import shutil
import subprocess

import pytest


@pytest.fixture
def clone(root, tmp_path):
    """run({gate: exit status}, body of tests/run, exit status of packages) -> (status, output)"""
    (tmp_path / ".ci").mkdir()
    shutil.copy(root / ".ci/run", tmp_path / ".ci/run")

    def script(name, text):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)

    def run(gates, tests, packages=0):
        script("tools/install-packages", f"exit {packages}\n")
        script("tools/check-all", "".join(f"echo tools/{name}\n" for name in gates))
        for name, status in gates.items():
            script(f"tools/{name}", f"exit {status}\n")
        script("tests/run", tests)
        done = subprocess.run(["bash", ".ci/run", "--only", "packages", "--only", "gates", "--only",
                               "test"], cwd=tmp_path, capture_output=True, text=True)
        return done.returncode, done.stdout

    return run


def counts(passed, failed, skipped, status):
    found = json.dumps({"passed": passed, "failed": failed, "skipped": skipped})
    return f"echo '{found}' >\"$2\"\nexit {status}\n"


def test_all_green(clone):
    status, output = clone({"a": 0, "b": 0}, counts(10, 0, [], 0))
    assert status == 0
    assert output.endswith("\n13 passed, 0 failed\n")


def test_a_red_gate(clone):
    status, output = clone({"a": 0, "b": 1}, counts(10, 0, ["one: no disk", "two"], 0))
    assert status == 1
    name = "gcc, no warning, all tests"
    assert output.endswith(f"\nfailed: tools/b\nskipped: {name}: one: no disk\nskipped: {name}: two\n"
                           "12 passed, 1 failed\n")


def test_red_tests(clone):
    status, output = clone({"a": 0}, counts(10, 3, [], 1))
    assert status == 1
    assert output.endswith("\n12 passed, 3 failed\n")


def test_tests_that_fell_over_without_a_count(clone):
    status, output = clone({"a": 0}, "exit 1\n")
    assert status == 1
    assert output.endswith("\n2 passed, 1 failed\n")


def test_tests_that_failed_and_counted_none(clone):
    status, output = clone({"a": 0}, counts(5, 0, [], 1))
    assert status == 1
    assert output.endswith("\n7 passed, 1 failed\n")


def test_packages_that_cannot_be_installed(clone):
    status, output = clone({"a": 0}, counts(5, 0, [], 0), packages=1)
    assert status == 1
    assert output.endswith("\n6 passed, 1 failed\n")


@pytest.mark.parametrize("words", [["--only", "tset"], ["--only"], ["--only", ""], ["test"]])
def test_what_it_does_not_know_is_refused(root, words):
    done = subprocess.run(["bash", root / ".ci/run", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: bash .ci/run [--only packages|gates|clang|test|")


def test_checks_that_are_none_are_no_success(clone, tmp_path):
    (tmp_path / ".ci/run").write_text((tmp_path / ".ci/run").read_text().replace("wanted packages", "false"))
    status, output = clone({}, counts(0, 0, [], 0))
    assert status == 1
    assert output.endswith("\n0 passed, 0 failed\n")
