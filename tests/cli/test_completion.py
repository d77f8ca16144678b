# SPDX-License-Identifier: Apache-2.0
"""What the shells are told may stand at the end of a command line."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

COMPLETION = Path(__file__).resolve().parents[2] / "dist/completion"


@pytest.fixture
def complete(build, daemon, tmp_path):
    """complete("event", "se") gives the words for the last one."""

    def call(*words):
        done = subprocess.run([build / "provost", "__complete", *words], capture_output=True, text=True,
                              cwd=tmp_path, timeout=60, env=os.environ | {"PROVOST_SOCKET": str(daemon.socket)})
        assert done.returncode == 0 and done.stderr == "", done
        return [line.split("\t")[0] for line in done.stdout.splitlines()]

    return call


def test_commands_and_options(complete):
    assert {"status", "event", "operation", "doctor"} <= set(complete(""))
    assert complete("ope") == ["operation"]
    assert complete("operation", "re") == ["retry"]
    assert complete("--json", "operation", "re") == ["retry"]
    assert "--reason" in complete("operation", "retry", "-")
    assert complete("operation", "retry", "--rea") == ["--reason"]
    assert complete("--color", "") == ["auto", "always", "never"]
    assert complete("-c", "") == [":files"]
    assert complete("status", "--socket", "x") == [":files"]
    assert complete("event", "send", "") == [":files"]
    assert complete("plugin", "run", "x.so", "--grant", "") == ["read=", "write=", "exec=", "unix_sockets="]
    assert complete("plugin", "check", "x.so", "-g", "ex") == ["exec="]
    assert complete("plugin", "test", "x.so", "--grant", "exec=/u") == [":files"]
    assert complete("nonsense", "") == [] or "status" in complete("nonsense", "")
    assert complete("status", "") == []


def test_names_come_from_the_daemon(complete, daemon):
    daemon.on("GET", "/v1/instances", {"instances": [{"name": "pdns-1", "plugin": "dns"},
                                                     {"name": "support", "plugin": "support"}]})
    assert complete("instance", "test", "") == ["pdns-1", "support"]
    assert complete("instance", "test", "pd") == ["pdns-1"]
    daemon.on("GET", "/v1/operations", {"operations": [{"operation": "op_1", "type": "create"}]})
    assert complete("operation", "watch", "") == ["op_1"]
    assert complete("operation", "retry", "--reason", "") == []


def test_without_a_daemon_nothing_is_said(build, tmp_path):
    done = subprocess.run([build / "provost", "--socket", tmp_path / "none", "__complete"], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 2
    done = subprocess.run([build / "provost", "__complete", "--socket", tmp_path / "none", "instance", "test", ""],
                          capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_bash(build):
    script = f"""source {COMPLETION / "provost.bash"}
    COMP_WORDS=({build / "provost"} operation re); COMP_CWORD=2
    _provost; printf '%s\\n' "${{COMPREPLY[@]}}"
    complete -p provost"""
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["retry", "complete -F _provost provost"], done


def test_bash_leaves_what_follows_an_equals_sign_to_its_own_completion(build):
    script = f"""source {COMPLETION / "provost.bash"}
    COMP_WORDS=({build / "provost"} plugin run x.so --grant read = /et); COMP_CWORD=7
    _provost; echo "${{#COMPREPLY[@]}}"
    COMP_WORDS=({build / "provost"} plugin run x.so --grant un); COMP_CWORD=5
    _provost; echo "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["0", "unix_sockets="], done


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh(build):
    """The function is called as zsh calls it; what it offers is taken down in place of being shown."""
    script = f"""fpath=({COMPLETION} $fpath)
    autoload -U compinit && compinit -u -D
    _describe() {{ print -rl -- "${{(@P)2}}" }}
    words=({build / "provost"} operation re) CURRENT=3
    _provost
    print -r -- ${{_comps[provost]}}"""
    done = subprocess.run(["zsh", "-f", "-c", script], capture_output=True, text=True, timeout=60)
    first, last = done.stdout.splitlines()
    assert first.startswith("retry:") and last == "_provost", done
