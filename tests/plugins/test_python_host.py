# SPDX-License-Identifier: Apache-2.0
"""The host in Python of examples/plugins/python_host, and hosts of other languages that misbehave,
under `provost plugin describe` and `provost plugin run`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

NOTES = Path(__file__).resolve().parents[2] / "examples/plugins/python_host/notes.py"


@pytest.fixture
def plugin(build, tmp_path):
    def call(*words, **files):
        command = [str(build / "provost"), "--json", "plugin", *map(str, words)]
        for name, content in files.items():
            path = tmp_path / f"{name}.json"
            path.write_text(json.dumps(content), encoding="utf-8")
            command += [f"--{name}", str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return call


@pytest.fixture
def run(plugin, tmp_path):
    def play(*words, host=NOTES, **files):
        done = plugin("run", host, *words, "--state", tmp_path / "state", "--no-wait", **files)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    return play


def test_it_describes_itself(plugin):
    done = plugin("describe", NOTES)
    assert done.returncode == 0, done.stderr
    declared = json.loads(done.stdout)
    assert declared["name"] == "notes"
    assert [s["name"] for s in declared["operations"]["create"]] == ["reserve", "write", "publish"]


def test_steps_and_masked_secrets(run):
    created = run("create", values={"title": "hello"})
    assert created["end"] == "done", created
    texts = json.dumps([entry for entry in created["happened"] if entry["what"] == "info"])
    assert "password ******" in texts
    for _ in range(2):
        assert run("terminate")["end"] == "done"


def test_steps_are_undone(run):
    done = run("create", values={"title": "bad"}, settings={"forbidden": "bad"})
    assert done["end"] == "failed" and "not allowed here" in done["reason"]
    kinds = [(e["step"], e["kind"]) for e in done["happened"] if e["what"] == "call"]
    assert kinds == [("reserve", "run"), ("write", "run"), ("publish", "run"), ("write", "undo")]


def test_lookup_and_queries(run):
    assert run("create", "--step", "write", "--call", "lookup")["outcome"] == "absent"
    assert run("--query", "test")["result"] == {"ok": True}


# ---- hosts that misbehave ----

BAD = f"""#!{sys.executable}
import json, os, signal, socket, struct, sys, time
daemon = socket.socket(fileno=3)
def take():
    head = daemon.recv(16, socket.MSG_WAITALL)
    if len(head) < 16: os._exit(0)
    length, kind, _, call = struct.unpack("<IHHQ", head)
    return kind, call, daemon.recv(length, socket.MSG_WAITALL) if length else b""
def send(kind, call, payload):
    daemon.sendall(struct.pack("<IHHQ", len(payload), kind, 0, call) + payload)
def text(s): return struct.pack("<I", len(s)) + s.encode()
def outcome(call, code=0, touched=1):
    send(66, call, struct.pack("<BBBBq", code, touched, 0, 0, -1) + text("") * 3)
STEP = {{"name": "one", "repeatable": False, "undo": False, "lookup": False, "poll": False,
        "timeout_ms": 1000, "settle_ms": 1}}
def ready():
    kind, _, hello = take()
    send(64, 0, text(json.dumps({{"name": "bad", "version": "1", "summary": "", "abi": 1, "needs": [],
        "settings": [], "product": [], "checkout": [], "operations": {{"create": [STEP]}}, "actions": [],
        "service_queries": [], "instance_queries": []}})))
    if struct.unpack_from("<I", hello, 8) == (1,): os._exit(0)
def step():
    while True:
        kind, call, _ = take()
        if kind == 2: return call
"""


@pytest.fixture
def bad(tmp_path):
    def write(body, mode=0o755):
        path = tmp_path / "bad"
        path.write_text(BAD + body + "\n", encoding="utf-8")
        path.chmod(mode)
        return path

    return write


def test_the_smallest_host_works(bad, run):
    assert run("create", host=bad("ready(); outcome(step()); take()"))["end"] == "done"


def test_it_may_read_its_own_modules_and_nothing_beside_them(bad, run, tmp_path):
    (tmp_path / "bad.d").mkdir()
    (tmp_path / "bad.d/own.py").write_text("code = 0")
    (tmp_path / "secret").write_text("hush")
    host = bad(f"ready(); call = step(); sys.path.insert(0, '{tmp_path}/bad.d')\nimport own\n"
               f"try: open('{tmp_path}/secret')\nexcept PermissionError: outcome(call, own.code); take()")
    assert run("create", host=host)["end"] == "done"


@pytest.mark.parametrize("secret", ["hidden/secret", "bad.d"])
def test_a_link_in_place_of_its_modules_grants_nothing(bad, run, tmp_path, secret):
    """Nor does a file of that name."""
    (tmp_path / "hidden").mkdir()
    (tmp_path / secret).write_text("hush")
    if secret != "bad.d":
        (tmp_path / "bad.d").symlink_to("hidden")
    host = bad(f"ready(); call = step()\ntry: open('{tmp_path}/{secret}')\n"
               "except PermissionError: outcome(call); take()")
    assert run("create", host=host)["end"] == "done"


def test_the_example_is_short():
    files = [NOTES, *NOTES.with_name("notes.py.d").glob("*.py")]
    assert len(files) == 2
    assert [file.name for file in files if len(file.read_text().splitlines()) > 150] == []


@pytest.mark.parametrize("body, sentence", [
    ("take(); sys.exit(1)", "exit"),
    ("take(); os.kill(os.getpid(), signal.SIGSEGV)", "signal 11"),
    ("take(); send(65, 0, text('version 9 is asked for, this host speaks 1')); sys.exit(3)", "version 9"),
    ("take(); daemon.sendall(b'HTTP/1.1 200 OK\\r\\n\\r\\n' * 3); take()", "makes no sense"),
    ("take(); send(64, 0, text('not json'))", "JSON"),
    ("take(); send(64, 0, b'')", "makes no sense"),
    ("take(); send(66, 5, b'')", "makes no sense"),
    ("daemon.close()", "makes no sense"),
])
def test_a_host_that_cannot_be_described(bad, plugin, body, sentence):
    done = plugin("describe", bad(body))
    assert done.returncode != 0
    assert sentence in done.stderr or "before it had described itself" in done.stderr, done.stderr


def test_a_program_that_is_not_executable(bad, plugin):
    done = plugin("describe", bad("ready()", 0o644))
    assert done.returncode != 0 and "bad" in done.stderr


@pytest.mark.parametrize("body", [
    "ready(); step(); sys.exit(1)",
    "ready(); step(); os.kill(os.getpid(), signal.SIGKILL)",
    "ready(); step(); daemon.sendall(b'x' * 64); signal.pause()",
    "ready(); outcome(step(), code=200); signal.pause()",
])
def test_a_host_that_breaks_during_a_step_leaves_it_unknown(bad, run, body):
    """Such a host keeps no status page: nobody can say what the step did."""
    done = run("create", host=bad(body))
    assert done["end"] == "needs_operator", done
