# SPDX-License-Identifier: Apache-2.0
"""The backend of the crash test: an HTTP server that keeps a ledger of effects. It outlives every kill.

POST /effect  {"operation", "step", "what": "do"|"undo", "run", "ref", "state", …}: a line in the ledger,
              whose number is the answer's "id". Repeated under the same Idempotency-Key it is one line
              where the header is honoured, else one more. An undo is one line however often it is asked
              for, as deleting something is.
POST /look    200 and the line's id when the ledger has it, else 404

What has arrived before a look-up is in the ledger before that is answered, also what a process sent
that is dead by now, and however late this server comes to read it. So "absent" is true at the moment
at which it is said, on the slowest machine, and what comes after it is the product's doing.
"""

import collections
import json
import selectors
import socket
import threading

STEPS = {"create": ["machine", "account"], "suspend": ["stop"], "unsuspend": ["start"],
         "terminate": ["remove", "forget"]}
MAX_BYTES = 1 << 20  # of a request


class Client:
    """One connection: what has come and is no whole request yet."""

    def __init__(self, sock):
        self.sock = sock
        self.bytes = b""
        self.ended = False

    def read(self):
        """Everything that has arrived."""
        try:
            while len(self.bytes) < MAX_BYTES:
                got = self.sock.recv(65536)
                if not got:
                    break
                self.bytes += got
            self.ended = True
        except BlockingIOError:
            pass
        except OSError:
            self.ended = True

    def requests(self):
        """The whole requests among it: (path, headers, body)."""
        while True:
            head, found, rest = self.bytes.partition(b"\r\n\r\n")
            if not found:
                return
            first, *lines = head.decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in
                       (line.partition(":") for line in lines)}
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            self.bytes = rest[length:]
            yield first.split(" ")[1], headers, json.loads(rest[:length])

    def answer(self, number):
        status, body = ("200 OK", b'{"id":%d}' % number) if number else ("404 Not Found", b"{}")
        try:
            self.sock.send(b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                           % (status.encode(), len(body), body))
        except OSError:
            self.ended = True


class Ledger:
    """honour_keys: whether it knows Idempotency-Key. blind: steps are undone without anybody having
    asked whether they happened, as those are that may be repeated."""

    def __init__(self, honour_keys, blind=False):
        self.honour_keys = honour_keys
        self.blind = blind
        self.lines = []
        self.known = {}  # numbers of lines by their identity
        self.keys = {}  # the same by key
        self.problems = []
        self.clients = selectors.DefaultSelector()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.listener.setblocking(False)
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.waker, self.woken = socket.socketpair()
        self.clients.register(self.listener, selectors.EVENT_READ)
        self.clients.register(self.woken, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            looks = []
            while True:
                ready = self.clients.select(0 if looks else None)
                if any(key.fileobj is self.woken for key, _ in ready):
                    return
                looks = self._pass(looks)
        except Exception as error:  # a thread that dies says so in check()
            self.problems.append(f"the ledger itself failed: {error!r}")
            raise

    def _pass(self, looks):
        """Takes in all that has arrived, then answers the look-ups that came in the pass before."""
        try:
            while True:
                sock, _ = self.listener.accept()
                sock.setblocking(False)
                self.clients.register(sock, selectors.EVENT_READ, Client(sock))
        except BlockingIOError:
            pass
        came = []
        for client in [key.data for key in self.clients.get_map().values() if key.data]:
            client.read()
            for path, headers, body in client.requests():
                if path == "/look":
                    came.append((client, body))
                else:
                    client.answer(self.effect(headers.get("idempotency-key"), body))
        for client, body in looks:
            client.answer(self.known.get(self.identity(body)))
        for client in [key.data for key in self.clients.get_map().values() if key.data]:
            if client.ended and not any(client is waits for waits, _ in came):
                self.clients.unregister(client.sock)
                client.sock.close()
        return came

    @staticmethod
    def identity(body):
        return body["operation"], body["step"], body["what"], body["run"]

    def effect(self, key, body):
        """Enters it; the number of its line."""
        wanted = self.identity(body)
        if body["what"] == "undo" and wanted in self.known:
            return self.known[wanted]
        if self.honour_keys and key in self.keys:
            return self.keys[key]
        self.lines.append(body)
        self.known[wanted] = len(self.lines)
        if key is not None:
            self.keys[key] = len(self.lines)
        return len(self.lines)

    def check(self, states, acknowledged):
        """The problems: each effect of an operation that is done is there once, of any other at most
        once; an operation that ended otherwise has taken back what it did, but for a parked one that was
        replaced: what replaces it runs in full; what a step kept is what the next one was given. states:
        what the API shows of each operation; acknowledged: operations by event id, "SERVICE-KIND"."""
        counts = collections.Counter()
        of_steps = collections.Counter()
        problems = list(self.problems)
        for line in self.lines:
            counts[self.identity(line)] += 1
            of_steps[self.identity(line)[:3]] += 1
        problems += [f"{identity}: {count} times" for identity, count in counts.items() if count > 1]
        problems += self.kept()
        for event, op in acknowledged.items():
            service, kind = event.rsplit("-", 1)
            created = states.get(acknowledged.get(f"{service}-create"), {}).get("state") == "done"
            for step in STEPS[kind]:
                done, undone = of_steps[op, step, "do"], of_steps[op, step, "undo"]
                state = states[op]["state"]
                # Where the create was undone, a terminate runs only if a state document remains.
                wanted = (1,) if kind == "create" or created else (0, 1)
                if state == "done" and done - undone not in wanted:
                    problems.append(f"{event} is done, {step} was carried out {done} times")
                if self.blind and (done, undone) == (0, 1):
                    continue
                parked = str(states[op].get("reason")).startswith("it was parked when")
                if state in ("superseded", "failed", "canceled") and done != undone and not parked:
                    problems.append(f"{event} is {state}: {step} {done} times, undone {undone} times")
        return problems

    def kept(self):
        """What was reserved is the same in every step of a create, and the machine's number in the state
        document is one that this ledger gave to that service."""
        problems = []
        numbers = {}
        machines = collections.defaultdict(set)
        for number, line in enumerate(self.lines, 1):
            if line["step"] == "machine":
                machines[line["ref"]].add(number)
        for line in self.lines:
            name = f"{line['operation']}, {line['step']} ({line['what']})"
            state = line["state"]
            if "number" in state and line["step"] in STEPS["create"]:
                known = numbers.setdefault((line["operation"], line["run"]), state)
                if state != known:
                    problems.append(f"{name}: reserved {known}, then {state}")
            if "machine" in state and state["machine"] not in machines[line["ref"]]:
                problems.append(f"{name}: knows machine {state['machine']}, which is not its own")
            if not state and line["step"] == "account" and line["what"] == "do":
                problems.append(f"{name}: the state document of the step before is gone")
        return problems

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *ignored):
        self.waker.send(b"x")
        self.thread.join()
        for client in [key.data for key in self.clients.get_map().values() if key.data]:
            client.sock.close()
        self.clients.close()
        for sock in (self.listener, self.waker, self.woken):
            sock.close()
