# SPDX-License-Identifier: Apache-2.0
"""A plugin that misbehaves costs the steps of its own instance a retry or a look-up, and nothing else:
operations of other instances do not notice; the culprit is parked after the third time, and its
neighbours are done."""

import pytest

pytestmark = pytest.mark.long

WAYS = ["crash", "loop", "garbage", "overflow", "exit", "deaf", "grow", "spin"]


@pytest.mark.parametrize("how", WAYS)
def test_a_culprit_is_parked_and_nobody_else_notices(misbehaving, backend, how):
    one = misbehaving.start()
    # Neighbours in both instances, with a request under way.
    one.event("create", "near", product="bad", plan="wait")
    one.event("create", "far", product="good", plan="wait")
    backend.await_waiting(2)
    far_host = one.hosts()["good"]

    shown = one.await_operation("create", "culprit", product="bad", plan=how)
    assert shown["state"] == "needs_operator", shown
    assert backend.count("culprit") == 0

    backend.release()
    for service, product in (("near", "bad"), ("far", "good")):
        done = one.await_operation("create", service, product=product, plan="wait")
        assert done["state"] == "done", done
    assert backend.count("far") == 1
    assert one.hosts()["good"] == far_host
    # The instance works for others.
    well = one.await_operation("create", "after", product="bad", plan="well")
    assert well["state"] == "done", well
    blamed = {line["operation"] for line in one.log_lines()
              if line.get("message", "").startswith("this step took its plugin host down")}
    assert shown["operation"] in blamed
    # Where nothing names the culprit, all that ran are suspects until they have a host of their own.
    assert blamed == {shown["operation"]} or how in ("garbage", "grow"), blamed


def test_what_was_sent_before_a_crash_is_looked_up(misbehaving, backend):
    one = misbehaving.start()
    shown = one.await_operation("create", "s1", product="bad", plan="crash_after_send")
    assert shown["state"] == "done", shown
    assert backend.count("s1") == 1
    assert [row["kind"] for row in shown["steps"] if row["step"] == "act"] == ["run", "lookup"]


def test_an_outcome_that_is_none_is_unknown(misbehaving, backend):
    """It is looked up and tried once more at once, then waits, and costs nobody else anything."""
    one = misbehaving
    one.options["products"]["bad"]["retry"] = {"initial": "366d", "cap": "366d"}
    one.configure(one.options)
    one.start()
    one.event("create", "s1", product="bad", plan="number")
    assert one.await_operation("create", "s2", product="bad", plan="well")["state"] == "done"
    shown = one.await_waiting("create", "s1", "retry", product="bad", plan="number")
    assert shown["state"] == "ready", shown
    kinds = [row["kind"] for row in shown["steps"] if row["step"] == "act"]
    assert kinds == ["run", "lookup", "run", "lookup"], kinds


def test_an_instance_that_does_not_start_says_why(misbehaving, backend):
    one = misbehaving
    one.options["plugins"]["bad"]["settings"]["start"] = "refuse"
    one.configure(one.options)
    one.start()
    op = one.event("create", "s1", product="bad", plan="well", wait_s=3)["operation"]
    assert one.await_operation("create", "s2", product="good", plan="well")["state"] == "done"
    faults = [h.get("fault", "") for h in one.admin("GET", "/v1/status").json["hosts"]
              if h["instance"] == "bad"]
    assert any("the panel of this instance is gone" in fault for fault in faults), faults
    shown = one.operation(op)
    assert shown["state"] in ("ready", "running"), shown
    # Mended, it goes on by itself.
    one.options["plugins"]["bad"]["settings"]["start"] = "well"
    one.configure(one.options)
    assert one.reload() == "running"
    assert one.await_operation("create", "s1", product="bad", plan="well")["state"] == "done"


def test_the_status_says_how_memory_is_limited(misbehaving, cli):
    one = misbehaving.start()
    limit = one.admin("GET", "/v1/status").json["memory_limit"]
    assert limit["by"] == "cgroup" or (limit["by"] == "watch" and "cgroup" in limit["because"]), limit
    shown = cli(one, "status")
    assert shown.returncode == 0, shown.stderr
    assert ["memory", "limit", "of", "plugins", limit["by"]] in [line.split() for line in shown.stdout.splitlines()]
