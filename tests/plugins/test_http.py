# SPDX-License-Identifier: Apache-2.0
"""The http plugin, call by call, against a backend that notes what comes."""

import re
from pathlib import Path

import fake
import pytest
import yaml
from recorder import Recorder, answer

MANUAL = Path(__file__).resolve().parents[2] / "plugins/http/http.md"
CREATE = {"method": "POST", "path": "/things/{{service.ref}}",
          "body": {"email": "{{customer.email}}", "memory": "{{plan.memory in MiB}}",
                   "note": "for {{customer.firstname | nobody}}", "region": "{{params.region?}}"},
          "state": {"id": "/data/id"}}
PLAN = {"product": [{"name": "memory", "type": "size"}], "checkout": [{"name": "region"}]}
ORDER = {"service": {"external_id": "12345", "plan": "basic"},
         "customer": {"email": "customer@example.com"}, "values": {"memory": 2147483648}}


@pytest.fixture
def backend():
    with Recorder() as one:
        yield one


@pytest.fixture
def play(drive, backend):
    """play(create=[call], …): a plugin whose operations are these."""
    def start(settings=None, **operations):
        return drive("plugins/http", {"url": backend.url, "operations": operations} | (settings or {}))
    return start


def test_a_call_is_sent_as_it_stands_there(play, backend):
    backend.handle = lambda request: answer(201, {"data": {"id": 7}})
    plugin = play(PLAN | {"auth": "bearer", "auth_token": "s3cret"}, create=[CREATE])
    said = plugin.ok("create", "9", ORDER)
    assert said["state"] == {"id": 7}
    request, = backend.take()
    assert (request.method, request.path) == ("POST", f"/things/{fake.ref('9')}")
    assert request.body == (b'{"email":"customer@example.com","memory":2048,'
                            b'"note":"for nobody"}')
    assert request.headers["Authorization"] == "Bearer s3cret"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Accept"] == "application/json"


def test_values_cannot_leave_their_place(play, backend):
    plugin = play({"checkout": [{"name": "x"}]}, create=[
        {"path": "/a/{{params.x}}/b", "query": {"q": "{{params.x}}", "two": ["{{params.x}}", 2]},
         "headers": {"X-Name": "n {{customer.id?}}"}, "method": "PUT", "body": {"x": "<{{params.x}}>"}}])
    nasty = 'a/../b?c=d&e#f"},{% é'
    plugin.ok("create", "1", {"params": {"x": nasty}})
    request, = backend.take()
    coded = "a%2F..%2Fb%3Fc%3Dd%26e%23f%22%7D%2C%7B%25%20%C3%A9"
    assert request.path == f"/a/{coded}/b?q={coded}&two={coded}&two=2"
    assert request.json == {"x": f"<{nasty}>"}
    for value in ("..", ".", ""):
        assert "path" in plugin.refused("create", "1", {"params": {"x": value}})
    for value in ("a\r\nX-Evil: 1", "a\nb", "\x7f"):
        said = plugin.refused("create", "1", {"params": {"x": "y"}, "customer": {"id": value}})
        assert "headers.X-Name" in said and "line break" in said
    assert backend.take() == []


def test_a_value_keeps_its_type(play, backend):
    plugin = play({"checkout": [{"name": "tags", "type": "list"}, {"name": "n", "type": "int"}]}, create=[
        {"path": "/", "body": {"tags": "{{params.tags}}", "n": "{{params.n}}", "text": "{{params.n}} of it",
                               "yes": True, "five": "{{params.tags.7 | 5}}", "text5": '{{reason | "5"}}',
                               "quoted": "\\{{params.n}}"}}])
    plugin.ok("create", "1", {"params": {"tags": ["a", "b"], "n": 3}})
    assert backend.take()[0].json == {"tags": ["a", "b"], "n": 3, "text": "3 of it", "yes": True,
                                      "five": 5, "text5": "5", "quoted": "{{params.n}}"}
    said = plugin.refused("create", "1", {"params": {"tags": []}})
    assert "params.n" in said and "has no value" in said


@pytest.mark.parametrize("status, outcome", [
    (400, "permanent"), (401, "instance_fault"), (403, "instance_fault"), (404, "permanent"),
    (408, "unknown"), (409, "unknown"), (422, "permanent"), (429, "temporary"), (500, "unknown"),
    (502, "unknown"), (503, "temporary"), (301, "instance_fault")])
def test_usual_meaning_of_statuses(play, backend, status, outcome):
    backend.handle = lambda request: answer(status, {"error": "so it is"}, Retry_After="7")
    plugin = play(create=[{"path": "/x", "body": {}}], suspend=[{"path": "/x", "method": "PUT"}])
    said = plugin.run("create")
    assert said["outcome"] == outcome
    if outcome == "temporary":
        assert said["last"]["retry_after_ms"] == 7000
    if outcome != "instance_fault":
        assert "so it is" in said["last"]["text"]
    repeated = plugin.run("suspend")["outcome"]
    assert repeated == ("temporary" if outcome == "unknown" and status != 409 else outcome)


def test_named_meanings_of_statuses(play, backend):
    call = {"path": "/x", "body": {}, "success": [200, {"status": 202, "body": {"/ok": True}}],
            "there": 208, "busy": 423, "temporary": {"status": 400, "body": {"/code": ["full", "busy"]}},
            "conflict": 409, "permanent": 500}
    plugin = play(create=[call], terminate=[call | {"absent": [404, 410]}],
                  suspend=[call | {"absent": 404}])

    def outcome(status, body=None, operation="create"):
        backend.handle = lambda request: answer(status, body or {})
        return plugin.run(operation)["outcome"]

    assert outcome(200) == "ok" and outcome(202, {"ok": True}) == "ok" and outcome(208) == "ok"
    assert outcome(202, {"ok": False}) == "permanent"
    assert outcome(423) == "temporary"
    assert outcome(400, {"code": "full"}) == "temporary" and outcome(400) == "permanent"
    assert outcome(409) == "permanent" and outcome(500) == "permanent"
    assert outcome(404, operation="terminate") == "ok" and outcome(404, operation="suspend") == "permanent"


@pytest.mark.parametrize("body, said", [
    (b'{"error": "<b>Quota</b> exceeded &amp; more"}', "Quota exceeded & more"),
    (b'{"error": "API POST /create-site failed: HTTP 500: no space left"}', "no space left"),
    (b'{"error": "API POST /create-site failed: HTTP 500"}', "POST /x: HTTP 422"),
    (b"<html><head><title>t</title><style>x{}</style></head><body><h1>Bad</h1>\n<p>gate way</p></body>",
     "Bad gate way"),
    (b"", "POST /x: HTTP 422"),
    (b'{"error": "cut sh', "POST /x: HTTP 422"),
    (b"\xff\xfe", "POST /x: HTTP 422"),
    (b'{"errors": [{"detail": "not this node"}]}', "not this node"),
])
def test_errors_are_fit_to_be_read(play, backend, body, said):
    backend.handle = lambda request: answer(422, body)
    assert play(create=[{"path": "/x", "body": {}}]).refused("create") == said


def test_a_lost_answer_is_looked_up(play, backend):
    made = []

    def handle(request):
        if request.method == "POST":
            made.append(1)
            return answer(201, {"id": 5})
        return answer(200, {"data": [{"id": 5}] if made else []})

    backend.handle = handle
    call = {"path": "/x", "body": {}, "state": {"id": "/id"},
            "lookup": {"path": "/x", "query": {"ref": "{{service.ref}}"}, "state": {"id": "/data/0/id"},
                       "absent": {"body": {"/data/0": {"exists": False}}}, "busy": 202}}
    plugin = play(create=[call])
    plugin.fault(error=fake.TIMEOUT, send=True)
    said = plugin.run("create", lookups=True)
    assert [s["outcome"] for s in said["steps"]] == ["unknown", "ok"]
    assert said["state"] == {"id": 5} and len(made) == 1
    made.clear()
    plugin.fault(error=fake.LOST, send=False)
    said = plugin.run("create", "2", lookups=True)
    assert [s["outcome"] for s in said["steps"]] == ["unknown", "absent", "ok"]
    assert len(made) == 1


BUSY = {"error": "busy"}


@pytest.mark.parametrize("status, outcome", [
    (400, "permanent"), (401, "instance_fault"), (404, "permanent"), (429, "temporary"), (500, "temporary"),
    (502, "temporary"), (503, "temporary")])
@pytest.mark.parametrize("absent", [{"body": {"/data/0": {"exists": False}}},
                                    [410, {"body": {"/data": {"not": "there"}}}]])
def test_a_look_up_that_fails_does_not_say_absent(play, backend, absent, status, outcome):
    posts = [500, 201]
    backend.handle = lambda request: answer(posts.pop(0) if request.method == "POST" else status, BUSY)
    plugin = play(create=[{"path": "/x", "body": {}, "lookup": {"path": "/x", "absent": absent}}])
    said = plugin.run("create", lookups=True)
    assert [s["outcome"] for s in said["steps"]] == ["unknown", outcome]
    assert [r.method for r in backend.take()] == ["POST", "GET"]


@pytest.mark.parametrize("match, status, fits", [
    ({"body": {"/error": {"exists": False}}}, 200, True), ({"body": {"/error": {"exists": False}}}, 500, False),
    ([201, {"body": {"/error": {"exists": False}}}], 503, False),
    ({"status": 500, "body": {"/error": {"exists": False}}}, 500, True), ({"status": "5xx"}, 500, True)])
def test_a_mapping_without_a_status_fits_no_error(play, backend, match, status, fits):
    plugin = play(create=[{"path": "/x", "body": {}, "success": match}],
                  terminate=[{"method": "DELETE", "path": "/x", "success": 299, "absent": match}],
                  renew=[{"path": "/x", "body": {}, "poll": {"path": "/t", "done": match}}],
                  upgrade=[{"path": "/x", "body": {}, "poll": {"path": "/t", "done": 299, "failed": match}}])
    backend.handle = lambda request: answer(status, {"data": 1})
    assert (plugin.run("create")["outcome"] == "ok") == fits
    assert (plugin.run("terminate")["outcome"] == "ok") == fits
    backend.handle = lambda request: answer(202 if request.method == "POST" else status, {"data": 1})
    assert plugin.run("renew", polls=1)["outcome"] == ("ok" if fits else "temporary")
    assert plugin.run("upgrade", polls=1)["outcome"] == ("permanent" if fits else "temporary")


def test_a_failure_is_one_with_any_status_that_is_no_success(play, backend):
    by_code = {"body": {"/code": "busy"}}
    backend.handle = lambda request: answer(500, {"code": "busy"})
    for member, outcome in (("temporary", "temporary"), ("conflict", "permanent"), ("permanent", "permanent"),
                            ("busy", "temporary")):
        assert play(create=[{"path": "/x", "body": {}, member: by_code}]).run("create")["outcome"] == outcome


def test_an_answer_without_what_is_needed_of_it(play, backend):
    call = {"path": "/x", "body": {}, "state": {"id": {"from": "/id", "type": "integer"},
                                                "name": {"from": "/name", "optional": True},
                                                "kind": {"from": "/kind", "default": "site"},
                                                "plan": {"value": "{{service.plan}} {{answer.id}}"}}}
    plugin = play(create=[call], suspend=[call | {"idempotent": True}])

    def outcome(body, operation="create"):
        backend.handle = lambda request: answer(200, body)
        return plugin.run(operation, input=ORDER)

    assert outcome({"id": 1})["state"] == {"id": 1, "kind": "site", "plan": "basic 1"}
    for body in ({}, {"id": "1"}, {"id": None}, [], "x", b'{"id": 1', b"<html>", b""):
        said = outcome(body)
        assert said["outcome"] == "unknown", body
        assert "state" in said["last"]["text"]
        assert outcome(body, "suspend")["outcome"] == "temporary"


def test_a_poll_goes_on_until_it_is_done(play, backend):
    states = [{"s": "running", "p": 40}, {"s": "running"}, {"s": "stopped", "exit": "OK"}]

    def handle(request):
        if request.method == "POST":
            return answer(202, {"task": "UPID:1"})
        assert request.path == "/tasks/UPID%3A1"
        return answer(200, states.pop(0))

    backend.handle = handle
    call = {"path": "/x", "body": {}, "state": {"task": "/task"},
            "poll": {"path": "/tasks/{{state.task}}", "every": "2s", "progress": "/p",
                     "done": {"body": {"/s": "stopped", "/exit": "OK"}},
                     "failed": {"body": {"/s": "stopped", "/exit": {"not": "OK"}}}, "error": ["/exit"]}}
    plugin = play(create=[call])
    said = plugin.ok("create", polls=5)
    assert [s["outcome"] for s in said["steps"]] == ["pending", "pending", "pending", "ok"]
    assert said["steps"][0]["retry_after_ms"] == 2000
    states[:] = [{"s": "stopped", "exit": "clone failed"}]
    assert plugin.refused("create", polls=5) == "clone failed"
    states[:] = []
    backend.handle = lambda request: answer(202 if request.method == "POST" else 500, {"task": "1"})
    assert plugin.run("create", polls=5)["outcome"] == "temporary"


def test_the_poll_of_the_manual(play, backend):
    block, = re.findall(r"```yaml\n(poll:.*?)```", MANUAL.read_text(), re.S)
    tasks = []

    def handle(request):
        if request.method == "POST":
            return answer(202, {"task": 1})
        return answer(200, tasks.pop(0))

    backend.handle = handle
    plugin = play(create=[{"path": "/x", "body": {}, "state": {"task": "/task"}} | yaml.safe_load(block)])
    running = [{"status": "running", "percent": 3}, {"status": "running", "exitstatus": None}]
    tasks[:] = running + [{"status": "stopped", "exitstatus": "OK"}]
    said = plugin.ok("create", polls=5)
    assert [s["outcome"] for s in said["steps"]] == ["pending", "pending", "pending", "ok"]
    tasks[:] = running + [{"status": "stopped", "exitstatus": "clone failed"}]
    assert plugin.refused("create", polls=5) == "clone failed"


def test_null_is_what_is_not_there(play, backend):
    plugin = play({"checkout": [{"name": "zone"}]}, create=[
        {"path": "/x", "body": {}, "if": {"params.zone": None}, "success": {"body": {"/error": [None, "none"]}}}])

    def outcome(body):
        backend.handle = lambda request: answer(200, body)
        return plugin.run("create")["outcome"]

    assert outcome({}) == outcome({"error": None}) == outcome({"error": "none"}) == "ok"
    assert outcome({"error": "some"}) == "permanent"
    backend.take()
    plugin.ok("create", input={"params": {"zone": "a.example"}})
    assert backend.take() == []


@pytest.mark.parametrize("result", [{"url": "{{answer.url}}"}, {"all": "{{answer}}"}])
def test_what_cannot_be_shown_has_been_done_all_the_same(play, backend, result):
    backend.handle = lambda request: answer(201, {"id": 3, "text": "x" * 70000})
    call = {"path": "/x", "body": {}, "state": {"id": "/id"}}
    plugin = play(create=[call | {"result": result}],
                  upgrade=[call | {"poll": {"path": "/t", "done": "2xx", "result": result}}])
    said = plugin.ok("create", retries=2)
    assert said["state"] == {"id": 3} and said["last"]["result"] is None and said["last"]["text"] is None
    assert len(backend.take()) == 1
    said = plugin.ok("upgrade", retries=2, polls=1)
    assert said["last"]["result"] is None and said["last"]["text"] is None
    assert [r.method for r in backend.take()] == ["POST", "GET"]


def test_an_undo_takes_back_and_forgets(play, backend):
    backend.handle = lambda request: answer(201 if request.method == "POST" else 204, {"id": 3})
    create = [{"name": "one", "path": "/x", "body": {}, "state": {"id": "/id"},
               "undo": {"method": "DELETE", "path": "/x/{{state.id}}", "absent": 404}},
              {"name": "two", "path": "/y", "body": {"id": "{{state.id}}"}}]
    plugin = play(create=create)
    said = plugin.run("create", undo=True)
    assert [r.path for r in backend.take()] == ["/x", "/y", "/x/3"]
    assert said["state"] == {}
    backend.handle = lambda request: answer(201 if request.method == "POST" else 404, {"id": 3})
    said = plugin.run("create", undo=True)
    assert said["steps"][-1]["outcome"] == "ok"
    # Of what never answered, nobody knows what to take back.
    said = plugin.undo("create", "2")
    assert said["steps"][-1]["outcome"] == "permanent" and "state.id" in said["steps"][-1]["text"]


def test_an_undo_forgets_what_every_part_of_the_step_has_kept(drive, backend):
    backend.handle = lambda request: answer(200, {"id": 3})
    plugin = drive("plugins/http", {
        "url": backend.url, "operations": {"create": [{"path": "/c", "body": {}, "state": {"server": "/id"}}]},
        "actions": {"add": {"calls": [
            {"path": "/x", "body": {}, "state": {"task": "/id"}, "undo": {"method": "DELETE", "path": "/x"},
             "lookup": {"path": "/x", "absent": 404, "state": {"task": "/id", "found": "/id"}},
             "poll": {"path": "/t", "done": 200, "state": {"ip": "/id"}}}]}}})
    plugin.ok("create")
    plugin.fault(error=fake.TIMEOUT, send=True)
    assert plugin.run("add", lookups=True)["state"] == {"server": 3, "task": 3, "found": 3}
    assert plugin.run("add", polls=1)["state"] == {"server": 3, "task": 3, "found": 3, "ip": 3}
    assert plugin.run("add", undo=True, skip=True)["state"] == {"server": 3}


def test_calls_that_are_left_out(play, backend):
    plugin = play({"checkout": [{"name": "zone"}]}, create=[
        {"path": "/zone/{{params.zone}}", "body": {}, "if": {"params.zone": {"exists": True}}}])
    plugin.ok("create")
    assert backend.take() == []
    plugin.ok("create", input={"params": {"zone": "a.example"}})
    assert backend.take()[0].path == "/zone/a.example"


def test_forms_and_basic_authentication(play, backend):
    plugin = play({"auth": "basic", "auth_user": "Aladdin", "auth_token": "open sesame",
                   "headers": {"User-Agent": "shop {{settings.vars.name}}"}, "vars": {"name": "one"}},
                  create=[{"path": "/f", "form": {"a": "x y&z", "none": "{{reason?}}", "l": [1, "b"]}}])
    plugin.ok("create")
    request, = backend.take()
    assert request.body == b"a=x%20y%26z&l=1&l=b"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.headers["Authorization"] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert request.headers["User-Agent"] == "shop one"


def test_keys_of_the_backends_own(play, backend):
    plugin = play(create=[{"path": "/x", "body": {}, "idempotency_key": "X-Request-Id"}])
    backend.handle = lambda request: answer(500, {})
    assert plugin.run("create", retries=2)["outcome"] == "temporary"
    keys = {r.headers["X-Request-Id"] for r in backend.take()}
    assert len(keys) == 1 and len(keys.pop()) >= 16


def test_queries(drive, backend):
    def handle(request):
        if request.path == "/gone":
            return answer(404, {"error": "no such site"})
        return answer(200, {"running": True, "zones": [{"n": "a.example"}, {"n": "b.example"}]})

    backend.handle = handle
    plugin = drive("plugins/http", {
        "url": backend.url, "operations": {"create": [{"path": "/x", "body": {}, "state": {"id": "/id"}}]},
        "queries": {
            "view": {"access": "customer", "calls": [{"name": "site", "path": "/site"}], "result": {
                "status": "active",
                "fields": [{"name": "id", "label": "Id", "value": "{{state.id?}}"}],
                "lists": [{"name": "zones", "label": "Zones", "columns": [{"name": "zone", "label": "Zone"}],
                           "rows": {"$for": "{{answers.site.zones}}", "$give": {"zone": "{{item.n}}"}}}]}},
            "status": {"result": {"status": "active"}},
            "gone": {"calls": [{"path": "/gone", "absent": 404}], "result": {}}},
        "instance_queries": {"test": {"calls": [{"path": "/"}], "result": {"ok": "{{answer.running}}"}}}})
    view = plugin.query("view")
    assert view["lists"][0]["rows"] == [{"zone": "a.example"}, {"zone": "b.example"}]
    assert view["fields"] == [{"name": "id", "label": "Id"}]
    assert plugin.query("status") == {"status": "active"}
    assert plugin.query("test", of="instance") == {"ok": True}
    said = plugin.ask("query", of="service", name="gone", service="1", input={})
    assert said["outcome"] == "permanent" and said["text"] == "no such site"
    backend.handle = lambda request: answer(200, {"zones": "none"})
    said = plugin.ask("query", of="service", name="view", service="1", input={})
    assert said["outcome"] == "permanent" and "$for" in said["text"]


def test_actions_have_forms(drive, backend):
    plugin = drive("plugins/http", {
        "url": backend.url, "operations": {"create": [{"path": "/c", "body": {}}]},
        "actions": {"zone_add": {"label": "Add a zone", "form": [{"name": "zone", "type": "hostname"}],
                                 "calls": [{"path": "/zones", "body": {"zone": "{{form.zone}}"},
                                            "result": {"message": "{{form.zone}} is {{answer.state}}"}}]}}})
    backend.handle = lambda request: answer(200, {"state": "there"})
    said = plugin.act("zone_add", zone="a.example")
    assert said["last"]["result"] == {"message": "a.example is there"}
    assert backend.take()[0].json == {"zone": "a.example"}
