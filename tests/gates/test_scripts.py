# SPDX-License-Identifier: Apache-2.0
"""tools/check-scripts, and the script that installs packages, on stand-ins for Debian's tools."""

import re
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
    packages = tmp_path / "npm"
    packages.mkdir()
    (packages / "package-lock.json").write_text("{}\n")
    for name in ("bash", "cat", "cmp", "cp", "dirname", "env", "flock", "mkdir", "mktemp", "rm",
                 "sed"):
        (folder / name).symlink_to(f"/usr/bin/{name}")

    def tool(name, text):
        path = folder / name
        path.write_text(f'#!/usr/bin/bash\necho "{name} $*" >>{notes}\n{text}\n')
        path.chmod(0o755)

    def run(mode, present=False, sudo=True, debian=True, npm="mkdir -p node_modules", env=None):
        if debian:
            tool("dpkg-query", "echo -n installed" if present else "exit 1")
            tool("apt-get", "exit 0")
        if sudo:
            tool("sudo", "exit 0")
        if npm is not None:
            tool("npm", npm)
        tool("id", "echo 1000")
        done = subprocess.run([root / "tools/install-packages", mode], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL,
                              env={"PATH": str(folder), "PROVOST_NPM_FOLDER": str(packages)} | (env or {}))
        calls = notes.read_text() if notes.exists() else ""
        return done.returncode, done.stdout, done.stderr, [
            line for line in calls.splitlines() if line.startswith(("sudo", "apt-get", "npm"))]

    return run


def test_nothing_to_do(machine):
    status, out, err, calls = machine("build", present=True)
    assert (status, err, calls) == (0, "", [])
    assert "are installed" in out


def test_npm_packages_come_once_and_again_when_the_lock_file_changes(machine, tmp_path):
    for _ in range(2):
        status, out, err, calls = machine("test", present=True)
        assert (status, err) == (0, "")
        assert len(calls) == 1 and calls[0].startswith("npm ci ")
        assert "npm packages of the tests: installed" in out
    (tmp_path / "npm/package-lock.json").write_text('{"lockfileVersion": 3}\n')
    assert len(machine("test", present=True)[3]) == 2


def test_npm_packages_that_cannot_be_installed(machine, tmp_path):
    status, _, err, _ = machine("test", present=True, npm="echo no such package; exit 1")
    assert status == 1
    assert "no such package" in err and "could not be installed" in err
    assert not (tmp_path / "npm/node_modules").exists()


def test_npm_is_missing(machine):
    status, _, err, _ = machine("test", present=True, npm=None)
    assert status == 1
    assert "npm is not installed" in err


def test_a_command_stands_for_its_package(machine):
    wanted = [line for line in machine("test", env={"CI": "true"})[3] if line.startswith("sudo")][0]
    assert " nodejs " in wanted and " npm " not in wanted


def test_without_the_command_its_package_is_installed(machine):
    assert " npm " in machine("test", npm=None, env={"CI": "true"})[3][0]


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


@pytest.mark.parametrize("there_before", [None, "#!/bin/sh\nexit 104\n"], ids=["none", "one"])
@pytest.mark.parametrize("failures", [0, 1, 2])
def test_as_root_no_server_is_started(root, tmp_path, there_before, failures):
    """apt-get fails that often; the policy forbids starts while it runs, and goes again after."""
    policy = tmp_path / "policy-rc.d"
    if there_before:
        policy.write_text(there_before)
        policy.chmod(0o755)
    folder = tmp_path / "bin"
    folder.mkdir()
    notes = tmp_path / "notes"
    apt = folder / "apt-get"
    apt.write_text(f"""#!/bin/bash
{policy} nginx start; echo "policy $?" >>{notes}
case "$*" in *update*) echo update >>{notes}; exit 0 ;; esac
echo "install ${{*: -2}}" >>{notes}
[ "$(grep -c install {notes})" -gt {failures} ]
""")
    apt.chmod(0o755)
    env = {"PATH": f"{folder}:/usr/bin:/bin", "PROVOST_POLICY_RC": str(policy)}
    done = subprocess.run([root / "tools/install-packages", "--as-root", "pdns-server:no-such-unit",
                           "wrk"], env=env, capture_output=True, text=True)
    assert (done.returncode == 0) == (failures < 2)
    once = "policy 101\ninstall pdns-server wrk\n"
    assert notes.read_text() == once if failures == 0 else once + "policy 101\nupdate\n" + once
    if there_before:
        assert policy.read_text() == there_before
    assert [path.name for path in tmp_path.glob("policy-rc.d*")] == (
        ["policy-rc.d"] if there_before else [])


def test_every_package_is_named_once(root):
    names = []
    for path in sorted((root / "tools/packages").iterdir()):
        lines = [re.sub(r"#.*| (service|command)=.*", "", line)
                 for line in path.read_text().splitlines()]
        names += [name.strip() for line in lines for name in line.split("|") if name.strip()]
    assert len(names) == len(set(names))
