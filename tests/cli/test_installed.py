# SPDX-License-Identifier: Apache-2.0
"""docs/getting-started-plugin.md to the letter, against what `make install DESTDIR=…` leaves."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.long


@pytest.fixture
def installed(build, tmp_path):
    """The environment of a shell that finds an installed Provost, and the folder it is in."""
    root = tmp_path / "root"
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet"], check=True,
                   env={**os.environ, "DESTDIR": str(root)})
    program = next(root.rglob("bin/provost"))
    pkgconfig = next(root.rglob("provost.pc")).parent
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PROVOST_")}
    return {**kept, "PATH": f"{program.parent}:{os.environ['PATH']}", "PKG_CONFIG_SYSROOT_DIR": str(root),
            "PKG_CONFIG_PATH": str(pkgconfig)}, program.parent.parent


@pytest.mark.plain
def test_a_plugin_of_ones_own(installed, tmp_path):
    env, prefix = installed

    def run(*words, cwd=tmp_path, status=0):
        done = subprocess.run(words, env=env, cwd=cwd, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    run("provost", "plugin", "new", "my-panel")
    folder = tmp_path / "my-panel"
    run("meson", "setup", "build", cwd=folder)
    run("meson", "compile", "-C", "build", cwd=folder)
    run("meson", "test", "-C", "build", cwd=folder)
    assert run("provost", "plugin", "describe", "build/my-panel.so", cwd=folder).startswith("# my-panel 0.1.0")
    (folder / "settings.json").write_text('{"url": "http://127.0.0.1:9", "token": "secret"}')
    (folder / "event.json").write_text(json.dumps({
        "id": "1", "type": "service.create", "service": {"id": "1", "product": "test", "plan": "test"},
        "customer": {"email": "customer@example.com"}}))
    output = run("provost", "plugin", "run", "build/my-panel.so", "create", "--settings", "settings.json",
                 "--event", "event.json", cwd=folder, status=6)
    assert output.count("temporary in ") == 4
    elsewhere = Path("/") / prefix.relative_to(tmp_path / "root") / "libexec/provost/provost-host"
    if elsewhere.exists():
        return  # Provost is installed on this machine, too: that host would be found
    shutil.rmtree(prefix / "libexec")
    assert "there is no provost-host in" in subprocess.run(
        ["provost", "plugin", "describe", "build/my-panel.so"], env=env, cwd=folder, capture_output=True,
        text=True, check=False).stderr


def test_the_manual_is_installed(installed):
    _, prefix = installed
    assert (prefix / "share/man/man1/provost.1").read_text().startswith(".\\\" Made by")


def test_the_documents_are_installed(installed, root):
    """All of them, and laid out so that a link leads somewhere."""
    _, prefix = installed
    there = prefix / "share/doc/provost"
    done = subprocess.run([root / "tools/check-docs", "--root", there], capture_output=True, text=True,
                          check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for pattern in ("*.md", "LICENSE", "docs/*.md", "plugins/*/*.md", "schema/openapi.yaml", "examples/*/*",
                    "examples/plugins/*/*"):
        for source in root.glob(pattern):
            name = source.relative_to(root)
            if source.is_file() and source.name not in ("meson.build", "demo"):  # these build, or need what is built
                copy = there / name
                assert copy.read_bytes() == source.read_bytes(), name
                assert os.access(copy, os.X_OK) == os.access(source, os.X_OK), name
    assert (there / "docs/getting-started-billing.md").is_file()
