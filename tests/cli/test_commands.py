# SPDX-License-Identifier: Apache-2.0
"""What each command asks of the daemon, what it prints, and how it exits."""

import json

import pytest

OP = "op_01jd3v8r6s0c5k2m9x7q4w1z0a"
SVC = "svc_01jd3v8r6s0c5k2m9x7q4w1z0b"
TOK = "tok_01jd3v8r6s0c5k2m9x7q4w1z0c"

SERVICE = {"service": SVC, "source": "shop", "external_id": "12345", "ref": "pabc", "product": "site",
           "plan": "basic", "generation": 1, "state": "active", "desired": "active", "residue": False,
           "active_operation": None, "waiting_operations": 0, "created": "2026-11-20T10:14:00.123Z",
           "changed": "2026-11-20T10:15:00.000Z",
           "components": [{"name": "dns", "instance": "pdns-1", "plugin": "dns", "plugin_version": "1.0.0"}],
           "quotas": [{"name": "zones", "used": 2, "limit": 3}]}


def operation(state, **more):
    return {"operation": OP, "service": SVC, "source": "shop", "external_id": "12345", "type": "create",
            "action": None, "state": state, "wait": None, "tries": 1, "reason": None,
            "accepted": "2026-11-20T10:14:00.000Z", "finished": None, "result": None, "progress": None,
            "run": 1, "plan": None, "steps": [], **more}


def step(name, outcome, **more):
    return {"seq": 1, "component": "dns", "step": name, "instance": "pdns-1", "kind": "run", "run": 1,
            "attempt": 1, "outcome": outcome, "started": "2026-11-20T10:14:01.000Z",
            "ended": "2026-11-20T10:14:02.000Z", "text": None, **more}


# ---- services


def test_service_list(provost, daemon):
    daemon.on("GET", "/v1/services", {"services": [SERVICE], "next": SVC})
    done = provost("service", "list", "--source", "shop", "--state", "active", "--limit", "1", "--after", SVC)
    assert done.returncode == 0
    title, line = done.stdout.splitlines()
    assert title.split()[:3] == ["SERVICE", "SOURCE", "EXTERNAL"]
    assert line.split() == [SVC, "shop", "12345", "site", "basic", "active", "2026-11-20", "10:15:00Z"]
    assert f"there are more: --after {SVC}" in done.stderr
    assert daemon.requests[0].query == {"source": "shop", "state": "active", "limit": "1", "after": SVC}


def test_service_list_of_nothing(provost, daemon):
    daemon.on("GET", "/v1/services", {"services": [], "next": None})
    done = provost("service", "list")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no services\n")


def test_quiet_list_prints_ids(provost, daemon):
    daemon.on("GET", "/v1/services", {"services": [SERVICE, SERVICE], "next": None})
    assert provost("-q", "service", "list").stdout == f"{SVC}\n{SVC}\n"


def test_json_is_passed_through(provost, daemon):
    body = b'{"services":[],"next":null,"huge":12345678901234567890123}'
    daemon.on("GET", "/v1/services", body)
    assert provost("service", "list", "--json").stdout == body.decode() + "\n"


def test_service_show_by_external_id(provost, daemon):
    daemon.on("GET", "/v1/services", {"services": [SERVICE], "next": None})
    daemon.on("GET", f"/v1/services/{SVC}", SERVICE)
    done = provost("service", "show", "shop/a b&c/ä")
    assert done.returncode == 0
    assert daemon.requests[0].query == {"limit": "1", "source": "shop", "external_id": "a b&c/ä"}
    assert "state                   active" in done.stdout or "state" in done.stdout
    assert "pdns-1" in done.stdout and "zones" in done.stdout
    assert "2026-11-20 10:14:00Z" in done.stdout


def test_service_that_is_not_there(provost, daemon):
    daemon.on("GET", "/v1/services", {"services": [], "next": None})
    done = provost("service", "show", "shop/1")
    assert done.returncode == 4
    assert "source “shop” has no service “1”" in done.stderr
    assert provost("service", "show", SVC).returncode == 4


VIEW = {**{key: SERVICE[key] for key in ("service", "state", "product", "plan")}, "components": [
    {"component": "dns", "instance": "pdns-1", "plugin": "dns", "error": None, "view": {
        "status": "active", "fields": [{"name": "ns", "label": "Nameserver", "value": "ns1.example"},
                                       {"name": "key", "secret": True, "reveal": "key"}],
        "lists": [{"name": "zones", "label": "Zones", "columns": [{"name": "zone", "label": "Zone"}],
                   "rows": [{"zone": "a.example"}, {"zone": "b\x1b.example"}]},
                  {"name": "empty", "rows": []}, {"name": "plain", "rows": [{"x": 1, "y": [2, 3]}]}],
        "quotas": [{"name": "zones", "label": "Zones", "used": 2, "limit": 3}]},
     "actions": [{"name": "add_zone", "label": "Add a zone", "form": {"properties": {"name": {}, "ttl": {}}}}]},
    {"component": "site", "instance": "pve", "plugin": "site", "view": None, "error": "HTTP 503", "actions": []}]}


def test_service_view(provost, daemon):
    daemon.on("GET", f"/v1/services/{SVC}/view", VIEW)
    done = provost("service", "show", SVC, "--view")
    assert done.returncode == 0
    page = done.stdout
    for text in ("dns (dns): active\n", "Nameserver: ns1.example\n", "key: (secret)\n", "Zones: 2\n", "b .example\n",
                 "empty: 0\n", "x  y\n1  2, 3\n", "Zones     2      3\n", "add_zone  Add a zone  name, ttl\n",
                 "site (site): HTTP 503\n"):
        assert text in page, page
    assert "\x1b" not in page
    assert json.loads(provost("service", "show", SVC, "--view", "--json").stdout) == VIEW


def test_text_of_others_cannot_command_the_terminal(provost, daemon):
    daemon.on("GET", "/v1/services", {"services": [{**SERVICE, "product": "x\x1b[2J\u202ey\nz"}]})
    done = provost("service", "list")
    assert "\x1b" not in done.stdout and "\u202e" not in done.stdout
    assert "x [2J y z" in done.stdout


def test_errors_cannot_command_the_terminal(provost, daemon):
    daemon.on("GET", "/v1/services", {"success": False, "error": "x\x1b[2Jy", "code": "invalid", "errors": [
        {"path": "/a\x9b", "error": "z\x07"}, {"path": "", "error": "two\nlines"}]}, status=400)
    done = provost("service", "list")
    assert done.stderr == "provost: x [2Jy\n  /a : z \n  two\nlines\n"


# ---- actions


def test_act(provost, daemon, tmp_path):
    path = f"/v1/services/{SVC}/actions/add_zone"
    daemon.on("POST", path, {"operation": OP, "service": SVC, "state": "queued", "duplicate": False}, status=202)
    (tmp_path / "form.json").write_text('{"a": 1, "ttl": 5}')
    done = provost("service", "act", SVC, "add_zone", "name=ex=ample", "ttl:=[1,2]", "--form", "form.json",
                   "--reason", "why", "--key", "k-1")
    assert done.returncode == 0, done.stderr
    request = daemon.requests[-1]
    assert request.json == {"form": {"a": 1, "ttl": [1, 2], "name": "ex=ample"}, "reason": "why"}
    assert request.headers["Idempotency-Key"] == "k-1"
    assert OP in done.stdout


@pytest.mark.parametrize("word, sentence", [
    ("name", "expected KEY=TEXT or KEY:=JSON"), ("=x", "expected KEY=TEXT"), (":=1", "expected KEY=TEXT"),
    ("a:={", "the value is no JSON")])
def test_act_with_a_wrong_field(provost, daemon, word, sentence):
    done = provost("service", "act", SVC, "x", word)
    assert (done.returncode, daemon.requests) == (2, [])
    assert sentence in done.stderr


@pytest.mark.parametrize("text, sentence", [("[]", "expected a JSON object"), ('{"a":1,"a":2}', "duplicate"),
                                            ("{", "form.json:1:")])
def test_act_with_a_wrong_form(provost, tmp_path, text, sentence):
    (tmp_path / "form.json").write_text(text)
    done = provost("service", "act", SVC, "x", "--form", "form.json")
    assert done.returncode == 2
    assert sentence in done.stderr
    assert provost("service", "act", SVC, "x", "--form", "none.json").returncode == 4


# ---- events


def receipt(state="queued", duplicate=False):
    return {"operation": OP, "service": SVC, "state": state, "duplicate": duplicate}


def test_event_from_a_file_and_from_standard_input(provost, daemon, tmp_path):
    daemon.on("POST", "/v1/events", receipt(), status=202)
    (tmp_path / "event.json").write_text('{"id": "1"}')
    done = provost("event", "send", "event.json", "--source", "my shop")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split() == [OP, SVC, "queued", "no"]
    assert daemon.requests[0].query == {"source": "my shop"}
    assert daemon.requests[0].headers["Content-Type"] == "application/json"
    assert provost("event", "send", "-", "-q", stdin='{"id": "2"}').stdout == OP + "\n"
    assert [request.json["id"] for request in daemon.requests] == ["1", "2"]


def test_event_array(provost, daemon):
    daemon.on("POST", "/v1/events", {"operations": [receipt(), receipt("done", True)]}, status=202)
    lines = provost("event", "send", "-", stdin="[]").stdout.splitlines()
    assert lines[2].split() == [OP, SVC, "done", "yes"]


def test_every_problem_of_an_array_is_told(provost, daemon):
    daemon.on("POST", "/v1/events", {
        "success": False, "error": "2 problems", "code": "invalid", "errors": [
            {"index": 0, "path": "/service/plan", "code": "unknown_plan", "error": "no plan “x”",
             "position": {"offset": 3, "line": 2, "column": 7}},
            {"index": 4, "path": "", "code": "duplicate", "error": "again"}]}, status=400)
    done = provost("event", "send", "-", stdin="[]")
    assert done.returncode == 1
    assert "  event 1: line 2, column 7: /service/plan: no plan “x”\n  event 5: again\n" in done.stderr


def test_event_file_that_is_not_there_or_too_large(provost, daemon, tmp_path):
    assert provost("event", "send", "none.json").returncode == 4
    (tmp_path / "large.json").write_bytes(b" " * (1 << 20) + b"x")
    done = provost("event", "send", "large.json")
    assert (done.returncode, daemon.requests) == (1, [])
    assert "larger than its limit" in done.stderr


@pytest.mark.parametrize("state, expected", [("done", 0), ("failed", 1), ("needs_operator", 5), ("canceled", 7),
                                             ("superseded", 7), ("abandoned", 7)])
def test_event_waits_for_the_end(provost, daemon, state, expected):
    daemon.on("POST", "/v1/events", receipt(), status=202)
    daemon.on("GET", f"/v1/operations/{OP}", operation("running"))
    daemon.on("GET", f"/v1/operations/{OP}", operation(state))
    assert provost("event", "send", "-", "--wait", "30s", stdin="{}").returncode == expected


def test_json_of_what_was_waited_for(provost, daemon):
    daemon.on("POST", "/v1/events", receipt(), status=202)
    daemon.on("GET", f"/v1/operations/{OP}", operation("done"))
    assert json.loads(provost("event", "send", "-", "--json", stdin="{}").stdout) == receipt()
    assert json.loads(provost("event", "send", "-", "--wait", "5s", "--json", stdin="{}").stdout) == operation("done")
    daemon.on("POST", f"/v1/operations/{OP}/retry", receipt())
    done = provost("operation", "retry", OP, "-r", "x", "--wait", "5s", "--json")
    assert json.loads(done.stdout) == operation("done")


def test_worst_outcome_of_an_array_counts(provost, daemon):
    other = OP[:-1] + "b"
    daemon.on("POST", "/v1/events", {"operations": [receipt(), {**receipt(), "operation": other}]}, status=202)
    daemon.on("GET", f"/v1/operations/{OP}", operation("failed"))
    daemon.on("GET", f"/v1/operations/{other}", operation("done"))
    assert provost("event", "send", "-", "--wait", "30s", stdin="[]").returncode == 1


# ---- operations


def test_operation_list(provost, daemon):
    daemon.on("GET", "/v1/operations", {"operations": [operation("needs_operator", reason="disk full")]})
    daemon.on("GET", "/v1/services", {"services": [SERVICE]})
    done = provost("operation", "list", "--state", "needs_operator", "--service", "shop/12345")
    assert done.stdout.splitlines()[1].split() == [
        OP, "create", "needs_operator", "shop", "12345", "2026-11-20", "10:14:00Z", "disk", "full"]
    assert daemon.requests[-1].query == {"service": SVC, "state": "needs_operator", "limit": "50"}


def test_operation_show(provost, daemon):
    daemon.on("GET", f"/v1/operations/{OP}", operation(
        "ready", wait={"why": "retry", "until": "2026-11-20T10:20:00.000Z", "instance": "pdns-1"},
        steps=[step("zone", "temporary", text="HTTP 503")],
        plan={"components": [{"name": "dns", "instance": "pdns-1", "plugin": "dns", "plugin_version": "1.0.0"}],
              "steps": [{"component": "dns", "step": "zone", "state": "open"}], "undoing": False}))
    done = provost("operation", "show", OP)
    assert done.returncode == 0
    for text in ("retry", "2026-11-20 10:20:00Z", "HTTP 503", "1.0.0", "temporary", "history"):
        assert text in done.stdout


def test_watch_shows_what_happens(provost, daemon):
    path = f"/v1/operations/{OP}"
    daemon.on("GET", path, operation("running", progress="40 %: copying"))
    daemon.on("GET", path, operation("running", progress="40 %: copying"))
    daemon.on("GET", path, operation("ready", wait={"why": "retry", "until": "2026-11-20T10:20:00.000Z"},
                                     reason="HTTP 503", steps=[step("zone", "temporary", text="HTTP 503")]))
    daemon.on("GET", path, operation("done", steps=[step("zone", "temporary", text="HTTP 503"),
                                                    step("zone", "ok", attempt=2, kind="lookup")]))
    done = provost("operation", "watch", OP)
    assert done.returncode == 0
    assert [line[10:] for line in done.stdout.splitlines()] == [
        "running: 40 %: copying", "dns.zone: temporary: HTTP 503", "ready, waits (retry) until 10:20:00: HTTP 503",
        "dns.zone (lookup), attempt 2: ok", "done"]
    assert [request.headers["Prefer"] for request in daemon.requests] == [None, "wait=60", "wait=60", "wait=60"]


def test_watch_gives_up(provost, daemon):
    daemon.on("GET", f"/v1/operations/{OP}", operation("running"))
    assert provost("operation", "watch", OP, "--timeout", "10ms").returncode == 6


def test_watch_says_what_to_do_when_it_is_parked(provost, daemon):
    daemon.on("GET", f"/v1/operations/{OP}", operation("needs_operator"))
    done = provost("operation", "watch", OP)
    assert done.returncode == 5
    assert f"provost explain {OP}" in done.stderr


def test_watch_for_scripts(provost, daemon):
    daemon.on("GET", f"/v1/operations/{OP}", operation("failed"))
    done = provost("-q", "operation", "watch", OP)
    assert (done.returncode, done.stdout) == (1, "failed\n")
    assert json.loads(provost("--json", "operation", "watch", OP).stdout)["state"] == "failed"


def test_watch_of_an_operation_that_is_not_there(provost):
    assert provost("operation", "watch", OP).returncode == 4


@pytest.mark.parametrize("verb", ["retry", "cancel", "undo", "skip", "abandon"])
def test_verbs(provost, daemon, verb):
    daemon.on("POST", f"/v1/operations/{OP}/{verb}", {"operation": OP, "state": "ready"})
    done = provost("operation", verb, OP, "--reason", 'the "disk"')
    assert done.returncode == 0
    assert done.stdout == f"{verb}: ready\n"
    assert daemon.requests[0].json == {"reason": 'the "disk"'}
    done = provost("operation", verb, OP)
    assert done.returncode == 2
    assert "--reason is needed" in done.stderr


def test_verb_that_is_refused(provost, daemon):
    daemon.on("POST", f"/v1/operations/{OP}/skip", {"success": False, "error": "it is running"}, status=409)
    done = provost("operation", "skip", OP, "--reason", "x")
    assert (done.returncode, done.stderr) == (1, "provost: it is running\n")


def test_verb_waits(provost, daemon):
    daemon.on("POST", f"/v1/operations/{OP}/retry", {"operation": OP, "state": "ready"})
    daemon.on("GET", f"/v1/operations/{OP}", operation("needs_operator"))
    assert provost("operation", "retry", OP, "--wait", "5s", "-r", "x").returncode == 5


# ---- tokens


def test_token_create(provost, daemon):
    daemon.on("POST", "/v1/tokens", {"id": TOK, "token": "provost_secret"}, status=201)
    done = provost("token", "create", "--source", "shop", "--scopes", "events:write, admin", "--expires", "90d")
    assert done.stdout == "provost_secret\n"
    assert TOK in done.stderr and "shown once" in done.stderr
    assert daemon.requests[0].json == {"source": "shop", "scopes": ["events:write", "admin"],
                                       "expires_in": "90d"}
    done = provost("token", "create", "--source", "shop", "--scopes", "admin", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "provost_secret\n", "")


def test_token_answer_without_a_token(provost, daemon):
    daemon.on("POST", "/v1/tokens", {"id": TOK}, status=201)
    assert provost("token", "create", "--source", "a", "--scopes", "b").returncode == 1


def test_token_list_and_revoke(provost, daemon):
    daemon.on("GET", "/v1/tokens", {"tokens": [{"id": TOK, "source": "shop", "scopes": ["a", "b"],
                                                "created": "2026-11-20T10:14:00.000Z", "expires": None,
                                                "revoked": None}]})
    daemon.on("DELETE", f"/v1/tokens/{TOK}", {})
    assert provost("token", "list").stdout.splitlines()[1].split() == [
        TOK, "shop", "a,", "b", "2026-11-20", "10:14:00Z"]
    done = provost("token", "revoke", TOK)
    assert (done.returncode, done.stdout) == (0, f"{TOK} is revoked\n")


# ---- the rest


def test_status_of_a_daemon_that_is_not_ready(provost, daemon):
    daemon.on("GET", "/v1/status", {"version": "1.2.3", "ready": False, "not_ready": "the store is down",
                                    "hosts": [{"instance": "pdns-1", "pid": 5, "state": "running", "resident_bytes": 20971520, "running_ms": 3000}]})
    done = provost("status")
    assert done.returncode == 8
    assert "the store is down" in done.stdout and "pdns-1" in done.stdout
    assert "20 MiB" in done.stdout and "3 s" in done.stdout


def test_explain(provost, daemon):
    daemon.on("GET", f"/v1/explain/{OP}", {"sentence": "It waits.", "advice": "Retry it."})
    done = provost("explain", OP)
    assert done.stdout == "It waits.\nWhat to do: Retry it.\n"
    daemon.on("GET", "/v1/services", {"services": [SERVICE]})
    daemon.on("GET", f"/v1/explain/{SVC}", {"sentence": "All is well.", "advice": None})
    assert provost("explain", "shop/12345").stdout == "All is well.\n"


def test_instances(provost, daemon):
    daemon.on("GET", "/v1/instances", {"instances": [{"name": "pdns-1", "plugin": "dns", "paused": True, "breaker": "open"}]})
    daemon.on("POST", "/v1/instances/pdns-1/pause", {})
    daemon.on("POST", "/v1/instances/pdns-1/resume", {})
    assert provost("instance", "list").stdout.splitlines()[1].split() == ["pdns-1", "dns", "yes", "open"]
    assert "is paused" in provost("instance", "pause", "pdns-1", "--reason", "upgrade").stdout
    assert daemon.requests[-1].json == {"reason": "upgrade"}
    assert "goes on" in provost("instance", "resume", "pdns-1", "-r", "done").stdout
    assert provost("instance", "resume", "pdns-2", "-r", "done").returncode == 4
    assert provost("instance", "resume", "pdns-1").returncode == 2


def test_instance_test(provost, daemon):
    path = "/v1/instances/pdns-1/test"
    daemon.on("POST", path, {"instance": "pdns-1", "ok": True, "error": None, "result": {"text": "PowerDNS 4.7"}})
    daemon.on("POST", path, {"instance": "pdns-1", "ok": False, "error": "401", "result": None})
    done = provost("instance", "test", "pdns-1")
    assert (done.returncode, done.stdout) == (0, "pdns-1: works: PowerDNS 4.7\n")
    done = provost("instance", "test", "pdns-1")
    assert (done.returncode, done.stdout) == (1, "pdns-1: does not work: 401\n")


def test_plugin_list(provost, daemon):
    daemon.on("GET", "/v1/plugins", {"plugins": [{"name": "dns", "version": "1.0.0", "summary": "DNS.",
                                                  "instances": ["a", "b"]}]})
    assert provost("plugin", "list").stdout.splitlines()[1].split() == ["dns", "1.0.0", "a,", "b", "DNS."]


def test_audit(provost, daemon):
    daemon.on("GET", "/v1/audit", {"records": [{"n": 1, "writer": 0, "time": "2026-11-20T10:14:00.000Z",
                                              "actor": "uid:0", "what": "token.created", "detail": "shop",
                                              "operation": None, "service": None, "hash": "ab"}]})
    assert provost("audit", "show").stdout.splitlines()[1].split() == [
        "1", "2026-11-20", "10:14:00Z", "uid:0", "token.created", "shop"]


def test_audit_verify(provost, daemon):
    daemon.on("GET", "/v1/audit/verify", {"valid": True, "records": 12, "bad_record": None, "error": None})
    daemon.on("GET", "/v1/audit/verify", {"valid": False, "records": 4, "bad_record": 5,
                                          "error": "a record before it is missing"})
    daemon.on("GET", "/v1/audit", {"records": [{"n": 5, "writer": 0, "what": "step.ok", "hash": "ab12"}]})
    done = provost("audit", "verify")
    assert (done.returncode, done.stdout) == (0, "the audit trail is whole: 12 records\n")
    done = provost("audit", "verify")
    assert done.returncode == 1
    assert "broken at record 5: a record before it is missing" in done.stdout
    assert "step.ok" in done.stdout and "ab12" in done.stdout
    assert daemon.requests[-1].query == {"limit": "1", "after": "4"}


def test_reload(provost, daemon):
    daemon.on("POST", "/v1/reload", {"reloaded": True, "report": ["listen: needs a restart"]})
    daemon.on("POST", "/v1/reload", {"success": False, "error": "provost.yaml:3: unknown key “listne”"}, status=400)
    assert provost("reload").stdout == "the new configuration is in use\nlisten: needs a restart\n"
    done = provost("reload")
    assert done.returncode == 1
    assert "provost.yaml:3" in done.stderr
