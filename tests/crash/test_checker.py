# SPDX-License-Identifier: Apache-2.0
"""The checker of the crash test finds what it is there for: each kind of damage, done on purpose to the
database or the ledger of a run that went well, is named."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess

import invariants
import ledger
import provost as daemons
import pytest
import routes

DAMAGE = {
    "fell to": "UPDATE services SET fence = 0",
    "does not rise": "UPDATE operations SET fence = 1",
    "work waits and nothing is active": "UPDATE services SET waiting = 1",
    "parked without a reason": "UPDATE services SET active_n = 1, active_state = 4, reason = NULL",
    "ready and never due": "UPDATE services SET active_n = 1, active_state = 2, due = NULL",
    "neither active, nor waiting, nor over": "UPDATE operations SET state = 0 WHERE n = 1",
    "over, and active or waiting": "INSERT INTO waiting VALUES (1, 1, 1)",
    "ended in 11 without a reason": "UPDATE operations SET state = 11, reason = NULL WHERE n = 1",
    "belong to no operation": "UPDATE key_log SET value = 999 WHERE substr(key, 1, 1) = x'01'",
    "its id does not lead to it": "DELETE FROM key_log WHERE substr(key, 1, 1) = x'02'",
    "leads to two rows": "INSERT INTO key_index SELECT key, value + 1 FROM key_log WHERE n = 1",
    "follows 1": "DELETE FROM steps WHERE op_n = 1 AND seq = 2",
    "step rows, has": "DELETE FROM steps WHERE op_n = 1 AND seq = (SELECT max(seq) FROM steps "
                      "WHERE op_n = 1)",
    "completed twice": "UPDATE steps SET step = 'machine' WHERE op_n = 1",
    "undone in the order": "UPDATE steps SET kind = 3 WHERE op_n = 1 AND seq > 99; INSERT INTO steps "
                           "SELECT op_n, seq + 3, component, step, instance, 3, run, attempt, outcome, "
                           "started_ms, ended_ms, text FROM steps WHERE op_n = 1",
    "audit record": "DELETE FROM audit WHERE n = 2",
    "without an audit record": "UPDATE audit SET op = NULL",
    "used, has": "UPDATE pools SET used = 77",
    "held by nobody": "UPDATE slots SET service_n = 0",
}


@pytest.fixture(scope="module")
def good_run(build, tmp_path_factory):
    """A database, a ledger and the operations behind it, after a run without faults."""
    folder = tmp_path_factory.mktemp("good")
    with ledger.Ledger(False) as book:
        one = daemons.Provost(build, folder, routes.options("ledger", False, book.url, folder))
        with one:
            states = {}
            acknowledged = {}
            for kind, members in (("create", {"product": "thing", "plan": "basic"}), ("suspend", {}),
                                  ("unsuspend", {})):
                shown = one.await_operation(kind, "s1", **members)
                states[shown["operation"]] = shown
                acknowledged[f"s1-{kind}"] = shown["operation"]
    return one.database, book, states, acknowledged


def test_a_good_run_has_no_problem(good_run):
    database, book, states, acknowledged = good_run
    assert [shown["state"] for shown in states.values()] == ["done"] * 3
    assert invariants.check(database) == []
    assert book.check(states, acknowledged) == []


@pytest.mark.parametrize("says", DAMAGE)
def test_damage_is_found(good_run, tmp_path, says):
    copy = tmp_path / "damaged.db"
    shutil.copy(good_run[0], copy)
    db = sqlite3.connect(copy)
    db.executescript(DAMAGE[says])
    db.commit()
    db.close()
    problems = invariants.check(copy)
    assert any(says in problem for problem in problems), problems


def test_an_effect_that_is_there_twice_is_found(good_run):
    _, book, states, acknowledged = good_run
    book.lines.append(book.lines[0])
    try:
        problems = book.check(states, acknowledged)
    finally:
        book.lines.pop()
    assert any("2 times" in problem for problem in problems), problems


def test_an_effect_that_is_missing_is_found(good_run):
    _, book, states, acknowledged = good_run
    line = book.lines.pop(0)
    try:
        problems = book.check(states, acknowledged)
    finally:
        book.lines.insert(0, line)
    assert any("0 times" in problem for problem in problems), problems


@pytest.mark.parametrize("says, state", [
    ("reserved", {"number": "999", "password": "another"}),
    ("which is not its own", {"machine": 999}),
    ("is gone", {})])
def test_a_state_document_that_is_not_kept_is_found(good_run, says, state):
    _, book, states, acknowledged = good_run
    number = [line["step"] for line in book.lines].index("account")
    line = book.lines[number]
    book.lines[number] = line | {"state": state}
    try:
        problems = book.check(states, acknowledged)
    finally:
        book.lines[number] = line
    assert any(says in problem for problem in problems), problems


def test_an_undo_of_nothing_is_a_problem_unless_steps_are_repeated_blindly():
    for blind in (False, True):
        with ledger.Ledger(False, blind) as book:
            for step in ledger.STEPS["create"]:
                book.effect("key", {"operation": "op", "step": step, "what": "undo", "run": 1, "ref": "r",
                                    "state": {"number": "1"}})
            problems = book.check({"op": {"state": "superseded"}}, {"s1-create": "op"})
        assert len(problems) == (0 if blind else 2), problems


def test_what_is_replaced_is_undone_unless_it_was_parked():
    with ledger.Ledger(False) as book:
        book.effect("key", {"operation": "op", "step": "stop", "what": "do", "run": 1, "ref": "r", "state": {}})
        for reason, problems in ((None, 1), ("a later one came", 1), ("it was parked when an operation came", 0)):
            states = {"op": {"state": "superseded", "reason": reason}}
            assert len(book.check(states, {"s1-suspend": "op"})) == problems, reason


def test_keys_are_honoured_or_ignored():
    line = {"operation": "op", "step": "machine", "what": "do", "run": 1, "ref": "r", "state": {}}
    for honours, count in ((True, 1), (False, 2)):
        with ledger.Ledger(honours) as book:
            assert book.effect("key", line) == 1
            assert book.effect("key", line) == count
            assert book.effect(None, line) == count + 1
            assert book.effect(None, line) == count + 2


def request(path, body):
    text = json.dumps(body).encode()
    return b"POST %s HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (path.encode(), len(text), text)


def test_a_look_sees_what_a_dead_process_sent_before_it():
    """The look-up stands before the effect in every list that the ledger has, and still comes after."""
    line = {"operation": "op", "step": "machine", "what": "do", "run": 1, "ref": "r", "state": {}}
    book = ledger.Ledger(False)
    address = book.listener.getsockname()
    with socket.create_connection(address, 10) as looks, socket.create_connection(address, 10) as does:
        does.sendall(request("/effect", line))
        looks.sendall(request("/look", line))
        does.close()
        with book:
            assert b" 200 " in looks.recv(4096)
        assert book.lines == [line]


def test_the_long_form_ends_with_1_where_something_is_wrong(build, tmp_path, root):
    """What is read back from a state file counts, as what was played does."""
    played = {"round": 0, "route": "http", "keys": False, "seed": 1, "kills": 7, "lives": 1, "stops": 0,
              "hits": {"host.start": 7}, "moments": {}, "processes": {"host": 7}, "effects": 1,
              "operations": {"done": 1}, "problems": [], "seconds": 1}
    for problems, status in (([], 0), (["op: 2 times"], 1)):
        state = tmp_path / f"{status}.jsonl"
        state.write_text(json.dumps(played | {"problems": problems}) + "\n")
        table = tmp_path / "table"
        done = subprocess.run([root / "tests/crash/long", "--kills", "7", "--build", build, "--state", state,
                               "--table", table], capture_output=True, text=True, check=False,
                              env=dict(os.environ))
        assert done.returncode == status, done.stdout + done.stderr
        assert "7 kills in 1 rounds" in table.read_text()
        assert "| host.start | – | 7 | – | – | – | – | 7 |" in table.read_text()
