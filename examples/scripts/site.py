#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sites as folders, in Python, with what site.py.json declares: two steps with undo, a lookup, an
action and a view. One function for each (operation, step, call)."""

import html
import json
import os
import shutil
import sys
from pathlib import Path

given = json.load(sys.stdin)
root = Path(given["options"]["root"])
site = root / given.get("ref", "")


def say(outcome="ok", **answer):
    print(json.dumps({"outcome": outcome, **answer}))
    sys.exit(0)


def allocate():
    """Takes a number that no other site has."""
    numbers = root / "numbers"
    numbers.mkdir(exist_ok=True)
    for number in range(1, 1000):
        try:
            os.symlink(given["ref"], numbers / str(number))
        except FileExistsError:
            if os.readlink(numbers / str(number)) != given["ref"]:
                continue
        say(state={"number": number})
    say("temporary", error="every number is taken", retry_after=600)


def release():
    for link in (root / "numbers").glob("*"):
        if os.readlink(link) == given["ref"]:
            link.unlink()
    say(state={})


def write(title):
    """All of the page or nothing: to find(), a page that is there is a site that is whole."""
    new = site / "index.new"
    new.write_text("<h1>%s</h1>" % html.escape(title))
    new.replace(site / "index.html")


def install():
    values = given["values"]
    if values["pages"] > 100:
        say("permanent", error=f"{values['pages']} pages are more than a site can have")
    site.mkdir(exist_ok=True)
    write(given["options"].get("title", "Welcome"))
    say(state={**given["state"], "pages": values["pages"]})


def find():
    """Whether install came to its end."""
    if (site / "index.html").exists():
        say(state={**given["state"], "pages": given["values"]["pages"]})
    say("absent")


def remove():
    if site.exists():
        shutil.rmtree(site)
    say()


def rename():
    write(given["form"]["title"])
    say(result={"message": "The title is new."})


def view():
    say(result={"status": "active" if site.exists() else "suspended", "fields": [
        {"name": "number", "label": "Number", "value": given["state"].get("number")}]})


def test():
    say(result={"ok": os.access(root, os.W_OK)})


calls = {
    ("create", "allocate", "run"): allocate, ("create", "allocate", "undo"): release,
    ("create", "install", "run"): install, ("create", "install", "undo"): remove,
    ("create", "install", "lookup"): find,
    ("terminate", "remove", "run"): remove, ("terminate", "release", "run"): release,
    ("rename", "rename", "run"): rename, ("view", "view", "query"): view,
    ("test", "test", "query"): test,
}
calls[given["operation"], given["step"], given["call"]]()
