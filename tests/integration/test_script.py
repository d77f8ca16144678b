# SPDX-License-Identifier: Apache-2.0
"""Instances of the script plugin in a whole provostd: what the configuration accepts is what the
folder's programs do, and a step whose host dies goes on."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import provost as daemons
import pytest


def program(folder, name, body):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport json, os, signal, sys, time\n"
                    f"given = json.load(sys.stdin)\n{body}\n", encoding="utf-8")
    path.chmod(0o755)


def options(folder, **settings):
    return {"plugins": {"scripts": {"module": "script", "confine": False,
                                    "settings": {"path": str(folder), **settings}}},
            "products": {"web": {"components": [{"name": "site", "plugin": "scripts"}],
                                 "plans": {"basic": {"size": "1GiB"}}}}}


@pytest.fixture
def folder(tmp_path):
    where = tmp_path / "programs"
    program(where, "create", "print(json.dumps({'state': {'size': given['values']['size']}}))")
    program(where, "terminate", "open(os.environ['PROVOST_OPTION_MARK'], 'w').write(str(given['state']))")
    (where / "describe.json").write_text(json.dumps({"product": [{"name": "size", "type": "size"}]}))
    return where


def test_a_service_from_create_to_terminate(make_provost, folder, tmp_path):
    mark = tmp_path / "mark"
    with make_provost(options(folder, options={"mark": str(mark)})) as provost:
        assert provost.await_operation("create", "a", product="web", plan="basic")["state"] == "done"
        assert provost.await_operation("terminate", "a")["state"] == "done"
        assert mark.read_text() == str({"size": 1 << 30})


def test_fields_of_the_description_are_checked(make_provost, folder):
    provost = make_provost(options(folder))
    wrong = options(folder)
    wrong["products"]["web"]["plans"]["basic"] = {"size": "lots", "colour": "red"}
    provost.configure(wrong)
    done = subprocess.run([provost.build / "provostd", "-c", provost.config, "--check"],
                          capture_output=True, text=True, check=False, env=provost.env)
    assert done.returncode != 0
    assert "products.web.plans.basic.size" in done.stderr + done.stdout
    assert "colour" in done.stderr + done.stdout


def test_a_reload_finds_a_new_operation(make_provost, folder, tmp_path):
    with make_provost(options(folder)) as provost:
        assert provost.await_operation("create", "a", product="web", plan="basic")["state"] == "done"
        mark = tmp_path / "suspended"
        program(folder, "suspend", f"open('{mark}', 'w').close()")
        provost.reload()
        assert provost.await_operation("suspend", "a")["state"] == "done"
        assert mark.exists()


def test_a_host_that_dies_while_a_program_runs(make_provost, folder, tmp_path):
    """The step is unknown then; it may be repeated, so it is."""
    started = tmp_path / "started"
    os.mkfifo(started)
    program(folder, "create", f"""
if not os.path.exists('{tmp_path}/again'):
    open('{tmp_path}/again', 'w').close()
    open('{started}', 'w').write(str(os.getpid()))
    signal.pause()
print(json.dumps({{'state': {{'attempt': given['attempt']}}}}))""")
    with make_provost(options(folder, repeatable=True)) as provost:
        provost.event("create", "a", product="web", plan="basic")
        orphan = int(started.read_text())
        os.kill(provost.hosts()["scripts"], signal.SIGKILL)
        daemons.await_gone([orphan])  # a program dies with its host
        assert provost.await_operation("create", "a", product="web", plan="basic")["state"] == "done"
        assert (tmp_path / "again").exists()


ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def anybodys(build):
    """A folder that every user can enter, with the module and the examples in it."""
    with tempfile.TemporaryDirectory(prefix="provost-script-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for file in [build / "plugins/script.so", ROOT / "examples/scripts/folder.sh"]:
            Path(shutil.copy(file, folder)).chmod(0o755)
        (folder / "sites").mkdir()
        yield folder


def example(folder, **instance):
    return {"plugin_dirs": [str(folder)], "plugins": {"scripts": {
        "module": "script", "settings": {"path": str(folder / "folder.sh"), "repeatable": True,
                                         "options": {"root": str(folder / "sites")}}} | instance},
        "products": {"web": {"components": [{"name": "site", "plugin": "scripts"}],
                             "plans": {"basic": {}}}}}


def live(provost, folder):
    made = provost.await_operation("create", "a", product="web", plan="basic")
    assert made["state"] == "done", made
    [site] = (folder / "sites").iterdir()
    owner = site.stat().st_uid
    assert provost.await_operation("suspend", "a")["state"] == "done"
    assert site.with_suffix(".off").exists() and not site.exists()
    assert provost.await_operation("unsuspend", "a")["state"] == "done"
    assert provost.await_operation("terminate", "a")["state"] == "done"
    assert not list((folder / "sites").iterdir())
    return owner


def grants(folder, *write):
    return {"exec": [str(folder / "folder.sh"), "/usr/bin"], "write": [str(w) for w in write],
            "read": [], "unix_sockets": []}


def test_the_shell_example_within_its_grants(make_provost, anybodys):
    with make_provost(example(anybodys, grants=grants(anybodys, anybodys / "sites"))) as provost:
        live(provost, anybodys)


def test_a_description_is_read_where_the_program_may_be_started(make_provost, anybodys, tmp_path):
    """`exec` alone: it covers what lies beside the program, or the refusal says what to grant."""
    described = tmp_path / "described"
    program(described, "adapter", "pass")
    (described / "adapter.json").write_text(json.dumps({"operations": {"create": [{"name": "make"}]}}))
    interpreter = str(Path(sys.executable).parent)
    granted = {"exec": [str(described), interpreter], "read": [], "write": [], "unix_sockets": []}
    config = options(described / "adapter")
    config["plugins"]["scripts"] |= {"confine": True, "grants": granted}
    config["products"]["web"]["plans"]["basic"] = {}
    provost = make_provost(config)

    def check():
        return subprocess.run([provost.build / "provostd", "-c", provost.config, "--check"],
                              capture_output=True, text=True, check=False, env=provost.env)

    done = check()
    assert done.returncode == 0, done.stdout + done.stderr
    granted["exec"][0] = str(described / "adapter")
    provost.configure(config)
    done = check()
    assert done.returncode != 0 and "adapter.json: Permission denied; grant its folder" in done.stdout + done.stderr


def test_what_was_not_granted_cannot_be_written(make_provost, anybodys):
    options = example(anybodys, grants=grants(anybodys))
    options["plugins"]["scripts"]["settings"]["repeatable"] = False
    with make_provost(options) as provost:
        made = provost.await_operation("create", "a", product="web", plan="basic")
        assert made["state"] == "needs_operator" and "Permission denied" in json.dumps(made), made
        assert not list((anybodys / "sites").iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run hosts as somebody else")
@pytest.mark.parametrize("confined", [True, False])
def test_a_user_of_its_own(make_provost, anybodys, confined):
    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(anybodys / "sites", nobody, -1)
    rights = {"grants": grants(anybodys, anybodys / "sites")} if confined else {"confine": False}
    with make_provost(example(anybodys, user="nobody", **rights)) as provost:
        assert live(provost, anybodys) == nobody
        host = provost.hosts()["scripts"]
        status = Path(f"/proc/{host}/status").read_text()
        assert f"Uid:\t{nobody}\t{nobody}\t{nobody}\t{nobody}" in status
        assert "CapEff:\t0000000000000000" in status
        provost.kill()
        daemons.await_gone([host])  # the tie to the daemon outlives the change of user


@pytest.mark.parametrize("user, sentence", [
    ("no-such-user", "there is no user no-such-user"), ("root", "root is root")])
def test_users_that_cannot_be(make_provost, anybodys, user, sentence):
    provost = make_provost(example(anybodys, user=user, confine=False))
    done = subprocess.run([provost.build / "provostd", "-c", provost.config, "--check"],
                          capture_output=True, text=True, check=False, env=provost.env)
    assert done.returncode != 0 and sentence in done.stderr + done.stdout
