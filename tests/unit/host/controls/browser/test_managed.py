"""The effect of one table of policies: as planned, beside others, or weakened."""

from typing import Any

import pytest
from browser_hosts import section
from browser_places import BROWSERS, CHROMIUM, FIREFOX
from proscribe.host.controls.browser import ObservedPlace, chromium, firefox, judge_policies, managed
from proscribe.host.controls.browser.desired import Desired
from proscribe.host.controls.browser.observed import Observed
from proscribe.host.controls.browser.rendering import Name
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, Finding, Verdict

A, B, FOX = "a" * 32, "b" * 32, "vpn@example"
MAIL = {"domains": ["mail.example", "b.example"], "extensions": {"chrome": [A, B], "firefox": [FOX]}}
CLOSED = dict.fromkeys(("dns_over_https", "quic", "extensions"), "blocked")
DESIRED = Desired({"browsers": BROWSERS, "controls": {"browser": section({"mail": MAIL}, browsers=CLOSED)}})
CHROME = {name: value for name, value in chromium.policies(DESIRED.rules, CHROMIUM).items() if name != "proscribe"}
OURS = firefox.policies(DESIRED.rules, FIREFOX, firefox.lists(DESIRED.rules))
BLOCK, ALLOW, MERGE, NO = "URLBlocklist", "URLAllowlist", "PolicyListMultipleSourceMergeList", "no policy is set"
NOT, UNSET, ALONE = "not as the plan has it: ", "is not set", "it is the organisation's alone"
REFUSALS, HALF = "ExtensionInstallBlocklist", "is without 1 of 2 entries"
EMPTIED = f"DNSOverHTTPS.Enabled {UNSET}; DNSOverHTTPS.Locked {UNSET}"
LISTED = {"WebsiteFilter": {"Block": ["*://*.mail.example/*"]}}
NONE_LOCKED = {
    name: f"{policy} {UNSET}"
    for name, policy in (
        ("dns_over_https", "DNSOverHTTPS"),
        ("extensions", "ExtensionSettings"),
        ("quic", "Preferences"),
    )
}
LACKS = f"WebsiteFilter.Block {HALF}; DNSOverHTTPS {UNSET}; ExtensionSettings {UNSET}; Preferences {UNSET}"


def without(table: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in table.items() if key != name}


def nothing(*extensions: str) -> dict[str, Any]:
    return {"why": NO, "wrong": [NO], "settings": dict.fromkeys(CLOSED, NO), "unblocked": {*extensions}}


@pytest.mark.parametrize(
    ("said", "open_", "found"),
    [
        (CHROME, [], {"complete": True}),
        (without(CHROME, MERGE), [], {"complete": True}),  # lists of one table are joined anyhow
        (None, ["b.example", "mail.example"], nothing(A, B)),
        (
            *({}, ["b.example", "mail.example"]),
            {
                "wrong": [
                    f"{NOT}{BLOCK} {UNSET}; BuiltInDnsClientEnabled {UNSET}; DnsOverHttpsMode {UNSET};"
                    f" {REFUSALS} {UNSET}; and 3 more"
                ],
                "settings": {"dns_over_https": f"BuiltInDnsClientEnabled {UNSET}", "extensions": f"{REFUSALS} {UNSET}"}
                | {"quic": f"QuicAllowed {UNSET}"},
                "unblocked": {A, B},
            },
        ),
        ({**CHROME, "Own": 1}, [], {}),
        ({**CHROME, BLOCK: ["mail.example", "x.example"]}, ["b.example"], {"wrong": [f"{NOT}{BLOCK} {HALF}"]}),
        (
            *({**CHROME, "QuicAllowed": True, ALLOW: ["mail.example"]}, ["mail.example"]),
            {
                "wrong": [f"{NOT}QuicAllowed {UNSET}"],
                "settings": {"quic": "another policy sets QuicAllowed to true"},
                "openings": [Name("mail.example")],
                "openers": [(Name("mail.example"), "another policy allows mail.example")],
            },
        ),
        (
            *({**CHROME, REFUSALS: [B]}, []),
            {
                "wrong": [f"{NOT}{REFUSALS} {HALF}"],
                "settings": {"extensions": f"{REFUSALS} is without {A}"},
                "unblocked": {A},
            },
        ),
    ],
)
def test_policies_of_chromium_are_judged(said, open_, found):
    assert describe(managed.check(DESIRED, CHROMIUM, CHROME, said)) == (open_, found)


@pytest.mark.parametrize(
    ("said", "open_", "found"),
    [
        (OURS, [], {"complete": True}),
        (None, ["b.example", "mail.example"], nothing(FOX)),
        ({}, ["b.example", "mail.example"], {"wrong": [ALONE], "settings": NONE_LOCKED, "unblocked": {FOX}}),
        ({**OURS, "Own": 1}, [], {}),
        (*({**OURS, "DNSOverHTTPS": {}}, []), {"wrong": [f"{NOT}{EMPTIED}"], "settings": {"dns_over_https": EMPTIED}}),
        (*(LISTED, ["b.example"]), {"wrong": [f"{NOT}{LACKS}"], "settings": NONE_LOCKED, "unblocked": {FOX}}),
    ],
)
def test_policies_of_firefox_are_judged(said, open_, found):
    assert describe(managed.check(DESIRED, FIREFOX._replace(fallbacks=("/usr/lib/x",)), OURS, said)) == (open_, found)


def describe(seen: Observed) -> tuple[list[str], dict[str, Any]]:
    """Return the names that are open, and the other fields that have a value."""
    opened = [str(name) for name in seen.opened([Name("mail.example"), Name("b.example")])]
    fields = {name: value for name, value in seen._replace(effect=None)._asdict().items() if value}
    return [] if seen.complete else opened, fields


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
    now = managed.spelled_as(due, found)
    assert (now, repr(now)) == (spelled, repr(spelled))


WHOLE, FREE = Observed(complete=True), "no browser of which policies are known is installed"
CHROMES, BIRD = CHROMIUM._replace(id="google_chrome", path="/c"), CHROMIUM._replace(id="bird", family="thunderbird")
PACKAGED = Verdict("browser/packaged", NOT_APPLICABLE, reason="macOS has no flatpaks and no snaps")
RUN = "whether browsers that run go by these policies is not observed on macOS"


class Blocking:
    """What browsers block."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts

    def blocked(self, address: Name) -> bool:
        return address.host in self.hosts


ALL = Observed(Blocking("mail.example", "b.example"))


def policy(id_: str, manager: str, path: str = "", detail: str = "") -> Finding:
    return Finding("policy", id_, manager, path=path, detail=detail)


def seen(*pairs: Any) -> list[ObservedPlace]:
    return [ObservedPlace(place, observed) for place, observed in zip(pairs[::2], pairs[1::2])]


@pytest.mark.parametrize(
    ("pairs", "findings", "unseen"),
    [
        ((CHROMIUM, WHOLE, FIREFOX, ALL, BIRD, Observed()), [], ""),
        (
            (CHROMIUM, Observed(why="no file"), CHROMES, Observed(why="no file"), FIREFOX, WHOLE),
            [policy("b.example", "chromium,google_chrome", detail="and 1 more: no file")],
            "",
        ),
        (
            (CHROMIUM, ALL._replace(unblocked={A, FOX}), FIREFOX, ALL._replace(unblocked={A, FOX})),
            [policy(f"extension {A}", "chromium", CHROMIUM.path), policy(f"extension {FOX}", "firefox", FIREFOX.path)],
            "",
        ),
        (
            (FIREFOX, Observed(Blocking("mail.example"), openers=[(Name("x.b.example"), "theirs opens it")])),
            [policy("b.example", "firefox", FIREFOX.path, "theirs opens it")],
            "",
        ),
        ((BIRD, Observed(why="odd", unblocked={FOX})), [policy(f"extension {FOX}", "bird", BIRD.path, "odd")], ""),
        ((CHROMIUM, Observed(unseen="x"), CHROMES, Observed(unseen="y"), FIREFOX, Observed(unseen="x")), [], "x; y"),
    ],
)
def test_open_names_of_a_service_are_named_by_browser(pairs, findings, unseen):
    of = section({"mail": MAIL})
    state = "noncompliant" if findings else "unknown" if unseen else "compliant"
    expected = Verdict("browser/mail", state, tuple(findings), reason=unseen, drifted=bool(findings))
    assert judge_policies(of, Desired({"controls": {"browser": of}}), seen(*pairs)) == [expected]


@pytest.mark.parametrize(
    ("pairs", "others", "unseen", "mail", "policies"),
    [
        ((), [], "", (NOT_APPLICABLE, FREE), (NOT_APPLICABLE, FREE)),
        ((), [], "hidden", (UNKNOWN, "hidden"), (UNKNOWN, "hidden")),
        ((BIRD, WHOLE), [], "", (NOT_APPLICABLE, FREE), (COMPLIANT, "")),
        ((CHROMIUM, WHOLE._replace(unclear="odd")), [], "hidden", (COMPLIANT, ""), (UNKNOWN, "odd; hidden")),
        ((CHROMIUM, WHOLE._replace(wrong=["odd", "x"])), ["Owl"], "", (COMPLIANT, ""), (NONCOMPLIANT, "")),
    ],
)
def test_table_of_policies_has_verdicts(pairs, others, unseen, mail, policies):
    plan = {"browsers": BROWSERS, "controls": {"browser": section({"mail": MAIL})}}
    owl = Finding("browser", "Owl", detail="a browser of which no policies are known")
    wrong = (policy("proscribe.json", "chromium", CHROMIUM.path, "odd; x"), owl) if others else ()
    assert managed.verdicts(plan, Desired(plan), seen(*pairs), others, unseen, "macOS") == [
        Verdict("browser/mail", mail[0], reason=mail[1]),
        Verdict("browser/running", UNKNOWN if pairs else NOT_APPLICABLE, reason=RUN if pairs else FREE),
        PACKAGED,
        Verdict("browser/policy-file", policies[0], wrong, reason=policies[1], drifted=bool(wrong)),
    ]


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
        (Observed(ALL.effect, [Name("a.example", "/in"), Name("xa.example")]), ["a.example", "a.example/in"]),
    ],
)
def test_open_names_are_listed_once(observed, opened):
    names = [Name("b.example"), Name("a.example"), Name("b.example")]
    assert [str(one) for one in observed.opened(names)] == opened


def test_without_a_policy_to_set_nothing_else_is_said():
    plan = {"browsers": BROWSERS, "controls": {"browser": section()}}
    found = managed.verdicts(plan, Desired(plan), [ObservedPlace(CHROMIUM, Observed(complete=True))], [], "", "macOS")
    assert found == [Verdict("browser/policy-file", NOT_APPLICABLE, reason="no policy to set")]
