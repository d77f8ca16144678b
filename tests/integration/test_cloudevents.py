# SPDX-License-Identifier: Apache-2.0
"""A provostd that gets its events from the CloudEvents SDK for JavaScript."""

import npm
import pytest


@pytest.fixture
def shop(make_provost):
    npm.need()
    return make_provost({
        "plugins": {"support": {"module": "support"}},
        "products": {"support": {"components": [{"name": "support", "plugin": "support"}],
                                 "plans": {"basic": {}}}}}).start()


def create(number, **members):
    return {"id": f"e{number}", "source": "/shop", "type": "com.example.billing.service.create",
            "time": "2026-11-20T10:14:00.000Z", "datacontenttype": "application/json",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "data": {"service": {"id": str(number), "product": "support", "plan": "basic"},
                     "customer": {"email": "a@example.com"}}} | members


def send(shop, *requests):
    assert shop.api("GET", "/v1/services").status == 200  # makes the token
    return npm.run("cloudevents.js", {
        "url": f"http://127.0.0.1:{shop.port}/v1/events", "token": shop.token,
        "requests": [{"mode": mode, "events": events} for mode, *events in requests]})


def test_every_mode_of_the_sdk(shop):
    one, binary, many, again = send(
        shop, ("structured", create(1)), ("binary", create(2)), ("batch", create(3), create(1)),
        ("binary", create(1, id="e1")))
    assert one["sent"]["content-type"].startswith("application/cloudevents+json")
    assert binary["sent"]["ce-id"] == "e2"
    assert [answer["status"] for answer in (one, binary, many, again)] == [202] * 4
    assert not one["body"]["duplicate"] and not binary["body"]["duplicate"]
    assert [receipt["duplicate"] for receipt in many["body"]["operations"]] == [False, True]
    assert again["body"]["duplicate"]
    assert again["body"]["operation"] == one["body"]["operation"]
    for service in ("1", "2", "3"):
        assert shop.await_operation("renew", service)["state"] == "done"
    # as plain JSON it is a duplicate too
    event = {name: create(1)[name] for name in ("id", "time")} | create(1)["data"]
    plain = shop.api("POST", "/v1/events", event | {"type": "service.create"})
    assert (plain.status, plain.json["operation"]) == (202, one["body"]["operation"])


def test_faults_have_index_and_path(shop):
    wrong = create(2, source="https://example.com/another")
    unknown = create(3)
    unknown["data"]["service"]["plan"] = "basik"
    (answer,) = send(shop, ("batch", create(1), wrong, unknown))
    assert answer["status"] == 400
    assert [(e["index"], e["path"], e["code"]) for e in answer["body"]["errors"]] == [
        (1, "/source", "wrong_source"), (2, "/data/service/plan", "unknown_plan")]
    assert shop.api("GET", "/v1/services").json["services"] == []
