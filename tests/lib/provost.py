# SPDX-License-Identifier: Apache-2.0
"""A provostd under test: its folder, configuration, API, log and processes."""

import http.client
import json
import os
import re
import select
import signal
import socket
import time
from pathlib import Path

import daemon
from daemon import SLOW

ALL_SCOPES = ["events:write", "services:read", "services:act", "services:reveal", "operations:read",
              "operations:write", "signals:write", "instances:query", "plugins:read", "audit:read",
              "metrics:read"]
FINAL = {"done", "failed", "superseded", "canceled", "abandoned"}


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, status, headers, text):
        self.status = status
        self.headers = headers
        self.text = text

    @property
    def json(self):
        return json.loads(self.text)

    def __repr__(self):
        return f"{self.status} {self.text[:500]}"


class Provost(daemon.Daemon):
    """provostd in a folder of its own, with a SQLite file, on a free port.

    `options` are members of the configuration; what is not given is filled in. The configuration is
    rewritten by configure(). The service manager's socket stays open as long as the daemon lives, so
    that reloads can be awaited.
    """

    def __init__(self, build, folder, options=None, env=None):
        self.build = Path(build)
        # A socket's path has room for some 100 bytes; temporary folders may be longer.
        self.socket_path = Path(f"/tmp/provost-{os.getpid()}-{id(self):x}.sock")
        self.config = Path(folder) / "provost.yaml"
        self.database = Path(folder) / "data" / "provost.db"
        self.port = None
        self.token = None
        self.notify = None
        self.options = {}
        super().__init__([self.build / "provostd", "-c", self.config], folder,
                         dict(os.environ if env is None else env)
                         | {"PROVOST_HOST": str(self.build / "provost-host")}, "provostd")
        self.configure(options or {})

    # ---- configuration ----

    def configure(self, options):
        self.options = options
        whole = {
            "listen": "127.0.0.1:0",
            "admin_socket": str(self.socket_path),
            "data_dir": str(self.folder / "data"),
            "runtime_dir": str(self.folder / "run"),
            "plugin_dirs": [str(self.build / "plugins"), str(self.build / "tests/plugins")],
        } | options
        self.config.write_text(json.dumps(whole, indent=1))

    # ---- life ----

    def start(self, timeout_s=30 * SLOW):
        assert self.process is None, "it is running already"
        self.close_notify()
        self.notify = daemon.Notify(f"/tmp/provost-notify-{os.getpid()}-{id(self):x}")
        with open(self.log, "ab") as log:
            self.process = daemon.subprocess.Popen(
                self.command, stdin=daemon.subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.folder, env=self.env | {"NOTIFY_SOCKET": self.notify.path})
        try:
            self.notify.wait("READY", "1", self.process, timeout_s)
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"provostd {error}; its log:\n{self.log_text()}") from None
        self.port = int(self.notify.state["STATUS"].rsplit(" ", 1)[1])
        return self

    def wait(self, timeout_s=30 * SLOW):
        status = super().wait(timeout_s)
        self.close_notify()
        return status

    def close_notify(self):
        if self.notify:
            self.notify.close()
            self.notify = None

    def reload(self, timeout_s=30 * SLOW):
        """SIGHUP, until it is over; what the daemon says of its state then."""
        self.notify.drain()
        self.notify.state.clear()
        self.process.send_signal(signal.SIGHUP)
        self.notify.wait("READY", "1", self.process, timeout_s)
        return self.notify.state["STATUS"]

    def __exit__(self, kind, error, trace):
        try:
            super().__exit__(kind, error, trace)
        finally:
            self.close_notify()
            self.socket_path.unlink(missing_ok=True)

    # ---- API ----

    def call(self, method, path, body=None, token=None, admin=False, headers=None,
             timeout_s=70 * SLOW, connection=None):
        """One request, on a connection of its own or on one that is kept."""
        kept = connection is not None
        if not kept and admin:
            connection = UnixConnection(self.socket_path, timeout_s)
        elif not kept:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        sent = dict(headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        data = None
        if body is not None:
            data = body if isinstance(body, (bytes, str)) else json.dumps(body)
            sent.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())
        finally:
            if not kept:
                connection.close()

    def admin(self, method, path, body=None, **more):
        return self.call(method, path, body, admin=True, **more)

    def api(self, method, path, body=None, **more):
        """With a token of the source "shop" that may do everything."""
        if self.token is None:
            made = self.admin("POST", "/v1/tokens", {"source": "shop", "scopes": ALL_SCOPES})
            assert made.status == 201, made
            self.token = made.json["token"]
        return self.call(method, path, body, token=self.token, **more)

    def event(self, kind, service, number=1, wait_s=None, **service_members):
        """Fires service.KIND for a service; the answer's JSON."""
        event = {"id": f"{service}-{kind}-{number}", "type": f"service.{kind}",
                 "service": {"id": service} | service_members}
        if kind == "create":
            event["customer"] = {"id": "c1", "email": "customer@example.com"}
        headers = {"Prefer": f"wait={wait_s}"} if wait_s else None
        answer = self.api("POST", "/v1/events", event, headers=headers)
        assert answer.status in (200, 202), answer
        return answer.json

    def operation(self, op, **more):
        answer = self.api("GET", f"/v1/operations/{op}", **more)
        assert answer.status == 200, answer
        return answer.json

    def await_operation(self, kind, service, timeout_s=60 * SLOW, **service_members):
        """Fires an event and gives the operation as it is when it has ended or is parked. The same event
        is a duplicate: it waits for the operation that the first one became."""
        deadline = time.monotonic() + timeout_s
        while True:
            op = self.event(kind, service, wait_s=20, **service_members)["operation"]
            shown = self.operation(op)
            if shown["state"] in FINAL or shown["state"] == "needs_operator":
                return shown
            assert time.monotonic() < deadline, shown

    def await_waiting(self, kind, service, why, timeout_s=60 * SLOW, **service_members):
        """Fires an event and gives the operation once it waits for this reason."""
        deadline = time.monotonic() + timeout_s
        op = self.event(kind, service, **service_members)["operation"]
        while True:
            shown = self.operation(op, headers={"Prefer": "wait=1"})
            if (shown["wait"] or {}).get("why") == why:
                return shown
            assert time.monotonic() < deadline, shown

    def metrics(self):
        """What /metrics says, by name with labels."""
        text = self.admin("GET", "/metrics").text
        return {name: float(value) for name, value in re.findall(r"^(provost_\S+) (\S+)$", text, re.M)}

    # ---- processes and log ----

    def hosts(self):
        """Pids of the plugin hosts by instance, from the daemon's own status."""
        found = self.admin("GET", "/v1/status").json["hosts"]
        return {h["instance"]: h["pid"] for h in found if h["pid"]}

    def log_lines(self):
        lines = []
        for line in self.log_text().splitlines():
            if line.startswith("{"):
                lines.append(json.loads(line))
        return lines

    def messages(self):
        return [line.get("message", "") for line in self.log_lines()]


def descendants(pid):
    """Pids of all processes below a process."""
    below = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            below.setdefault(int(stat.rsplit(")", 1)[1].split()[1]), []).append(int(entry.name))
    found, new = set(), [pid]
    while new:
        for child in below.get(new.pop(), []):
            if child not in found:
                found.add(child)
                new.append(child)
    return found


def await_gone(pids, timeout_s=30 * SLOW):
    """Until none of the processes is left."""
    deadline = time.monotonic() + timeout_s
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            ready, _, _ = select.select([fd], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"process {pid} is still there"
        finally:
            os.close(fd)
