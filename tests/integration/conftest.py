# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests that run a whole provostd."""

import copy
import json
import os
import subprocess

import pytest
from daemon import SLOW
from fixtures import backend, make_provost  # noqa: F401


@pytest.fixture
def misbehaving(make_provost, backend):  # noqa: F811
    """A provostd with two instances of the module `misbehave`, `bad` and `good`, each with a product of
    its name whose plans are the ways to misbehave."""
    plans = {how: {"how": how} for how in (
        "well", "wait", "crash", "crash_after_send", "loop", "number", "garbage", "overflow", "exit",
        "deaf", "grow", "spin")}
    instance = {"module": "misbehave", "settings": {"url": backend.url}, "stuck_after": "2s",
                "memory": "400MiB", "cpu_time": "500ms"}
    products = {name: {"components": [{"name": "thing", "plugin": name}], "plans": plans,
                       "retry": {"initial": "100ms", "cap": "1s"}}
                for name in ("bad", "good")}
    # Signals end its hosts as they do without sanitizers; any other report still counts.
    asan = os.environ.get("ASAN_OPTIONS", "").split(":")
    env = os.environ | {"ASAN_OPTIONS": ":".join(
        [option for option in asan if option] + ["handle_segv=0", "handle_abort=0"])}
    return make_provost({"plugins": {name: copy.deepcopy(instance) for name in ("bad", "good")},
                         "products": products}, env)


@pytest.fixture
def faults(build):
    """The build can be told to fail or to be killed at a point (core/base/fault.h)."""
    shown = subprocess.run(["meson", "introspect", "--buildoptions", build], capture_output=True,
                           check=False)
    if shown.returncode != 0 or not next(o["value"] for o in json.loads(shown.stdout) if o["name"] == "faults"):
        pytest.skip("the build has no faults: -Dfaults=true")


@pytest.fixture
def cli(build):
    """cli(one, "service", "list") runs the command against a provostd."""

    def call(one, *words, stdin=""):
        return subprocess.run([build / "provost", "-c", one.config, *map(str, words)], input=stdin,
                              text=True, capture_output=True, timeout=60 * SLOW, cwd=one.folder,
                              env={name: value for name, value in os.environ.items()
                                   if name != "PROVOST_SOCKET"})

    return call


@pytest.fixture
def ask(cli):
    """As cli, for a command that has to succeed: its output, as JSON where --json is among the words."""

    def call(one, *words, **more):
        done = cli(one, *words, **more)
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return json.loads(done.stdout) if "--json" in words else done.stdout

    return call
