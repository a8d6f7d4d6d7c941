"""How much of long texts and lists an event has: little is lost, and never the first of a list."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.controller.report.exports.event_texts import Seen, cut, errors_of, names, state_of
from proscribe.controller.report.exports.format import encoded
from proscribe.controller.report.exports.record_lines import Line
from proscribe.model.finding import Finding

LONG = Finding(*(character * 9000 for character in "kimvspd")).as_dict()
SHORT = Finding("package", "wechat", "dpkg", "4.0").as_dict()
ERROR: Any = {"control": "apps", "message": "m" * 50, "refused": None}
ENDLESS: Any = {"control": "c" * 9000, "message": "m" * 9000, "refused": "r" * 9000}


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        ([], 0),
        (["a" * 20] * 3, 3),
        (["a" * 20] * 400, 173),
        (["x" * 290] * 20, 13),
        (["x" * 5000], 1),
    ],
)
def test_names(found: list[str], shown: int) -> None:
    assert names(found) == ([cut(one, 300) for one in found[:shown]], len(found) - shown)


@pytest.mark.parametrize(
    ("found", "lengths", "left_out"),
    [
        ([ERROR] * 100, [50] * 41, 59),
        ([{**ERROR, "message": "m" * 3900}], [3900], 0),
        ([{**ERROR, "message": "m" * 9000}, ERROR], [1310, 50], 0),
        ([ERROR, {**ERROR, "message": "m" * 9000}, ERROR], [50], 2),
        ([ENDLESS, ERROR], [1310], 1),
    ],
)
def test_errors(found: list[Any], lengths: list[int], left_out: int) -> None:
    shown, left = errors_of(found)
    assert ([len(one["message"] or "") for one in shown], left) == (lengths, left_out)
    assert len(encoded(shown)) <= 4_000
    assert shown[0] == {key: text and cut(text, lengths[0] + 3) for key, text in found[0].items()}


@pytest.mark.parametrize(
    ("found", "lengths", "left_out"),
    [
        ([SHORT] * 3, [6] * 3, 0),
        ([SHORT] * 99, [6] * 38, 61),
        ([LONG, SHORT], [548], 1),
        ([SHORT, LONG, SHORT], [6], 2),
    ],
)
def test_the_state_of_a_rule(found: list[Any], lengths: list[int], left_out: int) -> None:
    said = state_of(Line("apps/" + "r" * 700, "noncompliant", "w" * 400, "y" * 2000, found, "audit"))
    assert [len(one["id"] or "") for one in said["findings"]] == lengths
    assert said == {
        "rule": f"apps/{'r' * 589}...",
        "control_mode": "audit",
        "state": "noncompliant",
        "waiver": f"{'w' * 294}...",
        "reason": f"{'y' * 994}...",
        "findings": [
            {key: text and (text if len(text) < 9 else f"{text[:545]}...") for key, text in one.items()}
            for one in found[: len(lengths)]
        ],
        "findings_left_out": left_out,
    }


def test_what_is_missing_of_a_rule_is_none() -> None:
    said = state_of(Line("apps/x", "compliant"))
    assert [said[key] for key in ("control_mode", "waiver", "reason")] == [None] * 3  # type: ignore[literal-required]


def test_what_the_events_of_a_host_share_is_cut_as_well() -> None:
    assert Seen.of("web01", "t" * 400, "p" * 400) == ("web01", f"{'t' * 294}...", f"{'p' * 294}...")
    assert Seen.of("web01", "2026") == ("web01", "2026", None)
