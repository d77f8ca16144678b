# SPDX-License-Identifier: Apache-2.0
"""`provost plugin run`: real modules in real hosts, against a backend of the test."""

import json
import os
import signal
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from daemon import SLOW


class Backend(BaseHTTPRequestHandler):
    """Answers with the statuses in `plan` in turn, then with 200; notes bodies; "drop" breaks off."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.path, json.loads(body)))
        self.server.heard.set()
        status = self.server.plan.pop(0) if self.server.plan else 200
        if status == "drop":
            self.close_connection = True
            return
        if status == "hold":
            self.server.release.wait(30)
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def backend():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    server.seen, server.plan = [], []
    server.heard, server.release = threading.Event(), threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def files(tmp_path, backend):
    (tmp_path / "settings.json").write_text(json.dumps({"url": f"http://127.0.0.1:{backend.server_port}"}))
    (tmp_path / "event.json").write_text(json.dumps({
        "id": "1", "type": "service.create", "customer": {"email": "a@example.com"},
        "service": {"id": "77", "product": "p", "plan": "basic"}}))
    return tmp_path


@pytest.fixture
def play(run, build, files):
    """play("ledger", "create", …) runs one of the modules of tests/plugins."""

    def call(module, *words, **options):
        return run("plugin", "run", build / "tests" / "plugins" / f"{module}.so", *words,
                   "--settings", "settings.json", "--no-wait", **options)

    return call


def ledger(play, *words, **options):
    return play("ledger", *words, "--pool", "numbers=100-101", "--state", "state.json", **options)


def test_create_shows_what_happens(play, backend, files):
    done = ledger(play, "create", "--event", "event.json")
    assert done.returncode == 0, done.stdout + done.stderr
    state = json.loads((files / "state.json").read_text())
    assert state["state"]["number"] == "100"
    password = state["state"]["password"]
    assert len(password) == 12 and password not in done.stdout
    for text in ("\nmachine\n", "store     pool_take numbers number: 100", "state     + number: \"100\"",
                 f"http      POST http://127.0.0.1:{backend.server_port}/effect: 200 in ", "\ndone\n",
                 'state     + password: "******"', "ok        in "):
        assert text in done.stdout
    assert [(path, body["step"], body["external_id"]) for path, body in backend.seen] == [
        ("/effect", "machine", "77"), ("/effect", "account", "77")]
    assert (files / "state.json").stat().st_mode & 0o777 == 0o600
    assert backend.seen[0][1]["ref"] == state["service"]["ref"]


def test_a_later_run_masks_and_keeps_the_service(play, backend, files):
    ledger(play, "create", "--event", "event.json")
    password = json.loads((files / "state.json").read_text())["state"]["password"]
    done = ledger(play, "suspend")
    assert done.returncode == 0
    assert password not in done.stdout
    assert backend.seen[-1][1]["external_id"] == "77"
    assert backend.seen[-1][1]["ref"] == backend.seen[0][1]["ref"]


def test_operation_of_the_event(play, backend):
    assert ledger(play, "--event", "event.json").returncode == 0
    assert len(backend.seen) == 2


def test_temporary_is_tried_again(play, backend):
    backend.plan = [503, 429]
    done = ledger(play, "create")
    assert done.returncode == 0, done.stdout
    assert "machine, attempt 3" in done.stdout
    assert "temporary in " in done.stdout and "waits     " in done.stdout


def test_attempts_run_out(play, backend):
    backend.plan = [503] * 9
    done = ledger(play, "create", "--attempts", "2")
    assert done.returncode == 6
    assert len(backend.seen) == 2
    assert "\nunfinished: ledger.machine" in done.stdout


def test_unknown_is_looked_up(play, backend):
    backend.plan = ["drop", 404, 200, "drop", 200]
    done = ledger(play, "create")
    assert done.returncode == 0, done.stdout
    assert [path for path, _ in backend.seen] == ["/effect", "/look", "/effect", "/effect", "/look"]
    assert "machine (lookup)" in done.stdout and "absent" in done.stdout


def test_one_step(play, backend):
    assert ledger(play, "create", "--step", "account").returncode == 0
    assert [body["step"] for _, body in backend.seen] == ["account"]


@pytest.mark.parametrize("kind, status, expected", [("undo", 200, 0), ("lookup", 404, 0), ("lookup", 500, 6),
                                                    ("run", 500, 5), ("poll", 200, 0)])
def test_one_call(play, backend, kind, status, expected):
    backend.plan = [status]
    done = ledger(play, "create", "--step", "machine", "--call", kind)
    assert done.returncode == expected, done.stdout
    assert len(backend.seen) == 1


def test_pool_that_is_used_up_or_unknown(play):
    done = play("ledger", "create", "--attempts", "1")
    assert done.returncode == 6
    assert "there is no such pool; give it with --pool" in done.stdout
    ledger(play, "create")
    ledger(play, "create")
    assert "the pool has nothing left" in ledger(play, "create", "--attempts", "1").stdout


def values(files, **members):
    (files / "values.json").write_text(json.dumps(members))
    return ["--values", "values.json"]


@pytest.mark.parametrize("how, sentence", [
    ("crash", "was ended by signal 11"), ("exit", "exited with status"), ("garbage", "talked nonsense")])
def test_a_plugin_that_takes_its_host_down_is_parked(play, files, crashing_env, how, sentence):
    done = play("misbehave", "create", *values(files, how=how), "--attempts", "9", env=crashing_env)
    assert done.returncode == 5, done.stdout + done.stderr
    assert sentence in done.stdout
    assert done.stdout.count("  lost ") == 3
    assert "has taken its host down three times" in done.stdout


@pytest.mark.plain
def test_a_plugin_that_loops_is_ended(play, files):
    done = play("misbehave", "create", *values(files, how="loop"), "--stuck-after", "1s")
    assert done.returncode == 5
    assert "was killed: its loop stood still for 1 s" in done.stdout


def test_garbage_outcome_is_unknown(play, files):
    done = play("misbehave", "create", *values(files, how="number"), "--attempts", "1")
    assert "unknown" in done.stdout


def test_report_as_json(play, backend, files):
    done = ledger(play, "create", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["end"], report["outcome"]) == (0, "done", "ok")
    assert report["state"] == {"number": "100", "password": "******"}
    outcomes = [(e["step"], e["outcome"]) for e in report["happened"] if e["what"] == "outcome"]
    assert outcomes == [("reserve", "ok"), ("machine", "ok"), ("account", "ok")]
    assert any(e["what"] == "http" and e["text"].endswith("ms") for e in report["happened"])


def test_queries(play, files):
    done = play("misbehave", "--query", "test")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, 'result: {"status":"fine"}')


def test_ctrl_c_cancels(build, files, backend):
    backend.plan = ["hold"]
    process = subprocess.Popen(
        [build / "provost", "plugin", "run", build / "tests/plugins/ledger.so", "create", "--settings",
         "settings.json", "--pool", "numbers=1-2", "--step", "machine"],
        cwd=files, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert backend.heard.wait(60 * SLOW)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60 * SLOW)
    assert process.returncode == 7, output
    assert "canceled" in output
    assert [path for path, _ in backend.seen]== ["/effect", "/look", "/effect"], "it is undone"


@pytest.mark.parametrize("words, sentence", [
    (["dance"], "“dance” is no operation"),
    ([], "say which OPERATION"),
    (["create", "--query", "test"], "one of them"),
    (["--action", "jump"], "the plugin has no action “jump”"),
    (["--query", "jump"], "the plugin has no query “jump”"),
    (["create", "--call", "undo"], "--call: expected run, poll, lookup or undo, together with --step"),
    (["create", "--step", "act", "--call", "jump"], "--call: expected"),
    (["create", "--pool", "x"], "expected NAME=FIRST-LAST"),
    (["create", "--pool", "x=9-1"], "expected NAME=FIRST-LAST"),
    (["create", "--pool", "x=1,,2"], "expected NAME=FIRST-LAST"),
    (["create", "--values", "wrong.json"], "values.hwo: unknown key"),
    (["create", "--values", "list.json"], "list.json:1:1: expected a JSON object"),
    (["create", "--values", "broken.json"], "broken.json:1:"),
])
def test_usage(play, files, words, sentence):
    (files / "wrong.json").write_text('{"hwo": "crash"}')
    (files / "list.json").write_text("[]")
    (files / "broken.json").write_text("{")
    done = play("misbehave", *words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert sentence in done.stderr


def test_settings_are_checked(run, build, files):
    module = build / "tests/plugins/misbehave.so"
    done = run("plugin", "run", module, "create")
    assert done.returncode == 2
    assert "settings.url" in done.stderr
    (files / "settings.json").write_text('{"url": "http://127.0.0.1:1", "start": "refuse"}')
    done = run("plugin", "run", module, "create", "--settings", "settings.json")
    assert done.returncode == 1
    assert "the panel of this instance is gone" in done.stderr


@pytest.mark.parametrize("text, sentence", [("[]", "expected a JSON object"), ("{", "state.json"),
                                            ('{"states": {}}', "does not belong into a state file"),
                                            ('{"state": 3}', "“state” is no object")])
def test_state_file_that_is_none(play, files, text, sentence):
    (files / "state.json").write_text(text)
    done = play("misbehave", "create", "--state", "state.json")
    assert done.returncode == 1
    assert sentence in done.stderr


def test_state_file_that_cannot_be_written(play, files):
    done = play("misbehave", "--query", "test", "--state", "no/such/folder.json")
    assert done.returncode == 4 or "cannot be written" in done.stderr or "No such file" in done.stderr
    assert done.returncode != 0


def test_modules_that_cannot_be_used(run, build, files):
    assert run("plugin", "run", "nothing.so", "create").returncode == 4
    done = run("plugin", "run", build / "tests/plugins/nothing.so", "create")
    assert done.returncode in (1, 4)
    assert done.stderr.startswith("provost: ")
    assert run("plugin", "describe", build / "tests/plugins/nothing.so").returncode in (1, 4)


def test_a_folder_is_no_module(run, build, tmp_path):
    (tmp_path / "support").mkdir()
    done = run("plugin", "describe", "support", env={"PROVOST_PLUGIN_PATH": str(build / "plugins")})
    assert done.returncode == 0 and done.stdout.startswith("# support "), done.stderr
    done = run("plugin", "describe", "./support")
    assert done.returncode == 1 and "./support is a folder" in done.stderr


def test_describe(run, build):
    done = run("plugin", "describe", build / "tests/plugins/ledger.so")
    assert done.returncode == 0
    assert done.stdout.startswith("# ledger 1.0.0\n")
    assert json.loads(run("plugin", "describe", build / "tests/plugins/ledger.so", "--json").stdout)[
        "name"] == "ledger"
    by_name = run("plugin", "describe", "ledger", env={"PROVOST_PLUGIN_PATH": str(build / "tests/plugins")})
    assert by_name.stdout == done.stdout


def record(run, build, files, module, *words):
    return run("plugin", "run", build / "tests" / "plugins" / f"{module}.so", *words, "--settings", "settings.json",
               "--no-wait", "--pool", "numbers=100-101", "--state", "state.json", "--record", files / "case.json")


def replay(run, build, module="ledger"):
    return run("plugin", "test", build / "tests" / "plugins" / f"{module}.so", "case.json")


def test_a_recorded_run_is_replayed_without_the_backend(run, build, files, backend):
    backend.plan = [503, "drop", 404]
    done = record(run, build, files, "ledger", "create", "--event", "event.json")
    assert done.returncode == 0, done.stdout + done.stderr
    state = json.loads((files / "state.json").read_text())
    text = (files / "case.json").read_text()
    for secret in (state["state"]["password"], state["service"]["ref"], f":{backend.server_port}"):
        assert secret not in text
    seen = len(backend.seen)
    done = replay(run, build)
    assert done.stdout == "ok   case.json: create, recorded\n1 passed, 0 failed\n", done.stdout
    assert len(backend.seen) == seen
    case = json.loads(text)
    assert case["expect"]["state"] == {"number": "100", "password": "{{any}}"}
    assert [e["response"].get("status", "drop") for e in case["exchanges"]][:2] == [503, "drop"]


def test_a_later_operation_is_recorded_with_the_state_before(run, build, files, backend):
    assert ledger_create(run, build).returncode == 0
    password = json.loads((files / "state.json").read_text())["state"]["password"]
    done = record(run, build, files, "ledger", "suspend")
    assert done.returncode == 0, done.stdout + done.stderr
    assert password not in (files / "case.json").read_text()
    done = replay(run, build)
    assert done.returncode == 0, done.stdout


def ledger_create(run, build):
    return run("plugin", "run", build / "tests/plugins/ledger.so", "create", "--settings", "settings.json",
               "--pool", "numbers=100-101", "--state", "state.json")


def test_a_recorded_case_fails_where_the_plugin_asks_something_else(run, build, files, backend):
    assert record(run, build, files, "ledger", "create").returncode == 0
    case = json.loads((files / "case.json").read_text())
    case["exchanges"][0]["request"]["json"]["step"] = "another"
    (files / "case.json").write_text(json.dumps(case))
    done = replay(run, build)
    assert done.returncode == 1 and "/step: expected" in done.stdout


def test_secrets_of_settings_and_answers_are_not_recorded(run, build, files):
    """The backend of the conformance kit's plugins answers with a password, and wants a token."""
    folder = Path(__file__).resolve().parents[1] / "plugins" / "broken"
    server = subprocess.Popen(["/usr/bin/python3", folder / "backend.py"], stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().strip()
        token = "the-token-of-the-tests"
        (files / "settings.json").write_text(json.dumps({"url": url, "token": token}))
        assert record(run, build, files, "broken-tokenurl", "create").returncode == 0
    finally:
        server.kill()
        server.wait()
    text = (files / "case.json").read_text()
    assert token not in text and url not in text and "recorded-secret-" in text
    answer = json.loads(text)["exchanges"][0]["response"]["json"]
    assert answer["password"].startswith("recorded-secret-")
    done = replay(run, build, "broken-tokenurl")
    assert done.returncode == 0, done.stdout


KEEPS_ITS_SECRET = """#!/usr/bin/python3
import json, sys, urllib.request
given = json.load(sys.stdin)
panel = given["secrets"]["panel"]
request = urllib.request.Request(given["options"]["url"] + "/login", data=json.dumps({"login": panel}).encode())
urllib.request.urlopen(request)
print(json.dumps({"state": {"login": panel, "pin": given["secrets"]["longer"]}}))
"""


def test_secrets_within_a_map_are_neither_recorded_nor_shown(run, build, files, backend):
    """Under names that say nothing of a secret; one of them begins as another does, one is short."""
    program = files / "program.py"
    program.write_text(KEEPS_ITS_SECRET)
    program.chmod(0o755)
    (files / "settings.json").write_text(json.dumps({
        "path": str(program), "options": {"url": f"http://127.0.0.1:{backend.server_port}"},
        "secrets": {"panel": "hunter2", "longer": "hunter2-and-some", "pin": "q7"}, "operations": ["create"]}))
    grants = [word for one in ("exec=.", "exec=/usr/bin", "read=", "write=", "unix_sockets=")
              for word in ("--grant", one)]
    done = run("plugin", "run", build / "plugins/script.so", "create", "--settings", "settings.json", "--record",
               "case.json", *grants)
    assert done.returncode == 0, done.stdout + done.stderr
    assert backend.seen == [("/login", {"login": "hunter2"})]
    text = (files / "case.json").read_text()
    for secret in ("hunter2", "and-some", "q7"):
        assert secret not in text and secret not in done.stdout
    case = json.loads(text)
    sent = case["exchanges"][0]["request"]["json"]["login"]
    assert sent == case["settings"]["secrets"]["panel"] != case["settings"]["secrets"]["longer"]
    assert sent.startswith("recorded-secret-")
    done = run("plugin", "test", build / "plugins/script.so", "case.json")
    assert done.returncode == 0, done.stdout


def test_a_record_that_cannot_be_written(play):
    done = ledger(play, "create", "--record", "no/such/folder/case.json")
    assert done.returncode == 1 and "no/such/folder/case.json" in done.stderr


def test_what_was_made_is_kept_where_the_record_cannot_be_written(play, backend, files):
    ledger(play, "create", "--record", "no/such/folder/case.json")
    state = json.loads((files / "state.json").read_text())
    assert (state["state"]["number"], state["service"]["ref"]) == ("100", backend.seen[0][1]["ref"])


def test_what_was_made_is_kept_where_no_host_can_be_started(build, files, backend):
    """The program of the host goes away while a step is under way, and then the host."""
    host = files / "host"
    host.write_text(f'#!/bin/sh\necho $$ > "{files}/host.pid"\nexec "{build}/provost-host" "$@"\n')
    host.chmod(0o755)
    backend.plan = ["hold"]
    process = subprocess.Popen(
        [build / "provost", "plugin", "run", build / "tests/plugins/ledger.so", "create", "--settings",
         "settings.json", "--pool", "numbers=100-101", "--state", "state.json"], env={**os.environ, "PROVOST_HOST": str(host)},
        cwd=files, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert backend.heard.wait(60 * SLOW)
    host.unlink()
    os.kill(int((files / "host.pid").read_text()), signal.SIGKILL)
    output, _ = process.communicate(timeout=60 * SLOW)
    assert process.returncode == 1 and "\nprovost: " in output, output
    state = json.loads((files / "state.json").read_text())
    assert (state["state"]["number"], state["service"]["ref"]) == ("100", backend.seen[0][1]["ref"])


def test_a_run_that_calls_nothing_leaves_no_state(play, files):
    assert ledger(play, "create", "--step", "jump").returncode != 0
    assert not (files / "state.json").exists()
