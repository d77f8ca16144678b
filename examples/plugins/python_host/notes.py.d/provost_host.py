# SPDX-License-Identifier: Apache-2.0
"""The host of a plugin in Python: docs/wire.md on descriptor 3, with the standard library alone. A plugin gives its
description and its functions by (operation, step, kind) to serve(); each function is called with a Call."""

import json
import os
import queue
import signal
import socket
import struct
import threading
import time
from functools import reduce

HELLO, STEP, QUERY, CANCEL, ANSWER, LEASE, STOP = range(1, 8)
READY, FAULT, OUTCOME, ASK, PROGRESS, LOG = range(64, 70)
OUTCOMES = "ok pending temporary instance_fault permanent unknown canceled absent in_progress no_step".split()
daemon, lock, calls, hidden, ending = socket.socket(fileno=3), threading.Lock(), {}, set(), queue.SimpleQueue()
frames, settings, lease, encode = daemon.makefile("rb"), {}, [float("inf")], json.JSONEncoder(allow_nan=False).encode


class End(Exception):
    """Ends a call: raise End("temporary", "the disk is full", 5000); the last is when to try again, in ms."""


def send(kind, call, *parts):
    payload = b"".join(struct.pack("<I", len(p.encode())) + p.encode() if isinstance(p, str) else p for p in parts)
    with lock:
        daemon.sendall(struct.pack("<IHHQ", len(payload), kind, 0, call) + payload)


def receive(size):
    data = bytearray(frames.read(size))
    return data if len(data) == size else os._exit(0)  # the daemon is gone


def take(data, *form):  # cuts fields off: letters of struct, or str for a text
    for part in form:
        size = 4 + struct.unpack_from("<I", data)[0] if part is str else struct.calcsize("<" + part)
        yield data[4:size].decode() if part is str else struct.unpack("<" + part, data[:size])[0]
        del data[:size]


def mask(said):
    return reduce(lambda text, secret: text.replace(secret, "******"), filter(None, list(hidden)), said)


class Call:
    """What a step or a query is given, and what it may ask."""
    def __init__(self, number, kind, data):
        self.number, self.answers, self.canceled, self.touched = number, queue.SimpleQueue(), False, False
        if kind == STEP:
            _, how, _, _, limit_ms, self.run, self.attempt, self.generation, _, _, self.operation, _, self.step = take(
                data, *"IBBHIIII", "16s", "16s", str, str, str)
            self.kind = ["run", "poll", "lookup", "undo"][how]
        else:
            _, limit_ms, *_, self.step, _ = take(data, *"IIII", "16s", str, str)
            self.kind, self.operation = "query", ""
        self.settings, self.result, self.asked, limit_ms = settings, None, 0, limit_ms or (60000, 10000)[kind == QUERY]
        self.until = time.monotonic() + limit_ms / 1000  # whatever a function waits for must not take longer
        self.external_id, self.ref, given, state = take(data, str, str, str, str)
        self.input, self.state = json.loads(given or "{}"), json.loads(state or "{}")

    def cancel(self):
        self.canceled = True
        self.answers.put((0, 0, ""))

    def touch(self, outside=True):
        """Before whatever reaches out: in time, not canceled, a step within its lease; from here on it may have been."""
        late, over = time.monotonic() >= self.until, self.kind != "query" and time.monotonic() * 1000 >= lease[0]
        if late or over or self.canceled:
            raise TimeoutError("it took too long") if late else End("canceled", "canceled, or the lease is over")
        self.touched = self.touched or outside

    def secret(self, name, text):
        """Asks the store, which keeps `text` the first time and gives the same in every attempt: durable at once."""
        self.touch(outside=False)
        self.asked += 1
        send(ASK, self.number, struct.pack("<IBBBBQ", self.asked, 9, 0, 0, 0, 0), name, "", text)
        try:
            status, _, value = self.answers.get(timeout=max(0, self.until - time.monotonic()))
        finally:
            self.touch(outside=False)
        if status != 0:
            raise End("temporary", f"secret {name}: {value}")
        hidden.add(value)
        return value

    def progress(self, percent, text):
        send(PROGRESS, self.number, struct.pack("<i", percent), mask(text))

    def log(self, text, level=1):
        send(LOG, self.number, bytes([level]), mask(text))

    def play(self, functions):
        function, before = functions.get((self.operation, self.step, self.kind)), encode(self.state)
        said = ("ok", "", -1) if function else ("no_step", f"there is no {self.kind} of {self.step}", -1)
        try:
            if function:
                function(self)
        except End as end:
            said = end.args + said[len(end.args):]
        except (Exception, SystemExit) as error:  # nobody can say what it did outside
            said = ("unknown" if self.touched else "temporary", f"{type(error).__name__}: {error}", -1)
        while self.number in calls:
            try:
                state = before if self.kind == "query" else encode(self.state)
                head = OUTCOMES.index(said[0]), self.touched, state != before, 0, said[2]
                send(OUTCOME, self.number, struct.pack("<BBBBq", *head), mask(said[1])[:1000],
                     "" if state == before else state, "" if self.result is None else encode(self.result))
                del calls[self.number]  # now that the outcome has left: stop() waits for that
            except (AttributeError, TypeError, ValueError, RecursionError, struct.error) as error:  # it fits no frame
                said = ("unknown", ascii(f"{type(error).__name__}: {error}"), -1)
                self.state, self.result = json.loads(before), None


def stop():  # on STOP and SIGTERM: cancels what runs, and ends when the outcomes are sent
    ending.get()
    while calls:
        for call in list(calls.values()):
            call.cancel()
        time.sleep(0.01)
    os._exit(0)


def serve(description, functions):
    signal.signal(signal.SIGTERM, lambda *_: ending.put(None))
    threading.Thread(target=stop, daemon=True).start()
    while True:
        length, kind, _, number = struct.unpack("<IHHQ", receive(16))
        data, call = receive(length), calls.get(number)
        if kind == HELLO:
            version, _, describe, _, _, _, given, _ = take(data, *"III", str, str, str, str, str)
            no = version != 1 and f"version {version} is asked for, this host speaks 1"
            settings.update({} if no else json.loads(given or "{}"))
            hidden.update(str(settings.get(f["name"]) or "") for f in description["settings"] if f["secret"])
            send(FAULT if no else READY, 0, no or json.dumps(description))
            if no or describe:
                os._exit(3 if no else 0)
        elif kind in (STEP, QUERY):
            calls[number] = Call(number, kind, data)
            threading.Thread(target=calls[number].play, args=[functions], daemon=True).start()
        elif kind == ANSWER and call:
            call.answers.put(tuple(take(data, *"IiQ", str))[1:])
        elif kind == LEASE:
            [lease[0]] = take(data, "q")
        elif kind == CANCEL and call:
            call.cancel()
        elif kind == STOP:
            ending.put(None)
