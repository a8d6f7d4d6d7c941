"""What lines of the journal come to: incidents and programs that were ended, whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from proscribe.host.system import ControlError
from proscribe.host.watch.state import clock, files, journal
from proscribe.host.watch.state.summary import is_stale, summary
from watch_host import AT, ROOT, Made, plan

pytestmark = ROOT


def at(day: int) -> str:
    return f"2026-11-{day:02}T03:00:00Z"


def drift(day: int, cause: str, *rules: str, users: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"at": at(day), "event": "drift", "rules": [*rules], "users": [*users], "cause": cause}


def corrected(day: int, *rules: str) -> dict[str, Any]:
    return {"at": at(day), "event": "corrected", "rules": [*rules]}


def ended(day: int, rule: str, program: str, user: str, times: int = 1) -> dict[str, Any]:
    return {"at": at(day), "event": "ended", "rule": rule, "program": program, "user": user, "times": times}


def seen(host: Made, *lines: dict[str, Any]) -> Any:
    host.write(journal.JOURNAL, "".join(f"{json.dumps(line)}\n" for line in lines), 0o600)
    return summary(host, plan())  # type: ignore[arg-type]


INCIDENT = {"rules_left_out": 0, "corrected": 0, "users": [], "times": 1}


@pytest.mark.parametrize(
    ("lines", "incidents"),
    [
        pytest.param(
            [drift(1, "x", "apps/a", users=("tom",)), drift(3, "y", "apps/a", users=("ann",)), corrected(4, "apps/a")],
            [
                {
                    **INCIDENT,
                    "control": "apps",
                    "cause": "y",
                    "rules": ["apps/a"],
                    "first": at(1),
                    "last": at(3),
                    "times": 2,
                    "corrected": 1,
                    "users": ["tom", "ann"],
                }
            ],
            id="one rule by whatever it drifted",
        ),
        pytest.param(
            [drift(3, "y", "apps/a"), drift(2, "x", "apps/a"), drift(3, "", "apps/a")],
            [
                {
                    **INCIDENT,
                    "control": "apps",
                    "cause": "y",
                    "rules": ["apps/a"],
                    "first": at(2),
                    "last": at(3),
                    "times": 3,
                }
            ],
            id="lines of a clock that went back",
        ),
        pytest.param(
            [
                drift(1, "x", "apps/b", "apps/c"),
                drift(1, "x", "apps/d", users=("tom",)),
                drift(2, "x", "apps/b"),
                corrected(2, "apps/b", "apps/d"),
                corrected(2, "apps/c"),
                corrected(3, "apps/c"),
            ],
            [
                {
                    **INCIDENT,
                    "control": "apps",
                    "cause": "x",
                    "rules": ["apps/b", "apps/c", "apps/d"],
                    "first": at(1),
                    "last": at(2),
                    "times": 2,
                    "corrected": 2,
                    "users": ["tom"],
                }
            ],
            id="many rules by one cause",
        ),
        pytest.param(
            [corrected(2, "apps/a", "dns/b"), corrected(4, "apps/a")],
            [
                {**INCIDENT, "control": "apps", "cause": "", "rules": ["apps/a"], "first": at(2), "last": at(2)}
                | {"times": 2, "corrected": 2},
                {**INCIDENT, "control": "dns", "cause": "", "rules": ["dns/b"], "first": at(2), "last": at(2)}
                | {"corrected": 1},
            ],
            id="corrected, and the line of the drift is gone",
        ),
        pytest.param(
            [drift(2, "x", "dns/b"), drift(2, "x", "apps/b", "apps/c"), drift(2, "x", "apps/a"), drift(1, "z", "w/z")],
            [
                {**INCIDENT, "control": "w", "cause": "z", "rules": ["w/z"], "first": at(1), "last": at(1)},
                {**INCIDENT, "control": "apps", "cause": "x", "rules": ["apps/b", "apps/c", "apps/a"]}
                | {"first": at(2), "last": at(2)},
                {**INCIDENT, "control": "dns", "cause": "x", "rules": ["dns/b"], "first": at(2), "last": at(2)},
            ],
            id="the last one at the end, by name among equals",
        ),
        pytest.param(
            [drift(1, "x"), {"at": at(1), "event": "thawed"}],
            [{**INCIDENT, "control": "", "cause": "x", "rules": [], "first": at(1), "last": at(1)}],
            id="of no rule",
        ),
    ],
)
def test_incidents(made: Made, lines: list[dict[str, Any]], incidents: list[dict[str, Any]]) -> None:
    found = seen(made, *lines)
    assert found["incidents"] == incidents
    assert (found["since"], found["ended"], found["left_out"]) == (lines[0]["at"], [], {})


def test_programs_that_were_ended(made: Made) -> None:
    found = seen(
        made,
        ended(1, "apps/a", "/x", "tom", 2),
        ended(2, "apps/a", "/x", "tom", 3),
        ended(2, "apps/b", "/x", "tom"),
        ended(2, "apps/a", "/y", "tom"),
        ended(2, "apps/a", "/x", "ann"),
        ended(1, "apps/z", "/z", "zoe"),
    )
    rows = [tuple(one[key] for key in ("rule", "program", "user", "first", "last", "times")) for one in found["ended"]]
    assert rows == [
        ("apps/z", "/z", "zoe", at(1), at(1), 1),
        ("apps/a", "/x", "ann", at(2), at(2), 1),
        ("apps/a", "/x", "tom", at(1), at(2), 5),
        ("apps/a", "/y", "tom", at(2), at(2), 1),
        ("apps/b", "/x", "tom", at(2), at(2), 1),
    ]
    assert found["incidents"] == []


@pytest.mark.parametrize(("passed", "stale"), [(59, False), (60, False), (61, True)])
def test_a_plan_that_nobody_has_renewed_is_stale(
    made: Made, monkeypatch: pytest.MonkeyPatch, passed: int, stale: bool
) -> None:
    monkeypatch.setattr("proscribe.host.watch.state.summary.effective", lambda _: clock.seconds(AT) + passed)
    assert is_stale(made, 60, AT) is stale and is_stale(made, 60, None)
    compiled = plan()
    compiled["watch"]["max_age"] = 60
    assert summary(made, compiled)["stale"] is False  # type: ignore[arg-type]
    made.write(files.SETTINGS, files.settings_text(files.Settings("r", 30, 60, "p", (), {})), 0o600)
    assert summary(made, compiled)["stale"] is True  # type: ignore[arg-type]
    made.write(files.RENEWED, AT, 0o600)
    made.write(files.STATE, json.dumps({"last": at(2)}), 0o600)
    found = summary(made, compiled)  # type: ignore[arg-type]
    assert (found["stale"], found["renewed"], found["last"], found["every"]) == (stale, AT, at(2), 300)


def test_a_plan_without_a_watch_has_the_intervals_that_are_installed(made: Made) -> None:
    without = {key: value for key, value in plan().items() if key != "watch"}
    assert summary(made, without)["every"] == 0  # type: ignore[arg-type]
    made.write(files.SETTINGS, files.settings_text(files.Settings("r", 30, 60, "p", (), {})), 0o600)
    assert summary(made, without)["every"] == 30  # type: ignore[arg-type]
    made.write(files.SETTINGS, "nonsense", 0o600)
    found = summary(made, without)  # type: ignore[arg-type]
    assert (found["every"], found["stale"]) == (0, False)


def test_a_journal_that_cannot_be_read_is_one_line_less(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ControlError("no")

    monkeypatch.setattr(journal, "read", refuse)
    found = summary(made, plan())  # type: ignore[arg-type]
    assert (found["left_out"], found["since"], found["incidents"]) == ({"journal": 1}, None, [])
