# SPDX-License-Identifier: Apache-2.0
"""TLS of the API: who is spoken with, certificates that are replaced while connections are open, and
those that are refused."""

import contextlib
import http.client
import json
import shutil
import socket
import ssl
import subprocess

import certificates
import pytest
from daemon import SLOW

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def secure(make_provost, tmp_path):
    """A provostd with a certificate named `first`, in tmp_path/tls.crt and tls.key."""
    for kind, path in zip(("crt", "key"), certificates.make(tmp_path, "first")):
        shutil.copy(path, tmp_path / f"tls.{kind}")
    one = make_provost({"tls": {"certificate": str(tmp_path / "tls.crt"), "key": str(tmp_path / "tls.key")}})
    one.trust = tmp_path / "first.crt"
    return one


def put(tmp_path, certificate, key):
    shutil.copy(certificate, tmp_path / "tls.crt")
    shutil.copy(key, tmp_path / "tls.key")


def context(trust, version=None):
    made = ssl.create_default_context(cafile=str(trust))
    if version:
        made.minimum_version = made.maximum_version = version
    return made


def dial(one, trust, version=None, timeout_s=30 * SLOW):
    plain = socket.create_connection(("127.0.0.1", one.port), timeout=timeout_s)
    return context(trust, version).wrap_socket(plain, server_hostname="localhost")


def get(tls, path="/healthz"):
    """One request on a connection that is kept."""
    tls.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = http.client.HTTPResponse(tls)
    answer.begin()
    text = answer.read()
    return answer.status, text


def post(tls, body, header=b""):
    """The same with a body, of which there may be too much to be taken."""
    with contextlib.suppress(ConnectionError):
        tls.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n" % (header, len(body)) + body)
    answer = http.client.HTTPResponse(tls)
    answer.begin()
    return answer.status, json.loads(answer.read())["code"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_requests_over_tls(secure, version):
    one = secure.start()
    token = one.admin("POST", "/v1/tokens", {"source": "shop", "scopes": ["events:write"]}).json["token"]
    with dial(one, one.trust, version) as tls:
        assert tls.version() == ("TLSv1.2" if version == ssl.TLSVersion.TLSv1_2 else "TLSv1.3")
        assert certificates.common_name(tls) == "first"
        assert get(tls)[0] == 200
        status, text = get(tls, "/v1/services")
        assert (status, json.loads(text)["code"]) == (401, "unauthorized")
        # A long body, in many records, and a long answer's worth of requests at once.
        body = b'"' + b"x" * 900_000 + b'"'
        assert post(tls, body, b"Authorization: Bearer %s\r\n" % token.encode()) == (400, "wrong_type")
        tls.sendall(GET * 50 + GET.replace(b"Host: x", b"Host: x\r\nConnection: close"))
        every = b""
        while True:
            part = tls.recv(65536)
            if not part:
                break
            every += part
        assert every.count(b"HTTP/1.1 200 OK") == 51
    with dial(one, one.trust, version) as tls:
        assert post(tls, body) == (401, "unauthorized")
        assert tls.recv(65536) == b"", "that was the end: of nobody no body is taken"


def test_what_is_malformed_inside_of_tls_is_answered(secure):
    one = secure.start()
    for first in (b"", GET):
        with dial(one, one.trust) as tls:
            tls.sendall(first + b"hello\r\n\r\n")
            text = b"".join(iter(lambda: tls.recv(65536), b""))
            last = text.rsplit(b"HTTP/1.1 ", 1)[1]
            assert last.startswith(b"400 Bad Request"), text
            assert json.loads(last.split(b"\r\n\r\n", 1)[1])["code"] == "malformed"


def test_plain_http_is_told_so(secure):
    one = secure.start()
    with socket.create_connection(("127.0.0.1", one.port), timeout=30 * SLOW) as plain:
        plain.sendall(GET)
        text = b"".join(iter(lambda: plain.recv(65536), b""))
    assert text.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"https://" in text


def test_old_versions_are_refused(secure, tmp_path):
    one = secure
    one.configure(one.options | {"tls": one.options["tls"] | {"minimum": "1.3"}})
    one.start()
    with pytest.raises(ssl.SSLError):
        dial(one, one.trust, ssl.TLSVersion.TLSv1_2)
    with dial(one, one.trust, ssl.TLSVersion.TLSv1_3) as tls:
        assert get(tls)[0] == 200


def test_a_reload_brings_the_new_certificate_and_drops_nobody(secure, tmp_path):
    one = secure.start()
    with dial(one, one.trust) as before:
        assert get(before)[0] == 200
        put(tmp_path, *certificates.make(tmp_path, "second"))
        assert one.reload() == "running"
        assert get(before)[0] == 200, "who is connected stays so"
        with pytest.raises(ssl.SSLError):
            dial(one, one.trust)
        with dial(one, tmp_path / "second.crt") as after:
            assert certificates.common_name(after) == "second"
            assert get(after)[0] == 200
        assert get(before)[0] == 200


def bad_pair(tmp_path, how):
    certificate, key = certificates.make(tmp_path, "other", days=-1 if how == "expired" else 30)
    if how == "mismatch":
        key = tmp_path / "first.key"
    elif how == "garbage":
        certificate.write_text("no certificate")
    elif how == "missing":
        key.unlink()
        (tmp_path / "tls.key").unlink()
        shutil.copy(certificate, tmp_path / "tls.crt")
        return
    put(tmp_path, certificate, key)


@pytest.mark.parametrize("how, says", [
    ("mismatch", "is not the key of the certificate"), ("garbage", "expected a certificate"),
    ("missing", "No such file"), ("expired", "expired on")])
def test_a_bad_certificate_keeps_the_old_one(secure, tmp_path, how, says):
    one = secure.start()
    bad_pair(tmp_path, how)
    answer = one.admin("POST", "/v1/reload")
    assert answer.status == 409 and says in answer.text, answer
    assert "refused" in one.reload()
    assert any(says in message for message in one.messages())
    with dial(one, one.trust) as tls:
        assert certificates.common_name(tls) == "first"
        assert get(tls)[0] == 200


@pytest.mark.parametrize("how", ["mismatch", "garbage", "missing"])
def test_it_does_not_start_with_a_bad_certificate(secure, tmp_path, how):
    bad_pair(tmp_path, how)
    with pytest.raises(AssertionError, match="tls"):
        secure.start()


# ---- before it starts ----

def spoil(tmp_path, how):
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    if how.startswith("no "):
        {"no certificate": certificate, "no key": key}[how].unlink()
    elif how == "a wrong key":
        shutil.copy(certificates.make(tmp_path, "other")[1], key)
    elif how == "text for a certificate":
        certificate.write_text("no certificate")
    elif how == "text for a key":
        key.write_text("no key")
    elif how == "a key with a password":
        certificates.openssl("pkcs8", "-topk8", "-in", tmp_path / "first.key", "-passout", "pass:secret", "-out", key)
    elif how == "an empty chain":
        certificate.write_text("")


def checks(one, *words):
    """What `provost config check` says, having seen that `provostd --check` agrees."""
    done = subprocess.run([one.build / "provost", "-c", one.config, *words, "config", "check"], capture_output=True,
                          text=True, env=one.env)
    daemon = subprocess.run([one.build / "provostd", "-c", one.config, "--check"], capture_output=True, text=True,
                            env=one.env)
    assert (daemon.returncode == 0) == (done.returncode == 0), daemon.stdout + daemon.stderr
    assert words or done.stderr in daemon.stderr, daemon.stderr
    return done


@pytest.mark.parametrize("how, option, sentence", [
    ("no certificate", "certificate", "No such file or directory; it must be there and readable for the user"),
    ("no key", "key", "No such file or directory; it must be there and readable for the user"),
    ("a wrong key", "key", "is not the key of the certificate in"),
    ("text for a certificate", "certificate", "expected a certificate in PEM"),
    ("an empty chain", "certificate", "expected a certificate in PEM"),
    ("text for a key", "key", "expected a private key in PEM"),
    ("a key with a password", "key", "needs a password: store it without one"),
])
def test_a_check_opens_the_files(secure, tmp_path, how, option, sentence):
    assert checks(secure).returncode == 0
    spoil(tmp_path, how)
    done = checks(secure)
    assert done.returncode == 1 and "is in order" not in done.stdout
    file = tmp_path / ("tls.crt" if option == "certificate" else "tls.key")
    assert done.stderr.startswith(f"tls.{option}: {file}") and sentence in done.stderr, done.stderr
    [problem] = json.loads(checks(secure, "--json").stdout)["errors"]
    assert (problem["path"], problem["code"], problem["warning"]) == (f"tls.{option}", "certificate", False)


@pytest.mark.parametrize("days, sentence", [(-1, "the certificate has expired: clients will refuse it"),
                                            (3, "the certificate expires within a week")])
def test_a_check_warns_of_a_certificate_that_expires(secure, tmp_path, days, sentence):
    put(tmp_path, *certificates.make(tmp_path, "old", days=days))
    done = checks(secure)
    assert done.returncode == 0 and "is in order" in done.stdout
    assert f"tls.certificate: warning: {tmp_path}/tls.crt: {sentence} (20" in done.stderr, done.stderr


def test_the_doctor_sees_it_too(secure, tmp_path):
    spoil(tmp_path, "a wrong key")
    done = subprocess.run([secure.build / "provost", "-c", secure.config, "--json", "doctor"], capture_output=True,
                          text=True, env=secure.env)
    found = [c for c in json.loads(done.stdout)["checks"] if "is not the key" in c["text"]]
    assert done.returncode == 1 and [c["verdict"] for c in found] == ["fail"], done.stdout


def test_tls_may_listen_in_public(secure):
    one = secure
    one.configure(one.options | {"listen": "0.0.0.0:0"})
    one.start()
    with dial(one, one.trust) as tls:
        assert get(tls)[0] == 200
    assert one.admin("GET", "/v1/status").status == 200, "the admin socket speaks plain HTTP"


def test_clients_that_break_off_harm_nobody(secure):
    one = secure.start()
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    for garbage in (hello, hello[:3], b"\x16\x03\x01\x00\x02\xff\xff", b"\x16" * 400):
        with socket.create_connection(("127.0.0.1", one.port), timeout=30 * SLOW) as plain:
            plain.sendall(garbage)
    with dial(one, one.trust) as tls:
        tls.sendall(GET[:10])
    with dial(one, one.trust) as tls:
        assert get(tls)[0] == 200
