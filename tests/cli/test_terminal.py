# SPDX-License-Identifier: Apache-2.0
"""Output on a terminal: cut to its width, in colour."""

import fcntl
import os
import pty
import struct
import subprocess
import termios

SERVICE = {"service": "svc_01jd3v8r6s0c5k2m9x7q4w1z0b", "source": "shop", "external_id": "ä" * 60,
           "product": "日本" * 20, "plan": "basic", "state": "active", "changed": "2026-11-20T10:15:00.000Z"}


def on_terminal(build, daemon, columns, *words, env=None):
    lead, follow = pty.openpty()
    fcntl.ioctl(follow, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environment.update({"TERM": "xterm", **(env or {})})
    process = subprocess.Popen([build / "provost", "--socket", daemon.socket, *words], stdout=follow,
                               stderr=follow, env=environment)
    os.close(follow)
    output = b""
    while True:
        try:
            chunk = os.read(lead, 65536)
        except OSError:
            break
        if not chunk:
            break
        output += chunk
    os.close(lead)
    process.wait(timeout=60)
    return output.decode().replace("\r\n", "\n")


def columns_of(line):
    return sum(2 if ord(char) > 0x2E80 else 1 for char in line)


def test_table_is_cut_to_the_width(build, daemon):
    daemon.on("GET", "/v1/services", {"services": [SERVICE]})
    text = on_terminal(build, daemon, 110, "service", "list", env={"NO_COLOR": "1"})
    title, line = text.splitlines()
    assert columns_of(title) <= 110 and columns_of(line) <= 110
    assert line.count("…") == 2
    assert SERVICE["service"] in line and "10:15:00Z" in line


def test_nothing_is_cut_in_a_pipe(provost, daemon):
    daemon.on("GET", "/v1/services", {"services": [SERVICE]})
    assert SERVICE["product"] in provost("service", "list").stdout


def test_colour(build, daemon, provost):
    daemon.on("GET", "/v1/services", {"services": [SERVICE]})
    assert "\x1b[32mactive\x1b[0m" in on_terminal(build, daemon, 200, "service", "list")
    assert "\x1b" not in on_terminal(build, daemon, 200, "service", "list", env={"NO_COLOR": "1"})
    assert "\x1b" not in on_terminal(build, daemon, 200, "service", "list", env={"TERM": "dumb"})
    assert "\x1b" not in on_terminal(build, daemon, 200, "--color", "never", "service", "list")
    assert "\x1b" not in provost("service", "list").stdout
    assert "\x1b" in provost("--color=always", "service", "list").stdout
