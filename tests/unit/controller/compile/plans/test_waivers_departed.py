"""Hosts and groups that left the inventory, in waivers that could still be valid. A name that was never there is a
typo.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_waivers import Organisation, at
from proscribe.controller.compile.plans.waivers import judge, waivers_of
from proscribe.controller.compile.waivers.document import read_waiver
from proscribe.controller.compile.waivers.seen_notes import NOTES
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.controller.report.evaluation.fleet_state import FleetState, Host, Observation
from proscribe.controller.report.history import open_history
from proscribe.controller.report.history.tables import DEPARTED, SET_HOST, HostRow
from proscribe.controller.report.storage import fleet_state_file
from proscribe.wire.store import PLANS

LATER, LATEST = "2026-11-27T08:00:00+00:00", "2026-11-28T08:00:00+00:00"
BOTH = {"hosts": ["press01", "press02"]}
GROUP = {"hosts": ["press01"], "groups": ["lab2"]}


def remove(organisation: Organisation, *names: str) -> None:
    """Take hosts and groups out of the inventory."""
    groups = {group: hosts.difference(names) for group, hosts in organisation.groups.items() if group not in names}
    organisation.groups = groups


@pytest.mark.parametrize(
    ("scope", "removed", "status", "why"),
    [
        (BOTH, "press02", "active", "press02 (last seen on 2026-11-25) is not in the inventory any more"),
        (GROUP, "lab2", "active", "the group lab2 (last seen on 2026-11-25) is not in the inventory any more"),
        ({"hosts": ["press02"]}, "press02", "no_hosts", "it covers no host of the inventory; press02 (last seen on"),
        ({"groups": ["lab2"], "hosts": None}, "lab2", "no_hosts", "; the group lab2 (last seen on 2026-11-25) is not"),
    ],
)
def test_a_waiver_waives_nothing_where_a_host_left_and_every_run_goes_on_and_names_it(
    organisation: Organisation, scope: dict[str, Any], removed: str, status: str, why: str
) -> None:
    organisation.groups["lab2"] = frozenset({"press01"})
    organisation.waiver(**scope)
    assert organisation.status() == "active"
    remove(organisation, removed)
    for now in (LATER, LATEST):  # the run that misses it first does not forget it
        run = organisation.run(now)
        (waiver,) = run["waivers"]
        assert (waiver["status"], waiver["hosts"]) == (status, ["press01"] if status == "active" else [])
        assert why in waiver["why"]
        (warning,) = run["warnings"]
        assert why in warning and waiver["file"] in warning
    assert list(organisation.opened(now=LATEST)) == waiver["hosts"]
    assert [why in judged.standing.why for judged in waivers_of(organisation.question("fin01"), at(LATEST))] == [True]


def test_a_host_that_comes_back_is_waived_again(organisation: Organisation) -> None:
    organisation.waiver(**BOTH)
    organisation.run()
    groups = organisation.groups
    remove(organisation, "press02")
    organisation.run(LATER)
    organisation.groups = groups
    assert (organisation.why(LATEST), list(organisation.opened(now=LATEST))) == ("", ["press01", "press02"])


@pytest.mark.parametrize("misspelled", [{"hosts": ["press01", "press2"]}, {"groups": ["pres"]}])
def test_a_name_that_no_run_has_seen_is_a_mistake_also_beside_one_that_left(
    organisation: Organisation, misspelled: dict[str, Any]
) -> None:
    organisation.waiver(**BOTH)
    organisation.run()
    remove(organisation, "press02")
    organisation.waiver(**{**BOTH, **misspelled})
    with pytest.raises(PolicyErrors) as raised:
        organisation.run(LATER)
    (name,) = [names[-1] for names in misspelled.values()]
    assert [error.value for error in raised.value.errors] == [name]


def test_nothing_new_is_granted_to_a_host_that_left(organisation: Organisation) -> None:
    file = organisation.waiver(**BOTH)
    organisation.run()
    remove(organisation, "press02")
    with pytest.raises(PolicyErrors, match=r"hosts: found 'press02 \(last seen on 2026-11-25\)', expected a name that"):
        judge(read_waiver(file), organisation.question(), at(LATER))


# -- where an earlier run may have left it -----------------------------------------------------------------------------


def in_history(reports: Path) -> None:
    history = open_history("sqlite", reports)
    assert history
    with history.database.writing() as session:
        session.run(
            SET_HOST, HostRow("press02", expected_at="2026-11-20T08:00:00Z")._asdict() | {"asked": "2026-11-20"}
        )


def in_departed(reports: Path) -> None:
    history = open_history("sqlite", reports)
    assert history
    with history.database.writing() as session:
        session.run(f"INSERT INTO {DEPARTED} VALUES ('press02', '', '2026-11-20T08:00:00Z')")


def in_fleet_state(reports: Path) -> None:
    fleet_state = FleetState()
    fleet_state.hosts["press02"] = Host("press02", "", {"apps": Observation(at="2026-11-20T08:00:00Z")})
    reports.mkdir(parents=True, exist_ok=True)
    fleet_state_file.write(reports, fleet_state)


def in_old_note(reports: Path) -> None:
    """What a version noted that knew no names: it knows no host."""
    place = reports / PLANS / NOTES
    note = json.loads(place.read_text(encoding="utf-8"))
    for entry in note["inventories"]:
        del entry["names"]
    place.write_text(json.dumps(note), encoding="utf-8")


@pytest.mark.parametrize(
    ("remembering", "history", "remembered"),
    [
        (in_history, "sqlite", True),
        (in_departed, "sqlite", True),
        (in_history, "off", False),
        (in_fleet_state, "off", True),
        (in_old_note, "sqlite", False),
    ],
)
def test_the_history_and_the_fleet_state_know_hosts_of_runs_before_the_waiver(
    organisation: Organisation, remembering: Callable[[Path], None], history: str, remembered: bool
) -> None:
    organisation.variables["history"] = history
    organisation.waiver()
    organisation.run()
    remembering(organisation.root / "reports")
    remove(organisation, "press02")
    organisation.waiver(**BOTH)
    if not remembered:
        with pytest.raises(PolicyErrors, match="found 'press02', expected a host of the inventory"):
            organisation.run(LATER)
        return
    assert organisation.why(LATER) == "press02 (last seen on 2026-11-20) is not in the inventory any more"
    for path in (organisation.root / "reports").glob("*.*"):  # now the note has it
        path.unlink()
    assert organisation.why(LATEST) == "press02 (last seen on 2026-11-20) is not in the inventory any more"


def test_a_policy_of_an_earlier_revision_is_judged_by_what_runs_of_now_know(
    organisation: Organisation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    organisation.waiver(**BOTH)
    organisation.run()
    remove(organisation, "press02")
    monkeypatch.delenv("PROSCRIBE_REPORTS")
    organisation.variables["reports"] = "../elsewhere"
    question = organisation.question()
    with pytest.raises(PolicyErrors, match="press02"):
        waivers_of(question, at(LATER))
    (judged,) = waivers_of(dataclasses.replace(question, reports=tmp_path / "reports"), at(LATER))
    assert judged.standing.hosts == ("press01",)
