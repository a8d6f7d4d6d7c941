"""Where waivers are read from, also in an automation controller, and what a run does that finds none any more."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from made_waivers import Organisation, at
from proscribe.controller.cli import Refused
from proscribe.controller.cli.waiver.folder import of_inventory
from proscribe.controller.compile.inventory.inventory import HostVariables
from proscribe.controller.compile.plans.run import compile_run
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.wire.store import PLANS

NOW = "2026-11-25T08:00:00+00:00"


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


def test_a_new_waiver_is_written_where_waivers_are_read(organisation):
    names_only = in_controller(organisation, sources=["press01,"])
    with pytest.raises(Refused, match="proscribe_waivers_dir"):
        of_inventory(names_only)
    named = in_controller(organisation, sources=["press01,"], waivers_dir="inventory/waivers")
    assert of_inventory(named) == organisation.waivers


# -- what is not found any more ----------------------------------------------------------------------------------------


def test_the_same_hosts_out_of_another_file_are_the_same_inventory(ran):
    with pytest.raises(PolicyErrors, match="none of the waivers w1"):
        compile_run(in_controller(ran), at(NOW))
    assert compile_run(in_controller(ran, waivers_dir="inventory/waivers"), at(NOW))["waivers"]


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
