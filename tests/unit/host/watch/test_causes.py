"""By what rules were wrong, in words."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.host.watch.causes import by_cause, named


def found(kind: str, path: str = "", id_: str = "", detail: str | None = None) -> dict[str, Any]:
    return {"kind": kind, "path": path, "id": id_, **({} if detail is None else {"detail": detail})}


FILE, UNIT = found("policy", "/etc/x.json", "x", "is missing"), found("unit", "", "dnsmasq")


@pytest.mark.parametrize(
    ("findings", "plain", "detailed"),
    [
        ([], "", ""),
        ([FILE], "policy /etc/x.json", "policy /etc/x.json: is missing"),
        ([UNIT], "unit dnsmasq", "unit dnsmasq"),
        ([found("unit", "", "x", "")], "unit x", "unit x"),
        ([FILE, FILE], "policy /etc/x.json", "policy /etc/x.json: is missing"),
        ([FILE, UNIT, UNIT], "policy /etc/x.json, and 1 more", "policy /etc/x.json: is missing, and 1 more"),
        ([UNIT, FILE, found("a", "b")], "unit dnsmasq, and 2 more", "unit dnsmasq, and 2 more"),
    ],
)
def test_what_was_found_in_a_line(findings: list[Any], plain: str, detailed: str) -> None:
    assert named(findings, details=False) == plain
    assert named(findings) == named(findings, details=True) == detailed


def test_rules_that_one_thing_is_wrong_for_are_one_cause() -> None:
    rules = {
        "browser/b": [FILE, UNIT],
        "browser/a": [UNIT, FILE, FILE],
        "dns/a": [FILE, UNIT],
        "apps/a": [UNIT],
        "apps/b": [],
        "apps/c": [],
        "apps/d": [FILE],
    }
    record: Any = {"rules": [{"rule": rule, "findings": findings} for rule, findings in rules.items()]}
    assert by_cause(record, [*rules][:-1]) == [
        ("policy /etc/x.json, and 1 more", ["browser/b", "browser/a"]),
        ("policy /etc/x.json: is missing, and 1 more", ["dns/a"]),
        ("unit dnsmasq", ["apps/a"]),
        ("", ["apps/b", "apps/c"]),
    ]
