# SPDX-License-Identifier: Apache-2.0
"""A PowerDNS of its own on free ports of the loopback, with its data in a folder of the test."""

import contextlib
import json
import shutil
import subprocess
import time
import urllib.request

from daemon import SLOW, free_port

SCHEMA = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"
MISSING = next((program for program in ("pdns_server", "sqlite3", "dig")
                if shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") is None), None)


class PowerDNS:
    key = "test-key"

    def __init__(self, folder):
        self.folder = folder
        self.folder.mkdir()
        with open(SCHEMA, encoding="utf-8") as schema:
            subprocess.run(["sqlite3", str(folder / "p.db")], stdin=schema, check=True)
        self.dns_port = self.http_port = None
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http_port}"

    def start(self):
        if self.dns_port is None:
            self.dns_port, self.http_port = free_port(), free_port()
        (self.folder / "pdns.conf").write_text(
            "launch=gsqlite3\n"
            f"gsqlite3-database={self.folder}/p.db\n"
            "local-address=127.0.0.1\n"
            f"local-port={self.dns_port}\n"
            "api=yes\nwebserver=yes\nwebserver-address=127.0.0.1\n"
            f"webserver-port={self.http_port}\n"
            f"api-key={self.key}\n"
            f"socket-dir={self.folder}\n"
            "daemon=no\nguardian=no\ncache-ttl=0\nquery-cache-ttl=0\nnegquery-cache-ttl=0\n"
            "zone-cache-refresh-interval=0\nsecurity-poll-suffix=\n", encoding="utf-8")
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [shutil.which("pdns_server", path="/usr/sbin:/usr/bin"),
                 f"--config-dir={self.folder}"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 60 * SLOW
        while not self.listens():
            log = (self.folder / "log").read_text()
            if "ddress already in use" in log:
                # Another process took a port between our look and its start; without that of its web
                # server it goes on.
                self.stop()
                self.dns_port = None
                return self.start()
            assert self.process.poll() is None and time.monotonic() < deadline, log
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.05)
        self.api("GET", "")
        return None

    def listens(self):
        """Its own word, since another may answer at a port that it did not get."""
        return "Listening for HTTP requests" in (self.folder / "log").read_text()

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60 * SLOW)
            self.process = None

    def api(self, method, path, body=None):
        request = urllib.request.Request(
            f"{self.url}/api/v1/servers/localhost{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-API-Key": self.key, "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60 * SLOW) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def add_zone(self, name, nameservers, rrsets=(), account=""):
        self.api("POST", "/zones", {"name": name + ".", "kind": "Native", "account": account,
                                    "nameservers": [n + "." for n in nameservers],
                                    "rrsets": [{"name": n + ".", "type": t, "ttl": 60, "records": [
                                        {"content": c, "disabled": False} for c in contents]}
                                        for n, t, contents in rrsets]})

    def zones(self):
        return {z["name"].rstrip("."): z["account"] for z in self.api("GET", "/zones")}

    def dig(self, name, kind="A", *options):
        """The sorted data of the answer."""
        out = self.ask(name, kind, "+short", *options)
        return sorted(line for line in out.splitlines() if line)

    def rcode(self, name, kind="A"):
        out = self.ask(name, kind)
        return out.split("status: ")[1].split(",")[0]

    def ask(self, name, kind, *options):
        return subprocess.run(
            ["dig", "@127.0.0.1", "-p", str(self.dns_port), "+time=2", "+tries=2", *options, name, kind],
            capture_output=True, text=True, check=True).stdout
