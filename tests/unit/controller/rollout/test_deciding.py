"""The decision of the run that goes on: made once, from what was answered before any host was changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.rollout import deciding

DRIFTED = {"record": {"plan": "p", "rules": []}, "drifted": ["dns"]}


@pytest.fixture
def warned() -> Iterator[list[str]]:
    yield []
    deciding.begins(None)


def begins(reports: Path, mode: str = "enforce", hosts: int = 4, most: Any = "100%", plans: str = "p" * 11) -> None:
    limits = {"batches": [1, "100%"], "max_change": {"hosts": most, "removals": "auto"}, "max_failures": "10%"}
    names = {f"h{number}": plan for number, plan in zip(range(1, hosts + 1), plans)}
    deciding.begins({"mode": mode, "hosts": names, "rollout": limits, "directory": str(reports / "run.partial")})


def test_a_host_that_was_set_aside_is_none_of_the_run_that_follows(tmp_path: Path, warned: list[str]) -> None:
    begins(tmp_path)
    deciding.set_aside("h1")
    assert deciding.hosts_set_aside() == {"h1"}
    begins(tmp_path)
    assert deciding.hosts_set_aside() == frozenset()


@pytest.mark.parametrize(
    ("mode", "batches", "says"),
    [("check", (4,), ["a run without --check would stop after the canary batch (1 host)"]), ("enforce", (1, 3), [])],
)
def test_a_dry_run_says_where_a_real_one_would_stop(
    tmp_path: Path, warned: list[str], mode: str, batches: tuple[int, ...], says: list[str]
) -> None:
    begins(tmp_path, mode, most=1)
    for number in range(1, 5):
        deciding.answered(f"h{number}", DRIFTED)
    decision = deciding.decision(warned.append)
    assert decision is not None
    assert (decision.reach, decision.batches) == (1, batches)
    assert [text.partition(":")[0] for text in warned] == says
    deciding.decision(warned.append)
    assert len(warned) == len(says), "once"


def test_a_dry_run_says_whom_a_real_one_would_leave_out(tmp_path: Path, warned: list[str]) -> None:
    begins(tmp_path, "check", hosts=11, most=10)
    for number in range(1, 12):
        deciding.answered(f"h{number}", DRIFTED)
    decision = deciding.decision(warned.append)
    assert decision is not None and decision.stop == ""
    why = "it has 0 removals, and with it the whole is more than proscribe_max_change allows (10 hosts)"
    assert warned == [f"a run without --check would leave out h11: set aside and left as found: {why}"]
