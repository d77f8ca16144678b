# SPDX-License-Identifier: Apache-2.0
"""What must hold in a SQLite database of a provostd that is stopped, whatever happened before.

check(path) gives the problems, one sentence each. Numbers are those of core/engine/types.h.
"""

import re
import sqlite3

READY, RUNNING, PARKED, DONE = 2, 3, 4, 10
RUN, UNDO = 0, 3
OUTCOME_OK = 0


def check(path):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    db.row_factory = sqlite3.Row
    try:
        found = db.execute("PRAGMA integrity_check").fetchone()[0]
        problems = [] if found == "ok" else [f"integrity_check: {found}"]
        problems += services(db) + operations(db) + steps(db) + audit(db) + pools(db) + outbox(db)
        return problems
    finally:
        db.close()


def services(db):
    problems = []
    blocked = {row[0]: row[1] for row in
               db.execute("SELECT service_n, count(*) FROM waiting GROUP BY service_n")}
    for row in db.execute("SELECT * FROM services"):
        name = f"service {row['external_id']}"
        if row["waiting"] != blocked.get(row["n"], 0):
            problems.append(f"{name}: says {row['waiting']} wait, {blocked.get(row['n'], 0)} do")
        if row["waiting"] and not row["active_n"]:
            problems.append(f"{name}: work waits and nothing is active")
        if bool(row["active_n"]) != (row["active_state"] in (READY, RUNNING, PARKED)):
            problems.append(f"{name}: active {row['active_n']} in state {row['active_state']}")
        if row["active_state"] == PARKED and not row["reason"]:
            problems.append(f"{name}: parked without a reason")
        if row["active_state"] == READY and row["due"] is None:
            problems.append(f"{name}: ready and never due")
        if row["active_n"]:
            active = db.execute("SELECT id, state, service_n FROM operations WHERE n = ?",
                                (row["active_n"],)).fetchone()
            if active is None or active["id"] != row["active_op"] or active["state"] != 0 \
                    or active["service_n"] != row["n"]:
                problems.append(f"{name}: its active operation is not its own, or is over")
    return problems


def operations(db):
    problems = []
    live = {row[0] for row in db.execute("SELECT active_n FROM services WHERE active_n <> 0")}
    live |= {row[0] for row in db.execute("SELECT op_n FROM waiting")}
    fences = {}
    for row in db.execute("SELECT * FROM operations ORDER BY finished_ms, n"):
        name = f"operation {row['n']}"
        if row["state"] == 0 and row["n"] not in live:
            problems.append(f"{name}: neither active, nor waiting, nor over")
        if row["state"] != 0 and row["n"] in live:
            problems.append(f"{name}: over, and active or waiting")
        if row["state"] not in (0, DONE) and not row["reason"]:
            problems.append(f"{name}: ended in {row['state']} without a reason")
        if row["state"] == DONE and row["steps"]:
            if row["fence"] <= fences.get(row["service_n"], 0):
                problems.append(f"{name}: its fence {row['fence']} does not rise above "
                                f"{fences[row['service_n']]}")
            fences[row["service_n"]] = row["fence"]
    for row in db.execute("SELECT n, fence FROM services"):
        if row["fence"] < fences.get(row["n"], 0):
            problems.append(f"service {row['n']}: its fence fell to {row['fence']}")
    problems += keys(db)
    return problems


def keys(db):
    """Keys stand in the index, or still in the log that is merged into it, or in both."""
    problems = []
    seen = {}
    for table in ("key_index", "key_log"):
        for row in db.execute(f"SELECT key, value FROM {table}"):
            if seen.setdefault(row["key"], row["value"]) != row["value"]:
                problems.append(f"key {row['key'].hex()} leads to two rows")
    events = {value for key, value in seen.items() if key[0] == 1}
    if events - {row[0] for row in db.execute("SELECT n FROM operations")}:
        problems.append("event ids that belong to no operation")
    for row in db.execute("SELECT n, id FROM services"):
        if seen.get(b"\x02" + row["id"]) != row["n"]:
            problems.append(f"service {row['n']}: its id does not lead to it")
    return problems


def steps(db):
    problems = []
    counts = {row["n"]: row["steps"] for row in db.execute("SELECT n, steps FROM operations "
                                                           "WHERE state <> 0")}
    done, undone, last = {}, {}, {}
    for row in db.execute("SELECT * FROM steps ORDER BY op_n, seq"):
        op = row["op_n"]
        if row["seq"] != last.get(op, 0) + 1:
            problems.append(f"operation {op}: step row {row['seq']} follows {last.get(op, 0)}")
        last[op] = row["seq"]
        what = (row["component"], row["step"], row["run"])
        if row["outcome"] == OUTCOME_OK and row["kind"] != UNDO:
            if what in done.setdefault(op, []):
                problems.append(f"operation {op}: {what} completed twice")
            done[op].append(what)
        if row["outcome"] == OUTCOME_OK and row["kind"] == UNDO:
            undone.setdefault(op, []).append(what)
    for op, count in counts.items():
        if last.get(op, 0) != count:
            problems.append(f"operation {op}: says {count} step rows, has {last.get(op, 0)}")
    for op, what in undone.items():
        both = [step for step in reversed(done.get(op, [])) if step in what]
        if [step for step in what if step in both] != both:
            problems.append(f"operation {op}: undone in the order {what}, done {done.get(op)}")
    return problems


def audit(db):
    problems = []
    last = 0
    for row in db.execute("SELECT n FROM audit ORDER BY n"):
        if row["n"] != last + 1:
            problems.append(f"audit record {row['n']} follows {last}")
        last = row["n"]
    missing = db.execute("SELECT count(*) FROM operations WHERE id NOT IN (SELECT op FROM audit "
                         "WHERE op IS NOT NULL)").fetchone()[0]
    if missing:
        problems.append(f"{missing} operations without an audit record")
    return problems


def pools(db):
    problems = []
    for row in db.execute("SELECT pool, first, last, next, used FROM pools"):
        used = db.execute("SELECT count(*) FROM slots WHERE pool = ? AND idx BETWEEN ? AND ?",
                          (row["pool"], row["first"], row["last"])).fetchone()[0]
        if used != row["used"]:
            problems.append(f"pool {row['pool']}: says {row['used']} used, has {used}")
    held = db.execute("SELECT count(*) FROM slots WHERE state = 1 AND service_n = 0").fetchone()[0]
    if held:
        problems.append(f"{held} pool values are held by nobody")
    return problems


ENDS = {"operation.done": "operation.completed", "operation.failed": "operation.failed",
        "operation.parked": "operation.parked", "operation.superseded": "operation.superseded",
        "operation.canceled": "operation.canceled", "operation.abandoned": "operation.abandoned"}
TYPES = ["operation.completed", "operation.failed", "operation.parked", "operation.superseded",
         "operation.canceled", "operation.abandoned", "service.state_changed"]
FINAL = {10: "operation.done", 11: "operation.failed", 12: "operation.superseded",
         13: "operation.canceled", 14: "operation.abandoned"}
CHANGE = re.compile(r"(^|; )service ([a-z]+) to ([a-z]+)$")


def ends(db):
    """What subscribers are told of, out of the audit trail: (record, type, operation)."""
    told = []
    for row in db.execute("SELECT n, what, detail, op FROM audit WHERE what LIKE 'operation.%' "
                          "AND actor = 'engine' ORDER BY n"):
        if row["what"] in ENDS:
            told.append((row["n"], ENDS[row["what"]], row["op"]))
            if CHANGE.search(row["detail"] or ""):
                told.append((row["n"], "service.state_changed", row["op"]))
    return told


def expected(db, subscriber, types=TYPES):
    """What a subscriber of all sources was told, or is to be told: (record, type, operation)."""
    row = db.execute("SELECT since_n FROM subscribers WHERE name = ?", (subscriber,)).fetchone()
    off = {}
    spans = []
    for record in db.execute("SELECT n, what, detail FROM audit WHERE n > ? AND what IN "
                             "('webhook.disabled', 'webhook.enabled') ORDER BY n", (row[0],)):
        name = record["detail"].split(":")[0]
        if name == subscriber and record["what"] == "webhook.disabled":
            off[name] = record["n"]
        elif name == subscriber:
            spans.append((off.pop(name), record["n"]))
    spans += [(start, float("inf")) for start in off.values()]
    return [one for one in ends(db) if one[0] > row[0] and one[1] in types
            and not any(start < one[0] < end for start, end in spans)]


def outbox(db):
    """Each end of an operation is in the audit trail once; the rows of a subscriber add up; of each
    service the first row is due and no other one. Who is told less than everything (by `sources` or
    `events`) may have fewer rows than there are ends, never more."""
    problems = []
    seen = {}
    for _, kind, op in ends(db):
        if kind not in ("operation.parked", "service.state_changed"):
            seen.setdefault(op, []).append(kind)
    for row in db.execute("SELECT n, id, state FROM operations WHERE state <> 0"):
        kinds = seen.get(row["id"], [])
        if not kinds or kinds[-1] != ENDS[FINAL[row["state"]]]:
            problems.append(f"operation {row['n']}: ended in {row['state']}, told as {kinds}")
    for sub in db.execute("SELECT * FROM subscribers"):
        rows = db.execute("SELECT * FROM outbox WHERE subscriber = ? ORDER BY n",
                          (sub["name"],)).fetchall()
        if sub["written"] != sub["delivered"] + len(rows):
            problems.append(f"subscriber {sub['name']}: {sub['written']} written, "
                            f"{sub['delivered']} delivered, {len(rows)} there")
        if sub["undelivered"] != sum(row["undelivered"] for row in rows):
            problems.append(f"subscriber {sub['name']}: says {sub['undelivered']} undelivered")
        wanted = expected(db, sub["name"])
        if sub["written"] > len(wanted):
            problems.append(f"subscriber {sub['name']}: {sub['written']} written, there were "
                            f"{len(wanted)} ends")
        events = {(n, kind) for n, kind, _ in wanted}
        mine = [(row["audit_n"], TYPES[row["type"]]) for row in rows]
        if len(set(mine)) != len(mine):
            problems.append(f"subscriber {sub['name']}: something stands in the outbox twice")
        if set(mine) - events:
            problems.append(f"subscriber {sub['name']}: is told what did not happen")
        chains = {}
        for row in rows:
            if not row["undelivered"]:
                chains.setdefault(row["service_n"], []).append(row["due_ms"])
        for service, dues in chains.items():
            if dues[0] is None or any(due is not None for due in dues[1:]):
                problems.append(f"subscriber {sub['name']}, service {service}: due {dues}")
    return problems


def complete(path, subscriber):
    """Whether a subscriber of everything has one row for each end, delivered or not."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    db.row_factory = sqlite3.Row
    try:
        written = db.execute("SELECT written FROM subscribers WHERE name = ?",
                             (subscriber,)).fetchone()[0]
        wanted = expected(db, subscriber)
        return [] if written == len(wanted) else [f"{written} written, {len(wanted)} ends"]
    finally:
        db.close()
