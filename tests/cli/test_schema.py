# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema of `provost config schema`, over the files of tests/config: what the check takes the
schema takes, and what people get wrong an editor marks."""

import copy
import json
import os
import subprocess

import jsonschema
import pytest
import yaml

WRONG = [
    (["lisen"], "127.0.0.1:1"),
    (["log", "level"], "loud"),
    (["http", "max_connections"], 0),
    (["http", "max_body"], "lots"),
    (["engine", "retry", "initial"], "soon"),
    (["plugins", "pdns-1", "settings", "uri"], "http://x"),
    (["plugins", "pdns-1", "settings", "api_key"], 5),
    (["plugins", "pdns-1", "module"], None),
    (["products", "zones", "plans", "basic", "zone_count"], 3),
    (["products", "zones", "components"], {"name": "dns"}),
    (["sources", "paymenter", "compat"], "paymenter"),
]


@pytest.fixture(scope="module")
def schema(build, root):
    env = dict(os.environ, PV_TEST_KEY="a-key-for-tests",
               PV_TEST_WHSEC="whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", PROVOST_PLUGIN_PATH=str(build / "plugins"),
               PROVOST_HOST=str(build / "provost-host"))
    done = subprocess.run([build / "provost", "-c", root / "tests/config/full.yaml", "config", "schema"],
                          env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


@pytest.fixture
def full(root):
    return yaml.safe_load((root / "tests/config/full.yaml").read_text())


def test_it_takes_what_the_check_takes(schema, full):
    assert [error.message for error in schema.iter_errors(full)] == []


@pytest.mark.parametrize("path,value", WRONG, ids=[".".join(path) for path, _ in WRONG])
def test_it_refuses_what_is_wrong(schema, full, path, value):
    changed = copy.deepcopy(full)
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    assert not schema.is_valid(changed)


def test_references_may_stand_for_numbers(schema, full):
    full["http"]["max_connections"] = "${env:CONNECTIONS}"
    full["http"]["max_body"] = "${file:body}"
    assert schema.is_valid(full)
