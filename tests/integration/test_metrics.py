# SPDX-License-Identifier: Apache-2.0
"""What /metrics answers is what docs/metrics.md lists, Prometheus reads it, and the alert rules and the
board of examples/monitoring use nothing else."""

import json
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from daemon import SLOW

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "examples/monitoring"
NAME = re.compile(r"\bprovost_[a-z0-9_]+")
PROMTOOL = shutil.which("promtool")


@pytest.fixture(scope="module")
def documented():
    """type by name."""
    rows = re.findall(r"^\| `(provost_\w+)` \| (\w+) \|", (ROOT / "docs/metrics.md").read_text(), re.M)
    assert len(rows) == len(dict(rows)) > 20
    return dict(rows)


@pytest.fixture
def metrics(misbehaving, backend):
    one = misbehaving
    one.configure(one.options | {"pools": {"vmids": {"range": "100-199"}}})
    one.start()
    assert one.await_operation("create", "s1", product="good", plan="well")["state"] == "done"
    return one.admin("GET", "/metrics").text


def known(name, documented):
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return name in documented or documented.get(base) == "histogram"


def test_all_metrics_are_documented_and_there(metrics, documented):
    assert dict(re.findall(r"^# TYPE (\w+) (\w+)$", metrics, re.M)) == documented
    samples = {NAME.match(line).group() for line in metrics.splitlines() if line[0] != "#"}
    assert [name for name in samples if not known(name, documented)] == []
    assert 'provost_pool_free{pool="vmids"} 100\n' in metrics
    assert 'provost_instance_in_flight{instance="bad"} 0\n' in metrics
    assert re.search(r'^provost_commit_seconds_count [1-9]', metrics, re.M)
    assert 'provost_backend_requests_total{instance="good",answer="2xx"} 1\n' in metrics


def test_what_happens_is_counted(misbehaving):
    one = misbehaving.start()
    done = one.await_operation("create", "s1", product="good", plan="well")
    assert done["state"] == "done"
    before = one.metrics()
    assert before['provost_host_restarts_total{instance="bad"}'] == 0, "which has not run"
    assert before["provost_events_accepted_total"] == 1 and before["provost_steps_in_flight"] == 0
    assert one.event("create", "s1", product="good", plan="well")["duplicate"]
    illegal = one.api("POST", "/v1/events", {
        "id": "again", "type": "service.create", "service": {"id": "s1", "product": "good", "plan": "well"},
        "customer": {"id": "c1", "email": "customer@example.com"}})
    assert illegal.status == 409
    with socket.create_connection(("127.0.0.1", one.port), timeout=30 * SLOW) as plain:
        plain.sendall(b"hello\r\n\r\n")
        assert plain.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert one.await_operation("create", "s2", product="bad", plan="crash")["state"] == "needs_operator"
    assert one.admin("POST", "/v1/instances/good/pause", {"reason": "for a test"}).status == 200
    one.event("create", "s3", product="good", plan="well")
    one.event("suspend", "s3")
    deadline = time.monotonic() + 60 * SLOW
    while one.metrics()["provost_oldest_ready_seconds"] < 1:
        assert time.monotonic() < deadline
        one.api("GET", "/v1/services")
    now = one.metrics()

    def more(name):
        return now[name] - before.get(name, 0)

    assert more("provost_events_duplicate_total") >= 1, "asking for the end of s2's is one, too"
    for name, by in {"events_accepted_total": 3, "events_refused_total": 1, "operations_parked_total": 1,
                     'operations_finished_total{state="done"}': 0, 'steps_total{outcome="lost"}': 3,
                     "operations_unfinished": 3, "operations_ready": 1, "operations_queued": 1, "backlog": 3,
                     "operations_needing_operator": 1, "services": 2, "operations_active": 0,
                     'instance_paused{instance="good"}': 1, 'instance_paused{instance="bad"}': 0,
                     "http_malformed_total": 1, 'http_requests_total{status="400"}': 1,
                     'http_requests_total{status="409"}': 1}.items():
        assert more(f"provost_{name}") == by, (name, before, now)
    assert now['provost_operations_finished_total{state="done"}'] == 1
    assert before['provost_steps_total{outcome="ok"}'] > 0
    assert now['provost_host_restarts_total{instance="bad"}'] == 3, now
    assert now['provost_host_restarts_total{instance="good"}'] == 0
    assert more("provost_commit_requests_count") == more("provost_commit_seconds_count") > 0
    assert more("provost_commit_requests_sum") >= more("provost_commit_requests_count")
    assert now["provost_commit_seconds_sum"] > 0 and now["provost_resident_bytes"] > 1e6


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (package prometheus)")
def test_prometheus_reads_them(metrics):
    out = subprocess.run([PROMTOOL, "check", "metrics"], input=metrics, capture_output=True, text=True)
    assert out.returncode == 0 and out.stderr == "", out


def test_rules_and_board_use_what_is_there(documented):
    rules = yaml.safe_load((MONITORING / "alerts.yaml").read_text())
    board = json.loads((MONITORING / "grafana.json").read_text())
    texts = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    texts += [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    used = [name for text in texts for name in NAME.findall(text)]
    assert len(used) > 20
    assert [name for name in used if not known(name, documented)] == []


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (package prometheus)")
def test_prometheus_takes_the_rules():
    out = subprocess.run([PROMTOOL, "check", "rules", MONITORING / "alerts.yaml"], capture_output=True,
                         text=True)
    assert out.returncode == 0 and "SUCCESS" in out.stdout, out
