# SPDX-License-Identifier: Apache-2.0
"""The support plugin, step by step."""

import pytest

CUSTOMER = {"customer": {"id": "7", "email": "customer@example.com"}}


def order(plan="basic", **more):
    return {"service": {"plan": plan}, "values": {}, **CUSTOMER, **more}


@pytest.fixture
def support(drive):
    return drive("plugins/support", {})


def key_of(support, service="1"):
    return support.query("reveal", service=service)["support_key"]


def check(support, key):
    return support.query("check", of="instance", key=key)


def test_create_hands_out_a_key(support):
    said = support.ok("create", input=order())
    key = key_of(support)
    assert len(key) == 24 and not set(key) & set("IO01")
    assert said["state"]["email"] == "customer@example.com"
    assert check(support, key) == {"valid": True, "status": "active", "tier": "basic"}


def test_keys_are_unique_and_kept_by_their_hash(support):
    for service in range(20):
        support.ok("create", str(service), order())
    keys = [key_of(support, str(service)) for service in range(20)]
    assert len(set(keys)) == 20
    kept = str(support.ask("kv"))
    assert not any(key in kept for key in keys)
    assert "customer@example.com" not in kept


def test_a_taken_key_is_not_given_again(support):
    """The first random key stands there already, as somebody else's."""
    support.ok("create", "1", order(), until="issue")
    key = key_of(support, "1")
    support.ask("secret", operation="op_2", step="issue", name="key-0", value=key)
    support.ok("create", "2", order())
    assert key_of(support, "2") != key
    assert check(support, key)["valid"]
    assert check(support, key_of(support, "2"))["valid"]


def test_when_every_key_is_taken_it_is_tried_again_later(support):
    support.ok("create", "1", order())
    for i in range(4):
        support.ask("secret", operation="op_2", step="issue", name=f"key-{i}",
                    value=key_of(support, "1"))
    said = support.run("create", "2", order())
    assert said["outcome"] == "temporary" and "in a row were taken" in said["last"]["text"]


def test_check_reads_keys_as_people_write_them(support):
    support.ok("create", input=order())
    key = key_of(support)
    loose = " " + "-".join(key[i:i + 6] for i in range(0, 24, 6)).lower() + "\n"
    assert check(support, loose)["valid"]
    assert check(support, key + "A") == {"valid": False}
    assert check(support, "") == {"valid": False}
    assert check(support, "nonsense") == {"valid": False}


def test_life(support):
    support.ok("create", input=order("basic"))
    key = key_of(support)
    support.ok("suspend", input=order("basic"))
    assert check(support, key) == {"valid": False, "status": "suspended", "tier": "basic"}
    assert support.query("status") == {"status": "suspended"}
    support.ok("unsuspend", input=order("basic"))
    support.ok("upgrade", input=order("premium"))
    assert check(support, key) == {"valid": True, "status": "active", "tier": "premium"}
    support.ok("renew", input=order("premium"))
    assert key_of(support) == key
    assert support.ok("terminate", input=order("premium"))["state"] == {}
    assert check(support, key) == {"valid": False}
    support.ok("terminate", input=order("premium"))
    assert support.ask("kv") == {}


def test_the_products_tier_goes_before_the_plans_name(support):
    support.ok("create", input=order(values={"tier": "gold"}))
    assert check(support, key_of(support))["tier"] == "gold"


def test_an_undone_create_leaves_nothing(support):
    support.run("create", input=order(), undo=True)
    assert support.ask("kv") == {}


def test_an_upgrade_is_undone_to_the_tier_before(support):
    support.ok("create", input=order("basic"))
    support.run("upgrade", input=order("premium"), undo=True)
    assert check(support, key_of(support))["tier"] == "basic"
    said = support.run("upgrade", input=order("basic"), undo=True)
    assert said["state"]["tier"] == "basic" and "tier_before" not in said["state"]


def test_an_upgrade_that_was_not_recorded_is_undone(support):
    """The entry says premium, the state document does not know of it."""
    said = support.ok("create", input=order("basic"))
    support.ok("upgrade", input=order("premium"))
    support.ask("state", service="1", state=said["state"])
    support.undo("upgrade", input=order("premium"))
    assert check(support, key_of(support))["tier"] == "basic"


@pytest.mark.parametrize("recorded", [True, False])
def test_an_undone_upgrade_to_an_equal_tier_keeps_it(support, recorded):
    """The tier before the upgrade before is not what was before this one."""
    support.ok("create", input=order("basic"))
    support.ok("upgrade", input=order("premium"))
    other = order("enterprise", values={"tier": "premium"})
    said = support.run("upgrade", input=other, undo=True) if recorded else support.undo("upgrade", input=other)
    assert said["state"]["tier"] == "premium"
    assert check(support, key_of(support))["tier"] == "premium"


def test_rotate(support):
    support.ok("create", input=order())
    old = key_of(support)
    said = support.act("rotate")
    new = key_of(support)
    assert new != old and said["last"]["result"]["reveal"] == "support_key"
    assert new not in str(said["last"]["result"])
    assert check(support, old) == {"valid": False}
    assert check(support, new)["valid"]


def test_rotate_undone_brings_the_old_key_back(support):
    support.ok("create", input=order())
    old = key_of(support)
    support.run("rotate", undo=True)
    assert key_of(support) == old
    assert check(support, old)["valid"]
    assert len(support.ask("kv")) == 1


def test_rotate_that_stopped_half_way_is_undone(support):
    support.ok("create", input=order())
    old = key_of(support)
    support.run("rotate", undo=True, until="issue")
    assert check(support, old)["valid"] and len(support.ask("kv")) == 1


def test_terminate_after_rotate_leaves_nothing(support):
    support.ok("create", input=order())
    support.act("rotate")
    support.ok("terminate", input=order())
    assert support.ask("kv") == {}


def test_view_refers_to_the_key_and_does_not_hold_it(support):
    support.ok("create", input=order())
    view = support.query("view")
    fields = {f["name"]: f for f in view["fields"]}
    assert fields["support_key"] == {"name": "support_key", "label": "Support key", "secret": True,
                                     "reveal": "support_key"}
    assert fields["email"]["value"] == "customer@example.com"
    assert fields["tier"]["value"] == "basic" and view["status"] == "active"
    assert view["actions"] == ["rotate"]
    assert key_of(support) not in str(view)


def test_without_a_key_nothing_is_shown_or_changed(support):
    said = support.ask("query", of="service", name="reveal", service="9", input={})
    assert said["outcome"] == "permanent" and "no key" in said["text"]
    assert "no key" in support.refused("suspend", "9", order())


def test_instance_queries(support):
    assert support.query("test", of="instance")["ok"] is True
    assert support.query("capacity", of="instance")["accepting"] is True
    assert support.query("inventory", of="instance")["items"] == []
