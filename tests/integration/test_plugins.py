# SPDX-License-Identifier: Apache-2.0
"""The plugins that come with Provost, through the whole of it: an event in, dig out."""

import provost as daemons
import powerdns
import pytest
from daemon import SLOW

ZONE = "sites.example.net"
NS = ["ns1.nodepoint.eu", "ns2.nodepoint.eu"]


@pytest.fixture
def pdns(tmp_path):
    if powerdns.MISSING:
        pytest.skip(f"{powerdns.MISSING} is not installed (see tools/packages)")
    one = powerdns.PowerDNS(tmp_path / "pdns")
    one.start()
    one.add_zone(ZONE, NS)
    yield one
    one.stop()


@pytest.fixture
def shop(make_provost, pdns):
    one = make_provost({
        "plugins": {
            "pdns": {"module": "dns", "settings": {
                "url": pdns.url, "api_key": pdns.key, "nameservers": NS, "proxy_ip": "203.0.113.10",
                "verify_nameservers": False}},
            "support": {"module": "support"}},
        "sources": {"paymenter": {
            "compat": "paymenter-backend",
            "products": {"site": "wordpress", "support": "support", "dns": "dns"},
            "plans": {"site": "basic", "support": "basic", "dns": "basic"}}},
        "products": {
            "wordpress": {
                "components": [
                    {"name": "subdomain", "plugin": "pdns", "values": {"mode": "record", "zone": ZONE}},
                    {"name": "support", "plugin": "support"}],
                "plans": {"basic": {}, "premium": {"tier": "gold"}},
                "retry": {"initial": "100ms", "cap": "1s"}},
            "support": {"components": [{"name": "support", "plugin": "support"}],
                        "plans": {"basic": {}}, "retry": {"initial": "100ms", "cap": "1s"}},
            "dns": {"components": [{"name": "dns", "plugin": "pdns"}],
                    "plans": {"basic": {"zones": 2}, "premium": {"zones": 5}}}}})
    return one.start()


def done(shop, kind, service, **members):
    shown = shop.await_operation(kind, service, **members)
    assert shown["state"] == "done", shown
    return shown


def service(shop, external_id):
    return shop.api("GET", f"/v1/services?external_id={external_id}").json["services"][0]


def ask(shop, external_id, query, **params):
    """The answer of the one component that has this query."""
    path = f"/v1/services/{service(shop, external_id)['service']}/queries/{query}"
    answer = shop.api("POST", path, params)
    assert answer.status == 200, answer
    (component,) = answer.json["components"]
    assert component["error"] is None, component
    return component["result"]


def offered(shop, external_id):
    """Names of the actions that the service's view offers, by component."""
    answer = shop.api("GET", f"/v1/services/{service(shop, external_id)['service']}/view")
    assert answer.status == 200, answer
    return {c["component"]: [a["name"] for a in c["actions"]] for c in answer.json["components"]}


def act(shop, external_id, action, **form):
    answer = shop.api("POST", f"/v1/services/{service(shop, external_id)['service']}/actions/{action}",
                      {"form": form}, headers={"Prefer": f"wait={20 * SLOW}"})
    return answer.json


def acted(shop, external_id, action, **form):
    shown = act(shop, external_id, action, **form)
    assert shown.get("state") == "done", shown
    return shown


def check(shop, key):
    answer = shop.api("POST", "/v1/instances/support/queries/check", {"key": key})
    assert answer.status == 200, answer
    return answer.json.get("result", answer.json)


def site(shop, external_id="12345"):
    done(shop, "create", external_id, product="wordpress", plan="basic",
         params={"public_ip": "203.0.113.10"})
    return f"{service(shop, external_id)['ref']}.{ZONE}"


def test_a_site_has_a_subdomain_that_lives_as_long_as_it(shop, pdns):
    name = site(shop)
    assert pdns.dig(name) == ["203.0.113.10"]
    assert offered(shop, "12345") == {"subdomain": [], "support": ["rotate"]}
    done(shop, "suspend", "12345")
    assert pdns.rcode(name) == "NXDOMAIN"
    done(shop, "unsuspend", "12345")
    done(shop, "upgrade", "12345", plan="premium")
    assert pdns.dig(name) == ["203.0.113.10"]
    done(shop, "terminate", "12345")
    assert pdns.rcode(name) == "NXDOMAIN"
    assert {s["type"] for s in pdns.api("GET", f"/zones/{ZONE}.")["rrsets"]} == {"SOA", "NS"}


def test_a_support_key_is_worth_what_its_service_is(shop):
    site(shop)
    key = ask(shop, "12345", "reveal")["support_key"]
    assert check(shop, key) == {"valid": True, "status": "active", "tier": "basic"}
    done(shop, "upgrade", "12345", plan="premium")
    assert check(shop, key)["tier"] == "gold"
    done(shop, "suspend", "12345")
    assert check(shop, key) == {"valid": False, "status": "suspended", "tier": "gold"}
    done(shop, "unsuspend", "12345")
    acted(shop, "12345", "rotate")
    new = ask(shop, "12345", "reveal")["support_key"]
    assert new != key and check(shop, key) == {"valid": False} and check(shop, new)["valid"]
    done(shop, "terminate", "12345")
    assert check(shop, new) == {"valid": False}
    everything = shop.log_text() + "".join(
        shop.api("GET", path).text for path in ("/v1/operations", "/v1/audit", "/v1/services"))
    assert key not in everything and new not in everything
    data = shop.database.read_bytes()
    assert key.encode() not in data and new.encode() not in data


def test_a_customer_keeps_zones(shop, pdns):
    done(shop, "create", "d", product="dns", plan="basic")
    acted(shop, "d", "zone_add", zone="example.com")
    assert offered(shop, "d") == {"dns": ["zone_add", "zone_delete", "record_add", "record_edit",
                                          "record_delete"]}
    acted(shop, "d", "record_add", zone="example.com", name="www", type="A", content="PROXYSRV")
    acted(shop, "d", "record_add", zone="example.com", name="@", type="MX", content="mail.example.org",
          priority=7, ttl=300)
    assert pdns.dig("www.example.com") == ["203.0.113.10"]
    assert pdns.dig("example.com", "MX") == ["7 mail.example.org."]
    record = next(r for r in ask(shop, "d", "records", zone="example.com")["records"]
                  if r["type"] == "MX")
    acted(shop, "d", "record_edit", zone="example.com", record=record["id"], priority=8)
    assert pdns.dig("example.com", "MX") == ["8 mail.example.org."]
    acted(shop, "d", "record_delete", zone="example.com", name="www", type="A", content="PROXYSRV")
    assert pdns.dig("www.example.com") == []
    done(shop, "suspend", "d")
    assert pdns.rcode("example.com") == "REFUSED"
    done(shop, "unsuspend", "d")
    assert pdns.dig("example.com", "MX") == ["8 mail.example.org."]
    done(shop, "terminate", "d")
    assert pdns.zones() == {ZONE: ""}


def test_a_mistake_in_a_form_is_said_and_blocks_nothing(shop, pdns):
    done(shop, "create", "d", product="dns", plan="basic")
    failed = act(shop, "d", "zone_add", zone="sites.example.net")
    assert failed["state"] == "failed" and "belongs to somebody else" in failed["reason"]
    acted(shop, "d", "zone_add", zone="example.com")
    failed = act(shop, "d", "record_add", zone="example.com", name="@", type="CNAME", content="a.org")
    assert failed["state"] == "failed" and "cannot be a CNAME" in failed["reason"]
    refused = act(shop, "d", "record_add", zone="example.com", name="x", type="SRV", content="a.org")
    assert refused["success"] is False


def test_the_plans_zones_are_counted(shop):
    done(shop, "create", "d", product="dns", plan="basic", params={"zone": "first.example.com"})
    failed = act(shop, "d", "zone_add", zone="com")  # gives back what it took
    assert failed["state"] == "failed"
    acted(shop, "d", "zone_add", zone="example.com")
    assert act(shop, "d", "zone_add", zone="example.org")["code"] == "quota_exceeded"
    done(shop, "upgrade", "d", plan="premium")
    acted(shop, "d", "zone_add", zone="example.org")
    acted(shop, "d", "zone_delete", zone="example.com")
    assert ask(shop, "d", "zones")["quotas"] == [
        {"name": "zones", "label": "Zones", "used": 2, "limit": 5}]


def test_two_services_do_not_share_a_zone(shop, pdns):
    for external_id in ("a", "b"):
        done(shop, "create", external_id, product="dns", plan="basic")
    acted(shop, "a", "zone_add", zone="example.com")
    failed = act(shop, "b", "zone_add", zone="example.com")
    assert failed["state"] == "failed" and "belongs to somebody else" in failed["reason"]
    done(shop, "terminate", "a")
    acted(shop, "b", "zone_add", zone="example.com")
    assert pdns.zones()["example.com"] == service(shop, "b")["ref"]


def test_an_outage_of_the_nameserver_undoes_nothing(shop, pdns):
    pdns.stop()
    op = shop.event("create", "12345", product="wordpress", plan="basic",
                    params={"public_ip": "203.0.113.10"})["operation"]
    shop.event("create", "s", product="support", plan="basic", wait_s=20)
    assert shop.operation(op)["state"] in ("ready", "running")
    pdns.start()
    name = site(shop)
    assert pdns.dig(name) == ["203.0.113.10"]


def test_instances_say_whether_they_work(shop, pdns):
    assert "PowerDNS" in shop.admin("POST", "/v1/instances/pdns/test").json["result"]["text"]
    assert shop.admin("POST", "/v1/instances/support/test").json["ok"] is True
    name = site(shop)
    inventory = shop.admin("POST", "/v1/instances/pdns/queries/inventory", {})
    assert inventory.status == 200, inventory
    pdns.stop()
    assert shop.admin("POST", "/v1/instances/pdns/test").json["ok"] is False
    assert name


@pytest.fixture
def above(tmp_path):
    """com, which delegates good.com to us, and other.com to somebody else."""
    one = powerdns.PowerDNS(tmp_path / "above")
    one.start()
    one.add_zone("com", ["a.servers.test"], [("good.com", "NS", [n + "." for n in NS]),
                                             ("other.com", "NS", ["ns.elsewhere.example."])])
    yield one
    one.stop()


def test_a_zone_is_accepted_once_it_is_delegated(shop, pdns, above):
    shop.options["plugins"]["pdns"]["settings"] |= {
        "verify_nameservers": True, "verify_servers": [f"127.0.0.1:{above.dns_port}"]}
    shop.configure(shop.options)
    assert shop.reload() == "running"
    done(shop, "create", "d", product="dns", plan="basic")
    acted(shop, "d", "zone_add", zone="good.com")
    reasons = [act(shop, "d", "zone_add", zone=zone)["reason"]
               for zone in ("other.com", "nobody.com", "www.good.com")]
    assert "found ns.elsewhere.example; required ns1.nodepoint.eu, ns2.nodepoint.eu" in reasons[0]
    assert "is not registered" in reasons[1]
    assert "found none" in reasons[2]
    assert pdns.zones().keys() == {ZONE, "good.com"}


# ---- as Paymenter's extensions call it: the bodies of the seed ----


@pytest.fixture
def paymenter(shop):
    """paymenter(path, **body): a call of its extensions."""
    made = shop.admin("POST", "/v1/tokens", {"source": "paymenter", "scopes": daemons.ALL_SCOPES})
    assert made.status == 201, made

    def call(path, **body):
        return shop.call("POST", path, body, token=made.json["token"])

    return call


def good(answer):
    assert answer.status == 200 and answer.json["success"] is True, answer
    assert "pending" not in answer.json, answer
    return answer.json


def paymenter_service(shop, external_id):
    found = shop.admin("GET", f"/v1/services?source=paymenter&external_id={external_id}")
    assert found.status == 200, found
    return found.json["services"][0]


def test_create_site_and_delete_site(shop, pdns, paymenter):
    order = {"service_id": "12345", "email": "customer@example.com", "plan": "basic",
             "public_ip": "203.0.113.10"}
    created = paymenter("/create-site", **order)
    assert created.status == 200 and created.json["success"] is True
    op = created.json["operation"]
    # It goes on in the background; whatever comes next waits for it.
    good(paymenter("/suspend", service_id="12345"))
    name = f"{paymenter_service(shop, 'site/12345')['ref']}.{ZONE}"
    assert pdns.rcode(name) == "NXDOMAIN"
    assert shop.admin("GET", f"/v1/operations/{op}").json["state"] == "done"
    good(paymenter("/unsuspend", service_id="12345"))
    assert pdns.dig(name) == ["203.0.113.10"]
    good(paymenter("/wp/upgrade/", service_id="12345", plan="premium"))
    assert pdns.dig(name) == ["203.0.113.10"]
    good(paymenter("/delete-site", service_id="12345"))
    assert pdns.rcode(name) == "NXDOMAIN"
    assert {s["type"] for s in pdns.api("GET", f"/zones/{ZONE}.")["rrsets"]} == {"SOA", "NS"}


def test_support_create_returns_the_key(shop, paymenter):
    order = {"service_id": "12345", "email": "customer@example.com", "firstname": "John",
             "lastname": "Doe"}
    key = good(paymenter("/support/create", **order))["support_key"]
    assert good(paymenter("/support/create", **order))["support_key"] == key
    assert check(shop, key)["valid"] is True
    good(paymenter("/support/suspend", service_id="12345"))
    assert check(shop, key)["status"] == "suspended"
    good(paymenter("/support/unsuspend", service_id="12345"))
    good(paymenter("/support/terminate", service_id="12345"))
    assert check(shop, key) == {"valid": False}


def test_custom_domains(pdns, paymenter):
    owner = {"service_id": "12345", "email": "customer@example.com"}
    good(paymenter("/customdomain/add/zone", **owner, zone="example.com"))
    good(paymenter("/customdomain/add/zone", **owner, zone="example.org"))
    assert pdns.dig("example.com", "NS") == [n + "." for n in NS]
    good(paymenter("/customdomain/add/record", **owner, zone="example.com", name="www", type="A",
                   content="PROXYSRV"))
    assert pdns.dig("www.example.com") == ["203.0.113.10"]
    refused = paymenter("/customdomain/add/record", **owner, zone="example.com", name="@",
                        type="CNAME", content="example.net")
    assert refused.status >= 400 and "cannot be a CNAME" in refused.json["error"], refused
    full = paymenter("/customdomain/add/zone", **owner, zone="example.net")
    assert full.status == 409 and full.json["success"] is False, full
    records = good(paymenter("/customdomain/list/records", **owner, zone="example.com"))
    assert "www.example.com" in str(records)
    good(paymenter("/customdomain/delete/record", **owner, zone="example.com", name="www", type="A",
                   content="PROXYSRV"))
    assert pdns.dig("www.example.com") == []
    good(paymenter("/customdomain/delete/zone", **owner, zone="example.org"))
    assert "example.org" not in pdns.zones()
    # What is refused has the status and the words that the extensions show to the customer.
    other = {"service_id": "67890"}
    for path, more, status, words in [
            ("add/zone", owner | {"zone": "example.com"}, 409, "the zone example.com is there already"),
            ("add/zone", other | {"zone": "example.com"}, 409,
             "the zone example.com belongs to somebody else"),
            ("delete/zone", owner | {"zone": "example.org"}, 404, "there is no zone example.org here"),
            ("list/records", owner | {"zone": "example.org"}, 404, "there is no zone example.org here"),
            ("add/record", owner | {"zone": "example.com", "type": "A", "content": "1.2.3"}, 400,
             '"1.2.3" is not an IPv4 address, which an A record needs')]:
        answer = paymenter(f"/customdomain/{path}", **more)
        assert (answer.status, answer.json["error"]) == (status, words), (path, answer)
