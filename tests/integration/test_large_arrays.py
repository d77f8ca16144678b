# SPDX-License-Identifier: Apache-2.0
"""Bodies far above the default of http.max_body, where the configuration allows them: they are accepted,
and one event has a limit of its own, which is named."""

import pytest

MIB = 1048576
CALL = {"path": "/create", "idempotent": True}


@pytest.fixture
def one(make_provost):
    """The instance is paused: nothing is called."""
    one = make_provost({
        "http": {"max_body": "16MiB", "body_timeout": "60s"},
        "plugins": {"keys": {"module": "http", "settings": {
            "url": "http://127.0.0.1:9", "checkout": [{"name": "note", "type": "string"}],
            "operations": {"create": [CALL], "terminate": [CALL]}}}},
        "products": {"site": {"components": [{"name": "site", "plugin": "keys"}], "plans": {"basic": {}}}},
        "sources": {"paymenter": {"compat": "paymenter-backend", "products": {"site": "site"}}},
    }).start()
    assert one.admin("POST", "/v1/instances/keys/pause", {"reason": "large"}).status in (200, 204)
    return one


def event(number, note):
    return {"id": f"e-{number}", "type": "service.create", "customer": {"email": "a@example.com"},
            "service": {"id": f"s-{number}", "product": "site", "plan": "basic", "params": {"note": note}}}


def test_an_array_of_8_mib_is_accepted_whole(one):
    body = [event(n, f"{n} " + "x" * 20000) for n in range(400)]
    first = one.api("POST", "/v1/events", body)
    assert first.status == 202, first
    assert len(first.json["operations"]) == 400
    again = one.api("POST", "/v1/events", body)
    assert [o["operation"] for o in again.json["operations"]] == [
        o["operation"] for o in first.json["operations"]]
    assert all(o["duplicate"] for o in again.json["operations"])
    other = one.api("POST", "/v1/events", body[:399] + [event(399, "399 " + "x" * 19999 + "y")])
    assert other.status == 409 and other.json["errors"][0]["index"] == 399, other


def test_an_event_has_a_limit_which_is_named(one):
    fits = one.api("POST", "/v1/events", [event(1, "x" * (MIB - 300)), event(2, "x")])
    assert fits.status == 202, fits
    refused = one.api("POST", "/v1/events", [event(3, "x"), event(4, "x" * (MIB + 1))])
    assert refused.status == 400, refused
    [error] = refused.json["errors"]
    assert (error["index"], error["code"]) == (1, "too_large")
    assert "at most 1048576 bytes" in error["error"]


@pytest.mark.parametrize("size, status", [(MIB - 300, 200), (MIB, 413), (3 * MIB, 413)])
def test_the_routes_of_paymenter_have_the_same_limit(one, size, status):
    made = one.admin("POST", "/v1/tokens", {"source": "paymenter", "scopes": ["events:write"]})
    answer = one.call("POST", "/create-site", {"service_id": "1", "email": "a@example.com", "plan": "basic",
                                               "note": "x" * size}, token=made.json["token"])
    assert answer.status == status, answer
    assert answer.json["success"] is (status == 200)
    if status == 413:
        assert (answer.json["code"], answer.json["error"]) == (
            "too_large", "an event holds at most 1048576 bytes")
