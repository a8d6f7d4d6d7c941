"""Policies that would cut off the controller or the hosts from each other."""

from typing import Any

import pytest
from made_plans import make_plan
from proscribe.controller.compile.inventory.host_variables import HostVariables
from proscribe.controller.compile.plans import lockout
from proscribe.controller.compile.restrictions.firewall_rules import read_firewall_rules
from proscribe.model import plan as plans

WEB, DB = "203.0.113.5", "2001:db8::5"


@pytest.fixture
def controller(monkeypatch):
    monkeypatch.setattr(lockout, "find_controller_addresses", lambda hosts: {"198.51.100.9"} if list(hosts) else set())


def build_host(name: str, address: str = "", port: int = 22) -> HostVariables:
    return HostVariables(name, {}, {"proscribe_firewall_rules": "all.yml:3"}, ".", address, port)


def plan(*networks: str, mode: str = "enforce", management: tuple[str, ...] = (), rules: Any = ()) -> dict[str, Any]:
    settings = {"management": list(management), "rules": list(read_firewall_rules(rules))}
    return make_plan("firewall", {"chat": list(networks)} if networks else {}, mode, settings)


def find_mistakes(compiled: dict[str, Any], *more: HostVariables) -> tuple[list[str], list[str]]:
    hosts = [build_host("web", WEB), build_host("db", DB), *more]
    errors, warnings = lockout.find_lockouts(hosts, {item.name: compiled for item in hosts})
    return [str(error) for error in errors], warnings


FREE = "192.0.2.0/24"
NO_NETWORK = "service chat: networks: found '203.0.113.0/24', expected no network that contains 203.0.113.5"
REFUSED: list[tuple[dict[str, Any], str]] = [
    (plan("203.0.113.0/24"), NO_NETWORK),
    (plan("2001:db8::/48"), "2001:db8::5, the address of host db"),
    (plan(FREE, "198.51.100.0/24"), "198.51.100.9, this controller's own address"),
    (plan("203.0.113.0/24", mode="audit"), "the address of host web"),
    (plan(FREE, management=("192.0.2.0/24",)), f"service chat: networks: found '{FREE}', expected networks that"),
    (plan(FREE, management=("192.0.0.0/16", "2001:db8::/64")), "would never be refused"),
]


@pytest.mark.usefixtures("controller")
@pytest.mark.parametrize(("compiled", "expected"), REFUSED)
def test_a_network_of_a_service_that_somebody_needs_stops_the_run(compiled, expected):
    (error,), _ = find_mistakes(compiled)
    assert expected in error


@pytest.mark.usefixtures("controller")
def test_later_plan_that_cuts_a_host_off_stops_this_run():
    then = plan("203.0.113.0/24")
    at = "2026-12-01T00:00:00Z"
    now = plans.add_digest({**plan("203.0.113.0/24", mode="waived"), "later": {"at": at, "plan": then["digest"]}})
    hosts = [build_host("web", WEB), build_host("db", DB)]
    (error,), _ = lockout.find_lockouts(hosts, dict.fromkeys(("web", "db"), now), {then["digest"]: then})
    assert NO_NETWORK in str(error) and str(error).endswith(f"it would be in force from {at} on")
    # a mistake of today is reported once, without a day
    both = plans.add_digest({**then, "later": {"at": at, "plan": then["digest"]}})
    later = {then["digest"]: plan("203.0.113.0/24", FREE)}
    (error,), _ = lockout.find_lockouts(hosts, dict.fromkeys(("web", "db"), both), later)
    assert "in force from" not in str(error)


RULE = {"direction": "in", "verdict": "drop"}
OUT = {"direction": "out", "verdict": "reject"}
MANAGED = ("198.51.100.0/24",)
SELF, EVERYWHERE = "198.51.100.9, this controller's own address", "this rule refuses SSH from everywhere"
RULES: list[tuple[dict[str, Any], tuple[str, ...], str]] = [
    (RULE, (), EVERYWHERE),
    (RULE, MANAGED, ""),
    (RULE, ("10.0.0.0/8",), SELF),
    ({**RULE, "protocol": "tcp", "ports": ["20-30"]}, (), EVERYWHERE),
    ({**RULE, "protocol": "tcp", "ports": [80]}, (), ""),
    ({**RULE, "addresses": ["198.51.100.0/25"]}, (), SELF),
    ({**RULE, "addresses": ["198.51.100.0/25"]}, MANAGED, ""),
    ({**RULE, "addresses": ["203.0.113.0/24"]}, (), ""),  # the hosts among themselves
    (OUT, (), ""),  # answers to what came in pass
    ({**OUT, "addresses": ["198.51.100.9"]}, (), SELF),
    ({**OUT, "addresses": ["203.0.113.0/24"], "ports": [445]}, (), ""),
    ({**OUT, "direction": "forward", "addresses": ["198.51.100.9"]}, (), ""),
]


@pytest.mark.usefixtures("controller")
@pytest.mark.parametrize(("rule", "management", "expected"), RULES)
def test_rule_may_not_cut_the_controller(rule, management, expected):
    errors, _ = find_mistakes(plan(management=management, rules=[rule]))
    assert [expected in error for error in errors] == ([True] if expected else [])
    assert all(error.startswith("all.yml:3: proscribe_firewall_rules[0]") for error in errors)


@pytest.mark.usefixtures("controller")
def test_a_rule_or_a_plan_that_cuts_nobody_hides_none_after_it():
    harmless = [{**RULE, "verdict": "accept"}, {**OUT, "direction": "forward"}, {**RULE, "protocol": "udp"}, RULE]
    errors, _ = find_mistakes(plan(rules=[*harmless, RULE]))
    assert [error.partition(": found")[0].rpartition("rules")[2] for error in errors] == ["[3]", "[4]"]
    hosts = [build_host(f"h{number}", f"203.0.113.{number}") for number in range(1, 5)]
    without = plans.add_digest({"schema": plans.PLAN_SCHEMA, "contact": "", "controls": {}})
    compiled = dict(zip(("h1", "h2", "h3", "h4"), (without, plan(FREE), plan(FREE), plan("203.0.113.4/32"))))
    assert "203.0.113.4, the address of host h4" in str(lockout.find_lockouts(hosts, compiled)[0][0])
    spared = plan("203.0.113.0/24", "198.51.100.0/24", management=(f"{WEB}/32", "198.51.100.9", "::/0"))
    assert find_mistakes(spared) == (
        [],
        [
            f"proscribe_management {inner} lies in {outer} of chat: it stays reachable on the hosts that name it"
            for inner, outer in ((f"{WEB}/32", "203.0.113.0/24"), ("198.51.100.9/32", "198.51.100.0/24"))
        ],
    )


@pytest.mark.usefixtures("controller")
def test_the_port_that_ansible_uses_is_the_port_of_ssh():
    compiled = plan(rules=[{**RULE, "protocol": "tcp", "ports": [2222]}])
    assert find_mistakes(compiled)[0] == []
    (error,), _ = find_mistakes(compiled, build_host("odd", "203.0.113.9", 2222))
    assert EVERYWHERE in error


def test_rule_for_everywhere_cuts_the_address_from_which_the_controller_sends(monkeypatch):
    assert lockout.find_controller_addresses(["127.0.0.1", "not-an-address"]) == {"127.0.0.1"}
    for own, other in (("198.51.100.9", "2001:db8::/32"), ("2001:db8::9", "198.51.100.0/24")):
        monkeypatch.setattr(lockout, "find_controller_addresses", lambda _, own=own: {own})
        (error,), _ = find_mistakes(plan(management=(other,), rules=[RULE]))
        assert f"{own}, this controller's own address" in error


@pytest.mark.usefixtures("controller")
@pytest.mark.parametrize(
    ("address", "management", "refused"),
    [
        ("64:ff9b::cb00:7107", (), True),
        ("2001:db8:64:64:cb:71:700:0", (), True),  # behind the organisation's own translator
        ("64:ff9b::c633:6407", (), False),
        ("64:ff9b::cb00:7107", ("203.0.113.7",), False),
        ("64:ff9b::cb00:7107", ("64:ff9b::cb00:7107",), False),
    ],
)
def test_network_of_a_translated_host_is_refused(address, management, refused):
    made = plan("203.0.113.0/24", management=management)
    made["controls"]["firewall"]["settings"]["nat64"] = ["2001:db8:64:64::/64"]
    errors, _ = lockout.find_lockouts([build_host("web", address)], {"web": made})
    expected = [f"no network that contains {address}, the address of host web"] if refused else []
    assert [error.expected.partition(": remove")[0] for error in errors] == expected
