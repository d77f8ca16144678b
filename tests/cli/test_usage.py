# SPDX-License-Identifier: Apache-2.0
"""Arguments, help, and the pages that are made from the command table."""

import re
import shutil
import subprocess

import pytest


@pytest.mark.parametrize("words, sentence", [
    ([], "say what to do"),
    (["servce"], "did you mean “service”?"),
    (["service"], "`provost service` needs a command"),
    (["service", "shwo"], "did you mean “show”?"),
    (["service", "show"], "SERVICE is missing"),
    (["service", "act", "shop/1"], "ACTION is missing"),
    (["service", "show", "a/b", "c"], "one argument too many: “c”"),
    (["service", "list", "--limti", "3"], "did you mean “--limit”?"),
    (["service", "list", "--limit"], "--limit needs a value: N"),
    (["service", "list", "--limit", "0"], "--limit: expected a number from 1 to 1000, got “0”"),
    (["service", "list", "--json=yes"], "--json takes no value"),
    (["service", "list", "-z"], "unknown option “-z”"),
    (["operation", "watch", "x", "--timeout", "soon"], "--timeout: expected a time such as 30s"),
    (["status", "--color", "pink"], "--color: expected auto, always or never"),
    (["operation", "show", "op_1"], "is no operation's id"),
    (["service", "show", "12345"], "names no service"),
    (["service", "show", "shop/"], "names no service"),
    (["token", "create", "--source", "shop"], "--source and --scopes are needed"),
    (["token", "revoke", "provost_abcdefgh"], "is no token's id"),
])
def test_usage_errors(run, words, sentence):
    done = run(*words)
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr
    assert done.stdout == ""


def test_a_token_is_not_echoed(run):
    assert "abcdefgh" not in run("token", "revoke", "provost_abcdefgh").stderr


def test_usage_names_the_command(run):
    done = run("service", "act", "shop/1")
    assert "usage: provost service act SERVICE ACTION [KEY=VALUE]... [options]" in done.stderr
    assert "try `provost service act --help`" in done.stderr


def test_help(run):
    for words in (["--help"], ["help"], ["-h"]):
        done = run(*words)
        assert (done.returncode, done.stderr) == (0, "")
        for group in ("operation", "service", "plugin", "audit"):
            assert f"\n  {group} " in done.stdout
    for words in (["operation", "retry", "--help"], ["help", "operation", "retry"]):
        done = run(*words)
        assert done.returncode == 0
        assert done.stdout.startswith("usage: provost operation retry OPERATION [options]\n")
        assert "-r, --reason TEXT" in done.stdout
    assert "watch OPERATION" in run("help", "operation").stdout


def test_help_fits_a_line(run):
    for words in (["help"], ["help", "plugin"], ["help", "token", "create"]):
        for line in run(*words).stdout.splitlines():
            assert len(line) <= 100, line


def test_version(run):
    text = run("version").stdout
    assert re.fullmatch(r"provost \d+\.\d+\.\d+\n", text)
    assert run("--version").stdout == text
    assert run("version", "--quiet").stdout == text.split()[1] + "\n"


def test_moves(run):
    done = run("moves")
    assert done.returncode == 0
    assert "| active | refused | → suspended |" in done.stdout


@pytest.mark.parametrize("page, kind", [("docs/man/provost.1", "man"), ("docs/cli.md", "markdown")])
def test_pages_are_up_to_date(run, root, page, kind):
    made = run("help", kind).stdout
    assert (root / page).read_text() == made, f"make it again: build/provost help {kind} >{page}"


def test_every_command_has_a_page_and_a_line(run):
    text = run("help", "markdown").stdout
    for group in re.findall(r"^  (\w+) ", run("help").stdout.split("options of")[0], re.M):
        assert f"`provost {group}" in text


PAGES = ["docs/man/provost.1", "docs/man/provostd.8", "provost.yaml.5", "provost-plugin.3", "provost-wire.7",
         "provost-support.7", "provost-dns.7", "provost-http.7", "provost-script.7"]


@pytest.mark.parametrize("page", PAGES)
def test_man_page_is_clean(build, root, page):
    path = root / page if "/" in page else build / page
    if not path.exists() and shutil.which("lowdown") is None:
        pytest.skip("it is made with lowdown, which is not here")
    text = path.read_text()
    name = path.name.rsplit(".", 1)[0]
    assert re.search(r"^\.S[hH] \"?NAME\"?\n(\.Nm )?" + name, text.replace("\\-", "-"), re.M)
    assert "../" not in text
    if shutil.which("mandoc"):
        command = ["mandoc", "-Tlint", "-Werror", str(path)]
    elif shutil.which("groff"):
        command = ["groff", "-t", "-Kutf8", "-man", "-Tutf8", "-ww", "-z", str(path)]
    else:
        pytest.skip("neither mandoc nor groff is here")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


def test_output_that_cannot_be_written(build):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([build / "provost", "moves"], stdout=full, stderr=subprocess.PIPE,
                              text=True, check=False)
    assert done.returncode == 1
    assert "cannot write the output" in done.stderr
