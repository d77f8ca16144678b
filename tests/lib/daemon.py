# SPDX-License-Identifier: Apache-2.0
"""Starts programs for a test and waits for what they say: readiness over sd_notify, lines of their
log, their end. Everything has a deadline, and nothing is awaited by sleeping."""

import contextlib
import os
import random
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

SLOW = 5 if os.environ.get("PROVOST_SANITIZED") == "1" else 1


def free_port():
    """A port of 127.0.0.1 that nobody had a moment ago, for TCP and for UDP. The kernel gives it to nobody who
    asks for any port, as connections and other servers do: it stays free but for others who call this."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(first // 2, first)
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Notify:
    """The service manager's end of sd_notify."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        Path(path).unlink(missing_ok=True)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)  # the program may run as somebody else
        self.state = {}

    def wait(self, key, value, process, timeout_s):
        """Waits for KEY=VALUE; an error as soon as the process has ended without saying it."""
        deadline = time.monotonic() + timeout_s
        with contextlib.closing(os.fdopen(os.pidfd_open(process.pid), closefd=True)) as ended:
            while self.state.get(key) != value:
                left = deadline - time.monotonic()
                ready, _, _ = select.select([self.socket, ended], [], [], max(0, left))
                if self.socket in ready:
                    text = self.socket.recv(65536).decode()
                    self.state.update(line.split("=", 1) for line in text.splitlines() if "=" in line)
                elif ready:
                    raise AssertionError(f"ended before it said {key}={value}")
                else:
                    raise AssertionError(f"did not say {key}={value} in {timeout_s} s")

    def drain(self):
        """Forgets what was said and not waited for."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.socket.recv(65536, socket.MSG_DONTWAIT)

    def close(self):
        self.socket.close()
        Path(self.path).unlink(missing_ok=True)


class Daemon:
    """A program that says READY=1. Its standard error goes to a file in `folder`.

    with Daemon([build / "provostd", "-c", config], folder) as daemon: …

    starts it, waits until it is ready, and ends it with SIGTERM, which has to end it with status 0
    within 10 s. kill() ends it as a power cut would; start() may be called again after that.
    """

    def __init__(self, command, folder, env=None, name=None):
        self.command = [str(word) for word in command]
        self.folder = Path(folder)
        self.name = name or Path(self.command[0]).name
        self.log = self.folder / f"{self.name}.log"
        self.env = dict(os.environ if env is None else env)
        self.process = None

    def start(self, timeout_s=30 * SLOW):
        assert self.process is None, f"{self.name} is running already"
        # A socket's path has room for some 100 bytes; temporary folders may be longer.
        notify = Notify(f"/tmp/provost-notify-{os.getpid()}-{id(self):x}")
        try:
            with open(self.log, "ab") as log:
                self.process = subprocess.Popen(
                    self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    cwd=self.folder, env=self.env | {"NOTIFY_SOCKET": notify.path})
            notify.wait("READY", "1", self.process, timeout_s)
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{self.name} {error}; its log:\n{self.log_text()}") from None
        finally:
            notify.close()
        return self

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def wait(self, timeout_s=30 * SLOW):
        """Waits until it ends by itself; its exit status (negative: the signal)."""
        status = self.process.wait(timeout_s)
        self.process = None
        return status

    def kill(self):
        """SIGKILL; legal when it does not run."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)
            self.wait()

    def stop(self, timeout_s=30 * SLOW):
        """SIGTERM, and its exit status. Not ended by then: killed, and an error."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {timeout_s} s of SIGTERM; "
                                 f"its log:\n{self.log_text()}") from None

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, error, trace):
        if kind is not None:
            self.kill()
            return
        status = self.stop()
        assert status == 0, f"{self.name} ended with {status}; its log:\n{self.log_text()}"
