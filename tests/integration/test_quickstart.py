# SPDX-License-Identifier: Apache-2.0
"""What a newcomer sees first: `make demo` tells its story to the end, and `make run` comes up."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import provost as daemons
import pytest
import quickstart

STORY_S = 200


def test_the_demo_ends_as_it_should(root, build, crashing_env):
    done = subprocess.run([sys.executable, root / "examples/quickstart/demo", "--build", build],
                          env=crashing_env, capture_output=True, text=True, timeout=STORY_S,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything ended as it should" in done.stdout
    assert "the audit trail is whole" in done.stdout
    assert done.stderr == ""


def test_a_demo_that_goes_wrong_says_so(root, build, tmp_path, crashing_env):
    """Without the example plugin the daemon does not start, and the demo fails with its words."""
    bare = tmp_path / "build"
    bare.mkdir()
    for name in ("provostd", "provost-host", "provost", "plugins"):
        (bare / name).symlink_to(build / name)
    done = subprocess.run([sys.executable, root / "examples/quickstart/demo", "--build", bare],
                          env=crashing_env, capture_output=True, text=True, timeout=STORY_S,
                          check=False)
    assert done.returncode == 1
    assert "siteserver" in done.stdout


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_run_stays_and_says_what_to_try(root, build, crashing_env, end):
    with quickstart.running(root, build, crashing_env, end) as (process, text):
        socket = re.search(r"PROVOST_SOCKET=(\S+)", text).group(1)
        status = subprocess.run([build / "provost", "--socket", socket, "--json", "status"],
                                capture_output=True, text=True, check=True).stdout
        assert '"version"' in status
        left = daemons.descendants(process.pid)
        assert len(left) >= 2
    assert process.returncode == 0
    daemons.await_gone(left)
    assert not Path(socket).parent.exists()
