# SPDX-License-Identifier: Apache-2.0
"""Scripts of tests/npm, run by node with the packages that its lock file names."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent.parent
FOLDER = TOP / "tests" / "npm"


def need():
    """Installs the packages if they are not there yet; skips the test where node is missing."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    done = subprocess.run([TOP / "tools" / "install-npm"], capture_output=True, text=True, timeout=280,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr


def run(script, data=None):
    """Runs tests/npm/SCRIPT with `data` as JSON on its input; what it prints, parsed."""
    need()
    done = subprocess.run(["node", FOLDER / script], input=json.dumps(data), capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0, f"{script}: {done.stdout}{done.stderr}"
    return json.loads(done.stdout)
