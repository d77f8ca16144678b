# SPDX-License-Identifier: Apache-2.0
"""The dns plugin, mode record: a subdomain for another product, in a zone of the admin."""

import pytest

import fake
from test_dns_zones import NS, settings

ZONE = "sites.example.net"
NAME = fake.ref("1") + "." + ZONE


def order(ip="203.0.113.10", **values):
    params = {"params": {"public_ip": ip}} if ip else {}
    return {"values": {"mode": "record", "zone": ZONE, **values}, **params}


@pytest.fixture
def dns(drive, pdns):
    pdns.add_zone(ZONE, NS)
    return drive("plugins/dns", settings(pdns, record_zones=[ZONE, "missing.example.net"]))


def test_life(pdns, dns):
    dns.ok("create", input=order())
    assert pdns.dig(NAME) == ["203.0.113.10"]
    dns.ok("suspend", input=order())
    assert pdns.dig(NAME) == [] and pdns.rcode(NAME) == "NXDOMAIN"
    assert dns.query("status") == {"status": "suspended"}
    dns.ok("suspend", input=order())
    dns.ok("unsuspend", input=order())
    assert pdns.dig(NAME) == ["203.0.113.10"]
    dns.ok("upgrade", input=order(ttl=300))
    assert f"{NAME}. 300 IN A 203.0.113.10" in " ".join(pdns.ask(NAME, "A").split())
    dns.ok("terminate", input=order())
    assert pdns.rcode(NAME) == "NXDOMAIN"
    dns.ok("terminate", input=order())
    zone = pdns.api("GET", f"/zones/{ZONE}.")
    assert {s["type"] for s in zone["rrsets"]} == {"SOA", "NS"}


def test_terminate_while_suspended(pdns, dns):
    dns.ok("create", input=order())
    dns.ok("suspend", input=order())
    dns.ok("terminate", input=order())
    zone = pdns.api("GET", f"/zones/{ZONE}.")
    assert {s["type"] for s in zone["rrsets"]} == {"SOA", "NS"}


def test_upgrade_while_suspended_stays_silent(pdns, dns):
    dns.ok("create", input=order())
    dns.ok("suspend", input=order())
    dns.ok("upgrade", input=order("203.0.113.11"))
    assert pdns.dig(NAME) == []
    dns.ok("unsuspend", input=order("203.0.113.11"))
    assert pdns.dig(NAME) == ["203.0.113.11"]


def test_kept_while_suspended(pdns, dns):
    dns.ok("create", input=order(on_suspend="keep"))
    dns.ok("suspend", input=order(on_suspend="keep"))
    assert pdns.dig(NAME) == ["203.0.113.10"]
    dns.ok("unsuspend", input=order(on_suspend="keep"))


@pytest.mark.parametrize("input, kind, content", [
    (order("2001:db8::5"), "AAAA", "2001:db8::5"),
    (order(None), "A", "203.0.113.10"),
    (order(None, public_ip="192.0.2.5"), "A", "192.0.2.5"),
    (order(None, type="CNAME", content="front.example.org"), "CNAME", "front.example.org."),
    (order(None, type="TXT", content="hello"), "TXT", '"hello"')])
def test_where_the_content_comes_from(pdns, dns, input, kind, content):
    dns.ok("create", input=input)
    assert pdns.dig(NAME, kind) == [content]
    dns.ok("terminate", input=input)
    assert pdns.dig(NAME, kind) == []


def test_upgrade_to_another_type_and_back(pdns, dns):
    dns.ok("create", input=order())
    dns.ok("upgrade", input=order("2001:db8::5"))
    assert pdns.dig(NAME, "A") == [] and pdns.dig(NAME, "AAAA") == ["2001:db8::5"]
    dns.run("upgrade", input=order("203.0.113.12"), undo=True)
    assert pdns.dig(NAME, "A") == [] and pdns.dig(NAME, "AAAA") == ["2001:db8::5"]
    dns.ok("terminate", input=order())
    assert pdns.rcode(NAME) == "NXDOMAIN"


def test_an_upgrade_whose_end_is_unknown_is_undone(pdns, dns):
    """The new record is written, the answer is lost; the undo takes it back all the same."""
    dns.ok("create", input=order())
    dns.fault(nth=2, send=True, error=fake.LOST)
    said = dns.run("upgrade", input=order("2001:db8::5"), undo=True)
    assert said["steps"][1]["outcome"] == "unknown"
    assert pdns.dig(NAME, "A") == ["203.0.113.10"] and pdns.dig(NAME, "AAAA") == []


def test_create_undone(pdns, dns):
    dns.run("create", input=order(), undo=True)
    assert pdns.rcode(NAME) == "NXDOMAIN"


def test_a_create_whose_end_is_unknown_is_undone(pdns, dns):
    dns.fault(nth=2, send=True, error=fake.TIMEOUT)
    said = dns.run("create", input=order(), undo=True)
    assert [s["outcome"] for s in said["steps"]][2] == "unknown"
    assert pdns.rcode(NAME) == "NXDOMAIN"


def test_the_lost_answer_of_a_write(pdns, dns):
    for nth in (1, 2, 3):
        for name in ("create", "suspend", "unsuspend", "upgrade", "terminate"):
            dns.fault(nth=nth, send=True, error=fake.LOST)
            dns.ok(name, input=order(), retries=1)
        assert pdns.rcode(NAME) == "NXDOMAIN"


def test_a_name_that_is_taken(pdns, dns):
    pdns.api("PATCH", f"/zones/{ZONE}.", {"rrsets": [{
        "name": NAME + ".", "type": "A", "ttl": 60, "changetype": "REPLACE",
        "records": [{"content": "192.0.2.77", "disabled": False}]}]})
    assert "is taken by another record" in dns.refused("create", input=order())
    assert pdns.dig(NAME) == ["192.0.2.77"]
    dns.ok("terminate", input=order())
    assert pdns.dig(NAME) == ["192.0.2.77"]


@pytest.mark.parametrize("input, why", [
    (order(zone="nowhere.example.net"), "is not at the nameserver; create it there first"),
    ({"values": {"mode": "record"}}, "name is missing"),
    (order("192.0.2.1", type="AAAA"), "not an IPv6 address")])
def test_what_a_product_says_wrongly(dns, input, why):
    assert why in dns.refused("create", input=input)


def test_without_any_content(drive, pdns):
    config = settings(pdns)
    del config["proxy_ip"]
    assert "has no content" in drive("plugins/dns", config).refused("create", input=order(None))


def test_zone_actions_are_refused(dns):
    dns.ok("create", input=order())
    assert "a single record" in dns.refused_act("zone_add", zone="example.com")
    assert "a single record" in dns.refused_act("record_add", zone=ZONE, type="A", content="192.0.2.1")


def test_view_and_inventory(dns):
    dns.ok("create", input=order())
    view = dns.query("view")
    assert view["status"] == "active"
    assert {f["name"]: f["value"] for f in view["fields"]} == {
        "name": NAME, "type": "A", "content": "203.0.113.10"}
    assert view["actions"] == []
    assert dns.query("inventory", of="instance")["items"] == [
        {"ref": fake.ref("1"), "kind": "record", "name": NAME}]


def test_inventory_reads_zones_as_people_write_them(drive, pdns):
    pdns.add_zone(ZONE, NS)
    dns = drive("plugins/dns", settings(pdns, record_zones=["Sites.Example.NET."]))
    dns.ok("create", input=order())
    assert dns.query("inventory", of="instance")["items"] == [
        {"ref": fake.ref("1"), "kind": "record", "name": NAME}]
