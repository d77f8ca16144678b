# SPDX-License-Identifier: Apache-2.0
"""What is secret, and what is personal, is searched for in everything that a provostd leaves behind."""

import pytest
import shop as shops

API_KEY = "the-backends-key-5f2b"
EMAIL = "grace.hopper@example.com"


@pytest.fixture
def shop(make_provost, tmp_path):
    """Every step of dns fails, and is logged."""
    (tmp_path / "key").write_text(API_KEY + "\n")
    options = shops.with_dead_dns(f"${{file:{tmp_path / 'key'}}}")
    return make_provost(options | {"log": {"level": "debug"}}).start()


def created(shop, service, product):
    event = {"id": service, "type": "service.create",
             "service": {"id": service, "product": product, "plan": "basic"},
             "customer": {"email": EMAIL, "lastname": "Hopper-Murray"}}
    while True:
        answer = shop.api("POST", "/v1/events", event, headers={"Prefer": "wait=20"})
        assert answer.status in (200, 202), answer
        if answer.json["state"] in ("done", "needs_operator"):
            return answer.json


def test_nothing_secret_is_left_anywhere(shop):
    service = created(shop, "s1", "support")["service"]
    failed = created(shop, "s2", "name")
    assert failed["state"] == "needs_operator"
    revealed = shop.api("POST", f"/v1/services/{service}/queries/reveal")
    key = revealed.json["components"][0]["result"]["support_key"]
    assert len(key) > 10
    answers = [shop.admin("GET", path).text for path in (
        "/v1/status", "/v1/instances", "/v1/plugins", "/v1/products", "/v1/audit?limit=1000",
        "/v1/tokens", "/v1/operations", f"/v1/operations/{failed['operation']}", "/v1/services",
        f"/v1/services/{service}", f"/v1/services/{service}/view",
        f"/v1/explain/{failed['operation']}", "/metrics")]
    shop.admin("POST", "/v1/instances/pdns/test")
    token, folder, log = shop.token, shop.database.parent, shop.log_text
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert any(path.name.startswith("provost.db") and len(data) > 0 for path, data in files.items())
    shop.stop()
    files |= {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    # The owner's view shows the e-mail address; that is what it is for.
    for secret in (API_KEY, key, token, token.removeprefix("provost_")):
        assert secret not in log()
        assert not [answer for answer in answers if secret in answer], secret
        assert not [path for path, data in files.items() if secret.encode() in data], secret
    for personal in (EMAIL, "Hopper-Murray"):
        assert personal not in log()
        assert not [path for path, data in files.items() if personal.encode() in data], personal


def test_a_reveal_is_on_record(shop):
    service = created(shop, "s1", "support")["service"]
    shop.api("POST", f"/v1/services/{service}/queries/reveal")
    records = shop.admin("GET", "/v1/audit?limit=1000").json["records"]
    assert [r for r in records if r["what"] == "service.reveal" and r["service"] == service], records
