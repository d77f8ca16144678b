#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A small site server: what the example plugin `siteserver` provisions on. Everything is in memory.

usage: backend.py [--port N] [--token TOKEN]

Prints one line, "listening on http://127.0.0.1:PORT", when it is ready. All but /healthz needs
"Authorization: Bearer TOKEN".

  GET    /sites[?ref=REF]     {"sites": [SITE…]}
  POST   /sites               {"ref", "memory"} → 201 SITE; 409 when the ref is taken
  GET    /sites/ID            SITE; it is "installing" for the first two questions, then "running"
  PATCH  /sites/ID            {"memory"?, "title"?} → SITE
  POST   /sites/ID/start, /sites/ID/stop, /sites/ID/restart → SITE
  DELETE /sites/ID            204; 404 when it is not there

  SITE: {"id", "ref", "memory", "status": "installing"|"running"|"stopped", "title", "url", "restarts"}

To see what happens when things go wrong, tell it to fail:

  POST   /faults   {"request": "create", "kind": KIND, "times": 2}

request is one of create, get, change, start, stop, restart, delete. The next `times` such requests
  "busy"    are answered 503 with Retry-After, nothing is done;
  "refuse"  are answered 422: will never work;
  "broken"  are answered 500 with HTML, nothing is done;
  "denied"  are answered 401;
  "slow"    are carried out and answered after "seconds";
  "lost"    are carried out, and the connection is closed without an answer.

  GET    /ledger   every effect in order: {"effects": [{"what", "ref"}…]}
"""

import argparse
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

KINDS = ("busy", "refuse", "broken", "denied", "slow", "lost")
REQUESTS = ("create", "get", "change", "start", "stop", "restart", "delete")
POLLS_UNTIL_INSTALLED = 2


class Gone(Exception):
    """The answer was withheld on purpose."""


class Sites:
    """What the backend is about; one lock, because requests come in threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sites = {}
        self.effects = []
        self.faults = []
        self.next_id = 101
        self.woken = threading.Event()

    def note(self, what, site):
        self.effects.append({"what": what, "ref": site["ref"]})

    def fault(self, request):
        """The fault that this request meets, or None."""
        for fault in self.faults:
            if fault["request"] == request and fault["times"] > 0:
                fault["times"] -= 1
                return fault
        return None

    def create(self, body):
        ref = body.get("ref")
        if not isinstance(ref, str) or not ref:
            return 422, {"error": "a site needs a ref"}
        if any(s["ref"] == ref for s in self.sites.values()):
            return 409, {"error": f"there is a site {ref} already"}
        site = {"id": self.next_id, "ref": ref, "memory": body.get("memory", 0),
                "status": "installing", "title": "", "url": f"http://{ref}.sites.example.net/",
                "restarts": 0, "asked": 0}
        self.next_id += 1
        self.sites[site["id"]] = site
        self.note("create", site)
        return 201, site

    def get(self, site):
        if site["status"] == "installing":
            site["asked"] += 1
            if site["asked"] > POLLS_UNTIL_INSTALLED:
                site["status"] = "running"
        return 200, site

    def change(self, site, body):
        for member in ("memory", "title"):
            if member in body and site[member] != body[member]:
                site[member] = body[member]
                self.note("change", site)
        return 200, site

    def power(self, site, what):
        status = "stopped" if what == "stop" else "running"
        if what == "restart":
            site["restarts"] += 1
        if what == "restart" or site["status"] != status:
            site["status"] = status
            self.note(what, site)
        return 200, site

    def delete(self, site):
        del self.sites[site["id"]]
        self.note("delete", site)
        return 204, None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):
        pass

    def answer(self, status, body, headers=()):
        if isinstance(body, dict):
            body = {k: v for k, v in body.items() if k != "asked"}
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "text/html" if isinstance(body, bytes) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self):
        length = int(self.headers.get("Content-Length") or 0)
        try:
            value = json.loads(self.rfile.read(length) or b"{}")
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    def handle_one(self):
        sites = self.server.sites
        url = urlsplit(self.path)
        parts = [p for p in url.path.split("/") if p]
        body = self.body()
        if parts == ["healthz"]:
            return self.answer(200, {"ok": True})
        if self.headers.get("Authorization") != f"Bearer {self.server.token}":
            return self.answer(401, {"error": "the token is wrong"})
        if body is None:
            return self.answer(400, {"error": "the body is not a JSON object"})
        if parts == ["faults"] and self.command == "POST":
            return self.add_fault(body)
        with sites.lock:
            if parts == ["ledger"]:
                return self.answer(200, {"effects": sites.effects})
            status, said, request = self.find(parts, url)
            fault = sites.fault(request) if request else None
            if fault is None or fault["kind"] in ("slow", "lost"):
                if request:
                    status, said = self.carry_out(request, said, body)
        return self.carry_on(fault, status, said)

    def find(self, parts, url):
        """(status, answer or site, request): without a request the answer is final."""
        sites = self.server.sites
        if parts == ["sites"] and self.command == "GET":
            ref = parse_qs(url.query).get("ref")
            found = [s for s in sites.sites.values() if ref is None or s["ref"] in ref]
            return 200, found, "get"
        if parts == ["sites"] and self.command == "POST":
            return 201, None, "create"
        if len(parts) not in (2, 3) or parts[0] != "sites" or not parts[1].isdigit():
            return 404, {"error": "there is nothing here"}, None
        request = {("GET", 2): "get", ("PATCH", 2): "change", ("DELETE", 2): "delete"}.get(
            (self.command, len(parts)))
        if self.command == "POST" and len(parts) == 3 and parts[2] in ("start", "stop", "restart"):
            request = parts[2]
        if request is None:
            return 404, {"error": "there is nothing here"}, None
        site = sites.sites.get(int(parts[1]))
        if site is None:
            return 404, {"error": f"there is no site {parts[1]}"}, None
        return 200, site, request

    def carry_out(self, request, site, body):
        sites = self.server.sites
        if request == "create":
            return sites.create(body)
        if isinstance(site, list):
            return 200, {"sites": [{k: v for k, v in s.items() if k != "asked"} for s in site]}
        if request == "get":
            return sites.get(site)
        if request == "change":
            return sites.change(site, body)
        if request == "delete":
            return sites.delete(site)
        return sites.power(site, request)

    def carry_on(self, fault, status, said):
        kind = fault["kind"] if fault else None
        if kind == "busy":
            return self.answer(503, {"error": "busy"}, [("Retry-After", str(fault["seconds"]))])
        if kind == "refuse":
            return self.answer(422, {"error": "this site is refused"})
        if kind == "broken":
            return self.answer(500, b"<html><body>Internal Server Error</body></html>")
        if kind == "denied":
            return self.answer(401, {"error": "the token is wrong"})
        if kind == "lost":
            raise Gone
        if kind == "slow":
            self.server.sites.woken.wait(fault["seconds"])
        return self.answer(status, said)

    def add_fault(self, body):
        if body.get("kind") not in KINDS or body.get("request") not in REQUESTS:
            return self.answer(422, {"error": f"kind is one of {', '.join(KINDS)}; "
                                              f"request is one of {', '.join(REQUESTS)}"})
        with self.server.sites.lock:
            self.server.sites.faults.append({
                "request": body["request"], "kind": body["kind"], "times": int(body.get("times", 1)),
                "seconds": body.get("seconds", 1)})
        return self.answer(204, None)

    def handle_method(self):
        try:
            self.handle_one()
        except Gone:
            self.close_connection = True
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_POST = do_PATCH = do_DELETE = handle_method


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        """A client that is gone before it has its answer is nothing to be told of."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def main():
    parser = argparse.ArgumentParser(description="A small site server for the example plugin.")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--token", default="backend-token")
    arguments = parser.parse_args()
    server = Server(("127.0.0.1", arguments.port), Handler)
    server.sites = Sites()
    server.token = arguments.token
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
