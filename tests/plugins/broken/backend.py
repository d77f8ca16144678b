#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the plugins of this folder provision on. It forgives nothing: every POST makes another object,
and an Idempotency-Key is not looked at. Prints its URL.

  GET    /objects[?ref=REF]   {"objects": [OBJECT…]}
  POST   /objects             {"ref", "size"} → 201 OBJECT
  PUT    /objects/ID          the same under a given id, or 200 in place of what was there
  PATCH  /objects/ID          200, 404
  DELETE /objects/ID          204, 404
"""

import itertools
import json
import secrets
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

TOKEN = "the-token-of-the-tests"
OBJECTS = {}
NUMBERS = itertools.count(1)


class Handler(BaseHTTPRequestHandler):
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, format, *args):
        pass

    def answer(self, status, body=None):
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def make(self, name, body):
        there = name in OBJECTS
        OBJECTS[name] = {"id": name, "enabled": False, "note": "made by a test",
                         "password": secrets.token_hex(8), **body}
        self.answer(200 if there else 201, OBJECTS[name])

    def handle_method(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        url = urlsplit(self.path)
        name = url.path.removeprefix("/objects").strip("/")
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.answer(401)
        elif self.command == "POST":
            self.make(f"object-{next(NUMBERS)}", body)
        elif self.command == "PUT":
            self.make(name, body)
        elif self.command == "GET" and not name:
            ref = parse_qs(url.query).get("ref")
            self.answer(200, {"objects": [{key: value for key, value in o.items() if key != "password"}
                                          for o in list(OBJECTS.values())
                                          if ref is None or o.get("ref") in ref]})
        elif name not in OBJECTS:
            self.answer(404)
        elif self.command == "DELETE":
            OBJECTS.pop(name, None)
            self.answer(204)
        else:
            OBJECTS[name].update(body)
            self.answer(200, OBJECTS[name])

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_method


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
