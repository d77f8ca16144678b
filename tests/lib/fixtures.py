# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the folders whose tests run a whole provostd; a folder's conftest.py imports them."""

import backend as backends
import provost as daemons
import pytest


@pytest.fixture
def backend():
    with backends.Backend() as one:
        yield one


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
