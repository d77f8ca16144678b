# SPDX-License-Identifier: Apache-2.0
"""A receiver of webhooks in a thread of the test's process: checks what comes by hand, as the Standard
Webhooks specification has it, and answers the way the test says."""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import threading
import time

import server
from daemon import SLOW


def new_secret():
    return "whsec_" + base64.b64encode(os.urandom(32)).decode()


def verify(secret, headers, body, tolerance_s=300):
    """Whether one of the signatures is the secret's; headers in lower case."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    stamp = headers["webhook-timestamp"]
    assert abs(time.time() - int(stamp)) <= tolerance_s, stamp
    content = f"{headers['webhook-id']}.{stamp}.".encode() + body
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    parts = [one.split(",", 1) for one in headers["webhook-signature"].split(" ")]
    return any(version == "v1" and hmac.compare_digest(value, expected) for version, value in parts)


class Handler(server.Handler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = {"id": self.headers["webhook-id"], "path": self.path, "body": body,
                   "headers": {k.lower(): v for k, v in self.headers.items()},
                   "json": json.loads(body), "at": time.monotonic()}
        answer = self.owner.take(request)
        if answer is None:
            self.close_connection = True
            return
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", "0")
            self.end_headers()


class Receiver(server.Server):
    """with Receiver() as receiver: receiver.url is its address.

    Every request is kept in `got` as {"id", "headers", "body", "json", "answer"}. `answer` is called
    with it and gives a status, (status, headers), or None: the connection is cut without an answer. A
    status of 0 holds the answer back until release().
    """

    def __init__(self, port=0, tls=None):
        super().__init__(Handler, port, tls)
        self.lock = threading.Condition()
        self.got = []
        self.answer = lambda _request: 204
        self.released = False
        self.url += "/hook"

    def take(self, request):
        with self.lock:
            answer = self.answer(request)
            request["answer"] = answer
            self.got.append(request)
            self.lock.notify_all()
            if answer == 0:
                self.lock.wait_for(lambda: self.released, 60)
                return 204
            return answer

    def release(self):
        with self.lock:
            self.released = True
            self.lock.notify_all()

    def wait(self, found, timeout_s=60 * SLOW):
        """Until found(self.got) is true; its value."""
        with self.lock:
            assert self.lock.wait_for(lambda: found(self.got), timeout_s), self.summary()
            return found(self.got)

    def taken(self):
        """What was answered with 2xx, in order."""
        with self.lock:
            return [r for r in self.got if r["answer"] in (0, 200, 204)]

    def summary(self):
        return [(r["json"]["type"], r["json"]["data"]["service"]["external_id"], r["answer"])
                for r in self.got]
