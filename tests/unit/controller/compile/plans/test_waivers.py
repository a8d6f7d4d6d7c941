"""Where waivers are read from, also in an automation controller, and what a run does that finds none any more."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from pathlib import Path

import pytest
from made_waivers import Organisation, at
from proscribe.controller.cli import Refused
from proscribe.controller.cli.waiver.folder import of_inventory
from proscribe.controller.compile.inventory.inventory import HostVariables
from proscribe.controller.compile.plans.run import compile_run
from proscribe.controller.compile.plans.waivers import waivers_of
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.wire.store import PLANS

NOW = "2026-11-25T08:00:00+00:00"
LATER = "2027-12-01T08:00:00+00:00"


@pytest.fixture
def ran(organisation):
    """An organisation with a waiver, after a run."""
    organisation.waiver()
    organisation.run(NOW)
    return organisation


def in_controller(organisation: Organisation, *names: str, sources=None, **variables):
    """The question of an automation controller: the inventory is a generated file, far from the project."""
    generated = organisation.root / "runner" / "inventory"
    generated.mkdir(parents=True, exist_ok=True)
    (generated / "hosts").touch()
    question = organisation.question(*names)
    own = {f"proscribe_{key}": value for key, value in variables.items()}
    hosts = [HostVariables(h.name, {**h.values, **own}, {}, str(generated)) for h in question.hosts]
    return dataclasses.replace(question, inventory=sources or [str(generated / "hosts")], hosts=hosts)


def statuses(question, now=NOW):
    return {judged.waiver.id: judged.standing.status for judged in waivers_of(question, at(now))}


@pytest.mark.parametrize("absolute", [False, True])
def test_a_generated_inventory_has_the_projects_waivers_with_their_approvers(organisation, absolute):
    organisation.waiver()
    named = "inventory/waivers"
    assert statuses(in_controller(organisation)) == {}
    where = str(organisation.root / named) if absolute else named
    assert statuses(in_controller(organisation, waivers_dir=where)) == {"w1": "active"}


def test_a_folder_beside_an_organisations_own_playbook_is_found(organisation, tmp_path):
    organisation.waiver()
    shutil.move(organisation.inventory, tmp_path / "site")
    question = in_controller(organisation, waivers_dir="waivers")
    with pytest.raises(PolicyErrors, match=r"proscribe_waivers_dir: found 'waivers', expected a directory with <id>"):
        statuses(question)
    assert statuses(dataclasses.replace(question, playbook_folder=tmp_path / "site")) == {"w1": "active"}


def test_several_inventories_and_the_named_folder_add_up_and_no_file_is_read_twice(organisation, tmp_path):
    organisation.waiver()
    other = tmp_path / "other"
    (other / "waivers").mkdir(parents=True)
    organisation.waiver("w2.yml", id="w2").rename(other / "waivers" / "w2.yml")
    sources = [str(organisation.inventory), str(other)]
    question = in_controller(organisation, sources=sources, waivers_dir="inventory/waivers")
    assert statuses(question) == {"w1": "active", "w2": "active"}


def test_departments_with_folders_of_their_own_have_all_of_them_read(organisation, tmp_path):
    organisation.waiver()
    (tmp_path / "finance" / "waivers").mkdir(parents=True)
    organisation.waiver("w2.yml", id="w2").rename(tmp_path / "finance" / "waivers" / "w2.yml")
    question = in_controller(organisation, waivers_dir="inventory/waivers")
    last = question.hosts[-1]
    question.hosts[-1] = dataclasses.replace(
        last, values={**last.values, "proscribe_waivers_dir": str(tmp_path / "finance" / "waivers")}
    )
    assert statuses(question) == {"w1": "active", "w2": "active"}


@pytest.mark.parametrize("base", ["project", "inventory", "both", "none"])
def test_the_organisations_catalogue_is_found_in_the_project_or_beside_the_inventory(organisation, base):
    generated = organisation.root / "runner" / "inventory"
    service = organisation.root / "catalog" / "instant_messaging" / "whatsapp.yml"
    for folder in {
        "project": [organisation.root],
        "inventory": [generated],
        "both": [organisation.root, generated],
    }.get(base, []):
        own = folder / "own" / "instant_messaging" / "inhouse.yml"
        own.parent.mkdir(parents=True)
        text = service.read_text(encoding="utf-8").replace("whatsapp", "inhouse")
        own.write_text(text.replace("192.0.2.0/28", "192.0.2.64/28"), encoding="utf-8")
    question = in_controller(organisation, catalog_dirs=["own"], services_include=["inhouse"])
    if base in ("project", "inventory"):
        compile_run(question, at(NOW))
        return
    with pytest.raises(PolicyErrors, match="proscribe_catalog_dirs: found 'own', expected ") as raised:
        compile_run(question, at(NOW))
    assert str(organisation.root / "own") in str(raised.value) and str(generated / "own") in str(raised.value)


@pytest.mark.parametrize("collection", [False, True])
@pytest.mark.parametrize("there", ["inventory", "project", "both"])
def test_a_relative_folder_of_waivers_starts_at_the_inventory_and_one_of_the_project_is_still_found(
    organisation, tmp_path, there, collection
):
    """In a checkout and in a collection alike; what would be read no more is named, and not left out in silence."""
    project = tmp_path / "team" if collection else organisation.root
    folders = {"inventory": organisation.root / "runner" / "inventory", "project": project}
    for folder in folders.values() if there == "both" else [folders[there]]:
        (folder / "own" / "waivers").mkdir(parents=True)
        shutil.copy(organisation.waiver(), folder / "own" / "waivers")
        shutil.copy(organisation.inventory / "approvers.yml", folder / "own")
    question = in_controller(organisation, waivers_dir="own/waivers")
    question = dataclasses.replace(question, user_project=project if collection else None)
    if there == "both":
        both = f"not both {folders['inventory']}/own/waivers and {project}/own/waivers"
        with pytest.raises(PolicyErrors, match=f"proscribe_waivers_dir: found 'own/waivers', expected .*{both}"):
            statuses(question)
    else:
        assert statuses(question) == {"w1": "active"}


def test_a_new_waiver_is_written_where_waivers_are_read(organisation):
    names_only = in_controller(organisation, sources=["press01,"])
    with pytest.raises(Refused, match="proscribe_waivers_dir"):
        of_inventory(names_only)
    named = in_controller(organisation, sources=["press01,"], waivers_dir="inventory/waivers")
    assert of_inventory(named) == organisation.waivers


# -- what is not found any more ----------------------------------------------------------------------------------------


def test_a_run_that_finds_none_of_the_waivers_of_the_last_one_stops_and_names_both(organisation):
    """An automation controller would else enforce against what was approved."""
    file = organisation.waiver()
    first = compile_run(organisation.question(), at(NOW))
    shutil.move(organisation.waivers, organisation.root / "elsewhere")
    with pytest.raises(PolicyErrors) as raised:
        compile_run(organisation.question(), at(NOW))
    message = str(raised.value)
    assert first["id"] in message and str(file.parent) in message and "w1" in message
    assert "-e proscribe_waivers_removed=w1" in message and "proscribe_waivers_dir" in message
    with pytest.raises(PolicyErrors):  # it stays so until somebody says so
        compile_run(organisation.question(), at(NOW))


def test_the_same_hosts_out_of_another_file_are_the_same_inventory(ran):
    with pytest.raises(PolicyErrors, match="none of the waivers w1"):
        compile_run(in_controller(ran), at(NOW))
    assert compile_run(in_controller(ran, waivers_dir="inventory/waivers"), at(NOW))["waivers"]


def test_another_inventory_misses_nothing(ran):
    other = in_controller(ran)
    fewer = dataclasses.replace(other, hosts=other.hosts[:1], groups={"all": frozenset({other.hosts[0].name})})
    compile_run(fewer, at(NOW))


@pytest.mark.parametrize("removed", ["w1", ["w1"], "all", "w0,w1"])
def test_waivers_that_were_removed_on_purpose_are_said_so_once(ran, removed):
    shutil.rmtree(ran.waivers)
    ran.variables["waivers_removed"] = "w9"
    with pytest.raises(PolicyErrors):
        ran.run(NOW)
    ran.variables["waivers_removed"] = removed
    ran.run(NOW)
    del ran.variables["waivers_removed"]
    ran.run(NOW)


def test_what_has_ended_is_not_missed(ran):
    shutil.rmtree(ran.waivers)
    ran.run(LATER)


def test_lifting_asks_for_no_waiver(ran):
    shutil.rmtree(ran.waivers)
    compile_run(dataclasses.replace(ran.question(), mode="lift"), at(NOW))


def test_one_waiver_that_is_gone_from_a_folder_of_several_is_warned_of(organisation):
    file = organisation.waiver()
    organisation.waiver("w2.yml", id="w2")
    compile_run(organisation.question(), at(NOW))
    file.unlink()
    warnings = compile_run(organisation.question(), at(NOW))["warnings"]
    assert [text for text in warnings if text.startswith("waiver w1 is gone since run ")]


@pytest.mark.parametrize("limited", ["press01", "fin01"])
def test_a_partial_run_misses_what_is_for_its_hosts_and_forgets_nothing_of_others(organisation, limited):
    organisation.waiver()  # for press
    compile_run(organisation.question(), at(NOW))
    shutil.move(organisation.waivers, organisation.root / "elsewhere")
    press = set(organisation.groups["press"])
    others = sorted(frozenset().union(*organisation.groups.values()) - press)
    host = sorted(press)[0] if limited == "press01" else others[0]
    if host in press:
        with pytest.raises(PolicyErrors):
            compile_run(organisation.question(host), at(NOW))
    else:
        compile_run(organisation.question(host), at(NOW))
    with pytest.raises(PolicyErrors):
        compile_run(organisation.question(), at(NOW))


@pytest.mark.parametrize(("removed", "missed"), [("w1", False), ("all", False), ("w9", True)])
def test_what_a_partial_run_says_of_others_waivers_holds_for_the_next(organisation, removed, missed):
    organisation.waiver()  # for press
    compile_run(organisation.question(), at(NOW))
    shutil.move(organisation.waivers, organisation.root / "elsewhere")
    organisation.variables["waivers_removed"] = removed
    compile_run(organisation.question("fin01"), at(NOW))
    del organisation.variables["waivers_removed"]
    with pytest.raises(PolicyErrors) if missed else contextlib.nullcontext():
        compile_run(organisation.question(), at(NOW))


def test_waivers_without_their_register_are_as_good_as_lost(ran):
    register = ran.inventory / "approvers.yml"
    register.rename(ran.root / "approvers.yml")
    with pytest.raises(PolicyErrors, match=r"without their approvers\.yml"):
        ran.run(NOW)


def test_a_note_that_is_none_stops_the_run_and_is_named(ran):
    note = Path(ran.root, "reports", PLANS, "seen-waivers")
    note.write_text("{}", encoding="utf-8")
    with pytest.raises(PolicyErrors, match="seen-waivers"):
        ran.run(NOW)


def test_a_clock_that_goes_back_is_reported_where_ended_waivers_count_again(organisation: Organisation) -> None:
    organisation.waiver()
    run = organisation.run("2027-01-05T00:00:00+00:00")
    assert [one["status"] for one in run["waivers"]] == ["expired"]
    again = organisation.run(NOW)
    assert [one["status"] for one in again["waivers"]] == ["active"]
    (warning,) = [text for text in again["warnings_to_print"] if "clock" in text]
    assert warning.startswith(f"the clock of this machine is behind run {run['id']}: waivers and keys")
    organisation.run("2026-11-25T07:55:00+00:00")
    assert not [text for text in organisation.run(NOW)["warnings_to_print"] if "clock" in text]
