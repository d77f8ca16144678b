# SPDX-License-Identifier: Apache-2.0
"""Webhooks: signed, tried again, in order, over restarts and reloads; and what an operator sees and
does."""

import json
import re
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import invariants
import jsonschema
import npm
import pytest
from daemon import SLOW
from receiver import Receiver, new_secret, verify

COMPLETED = "operation.completed"


@pytest.fixture
def receiver():
    with Receiver() as one:
        yield one


@pytest.fixture
def subscribed(misbehaving, receiver):
    """A provostd whose subscriber "shop" is the receiver; fast retries. Not started."""
    secret = new_secret()
    misbehaving.secret = secret
    secret_file = misbehaving.folder / "shop.whsec"
    secret_file.write_text(secret + "\n")
    misbehaving.configure(misbehaving.options | {"subscribers": {"shop": {
        "url": receiver.url, "secrets": [f"${{file:{secret_file}}}"], "timeout": "1m",
        "retry": {"initial": "20ms", "cap": "200ms"}}}})
    return misbehaving


def change(one, **members):
    options = json.loads(json.dumps(one.options))
    options["subscribers"]["shop"] |= members
    one.configure(options)


def of(got, service, kind=COMPLETED):
    return [r for r in got if r["json"]["type"] == kind
            and r["json"]["data"]["service"]["external_id"] == service]


def create(one, service, plan="well"):
    return one.event("create", service, product="good", plan=plan, wait_s=20)["operation"]


def test_an_end_is_told_and_signed(subscribed, receiver):
    one = subscribed.start()
    op = create(one, "s1")
    receiver.wait(lambda got: len(got) == 2)
    done, changed = receiver.got
    for request in (done, changed):
        assert request["path"] == "/hook"
        assert request["headers"]["content-type"] == "application/json"
        assert verify(one.secret, request["headers"], request["body"])
        assert not verify(one.secret, request["headers"], request["body"] + b" ")
        assert not verify(new_secret(), request["headers"], request["body"])
        assert re.fullmatch(r"msg_[a-z0-9_]+", request["id"])
    assert done["id"] != changed["id"]
    assert done["json"]["type"] == COMPLETED
    assert changed["json"]["type"] == "service.state_changed"
    data = done["json"]["data"]
    assert data["message"] == "The service is set up."
    assert data["operation"]["id"] == op and data["operation"]["state"] == "done"
    assert data["operation"]["type"] == "create" and data["operation"]["reason"] is None
    assert data["service"]["external_id"] == "s1" and data["service"]["source"] == "shop"
    assert data["service"]["state"] == "active" and data["service"]["previous_state"] == "pending"


@pytest.mark.parametrize("failure", [500, None, 0, (503, {"Retry-After": "1"}), 301])
def test_what_fails_is_sent_again_as_it_was(subscribed, receiver, failure):
    receiver.answer = lambda _r: failure if len(receiver.got) < 2 else 204
    if failure == 0:  # no answer within the limit
        change(subscribed, timeout=f"{2 * SLOW}s")
    one = subscribed.start()
    create(one, "s1")
    receiver.wait(lambda got: len(got) >= 4)
    first = receiver.got[0]
    tries = [r for r in receiver.got if r["id"] == first["id"]]
    assert len(tries) == 3
    assert {r["body"] for r in tries} == {first["body"]}
    if isinstance(failure, tuple):
        assert tries[1]["at"] - tries[0]["at"] >= 1


def test_a_failure_holds_its_own_service_only(subscribed, receiver):
    bad = {"on": True}
    receiver.answer = lambda r: (
        500 if bad["on"] and r["json"]["data"]["service"]["external_id"] == "s1" else 204)
    change(subscribed, events=[COMPLETED])
    one = subscribed.start()
    create(one, "s1")
    one.await_operation("suspend", "s1")
    for service in ("s2", "s3"):
        create(one, service)
        one.await_operation("suspend", service)
    receiver.wait(lambda got: len(of(got, "s2")) == 2 and len(of(got, "s3")) == 2)
    assert {r["json"]["data"]["operation"]["type"] for r in of(receiver.got, "s1")} == {"create"}
    bad["on"] = False
    receiver.wait(lambda got: [r for r in of(got, "s1")
                               if r["json"]["data"]["operation"]["type"] == "suspend"])
    for service in ("s1", "s2", "s3"):
        told = [r["json"]["data"]["operation"]["type"] for r in of(receiver.taken(), service)]
        assert told == ["create", "suspend"]


def test_deliveries_survive_a_kill(subscribed, receiver):
    receiver.answer = lambda _r: 500
    one = subscribed.start()
    ops = {create(one, f"s{i}") for i in range(5)}
    receiver.wait(lambda got: len(got) >= 5)
    before = {r["id"]: r["body"] for r in receiver.got}
    one.kill()
    with receiver.lock:
        receiver.got.clear()
        receiver.answer = lambda _r: 204
    one.start()
    receiver.wait(lambda got: len({r["id"] for r in got}) == 10)
    told = {r["json"]["data"]["operation"]["id"] for r in receiver.got
            if r["json"]["type"] == COMPLETED}
    assert told == ops
    assert one.stop() == 0
    assert invariants.check(one.database) == []
    assert invariants.complete(one.database, "shop") == []
    for request in receiver.got:
        assert before.get(request["id"], request["body"]) == request["body"]
        assert verify(one.secret, request["headers"], request["body"])


def test_two_secrets_sign_while_one_is_replaced(subscribed, receiver):
    new = new_secret()
    old = subscribed.secret
    one = subscribed.start()
    create(one, "s1")
    receiver.wait(lambda got: len(got) == 2)
    change(one, secrets=[old, new])
    assert "refused" not in one.reload()
    create(one, "s2")
    receiver.wait(lambda got: len(got) == 4)
    for request in receiver.got[2:]:
        assert verify(old, request["headers"], request["body"])
        assert verify(new, request["headers"], request["body"])
        assert len(request["headers"]["webhook-signature"].split(" ")) == 2
    change(one, secrets=[new])
    one.reload()
    create(one, "s3")
    receiver.wait(lambda got: len(got) == 6)
    last = receiver.got[-1]
    assert verify(new, last["headers"], last["body"])
    assert not verify(old, last["headers"], last["body"])
    assert old not in one.log_text() and new not in one.log_text()


def test_subscribers_come_and_go_with_a_reload(misbehaving, receiver):
    one = misbehaving.start()
    create(one, "s1")
    one.configure(one.options | {"subscribers": {"late": {
        "url": receiver.url, "secrets": [new_secret()], "events": [COMPLETED]}}})
    assert "refused" not in one.reload()
    create(one, "s2")
    receiver.wait(lambda got: of(got, "s2"))
    assert not of(receiver.got, "s1")
    one.configure({k: v for k, v in one.options.items() if k != "subscribers"})
    assert "refused" not in one.reload()
    create(one, "s3")
    assert not of(receiver.got, "s3")
    records = [r["what"] for r in one.admin("GET", "/v1/audit?limit=1000").json["records"]]
    assert records.count("webhook.subscribed") == 1 and records.count("webhook.unsubscribed") == 1


def test_a_receiver_in_use_elsewhere_takes_them(subscribed, receiver):
    """The package `standardwebhooks`, with each of two secrets; not with another one, not when a byte of
    the body, the id or the time was changed."""
    npm.need()
    new = new_secret()
    change(subscribed, secrets=[subscribed.secret, new])
    one = subscribed.start()
    create(one, "s1")
    receiver.wait(lambda got: len(got) == 2)
    schema = json.loads((Path(__file__).resolve().parents[2] / "schema/notification.json").read_text())
    asked = []
    for request in receiver.got:
        jsonschema.Draft202012Validator(schema).validate(request["json"])
        headers = {k: v for k, v in request["headers"].items() if k.startswith("webhook-")}
        body = request["body"].decode()
        asked += [(True, one.secret, headers, body), (True, new, headers, body),
                  (False, new_secret(), headers, body),
                  (False, new, headers, body.replace("active", "Active")),
                  (False, new, headers | {"webhook-id": headers["webhook-id"] + "1"}, body),
                  (False, new, headers | {"webhook-timestamp": str(int(time.time()) - 1)}, body)]
    verdicts = npm.run("standardwebhooks.js", [
        {"secret": secret, "headers": headers, "body": body} for _, secret, headers, body in asked])
    assert [v["ok"] for v in verdicts] == [ok for ok, *_ in asked], verdicts
    assert {v["type"] for v in verdicts if v["ok"]} == {COMPLETED, "service.state_changed"}


def cli(one, *words):
    ran = subprocess.run([one.build / "provost", "-c", one.config, *words], capture_output=True,
                         text=True, env=one.env, timeout=60 * SLOW)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def state_of(one):
    return one.admin("GET", "/v1/webhooks").json["subscribers"][0]


def await_record(one, what, timeout_s=60 * SLOW):
    """Until the audit trail has a record of it."""
    deadline = time.monotonic() + timeout_s
    while what not in one.admin("GET", "/v1/audit?limit=1000").text:
        assert time.monotonic() < deadline, one.log_text()


def test_gone_disables_until_it_is_enabled(subscribed, receiver):
    receiver.answer = lambda _r: 410
    change(subscribed, events=[COMPLETED])
    one = subscribed.start()
    create(one, "s1")
    receiver.wait(lambda got: len(got) == 1)
    await_record(one, "webhook.disabled")
    assert state_of(one)["state"] == "disabled"
    assert state_of(one)["waiting"] == 1 and "410" in state_of(one)["reason"]
    assert one.metrics()["provost_webhooks_disabled_total"] == 1
    create(one, "s2")
    assert state_of(one)["waiting"] == 1
    receiver.answer = lambda _r: 204
    assert "is enabled" in cli(one, "webhook", "enable", "shop", "--reason", "it is back")
    receiver.wait(lambda got: len(receiver.taken()) == 1)
    create(one, "s3")
    receiver.wait(lambda got: len(receiver.taken()) == 2)
    assert [r["json"]["data"]["service"]["external_id"] for r in receiver.taken()] == ["s1", "s3"]
    end = time.monotonic() + 60 * SLOW
    while one.metrics()["provost_webhooks_delivered_total"] < 2:  # once the answer is written down
        assert time.monotonic() < end, one.metrics()
    assert one.stop() == 0
    assert invariants.check(one.database) == []


def test_what_was_given_up_is_seen_and_tried_again(subscribed, receiver):
    receiver.answer = lambda _r: 500
    change(subscribed, events=[COMPLETED],
           retry={"initial": "10ms", "cap": "20ms", "for": "200ms"})
    one = subscribed.start()
    create(one, "s1")
    await_record(one, "webhook.undelivered")
    assert state_of(one)["undelivered"] == 1
    shown = one.admin("GET", "/v1/webhooks/shop/notifications").json["notifications"]
    assert [(n["state"], n["error"]) for n in shown] == [("undelivered", "HTTP 500")]
    assert "undelivered" in cli(one, "webhook", "show", "shop")
    assert "shop" in cli(one, "webhook", "list")
    receiver.answer = lambda _r: 204
    assert cli(one, "webhook", "retry", "shop").startswith("1 tried again")
    receiver.wait(lambda got: len(receiver.taken()) == 1)
    records = [r["what"] for r in one.admin("GET", "/v1/audit?limit=1000").json["records"]]
    assert records.count("webhook.undelivered") == 1 and records.count("webhook.retry") == 1
    assert one.admin("POST", "/v1/webhooks/nobody/retry").status == 404
    assert one.admin("POST", "/v1/webhooks/shop/retry", {"notification": "99"}).status == 404
    assert one.api("GET", "/v1/webhooks").status == 403
    assert "provost_webhooks_undelivered_total 1" in one.admin("GET", "/metrics").text
    assert one.stop() == 0
    assert invariants.check(one.database) == []


def test_a_body_that_cannot_be_opened_blocks_nothing(subscribed, receiver):
    receiver.answer = lambda _r: 500
    change(subscribed, events=[COMPLETED])
    one = subscribed.start()
    create(one, "s1")
    one.await_operation("suspend", "s1")
    create(one, "s2")
    receiver.wait(lambda got: of(got, "s1") and of(got, "s2"))
    assert one.stop() == 0
    with closing(sqlite3.connect(one.database)) as db, db:
        db.execute("UPDATE outbox SET body_sealed = zeroblob(64) WHERE n = (SELECT min(n) FROM outbox)")
    with receiver.lock:
        receiver.got.clear()
        receiver.answer = lambda _r: 204
    one.start()
    receiver.wait(lambda got: of(got, "s1") and of(got, "s2"))
    assert {(r["json"]["data"]["service"]["external_id"], r["json"]["data"]["operation"]["type"])
            for r in receiver.got} == {("s1", "suspend"), ("s2", "create")}
    await_record(one, "webhook.undelivered")
    assert state_of(one)["undelivered"] == 1
    shown = one.admin("GET", "/v1/webhooks/shop/notifications").json["notifications"]
    assert [(n["state"], n["error"]) for n in shown
            if n["state"] == "undelivered"] == [("undelivered", "its body cannot be opened")]
    row = next(line for line in cli(one, "webhook", "list").splitlines() if "shop" in line)
    assert row.split()[3] == "1"  # undelivered
    assert "its body cannot be opened" in cli(one, "webhook", "show", "shop")
    assert one.log_text().count("its body cannot be opened") == 1
    assert one.stop() == 0
    assert invariants.check(one.database) == []
