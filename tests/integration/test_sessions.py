# SPDX-License-Identifier: Apache-2.0
"""A customer's session with a whole provostd: over restarts, in the audit trail, at the command line."""

import subprocess

import pytest


@pytest.fixture
def shop(make_provost):
    return make_provost({
        "allowed_origins": ["https://shop.example.com"],
        "plugins": {"support": {"module": "support"}},
        "products": {"support": {"components": [{"name": "support", "plugin": "support"}],
                                 "plans": {"basic": {}}}}}).start()


def session_of(shop, service, **members):
    made = shop.api("POST", f"/v1/services/{service}/sessions", {"customer": "7"} | members)
    assert made.status == 201, made
    return made.json["token"]


def test_a_session_survives_a_restart_and_is_found_nowhere(shop):
    service = shop.await_operation("create", "1", product="support", plan="basic")["service"]
    session = session_of(shop, service)
    done = shop.call("POST", f"/v1/services/{service}/actions/rotate", {}, token=session,
                     headers={"Prefer": "wait=30", "Origin": "https://shop.example.com"})
    assert done.json["state"] == "done", done
    assert done.headers["Access-Control-Allow-Origin"] == "https://shop.example.com"
    shop.stop()
    files = [path.read_bytes() for path in shop.database.parent.rglob("*") if path.is_file()]
    assert not [data for data in files if session.encode() in data]
    assert session not in shop.log_text()
    shop.start()
    assert shop.call("GET", f"/v1/services/{service}/view", token=session).status == 200
    trail = shop.admin("GET", f"/v1/audit?service={service}").json["records"]
    assert ("customer:7", "session.create") not in [(row["actor"], row["what"]) for row in trail]
    assert "session.create" in [row["what"] for row in trail]
    assert "customer:7" in [row["actor"] for row in trail]


def test_a_session_of_other_keys_is_none(shop, make_provost):
    service = shop.await_operation("create", "1", product="support", plan="basic")["service"]
    session = session_of(shop, service)
    shop.stop()
    next(shop.database.parent.glob("provost.keys")).rename(shop.folder / "lost.keys")
    for path in shop.database.parent.glob("provost.db*"):
        path.unlink()
    shop.start()
    assert shop.call("GET", f"/v1/services/{service}", token=session).status == 401


def test_revealing_is_asked_for(shop):
    service = shop.await_operation("create", "1", product="support", plan="basic")["service"]
    reveal = f"/v1/services/{service}/queries/reveal"
    assert shop.call("POST", reveal, token=session_of(shop, service)).status == 403
    session = session_of(shop, service, scopes=["services:read", "services:reveal"])
    shown = shop.call("POST", reveal, token=session)
    assert shown.status == 200 and shown.json["components"][0]["result"]["support_key"]
    trail = shop.admin("GET", f"/v1/audit?service={service}").json["records"]
    assert ("customer:7", "service.reveal") in [(row["actor"], row["what"]) for row in trail]


def test_the_command_makes_one(shop, build):
    service = shop.await_operation("create", "1", product="support", plan="basic")["service"]

    def command(*words):
        return subprocess.run([build / "provost", "--socket", shop.socket_path, "service", "session",
                               *words], capture_output=True, text=True, timeout=60)

    done = command("shop/1", "--customer", "7", "--scopes", "services:read", "--expires", "5m")
    assert done.returncode == 0, done.stderr
    token = done.stdout.strip()
    assert shop.call("GET", f"/v1/services/{service}", token=token).status == 200
    assert shop.call("GET", f"/v1/services/{service}/operations", token=token).status == 403
    assert "--customer is needed" in command("shop/1").stderr
    assert "15m" in command("shop/1", "--customer", "7", "--expires", "1h").stderr
    assert command("shop/none", "--customer", "7").returncode == 4
