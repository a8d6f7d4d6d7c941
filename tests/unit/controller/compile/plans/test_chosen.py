"""Which services a host's restrictions name, which they restrict, and why they leave the others alone."""

from __future__ import annotations

from typing import Any

import pytest
from made import catalogue, service
from proscribe.controller.compile.plans.chosen import chosen_services
from proscribe.controller.compile.restrictions import Restrictions, read_restrictions
from proscribe.controller.policy_errors import PolicyErrors

MADE = catalogue(
    service("owl"),
    service("dodo", enforce=False),
    service("crow", category="social_media"),
    service("work", audience="enterprise"),
    service("both", audience="both", programs="both", tenants="google"),
)
KNOWN = {"packages": {"apt": ("x",)}, "networks": ("192.0.2.0/24",)}  # of a service, to apps and to firewall
SHARED = catalogue(
    service("own", **KNOWN),
    service("shared", **KNOWN, programs="both", tenants="google"),
    service("page", urls=("a.example/x",), domains=("a.example",)),
)
TENANTS = {"tenants": {"google": ["example.org"]}}
REMOVED = {"programs_for_both": "remove"}


def restricted(**values: Any) -> Restrictions:
    return read_restrictions({f"proscribe_{name}": value for name, value in values.items()}, str)


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        ({}, "both crow- dodo- owl"),
        ({"services_include": ["dodo", "crow", "work"]}, "both crow dodo owl work"),
        ({"services_exclude": ["owl", "both"]}, "crow- dodo-"),
        ({"categories": ["social_media"]}, "crow"),
        ({"categories": [], "categories_reported": ["instant_messaging"]}, "both- dodo- owl-"),
        ({"audiences": ["enterprise"]}, "work"),
        ({"audiences": []}, ""),
    ],
)
def test_what_is_restricted_and_what_is_only_reported(values: dict[str, Any], chosen: str) -> None:
    found = chosen_services(MADE, restricted(**values))
    assert [f"{one.id}{'' if enforced else '-'}" for one, enforced in found] == chosen.split()


@pytest.mark.parametrize(
    ("values", "key", "value", "expected"),
    [
        ({"services_include": ["owel"]}, "services_include", "owel", "a service of the catalogue, did you mean 'owl'?"),
        ({"services_exclude": ["xxxx"]}, "services_exclude", "xxxx", "a service of the catalogue"),
        (
            {"services_include": ["webmail"]},
            "services_include",
            "webmail",
            "a service of the catalogue; 'webmail' is a category: proscribe_categories has these",
        ),
        ({"feeds": ["birds"]}, "feeds[0]", "birds", "a feed of the catalogue"),
    ],
)
def test_what_the_catalogue_does_not_have(values: dict[str, Any], key: str, value: str, expected: str) -> None:
    with pytest.raises(PolicyErrors) as wrong:
        chosen_services(MADE, restricted(**values))
    (error,) = wrong.value.errors
    assert (error.where, error.key, error.value, error.expected) == ("", f"proscribe_{key}", value, expected)


@pytest.mark.parametrize(
    ("id_", "control", "values", "found"),
    [
        ("own", "apps", TENANTS, True),
        ("own", "firewall", TENANTS, True),
        ("own", "apps", {"controls": {"apps": "off"}}, False),
        ("own", "firewall", {"controls": {"apps": "off"}}, True),
        ("own", "firewall", {"controls": {"firewall": "off"}}, False),
        ("shared", "apps", {}, False),  # its programs serve permitted accounts, too
        ("shared", "apps", REMOVED, True),
        ("shared", "apps", {**TENANTS, **REMOVED}, True),
        ("shared", "firewall", {}, True),
        ("shared", "firewall", TENANTS, False),  # business accounts use its networks, too
        ("page", "apps", {}, False),
        ("page", "firewall", {}, False),
    ],
)
def test_what_a_control_could_find_for_some_users(id_: str, control: str, values: dict[str, Any], found: bool) -> None:
    entry = {"services": [id_], "groups": ["guests"], "controls": [control]}
    own = restricted(groups_restricted=[entry], **values)
    if found:
        assert (SHARED.services[id_], True) in chosen_services(SHARED, own)
        return
    with pytest.raises(PolicyErrors) as wrong:
        chosen_services(SHARED, own)
    (error,) = wrong.value.errors
    assert (error.key, error.value) == ("proscribe_groups_restricted[0].services[0]", id_)
    assert error.expected.startswith(f"a service of which {control} can find programs or networks on this host")
