# SPDX-License-Identifier: Apache-2.0
"""The ways on which the crash test reaches its ledger: a plugin in C (tests/plugins/ledger.c), the http
plugin and the script plugin, with the same steps. Where the ledger honours keys, http and script
repeat what ended unclearly; else they look it up. The plugin in C always looks."""

import json
import re
import sys

from ledger import STEPS

ROUTES = ("ledger", "http", "script")
SETTLE_MS = 1000
# Crash points that a route does not pass: who runs no program, and whose requests are its program's.
ELSEWHERE = {"ledger": {"host.exec.before", "host.exec.after"},
             "http": {"host.exec.before", "host.exec.after"},
             "script": {"host.send.before", "host.send.after"}}

# One program for every operation. What it starts with is small, for it starts thousands of times.
PROGRAM = """#!%s -IS
import json, socket, sys
given = json.load(sys.stdin)
call = given["call"]
body = json.dumps({"operation": given["operation_id"], "step": given["step"], "run": given["run"],
                   "what": "undo" if call == "undo" else "do", "ref": given["ref"],
                   "state": given.get("state") or {}}).encode()
try:
    with socket.create_connection(("127.0.0.1", int(given["options"]["port"])), 5) as backend:
        backend.sendall(b"POST %%s HTTP/1.1\\r\\nHost: ledger\\r\\nIdempotency-Key: %%s\\r\\n"
                        b"Content-Length: %%d\\r\\n\\r\\n%%s"
                        %% (b"/look" if call == "lookup" else b"/effect",
                           given["idempotency_key"].encode(), len(body), body))
        answer = b""
        while not answer.endswith(b"}"):
            got = backend.recv(4096)
            if not got:
                sys.exit(70)
            answer += got
except ConnectionRefusedError:
    sys.exit(75)
except OSError:
    sys.exit(70)
status, said = int(answer.split()[1]), json.loads(answer.partition(b"\\r\\n\\r\\n")[2])
if call == "lookup" and status == 404:
    sys.exit(80)
if status != 200:
    sys.exit(70)
if given["step"] == "machine" and call != "undo":
    print(json.dumps({"state": {"machine": said["id"]}}))
"""


def points(root):
    """Every crash point of the source."""
    found = set()
    for path in sorted((root / "core").rglob("*.c")):
        found.update(re.findall(r'\bPV_FAULT\("([^"]+)"\)', path.read_text()))
    return sorted(found)


def points_of(root, route):
    return [name for name in points(root) if name not in ELSEWHERE[route]]


def is_blind(route, honour_keys):
    """Whether steps of this route are repeated and undone without a look-up."""
    return honour_keys and route != "ledger"


def http_call(step, honour_keys):
    def body(what):
        # An operation's first step has nothing to show yet.
        state = {} if step == "machine" else {"machine": "{{state.machine?}}"}
        return {"operation": "{{operation.id}}", "step": step, "what": what, "run": "{{operation.run}}",
                "ref": "{{service.ref}}", "state": state}

    call = {"name": step, "path": "/effect", "timeout": "5s", "idempotency_key": True, "body": body("do"),
            "undo": {"path": "/effect", "body": body("undo")}}
    if step == "machine":
        call["state"] = {"machine": {"from": "/id", "type": "integer"}}
    if not honour_keys:
        call |= {"idempotent": False, "lookup": {"method": "POST", "path": "/look", "body": body("do"),
                                                 "absent": 404, "settle": f"{SETTLE_MS}ms"}}
        if step == "machine":
            call["lookup"]["state"] = call["state"]
    return call


def script(folder, honour_keys):
    """Writes the program and its description; its path."""
    path = folder / "effect.py"
    path.write_text(PROGRAM % sys.executable, encoding="utf-8")
    path.chmod(0o755)
    repair = {"repeatable": True} if honour_keys else {"lookup": True, "settle_ms": SETTLE_MS}
    described = {kind: [{"name": step, "undo": True, "timeout_ms": 10000} | repair for step in steps]
                 for kind, steps in STEPS.items()}
    (folder / "effect.py.json").write_text(json.dumps({"operations": described}), encoding="utf-8")
    return path


def options(route, honour_keys, url, folder):
    """The configuration of a provostd with one product, "thing", on this route to the ledger."""
    instance = {"module": route, "settings": {"url": url}}
    if route == "http":
        instance["settings"]["operations"] = {
            kind: [http_call(step, honour_keys) for step in steps] for kind, steps in STEPS.items()}
    elif route == "script":
        instance["settings"] = {"path": str(script(folder, honour_keys)),
                                "options": {"port": url.rsplit(":", 1)[1]}}
        instance["confine"] = False
    return {"limits": {"requests_per_second": 0},
            "plugins": {"thing": instance | {"breaker": {"failures": 0}}},
            "pools": {"numbers": {"range": "1-1000000", "reuse_after": "1h"}},
            "products": {"thing": {"components": [{"plugin": "thing"}], "plans": {"basic": {}},
                                   "retry": {"initial": "50ms", "cap": "500ms"}}}}
