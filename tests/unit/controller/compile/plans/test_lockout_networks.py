"""Which network lies in which other one, where both begin at one address; and what a mistake is."""

from __future__ import annotations

import ipaddress

import pytest
from proscribe.controller.compile.plans import lockout
from proscribe.controller.compile.plans.lockout import Needed, find
from proscribe.controller.policy_errors import PolicyError

from unit.controller.compile.plans.test_lockout import CONTROLLER, WEB, host, plan


@pytest.fixture(autouse=True)
def controller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockout, "controller_addresses", lambda hosts: {CONTROLLER} if list(hosts) else set())


@pytest.mark.parametrize(
    ("network", "management", "refused", "exempt"),
    [
        ("192.0.2.0/24", "192.0.2.0/29", False, True),
        ("192.0.2.0/24", "192.0.2.0/24", True, True),
        ("192.0.2.0/29", "192.0.2.0/24", True, False),
        ("192.0.2.0/24", "192.0.3.0/24", False, False),
        ("2001:db8:1::/48", "2001:db8:1::/64", False, True),
        ("2001:db8:1::/64", "2001:db8:1::/48", True, False),
    ],
)
def test_of_two_networks_that_begin_at_one_address_the_longer_prefix_lies_in_the_other(
    network: str, management: str, refused: bool, exempt: bool
) -> None:
    """A policy would be refused for a network that it does refuse, or would not be for one that it never does."""
    one = host("web", WEB)
    errors, exempted = find([one], {"web": plan(network, management=(management,))})
    assert ([error.value for error in errors], len(exempted)) == ([network] if refused else [], int(exempt))
    assert all(isinstance(error, PolicyError) for error in errors), "the run adds its own to them and sorts them"


@pytest.mark.parametrize(
    ("network", "spared", "first"),
    [
        ("203.0.113.0/24", [], "203.0.113.5, a"),
        ("203.0.113.0/24", ["203.0.113.5/32"], "203.0.113.7, b"),
        ("203.0.113.6/31", [], "203.0.113.7, b"),
        ("203.0.113.5/32", [], "203.0.113.5, a"),
        ("203.0.113.8/29", [], ""),
        ("203.0.113.0/30", [], ""),
        ("203.0.113.0/24", ["203.0.113.0/29"], ""),
        ("203.0.113.0/24", ["::/0"], "203.0.113.5, a"),
        ("::/0", [], "2001:db8::5, c"),
    ],
)
def test_the_first_address_that_has_to_stay_reachable_is_named(network: str, spared: list[str], first: str) -> None:
    needed = Needed.of({"203.0.113.7": "b", "203.0.113.5": "a", "2001:db8::5": "c", "127.0.0.1": "d", "::1": "e"})
    assert needed.inside(ipaddress.ip_network(network), [ipaddress.ip_network(one) for one in spared]) == first


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
def test_a_managed_host_behind_a_translator_is_no_part_of_a_restricted_network(
    address: str, management: tuple[str, ...], refused: bool
) -> None:
    made = plan("203.0.113.0/24", management=management)
    made["controls"]["firewall"]["settings"]["nat64"] = ["2001:db8:64:64::/64"]
    errors, _ = find([host("web", address)], {"web": made})
    expected = [f"no network that contains {address}, the address of host web"] if refused else []
    assert [error.expected.partition(": remove")[0] for error in errors] == expected
