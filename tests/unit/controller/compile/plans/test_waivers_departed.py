"""Hosts and groups that left the inventory, in waivers that could still be valid. A name that was never there is a
typo.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from made_waivers import Organisation, at
from proscribe.controller.compile.plans.waivers import judge
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


def remove(organisation: Organisation, *names: str) -> None:
    """Take hosts and groups out of the inventory."""
    groups = {group: hosts.difference(names) for group, hosts in organisation.groups.items() if group not in names}
    organisation.groups = groups


def test_a_host_that_comes_back_is_waived_again(organisation: Organisation) -> None:
    organisation.waiver(**BOTH)
    organisation.run()
    groups = organisation.groups
    remove(organisation, "press02")
    organisation.run(LATER)
    organisation.groups = groups
    assert (organisation.why(LATEST), list(organisation.opened(now=LATEST))) == ("", ["press01", "press02"])


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
