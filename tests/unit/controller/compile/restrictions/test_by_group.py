"""Services that are restricted for some groups of users only."""

from __future__ import annotations

from typing import Any

import pytest
from made_policy import made_catalogue, plan, restrictions
from proscribe.controller.compile.catalogue.loading import Catalogue
from proscribe.controller.compile.restrictions.by_group import ByGroup, mistakes, open_elsewhere
from proscribe.controller.policy_errors import PolicyErrors

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
NOTHING = "a service of which {} can find programs or networks on this host: of this one nothing"
OPENED = "a service of which firewall can find networks on this host, or controls: [apps]"


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
def test_a_service_is_refused_where_members_would_be_left_alone(
    service: str, controls: tuple[str, ...], expected: str
) -> None:
    found = said(ByGroup((service,), ("guests",), controls))
    key = "proscribe_groups_restricted[0].services[0]"
    assert [error[:3] for error in found] == ([("", key, service)] if expected else [])
    assert all(error[3].startswith(expected) for error in found)


def test_mistakes_have_their_places() -> None:
    entries = [ByGroup(("chat", "left"), ("a",), BOTH), ByGroup(("pages", "chat", "x"), ("a",), BOTH)]
    keys = [key.removeprefix("proscribe_groups_restricted") for _, key, _, _ in said(*entries)]
    assert keys == ["[0].services[1]", "[1].services[0]", "[1].services[2]"]


ENTRIES = [ByGroup(("chat", "mail"), ("guests",), BOTH), ByGroup(("chat",), ("board", "guests"), ("apps",))]


@pytest.mark.parametrize(
    ("browser", "dns", "blind"),
    [("enforce", "audit", "browser and dns"), ("off", "audit", "dns"), ("audit", "off", "browser"), ("off", "off", "")],
)
def test_controls_that_cannot_tell_users_apart_stay_open(browser: str, dns: str, blind: str) -> None:
    modes = {"apps": "enforce", "firewall": "enforce", "browser": browser, "dns": dns}
    reach = ("guests reach chat, mail too", "board, guests reach chat too")
    expected = [f"{blind} cannot tell users apart, and let the members of {text}" for text in reach if blind]
    assert list(open_elsewhere(ENTRIES, modes)) == expected


VARIABLE = "proscribe_groups_restricted"
PARROT = {"services": ["parrot"], "groups": ["contractors"]}


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return made_catalogue(tmp_path_factory.mktemp("catalog"))


def mistakes_of_plan(values: dict[str, Any], catalogue: Catalogue) -> list[str]:
    with pytest.raises(PolicyErrors) as raised:
        plan(catalogue, [], **values)
    return [f"{error.key}: {error.expected}" for error in raised.value.errors]


@pytest.mark.parametrize(
    ("value", "key", "expected"),
    [
        (PARROT, "", "a list of mappings such as {services: [telegram]"),
        ([PARROT] * 101, "", "at most 100"),
        (["parrot"], "[0]", "a mapping with keys out of services, groups, controls"),
        ([{**PARROT, "users": ["alice"]}], "[0].users", "a known key"),
        ([{"services": ["parrot"]}], "[0].groups", "a list of names of groups"),
        ([{"groups": ["contractors"]}], "[0].services", "a list of service ids"),
        ([{**PARROT, "services": []}], "[0].services", "one at least"),
        ([{**PARROT, "services": "parrot"}], "[0].services", "a list of service ids"),
        ([PARROT, {**PARROT, "groups": []}], "[1].groups", "one at least"),
        ([{**PARROT, "groups": ["x", "1000"]}], "[0].groups[1]", "the name of a group"),  # another one elsewhere
        ([{**PARROT, "groups": ['x" }']}], "[0].groups[0]", "the name of a group"),
        ([{**PARROT, "groups": [f"g{n}" for n in range(21)]}], "[0].groups", "at most 20"),
        ([{**PARROT, "controls": []}], "[0].controls", "one at least"),
        ([{**PARROT, "controls": ["app"]}], "[0].controls[0]", "did you mean 'apps'?"),
        # what cannot tell users apart says so
        ([{**PARROT, "controls": ["apps", "browser"]}], "[0].controls[1]", "browser policies apply to a whole host"),
    ],
)
def test_a_mistake_in_the_variable_is_named_with_its_place(value: Any, key: str, expected: str) -> None:
    with pytest.raises(PolicyErrors) as raised:
        restrictions(groups_restricted=value)
    (error,) = raised.value.errors
    assert error.key == VARIABLE + key
    assert expected in error.expected


@pytest.mark.parametrize(
    ("services", "more", "expected"),
    [
        (["parot"], {}, "[0].services[0]: a service of the catalogue, did you mean 'parrot'?"),
        (["parrot"], {"services_exclude": ["parrot"]}, "restricted on this host: proscribe_services_exclude names it"),
        (["parrot", "dodo"], {}, "[0].services[1]: a service that is restricted on this host: it is only reported"),
        (["parrot_work"], {}, "its audience, enterprise, is not among proscribe_audiences"),
        # only pages and names are known of it, which everybody on a host shares
        (["parrot_work"], {"services_include": ["parrot_work"]}, "can find programs or networks on this host: of this"),
        # the firewall would have refused its addresses
        (["parrot"], {"controls": {"firewall": "off"}}, "or controls: [apps], for its programs alone: nothing would"),
        (["gull"], {"tenants": {"google": ["example.org"]}}, "nothing would be restricted"),
    ],
)
def test_service_that_no_control_restricts_for_some_users_is_refused(
    services: list[str], more: dict[str, Any], expected: str, catalogue: Catalogue
) -> None:
    (said,) = mistakes_of_plan({"groups_restricted": [{**PARROT, "services": services}], **more}, catalogue)
    assert expected in said and said.startswith(VARIABLE)


def test_pages_are_opened_where_somebody_says_that_programs_are_all(catalogue: Catalogue) -> None:
    more = {"controls": {"firewall": "off"}}
    found = plan(catalogue, [], groups_restricted=[{**PARROT, "controls": ["apps"]}], **more)["controls"]
    assert [name for name, part in found.items() if "parrot" in part["services"]] == ["apps"]
