# SPDX-License-Identifier: Apache-2.0
"""A provostd under load: started from the measured build, fired at with wrk, watched through /metrics
and /proc. Rates are of the daemon's own counters, processor time is of the kernel's."""

import contextlib
import json
import os
import re
import subprocess
import time
from pathlib import Path

import provost

HERE = Path(__file__).resolve().parent
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
CONNECTIONS = 64
DRAIN_S = 120  # the longest wait until what was accepted has ended

OPTIONS = {
    "log": {"level": "warn", "format": "json"},
    "limits": {"requests_per_second": 0},
    "plugins": {"keys": {"module": "support"}},
    "products": {"support": {"components": [{"name": "support", "plugin": "keys"}],
                             "plans": {"basic": {}}}},
}


class Load(provost.Provost):
    """A provostd with one instance, `keys`, and an empty database in a folder of its own. The instance is
    of the `support` plugin unless `options` say otherwise."""

    def __init__(self, build, folder, options=None):
        Path(folder).mkdir(parents=True)
        super().__init__(build, folder, options or OPTIONS)
        self.bursts = 0
        self.ready_ms = None

    def start(self, timeout_s=30):
        begin = time.monotonic()
        super().start(timeout_s)
        # What the service manager sees: from before the fork until READY=1 has come.
        self.ready_ms = (time.monotonic() - begin) * 1000
        if self.token is None:
            made = self.admin("POST", "/v1/tokens", {"source": "shop", "scopes": provost.ALL_SCOPES})
            assert made.status == 201, made
            self.token = made.json["token"]
        return self

    def pause(self, paused=True):
        verb = "pause" if paused else "resume"
        answer = self.admin("POST", f"/v1/instances/keys/{verb}", {"reason": "benchmark"})
        assert answer.status in (200, 204), answer

    def counters(self):
        """Sums of the counters and gauges of /metrics, by name; those of operations by state too."""
        answer = self.admin("GET", "/metrics")
        assert answer.status == 200, answer
        found = {}
        for name, labels, value in re.findall(r"^(\w+)(?:\{(.*?)\})? ([0-9.]+)$", answer.text, re.M):
            name = name.removeprefix("provost_")
            found[name] = found.get(name, 0) + float(value)
            if labels.startswith('state="'):
                found[name, labels.split('"')[1]] = float(value)
        return found

    def drain(self):
        """Until nothing is unfinished; the counters then."""
        deadline = time.monotonic() + DRAIN_S
        while True:
            now = self.counters()
            if now["operations_unfinished"] == 0:
                return now
            assert time.monotonic() < deadline, f"operations do not end: {now}"

    def burst(self, seconds, finish=True, wait_s=None, array=None):
        """wrk for so long, with single events or arrays of so many, and with `finish` until all of it has
        ended. A dict: accepted and done a second, latencies, processor time by thread."""
        self.bursts += 1
        before, cpu = self.counters(), self.cpu()
        begin = time.monotonic()
        wrk = run_wrk(self.port, seconds, token=self.token, wait_s=wait_s, array=array,
                      prefix=f"{os.getpid()}.{self.bursts}.{time.time_ns():x}")
        accept_s = time.monotonic() - begin
        after = self.drain() if finish else self.counters()
        all_s = time.monotonic() - begin
        if wrk["refused"] or wrk["broken"]:
            raise AssertionError(f"not every event was accepted: {wrk}\n{self.log_text()[-2000:]}")

        def grown(key):
            return after.get(key, 0) - before.get(key, 0)

        accepted = grown("events_accepted_total")
        done = grown(("operations_finished_total", "done"))
        if finish and done != accepted:
            raise AssertionError(f"{accepted} accepted, {done} done")
        spent = {name: value - cpu.get(name, 0) for name, value in self.cpu().items()}
        spent["wrk"] = wrk["cpu_s"]
        return {"accepted": accepted, "done": done, "accepted_per_s": accepted / accept_s,
                "done_per_s": done / all_s, "wrk": wrk,
                "cpu_us": {name: value * 1e6 / max(accepted, 1) for name, value in spent.items()}}

    def fill(self, operations):
        """At least so many operations that are done."""
        done, seconds = 0, 1
        while done < operations:
            got = self.burst(seconds)
            done += got["done"]
            seconds = min(10, max(1, round((operations - done) / got["done_per_s"])))

    def queue(self, operations):
        """At least so many operations that are accepted and wait, since their instance is paused."""
        self.pause()
        queued, seconds = 0, 1
        while queued < operations:
            got = self.burst(seconds, finish=False)
            queued += got["accepted"]
            seconds = min(10, max(1, round((operations - queued) / got["accepted_per_s"])))

    # ---- what the kernel knows ----

    def cpu(self):
        """Seconds of processor time: of the loop of provostd, of its other thread, which is the store's,
        and of each process below it."""
        spent = {}
        for pid in [self.pid, *provost.descendants(self.pid)]:
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    head, tail = (task / "stat").read_text().rsplit(")", 1)
                    fields = tail.split()
                    name = head.split("(", 1)[1]
                    if pid == self.pid:
                        name = "loop" if int(task.name) == pid else "store thread"
                    spent[name] = spent.get(name, 0) + (int(fields[11]) + int(fields[12])) * TICK_S
        return spent

    def resident(self, with_hosts=False):
        """Resident bytes of provostd, and with its spawner and hosts."""
        pids = [self.pid, *(provost.descendants(self.pid) if with_hosts else [])]
        return sum(int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1])
                   for pid in pids) * 1024


def run_wrk(port, seconds, token="", wait_s=None, array=None, prefix="bare"):
    """wrk with 64 connections; what events.lua prints, and the processor time wrk took itself."""
    env = dict(os.environ, BENCH_TOKEN=token, BENCH_PREFIX=prefix, BENCH_PRODUCT="support",
               BENCH_WAIT=str(wait_s or ""), BENCH_ARRAY=str(array or ""))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "60s", "-s",
               str(HERE / "events.lua"), f"http://127.0.0.1:{port}/v1/events"]
    before = os.times()
    ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=900)
    after = os.times()
    if ran.returncode != 0:
        raise AssertionError(f"wrk: {ran.stdout}{ran.stderr}")
    found = json.loads(ran.stdout.strip().splitlines()[-1])
    found["cpu_s"] = sum(after[2:4]) - sum(before[2:4])
    found["per_s"] = found["requests"] * 1e6 / found["duration_us"]
    return found


def program(build, name, *arguments):
    """What a program of this folder prints: numbers."""
    ran = subprocess.run([build / "tests/bench" / name, *map(str, arguments)], capture_output=True,
                         text=True, timeout=300)
    if ran.returncode != 0:
        raise AssertionError(f"{name}: {ran.stdout}{ran.stderr}")
    return [float(word) for word in ran.stdout.split()]


def fdatasync_rate(build, folder, seconds, size=4096):
    return program(build, "fdatasync_rate", folder, seconds, size)[0]


def responder_rate(build, seconds):
    """Requests a second that wrk gets answered by a bare libmicrohttpd."""
    with subprocess.Popen([build / "tests/bench/responder"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as process:
        try:
            return run_wrk(int(process.stdout.readline()), seconds)["per_s"]
        finally:
            process.stdin.close()
            process.wait(10)
