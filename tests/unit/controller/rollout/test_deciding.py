"""The decision of the run that goes on: made once, from what was answered before any host was changed."""

from __future__ import annotations

import json
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


def begins(reports: Path, mode: str = "enforce", hosts: int = 4, most: Any = "100%", plans: str = "p" * 11) -> None:
    limits = {"batches": [1, "100%"], "max_change": {"hosts": most, "removals": "auto"}, "max_failures": "10%"}
    names = {f"h{number}": plan for number, plan in zip(range(1, hosts + 1), plans)}
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


def test_a_host_that_was_set_aside_is_none_of_the_run_that_follows(tmp_path: Path, warned: list[str]) -> None:
    begins(tmp_path)
    deciding.set_aside("h1")
    assert deciding.hosts_set_aside() == {"h1"}
    begins(tmp_path)
    assert deciding.hosts_set_aside() == frozenset()


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


def test_a_dry_run_says_whom_a_real_one_would_leave_out(tmp_path: Path, warned: list[str]) -> None:
    begins(tmp_path, "check", hosts=11, most=10)
    for number in range(1, 12):
        deciding.answered(f"h{number}", DRIFTED)
    decision = deciding.decision(warned.append)
    assert decision is not None and decision.stop == ""
    why = "it has 0 removals, and with it the whole is more than proscribe_max_change allows (10 hosts)"
    assert warned == [f"a run without --check would leave out h11: set aside and left as found: {why}"]


@pytest.mark.parametrize(
    ("most", "before"), [(1, "; in the previous run (r1), 2 of these hosts were compliant"), (4, None)]
)
def test_a_run_that_stops_says_how_these_hosts_stood_before(
    tmp_path: Path, warned: list[str], most: int, before: str | None
) -> None:
    (tmp_path / "r1").mkdir()
    (tmp_path / "latest").symlink_to("r1")
    (tmp_path / "r1/report.json").write_text('{"run": {}}')
    states = {"h1": "compliant", "h2": "noncompliant", "h3": "waived", "h9": "compliant"}
    lines = [json.dumps({"host": host, "state": state, "rules": []}) for host, state in states.items()]
    (tmp_path / "r1/hosts.jsonl").write_text("\n".join(lines))
    begins(tmp_path, most=most)
    for number in range(1, 5):
        deciding.answered(f"h{number}", DRIFTED)
    decision = deciding.decision(warned.append)
    says = "the whole would change 4 hosts of the 4 that answered (dns on 4), and proscribe_max_change allows 1 host"
    assert decision is not None and decision.stop == (says + before if before else "")
    assert (decision.max_failures, warned) == ("10%", [])


def test_hosts_of_different_plans_go_first_by_turns(tmp_path: Path, warned: list[str]) -> None:
    """By the plan that each was sent, and not by what it says of that."""
    begins(tmp_path, hosts=5, plans="xyyyx")
    for number in range(1, 6):
        deciding.answered(f"h{number}", DRIFTED)
    assert given("hosts") == ["h2", "h3", "h1", "h5", "h4"]
