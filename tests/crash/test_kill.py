# SPDX-License-Identifier: Apache-2.0
"""kill -9 of provostd, its spawner, hosts and their programs under load, at points before and after every
commit and every backend send, and at any moment; through a plugin in C, the http plugin and the script
plugin. Afterwards each effect is in the ledger once, and every acknowledged event is done or parked
with a reason. tests/crash/long plays more of the same."""

import json
import os
import random
import select

import invariants
import kills
import ledger
import pytest
import routes
from daemon import SLOW

pytestmark = pytest.mark.long

KILLS = int(os.environ.get("PROVOST_KILLS", "330" if SLOW == 1 else "120"))
SEED = int(os.environ.get("PROVOST_SEED", "1"))


def test_every_point_is_on_some_route(root):
    reached = set().union(*(routes.points_of(root, route) for route in routes.ROUTES))
    assert reached == set(routes.points(root))
    assert len(reached) >= 10, reached


@pytest.mark.timeout(900)
@pytest.mark.parametrize("honour_keys", [False, True], ids=["keys-ignored", "keys-honoured"])
@pytest.mark.parametrize("route", routes.ROUTES)
def test_nothing_is_lost_and_nothing_is_done_twice(make_provost, root, route, honour_keys):
    played = kills.round(make_provost, root, route, honour_keys, SEED + honour_keys, KILLS // 6)
    print(json.dumps(played | {"problems": len(played["problems"])}))
    assert not played["problems"], "\n".join(played["problems"][:50])
    assert played["kills"] >= KILLS // 6 and played["effects"] > 0


def test_stops_under_load(make_provost):
    """SIGTERM at any moment: status 0 within ten seconds, and the next start goes on."""
    chance = random.Random(SEED)
    with ledger.Ledger(False) as book:
        one = make_provost()
        one.configure(routes.options("ledger", False, book.url, one.folder))
        kills.begin(one)
        run = kills.Run(one, SEED, [], kills.BACKLOG["ledger"])
        run.load.start()
        for _ in range(25):
            one.start()
            ended = os.pidfd_open(one.pid)
            run.load.up.set()
            for _ in range(chance.randrange(3)):
                select.select([ended], [], [], chance.random() * 0.3)
                run.kill_one(("host",))
            select.select([ended], [], [], chance.random() * 0.3)
            os.close(ended)
            assert one.stop() == 0, one.log_text()[-3000:]
            run.load.up.clear()
        states = run.finish(120 * SLOW)
        assert one.stop() == 0
        problems = run.load.problems + invariants.check(one.database)
        problems += book.check(states, run.load.acknowledged)
        assert not problems, "\n".join(problems[:50])
