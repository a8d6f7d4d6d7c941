"""What is restricted for some groups of users only: the variable, its mistakes, the plans, and what is said of them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from made_policy import NOW, made_catalogue, plan, question, restrictions
from proscribe.controller.cli.explain.question import read
from proscribe.controller.cli.explain.reasons import answers, decided
from proscribe.controller.cli.explain.reasons.reason import Policy
from proscribe.controller.cli.explain.relations import subject
from proscribe.controller.compile.catalogue.loading import Catalogue
from proscribe.controller.compile.plans.difference import difference
from proscribe.controller.compile.plans.run import compile_run
from proscribe.controller.compile.restrictions.by_group import ByGroup
from proscribe.controller.policy_errors import PolicyErrors

VARIABLE = "proscribe_groups_restricted"
PARROT = {"services": ["parrot"], "groups": ["contractors"]}


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return made_catalogue(tmp_path_factory.mktemp("catalog"))


def mistakes(values: dict[str, Any], catalogue: Catalogue) -> list[str]:
    with pytest.raises(PolicyErrors) as raised:
        plan(catalogue, [], **values)
    return [f"{error.key}: {error.expected}" for error in raised.value.errors]


def test_both_controls_that_can_tell_users_apart_restrict_it_where_none_is_named() -> None:
    assert restrictions(groups_restricted=[PARROT]).groups_restricted == (
        ByGroup(("parrot",), ("contractors",), ("apps", "firewall")),
    )


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
        ([{**PARROT, "groups": ["a b"]}], "[0].groups[0]", "the name of a group"),
        ([{**PARROT, "groups": ['x" }']}], "[0].groups[0]", "the name of a group"),
        ([{**PARROT, "groups": [f"g{n}" for n in range(21)]}], "[0].groups", "at most 20"),
        ([{**PARROT, "controls": []}], "[0].controls", "one at least"),
        ([{**PARROT, "controls": ["app"]}], "[0].controls[0]", "did you mean 'apps'?"),
        # what cannot tell users apart says so
        ([{**PARROT, "controls": ["apps", "browser"]}], "[0].controls[1]", "browser policies apply to a whole host"),
        ([{**PARROT, "controls": ["dns"]}], "[0].controls[0]", "the DNS filter applies to a whole host"),
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
        (
            ["parrot_work"],
            {"services_include": ["parrot_work"]},
            "can find programs or networks on this host: of this one",
        ),
        (["owl"], {}, "can find programs or networks on this host: of this one nothing would be restricted, since"),
        # the firewall would have refused its addresses
        (["parrot"], {"controls": {"firewall": "off"}}, "or controls: [apps], for its programs alone: nothing would"),
        (["dns_nine"], {"controls": {"firewall": "off"}}, "nothing would be restricted"),
        (["gull"], {"tenants": {"google": ["example.org"]}}, "nothing would be restricted"),
    ],
)
def test_what_no_control_could_restrict_for_some_users_is_refused(
    services: list[str], more: dict[str, Any], expected: str, catalogue: Catalogue
) -> None:
    (said,) = mistakes({"groups_restricted": [{**PARROT, "services": services}], **more}, catalogue)
    assert expected in said and said.startswith(VARIABLE)


def test_a_reported_service_that_is_named_is_restricted_for_the_group(catalogue: Catalogue) -> None:
    found = plan(catalogue, [], services_include=["dodo"], groups_restricted=[{**PARROT, "services": ["dodo"]}])
    entry = found["controls"]["apps"]["services"]["dodo"]
    assert (entry["mode"], entry["only"]) == ("enforce", {"posix_groups": ["contractors"]})


@pytest.mark.parametrize(
    ("entries", "only"),
    [
        ([PARROT], {"apps": ["contractors"], "firewall": ["contractors"]}),
        ([{**PARROT, "controls": ["firewall"]}], {"firewall": ["contractors"]}),
        # entries of one service add up
        (
            [{**PARROT, "controls": ["apps"]}, {**PARROT, "groups": ["guests", "contractors"]}],
            {"apps": ["contractors", "guests"], "firewall": ["contractors", "guests"]},
        ),
    ],
)
def test_the_named_controls_have_it_for_the_groups_and_no_other_has_it(
    entries: list[dict[str, Any]], only: dict[str, list[str]], catalogue: Catalogue
) -> None:
    controls = plan(catalogue, [], groups_restricted=entries)["controls"]
    sections = {name: part["services"]["parrot"] for name, part in controls.items() if "parrot" in part["services"]}
    assert {name: entry["only"]["posix_groups"] for name, entry in sections.items()} == only
    assert all("parrot" not in part.get("nothing_known", ()) for part in controls.values())
    assert all(
        "only" not in entry for part in controls.values() for id_, entry in part["services"].items() if id_ != "parrot"
    )


@pytest.mark.parametrize(
    ("services", "more"),
    [
        (["parrot"], {"controls": {"firewall": "off", "browser": "off", "dns": "off"}}),
        (["parrot", "dns_nine"], {}),
        (["dodo"], {"services_include": ["dodo"]}),
    ],
)
def test_what_has_no_pages_that_would_open_is_for_both_controls(
    services: list[str], more: dict[str, Any], catalogue: Catalogue
) -> None:
    plan(catalogue, [], groups_restricted=[{**PARROT, "services": services}], **more)


def test_pages_are_opened_where_somebody_says_that_programs_are_all(catalogue: Catalogue) -> None:
    more = {"controls": {"firewall": "off"}}
    found = plan(catalogue, [], groups_restricted=[{**PARROT, "controls": ["apps"]}], **more)["controls"]
    assert [name for name, part in found.items() if "parrot" in part["services"]] == ["apps"]


def test_a_plan_without_it_is_as_it_was(catalogue: Catalogue) -> None:
    assert plan(catalogue, [], groups_restricted=[]) == plan(catalogue, [])


def test_names_of_it_below_a_service_that_is_banned_for_all_are_open(catalogue: Catalogue) -> None:
    """office.parrot.example is a service of its own, which is for some users only: parrot must not close it for all."""
    more = {"services_include": ["parrot_work"]}
    closed = plan(catalogue, [], **more)["controls"]["browser"]["services"]
    assert "office.parrot.example" not in closed["parrot"]["allow"]
    office = dataclasses.replace(catalogue.services["parrot_work"], packages={"apt": ("parrot-work",)})
    another = dataclasses.replace(catalogue, services={**catalogue.services, "parrot_work": office}, follows={})
    by_group = plan(
        another, [], **more, groups_restricted=[{"services": ["parrot_work"], "groups": ["x"], "controls": ["apps"]}]
    )
    for control, allowed in (("browser", "allow"), ("dns", "allow"), ("apps", "web_allow")):
        assert "office.parrot.example" in by_group["controls"][control]["services"]["parrot"][allowed], control


def test_a_run_warns_of_what_stays_open_to_the_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROSCRIBE_REPORTS", str(tmp_path / "reports"))
    both = {"groups_restricted": [PARROT], "catalog_max_age": "forever"}
    hosts = {"a": both, "b": both, "c": {**both, "controls": {"browser": "off"}}, "d": {"catalog_max_age": "forever"}}
    run = compile_run(question(tmp_path / "inventory", hosts), NOW)
    assert [text for text in run["warnings"] if VARIABLE in text] == [
        f"{VARIABLE} on a (and 1 more): browser and dns cannot tell users apart, and let the members of contractors "
        "reach parrot too",
        f"{VARIABLE} on c: dns cannot tell users apart, and let the members of contractors reach parrot too",
    ]


@pytest.mark.parametrize(
    ("text", "control", "status", "words"),
    [
        ("parrot-desktop", "apps", "depends", "for the members of contractors only, and open to everybody else"),
        ("198.51.100.77", "firewall", "depends", "for the members of contractors only, and open to everybody else"),
        ("parrot", "firewall", "depends", "2 networks of Parrot, for the members of contractors only"),
        ("parrot.example", "browser", "open", "open to everybody here (browser policies apply to a whole host"),
        ("parrot.example", "dns", "open", "restricted by apps and firewall alone, for the members of contractors"),
        ("parrot", "browser", "open", "(browser policies apply to a whole host, whoever uses it)"),
        ("owl.example", "browser", "blocked", "owl.example itself"),
    ],
)
def test_explain_says_for_whom(text: str, control: str, status: str, words: str, catalogue: Catalogue) -> None:
    values: dict[str, Any] = {"groups_restricted": [PARROT], "dns_backend": "auto"}
    found = answers(subject(read(text), catalogue), Policy(plan(catalogue, [], **values), restrictions(**values), {}))
    assert found[control].status == status
    assert words in "; ".join(reason.text for reason in found[control].reasons)
    if status == "depends":
        assert decided(subject(read(text), catalogue), found) == "depends"  # never "blocked": not for everybody


@pytest.mark.parametrize(
    ("more", "standing"),
    [
        ({}, "enforce for members of contractors"),
        ({"controls": {"apps": "audit"}}, "audit for members of contractors"),
        ({"effective_from": "2027-01-01"}, "upcoming (2027-01-01) for members of contractors"),
    ],
)
def test_diff_says_for_whom(more: dict[str, Any], standing: str, catalogue: Catalogue) -> None:
    old, new = plan(catalogue, [], **more), plan(catalogue, [], groups_restricted=[PARROT], **more)
    changes = {(one.control, one.service): (one.before, one.after) for one in difference(old, new)}
    assert changes["apps", "parrot"] == (standing.partition(" for ")[0], standing)
    assert changes["browser", "parrot"][1] == changes["dns", "parrot"][1] == ""
    assert not difference(new, json.loads(json.dumps(new)))
