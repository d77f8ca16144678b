# SPDX-License-Identifier: Apache-2.0
"""`provost` against a stand-in for the daemon: an HTTP server on a Unix socket whose answers a test
scripts, and which keeps every request it got."""

import json
import os
import socketserver
import subprocess
import threading
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

import pytest


class Request:
    def __init__(self, method, target, headers, body):
        parts = urlsplit(target)
        self.method, self.path, self.headers, self.body = method, parts.path, headers, body
        self.query = {key: values[-1] for key, values in parse_qs(parts.query).items()}

    @property
    def json(self):
        return json.loads(self.body)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        daemon = self.server.daemon
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(self.command, self.path, self.headers, self.rfile.read(length).decode())
        daemon.requests.append(request)
        status, body, headers = daemon.find(request)
        if status is None:
            self.close_connection = True
            return
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *_):
        pass

    def address_string(self):
        return "unix"


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


class Daemon:
    """on("GET", "/v1/status", {…}) scripts an answer; several for one route are given in turn, and the
    last one for ever. A body may be a function of the request."""

    def __init__(self, path):
        self.socket = path
        self.requests = []
        self.routes = {}
        self.server = Server(str(path), Handler)
        self.server.daemon = self
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def on(self, method, path, body=None, status=200, headers=None):
        self.routes.setdefault((method, path), []).append((status, body if body is not None else {},
                                                           headers or {}))
        return self

    def find(self, request):
        answers = self.routes.get((request.method, request.path))
        if not answers:
            return 404, {"success": False, "error": f"there is no {request.path}", "code": "not_found",
                         "errors": []}, {}
        status, body, headers = answers.pop(0) if len(answers) > 1 else answers[0]
        return status, body(request) if callable(body) else body, headers

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def daemon(tmp_path):
    stand_in = Daemon(tmp_path / "admin.sock")
    yield stand_in
    stand_in.stop()


@pytest.fixture
def run(build, tmp_path):
    """run("status", …) → the finished process of `provost`, with text output."""

    def call(*words, stdin="", env=None, timeout=60):
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(("PROVOST_", "NO_COLOR"))}
        environment.update(env or {})
        return subprocess.run([build / "provost", *map(str, words)], input=stdin, text=True,
                              capture_output=True, cwd=tmp_path, env=environment, timeout=timeout)

    return call


@pytest.fixture
def provost(daemon, run):
    """run() with --socket of the stand-in."""

    def call(*words, **options):
        return run("--socket", daemon.socket, *words, **options)

    return call
