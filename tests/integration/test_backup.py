# SPDX-License-Identifier: Apache-2.0
"""A backup that is made under load, and what is restored from it."""

import os
import shutil
import stat
import subprocess

import invariants
import shop
from daemon import SLOW


def backup(one, to):
    return subprocess.run([one.build / "provost", "-c", one.config, "db", "backup", to],
                          capture_output=True, text=True, timeout=60 * SLOW)


def test_a_backup_under_load_is_whole_and_can_be_restored(make_provost, tmp_path):
    one = make_provost(shop.OPTIONS).start()
    shop.accepted(one, "first")
    load = shop.Load(one, 50).begin()
    before = dict(load.acknowledged)
    copy = tmp_path / "copy.db"
    made = backup(one, copy)
    assert made.returncode == 0, made.stderr
    load.end()
    assert len(load.acknowledged) >= len(before)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert b"customer@example.com" not in copy.read_bytes()
    assert invariants.check(copy) == []
    one.kill()

    # Everything is lost but the copy and the keys.
    data = one.database.parent
    keys = [path for path in data.iterdir() if "key" in path.name]
    assert len(keys) == 1
    shutil.copy(keys[0], tmp_path / "keys")
    shutil.rmtree(data)
    data.mkdir()
    shutil.copy(copy, one.database)
    shutil.copy(tmp_path / "keys", keys[0])
    os.chmod(keys[0], 0o600)
    one.start()
    for service, op in before.items():
        again = shop.accepted(one, service)
        assert again["operation"] == op and again["duplicate"], service
    for op in before.values():
        assert shop.end_of(one, op) == "done"
    verified = one.admin("GET", "/v1/audit/verify")
    assert verified.status == 200, verified
    assert one.stop() == 0
    assert invariants.check(one.database) == []


def test_a_backup_replaces_nothing_and_leaves_nothing_half(make_provost, tmp_path):
    one = make_provost(shop.OPTIONS).start()
    shop.accepted(one, "first")
    there = tmp_path / "there"
    there.write_text("precious")
    refused = backup(one, there)
    assert refused.returncode != 0 and "exists" in refused.stderr, refused
    assert there.read_text() == "precious"
    nowhere = backup(one, tmp_path / "none" / "copy.db")
    assert nowhere.returncode != 0 and "none/copy.db" in nowhere.stderr, nowhere
    assert one.stop() == 0
    # Also while nobody uses it.
    assert backup(one, tmp_path / "idle.db").returncode == 0
    assert invariants.check(tmp_path / "idle.db") == []
    one.database.write_bytes(b"this is no database" * 1000)
    broken = backup(one, tmp_path / "broken.db")
    assert broken.returncode != 0 and not (tmp_path / "broken.db").exists(), broken
