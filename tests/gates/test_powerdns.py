# SPDX-License-Identifier: Apache-2.0
"""tests/lib/powerdns.py, where another process takes a port before PowerDNS does."""

import socket

import powerdns
import pytest


@pytest.mark.skipif(powerdns.MISSING is not None, reason=f"{powerdns.MISSING} is not installed (see tools/packages)")
@pytest.mark.parametrize("which", ["dns", "web"])
def test_a_port_that_was_taken_is_given_up(tmp_path, monkeypatch, which):
    with socket.socket() as other:
        other.bind(("127.0.0.1", powerdns.free_port()))
        other.listen()
        taken = other.getsockname()[1]
        free = powerdns.free_port
        first = [taken, free()] if which == "dns" else [free(), taken]
        monkeypatch.setattr(powerdns, "free_port", lambda: first.pop(0) if first else free())
        server = powerdns.PowerDNS(tmp_path / "pdns")
        try:
            server.start()
            assert taken not in (server.dns_port, server.http_port) and server.zones() == {}
        finally:
            server.stop()
