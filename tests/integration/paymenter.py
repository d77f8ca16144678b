# SPDX-License-Identifier: Apache-2.0
"""What the tests of the API share: a provostd with support and dns, and a PowerDNS where there is
one."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "plugins"))
import powerdns  # noqa: E402, F401

SITES = "sites.example.net"
MISSING = "missing.example.net"  # the nameserver has no such zone
NAMESERVERS = ["ns1.example.net", "ns2.example.net"]
SCOPES = ["events:write", "services:read", "services:act", "services:reveal"]


def options(url, key="test-key"):
    """The configuration: a site is a subdomain in a zone of ours, and support."""
    return {
        "plugins": {
            "pdns-1": {"module": "dns", "settings": {
                "url": url, "api_key": key, "nameservers": NAMESERVERS, "proxy_ip": "203.0.113.10",
                "verify_nameservers": False, "record_zones": [SITES, MISSING]}},
            "support": {"module": "support", "aliases": {"/support/check": "check"}},
        },
        "products": {
            "site": {"components": [
                {"name": "subdomain", "plugin": "pdns-1", "values": {"mode": "record", "zone": SITES}},
                {"plugin": "support"}],
                "plans": {"basic": {}, "premium": {}}},
            "held": {"on_failure": "hold", "plans": {"basic": {}}, "components": [
                {"name": "subdomain", "plugin": "pdns-1", "values": {"mode": "record", "zone": MISSING}}]},
            "support": {"components": [{"plugin": "support"}], "plans": {"standard": {}}},
            "dns": {"components": [{"name": "zones", "plugin": "pdns-1"}], "plans": {"basic": {"zones": 2}}},
        },
        "sources": {"paymenter": {
            "compat": "paymenter-backend",
            "products": {"site": "site", "support": "support", "dns": "dns"},
            "plans": {"support": "standard", "dns": "basic"}}},
    }


def token(one, source="paymenter", scopes=tuple(SCOPES)):
    made = one.admin("POST", "/v1/tokens", {"source": source, "scopes": list(scopes)})
    assert made.status == 201, made
    return made.json["token"]
