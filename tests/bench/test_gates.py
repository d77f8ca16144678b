# SPDX-License-Identifier: Apache-2.0
"""Every gate of the benchmark can fail, and none fails by itself. What is measured here is tiny; no
figure is judged but against limits that nothing reaches, or that everything does."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent)]

import steps  # noqa: E402

pytestmark = pytest.mark.long

RUN = Path(__file__).resolve().parent / "run"
GATES = {"flat": "flat", "flat-cost": "flat-cost", "idle": "idle", "growth": "growth", "ready": "ready",
         "ready-loaded": "ready", "ready-waiting": "ready-waiting", "array": "array", "http": "http",
         "first-p50": "first-p50",
         "first-p99": "first-p99", "flight-lag": "flight-lag", "flight-kib": "flight-kib", "cancel": "cancel",
         "hostile": "hostile"}
IMPOSSIBLE = {"flat": "1e9", "flat-cost": "1e9", "idle": "0.001", "growth": "-100000", "ready": "0.001",
              "ready-waiting": "0.001",
              "array": "1e12", "http": "1e12", "first-p50": "0.001", "first-p99": "0.001",
              "flight-lag": "-1e9", "flight-kib": "-1e9", "cancel": "-1", "hostile": "1e9"}
GENEROUS = {"flat": "0", "flat-cost": "0", "idle": "1e9", "growth": "1e9", "ready": "1e9",
            "ready-waiting": "1e9",
            "array": "0", "http": "0", "first-p50": "1e9", "first-p99": "1e9",
            "flight-lag": "1e9", "flight-kib": "1e9", "cancel": "1", "hostile": "0"}


def limits(values):
    return [word for name, value in values.items() for word in (f"--gate-{name}={value}",)]


def verdicts(ran):
    lines = ran.stdout.split("Gates:")[1].splitlines()
    return {words[1]: words[0] for words in map(str.split, lines) if words and words[0] != "Gates:"
            and words[0] in ("ok", "FAILED")}


@pytest.fixture(scope="module")
def saved(build, tmp_path_factory):
    """One run, judged by limits that nothing reaches: what it said, and its figures."""
    if not shutil.which("wrk") or not steps.nginx_program():
        pytest.skip("wrk and nginx are not both installed")
    folder = tmp_path_factory.mktemp("bench")
    ran = subprocess.run([RUN, "--build", build, "--folder", folder, "--json", folder / "figures",
                          "--rounds", "1", "--seconds", "1", "--warm", "10", "--loaded", "100", "--waiting", "50",
                          "--singles", "10", "--flight", "50", "--crowd", "50",
                          *limits(IMPOSSIBLE)], capture_output=True, text=True, timeout=240)
    assert sorted(p.name for p in folder.iterdir()) == ["figures"], ran.stderr
    return ran, folder / "figures"


@pytest.mark.plain
def test_every_gate_can_fail(saved):
    ran, _ = saved
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert verdicts(ran) == dict.fromkeys(GATES, "FAILED"), ran.stdout


@pytest.mark.plain
def test_gates_hold_where_limits_are_kept(saved):
    again = subprocess.run([RUN, "--again", saved[1], *limits(GENEROUS)], capture_output=True,
                           text=True, timeout=60)
    assert again.returncode == 0, again.stdout + again.stderr
    assert verdicts(again) == dict.fromkeys(GATES, "ok")


@pytest.mark.plain
def test_one_part_alone_is_judged_by_its_own_gates(build, tmp_path):
    figures = tmp_path / "figures"
    whole = [RUN, "--build", build, "--folder", tmp_path, "--part", "first", "--rounds", "1", "--singles", "10",
             "--json", figures]
    if not shutil.which("wrk") or not steps.nginx_program():
        pytest.skip("wrk and nginx are not both installed")
    ran = subprocess.run([*whole, *limits(IMPOSSIBLE)], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert verdicts(ran) == {"first-p50": "FAILED", "first-p99": "FAILED"}
    again = subprocess.run([RUN, "--again", figures, *limits(GENEROUS)], capture_output=True, text=True, timeout=60)
    assert again.returncode == 0, again.stdout + again.stderr
    assert verdicts(again) == {"first-p50": "ok", "first-p99": "ok"}


@pytest.mark.plain
@pytest.mark.parametrize("gate", GATES)
def test_one_gate_is_enough_to_fail(saved, gate):
    option = GATES[gate]
    again = subprocess.run([RUN, "--again", saved[1], *limits(GENEROUS | {option: IMPOSSIBLE[option]})],
                           capture_output=True, text=True, timeout=60)
    assert again.returncode == 1
    assert {g for g, v in verdicts(again).items() if v == "FAILED"} == {
        g for g, o in GATES.items() if o == option}


@pytest.mark.plain
def test_what_was_measured_is_there(saved):
    figures = json.loads(saved[1].read_text())["figures"]
    for name in ("fdatasync_per_s", "bare_per_s", "accept_accepted_per_s", "done_done_per_s",
                 "done_loaded_done_per_s", "wait_done_per_s", "bulk_per_s", "array_accepted_per_s", "curl_per_s",
                 "http_done_per_s", "onestep_done_per_s", "trip_p99_ms", "first_p99_ms", "flight_kib",
                 "cancel_s", "hostile_ratio"):
        assert len(figures[name]) == 1 and figures[name][0] > 0, name


def test_refuses_a_build_without_programs(tmp_path):
    ran = subprocess.run([RUN, "--build", tmp_path], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2 and "is not there" in ran.stderr
