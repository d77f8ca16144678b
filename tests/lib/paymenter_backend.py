# SPDX-License-Identifier: Apache-2.0
"""The back end that the Paymenter extensions call, as they know it: sites, support keys and zones by
service id, bodies that are checked, a bearer token, and errors as {"success": false, "error"}."""

from recorder import Recorder, answer

TOKEN = "backend-token"
PLANS = {"basic", "standard", "premium"}


class Refused(Exception):
    def __init__(self, status, error):
        super().__init__(error)
        self.status = status


class PaymenterBackend(Recorder):
    """with PaymenterBackend() as backend: what it has made is in sites, support and zones. The next
    answer of a path is what disturb(path, …) says, before or after the work was done."""

    def __init__(self):
        super().__init__(self.serve)
        self.sites = {}
        self.support = {}
        self.zones = {}
        self.disturbed = {}
        self.routes = {
            "/create-site": self.create_site, "/delete-site": self.delete_site,
            "/suspend": lambda b: self.switch(self.sites, b, "suspended"),
            "/unsuspend": lambda b: self.switch(self.sites, b, "active"),
            "/wp/upgrade/": self.upgrade,
            "/support/create": self.create_support,
            "/support/suspend": lambda b: self.switch(self.support, b, "suspended"),
            "/support/unsuspend": lambda b: self.switch(self.support, b, "active"),
            "/support/terminate": lambda b: self.remove(self.support, b),
            "/customdomain/add/zone": self.add_zone, "/customdomain/delete/zone": self.delete_zone,
            "/customdomain/add/record": self.add_record,
        }

    def disturb(self, path, said, after_work=False):
        """said: answer(…), or None for a connection that breaks."""
        self.disturbed[path] = (said, after_work)

    # ---- what it does ----

    @staticmethod
    def need(body, *names):
        for name in names:
            if not isinstance(body.get(name), str) or not body[name]:
                raise Refused(400, f"{name} is required")
        unknown = set(body) - {"service_id", "email", "plan", "public_ip", "firstname", "lastname", "zone",
                               "name", "type", "content", "ttl", "priority"}
        if unknown:
            raise Refused(400, f"unknown: {sorted(unknown)}")

    def found(self, table, body):
        self.need(body, "service_id")
        if body["service_id"] not in table:
            raise Refused(404, f"Service {body['service_id']} not found")
        return table[body["service_id"]]

    def create_site(self, body):
        self.need(body, "service_id", "email", "plan", "public_ip")
        if body["plan"] not in PLANS:
            raise Refused(400, f"Unknown plan {body['plan']}")
        if body["service_id"] in self.sites:
            raise Refused(409, f"Service {body['service_id']} already exists")
        self.sites[body["service_id"]] = {"status": "active", "plan": body["plan"], "email": body["email"],
                                          "public_ip": body["public_ip"]}
        return {}

    def delete_site(self, body):
        return self.remove(self.sites, body)

    def remove(self, table, body):
        self.found(table, body)
        del table[body["service_id"]]
        return {}

    def switch(self, table, body, status):
        self.found(table, body)["status"] = status
        return {}

    def upgrade(self, body):
        self.need(body, "plan")
        if body["plan"] not in PLANS:
            raise Refused(400, f"Unknown plan {body['plan']}")
        self.found(self.sites, body)["plan"] = body["plan"]
        return {}

    def create_support(self, body):
        self.need(body, "service_id", "email")
        if body["service_id"] in self.support:
            raise Refused(409, "duplicate")
        key = f"KEY{body['service_id']}ABC"
        self.support[body["service_id"]] = {"status": "active", "key": key}
        return {"support_key": key}

    def add_zone(self, body):
        self.need(body, "service_id", "zone")
        if body["zone"] in self.zones:
            raise Refused(409, f"{body['zone']} is there already")
        self.zones[body["zone"]] = {"service": body["service_id"], "records": []}
        return {}

    def delete_zone(self, body):
        self.need(body, "service_id", "zone")
        if self.zones.get(body["zone"], {}).get("service") != body["service_id"]:
            raise Refused(404, f"no zone {body['zone']}")
        del self.zones[body["zone"]]
        return {}

    def add_record(self, body):
        self.need(body, "service_id", "zone", "name", "type", "content")
        zone = self.zones.get(body["zone"])
        if zone is None:
            raise Refused(404, f"no zone {body['zone']}")
        zone["records"].append({k: body[k] for k in ("name", "type", "content", "ttl") if k in body})
        return {}

    def listed(self, path):
        service = path.partition("service_id=")[2].partition("&")[0]
        names = [name for name, zone in self.zones.items() if zone["service"] == service]
        return answer(200, {"success": True, "zones": [{"zone": name} for name in names]})

    # ---- requests ----

    def serve(self, request):
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return answer(401, {"success": False, "error": "Unauthorized"})
        if request.method == "GET" and request.path.startswith("/customdomain/list/zones?"):
            return self.listed(request.path)
        route = self.routes.get(request.path)
        if request.method != "POST" or route is None:
            return answer(404, {"success": False, "error": "no such route"})
        said, after_work = self.disturbed.pop(request.path, (False, False))
        if said is not False and not after_work:
            return said
        try:
            done = answer(200, {"success": True} | route(request.json))
        except Refused as refused:
            done = answer(refused.status, {"success": False, "error": str(refused)})
        return done if said is False else said
