# SPDX-License-Identifier: Apache-2.0
"""What steps that ask a backend cost: nginx and the slow backend of this folder, and a provostd whose
one instance asks them."""

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import load

IN_FLIGHT = 256  # steps and libcurl's requests at once
ARRAY = 100  # events in a request
CUSTOMER = {"id": "4711", "email": "customer@example.com"}
CALL = {"path": "/steps/{{service.external_id}}", "body": {"ref": "{{service.ref}}"}, "idempotent": True}
NGINX = """daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr error;
events {{ worker_connections 2000; }}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    keepalive_requests 100000000;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        default_type application/json;
        location / {{ return 200 '{{}}'; }}
    }}
}}
"""


def nginx_program():
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


@contextlib.contextmanager
def nginx(folder):
    """nginx with a configuration of its own, which answers every request at once; its address."""
    folder = Path(folder)
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as server:
        port = server.getsockname()[1]
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
        # It takes over a socket that listens already, so whoever connects from now on is answered.
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(
                [nginx_program(), "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"],
                env=dict(os.environ, NGINX=f"{server.fileno()};"), pass_fds=[server.fileno()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/")
        assert connection.getresponse().status == 200, (folder / "log").read_text()
        connection.close()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


class SlowBackend:
    """with SlowBackend(build, delay_ms) as backend: backend.url is its address; see slow_backend.c."""

    def __init__(self, build, delay_ms):
        self.process = subprocess.Popen([build / "tests/bench/slow_backend", str(delay_ms)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def say(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def count(self):
        """Requests that came, that were answered, and whose connection broke before that."""
        self.say("count")
        return [int(word) for word in self.process.stdout.readline().split()]

    def requests(self):
        """By the last part of the path: when it came, and when it was answered, in seconds."""
        self.say("list")
        found = {}
        for line in iter(self.process.stdout.readline, "end\n"):
            path, arrived, answered = line.split()
            found[path.rsplit("/", 1)[1]] = (int(arrived) / 1e9, int(answered) / 1e9)
        return found

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(30)


def options_for(url, module="http", max_in_flight=IN_FLIGHT, **more):
    """A provostd with one product, whose create is one request to this address."""
    settings = ({"url": url, "operations": {"create": [CALL], "terminate": [CALL]}} if module == "http"
                else {"url": f"{url}/steps/one"})
    return load.OPTIONS | {
        "plugins": {"keys": {"module": module, "settings": settings, "max_in_flight": max_in_flight}},
        "products": {"support": {"components": [{"name": "backend", "plugin": "keys"}],
                                 "plans": {"basic": {}}}},
    } | more


def event(number, kind="create"):
    found = {"id": f"{kind}-{number}", "type": f"service.{kind}", "service": {"id": f"s-{number}"}}
    if kind == "create":
        found["service"] |= {"product": "support", "plan": "basic"}
        found["customer"] = CUSTOMER
    return found


def modules(build):
    """Where provostd finds plugins: the measured build's, and the one of this folder."""
    return [str(Path(build) / "plugins"), str(Path(build) / "tests/bench")]


def daemon_for(build, folder, options):
    return load.Load(build, folder, options | {"plugin_dirs": modules(build)})


# ---- an event on an idle machine, until its first byte is at the backend ----


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def request_for(one, body):
    """The bytes of a POST /v1/events whose answer tells that its operation has ended."""
    body = json.dumps(body).encode()
    return (f"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1:{one.port}\r\n"
            f"Authorization: Bearer {one.token}\r\nPrefer: wait=30\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body


def first_byte_ms(one, backend, count, pause_s):
    """How long each of `count` events took from the client to the backend, in milliseconds. Each comes
    when the one before is done and the machine has been idle for a while; it is sent at once, since what
    this program takes to make a request is no part of it."""
    prefix = f"{time.time_ns():x}"
    pause = threading.Event()  # never set: the machine is to be idle for so long
    names = [f"{prefix}-{number}" for number in range(count + 5)]
    requests = [request_for(one, event(name)) for name in names]
    sent = []
    with socket.create_connection(("127.0.0.1", one.port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for request in requests:
            pause.wait(pause_s)
            sent.append(time.monotonic())
            connection.sendall(request)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert answer.status == 200, (answer.status, answer.read())
            answer.read()
    arrived = backend.requests()
    took = [(arrived[f"s-{name}"][0] - begin) * 1000 for name, begin in zip(names, sent)]
    assert min(took) > 0, took
    return took[5:]  # the first ones start the host and open connections
