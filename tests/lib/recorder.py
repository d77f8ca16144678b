# SPDX-License-Identifier: Apache-2.0
"""An HTTP server in a thread of the test's process that notes every request as it came, byte for byte,
and answers the way the test says."""

import contextlib
import http.server
import json
import threading


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


class Recorder:
    """with Recorder(handle) as backend: backend.url is its address, backend.requests what came.

    handle(request) gives answer(…); None closes the connection without one. It runs under a lock, so that
    it may keep state."""

    def __init__(self, handle=None):
        self.changed = threading.Condition()
        self.requests = []
        self.handle = handle or (lambda request: answer(200, {}))
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = Request(self.command, self.path, dict(self.headers), body)
                with recorder.changed:
                    recorder.requests.append(request)
                    said = recorder.handle(request)
                    recorder.changed.notify_all()
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

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def take(self):
        """The requests since the last take()."""
        with self.changed:
            taken, self.requests = self.requests, []
            return taken

    def await_requests(self, count, timeout_s=20):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.requests) >= count, timeout_s), self.requests
            return list(self.requests)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *ignored):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
