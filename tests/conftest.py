# SPDX-License-Identifier: Apache-2.0
"""Fixtures for every test in Python. tests/run sets PROVOST_BUILD and PROVOST_SANITIZED."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items):
    """Long files come first: where files run side by side, none of them is left alone at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """In CI, where everything is installed, a test that finds something missing has failed."""
    report = (yield).get_result()
    if report.skipped and os.environ.get("CI") and "not installed" in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"{report.longrepr[2]}; in CI this is a failure"


@pytest.fixture(scope="session")
def root():
    """The top of the source tree."""
    return ROOT


@pytest.fixture(scope="session")
def build():
    """The build folder: provostd, provost-host, provost, and plugins/NAME.so are in it."""
    return Path(os.environ.get("PROVOST_BUILD", ROOT / "build")).resolve()


@pytest.fixture(scope="session")
def sanitized():
    """Whether that build has sanitizers in it, so that time limits can be generous."""
    return os.environ.get("PROVOST_SANITIZED") == "1"


@pytest.fixture
def crashing_env(tmp_path):
    """An environment for programs that crash on purpose: signals end them as they do without
    sanitizers, and what those report stays in tmp_path."""
    env = dict(os.environ)
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
        kept = [o for o in env.get(name, "").split(":") if o and not o.startswith("log_path=")]
        env[name] = ":".join(kept + [
            f"log_path={tmp_path}/expected", "handle_segv=0", "handle_sigbus=0", "handle_abort=0"])
    return env
