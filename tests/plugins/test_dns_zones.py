# SPDX-License-Identifier: Apache-2.0
"""The dns plugin, mode zones, against a real PowerDNS; read back with dig."""

import json
import subprocess

import pytest

import fake

NS = ["ns1.nodepoint.eu", "ns2.nodepoint.eu"]
ZONES = {"values": {"mode": "zones", "zones": 3}}


def settings(pdns, **more):
    return {"driver": "powerdns", "url": pdns.url, "api_key": pdns.key, "server_id": "localhost",
            "nameservers": NS, "ttl": 3600, "verify_nameservers": False, "max_records": 500,
            "proxy_ip": "203.0.113.10", "proxy_ip6": "2001:db8::10", **more}


@pytest.fixture
def dns(drive, pdns):
    return drive("plugins/dns", settings(pdns))


@pytest.fixture
def zone(dns):
    """A service with the zone example.com."""
    dns.ok("create", input=ZONES)
    dns.act("zone_add", zone="example.com")
    return dns


def rows(dns, zone="example.com", service="1"):
    found = []
    offset = 0
    while offset is not None:
        page = dns.query("records", service=service, zone=zone, offset=offset)
        found += page["records"]
        offset = page["next"]
    return found


def row(dns, name, kind, content=None):
    found = [r for r in rows(dns) if r["name"] == name and r["type"] == kind
             and content in (None, r["content"])]
    assert len(found) == 1, found
    return found[0]


# ---- zones ----


def test_a_new_zone_has_soa_ns_and_a(pdns, zone):
    assert pdns.dig("example.com", "NS") == [n + "." for n in NS]
    assert pdns.dig("example.com", "A") == ["203.0.113.10"]
    soa = pdns.dig("example.com", "SOA")[0].split()
    assert soa[:2] == ["ns1.nodepoint.eu.", "hostmaster.example.com."]
    assert pdns.zones() == {"example.com": fake.ref("1")}


def test_hostmaster_default_a_and_kind(drive, pdns):
    dns = drive("plugins/dns", settings(pdns, hostmaster="dns.team@example.net", default_a="2001:db8::1",
                                zone_kind="Master"))
    dns.ok("create", input=ZONES)
    dns.act("zone_add", zone="example.com")
    dns.act("record_add", zone="example.com", name="www", type="A", content="192.0.2.1")
    assert pdns.dig("example.com", "SOA")[0].split()[1] == "dns\\.team.example.net."
    assert pdns.dig("example.com", "AAAA") == ["2001:db8::1"]
    assert pdns.dig("example.com", "A") == []
    assert pdns.dig("www.example.com", "A") == ["192.0.2.1"]


def test_create_with_a_first_zone(pdns, dns):
    said = dns.ok("create", input={**ZONES, "params": {"zone": "First.Example.ORG"}})
    assert said["quotas"] == {fake.ref("1") + "/zones": 1}
    assert pdns.dig("first.example.org", "NS")
    assert dns.query("zones")["zones"] == [{"zone": "first.example.org", "status": "active"}]


def test_create_undone_leaves_nothing(pdns, dns):
    said = dns.run("create", input={**ZONES, "params": {"zone": "example.org"}}, undo=True)
    assert pdns.zones() == {} and dns.ask("kv") == {} and said["state"] == {}


def test_many_zones_life(pdns, dns):
    dns.ok("create", input=ZONES)
    for name in ("example.com", "example.net"):
        dns.act("zone_add", zone=name)
    dns.ok("suspend", input=ZONES)
    for name in ("example.com", "example.net"):
        assert pdns.rcode(name, "A") == "REFUSED"
    assert dns.query("status") == {"status": "suspended"}
    dns.ok("suspend", input=ZONES)
    dns.ok("unsuspend", input=ZONES)
    assert pdns.dig("example.com", "A") == ["203.0.113.10"]
    assert pdns.dig("example.net", "A") == ["203.0.113.10"]
    dns.ok("upgrade", input=ZONES)
    dns.ok("terminate", input=ZONES)
    assert pdns.zones() == {} and dns.ask("kv") == {}
    dns.ok("terminate", input=ZONES)


def test_suspension_keeps_the_records(pdns, zone):
    zone.act("record_add", zone="example.com", name="www", type="A", content="192.0.2.7")
    zone.ok("suspend", input=ZONES)
    assert pdns.rcode("www.example.com") == "REFUSED"
    zone.ok("unsuspend", input=ZONES)
    assert pdns.dig("www.example.com") == ["192.0.2.7"]


def test_zone_delete(pdns, zone):
    zone.act("zone_delete", zone="Example.com.")
    assert pdns.zones() == {} and zone.ask("kv") == {}
    assert "there is no zone" in zone.refused_act("zone_delete", zone="example.com")
    assert "there is no zone" in zone.refused_act("record_add", zone="example.com", type="A",
                                                  content="192.0.2.1")


def test_a_zone_twice(zone):
    assert "is there already" in zone.refused_act("zone_add", zone="example.com")


def test_quota(dns):
    dns.ask("limit", quota="zones", limit=1)
    dns.ok("create", input={"values": {"mode": "zones", "zones": 1}})
    dns.act("zone_add", zone="example.com")
    said = dns.run("zone_add", input={"values": {"zones": 1}, "form": {"zone": "example.net"}})
    assert said["last"]["text"] == "the plan allows 1 zones, and all are in use"


def test_zone_add_undone(pdns, dns):
    dns.ok("create", input=ZONES)
    said = dns.run("zone_add", input={"form": {"zone": "example.com"}}, undo=True)
    assert pdns.zones() == {} and dns.ask("kv") == {} and said["state"]["zones"] == {}


@pytest.mark.parametrize("name, why", [
    ("com", "top-level domain"), ("a..b", "empty label"), ("exa mple.com", "a space"),
    ("bücher.example", "xn--"), ("ex_ample.com", "underscore"), ("*.example.com", "\"*\""),
    ("-a.example", "hyphen"), ("192.0.2.1", "an address"), ("", "missing"),
    ("a." * 10 + "com", "10 labels"), ("x" * 64 + ".com", "63"), ("example.123", "top-level"),
    (".".join(["x" * 60] * 3) + "." + "y" * 17 + ".com", "200 characters")])
def test_bad_zone_names(dns, name, why):
    dns.ok("create", input=ZONES)
    assert why in dns.refused_act("zone_add", zone=name)


# ---- whose zone it is ----


def test_a_zone_of_another_service_is_refused(pdns, zone):
    zone.ok("create", "2", ZONES)
    assert "belongs to somebody else" in zone.refused_act("zone_add", "2", zone="example.com")
    assert "there is no zone" in zone.refused_act("record_add", "2", zone="example.com", type="A",
                                                  content="192.0.2.1")
    said = zone.ask("query", of="service", name="records", service="2",
                    input={"query": {"zone": "example.com"}})
    assert said["outcome"] == "permanent" and "there is no zone" in said["text"]
    assert pdns.zones() == {"example.com": fake.ref("1")}


def test_a_zone_of_the_admin_is_refused(pdns, dns):
    pdns.add_zone("example.org", NS)
    dns.ok("create", input=ZONES)
    assert "belongs to somebody else" in dns.refused_act("zone_add", zone="example.org")
    assert "lies in the zone example.org" in dns.refused_act("zone_add", zone="shop.example.org")
    assert pdns.zones() == {"example.org": ""} and dns.ask("kv") == {}


def test_below_an_own_zone(pdns, zone):
    zone.act("zone_add", zone="shop.example.com")
    assert pdns.zones().keys() == {"example.com", "shop.example.com"}
    zone.ok("create", "2", ZONES)
    assert "lies in the zone" in zone.refused_act("zone_add", "2", zone="blog.example.com")


def test_terminate_spares_what_bears_another_owner(pdns, zone):
    pdns.api("PUT", "/zones/example.com.", {"account": "somebody"})
    zone.ok("terminate", input=ZONES)
    assert pdns.zones() == {"example.com": "somebody"} and zone.ask("kv") == {}


def test_changes_spare_what_bears_another_owner(pdns, zone):
    pdns.api("PUT", "/zones/example.com.", {"account": "somebody"})
    assert "somebody else" in zone.refused_act("record_add", zone="example.com", type="A",
                                               content="192.0.2.1")
    assert "somebody else" in zone.refused("suspend", input=ZONES)


def test_a_zone_that_the_admin_deleted(pdns, zone):
    pdns.api("DELETE", "/zones/example.com.")
    assert "not at the nameserver any more" in zone.refused_act(
        "record_add", zone="example.com", type="A", content="192.0.2.1")
    zone.ok("suspend", input=ZONES)
    zone.ok("terminate", input=ZONES)


# ---- repeated calls, failing backends ----


@pytest.mark.parametrize("name, state", [("zone_add", {"form": {"zone": "example.com"}})])
@pytest.mark.parametrize("error", [fake.LOST, fake.TIMEOUT])
def test_the_answer_to_creating_is_lost(pdns, dns, name, state, error):
    """The zone is made, nobody hears of it; the step is repeated and finds it."""
    dns.ok("create", input=ZONES)
    dns.fault(nth=2, send=True, error=error)
    said = dns.run(name, input=state, retries=1)
    assert [s["outcome"] for s in said["steps"]] == ["ok", "ok", "unknown", "ok"]
    assert pdns.zones() == {"example.com": fake.ref("1")}


def test_every_request_lost_after_it_was_carried_out(pdns, dns):
    """A whole life in which every single answer is lost once ends as it should."""
    dns.ok("create", input=ZONES)
    life = [("zone_add", {"form": {"zone": "example.com"}}),
            ("record_add", {"form": {"zone": "example.com", "name": "www", "type": "A",
                                     "content": "192.0.2.1"}}),
            ("record_delete", {"form": {"zone": "example.com", "name": "www", "type": "A",
                                        "content": "192.0.2.1"}}),
            ("suspend", ZONES), ("unsuspend", ZONES),
            ("zone_delete", {"form": {"zone": "example.com"}})]
    for nth in range(1, 6):
        for name, form in life:
            dns.fault(nth=nth, send=True, error=fake.LOST)
            dns.ok(name, input=form, retries=2)
        assert pdns.zones() == {} and dns.ask("kv") == {}
    dns.fault(nth=0)


@pytest.mark.parametrize("fault, outcome, text", [
    ({"error": fake.NOT_SENT}, "temporary", ""),
    ({"error": fake.TLS}, "instance_fault", ""),
    ({"error": fake.TIMEOUT}, "temporary", ""),
    ({"status": 401}, "instance_fault", "HTTP 401"),
    ({"status": 403}, "instance_fault", "HTTP 403"),
    ({"status": 429}, "temporary", "HTTP 429"),
    ({"status": 503}, "temporary", "HTTP 503"),
    ({"status": 500}, "temporary", "HTTP 500"),
    ({"status": 302}, "instance_fault", "HTTP 302"),
    ({"status": 200}, "temporary", "cut short"),
    ({"status": 418}, "permanent", "PowerDNS refuses it: a fault of the test (HTTP 418)"),
])
def test_outcomes_of_reading(dns, fault, outcome, text):
    dns.ok("create", input=ZONES)
    dns.fault(**fault)
    said = dns.run("zone_add", input={"form": {"zone": "example.com"}})
    assert said["outcome"] == outcome and text in said["last"]["text"], said["last"]
    if fault.get("status") in (429, 503):
        assert said["last"]["retry_after_ms"] == 1500


@pytest.mark.parametrize("fault, outcome", [
    ({"error": fake.NOT_SENT}, "temporary"), ({"error": fake.TIMEOUT}, "unknown"),
    ({"error": fake.LOST}, "unknown"), ({"status": 500}, "unknown"), ({"status": 504}, "unknown"),
    ({"status": 408}, "unknown"), ({"status": 503}, "temporary"), ({"status": 401}, "instance_fault"),
    ({"status": 422}, "permanent")])
def test_outcomes_of_writing(zone, fault, outcome):
    zone.fault(nth=2, **fault)
    said = zone.run("record_add", input={"form": {"zone": "example.com", "name": "a", "type": "A",
                                                  "content": "192.0.2.1"}})
    assert said["outcome"] == outcome, said["last"]


def test_a_wrong_api_key(drive, pdns):
    dns = drive("plugins/dns", settings(pdns, api_key="wrong"))
    dns.ok("create", input=ZONES)
    said = dns.run("zone_add", input={"form": {"zone": "example.com"}})
    assert said["outcome"] == "instance_fault" and "HTTP 401: Unauthorized" in said["last"]["text"]
    test = dns.ask("query", of="instance", name="test", input={})
    assert test["outcome"] == "instance_fault"


def test_a_server_that_is_down(pdns, dns):
    dns.ok("create", input=ZONES)
    pdns.stop()
    said = dns.run("zone_add", input={"form": {"zone": "example.com"}})
    assert said["outcome"] == "temporary"
    pdns.start()
    dns.act("zone_add", zone="example.com")


def test_no_nameservers(drive, pdns):
    dns = drive("plugins/dns", settings(pdns, nameservers=[]))
    dns.ok("create", input=ZONES)
    said = dns.run("zone_add", input={"form": {"zone": "example.com"}})
    assert said["outcome"] == "instance_fault" and "(nameservers)" in said["last"]["text"]


@pytest.mark.parametrize("wrong, why", [
    ({"nameservers": ["ns1.example.net", "ns_2.example.net"]}, 'nameservers: "ns_2.example.net" has an'),
    ({"nameservers": ["192.0.2.1"]}, "nameservers: \"192.0.2.1\" is an address"),
    ({"record_zones": ["net"]}, "record_zones: "),
    ({"verify_servers": ["192.0.2.1"]}, 'verify_servers: "192.0.2.1" is not ADDRESS:PORT'),
    ({"verify_servers": ["192.0.2.1:0"]}, "ADDRESS:PORT"),
    ({"verify_servers": ["192.0.2.1:99999"]}, "ADDRESS:PORT"),
    ({"verify_servers": ["192.0.2.300:53"]}, "ADDRESS:PORT"),
    ({"verify_servers": ["a.example.net:53"]}, "ADDRESS:PORT"),
    ({"verify_servers": ["192.0.2.1:53 "]}, "ADDRESS:PORT"),
    ({"verify_servers": ["[2001:db8::1:53"]}, "ADDRESS:PORT")])
def test_settings_that_an_instance_refuses(build, wrong, why):
    ran = subprocess.run([str(build / "tests/plugins/plugin-drive"), str(build / "plugins/dns.so"),
                          json.dumps(wrong)], capture_output=True, text=True, check=False, input="")
    assert ran.returncode == 1 and why in ran.stderr, ran.stderr


def test_settings_that_an_instance_takes(build):
    right = {"nameservers": ["NS1.example.net."], "verify_servers": ["192.0.2.1:53", "[2001:db8::1]:5300"],
             "record_zones": ["sites.example.net"]}
    ran = subprocess.run([str(build / "tests/plugins/plugin-drive"), str(build / "plugins/dns.so"),
                          json.dumps(right)], capture_output=True, text=True, check=False, input="")
    assert ran.returncode == 0, ran.stderr


def test_no_such_driver(drive, pdns):
    said = drive("plugins/dns", settings(pdns, driver="bind")).run("create", input=ZONES)
    assert said["outcome"] == "instance_fault" and 'no driver "bind"' in said["last"]["text"]


# ---- records ----


def add(dns, **form):
    return dns.act("record_add", zone="example.com", **form)


def test_every_type(pdns, zone):
    add(zone, name="www", type="A", content="192.0.2.1", ttl=300)
    add(zone, name="www", type="A", content="192.0.2.2")
    add(zone, name="www", type="AAAA", content="2001:DB8:0::1")
    add(zone, name="alias", type="CNAME", content="www.example.com")
    add(zone, name="@", type="MX", content="mail.example.org", priority=20)
    add(zone, name="@", type="MX", content="10 Mail2.Example.org.")
    add(zone, name="sub", type="NS", content="ns.example.org")
    add(zone, name="_dmarc", type="TXT", content='v=DMARC1; p="none"')
    add(zone, name="proxied", type="A", content="proxysrv")
    add(zone, name="proxied", type="AAAA", content="PROXYSRV")
    add(zone, name="*", type="A", content="192.0.2.9")
    assert pdns.dig("www.example.com", "A") == ["192.0.2.1", "192.0.2.2"]
    assert pdns.dig("www.example.com", "AAAA") == ["2001:db8::1"]
    assert pdns.dig("alias.example.com", "CNAME") == ["www.example.com."]
    assert pdns.dig("example.com", "MX") == ["10 mail2.example.org.", "20 mail.example.org."]
    assert "ns.example.org." in pdns.ask("host.sub.example.com", "A")
    assert pdns.dig("_dmarc.example.com", "TXT") == ['"v=DMARC1; p=\\"none\\""']
    assert pdns.dig("proxied.example.com", "A") == ["203.0.113.10"]
    assert pdns.dig("proxied.example.com", "AAAA") == ["2001:db8::10"]
    assert pdns.dig("anything.example.com", "A") == ["192.0.2.9"]
    assert row(zone, "proxied.example.com", "A")["alias"] == "PROXYSRV"
    mx = row(zone, "example.com", "MX", "mail.example.org")
    assert mx["priority"] == 20 and mx["editable"]


def test_long_texts_and_utf8(pdns, zone):
    text = "k" * 300 + "é" + "x" * 300
    add(zone, name="long", type="TXT", content=text)
    strings = pdns.dig("long.example.com", "TXT")[0].split('" "')
    assert [len(s) for s in strings][0] >= 255 and len(strings) == 3
    assert "".join(strings).strip('"') == "k" * 300 + "\\195\\169" + "x" * 300


def test_edit_and_delete_by_id(pdns, zone):
    add(zone, name="www", type="A", content="192.0.2.1", ttl=300)
    add(zone, name="@", type="MX", content="mail.example.org", priority=20)
    zone.act("record_edit", zone="example.com", record=row(zone, "www.example.com", "A")["id"],
             content="192.0.2.3")
    assert pdns.dig("www.example.com") == ["192.0.2.3"]
    assert row(zone, "www.example.com", "A")["ttl"] == 300
    zone.act("record_edit", zone="example.com", record=row(zone, "www.example.com", "A")["id"],
             name="web", ttl=600)
    assert pdns.dig("www.example.com") == [] and pdns.dig("web.example.com") == ["192.0.2.3"]
    zone.act("record_edit", zone="example.com", record=row(zone, "example.com", "MX")["id"], priority=5)
    assert pdns.dig("example.com", "MX") == ["5 mail.example.org."]
    zone.act("record_delete", zone="example.com", record=row(zone, "web.example.com", "A")["id"])
    assert pdns.dig("web.example.com") == []
    assert "no such record" in zone.refused_act("record_delete", zone="example.com", record="0" * 16)
    assert "no such record" in zone.refused_act("record_edit", zone="example.com", record="0" * 16)


def test_delete_by_what_it_is(pdns, zone):
    add(zone, name="www", type="A", content="192.0.2.1")
    add(zone, name="www", type="A", content="192.0.2.2")
    zone.act("record_delete", zone="example.com", name="www", type="A", content="192.0.2.1")
    assert pdns.dig("www.example.com") == ["192.0.2.2"]
    assert "there is no record" in zone.refused_act("record_delete", zone="example.com", name="www",
                                                    type="A", content="192.0.2.1")


def test_an_edit_that_is_not_allowed_changes_nothing(pdns, zone):
    add(zone, name="www", type="A", content="192.0.2.1")
    record = row(zone, "www.example.com", "A")["id"]
    assert "not an IPv4" in zone.refused_act("record_edit", zone="example.com", record=record,
                                             content="nonsense")
    add(zone, name="www", type="A", content="192.0.2.2")
    assert "already" in zone.refused_act("record_edit", zone="example.com", record=record,
                                         content="192.0.2.2")
    assert pdns.dig("www.example.com") == ["192.0.2.1", "192.0.2.2"]


@pytest.mark.parametrize("name, form", [
    ("record_add", {"name": "new", "type": "A", "content": "192.0.2.5"}),
    ("record_add", {"name": "www", "type": "A", "content": "192.0.2.5", "ttl": 60}),
    ("record_delete", {"name": "www", "type": "A", "content": "192.0.2.1"}),
    ("record_edit", {"name": "moved", "content": "192.0.2.6"})])
def test_undo(pdns, zone, name, form):
    add(zone, name="www", type="A", content="192.0.2.1", ttl=300)
    if name == "record_edit":
        form = {**form, "record": row(zone, "www.example.com", "A")["id"]}
    before = rows(zone)
    zone.run(name, input={"form": {"zone": "example.com", **form}}, undo=True)
    assert sorted(rows(zone), key=str)[1:] != [] and \
        [r for r in rows(zone) if r["type"] != "SOA"] == [r for r in before if r["type"] != "SOA"]


def test_required_nameservers_stay(pdns, zone):
    assert "every zone here has" in zone.refused_act("record_delete", zone="example.com", name="@",
                                                     type="NS", content="ns1.nodepoint.eu")
    add(zone, name="@", type="NS", content="ns3.example.org")
    zone.act("record_delete", zone="example.com", name="@", type="NS", content="ns3.example.org")
    soa = row(zone, "example.com", "SOA")
    assert not soa["editable"]
    assert "every zone here has" in zone.refused_act("record_delete", zone="example.com",
                                                     record=soa["id"])
    assert not row(zone, "example.com", "NS", "ns1.nodepoint.eu")["editable"]
    assert pdns.dig("example.com", "NS") == [n + "." for n in NS]


@pytest.mark.parametrize("form, why", [
    ({"name": "x", "type": "A", "content": "2001:db8::1"}, "not an IPv4 address"),
    ({"name": "x", "type": "AAAA", "content": "192.0.2.1"}, "not an IPv6 address"),
    ({"name": "@", "type": "CNAME", "content": "a.example.org"}, "cannot be a CNAME"),
    ({"name": "www", "type": "CNAME", "content": "a.example.org"}, "a CNAME stands alone"),
    ({"name": "alias", "type": "A", "content": "192.0.2.1"}, "nothing else can stand beside"),
    ({"name": "alias", "type": "CNAME", "content": "b.example.org"}, "has only one"),
    ({"name": "me", "type": "CNAME", "content": "me.example.com"}, "of itself"),
    ({"name": "@", "type": "MX", "content": "alias.example.com"}, "is a CNAME; an MX"),
    ({"name": "www", "type": "A", "content": "192.0.2.1"}, "already"),
    ({"name": "x", "type": "MX", "content": "192.0.2.1"}, "an address"),
    ({"name": "x", "type": "MX", "content": "mail.example.org", "priority": 70000}, "65535"),
    ({"name": "x", "type": "SRV", "content": "1"}, "cannot be kept here"),
    ({"name": "x_y", "type": "A", "content": "192.0.2.1"}, "underscore"),
    ({"name": "other.org.", "type": "A", "content": "192.0.2.1"}, "not in the zone"),
    ({"name": "x", "type": "A", "content": "192.0.2.1", "ttl": 5}, "from 60 to 604800"),
    ({"name": "x", "type": "A", "content": "192.0.2.1", "priority": 5}, "belongs to MX"),
    ({"name": "x", "type": "CNAME", "content": "PROXYSRV"}, "stands for an address"),
    ({"name": "x", "type": "TXT", "content": "a\nb"}, "control character"),
    ({"name": "x", "type": "TXT", "content": "  "}, "empty"),
])
def test_what_is_refused(zone, form, why):
    add(zone, name="www", type="A", content="192.0.2.1")
    add(zone, name="alias", type="CNAME", content="www.example.com")
    before = rows(zone)
    assert why in zone.refused_act("record_add", zone="example.com", **form)
    assert rows(zone) == before


def test_what_powerdns_itself_refuses_is_said(pdns, zone):
    """An address below a delegation is fine for us, a DNAME of the admin's beside it is not for it."""
    pdns.api("PATCH", "/zones/example.com.", {"rrsets": [{
        "name": "d.example.com.", "type": "DNAME", "ttl": 60, "changetype": "REPLACE",
        "records": [{"content": "example.org.", "disabled": False}]}]})
    said = zone.run("record_add", input={"form": {"zone": "example.com", "name": "d", "type": "CNAME",
                                                  "content": "a.example.org"}})
    assert said["outcome"] == "permanent", said["last"]


def test_no_proxy_configured(drive, pdns):
    config = settings(pdns)
    del config["proxy_ip"], config["proxy_ip6"]
    dns = drive("plugins/dns", config)
    dns.ok("create", input=ZONES)
    dns.act("zone_add", zone="example.com")
    assert pdns.dig("example.com", "A") == []
    assert "proxy_ip is not set" in dns.refused_act("record_add", zone="example.com", name="x", type="A",
                                                    content="PROXYSRV")


def test_records_come_in_pages(pdns, zone):
    pdns.api("PATCH", "/zones/example.com.", {"rrsets": [
        {"name": f"h{i}.example.com.", "type": "A", "ttl": 60, "changetype": "REPLACE",
         "records": [{"content": "192.0.2.1", "disabled": False}]} for i in range(250)]})
    found = rows(zone)
    assert len(found) == 254 and len({r["id"] for r in found}) == 254


def test_a_full_zone(drive, pdns):
    dns = drive("plugins/dns", settings(pdns, max_records=5))
    dns.ok("create", input=ZONES)
    dns.act("zone_add", zone="example.com")
    add(dns, name="a", type="A", content="192.0.2.1")
    assert "may not have more" in dns.refused_act("record_add", zone="example.com", name="b", type="A",
                                                  content="192.0.2.1")


# ---- queries ----


def test_view(zone):
    view = zone.query("view", values={"zones": 3})
    assert view["fields"][0]["value"] == NS and view["status"] == "active"
    assert view["lists"][0]["rows"] == [{"zone": "example.com", "status": "active"}]
    assert view["quotas"] == [{"name": "zones", "label": "Zones", "used": 1, "limit": 3}]
    assert "zone_add" in view["actions"] and view["lists"][0]["row_actions"] == ["zone_delete"]


def test_instance_queries(pdns, zone):
    pdns.add_zone("example.org", NS)
    assert zone.query("test", of="instance")["text"].startswith("PowerDNS authoritative 4.")
    capacity = zone.query("capacity", of="instance")
    assert capacity["accepting"] and capacity["resources"][0]["used"] == 2
    assert zone.query("inventory", of="instance") == {
        "items": [{"ref": fake.ref("1"), "kind": "zone", "name": "example.com"}], "next": None}


def test_a_wrong_server_id(drive, pdns):
    dns = drive("plugins/dns", settings(pdns, server_id="other"))
    said = dns.ask("query", of="instance", name="test", input={})
    assert said["outcome"] == "instance_fault" and '"other"' in said["text"]
