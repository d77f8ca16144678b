# SPDX-License-Identifier: Apache-2.0
"""The Paymenter back end's routes on a whole provostd, with the bodies that its extensions send, and
what has become of them in a real PowerDNS."""

import sys
import time
from pathlib import Path

import pytest
from daemon import SLOW

sys.path.insert(0, str(Path(__file__).resolve().parent))
import paymenter  # noqa: E402
from paymenter import SITES, powerdns  # noqa: E402

SITE = {"service_id": "12345", "email": "customer@example.com", "plan": "basic",
        "public_ip": "203.0.113.10"}
ID = {"service_id": "12345"}


@pytest.fixture
def pdns(tmp_path):
    if powerdns.MISSING:
        pytest.skip(f"{powerdns.MISSING} is not installed (see tools/packages)")
    one = powerdns.PowerDNS(tmp_path / "pdns")
    one.start()
    one.add_zone(SITES, paymenter.NAMESERVERS)
    yield one
    one.stop()


@pytest.fixture
def backend(make_provost, pdns):
    """call(path, body): a request of an extension."""
    one = make_provost(paymenter.options(pdns.url)).start()
    token = paymenter.token(one)

    def call(path, body=None, status=200, method="POST"):
        answer = one.call(method, path, body, token=token)
        assert answer.status == status, answer
        assert answer.json["success"] is (status == 200), answer
        return answer.json

    call.provost = one
    return call


def ref_of(one, external_id):
    rows = one.admin("GET", f"/v1/services?source=paymenter&external_id={external_id}").json
    return rows["services"][0]["ref"]


def await_created(one, op, timeout_s=60 * SLOW):
    """Looks until the operation has ended."""
    deadline = time.monotonic() + timeout_s
    shown = {"state": None}
    while shown["state"] not in ("done", "failed", "needs_operator"):
        assert time.monotonic() < deadline, shown
        shown = one.admin("GET", f"/v1/operations/{op}", headers={"Prefer": "wait=20"}).json
    assert shown["state"] == "done", shown


def test_life_of_a_site(backend, pdns):
    one = backend.provost
    made = backend("/create-site", SITE)
    await_created(one, made["operation"])
    name = f"{ref_of(one, 'site%2F12345')}.{SITES}"
    assert pdns.dig(name) == ["203.0.113.10"]
    assert "pending" not in backend("/suspend", ID)
    assert pdns.dig(name) == []
    backend("/unsuspend", ID)
    assert pdns.dig(name) == ["203.0.113.10"]
    backend("/wp/upgrade/", {"service_id": "12345", "plan": "premium"})
    backend("/delete-site", ID)
    assert pdns.rcode(name) == "NXDOMAIN"
    assert "terminated" in backend("/suspend", ID, status=404)["error"]


def test_support_key(backend):
    body = {"service_id": "12345", "email": "customer@example.com", "firstname": "John",
            "lastname": "Doe"}
    key = backend("/support/create", body)["support_key"]
    assert len(key) >= 16
    assert backend("/support/create", body)["support_key"] == key
    backend("/support/suspend", ID)
    backend("/support/unsuspend", ID)
    backend("/support/terminate", ID)
    log = backend.provost.log_text()
    assert key not in log


def test_zones_and_records(backend, pdns):
    def zone(domain, **more):
        return {"service_id": "12345", "zone": domain} | more

    backend("/customdomain/add/zone", zone("one.example", email="customer@example.com"))
    backend("/customdomain/add/zone", zone("two.example"))
    assert {"one.example", "two.example"} <= set(pdns.zones())
    assert "quota" in backend("/customdomain/add/zone", zone("three.example"), status=409)["error"]
    backend("/customdomain/add/record",
            zone("one.example", name="www", type="A", content="PROXYSRV", ttl=300))
    assert pdns.dig("www.one.example") == ["203.0.113.10"]
    listed = backend("/customdomain/list/records?service_id=12345&zone=one.example", method="GET")
    record = next(r["id"] for r in listed["records"] if r["type"] == "A" and "www" in r["name"])
    backend("/customdomain/edit/record", zone("one.example", record=record, content="203.0.113.99"))
    assert pdns.dig("www.one.example") == ["203.0.113.99"]
    listed = backend("/customdomain/list/records", zone("one.example"))
    record = next(r["id"] for r in listed["records"] if r["type"] == "A" and "www" in r["name"])
    backend("/customdomain/delete/record", zone("one.example", record=record))
    assert pdns.dig("www.one.example") == []
    assert "name" in backend("/customdomain/add/record", zone("one.example", name="a b", type="A",
                                                              content="1.2.3.4"), status=400)["error"]
    names = [z["zone"] for z in backend("/customdomain/list/zones?service_id=12345",
                                        method="GET")["zones"]]
    assert sorted(names) == ["one.example", "two.example"]
    backend("/customdomain/delete/zone", zone("two.example"))
    assert "two.example" not in pdns.zones()
    backend("/customdomain/add/zone", zone("three.example"))
