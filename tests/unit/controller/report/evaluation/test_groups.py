"""What many hosts have in common is a group: what it is about, why, in words, and in which order."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.controller.report.evaluation.groups import Group, Grouping, grouped, needs_root, silences
from proscribe.controller.report.text.wording import Cause
from proscribe.model.finding import Finding

FOUND = Finding("package", "wechat", "dpkg", "4.0").as_dict()


def rule(name: str, state: str = "noncompliant", reason: str | None = None, *found: Any, **more: Any) -> Any:
    return {"rule": name, "state": state, "waiver": None, "reason": reason, "findings": list(found), **more}


def record(host: str, *rules: Any, state: str = "noncompliant", **more: Any) -> Any:
    return {"host": host, "state": state, "reason": None, "rules": list(rules), "errors": [], **more}


def group(rules: str = "dns/a", hosts: str = "web01", evidence: Any = (), why: str = "down", **more: Any) -> Group:
    causes = tuple(Cause(one) for one in why.split(",") if one)
    made = Group("dns", "noncompliant", tuple(rules.split()), tuple(hosts.split()), causes, tuple(evidence))
    return made._replace(**more)


HAS = [("a", "dpkg x"), ("b", "dpkg x"), ("c", "dpkg x"), ("d", "dpkg x")]
HAVE = [("a", "dpkg x"), ("b\x1b", "dpkg y"), ("c", "dpkg z"), ("d", "dpkg w")]


@pytest.mark.parametrize(
    ("one", "subject", "text"),
    [
        (group(), "dns/a", "web01: down"),
        (group(audited=True), "dns/a (audited)", "web01: down"),
        (group("dns/a dns/b"), "dns", "dns/a, dns/b on web01: down"),
        (group("dns/a dns/b dns/c"), "dns", "dns/a, dns/b, dns/c on web01: down"),
        (group("dns/a dns/b dns/c dns/d", "a b"), "dns", "4 rules on 2 hosts: down; a, b"),
        (group(hosts="a b c d", why="down,out"), "dns/a", "4 hosts: down; out; a, b, c and 1 more"),
        (group(hosts="a", evidence=HAS[:1]), "dns/a", "a: dpkg x (down)"),
        (group(hosts="a b", evidence=HAS[:2], why=""), "dns/a", "2 hosts: dpkg x; a, b"),
        (group(hosts="a b c d", evidence=HAS, why=""), "dns/a", "4 hosts: dpkg x; a, b, c and 1 more"),
        (group(hosts="a b c d", evidence=HAS), "dns/a", "4 hosts: dpkg x (down); a, b, c and 1 more"),
        (group(hosts="a b c", evidence=HAVE[:3], why=""), "dns/a", "3 hosts: a: dpkg x; b\ufffd: dpkg y; c: dpkg z"),
        (
            group(hosts="a b c d", evidence=HAVE),
            "dns/a",
            "4 hosts: a: dpkg x; b\ufffd: dpkg y; c: dpkg z; and 1 more (down)",
        ),
    ],
)
def test_a_group_in_a_sentence(one: Group, subject: str, text: str) -> None:
    assert (one.subject, one.text()) == (subject, text)


def test_a_sentence_has_as_many_hosts_as_are_wanted() -> None:
    assert group(hosts="a b c").text(1) == "3 hosts: down; a and 2 more"
    assert group(hosts="a b c", evidence=HAVE[:3]).text(1) == "3 hosts: a: dpkg x; and 2 more (down)"


@pytest.mark.parametrize(
    ("rules", "groups"),
    [
        pytest.param(
            [rule("apps/x", "noncompliant", None, FOUND)],
            [("apps", "noncompliant", ("apps/x",), [], ["dpkg wechat 4.0"], False)],
            id="an app is a group of its own",
        ),
        pytest.param(
            [rule("apps/x", "waived", "why", FOUND, waiver="press")],
            [("apps", "waived", ("apps/x",), ["waiver press"], ["dpkg wechat 4.0"], False)],
            id="with its waiver",
        ),
        pytest.param(
            [rule("apps/x", "unknown", "why", FOUND, mode="audit")],
            [("apps", "unknown", ("apps/x",), ["why"], ["dpkg wechat 4.0"], True)],
            id="or with its reason, and only audited",
        ),
        pytest.param(
            [rule("dns/b", reason="down"), rule("dns/a", reason="down"), rule("dns/c", "unknown", "down")],
            [("dns", "noncompliant", ("dns/a", "dns/b"), ["down"], [], False),
             ("dns", "unknown", ("dns/c",), ["down"], [], False)],
            id="rules of one control in one state",
        ),
        pytest.param(
            [rule("dns/b", reason="up"), rule("dns/a", reason="down"), rule("dns/c", reason=None, mode="audit")],
            [("dns", "noncompliant", ("dns/a", "dns/b"), ["down", "up"], [], False),
             ("dns", "noncompliant", ("dns/c",), ["no reason given"], [], True)],
            id="with all their causes, and what is audited apart",
        ),
        pytest.param([rule("dns/a", "not_applicable", "no DNS", mode="audit")], [], id="what does not apply is none"),
        pytest.param(
            [rule("browser/a", "noncompliant", None, FOUND), rule("browser/b", "noncompliant", None, FOUND)],
            [("browser", "noncompliant", ("browser/a", "browser/b"), ["not as required"], [], False)],
            id="evidence of another control is a cause",
        ),
        pytest.param(
            [rule("dns/a", "waived", "down", waiver="w")],
            [("dns", "waived", ("dns/a",), ["down", "waiver w"], [], False)],
            id="a waiver is a cause",
        ),
    ],
)  # fmt: skip
def test_the_groups_of_a_host(rules: Any, groups: Any) -> None:
    found = grouped([record("web01", *rules)])
    assert [
        (
            one.control,
            one.state,
            one.rules,
            [why.text for why in one.causes],
            [what for _, what in one.evidence],
            one.audited,
        )
        for one in found
    ] == groups
    assert all(one.hosts == ("web01",) for one in found)


def test_hosts_with_the_same_share_a_part_and_an_error_is_one_too() -> None:
    grouping = Grouping()
    same = rule("dns/a", reason="down")
    error = {"errors": [{"control": "dns", "message": "it is\nlocked"}]}
    assert grouping.add(record("a", same, rule("dns/b", "not_applicable"))) == (0, 1)
    assert grouping.add(record("b", dict(same), same)) == (2,)
    assert grouping.add(record("c", same, **error)) == (0, 3)
    assert [one["rule"] for one in grouping.rules] == ["dns/a", "dns/b"]
    assert [(part.control, part.state, part.rules, part.group) for part in grouping.parts] == [
        ("dns", "noncompliant", (0,), 0), ("dns", "not_applicable", (1,), None), ("dns", "noncompliant", (0, 0), 0),
        ("dns", "error", (), 1),
    ]  # fmt: skip
    of_browsers = [rule(f"browser/{name}", "noncompliant", None, FOUND) for name in "ab"]
    assert len(grouping.add(record("d", *of_browsers))) == 1, "evidence is a part of its own for apps only"
    first, second, _ = grouping.groups()
    assert (first.hosts, second.hosts, second.why) == (("a", "b", "c"), ("c",), "it is locked")


def test_hosts_that_gave_no_answer_by_the_kind_of_reason() -> None:
    records = [
        record("a", state="unknown", reason="failed: x: y"),
        record("b", state="unknown", reason="unreachable: no\nroute"),
        record("c", state="unknown", reason="unreachable: z"),
        record("d", state="unknown", reason="asleep"),
        record("e", state="unknown"),
        record("f", state="error", reason="failed: x"),
    ]
    assert silences(records) == [
        ("unreachable", (("b", "no route"), ("c", "z"))), ("asleep", (("d", ""),)), ("failed", (("a", "x: y"),))
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "state", "needs"),
    [
        *((f"it {words} root", "unknown", True) for words in ("can be seen as", "is read by", "needs", "is for only")),
        ("needs root", "noncompliant", False),
        ("in /as/root", "unknown", False),
        ("needs rooting", "unknown", False),
        ("he needs roots", "unknown", False),
        (None, "unknown", False),
    ],
)
def test_what_root_alone_can_see(reason: Any, state: str, needs: bool) -> None:
    assert needs_root([record("web01", rule("apps/x", state, reason))]) == (["web01"] if needs else [])
