"""Services for some groups of users only: what of it a host could not do, and what it leaves open to them."""

from __future__ import annotations

import pytest
from proscribe.controller.compile.restrictions.by_group import ByGroup, mistakes, open_elsewhere

BOTH = ("apps", "firewall")
# What each control finds of a service.
FINDS = {
    "chat": "apps browser firewall dns",
    "pages": "browser dns",
    "program": "apps",
    "browsed": "apps browser",
    "resolved": "apps dns",
    "networked": "firewall dns",
}
NOTHING = (
    "a service of which {} can find programs or networks on this host: of this one nothing would be restricted, since "
    "browser and dns cannot tell users apart"
)
OPENED = (
    "a service of which firewall can find networks on this host, or controls: [apps], for its programs alone: nothing "
    "would close its pages to the members, since browser and dns cannot tell users apart"
)


def said(*entries: ByGroup) -> list[tuple[str, str, object, str]]:
    found = mistakes(
        entries,
        [*FINDS, "left"],
        lambda id_: "nobody restricts it" if id_ == "left" else "",
        lambda control, id_: control in FINDS[id_].split(),
    )
    return [(error.where, error.key, error.value, error.expected) for error in found]


@pytest.mark.parametrize(
    ("service", "controls", "expected"),
    [
        ("chat", BOTH, ""),
        ("program", BOTH, ""),
        ("program", ("apps",), ""),
        ("program", ("firewall",), NOTHING.format("firewall")),
        ("pages", BOTH, NOTHING.format("apps or firewall")),
        ("pages", ("apps",), NOTHING.format("apps")),
        ("browsed", BOTH, OPENED),
        ("resolved", BOTH, OPENED),
        ("resolved", ("apps",), ""),
        ("networked", BOTH, ""),
        ("networked", ("apps",), NOTHING.format("apps")),
        ("left", BOTH, "a service that is restricted on this host: nobody restricts it"),
        ("caht", BOTH, "a service of the catalogue, did you mean 'chat'?"),
    ],
)
def test_what_can_be_restricted_for_some(service: str, controls: tuple[str, ...], expected: str) -> None:
    key = "proscribe_groups_restricted[0].services[0]"
    assert said(ByGroup((service,), ("guests",), controls)) == ([("", key, service, expected)] if expected else [])


def test_each_mistake_has_its_place() -> None:
    entries = [ByGroup(("chat", "left"), ("a",), BOTH), ByGroup(("pages", "chat", "x"), ("a",), BOTH)]
    keys = [key.removeprefix("proscribe_groups_restricted") for _, key, _, _ in said(*entries)]
    assert keys == ["[0].services[1]", "[1].services[0]", "[1].services[2]"]


ENTRIES = [ByGroup(("chat", "mail"), ("guests",), BOTH), ByGroup(("chat",), ("board", "guests"), ("apps",))]


@pytest.mark.parametrize(
    ("browser", "dns", "blind"),
    [("enforce", "audit", "browser and dns"), ("off", "audit", "dns"), ("audit", "off", "browser"), ("off", "off", "")],
)
def test_what_stays_open_to_the_members(browser: str, dns: str, blind: str) -> None:
    modes = {"apps": "enforce", "firewall": "enforce", "browser": browser, "dns": dns}
    reach = ("guests reach chat, mail too", "board, guests reach chat too")
    expected = [f"{blind} cannot tell users apart, and let the members of {text}" for text in reach if blind]
    assert list(open_elsewhere(ENTRIES, modes)) == expected
