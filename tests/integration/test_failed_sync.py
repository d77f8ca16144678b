# SPDX-License-Identifier: Apache-2.0
"""A disk whose syncs fail: events are refused with 503 until the log is known to be good, what was
acknowledged stays, what runs waits, and everything goes on by itself then."""

import invariants
import shop


def test_events_are_refused_while_syncs_fail(faults, make_provost, tmp_path):
    one = make_provost(shop.OPTIONS)
    broken = tmp_path / "fault.store.sync"
    one.env["PROVOST_FAULTS"] = f"{tmp_path}/fault:store.sync=fail"
    one.start()
    acknowledged = {}
    for n in range(5):
        acknowledged[f"before-{n}"] = shop.accepted(one, f"before-{n}")["operation"]
    broken.touch()
    for n in range(5):
        answer = shop.create(one, f"during-{n}")
        assert answer.status == 503, answer
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json["code"] == "store_unavailable"
    # What was there is still shown.
    assert one.api("GET", f"/v1/operations/{acknowledged['before-0']}").status == 200
    broken.unlink()
    for n in range(5):
        acknowledged[f"during-{n}"] = shop.accepted(one, f"during-{n}")["operation"]
    for op in acknowledged.values():
        assert shop.end_of(one, op) == "done"
    broken.touch()
    assert shop.create(one, "last").status == 503
    one.kill()
    broken.unlink()
    one.start()
    for service, op in acknowledged.items():
        again = shop.accepted(one, service)
        assert again["operation"] == op and again["duplicate"], service
    assert one.stop() == 0
    assert invariants.check(one.database) == []
