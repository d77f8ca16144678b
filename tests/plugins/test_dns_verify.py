# SPDX-License-Identifier: Apache-2.0
"""The dns plugin asks the servers above a zone whom they delegate it to, before it creates it."""


import pytest

from test_dns_zones import NS, ZONES, settings


@pytest.fixture
def above(parent):
    """com and the root, as they would be seen from here."""
    parent.add_zone("com", ["a.servers.test"], [
        ("good.com", "NS", [n + "." for n in NS]),
        ("upper.com", "NS", ["NS2.NodePoint.eu.", "NS1.NODEPOINT.EU.", "ns3.example.org."]),
        ("half.com", "NS", ["ns1.nodepoint.eu.", "ns.elsewhere.example."]),
        ("other.com", "NS", ["ns.elsewhere.example."]),
        ("bare.com", "TXT", ['"here, but not delegated"'])])
    parent.add_zone("servers.test", ["a.servers.test"], [("a.servers.test", "A", ["127.0.0.1"])])
    return parent


@pytest.fixture
def dns(drive, pdns, above):
    one = drive("plugins/dns", settings(pdns, verify_nameservers=True,
                                verify_servers=[f"127.0.0.1:{above.dns_port}"]))
    one.ok("create", input=ZONES)
    return one


@pytest.mark.parametrize("zone", ["good.com", "upper.com"])
def test_delegated(pdns, dns, zone):
    dns.act("zone_add", zone=zone)
    assert zone in pdns.zones()


@pytest.mark.parametrize("zone, found", [
    ("half.com", "ns1.nodepoint.eu, ns.elsewhere.example"), ("other.com", "ns.elsewhere.example"),
    ("bare.com", "none")])
def test_delegated_elsewhere(pdns, dns, zone, found):
    text = dns.refused_act("zone_add", zone=zone)
    assert f"{zone} does not use the required nameservers: found " in text
    assert sorted(text.split("found ")[1].split(";")[0].split(", ")) == sorted(found.split(", "))
    assert "required ns1.nodepoint.eu, ns2.nodepoint.eu." in text
    assert pdns.zones() == {} and dns.ask("kv") == {}


def test_not_registered(dns):
    assert dns.refused_act("zone_add", zone="nobody.com") == \
        "nobody.com is not registered: the nameservers of com do not know it"


def test_a_zone_below_a_delegated_one_is_not_taken_for_it(dns):
    """com's servers refer to good.com for everything below it: that says nothing about www.good.com."""
    assert "found none" in dns.refused_act("zone_add", zone="www.good.com")


def test_the_parent_is_found_through_dns(drive, pdns, above):
    one = drive("plugins/dns", settings(pdns, verify_nameservers=True, verify_servers=[]))
    one.ask("resolver", port=above.dns_port)
    one.ok("create", input=ZONES)
    one.act("zone_add", zone="good.com")
    assert "found ns.elsewhere.example" in one.refused_act("zone_add", zone="other.com")
    assert "not registered" in one.refused_act("zone_add", zone="nobody.com")
    assert "there is no domain y.nobody.com" in one.refused_act("zone_add", zone="x.y.nobody.com")
    # bare.com has no nameservers of its own: com is asked for what is below it as well.
    assert "the nameservers of com do not know it" in one.refused_act("zone_add", zone="x.bare.com")


def test_no_server_answers(drive, pdns, above):
    port = above.dns_port
    above.stop()
    one = drive("plugins/dns", settings(pdns, verify_nameservers=True,
                                verify_servers=[f"127.0.0.1:{port}"] * 4))
    one.ok("create", input=ZONES)
    said = one.run("zone_add", input={"form": {"zone": "good.com"}})
    assert said["outcome"] == "temporary" and "could not be asked within 7 seconds" in said["last"]["text"]
    above.start()
    one.act("zone_add", zone="good.com")


def test_servers_that_refuse_are_passed_over(drive, pdns, above):
    """pdns does not know com: it refuses, and the next server is asked."""
    one = drive("plugins/dns", settings(pdns, verify_nameservers=True, verify_servers=[
        f"127.0.0.1:{pdns.dns_port}", f"127.0.0.1:{above.dns_port}"]))
    one.ok("create", input=ZONES)
    one.act("zone_add", zone="good.com")


def test_with_the_first_zone_of_a_create(pdns, dns):
    text = dns.refused("create", "2", {**ZONES, "params": {"zone": "other.com"}})
    assert "does not use the required nameservers" in text
    assert pdns.zones() == {}
