# SPDX-License-Identifier: Apache-2.0
"""Plugins against real backends: fixtures."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import fake  # noqa: E402
import powerdns  # noqa: E402


@pytest.fixture
def drive(build):
    """drive(module, settings): a plugin to play with."""
    drives = []

    def start(module, settings):
        drives.append(fake.Drive(build, module, settings))
        return drives[-1]

    yield start
    for each in drives:
        each.close()


def server(tmp_path, name):
    if powerdns.MISSING:
        pytest.skip(f"{powerdns.MISSING} is not installed (see tools/packages)")
    one = powerdns.PowerDNS(tmp_path / name)
    one.start()
    return one


@pytest.fixture
def pdns(tmp_path):
    one = server(tmp_path, "pdns")
    yield one
    one.stop()


@pytest.fixture
def parent(tmp_path):
    """The servers above: com, with what it delegates."""
    one = server(tmp_path, "parent")
    yield one
    one.stop()
