# SPDX-License-Identifier: Apache-2.0
"""An HTTP server in a thread of the test's process that notes every request as it came, byte for byte,
and answers the way the test says."""

import contextlib
import json
import threading

import server


class Request:
    def __init__(self, method, path, headers, body):
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.method} {self.path} {self.body[:200]!r}"


def answer(status, body=None, **headers):
    """What a handler gives back: JSON, or bytes as they are."""
    if isinstance(body, bytes):
        return status, headers, body
    data = b"" if body is None else json.dumps(body).encode()
    return status, {"Content-Type": "application/json"} | headers, data


class Handler(server.Handler):
    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = Request(self.command, self.path, dict(self.headers), body)
        with self.owner.changed:
            self.owner.requests.append(request)
            said = self.owner.handle(request)
            self.owner.changed.notify_all()
        if said is None:
            self.close_connection = True
            return
        status, headers, data = said
        self.close_connection = "Content_Length" in headers  # a body that is cut short
        with contextlib.suppress(ConnectionError):  # whoever asked may be gone
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            if "Content_Length" not in headers:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve


class Recorder(server.Server):
    """with Recorder(handle) as backend: backend.url is its address, backend.requests what came.

    handle(request) gives answer(…); None closes the connection without one. It runs under a lock, so that
    it may keep state."""

    def __init__(self, handle=None):
        super().__init__(Handler)
        self.changed = threading.Condition()
        self.requests = []
        self.handle = handle or (lambda request: answer(200, {}))

    def take(self):
        """The requests since the last take()."""
        with self.changed:
            taken, self.requests = self.requests, []
            return taken

    def await_requests(self, count, timeout_s=20):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.requests) >= count, timeout_s), self.requests
            return list(self.requests)
