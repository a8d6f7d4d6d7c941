"""The decision of the run that goes on: made once, from what was answered before any host was changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.plugins.loader import filter_loader
from proscribe.controller.rollout import deciding

DRIFTED = {"record": {"plan": "p", "rules": []}, "drifted": ["dns"]}
COMPLIANT = {"record": {"plan": "p", "rules": []}, "drifted": []}
NOBODY = ["all", "!all"]
LISTED: dict[str, Any] = {}  # `hostvars` where Ansible only lists the playbook
KNOWN = {"h1": {}}


@pytest.fixture
def warned() -> Iterator[list[str]]:
    yield []
    deciding.begins(None)


def begins(reports: Path, mode: str = "enforce", hosts: int = 4, most: Any = "100%") -> None:
    limits = {"batches": [1, "100%"], "max_change": {"hosts": most, "removals": "auto"}, "max_failures": "10%"}
    names = {f"h{number}": "p" for number in range(1, hosts + 1)}
    deciding.begins({"mode": mode, "hosts": names, "rollout": limits, "directory": str(reports / "run.partial")})


def given(part: str, hostvars: Any = KNOWN) -> Any:
    return filter_loader.get("proscribe_rollout").j2_function(hostvars, part)


def test_hosts_come_in_the_order_of_the_run_however_they_answer(tmp_path: Path, warned: list[str]) -> None:
    begins(tmp_path)
    for host, observed in (("h4", DRIFTED), ("h2", COMPLIANT), ("h1", DRIFTED)):  # h3 failed
        deciding.answered(host, observed)
    decision = deciding.decision(warned.append)
    assert decision is not None and decision == deciding.decided()
    assert (decision.hosts, decision.batches, decision.stop, warned) == (("h1", "h4"), (1, 1), "", [])
    assert (given("hosts"), given("batches")) == (["h1", "h4"], [1, 1])


def test_what_a_host_answers_once_it_is_decided_changes_nothing(tmp_path: Path, warned: list[str]) -> None:
    begins(tmp_path)
    deciding.answered("h1", DRIFTED)
    before = deciding.decision(warned.append)
    deciding.answered("h1", COMPLIANT)
    deciding.answered("h2", DRIFTED)
    assert deciding.decision(warned.append) == before


@pytest.mark.parametrize(
    ("mode", "answers"),
    [
        ("", [("h1", DRIFTED)]),
        ("enforce", []),
        ("enforce", [("h1", COMPLIANT)]),
    ],
)
def test_nobody_is_corrected_where_nothing_says_so(
    tmp_path: Path, warned: list[str], mode: str, answers: list[tuple[str, dict[str, Any]]]
) -> None:
    begins(tmp_path, mode)
    if not mode:
        deciding.begins(None)  # a run that corrects nothing, as an audit
    for host, observed in answers:
        deciding.answered(host, observed)
    assert (given("hosts"), given("batches")) == (NOBODY, [1])
    assert (deciding.decided() is not None) == (answers == [("h1", COMPLIANT)])


def test_another_run_knows_nothing_of_the_one_before(tmp_path: Path, warned: list[str]) -> None:
    begins(tmp_path)
    deciding.answered("h1", DRIFTED)
    assert given("hosts") == ["h1"]
    begins(tmp_path)
    assert (deciding.decided(), given("hosts")) == (None, NOBODY)
    deciding.answered("h2", DRIFTED)
    assert given("hosts") == ["h2"]


def test_nothing_is_decided_where_ansible_only_lists_the_playbook(tmp_path: Path, warned: list[str]) -> None:
    begins(tmp_path)
    deciding.answered("h1", DRIFTED)
    assert (given("hosts", LISTED), given("batches", LISTED), deciding.decided()) == (NOBODY, [1], None)


@pytest.mark.parametrize(
    ("mode", "batches", "says"),
    [
        ("check", (4,), ["a run without --check would stop after the canary batch (1 host)"]),
        ("enforce", (1, 3), []),
    ],
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
