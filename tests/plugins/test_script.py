# SPDX-License-Identifier: Apache-2.0
"""The script plugin: programs in a temporary folder, run by `provost plugin run` in a real host."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BODY = """#!{python}
import json, os, sys, time, signal
given = json.load(sys.stdin)
def say(**answer):
    print(json.dumps(answer))
"""


@pytest.fixture
def script(tmp_path, build):
    return Script(tmp_path, build)


class Script:
    """One program, its settings, and runs of it that share a state file."""

    def __init__(self, folder, build):
        self.folder = folder
        self.build = build
        self.path = folder / "hosting"
        self.settings = {"path": str(self.path)}
        self.programs = [folder, Path(sys.executable).parent]

    def write(self, text, path=None, mode=0o755):
        path = path or self.path
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return self

    def python(self, body, path=None):
        return self.write(BODY.format(python=sys.executable) + body + "\n", path)

    def shell(self, body, path=None):
        return self.write("#!/bin/sh\n" + body + "\n", path)

    def describe(self, **description):
        (self.folder / "hosting.json").write_text(json.dumps(description), encoding="utf-8")
        return self

    def call(self, *words, files=None, json_out=True):
        command = [str(self.build / "provost"), *(["--json"] if json_out else []), "plugin", *words]
        for name, content in {"settings": self.settings, **(files or {})}.items():
            path = self.folder / f"{name}.json.in"
            path.write_text(json.dumps(content), encoding="utf-8")
            command += [f"--{name}", str(path)]
        for program in self.programs:
            command += ["--grant", f"exec={program}"]
        command += ["--grant", f"write={self.folder}", "--grant", "read=", "--grant", "unix_sockets="]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def run(self, operation="create", *words, **files):
        done = self.call("run", str(self.build / "plugins/script.so"), *operation.split(), "--state",
                         str(self.folder / "state"), "--no-wait", "--attempts", "1", *words, files=files)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def first(self, operation="create", *words, **files):
        """The first outcome and its sentence."""
        happened = self.run(operation, *words, **files)["happened"]
        found = next(entry for entry in happened if entry["what"] == "outcome")
        return found["outcome"], found["text"]

    def described(self):
        done = self.call("describe", str(self.build / "plugins/script.so"))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refused(self):
        done = self.call("describe", str(self.build / "plugins/script.so"), json_out=False)
        assert done.returncode != 0
        return done.stderr


# ---- what it is given ----

def test_arguments_environment_and_input(script):
    script.settings |= {"options": {"root": "/srv"}, "secrets": {"token": "t0psecret"}}
    script.describe(product=[{"name": "memory", "type": "size", "required": True}])
    script.python("say(state={'argv': sys.argv[1:], 'env': dict(os.environ), 'given': given})")
    done = script.run(values={"memory": "2GiB"}, event={
        "id": "1", "type": "service.create", "customer": {"email": "a@example.com"},
        "service": {"id": "77", "product": "web", "plan": "basic"}})
    assert done["outcome"] == "ok", done
    kept = json.loads((script.folder / "state").read_text(encoding="utf-8"))["state"]
    assert kept["argv"] == ["create", "run", "create"]
    given, env = kept["given"], kept["env"]
    assert given["call"] == "run" and given["operation"] == given["step"] == "create"
    assert given["external_id"] == "77" and given["service"]["plan"] == "basic"
    assert given["values"] == {"memory": 2 << 30}
    assert given["customer"] == {"email": "a@example.com"}
    assert given["options"] == {"root": "/srv"} and given["secrets"] == {"token": "t0psecret"}
    assert given["attempt"] == given["run"] == given["generation"] == 1
    assert len(given["idempotency_key"]) == 64 and given["state"] == {}
    assert env["PROVOST_REF"] == given["ref"] and env["PROVOST_PLAN"] == "basic"
    assert env["PROVOST_OPTION_ROOT"] == "/srv" and env["PROVOST_VALUE_MEMORY"] == str(2 << 30)
    assert env["PROVOST_CALL"] == "run" and env["PROVOST_EXTERNAL_ID"] == "77"
    assert "t0psecret" not in json.dumps([kept["argv"], env])


def test_nothing_of_the_callers_environment_is_seen(script, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    script.python("say(state={'names': sorted(os.environ)})")
    script.run()
    kept = json.loads((script.folder / "state").read_text(encoding="utf-8"))["state"]
    assert {n for n in kept["names"] if not n.startswith("PROVOST_")} <= {"PATH", "LANG", "LC_CTYPE"}


def test_secrets_are_masked_wherever_a_program_repeats_them(script):
    script.settings["secrets"] = {"token": "t0psecret"}
    script.python("print('the token is t0psecret', file=sys.stderr)\n"
                  "say(outcome='permanent', error='t0psecret was refused')")
    done = script.run()
    assert "t0psecret" not in json.dumps(done)
    assert {"what": "info", "text": "the token is ******"} in done["happened"]
    assert "****** was refused" in json.dumps(done)


# ---- outcomes ----

@pytest.mark.parametrize("status, outcome", [
    (0, "ok"), (65, "permanent"), (70, "unknown"), (75, "temporary"), (78, "instance_fault"),
    (79, "pending"), (1, "unknown"), (2, "unknown"), (64, "unknown"), (127, "unknown"),
    (80, "unknown"), (81, "unknown")])
def test_exit_status(script, status, outcome):
    script.shell(f"echo 'why it was so' >&2; exit {status}")
    said, text = script.first()
    assert said == outcome, text
    assert status == 0 or "why it was so" in text


@pytest.mark.parametrize("outcome", ["permanent", "temporary", "unknown", "pending", "instance_fault"])
def test_outcome_in_json(script, outcome):
    script.python(f"say(outcome='{outcome}', error='said so')")
    said, text = script.first()
    assert said == outcome and text == "said so"


@pytest.mark.parametrize("body, text", [
    ("print('hello')", "no JSON object"),
    ("print('[1]')", "no JSON object"),
    ("print('{\"outcome\": ')", "no JSON object"),
    ("print('{}{}')", "no JSON object"),
    ("print('[' * 500)", "no JSON object"),
    ("sys.stdout.buffer.write(b'{\"error\": \"\\xff\"}')", "no JSON object"),
    ("say(outcome='fine')", "do not go together"),
    ("say(outcome=7)", "is no text"),
    ("say(state=[])", "is no object"),
    ("say(state={'x': 'y' * 70000})", "larger than 65536"),
    ("say(result={'x': 'y' * 70000})", "larger than 65536"),
    ("say(retry_after='soon')", "no number of seconds"),
    ("say(outcome='ok'); sys.exit(75)", "do not go together"),
    ("say(outcome='ok'); sys.exit(1)", "status 1"),
    ("os.kill(os.getpid(), signal.SIGKILL)", "signal 9"),
    ("print('x' * 3000)", "more than 2048 bytes"),
    ("print('x' * 3000, file=sys.stderr)", "more than 2048 bytes"),
])
def test_what_makes_no_sense_is_unknown(script, body, text):
    if "x' * 3000" in body:
        script.settings["output"] = 2048
    said, sentence = script.python(body).first()
    assert said == "unknown" and text in sentence


def test_a_program_that_takes_too_long_is_ended_and_unknown(script):
    script.settings["timeout"] = "1s"
    script.shell(f": >'{script.folder}/done'\nexec sleep 1000")
    said, text = script.first()
    assert (script.folder / "done").exists()
    assert said == "unknown" and "1000 ms" in text


def test_what_is_unknown_is_run_again_where_that_does_no_harm(script):
    script.settings["repeatable"] = True
    script.python(f"count = '{script.folder}/count'\n"
                  "open(count, 'a').write('x')\n"
                  "sys.exit(0 if len(open(count).read()) == 2 else 1)")
    assert script.run("create", "--attempts", "3")["outcome"] == "ok"


def test_an_outcome_that_a_kind_of_call_cannot_have_is_unknown(script):
    assert script.python("say(outcome='absent')").first()[0] == "unknown"


def test_a_member_that_means_nothing_is_told(script):
    done = script.python("say(sate={})").run()
    assert done["outcome"] == "ok"
    assert any('"sate"' in entry.get("text", "") for entry in done["happened"])


@pytest.mark.parametrize("limit, value, body", [
    ("cpu", "1s", "while True: pass"),
    ("memory", "256MiB", "x = 'x' * (1 << 30)"),
    ("file_size", "1KiB", "f = open(given['options']['file'], 'w'); f.write('x' * 50000); f.close()"),
])
def test_limits(script, limit, value, body):
    script.settings |= {limit: value, "options": {"file": str(script.folder / "file")}}
    said, text = script.python(body).first()
    assert said == "unknown", text
    assert not (script.folder / "file").exists() or (script.folder / "file").stat().st_size <= 1024


def test_limits_reach_the_program(script):
    script.settings |= {"cpu": "2500ms", "memory": "512MiB", "processes": 7000, "file_size": "3MiB"}
    script.python("import resource as r\nsay(state={n: r.getrlimit(getattr(r, 'RLIMIT_' + n))\n"
                  "    for n in ['CPU', 'AS', 'NPROC', 'FSIZE', 'CORE']})")
    assert script.run()["state"] == {"CPU": [3, 3], "AS": [512 << 20] * 2, "NPROC": [7000] * 2,
                                     "FSIZE": [3 << 20] * 2, "CORE": [1, 1]}


# ---- what cannot be started ----

@pytest.mark.parametrize("text, mode, sentence", [
    ("#!/bin/sh\n", 0o644, "is not executable"),
    ("#!/no/such/interpreter -x\n", 0o755, "names the interpreter /no/such/interpreter -x"),
    ("echo hello\n", 0o755, "Exec format error; a script needs a first line such as #!/bin/sh"),
])
def test_what_cannot_be_started_is_a_fault_of_the_instance(script, text, mode, sentence):
    said, why = script.write(text, mode=mode).first()
    assert said == "instance_fault" and sentence in why


def test_a_folder_whose_program_went_away(script):
    script.shell("exit 0", script.path / "create").shell("rm $0", script.path / "suspend")
    script.run("suspend")
    script.shell("exit 0", script.path / "terminate")
    assert {op for op in script.described()["operations"]} == {"create", "terminate"}


@pytest.mark.parametrize("change, sentence", [
    ({"path": "/no/such/program"}, "path: /no/such/program: No such file"),
    ({"path": "relative"}, "path"),
    ({"operations": ["destroy"]}, '"destroy" is none of create'),
])
def test_settings_that_cannot_be_used(script, change, sentence):
    script.shell("exit 0").settings.update(change)
    assert sentence in script.refused()


# ---- what it declares ----

def test_a_single_program_does_four_operations(script):
    assert set(script.shell("exit 0").described()["operations"]) == {
        "create", "suspend", "unsuspend", "terminate"}
    script.settings["operations"] = ["create", "upgrade"]
    assert set(script.described()["operations"]) == {"create", "upgrade"}


def test_a_folder_declares_what_is_in_it(script):
    for name in ["create", "create.undo", "create.lookup", "terminate", "view", "test"]:
        script.python("say(result={'ok': True})", script.path / name)
    declared = script.described()
    [create] = declared["operations"]["create"]
    assert create["undo"] and create["lookup"] and not create["poll"]
    assert [q["name"] for q in declared["service_queries"]] == ["view"]
    assert [q["name"] for q in declared["instance_queries"]] == ["test"]
    assert script.run("create", "--step", "create", "--call", "undo")["outcome"] == "ok"
    assert script.run("", "--query", "test")["result"] == {"ok": True}
    assert script.run("", "--query", "view")["result"] == {"ok": True}


STEPS = [{"name": "allocate", "undo": True, "repeatable": True},
         {"name": "start", "undo": True, "lookup": True, "poll": True, "timeout_ms": 5000}]


def test_steps_run_in_order_and_are_undone_in_reverse(script):
    script.describe(operations={"create": STEPS})
    script.python("order = given['state'].get('order', []) + [given['step'] + ' ' + given['call']]\n"
                  "fails = given['step'] == 'start' and given['call'] == 'run'\n"
                  "say(state={'order': order}, outcome='permanent' if fails else 'ok', error='no')")
    done = script.run()
    assert done["end"] == "failed"
    calls = [(e["step"], e["kind"]) for e in done["happened"] if e["what"] == "call"]
    assert calls[:2] == [("allocate", "run"), ("start", "run")]
    assert calls[-1] == ("allocate", "undo")


def test_lookup_and_poll(script):
    script.describe(operations={"create": STEPS[1:]})
    script.python("call = given['call']\n"
                  "seen = given['state'].get('seen', [])\n"
                  "if call == 'run': sys.exit(1)\n"
                  "say(state={'seen': seen + [call]}, outcome='ok')")
    done = script.run("create", "--attempts", "3")
    assert done["outcome"] == "ok" and done["state"] == {"seen": ["lookup"]}
    script.python("call = given['call']\n"
                  "if call == 'run':\n"
                  "    say(outcome='pending', retry_after=0.1, state={'task': 5},\n"
                  "        progress={'percent': 40, 'text': 'copying'})\n"
                  "else: say(state=given['state'] | {'polled': True})")
    done = script.run()
    assert done["outcome"] == "ok" and done["state"] == {"task": 5, "polled": True}
    assert any(e["what"] == "progress" and e["percent"] == 40 for e in done["happened"])


@pytest.mark.parametrize("code, outcome", [(80, "absent"), (81, "in_progress"), (1, "temporary")])
def test_what_a_lookup_may_answer(script, code, outcome):
    script.describe(operations={"create": STEPS[1:]}).shell(f"exit {code}")
    assert script.first("create", "--step", "start", "--call", "lookup")[0] == outcome


def test_actions_and_their_forms(script):
    script.describe(operations={"create": [{"name": "create"}]},
                    actions=[{"name": "add_domain", "label": "Add a domain",
                              "form": [{"name": "domain", "type": "hostname", "required": True}]}])
    script.python("say(result={'message': given['form']['domain'] + ' ' + sys.argv[1]})")
    done = script.run("", "--action", "add_domain", form={"domain": "example.com"})
    assert done["result"] == {"message": "example.com add_domain"}


def test_what_was_ordered_is_kept_for_later_runs(script):
    script.describe(checkout=[{"name": "region", "type": "string", "required": True}],
                    operations={"create": [{"name": "create"}], "suspend": [{"name": "suspend"}]},
                    instance_queries=[{"name": "test"}])
    script.python("say(state={'seen': given['params']['region']}) if given['call'] == 'run' else say(result={'ok': True})")
    assert script.run("", "--query", "test")["result"] == {"ok": True}
    done = script.call("run", str(script.build / "plugins/script.so"), "suspend", json_out=False)
    assert done.returncode == 2
    event = {"id": "1", "type": "service.create", "customer": {"email": "a@example.com"},
             "service": {"id": "1", "product": "p", "plan": "b", "params": {"region": "north"}}}
    assert script.run("create", event=event)["state"] == {"seen": "north"}
    assert script.run("suspend")["state"] == {"seen": "north"}


def test_a_query_changes_nothing(script):
    script.describe(service_queries=[{"name": "view"}]).python("say(state={'a': 1}, result={})")
    said, text = script.first("", "--query", "view")
    assert said == "temporary" and "state" in text


@pytest.mark.parametrize("description, sentence", [
    ({"operation": {}}, "operation: there is no such member"),
    ({"operations": {"destroy": []}}, "operations.destroy: there is no such member"),
    ({"operations": {"create": [{}]}}, "operations.create[0]: expected a name"),
    ({"operations": {"create": [{"name": "x", "undo": 1}]}}, "operations.create[0].undo"),
    ({"operations": {"create": [{"name": "x", "timeout_ms": 1}]}}, "1000 to 3600000"),
    ({"operations": {"create": [{"name": "Not A Name"}]}}, "is no name"),
    ({"product": [{"name": "a", "type": "colour"}]}, 'no type "colour"'),
    ({"product": [{"name": "a", "secret": True}]}, "SECRET"),
    ({"product": [{"name": "a", "type": "select", "options": ["a|b"]}]}, "without |"),
    ({"actions": [{"name": "create"}]}, "create is an operation"),
    ({"service_queries": [{"name": "view", "access": "all"}]}, "token, public or customer"),
    ({"product": {}}, "expected a list"),
])
def test_a_description_that_is_wrong(script, description, sentence):
    assert sentence in script.shell("exit 0").describe(**description).refused()


def test_a_description_that_is_no_json(script):
    script.shell("exit 0")
    (script.folder / "hosting.json").write_text('{"summary": }', encoding="utf-8")
    assert "hosting.json:1:" in script.refused()


# ---- the example in Python ----

@pytest.fixture
def site(script):
    root = script.folder / "sites"
    root.mkdir()
    program = Path(__file__).resolve().parents[2] / "examples/scripts/site.py"
    script.settings = {"path": str(program), "options": {"root": str(root)}}
    script.programs.append(program.parent)
    return root


def test_the_python_example_lives(script, site):
    done = script.run(values={"pages": 5})
    assert done["end"] == "done" and done["state"] == {"number": 1, "pages": 5}
    [folder] = [entry for entry in site.iterdir() if entry.name != "numbers"]
    view = script.run("", "--query", "view")["result"]
    assert view["fields"] == [{"name": "number", "label": "Number", "value": 1}]
    assert script.run("", "--action", "rename", form={"title": "Shop"})["end"] == "done"
    assert (folder / "index.html").read_text() == "<h1>Shop</h1>"
    assert script.run("create", "--step", "install", "--call", "lookup")["outcome"] == "ok"
    assert script.run("terminate")["end"] == "done"
    assert not folder.exists() and not list((site / "numbers").iterdir())


def test_the_python_example_is_undone(script, site):
    done = script.run(values={"pages": 500})
    assert done["end"] == "failed" and "500 pages" in done["reason"]
    assert not list((site / "numbers").iterdir())


def folder_of(site):
    [folder] = [entry for entry in site.iterdir() if entry.name != "numbers"]
    return folder


def test_the_python_example_goes_on_where_it_was_cut_off(script, site):
    """Half a page is none, and a folder without a page is no obstacle."""
    script.settings |= {"file_size": "1KiB"}
    script.settings["options"]["title"] = "x" * 5000
    assert script.first("create", "--step", "install", "--call", "run", values={"pages": 5})[0] == "unknown"
    assert not (folder_of(site) / "index.html").exists()
    assert script.first("create", "--step", "install", "--call", "lookup")[0] == "absent"
    del script.settings["file_size"]
    assert script.run(values={"pages": 5})["end"] == "done"
    assert (folder_of(site) / "index.html").read_text() == "<h1>" + "x" * 5000 + "</h1>"
    assert [entry.name for entry in folder_of(site).iterdir()] == ["index.html"]


def test_the_python_example_says_so_when_a_site_stays(script, site):
    assert script.run(values={"pages": 5})["end"] == "done"
    folder = folder_of(site)
    (folder / "index.html").unlink()
    folder.rmdir()
    folder.write_text("no folder, which rmtree does not remove")
    said, text = script.first("terminate")
    assert said == "unknown" and "NotADirectoryError" in text
    assert folder.exists()


def test_the_python_example_takes_a_title_for_text(script, site):
    script.run(values={"pages": 5})
    script.run("", "--action", "rename", form={"title": "<script>alert('&')</script>"})
    assert (folder_of(site) / "index.html").read_text() == (
        "<h1>&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;</h1>")
