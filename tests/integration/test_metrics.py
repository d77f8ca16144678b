# SPDX-License-Identifier: Apache-2.0
"""What /metrics answers is what docs/metrics.md lists, Prometheus reads it, and the alert rules and the
board of examples/monitoring use nothing else."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

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
