# SPDX-License-Identifier: Apache-2.0
"""The host under Valgrind: a whole life of a service, whose steps run on stacks of their own."""

import shutil

import pytest
from daemon import SLOW
from recorder import Recorder, answer

VALGRIND = shutil.which("valgrind")
# The host ends with its parent, which is this script, so that its status can be kept.
HOST = """#!/bin/bash
case "$*" in *--describe*) exec '{host}' "$@" ;; esac
'{valgrind}' --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,possible \\
    --log-file='{folder}/'$$.log '{host}' "${{@/#--parent=*/--parent=$$}}"
status=$?
echo $status >'{folder}/'$$.status
exit $status
"""
CALL = {"method": "PUT", "body": {}, "idempotent": True}
SETTINGS = {"operations": {
    "create": [CALL | {"name": "one", "path": "/one", "state": {"id": "/id"},
                       "undo": {"method": "DELETE", "path": "/one"}},
               CALL | {"name": "two", "path": "/two/{{state.id}}"}, CALL | {"name": "three", "path": "/three"}],
    "suspend": [CALL | {"path": "/off"}], "unsuspend": [CALL | {"path": "/on"}],
    "terminate": [{"method": "DELETE", "path": "/one"}]}}


@pytest.mark.skipif(VALGRIND is None, reason="valgrind is not installed (see tools/packages)")
def test_a_host_under_valgrind(make_provost, build, tmp_path, sanitized):
    if sanitized:
        pytest.skip("a build with sanitizers does not run under valgrind")
    folder, host = tmp_path / "valgrind", tmp_path / "host"
    folder.mkdir()
    host.write_text(HOST.format(host=build / "provost-host", valgrind=VALGRIND, folder=folder))
    host.chmod(0o755)
    broken = iter([500])

    def handle(request):
        return answer(next(broken, 200) if request.path == "/three" else 200, {"id": "5"})

    with Recorder(handle) as backend:
        # Valgrind knows neither Landlock nor seccomp; docs/host.md.
        one = make_provost({
            "isolation": "best-effort",
            "plugins": {"back": {"module": "http", "settings": SETTINGS | {"url": backend.url}}},
            "products": {"thing": {"components": [{"plugin": "back"}], "plans": {"basic": {}},
                                   "retry": {"initial": "100ms", "cap": "1s"}}}})
        one.env["PROVOST_HOST"] = str(host)
        one.start()
        for kind in ("create", "suspend", "unsuspend", "terminate"):
            event = {"id": f"1-{kind}", "type": f"service.{kind}", "service": {"id": "1"}}
            event["service"] |= {"product": "thing", "plan": "basic"} if kind == "create" else {}
            event |= {"customer": {"email": "customer@example.com"}} if kind == "create" else {}
            for _ in range(6 * SLOW):
                said = one.api("POST", "/v1/events", event, headers={"Prefer": "wait=20"})
                assert said.status in (200, 202), said
                shown = one.operation(said.json["operation"])
                if shown["state"] == "done":
                    break
            assert shown["state"] == "done", shown
        assert [r.path for r in backend.take()] == ["/one", "/two/5", "/three", "/three", "/off", "/on", "/one"]
        assert one.stop() == 0, one.log_text()
    reports = {file.stem: file.read_text() for file in folder.glob("*.log")}
    statuses = {file.stem: file.read_text() for file in folder.glob("*.status")}
    assert reports
    assert statuses == dict.fromkeys(reports, "0\n"), reports
    for report in reports.values():
        assert "ERROR SUMMARY: 0 errors" in report, report
