# SPDX-License-Identifier: Apache-2.0
"""`provost plugin test`: cases that pass, and every way in which one fails; `provost plugin new`."""

import json
import os
import shutil
import subprocess

import pytest

EFFECT = {"request": {"method": "POST", "path": "/effect"}}
SETTINGS = {"url": "{{backend}}"}
LIFE = {"name": "a create", "settings": SETTINGS, "pools": {"numbers": "100-101"}, "operation": "create",
        "exchanges": [EFFECT, EFFECT], "expect": {"state": {"number": "100", "password": "{{any}}"}}}


@pytest.fixture
def test_case(run, build, tmp_path):
    """test_case({…}) plays one case of the ledger: the finished process."""

    def play(case, *words, module="ledger", env=None):
        text = case if isinstance(case, str) else json.dumps(case)
        (tmp_path / "case.json").write_text(text)
        return run("plugin", "test", build / f"tests/plugins/{module}.so", "case.json", *words, env=env)

    return play


def test_a_case_that_passes(test_case):
    done = test_case(LIFE)
    assert (done.returncode, done.stdout) == (0, "ok   case.json: a create\n1 passed, 0 failed\n"), done.stderr


def test_quiet_and_json(test_case):
    assert test_case(LIFE, "-q").stdout == "1 passed, 0 failed\n"
    assert json.loads(test_case(LIFE, "--json").stdout) == {
        "cases": [{"case": "case.json", "name": "a create", "ok": True, "problems": []}], "passed": 1, "failed": 0}


def exchange(request, **response):
    return {"request": request, "response": response}


@pytest.mark.parametrize("change, sentence", [
    ({"expect": {"state": {"number": "101", "password": "{{any}}"}}}, 'state: /number: expected "101", got "100"'),
    ({"expect": {"state": {"number": "100"}}}, "state: /password: expected nothing, got "),
    ({"expect": {"state": {"number": "100", "password": "{{any}}", "id": "{{any}}"}}},
     'state: /id: expected "{{any}}", got nothing'),
    ({"expect": {"end": "failed"}}, "end: expected “failed”, got “done”"),
    ({"expect": {"outcome": "unknown"}}, "outcome: expected “unknown”, got “ok”"),
    ({"expect": {"reason": "full"}}, "reason: expected “full”, got “”"),
    ({"expect": {"result": {"a": 1}}}, 'result: expected {"a":1}, got nothing'),
    ({"expect": {"problem": "settings.url"}}, "problem: expected “settings.url”, got none"),
    ({"exchanges": [EFFECT]}, "request 2: POST /effect was not expected"),
    ({"exchanges": [EFFECT, EFFECT, EFFECT]}, "POST /effect was expected and did not come"),
    ({"exchanges": [exchange({"method": "GET", "path": "/x"})]}, "request 1: expected GET /x, got POST /effect"),
    ({"exchanges": [exchange({"headers": {"X-A": "1"}})]}, "request 1: header X-A: expected “1”, got none"),
    ({"exchanges": [exchange({"body": "abc"})]}, "request 1: body: expected “abc”, got “{"),
    ({"exchanges": [exchange({"json": {"run": 2}})]}, "request 1: body: /run: expected 2, got 1"),
    ({"exchanges": [exchange({"json": [1]})]}, "request 1: body: expected [1], got {"),
    ({"settings": {}}, "settings.url"),
    ({"settings": {"url": "{{backend}}", "ulr": 1}}, "did you mean"),
    ({"operation": "dance"}, "“dance” is no operation"),
    ({"operation": None, "action": "jump"}, "the plugin has no action “jump”"),
    ({"operation": None, "query": "jump"}, "the plugin has no query “jump”"),
    ({"query": "jump"}, "expected one of operation, action and query"),
    ({"exchnages": []}, "operation: unknown member “exchnages”; did you mean “exchanges”?"),
    ({"expect": {"stat": 1}}, "expect: unknown member “stat”; did you mean “state”?"),
    ({"exchanges": [{"request": {"pth": "/"}}]}, "request: unknown member “pth”; did you mean “path”?"),
    ({"exchanges": [{"request": {}, "response": {"stauts": 1}}]}, "response: unknown member “stauts”"),
    ({"exchanges": {}}, "exchanges: expected an array"),
    ({"exchanges": [EFFECT, exchange({"headers": {"X-Count": 5}})]}, "request: headers: expected an object of texts"),
    ({"exchanges": [EFFECT, exchange({"headers": ["X-Count"]})]}, "request: headers: expected an object of texts"),
    ({"exchanges": [EFFECT, exchange({"method": 5})]}, "request: method: expected a text"),
    ({"exchanges": [EFFECT, exchange({"path": ["/effect"]})]}, "request: path: expected a text"),
    ({"exchanges": [EFFECT, exchange({"body": {"step": "account"}})]}, "request: body: expected a text"),
    ({"exchanges": [EFFECT, exchange({}, status="200")]}, "response: status: expected a whole number"),
    ({"exchanges": [EFFECT, exchange({}, headers={"X": 1})]}, "response: headers: expected an object of texts"),
    ({"exchanges": [EFFECT, exchange({}, drop="no")]}, "response: drop: expected true or false"),
    ({"exchanges": [EFFECT, {"request": "POST /effect"}]}, "exchange: request: expected an object"),
    ({"exchanges": [EFFECT, "POST /effect"]}, "exchange: expected an object"),
    ({"expect": {"end": True}}, "expect: end: expected a text"),
    ({"expect": {"outcome": ["ok"]}}, "expect: outcome: expected a text"),
    ({"expect": {"reason": 5}}, "expect: reason: expected a text"),
    ({"expect": {"problem": {}}}, "expect: problem: expected a text"),
    ({"expect": "done"}, "operation: expect: expected an object"),
    ({"expect": []}, "operation: expect: expected an object"),
    ({"unordered": "true"}, "operation: unordered: expected true or false"),
    ({"attempts": "2"}, "operation: attempts: expected a whole number"),
    ({"signals": []}, "operation: signals: expected an object"),
    ({"event": []}, "operation: event: expected an object"),
    ({"action": 5}, "operation: action: expected a text"),
    ({"step": "machine", "call": "look-up"}, "call: expected run, poll, lookup or undo, together with `step`"),
    ({"call": "lookup"}, "call: expected run, poll, lookup or undo, together with `step`"),
    ({"operation": None, "exchanges": None, "expect": None, "operations": {}}, "case: operations: expected an array"),
    ({"step": "jump"}, "the operation has no step “jump”"),
    ({"pools": {"numbers": "9-1"}}, "expected NAME=FIRST-LAST"),
    ({"state": 3}, "“state” is no object"),
    ({"operation": None, "operations": []}, "unknown member “"),
])
def test_a_case_that_fails(test_case, change, sentence):
    case = {key: value for key, value in {**LIFE, **change}.items() if value is not None}
    done = test_case(case)
    assert done.returncode == 1
    assert sentence in done.stdout, done.stdout
    assert done.stdout.endswith("0 passed, 1 failed\n")


def test_what_happened_is_shown(test_case):
    done = test_case({**LIFE, "expect": {"end": "failed"}})
    assert "what happened:" in done.stdout and "machine (run): ok" in done.stdout


@pytest.mark.parametrize("text, sentence", [("[]", "expected a JSON object"), ("{", "FAIL case.json"),
                                            ('{"a": 1, "a": 2}', "duplicate")])
def test_a_file_that_is_no_case(test_case, text, sentence):
    done = test_case(text)
    assert done.returncode == 1
    assert sentence in done.stdout


def test_lost_answers_order_and_attempts(test_case):
    drop = {**EFFECT, "response": {"drop": True}}
    look = exchange({"method": "POST", "path": "/look"}, status=404)
    assert test_case({**LIFE, "exchanges": [drop, look, EFFECT, EFFECT]}).returncode == 0
    account = {"request": {"json": {"step": "account", "operation": "{{any}}", "what": "do", "run": 1, "ref": "{{ref}}",
                                    "external_id": "{{any}}", "state": "{{any}}"}}}
    assert test_case({**LIFE, "exchanges": [account, EFFECT], "unordered": True}).returncode == 0
    assert test_case({**LIFE, "exchanges": [account, EFFECT]}).returncode == 1
    busy = exchange({"path": "/effect"}, status=503, headers={"Retry-After": "3600"}, body="busy")
    case = {**LIFE, "exchanges": [busy, busy], "attempts": 2, "expect": {"end": "unfinished", "outcome": "temporary"}}
    assert test_case(case).returncode == 0


def test_one_call_of_a_step(test_case):
    case = {**LIFE, "step": "machine", "call": "lookup", "expect": {"outcome": "absent"},
            "exchanges": [exchange({"path": "/look"}, status=404)]}
    assert test_case(case).returncode == 0


def test_a_plugin_that_crashes_fails_its_case(test_case, crashing_env):
    done = test_case({"settings": SETTINGS, "operation": "create", "values": {"how": "crash"},
                      "expect": {"end": "needs_operator", "outcome": "lost"}}, module="misbehave", env=crashing_env)
    assert done.returncode == 0, done.stdout
    done = test_case({"settings": SETTINGS, "operation": "create", "values": {"how": "crash"}}, module="misbehave", env=crashing_env)
    assert done.returncode == 1


def test_a_life_ends_with_its_first_failure(test_case):
    operations = [{"operation": "create", "exchanges": [EFFECT, EFFECT]}, {"operation": "suspend"},
                  {"operation": "unsuspend"}]
    done = test_case({"settings": SETTINGS, "pools": {"numbers": "1-2"}, "operations": operations})
    assert done.returncode == 1
    assert done.stdout.count("was not expected") == 1
    operations[1]["exchanges"] = operations[2]["exchanges"] = [EFFECT]
    assert test_case({"settings": SETTINGS, "pools": {"numbers": "1-2"}, "operations": operations}).returncode == 0


def test_folders_are_played_in_order(run, build, tmp_path):
    folder = tmp_path / "cases"
    folder.mkdir()
    for name in ("b.json", "a.json", "c.json"):
        (folder / name).write_text(json.dumps(LIFE))
    (folder / "notes.txt").write_text("no case")
    (folder / ".hidden.json").write_text("{")
    done = run("plugin", "test", build / "tests/plugins/ledger.so", "cases")
    assert [line.split()[1] for line in done.stdout.splitlines()[:-1]] == [
        "cases/a.json:", "cases/b.json:", "cases/c.json:"]


def test_no_cases(run, build, tmp_path):
    (tmp_path / "empty").mkdir()
    done = run("plugin", "test", build / "tests/plugins/ledger.so", "empty")
    assert (done.returncode, "there are no cases" in done.stderr) == (4, True)
    assert run("plugin", "test", build / "tests/plugins/ledger.so", "gone").returncode == 4
    assert run("plugin", "test", build / "tests/plugins/ledger.so").returncode == 2
    assert run("plugin", "test", "gone.so", "empty").returncode == 4


# ---- new


def test_new_builds_and_passes_its_own_cases(run, build, root, tmp_path):
    done = run("plugin", "new", "my-panel")
    assert done.returncode == 0, done.stderr
    assert "cd my-panel" in done.stdout
    folder = tmp_path / "my-panel"
    for path in folder.rglob("*"):
        assert "@NAME@" not in path.name
        assert path.is_dir() or "@NAME@" not in path.read_text()
    flags = []
    if os.environ.get("PROVOST_SANITIZED") == "1":
        flags = ["-fsanitize=address,undefined"]
    subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", *flags,
                    "-I", root / "sdk" / "include", "-o", tmp_path / "my-panel.so", folder / "my-panel.c",
                    "-ljansson"], check=True)
    done = run("plugin", "test", "my-panel.so", "my-panel/test/cases")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].endswith(" passed, 0 failed")


def test_new_elsewhere(run, tmp_path):
    done = run("plugin", "new", "panel", "--dir", "plugins-of-mine", "-q")
    assert (done.returncode, done.stdout) == (0, "plugins-of-mine\n")
    assert (tmp_path / "plugins-of-mine" / "panel.c").exists()


def test_new_overwrites_nothing(run, tmp_path):
    (tmp_path / "panel").mkdir()
    done = run("plugin", "new", "panel")
    assert (done.returncode, "is there already" in done.stderr) == (1, True)
    assert list((tmp_path / "panel").iterdir()) == []
    assert run("plugin", "new", "panel", "--dir", "no/such/folder").returncode == 4


@pytest.mark.parametrize("name", ["Panel", "9lives", "a/b", "a b", "-x", "a" * 41, "ä"])
def test_new_refuses_names(run, name):
    done = run("plugin", "new", "--", name)
    assert (done.returncode, "is no plugin's name" in done.stderr) == (2, True)


def test_new_with_a_template_of_ones_own(run, tmp_path):
    (tmp_path / "template" / "deep").mkdir(parents=True)
    (tmp_path / "template" / "deep" / "@NAME@.sh").write_text("echo @NAME@ @NAME@")
    (tmp_path / "template" / "deep" / "@NAME@.sh").chmod(0o755)
    env = {"PROVOST_TEMPLATE": str(tmp_path / "template")}
    assert run("plugin", "new", "panel", env=env).returncode == 0
    made = tmp_path / "panel" / "deep" / "panel.sh"
    assert made.read_text() == "echo panel panel"
    assert made.stat().st_mode & 0o100
    shutil.rmtree(tmp_path / "template")
    done = run("plugin", "new", "panel2", env=env)
    assert (done.returncode, "PROVOST_TEMPLATE" in done.stderr) == (4, True)
