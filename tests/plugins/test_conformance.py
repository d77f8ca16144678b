# SPDX-License-Identifier: Apache-2.0
"""The plugins of Provost pass `provost plugin check`, each against its backend."""

import json
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
NS = ["ns1.example.net", "ns2.example.net"]


@pytest.fixture
def conform(build, tmp_path):
    """conform(module, or the program of a host; check file or its content): no check fails. Returns the verdicts
    by name, and the witness."""

    def call(module, spec):
        if isinstance(spec, dict):
            path = tmp_path / "check.yaml"
            path.write_text(json.dumps(spec))
            spec = path
        what = module if isinstance(module, Path) else build / f"{module}.so"
        done = subprocess.run([build / "provost", "plugin", "check", what, "--file", spec, "--json"],
                              capture_output=True, text=True, timeout=900)
        assert done.stdout, done.stderr
        report = json.loads(done.stdout)
        assert done.returncode == 0, [c for c in report["checks"] if c["verdict"] == "fail"]
        return {c["check"]: c["verdict"] for c in report["checks"]}, report["witness"]

    return call


def grants(programs, root):
    """What the script plugin is granted: its programs with their interpreters, and what they write."""
    return {"exec": [str(programs), "/usr/bin"], "write": [str(root)], "read": [], "unix_sockets": []}


def others(verdicts):
    return {name for name, verdict in verdicts.items() if verdict == "not_applicable"}


def test_siteserver(conform):
    verdicts, witness = conform("examples/plugins/siteserver/siteserver",
                                ROOT / "examples/plugins/siteserver/check.yaml")
    assert (others(verdicts), witness) == ({"idempotency-key"}, "inventory")


def test_http(conform):
    """A plugin that is nothing but configuration, whose numbers and truths are no texts."""
    verdicts, witness = conform("plugins/http", ROOT / "tests/plugins/http_check.yaml")
    assert (others(verdicts), witness) == ({"idempotency-key", "actions"}, "inventory")


def test_a_host_in_python(conform):
    """It keeps what it has in the instance's folder, which lasts from one operation to the next."""
    host = ROOT / "examples/plugins/python_host"
    verdicts, witness = conform(host / "notes.py", host / "check.yaml")
    assert witness == "inventory"
    assert {name for name, verdict in verdicts.items() if verdict == "pass"} == {
        "declared", "life", "double-create", "terminate-twice", "terminate-absent", "suspend-twice", "unknown-plan",
        "ref", "undo", "kill", "secrets"}


@pytest.mark.parametrize("mode", ["record", "zones"])
def test_dns(conform, pdns, mode):
    pdns.add_zone("sites.example.net", NS)
    plan = {"mode": "record", "zone": "sites.example.net"} if mode == "record" else {"mode": "zones"}
    params = {"public_ip": "203.0.113.10"} if mode == "record" else {"zone": "{{service}}.example.com"}
    more = ("ttl", "300", "600") if mode == "record" else ("zones", "3", "5")
    verdicts, witness = conform("plugins/dns", {
        "settings": {"url": pdns.url, "api_key": pdns.key, "nameservers": NS, "verify_nameservers": "false",
                     "record_zones": ["sites.example.net"], "default_a": "192.0.2.1"},
        "plans": {"small": {**plan, more[0]: more[1]}, "large": {**plan, more[0]: more[2]}},
        "event": {"service": {"params": params}},
        "actions": {"zone_add": {"zone": "{{service}}-two.example.com"}, "zone_delete": {"zone": "{{service}}.example.com"},
                    "record_add": {"zone": "{{service}}.example.com", "name": "www", "type": "A",
                                   "content": "192.0.2.7"}} if mode == "zones" else {}})
    assert (others(verdicts), witness) == ({"idempotency-key"} | ({"actions"} if mode == "record" else set()), "inventory")


def test_script(conform, tmp_path):
    """A folder of programs; a service is a folder too."""
    folder, root = tmp_path / "programs", tmp_path / "root"
    folder.mkdir()
    root.mkdir()
    for name, line in {"create": 'mkdir -p "$folder"', "create.undo": 'rm -rf "$folder"', "suspend": 'mkdir -p "$folder/off"',
                       "unsuspend": 'rm -rf "$folder/off"', "terminate": 'rm -rf "$folder"'}.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\nset -eu\nfolder=$PROVOST_OPTION_ROOT/$PROVOST_REF\n{line}\n")
        program.chmod(0o755)
    verdicts, witness = conform("plugins/script", {
        "settings": {"path": str(folder), "options": {"root": str(root)}, "repeatable": "true"},
        "grants": grants(folder, root), "witness": ["ls", str(root)]})
    assert witness == "command"
    assert {"life", "double-create", "kill", "undo", "ref", "terminate-twice", "terminate-absent"} <= {
        name for name, verdict in verdicts.items() if verdict == "pass"}


EXAMPLES = {"folder.sh": ({"repeatable": "true"}, {"small": {}}),
            "site.py": ({}, {"small": {"pages": "5"}})}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_the_script_plugin(conform, tmp_path, name):
    """A single program has an undo where its description says so."""
    settings, plans = EXAMPLES[name]
    root = tmp_path / "root"
    root.mkdir()
    verdicts, witness = conform("plugins/script", {
        "settings": {"path": str(ROOT / "examples/scripts" / name), "options": {"root": str(root)}, **settings},
        "grants": grants(ROOT / "examples/scripts", root), "plans": plans, "witness": ["ls", "-lR", str(root)]})
    assert witness == "command"
    assert {"declared", "life", "double-create", "kill", "undo", "ref", "terminate-twice", "terminate-absent"} <= {
        name for name, verdict in verdicts.items() if verdict == "pass"}


def test_a_single_program_without_a_description_has_no_undo(build, tmp_path):
    """As plugins/script/script.md says of it."""
    script, root, spec = tmp_path / "folder.sh", tmp_path / "root", tmp_path / "check.yaml"
    script.write_bytes((ROOT / "examples/scripts/folder.sh").read_bytes())
    script.chmod(0o755)
    root.mkdir()
    spec.write_text(json.dumps({
        "settings": {"path": str(script), "options": {"root": str(root)}, "repeatable": "true"},
        "grants": grants(tmp_path, root), "witness": ["ls", str(root)]}))
    done = subprocess.run([build / "provost", "plugin", "check", build / "plugins/script.so", "--file", spec, "--json",
                           "--only", "declared", "--only", "undo", "--only", "life"],
                          capture_output=True, text=True, timeout=900)
    assert {c["check"]: c["verdict"] for c in json.loads(done.stdout)["checks"]} == {
        "declared": "fail", "life": "pass", "undo": "fail"}
    assert done.returncode == 1
