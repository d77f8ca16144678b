# SPDX-License-Identifier: Apache-2.0
"""A shop as small as can be: it sells the product `support` of the plugin of that name."""

import threading

import provost as daemons
from daemon import free_port

OPTIONS = {"plugins": {"support": {"module": "support"}},
           "products": {"support": {"components": [{"name": "support", "plugin": "support"}],
                                    "plans": {"basic": {}}}}}


def with_dead_dns(api_key):
    """Sells the product `name`, too, of an instance `pdns` whose every step fails, with its key in the
    request: nothing listens there."""
    pdns = {"module": "dns", "settings": {"url": f"http://127.0.0.1:{free_port()}", "api_key": api_key}}
    name = {"components": [{"name": "name", "plugin": "pdns",
                            "values": {"mode": "record", "zone": "example.net", "public_ip": "203.0.113.10"}}],
            "plans": {"basic": {}}, "deadline": "1s", "retry": {"initial": "10ms", "cap": "100ms"}}
    return {"plugins": OPTIONS["plugins"] | {"pdns": pdns}, "products": OPTIONS["products"] | {"name": name}}


def create(one, service):
    """Fires a create of `support`; the answer, whatever it is."""
    return one.api("POST", "/v1/events", {
        "id": f"{service}-create", "type": "service.create",
        "service": {"id": service, "product": "support", "plan": "basic"},
        "customer": {"id": "c", "email": "customer@example.com"}})


def accepted(one, service):
    """As create, for an event that has to be accepted: the answer's JSON."""
    answer = create(one, service)
    assert answer.status == 202, answer
    return answer.json


def end_of(one, op):
    """The state that an operation ends or is parked in."""
    state = None
    while state not in daemons.FINAL and state != "needs_operator":
        state = one.operation(op, headers={"Prefer": "wait=30"})["state"]
    return state


class Load(threading.Thread):
    """Creates services until it is told to stop; acknowledged: service to operation. `enough` is set when
    there are that many of them."""

    def __init__(self, one, count):
        super().__init__(daemon=True)
        self.one, self.count, self.acknowledged = one, count, {}
        self.enough, self.stopping = threading.Event(), threading.Event()

    def run(self):
        while not self.stopping.is_set():
            service = f"load-{len(self.acknowledged)}"
            self.acknowledged[service] = accepted(self.one, service)["operation"]
            if len(self.acknowledged) >= self.count:
                self.enough.set()

    def begin(self):
        self.start()
        assert self.enough.wait(60 * daemons.SLOW)
        return self

    def end(self):
        self.stopping.set()
        self.join(60 * daemons.SLOW)
        assert not self.is_alive()
