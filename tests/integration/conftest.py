# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests that run a whole provostd."""

import backend as backends
import provost as daemons
import pytest


@pytest.fixture
def backend():
    with backends.Backend() as backend:
        yield backend


@pytest.fixture
def make_provost(build, tmp_path):
    """make_provost(options) gives a Provost that is not started. At the end of the test it is stopped
    when it runs, and nothing that it started may be left."""
    made = []

    def make(options=None, env=None):
        folder = tmp_path / f"provost-{len(made)}"
        folder.mkdir()
        made.append(daemons.Provost(build, folder, options, env))
        return made[-1]

    yield make
    for one in made:
        left = daemons.descendants(one.pid) if one.running() else set()
        try:
            if one.running():
                assert one.stop() == 0, one.log_text()
        finally:
            one.kill()
            one.close_notify()
            one.socket_path.unlink(missing_ok=True)
        daemons.await_gone(left)


@pytest.fixture
def misbehaving(make_provost, backend):
    """A provostd with two instances of the module `misbehave`, `bad` and `good`, each with a product of
    its name whose plans are the ways to misbehave."""
    plans = {how: {"how": how} for how in (
        "well", "wait", "crash", "crash_after_send", "loop", "number", "garbage", "overflow", "exit",
        "deaf", "grow")}
    instance = {"module": "misbehave", "settings": {"url": backend.url}, "stuck_after": "1s",
                "memory": "400MiB"}
    products = {name: {"components": [{"name": "thing", "plugin": name}], "plans": plans,
                       "retry": {"initial": "100ms", "cap": "1s"}}
                for name in ("bad", "good")}
    return make_provost({"plugins": {"bad": instance, "good": instance}, "products": products})
