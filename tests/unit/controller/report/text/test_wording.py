"""How things are said: times, shares, waivers that end, names in causes."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.controller.report.text import wording
from proscribe.controller.report.text.wording import (
    Cause,
    causes,
    clean,
    evidences,
    in_words,
    left,
    message,
    moment,
    without_name,
)
from proscribe.model.finding import STATES, Finding


@pytest.mark.parametrize(
    ("time", "said"),
    [
        ("2026-11-25T08:00:59Z", "2026-11-25 08:00 UTC"),
        ("2026-11-25T08:00:59.123456Z", "2026-11-25 08:00 UTC"),
        ("2026-11-25T08:00:59", "2026-11-25T08:00:59"),
        ("2026-11-25T08:00Z", "2026-11-25T08:00Z"),
        (" 2026-11-25T08:00:59Z", " 2026-11-25T08:00:59Z"),
        (None, "None"),
    ],
)
def test_a_time(time: Any, said: str) -> None:
    assert moment(time) == said


@pytest.mark.parametrize(
    ("share", "said"),
    [
        ((0, 0, None), "0 of 0 (nothing)"),
        ((1, 2, 50.0), "1 of 2 (50 %)"),
        ((1999, 2000, 99.9), "1,999 of 2,000 (99.9 %)"),
    ],
)
def test_a_part_of_a_whole(share: Any, said: str) -> None:
    one: Any = dict(zip(("numerator", "denominator", "percent"), share, strict=True))
    assert wording.ratio(one) == said


WAIVER: Any = {"status": "active", "expires": "2026-12-01T00:00:00Z", "revoked": None}


@pytest.mark.parametrize(
    ("change", "at", "said"),
    [
        ({}, "2026-11-20T23:59:59Z", "10 days left"),
        ({}, "2026-11-29T00:00:00Z", "ends tomorrow"),
        ({}, "2026-11-30T23:59:59Z", "ends today"),
        ({}, "2026-12-01T00:00:00Z", "ended"),
        *(({"status": status}, "2026-11-29T00:00:00Z", "ends tomorrow") for status in ("not_yet_valid", "expired")),
        ({"status": "revoked", "revoked": {"on": "2026-11-28T00:00:00Z"}}, "2026-11-29T00:00:00Z", "ended"),
        ({"status": "revoked", "revoked": {"on": "2026-12-24T00:00:00Z"}}, "2026-11-29T00:00:00Z", "ends tomorrow"),
        ({"revoked": {"on": None}}, "2026-11-29T00:00:00Z", "ends tomorrow"),
        ({"status": "unsigned"}, "2026-11-29T00:00:00Z", ""),
        ({"expires": "soon"}, "2026-11-29T00:00:00Z", ""),
    ],
)
def test_how_long_a_waiver_is_good_for(change: Any, at: str, said: str) -> None:
    assert left({**WAIVER, **change}, at) == said


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("no line for a.example", "a.example", "no line for (name)"),
        ("a.example a.example.", "a.example", "(name) (name)."),
        ("a.example-x, a.examples, a.example_", "a.example", "a.example-x, a.examples, a.example_"),
        ("b.a.example, -a.example, xa.example", "a.example", "b.a.example, -a.example, xa.example"),
        ("(a.example) 'a.example'", "a.example", "((name)) '(name)'"),
        ("a.example.org", "a.example", "(name).org"),
        ("x", "a.example", "x"),
    ],
)
def test_a_name_is_left_out_where_it_is_a_word_of_its_own(text: str, name: str, said: str) -> None:
    assert without_name(text, name) == said


@pytest.mark.parametrize(
    ("shared", "said"),
    [
        ([], ""),
        ([Cause("x"), Cause("x")], "x"),
        ([Cause("x", "firefox,librewolf", "/a"), Cause("x", "librewolf", "/a")], "x in /a (firefox, librewolf)"),
        ([Cause("firefox says x", "firefox", "")], "firefox says x"),
        ([Cause("x", "", "/a"), Cause("x", "", "/b")], "x"),
        # As several rules of a host report them that an ordinary user observed.
        ([Cause("a; b; c"), Cause("b; c"), Cause("b; d")], "a; b; c; d"),
        (
            [Cause(f"/{name} can only be read by root (and 1 more); run it as root") for name in "abcde"],
            "/a, /b, /c and others can only be read by root; run it as root",
        ),
        ([Cause("/a can only be read by root (and 2 more)")], "/a can only be read by root (and 2 more)"),
    ],
)
def test_causes(shared: Any, said: str) -> None:
    assert causes(shared) == said


def test_causes_and_messages_have_an_end() -> None:
    many = causes([Cause(f"cause {number}") for number in range(10_000)])
    assert many.startswith("cause 0; cause 1; ") and 1_000 < len(many) < 100_000
    one = message("a " * 1_000_000)
    assert 100 < len(one) < len(many)


def test_what_does_not_print() -> None:
    assert clean("a\x1b[2Jb\n\u2028c\u200bd") == "a\ufffd[2Jb  c\ufffdd"
    assert [in_words(state) for state in STATES if "_" in state] == ["not applicable"]


def finding(**more: Any) -> Any:
    return Finding("file", "x", "program", "", "user:ann", **more).as_dict()


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        ([finding(), finding()], ["program x (ann) (2 times)"]),
        ([finding(path="/a"), finding(path="/b"), finding(path="/a")], ["program x (ann) (2 places: /a, /b)"]),
        ([finding(path="/a"), finding()], ["program x (ann) (2 times)"]),
        ([finding(path=one) for one in "abcd"], ["program x (ann) (4 places: a, b, c and 1 more)"]),
        ([finding(detail="d"), finding()], ["program x (ann): d", "program x (ann)"]),
        ([{**finding(), "scope": "system"}, {**finding(), "scope": None}], ["program x (2 times)"]),
        ([Finding("process", "x", path="/opt/x").as_dict(), Finding("process", "x").as_dict()],
         ["process /opt/x", "process x"]),
    ],
)  # fmt: skip
def test_what_was_found_once_or_in_several_places(findings: Any, said: list[str]) -> None:
    assert evidences(findings) == said


@pytest.mark.parametrize(
    ("idle", "expected", "days", "said"),
    [
        (2, 2, [], "nothing is restricted"),
        (2, 2, ["2027-01-02", "2026-12-01\x1b"], "the ban is not in force yet, it begins on 2026-12-01\ufffd"),
        (1, 2, ["2027-01-02"], ""),
        (0, 0, [], ""),
    ],
)
def test_a_ban_that_applies_to_nothing(idle: int, expected: int, days: list[str], said: str) -> None:
    report: Any = {
        "summary": {"hosts": {"not_applicable": idle}},
        "run": {"expected_hosts": expected},
        "upcoming": [{"effective_from": day} for day in days],
    }
    assert wording.not_in_force(report) == said


def test_services_of_which_nothing_is_known() -> None:
    found = [{"rule": "apps/a"}, {"rule": "dns/b"}, {"rule": "apps/c"}]
    assert wording.nothing_known({"nothing_known": found}) == {"apps": ["a", "c"], "dns": ["b"]}  # type: ignore[typeddict-item]
    assert wording.nothing_known({}) == {}  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ("Failed to connect to the host via ssh: kex_exchange_identification: read: Connection reset by peer", True),
        ("Failed to connect to the host via ssh: Connection closed by 192.0.2.7 port 22", True),
        ("Connection timed out during banner exchange", True),
        ("kex_exchange_identification: banner line 0: Exceeded MaxStartups", True),
        ("ssh: connect to host 192.0.2.7 port 22: No route to host", False),
        ("admin@192.0.2.7: Permission denied (publickey).", False),
        ("Shared connection to 192.0.2.7 closed.", False),
    ],
)
def test_where_sshd_closed_the_connection_the_likely_cause_is_named(text: str, closed: bool) -> None:
    said = wording.unreachable(text)
    assert ("MaxStartups. See it on the host: ps -C sshd -o args=" in said) is closed
    assert said.startswith(wording.message(text))
