# SPDX-License-Identifier: Apache-2.0
"""How `provost` finds the daemon, and what it says when it does not."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

STATUS = {"version": "1.2.3", "ready": True}


def test_socket_of_option(provost, daemon):
    daemon.on("GET", "/v1/status", STATUS)
    done = provost("status")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1.2.3" in done.stdout


def test_socket_of_environment(run, daemon):
    daemon.on("GET", "/v1/status", STATUS)
    assert run("status", env={"PROVOST_SOCKET": str(daemon.socket)}).returncode == 0


def test_socket_of_configuration(run, daemon, tmp_path):
    daemon.on("GET", "/v1/status", STATUS)
    config = tmp_path / "provost.yaml"
    config.write_text(f"admin_socket: {daemon.socket}\n")
    done = run("-c", config, "status", env={"PROVOST_SOCKET": "/nowhere"})
    assert done.returncode == 0, done.stderr


def test_option_goes_before_configuration(run, daemon, tmp_path):
    daemon.on("GET", "/v1/status", STATUS)
    config = tmp_path / "provost.yaml"
    config.write_text("admin_socket: /nowhere\n")
    assert run("-c", config, "--socket", daemon.socket, "status").returncode == 0


def test_configuration_that_is_not_there(run):
    done = run("-c", "missing.yaml", "status")
    assert done.returncode in (1, 4)
    assert "missing.yaml" in done.stderr


def test_no_socket(run, tmp_path):
    done = run("--socket", tmp_path / "none.sock", "status")
    assert done.returncode == 3
    assert f"there is no admin socket at {tmp_path}/none.sock: start provostd" in done.stderr


def test_nobody_listens(run, tmp_path):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "left.sock"))
    done = run("--socket", tmp_path / "left.sock", "status")
    assert done.returncode == 3
    assert "nothing listens on the admin socket" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
@pytest.fixture
def public_folder():
    """A folder that every user may enter, unlike those of pytest, or of a clone below /root."""
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0o755)
        yield Path(path)


def test_permission_denied(build, public_folder):
    command = public_folder / "provost"
    shutil.copy(build / "provost", command)
    path = public_folder / "admin.sock"
    nobody = pwd.getpwnam("nobody")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        os.chmod(path, 0o600)
        done = subprocess.run([command, "--socket", path, "status"], text=True,
                              capture_output=True, user=nobody.pw_uid, group=nobody.pw_gid,
                              extra_groups=[], check=False)
    assert done.returncode == 3
    assert "you may not use the admin socket" in done.stderr
    assert "provost-admin" in done.stderr


def test_path_too_long(run):
    done = run("--socket", "/" + "x" * 200, "status")
    assert done.returncode == 1
    assert "too long" in done.stderr


def test_daemon_breaks_off(provost, daemon):
    daemon.on("GET", "/v1/status", status=None)
    done = provost("status")
    assert done.returncode == 3
    assert "broke off" in done.stderr


@pytest.mark.parametrize("status, expected", [(400, 1), (403, 1), (404, 4), (409, 1), (429, 8), (503, 8)])
def test_refusals(provost, daemon, status, expected):
    daemon.on("GET", "/v1/status", {"success": False, "error": "a sentence", "code": "x", "errors": []},
              status=status, headers={"Retry-After": "7"} if status == 503 else None)
    done = provost("status")
    assert done.returncode == expected
    assert done.stderr.startswith("provost: a sentence")
    assert ("(try again in 7 s)" in done.stderr) == (status == 503)
    assert done.stdout == ""


def test_refusal_as_json(provost, daemon):
    daemon.on("GET", "/v1/status", {"success": False, "error": "no", "code": "x"}, status=409)
    done = provost("--json", "status")
    assert done.returncode == 1
    assert '"code": "x"' in done.stdout


def test_answer_that_is_no_json(provost, daemon):
    daemon.on("GET", "/v1/status", b"<html>oops", status=500)
    done = provost("status")
    assert done.returncode == 1
    assert "the daemon answered 500 and said no more" in done.stderr


def test_proxies_are_not_used(run, daemon):
    daemon.on("GET", "/v1/status", STATUS)
    done = run("--socket", daemon.socket, "status",
               env={"http_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"})
    assert done.returncode == 0, done.stderr
