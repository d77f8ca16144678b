# SPDX-License-Identifier: Apache-2.0
"""The trace of a request goes on to the backends and into the log."""

import re

import pytest

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def event(kind, service, plan):
    return {"id": f"{service}-{kind}-1", "type": f"service.{kind}",
            "service": {"id": service, "product": "good", "plan": plan},
            **({"customer": {"id": "c1", "email": "customer@example.com"}} if kind == "create" else {})}


def fire(one, backend, body, headers):
    """The traceparents that the backend was sent for an operation."""
    before = len(backend.headers)
    answer = one.api("POST", "/v1/events", body, headers={"Prefer": "wait=20"} | headers)
    assert answer.status == 200 and answer.json["state"] == "done", answer
    return [headers.get("traceparent") for headers in backend.headers[before:]]


def test_it_is_passed_on_with_spans_of_its_own(misbehaving, backend):
    one = misbehaving.start()
    first = fire(one, backend, event("create", "s1", "well"), {"traceparent": PARENT})
    second = fire(one, backend, event("create", "s2", "well"), {"traceparent": PARENT})
    sent = first + second
    assert len(first) >= 1 and len(second) >= 1
    spans = [re.fullmatch(f"00-{TRACE}-([0-9a-f]{{16}})-01", text or "") for text in sent]
    assert all(spans), sent
    ids = {span.group(1) for span in spans} | {"b7ad6b7169203331"}
    assert len(ids) == len(sent) + 1, sent
    ended = [line for line in one.log_lines() if line.get("message", "").startswith("operation ended")]
    assert [line.get("trace_id") for line in ended] == [TRACE, TRACE]
    # It is no part of what is compared: this is the same event.
    answer = one.api("POST", "/v1/events", event("create", "s1", "well"))
    assert answer.status == 202 and answer.json["duplicate"], answer


@pytest.mark.parametrize("header", [
    None, "", PARENT[:-1], PARENT.upper(), "00-" + "0" * 32 + PARENT[35:], PARENT + "\t,x", "01" + PARENT[2:]])
def test_what_is_no_trace_is_left_out(misbehaving, backend, header):
    one = misbehaving.start()
    headers = {} if header is None else {"traceparent": header}
    sent = fire(one, backend, event("create", "s1", "well"), headers)
    assert sent and set(sent) == {None}
    assert not any("trace_id" in line for line in one.log_lines())


def test_it_outlives_the_daemon(misbehaving, backend):
    """What waits for a backend while provostd is killed is sent with the trace afterwards, too."""
    one = misbehaving.start()
    answer = one.api("POST", "/v1/events", event("create", "s1", "wait"), headers={"traceparent": PARENT})
    assert answer.status == 202
    backend.await_waiting(1)
    one.kill()
    before = len(backend.headers)
    backend.release()
    one.start()
    assert one.await_operation("create", "s1", product="good", plan="wait")["state"] == "done"
    assert {headers.get("traceparent")[:36] for headers in backend.headers[before:]} == {PARENT[:36]}


def test_a_cloudevent_carries_one(misbehaving, backend):
    one = misbehaving.start()
    cloud = {"specversion": "1.0", "id": "e1", "source": "/shop", "type": "service.create",
             "traceparent": PARENT, "data": {"service": {"id": "s1", "product": "good", "plan": "well"},
                                             "customer": {"email": "customer@example.com"}}}
    sent = fire(one, backend, cloud, {"Content-Type": "application/cloudevents+json"})
    assert sent and {text[:36] for text in sent} == {PARENT[:36]}


def test_an_action_carries_one(misbehaving, backend):
    one = misbehaving.start()
    service = one.await_operation("create", "s1", product="good", plan="well")["service"]
    before = len(backend.headers)
    answer = one.api("POST", f"/v1/services/{service}/actions/again", {},
                     headers={"Prefer": "wait=20", "traceparent": PARENT})
    assert answer.status == 200 and answer.json["state"] == "done", answer
    sent = [headers.get("traceparent") for headers in backend.headers[before:]]
    assert sent and {text[:36] for text in sent} == {PARENT[:36]}
