# SPDX-License-Identifier: Apache-2.0
"""A plugin that tries to get out of its host, from its constructor, from a step and from a query,
fails each time with the errno that docs/security.md promises, and nobody else notices."""

import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import textwrap
from pathlib import Path

import provost as daemons
import pytest

REFUSED = {
    "database": "EACCES", "keys": "EACCES", "other_instance": "EACCES", "shadow": "EACCES",
    "write_outside": "EACCES", "write_temporary": "EACCES", "truncate_by_path": "EACCES",
    "truncate_by_open": "EACCES", "change_mode": "EPERM", "change_mode_anew": "EPERM",
    "change_owner": "EPERM", "remove_outside": "EACCES", "environment_of_other": "EACCES",
    "environment_of_own": "ENOENT", "run_program": "EPERM", "make_process": "EPERM",
    "new_call": "ENOSYS", "new_namespace": "EPERM", "trace": "EPERM", "read_memory": "EPERM",
    "send_signal": "EPERM", "signal_all": "EPERM", "signal_group": "EPERM", "unix_socket": "EACCES",
    "unix_datagrams": "EACCES", "raw_socket": "EACCES", "packet_socket": "EACCES",
    "take_calls": "EPERM", "kernel_program": "EPERM", "kernel_events": "EPERM",
    "kernel_keys": "EPERM", "kernel_rings": "ENOSYS", "mounting": "EPERM", "shared_memory": "EPERM",
    "be_dumpable": "EPERM", "outlive": "EPERM"}
ALLOWED = {"own_file": "done", "inet_socket": "done", "own_thread": "done"}
# What a sanitizer needs for its own work is open to the plugin as well.
SANITIZED = {"make_process": "done", "trace": None, "be_dumpable": "done",
             "outlive": "done"}

OPTIONS = {
    "plugins": {"hostile": {"module": "hostile", "memory": "300MiB"},
                "victim": {"module": "hostile"}},
    "products": {name: {"components": [{"name": "thing", "plugin": name}],
                        "plans": {"attack": {}, "grow": {"how": "grow"}},
                        "retry": {"initial": "100ms", "cap": "1s"}}
                 for name in ("hostile", "victim")},
}


@pytest.fixture(params=["root", "nobody"])
def attacked(request, build):
    """A provostd of one user or the other, with a secret in the folder of a third instance."""
    if os.geteuid() != 0 and request.param == "root":
        pytest.skip("not root")
    folder = Path(tempfile.mkdtemp(prefix="provost-hostile-"))
    one = daemons.Provost(build, folder, OPTIONS)
    secret = folder / "data/instances/third/secret"
    secret.parent.mkdir(parents=True)
    secret.write_text("hush")
    if os.geteuid() == 0 and request.param == "nobody":
        user = pwd.getpwnam("nobody")
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, user.pw_uid, user.pw_gid)
        one.log.touch()
        one.command = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}",
                       "--clear-groups", *one.command]
    try:
        with one:
            yield one
        assert secret.read_text() == "hush" and secret.stat().st_mode & 0o777 != 0o777
    finally:
        one.kill()
        shutil.rmtree(folder)


def expect(found, sanitized, changed=None):
    expected = REFUSED | ALLOWED | (changed or {}) | (SANITIZED if sanitized else {})
    assert {k: v for k, v in found.items() if expected[k] is not None and v != expected[k]} == {}
    assert found.keys() == expected.keys()


def tried(one, pid):
    answer = one.api("POST", "/v1/instances/hostile/queries/tried", {"pid": pid})
    assert answer.status == 200, answer
    return answer.json.get("result", answer.json)


def test_nothing_gets_out(attacked, sanitized):
    one = attacked
    for service in ("hostile", "victim"):
        done = one.await_operation("create", service, product=service, plan="attack")
        assert done["state"] == "done", done
    sibling = one.hosts()["victim"]
    for pid in (sibling, one.pid):
        found = tried(one, pid)
        for where in ("constructor", "step", "query"):
            expect(found[where], sanitized)
    assert one.hosts()["victim"] == sibling


def test_one_that_eats_memory_is_killed_and_named(attacked):
    one = attacked
    done = one.await_operation("create", "victim", product="victim", plan="attack")
    assert done["state"] == "done", done
    before = one.hosts()["victim"]
    parked = one.await_operation("create", "eater", product="hostile", plan="grow")
    assert parked["state"] == "needs_operator", parked
    meanwhile = one.await_operation("create", "other", product="victim", plan="attack")
    assert meanwhile["state"] == "done", meanwhile
    assert one.hosts()["victim"] == before
    blamed = [line for line in one.log_lines()
              if line.get("message", "").startswith("this step took its plugin host down")]
    assert {(line["instance"], line["step"], line["operation"]) for line in blamed} == {
        ("hostile", "act", parked["operation"])}, blamed
    assert "300 MiB" in blamed[0]["message"], blamed


@pytest.mark.parametrize("abi", [1, 2, 3, 5])
def test_what_older_kernels_lack_is_refused_otherwise(make_provost, build, sanitized, abi):
    """A build for fault injection behaves as on a kernel with this Landlock ABI."""
    if "PROVOST_FAULTS_LANDLOCK_ABI" not in (build / "provost-host").read_bytes().decode("latin1"):
        pytest.skip("a build without fault injection")
    one = make_provost(OPTIONS, dict(os.environ, PROVOST_FAULTS_LANDLOCK_ABI=str(abi)))
    secret = one.folder / "data/instances/third/secret"
    secret.parent.mkdir(parents=True)
    secret.write_text("hush")
    one.start()
    old = {"truncate_by_path": "EPERM", "truncate_by_open": "EPERM"} if abi < 3 else {}
    found = tried(one, one.pid)
    for where in ("constructor", "query"):
        expect(found[where], sanitized, old)
    assert secret.read_text() == "hush"


MISSING = {name: "ENOENT" for name in ("database", "keys", "other_instance", "truncate_by_path",
                                       "truncate_by_open", "remove_outside")}


def test_a_developers_host_is_confined_in_the_same_way(build, sanitized, tmp_path):
    """`provost plugin run`; there is no daemon's folder around that of its instance."""
    (tmp_path / "pid.json").write_text(json.dumps({"pid": os.getpid()}))
    done = subprocess.run([build / "provost", "--json", "plugin", "run", build / "tests/plugins/hostile.so", "--query",
                           "tried", "--form", tmp_path / "pid.json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)["result"]
    for where in ("constructor", "query"):
        expect(found[where], sanitized, MISSING)


@pytest.mark.parametrize("granted", [{}, {"read": "/etc/login.defs", "write": "WRITE", "exec": "/bin/true"},
                                     {"unix_sockets": "SOCKET"}], ids=["nothing", "files", "socket"])
def test_grants_come_to_the_same_for_a_developer(make_provost, build, tmp_path, granted):
    (tmp_path / "write").write_text("w")
    names = {"WRITE": str(tmp_path / "write"), "SOCKET": str(tmp_path / "socket")}
    granted = {kind: names.get(path, path) for kind, path in granted.items()}
    settings = {"read": "/etc/login.defs", "write": names["WRITE"], "exec": "/bin/true", "socket": names["SOCKET"]}
    grants = {kind: [granted[kind]] if kind in granted else [] for kind in ("read", "write", "exec", "unix_sockets")}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    words = [word for kind in grants for word in ("--grant", f"{kind}={granted.get(kind, '')}")]
    with make_provost({"plugins": {"needy": {"module": "needy", "settings": settings, "grants": grants}}}) as one, \
            socket.socket(socket.AF_UNIX) as listener:
        listener.bind(names["SOCKET"])
        listener.listen(8)
        answer = one.api("POST", "/v1/instances/needy/queries/tried", {})
        done = subprocess.run([build / "provost", "--json", "plugin", "run", build / "tests/plugins/needy.so", "--query",
                               "tried", "--settings", tmp_path / "settings.json", *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    theirs = answer.json.get("result", answer.json)
    assert theirs == json.loads(done.stdout)["result"]
    assert {kind for kind in grants if theirs["now"][kind] == "done"} == {*granted}


def without_landlock(make_provost, build, isolation):
    if "PROVOST_FAULTS_LANDLOCK_ABI" not in (build / "provost-host").read_bytes().decode("latin1"):
        pytest.skip("a build without fault injection")
    return make_provost(OPTIONS | {"isolation": isolation},
                        dict(os.environ, PROVOST_FAULTS_LANDLOCK_ABI="0"))


def test_required_isolation_that_is_not_there_is_no_start(make_provost, build):
    one = without_landlock(make_provost, build, "required")
    with pytest.raises(AssertionError, match="no Landlock.*isolation: best-effort"):
        one.start()


@pytest.mark.parametrize("isolation", ["required", "best-effort"])
def test_a_check_loads_no_module_unconfined_where_isolation_is_required(make_provost, build, isolation):
    one = without_landlock(make_provost, build, isolation)
    done = subprocess.run([build / "provost", "-c", one.config, "config", "check"], text=True,
                          capture_output=True, env=one.env, cwd=one.folder)
    said = done.stdout + done.stderr
    assert (done.returncode == 0) == (isolation == "best-effort"), said
    assert ("no Landlock" in said) == (isolation == "required"), said


def test_best_effort_runs_and_says_what_is_missing(make_provost, build):
    one = without_landlock(make_provost, build, "best-effort").start()
    done = one.await_operation("create", "s1", product="victim", plan="attack")
    assert done["state"] == "done", done
    isolation = one.admin("GET", "/v1/status").json["isolation"]
    assert isolation["landlock_abi"] == 0 and "no Landlock" in isolation["lacks"], isolation
    assert "no Landlock" in one.call("GET", "/readyz").json["isolation_lacks"]
    assert any("no Landlock" in message for message in one.messages())


# Who connects is gone when the daemon, which was stopped meanwhile, gets to ask who that was.
BY_A_CHILD = """
probe = socket.socket(socket.AF_UNIX)
probe.connect(options["socket"])
daemon = struct.unpack("iII", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
os.kill(daemon, signal.SIGSTOP)
while open(f"/proc/{daemon}/stat").read().rpartition(")")[2].split()[0] != "T":
    os.sched_yield()
child = os.fork()
if child == 0:
    one.connect(options["socket"])
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
os.kill(daemon, signal.SIGCONT)
"""


@pytest.mark.parametrize("connect", ['one.connect(options["socket"])', BY_A_CHILD], ids=["itself", "child"])
def test_the_admin_socket_refuses_what_a_plugin_started(make_provost, tmp_path, connect):
    """A program of an unconfined instance has the daemon's own user, and is refused all the same."""
    program = tmp_path / "asks"
    program.write_text(f"""#!/usr/bin/python3
import json, os, signal, socket, struct, sys
options = json.load(sys.stdin)["options"]
one = socket.socket(socket.AF_UNIX)
try:
{textwrap.indent(connect, "    ")}
    one.sendall(b"GET /v1/status HTTP/1.0\\r\\n\\r\\n")
    got = one.recv(100).decode() or "closed"
except OSError as error:
    got = error.strerror
print(json.dumps({{"outcome": "permanent", "error": "got " + got}}))
""")
    program.chmod(0o755)
    one = make_provost({
        "plugins": {"own": {"module": "script", "confine": False, "settings": {
            "path": str(program), "options": {"socket": "SOCKET"}, "repeatable": True}}},
        "products": {"p": {"components": [{"name": "thing", "plugin": "own"}],
                           "plans": {"basic": {}}}}})
    one.options["plugins"]["own"]["settings"]["options"]["socket"] = str(one.socket_path)
    one.configure(one.options)
    one.start()
    shown = one.await_operation("create", "s1", product="p", plan="basic")
    said = json.dumps(shown)
    assert "got Connection reset by peer" in said or "got closed" in said or "got Broken pipe" in said, said
    assert "got HTTP" not in said


def test_what_a_plugin_started_ends_with_its_host(make_provost, tmp_path):
    """Killed with SIGKILL, a host cannot end its programs itself: the spawner does."""
    program = tmp_path / "stays"
    program.write_text(f"""#!/usr/bin/python3
import os, signal
fifo = os.open("{tmp_path}/fifo", os.O_WRONLY)
os.write(fifo, str(os.getpid()).encode())
signal.pause()
""")
    program.chmod(0o755)
    os.mkfifo(tmp_path / "fifo")
    one = make_provost({
        "plugins": {"own": {"module": "script", "confine": False, "settings": {
            "path": str(program), "repeatable": True}}},
        "products": {"p": {"components": [{"name": "thing", "plugin": "own"}],
                           "plans": {"basic": {}}}}})
    one.start()
    one.event("create", "s1", product="p", plan="basic")
    fifo = os.open(tmp_path / "fifo", os.O_RDONLY)
    pid = int(os.read(fifo, 20))
    os.close(fifo)
    os.kill(one.hosts()["own"], 9)
    daemons.await_gone([pid])
