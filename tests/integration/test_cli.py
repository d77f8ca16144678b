# SPDX-License-Identifier: Apache-2.0
"""The command `provost` against a running provostd."""

import json
import os
import signal
import sqlite3
import subprocess
import threading

import pytest
from daemon import SLOW


def event(kind, service, plan="well", number=1):
    return json.dumps({"id": f"{kind}-{service}-{number}", "type": f"service.{kind}",
                       "customer": {"id": "1", "email": "a@example.com"},
                       "service": {"id": service, "product": "good", "plan": plan}})


def send(ask, one, kind, service, *words, **more):
    return ask(one, "event", "send", "-", "--source", "shop", *words, stdin=event(kind, service, **more))


def test_token_as_the_documentation_has_it(misbehaving, ask, cli):
    one = misbehaving.start()
    token = ask(one, "token", "create", "--source", "shop", "--scopes", "events:write,services:read", "--quiet")
    assert token.startswith("provost_") and token.count("\n") == 1
    assert one.call("GET", "/v1/services", token=token.strip()).status == 200
    listed = ask(one, "token", "list", "--json")["tokens"]
    mine = [entry for entry in listed if entry["scopes"] == ["events:write", "services:read"]][0]
    assert mine["id"] in ask(one, "token", "list")
    assert (mine["rate"], mine["burst"]) == (None, None)
    ask(one, "token", "create", "--source", "slow", "--scopes", "services:read", "--rate", "5",
        "--burst", "9")
    ask(one, "token", "create", "--source", "fast", "--scopes", "services:read", "--rate", "0")
    limits = {t["source"]: (t["rate"], t["burst"]) for t in ask(one, "token", "list", "--json")["tokens"]}
    assert (limits["slow"], limits["fast"]) == ((5, 9), (0, 0))
    assert cli(one, "token", "create", "--source", "x", "--scopes", "admin", "--burst", "9").returncode == 1
    ask(one, "token", "revoke", mine["id"])
    assert one.call("GET", "/v1/services", token=token.strip()).status == 401
    assert cli(one, "token", "revoke", "tok_" + "0" * 25 + "1").returncode == 4
    done = cli(one, "token", "create", "--source", "shop", "--scopes", "events:wirte")
    assert (done.returncode, "events:wirte" in done.stderr) == (1, True)


def test_the_life_of_a_service(misbehaving, ask, cli):
    one = misbehaving.start()
    output = send(ask, one, "create", "s/1", "--wait", "30s")
    assert "\n" in output and "done" in output
    assert "yes" in send(ask, one, "create", "s/1"), "a duplicate"
    assert "active" in ask(one, "service", "list", "--source", "shop")
    shown = ask(one, "service", "show", "shop/s/1", "--json")
    assert (shown["external_id"], shown["state"]) == ("s/1", "active")
    assert "misbehave" in ask(one, "service", "show", "shop/s/1")
    operation = ask(one, "operation", "list", "--service", "shop/s/1", "-q").strip()
    page = ask(one, "operation", "show", operation)
    assert "prepare" in page and "history" in page
    assert ask(one, "operation", "watch", operation).splitlines()[-1].endswith("done")
    assert "Nothing is under way" in ask(one, "explain", "shop/s/1")
    assert cli(one, "service", "show", "shop/other").returncode == 4
    done = cli(one, "event", "send", "-", "--source", "shop", stdin=event("create", "s/1", number=2))
    assert done.returncode == 1, "an active service is not created again"


def test_watch_sees_the_end(misbehaving, ask, cli, backend):
    one = misbehaving.start()
    operation = send(ask, one, "create", "s1", "-q", plan="wait").strip()
    backend.await_waiting(1)
    assert cli(one, "operation", "watch", operation, "--timeout", "10ms").returncode == 6
    ended = []
    thread = threading.Thread(target=lambda: ended.append(cli(one, "operation", "watch", operation)))
    thread.start()
    backend.release()
    thread.join(60 * SLOW)
    assert ended[0].returncode == 0, ended[0].stdout + ended[0].stderr
    assert "thing.act: ok" in ended[0].stdout


def test_an_operation_is_waited_for(misbehaving, ask, backend):
    one = misbehaving.start()
    operation = send(ask, one, "create", "s1", "-q", plan="wait").strip()
    backend.await_waiting(1)
    path = f"/v1/operations/{operation}"
    answers = []

    def wait(seconds):
        answers.append(one.admin("GET", path, headers={"Prefer": f"wait={seconds}"}))

    wait(1)
    assert answers[0].json["state"] == "running", "nothing happened"
    assert answers[0].headers["Preference-Applied"] == "wait"
    thread = threading.Thread(target=wait, args=(60,))
    thread.start()
    backend.release()
    thread.join(30 * SLOW)
    assert answers[1].json["state"] == "done"
    wait(60)
    assert answers[2].json == answers[1].json, "what is over is not waited for"


def test_nothing_is_missed_between_two_looks(misbehaving, ask, backend):
    """Who says what it has seen is answered as soon as that is not all any more, also when it was over
    before the question came. Each answer would otherwise take 60 s, longer than the test waits."""
    one = misbehaving.start()
    operation = send(ask, one, "create", "s1", "-q", plan="wait").strip()
    backend.await_waiting(1)
    path = f"/v1/operations/{operation}"
    first = one.admin("GET", path).json
    assert first == one.admin("GET", path).json, "the same as long as nothing happens"
    stale = one.admin("GET", path + "?seen=0123", headers={"Prefer": "wait=60"}, timeout_s=30 * SLOW)
    assert stale.json == first
    looks = []

    def follow():
        looks.append(first)
        while looks[-1]["state"] != "done":
            seen = looks[-1]["version"]
            looks.append(one.admin("GET", f"{path}?seen={seen}", headers={"Prefer": "wait=60"},
                                   timeout_s=30 * SLOW).json)

    thread = threading.Thread(target=follow)
    thread.start()
    backend.release()
    thread.join(60 * SLOW)
    assert looks[-1]["state"] == "done"
    versions = [look["version"] for look in looks]
    assert len(set(versions)) == len(versions), "each answer says something new"
    same = one.admin("GET", f"{path}?seen={versions[-1]}", headers={"Prefer": "wait=60"}, timeout_s=30 * SLOW)
    assert same.json == looks[-1], "what is over is not waited for"


def test_an_operator_decides(misbehaving, ask, cli):
    one = misbehaving.start()
    done = cli(one, "event", "send", "-", "--source", "shop", "--wait", "50s", stdin=event("create", "s1", "crash"))
    assert done.returncode == 5, done.stdout + done.stderr
    operation = ask(one, "operation", "list", "--state", "needs_operator", "-q").strip()
    explained = ask(one, "explain", operation)
    assert "needs an operator" in explained and "What to do: " in explained
    done = cli(one, "operation", "skip", operation, "--reason", "seen to by hand", "--wait", "30s")
    assert done.returncode == 0, done.stdout + done.stderr
    trail = ask(one, "audit", "show", "--limit", "1000")
    assert "seen to by hand" in trail and f"uid:{os.getuid()}" in trail
    assert cli(one, "operation", "retry", operation, "--reason", "again").returncode == 1, "it is done"


def test_instances(misbehaving, ask, cli):
    one = misbehaving.start()
    assert "closed" in ask(one, "instance", "list")
    assert ask(one, "instance", "test", "good").startswith("good: works")
    ask(one, "instance", "pause", "good", "--reason", "maintenance")
    operation = send(ask, one, "create", "s1", "-q").strip()
    assert cli(one, "operation", "watch", operation, "--timeout", "1ms").returncode == 6
    assert "instance good is paused" in ask(one, "explain", operation)
    assert "yes" in ask(one, "instance", "list")
    ask(one, "instance", "resume", "good", "-r", "over")
    assert cli(one, "operation", "watch", operation).returncode == 0
    assert cli(one, "instance", "test", "none").returncode == 4
    assert "misbehave" in ask(one, "plugin", "list")


def test_status_and_reload(misbehaving, ask, cli):
    one = misbehaving.start()
    page = ask(one, "status")
    assert str(one.config) in page and "good" in page
    assert ask(one, "status", "-q") == "ready\n"
    assert "the new configuration is in use" in ask(one, "reload")
    one.config.write_text(one.config.read_text().replace('"listen"', '"listne"'))
    done = cli(one, "reload")
    assert done.returncode == 1
    assert "listne" in done.stderr and "did you mean" in done.stderr
    assert cli(one, "config", "check").returncode == 1


def test_audit_trail_that_somebody_changed(misbehaving, ask, cli):
    one = misbehaving.start()
    send(ask, one, "create", "s1", "--wait", "30s")
    assert ask(one, "audit", "verify").startswith("the audit trail is whole")
    one.stop()
    with sqlite3.connect(one.database) as database:
        changed = database.execute("UPDATE audit SET what = 'event.forged' WHERE rowid = 2").rowcount
    assert changed == 1
    one.start()
    done = cli(one, "audit", "verify")
    assert done.returncode == 1
    assert "the audit trail is broken" in done.stdout and "event.forged" in done.stdout


def test_config_check(make_provost, ask, cli):
    one = make_provost()
    assert "is in order" in ask(one, "config", "check")
    assert ask(one, "config", "check", "--json") == {"success": True, "errors": []}
    one.configure({"listne": 1})
    done = cli(one, "config", "check")
    assert done.returncode == 1
    assert f"{one.config}:" in done.stderr and "did you mean" in done.stderr
    problems = json.loads(cli(one, "config", "check", "--json").stdout)
    assert (problems["success"], problems["errors"][0]["code"]) == (False, "unknown_key")
    assert "properties" in json.loads(subprocess.run([one.build / "provost", "config", "schema"], check=True,
                                                     capture_output=True, text=True).stdout)


def test_database(make_provost, ask, cli):
    one = make_provost()
    assert cli(one, "db", "status").returncode == 4
    assert "is up to date" in ask(one, "db", "migrate")
    assert ask(one, "db", "status", "--json")["up_to_date"] is True
    one.start()
    done = cli(one, "db", "migrate")
    assert (done.returncode, "stop it, then migrate" in done.stderr) == (8, True)
    assert "is up to date" in ask(one, "db", "status")
    one.stop()
    with sqlite3.connect(one.database) as database:
        database.execute("INSERT INTO schema_version VALUES(9999, 0)")
    done = cli(one, "db", "status")
    assert (done.returncode, "made by a newer Provost" in done.stdout) == (1, True)
    assert cli(one, "db", "migrate").returncode == 1
    one.database.write_bytes(b"no database" * 500)
    assert cli(one, "db", "status").returncode == 1


def test_a_daemon_that_has_ended(misbehaving, cli):
    one = misbehaving.start()
    one.process.send_signal(signal.SIGKILL)
    one.process.wait()
    one.process = None
    done = cli(one, "status")
    assert done.returncode == 3
    assert "start provostd" in done.stderr or "nothing listens" in done.stderr
