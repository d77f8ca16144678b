# SPDX-License-Identifier: Apache-2.0
"""A disk whose syncs fail: events are refused with 503 until the log is known to be good, what was
acknowledged stays, what runs waits, and everything goes on by itself then."""

import json
import subprocess

import invariants
import provost as daemons
import pytest


@pytest.fixture
def faults(build):
    shown = subprocess.run(["meson", "introspect", "--buildoptions", build], capture_output=True,
                           check=False)
    if shown.returncode != 0 or not next(o["value"] for o in json.loads(shown.stdout) if o["name"] == "faults"):
        pytest.skip("the build has no faults: -Dfaults=true")


def create(one, service):
    return one.api("POST", "/v1/events", {
        "id": f"{service}-create", "type": "service.create",
        "service": {"id": service, "product": "support", "plan": "basic"},
        "customer": {"id": "c", "email": "customer@example.com"}})


def end_of(one, op):
    state = None
    while state not in daemons.FINAL and state != "needs_operator":
        shown = one.api("GET", f"/v1/operations/{op}", headers={"Prefer": "wait=30"})
        state = shown.json["state"]
    return state


def test_events_are_refused_while_syncs_fail(faults, make_provost, tmp_path):
    one = make_provost({"plugins": {"support": {"module": "support"}},
                        "products": {"support": {"components": [{"plugin": "support"}],
                                                 "plans": {"basic": {}}}}})
    broken = tmp_path / "fault.store.sync"
    one.env["PROVOST_FAULTS"] = f"{tmp_path}/fault:store.sync=fail"
    one.start()
    acknowledged = {}
    for n in range(5):
        answer = create(one, f"before-{n}")
        assert answer.status == 202, answer
        acknowledged[f"before-{n}"] = answer.json["operation"]
    broken.touch()
    for n in range(5):
        answer = create(one, f"during-{n}")
        assert answer.status == 503, answer
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json["code"] == "store_unavailable"
    # What was there is still shown.
    assert one.api("GET", f"/v1/operations/{acknowledged['before-0']}").status == 200
    broken.unlink()
    for n in range(5):
        answer = create(one, f"during-{n}")
        assert answer.status == 202, answer
        acknowledged[f"during-{n}"] = answer.json["operation"]
    for op in acknowledged.values():
        assert end_of(one, op) == "done"
    broken.touch()
    assert create(one, "last").status == 503
    one.kill()
    broken.unlink()
    one.start()
    for service, op in acknowledged.items():
        again = create(one, service)
        assert again.json["operation"] == op and again.json["duplicate"], service
    assert one.stop() == 0
    assert invariants.check(one.database) == []
