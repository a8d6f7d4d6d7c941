"""`explain`: hosts with one answer together, the short answer first, the same for machines."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
import yaml
from made_policy import NOW, question
from proscribe.controller.cli import explain, inventory
from proscribe.controller.cli.explain import answering, printing
from proscribe.controller.cli.explain.facts import Facts
from proscribe.controller.cli.explain.question import read
from proscribe.controller.cli.explain.relations import Subject
from proscribe.controller.compile.plans.hosts import compile_hosts

HOSTS: dict[str, dict[str, Any]] = {
    "press01": {},
    "press02": {},
    "fin01": {"tenants": {"google": ["example.org"]}},
    "lab01": {"controls": {"browser": "audit", "dns": "off", "firewall": "off"}},
}
GROUPS = {"press": ["press01", "press02"], "finance": ["fin01"], "lab": ["lab01"]}


def explained(folder: Path, text: str, *waivers: dict[str, Any]) -> tuple[Subject, list[answering.Group]]:
    question_ = question(folder, HOSTS, **GROUPS)
    (folder / "waivers").mkdir(exist_ok=True)
    (folder / "approvers.yml").write_text("press: {head: b}\n")
    for waiver in waivers:
        (folder / "waivers" / f"{waiver['id']}.yml").write_text(yaml.safe_dump(waiver))
    return answering.explain(read(text), compile_hosts(question_, NOW))


def test_hosts_with_one_answer_stand_together_the_most_closed_first(tmp_path: Path) -> None:
    _, groups = explained(tmp_path, "gull.example")
    assert [(group.answer, group.hosts) for group in groups] == [
        ("blocked", ("press01", "press02")),
        ("audited", ("lab01",)),
        ("tenants", ("fin01",)),
    ]


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ({}, ""),
        (
            {"press01": ("2026-11-29T05:00:00Z", "noncompliant"), "lab01": ("2026-11-28T05:00:00Z", "not_applicable")},
            "; last seen: 1 noncompliant, 1 not applicable, 2 never (the oldest 2026-11-28 05:00 UTC)",
        ),
    ],
)
def test_the_first_line_says_what_the_last_observations_said(
    tmp_path: Path, records: dict[str, tuple[str, str]], said: str
) -> None:
    """The answer is that of the policy, whatever a host has made of it."""
    known = {host: Facts(observed=at, state=state) for host, (at, state) in records.items()}
    compiled = compile_hosts(question(tmp_path, HOSTS, **GROUPS), NOW)
    about, groups = answering.explain(read("parrot.example"), compiled, known)
    assert len(groups) == len(
        answering.explain(read("parrot.example"), compiled)[1]
    )  # no answer of its own for a state
    assert ": policy: " in printing.headline(about, groups) and printing.headline(about, groups).endswith(
        said or "hosts"
    )
    one = [groups[0]._replace(hosts=("press01",), seen=tuple(records.values())[:1])]
    if records:
        assert printing.headline(about, one).endswith("; last seen 2026-11-29 05:00 UTC: noncompliant")


@pytest.mark.parametrize(("text", "code"), [("parrot.example", 1), ("example.org", 0)])
def test_the_exit_code_says_whether_it_is_open_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, code: int
) -> None:
    made = question(tmp_path, HOSTS, **GROUPS)
    monkeypatch.setattr(inventory, "question", lambda arguments: made)
    arguments = argparse.Namespace(name=text, at=NOW, json=False)
    assert explain.run(arguments) == code


@pytest.mark.parametrize(
    "text",
    [
        "2027-01-01",
        "2027-01-01T00:00:00",
    ],
)
def test_a_moment_needs_its_zone(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="with its zone"):
        explain.at(text)
