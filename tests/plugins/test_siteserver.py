# SPDX-License-Identifier: Apache-2.0
"""The example plugin on the example's backend, and that backend's faults."""

import json
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

import fake

MIB = 1024 * 1024


class Backend:
    def __init__(self, root):
        self.process = subprocess.Popen(
            [sys.executable, str(root / "examples/quickstart/backend.py"), "--token", "t"],
            stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[-1]

    def ask(self, method, path, body=None):
        request = urllib.request.Request(
            self.url + path, method=method, data=json.dumps(body).encode() if body else None,
            headers={"Authorization": "Bearer t"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def fault(self, request, kind, times=1, **more):
        self.ask("POST", "/faults", {"request": request, "kind": kind, "times": times, **more})

    def effects(self):
        return [e["what"] for e in self.ask("GET", "/ledger")["effects"]]

    def sites(self):
        return self.ask("GET", "/sites")["sites"]

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


@pytest.fixture
def backend(root):
    one = Backend(root)
    yield one
    one.stop()


@pytest.fixture
def site(drive, backend):
    return drive("examples/plugins/siteserver/siteserver", {"url": backend.url, "token": "t"})


def order(memory=512, **more):
    return {"values": {"memory": memory * MIB, **more}}


def created(site):
    """Until it is installed: pending is asked again."""
    said = site.run("create", input=order(), polls=5)
    assert said["outcome"] == "ok", said["last"]
    return said


def test_life(backend, site):
    said = created(site)
    assert [s["outcome"] for s in said["steps"]] == ["ok", "pending", "pending", "ok"]
    assert backend.sites()[0]["ref"] == fake.ref("1")
    site.ok("suspend", input=order())
    assert site.query("view")["status"] == "stopped"
    site.ok("unsuspend", input=order())
    site.ok("upgrade", input={**order(1024), "previous": {"memory": 512 * MIB}})
    assert backend.sites()[0]["memory"] == 1024 * MIB
    site.act("title", title="Hello")
    site.act("restart")
    view = site.query("view")
    assert view["status"] == "running"
    assert [f["value"] for f in view["fields"]][1:] == ["Hello", 1024 * MIB]
    site.ok("terminate", input=order())
    assert backend.sites() == []
    site.ok("terminate", input=order())
    assert backend.effects() == ["create", "stop", "start", "change", "change", "restart", "delete"]


def test_upgrade_undone(backend, site):
    created(site)
    site.run("upgrade", input={**order(1024), "previous": {"memory": 512 * MIB}}, undo=True)
    assert backend.sites()[0]["memory"] == 512 * MIB


def test_busy_twice(backend, site):
    backend.fault("create", "busy", 2)
    said = site.run("create", input=order(), retries=2, polls=5)
    assert said["outcome"] == "ok"
    assert [s["outcome"] for s in said["steps"]][:3] == ["temporary", "temporary", "ok"]
    assert said["steps"][0]["retry_after_ms"] == 1000


def test_refused(backend, site):
    backend.fault("create", "refuse")
    assert site.refused("create", input=order()) == "create the site: HTTP 422: this site is refused"
    assert backend.effects() == []


def test_an_install_that_is_refused_is_undone(backend, site):
    backend.fault("get", "refuse")
    said = site.run("create", input=order(), undo=True)
    assert said["steps"][-1] | {"undo": True, "outcome": "ok"} == said["steps"][-1]
    assert backend.effects() == ["create", "delete"]


@pytest.mark.parametrize("kind, outcome", [
    ("lost", "unknown"), ("broken", "unknown"), ("denied", "instance_fault"), ("busy", "temporary")])
def test_outcomes_of_create(backend, site, kind, outcome):
    backend.fault("create", kind)
    assert site.run("create", input=order())["outcome"] == outcome


def test_a_lost_answer_is_looked_up(backend, site):
    backend.fault("create", "lost")
    said = site.run("create", input=order(), polls=5, lookups=True)
    assert [s["outcome"] for s in said["steps"]][:2] == ["unknown", "ok"]
    assert said["outcome"] == "ok" and backend.effects() == ["create"]


def test_a_broken_request_is_looked_up_and_repeated(backend, site):
    backend.fault("create", "broken")
    said = site.run("create", input=order(), polls=5, lookups=True)
    assert [s["outcome"] for s in said["steps"]][:3] == ["unknown", "absent", "ok"]
    assert backend.effects() == ["create"]


def test_a_create_whose_end_is_unknown_is_undone(backend, site):
    backend.fault("create", "lost")
    site.run("create", input=order(), undo=True)
    assert backend.effects() == ["create", "delete"] and backend.sites() == []


def test_slow(backend, site):
    backend.fault("create", "slow", seconds=0.2)
    created(site)


def test_the_crash_that_is_asked_for(drive, backend):
    site = drive("examples/plugins/siteserver/siteserver", {"url": backend.url, "token": "t"})
    site.process.stdin.write(json.dumps({"do": "run", "name": "create", "service": "1",
                                         "input": order(crash=True)}) + "\n")
    site.process.stdin.flush()
    assert site.process.wait(20) != 0  # aborted, or ended by a sanitizer's handler
    assert backend.effects() == ["create"]


def test_instance_queries(backend, site):
    created(site)
    assert site.query("test", of="instance") == {"ok": True}
    assert site.query("inventory", of="instance")["items"][0]["ref"] == fake.ref("1")


@pytest.mark.parametrize("method, path, body, status", [
    ("POST", "/sites", {}, 422), ("GET", "/sites/7", None, 404), ("GET", "/nowhere", None, 404),
    ("POST", "/sites/x/start", None, 404), ("PUT", "/sites/1", None, 501),
    ("POST", "/faults", {"kind": "no", "request": "create"}, 422)])
def test_what_the_backend_refuses(backend, method, path, body, status):
    with pytest.raises(urllib.error.HTTPError) as raised:
        backend.ask(method, path, body)
    assert raised.value.code == status
    raised.value.close()
