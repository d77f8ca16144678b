# SPDX-License-Identifier: Apache-2.0
"""A backend for plugins under test, in a thread of the test's process: it notes every effect, and
answers the way the test says."""

import contextlib
import json
import threading

import server


class Handler(server.Handler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.owner.lock:
            self.owner.headers.append(self.headers)
        status = self.owner.handle(self.path.strip("/"), body)
        with contextlib.suppress(ConnectionError):  # whoever asked may be gone
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")


class Backend(server.Server):
    """with Backend() as backend: backend.url is its address.

    POST /effect   notes the body in `effects` and answers 200
    POST /look     200 when an effect of that `ref` was noted, else 404
    POST /wait     notes it in `waiting`, and answers when release() was called
    POST /tell     notes it in `told` and answers 200

    The headers of every request are in `headers`, in the order of their coming.
    """

    def __init__(self):
        super().__init__(Handler)
        self.lock = threading.Condition()
        self.effects = []
        self.waiting = []
        self.told = []
        self.headers = []
        self.released = False

    def handle(self, what, body):
        with self.lock:
            if what == "look":
                return 200 if any(e["ref"] == body["ref"] for e in self.effects) else 404
            if what == "wait":
                self.waiting.append(body)
                self.lock.notify_all()
                self.lock.wait_for(lambda: self.released, 60)
            (self.told if what == "tell" else self.effects).append(body)
            self.lock.notify_all()
            return 200

    def await_waiting(self, count, timeout_s=20):
        """Until `count` requests have come in for /wait."""
        with self.lock:
            assert self.lock.wait_for(lambda: len(self.waiting) >= count, timeout_s), (
                f"{len(self.waiting)} of {count} came")

    def await_told(self, external_id, timeout_s=20):
        """What was told first about a service."""
        def found():
            return next((t for t in self.told if t["external_id"] == external_id), None)
        with self.lock:
            assert self.lock.wait_for(found, timeout_s), f"nothing was told of {external_id}"
            return found()

    def release(self):
        with self.lock:
            self.released = True
            self.lock.notify_all()

    def count(self, external_id):
        """How often an effect for a service was noted."""
        with self.lock:
            return sum(e["external_id"] == external_id for e in self.effects)
