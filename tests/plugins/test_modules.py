# SPDX-License-Identifier: Apache-2.0
"""What a module looks like from outside, and the template that a new plugin starts from."""

import os
import re
import subprocess
import threading

import pytest

import fake

MODULES = ["plugins/dns", "plugins/script", "plugins/support", "examples/plugins/siteserver/siteserver"]


def symbols(module, *options):
    out = subprocess.run(["nm", "-D", *options, str(module)], capture_output=True, text=True, check=True)
    return [line.split()[-1] for line in out.stdout.splitlines()]


def exported(module):
    # Sanitizers and coverage add some of their own.
    return [name for name in symbols(module, "--defined-only") if not name.startswith(("__", "_Z"))]


@pytest.mark.parametrize("name", MODULES)
def test_one_symbol_is_exported(build, name):
    assert exported(build / f"{name}.so") == ["provost_plugin_entry"]


@pytest.mark.parametrize("name", MODULES)
def test_nothing_is_needed_from_the_host(build, name):
    undefined = symbols(build / f"{name}.so", "--undefined-only")
    assert not [s for s in undefined if s.startswith(("pv_", "provost_"))]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_describes_itself(build, name):
    out = subprocess.run([str(build / "provost"), "plugin", "describe", str(build / f"{name}.so")],
                         capture_output=True, text=True, check=False)
    assert out.returncode == 0, out.stderr
    assert name.split("/")[-1] in out.stdout


@pytest.fixture(scope="module")
def made(build, tmp_path_factory):
    """A plugin made from the template, built out of tree against the installed package."""
    folder = tmp_path_factory.mktemp("template")
    prefix = folder / "installed"
    subprocess.run(["meson", "install", "-C", str(build), "--no-rebuild", "--quiet", "--destdir",
                    str(prefix)], check=True, stdout=subprocess.DEVNULL)
    source = folder / "my-plugin"
    subprocess.run([str(build / "provost"), "plugin", "new", "my-plugin", "--dir", str(source)],
                   check=True, stdout=subprocess.DEVNULL,
                   env=dict(os.environ, PROVOST_TEMPLATE=str(next(prefix.rglob("provost/template")))))
    config = next(prefix.rglob("provost.pc")).parent
    env = dict(os.environ, PKG_CONFIG_PATH=str(config), PKG_CONFIG_SYSROOT_DIR=str(prefix),
               PATH=f"{build}:{os.environ['PATH']}")
    subprocess.run(["meson", "setup", str(folder / "out"), str(source), "--werror"], check=True, env=env,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["meson", "compile", "-C", str(folder / "out")], check=True, env=env,
                   stdout=subprocess.DEVNULL)
    return folder


def test_the_template_has_nothing_to_fill_in_left(made):
    for path in (made / "my-plugin").rglob("*"):
        assert "@NAME@" not in path.name
        assert path.is_dir() or "@NAME@" not in path.read_text(encoding="utf-8")


def test_the_template_is_a_module(made):
    assert exported(made / "out/my-plugin.so") == ["provost_plugin_entry"]


def test_the_templates_own_test_passes(made):
    ran = subprocess.run(["meson", "test", "-C", str(made / "out"), "--print-errorlogs"],
                         capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    assert re.search(r"^Ok: +[1-9]", ran.stdout, re.M) and "Skipped:            0" in ran.stdout


def test_the_templates_plugin_lives(made, drive):
    """Against the backend of its own tests."""
    space = {"__name__": "backend"}
    exec((made / "my-plugin/test/backend.py").read_text(encoding="utf-8"), space)
    server = space["Objects"]()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        one = drive(str(made / "out/my-plugin"),
                    {"url": f"http://127.0.0.1:{server.server_port}", "token": "secret"})
        order = {"values": {"size": 5}, "previous": {"size": 4}}
        one.fault(send=True, error=fake.LOST)
        assert one.run("create", input=order, lookups=True)["outcome"] == "ok"
        assert server.objects[fake.ref("1")]["size"] == 5
        one.ok("suspend", input=order)
        assert one.query("view")["status"] == "suspended"
        one.ok("unsuspend", input=order)
        one.run("upgrade", input={"values": {"size": 9}, "previous": {"size": 5}}, undo=True)
        assert server.objects[fake.ref("1")]["size"] == 5
        assert one.query("test", of="instance") == {"ok": True}
        one.ok("terminate", input=order)
        one.ok("terminate", input=order)
        assert server.objects == {}
        server.refuse = True
        assert "refused by the test" in one.refused("create", input=order)
    finally:
        server.shutdown()
        server.server_close()
