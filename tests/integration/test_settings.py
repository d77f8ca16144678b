# SPDX-License-Identifier: Apache-2.0
"""What stands in the configuration file acts: each option is followed from the file to what can be seen of
it, here or by the test that WHERE names, so that none is accepted and ignored."""

import grp
import json
import os
import re
import shutil
import ssl
import stat
import subprocess
import time

import certificates
import pytest
import shop
from daemon import SLOW
from receiver import Receiver, new_secret

INTEGRATION = "tests/integration/"
# Option: the test that sees it act, which names it. Those whose test is below are not listed.
WHERE = {
    "listen": "tests/lib/provost.py", "admin_socket": "tests/lib/provost.py", "data_dir": "tests/lib/provost.py",
    "runtime_dir": "tests/lib/provost.py", "plugin_dirs": "tests/lib/provost.py",
    "callback_url": INTEGRATION + "test_signals.py", "allowed_origins": INTEGRATION + "test_sessions.py",
    "isolation": INTEGRATION + "test_hostile.py", "log.level": INTEGRATION + "test_life.py",
    "http.max_connections": INTEGRATION + "test_hostile_http.py",
    "http.max_connections_per_address": INTEGRATION + "test_hostile_http.py",
    "http.header_timeout": INTEGRATION + "test_hostile_http.py",
    "http.body_timeout": INTEGRATION + "test_hostile_http.py",
    "http.idle_timeout": INTEGRATION + "test_hostile_http.py",
    "tls.certificate": INTEGRATION + "test_tls.py", "tls.key": INTEGRATION + "test_tls.py",
    "tls.minimum": INTEGRATION + "test_tls.py",
    "limits.requests_per_second": "tests/unit/api/limits.c", "limits.burst": "tests/unit/api/limits.c",
    "limits.auth_failures_per_minute": "tests/unit/api/limits.c",
    "pools.NAME.range": INTEGRATION + "test_metrics.py", "pools.NAME.reuse_after": "tests/lib/routes.py",
    "sources.NAME.compat": INTEGRATION + "paymenter.py",
    "subscribers.NAME.keep_undelivered": "tests/unit/notify/notify.c",
    **{f"sources.NAME.{what}.{family}": INTEGRATION + "paymenter.py"
       for what in ("products", "plans") for family in ("site", "support", "dns")},
    **{f"subscribers.NAME.{name}": INTEGRATION + "test_webhooks.py" for name in (
        "url", "secrets", "events", "timeout", "retry.initial", "retry.cap", "retry.for")},
    "plugins.NAME.module": "tests/lib/shop.py", "plugins.NAME.command": INTEGRATION + "test_command.py",
    "plugins.NAME.settings": "tests/lib/shop.py", "plugins.NAME.stuck_after": INTEGRATION + "conftest.py",
    "plugins.NAME.cpu_time": INTEGRATION + "conftest.py", "plugins.NAME.memory": INTEGRATION + "conftest.py",
    "plugins.NAME.confine": INTEGRATION + "test_hostile.py", "plugins.NAME.user": INTEGRATION + "test_hostile.py",
    **{f"plugins.NAME.grants.{name}": INTEGRATION + "test_script.py" for name in (
        "read", "write", "exec", "unix_sockets")},
    "plugins.NAME.aliases": INTEGRATION + "paymenter.py",
    "engine.lease": "tests/unit/engine/instances.c",
    "products.NAME.on_failure": INTEGRATION + "paymenter.py", "products.NAME.deadline": "tests/lib/shop.py",
    "products.NAME.values": INTEGRATION + "paymenter.py", "products.NAME.plans": "tests/lib/shop.py",
    **{f"products.NAME.components[].{name}": "tests/lib/shop.py" for name in ("name", "plugin", "values")},
}


def options(root):
    """Every option of docs/configuration.md that holds a value, with its path."""
    section, found = "", []
    for line in (root / "docs/configuration.md").read_text().split("\n"):
        heading = re.match(r"## `(.+)`$", line)
        row = re.match(r"\| `(\w+)` \| ([^|]*) \|", line)
        if heading:
            section = heading[1] + "."
        elif line == "## Options":
            section = ""
        elif row:
            found.append((section + row[1], row[2].strip()))
    groups = {path.rsplit(".", 1)[0].removesuffix("[]").removesuffix(".NAME") for path, _ in found if "." in path}
    return [path for path, _ in found if path not in groups]


def test_every_option_has_a_test(root):
    every = options(root)
    assert len(every) > 80 and len(set(every)) == len(every)
    here = (root / INTEGRATION / "test_settings.py").read_text().split("def options(root)")[-1]
    for path in every:
        name = path.rsplit(".", 1)[-1]
        text = (root / WHERE[path]).read_text() if path in WHERE else here
        assert re.search(rf"(?<![a-z]){name}(?![a-z])", text), f"{path}: no test is known that sees it act"
    assert set(WHERE) <= set(every), set(WHERE) - set(every)


def limited(misbehaving, where, **members):
    """`misbehaving` with these options, of the file's engine or of the instance `bad`."""
    whole = json.loads(json.dumps(misbehaving.options))
    if where == "plugins":
        whole["plugins"]["bad"] |= members
    else:
        whole |= {where: members}
    misbehaving.configure(whole)
    return misbehaving.start()


def held(one, service, instance, says, why="capacity"):
    """Fires a create that nothing but a limit keeps from being done at once, and has it explained; the
    operation."""
    fired = one.event("create", service, product=instance, plan="well", wait_s=1)
    assert fired["state"] == "ready", fired
    wait = one.operation(fired["operation"])["wait"]
    assert (wait["why"], wait["until"] is not None, wait["instance"]) == (why, why == "breaker", instance)
    listed = one.admin("GET", "/v1/operations?state=ready").json["operations"]
    shown = [op["wait"] for op in listed if op["operation"] == fired["operation"]]
    assert [(w["why"], w["until"] is not None, w["instance"]) for w in shown] == [(why, why == "breaker", instance)]
    explained = one.admin("GET", f"/v1/explain/{fired['operation']}").json
    assert says in json.dumps(explained), explained
    return fired["operation"]


def test_max_active_and_max_backlog(misbehaving, backend):
    one = limited(misbehaving, "engine", max_active=1, max_backlog=2)
    first = one.event("create", "s1", product="bad", plan="wait")["operation"]
    backend.await_waiting(1)
    second = held(one, "s2", "good", "as many as `engine.max_active` says")
    refused = one.api("POST", "/v1/events", {
        "id": "3", "type": "service.create", "service": {"id": "s3", "product": "good", "plan": "well"},
        "customer": {"id": "c", "email": "customer@example.com"}})
    assert (refused.status, refused.json["code"]) == (503, "busy")
    assert int(refused.headers["Retry-After"]) > 0
    backend.release()
    for op in (first, second):
        assert shop.end_of(one, op) == "done"


def test_max_in_flight(misbehaving, backend):
    one = limited(misbehaving, "plugins", max_in_flight=1)
    first = one.event("create", "s1", product="bad", plan="wait")["operation"]
    backend.await_waiting(1)
    waits = held(one, "s2", "bad", "all the steps in flight that it may")
    assert one.await_operation("create", "s3", product="good", plan="well")["state"] == "done", "of another instance"
    backend.release()
    for op in (first, waits):
        assert shop.end_of(one, op) == "done"


def test_rate_and_burst(misbehaving):
    one = limited(misbehaving, "plugins", rate=0.01, burst=6)  # a create has three steps
    for service in ("s1", "s2"):
        assert one.await_operation("create", service, product="bad", plan="well")["state"] == "done"
    held(one, "s3", "bad", "used up its rate")


def test_breaker(misbehaving):
    one = limited(misbehaving, "plugins", breaker={"failures": 1, "open": "1h", "open_cap": "2h"})
    one.await_waiting("create", "s1", "breaker", product="bad", plan="number")
    held(one, "s2", "bad", "instance bad is not being called", why="breaker")
    shown = next(i for i in one.admin("GET", "/v1/instances").json["instances"] if i["name"] == "bad")
    assert shown["breaker"] == "open", shown
    counted = one.metrics()
    assert [counted[f'provost_instance_breaker{{instance="{name}"}}'] for name in ("bad", "good")] == [1, 0]


def test_a_pause_is_what_an_operation_waits_for(misbehaving):
    one = misbehaving.start()
    assert one.admin("POST", "/v1/instances/good/pause", {"reason": "maintenance"}).status == 200
    waits = held(one, "s1", "good", "instance good is paused", why="paused")
    before = one.operation(waits)
    assert one.admin("POST", "/v1/instances/good/resume", {"reason": "done"}).status == 200
    assert shop.end_of(one, waits) == "done"
    assert one.operation(waits)["wait"] is None and one.operation(waits)["version"] != before["version"]


QUICK = {"initial": "1ms", "factor": 1, "cap": "1ms"}


@pytest.mark.parametrize("where", ["engine", "products", "plugins"])
def test_retry(misbehaving, where):
    """Twelve tries take a quarter of an hour where it does not act; a setting nearer to the step wins."""
    whole = json.loads(json.dumps(misbehaving.options))
    slow = {"initial": "1h", "factor": 2, "cap": "2h"}
    whole["engine"] = {"retry": QUICK if where == "engine" else slow}
    whole["products"]["bad"]["retry"] = {"engine": {}, "products": QUICK, "plugins": slow}[where]
    whole["plugins"]["bad"] |= {"breaker": {"failures": 0}, "retry": QUICK if where == "plugins" else {}}
    misbehaving.configure(whole)
    one = misbehaving.start()
    op = one.event("create", "s1", product="bad", plan="number")["operation"]
    end = time.monotonic() + 60 * SLOW
    while one.operation(op, headers={"Prefer": "wait=1"})["tries"] < 12:
        assert time.monotonic() < end, one.operation(op)
    assert one.metrics()["provost_retries_total"] > 5


def test_deadline_of_the_engine(misbehaving):
    one = limited(misbehaving, "engine", deadline="1s")
    parked = one.await_operation("create", "s1", product="bad", plan="number")
    assert parked["state"] == "needs_operator", parked


def test_label(make_provost):
    options = json.loads(json.dumps(shop.OPTIONS))
    options["products"]["support"]["label"] = "Help by day and night"
    one = make_provost(options).start()
    assert [p["label"] for p in one.admin("GET", "/v1/products").json["products"]] == ["Help by day and night"]


def subscribers(misbehaving, **named):
    """Subscribers of these names and members, each with a secret."""
    misbehaving.configure(misbehaving.options | {"subscribers": {
        name: {"secrets": [new_secret()], "retry": {"initial": "20ms", "cap": "200ms"}} | members
        for name, members in named.items()}})
    return misbehaving.start()


def test_sources_of_a_subscriber(misbehaving):
    with Receiver() as all_of_them, Receiver() as others, Receiver() as ours:
        one = subscribers(misbehaving, all={"url": all_of_them.url}, ours={"url": ours.url, "sources": ["shop"]},
                          others={"url": others.url, "sources": ["elsewhere"]})
        one.await_operation("create", "s1", product="good", plan="well")
        for receiver in (all_of_them, ours):
            receiver.wait(lambda got: len(got) == 2)
        waiting = {s["name"]: s for s in one.admin("GET", "/v1/webhooks").json["subscribers"]}
        assert others.got == [] and waiting["others"]["waiting"] == 0, waiting


def test_max_in_flight_of_a_subscriber(misbehaving):
    with Receiver() as receiver:
        receiver.answer = lambda request: 0 if not receiver.released else 204  # held until release()
        one = subscribers(misbehaving, one={"url": receiver.url, "max_in_flight": 1, "timeout": "1m",
                                            "events": ["operation.completed"]})
        for service in ("s1", "s2"):
            one.await_operation("create", service, product="good", plan="well")
        receiver.wait(lambda got: len(got) == 1)
        assert one.admin("GET", "/v1/webhooks").json["subscribers"][0]["waiting"] == 2
        assert len(receiver.got) == 1
        receiver.release()
        receiver.wait(lambda got: len(got) == 2)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed (see tools/packages)")
def test_ca_file_of_a_subscriber(misbehaving, tmp_path):
    certificate, key = certificates.make(tmp_path, "receiver")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with Receiver(tls=tls) as trusted, Receiver(tls=tls) as strange:
        one = subscribers(misbehaving, trusted={"url": trusted.url, "ca_file": str(certificate)},
                          strange={"url": strange.url})
        one.await_operation("create", "s1", product="good", plan="well")
        trusted.wait(lambda got: len(got) == 2)
        metric = re.compile(r"^provost_webhooks_failed_total [1-9]", re.M)
        end = time.monotonic() + 60 * SLOW
        while not metric.search(one.admin("GET", "/metrics").text):
            assert time.monotonic() < end
            one.event("suspend", "s1", wait_s=1)
        assert strange.got == []


def test_max_body(make_provost):
    one = make_provost(shop.OPTIONS | {"http": {"max_body": "2KiB"}}).start()
    assert one.api("POST", "/v1/events", "x" * 2048).json["code"] == "malformed_json"
    assert one.api("POST", "/v1/events", "x" * 2049).status == 413


@pytest.mark.parametrize("form, begins", [("json", r"\{"), ("text", r"\d\d:\d\d:\d\d\.\d\d\d info "), ("auto", r"\{")])
def test_format_of_the_log(make_provost, form, begins):
    one = make_provost(shop.OPTIONS | {"log": {"format": form}}).start()
    assert one.stop() == 0
    lines = one.log_text().splitlines()
    assert lines and all(re.match(begins, line) for line in lines), lines


def test_migrate_is_left_to_the_admin(make_provost):
    one = make_provost(shop.OPTIONS | {"migrate": False})
    with pytest.raises(AssertionError, match="provost db migrate"):
        one.start()
    made = subprocess.run([one.build / "provost", "-c", one.config, "db", "migrate"], capture_output=True, text=True,
                          timeout=60 * SLOW)
    assert made.returncode == 0, made.stderr
    one.start()


def test_store_and_keys(make_provost, tmp_path):
    place = tmp_path / "elsewhere"
    place.mkdir()
    one = make_provost(shop.OPTIONS | {"store": f"sqlite://{place}/shop.db", "keys": str(place / "the-keys")}).start()
    shop.accepted(one, "s1")
    assert (place / "shop.db").stat().st_size > 0
    assert stat.S_IMODE((place / "the-keys").stat().st_mode) == 0o600
    assert not list((one.folder / "data").glob("provost.*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="a socket is given to a group by root")
def test_admin_group(make_provost):
    group = next(g for g in grp.getgrall() if g.gr_gid not in (0, os.getegid()))
    one = make_provost(shop.OPTIONS | {"admin_group": group.gr_name}).start()
    shown = one.socket_path.stat()
    assert (shown.st_gid, stat.S_IMODE(shown.st_mode)) == (group.gr_gid, 0o660)


def test_insecure_public_listen(make_provost):
    public = "0.0.0.0:7070"  # nothing listens there: --check only checks
    one = make_provost(shop.OPTIONS | {"listen": public})
    checked = [one.build / "provostd", "-c", one.config, "--check"]
    refused = subprocess.run(checked, capture_output=True, text=True, timeout=60 * SLOW)
    assert refused.returncode != 0 and "insecure_public_listen" in refused.stderr, refused
    one.configure(shop.OPTIONS | {"listen": public, "http": {"insecure_public_listen": True}})
    taken = subprocess.run(checked, capture_output=True, text=True, timeout=60 * SLOW)
    assert taken.returncode == 0, taken
