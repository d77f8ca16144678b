# SPDX-License-Identifier: Apache-2.0
"""What the pages for newcomers say, to the letter: their commands are taken from them and run."""

import json
import os
import re
import subprocess

import daemon as daemons
import pytest
import quickstart
from daemon import SLOW

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def blocks(root, page, language=""):
    return [text for kind, text in FENCE.findall((root / page).read_text()) if kind == language]


@pytest.fixture
def shell(build, tmp_path):
    """shell(text, **variables) runs lines as somebody would who pasted them: what they printed."""

    def run(text, status=0, **variables):
        env = {name: value for name, value in os.environ.items() if not name.startswith("PROVOST_")}
        env |= {"PATH": f"{build}:{os.environ['PATH']}"} | variables
        done = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", text], env=env, cwd=tmp_path, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=120 * SLOW, check=False)
        assert done.returncode == status, f"{text}{done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def running(root, build, crashing_env):
    """What `make run` prints, while it runs."""
    with quickstart.running(root, build, crashing_env) as (_, text):
        yield text


def test_firing_hooks(root, running, shell):
    exported = dict(re.findall(r"\b(URL|TOKEN)=(\S+)", running))
    assert {"URL", "TOKEN"} <= set(exported), running
    page = iter([text for text in blocks(root, "docs/getting-started-billing.md")
                 if text.startswith(("curl ", "{"))])

    def ask(text, **names):
        for short, full in names.items():
            assert f"{short}_…" in text, text
            text = text.replace(f"{short}_…", full)
        assert "…" not in text.split("#")[0], text
        answer = json.loads(shell(text, **exported).strip())
        assert answer.get("success") is not False, (text, answer)
        return answer

    created = ask(next(page))
    promised = json.loads(next(page).replace("op_01…", "op").replace("svc_…", "svc"))
    assert list(created) == list(promised) and created["duplicate"] is False
    op = created["operation"]
    shown = ask(next(page).replace("op_01…", "op_…"), op=op)
    assert shown["operation"] == op
    suspend = next(page)
    suspended = ask(suspend)
    assert suspended["state"] == "done"
    assert ask(suspend.replace("evt-2", "evt-3").replace("service.suspend", "service.unsuspend"))["state"] == "done"
    find, view, reveal = [line for line in re.sub(r"\\\n\s*", "", next(page)).splitlines()]
    (service,) = ask(find.split("#")[0])["services"]
    assert service["service"] == created["service"]
    looked = ask(view, svc=service["service"])
    assert {"support", "site"} == {part["component"] for part in looked["components"]}
    revealed = ask(reveal, svc=service["service"])
    assert revealed["components"][0]["result"]["support_key"]
    assert ask(next(page), svc=service["service"])["operation"]
    wrong = next(page)
    answer = json.loads(shell("""curl -sS "$URL/v1/events" -H "Authorization: Bearer $TOKEN" \\
        -H 'Content-Type: application/json' -d '{
  "id": "evt-9", "type": "service.create",
  "service": {"id": "9", "product": "website", "plan": "bsic"}, "customer": {"email": "ada@example.com"}}'""",
                              **exported))
    assert answer["error"] in wrong.replace("\\\\", "").replace('\\"', '"') and answer["code"] == "unknown_plan"
    assert set(answer["errors"][0]) == {"path", "code", "error", "position"}
    assert next(page, None) is None


def test_running_provost(root, build, shell, tmp_path):
    """The configuration of the page, the command of the page, the lines of the page, in folders of the test."""
    page = "docs/getting-started-admin.md"
    config = tmp_path / "provost.yaml"
    plain, _tls, _dns = blocks(root, page, "yaml")
    where = f"data_dir: {tmp_path}/data\nruntime_dir: {tmp_path}/run\nplugin_dirs: [{build}/plugins]\n"
    config.write_text(plain.replace("127.0.0.1:7070", "127.0.0.1:0") + where)
    provost = f"provost -c {config} "

    def ours(text):
        return re.sub(r"^provost |\bprovost (?=event|service)", provost, text, flags=re.M)

    commands = [text for text in blocks(root, page) if re.match("(provost|echo) ", text)]
    assert any("provost config check\n" in text for text in commands)
    shell(ours("provost config check"))
    with daemons.Daemon([build / "provostd", "-c", config], tmp_path, name="provostd"):
        token = next(text for text in commands if text.startswith("provost token create"))
        assert "provost_" in shell(ours(token))
        fired = next(text for text in commands if text.startswith("echo "))
        said = shell(ours("\n".join(line for line in fired.splitlines() if not line.startswith("dig "))))
        assert "active" in said and said.count("done") >= 2, said
        rows = re.findall(r"^\| [^|]+ \| (`.*`) \|$", (root / page).read_text(), re.M)
        table = [command for row in rows for command in re.findall(r"`(provost [^`]*)`", row)]
        assert len(table) > 10
        for command in table:
            if "op_…" in command or "pdns-1" in command:  # of an operation that needs somebody; of another plugin
                words = command.replace("op_…", "").replace("pdns-1", "").split(" --")[0].split()
                shell(" ".join([*words, "--help"]))
            else:
                shell(ours(command.replace("shop/12345", "try/1")))
