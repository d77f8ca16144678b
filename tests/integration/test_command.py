# SPDX-License-Identifier: Apache-2.0
"""Instances whose host is a program of its own (`command:`), in a whole provostd."""

import errno
import json
import os
import pwd
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plugins"))
from test_python_host import BAD, NOTES  # noqa: E402

STEP = ('{"name": "one", "repeatable": false, "undo": false, "lookup": false, "poll": false, '
        '"timeout_ms": 1000, "settle_ms": 1}')
WEB = {"web": {"components": [{"name": "note", "plugin": "notes"}], "plans": {"basic": {}}}}


def options(*words, values=None, **instance):
    products = {"web": WEB["web"] | {"plans": {"basic": values or {}}}}
    return {"plugins": {"notes": {"command": [str(w) for w in words]} | instance}, "products": products}


def test_a_whole_life(make_provost):
    with make_provost(options(NOTES, values={"title": "hello"})) as provost:
        made = provost.await_operation("create", "a", product="web", plan="basic")
        assert made["state"] == "done", made
        [note] = (provost.folder / "data/instances/notes").glob("*.json")
        assert "hello" in note.read_text()
        assert provost.await_operation("suspend", "a")["state"] == "done"
        assert not note.exists() and note.with_suffix(".off").exists()
        assert provost.await_operation("unsuspend", "a")["state"] == "done"
        assert provost.await_operation("terminate", "a")["state"] == "done"
        assert not note.exists()
        answer = provost.admin("GET", "/v1/instances/notes/queries/test")
        assert answer.status == 200 and '"ok":true' in answer.text.replace(" ", ""), answer


def test_it_is_confined_and_tied(make_provost, tmp_path):
    """Its folder is all that it writes, and it dies with the daemon."""
    with make_provost(options(NOTES)) as provost:
        provost.await_operation("create", "a", product="web", plan="basic")
        pid = provost.hosts()["notes"]
        status = Path(f"/proc/{pid}/status").read_text()
        assert "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status
        assert os.readlink(f"/proc/{pid}/cwd") == str(provost.folder / "data/instances/notes")
        assert Path(f"/proc/{pid}/environ").read_bytes().count(b"\0") == 2


SIGNALS = """
def tried(what, *words):
    try: what(*words)
    except OSError as error: return error.errno
    return 0
ready(); call = step()
found = {"parent": tried(os.kill, os.getppid(), 0), "all": tried(os.kill, -1, 0), "group": tried(os.kill, 0, 0),
         "descriptor": tried(signal.pidfd_send_signal, os.pidfd_open(os.getppid()), 0), "own": tried(os.kill, os.getpid(), 0)}
with open("found", "w") as file: json.dump(found, file)
outcome(call); take()
"""


@pytest.mark.parametrize("abi", [2, 5, None])
def test_it_may_signal_nobody_else(make_provost, request, tmp_path, abi):
    """Also where Landlock does not rule signals."""
    env = None
    if abi is not None:
        request.getfixturevalue("faults")
        env = os.environ | {"PROVOST_FAULTS_LANDLOCK_ABI": str(abi)}
    program = tmp_path / "bad"
    program.write_text(BAD + SIGNALS, encoding="utf-8")
    program.chmod(0o755)
    with make_provost(options(program), env) as provost:
        done = provost.await_operation("create", "a", product="web", plan="basic")
        assert done["state"] == "done", done
        found = json.loads((provost.folder / "data/instances/notes/found").read_text())
    refused = dict.fromkeys(("parent", "all", "group", "descriptor"), errno.EPERM)
    assert found == refused | {"own": 0}


@pytest.mark.skipif(os.geteuid() != 0, reason="not root")
def test_it_may_have_a_user_of_its_own(make_provost):
    """Who cannot pass by the folders above that of the instance."""
    user = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        program = Path(folder) / "bad"
        program.write_text(BAD + "ready(); call = step(); open('mine', 'w').close(); outcome(call); take()\n",
                           encoding="utf-8")
        program.chmod(0o755)
        with make_provost(options(program, user=user.pw_name)) as provost:
            done = provost.await_operation("create", "a", product="web", plan="basic")
            assert done["state"] == "done", done
            assert (provost.folder / "data/instances/notes/mine").stat().st_uid == user.pw_uid


def core_limits(pid):
    [line] = [line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if "core file" in line]
    return line.split()[4:6]


def test_it_leaves_no_core(make_provost):
    """Of the limit 1 the kernel makes no file, and starts no program that would be given what was in memory."""
    with make_provost(options(NOTES)) as provost:
        provost.await_operation("create", "a", product="web", plan="basic")
        assert core_limits(provost.hosts()["notes"]) == ["1", "1"]


def test_it_starts_where_nobody_may_leave_a_core(make_provost):
    """The limit is 0 already and cannot be raised."""
    provost = make_provost(options(NOTES))
    weak = ["setpriv", "--bounding-set=-sys_resource"] if os.geteuid() == 0 else []
    provost.command = ["prlimit", "--core=0", *weak, *provost.command]
    with provost:
        done = provost.await_operation("create", "a", product="web", plan="basic")
        assert done["state"] == "done", done
        assert core_limits(provost.hosts()["notes"]) == ["0", "0"]


def test_a_host_that_is_killed_during_a_step_leaves_it_unknown(make_provost, tmp_path):
    """It keeps no status page, so the step is looked for: nothing is done twice blindly."""
    started = tmp_path / "started"
    os.mkfifo(started)
    program = tmp_path / "bad"
    program.write_text(BAD + f"ready(); step(); open('{started}', 'w').write(str(os.getpid()))\n"
                       "signal.pause()\n", encoding="utf-8")
    program.chmod(0o755)
    with make_provost(options(program, confine=False)) as provost:
        provost.event("create", "a", product="web", plan="basic")
        os.kill(int(started.read_text()), signal.SIGKILL)
        parked = provost.await_operation("create", "a", product="web", plan="basic")
        assert parked["state"] == "needs_operator", parked


def test_a_step_that_never_answers_is_overdue(make_provost, tmp_path):
    program = tmp_path / "bad"
    program.write_text(BAD + "ready(); step(); signal.pause()\n", encoding="utf-8")
    program.chmod(0o755)
    with make_provost(options(program)) as provost:
        parked = provost.await_operation("create", "a", product="web", plan="basic")
        assert parked["state"] == "needs_operator", parked
        assert any("was killed" in message for message in provost.messages())


def test_what_it_declares_may_stand_in_a_file_that_is_granted(make_provost, tmp_path):
    """Its operations depend on its settings, and are read from a file that these name."""
    steps, program = tmp_path / "steps.json", tmp_path / "by_settings"
    steps.write_text('{"suspend": [STEP], "create": [STEP]}'.replace("STEP", STEP), encoding="utf-8")
    field = {"name": "steps", "type": "string", "label": "Steps", "required": True, "secret": False,
             "immutable": False, "file": False}
    host = BAD.replace('"needs": []', '"needs": ["read"], "by_settings": True')
    host = host.replace('"settings": []', f'"settings": [{field}]')
    host = host.replace('{"create": [STEP]}', f'json.load(open("{steps}")) if b"{steps}" in hello else {{}}')
    program.write_text(host + "ready()\nwhile True: outcome(step())\n", encoding="utf-8")
    program.chmod(0o755)
    with make_provost(options(program, settings={"steps": str(steps)}, grants={"read": [str(steps)]})) as provost:
        for operation in "create", "suspend":
            done = provost.await_operation(operation, "a", product="web", plan="basic")
            assert done["state"] == "done", done
    spec = options(program, settings={"steps": str(steps)}, grants={"read": []})
    provost = make_provost(spec)
    done = subprocess.run([provost.build / "provostd", "-c", provost.config, "--check"],
                          capture_output=True, text=True, check=False, env=provost.env)
    assert done.returncode != 0 and "before it had described itself" in done.stderr + done.stdout


@pytest.mark.parametrize("instance, sentence", [
    ({"command": ["notes.py"]}, "expected an absolute path"),
    ({"command": ["/no/such/program"]}, "no program that can be started"),
    ({"command": [str(NOTES)], "module": "dns"}, "expected one of the two"),
    ({}, "a module, or a command"),
    ({"command": [str(NOTES)], "settings": {"colour": "red"}}, "colour"),
    ({"command": ["/bin/true"]}, "before it had described itself"),
])
def test_what_the_configuration_refuses(make_provost, instance, sentence):
    provost = make_provost({"plugins": {"notes": instance}})
    done = subprocess.run([provost.build / "provostd", "-c", provost.config, "--check"],
                          capture_output=True, text=True, check=False, env=provost.env)
    assert done.returncode != 0 and sentence in done.stderr + done.stdout
