"""Compiling a run: every host's plan, stored once for all that share it, and what the report has to know."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from proscribe.controller.compile.inventory.inventory import HostVariables, Question, plain, waiver_folders
from proscribe.controller.compile.inventory.workflow_job import read_workflow_job
from proscribe.controller.compile.plans.run import compile_run
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.model import plan as plans

NOW = datetime.datetime(2026, 11, 25, 8, 0, tzinfo=datetime.timezone.utc)


@pytest.fixture
def ask(project, tmp_path, monkeypatch):
    """Compile for some hosts of an inventory in tmp_path: name -> its proscribe_* values."""
    monkeypatch.setenv("PROSCRIBE_REPORTS", str(tmp_path / "reports"))

    def compiled(hosts, groups=None, mode="audit", job=""):
        question = Question(
            project=project,
            mode=mode,
            playbook="audit",
            inventory=[str(tmp_path)],
            limit="",
            controls=list(plans.CONTROLS),
            hosts=[
                HostVariables(name, {f"proscribe_{key}": value for key, value in values.items()}, {}, str(tmp_path))
                for name, values in hosts.items()
            ],
            groups={"all": frozenset(hosts), **(groups or {})},
            round=job,
        )
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
    ("browser", "tenants", "warned"),
    [("off", ["example.org"], True), ("audit", ["example.org"], False), ("off", [], False)],
)
def test_tenants_that_reach_no_browser_cause_a_warning(ask, browser, tenants, warned):
    usual = {"catalog_max_age": "forever"}
    own = {"controls": {"browser": browser}, "tenants": {"google": tenants}, **usual}
    warnings = ask({"web01": own, "web02": own, "db01": usual})["warnings"]
    assert [("web01 (and 1 more)" in text, "control browser off" in text) for text in warnings] == [
        (True, True)
    ] * warned


def test_a_mistake_that_many_hosts_share_is_reported_once_and_nothing_is_written(ask, tmp_path):
    with pytest.raises(PolicyErrors) as raised:
        ask({f"web{number:02}": {"contact": 3} for number in range(20)} | {"db01": {"catagories": []}})
    assert len({error.key for error in raised.value.errors}) == 2
    assert not (tmp_path / "reports").exists()


def test_the_organisations_own_services_come_from_its_own_directory(ask, tmp_path):
    folder = tmp_path / "catalog" / "instant_messaging"
    folder.mkdir(parents=True)
    (folder / "inhouse_chat.yml").write_text(
        "id: inhouse_chat\nname: In-house chat\ncategory: instant_messaging\nvendor: Example\naudience: consumer\n"
        "enforce: true\ndomains: [chat.example.com]\nchecked: 2026-11-20\nsources: [our own register]\n",
        encoding="utf-8",
    )
    run = ask({"web01": {"catalog_dirs": ["catalog"]}, "web02": {}})
    assert run["hosts"]["web01"] != run["hosts"]["web02"]
    with pytest.raises(PolicyErrors, match="a directory with"):
        ask({"web01": {"catalog_dirs": ["nosuch"]}})


@pytest.mark.parametrize("again", [False, True], ids=["read", "noted"])
def test_a_key_of_an_earlier_version_causes_a_warning_with_its_place(ask, tmp_path, again):
    file = tmp_path / "catalog" / "instant_messaging" / "inhouse_chat.yml"
    file.parent.mkdir(parents=True)
    file.write_text(
        "id: inhouse_chat\nname: In-house chat\ncategory: instant_messaging\nvendor: Example\naudience: consumer\n"
        "enforce: true\ndomains: [chat.example.com]\nuser_data: [~/.chat]\nsources: [our own register]\n",
        encoding="utf-8",
    )
    for _ in range(1 + again):
        warnings = ask({"web01": {"catalog_dirs": ["catalog"]}})["warnings"]
        assert [text for text in warnings if "nothing reads" in text and f"{file}:8: user_data" in text]


def test_upcoming_services_are_listed(ask):
    run = ask({"web01": {"effective_from": "2027-03-01", "categories": ["webmail"]}})
    assert {"service": "gmail", "control": "browser", "effective_from": "2027-03-01"} in run["upcoming"]


def test_services_with_nothing_to_search_for_are_listed_by_plan(ask):
    run = ask({"web01": {"categories": ["webmail"]}})
    ((digest, rules),) = run["nothing_known"].items()
    assert digest == run["hosts"]["web01"]
    assert rules and {rule.partition("/")[2] for rule in rules} <= set(run["services"])


def test_waivers_stand_in_or_beside_the_sources_of_the_inventory(tmp_path):
    (tmp_path / "waivers").mkdir()
    (tmp_path / "hosts.yml").touch()
    assert waiver_folders([str(tmp_path), str(tmp_path / "hosts.yml"), "web01,"]) == [tmp_path / "waivers"]
    assert waiver_folders([str(tmp_path / "other")]) == [tmp_path / "waivers"]


def test_a_source_with_a_comma_that_is_there_is_a_path_as_ansible_has_it(tmp_path, monkeypatch):
    (tmp_path / "Acme, Inc/inventory/waivers").mkdir(parents=True)
    (tmp_path / "Acme, Inc/inventory/hosts.yml").touch()
    (tmp_path / "waivers").mkdir()  # beside no source
    monkeypatch.chdir(tmp_path)
    for source in ("Acme, Inc/inventory", "Acme, Inc/inventory/hosts.yml"):
        assert waiver_folders(["web01,web02", source]) == [Path("Acme, Inc/inventory/waivers")]


def test_values_lose_what_ansible_tagged_onto_them():
    class Tagged(str):
        """A string with something tagged onto it, as Ansible makes them."""

    value = plain({Tagged("a"): (Tagged("b"), 1, None)})
    assert value == {"a": ["b", 1, None]}
    assert {type(key) for key in value} == {type(value["a"][0])} == {str}


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


@pytest.mark.parametrize("value", ["a b", "-x", "../x", "x" * 65, ["7"], True])
def test_a_round_is_a_short_plain_word(ask, value):
    with pytest.raises(PolicyErrors, match="proscribe_round.*an id of letters, digits"):
        ask({"web01": {"round": value}})
    with pytest.raises(PolicyErrors, match="awx_workflow_job_id.*an id of letters, digits"):
        read_workflow_job({"awx_workflow_job_id": value})
