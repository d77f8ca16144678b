# SPDX-License-Identifier: Apache-2.0
"""A new key under load, with the process killed in the middle; the old key's line is taken out in the end."""

import time

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


def keys_file(one):
    found = [path for path in one.database.parent.iterdir() if "key" in path.name]
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
