# SPDX-License-Identifier: Apache-2.0
"""tests/lib/daemon.py, which other tests start programs with, against programs that misbehave."""

import socket
import subprocess
import sys

import pytest

import daemon

READY = """
import os, signal, socket, sys
def say(text):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
"""
GOOD = READY + """
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
say("STATUS=starting")
print("hello", flush=True)
say("READY=1\\nMAINPID=1")
while True:
    signal.pause()
"""


@pytest.fixture
def program(tmp_path):
    def make(text):
        path = tmp_path / "program.py"
        path.write_text(text)
        return daemon.Daemon([sys.executable, path], tmp_path, name="program")

    return make


def test_starts_and_stops(program):
    with program(GOOD) as it:
        assert it.running() and it.pid > 0
    assert not it.running()
    assert it.log_text() == "hello\n"


def test_may_be_killed_and_started_again(program):
    it = program(GOOD)
    it.start()
    it.kill()
    it.kill()
    assert not it.running()
    with it:
        assert it.running()
    assert it.log_text() == "hello\nhello\n"


def test_ends_before_it_is_ready(program):
    with pytest.raises(AssertionError, match=r"ended before it said READY=1; its log:\noh no"):
        program("print('oh no', flush=True); raise SystemExit(0)").start()


def test_is_never_ready(program):
    it = program("import signal\nsignal.pause()")
    with pytest.raises(AssertionError, match="did not say READY=1 in 0.1 s"):
        it.start(timeout_s=0.1)
    assert not it.running()


def test_a_bad_exit_status_is_an_error(program):
    with pytest.raises(AssertionError, match="ended with 3"):
        with program(GOOD.replace("sys.exit(0)", "sys.exit(3)")):
            pass


def test_ignores_sigterm(program):
    it = program(GOOD.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN")).start()
    with pytest.raises(AssertionError, match="did not end within 0.1 s of SIGTERM"):
        it.stop(timeout_s=0.1)
    assert not it.running()


def test_an_error_in_the_test_ends_it_too(program):
    it = program(GOOD)
    with pytest.raises(ZeroDivisionError), it:
        print(1 / 0)
    assert not it.running()


def test_its_own_end_can_be_awaited(program):
    it = program(READY + "say('READY=1')\nraise SystemExit(7)").start()
    assert it.wait() == 7


def test_a_free_port_can_be_bound():
    with socket.socket() as server:
        server.bind(("127.0.0.1", daemon.free_port()))


def test_nothing_waits_for_ever(program):
    it = program(GOOD).start()
    with pytest.raises(subprocess.TimeoutExpired):
        it.wait(timeout_s=0.05)
    assert it.stop() == 0
