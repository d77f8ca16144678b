# SPDX-License-Identifier: Apache-2.0
"""tools/check-scripts, and the script that installs packages, on stand-ins for Debian's tools."""

import subprocess

import pytest


def test_a_script_with_a_mistake_fails(gate):
    good = '#!/bin/sh\nset -eu\necho "$1"\n'
    assert gate("check-scripts", {"tools/a": good, "b.txt": "rm $x\n"}) == (0, "")
    status, output = gate("check-scripts", {"tools/b": "#!/usr/bin/env bash\nrm -rf $1/x\n"})
    assert status != 0
    assert "tools/b line 2" in output


@pytest.fixture
def machine(root, tmp_path):
    """A PATH on which dpkg-query, apt-get, sudo and id are stand-ins that note their calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    notes = tmp_path / "notes"
    for name in ("bash", "cat", "sed", "dirname", "env"):
        (folder / name).symlink_to(f"/usr/bin/{name}")

    def tool(name, text):
        path = folder / name
        path.write_text(f'#!/usr/bin/bash\necho "{name} $*" >>{notes}\n{text}\n')
        path.chmod(0o755)

    def run(mode, present=False, sudo=True, debian=True, env=None):
        if debian:
            tool("dpkg-query", "echo -n installed" if present else "exit 1")
            tool("apt-get", "exit 0")
        if sudo:
            tool("sudo", "exit 0")
        tool("id", "echo 1000")
        done = subprocess.run([root / "tools/install-packages", mode], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, env={"PATH": str(folder)} | (env or {}))
        calls = notes.read_text() if notes.exists() else ""
        return done.returncode, done.stdout, done.stderr, [
            line for line in calls.splitlines() if line.startswith(("sudo", "apt-get"))]

    return run


def test_nothing_to_do(machine):
    status, out, err, calls = machine("test", present=True)
    assert (status, err, calls) == (0, "", [])
    assert "are installed" in out


def test_without_a_question_in_ci(machine):
    status, out, _, calls = machine("build", env={"CI": "true"})
    assert status == 0
    assert "are missing" in out and "libuv1-dev" in out
    assert len(calls) == 1
    assert calls[0].startswith("sudo -n ") and "--as-root" in calls[0] and "libuv1-dev" in calls[0]


def test_servers_are_named_with_their_unit(machine):
    _, out, _, calls = machine("test", env={"CI": "true"})
    assert "pdns-server:pdns " in calls[0]
    assert "pdns-server:" not in out


def test_nobody_to_ask(machine):
    status, _, err, calls = machine("build")
    assert (status, calls) == (1, [])
    assert "cannot ask" in err and "As root: apt-get" in err and "CI=1" in err


def test_no_sudo(machine):
    status, _, err, calls = machine("build", sudo=False, env={"CI": "true"})
    assert (status, calls) == (1, [])
    assert "no sudo" in err and "As root: apt-get" in err


def test_not_debian(machine):
    status, _, err, _ = machine("build", debian=False)
    assert status == 1
    assert "not a Debian system" in err and "libuv1-dev" in err and "PROVOST_SKIP_PACKAGES" in err


def test_skipped_when_asked(machine):
    status, out, _, _ = machine("build", debian=False, env={"PROVOST_SKIP_PACKAGES": "1"})
    assert (status, out) == (0, "")


def test_an_unknown_list(machine):
    status, _, err, _ = machine("everything")
    assert status == 1
    assert "usage" in err


def test_every_package_is_named_once(root):
    names = []
    for path in sorted((root / "tools/packages").iterdir()):
        lines = [line.split("#")[0].split(" service=")[0] for line in path.read_text().splitlines()]
        names += [name.strip() for line in lines for name in line.split("|") if name.strip()]
    assert len(names) == len(set(names))
