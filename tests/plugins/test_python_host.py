# SPDX-License-Identifier: Apache-2.0
"""The host in Python of examples/plugins/python_host, and hosts of other languages that misbehave,
under `provost plugin describe` and `provost plugin run`."""

import json
import socket
import struct
import subprocess
import sys
import time
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


# ---- the example's host, frame by frame ----

PLAYED = f"""import os, sys, time
from pathlib import Path
os.dup2(int(sys.argv[1]), 3)
sys.path.insert(0, "{NOTES}.d")
import provost_host as host
from provost_host import End
def note(word): print(word, flush=True)
%s
host.serve({{"name": "played", "settings": []}}, {{("create", "one", "run"): function, ("", "one", "query"): function}})
"""
HELLO, STEP, QUERY, ANSWER, LEASE, STOP, READY, FAULT, OUTCOME, ASK, LOG = 1, 2, 3, 5, 6, 7, 64, 65, 66, 67, 69
OK, TEMPORARY, UNKNOWN, CANCELED = 0, 2, 5, 6


class Played:
    """A host that the test is the daemon of."""

    def __init__(self, path, body, version=1):
        self.daemon, theirs = socket.socketpair()
        self.daemon.settimeout(60)
        self.sent = 0
        path.write_text(PLAYED % body, encoding="utf-8")
        self.process = subprocess.Popen([sys.executable, str(path), str(theirs.fileno())], pass_fds=[theirs.fileno()],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        theirs.close()
        self.send(HELLO, 0, struct.pack("<III", version, 0, 0), "", "", "", "{}", "")
        assert version != 1 or self.take()[0] == READY

    def send(self, kind, call, *parts):
        data = b"".join(struct.pack("<I", len(p)) + p.encode() if isinstance(p, str) else p for p in parts)
        self.send_bytes(struct.pack("<IHHQ", len(data), kind, 0, call) + data)

    def send_bytes(self, data):
        self.sent += len(data)
        self.daemon.sendall(data)

    def step(self, call, timeout_ms=0):
        self.send(STEP, call, struct.pack("<IBBHIIII16s16s", 0, 0, 0, 0, timeout_ms, 1, 1, 1, b"", b""), "create", "", "one", "",
                  "", "{}", '{"kept": 1}', "", "")

    def query(self, call):
        self.send(QUERY, call, struct.pack("<IIII16s", 0, 0, 1, 1, b""), "one", "", "", "", "{}", "{}")

    def take(self):
        """kind, call, payload of a frame; kind is None at the end."""
        head = self.daemon.recv(16, socket.MSG_WAITALL)
        if not head:
            return None, 0, b""
        length, kind, _, call = struct.unpack("<IHHQ", head)
        return kind, call, self.daemon.recv(length, socket.MSG_WAITALL) if length else b""

    def outcome(self):
        """code, touched, state_changed and text."""
        kind, _, data = self.take()
        assert kind == OUTCOME, kind
        return data[0], data[1], data[2], data[16:16 + struct.unpack_from("<I", data, 12)[0]].decode()

    def close(self):
        self.daemon.close()
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def played(tmp_path):
    hosts = []

    def start(*what):
        hosts.append(Played(tmp_path / "played.py", *what))
        return hosts[-1]

    yield start
    for host in hosts:
        host.close()


def test_another_version_is_refused(played):
    host = played("function = None", 2)
    kind, _, data = host.take()
    assert kind == FAULT and data[4:] == b"version 2 is asked for, this host speaks 1"
    assert host.process.wait() == 3


@pytest.mark.parametrize("body, code, sentence", [
    ("call.state['path'] = Path('.')", UNKNOWN, "not JSON serializable"),
    ("call.state['many'] = float('nan')", UNKNOWN, "not JSON compliant"),
    ("call.result = {1, 2}", UNKNOWN, "not JSON serializable"),
    ("raise End('bogus', 'a word')", UNKNOWN, "'bogus' is not in"),
    ("raise End('permanent', Path('.'))", UNKNOWN, "TypeError"),
    ("raise End('permanent', '\\udc80')", UNKNOWN, "surrogates not allowed"),
    ("raise End('temporary', 'later', 'soon')", UNKNOWN, "integer"),
    ("sys.exit(1)", TEMPORARY, "SystemExit: 1"),
    ("call.touch(); sys.exit(1)", UNKNOWN, "SystemExit: 1"),
])
def test_what_fits_no_frame_is_an_outcome_all_the_same(played, body, code, sentence):
    host = played(f"def function(call):\n    {body}\n")
    host.step(1)
    said = host.outcome()
    assert (said[0], said[2]) == (code, 0) and sentence in said[3], said


ENDINGS = {"STOP": lambda host: host.send(STOP, 0), "SIGTERM": lambda host: host.process.terminate()}


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_outcome_on_its_way_is_not_lost(played, ending):
    host = played("""
whole, cancel = host.send, host.Call.cancel
def held(kind, *rest):
    if kind == 66:
        note("held"); sys.stdin.readline()
    whole(kind, *rest)
def canceled(call):
    cancel(call); note("canceled")
host.send, host.Call.cancel = held, canceled
def function(call): pass
""")
    host.step(1)
    assert host.process.stdout.readline() == "held\n"
    ENDINGS[ending](host)
    assert host.process.stdout.readline() == "canceled\n"
    host.process.stdin.write("go\n")
    host.process.stdin.flush()
    assert host.outcome()[0] == OK
    assert host.take()[0] is None and host.process.wait() == 0


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_runs_is_canceled_at_the_end(played, ending):
    host = played("def function(call): call.secret('name', 'text')\n")
    for call in (1, 2):
        host.step(call)
        assert host.take()[:2] == (ASK, call)
    ENDINGS[ending](host)
    assert [host.outcome()[0], host.outcome()[0]] == [CANCELED, CANCELED]
    assert host.take()[0] is None and host.process.wait() == 0


@pytest.mark.parametrize("body, code", [
    ("call.secret('name', 'text')", TEMPORARY),
    ("call.touch(); call.secret('name', 'text')", UNKNOWN),
    ("call.until = 0; call.touch()", TEMPORARY),
    ("call.touch(); call.until = 0; call.touch()", UNKNOWN),
    ("call.touch(); call.until = 0", OK),
])
def test_a_call_whose_time_is_over_ends_itself(played, body, code):
    """Nobody cancels it; one that had done its work in spite of that is believed."""
    host = played(f"def function(call):\n    {body}\n")
    host.step(1, timeout_ms=50)
    if "secret" in body:
        assert host.take()[:2] == (ASK, 1)
    said = host.outcome()
    assert said[0] == code and said[3] == ("" if code == OK else "TimeoutError: it took too long"), said


def test_the_lease_binds_steps_alone(played):
    host = played("def function(call): call.touch()\n")
    host.send(LEASE, 0, struct.pack("<q", int(time.monotonic() * 1000) - 1))
    host.step(1)
    said = host.outcome()
    assert said[:2] == (CANCELED, 0) and "the lease is over" in said[3], said
    host.query(2)
    assert host.outcome()[:2] == (OK, 1)


def test_a_late_answer_is_left_alone(played):
    host = played("def function(call): call.secret('name', 'text')\n")
    host.step(1, timeout_ms=50)
    assert host.take()[:2] == (ASK, 1)
    assert host.outcome()[0] == TEMPORARY
    host.send(ANSWER, 1, struct.pack("<IiQ", 1, 0, 0), "late")
    host.step(2)
    assert host.take()[:2] == (ASK, 2)
    host.send(ANSWER, 2, struct.pack("<IiQ", 1, 0, 0), "in time")
    assert host.outcome()[0] == OK


def test_without_a_limit_a_call_has_its_minute(played):
    host = played("def function(call): call.log(str(58 < call.until - time.monotonic() <= 60))\n")
    host.step(1)
    kind, _, data = host.take()
    assert kind == LOG and data.endswith(b"True")


@pytest.mark.parametrize("cut", [1, 15, 16, 20])
def test_a_signal_within_a_frame_loses_no_outcome(played, cut):
    """What runs is canceled and answered, though half a frame was read."""
    host = played("""
import io
class Read(io.RawIOBase):
    raw, read = host.daemon.makefile("rb", buffering=0), 0
    def readable(self): return True
    def readinto(self, into):
        got = self.raw.readinto(into)
        Read.read += got
        note(Read.read)
        return got
host.frames = io.BufferedReader(Read())
def function(call): call.secret('name', 'text')
""")
    host.step(1)
    assert host.take()[:2] == (ASK, 1)
    host.send_bytes(struct.pack("<IHHQI", 100, STEP, 0, 2, 0)[:cut])
    while int(host.process.stdout.readline()) < host.sent:
        pass
    host.process.terminate()
    assert host.outcome()[0] == CANCELED
    assert host.take()[0] is None and host.process.wait() == 0


def test_secrets_may_come_while_a_text_is_masked(played):
    host = played("""
host.hidden.add("hush")
class Said(str):
    def replace(self, old, new):
        host.hidden.add(f"{old}er")
        return Said(str.replace(self, old, new))
def function(call): call.log(Said("hush!"))
""")
    host.step(1)
    kind, _, data = host.take()
    assert kind == LOG and data.endswith(b"******!")
    assert host.outcome()[0] == OK


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
