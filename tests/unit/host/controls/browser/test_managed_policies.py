"""The effect of one table of policies: as planned, beside others, or weakened."""

from pathlib import Path
from typing import Any

import pytest
from browser_hosts import section
from browser_places import BROWSERS, CHROMIUM, FIREFOX
from described import describe_fields, describe_verdict
from proscribe.host.controls.browser import ObservedPlace, chromium, firefox, judge_policies, managed_policies
from proscribe.host.controls.browser.desired_policies import DesiredPolicies
from proscribe.host.controls.browser.policy_observation import PolicyObservation
from proscribe.host.controls.browser.policy_places import PolicyPlace
from proscribe.host.controls.browser.site_rules import SiteName
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, Finding, RuleVerdict
from recording import compare, fold

A, B, FOX = "a" * 32, "b" * 32, "vpn@example"
MAIL = {"domains": ["mail.example", "b.example"], "extensions": {"chrome": [A, B], "firefox": [FOX]}}
CLOSED = dict.fromkeys(("dns_over_https", "quic", "extensions"), "blocked")
DESIRED = DesiredPolicies({"browsers": BROWSERS, "controls": {"browser": section({"mail": MAIL}, browsers=CLOSED)}})
CHROME = {name: value for name, value in chromium.make_policies(DESIRED.rules, CHROMIUM).items() if name != "proscribe"}
OURS = firefox.make_policies(DESIRED.rules, FIREFOX, firefox.make_filter_lists(DESIRED.rules))
BLOCK, ALLOW, MERGE = "URLBlocklist", "URLAllowlist", "PolicyListMultipleSourceMergeList"
RECORDED = Path(__file__).parents[3] / "recorded/controls/browser"


def without(table: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in table.items() if key != name}


CASES: dict[str, tuple[PolicyPlace, dict[str, object], dict[str, object] | None]] = {
    "Chromium: as planned": (CHROMIUM, CHROME, CHROME),
    "lists of one table are joined anyhow": (CHROMIUM, CHROME, without(CHROME, MERGE)),
    "no table": (CHROMIUM, CHROME, None),
    "an empty table": (CHROMIUM, CHROME, {}),
    "with a policy of the organisation": (CHROMIUM, CHROME, {**CHROME, "Own": 1}),
    "another list of sites": (CHROMIUM, CHROME, {**CHROME, BLOCK: ["mail.example", "x.example"]}),
    "opened": (CHROMIUM, CHROME, {**CHROME, "QuicAllowed": True, ALLOW: ["mail.example"]}),
    "half the extensions": (CHROMIUM, CHROME, {**CHROME, "ExtensionInstallBlocklist": [B]}),
    "Firefox: as planned": (FIREFOX, OURS, OURS),
    "no table of Firefox": (FIREFOX, OURS, None),
    "an empty table of Firefox": (FIREFOX, OURS, {}),
    "with one more policy": (FIREFOX, OURS, {**OURS, "Own": 1}),
    "emptied": (FIREFOX, OURS, {**OURS, "DNSOverHTTPS": {}}),
    "half the sites": (FIREFOX, OURS, {"WebsiteFilter": {"Block": ["*://*.mail.example/*"]}}),
}


def test_policies_of_one_table_are_judged():
    lines = []
    for case, (place, due, said) in CASES.items():
        seen = managed_policies.check_managed_policies(DESIRED, place._replace(fallbacks=("/usr/lib/x",)), due, said)
        names = [] if seen.is_complete else seen.list_open_names([SiteName("mail.example"), SiteName("b.example")])
        opened = [str(name) for name in names]
        lines += [f"{case}:", *describe_fields({"open": opened, **seen._replace(effect=None)._asdict()})]
    compare(RECORDED / "managed_tables.txt", fold("\n".join(lines)))


@pytest.mark.parametrize(
    ("due", "found", "spelled"),
    [
        *((True, item, bool(item)) for item in (0, 1, False, True)),
        *((False, item, item) for item in (2, "1")),
        ({"a": True, "b": {"c": False}}, {"a": 1, "b": {"c": 0, "d": 1}}, {"a": True, "b": {"c": False, "d": 1}}),
        (True, {"a": 1}, {"a": 1}),
    ],
)
def test_numbers_are_booleans_where_the_plan_has_some(due, found, spelled):
    now = managed_policies.convert_to_due_types(due, found)
    assert (now, repr(now)) == (spelled, repr(spelled))


WHOLE, FREE = PolicyObservation(is_complete=True), "no browser of which policies are known is installed"
CHROMES, BIRD = CHROMIUM._replace(id="google_chrome", path="/c"), CHROMIUM._replace(id="bird", family="thunderbird")
PACKAGED = RuleVerdict("browser/packaged", NOT_APPLICABLE, reason="macOS has no flatpaks and no snaps")
RUN = "not observable here: whether browsers that run go by these policies is not observed on macOS"


class Blocking:
    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts

    def is_blocked(self, address: SiteName) -> bool:
        return address.host in self.hosts


ALL = PolicyObservation(Blocking("mail.example", "b.example"))


def policy(id_: str, manager: str, path: str = "", detail: str = "") -> Finding:
    return Finding("policy", id_, manager, path=path, detail=detail)


def seen(*pairs: Any) -> list[ObservedPlace]:
    return [ObservedPlace(place, observed) for place, observed in zip(pairs[::2], pairs[1::2])]


NO_FILE, X = PolicyObservation(general_reason="no file"), PolicyObservation(unseen_reason="x")
OTHERS = ALL._replace(unblocked_extensions={A, FOX})
OPENED = PolicyObservation(Blocking("mail.example"), foreign_openers=[(SiteName("x.b.example"), "theirs opens it")])
PAIRS: dict[str, tuple[Any, ...]] = {
    "blocked": (CHROMIUM, WHOLE, FIREFOX, ALL, BIRD, PolicyObservation()),
    "two without a file": (CHROMIUM, NO_FILE, CHROMES, NO_FILE, FIREFOX, WHOLE),
    "extensions": (CHROMIUM, OTHERS, FIREFOX, OTHERS),
    "an exception": (FIREFOX, OPENED),
    "Thunderbird's extension": (BIRD, PolicyObservation(general_reason="odd", unblocked_extensions={FOX})),
    "unseen": (CHROMIUM, X, CHROMES, PolicyObservation(unseen_reason="y"), FIREFOX, X),
}


def test_open_names_of_a_service_are_named_by_browser():
    of, lines = section({"mail": MAIL}), []
    for case, pairs in PAIRS.items():
        (found,) = judge_policies(of, DesiredPolicies({"controls": {"browser": of}}), seen(*pairs))
        lines += describe_verdict(case, found)
    compare(RECORDED / "open_names.txt", fold("\n".join(lines)))


@pytest.mark.parametrize(
    ("pairs", "others", "unseen", "mail", "policies"),
    [
        ((), [], "", (NOT_APPLICABLE, FREE), (NOT_APPLICABLE, FREE)),
        ((), [], "hidden", (UNKNOWN, "hidden"), (UNKNOWN, "hidden")),
        ((BIRD, WHOLE), [], "", (NOT_APPLICABLE, FREE), (COMPLIANT, "")),
        ((CHROMIUM, WHOLE._replace(unclear_reason="odd")), [], "hidden", (COMPLIANT, ""), (UNKNOWN, "odd; hidden")),
        ((CHROMIUM, WHOLE._replace(faults=["odd", "x"])), ["Owl"], "", (COMPLIANT, ""), (NONCOMPLIANT, "")),
    ],
)
def test_table_of_policies_has_verdicts(pairs, others, unseen, mail, policies):
    plan = {"browsers": BROWSERS, "controls": {"browser": section({"mail": MAIL})}}
    owl = Finding("browser", "Owl", detail="a browser of which no policies are known")
    wrong = (policy("proscribe.json", "chromium", CHROMIUM.path, "odd; x"), owl) if others else ()
    found = managed_policies.judge_managed_policies(plan, DesiredPolicies(plan), seen(*pairs), others, unseen, "macOS")
    assert found == [
        RuleVerdict("browser/mail", mail[0], reason=mail[1]),
        RuleVerdict("browser/running", NOT_APPLICABLE, reason=RUN if pairs else FREE),
        PACKAGED,
        RuleVerdict("browser/policy-file", policies[0], wrong, reason=policies[1], drifted=bool(wrong)),
    ]


@pytest.mark.parametrize(
    ("observed", "opened"),
    [
        (PolicyObservation(), ["a.example", "b.example"]),
        (PolicyObservation(unseen_reason="x"), []),
        (PolicyObservation(Blocking("a.example"), unseen_reason="x"), ["b.example"]),
        (
            PolicyObservation(
                Blocking("a.example"), [SiteName("x.a.example"), SiteName("b.example"), SiteName("z.example")]
            ),
            ["b.example", "x.a.example"],
        ),
        (
            PolicyObservation(ALL.effect, [SiteName("a.example", "/in"), SiteName("xa.example")]),
            ["a.example", "a.example/in"],
        ),
    ],
)
def test_open_names_are_listed_once(observed, opened):
    names = [SiteName("b.example"), SiteName("a.example"), SiteName("b.example")]
    assert [str(one) for one in observed.list_open_names(names)] == opened


def test_without_a_policy_to_set_nothing_else_is_said():
    plan = {"browsers": BROWSERS, "controls": {"browser": section()}}
    places = seen(CHROMIUM, WHOLE)
    found = managed_policies.judge_managed_policies(plan, DesiredPolicies(plan), places, [], "", "macOS")
    assert found == [RuleVerdict("browser/policy-file", NOT_APPLICABLE, reason="no policy to set")]
