# SPDX-License-Identifier: Apache-2.0
"""What a plugin may reach under `provost plugin run`, `test`, `check` and `describe`: what it declares and is
granted, and nothing else."""

import json
import socket
import subprocess

import pytest

NOTHING = ["--grant", "read=", "--grant", "write=", "--grant", "exec=", "--grant", "unix_sockets="]
REFUSED = {"read": "EACCES", "write": "EACCES", "exec": "EPERM", "unix_sockets": "EACCES"}
KINDS = {"read": "reads files", "write": "writes files", "exec": "starts programs",
         "unix_sockets": "connects to Unix sockets"}


@pytest.fixture
def needs(tmp_path):
    """What the plugin's settings name, by kind of grant."""
    (tmp_path / "read").write_text("r")
    (tmp_path / "write").write_text("w")
    (tmp_path / "file").write_text("f")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    listener.listen(8)
    paths = {"read": tmp_path / "read", "write": tmp_path / "write", "exec": "/bin/true",
             "unix_sockets": tmp_path / "socket"}
    settings = {"read": str(tmp_path / "read"), "write": str(tmp_path / "write"), "exec": "/bin/true",
                "socket": str(tmp_path / "socket"), "file": str(tmp_path / "file")}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    yield paths
    listener.close()


@pytest.fixture
def run_needy(run, build, needs):
    def call(*words, what=("--query", "tried"), env=None):
        return run("plugin", "run", build / "tests/plugins/needy.so", *what, "--settings", "settings.json", *words,
                   "--json", env=env)

    return call


def tried(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)["result"]


def grant(*pairs):
    """--grant for these, and nothing for the other kinds."""
    words = [word for kind, path in pairs for word in ("--grant", f"{kind}={path}")]
    given = {kind for kind, _ in pairs}
    return words + [word for kind in KINDS if kind not in given for word in ("--grant", f"{kind}=")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_need_without_a_grant_says_what_to_add(run_needy, kind):
    words = [word for other in KINDS if other != kind for word in ("--grant", f"{other}=")]
    done = run_needy(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"grants.{kind}: required, because the plugin {KINDS[kind]}: ")
    assert f"`--grant {kind}=/" in done.stderr and f"`--grant {kind}=`" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("what", [("--query", "tried"), ("--action", "try")])
def test_what_is_not_granted_is_refused(run_needy, what):
    found = tried(run_needy(*NOTHING, what=what))
    assert found["constructor"] == {"read": "EACCES", "write": "EACCES", "exec": "EPERM", "own": "done"}
    assert found["now"] == REFUSED | {"exec_other": "EPERM", "own": "done", "file": "done"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_granted_works_and_nothing_else(run_needy, needs, kind):
    found = tried(run_needy(*grant((kind, needs[kind]))))["now"]
    other = {"exec_other": "EACCES" if kind == "exec" else "EPERM"}
    assert found == REFUSED | other | {kind: "done", "own": "done", "file": "done"}


def test_a_path_may_be_relative_to_the_present_folder(run_needy):
    found = tried(run_needy(*grant(("read", "read"), ("write", "./write"))))["now"]
    assert (found["read"], found["write"]) == ("done", "done")


def test_unconfined_reaches_everything_and_is_loud(run_needy):
    done = run_needy("--unconfined")
    assert "warning: --unconfined: the plugin may do whatever you may" in done.stderr
    found = tried(done)
    assert set(found["now"].values()) == {"done"} and set(found["constructor"].values()) == {"done"}


@pytest.mark.parametrize("words, sentence", [
    (["--grant", "raed=/etc"], "--grant: “raed” is none of read, write, exec and unix_sockets; did you mean “read”?"),
    (["--grant", "read"], "--grant: expected read=PATH, or read= for nothing"),
    (["--grant", "read=/no/such/file"], "--grant: /no/such/file does not exist"),
    (["--grant", "read=" + "x" * 5000], "--grant: the path is too long"),
    (["--grant", "read=/etc", "--unconfined"], "--unconfined reaches everything: leave out --grant"),
])
def test_grants_that_make_no_sense(run_needy, words, sentence):
    done = run_needy(*words)
    assert done.returncode == 2 and sentence in done.stderr


def test_a_relative_path_in_a_folder_that_was_removed(build, tmp_path):
    """It is not taken for one from the root on, where there is an `etc`."""
    (tmp_path / "gone").mkdir()
    words = [build / "provost", "plugin", "run", build / "tests/plugins/needy.so", "--query", "tried",
             "--grant", "write=etc"]
    done = subprocess.run(["sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", *map(str, words)], cwd=tmp_path / "gone",
                          capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--grant: etc: the folder that it starts from does not exist: give an absolute path" in done.stderr


def test_a_grant_that_the_plugin_does_not_declare(run, build):
    done = run("plugin", "run", build / "tests/plugins/hostile.so", "--query", "tried", "--grant", "read=/etc")
    assert done.returncode == 2
    assert "grants.read: the plugin does not declare that it reads files: remove it" in done.stderr


def test_a_file_that_a_setting_names_has_to_be_there(run_needy, tmp_path):
    (tmp_path / "file").unlink()
    done = run_needy(*NOTHING)
    assert done.returncode == 2 and f"settings.file: there is no file {tmp_path}/file" in done.stderr


def test_a_kernel_without_landlock_is_named(run_needy, build):
    if "PROVOST_FAULTS_LANDLOCK_ABI" not in (build / "provost").read_bytes().decode("latin1"):
        pytest.skip("a build without fault injection")
    done = run_needy(*NOTHING, env={"PROVOST_FAULTS_LANDLOCK_ABI": "0"})
    assert "provost: warning: this kernel has no Landlock: plugins read and write what their user may" in done.stderr
    assert tried(done)["now"]["write"] == "done"


# ---- files ----

def case(tmp_path, **members):
    settings = json.loads((tmp_path / "settings.json").read_text())
    expected = {"constructor": "{{any}}", "now": members.pop("expect")}
    return {"settings": settings, "query": "tried", "expect": {"result": expected}, **members}


def test_a_case_has_grants_of_its_own(run, build, tmp_path, needs):
    """They count for this case alone, and start from its folder."""
    folder = tmp_path / "cases"
    folder.mkdir()
    everything = REFUSED | {"exec_other": "EPERM", "own": "done", "file": "done"}
    none = {kind: [] for kind in KINDS}
    for name, content in {
            "1": case(tmp_path, grants=none | {"read": ["../read"]}, expect=everything | {"read": "done"}),
            "2": case(tmp_path, grants=none, expect=everything)}.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    module = build / "tests/plugins/needy.so"
    done = run("plugin", "test", module, folder)
    assert done.stdout.splitlines()[-1] == "2 passed, 0 failed", done.stdout
    (folder / "1.json").write_text(json.dumps(case(tmp_path, expect=everything)))
    done = run("plugin", "test", module, folder / "1.json")
    assert done.returncode == 1 and "grants.exec: required" in done.stdout
    assert run("plugin", "test", module, folder / "1.json", *NOTHING).returncode == 0


@pytest.mark.parametrize("grants, sentence", [
    ([], "grants: expected lists of paths by their kind"),
    ({"reed": []}, "grants.reed: “reed” is none of read, write, exec and unix_sockets; did you mean “read”?"),
    ({"read": "/etc"}, "grants.read: expected a list of paths"),
    ({"read": [1]}, "grants.read: expected a list of paths"),
    ({"read": ["no-such-file"]}, "/no-such-file does not exist"),
    ({"read": ["/etc"] * 65}, "grants.read: at most 64 paths: grant a folder"),
])
def test_grants_of_a_file_that_make_no_sense(run, build, tmp_path, needs, grants, sentence):
    (tmp_path / "case.json").write_text(json.dumps(case(tmp_path, grants=grants, expect={})))
    done = run("plugin", "test", build / "tests/plugins/needy.so", "case.json")
    assert done.returncode == 1 and sentence in done.stdout


def test_a_recorded_case_has_the_grants_of_its_run(run_needy, run, build, tmp_path):
    assert run_needy(*NOTHING, "--record", "case.json").returncode == 0
    assert json.loads((tmp_path / "case.json").read_text())["grants"] == {kind: [] for kind in KINDS}
    done = run("plugin", "test", build / "tests/plugins/needy.so", "case.json")
    assert done.returncode == 0, done.stdout


@pytest.fixture
def script(tmp_path):
    """A program that is a service's folder, and a check file without grants."""
    program, root = tmp_path / "folder.sh", tmp_path / "root"
    program.write_text('#!/bin/sh\nset -eu\nfolder=$PROVOST_OPTION_ROOT/$PROVOST_REF\ncase $1.$2 in\n'
                       'create.run) mkdir -p "$folder";;\nterminate.run|create.undo) rm -rf "$folder";;\n'
                       '*) exit 0;;\nesac\n')
    program.chmod(0o755)
    root.mkdir()
    (tmp_path / "folder.sh.json").write_text(json.dumps({"operations": {
        "create": [{"name": "create", "undo": True}], "terminate": [{"name": "terminate"}]}}))
    spec = {"settings": {"path": str(program), "options": {"root": str(root)}, "repeatable": "true"},
            "witness": ["ls", str(root)]}
    granted = {"exec": [".", "/usr/bin"], "write": ["root"], "read": [], "unix_sockets": []}
    return spec, granted


def check(run, build, tmp_path, spec, *words):
    (tmp_path / "check.yaml").write_text(json.dumps(spec))
    return run("plugin", "check", build / "plugins/script.so", "--file", "check.yaml", "--only", "life", "--json", *words)


def test_a_check_file_has_grants(run, build, tmp_path, script):
    spec, granted = script
    done = check(run, build, tmp_path, spec)
    assert done.returncode == 2 and "grants.exec: required" in done.stderr
    done = check(run, build, tmp_path, spec | {"grants": granted})
    assert done.returncode == 0, done.stdout + done.stderr
    done = check(run, build, tmp_path, spec | {"grants": granted | {"write": []}})
    assert done.returncode == 1 and "Permission denied" in done.stdout
    done = check(run, build, tmp_path, spec | {"grants": {"red": []}})
    assert done.returncode == 2 and "did you mean “read”?" in done.stderr
    assert check(run, build, tmp_path, spec, "--unconfined").returncode == 0


def test_without_a_check_file_a_need_is_no_accident(run, build, tmp_path, needs):
    done = run("plugin", "check", build / "tests/plugins/needy.so", "--only", "life", "--json")
    assert done.returncode == 6, done.stdout
    assert "grants.read: required" in json.loads(done.stdout)["checks"][0]["evidence"][0]


def test_describing_with_settings_reads_what_is_granted(run, build, tmp_path, script):
    spec, _ = script
    (tmp_path / "s.json").write_text(json.dumps(spec["settings"] | {"repeatable": True}))
    words = ["plugin", "describe", build / "plugins/script.so"]
    assert run(*words).returncode == 0
    done = run(*words, "--settings", "s.json")
    assert done.returncode == 2 and "grants.exec: required" in done.stderr
    done = run(*words, "--settings", "s.json", *grant(("exec", "folder.sh"), ("exec", "/usr/bin")))
    assert done.returncode == 1 and "folder.sh.json: Permission denied; grant its folder" in done.stderr
    done = run(*words, "--settings", "s.json", *grant(("exec", ".")))
    assert done.returncode == 0 and "terminate" in done.stdout, done.stderr
    assert run(*words, "--settings", "s.json", "--unconfined").returncode == 0


@pytest.mark.parametrize("count", [63, 64])
def test_provostd_and_the_kit_refuse_the_same(run, build, tmp_path, needs, count):
    """A kind is full with 64 paths, and the file that a setting names is one of them."""
    module, grants = build / "tests/plugins/needy.so", {k: ["/etc"] * count if k == "read" else [] for k in KINDS}
    settings = json.loads((tmp_path / "settings.json").read_text())
    (tmp_path / "provost.yaml").write_text(json.dumps({"plugins": {"n": {
        "module": str(module), "settings": settings, "grants": grants}}}))
    checked = subprocess.run([build / "provostd", "-c", tmp_path / "provost.yaml", "--check"], capture_output=True,
                             text=True, check=False)
    now = REFUSED | {"exec_other": "EPERM", "own": "done", "file": "done"}
    (tmp_path / "case.json").write_text(json.dumps(case(tmp_path, grants=grants, expect=now)))
    done = run("plugin", "test", module, "case.json")
    full = "settings.file: too many files: at most 64 paths can be read\n"
    assert (full in checked.stderr, full in done.stdout) == (count == 64, count == 64), checked.stderr + done.stdout
    assert (checked.returncode, done.returncode) == ((78, 1) if count == 64 else (0, 0)), checked.stderr + done.stdout


def test_an_unconfined_program_is_unconfined_when_it_describes_itself(run, tmp_path):
    """As provostd has it: its description may stand anywhere."""
    (tmp_path / "described.json").write_text(json.dumps({
        "name": "bare", "version": "1", "summary": "", "abi": 1, "needs": [], "settings": [], "product": [],
        "checkout": [], "operations": {}, "actions": [], "service_queries": [], "instance_queries": []}))
    program = tmp_path / "bare"
    program.write_text("#!/bin/sh\nexec /usr/bin/python3 -c '\nimport socket, struct\n"
                       "daemon = socket.socket(fileno=3)\ndaemon.recv(4096)\n"
                       f'text = open("{tmp_path}/described.json", "rb").read()\n'
                       'daemon.sendall(struct.pack("<IHHQI", len(text) + 4, 64, 0, 0, len(text)) + text)\'\n')
    program.chmod(0o755)
    done = run("plugin", "describe", program, "--unconfined")
    assert done.returncode == 0 and "# bare" in done.stdout, done.stderr
    assert run("plugin", "describe", program).returncode != 0
