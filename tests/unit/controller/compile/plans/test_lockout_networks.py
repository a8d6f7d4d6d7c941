"""Which network lies in which other one, where both begin at one address; and what a mistake is."""

from __future__ import annotations

import pytest
from proscribe.controller.compile.plans import lockout
from proscribe.controller.compile.plans.lockout import find

from unit.controller.compile.plans.test_lockout import CONTROLLER, host, plan


@pytest.fixture(autouse=True)
def controller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockout, "controller_addresses", lambda hosts: {CONTROLLER} if list(hosts) else set())


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
