# SPDX-License-Identifier: Apache-2.0
"""The backend of the crash test: an HTTP server that keeps a ledger of effects. It outlives every kill.

POST /effect  {"operation", "step", "what": "do"|"undo", "run", …}: a line in the ledger. Repeated under the
              same Idempotency-Key it is one line where the header is honoured, else one more. An undo
              is one line however often it is asked for, as deleting something is.
POST /look    200 when the ledger has the line, else 404
"""

import asyncio
import collections
import json
import threading

STEPS = {"create": ["machine", "account"], "suspend": ["stop"], "unsuspend": ["start"],
         "terminate": ["remove", "forget"]}


class Ledger:
    def __init__(self, honour_keys):
        self.honour_keys = honour_keys
        self.lines = []
        self.known = set()  # identities of the lines
        self.keys = set()
        self.started = threading.Event()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20))
        self.url = "http://127.0.0.1:%d" % server.sockets[0].getsockname()[1]
        self.started.set()
        self.loop.run_forever()
        server.close()

    @staticmethod
    def identity(body):
        return body["operation"], body["step"], body["what"], body["run"]

    def _handle(self, path, key, body):
        wanted = self.identity(body)
        if path == "/look":
            return 200 if wanted in self.known else 404
        again = body["what"] == "undo" and wanted in self.known
        if not again and not (self.honour_keys and key in self.keys):
            self.keys.add(key)
            self.known.add(wanted)
            self.lines.append(body)
        return 200

    async def _serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                path = head[0].split(" ")[1]
                headers = {name.lower(): value.strip() for name, _, value in
                           (line.partition(":") for line in head[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                status = self._handle(path, headers.get("idempotency-key"), json.loads(body))
                reason = "OK" if status == 200 else "Not Found"
                writer.write(b"HTTP/1.1 %d %s\r\nContent-Length: 2\r\n\r\n{}"
                             % (status, reason.encode()))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def check(self, states, acknowledged):
        """The problems: each effect of an operation that is done is there once, of any other at most
        once; an operation that ended otherwise has taken back what it did. states: what the API shows
        of each operation; acknowledged: operations by event id, "SERVICE-KIND"."""
        counts = collections.Counter()
        of_steps = collections.Counter()
        numbers = {}
        problems = []
        for line in self.lines:
            counts[self.identity(line)] += 1
            of_steps[self.identity(line)[:3]] += 1
            known = numbers.setdefault((line["operation"], line["run"]), line["state"])
            if STEPS["create"].count(line["step"]) and line["state"] != known:
                problems.append(f"{line['operation']}: reserved {known}, then {line['state']}")
        problems += [f"{identity}: {count} times" for identity, count in counts.items() if count > 1]
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
                if state in ("superseded", "failed", "canceled") and done != undone:
                    problems.append(f"{event} is {state}: {step} {done} times, undone {undone} times")
        return problems

    def __enter__(self):
        self.thread.start()
        assert self.started.wait(10)
        return self

    def __exit__(self, *ignored):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
