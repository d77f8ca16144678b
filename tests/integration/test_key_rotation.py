# SPDX-License-Identifier: Apache-2.0
"""A new key under load, with the process killed in the middle; the old key's line is taken out in the end."""

import contextlib
import signal
import sqlite3
import time

import pytest
import shop
from daemon import SLOW


def await_resealed(one):
    """Nothing tells of it: looks again after each service that is made meanwhile."""
    end, number = time.monotonic() + 120 * SLOW, 0
    answer = one.admin("GET", "/v1/keys").json
    while not answer["resealing"]["done"]:
        assert time.monotonic() < end, answer
        number += 1
        assert shop.end_of(one, shop.accepted(one, f"meanwhile-{number}")["operation"]) == "done"
        answer = one.admin("GET", "/v1/keys").json
    return answer


def keys_file(one, beside=False):
    """beside: what a killed process has left beside it is no matter."""
    found = [path for path in one.database.parent.iterdir() if "key" in path.name
             and not (beside and path.suffix in (".old", ".new"))]
    assert len(found) == 1, found
    return found[0]


def test_the_old_key_can_be_taken_out_after_a_rotation_that_was_killed(make_provost):
    one = make_provost(shop.OPTIONS).start()
    assert one.admin("GET", "/v1/keys").json["keys"] == [{"id": 1, "state": "sealing"}]
    load = shop.Load(one, 60).begin()
    answer = one.admin("POST", "/v1/keys/rotate", {})
    assert answer.status == 201, answer
    assert [key["id"] for key in answer.json["keys"]] == [1, 2]
    load.end()
    one.kill()

    one.start()
    answer = await_resealed(one)
    assert answer["keys"] == [{"id": 1, "state": "unused"}, {"id": 2, "state": "sealing"}]
    assert answer["resealing"]["unreadable"] == 0
    assert "key.rotated" in one.admin("GET", "/v1/audit?limit=1000").text
    one.stop()

    path = keys_file(one)
    lines = path.read_text().splitlines(keepends=True)
    assert sum(line.startswith("key 1 ") for line in lines) == 1
    path.write_text("".join(line for line in lines if not line.startswith("key 1 ")))
    one.start()
    assert one.admin("GET", "/v1/keys").json["keys"] == [{"id": 2, "state": "sealing"}]
    for operation in load.acknowledged.values():
        one.operation(operation)
    shop.accepted(one, "after")


def test_the_command_waits_and_says_what_is_left(make_provost, cli):
    one = make_provost(shop.OPTIONS).start()
    for number in range(5):
        shop.accepted(one, f"s-{number}")
    done = cli(one, "key", "rotate")
    assert done.returncode == 0, done.stderr
    assert "key 2 seals from now on" in done.stdout
    assert "only for backups from before" in done.stdout
    assert "values sealed again" in done.stderr
    listed = cli(one, "key", "list")
    assert listed.returncode == 0, listed.stderr
    assert "unused" in listed.stdout and "sealing" in listed.stdout
    quick = cli(one, "key", "rotate", "--no-wait", "--quiet")
    assert quick.returncode == 0, quick.stderr
    assert quick.stdout == "3\n"
    assert one.admin("GET", "/v1/audit?limit=1000").text.count('"key.rotated"') == 2


def test_a_failure_is_told_and_changes_nothing(make_provost, cli):
    one = make_provost(shop.OPTIONS).start()
    path = keys_file(one)
    before = path.read_text()
    blocked = path.with_name(path.name + ".new")
    blocked.mkdir()
    failed = cli(one, "key", "rotate")
    assert failed.returncode == 1, failed
    assert str(path) in failed.stderr
    assert path.read_text() == before
    blocked.rmdir()
    assert one.admin("GET", "/v1/keys").json["keys"] == [{"id": 1, "state": "sealing"}]
    assert cli(one, "key", "rotate").returncode == 0


def test_only_the_admin_may(make_provost):
    one = make_provost(shop.OPTIONS).start()
    for method, path in (("GET", "/v1/keys"), ("POST", "/v1/keys/rotate")):
        assert one.api(method, path).status == 403
        assert one.call(method, path).status == 401


def sealed_with(one, key):
    """How many values of each table a key has sealed."""
    with contextlib.closing(sqlite3.connect(f"file:{one.database}?mode=ro", uri=True)) as db:
        columns = [(table, column) for (table,) in db.execute("SELECT name FROM sqlite_schema WHERE type='table'")
                   for _, column, *_ in db.execute(f"PRAGMA table_info({table})")
                   if column.endswith("_sealed")]
        counts = {f"{table}.{column}": db.execute(
            f"SELECT count(*) FROM {table} WHERE substr({column},1,4)=?",
            (key.to_bytes(4, "little"),)).fetchone()[0] for table, column in columns}
    return {name: count for name, count in counts.items() if count > 0}


# Where the process is killed; whether the key has come to be by then; whether a slice was done.
KILLED = [("keys.rename.before", 1, False, False), ("keys.rename.after", 1, True, False),
          ("store.reseal", 7, True, False), ("store.reseal", 300, True, True)]


@pytest.mark.parametrize("point,passes,made,some", KILLED, ids=[f"{k[0]}-{k[1]}" for k in KILLED])
def test_a_rotation_that_is_killed_goes_on(faults, make_provost, cli, tmp_path, point, passes, made, some):
    one = make_provost(shop.OPTIONS).start()
    events = [{"id": f"s-{n}-create", "type": "service.create",
               "service": {"id": f"s-{n}", "product": "support", "plan": "basic"},
               "customer": {"id": "c", "email": "customer@example.com"}} for n in range(150)]
    accepted = one.api("POST", "/v1/events", events)
    assert accepted.status == 202, accepted
    operations = [event["operation"] for event in accepted.json["operations"]]
    for operation in operations:
        assert shop.end_of(one, operation) == "done"
    one.stop()
    before = sealed_with(one, 1)
    assert sum(before.values()) > 400, before

    one.env["PROVOST_FAULTS"] = f"{tmp_path}/fault:{point}={passes}"
    one.start()
    assert cli(one, "key", "rotate").returncode != 0
    assert one.wait() == -signal.SIGKILL
    assert (tmp_path / f"fault.{point}").exists()
    assert ("key 2 " in keys_file(one, beside=True).read_text()) == made
    left = sealed_with(one, 1)
    assert sealed_with(one, 2).keys() <= before.keys()
    assert (sum(left.values()) < sum(before.values())) == some
    assert sum(left.values()) > 0

    one.start()
    if not made:
        assert cli(one, "key", "rotate").returncode == 0
    answer = await_resealed(one)
    assert [key["id"] for key in answer["keys"]] == [1, 2]
    assert answer["resealing"]["unreadable"] == 0
    one.stop()
    assert sealed_with(one, 1) == {}
    path = keys_file(one, beside=True)
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True)
                            if not line.startswith("key 1 ")))
    one.start()
    for operation in operations[::10]:
        one.operation(operation)
    shop.accepted(one, "after")
