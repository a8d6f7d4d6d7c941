"""`explain`: hosts with one answer together, the short answer first, the same for machines."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from made_policy import NOW, WAIVER, question
from proscribe.controller.cli import Refused, explain, inventory
from proscribe.controller.cli.explain import answering, printing
from proscribe.controller.cli.explain.facts import Facts
from proscribe.controller.cli.explain.question import read
from proscribe.controller.cli.explain.relations import SERVICE, Subject, subject
from proscribe.controller.compile.catalogue.loading import Catalogue
from proscribe.controller.compile.plans.hosts import compile_hosts

HOSTS: dict[str, dict[str, Any]] = {
    "press01": {},
    "press02": {},
    "fin01": {"tenants": {"google": ["example.org"]}},
    "lab01": {"controls": {"browser": "audit", "dns": "off", "firewall": "off"}},
}
GROUPS = {"press": ["press01", "press02"], "finance": ["fin01"], "lab": ["lab01"]}
REVIEWED = {**WAIVER, "review_by": "2026-12-30T00:00:00Z"}


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
    ("text", "headline"),
    [
        (
            "gull.example",
            "gull.example (Gull: gull): policy: blocked on 2 of 4 hosts, audited on 1 of 4 hosts, tenants on 1 of 4"
            " hosts",
        ),
        ("example.org", "example.org: policy: open on every host asked for; no service of the catalogue has it"),
        ("parrot-desktop", "parrot-desktop (Parrot: parrot): policy: it depends (see below) on every host asked for"),
    ],
)
def test_the_short_answer_comes_first(tmp_path: Path, text: str, headline: str) -> None:
    about, groups = explained(tmp_path, text)
    assert printing.headline(about, groups) == headline
    assert printing.render(about, groups, 200, colours=False).splitlines()[0] == headline


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


def test_a_waiver_stands_with_who_approved_it_and_its_end(tmp_path: Path) -> None:
    about, groups = explained(tmp_path, "parrot.example", REVIEWED)
    waived = next(group for group in groups if group.hosts == ("press01",))
    assert waived.controls["browser"].reasons[0].text == "waiver w1 of b, until 2026-12-31 10:00:00 UTC"
    assert waived.controls["browser"].reasons[0].waiver == "w1"
    assert waived.notes == ()


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"expires": "2026-11-20T00:00:00Z", "review_by": "2026-11-19T00:00:00Z"}, "waives nothing (expired)"),
        ({"approved_by": "c"}, "waives nothing (unauthorised)"),
        ({"review_by": "2026-11-10T00:00:00Z"}, "still waives"),
    ],
)
def test_a_waiver_that_somebody_may_count_on_in_vain_is_named(
    tmp_path: Path, changes: dict[str, str], note: str
) -> None:
    _, groups = explained(tmp_path, "parrot.example", {**REVIEWED, **changes})
    assert any(note in text for group in groups if "press01" in group.hosts for text in group.notes)
    assert not any(group.notes for group in groups if "press01" not in group.hosts)


def test_machines_get_the_same(tmp_path: Path) -> None:
    about, groups = explained(tmp_path, "https://x.parrot.example/a")
    document = json.loads(json.dumps(printing.as_json(about, groups)))
    assert document["schema"] == "proscribe/explanation/1"
    assert document["asked"] == {
        "text": "https://x.parrot.example/a",
        "kind": "name",
        "host": "x.parrot.example",
        "path": "/a",
        "port": 443,
        "network": None,
    }
    assert document["services"][0]["service"] == "parrot"
    assert [host for answer in document["answers"] for host in answer["hosts"]] == [h for g in groups for h in g.hosts]
    assert document["answers"][0]["controls"]["browser"]["reasons"][0]["service"] == "parrot"


@pytest.mark.parametrize(("text", "code"), [("parrot.example", 1), ("example.org", 0)])
def test_the_exit_code_says_whether_it_is_open_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, code: int
) -> None:
    made = question(tmp_path, HOSTS, **GROUPS)
    monkeypatch.setattr(inventory, "question", lambda arguments: made)
    arguments = argparse.Namespace(name=text, at=NOW, json=False)
    assert explain.run(arguments) == code


def test_hostile_names_reach_no_terminal(tmp_path: Path) -> None:
    made = question(tmp_path, {"evil\x1b[2Jhost": {}, "rtl\u202ehost": {}})
    about, groups = answering.explain(read("parrot.example"), compile_hosts(made, NOW))
    text = printing.render(about, groups, 80, colours=False)
    assert all(line.isprintable() for line in text.splitlines())


@pytest.mark.parametrize("text", ["2027-01-01", "2027-01-01T00:00:00", "tomorrow"])
def test_a_moment_needs_its_zone(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="with its zone"):
        explain.at(text)


def test_a_word_that_no_catalogue_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused):
        explained(tmp_path, "parot")


@pytest.mark.parametrize(
    ("word", "service"),
    [
        ("微信", "wechat"),
        ("騰訊QQ", "qq"),
        ("腾讯ＱＱ", "qq"),  # full width
        ("카카오톡", "kakaotalk"),
        ("Яндекс.Диск", "yandex_disk"),  # which has a dot in it, as a host has
        ("яндекс диск", "yandex_disk"),
    ],
)
def test_a_service_is_known_by_its_name_in_its_own_script(own_catalogue: Catalogue, word: str, service: str) -> None:
    about = subject(read(word), own_catalogue)
    assert (about.kind, [(r.service.id, r.how) for r in about.relations]) == (SERVICE, [(service, "is")])
