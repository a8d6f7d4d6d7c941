"""Waivers of a run: folders, mistakes, hosts that left the inventory."""

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.cli import CommandError
from proscribe.controller.cli.waiver.waiver_files import find_new_waiver_folder
from proscribe.controller.compile.inventory.host_variables import HostVariables
from proscribe.controller.compile.plans.host_plans import compile_hosts
from proscribe.controller.compile.plans.run_compiler import compile_run
from proscribe.controller.compile.plans.waiver_queries import find_draft_mistakes, judge_new_waiver, list_judged_waivers
from proscribe.controller.compile.waivers import document, waiver_notes
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.controller.report.evaluation.fleet_state import ControlObservation, FleetHost, FleetState
from proscribe.controller.report.history import open_history, tables
from proscribe.controller.report.storage import fleet_state_file
from proscribe.wire.plan_store import PLANS_DIRECTORY
from waiver_organisation import NOW, Organisation, at


@pytest.fixture
def ran(organisation):
    organisation.waiver()
    organisation.run(NOW)
    return organisation


def in_controller(organisation: Organisation, *names: str, sources=None, **variables):
    """Build the question of an automation controller, whose inventory is generated far from the project."""
    generated = organisation.root / "runner" / "inventory"
    generated.mkdir(parents=True, exist_ok=True)
    (generated / "hosts").touch()
    question = organisation.question(*names)
    own = {f"proscribe_{key}": value for key, value in variables.items()}
    hosts = [HostVariables(h.name, {**h.values, **own}, {}, str(generated)) for h in question.hosts]
    return dataclasses.replace(question, inventory=sources or [str(generated / "hosts")], hosts=hosts)


def test_a_new_waiver_is_written_where_waivers_are_read(organisation):
    with pytest.raises(CommandError, match="proscribe_waivers_dir"):
        find_new_waiver_folder(in_controller(organisation, sources=["press01,"]))
    named = in_controller(organisation, sources=["press01,"], waivers_dir="inventory/waivers")
    assert find_new_waiver_folder(named) == organisation.waivers


def test_the_same_hosts_out_of_another_file_are_the_same_inventory(ran):
    with pytest.raises(PolicyErrors, match="none of the waivers w1"):
        compile_run(in_controller(ran), at(NOW))
    assert compile_run(in_controller(ran, waivers_dir="inventory/waivers"), at(NOW))["waivers"]


def test_lost_register_or_damaged_note_stops_the_run_and_is_named(ran):
    (ran.inventory / "approvers.yml").rename(ran.root / "approvers.yml")
    with pytest.raises(PolicyErrors, match=r"without their approvers\.yml"):
        ran.run(NOW)
    (ran.root / "approvers.yml").rename(ran.inventory / "approvers.yml")
    Path(ran.root, "reports", PLANS_DIRECTORY, "seen-waivers").write_text("{}", encoding="utf-8")
    with pytest.raises(PolicyErrors, match="seen-waivers"):
        ran.run(NOW)


def test_a_clock_that_goes_back_is_reported_where_ended_waivers_count_again(organisation):
    organisation.waiver()
    run = organisation.run("2027-01-05T00:00:00+00:00")
    assert [item["status"] for item in run["waivers"]] == ["expired"]
    again = organisation.run(NOW)
    assert [item["status"] for item in again["waivers"]] == ["active"]
    (warning,) = [text for text in again["warnings_to_print"] if "clock" in text]
    assert warning.startswith(f"the clock of this machine is behind run {run['id']}: waivers and keys")
    organisation.run("2026-11-25T07:55:00+00:00")
    assert not [text for text in organisation.run(NOW)["warnings_to_print"] if "clock" in text]


def test_a_wrong_variable_hides_no_wrong_place(organisation):
    organisation.variables = {"controls": {"apps": "enforc"}}
    organisation.waiver(services=["not_known_yet"], hosts=["press"])
    with pytest.raises(PolicyErrors) as wrong:
        compile_hosts(organisation.question(), at(NOW))
    said = str(wrong.value)
    assert "proscribe_controls" in said and "'press' is a group" in said and "not_known_yet" not in said


@pytest.mark.parametrize("services", [["slack"], ["elsewhere"]])
def test_a_waiver_of_hosts_outside_the_run_may_name_what_only_they_know(organisation, services):
    organisation.waiver(services=services, hosts=["press01"])
    assert len(list_judged_waivers(organisation.question("fin01"), at(NOW))) == 1


def test_names_in_a_malformed_draft_are_checked(organisation):
    with pytest.raises(document.WaiverFileError) as wrong:
        document.read_waiver(organisation.waiver(services=["whatsap"], expires=None))
    errors = find_draft_mistakes(wrong.value.malformed_waiver, organisation.question(), at(NOW))
    assert [(error.key, error.found_value) for error in errors] == [("services[0]", "whatsap")]
    assert find_draft_mistakes(None, organisation.question(), at(NOW)) == []


# -- hosts that left
LATER, LATEST = "2026-11-27T08:00:00+00:00", "2026-11-28T08:00:00+00:00"
BOTH = {"hosts": ["press01", "press02"]}


def remove_names(organisation: Organisation, *names: str) -> None:
    organisation.groups = {group: hosts.difference(names) for group, hosts in organisation.groups.items()}


def test_host_that_left_is_granted_no_new_waiver_and_comes_back_with_its_old_one(organisation):
    file = organisation.waiver(**BOTH)
    organisation.run()
    groups = organisation.groups
    remove_names(organisation, "press02")
    organisation.run(LATER)
    with pytest.raises(PolicyErrors, match=r"hosts: found 'press02 \(last seen on 2026-11-25\)', expected a name that"):
        judge_new_waiver(document.read_waiver(file), organisation.question(), at(LATER))
    organisation.groups = groups
    waiver, worth = judge_new_waiver(document.read_waiver(file), organisation.question(), at(LATER))
    assert (waiver.id, worth.status, worth.hosts) == ("w1", "active", ("press01", "press02"))
    assert (organisation.why(LATEST), list(organisation.opened(now=LATEST))) == ("", ["press01", "press02"])


def write_history(reports: Path, *statement: Any) -> None:
    history = open_history("sqlite", reports)
    assert history
    with history.database.open_for_writing() as session:
        session.execute_statement(*statement)


def in_history(reports: Path) -> None:
    host = tables.HostRow("press02", expected_at="2026-11-20T08:00:00Z").make_columns() | {"asked": "2026-11-20"}
    write_history(reports, tables.SET_HOST, host)


def in_departed(reports: Path) -> None:
    write_history(reports, f"INSERT INTO {tables.DEPARTED_TABLE} VALUES ('press02', '', '2026-11-20T08:00:00Z')")


def in_fleet_state(reports: Path) -> None:
    fleet_state, observation = FleetState(), ControlObservation(observed_at="2026-11-20T08:00:00Z")
    fleet_state.hosts["press02"] = FleetHost("press02", "", {"apps": observation})
    reports.mkdir(parents=True, exist_ok=True)
    fleet_state_file.write_fleet_state(reports, fleet_state)


def in_old_note(reports: Path) -> None:
    """Write the note as an earlier version did, which knew no names."""
    place = reports / PLANS_DIRECTORY / waiver_notes.NOTES_NAME
    note = json.loads(place.read_text(encoding="utf-8"))
    for entry in note["inventories"]:
        del entry["names"]
    place.write_text(json.dumps(note), encoding="utf-8")


@pytest.mark.parametrize(
    ("remembering", "history", "remembered"),
    [(in_history, "sqlite", True), (in_departed, "sqlite", True), (in_history, "off", False)]
    + [(in_fleet_state, "off", True), (in_old_note, "sqlite", False)],
)
def test_the_history_and_the_fleet_state_know_hosts_of_runs_before_the_waiver(
    organisation, remembering, history, remembered
):
    organisation.variables["history"] = history
    organisation.waiver()
    organisation.run()
    remembering(organisation.root / "reports")
    remove_names(organisation, "press02")
    organisation.waiver(**BOTH)
    if not remembered:
        with pytest.raises(PolicyErrors, match="found 'press02', expected a host of the inventory"):
            organisation.run(LATER)
        return
    assert organisation.why(LATER) == "press02 (last seen on 2026-11-20) is not in the inventory any more"
    for path in (organisation.root / "reports").glob("*.*"):  # now the note has it
        path.unlink()
    assert organisation.why(LATEST) == "press02 (last seen on 2026-11-20) is not in the inventory any more"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"services": ["whatsap"]}, "services[0]: found 'whatsap', expected a service of the catalogue, did you mean"),
        ({"hosts": ["press1"]}, "hosts[0]: found 'press1', expected"),
        ({"groups": ["pres"]}, "did you mean 'press'?"),
        ({"hosts": ["whatsapp"]}, "now or in an earlier run; 'whatsapp' is a service: services: [whatsapp]"),
        ({"services": ["press01"]}, "a service of the catalogue; 'press01' is a host: hosts: [press01]"),
        ({"services": ["webmail"]}, "a service of the catalogue; 'webmail' is a category, and a waiver"),
    ],
)
def test_unknown_name_in_a_waiver_stops_the_run(organisation, changes, message):
    organisation.waiver(**changes)
    with pytest.raises(PolicyErrors) as wrong:
        organisation.run()
    assert message in str(wrong.value)
    assert organisation.status("2026-12-31T10:00:00Z") == "expired"  # one that is over stops no run
    organisation.waiver(**changes, revoked={"on": "2026-11-20T09:00:00+08:00", "by": "head.of.press", "why": "x"})
    assert organisation.status() == "revoked"


def test_all_mistakes_of_waivers_and_registers_are_reported_at_once(organisation):
    names = {"services": ["whatsapp", "whatsap"], "hosts": ["press01", "press"], "controls": ["app"]}
    organisation.waiver(**names, expires="2026-12-31T18:00:00")
    organisation.waiver("w2.yml", id="w2", services=["inhouse_chat"], hosts=["pres01"])
    organisation.approvers({"pres": {"head": "x"}})
    values = {"press", "app", "2026-12-31T18:00:00", "inhouse_chat", "pres01", "pres"}
    # Whether press01 knows a service, only a run over press01 can say.
    for compile_waivers, hosts, more in (list_judged_waivers, ["fin01"], set()), (compile_hosts, [], {"whatsap"}):
        with pytest.raises(PolicyErrors) as wrong:
            compile_waivers(organisation.question(*hosts), at(NOW))
        assert {error.found_value for error in wrong.value.errors} == values | more


@pytest.mark.parametrize(
    ("host", "removed", "missed"),
    [("press01", "", [True, True]), ("fin01", "", [False, True]), ("fin01", "w1", [False, False])]
    + [("fin01", "all", [False, False]), ("fin01", "w9", [False, True])],
)
def test_lost_waivers_stop_runs_of_their_hosts(ran, host, removed, missed):
    ran.waivers.rename(ran.root / "elsewhere")
    if removed:
        ran.variables["waivers_removed"] = removed

    def is_missed(*hosts: str) -> bool:
        with contextlib.suppress(PolicyErrors):
            return not ran.run(NOW, *hosts)
        return True

    result = [is_missed(host)]
    ran.variables.pop("waivers_removed", None)
    assert [*result, is_missed()] == missed
