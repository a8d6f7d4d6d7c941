"""Compilation of a run."""

from __future__ import annotations

import dataclasses
import datetime
import json
from pathlib import Path

import pytest
from proscribe.controller.compile.inventory.inventory import HostVariables, Question
from proscribe.controller.compile.inventory.workflow_job import read_workflow_job
from proscribe.controller.compile.plans.policy import sound_policy
from proscribe.controller.compile.plans.run import compile_run
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.model import plan as plans
from waiver_organisation import Organisation

NOW = datetime.datetime(2026, 11, 25, 8, 0, tzinfo=datetime.timezone.utc)


@pytest.fixture
def ask(project, tmp_path, monkeypatch):
    """Compile for some hosts of an inventory in tmp_path: name -> its proscribe_* values."""
    monkeypatch.setenv("PROSCRIBE_REPORTS", str(tmp_path / "reports"))

    def compiled(hosts, mode="audit", job=""):
        own = [
            HostVariables(name, {f"proscribe_{key}": value for key, value in values.items()}, {}, str(tmp_path))
            for name, values in hosts.items()
        ]
        groups = {"all": frozenset(hosts)}
        question = Question(project, mode, "audit", [str(tmp_path)], "", list(plans.CONTROLS), own, groups, round=job)
        return compile_run(question, NOW)

    return compiled


def test_hosts_with_the_same_restrictions_share_a_plan(ask):
    run = ask({"web01": {}, "web02": {}, "db01": {"categories": ["webmail"]}})
    assert run["hosts"]["web01"] == run["hosts"]["web02"] != run["hosts"]["db01"]
    stored = sorted(Path(run["plans"]).glob("*.json"))
    assert len(stored) == 2
    for path in stored:
        plan = json.loads(path.read_text(encoding="utf-8"))
        plans.check(plan)
        assert plan["digest"] == f"sha256:{path.stem}"


def test_a_second_run_stores_nothing_new(ask):
    first = ask({"web01": {}})
    before = {path: path.stat().st_mtime_ns for path in Path(first["plans"]).iterdir()}
    second = ask({"web01": {}})
    assert {path: path.stat().st_mtime_ns for path in Path(second["plans"]).iterdir()} == before
    assert first["id"] != second["id"]


@pytest.mark.parametrize(
    ("value", "command"),
    [
        ("wechat-3fa4b2c1", "its subcommand restore, --id wechat-3fa4b2c1, and"),
        (["a-00000001", "b-00000002"], "its subcommand restore, --id a-00000001, --id b-00000002, and"),
        ("$(reboot)", "its subcommand restore, and"),
    ],
)
def test_the_old_way_to_restore_stops_every_run_and_names_the_new_one(ask, tmp_path, value, command):
    for mode in ("lift", "enforce", "audit"):
        with pytest.raises(PolicyErrors) as wrong:
            ask({"web01": {"restore": value}, "web02": {"restore": value}}, mode=mode)
        (error,) = wrong.value.errors
        assert error.key == "proscribe_restore" and "nothing was lifted" in error.expected
        assert error.expected.endswith(f" {command} this run's other options")
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    ("named", "variables", "round_"),
    [
        ({"round": 12}, {"awx_workflow_job_id": 7}, "12"),
        ({}, {"awx_workflow_job_id": 7, "tower_workflow_job_id": 7}, "7"),
        ({}, {"tower_workflow_job_id": "8"}, "8"),
        ({}, {"awx_workflow_job_id": None, "awx_job_id": 9}, ""),
    ],
)
def test_a_run_is_of_the_round_that_is_named_or_of_the_workflow_job(ask, named, variables, round_):
    """The ids are those that AWX gives to the jobs of a workflow, also to the slices of one launch."""
    assert ask({"web01": named}, job=read_workflow_job(variables))["round"] == round_


@pytest.mark.parametrize("value", ["a b", "-x", "x" * 65, ["7"]])
def test_a_round_is_a_short_plain_word(ask, value):
    with pytest.raises(PolicyErrors, match="proscribe_round.*an id of letters, digits"):
        ask({"web01": {"round": value}})
    with pytest.raises(PolicyErrors, match="awx_workflow_job_id.*an id of letters, digits"):
        read_workflow_job({"awx_workflow_job_id": value})


def test_a_host_with_a_mistake_agrees_with_all(organisation: Organisation) -> None:
    """What is wrong has its default, which says nothing of whether the hosts agree."""
    organisation.variables["batches"] = [2, "10%"]
    question = organisation.question()
    first = question.hosts[0]
    question.hosts[0] = dataclasses.replace(first, values={**first.values, "proscribe_batches": "x"})
    with pytest.raises(PolicyErrors) as wrong:
        compile_run(question, NOW)
    assert [error.key for error in wrong.value.errors] == ["proscribe_batches"]


def test_loaded_catalogue_is_noted_for_the_next_run(organisation: Organisation) -> None:
    store = organisation.root / "reports/plans"
    compile_run(organisation.question(), NOW)
    assert {name.rpartition("-")[0] for name in (one.name for one in store.iterdir())} >= {"catalogue", "plan"}


def test_the_projects_own_catalogue_may_be_in_the_inventory(organisation: Organisation) -> None:
    """It is read anyhow. An organisation's own there would be read as hosts, too, and is refused."""
    organisation.approvers(None)
    organisation.waivers.rmdir()
    question = dataclasses.replace(organisation.question("press01"), inventory=[str(organisation.root)])
    assert set(sound_policy(question).services) == {"signal", "slack", "whatsapp"}
    (organisation.root / "more").mkdir()
    (host,) = question.hosts
    own = {**host.values, "proscribe_catalog_dirs": ["more"]}
    with pytest.raises(PolicyErrors) as wrong:
        sound_policy(dataclasses.replace(question, hosts=[dataclasses.replace(host, values=own)]))
    (error,) = wrong.value.errors
    assert (error.where, error.key) == ("host press01", "proscribe_catalog_dirs")
    assert error.value == str(organisation.root / "more")
