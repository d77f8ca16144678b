#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the plugin against a backend of its own: test.py MODULE.so PROVOST"""

import json
import subprocess
import sys
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MODULE, PROVOST = sys.argv[1:3]


class Backend(BaseHTTPRequestHandler):
    """Objects in memory; `refuse` makes it answer 422."""

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
        elif self.command == "POST":
            objects[body["ref"]] = {"id": "object-1", "enabled": True, **body}
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


class Life(unittest.TestCase):
    def setUp(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
        self.server.objects, self.server.refuse = {}, False
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_operation(self, name, token="secret"):
        settings = {"url": f"http://127.0.0.1:{self.server.server_port}", "token": token}
        event = {"id": "1", "type": f"service.{name}", "customer": {"email": "a@example.com"},
                 "service": {"id": "1", "product": "test", "plan": "test"}}
        (self.folder / "settings.json").write_text(json.dumps(settings))
        (self.folder / "event.json").write_text(json.dumps(event))
        return subprocess.run(
            [PROVOST, "plugin", "run", MODULE, name, "--settings", str(self.folder / "settings.json"),
             "--event", str(self.folder / "event.json")], capture_output=True, text=True, timeout=30)

    def test_create(self):
        done = self.run_operation("create")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual([o["size"] for o in self.server.objects.values()], [1 << 30])
        self.assertNotIn("secret", done.stdout)

    def test_what_the_backend_refuses_fails(self):
        self.server.refuse = True
        done = self.run_operation("create")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("refused by the test", done.stdout + done.stderr)

    def test_a_wrong_token_is_the_instances_fault(self):
        done = self.run_operation("create", token="wrong")
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(self.server.objects, {})


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
