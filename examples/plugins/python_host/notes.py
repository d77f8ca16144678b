#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A plugin host in Python: docs/wire.md spoken on descriptor 3, with nothing but the standard
library. The upper half is the protocol and fits any plugin; the lower half is the plugin: a service
is a file with a password in the instance's folder."""

import json
import os
import queue
import secrets
import socket
import struct
import threading
import time
from pathlib import Path

HELLO, STEP, QUERY, CANCEL, ANSWER, LEASE, STOP = range(1, 8)
READY, FAULT, OUTCOME, ASK, PROGRESS, LOG = range(64, 70)
OUTCOMES = ["ok", "pending", "temporary", "instance_fault", "permanent", "unknown", "canceled",
            "absent", "in_progress", "no_step"]
KINDS = ["run", "poll", "lookup", "undo"]
ASKS = ["kv_get", "kv_put", "pool_take", "pool_give", "pool_reject", "quota_take", "quota_give",
        "state_save", "secret_new"]


class End(Exception):
    """Ends a call: raise End("temporary", "the disk is full", retry_after_ms=5000)."""

    def __init__(self, outcome, text="", retry_after_ms=-1):
        super().__init__(text)
        self.outcome, self.retry_after_ms = outcome, retry_after_ms


class Reader:
    def __init__(self, payload):
        self.payload, self.at = payload, 0

    def take(self, form):
        values = struct.unpack_from("<" + form, self.payload, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def text(self):
        [length] = self.take("I")
        self.at += length
        return self.payload[self.at - length:self.at].decode()


def string(text):
    data = text.encode()
    return struct.pack("<I", len(data)) + data


class Call:
    """What a step or query is given."""

    def __init__(self, host, number):
        self.host, self.number, self.answers = host, number, queue.Queue()
        self.canceled, self.touched, self.changed, self.asked = False, False, False, 0
        self.result = None

    def ask(self, kind, name="", pool="", text="", number=0, scope=0, flag=0):
        """A host call that the store answers: durable when it returns."""
        self.check()
        self.asked += 1
        self.host.send(ASK, self.number, struct.pack("<IBBBBQ", self.asked, ASKS.index(kind) + 1,
                                                     scope, flag, 0, number)
                       + string(name) + string(pool) + string(text))
        answer = self.answers.get()
        if answer is None:
            raise End("canceled", "canceled")
        status, number, value = answer
        if status:
            raise End("temporary", f"{kind} {name}: {value}")
        return value, number

    def secret(self, name, text):
        """The same secret in every attempt: `text` is used the first time."""
        value, _ = self.ask("secret_new", name, text=text)
        self.host.secrets.add(value)
        return value

    def check(self):
        """First line of whatever reaches out: neither canceled nor without a lease."""
        now_ms = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000000
        if self.canceled or (self.host.lease_ms is not None and now_ms >= self.host.lease_ms):
            raise End("canceled", "canceled, or the lease is over")

    def touch(self):
        """From here on something may have happened outside."""
        self.check()
        self.touched = True

    def log(self, text, level=1):
        self.host.send(LOG, self.number, bytes([level]) + string(self.host.mask(text)))

    def progress(self, percent, text):
        self.host.send(PROGRESS, self.number, struct.pack("<i", percent) + string(self.host.mask(text)))


class Host:
    def __init__(self, description, functions):
        self.description, self.functions = description, functions
        self.socket, self.lock = socket.socket(fileno=3), threading.Lock()
        self.calls, self.lease_ms, self.secrets, self.settings = {}, None, set(), {}

    def send(self, kind, number, payload):
        with self.lock:
            self.socket.sendall(struct.pack("<IHHQ", len(payload), kind, 0, number) + payload)

    def mask(self, text):
        for secret in self.secrets:
            text = text.replace(secret, "******")
        return text

    def receive(self, size):
        data = b""
        while len(data) < size:
            data += (part := self.socket.recv(size - len(data)))
            if not part:
                os._exit(0)  # the daemon is gone
        return data

    def serve(self):
        while True:
            length, kind, _, number = struct.unpack("<IHHQ", self.receive(16))
            frame = Reader(self.receive(length))
            if kind == HELLO:
                self.hello(frame)
            elif kind in (STEP, QUERY):
                call = self.calls[number] = self.read_call(kind, number, frame)
                threading.Thread(target=self.run, args=(call,), daemon=True).start()
            elif kind == ANSWER and number in self.calls:
                _, status, value = frame.take("IiQ")
                self.calls[number].answers.put((status, value, frame.text()))
            elif kind == LEASE:
                [self.lease_ms] = frame.take("q")
            elif kind in (CANCEL, STOP):
                for call in list(self.calls.values()):
                    if kind == STOP or call.number == number:
                        call.canceled = True
                        call.answers.put(None)
                while kind == STOP and self.calls:
                    time.sleep(0.01)
                if kind == STOP:
                    os._exit(0)

    def hello(self, frame):
        version, _, describe = frame.take("III")
        _, _, data_dir, settings, _ = (frame.text() for _ in range(5))
        if version != 1:
            self.send(FAULT, 0, string(f"version {version} of the protocol, this host speaks 1"))
            os._exit(3)
        self.settings = json.loads(settings or "{}")
        self.secrets = {str(self.settings[f["name"]]) for f in self.description["settings"]
                        if f.get("secret") and self.settings.get(f["name"])}
        if data_dir and not describe:
            os.chdir(data_dir)
        self.send(READY, 0, string(json.dumps(self.description)))
        if describe:
            os._exit(0)

    def read_call(self, kind, number, frame):
        call = Call(self, number)
        if kind == STEP:
            _, how, _, _, _, call.run, call.attempt, call.generation = frame.take("IBBHIIII")
            call.kind = KINDS[how]
            frame.take("16s16s")
            call.operation, call.component, call.step = (frame.text() for _ in range(3))
        else:
            frame.take("IIII16s")
            call.kind, call.operation = "query", ""
            call.step, call.component = frame.text(), frame.text()
        call.external_id, call.ref, given, state = (frame.text() for _ in range(4))
        call.input, call.state = json.loads(given or "{}"), json.loads(state or "{}")
        call.settings = self.settings
        return call

    def run(self, call):
        before, end = json.dumps(call.state), End("ok")
        function = self.functions.get((call.operation, call.step, call.kind))
        if function is None and call.kind == "poll":
            function = self.functions.get((call.operation, call.step, "run"))
        try:
            if function is None:
                raise End("no_step", f"there is no {call.kind} of {call.step}")
            function(call)
        except End as said:
            end = said
        except OSError as error:
            end = End("unknown" if call.touched else "temporary", str(error))
        except Exception as error:  # a fault of the plugin's: nobody can say what it did
            end = End("unknown", f"{type(error).__name__}: {error}")
        after = json.dumps(call.state)
        changed = after != before and call.kind != "query"
        result = "" if call.result is None else json.dumps(call.result)
        del self.calls[call.number]
        self.send(OUTCOME, call.number, struct.pack(
            "<BBBBq", OUTCOMES.index(end.outcome), call.touched, changed, 0, end.retry_after_ms)
            + string(self.mask(str(end))[:1000]) + string(after if changed else "") + string(result))


# ---- The plugin: a service is a note with a password, in a file of its own ----

def path_of(call, suffix=".json"):
    return Path(call.ref + suffix)


def reserve(call):
    """Touches nothing outside: secret_new is durable, and gives the same value when repeated."""
    call.state["password"] = call.secret("password", secrets.token_urlsafe(18))


def write(call):
    password = call.state["password"]
    call.host.secrets.add(password)
    title = call.input["values"].get("title", "")
    call.progress(50, "writing")
    call.touch()
    path_of(call, ".new").write_text(json.dumps({"title": title, "password": password}))
    path_of(call, ".new").rename(path_of(call))
    call.log(f"{call.ref} written, password {password}")
    call.state["file"] = str(path_of(call))


def publish(call):
    """A permanent outcome undoes the steps before it."""
    if call.input["values"].get("title") == call.settings.get("forbidden", ""):
        raise End("permanent", "this title is not allowed here")


def remove(call):
    call.touch()
    for suffix in (".json", ".off", ".new"):
        path_of(call, suffix).unlink(missing_ok=True)
    call.state.clear()


def move(source, target):
    def function(call):
        call.touch()
        if path_of(call, source).exists():
            path_of(call, source).rename(path_of(call, target))
        elif not path_of(call, target).exists():
            raise End("permanent", "the note is gone")
    return function


def find(call):
    """The lookup of write."""
    if not path_of(call).exists():
        raise End("absent")
    call.state["file"] = str(path_of(call))


def view(call):
    on = path_of(call).exists()
    call.result = {"status": "active" if on else "suspended",
                   "fields": [{"name": "file", "label": "File", "value": call.state.get("file", "")}]}


def test(call):
    call.result = {"ok": os.access(".", os.W_OK)}


def inventory(call):
    """What each service has; `provost plugin check` looks at it."""
    call.result = {"items": [{"ref": path.stem, "kind": "note"} for path in Path(".").iterdir()
                             if path.suffix in (".json", ".off", ".new")], "next": None}


def step(name, repeatable=False, undo=False, lookup=False):
    return {"name": name, "repeatable": repeatable, "undo": undo, "lookup": lookup, "poll": False,
            "timeout_ms": 30000, "settle_ms": 1000}


def field(name, kind, label):
    return {"name": name, "type": kind, "label": label, "required": False, "secret": False,
            "immutable": False}


DESCRIPTION = {
    "name": "notes", "version": "1.0.0", "summary": "Notes in files, by a host in Python.", "abi": 1,
    "needs": [], "settings": [field("forbidden", "string", "Forbidden title")],
    "product": [field("title", "string", "Title")], "checkout": [],
    "operations": {
        "create": [step("reserve", repeatable=True), step("write", undo=True, lookup=True),
                   step("publish", repeatable=True)],
        "suspend": [step("hide", repeatable=True)], "unsuspend": [step("show", repeatable=True)],
        "terminate": [step("remove", repeatable=True)]},
    "actions": [], "service_queries": [{"name": "view", "access": "customer", "params": []}],
    "instance_queries": [{"name": "test", "access": "token", "params": []},
                         {"name": "inventory", "access": "token", "params": []}]}

FUNCTIONS = {
    ("create", "reserve", "run"): reserve,
    ("create", "write", "run"): write, ("create", "write", "undo"): remove,
    ("create", "write", "lookup"): find, ("create", "publish", "run"): publish,
    ("suspend", "hide", "run"): move(".json", ".off"),
    ("unsuspend", "show", "run"): move(".off", ".json"),
    ("terminate", "remove", "run"): remove,
    ("", "view", "query"): view, ("", "test", "query"): test,
    ("", "inventory", "query"): inventory}

if __name__ == "__main__":
    Host(DESCRIPTION, FUNCTIONS).serve()
