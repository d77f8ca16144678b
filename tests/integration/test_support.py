# SPDX-License-Identifier: Apache-2.0
"""`provost doctor` and `provost support-bundle`: what is wrong is found and named, and what is packed
for others holds no secret and no customer."""

import json
import os
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest
import shop as shops
from daemon import SLOW

API_KEY = "the-backends-key-77c1"
EMAIL = "grace.hopper@example.com"


@pytest.fixture
def shop(make_provost):
    """support works; of pdns, whose key stands in the file, nothing listens."""
    return make_provost(shops.with_dead_dns(API_KEY))


def checks(cli, one):
    """What doctor finds, by check: lists of (verdict, text, remedy); and its exit status."""
    done = cli(one, "doctor", "--json")
    report = json.loads(done.stdout)
    assert report["ok"] == (done.returncode == 0) and done.returncode in (0, 1), done
    found = {}
    for check in report["checks"]:
        assert check["verdict"] == "ok" or check.get("remedy") or check["verdict"] == "warn", check
        found.setdefault(check["check"], []).append((check["verdict"], check["text"], check.get("remedy")))
    return found, done.returncode


def test_a_healthy_one(misbehaving, cli):
    one = misbehaving.start()
    found, status = checks(cli, one)
    assert status == 0, found
    for check in ("configuration", "keys", "database", "disk", "daemon", "store", "operations", "instance"):
        assert found[check][0][0] == "ok" or check == "disk", (check, found[check])
    assert "clock" in found
    assert sorted(text.split()[0] for _, text, _ in found["instance"]) == ["bad", "good"]
    text = cli(one, "doctor")
    assert text.returncode == 0 and "good works" in text.stdout, text


@pytest.mark.parametrize("abi, verdict, says", [("0", "warn", "has no Landlock"), ("2", "warn", "truncation"),
                                                ("6", "ok", "has everything")])
def test_what_the_kernel_lacks_is_said(make_provost, cli, build, abi, verdict, says):
    if b"PROVOST_FAULTS_LANDLOCK_ABI" not in (build / "provostd").read_bytes():
        pytest.skip("a build without faults has the kernel's own Landlock")
    one = make_provost({"isolation": "best-effort", "plugins": {}, "products": {}},
                       dict(os.environ, PROVOST_FAULTS_LANDLOCK_ABI=abi)).start()
    if one.admin("GET", "/v1/status").json["isolation"]["landlock_abi"] != int(abi):
        pytest.skip(f"this kernel has not Landlock ABI {abi}")
    found, status = checks(cli, one)
    assert status == 0 and found["kernel"][0][0] == verdict and says in found["kernel"][0][1], found
    ready = one.call("GET", "/readyz").json.get("isolation_lacks") or ""
    shown = [line for line in cli(one, "status").stdout.splitlines() if line.split()[:1] == ["lacks"]]
    assert [says in text for text in (ready, *shown)] == ([True, True] if verdict == "warn" else [False]), (ready, shown)


def test_what_is_wrong_is_named(shop, cli):
    shop.start()
    shop.await_operation("create", "s1", product="name", plan="basic")
    (key_file,) = [path for path in shop.folder.rglob("*keys*") if path.is_file()]
    key_file.chmod(0o644)
    found, status = checks(cli, shop)
    assert status == 1
    assert ("fail", f"{key_file} may be read by others (mode 0644)") == found["keys"][0][:2]
    assert found["operations"][0][0] == "warn" and "1 need" in found["operations"][0][1]
    assert any(verdict == "fail" and text.startswith("pdns does not work: ")
               for verdict, text, _ in found["instance"]), found
    assert any(verdict == "ok" and text.startswith("support works") for verdict, text, _ in found["instance"])


def test_without_a_daemon_and_with_a_wrong_file(shop, cli):
    found, status = checks(cli, shop)
    assert status == 1
    assert found["daemon"][0][0] == "fail" and "provostd" in found["daemon"][0][2]
    assert found["database"][0][0] == "warn" and "instance" not in found
    shop.configure(shop.options | {"produkcts": {}})
    found, status = checks(cli, shop)
    assert status == 1 and found["configuration"][0][0] == "fail"
    assert "produkcts" in found["configuration"][0][1]


def unpack(path):
    with tarfile.open(path) as tar:
        return {member.name.split("/")[-1]: tar.extractfile(member).read().decode()
                for member in tar if member.isfile()}


def test_a_bundle_has_what_helps_and_no_secret(shop, cli, tmp_path):
    shop.start()
    shop.event("create", "s1", product="support", plan="basic", wait_s=20)
    failed = shop.await_operation("create", "s2", product="name", plan="basic")
    service = shop.api("GET", "/v1/services?external_id=s1").json["services"][0]["service"]
    key = shop.api("POST", f"/v1/services/{service}/queries/reveal").json["components"][0]["result"]["support_key"]
    output = tmp_path / "bundle.tar.gz"
    log = f'{{"message":"mail to {EMAIL} was not sent"}}\n'
    done = cli(shop, "support-bundle", "--output", output, "--log", "-", stdin=log)
    assert done.returncode == 0, done
    files = unpack(output)
    assert set(files) == {"machine.json", "configuration.json", "doctor.json", "status.json", "instances.json",
                          "plugins.json", "products.json", "readyz.json", "metrics.txt",
                          "needs_operator.json", "log.txt"}
    everything = "\n".join(files.values())
    for secret in (API_KEY, key, EMAIL, "customer@example.com"):
        assert secret not in everything, [name for name, text in files.items() if secret in text]
    assert files["log.txt"] == '{"message":"mail to (e-mail) was not sent"}\n'
    (parked,) = json.loads(files["needs_operator.json"])
    assert parked["operation"] == failed["operation"] and parked["reason"]
    config = json.loads(files["configuration.json"])
    assert config["plugins"]["pdns"]["settings"]["api_key"] == "(hidden)"
    assert config["products"]["name"]["components"][0]["values"]["zone"] == "example.net"
    assert "provost_store_up 1" in files["metrics.txt"]
    assert json.loads(files["doctor.json"])["ok"] is False
    assert output.stat().st_mode & 0o7777 == 0o600
    assert not list(tmp_path.glob("provost-bundle*"))


def test_references_are_shown_and_the_rest_works_without_a_daemon(shop, cli, tmp_path):
    shop.options["plugins"]["pdns"]["settings"]["api_key"] = "${file:" + str(tmp_path / "key") + "}"
    shop.configure(shop.options)
    done = cli(shop, "support-bundle", "--quiet")
    assert done.returncode == 0, done
    files = unpack(shop.folder / done.stdout.strip())
    assert json.loads(files["configuration.json"])["plugins"]["pdns"]["settings"]["api_key"].startswith("${file:")
    assert "not_answered" in json.loads(files["status.json"])


def test_a_colon_in_its_name_makes_no_host_of_it(build, tmp_path):
    done = subprocess.run([build / "provost", "--socket", tmp_path / "none", "support-bundle", "--output",
                           "host:bundle.tar.gz"], cwd=tmp_path, capture_output=True, text=True, timeout=60 * SLOW)
    assert done.returncode == 0, done
    assert "machine.json" in unpack(tmp_path / "host:bundle.tar.gz")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_it_leaves_nothing(build, tmp_path, number):
    """It waits for the log, which comes last, when the signal comes."""
    log = tmp_path / "log"
    os.mkfifo(log)
    process = subprocess.Popen([build / "provost", "--socket", tmp_path / "none", "support-bundle", "--log", log],
                               cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               # What runs in the background of a shell has SIGINT ignored, and leaves it so.
                               preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
    with open(log, "w"):
        open_files = [os.readlink(path) for path in Path(f"/proc/{process.pid}/fd").iterdir()]
        (folder,) = [Path(name) for name in open_files if name.startswith("/tmp/provost-bundle-")]
        assert (folder / "machine.json").exists()
        process.send_signal(number)
        output, _ = process.communicate(timeout=60 * SLOW)
    assert process.returncode == -number, output
    assert not folder.parent.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_where_it_cannot_be_written_it_says_so(shop, cli, tmp_path):
    done = cli(shop, "support-bundle", "--output", tmp_path / "no" / "such" / "folder.tar.gz")
    assert done.returncode == 1 and "was not written" in done.stderr, done
    done = cli(shop, "support-bundle", "--log", tmp_path / "none")
    assert done.returncode in (1, 4) and "none" in done.stderr, done
