# SPDX-License-Identifier: Apache-2.0
"""A backend that was given the URL of a signal wakes the step that waits for it, without any token;
with another key, or another operation's, it finds nothing. The key is nowhere to be read."""

import http.client
import json
import urllib.parse

import daemon
import pytest
from daemon import SLOW


@pytest.fixture
def one(make_provost, backend):
    port = daemon.free_port()
    return make_provost({
        "listen": f"127.0.0.1:{port}",
        "callback_url": f"http://127.0.0.1:{port}/",
        "log": {"level": "debug"},
        "plugins": {"shop": {"module": "called", "settings": {"url": backend.url}}},
        "products": {"order": {"components": [{"name": "order", "plugin": "shop"}],
                               "plans": {"basic": {}}}},
    })


def send(url, body=None, method="POST", headers=None):
    """What a backend does with a URL that it was given: its status."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60 * SLOW)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", body, headers or {})
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, json.loads(text)
    finally:
        connection.close()


def order(one, backend, service):
    """An operation that waits for its signal, and the URL that the backend was given."""
    made = one.event("create", service, product="order", plan="basic")
    url = backend.await_told(service)["callback"]
    assert url.startswith(f"{one.options['callback_url']}v1/operations/{made['operation']}/signals/paid?key=")
    return made["operation"], url


def key_of(url):
    return urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["key"][0]


@pytest.mark.parametrize("body", [b'{"amount": 5}', b"[1]", None])
def test_a_backend_calls_back(one, backend, body):
    one.start()
    op, url = order(one, backend, "s1")
    # Payment providers have their own ideas of a POST.
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": "Basic cHJvOnZpZGVy"}
    status, answer = send(url, body, headers=headers)
    assert (status, answer) == (202, {"operation": op, "signal": "paid"})
    shown = one.await_operation("create", "s1", product="order", plan="basic")
    assert shown["state"] == "done", shown
    assert [e["first"] for e in backend.effects] == [body.decode()[0] if body else "n"]
    assert send(url, b"{}")[0] == 409  # it is over


def test_only_its_own_key_fits(one, backend):
    one.start()
    first, url = order(one, backend, "s1")
    second, other = order(one, backend, "s2")
    key, foreign = key_of(url), key_of(other)
    assert len(key) == 32 and key != foreign
    unknown = url.replace(first, "op_00000000000000000000000000")
    wrong = "0" * len(key) if key[0] != "0" else "1" * len(key)
    expected = send(unknown, b"{}")
    assert expected[0] == 404
    for bad in (wrong, foreign, key[:-1], key[:-2], key + "00", "", "%", "x" * len(key)):
        assert send(url.replace(key, bad), b"{}") == expected, bad
    assert send(url.partition("?")[0], b"{}")[0] == 401
    assert send(url, method="GET")[0] == 405
    for service in ("s1", "s2"):  # nobody was woken by that
        assert backend.count(service) == 0
    assert {one.operation(op)["state"] for op in (first, second)} <= {"ready", "running"}
    assert send(other, b"{}")[0] == 202
    done = one.await_operation("create", "s2", product="order", plan="basic")
    assert done["operation"] == second and done["state"] == "done", done
    assert backend.count("s1") == 0
    # The key outlasts a restart.
    assert one.stop() == 0
    one.start()
    assert send(url, b"{}")[0] == 202
    assert one.await_operation("create", "s1", product="order", plan="basic")["state"] == "done"


def test_the_key_is_nowhere_to_be_read(one, backend):
    one.start()
    op, url = order(one, backend, "s1")
    key = key_of(url)
    assert send(url, b"{}")[0] == 202
    shown = one.await_operation("create", "s1", product="order", plan="basic")
    assert "/signals/paid?key=******" in json.dumps(shown)
    audit = one.admin("GET", "/v1/audit").json
    assert any(r["actor"] == "signal" and r.get("operation") == op for r in audit["records"]), audit
    assert "/signals/paid?key=******" in one.log_text()
    for text in (json.dumps(shown), json.dumps(audit), one.log_text(),
                 one.admin("GET", f"/v1/explain/{op}").text):
        assert key not in text


def test_without_a_public_address_there_is_no_url(one, backend):
    del one.options["callback_url"]
    one.configure(one.options)
    one.start()
    shown = one.await_operation("create", "s1", product="order", plan="basic")
    assert shown["state"] == "failed", shown
    assert "callback_url" in json.dumps(shown)
