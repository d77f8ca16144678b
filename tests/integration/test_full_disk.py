# SPDX-License-Identifier: Apache-2.0
"""A disk that is full: events are refused with 503, what was acknowledged stays, what runs waits, and
everything goes on by itself when there is room again."""

import ctypes
import os
import subprocess

import pytest
import shop

SIZE = 12 * 1024 * 1024


CLONE_NEWNS = 0x00020000
LIBC = ctypes.CDLL(None, use_errno=True)


def must(status, what):
    if status != 0:
        raise OSError(ctypes.get_errno(), what)


@pytest.fixture
def small_disk(tmp_path):
    """A small filesystem of its own, in a mount namespace that only this test and what it starts are in:
    however they end, it goes with the last of them."""
    folder = tmp_path / "small"
    folder.mkdir()
    outside = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    root = os.open("/", os.O_PATH | os.O_CLOEXEC)
    try:
        must(LIBC.unshare(CLONE_NEWNS), "unshare")
    except OSError as error:
        os.close(outside)
        os.close(root)
        pytest.skip(f"a small filesystem cannot be mounted here: {error}")
    try:
        private = subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, text=True)
        if private.returncode != 0:  # as in a chroot whose root is no mount
            pytest.skip(f"a small filesystem cannot be mounted here: {private.stderr.splitlines()[0]}")
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder], check=True)
        yield folder
        assert os.path.ismount(folder)
    finally:
        here = os.getcwd()
        must(LIBC.setns(outside, CLONE_NEWNS), "setns")
        os.close(outside)
        os.fchdir(root)  # who enters a namespace is at its root, which need not be the one from before
        os.chroot(".")
        os.close(root)
        os.chdir(here)
    assert not os.path.ismount(folder)


def fill(folder):
    """Takes all the room there is; the file that holds it."""
    ballast = folder / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                pass
    return ballast


def test_events_are_refused_and_nothing_is_lost(small_disk, make_provost):
    one = make_provost(shop.OPTIONS | {"data_dir": str(small_disk / "data")})
    one.database = small_disk / "data" / "provost.db"
    one.start()
    acknowledged = {}
    for n in range(20):
        acknowledged[f"before-{n}"] = shop.accepted(one, f"before-{n}")["operation"]
    ballast = fill(small_disk)
    refused = 0
    for n in range(3000):
        answer = shop.create(one, f"during-{n}")
        if answer.status == 503:
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.json["success"] is False and answer.json["error"]
            refused += 1
            if refused == 3:
                break
        else:
            assert answer.status == 202, answer
            acknowledged[f"during-{n}"] = answer.json["operation"]
    assert refused == 3, "the disk never was full"
    assert one.call("GET", "/healthz").status == 200
    ballast.unlink()
    ended = one.await_operation("create", "after", product="support", plan="basic")
    assert ended["state"] == "done"
    for service, op in acknowledged.items():
        again = shop.accepted(one, service)
        assert again["operation"] == op and again["duplicate"], service
        assert shop.end_of(one, op) == "done", service
    verified = one.admin("GET", "/v1/audit/verify")
    assert verified.status == 200, verified
    assert one.stop() == 0
    assert os.path.exists(one.database)
