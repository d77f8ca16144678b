# SPDX-License-Identifier: Apache-2.0
"""Real answers of every route, held against schema/openapi.yaml; and the routes of the program
against the paths of the document, both ways."""

import http.client
import re
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from daemon import SLOW

sys.path.insert(0, str(Path(__file__).resolve().parent))
import paymenter  # noqa: E402
from paymenter import SITES, powerdns  # noqa: E402

METHODS = {"get", "post", "put", "delete"}
NO_SERVICE = "svc_00000000000000000000000000"
NO_OP = "op_00000000000000000000000000"
NO_TOKEN = "tok_00000000000000000000000000"


@pytest.fixture(scope="module")
def document(root):
    return yaml.safe_load((root / "schema/openapi.yaml").read_text())


def deref(document, node):
    while "$ref" in node:
        at = document
        for part in node["$ref"].lstrip("#/").split("/"):
            at = at[part]
        node = at
    return node


class Checked:
    """call(…) makes a request of a provostd and validates what comes back."""

    def __init__(self, document, one):
        self.document = document
        self.one = one
        self.seen = {}
        self.patterns = []
        for path in document["paths"]:
            pattern = re.sub(r"\\\{[a-z]+\\\}", "[^/]+", re.escape(path))
            # Paths without parameters first: /v1/audit/verify is no {id}.
            self.patterns.append(("{" in path, re.compile(pattern + "$"), path))
        self.patterns.sort(key=lambda p: p[0])

    def path_of(self, path):
        bare = path.split("?")[0]
        return next(name for _, pattern, name in self.patterns if pattern.match(bare))

    def __call__(self, method, path, body=None, status=None, **more):
        answer = self.one.call(method, path, body, **more)
        assert status is None or answer.status == status, answer
        name = self.path_of(path)
        where = f"{method} {name} {answer.status}"
        responses = self.document["paths"][name][method.lower()]["responses"]
        assert str(answer.status) in responses, f"{where} is not described: {answer}"
        described = deref(self.document, responses[str(answer.status)])
        kind = answer.headers["Content-Type"].split(";")[0]
        assert kind in described["content"], f"{where}: {kind}"
        if kind == "application/json":
            schema = dict(described["content"][kind]["schema"])
            schema["components"] = self.document["components"]
            try:
                jsonschema.Draft202012Validator(schema).validate(answer.json)
            except jsonschema.ValidationError as error:
                raise AssertionError(f"{where}: {error}") from None
        limits = self.document["components"]["headers"]
        always = {"RateLimit": limits["RateLimit"], "RateLimit-Policy": limits["RateLimitPolicy"]}
        for header, spec in (always | described.get("headers", {})).items():
            spec = deref(self.document, spec)
            if header in answer.headers:
                jsonschema.validate(answer.headers[header], spec["schema"])
        self.seen.setdefault((method.lower(), name), set()).add(answer.status)
        return answer


@pytest.fixture
def checked(document, make_provost, tmp_path):
    if powerdns.MISSING:
        pytest.skip(f"{powerdns.MISSING} is not installed (see tools/packages)")
    pdns = powerdns.PowerDNS(tmp_path / "pdns")
    pdns.start()
    pdns.add_zone(SITES, paymenter.NAMESERVERS)
    yield Checked(document, make_provost(paymenter.options(pdns.url)).start())
    pdns.stop()


def event(kind, number, service, **members):
    return {"id": f"e{number}", "type": f"service.{kind}", "service": {"id": service} | members,
            **({"customer": {"email": "a@example.com"}} if kind == "create" else {})}


def test_the_document_is_openapi(document):
    assert document["openapi"].startswith("3.1")
    ids = []
    for path in document["paths"].values():
        for method in METHODS & path.keys():
            ids.append(path[method]["operationId"])
            assert path[method]["responses"]
            if "401" in path[method]["responses"]:
                assert "429" in path[method]["responses"], path[method]["operationId"]
    assert len(ids) == len(set(ids))
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert name


def test_every_route_is_described(document, root):
    """The tables of routes in core/api are the truth."""
    found = set()
    for source in sorted((root / "core/api").glob("*.c")):
        text = source.read_text()
        found |= set(re.findall(r'\{"([A-Z]+)", "(/[^"]*)"', text))
    assert len(found) > 40
    described = {(method.upper(), re.sub(r"\{[a-z]+\}", "*", path))
                 for path, item in document["paths"].items() for method in METHODS & item.keys()}
    assert found == described


def test_every_route_says_which_scope_it_needs(document, root):
    """As the tables of core/api have it; and the scopes that there are stand in docs/api.md and here."""
    header = (root / "core/api/auth.h").read_text()
    scopes = re.findall(r'X\("([a-z:]+)", \d+\)', header)
    assert len(scopes) > 10 and document["components"]["schemas"]["Scope"]["enum"] == scopes
    assert re.findall(r"^\| `([a-z]+:[a-z]+|admin)` \|", (root / "docs/api.md").read_text(), re.M) == scopes
    by_path = {re.sub(r"\{[a-z]+\}", "*", path): item for path, item in document["paths"].items()}
    routes = [route for source in sorted((root / "core/api").glob("*.c")) for route in re.findall(
        r'\{"([A-Z]+)",\s+"(/[^"]*)",\s+PV_SCOPE_(\w+)', source.read_text())]
    assert len(routes) > 30
    for method, path, scope in routes:
        item = by_path[path]
        said = item[method.lower()].get("description") or item.get("get", {}).get("description", "")
        if scope == "ADMIN":
            assert item[method.lower()]["tags"] == ["admin"], (method, path)
        else:
            assert scope.lower().replace("_", ":") in said, (method, path, scope, said)


def service_routes(call, token):
    api = {"token": token}
    wait = {"headers": {"Prefer": "wait=30"}}
    done = call("POST", "/v1/events", event("create", 1, "1", product="site", plan="basic",
                                            params={"public_ip": "203.0.113.10"}), 200, **api, **wait)
    assert done.json["state"] == "done", done
    call("POST", "/v1/events", event("create", 1, "1", product="site", plan="basic",
                                     params={"public_ip": "203.0.113.10"}), 202, **api)
    call("POST", "/v1/events", event("create", 1, "1", product="site", plan="premium"), 409, **api)
    call("POST", "/v1/events", [event("suspend", 2, "1"), event("unsuspend", 3, "1")], 202, **api)
    call("POST", "/v1/events", event("suspend", 4, "none"), 409, **api)
    call("POST", "/v1/events", event("create", 5, "2", product="sit", plan="basic"), 400, **api)
    call("POST", "/v1/events", '{"id": "x",}', 400, **api)
    call("POST", "/v1/events", [{}] * 1001, 413, **api)
    call("POST", "/v1/events", {}, 401)
    cloud = {"specversion": "1.0", "id": "c1", "source": "shop", "type": "service.renew",
             "data": {"service": {"id": "none"}}}
    for kind, status, body in (("cloudevents+json", 409, cloud), ("cloudevents-batch+json", 400, [{}]),
                               ("cloudevents+avro", 415, {})):
        call("POST", "/v1/events", body, status, headers={"Content-Type": f"application/{kind}"}, **api)
    svc, op = done.json["service"], done.json["operation"]
    for path in ("/v1/services", f"/v1/services/{svc}", f"/v1/services/{svc}/view",
                 f"/v1/services/{svc}/operations", f"/v1/services/{svc}/queries/status",
                 f"/v1/services/{svc}/queries/reveal?component=support", "/v1/operations",
                 f"/v1/operations/{op}", "/v1/services?external_id=1", "/v1/services?limit=1"):
        call("GET", path, None, 200, **api)
        call("GET", path, None, 401)
    call("POST", f"/v1/services/{svc}/queries/status", {}, 200, **api)
    call("POST", f"/v1/services/{svc}/queries/status", {"x": 1}, 400, **api)
    call("GET", f"/v1/services/{svc}/queries/nothing", None, 404, **api)
    for path in (f"/v1/services/{NO_SERVICE}", f"/v1/services/{NO_SERVICE}/view",
                 f"/v1/services/{NO_SERVICE}/operations", f"/v1/services/{NO_SERVICE}/queries/status",
                 f"/v1/operations/{NO_OP}"):
        call("GET", path, None, 404, **api)
    for path in ("/v1/services?limit=0", "/v1/operations?state=x"):
        call("GET", path, None, 400, **api)
    call("POST", f"/v1/services/{svc}/actions/rotate", {"form": {}, "reason": "asked"}, 200, **api, **wait)
    call("POST", f"/v1/services/{svc}/actions/rotate", {}, 202, token=token,
         headers={"Idempotency-Key": "k1"})
    call("POST", f"/v1/services/{svc}/actions/rotate", {"form": {}}, 409, token=token,
         headers={"Idempotency-Key": "k1"})
    call("POST", f"/v1/services/{svc}/actions/nothing", {}, 404, **api)
    sessions = f"/v1/services/{svc}/sessions"
    session = call("POST", sessions, {"customer": "7"}, 201, **api).json["token"]
    call("GET", f"/v1/services/{svc}/view", None, 200, token=session)
    call("GET", "/v1/services", None, 403, token=session)
    call("POST", sessions, {}, 400, **api)
    call("POST", sessions, {"customer": "7"}, 401)
    call("POST", sessions, {"customer": "7"}, 403, token=session)
    call("POST", f"/v1/services/{NO_SERVICE}/sessions", {"customer": "7"}, 404, **api)
    call("DELETE", f"/v1/services/{NO_SERVICE}/sessions", None, 404, **api)
    call("DELETE", sessions, None, 401)
    call("DELETE", sessions, None, 200, token=session)
    call("GET", f"/v1/services/{svc}/view", None, 401, token=session)
    call("DELETE", sessions, None, 200, **api)
    call("POST", f"/v1/services/{svc}/actions/rotate", {"form": {"x": 1}}, 400, **api)
    return svc, op


def operation_routes(call, token, op):
    """A paused instance holds an operation still for the verbs."""
    call("POST", "/v1/instances/support/pause", {"reason": "for a test"}, 200, admin=True)
    for number, verb in enumerate(("retry", "undo", "skip", "abandon", "cancel")):
        held = call("POST", "/v1/events", event("create", f"v{number}", f"v{number}",
                                                product="support", plan="standard"), 202, token=token)
        path = f"/v1/operations/{held.json['operation']}"
        call("POST", f"{path}/{verb}", {}, 400, token=token)
        call("POST", f"{path}/{verb}", {"reason": "test"}, 401)
        call("POST", f"{path}/{verb}", {"reason": "test"}, token=token)
        call("POST", f"{path}/signals/go", {"ok": True}, token=token)
        call("GET", path, None, 200, token=token)
        call("GET", f"/v1/explain/{held.json['operation']}", None, 200, admin=True)
        call("POST", f"/v1/operations/{op}/{verb}", {"reason": "test"}, 409, token=token)
        call("POST", f"/v1/operations/{NO_OP}/{verb}", {"reason": "test"}, 404, token=token)
    for verb in ("retry", "skip", "abandon"):  # what is held for an operator
        held = call("POST", "/v1/events", event("create", verb, verb, product="held", plan="basic",
                                                params={"public_ip": "203.0.113.9"}), 202, token=token,
                    headers={"Prefer": "wait=30"})
        assert held.json["state"] == "needs_operator", held
        path = f"/v1/operations/{held.json['operation']}"
        assert call("POST", f"{path}/{verb}", {"reason": "test"}, token=token).status < 300
    call("POST", f"/v1/operations/{op}/signals/BAD", {}, 400, token=token)
    call("POST", f"/v1/operations/{op}/signals/go", "x" * 70000, 413, token=token)
    call("POST", f"/v1/operations/{NO_OP}/signals/go", {}, 404, token=token)
    call("POST", f"/v1/operations/{op}/signals/go?key={32 * '0'}", {}, 404)
    call("POST", f"/v1/operations/{op}/signals/go", {}, 401)
    call("POST", "/v1/instances/support/resume", {"reason": "done"}, 200, admin=True)


def information_routes(call, token, svc):
    for path in ("/v1/plugins", "/v1/products", "/v1/audit", f"/v1/audit?service={svc}", "/metrics"):
        call("GET", path, None, 200, token=token)
        call("GET", path, None, 401)
    call("GET", "/healthz", None, 200)
    call("GET", "/readyz", None, 200)
    call("GET", "/v1/instances/support/queries/test", None, 200, admin=True)
    call("GET", "/v1/instances/support/queries/test", None, 403, token=token)
    call("GET", "/v1/instances/support/queries/nothing", None, 404, token=token)
    call("POST", "/v1/instances/support/queries/test", {}, 200, admin=True)


def admin_routes(call, token, svc):
    made = call("POST", "/v1/tokens", {"source": "x", "scopes": ["services:read"], "expires_in": "1d"},
                201, admin=True).json
    call("POST", "/v1/tokens", {"source": "x", "scopes": ["nothing"]}, 400, admin=True)
    slow = call("POST", "/v1/tokens", {"source": "x", "scopes": ["services:read"], "rate": 1, "burst": 1},
                201, admin=True).json["token"]
    answers = [call("GET", "/v1/services", None, token=slow) for _ in range(20)]
    assert 429 in [answer.status for answer in answers]
    assert all("RateLimit" in answer.headers for answer in answers)
    call("DELETE", f"/v1/tokens/{made['id']}", None, 200, admin=True)
    call("DELETE", f"/v1/tokens/{NO_TOKEN}", None, 404, admin=True)
    for path in ("/v1/tokens", "/v1/instances", "/v1/status", "/v1/keys", "/v1/audit/verify",
                 f"/v1/explain/{svc}"):
        call("GET", path, None, 200, admin=True)
        call("GET", path, None, 403, token=token)
    call("GET", f"/v1/explain/{NO_OP}", None, 404, admin=True)
    call("POST", "/v1/instances/support/test", {}, 200, admin=True)
    call("POST", "/v1/instances/nothing/test", {}, 404, admin=True)
    call("POST", "/v1/keys/rotate", {}, 201, admin=True)
    call("POST", "/v1/keys/rotate", {"id": 7}, 400, admin=True)
    call("POST", "/v1/keys/rotate", {}, 403, token=token)
    call("POST", "/v1/reload", {}, 200, admin=True)
    good = call.one.config.read_text()
    call.one.config.write_text(good.replace('"module"', '"modul"'))
    call("POST", "/v1/reload", {}, 409, admin=True)
    call.one.config.write_text(good)


def webhook_routes(call, token):
    options = call.one.options
    call.one.configure(options | {"subscribers": {"shop": {
        "url": "http://127.0.0.1:9/", "secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]}}})
    call("POST", "/v1/reload", {}, 200, admin=True)
    call("POST", "/v1/events", event("suspend", 900, "1"), 202, token=token)
    for path in ("/v1/webhooks", "/v1/webhooks/shop/notifications"):
        call("GET", path, None, 200, admin=True)
        call("GET", path, None, 403, token=token)
        call("GET", path, None, 401)
    call("GET", "/v1/webhooks/nobody/notifications", None, 404, admin=True)
    call("GET", "/v1/webhooks/shop/notifications?after=x", None, 400, admin=True)
    call("POST", "/v1/webhooks/shop/retry", {}, 200, admin=True)
    call("POST", "/v1/webhooks/shop/retry", {"notification": "x"}, 400, admin=True)
    call("POST", "/v1/webhooks/shop/retry", {"notification": "999"}, 404, admin=True)
    for verb in ("disable", "enable"):
        call("POST", f"/v1/webhooks/shop/{verb}", {"reason": "a test"}, 200, admin=True)
        call("POST", f"/v1/webhooks/shop/{verb}", {}, 400, admin=True)
        call("POST", f"/v1/webhooks/nobody/{verb}", {"reason": "a test"}, 404, admin=True)
    call("GET", "/v1/webhooks", None, 200, admin=True)
    call.one.configure(options)
    call("GET", "/v1/stream?events=x", None, 400, token=token)
    call("GET", "/v1/stream", None, 401)
    connection = http.client.HTTPConnection("127.0.0.1", call.one.port, timeout=60 * SLOW)
    connection.request("GET", "/v1/stream", headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()  # it does not end: read elsewhere
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/event-stream"
    call.seen.setdefault(("get", "/v1/stream"), set()).add(answer.status)
    connection.close()


def compat_routes(call):
    token = {"token": paymenter.token(call.one)}
    site = {"service_id": "7", "email": "a@example.com", "plan": "basic", "public_ip": "203.0.113.7"}
    me = {"service_id": "7"}
    zone = me | {"zone": "one.example"}
    record = zone | {"name": "www", "type": "A", "content": "203.0.113.7"}
    call("POST", "/create-site", site, 200, **token)
    for path, body in (("/suspend", me), ("/unsuspend", me), ("/wp/upgrade/", me | {"plan": "premium"}),
                       ("/delete-site", me), ("/support/create", site | {"plan": "standard"}),
                       ("/support/suspend", me), ("/support/unsuspend", me), ("/support/terminate", me),
                       ("/customdomain/add/zone", zone), ("/customdomain/add/record", record)):
        call("POST", path, body, 200, **token)
        call("POST", path, {}, 400, **token)
        call("POST", path, body, 401)
    for path in ("/suspend", "/support/suspend", "/customdomain/delete/zone", "/customdomain/list/zones"):
        call("POST", path, zone | {"service_id": "none"}, 404, **token)
    listed = call("GET", "/customdomain/list/records?service_id=7&zone=one.example", None, 200, **token)
    made = next(r["id"] for r in listed.json["records"] if r["type"] == "A" and "www" in r["name"])
    call("POST", "/customdomain/edit/record", zone | {"record": made, "content": "203.0.113.8"}, 200, **token)
    listed = call("POST", "/customdomain/list/records", zone, 200, **token)
    made = next(r["id"] for r in listed.json["records"] if r["type"] == "A" and "www" in r["name"])
    call("POST", "/customdomain/delete/record", zone | {"record": made}, 200, **token)
    call("GET", "/customdomain/list/zones?service_id=7", None, 200, **token)
    call("POST", "/customdomain/list/zones", me, 200, **token)
    call("POST", "/customdomain/delete/zone", zone, 200, **token)


def test_answers(checked, document):
    call = checked
    token = paymenter.token(call.one, "shop", SCOPES)
    svc, op = service_routes(call, token)
    operation_routes(call, token, op)
    information_routes(call, token, svc)
    admin_routes(call, token, svc)
    webhook_routes(call, token)
    compat_routes(call)
    every = {(method, path) for path, item in document["paths"].items()
             for method in METHODS & item.keys()}
    assert every == set(call.seen), every - set(call.seen)
    without = {route for route, seen in call.seen.items() if not any(s < 300 for s in seen)}
    assert not without


SCOPES = ["events:write", "services:read", "services:act", "services:reveal", "operations:read",
          "operations:write", "signals:write", "instances:query", "plugins:read", "audit:read",
          "metrics:read"]
