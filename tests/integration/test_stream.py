# SPDX-License-Identifier: Apache-2.0
"""GET /v1/stream: what happens, in order, without a gap and without anything twice, over lost
connections and restarts."""

import contextlib
import http.client
import json
import re
import socket
import threading
import time

import provost as daemons
import pytest
from daemon import SLOW

COMPLETED = "operation.completed"


class Stream:
    """A client of server-sent events. Events are dicts with id, event and data."""

    def __init__(self, one, last=None, token=None, query="", timeout_s=60 * SLOW):
        self.connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=timeout_s)
        headers = {"Authorization": f"Bearer {token or one.token}"}
        if last:
            headers["Last-Event-ID"] = last
        self.connection.request("GET", "/v1/stream" + query, headers=headers)
        self.answer = self.connection.getresponse()
        self.last = last
        if self.answer.status == 200:
            assert self.answer.headers["Content-Type"] == "text/event-stream"
            # What comes first: where it begins, or that it cannot go on from there.
            self.first = self.frame()

    def frame(self):
        """The next frame; None at the end."""
        found = {}
        while True:
            line = self.answer.readline().decode()
            if not line:
                return None
            line = line.rstrip("\n")
            if not line:
                self.last = found.get("id", self.last)
                return found
            name, value = line.split(":", 1)
            found[name or "comment"] = value.strip()

    def next(self):
        while True:
            frame = self.frame()
            if frame is None or "event" in frame:
                if frame and "data" in frame:
                    frame["data"] = json.loads(frame["data"])
                return frame

    def read(self, count):
        return [self.next() for _ in range(count)]

    def close(self):
        self.connection.close()
        self.answer.close()


@pytest.fixture
def one(misbehaving):
    one = misbehaving.start()
    one.api("GET", "/v1/services")  # makes the token
    return one


def create(one, service):
    return one.event("create", service, product="good", plan="well", wait_s=20)["operation"]


def names(events):
    return [(e["event"], e["data"]["data"]["service"]["external_id"]) for e in events]


def test_tells_what_happens(one):
    stream = Stream(one)
    op = create(one, "s1")
    done, changed = stream.read(2)
    assert done["event"] == COMPLETED and changed["event"] == "service.state_changed"
    assert done["data"]["data"]["operation"]["id"] == op
    service = done["data"]["data"]["service"]
    assert service["state"] == "active" and service["previous_state"] == "pending"
    assert done["id"].endswith(".0") and changed["id"] == done["id"][:-1] + "1"
    one.await_operation("suspend", "s1")
    assert names(stream.read(2)) == [(COMPLETED, "s1"), ("service.state_changed", "s1")]
    stream.close()


def test_goes_on_where_it_was(one):
    stream = Stream(one)
    begin = stream.last
    create(one, "s1")
    first = stream.next()
    stream.close()
    create(one, "s2")
    again = Stream(one, last=first["id"])
    assert names(again.read(3)) == [("service.state_changed", "s1"), (COMPLETED, "s2"),
                                    ("service.state_changed", "s2")]
    last = again.last
    again.close()
    one.stop()
    one.start()
    again = Stream(one, last=last)
    create(one, "s3")
    assert names(again.read(2)) == [(COMPLETED, "s3"), ("service.state_changed", "s3")]
    again.close()
    whole = Stream(one, last=begin)
    assert [n for e, n in names(whole.read(6)) if e == COMPLETED] == ["s1", "s2", "s3"]
    whole.close()


def test_only_what_is_asked_for(one):
    mine = one.operation(create(one, "s1"))["service"]
    by_service = Stream(one, query=f"?service={mine}")
    by_type = Stream(one, query="?events=service.state_changed")
    create(one, "s2")
    one.await_operation("suspend", "s1")
    assert names(by_service.read(2)) == [(COMPLETED, "s1"), ("service.state_changed", "s1")]
    assert names(by_type.read(2)) == [("service.state_changed", "s2"),
                                      ("service.state_changed", "s1")]
    for query in ("?service=x", "?events=x", "?limit=1", "?what=x"):
        assert Stream(one, query=query).answer.status == 400
    assert Stream(one, last="x").answer.status == 400
    by_service.close()
    by_type.close()


def test_another_source_hears_nothing(one):
    made = one.admin("POST", "/v1/tokens", {"source": "other", "scopes": daemons.ALL_SCOPES})
    begin = Stream(one)
    place = begin.last
    begin.close()
    create(one, "s1")
    event = {"id": "e1", "type": "service.create", "customer": {"id": "c", "email": "c@example.com"},
             "service": {"id": "theirs", "product": "good", "plan": "well"}}
    stream = Stream(one, token=made.json["token"], last=place)
    one.call("POST", "/v1/events", event, token=made.json["token"], headers={"Prefer": "wait=20"})
    assert names(stream.read(2)) == [(COMPLETED, "theirs"), ("service.state_changed", "theirs")]
    few = one.admin("POST", "/v1/tokens", {"source": "other", "scopes": ["services:read"]})
    assert Stream(one, token=few.json["token"]).answer.status == 403
    one.admin("DELETE", f"/v1/tokens/{made.json['id']}")
    assert stream.next()["event"] == "stream.end"
    assert stream.next() is None


def test_a_place_that_is_not_known_is_said(one):
    create(one, "s1")
    stream = Stream(one, last="999999.1")
    assert stream.first["event"] == "stream.gap"
    create(one, "s2")
    assert names(stream.read(1)) == [(COMPLETED, "s2")]
    stream.close()


def test_ends_when_the_daemon_stops(one):
    streams = [Stream(one) for _ in range(5)]
    assert one.stop() == 0
    for stream in streams:
        assert stream.next()["event"] == "stream.end"
        assert stream.next() is None


def test_no_gap_and_nothing_twice_under_load(one):
    """Readers whose connections break again and again, a restart in between, and one that was there all
    the time: each hears of every service once, in the order of the ids."""
    services = [f"s{i}" for i in range(60)]
    place = Stream(one)
    begin = place.last
    place.close()
    heard = [[] for _ in range(3)]
    ready = threading.Semaphore(0)

    def listen(number):
        last = begin
        ready.release()
        while len(heard[number]) < 2 * len(services):
            try:
                stream = Stream(one, last=last)
                if stream.answer.status != 200:
                    continue
                for _ in range(5 + 7 * number):
                    event = stream.next()
                    if event is None or event["event"] == "stream.end":
                        break
                    heard[number].append(event)
                    last = event["id"]
                    if len(heard[number]) == 2 * len(services):
                        break
                stream.close()
            except (OSError, http.client.HTTPException):
                continue

    readers = [threading.Thread(target=listen, args=(i,), daemon=True) for i in range(3)]
    for reader in readers:
        reader.start()
        ready.acquire()
    for number, service in enumerate(services):
        one.event("create", service, product="good", plan="well")
        if number == 20:
            one.kill()
            one.start()
    for reader in readers:
        reader.join(120 * SLOW)
        assert not reader.is_alive()
    for events in heard:
        places = [tuple(map(int, e["id"].split("."))) for e in events]
        assert places == sorted(set(places))
        done = [n for e, n in names(events) if e == COMPLETED]
        assert sorted(done) == sorted(services)


def test_who_does_not_read_is_cut_off_and_goes_on_later(misbehaving):
    misbehaving.configure(misbehaving.options | {"http": {"body_timeout": "1s"}})
    one = misbehaving.start()
    one.api("GET", "/v1/services")
    begin = Stream(one)
    place = begin.last
    begin.close()
    services = [f"s{i}" for i in range(40)]
    for service in services:
        create(one, service)
    for _ in range(12):
        for service in services:
            one.event("renew", service, number=len(services) * _ + 1)
    with socket.socket() as deaf:
        # The kernel is to hold little of what is sent to it.
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        deaf.settimeout(60 * SLOW)
        deaf.connect(("127.0.0.1", one.port))
        deaf.sendall((f"GET /v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {one.token}\r\n"
                      f"Last-Event-ID: {place}\r\n\r\n").encode())
        other = Stream(one, last=place)
        total = 2 * len(services) + 12 * len(services)
        events = other.read(total)
        assert len({e["id"] for e in events}) == total
        other.close()
        end, pause = time.monotonic() + 60 * SLOW, threading.Event()
        while not re.search(r"^provost_http_slow_clients_total [1-9]", one.admin("GET", "/metrics").text, re.M):
            assert time.monotonic() < end
            pause.wait(0.05)
        heard = b""
        with contextlib.suppress(ConnectionError):
            while chunk := deaf.recv(65536):
                heard += chunk
        assert 0 < heard.count(b"\nevent: ") < total


def test_a_customer_hears_of_one_service(one):
    services = [one.operation(create(one, name))["service"] for name in ("s1", "s2")]
    mine = services[0]
    session = one.api("POST", f"/v1/services/{mine}/sessions", {"customer": "7"}).json["token"]
    stream = Stream(one, token=session)
    create(one, "s3")
    one.await_operation("suspend", "s2")
    one.await_operation("suspend", "s1")
    heard = stream.read(2)
    assert names(heard) == [(COMPLETED, "s1"), ("service.state_changed", "s1")]
    assert all(e["data"]["data"]["service"]["id"] == mine for e in heard)
    assert Stream(one, token=session, query=f"?service={services[1]}").answer.status == 404
    stream.close()


def customer(one, service, token=None):
    made = one.call("POST", f"/v1/services/{service}/sessions", {"customer": "7"}, token=token or one.token)
    assert made.status == 201, made
    return Stream(one, token=made.json["token"])


def ended(stream):
    """Something that it would have told has happened since."""
    end = stream.next()
    assert (end["event"], stream.next()) == ("stream.end", None)
    return end["data"]["message"]


def test_ends_with_the_sessions_of_its_service(one):
    mine, other = [one.operation(create(one, name))["service"] for name in ("s1", "s2")]
    first, second, elsewhere, shop = customer(one, mine), customer(one, mine), customer(one, other), Stream(one)
    assert one.api("DELETE", f"/v1/services/{mine}/sessions").status == 200
    later = customer(one, mine)
    one.await_operation("suspend", "s1")
    one.await_operation("suspend", "s2")
    assert [ended(first), ended(second)] == ["the session was ended"] * 2
    for stream, service in ((later, "s1"), (elsewhere, "s2"), (shop, "s1")):
        assert names([stream.next()]) == [(COMPLETED, service)]


def test_ends_with_its_token_and_so_do_its_sessions(one):
    service = one.operation(create(one, "s1"))["service"]
    made = one.admin("POST", "/v1/tokens", {"source": "shop", "scopes": ["services:read", "operations:read"]})
    token = made.json["token"]
    doomed = [Stream(one, token=token), customer(one, service, token)]
    others = [Stream(one), customer(one, service)]
    assert one.admin("DELETE", f"/v1/tokens/{made.json['id']}").status == 200
    one.await_operation("suspend", "s1")
    assert [ended(stream) for stream in doomed] == ["the token was revoked"] * 2
    assert [names([stream.next()]) for stream in others] == [[(COMPLETED, "s1")]] * 2


def test_ends_when_the_token_of_its_session_expires(one):
    service = one.operation(create(one, "s1"))["service"]
    made = one.admin("POST", "/v1/tokens", {"source": "shop", "scopes": ["services:read", "operations:read"],
                                            "expires_in": "3s"})
    assert made.status == 201, made
    others = [Stream(one), customer(one, service)]
    stream = customer(one, service, made.json["token"])
    frame = stream.frame()  # nothing else comes before the first beat
    assert (frame.get("event"), json.loads(frame.get("data", "null"))) == (
        "stream.end", {"message": "the token has expired"}), frame
    assert stream.next() is None
    one.await_operation("suspend", "s1")
    assert [names([other.next()]) for other in others] == [[(COMPLETED, "s1")]] * 2
