# SPDX-License-Identifier: Apache-2.0
"""A provostd starts, reloads and stops; says what is wrong with its configuration; and goes on where
it was killed."""

import concurrent.futures
import json
import signal
import sqlite3
import subprocess

import provost as daemons
import pytest
from daemon import SLOW


def test_starts_and_answers(make_provost):
    one = make_provost().start()
    assert one.database.exists()
    assert one.call("GET", "/healthz").status == 200
    assert one.call("GET", "/readyz").status == 200
    assert one.call("GET", "/v1/services").status == 401
    status = one.admin("GET", "/v1/status").json
    assert status["pid"] == one.pid and status["hosts"] == []


@pytest.mark.plain
def test_is_ready_within_200_ms(make_provost):
    one = make_provost().start()
    one.stop()
    times = []
    for _ in range(5):
        one.start()
        one.stop()
        times.append([line["ms"] for line in one.log_lines() if line["message"] == "ready"][-1])
    assert min(times) < 200, times


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_on_a_signal(make_provost, number):
    one = make_provost().start()
    left = daemons.descendants(one.pid)
    one.process.send_signal(number)
    assert one.wait() == 0
    daemons.await_gone(left)
    assert one.messages()[-1] == "stopped"


def test_stops_with_steps_in_flight(misbehaving, backend):
    one = misbehaving.start()
    op = one.event("create", "s1", product="good", plan="wait")["operation"]
    backend.await_waiting(1)
    assert one.stop(timeout_s=50) == 0  # the backend would answer after a minute
    backend.release()
    one.start()
    assert one.await_operation("create", "s1", product="good", plan="wait")["state"] == "done"
    assert one.operation(op)["state"] == "done"
    assert backend.count("s1") == 1


def test_stops_although_a_plugin_never_yields(misbehaving):
    one = misbehaving
    for instance in one.options["plugins"].values():
        instance["stuck_after"] = "60s"
    one.configure(one.options)
    one.start()
    one.event("create", "s1", product="bad", plan="loop")
    one.event("create", "s2", product="good", plan="well", wait_s=20)
    hosts = daemons.descendants(one.pid)
    assert one.stop() == 0
    daemons.await_gone(hosts)


def test_says_everything_that_is_wrong_with_its_configuration(make_provost):
    one = make_provost({"lissten": "x", "plugins": {"a": {"module": "no-such-module"}},
                        "products": {"p": {"components": [{"plugin": "b"}], "plans": {"x": {}}}}})
    ran = subprocess.run(one.command, capture_output=True, text=True, env=one.env, timeout=20 * SLOW)
    assert ran.returncode == 78
    for part in ("lissten", "listen", "no-such-module", "products.p"):
        assert part in ran.stderr, ran.stderr
    check = subprocess.run([*one.command, "--check"], capture_output=True, text=True, env=one.env,
                           timeout=20 * SLOW)
    assert check.returncode == 78 and check.stderr == ran.stderr
    assert not one.database.exists()


def test_checks_and_migrates(make_provost):
    one = make_provost()
    check = subprocess.run([*one.command, "--check"], capture_output=True, text=True, env=one.env,
                           timeout=20 * SLOW)
    assert check.returncode == 0 and "fine" in check.stdout and not one.database.exists()
    migrate = subprocess.run([*one.command, "--migrate"], capture_output=True, text=True,
                             env=one.env, timeout=20 * SLOW)
    assert migrate.returncode == 0, migrate.stderr
    assert one.database.exists()


def test_a_second_daemon_is_refused(make_provost):
    one = make_provost().start()
    ran = subprocess.run(one.command, capture_output=True, text=True, env=one.env, timeout=30 * SLOW)
    assert ran.returncode == 75, ran.stderr
    assert str(one.pid) in ran.stderr
    assert one.call("GET", "/healthz").status == 200


def test_an_address_in_use_is_an_error(make_provost):
    one = make_provost().start()
    other = make_provost({"listen": f"127.0.0.1:{one.port}"})
    ran = subprocess.run(other.command, capture_output=True, text=True, env=other.env,
                         timeout=20 * SLOW)
    assert ran.returncode == 1
    assert f"127.0.0.1:{one.port}" in ran.stderr and "change `listen`" in ran.stderr
    other.configure({"admin_socket": str(one.socket_path)})
    ran = subprocess.run(other.command, capture_output=True, text=True, env=other.env,
                         timeout=20 * SLOW)
    assert ran.returncode == 1
    assert str(one.socket_path) in ran.stderr and "another provostd" in ran.stderr


def test_folders_that_cannot_be_written_are_an_error(make_provost, tmp_path):
    (tmp_path / "file").write_text("")
    one = make_provost({"data_dir": str(tmp_path / "file" / "data")})
    ran = subprocess.run(one.command, capture_output=True, text=True, env=one.env, timeout=20 * SLOW)
    assert ran.returncode == 74, ran.stderr
    assert str(tmp_path / "file" / "data") in ran.stderr and "make it" in ran.stderr


def test_reload_takes_over_what_changed(misbehaving, backend):
    one = misbehaving.start()
    one.event("create", "s1", product="good", plan="wait")
    one.event("create", "s2", product="bad", plan="well", wait_s=20)
    backend.await_waiting(1)
    before = one.hosts()
    options = json.loads(json.dumps(one.options))
    options["plugins"]["good"]["settings"]["start"] = "again"
    options["products"]["good"]["plans"]["extra"] = {"how": "well"}
    one.configure(options)
    assert one.reload() == "running"
    assert one.metrics()["provost_reloads_total"] == 1
    # The step of s1 goes on in the old host, while a new one takes what comes now.
    shown = one.await_operation("create", "s3", product="good", plan="extra")
    assert shown["state"] == "done", shown
    after = one.hosts()
    assert after["bad"] == before["bad"] and after["good"] != before["good"]
    backend.release()
    assert one.await_operation("create", "s1", product="good", plan="wait")["state"] == "done"
    assert backend.count("s1") == 1
    daemons.await_gone([before["good"]])


def test_a_bad_reload_changes_nothing(misbehaving, backend):
    one = misbehaving.start()
    one.event("create", "s1", product="good", plan="well", wait_s=20)
    before = one.hosts()
    good = one.options
    one.configure(good | {"produckts": {}})
    assert "refused" in one.reload()
    assert any("produckts" in line.get("path", "") + line.get("message", "") for line in one.log_lines())
    answer = one.admin("POST", "/v1/reload")
    assert answer.status == 409 and "produckts" in answer.text, answer
    assert one.hosts() == before
    assert one.await_operation("create", "s2", product="good", plan="well")["state"] == "done"
    one.configure(good)
    assert one.reload() == "running"


def test_hosts_are_listed(misbehaving, backend):
    one = misbehaving.start()
    one.event("create", "s1", product="good", plan="wait")
    backend.await_waiting(1)
    shown = {i["name"]: i["hosts"] for i in one.admin("GET", "/v1/instances").json["instances"]}
    assert shown["bad"] == []
    (host,) = shown["good"]
    assert host["state"] == "ready" and host["in_flight"] == 1 and host["restarts"] == 0
    assert host["pid"] in daemons.descendants(one.pid) and host["resident_bytes"] > 0
    metrics = one.admin("GET", "/metrics").text
    assert 'provost_host_ready{instance="good"} 1' in metrics
    assert 'provost_host_calls{instance="good"} 1' in metrics
    daemons.os.kill(host["pid"], signal.SIGKILL)
    backend.release()
    one.await_operation("create", "s1", product="good", plan="wait")
    shown = {i["name"]: i["hosts"] for i in one.admin("GET", "/v1/instances").json["instances"]}
    (host,) = shown["good"]
    assert host["restarts"] == 1 and "killed from outside" in host["fault"]
    # Of the request under way when the host was killed nobody knows how it ended.
    metrics = one.admin("GET", "/metrics").text
    assert 'provost_backend_requests_total{instance="good",answer="2xx"} 1' in metrics, metrics
    assert 'provost_backend_request_seconds_count{instance="good"} 1' in metrics
    assert 'provost_backend_requests_total{instance="bad",answer="2xx"} 0' in metrics


def test_an_instance_with_live_services_cannot_be_removed(misbehaving, backend):
    one = misbehaving.start()
    one.await_operation("create", "s1", product="good", plan="well")
    good = one.options
    without = json.loads(json.dumps(good))
    del without["plugins"]["good"], without["products"]["good"]
    one.configure(without)
    assert "refused" in one.reload()
    assert any("plugins.good" in line.get("path", "") for line in one.log_lines())
    assert one.await_operation("terminate", "s1")["state"] == "done"
    assert one.reload() == "running"
    assert one.admin("POST", "/v1/reload").status == 200


@pytest.mark.parametrize("first", ["create", "reload"])
def test_an_instance_is_not_removed_under_a_service_that_is_being_made(misbehaving, backend, first):
    """The create is with the store, which cannot write yet, when the reload looks for services, or comes
    while that waits for what was written before."""
    one = misbehaving.start()
    assert one.api("GET", "/v1/services").status == 200  # the token is known from now on
    without = json.loads(json.dumps(one.options))
    del without["plugins"]["good"], without["products"]["good"]
    one.configure(without)
    customer = {"id": "c1", "email": "customer@example.com"}
    other, event = ({"id": f"{service}-create-1", "type": "service.create",
                     "service": {"id": service, "product": product, "plan": "well"},
                     "customer": customer} for service, product in (("s0", "bad"), ("s1", "good")))
    with concurrent.futures.ThreadPoolExecutor() as calls:
        database = sqlite3.connect(one.database, isolation_level=None)
        database.execute("BEGIN IMMEDIATE")
        start = {"other": lambda: calls.submit(one.api, "POST", "/v1/events", other),
                 "create": lambda: calls.submit(one.api, "POST", "/v1/events", event),
                 "reload": lambda: calls.submit(one.admin, "POST", "/v1/reload")}
        # As long as it takes to be at the store. However long that is, the two never both succeed.
        under_way = {}
        for what in ["other", first, "reload" if first == "create" else "create"]:
            under_way[what] = start[what]()
            concurrent.futures.wait([under_way[what]], 0.2)
        database.execute("ROLLBACK")
        database.close()
    answers = {what: call.result() for what, call in under_way.items()}
    if answers["create"].status == 202:
        assert answers["reload"].status == 409 and "plugins.good" in answers["reload"].text, answers
        assert one.await_operation("create", "s1", product="good", plan="well")["state"] == "done"
    else:
        assert answers["create"].status in (400, 503), answers


def test_kill_of_the_daemon_takes_its_hosts_and_work_resumes(misbehaving, backend):
    one = misbehaving.start()
    one.event("create", "s1", product="good", plan="wait")
    one.event("create", "s2", product="bad", plan="wait")
    backend.await_waiting(2)
    left = daemons.descendants(one.pid)
    assert len(left) >= 3  # the spawner and two hosts
    one.kill()
    daemons.await_gone(left)
    backend.release()
    one.start()
    for service, product in (("s1", "good"), ("s2", "bad")):
        shown = one.await_operation("create", service, product=product, plan="wait")
        assert shown["state"] == "done", shown


def test_the_end_of_the_spawner_is_the_end(make_provost):
    one = make_provost().start()
    (spawner,) = daemons.descendants(one.pid)
    daemons.os.kill(spawner, signal.SIGKILL)
    assert one.wait() == 70
    assert any("spawner died" in message for message in one.messages())


def test_log_lines_of_steps_say_whose_they_are(misbehaving, backend):
    one = misbehaving
    one.configure(one.options | {"log": {"level": "debug"}})
    one.start()
    op = one.await_operation("create", "s1", product="good", plan="well")
    crashed = one.await_operation("create", "s2", product="bad", plan="crash")
    assert crashed["state"] == "needs_operator"
    lines = [line for line in one.log_lines() if "attempt" in line and "step" in line]
    well = [line for line in lines if line["operation"] == op["operation"]]
    lost = [line for line in lines if line["operation"] == crashed["operation"]
            and line["message"].startswith("step.lost")]
    assert well and well[0]["level"] == "debug" and len(lost) == 3, lines
    for line, shown, instance in [(well[0], op, "good"), (lost[0], crashed, "bad")]:
        assert line["service"] == shown["service"]
        assert line["step"] in [step["step"] for step in shown["steps"]]
        assert line["instance"] == instance and line["component"] == "thing"
        assert line["attempt"] == 1 and line["call"] == "run"
    assert lost[0]["level"] == "warn"
