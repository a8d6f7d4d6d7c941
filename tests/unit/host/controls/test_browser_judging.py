"""What is said of each service and bypass, out of what was seen of the browsers."""

from __future__ import annotations

from typing import Any

import pytest
from made_browser import section
from made_places import BROWSERS, CHROMIUM, FIREFOX
from proscribe.host.controls.browser import ObservedPlace, faulty, judge_policies, managed, unclear
from proscribe.host.controls.browser.desired import Desired
from proscribe.host.controls.browser.observed import Observed
from proscribe.host.controls.browser.places import Place
from proscribe.host.controls.browser.rendering import Name
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, WAIVED, Finding, Verdict

CHROME = CHROMIUM._replace(id="google_chrome", path="/etc/opt/chrome/policies/managed/proscribe.json")
BIRD = Place("thunderbird", "thunderbird", "/etc/thunderbird/policies/policies.json")
A, FOX = "a" * 32, "vpn@example"
MAIL = {"domains": ["a.example", "b.example"], "extensions": {"chrome": [A], "firefox": [FOX]}}
WHOLE = Observed(complete=True)


class Blocking:
    """What browsers block."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts

    def blocked(self, address: Name) -> bool:
        return address.host in self.hosts


def seen(*pairs: Any) -> list[ObservedPlace]:
    return [ObservedPlace(place, observed) for place, observed in zip(pairs[::2], pairs[1::2])]


def judged(*pairs: Any, **service: Any) -> Verdict:
    of = section({"mail": {**MAIL, **service}})
    (verdict,) = judge_policies(of, Desired({"controls": {"browser": of}}), seen(*pairs))
    return verdict


def policy(id_: str, manager: str = "", path: str = "", detail: str = "") -> Finding:
    return Finding("policy", id_, manager=manager, path=path, detail=detail)


def against(*findings: Finding) -> Verdict:
    return Verdict("browser/mail", NONCOMPLIANT, findings, drifted=True)


BOTH = ("a.example", "b.example")
ALL = Observed(Blocking(*BOTH))


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ((), Verdict("browser/mail", COMPLIANT)),
        ((CHROMIUM, WHOLE, FIREFOX, ALL, BIRD, Observed()), Verdict("browser/mail", COMPLIANT)),
        (
            (CHROMIUM, Observed(why="no policy file"), CHROME, Observed(why="no policy file"), FIREFOX, WHOLE),
            against(policy("a.example", "chromium,google_chrome", detail="and 1 more: no policy file")),
        ),
        (
            (CHROMIUM, Observed(why="x"), CHROME, Observed(Blocking("a.example"))),
            against(
                policy("a.example", "chromium", CHROMIUM.path, "and 1 more: x"),
                policy("b.example", "google_chrome", CHROME.path),
            ),
        ),
        (
            (FIREFOX, Observed(Blocking("b.example"), openers=[(Name("x.a.example"), "theirs opens it")])),
            against(policy("a.example", "firefox", FIREFOX.path, "theirs opens it")),
        ),
        (
            (CHROMIUM, ALL._replace(unblocked={A, FOX}), FIREFOX, ALL._replace(unblocked={A, FOX})),
            against(
                policy(f"extension {A}", "chromium", CHROMIUM.path),
                policy(f"extension {FOX}", "firefox", FIREFOX.path),
            ),
        ),
        (
            (BIRD, Observed(why="broken", unblocked={FOX})),
            against(policy(f"extension {FOX}", "thunderbird", BIRD.path, "broken")),
        ),
        (
            (CHROMIUM, Observed(unseen="x"), CHROME, Observed(unseen="y"), FIREFOX, Observed(unseen="x")),
            Verdict("browser/mail", UNKNOWN, reason="x; y"),
        ),
    ],
)
def test_what_is_open_is_said_of_all_that_lack_the_same(pairs: tuple[Any, ...], expected: Verdict) -> None:
    assert judged(*pairs) == expected


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        (
            {"mode": "waived", "waiver": "w1"},
            Verdict("browser/mail", WAIVED, (policy("mail", detail="not blocked, by waiver"),), waiver="w1"),
        ),
        (
            {"mode": "upcoming", "effective_from": "2030-01-01"},
            Verdict("browser/mail", NOT_APPLICABLE, reason="upcoming: in force from 2030-01-01"),
        ),
    ],
)
def test_what_no_run_corrects(service: dict[str, Any], expected: Verdict) -> None:
    assert judged(CHROMIUM, WHOLE, **service) == expected


SETTINGS = section(browsers={"quic": "blocked", "dns_over_https": "blocked"}, tenants={"google": ["a.example"]})


def test_each_bypass_has_a_rule_and_tenants_say_by_what() -> None:
    desired = Desired({"controls": {"browser": SETTINGS}})
    off = Observed(complete=True, settings={"quic": "is not set"})
    covers = "Google lets in accounts of a.example only"
    assert judge_policies(SETTINGS, desired, seen(CHROMIUM, off, CHROME, WHOLE)) == [
        Verdict("browser/dns-over-https", COMPLIANT),
        Verdict("browser/quic", NONCOMPLIANT, (policy("quic", "chromium", CHROMIUM.path, "is not set"),), drifted=True),
        Verdict(
            "browser/google-tenants",
            COMPLIANT,
            (policy("AllowedDomainsForApps", "chromium,google_chrome", detail=covers),),
        ),
    ]


def test_what_else_is_wrong_and_what_is_unclear() -> None:
    of = seen(
        CHROMIUM, Observed(wrong=["a", "b"], unclear="c"), CHROME, WHOLE, FIREFOX, Observed(unseen="d", unclear="e")
    )
    assert faulty(of) == [policy("proscribe.json", "chromium", CHROMIUM.path, "a; b")]
    assert unclear(of) == "c; d"


NO_BROWSER = "no browser of which policies are known is installed"
PACKAGED = Verdict("browser/packaged", NOT_APPLICABLE, reason="macOS has no flatpaks and no snaps")
NONE_RUN = Verdict("browser/running", NOT_APPLICABLE, reason=NO_BROWSER)
SOME_RUN = Verdict(
    "browser/running",
    UNKNOWN,
    reason="whether browsers that run go by these policies is not observed on macOS",
)


@pytest.mark.parametrize(
    ("pairs", "others", "unseen", "mail", "running", "policies"),
    [
        (
            *((), [], "", (NOT_APPLICABLE, NO_BROWSER), NONE_RUN),
            Verdict("browser/policy-file", NOT_APPLICABLE, reason=NO_BROWSER),
        ),
        (
            *((), [], "hidden", (UNKNOWN, "hidden"), NONE_RUN),
            Verdict("browser/policy-file", UNKNOWN, reason="hidden"),
        ),
        (
            *((BIRD, WHOLE), [], "", (NOT_APPLICABLE, NO_BROWSER), SOME_RUN),
            Verdict("browser/policy-file", COMPLIANT),
        ),
        (
            *((CHROMIUM, WHOLE._replace(unclear="odd")), [], "hidden", (COMPLIANT, ""), SOME_RUN),
            Verdict("browser/policy-file", UNKNOWN, reason="odd; hidden"),
        ),
        (
            *((CHROMIUM, WHOLE._replace(wrong=["odd"])), ["Owl"], "", (COMPLIANT, ""), SOME_RUN),
            Verdict(
                "browser/policy-file",
                NONCOMPLIANT,
                (
                    policy("proscribe.json", "chromium", CHROMIUM.path, "odd"),
                    Finding("browser", "Owl", detail="a browser of which no policies are known"),
                ),
                drifted=True,
            ),
        ),
    ],
)
def test_what_is_said_where_policies_are_in_one_table(
    pairs: tuple[Any, ...], others: list[str], unseen: str, mail: tuple[str, str], running: Verdict, policies: Verdict
) -> None:
    of = section({"mail": MAIL})
    plan = {"browsers": BROWSERS, "controls": {"browser": of}}
    found = managed.verdicts(plan, Desired(plan), seen(*pairs), others, unseen, "macOS")
    assert found == [Verdict("browser/mail", mail[0], reason=mail[1]), running, PACKAGED, policies]


def test_without_a_policy_to_set_nothing_else_is_said() -> None:
    plan = {"browsers": BROWSERS, "controls": {"browser": section()}}
    found = managed.verdicts(plan, Desired(plan), seen(CHROMIUM, WHOLE), [], "", "macOS")
    assert found == [Verdict("browser/policy-file", NOT_APPLICABLE, reason="no policy to set")]


@pytest.mark.parametrize(
    ("observed", "opened"),
    [
        (Observed(), ["a.example", "b.example"]),
        (Observed(unseen="x"), []),
        (Observed(Blocking("a.example"), unseen="x"), ["b.example"]),
        (
            Observed(Blocking("a.example"), [Name("x.a.example"), Name("b.example"), Name("z.example")]),
            ["b.example", "x.a.example"],
        ),
        (Observed(Blocking(*BOTH), [Name("a.example", "/in"), Name("xa.example")]), ["a.example/in"]),
    ],
)
def test_what_of_a_service_is_open(observed: Observed, opened: list[str]) -> None:
    names = [Name("b.example"), Name("a.example"), Name("b.example")]
    assert [str(one) for one in observed.opened(names)] == opened


@pytest.mark.parametrize(
    ("why", "openers", "said"),
    [
        ("", [], ""),
        ("all", ["a.example"], "all"),
        ("", ["z.example", "a.example", "x.a.example"], "a.example"),
        ("", ["x.a.example"], "x.a.example"),
        ("", ["example"], "example"),
        ("", ["b.example"], ""),
    ],
)
def test_by_whom_a_name_is_open(why: str, openers: list[str], said: str) -> None:
    observed = Observed(why=why, openers=[(Name(one), one) for one in openers])
    assert observed.why_open(Name("a.example")) == said
