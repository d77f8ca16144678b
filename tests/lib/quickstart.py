# SPDX-License-Identifier: Apache-2.0
"""`make run`, as somebody starts and ends it."""

import contextlib
import signal
import subprocess
import sys


@contextlib.contextmanager
def running(root, build, env, end=signal.SIGINT):
    """The process while it runs, and all that it printed by the time it stays; then this signal ends it."""
    process = subprocess.Popen([sys.executable, root / "examples/quickstart/demo", "--stay", "--build", build],
                               env=env, stdout=subprocess.PIPE, text=True)
    try:
        lines = []
        while not lines or "Ctrl-C" not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], "it ended: " + "".join(lines)
        yield process, "".join(lines)
    finally:
        process.send_signal(end)
        process.communicate(timeout=150)  # it ends two programs
