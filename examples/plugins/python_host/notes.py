#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A plugin in Python: a service is a note with a password, in a file of the instance's folder."""

import json
import os
import secrets
import sys
from pathlib import Path

sys.path.insert(0, __file__ + ".d")  # readable for a host that is confined, as the program itself is
from provost_host import End, hidden, serve  # noqa: E402


def path_of(call, suffix=".json"):
    return Path(call.ref + suffix)


def reserve(call):
    """Touches nothing outside: a secret is durable, and the same when it is asked for again."""
    call.state["password"] = call.secret("password", secrets.token_urlsafe(18))


def write(call):
    call.touch()
    call.progress(50, "writing")
    title, password = call.input["values"].get("title", ""), call.state["password"]
    hidden.add(password)
    path_of(call, ".new").write_text(json.dumps({"title": title, "password": password}))
    path_of(call, ".new").rename(path_of(call))
    call.log(f"{call.ref} written, password {password}")
    call.state["file"] = str(path_of(call))


def find(call):
    """The lookup of write."""
    if not path_of(call).exists():
        raise End("absent")
    call.state["file"] = str(path_of(call))


def remove(call):
    call.touch()
    for suffix in (".json", ".off", ".new"):
        path_of(call, suffix).unlink(missing_ok=True)
    call.state.clear()


def publish(call):
    """A permanent outcome undoes the steps before it."""
    if call.input["values"].get("title") == call.settings.get("forbidden", ""):
        raise End("permanent", "this title is not allowed here")


def move(source, target):
    def function(call):
        call.touch()
        if path_of(call, source).exists():
            path_of(call, source).rename(path_of(call, target))
        elif not path_of(call, target).exists():
            raise End("permanent", "the note is gone")
    return function


def view(call):
    call.result = {"status": "active" if path_of(call).exists() else "suspended",
                   "fields": [{"name": "file", "label": "File", "value": call.state.get("file", "")}]}


def test(call):
    call.result = {"ok": os.access(".", os.W_OK)}


def inventory(call):
    """What each service has; `provost plugin check` looks at it."""
    notes = [path for path in Path(".").iterdir() if path.suffix in (".json", ".off", ".new")]
    call.result = {"items": [{"ref": path.stem, "kind": "note"} for path in notes], "next": None}


def step(name, repeatable=True, undo=False, lookup=False):
    return {"name": name, "repeatable": repeatable, "undo": undo, "lookup": lookup, "poll": False,
            "timeout_ms": 30000, "settle_ms": 1000}


def field(name, label):
    return {"name": name, "type": "string", "label": label, "required": False, "secret": False, "immutable": False}


def query(name, access="token"):
    return {"name": name, "access": access, "params": []}


serve({
    "name": "notes", "version": "1.0.0", "summary": "Notes in files, by a host in Python.", "abi": 1, "needs": [],
    "settings": [field("forbidden", "Forbidden title")], "product": [field("title", "Title")], "checkout": [],
    "operations": {
        "create": [step("reserve"), step("write", repeatable=False, undo=True, lookup=True), step("publish")],
        "suspend": [step("hide")], "unsuspend": [step("show")], "terminate": [step("remove")]},
    "actions": [], "service_queries": [query("view", access="customer")],
    "instance_queries": [query("test"), query("inventory")],
}, {
    ("create", "reserve", "run"): reserve, ("create", "publish", "run"): publish,
    ("create", "write", "run"): write, ("create", "write", "undo"): remove, ("create", "write", "lookup"): find,
    ("suspend", "hide", "run"): move(".json", ".off"), ("unsuspend", "show", "run"): move(".off", ".json"),
    ("terminate", "remove", "run"): remove,
    ("", "view", "query"): view, ("", "test", "query"): test, ("", "inventory", "query"): inventory,
})
