#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the plugin against a backend of its own: test.py MODULE.so PROVOST"""

import json
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
from backend import Objects  # noqa: E402

MODULE, PROVOST = sys.argv[1:3]


class Life(unittest.TestCase):
    def setUp(self):
        self.server = Objects()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def file(self, name, value):
        path = self.folder / name
        path.write_text(json.dumps(value))
        return str(path)

    def run_operation(self, name, token="secret", **files):
        settings = {"url": f"http://127.0.0.1:{self.server.server_port}", "token": token}
        event = {"id": "1", "type": f"service.{name}", "customer": {"email": "a@example.com"},
                 "service": {"id": "1", "product": "test", "plan": "test"}}
        command = [PROVOST, "plugin", "run", MODULE, name, "--no-wait",
                   "--settings", self.file("settings.json", settings),
                   "--event", self.file("event.json", event),
                   "--state", str(self.folder / "state.json")]
        for option, value in files.items():
            command += [f"--{option}", self.file(f"{option}.json", value)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertNotIn("secret", done.stdout + done.stderr)
        return done

    def succeed(self, name, **files):
        done = self.run_operation(name, **files)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return list(self.server.objects.values())

    def test_a_whole_life(self):
        self.assertEqual([o["size"] for o in self.succeed("create")], [1 << 30])
        self.assertEqual([o["enabled"] for o in self.succeed("suspend")], [False])
        self.assertEqual([o["enabled"] for o in self.succeed("unsuspend")], [True])
        upgrade = {"values": {"size": "2GiB"}, "previous": {"size": "1GiB"}}
        self.assertEqual([o["size"] for o in self.succeed("upgrade", **upgrade)], [2 << 30])
        self.assertEqual(self.succeed("terminate"), [])

    def test_a_lost_answer_makes_no_second_object(self):
        self.server.lose = True
        self.assertEqual(len(self.succeed("create")), 1)
        self.assertEqual(self.server.created, 1)

    def test_what_somebody_else_deleted_can_be_terminated(self):
        self.succeed("create")
        self.server.objects.clear()
        self.succeed("terminate")

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
