# SPDX-License-Identifier: Apache-2.0
"""`provost plugin check`: a plugin that is right passes every check, and each of those in
tests/plugins/broken is refused by exactly the check that is meant for it."""

import importlib.util
import json
import os
import signal
import socketserver
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

SOURCES = Path(__file__).resolve().parents[1] / "plugins" / "broken"
BROKEN = {
    "absent": "terminate-absent", "again": "actions", "blind": "lost-answer", "brittle": "garbage",
    "chatty": "secrets", "curt": "actions", "deaf": "cancel", "doubtful": "rate-limit", "eager": "actions",
    "fleeting": "actions", "forgetful": "kill",
    "gone": "terminate-twice", "halfway": "actions", "hasty": "upgrade", "hoarder": "state-size",
    "impatient": "rate-limit", "keepsake": "actions", "leftover": "undo", "litter": "life", "mulish": "actions",
    "named": "ref", "open": "declared", "outage": "server-error", "planned": "unknown-plan", "regret": "actions",
    "rekey": "idempotency-key", "sated": "actions", "shrink": "upgrade", "stalling": "upgrade",
    "stern": "suspend-twice",
    "sullen": "actions", "swallow": "denied", "tokenurl": "secrets", "torn": "actions", "twice": "double-create",
    "unkeyed": "idempotency-key",
}
# Where a check has more than one of them: what it says of each.
EVIDENCE = {
    "again": "where no step's success is remembered", "curt": "was answered 429 twice: the operation ended “failed”",
    "doubtful": "was answered 429 twice: the outcome was “unknown”", "eager": "without the 2 s of Retry-After",
    "impatient": "was answered 429 twice: the operation ended “failed”",
    "rekey": "was sent again with another", "unkeyed": "once with an Idempotency-Key and once without",
    "fleeting": "where the host is killed after", "halfway": "given up at call 2: 2 of kind",
    "keepsake": "undo of act: 2 of kind", "mulish": "the canceled call said “permanent”",
    "regret": "undo of act, not called: the operation", "sated": "was answered with 100 MiB",
    "sullen": "answered 401: the outcome was “temporary”", "torn": "cut off in the middle: the host was lost",
    "hasty": "undo of resize: nothing bears", "shrink": "upgrade from plan “large” to “small”: the operation",
    "stalling": "undo of resize: the operation ended “unfinished”",
    "chatty": "what the plugin logs, reports or gives as a reason", "tokenurl": "the URL of a request",
}
# Played besides the check that is meant for a plugin: what takes little time, and needs no more than a few plays.
CHEAP = ["declared", "life", "double-create", "terminate-twice", "terminate-absent", "suspend-twice", "unknown-plan",
         "upgrade", "ref"]


@pytest.fixture
def check(run, build):
    """check("good", …) → the finished process."""

    def call(name, *words, file=SOURCES / "check.yaml", timeout=900):
        return run("plugin", "check", build / "tests" / "plugins" / f"broken-{name}.so", *words,
                   *(["--file", file] if file else []), timeout=timeout)

    return call


def verdicts(done, verdict):
    return [c["check"] for c in json.loads(done.stdout)["checks"] if c["verdict"] == verdict]


def test_every_broken_plugin_has_its_test():
    assert {path.stem for path in SOURCES.glob("*.c")} == {*BROKEN, "good"}


def test_the_good_plugin_passes_all(check):
    done = check("good", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, verdicts(done, "fail"), verdicts(done, "not_applicable")) == (0, [], []), done.stdout
    assert (report["passed"], report["witness"]) == (21, "inventory")


@pytest.fixture(scope="module")
def refusals(build, tmp_path_factory):
    """What will come of each broken plugin; as many are played at a time as there are processors."""

    def play(name):
        module = build / "tests" / "plugins" / f"broken-{name}.so"
        only = [word for one in sorted({*CHEAP, BROKEN[name]}) for word in ("--only", one)]
        return subprocess.run([build / "provost", "plugin", "check", module, "--file", SOURCES / "check.yaml", "--json",
                               *only], capture_output=True, text=True, timeout=900, cwd=tmp_path_factory.mktemp(name))

    workers = ThreadPoolExecutor(os.cpu_count())
    yield {name: workers.submit(play, name) for name in BROKEN}
    workers.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name, wanted", BROKEN.items())
def test_a_broken_plugin_is_refused_for_its_own_reason(refusals, name, wanted):
    done = refusals[name].result()
    assert done.returncode == 1, done.stdout + done.stderr
    assert verdicts(done, "fail") == [wanted], done.stdout
    found = next(c for c in json.loads(done.stdout)["checks"] if c["check"] == wanted)
    assert found["evidence"] and found["remedy"]
    assert any(EVIDENCE.get(name, "") in sentence for sentence in found["evidence"]), found


def test_no_two_are_refused_for_the_same_reason():
    assert {name for name, wanted in BROKEN.items() if [*BROKEN.values()].count(wanted) > 1} == {*EVIDENCE}


def test_what_follows_from_another_fault_is_not_judged(check):
    done = check("twice", "--only", "kill", "--json")
    assert verdicts(done, "fail") == ["double-create"]
    assert verdicts(done, "not_applicable") == ["kill"]


def test_the_report_for_people(check):
    done = check("absent", "--only", "terminate-absent", "--only", "idempotency-key")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith("FAIL terminate-absent terminate of what was never created is done")
    assert "needs_operator" in lines[1] and "there is no id to delete" in lines[1]
    assert lines[2].startswith("       remedy: ")
    assert lines[-1] == "1 passed, 1 failed, 0 not applicable"
    assert check("absent", "--only", "declared", "-q").stdout == "1 passed, 0 failed, 0 not applicable\n"


def test_without_a_check_file_what_can_be_is_checked(check, tmp_path):
    done = check("good", "--json", file=None)
    assert done.returncode == 6
    assert verdicts(done, "pass") == ["declared"] and verdicts(done, "fail") == []
    life = next(c for c in json.loads(done.stdout)["checks"] if c["check"] == "life")
    assert "settings.url" in life["evidence"][0] and "--file" in life["evidence"][0]


@pytest.mark.parametrize("text, sentence", [
    ("settngs: {}\n", ":1: unknown member “settngs”; did you mean “settings”?"),
    ("- 1\n", ":1:1: expected options"),
    ("poll: soon\n", "poll: expected a duration such as 200ms, got “soon”"),
    ("settings: {url: 5}\n", "settings.url"),
    ("witnes: [ls]\n", "did you mean “witness”?"),
    ("backend: {command: []}\n", "backend.command: expected a list of words"),
    ("backend: {command: [/bin/true]}\n", "backend.command ended; it has to print a line with its URL"),
])
def test_a_check_file_that_cannot_be_used(check, tmp_path, text, sentence):
    (tmp_path / "check.yaml").write_text(text)
    done = check("good", file=tmp_path / "check.yaml")
    assert done.returncode == 2 and sentence in done.stderr


def test_list_and_unknown_checks(run, check):
    names = [c["check"] for c in json.loads(run("plugin", "check", "--list", "--json").stdout)]
    assert len(names) == len(set(names)) == 21 and {*BROKEN.values()} == {*names}
    assert run("plugin", "check", "--list").stdout.splitlines()[0].startswith("declared ")
    done = check("good", "--only", "kil")
    assert done.returncode == 2 and "did you mean “kill”?" in done.stderr
    assert run("plugin", "check").returncode == 2


def test_support_needs_no_check_file(run, build):
    done = run("plugin", "check", build / "plugins" / "support.so", "--json", timeout=900)
    assert done.returncode == 0, done.stdout
    assert verdicts(done, "fail") == []
    assert {"kill", "double-create", "undo", "terminate-twice", "secrets"} <= {*verdicts(done, "pass")}
    assert "rate-limit" in verdicts(done, "not_applicable")


def test_actions_get_their_forms_from_the_check_file(run, build, root, tmp_path):
    spec = {"backend": {"command": ["python3", str(root / "examples/quickstart/backend.py"), "--port", "0", "--token", "t"]},
            "settings": {"url": "{{backend}}", "token": "t"}}
    words = ["plugin", "check", build / "examples/plugins/siteserver/siteserver.so", "--file", "check.yaml", "--only",
             "actions", "--json"]
    said = []
    for more in ({}, {"actions": {"title": {"title": "Another"}}}):
        (tmp_path / "check.yaml").write_text(json.dumps(spec | more))
        done = run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        said.append(json.loads(done.stdout)["checks"][0])
    assert [check["verdict"] for check in said] == ["pass", "pass"]
    assert "title is not played: give `actions` of the check file a value for its field title" in said[0]["evidence"]
    assert said[1]["evidence"] == []


PROGRAM = """#!/usr/bin/python3
import json, sys, urllib.error, urllib.request
given = json.load(sys.stdin)
method = "PUT" if sys.argv[1:3] == ["create", "run"] else "DELETE"
request = urllib.request.Request(given["options"]["url"] + "/objects/" + given["ref"], method=method, data=b"{}",
                                 headers={"Authorization": "Bearer the-token-of-the-tests"})
try:
    urllib.request.urlopen(request)
except urllib.error.HTTPError as error:
    sys.exit(0 if error.code == 404 else 75)
"""


@pytest.fixture
def check_program(run, build, tmp_path):
    """check_program(source, …) → the finished check of a program in Python, run by the script plugin."""

    def call(source, *words):
        program = tmp_path / "program.py"
        program.write_text(source)
        program.chmod(0o755)
        (tmp_path / "check.yaml").write_text(json.dumps({
            "backend": {"command": ["python3", str(SOURCES / "backend.py")]},
            "settings": {"path": str(program), "options": {"url": "{{backend}}"}, "repeatable": "true",
                         "operations": ["create", "terminate"]},
            "grants": {"exec": [".", "/usr/bin"], "read": [], "write": [], "unix_sockets": []}}))
        return run("plugin", "check", build / "plugins/script.so", "--file", "check.yaml", "--json", *words)

    return call


def test_urls_within_maps_are_led_through_the_proxy(check_program):
    done = check_program(PROGRAM, "--only", "life", "--only", "lost-answer")
    assert verdicts(done, "pass") == ["life", "lost-answer"], done.stdout + done.stderr


TALKATIVE = """
import fcntl, os, sys
sys.path.insert(0, sys.argv[1])
import backend
lock = open("lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print(os.getpid(), file=lock, flush=True)
handler = type("Handler", (backend.Handler,), {"log_request": lambda *_: print("x" * 200000, flush=True)})
server = backend.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
"""


def test_a_backend_may_print_and_may_be_started_by_a_script(check, tmp_path):
    """More than a pipe holds for each request; and it ends with the kit, although the kit's child is a shell. It
    holds a lock as long as it lives."""
    (tmp_path / "talkative.py").write_text(TALKATIVE)
    (tmp_path / "check.yaml").write_text(json.dumps({
        "backend": {"command": ["sh", "-c", f"python3 -B talkative.py {SOURCES}; true"]},
        "settings": {"url": "{{backend}}", "token": "the-token-of-the-tests"}}))
    done = check("good", "--json", "--only", "life", file=tmp_path / "check.yaml")
    waited = subprocess.run(["flock", "-w", "60", tmp_path / "lock", "true"])
    if waited.returncode != 0:
        os.kill(int((tmp_path / "lock").read_text()), signal.SIGKILL)
    assert verdicts(done, "pass") == ["life"], done.stdout + done.stderr
    assert waited.returncode == 0


MANY = """#!/usr/bin/python3
import http.client, json, sys, urllib.parse
given = json.load(sys.stdin)
connection = http.client.HTTPConnection(urllib.parse.urlsplit(given["options"]["url"]).netloc)
for i in range(41 if sys.argv[1] == "create" else 1):
    connection.request("GET", "/objects?ref=" + given["ref"] + str(i),
                       headers={"Authorization": "Bearer the-token-of-the-tests"})
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        sys.exit(78)
    connection.close()
"""


def test_what_is_not_played_is_said(check_program):
    done = check_program(MANY, "--only", "denied")
    assert verdicts(done, "pass") == ["denied"], done.stdout + done.stderr
    assert json.loads(done.stdout)["checks"][0]["evidence"] == [
        "create: the first 40 of 41 requests are played, not every one"]


KEEPS_ITS_SECRET = """#!/usr/bin/python3
import json, sys
given = json.load(sys.stdin)
print(json.dumps({"state": {"panel": given["secrets"]["panel"]} if sys.argv[1] == "create" else {}}))
"""


def test_secrets_within_maps_are_looked_for(run, build, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(KEEPS_ITS_SECRET)
    program.chmod(0o755)
    (tmp_path / "check.yaml").write_text(json.dumps({
        "settings": {"path": str(program), "secrets": {"panel": "hunter2-of-the-panel"}, "repeatable": "true",
                     "operations": ["create", "terminate"]},
        "grants": {"exec": [".", "/usr/bin"], "read": [], "write": [], "unix_sockets": []}}))
    done = run("plugin", "check", build / "plugins/script.so", "--file", "check.yaml", "--json", "--only", "secrets")
    assert verdicts(done, "fail") == ["secrets"], done.stdout + done.stderr
    found = next(c for c in json.loads(done.stdout)["checks"] if c["check"] == "secrets")
    assert any("the state document holds a secret of 20 characters in clear" in e for e in found["evidence"]), found


@pytest.fixture
def socket_backend(tmp_path):
    """backend.py of the broken plugins, on a Unix socket."""
    found = importlib.util.spec_from_file_location("broken_backend", SOURCES / "backend.py")
    backend = importlib.util.module_from_spec(found)
    found.loader.exec_module(backend)
    handler = type("Handler", (backend.Handler,), {"address_string": lambda self: "unix", "disable_nagle_algorithm": False})
    server = socketserver.ThreadingUnixStreamServer(str(tmp_path / "backend.sock"), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"unix:{tmp_path}/backend.sock"
    server.shutdown()
    thread.join()
    server.server_close()


def test_sockets_are_led_through_the_proxy(check, tmp_path, socket_backend):
    (tmp_path / "check.yaml").write_text(json.dumps({
        "settings": {"url": socket_backend, "token": "the-token-of-the-tests"}}))
    done = check("sockets", "--json", "--only", "life", "--only", "rate-limit", "--grant",
                 f"unix_sockets={tmp_path}/backend.sock", file=tmp_path / "check.yaml")
    assert verdicts(done, "pass") == ["life", "rate-limit"], done.stdout + done.stderr


@pytest.mark.parametrize("name, words, url", [
    ("good", [], "unix:{}/backend.sock"),
    ("sockets", ["unix_sockets="], "unix:{}/backend.sock:/v1"),
    ("sockets", ["unix_sockets={}/backend.so", "unix_sockets={}/backend.sock2"], "unix:{}/backend.sock"),
])
def test_a_socket_that_is_not_granted_is_refused_as_by_the_daemon(check, tmp_path, socket_backend, name, words, url):
    (tmp_path / "check.yaml").write_text(json.dumps({
        "settings": {"url": url.format(tmp_path), "token": "the-token-of-the-tests"}}))
    grants = [word for one in words for word in ("--grant", one.format(tmp_path))]
    done = check(name, "--only", "life", *grants, file=tmp_path / "check.yaml")
    assert done.returncode != 0
    assert f"http: {tmp_path}/backend.sock is not among grants.unix_sockets" in done.stderr, done.stdout + done.stderr


def test_what_is_granted_is_no_beginning_of_a_socket(check, tmp_path, socket_backend):
    """The host takes the colon for the end of the socket's path, and what follows for no path of a request."""
    (tmp_path / "granted:backend.sock").symlink_to("backend.sock")
    (tmp_path / "check.yaml").write_text(json.dumps({
        "settings": {"url": f"unix:{tmp_path}/granted:backend.sock", "token": "the-token-of-the-tests"}}))
    done = check("sockets", "--json", "--only", "life", "--grant", f"unix_sockets={tmp_path}/granted",
                 file=tmp_path / "check.yaml")
    assert verdicts(done, "pass") == [], done.stdout + done.stderr
    assert "unix:/path/to.sock:/request/path" in done.stdout + done.stderr


def test_unconfined_reaches_every_socket(check, tmp_path, socket_backend):
    (tmp_path / "check.yaml").write_text(json.dumps({
        "settings": {"url": socket_backend, "token": "the-token-of-the-tests"}}))
    done = check("good", "--json", "--only", "life", "--unconfined", file=tmp_path / "check.yaml")
    assert verdicts(done, "pass") == ["life"], done.stdout + done.stderr


def test_a_recorded_case_has_the_scripted_backend_within_maps(run, build, tmp_path, socket_backend):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    (tmp_path / "settings.json").write_text(json.dumps({
        "path": str(program), "options": {"url": socket_backend}, "repeatable": True, "operations": ["create"]}))
    grants = [word for one in ("exec=.", "exec=/usr/bin", "read=", "write=", "unix_sockets=backend.sock")
              for word in ("--grant", one)]
    done = run("plugin", "run", build / "plugins/script.so", "create", "--settings", "settings.json", "--record",
               "case.json", *grants)
    assert done.returncode == 0, done.stdout + done.stderr
    case = json.loads((tmp_path / "case.json").read_text())
    assert case["settings"]["options"] == {"url": "{{backend}}"} and len(case["exchanges"]) == 1
    done = run("plugin", "test", build / "plugins/script.so", "case.json")
    assert done.returncode == 0, done.stdout
