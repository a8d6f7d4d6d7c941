"""The file of the fleet state: what is written there, how it is read again, and whose turn it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.report.evaluation.fleet_state import FleetState, Host, KnownWaiver, Observation
from proscribe.controller.report.storage.fleet_state_file import read

T1, T2 = "2026-11-25T01:00:00Z", "2026-11-25T02:00:00Z"
OPEN = (("apps/wechat", "noncompliant"), ("apps/line", "waived"))
APPS = Observation("enforce", "sha256:a", "noncompliant", T1, "run1", 5, 2, True, OPEN)
DNS = Observation("audit", "sha256:d", "compliant", T1, "run1", 3, 0, False, ())
POLICY = Observation("", "", "unknown", T2, "run2", 1, 0, True, (("group_policy/edge", "unknown"),))
PRESS: KnownWaiver = {
    "id": "press", "status": "active", "expires": T2, "review_by": None, "revoked": None, "hosts": ["web01"]
}  # fmt: skip
NEVER = ["", "", "unknown", "", "", 0, 0, False, -1]
LINES = [
    {"schema": "proscribe/whole/1", "whole": {"inv": T1}, "waivers": {"inv": [PRESS]}, "used": True},
    {"rules": 0, "of": [list(rule) for rule in OPEN]},
    {"rules": 1, "of": [["group_policy/edge", "unknown"]]},
    {
        "host": "web01",
        "inventory": "inv",
        "looks": [["enforce", "sha256:a", "noncompliant", T1, "run1", 5, 2, True, 0], NEVER, NEVER, [*DNS[:-1], -1]],
        "stale_after": 60,
        "attempts": {"apps/wechat": 3},
        "group_policy_look": [*POLICY[:-1], 1],
        "watch": {"last": T1},
        "requests": 2,
    },
    {"host": "web02", "inventory": "inv", "looks": [[*APPS[:-1], 0], NEVER, NEVER, NEVER], "stale_after": 0},
]


def fleet() -> FleetState:
    state = FleetState()
    state.whole, state.waivers, state.used = {"inv": T1}, {"inv": [PRESS]}, True
    observations = {"apps": APPS, "dns": DNS, "group_policy": POLICY}
    state.hosts["web01"] = Host("web01", "inv", observations, {"apps/wechat": 3}, 60, {"last": T1}, 2)
    state.hosts["web02"] = Host("web02", "inv", {"apps": APPS})
    return state


def text(lines: Any) -> str:
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def test_what_was_written_is_read_with_every_control(tmp_path: Path) -> None:
    (tmp_path / "whole.jsonl").write_text(text(LINES))
    state, wrong = read(tmp_path)
    never = dict.fromkeys(("browser", "firewall"), Observation())
    web01, web02 = fleet().hosts.values()
    assert (wrong, state.whole, state.waivers, state.used) == ("", {"inv": T1}, {"inv": [PRESS]}, True)
    assert state.hosts == {
        "web01": web01._replace(observations={**web01.observations, **never}),
        "web02": web02._replace(observations={**web02.observations, **never, "dns": Observation()}),
    }
    (tmp_path / "whole.jsonl").write_text(text([{**LINES[0], "used": "yes"}]))
    assert not read(tmp_path)[0].used


SHORT = {**LINES[4], "looks": [NEVER] * 3}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            [{**LINES[0], "schema": "proscribe/whole/9"}],
            "1 cannot be read (ValueError: schema is 'proscribe/whole/9', ",
        ),
        ([LINES[1]], "1 cannot be read (KeyError: 'schema')"),
        ([5], "1 cannot be read (TypeError: "),
        ([LINES[0], LINES[4]], "2 cannot be read (KeyError: 0)"),
        ([LINES[0], SHORT], "2 cannot be read (ValueError: "),
        ([LINES[0], {**LINES[4], "looks": [[]] * 4}], "2 cannot be read (IndexError: "),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line_and_nothing_of_it_counts(
    tmp_path: Path, lines: Any, said: str
) -> None:
    (tmp_path / "whole.jsonl").write_text(text(lines))
    state, wrong = read(tmp_path)
    assert wrong.startswith(f"{tmp_path}/whole.jsonl:{said}")
    assert wrong.endswith("; hosts that no later run checks are unknown")
    assert (state.hosts, state.whole) == ({}, {})


def test_a_place_that_is_no_file_is_wrong_before_its_first_line(tmp_path: Path) -> None:
    (tmp_path / "whole.jsonl").mkdir()
    assert read(tmp_path)[1].startswith(f"{tmp_path}/whole.jsonl:0 cannot be read (OSError: ")
