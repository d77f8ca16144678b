# SPDX-License-Identifier: Apache-2.0
"""Clients that mean no good, or do not know better: each gets an answer that says so, or is let go, and
whoever behaves is served meanwhile. What so many of them cost is measured by tests/bench/hostile."""

import contextlib
import json
import os
import random
import re
import resource
import socket
import time

import pytest
from daemon import SLOW

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
PATIENCE_S = 30 * SLOW


def dial(one, address="127.0.0.1"):
    plain = socket.socket()
    plain.settimeout(PATIENCE_S)
    plain.bind((address, 0))
    plain.connect(("127.0.0.1", one.port))
    return plain


def rest(plain):
    """What comes until the end, also when that is a reset."""
    text = b""
    with contextlib.suppress(ConnectionResetError):
        for part in iter(lambda: plain.recv(65536), b""):
            text += part
    return text


def says(text, status, code):
    """Is it one answer, an error in our form?"""
    assert text.startswith(b"HTTP/1.1 %d " % status), text[:300]
    head, body = text.split(b"\r\n\r\n", 1)
    names = [line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
    assert len(set(names)) == len(names), head
    assert b"content-length: %d" % len(body) in head.lower(), text
    found = json.loads(body)
    assert (found["success"], found["code"]) == (False, code)
    return True


def push(plain, data, pieces):
    """Sends until the other end does not want any more."""
    with contextlib.suppress(ConnectionError):
        for _ in range(pieces):
            plain.sendall(data)


def healthy(one):
    with dial(one) as plain:
        plain.sendall(GET.replace(b"Host", b"Connection: close\r\nHost"))
        return rest(plain).startswith(b"HTTP/1.1 200 OK")


@pytest.fixture
def one(make_provost):
    return make_provost({"http": {"header_timeout": "2s", "body_timeout": "2s"}}).start()


def resident(one):
    with open(f"/proc/{one.pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]) * 1024


def test_bodies_of_100_mib(one):
    before = resident(one)
    mib = b"x" * 1048576
    with dial(one) as plain:
        plain.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n")
        assert says(rest(plain), 413, "too_large")
    with dial(one) as plain:  # sends it all the same
        plain.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n")
        push(plain, mib, 100)
    with dial(one) as plain:
        plain.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        push(plain, b"100000\r\n" + mib + b"\r\n", 100)
    assert healthy(one)
    assert resident(one) - before < 16 * 1048576, "it is not kept"


def test_bodies_of_nobody(one):
    """Who does not say who it is, or nobody that is known, has no body kept: not of any of many connections."""
    before = resident(one)
    heads = (b"", b"Authorization: Basic c2hvcDpzaG9w\r\n", b"Authorization: Bearer provost_unknown\r\n",
             b"Authorization: Bearer provost_session_00\r\n")
    with contextlib.ExitStack() as stack:
        several = [stack.enter_context(dial(one)) for _ in range(80)]
        for number, plain in enumerate(several):
            length = (b"Transfer-Encoding: chunked\r\n\r\nf4240\r\n" if number % 3 == 0
                      else b"Content-Length: 1000000\r\n\r\n")
            plain.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\n" + heads[number % len(heads)] + length)
            push(plain, b"x" * 100_000, 9)
        for plain in several:
            text = plain.recv(65536)
            assert text.startswith((b"HTTP/1.1 401 ", b"HTTP/1.1 429 ")), text
            assert b"\r\nConnection: close\r\n" in text
        assert resident(one) - before < 16 * 1048576, "80 MB were sent"
        with dial(one) as plain:
            plain.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
            assert says(rest(plain), 401, "unauthorized"), "it is not waited for"
    assert healthy(one)


def test_floods_of_headers(one):
    for flood, status, code in (
            (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100_000, 431, "headers_too_large"),
            (b"GET / HTTP/1.1\r\nX: " + b"y" * 1_000_000, 431, "headers_too_large"),
            (b"GET /" + b"y" * 1_000_000, 414, "uri_too_long"),
            (b"\r\n" * 100_000, 400, "malformed")):
        with dial(one) as plain:
            push(plain, flood, 1)
            text = rest(plain)
            assert says(text, status, code)
    assert healthy(one)


def test_garbage_in_chunks(one):
    rng = random.Random(7)
    assert one.api("GET", "/v1/services").status == 200, "there is a token: of others no body is read"
    head = (b"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n\r\n"
            % one.token.encode())
    for body in (b"zz\r\n", b"ffffffffffffffff\r\n", b"-1\r\n", b"3\r\nabcdef\r\n", b"1\nx\n0\n\n",
                 b"0\r\n" + b"T: x\r\n" * 5000, b"1;" + b"e" * 20000,
                 *(b"1" + rng.randbytes(200) for _ in range(20))):
        with dial(one) as plain:
            push(plain, head + body, 1)
            plain.shutdown(socket.SHUT_WR)
            text = rest(plain)
            assert text.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 ", b"HTTP/1.1 413 ")), (body, text)
    assert healthy(one)


def test_random_bytes(one):
    rng = random.Random(11)
    for _ in range(100):
        with dial(one) as plain:
            push(plain, rng.randbytes(rng.randrange(1, 400)), 1)
            plain.shutdown(socket.SHUT_WR)
            assert says(rest(plain), 400, "malformed")
    assert healthy(one)


def test_half_closed(one):
    with dial(one) as plain:
        plain.sendall(GET)
        plain.shutdown(socket.SHUT_WR)
        assert rest(plain).startswith(b"HTTP/1.1 200 OK")
    with dial(one) as plain:
        plain.sendall(GET[:-2])
        plain.shutdown(socket.SHUT_WR)
        assert says(rest(plain), 400, "malformed")
    with dial(one) as plain:
        plain.shutdown(socket.SHUT_WR)
        assert rest(plain) == b"", "it is let go long before an idle one is"


def test_half_closed_while_it_waits(misbehaving, backend):
    """It has asked for all it wants, and gets it, though the step ends only after the server has seen that."""
    one = misbehaving.start()
    assert one.api("GET", "/v1/services").status == 200, "there is a token"
    body = json.dumps({"id": "1", "type": "service.create", "service": {"id": "s1", "product": "bad", "plan": "wait"},
                       "customer": {"id": "c", "email": "customer@example.com"}}).encode()
    with dial(one) as plain:
        plain.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nPrefer: wait=60\r\n"
                      b"Content-Length: %d\r\n\r\n%s" % (one.token.encode(), len(body), body))
        plain.shutdown(socket.SHUT_WR)
        backend.await_waiting(1)
        assert healthy(one), "it has looked at its sockets since"
        backend.release()
        head, answer = rest(plain).split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 200 OK") and json.loads(answer)["state"] == "done", (head, answer)


def test_a_thousand_requests_at_once(one):
    with dial(one) as plain:
        push(plain, GET * 999 + b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + GET, 1)
        assert rest(plain).count(b"HTTP/1.1 200 OK\r\n") == 1000


def test_a_client_that_does_not_read(one, sanitized):
    """Its answers pile up until its deadline, not beyond what the kernel takes."""
    with dial(one) as plain:
        plain.setblocking(False)
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while True:
                plain.send(GET * 100)
        assert healthy(one)
        plain.settimeout(PATIENCE_S)
        with pytest.raises(ConnectionError):  # it is let go
            while True:  # what came so far may have fitted into the kernel's buffers
                plain.send(GET * 100)
    quarantine = 256 if sanitized else 0  # what is freed is kept so far from being used again
    assert resident(one) < (100 + quarantine) * 1048576


def test_slow_and_idle_clients_beside_a_load(one):
    """200 send a byte now and then, 300 say nothing; those who come for something are served."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert limit[0] >= 700, "the test itself needs descriptors: ulimit -n 1024"
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(dial(one)) for _ in range(200)]
        idle = [stack.enter_context(dial(one)) for _ in range(300)]
        for plain in slow:
            plain.sendall(b"G")
        for plain in idle:
            plain.sendall(GET)
        for plain in idle:
            assert plain.recv(65536).startswith(b"HTTP/1.1 200 OK")
        for number in range(100):
            for plain in slow[number::100]:
                with contextlib.suppress(ConnectionError):
                    plain.send(b"E")
            assert healthy(one)
        for plain in slow:
            assert rest(plain)[:13] in (b"HTTP/1.1 408 ", b"HTTP/1.1 400 "), "too slow, or GEE is no method"
        for plain in idle:
            plain.sendall(GET)
            assert plain.recv(65536).startswith(b"HTTP/1.1 200 OK"), "who is idle is not disturbed"


def test_one_address_does_not_take_all(make_provost):
    one = make_provost({"http": {"max_connections": 100, "max_connections_per_address": 5}}).start()
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            plain = stack.enter_context(dial(one, "127.0.0.2"))
            plain.sendall(GET)
            assert plain.recv(65536).startswith(b"HTTP/1.1 200 OK")
        with dial(one, "127.0.0.2") as more:
            assert says(rest(more), 429, "too_many_connections")
        assert one.metrics()["provost_http_refused_total"] == 1
        assert healthy(one), "another address"
    with dial(one, "127.0.0.2") as again:
        deadline = time.monotonic() + PATIENCE_S
        again.sendall(GET)
        text = again.recv(65536)
        while not text.startswith(b"HTTP/1.1 200 OK"):  # the server may see the five go a moment later
            assert time.monotonic() < deadline and b"429" in text
            with dial(one, "127.0.0.2") as other:
                other.sendall(GET)
                text = other.recv(65536)


def test_idle_connections_give_way(make_provost):
    one = make_provost({"http": {"max_connections": 10, "idle_timeout": "1h"}}).start()
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(dial(one)) for _ in range(10)]
        for plain in idle:
            plain.sendall(GET)
            assert plain.recv(65536).startswith(b"HTTP/1.1 200 OK")
        assert healthy(one), "the longest idle one is closed for it"
        assert idle[0].recv(100) == b"", "that was the first"
        assert one.metrics()["provost_http_evicted_total"] == 1
        for plain in idle[1:]:
            plain.sendall(GET)
            assert plain.recv(65536).startswith(b"HTTP/1.1 200 OK")


def test_more_connections_than_files(make_provost):
    """The limit on open files is raised where that is allowed, else the start says what is wrong."""
    one = make_provost({"http": {"max_connections": 1500}})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        one.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resource.prlimit(one.pid, resource.RLIMIT_NOFILE)[0] >= 1500


def test_fewer_files_than_connections(make_provost):
    """Where the limit cannot be raised, the start says what is missing and what to do."""
    one = make_provost({"http": {"max_connections": 1500}})
    unprivileged = ["setpriv", "--bounding-set", "-sys_resource"] if os.geteuid() == 0 else []
    one.command = ["prlimit", "--nofile=1024:1024", *unprivileged, *one.command]
    with pytest.raises(AssertionError, match="http.max_connections: 1500 connections need 1756 open files, and this "
                                             "process may have 1024: raise that limit"):
        one.start()


def test_no_file_is_left(make_provost):
    """Who comes when there is no descriptor waits for one; who is connected is served meanwhile."""
    one = make_provost().start()
    soft, hard = resource.prlimit(one.pid, resource.RLIMIT_NOFILE)
    with dial(one) as before:
        before.sendall(GET)
        assert before.recv(65536).startswith(b"HTTP/1.1 200 OK")
        highest = max(int(name) for name in os.listdir(f"/proc/{one.pid}/fd"))
        resource.prlimit(one.pid, resource.RLIMIT_NOFILE, (highest + 1, hard))
        with dial(one) as waiting:
            waiting.sendall(GET)
            deadline = time.monotonic() + PATIENCE_S
            while not any("Too many open files" in message for message in one.messages()):
                assert time.monotonic() < deadline, one.log_text()
                before.sendall(GET)
                assert before.recv(65536).startswith(b"HTTP/1.1 200 OK")
            resource.prlimit(one.pid, resource.RLIMIT_NOFILE, (soft, hard))
            assert waiting.recv(65536).startswith(b"HTTP/1.1 200 OK")
