# SPDX-License-Identifier: Apache-2.0
"""kill -9 of everything that a provostd runs, under load, by seed: at crash points and at any moment.
round() plays one database from its first event to the check of all that is left."""

import collections
import os
import random
import select
import signal
import threading
import time
import urllib.error
from pathlib import Path

import invariants
import ledger
import provost as daemons
import routes
from daemon import SLOW

# Passed a few times a life; others are passed hundreds of times.
COUNTS = {"host.start": (1, 2), "store.checkpoint": (1,), "keys.rename.before": (1,), "keys.rename.after": (1,)}
COSTS = {"store.checkpoint": 4}  # takes that much longer than others
SERVICES = 12  # lives of services under way at once
# Operations that may be under way before the load waits for the oldest; each step of script is a process.
BACKLOG = {"ledger": 200, "http": 200, "script": 16}
PROCESSES = ("provostd", "host", "program", "spawner")


class Load(threading.Thread):
    """Fires events for as long as it may: the lives of services, a few at once. An event without an answer
    is fired again until it has one; what was acknowledged is kept."""

    def __init__(self, one, seed, backlog):
        super().__init__(daemon=True)
        self.one = one
        self.backlog = backlog
        self.pending = collections.deque()  # operations that may not be over
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
        if event["id"] not in self.acknowledged:
            self.pending.append(op)
        if self.acknowledged.setdefault(event["id"], op) != op:
            self.problems.append(f"{event['id']} became {self.acknowledged[event['id']]} and {op}")
        return True

    def hold_back(self):
        """Waits for the oldest operation where too many are under way, a second at most: it may be
        parked, or wait behind one that is. False when nobody answers."""
        if len(self.pending) < self.backlog:
            return True
        try:
            self.one.api("GET", f"/v1/operations/{self.pending[0]}", headers={"Prefer": "wait=1"},
                         timeout_s=5 * SLOW)
        except (OSError, urllib.error.URLError, daemons.http.client.HTTPException, AssertionError):
            return False
        self.pending.popleft()
        return True

    def run(self):
        while not (self.ending and not self.open):
            self.up.wait()
            while len(self.open) < SERVICES and not self.ending:
                self.open.append(self.life())
            events = self.random.choice(self.open) if self.open else None
            if events is None:
                break
            if not self.hold_back() or not self.fire(events[0]):
                # Gone, or going: the next life sets it again.
                self.up.clear()
                continue
            if self.random.random() < 0.1:
                self.fire(events[0])  # a duplicate
            events.pop(0)
            if not events:
                self.open.remove(events)


def process_of(point):
    return "host" if point.startswith("host.") else "provostd"


class Run:
    """One database, many lives."""

    def __init__(self, one, seed, names, backlog):
        self.one = one
        self.seed = seed
        self.random = random.Random(seed)
        self.names = names
        self.hits = dict.fromkeys(names, 0)
        self.moments = collections.Counter()  # kills at no point, by process
        self.stops = 0
        self.load = Load(one, seed, backlog)
        self.faults = one.folder / "faults"
        self.faults.mkdir()
        self.lives = 0

    @property
    def kills(self):
        return sum(self.hits.values()) + sum(self.moments.values())

    def never(self):
        return [name for name, count in self.hits.items() if count == 0]

    def by_process(self):
        counts = collections.Counter(self.moments)
        for name, count in self.hits.items():
            counts[process_of(name)] += count
        return {process: counts[process] for process in PROCESSES}

    def choose(self, orderly):
        """The points at which this life is killed, with how often each is passed before; an orderly one
        has only those of hosts."""
        hosts = [name for name in self.names if process_of(name) == "host"]
        others = [name for name in self.names if process_of(name) != "host"]
        # Points that were hit least come first.
        hosts.sort(key=lambda name: (self.hits[name], self.random.random()))
        others.sort(key=lambda name: (self.hits[name] * COSTS.get(name, 1), self.random.random()))
        chosen = hosts[:2] + ([] if orderly else others[:1])
        return {name: self.random.choice(COUNTS.get(name, (1, 2, 3, 5, 8, 13, 21)))
                for name in chosen}

    def collect(self, prefix):
        for name in self.names:
            if Path(f"{prefix}.{name}").exists():
                self.hits[name] += 1

    def below(self):
        """What runs below provostd: lists of pids by process."""
        found = collections.defaultdict(list)
        for pid in sorted(daemons.descendants(self.one.pid)):
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes()
                parent = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue  # it has ended meanwhile
            if b"provost-host:" in words:
                found["host"].append(pid)
            elif b"effect.py" in words:
                found["program"].append(pid)
            elif parent == self.one.pid:
                found["spawner"].append(pid)
        return found

    def rotate(self):
        """Has the keys rotated, under load; provostd may be gone before it answers."""
        try:
            self.one.admin("POST", "/v1/keys/rotate")
        except (OSError, daemons.http.client.HTTPException):
            pass

    def kill_one(self, kinds):
        """Kills one process of these kinds at this moment, when there is one."""
        found = [(kind, pid) for kind, pids in self.below().items() if kind in kinds for pid in pids]
        if found:
            kind, pid = self.random.choice(found)
            try:
                os.kill(pid, signal.SIGKILL)
                self.moments[kind] += 1
            except ProcessLookupError:
                pass

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
            gone = []
            if any(name.startswith(("keys.", "store.reseal")) for name in chosen):
                self.rotate()
            for _ in range(self.random.randrange(1, 4)):
                gone = gone or select.select([ended], [], [], life_s / 2 * self.random.random())[0]
                if not gone:
                    self.kill_one(("host", "program"))
            gone = gone or select.select([ended], [], [], life_s / 2)[0]
            if not gone and "store.checkpoint" in chosen:
                # The store moves its log once it has nothing to do for two seconds.
                self.load.up.clear()
                gone = select.select([ended], [], [], 10 * SLOW)[0]
            if not gone and not orderly and self.random.random() < 0.1:
                # Without its spawner provostd ends, and tells the service manager so.
                self.kill_one(("spawner",))
                gone = select.select([ended], [], [], 60 * SLOW)[0]
                assert gone, f"provostd goes on without a spawner: {self.one.log_text()[-3000:]}"
        finally:
            os.close(ended)
        if not gone and orderly:
            # Now and then it is asked to stop, under load.
            assert self.one.stop() == 0, self.one.log_text()[-3000:]
            self.stops += 1
        elif not gone:
            self.moments["provostd"] += 1
        self.load.up.clear()
        self.one.kill()
        self.collect(prefix)

    def finish(self, timeout_s):
        """A start without faults: what is left is fired, and everything that was acknowledged ends."""
        self.one.env.pop("PROVOST_FAULTS", None)
        self.one.start()
        self.load.ending = True
        self.load.up.set()
        self.load.join(60 * SLOW)
        assert not self.load.is_alive()
        connection = daemons.http.client.HTTPConnection("127.0.0.1", self.one.port, timeout=30)
        deadline = time.monotonic() + timeout_s
        left = set(self.load.acknowledged.values())
        states = {}
        headers = {}
        while left:
            for op in sorted(left):
                shown = self.one.operation(op, connection=connection, headers=headers)
                states[op] = shown
                if shown["state"] in daemons.FINAL or shown["state"] == "needs_operator":
                    left.discard(op)
                # One that is queued behind a parked one waits for a person, too.
                elif shown["state"] == "queued" and self.parked(shown["service"]):
                    left.discard(op)
            assert time.monotonic() < deadline, [states[op] for op in sorted(left)[:10]]
            headers = {"Prefer": "wait=1"}
        return states

    def parked(self, service):
        answer = self.one.api("GET", f"/v1/services/{service}/operations")
        return any(op["state"] == "needs_operator" for op in answer.json["operations"])


def begin(one):
    """Makes the token, which outlives every start."""
    one.start()
    one.api("GET", "/v1/services")
    one.kill()


def judge(one, run, states, book):
    """Everything that is wrong after the last life."""
    problems = run.load.problems + invariants.check(one.database)
    problems += book.check(states, run.load.acknowledged)
    ended = collections.Counter(shown["state"] for shown in states.values())
    for op, shown in states.items():
        if shown["state"] == "needs_operator" and not shown.get("reason"):
            problems.append(f"{op} is parked without a reason")
    # Where no terminate came, nothing may have overtaken the create.
    for event, op in run.load.acknowledged.items():
        service, kind = event.rsplit("-", 1)
        if kind == "create" and f"{service}-terminate" not in run.load.acknowledged \
                and states[op]["state"] not in ("done", "needs_operator"):
            problems.append(f"{event} is {states[op]['state']}, and nobody terminated it")
    if ended["done"] <= len(states) / 4:
        problems.append(f"too few operations are done: {dict(ended)}")
    if ended["needs_operator"] >= max(1, len(states) / 50):
        problems.append(f"too many operations are parked: {dict(ended)}")
    return problems


def round(make, root, route, honour_keys, seed, kills):  # noqa: A001
    """One database on one route, until there were this many kills and each point of the route was hit.
    make(options, …) gives a Provost; what happened, and the list of what is wrong."""
    run = None
    with ledger.Ledger(honour_keys, routes.is_blind(route, honour_keys)) as book:
        one = make()
        one.configure(routes.options(route, honour_keys, book.url, one.folder))
        begin(one)
        run = Run(one, seed, routes.points_of(root, route), BACKLOG[route])
        run.load.start()
        while run.kills < kills or (run.never() and run.lives < 2 * kills):
            run.live(1.0 * SLOW)
        states = run.finish(120 * SLOW)
        verified = one.admin("GET", "/v1/audit/verify")
        problems = [] if verified.status == 200 else [f"audit: {verified}"]
        status = one.stop()
        if status != 0:
            problems.append(f"the last provostd ended with {status}")
        problems += judge(one, run, states, book)
        problems += [f"{name} was never hit" for name in run.never()]
    return {"route": route, "keys": honour_keys, "seed": seed, "kills": run.kills, "lives": run.lives,
            "stops": run.stops, "hits": run.hits, "moments": dict(run.moments),
            "processes": run.by_process(), "effects": len(book.lines),
            "operations": dict(collections.Counter(shown["state"] for shown in states.values())),
            "problems": problems}
