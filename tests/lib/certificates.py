# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests, made by openssl: each signs itself, for localhost and 127.0.0.1."""

import subprocess
from pathlib import Path


def make(folder, name, days=30):
    """Makes NAME.crt and NAME.key in the folder; their paths. With days=-1 it has expired."""
    certificate, key = Path(folder) / f"{name}.crt", Path(folder) / f"{name}.key"
    request = Path(folder) / f"{name}.csr"
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", request)
    openssl("x509", "-req", "-in", request, "-signkey", key, "-days", str(days), "-copy_extensions", "copy",
            "-out", certificate)
    return certificate, key


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def common_name(tls):
    """Whose certificate a connected socket has been shown."""
    return dict(part[0] for part in tls.getpeercert()["subject"])["commonName"]
