# SPDX-License-Identifier: Apache-2.0
"""One plugin in a plugin-drive process: the commands of tests/plugins/drive.c as methods."""

import json
import subprocess

# enum provost_error
TIMEOUT, NOT_SENT, LOST, TLS = -4, -5, -6, -7


class Drive:
    def __init__(self, build, module, settings):
        self.process = subprocess.Popen(
            [str(build / "tests/plugins/plugin-drive"), str(build / f"{module}.so"),
             json.dumps(settings)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, do, **arguments):
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"plugin-drive ended with {self.process.wait()}"
        return json.loads(line)

    def run(self, name, service="1", input=None, **options):
        """An operation or action: {"outcome", "steps", "last", "quotas", "state"}."""
        return self.ask("run", name=name, service=service, input=input or {}, **options)

    def ok(self, name, service="1", input=None, **options):
        said = self.run(name, service, input, **options)
        assert said["outcome"] == "ok", said["last"]
        return said

    def refused(self, name, service="1", input=None, **options):
        """The sentence of an operation that must end permanent."""
        said = self.run(name, service, input, **options)
        assert said["outcome"] == "permanent", said["last"]
        return said["last"]["text"]

    def undo(self, name, service="1", input=None):
        """Only the undo of every step, as after a node that died before it could record anything."""
        return self.run(name, service, input, undo=True, skip=True)

    def act(self, action, service="1", /, **form):
        return self.ok(action, service, {"form": form})

    def refused_act(self, action, service="1", /, **form):
        return self.refused(action, service, {"form": form})

    def query(self, name, of="service", service="1", values=None, **query):
        said = self.ask("query", of=of, name=name, service=service if of == "service" else "",
                        input={"query": query, "values": values or {}})
        assert said["outcome"] == "ok", said
        return said["result"]

    def fault(self, nth=1, send=False, **what):
        """The nth http call from now on fails: error= or status=, after it was sent or before."""
        self.ask("fault", nth=nth, send=send, **what)

    def close(self):
        if self.process.returncode is None:
            self.process.stdin.close()
            assert self.process.wait(20) == 0
        self.process.stdout.close()


def ref(service):
    """The ref that drive.c makes of a service."""
    return ("r" + service).ljust(20, "x")
