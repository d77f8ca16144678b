# SPDX-License-Identifier: Apache-2.0
"""Some hundred steps in flight in one host: each ends when it was answered, and when all are canceled
the host stays. `make bench` does the same with ten thousand."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent)]

import flight  # noqa: E402

COUNT = 400


def test_all_end_when_they_are_answered(build, tmp_path):
    with flight.Flight(build, tmp_path / "one", COUNT, 3600 * 1000) as one, flight.Completions(one.one) as told:
        one.take_off()
        assert one.one.counters()["operations_unfinished"] == COUNT
        one.backend.say("go")
        lags = one.land(told)
        assert len(lags) == COUNT and one.host_stayed()


def test_no_host_is_lost_when_all_are_canceled(build, tmp_path):
    with flight.Flight(build, tmp_path / "one", COUNT, 3600 * 1000) as one:
        one.take_off()
        one.cancel()
        assert one.hosts_lost() == [], one.one.log_text()
