# SPDX-License-Identifier: Apache-2.0
"""Thousands of steps in flight in one host: what each takes of memory, how long after its answer an
outcome is committed, and what becomes of the host when all of them are canceled."""

import bisect
import contextlib
import http.client
import re
import socket
import threading
import time
from pathlib import Path

import provost
import steps
from daemon import SLOW

WAIT_S = 240 * SLOW
LOST = re.compile(r"\b(killed|crashed)\b|\([1-9][0-9]* in flight\)")
DONE = re.compile(rb'^data: .*"external_id":\s*"([^"]+)"', re.M)


class Completions:
    """Reads what a provostd tells of operations that have ended, and when it came. Nothing is parsed
    before the end, so that reading costs next to nothing."""

    def __init__(self, one):
        self.socket = socket.create_connection(("127.0.0.1", one.port), timeout=WAIT_S)
        self.socket.sendall((f"GET /v1/stream?events=operation.completed HTTP/1.0\r\nHost: x\r\n"
                             f"Authorization: Bearer {one.token}\r\n\r\n").encode())
        self.parts, self.times = [], []
        self.size, self.ends = 0, []
        self.read()
        assert b" 200 " in self.parts[0].split(b"\r\n")[0], self.parts[0]
        self.thread = threading.Thread(target=self.read_all)

    def read(self):
        got = self.socket.recv(1 << 20)
        self.times.append(time.monotonic())
        self.parts.append(got)
        self.size += len(got)
        self.ends.append(self.size)
        return got

    def read_all(self):
        with contextlib.suppress(OSError):
            while self.read():
                pass

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *ignored):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()

    def found(self):
        """When each service's operation was told to have ended, by the service's external id."""
        text = b"".join(self.parts)
        return {m[1].decode(): self.times[bisect.bisect_left(self.ends, m.end())]
                for m in DONE.finditer(text)}


def resident(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1])


def until(what, probe, timeout_s=WAIT_S):
    """Until the probe is true: what it gives then. It asks a program that answers, a few times a second."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while True:
        found = probe()
        if found:
            return found
        assert time.monotonic() < deadline, what
        pause.wait(0.05)


class Flight:
    """A provostd with `count` steps in flight at a slow backend, all of them in one host."""

    def __init__(self, build, folder, count, delay_ms):
        self.count = count
        self.backend = steps.SlowBackend(build, delay_ms)
        options = steps.options_for(self.backend.url, max_in_flight=count, engine={"max_active": count + 100})
        options["plugins"]["keys"]["settings"]["timeout"] = "10m"
        options["log"] = {"level": "info", "format": "json"}  # what became of hosts, too
        self.one = steps.daemon_for(build, folder, options)

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.backend)
            stack.enter_context(self.one)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, kind, error, trace):
        return self.stack.__exit__(kind, error, trace)

    def send(self, first, count):
        connection = http.client.HTTPConnection("127.0.0.1", self.one.port, timeout=60 * SLOW)
        for begin in range(first, first + count, steps.ARRAY):
            batch = [steps.event(n) for n in range(begin, min(begin + steps.ARRAY, first + count))]
            answer = self.one.api("POST", "/v1/events", batch, connection=connection)
            assert answer.status == 202, answer
        connection.close()

    def take_off(self):
        """All are at the backend, and none is answered: KiB resident of each, in the host and in
        provostd."""
        self.send(0, 1)
        until("the host asks the backend", lambda: self.backend.count()[0] == 1)
        self.host = self.one.hosts()["keys"]
        before = resident(self.host), resident(self.one.pid)
        self.send(1, self.count - 1)
        came = until("all steps are at the backend", self.all_there)
        after = resident(self.host), resident(self.one.pid)
        assert came[1:] == [0, 0], f"came, answered, broken: {came}"
        return tuple((a - b) / (self.count - 1) for a, b in zip(after, before))

    def all_there(self):
        came = self.backend.count()
        return came if came[0] >= self.count or any(came[1:]) else None

    def land(self, told):
        """Until all are done: how long after its answer each one's end was told, in seconds."""
        until("all operations are done", lambda: self.one.counters()["operations_unfinished"] == 0)
        until("all ends are told", lambda: len(told.found()) >= self.count)
        ended, asked = told.found(), self.backend.requests()
        assert len(asked) == self.count and self.backend.count() == [self.count, self.count, 0]
        return [ended[name] - answered for name, (_, answered) in asked.items()]

    def cancel(self):
        """provostd is told to stop, which cancels all of them at once: how long it takes until it has
        ended, its host with it, in seconds."""
        begin = time.monotonic()
        status = self.one.stop(30 * SLOW)
        took = time.monotonic() - begin
        assert status == 0, f"provostd ended with {status}"
        provost.await_gone([self.host])
        until("all requests are broken off", lambda: self.backend.count()[2] >= self.count)
        assert self.backend.count()[1] == 0
        return took

    def hosts_lost(self):
        """Lines of the log on hosts that ended with calls in flight, or were killed or crashed."""
        return [line["message"] for line in self.one.log_lines() if LOST.search(line.get("message", ""))]

    def host_stayed(self):
        """The host is the one from the beginning."""
        return self.one.hosts().get("keys") == self.host and not self.hosts_lost()


def fly(build, folder, count, delay_ms):
    """Figures of `count` steps that are answered `delay_ms` after they came."""
    with Flight(build, folder, count, delay_ms) as flight, Completions(flight.one) as told:
        host_kib, daemon_kib = flight.take_off()
        lags = flight.land(told)
        assert flight.host_stayed(), flight.one.log_text()[-2000:]
    return {"flight_host_kib": host_kib, "flight_daemon_kib": daemon_kib, "flight_kib": host_kib + daemon_kib,
            "flight_lag_p50_ms": steps.percentile(lags, 0.5) * 1000, "flight_lag_ms": max(lags) * 1000}


def cancel(build, folder, count):
    """Figures of `count` steps that are canceled while the backend thinks."""
    with Flight(build, folder, count, 3600 * 1000) as flight:
        flight.take_off()
        took = flight.cancel()
        lost = len(flight.hosts_lost())
    return {"cancel_s": took, "cancel_hosts_lost": lost}
