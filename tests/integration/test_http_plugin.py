# SPDX-License-Identifier: Apache-2.0
"""The http plugin on a whole provostd: the configuration of examples/paymenter-backend against a back
end like the one its extensions call, byte for byte, against Provost itself, and what goes wrong."""

import json
import re
import time
from pathlib import Path

import daemon
import pytest
import yaml
from daemon import SLOW
from paymenter_backend import TOKEN, PaymenterBackend
from recorder import Recorder, answer

TOP = Path(__file__).resolve().parent.parent.parent
EXAMPLE = TOP / "examples/paymenter-backend/provost.yaml"
CUSTOMER = {"id": "7", "email": "customer@example.com", "firstname": "John", "lastname": "Doe"}
SITE = b'{"service_id":"12345","email":"customer@example.com","plan":"basic","public_ip":"203.0.113.10"}'
ID = b'{"service_id":"12345"}'
UPGRADE = b'{"service_id":"12345","plan":"premium"}'
SUPPORT = b'{"service_id":"12345","email":"customer@example.com","firstname":"John","lastname":"Doe"}'


@pytest.fixture
def backend():
    with PaymenterBackend() as one:
        yield one


def example(url, token=TOKEN):
    """The example's plugins and products, with another address and token."""
    whole = yaml.safe_load(EXAMPLE.read_text())
    for instance in whole["plugins"].values():
        settings = instance["settings"]
        settings["url"] = settings["url"].replace("http://127.0.0.1:8080", url)
        settings["auth_token"] = token
    for product in whole["products"].values():
        product["retry"] = {"initial": "100ms", "cap": "1s"}
    return {"plugins": whole["plugins"], "products": whole["products"]}


@pytest.fixture
def one(make_provost, backend):
    return make_provost(example(backend.url)).start()


ENDS = {"done", "failed", "superseded", "canceled", "needs_operator"}


def settled(one, path, body, timeout_s=60 * SLOW, **headers):
    """Sends what starts an operation, again and again: it is a duplicate then, which waits for the same
    operation. What that is once it has ended or is parked."""
    deadline = time.monotonic() + timeout_s
    while True:
        accepted = one.api("POST", path, body, headers={"Prefer": "wait=20"} | headers)
        assert accepted.status in (200, 202), accepted
        shown = one.operation(accepted.json["operation"])
        if shown["state"] in ENDS:
            return shown
        assert time.monotonic() < deadline, shown


def event_of(kind, service="12345", number=1, **members):
    event = {"id": f"{service}-{kind}-{number}", "type": f"service.{kind}",
             "service": {"id": service} | members}
    return event | ({"customer": CUSTOMER} if kind == "create" else {})


def fire(one, kind, service="12345", number=1, **members):
    return settled(one, "/v1/events", event_of(kind, service, number, **members))


def act(one, action, service="12345", number=1, **form):
    found = one.api("GET", f"/v1/services?external_id={service}").json["services"]
    return settled(one, f"/v1/services/{found[0]['service']}/actions/{action}", {"form": form},
                   **{"Idempotency-Key": f"{action}-{number}"})


def said(backend):
    return [(r.method, r.path, r.body) for r in backend.take()]


def seed_requests():
    """METHOD /path and JSON of the integration's own description, where it is at hand."""
    for folder in TOP.parents:
        for file in sorted((folder / "shared/seeds").glob("004_*.txt")):
            found = re.findall(r"→ (POST) (/\S+)\s+(\{.*?\})", file.read_text(), re.S)
            return {path: json.dumps(json.loads(body), separators=(",", ":")).encode()
                    for _, path, body in found}
    return None


def asked(one, query, service="12345"):
    found = one.api("GET", f"/v1/services?external_id={service}").json["services"][0]["service"]
    said = one.api("GET", f"/v1/services/{found}/queries/{query}")
    assert said.status == 200, said
    return said.json


@pytest.mark.parametrize("product, plan, query, table", [
    ("wordpress", "basic", "status", "sites"), ("support", "standard", "view", "support")])
def test_the_status_is_the_one_that_the_back_end_has(one, backend, product, plan, query, table):
    assert fire(one, "create", product=product, plan=plan)["state"] == "done"
    for number, kind in enumerate(["", "suspend", "suspend", "unsuspend", "suspend", "unsuspend"]):
        assert not kind or fire(one, kind, number=number)["state"] == "done"
        shown = json.dumps(asked(one, query))
        status = getattr(backend, table)["12345"]["status"]
        assert f'"status": "{status}"' in shown, (kind, shown)
    assert status == "active"


def test_a_site_that_is_there_already_cannot_be_told_from_ones_own(one, backend):
    """The back end reads no site to anybody; for support, where it tells nothing either, it is a conflict."""
    site = {"status": "active", "plan": "premium", "email": "other@example.com", "public_ip": "192.0.2.9"}
    backend.sites["12345"] = dict(site)
    backend.support["777"] = {"status": "active", "key": "NOT-YOURS"}
    assert fire(one, "create", product="wordpress", plan="basic")["state"] == "done"
    assert backend.sites == {"12345": site} and len(backend.take()) == 1
    refused = fire(one, "create", "777", product="support", plan="standard")
    assert refused["state"] == "failed" and "duplicate" in refused["reason"], refused
    assert backend.support == {"777": {"status": "active", "key": "NOT-YOURS"}}
    assert [request.path for request in backend.take()] == ["/support/create"]


def test_the_requests_of_a_site(one, backend):
    assert fire(one, "create", product="wordpress", plan="basic")["state"] == "done"
    request, = backend.take()
    assert (request.method, request.path, request.body) == ("POST", "/create-site", SITE)
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.headers["Accept"] == "application/json"
    assert request.headers["Content-Type"] == "application/json"
    assert fire(one, "suspend")["state"] == "done"
    assert backend.sites["12345"]["status"] == "suspended"
    assert fire(one, "unsuspend")["state"] == "done"
    assert fire(one, "upgrade", plan="premium")["state"] == "done"
    assert backend.sites["12345"] == {"status": "active", "plan": "premium", "email": CUSTOMER["email"],
                                      "public_ip": "203.0.113.10"}
    assert fire(one, "terminate")["state"] == "done"
    assert said(backend) == [("POST", "/suspend", ID), ("POST", "/unsuspend", ID),
                             ("POST", "/wp/upgrade/", UPGRADE), ("POST", "/delete-site", ID)]
    assert backend.sites == {}
    assert TOKEN not in one.log_text()


def test_the_requests_of_support(one, backend):
    assert fire(one, "create", product="support", plan="standard")["state"] == "done"
    for kind in ("suspend", "unsuspend"):
        assert fire(one, kind)["state"] == "done"
    service = one.api("GET", "/v1/services?external_id=12345").json["services"][0]["service"]
    view = one.api("GET", f"/v1/services/{service}/view").json
    assert "KEY12345ABC" not in json.dumps(view) and "support_key" in json.dumps(view)
    revealed = one.api("GET", f"/v1/services/{service}/queries/reveal")
    assert "KEY12345ABC" in revealed.text, revealed
    assert fire(one, "terminate")["state"] == "done"
    assert said(backend) == [("POST", "/support/create", SUPPORT), ("POST", "/support/suspend", ID),
                             ("POST", "/support/unsuspend", ID), ("POST", "/support/terminate", ID)]
    assert backend.support == {}


def test_the_same_bytes_as_the_description_has():
    described = seed_requests()
    if described is None:
        pytest.skip("the extensions' description (shared/seeds) is not beside this tree")
    assert described == {"/create-site": SITE, "/delete-site": ID, "/suspend": ID, "/unsuspend": ID,
                         "/wp/upgrade/": UPGRADE, "/support/create": SUPPORT}


LIMITS = {"Standard requests": 25, "Long operations (provisioning)": 60, "DNS verification": 10}


def test_the_time_limits_of_the_description(build, tmp_path):
    """In what the example's instances declare of their steps, which have five seconds more than their calls."""
    for folder in TOP.parents:
        for file in folder.glob("shared/seeds/004_*.txt"):
            found = re.findall(r"^- (.*): (\d+) seconds$", file.read_text(), re.M)
            assert {what: int(seconds) for what, seconds in found} == LIMITS
    ordinary, long, dns = LIMITS.values()
    wanted = {"sites": {"create": long, "terminate": ordinary, "suspend": ordinary, "unsuspend": ordinary,
                        "upgrade": ordinary},
              "support": dict.fromkeys(("create", "terminate", "suspend", "unsuspend"), ordinary),
              "dns": dict.fromkeys(("zone_add", "zone_delete", "record_add", "record_delete"), dns)}
    for name, instance in example("http://127.0.0.1:1")["plugins"].items():
        (tmp_path / "settings.json").write_text(json.dumps(instance["settings"]))
        done = daemon.subprocess.run(
            [build / "provost", "--json", "plugin", "describe", build / "plugins/http.so", "--settings",
             tmp_path / "settings.json"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        declared = json.loads(done.stdout)
        steps = declared["operations"] | {action["name"]: action["steps"] for action in declared["actions"]}
        assert {what: step["timeout_ms"] / 1000 - 5 for what, (step,) in steps.items()} == wanted[name]


def test_zones_are_actions(one, backend):
    assert fire(one, "create", product="dns", plan="basic")["state"] == "done"
    assert backend.take() == []
    assert act(one, "zone_add", zone="a.example")["state"] == "done"
    assert act(one, "record_add", zone="a.example", name="www", type="A", content="192.0.2.1",
               ttl=300)["state"] == "done"
    assert backend.zones == {"a.example": {"service": "12345", "records": [
        {"name": "www", "type": "A", "content": "192.0.2.1", "ttl": 300}]}}
    twice = act(one, "zone_add", number=2, zone="a.example")
    assert twice["state"] == "failed" and twice["reason"].endswith("is there already"), twice
    requests = said(backend)
    assert requests[0] == ("POST", "/customdomain/add/zone",
                           b'{"service_id":"12345","zone":"a.example","email":"customer@example.com"}')
    service = one.api("GET", "/v1/services?external_id=12345").json["services"][0]["service"]
    zones = one.api("GET", f"/v1/services/{service}/queries/zones")
    assert '"zones":[{"zone":"a.example"}]' in zones.text, zones
    assert act(one, "zone_delete", zone="a.example")["state"] == "done"
    assert backend.zones == {}


@pytest.mark.parametrize("error, shown", [
    (answer(400, {"success": False, "error": "<p>No <b>space</b> left</p>"}), "No space left"),
    (answer(400, {"error": "API POST /create-site failed: HTTP 400: bad plan"}), "bad plan"),
    (answer(422, b"<html><body><h1>Unprocessable</h1></body></html>"), "Unprocessable"),
])
def test_errors_reach_people_clean(one, backend, error, shown):
    backend.disturb("/create-site", error)
    done = fire(one, "create", product="wordpress", plan="basic")
    assert done["state"] == "failed" and done["reason"] == f"sites.create: {shown}", done


@pytest.mark.parametrize("trouble, after_work", [
    (None, True), (answer(500, b"<html>oops</html>"), True), (answer(429, {}, Retry_After="0"), False),
    (answer(503, {}), False), (answer(502, b""), False), (answer(200, b'{"succ', Content_Length="90"), True)])
def test_a_site_is_made_once_whatever_comes_between(one, backend, trouble, after_work):
    backend.disturb("/create-site", trouble, after_work)
    assert fire(one, "create", product="wordpress", plan="basic")["state"] == "done"
    assert list(backend.sites) == ["12345"]
    assert fire(one, "terminate")["state"] == "done"
    assert fire(one, "terminate", number=2)["state"] == "done"


def test_a_back_end_that_is_away_or_wrong_loses_no_order(make_provost, backend):
    with Recorder(lambda request: answer(401, {"error": "wrong token"})) as wrong:
        one = make_provost(example(f"http://127.0.0.1:{daemon.free_port()}")).start()
        create = event_of("create", product="wordpress", plan="basic")
        accepted = one.api("POST", "/v1/events", create)
        one.configure(example(wrong.url))
        one.reload()
        wrong.await_requests(1)
        assert one.operation(accepted.json["operation"])["state"] not in ENDS
        one.configure(example(backend.url))
        one.reload()
        one.admin("POST", "/v1/instances/sites/resume", {})
        assert fire(one, "create", product="wordpress", plan="basic")["state"] == "done"
        assert list(backend.sites) == ["12345"]


def test_provost_drives_provost(make_provost):
    """The outer one calls what the inner one serves as the Paymenter back end."""
    inner = make_provost({
        "plugins": {"support": {"module": "support"}},
        "products": {"site": {"components": [{"plugin": "support"}], "plans": {"basic": {}, "premium": {}}},
                     "support": {"components": [{"plugin": "support"}], "plans": {"standard": {}}}},
        "sources": {"paymenter": {"compat": "paymenter-backend",
                                  "products": {"site": "site", "support": "support"},
                                  "plans": {"support": "standard"}}}}).start()
    token = inner.admin("POST", "/v1/tokens", {"source": "paymenter", "scopes": [
        "events:write", "services:read", "services:act", "services:reveal"]}).json["token"]
    outer = make_provost(example(f"http://127.0.0.1:{inner.port}", token)).start()

    def states():
        found = inner.admin("GET", "/v1/services?source=paymenter").json["services"]
        return {s["external_id"]: (s["plan"], s["state"]) for s in found}

    assert fire(outer, "create", "1", product="wordpress", plan="basic")["state"] == "done"
    assert fire(outer, "create", "2", product="support", plan="standard")["state"] == "done"
    service = outer.api("GET", "/v1/services?external_id=2").json["services"][0]["service"]
    revealed = outer.api("GET", f"/v1/services/{service}/queries/reveal")
    assert re.search(r'"[A-Z0-9]{24}"', revealed.text), revealed
    for kind in ("suspend", "unsuspend"):
        for service in ("1", "2"):
            assert fire(outer, kind, service)["state"] == "done"
    assert fire(outer, "upgrade", "1", plan="premium")["state"] == "done"
    assert states() == {"site/1": ("premium", "active"), "support/2": ("standard", "active")}
    for service in ("1", "2"):
        assert fire(outer, "terminate", service)["state"] == "done"
    assert {state for _, state in states().values()} == {"terminated"}
    refused = fire(outer, "create", "3", product="wordpress", plan="standard")
    assert refused["state"] == "failed" and "standard" in refused["reason"], refused


def test_the_configuration_is_checked_before_it_is_used(make_provost, backend):
    whole = example(backend.url)
    whole["plugins"]["sites"]["settings"]["operations"]["create"][0]["body"]["plan"] = "{{servce.plan}}"
    one = make_provost(whole)
    with pytest.raises(AssertionError):
        one.start()
    assert "plugins.sites.settings.operations.create.0.body.plan" in one.log_text()
    assert "did you mean" in one.log_text() and "service" in one.log_text()


CALL = {"path": "/x", "body": {}}


@pytest.mark.parametrize("settings, path, sentence", [
    ({"operations": {"craete": [CALL]}}, "operations.craete", 'did you mean "create"'),
    ({"operations": {"create": [CALL | {"pth": "/"}]}}, "operations.create.0.pth", "did you mean"),
    ({"operations": {"create": [CALL, CALL]}}, "operations.create.0", "name is missing"),
    ({"operations": {"create": [CALL | {"path": "x"}]}}, "operations.create.0.path", 'begins with "/"'),
    ({"operations": {"create": [CALL | {"path": "/x?y=1"}]}}, "operations.create.0.path", "query"),
    ({"operations": {"create": [CALL | {"path": "/{{service.rf}}"}]}}, "operations.create.0.path",
     'did you mean "service.ref"'),
    ({"operations": {"create": [CALL | {"body": {"a": ["{{plan.x}}"]}}]}}, "operations.create.0.body.a.0",
     "unknown name"),
    ({"operations": {"create": [CALL | {"body": {"a": "{{service.ref"}}]}}, "operations.create.0.body.a",
     "without its }}"),
    ({"operations": {"create": [CALL | {"body": {"a": "{{service.ref in TiB}}"}}]}},
     "operations.create.0.body.a", "no unit"),
    ({"operations": {"create": [CALL | {"body": {"a": "{{state.id}}"}}]}}, "operations.create.0.body.a",
     "unknown name"),
    ({"operations": {"create": [CALL | {"lookup": {"path": "/y"}}]}}, "operations.create.0.lookup", "absent"),
    ({"operations": {"create": [CALL | {"state": {"id": "/id"}, "lookup": {"path": "/y", "absent": 404}}]}},
     "operations.create.0.lookup.state", '"id" is missing'),
    ({"operations": {"create": [CALL | {"state": {"id": "id"}}]}}, "operations.create.0.state.id", "pointer"),
    ({"operations": {"create": [CALL | {"success": "2yy"}]}}, "operations.create.0.success", "status"),
    ({"operations": {"create": [CALL | {"success": {"body": {"x": 1}}}]}}, "operations.create.0.success",
     "no JSON pointer"),
    ({"operations": {"create": [CALL | {"headers": {"Host": "x"}}]}}, "operations.create.0.headers.Host",
     "not yours"),
    ({"operations": {"create": [CALL | {"timeout": "1d"}]}}, "operations.create.0.timeout", "duration"),
    ({"operations": {"create": [CALL | {"method": "GET"}]}}, "operations.create.0", "has no body"),
    ({"operations": {"create": [CALL | {"poll": {"path": "/t"}}]}}, "operations.create.0.poll", "done"),
    ({"operations": {"create": [CALL | {"if": {"params.z": {"exists": True}}}]}},
     "operations.create.0.if.params.z", "unknown name"),
    ({"operations": {"create": [CALL | {"body": {"u": "{{signal_url.done}}"}}]}},
     "operations.create.0.body.u", "unknown name"),
    ({"operations": {"create": [CALL | {"state": {"id": "/id"}, "undo": {"method": "DELETE", "path": "/x"},
                                        "if": {"state.id": {"exists": False}}}]}},
     "operations.create.0.if", '"state.id" is kept by this call or a later one'),
    ({"operations": {"create": [
        CALL | {"name": "a", "undo": {"path": "/y"}, "if": {"state.ip.v4": {"exists": False}}},
        CALL | {"name": "b", "poll": {"path": "/t", "done": 200, "state": {"ip": "/ip"}}}]}},
     "operations.create.0.if", '"state.ip.v4" is kept'),
    ({"operations": {"create": [CALL | {"signal": "Done"}]}}, "operations.create.0.signal", "name of a signal"),
    ({"operations": {"create": [CALL | {"there": 409, "state": {"id": "/id"}}]}}, "operations.create.0.there",
     '"id" of `state`'),
    ({"operations": {"create": [CALL | {"there": 409, "state": {"id": {"value": "{{answer.id}}"}}}]}},
     "operations.create.0.there", "`lookup` is needed"),
    ({"operations": {"create": [CALL | {"there": 409, "poll": {"path": "/t", "done": 200}}]}},
     "operations.create.0.there", "`lookup` is needed"),
    ({"product": [{"name": "x", "type": "szie"}]}, "product.0.type", "unknown type"),
    ({"product": [{"name": "x", "secret": True}]}, "product.0.secret", "secrets"),
    ({"checkout": [{"name": "x", "typ": "int"}]}, "checkout.0.typ", "unknown key"),
    ({"actions": {"create": {"calls": [CALL]}}}, "actions.create", "operation"),
    ({"actions": {"do": {"calls": [CALL | {"body": "{{form.x}}"}]}}}, "actions.do.calls.0.body", "unknown"),
    ({"queries": {"view": {"calls": [{"path": "/x"}]}}}, "queries.view", "result is missing"),
    ({"queries": {"view": {"result": "{{answr.x}}"}}}, "queries.view.result", 'did you mean "answer'),
    ({"instance_queries": {"test": {"result": "{{service.ref}}"}}}, "instance_queries.test.result", "unknown"),
    ({"auth": "basic"}, "auth_user", "missing"),
    ({"headers": {"X": "{{service.ref}}"}}, "headers.X", "unknown name"),
])
def test_what_is_wrong_is_said_with_its_place(build, tmp_path, settings, path, sentence):
    settings = {"url": "http://127.0.0.1:1", "operations": {"create": [CALL]}} | settings
    config = tmp_path / "provost.yaml"
    config.write_text(json.dumps({
        "plugin_dirs": [str(build / "plugins")], "plugins": {"back": {"module": "http", "settings": settings}},
        "products": {"p": {"components": [{"plugin": "back"}], "plans": {"basic": {}}}}}, indent=1))
    done = daemon.subprocess.run([build / "provost", "config", "check", config], capture_output=True, text=True,
                                 env={"PROVOST_HOST": str(build / "provost-host")}, check=False)
    lines = done.stderr.splitlines()
    assert done.returncode != 0 and len(lines) == 1, done
    assert re.match(rf".*provost\.yaml:\d+:\d+: plugins\.back\.settings\.{re.escape(path)}: ", lines[0]), lines
    assert sentence in lines[0], lines


def test_the_example_is_in_order(build, tmp_path):
    (tmp_path / "provost.yaml").write_text(EXAMPLE.read_text())
    (tmp_path / "backend.token").write_text(TOKEN)
    done = daemon.subprocess.run(
        [build / "provost", "config", "check", tmp_path / "provost.yaml"], capture_output=True, text=True,
        env={"PROVOST_HOST": str(build / "provost-host"), "PROVOST_PLUGIN_PATH": str(build / "plugins")},
        check=False)
    assert (done.returncode, done.stderr) == (0, ""), done


def slow(make_provost, url, **call):
    return make_provost({
        "plugins": {"back": {"module": "http", "settings": {
            "url": url, "operations": {"create": [{"path": "/make", "body": {"ref": "{{service.ref}}"}} | call]}}}},
        "products": {"thing": {"components": [{"plugin": "back"}], "plans": {"basic": {}},
                               "retry": {"initial": "100ms", "cap": "1s"}}}})


def test_values_of_the_file_keep_their_types(make_provost):
    body = {"n": 5, "text": "5", "yes": True, "yes_text": "true", "half": 1.5, "none": None,
            "list": [{"z": 1}, {"a": -2}], "empty": {}}
    with Recorder() as backend:
        one = slow(make_provost, backend.url, body=body).start()
        assert fire(one, "create", product="thing", plan="basic")["state"] == "done"
        assert backend.take()[0].body == json.dumps(body, separators=(",", ":")).encode()


def test_a_time_out_after_the_work_is_looked_up(make_provost):
    made = []

    def handle(request):
        if request.method == "POST":
            made.append(request.json["ref"])
            # Says nothing until it is looked up, which is after the call's time limit.
            assert backend.changed.wait_for(lambda: backend.requests[-1].method == "GET", 60 * SLOW)
            return answer(201, {"id": 5})
        return answer(200, {"id": 5}) if request.path[1:] in made else answer(404, {})

    with Recorder(handle) as backend:
        one = slow(make_provost, backend.url, timeout=f"{2 * SLOW}s", state={"id": "/id"},
                   lookup={"path": "/{{service.ref}}", "absent": 404, "state": {"id": "/id"}})
        one.start()
        shown = fire(one, "create", product="thing", plan="basic")
        assert shown["state"] == "done" and len(made) == 1, shown
        assert [s["kind"] for s in shown["steps"]] == ["run", "lookup"]


@pytest.mark.parametrize("call", [
    {"there": 409}, {}, {"there": 409, "method": "POST", "idempotent": True},
    {"there": 409, "method": "POST", "idempotency_key": True}])
def test_what_is_there_is_looked_up_even_if_it_may_be_sent_again(make_provost, call):
    with Recorder(lambda request: answer(409 if request.method != "GET" else 200, {"id": 5})) as backend:
        one = slow(make_provost, backend.url, state={"id": "/id"},
                   lookup={"path": "/{{service.ref}}", "absent": 404, "state": {"id": "/id"}},
                   **({"method": "PUT"} | call))
        one.start()
        shown = fire(one, "create", product="thing", plan="basic")
        assert shown["state"] == "done" and [s["kind"] for s in shown["steps"]] == ["run", "lookup"], shown
        assert len(backend.take()) == 2


def test_a_request_that_may_be_sent_again_is_after_a_failure(make_provost):
    answers = [answer(500, {}), answer(201, {"id": 5})]
    with Recorder(lambda request: answers.pop(0)) as backend:
        one = slow(make_provost, backend.url, method="PUT", lookup={"path": "/y", "absent": 404})
        one.start()
        shown = fire(one, "create", product="thing", plan="basic")
        assert shown["state"] == "done" and [r.method for r in backend.take()] == ["PUT", "PUT"], shown


@pytest.mark.parametrize("body, text", [
    ("100 MiB", "larger"), ("70 KB", "state"), ('{"id": ', "no JSON"), ('{"id": [1]}', "another type"),
    ("[]", "nothing at /id")])
def test_an_answer_that_cannot_be_used_waits_for_a_person(make_provost, body, text):
    body = {"100 MiB": b"x" * (100 * 1024 * 1024),
            "70 KB": json.dumps({"id": "x" * 70000}).encode()}.get(body, body.encode())
    with Recorder(lambda request: answer(200, body)) as backend:
        one = slow(make_provost, backend.url, state={"id": {"from": "/id", "type": "string"}})
        one.start()
        shown = fire(one, "create", product="thing", plan="basic")
        assert shown["state"] == "needs_operator" and text in json.dumps(shown), shown
        assert len(backend.take()) == 1


@pytest.mark.parametrize("early", [False, True])
def test_a_signal_ends_the_wait(make_provost, early):
    port = daemon.free_port()

    def call_back(request, body):
        path = request.json["call"].partition(f":{port}")[2]
        assert one.call("POST", path, body).status == 202

    def handle(request):
        if early:
            call_back(request, {"ok": True, "id": 9})
        return answer(202, {})

    with Recorder(handle) as backend:
        one = slow(make_provost, backend.url, body={"call": "{{signal_url.made}}"},
                   signal={"name": "made", "done": {"/ok": True}, "failed": {"/ok": False},
                           "state": {"id": "/id"}})
        one.configure(one.options | {"listen": f"127.0.0.1:{port}",
                                     "callback_url": f"http://127.0.0.1:{port}/"})
        one.start()
        create = event_of("create", "1", product="thing", plan="basic")
        one.api("POST", "/v1/events", create)
        if not early:
            call_back(backend.await_requests(1)[0], {"ok": True, "id": 9})
        assert fire(one, "create", "1", product="thing", plan="basic")["state"] == "done"
        if not early:
            one.api("POST", "/v1/events", event_of("create", "2", product="thing", plan="basic"))
            call_back(backend.await_requests(2)[1], {"ok": False, "error": "no room"})
            shown = fire(one, "create", "2", product="thing", plan="basic")
            assert shown["state"] == "failed" and shown["reason"] == "back.create: no room", shown


@pytest.mark.parametrize("call", [
    {"body": {"call": "{{signal_url.made}}"}}, {"body": {}},
    {"body": {"call": "{{signal_url.made}}"}, "poll": {"path": "/t", "done": {"body": {"/ok": True}}}}])
def test_orders_wait_for_a_callback_url(make_provost, call):
    port = daemon.free_port()
    with Recorder(lambda request: answer(202, {"ok": True})) as backend:
        one = slow(make_provost, backend.url, signal="made", **call)
        one.start()
        waiting = one.await_waiting("create", "1", "breaker", product="thing", plan="basic")
        assert "callback_url" in json.dumps(waiting) and backend.take() == []
        one.configure(one.options | {"listen": f"127.0.0.1:{port}",
                                     "callback_url": f"http://127.0.0.1:{port}/"})
        one.reload()
        one.admin("POST", "/v1/instances/back/resume", {})
        if "poll" not in call:
            backend.await_requests(1)
            done = one.api("POST", f"/v1/operations/{waiting['operation']}/signals/made", {"ok": True})
            assert done.status == 202, done
        assert one.await_operation("create", "1", product="thing", plan="basic")["state"] == "done"


def lost_and_found(make_provost, url, **call):
    """A create of two calls: the first one's answer is lost, and the second needs what ends the first."""
    create = [{"name": "make", "path": "/make", "body": {"call": "{{signal_url.made?}}"}, "state": {"id": "/id"},
               "lookup": {"path": "/there", "absent": 404, "state": {"id": "/id"}},
               "undo": {"method": "DELETE", "path": "/{{state.id}}"}} | call,
              {"name": "use", "method": "PUT", "path": "/use/{{state.ip}}"}]
    if "signal" not in call:
        del create[0]["body"]["call"]
    return make_provost({
        "plugins": {"back": {"module": "http", "settings": {"url": url, "operations": {"create": create}}}},
        "products": {"thing": {"components": [{"plugin": "back"}], "plans": {"basic": {}},
                               "retry": {"initial": "100ms", "cap": "1s"}}}})


@pytest.mark.parametrize("end", ["done", "failed"])
def test_what_is_found_is_polled_until_it_is_done(make_provost, end):
    polls = []

    def handle(request):
        if request.path == "/make":
            return answer(500, {})
        if request.path == "/task":
            polls.append(1)
            return answer(200, {"s": end if len(polls) > 2 else "running", "ip": "192.0.2.1", "error": "no room"})
        return answer(200, {"id": 5})

    with Recorder(handle) as backend:
        one = lost_and_found(make_provost, backend.url, poll={
            "path": "/task", "every": "100ms", "done": {"body": {"/s": "done"}}, "state": {"ip": "/ip"},
            "failed": {"body": {"/s": "failed"}}}).start()
        shown = fire(one, "create", product="thing", plan="basic")
        paths = [f"{r.method} {r.path}" for r in backend.take()]
        begun = ["POST /make", "GET /there", "GET /task", "GET /task", "GET /task"]
        if end == "done":
            assert shown["state"] == "done" and paths == begun + ["PUT /use/192.0.2.1"], shown
        else:
            assert shown["state"] == "failed" and "no room" in shown["reason"], shown
            assert paths == begun + ["GET /there", "DELETE /5"], paths


def test_what_is_found_waits_for_its_signal(make_provost):
    port = daemon.free_port()

    def handle(request):
        return answer(500 if request.path == "/make" else 200, {"id": 5})

    with Recorder(handle) as backend:
        one = lost_and_found(make_provost, backend.url, signal={"name": "made", "state": {"ip": "/ip"}})
        one.configure(one.options | {"listen": f"127.0.0.1:{port}", "callback_url": f"http://127.0.0.1:{port}/"})
        one.start()
        waiting = one.await_waiting("create", "1", "signal", product="thing", plan="basic")
        assert one.api("POST", f"/v1/operations/{waiting['operation']}/signals/made",
                       {"ip": "192.0.2.1"}).status == 202
        assert one.await_operation("create", "1", product="thing", plan="basic")["state"] == "done"
        assert [r.path for r in backend.take()] == ["/make", "/there", "/use/192.0.2.1"]
