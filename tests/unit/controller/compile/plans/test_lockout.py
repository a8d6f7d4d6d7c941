"""A policy that would cut off those who run it is refused; what the organisation named is exempted and said."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.controller.compile.inventory.inventory import HostVariables
from proscribe.controller.compile.plans import lockout
from proscribe.controller.compile.plans.lockout import controller_addresses, find
from proscribe.controller.compile.restrictions.firewall_rules import read_rules
from proscribe.model import plan as plans

CONTROLLER = "198.51.100.9"
WEB, DB = "203.0.113.5", "2001:db8::5"


@pytest.fixture
def controller(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this controller's address is, wherever the tests run."""
    monkeypatch.setattr(lockout, "controller_addresses", lambda hosts: {CONTROLLER} if list(hosts) else set())


def host(name: str, address: str = "", port: int = 22) -> HostVariables:
    return HostVariables(name, {}, {"proscribe_firewall_rules": "all.yml:3"}, ".", address, port)


def plan(*networks: str, mode: str = "enforce", management: tuple[str, ...] = (), rules: Any = ()) -> dict[str, Any]:
    service = {"name": "Chat", "mode": mode, "networks": list(networks), "ports": []}
    settings = {"management": list(management), "rules": list(read_rules(rules))}
    section = {"mode": mode, "services": {"chat": service} if networks else {}, "settings": settings}
    return plans.sealed({"schema": plans.SCHEMA, "contact": "", "controls": {"firewall": section}})


def found(compiled: dict[str, Any], *more: HostVariables) -> tuple[list[str], list[str]]:
    hosts = [host("web", WEB), host("db", DB), *more]
    errors, said = find(hosts, {one.name: compiled for one in hosts})
    return [str(error) for error in errors], said


FREE = "192.0.2.0/24"
NO_NETWORK = "service chat: networks: found '203.0.113.0/24', expected no network that contains 203.0.113.5"
REFUSED: list[tuple[dict[str, Any], str]] = [
    (plan("203.0.113.0/24"), NO_NETWORK),
    (plan("2001:db8::/48"), "2001:db8::5, the address of host db"),
    (plan(FREE, "198.51.100.0/24"), "198.51.100.9, this controller's own address"),
    (plan("198.51.100.9"), "this controller's own address"),
    (plan("203.0.113.0/24", mode="audit"), "the address of host web"),
    (plan(FREE, management=("192.0.2.0/24",)), f"service chat: networks: found '{FREE}', expected networks that"),
    (plan(FREE, management=("0.0.0.0/0",)), "would never be refused"),
    (plan(FREE, management=("192.0.0.0/16", "2001:db8::/64")), "would never be refused"),
]


@pytest.mark.usefixtures("controller")
@pytest.mark.parametrize(("compiled", "expected"), REFUSED)
def test_a_network_of_a_service_that_somebody_needs_stops_the_run(compiled: dict[str, Any], expected: str) -> None:
    (error,), _ = found(compiled)
    assert expected in error


@pytest.mark.usefixtures("controller")
@pytest.mark.parametrize(
    ("compiled", "said"),
    [
        (plan(FREE), []),
        (plan("203.0.113.0/24", mode="waived"), []),
        (plan("203.0.113.0/24", mode="upcoming"), []),
        (plan("203.0.113.0/24", management=("203.0.113.5/32",)), ["203.0.113.5/32 lies in 203.0.113.0/24 of chat"]),
        (plan(FREE, management=("192.0.2.8/29", "10.0.0.0/8")), ["192.0.2.8/29 lies in 192.0.2.0/24 of chat"]),
        (plan(FREE, management=("2001:db8::/32",)), []),
    ],
)
def test_what_is_not_in_force_or_was_named_does_not(compiled: dict[str, Any], said: list[str]) -> None:
    errors, exempted = found(compiled)
    assert errors == []
    assert [text in line for text, line in zip(said, exempted, strict=True)] == [True] * len(said)


@pytest.mark.usefixtures("controller")
def test_what_takes_effect_later_without_a_run_stops_this_one() -> None:
    """A waiver ends at night, and nobody is there who could name the network that the hosts are managed over."""
    then = plan("203.0.113.0/24")
    at = "2026-12-01T00:00:00Z"
    now = plans.sealed({**plan("203.0.113.0/24", mode="waived"), "later": {"at": at, "plan": then["digest"]}})
    hosts = [host("web", WEB), host("db", DB)]
    (error,), _ = find(hosts, dict.fromkeys(("web", "db"), now), {then["digest"]: then})
    assert NO_NETWORK in str(error) and str(error).endswith(f"it would be in force from {at} on")
    # a mistake of today is reported once, without a day
    both = plans.sealed({**then, "later": {"at": at, "plan": then["digest"]}})
    (error,), _ = find(hosts, dict.fromkeys(("web", "db"), both), {then["digest"]: plan("203.0.113.0/24", FREE)})
    assert "in force from" not in str(error)


@pytest.mark.usefixtures("controller")
def test_what_is_open_at_some_hours_only_counts_as_closed() -> None:
    timed = plan("203.0.113.0/24", mode="waived")
    timed["controls"]["firewall"]["services"]["chat"] |= {"hours": [[0, 0, 60]], "otherwise": "enforce"}
    (error,), _ = found(plans.sealed(timed))
    assert NO_NETWORK in error


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
    ({**RULE, "protocol": "udp"}, (), ""),
    ({**RULE, "protocol": "icmp"}, (), ""),
    ({**RULE, "verdict": "accept"}, (), ""),
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
def test_an_own_rule_that_cuts_the_controller_stops_the_run(
    rule: dict[str, Any], management: tuple[str, ...], expected: str
) -> None:
    errors, _ = found(plan(management=management, rules=[rule]))
    assert [expected in error for error in errors] == ([True] if expected else [])
    assert all(error.startswith("all.yml:3: proscribe_firewall_rules[0]") for error in errors)


def test_a_rule_for_everywhere_cuts_a_controller_of_each_family(monkeypatch: pytest.MonkeyPatch) -> None:
    for own, other in (("198.51.100.9", "2001:db8::/32"), ("2001:db8::9", "198.51.100.0/24")):
        monkeypatch.setattr(lockout, "controller_addresses", lambda _, own=own: {own})
        (error,), _ = found(plan(management=(other,), rules=[RULE]))
        assert f"{own}, this controller's own address" in error


@pytest.mark.usefixtures("controller")
def test_a_mistake_in_one_rule_hides_none_in_a_later_one() -> None:
    errors, _ = found(plan(rules=[RULE, {**OUT, "addresses": ["198.51.100.9"]}, RULE]))
    assert [error.partition(":")[2].split(":")[1].strip() for error in errors] == [
        "proscribe_firewall_rules[0]",
        "proscribe_firewall_rules[1].addresses",
        "proscribe_firewall_rules[2]",
    ]


@pytest.mark.usefixtures("controller")
def test_rules_and_hosts_that_cut_nobody_hide_none_after_them() -> None:
    harmless = [{**RULE, "verdict": "accept"}, {**RULE, "protocol": "udp"}, {**OUT, "direction": "forward"}]
    (error,), _ = found(plan(rules=[*harmless, RULE]))
    assert "proscribe_firewall_rules[3]" in error
    without = plans.sealed({"schema": plans.SCHEMA, "contact": "", "controls": {}})
    hosts = [host("a"), host("b", WEB), host("c", DB)]
    several = {"a": without, "b": plan("203.0.113.0/24"), "c": plan("2001:db8::/48")}
    errors, _ = find(hosts, several)
    assert [error.value for error in errors] == ["203.0.113.0/24", "2001:db8::/48"]


@pytest.mark.usefixtures("controller")
def test_the_port_that_ansible_uses_is_the_port_of_ssh() -> None:
    compiled = plan(rules=[{**RULE, "protocol": "tcp", "ports": [2222]}])
    assert found(compiled)[0] == []
    (error,), _ = found(compiled, host("odd", "203.0.113.9", 2222))
    assert EVERYWHERE in error


@pytest.mark.usefixtures("controller")
def test_a_mistake_that_many_hosts_share_is_reported_once() -> None:
    errors, _ = found(plan("203.0.113.0/24"), *(host(f"w{n}", f"203.0.113.{n + 10}") for n in range(50)))
    assert len(errors) == 1


def test_hosts_without_an_address_and_plans_without_a_firewall_ask_nothing() -> None:
    without = plans.sealed({"schema": plans.SCHEMA, "contact": "", "controls": {}})
    assert find([host("web")], {"web": without}) == ([], [])
    assert find([host("web")], {"web": plan("203.0.113.0/24")}) == ([], [])


def test_the_controllers_address_is_the_one_it_would_send_from() -> None:
    assert controller_addresses(["127.0.0.1", "not-an-address"]) == {"127.0.0.1"}


class HostVars(dict[str, dict[str, Any]]):
    """Ansible's `hostvars`, as far as it is asked."""

    def raw_get(self, name: str) -> dict[str, Any]:
        return self[name]


@pytest.mark.parametrize(
    ("name", "values", "address", "port"),
    [
        ("web", {"ansible_host": "203.0.113.5"}, "203.0.113.5", 22),
        ("203.0.113.5", {}, "203.0.113.5", 22),
        ("web", {"ansible_host": "[2001:db8::5]", "ansible_port": 2222}, "2001:db8::5", 2222),
        ("web", {"ansible_host": "fe80::5%eth0", "ansible_port": "2222"}, "fe80::5", 2222),
        ("web", {"ansible_host": "web.example.org", "ansible_port": "{{ later }}"}, "", 22),
        ("web", {}, "", 22),
    ],
)
def test_where_a_host_is_reached_is_read_from_the_inventory(
    name: str, values: dict[str, Any], address: str, port: int
) -> None:
    found = HostVariables.of(name, HostVars({name: values}))
    assert (found.address, found.ssh_port) == (address, port)
