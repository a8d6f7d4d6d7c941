"""Which services a host's restrictions name, which they restrict, and why they leave the others alone."""

from __future__ import annotations

from typing import Any

import pytest
from made import catalogue, service
from proscribe.controller.compile.plans.chosen import chosen_services, left_out, separated_by_tenant, serves_both
from proscribe.controller.compile.restrictions import Restrictions, read_restrictions
from proscribe.controller.policy_errors import PolicyErrors

MADE = catalogue(
    service("owl"),
    service("dodo", enforce=False),
    service("crow", category="social_media"),
    service("work", audience="enterprise"),
    service("both", audience="both", programs="both", tenants="google"),
)


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
    ("id_", "values", "why"),
    [
        ("owl", {}, ""),
        ("owl", {"services_exclude": ["owl"]}, "proscribe_services_exclude names it"),
        ("crow", {"categories_reported": []}, "its category, social_media, is not among proscribe_categories"),
        ("work", {}, "its audience, enterprise, is not among proscribe_audiences"),
        ("work", {"services_include": ["work"]}, ""),
    ],
)
def test_why_a_service_is_left_alone(id_: str, values: dict[str, Any], why: str) -> None:
    assert left_out(MADE.services[id_], restricted(**values)) == why


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
    ("id_", "values", "separated", "serves"),
    [
        ("both", {}, False, True),
        ("both", {"tenants": {"google": ["example.org"]}, "programs_for_both": "remove"}, True, False),
        ("both", {"tenants": {"microsoft": ["example.org"]}}, False, True),
        ("owl", {"tenants": {"google": ["example.org"]}}, False, False),
    ],
)
def test_what_permitted_accounts_share(id_: str, values: dict[str, Any], separated: bool, serves: bool) -> None:
    own, one = restricted(**values), MADE.services[id_]
    assert (separated_by_tenant(one, own), serves_both(one, own)) == (separated, serves)
