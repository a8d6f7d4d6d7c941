"""What explain says of an entry of the plan, of a file's name and of a host's system, each in full."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.controller.cli.explain.facts import Facts
from proscribe.controller.cli.explain.reasons import answers
from proscribe.controller.cli.explain.reasons.reason import Answer, Reason, by_mode, missing, off
from proscribe.controller.compile.restrictions.by_group import ByGroup
from proscribe.model.finding import NOTHING_KNOWN
from proscribe.model.plan import CONTROLS


def test_a_system_that_is_not_served_has_one_answer() -> None:
    policy: Any = SimpleNamespace(facts=Facts("darwin"))
    found = answers(SimpleNamespace(kind="name"), policy)  # type: ignore[arg-type]
    assert found == dict.fromkeys(CONTROLS, Answer("open", (Reason("open", "no control is observed on darwin"),)))


AT = "at mon 09:00-18:00 (the host's time)"
HOURS = [[0, 540, 1080]]
USERS = {"users": ["a", "b"], "posix_groups": ["g"], "waiver": "w1"}


@pytest.mark.parametrize(
    ("entry", "reasons"),
    [
        ({"mode": "audit"}, [("audited", "it", "owl", "")]),
        ({"mode": "report"}, [("reported", "it; the catalogue only reports it", "owl", "")]),
        (
            {"mode": "upcoming", "effective_from": "2027-01-01"},
            [("upcoming", "it, in force from 2027-01-01", "owl", "")],
        ),
        ({"mode": "waived", "waiver": "w1"}, [("waived", "waiver w1 of head", "owl", "w1")]),
        (
            {"mode": "waived", "waiver": "w1", "hours": HOURS, "otherwise": "enforce"},
            [("depends", f"open {AT}: waiver w1 of head; enforce at other times", "owl", "w1")],
        ),
        (
            {"mode": "enforce", "only": {"posix_groups": ["g", "h"]}},
            [("depends", "it, for the members of g, h only, and open to everybody else", "owl", "")],
        ),
        (
            {"mode": "enforce", "exceptions": [USERS, {"versions": ["1"], "paths": ["/x"], "waiver": "w2"}]},
            [
                ("blocked", "it", "owl", ""),
                ("blocked", "but open for users a, b or members of g: waiver w1 of head", "owl", "w1"),
                ("blocked", "but open for versions 1 and for paths /x: waiver w2", "owl", "w2"),
            ],
        ),
        (
            {"mode": "waived", "otherwise": "audit", "waiver": "w2", "exceptions": [{"users": ["a"], "waiver": "w1"}]},
            [("waived", "waiver w2", "owl", "w2"), ("audited", "but open for users a: waiver w1 of head", "owl", "w1")],
        ),
    ],
)
def test_an_entry_of_the_plan_gives_its_reasons(entry: Any, reasons: list[tuple[str, ...]]) -> None:
    policy: Any = SimpleNamespace(waivers={"w1": " of head"})
    assert [tuple(one) for one in by_mode(policy, "owl", entry, "it")] == reasons


def test_what_is_off() -> None:
    assert off("dns") == Reason("off", "proscribe_controls leaves dns off here")


OF_GROUPS = {"groups_restricted": [ByGroup(("owl",), ("h", "g"), ("apps",)), ByGroup(("wren",), ("x",), ("firewall",))]}
TENANTS = {"tenants": {"google": list("abcd")}}


@pytest.mark.parametrize(
    ("control", "restrictions", "status", "text"),
    [
        ("apps", {}, "open", f"no domain; {NOTHING_KNOWN}, so it is not applicable"),
        (
            "dns",
            {"services_exclude": ["owl"]},
            "open",
            "Owl is not restricted here: proscribe_services_exclude names it",
        ),
        ("apps", OF_GROUPS, "open", f"no domain; {NOTHING_KNOWN}, so it is not applicable"),
        ("firewall", OF_GROUPS, "open", "restricted by apps alone, for the members of g, h: open to everybody here"),
        (
            "dns",
            OF_GROUPS,
            "open",
            "restricted by apps alone, for the members of g, h: open to everybody here (the DNS filter applies to a"
            " whole host, whoever uses it)",
        ),
        ("browser", TENANTS, "tenants", "the browsers let in accounts of a, b, c and 1 more only"),
        ("dns", TENANTS, "tenants", "left to the browsers, which let in a, b, c and 1 more only"),
    ],
)
def test_why_a_service_has_no_entry(control: str, restrictions: dict[str, Any], status: str, text: str) -> None:
    usual = {"services_include": (), "services_exclude": (), "categories": ["webmail"], "categories_reported": ()}
    usual |= {"audiences": ["consumer"], "tenants": {"google": []}, "groups_restricted": ()}
    sections = {"apps": {"nothing_known": ["owl"]}, "browser": {}, "firewall": {"nothing_known": ["wren"]}}
    policy: Any = SimpleNamespace(restrictions=SimpleNamespace(**{**usual, **restrictions}), section=sections.get)
    owl = {"id": "owl", "name": "Owl", "category": "webmail", "audience": "consumer", "tenants": "google"}
    assert missing(policy, control, SimpleNamespace(**owl), "no domain") == Reason(status, text, "owl")  # type: ignore[arg-type]


# -- files


# -- hosts
