#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A backend for tests: objects in memory. By itself it prints its URL, which is what check.yaml needs."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Backend(BaseHTTPRequestHandler):
    """`refuse`: it answers 422; `lose`: the next answer to a POST gets lost."""

    def answer(self, status, body=None):
        data = json.dumps(body or {}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_method(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        objects = self.server.objects
        ref = self.path.removeprefix("/objects").strip("/")
        if self.headers["Authorization"] != "Bearer secret":
            self.answer(401)
        elif self.server.refuse:
            self.answer(422, {"error": "refused by the test"})
        elif self.command == "POST" and body.get("ref") in objects:
            self.answer(409, {"error": "there is such an object already"})
        elif self.command == "POST":
            self.server.created += 1
            objects[body["ref"]] = {"id": f"object-{self.server.created}", "enabled": True, **body}
            if self.server.lose:
                self.server.lose = False
                self.close_connection = True
            else:
                self.answer(201, objects[body["ref"]])
        elif self.command == "GET" and not ref:
            self.answer(200, {"objects": list(objects.values())})
        elif ref not in objects:
            self.answer(404)
        elif self.command == "DELETE":
            del objects[ref]
            self.answer(200)
        else:
            objects[ref].update(body)
            self.answer(200, objects[ref])

    do_GET = do_POST = do_PATCH = do_DELETE = handle_method

    def log_message(self, format, *args):
        pass


class Objects(ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Backend)
        self.objects, self.created = {}, 0
        self.refuse = self.lose = False


if __name__ == "__main__":
    server = Objects()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
