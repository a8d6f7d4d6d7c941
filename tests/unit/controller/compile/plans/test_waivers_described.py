"""A waiver as a report has it, the answers of a plan, and what a run notes of waivers for the next one: each whole."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from made_waivers import NOW, WAIVER, Organisation, at
from proscribe.controller.compile.plans.run import compile_run
from proscribe.controller.compile.plans.waivers import waivers_of
from proscribe.controller.compile.waivers.document import Malformed, read_waiver
from proscribe.controller.compile.waivers.reading import described, warning
from proscribe.controller.compile.waivers.refusals import Refusal
from proscribe.controller.compile.waivers.request_answers import MOST, refused_by_host, with_answers
from proscribe.controller.compile.waivers.seen_notes import NOTES
from proscribe.controller.compile.waivers.waiver_log import FEW
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.wire.store import PLANS

RICH: dict[str, Any] = {
    "services": ["whatsapp", "slack"],
    "controls": ["apps"],
    "hosts": ["press01", "press02"],
    "zones": ["internet", "internal"],
    "users": ["alice"],
    "posix_groups": ["editors"],
    "versions": ["4.0"],
    "paths": ["/opt/whatsapp/x"],
    "request": "00c0ffee00c0ffee",
    "review_by": "2026-11-20T00:00:00Z",
    "revoked": {"on": "2026-12-20T00:00:00Z", "by": "head.of.press", "why": "not needed"},
}


def test_a_waiver_as_the_report_has_it(organisation: Organisation) -> None:
    organisation.variables = {"waiver_signatures": "off"}
    file = organisation.waiver(**RICH)
    question = organisation.question("press01", "fin01")
    (judged,) = waivers_of(question, at(NOW))
    given = ("reason", "risk", "compensating_controls", "ticket", "requested_by", "approved_by")
    lists = ("services", "controls", "zones", "users", "posix_groups", "versions", "paths", "request")
    why = "its review was due on 2026-11-20: is the need still there?"
    assert described(judged, question) == {
        "id": "w1",
        "status": "active",
        "waives": True,
        "why": why,
        "valid_from": "2026-11-01T16:00:00Z",
        "expires": "2026-12-31T10:00:00Z",
        "review_by": "2026-11-20T00:00:00Z",
        "review_overdue": True,
        "hosts": ["press01"],
        **{key: RICH[key] for key in lists},
        **{key: WAIVER[key] for key in given},
        "hours": [],
        "requested_on": "2026-10-30T01:00:00Z",
        "approved_on": "2026-11-01T01:00:00Z",
        "revoked": {"on": "2026-12-20T00:00:00Z", "by": "head.of.press", "why": "not needed"},
        "signed_with": "",
        "file": str(file),
    }
    assert warning(judged) == f"waiver w1 still waives, but {why} [{file}]"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"review_by": "2026-12-20T00:00:00Z"}, ""),
        ({"revoked": {"on": "2026-11-20T00:00:00Z", "by": "head.of.press", "why": "x"}}, ""),
        (
            {"expires": "2026-11-20T00:00:00Z"},
            "expired): it ended on 2026-11-20 00:00:00 UTC",
        ),
        (
            {"valid_from": "2026-12-01T00:00:00Z"},
            "not yet valid): it begins on 2026-12-01 00:00:00 UTC",
        ),
        ({"requested_by": "head.of.press"}, "self approved): head.of.press requested and decided it"),
    ],
)
def test_what_a_run_says_of_a_waiver(changes: dict[str, Any], said: str, organisation: Organisation) -> None:
    file = organisation.waiver(**{"review_by": "2026-12-20T00:00:00Z", **changes})
    (judged,) = waivers_of(organisation.question(), at(NOW))
    found = warning(judged)
    assert found.startswith(f"waiver w1 waives nothing ({said}" if said else "") and bool(found) == bool(said)
    assert not said or found.endswith(f" [{file}]")
    assert described(judged, organisation.question())["requested_on"] == "2026-10-30T01:00:00Z"


def test_a_waiver_without_the_day_of_its_request(organisation: Organisation) -> None:
    organisation.waiver(requested_on=None)
    (judged,) = waivers_of(organisation.question(), at(NOW))
    shown = described(judged, organisation.question())
    assert (shown["requested_on"], shown["revoked"]) == (None, None)


def test_what_a_file_with_mistakes_names_is_known_as_far_as_it_is_spelled_as_names_are(tmp_path: Path) -> None:
    file = tmp_path / "w1.yml"
    names = {"services": ["whatsapp", "Whats App"], "hosts": ["h1", " h2"], "groups": ["g"], "zones": ["z", ""]}
    file.write_text(yaml.safe_dump({**WAIVER, **names, "expires": None}))
    with pytest.raises(Malformed) as wrong:
        read_waiver(file)
    named = wrong.value.named
    assert named is not None and named.document.path == file
    assert (named.services, named.hosts, named.groups, named.zones) == (("whatsapp",), ("h1",), ("g",), ("z",))
    file.write_text("- x\n")
    with pytest.raises(Malformed) as wrong:
        read_waiver(file)
    assert wrong.value.named is None


REFUSED = Refusal("1", "press01", "wong", "slack", "no", "head.of.press", "2026-11-25T08:00:00Z")


def test_all_answers_of_a_plan(tmp_path: Path) -> None:
    (tmp_path / "w1.yml").write_text(yaml.safe_dump(dict(WAIVER)))
    read = dataclasses.replace(read_waiver(tmp_path / "w1.yml"), services=("whatsapp", "slack"))
    everybody = dataclasses.replace(read, request="2")
    alice = dataclasses.replace(read, id="w3", request="3", users=("alice", "bob"), posix_groups=("editors",))
    group = dataclasses.replace(read, id="w4", request="4", posix_groups=("editors",))
    apps: Any = {"services": {"whatsapp": {"mode": "enforce", "exceptions": [{"waiver": "w3", "users": ["alice"]}]}}}
    closed: Any = {"services": {"whatsapp": {"mode": "enforce"}}}
    body: Any = {"controls": {"apps": apps, "dns": closed}}
    ended = [dataclasses.replace(alice, id=f"e{number}", request=f"e{number}") for number in range(MOST + 2)]
    found = with_answers(body, refused_by_host([REFUSED])["press01"], [everybody, alice, group, read], ended)
    answers = found.pop("answers")
    assert found == body
    assert [*answers] == [*(f"e{number}" for number in range(2, MOST + 2)), "1", "2", "3"]
    end = "2026-12-31T10:00:00Z"
    assert answers["1"] == {
        "answer": "refused",
        "user": "wong",
        "service": "slack",
        "on": "2026-11-25T08:00:00Z",
        "why": "no",
    }
    closed_everywhere = "open: nothing; closed to everybody on this host: programs, names (DNS)"
    closed_elsewhere = "open: programs; closed to everybody on this host: names (DNS)"
    granted = {"answer": "granted", "service": "whatsapp", "until": end}
    assert answers["2"] == {**granted, "user": "", "waiver": "w1", "limits": closed_everywhere}
    assert answers["3"] == {**granted, "user": "alice", "waiver": "w3", "limits": closed_elsewhere}
    assert answers["e2"] == {"answer": "ended", "user": "alice", "service": "whatsapp", "waiver": "e2", "on": end}


def notes(organisation: Organisation) -> Any:
    return json.loads((organisation.root / "reports" / PLANS / NOTES).read_text())


def test_what_a_run_notes_of_its_waivers(organisation: Organisation) -> None:
    hosts = {"w2": "press02", "w1": "press01"}
    files = {id_: organisation.waiver(f"{id_}.yml", id=id_, hosts=[host]) for id_, host in hosts.items()}
    organisation.waiver("w3.yml", id="w3", expires="2026-11-20T00:00:00Z")
    run = organisation.run()
    (inventory,) = notes(organisation)["inventories"]
    assert len(inventory.pop("hosts")) == 64
    waivers = [
        {"id": id_, "file": str(files[id_]), "ends": "2026-12-31T10:00:00Z", "hosts": [hosts[id_]]}
        for id_ in ("w1", "w2")
    ]
    names = {"hosts": dict.fromkeys(("press01", "press02"), "2026-11-25T08:00:00Z"), "groups": {}}
    expected = {"sources": [str(organisation.inventory)], "run": run["id"], "waivers": waivers, "names": names}
    expected |= {"revoked": [], "commits": {}}
    assert inventory == expected
    assert notes(organisation)["schema"] == "proscribe/waivers-seen/1"


def test_the_waivers_of_hosts_that_a_run_leaves_out_stay_noted(organisation: Organisation) -> None:
    organisation.waiver()
    file = organisation.waiver("w2.yml", id="w2", hosts=["press02"])
    organisation.run()
    file.unlink()
    second = organisation.run(NOW, "press01")
    (inventory,) = notes(organisation)["inventories"]
    assert (inventory["run"], [one["id"] for one in inventory["waivers"]]) == (second["id"], ["w1", "w2"])
    gone = f"waiver w2 is gone since run {second['id']}: what it opened is closed [{file}]"
    assert gone in organisation.run()["warnings"]
    assert [one["id"] for one in notes(organisation)["inventories"][0]["waivers"]] == ["w1"]


@pytest.mark.parametrize(
    ("count", "named", "option"),
    [
        (1, "w00", "w00"),
        (FEW, ", ".join(f"w{n:02}" for n in range(FEW)), ",".join(f"w{n:02}" for n in range(FEW))),
        (FEW + 2, ", ".join(f"w{n:02}" for n in range(FEW)) + " and 2 more", "all"),
    ],
)
def test_what_is_said_of_waivers_that_are_not_found(
    count: int, named: str, option: str, organisation: Organisation
) -> None:
    files = [organisation.waiver(f"w{number:02}.yml", id=f"w{number:02}") for number in range(count)]
    run = organisation.run()
    for file in files:
        file.unlink()
    with pytest.raises(PolicyErrors) as wrong:
        compile_run(organisation.question(), at(NOW))
    (error,) = wrong.value.errors
    folder = str(organisation.waivers)
    assert (error.where, error.key, error.value) == (folder, "", f"none of the waivers {named}")
    assert error.expected == (
        f"the waivers that run {run['id']} found there; this run searched {folder}. Set proscribe_waivers_dir to their "
        f"folder, or, if they were removed on purpose, add: -e proscribe_waivers_removed={option}"
    )
