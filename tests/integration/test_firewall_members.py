"""A service that is refused to the members of a group only, with real packets between network namespaces."""

import pytest
from proscribe.host.controls import firewall
from proscribe.host.plan_resolution import resolve_groups
from traffic_world import BLOCKED, BLOCKED_6, BLOCKED_HOST, FREE, plan, world_in


@pytest.fixture
def world(tmp_path):
    with world_in(tmp_path) as started:
        started.user("alice", 51004)
        started.user("bob", 51005)
        yield started


def ban(world):
    """Return the plan as it is on this host: telegram for contractors only, signal for everybody."""
    compiled = plan("203.0.113.0/24", "2001:db8::/48", signal=[BLOCKED_HOST])
    services = compiled["controls"]["firewall"]["services"]
    services["telegram"].update(only={"posix_groups": ["contractors"]}, exceptions=[])
    return dict(resolve_groups(world.host, compiled)[0])


def members(world, *names):
    world.file("/etc/group", f"contractors:x:60000:{','.join(names)}\n")


def test_a_member_is_refused_and_everybody_else_gets_through(world):
    members(world, "alice")
    world.enforce(ban(world))
    for address in (BLOCKED, BLOCKED_6):
        roles = ("bob", "local", "inner")  # another user, root, a guest behind the host
        assert {world.send_command(role, "connect", address, 443) for role in roles} == {"ok"}
        assert world.send_command("alice", "connect", address, 443) == "ECONNREFUSED"
        assert world.send_command("alice", "send", address, 443) == "EPERM"
    assert world.refused() >= 4
    for role in ("alice", "bob", "local"):  # what is for everybody stays so
        assert world.send_command(role, "connect", BLOCKED_HOST, 443) == "ECONNREFUSED"
        assert world.send_command(role, "connect", FREE, 443) == "ok"
    verdicts = {verdict.rule: verdict.state for verdict in firewall.observe(world.host, ban(world))}
    assert verdicts["firewall/telegram"] == verdicts["firewall/ruleset"] == "compliant"
    assert "load inet proscribe" not in map(str, firewall.enforce(world.host, ban(world)).actions)


def test_an_open_connection_of_a_member_dies_and_that_of_another_goes_on(world):
    members(world, "alice")
    for role_name in ("alice", "bob"):
        assert world.send_command(role_name, "connect", BLOCKED, 443) == "ok"
    world.enforce(ban(world))
    assert world.send_command("bob", "say") == "ok"
    assert "nothing" not in {world.send_command("alice", "say"), world.send_command("alice", "hear")}
    assert world.send_command("alice", "say") in ("EPIPE", "ECONNRESET", "ECONNREFUSED")


def test_last_data_of_another_user_arrives_after_the_program_has_ended(world):
    """Then the packets belong to no socket of a user any more, and are not a member's for that."""
    members(world, "alice")
    world.enforce(ban(world))
    assert world.send_command("bob", "pour", BLOCKED, 443, 300_000) == "ok"
    world.peers["bob"].kill()
    world.peers["bob"].communicate()
    assert world.send_command("outside", "drain", 300_000) == "ok" and world.refused() == 0
