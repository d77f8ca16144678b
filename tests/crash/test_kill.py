# SPDX-License-Identifier: Apache-2.0
"""kill -9 of provostd and of hosts under load, at points before and after every commit and every
backend send, and at any moment. Afterwards each effect is in the ledger once, and every acknowledged
event is done or parked with a reason."""

import json
import os
import random
import re
import select
import signal
import threading
import time
import urllib.error
from pathlib import Path

import invariants
import ledger
import provost as daemons
import pytest
from daemon import SLOW

KILLS = int(os.environ.get("PROVOST_KILLS", "320" if SLOW == 1 else "100"))
SEED = int(os.environ.get("PROVOST_SEED", "1"))
# These stand where this test does not come: its plugin runs no program.
ELSEWHERE = {"host.exec.before", "host.exec.after"}
RARE = {"host.start", "store.checkpoint"}  # passed a few times a life
SERVICES = 12  # under way at once


def points(root):
    """Every crash point of the source."""
    found = set()
    for path in sorted((root / "core").rglob("*.c")):
        found.update(re.findall(r'\bPV_FAULT\("([^"]+)"\)', path.read_text()))
    return sorted(found)


class Load(threading.Thread):
    """Fires events for as long as it may: the lives of services, a few at once. An event without an answer
    is fired again until it has one; what was acknowledged is kept."""

    def __init__(self, one, seed):
        super().__init__(daemon=True)
        self.one = one
        self.random = random.Random(seed)
        self.acknowledged = {}  # event id: operation
        self.problems = []
        self.open = []  # lives under way: lists of events still to be fired
        self.count = 0
        self.up = threading.Event()
        self.ending = False

    def life(self):
        self.count += 1
        service = f"s{self.count}"
        kinds = self.random.choice((
            ["create"], ["create", "suspend", "unsuspend"], ["create", "suspend", "terminate"],
            ["create", "terminate"]))
        events = []
        for kind in kinds:
            members = {"id": service}
            event = {"id": f"{service}-{kind}", "type": f"service.{kind}", "service": members}
            if kind == "create":
                members |= {"product": "thing", "plan": "basic"}
                event["customer"] = {"id": "c", "email": "customer@example.com"}
            events.append(event)
        return events

    def fire(self, event):
        """True when it was acknowledged."""
        try:
            answer = self.one.api("POST", "/v1/events", event, timeout_s=5 * SLOW)
        except (OSError, urllib.error.URLError, daemons.http.client.HTTPException, AssertionError):
            return False
        if answer.status == 503:
            return False
        if answer.status not in (200, 202):
            self.problems.append(f"{event['id']}: {answer}")
            return True
        op = answer.json["operation"]
        if self.acknowledged.setdefault(event["id"], op) != op:
            self.problems.append(f"{event['id']} became {self.acknowledged[event['id']]} and {op}")
        return True

    def run(self):
        while not (self.ending and not self.open):
            self.up.wait()
            while len(self.open) < SERVICES and not self.ending:
                self.open.append(self.life())
            events = self.random.choice(self.open) if self.open else None
            if events is None:
                break
            if not self.fire(events[0]):
                # Gone, or going: the next life sets it again.
                self.up.clear()
                continue
            if self.random.random() < 0.1:
                self.fire(events[0])  # a duplicate
            events.pop(0)
            if not events:
                self.open.remove(events)


class Run:
    """One database, many lives."""

    def __init__(self, one, seed, names):
        self.one = one
        self.seed = seed
        self.random = random.Random(seed)
        self.names = names
        self.hits = dict.fromkeys(names, 0)
        self.kills = 0
        self.stops = 0
        self.load = Load(one, seed)
        self.faults = one.folder / "faults"
        self.faults.mkdir()
        self.lives = 0
        self.passwords = {}

    def choose(self, orderly):
        """The points at which this life is killed, with how often each is passed before; an orderly one
        has only those of hosts."""
        hosts = [name for name in self.names if name.startswith("host.")]
        others = [name for name in self.names if not name.startswith("host.")]
        # Points that were hit least come first.
        hosts.sort(key=lambda name: (self.hits[name], self.random.random()))
        others.sort(key=lambda name: (self.hits[name], self.random.random()))
        chosen = hosts[:2] + ([] if orderly else others[:1])
        return {name: self.random.choice((1, 2) if name in RARE else (1, 2, 3, 5, 8, 13, 21))
                for name in chosen}

    def collect(self, prefix):
        for name in self.names:
            if Path(f"{prefix}.{name}").exists():
                self.hits[name] += 1
                self.kills += 1

    def kill_a_host(self):
        try:
            hosts = [pid for pid in daemons.descendants(self.one.pid)
                     if b"provost-host:" in Path(f"/proc/{pid}/cmdline").read_bytes()]
            if hosts:
                os.kill(self.random.choice(hosts), signal.SIGKILL)
                self.kills += 1
        except OSError:
            pass  # it has ended meanwhile

    def live(self, life_s):
        """One life, from a start to a kill."""
        self.lives += 1
        prefix = self.faults / str(self.lives)
        orderly = self.random.random() < 0.12
        chosen = self.choose(orderly)
        self.one.env["PROVOST_FAULTS"] = f"{prefix}:" + ",".join(
            f"{name}={count}" for name, count in chosen.items())
        try:
            self.one.start()
        except AssertionError:
            self.collect(prefix)
            assert any(Path(f"{prefix}.{name}").exists() for name in chosen), self.one.log_text()[-3000:]
            return
        ended = os.pidfd_open(self.one.pid)
        try:
            self.load.up.set()
            gone, _, _ = select.select([ended], [], [], life_s * self.random.random())
            if not gone:
                self.kill_a_host()
                gone, _, _ = select.select([ended], [], [], life_s)
        finally:
            os.close(ended)
        if not gone and orderly:
            # Now and then it is asked to stop, under load.
            assert self.one.stop() == 0, self.one.log_text()[-3000:]
            self.stops += 1
        elif not gone:
            self.kills += 1
        self.load.up.clear()
        self.one.kill()
        self.collect(prefix)

    def finish(self, timeout_s):
        """A start without faults: what is left is fired, and everything that was acknowledged ends."""
        self.one.env.pop("PROVOST_FAULTS")
        self.one.start()
        self.load.ending = True
        self.load.up.set()
        self.load.join(60 * SLOW)
        assert not self.load.is_alive()
        connection = daemons.http.client.HTTPConnection("127.0.0.1", self.one.port, timeout=30)
        deadline = time.monotonic() + timeout_s
        left = set(self.load.acknowledged.values())
        states = {}
        while left:
            for op in sorted(left):
                shown = self.one.operation(op, connection=connection)
                states[op] = shown
                if shown["state"] in daemons.FINAL or shown["state"] == "needs_operator":
                    left.discard(op)
                # One that is queued behind a parked one waits for a person, too.
                elif shown["state"] == "queued" and self.parked(shown["service"]):
                    left.discard(op)
            assert time.monotonic() < deadline, [states[op] for op in sorted(left)[:10]]
        return states

    def parked(self, service):
        answer = self.one.api("GET", f"/v1/services/{service}/operations")
        return any(op["state"] == "needs_operator" for op in answer.json["operations"])


def options_for(book):
    return {"plugins": {"thing": {"module": "ledger", "settings": {"url": book.url},
                                  "breaker": {"failures": 0}}},
            "pools": {"numbers": {"range": "1-1000000", "reuse_after": "1h"}},
            "products": {"thing": {"components": [{"plugin": "thing"}], "plans": {"basic": {}},
                                   "retry": {"initial": "50ms", "cap": "500ms"}}}}


def begin(one):
    """Makes the token, which outlives every start."""
    one.start()
    one.api("GET", "/v1/services")
    one.kill()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("honour_keys", [False, True], ids=["keys-ignored", "keys-honoured"])
def test_nothing_is_lost_and_nothing_is_done_twice(make_provost, root, honour_keys):
    names = [name for name in points(root) if name not in ELSEWHERE]
    assert len(names) >= 6, names
    with ledger.Ledger(honour_keys) as book:
        one = make_provost(options_for(book))
        begin(one)
        run = Run(one, SEED + honour_keys, names)
        run.load.start()
        while run.kills < KILLS / 2:
            run.live(1.0 * SLOW)
        states = run.finish(120 * SLOW)
        verified = one.admin("GET", "/v1/audit/verify")
        assert verified.status == 200, verified
        assert one.stop() == 0

        problems = run.load.problems + invariants.check(one.database)
        problems += book.check(states, run.load.acknowledged)
        for op, shown in states.items():
            if shown["state"] == "needs_operator" and not shown.get("reason"):
                problems.append(f"{op} is parked without a reason")
        ended = {}
        for shown in states.values():
            ended[shown["state"]] = ended.get(shown["state"], 0) + 1
        print(json.dumps({"seed": run.seed, "kills": run.kills, "stops": run.stops,
                          "lives": run.lives, "hits": run.hits,
                          "operations": ended, "effects": len(book.lines)}))
        assert not problems, "\n".join(problems[:50])
        # Where no terminate came, nothing may have overtaken the create.
        kept = {event: states[op]["state"] for event, op in run.load.acknowledged.items()
                if event.endswith("-create")
                and event.replace("-create", "-terminate") not in run.load.acknowledged}
        assert kept and set(kept.values()) <= {"done", "needs_operator"}, kept
        assert ended.get("done", 0) > len(states) / 4, ended
        assert ended.get("needs_operator", 0) < len(states) / 50, ended
        never = [name for name, count in run.hits.items() if count == 0]
        assert not never, f"points that were never hit: {never}"


def test_stops_under_load(make_provost):
    """SIGTERM at any moment: status 0 within ten seconds, and the next start goes on."""
    chance = random.Random(SEED)
    with ledger.Ledger(False) as book:
        one = make_provost(options_for(book))
        begin(one)
        run = Run(one, SEED, [])
        run.load.start()
        for _ in range(25):
            one.start()
            ended = os.pidfd_open(one.pid)
            run.load.up.set()
            for _ in range(chance.randrange(3)):
                select.select([ended], [], [], chance.random() * 0.3)
                run.kill_a_host()
            select.select([ended], [], [], chance.random() * 0.3)
            os.close(ended)
            assert one.stop() == 0, one.log_text()[-3000:]
            run.load.up.clear()
        one.env["PROVOST_FAULTS"] = ""
        states = run.finish(120 * SLOW)
        assert one.stop() == 0
        problems = run.load.problems + invariants.check(one.database)
        problems += book.check(states, run.load.acknowledged)
        assert not problems, "\n".join(problems[:50])
