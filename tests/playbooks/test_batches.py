"""How far a run reaches that enforces for real on several hosts; it is the same for every control."""

import shlex

import pytest
from checkout import AS_ROOT, PROJECT
from made_fleet import Fleet
from pasting import commands

pytestmark = AS_ROOT
NOTHING = {"to_correct": 0, "batches": [], "not_reached": 0, "why": None, "allow": {}, "set_aside": []}


def test_two_hosts_go_at_once_and_a_second_run_changes_nothing(tmp_path):
    fleet = Fleet(tmp_path, 2)
    ended = fleet.enforce()
    assert ended.code == 0, ended.said
    assert fleet.corrected == {"h1", "h2"} and set(fleet.states.values()) == {"repaired"}
    assert fleet.rollout == {**NOTHING, "to_correct": 2, "batches": [2]}
    ended = fleet.enforce()
    assert ended.code == 0, ended.said
    assert set(fleet.states.values()) == {"compliant"} and fleet.rollout == NOTHING
    assert "changed:" not in ended.said and "WARNING" not in ended.usual


def test_more_than_is_allowed_stops_after_the_canary_and_the_command_it_names_goes_on(tmp_path):
    fleet = Fleet(tmp_path, 4)
    ended = fleet.enforce("--check", max_change={"hosts": 2})
    assert (ended.code, fleet.corrected) == (0, set()), ended.said
    assert "a run without --check would stop after the canary batch (1 host)" in " ".join(ended.said.split())
    ended = fleet.enforce(max_change={"hosts": 2})
    assert ended.code == 13, ended.said
    (canary,) = fleet.corrected
    assert fleet.states == {name: "repaired" if name == canary else "noncompliant" for name in fleet.names}
    assert fleet.rollout["not_reached"] == 3
    assert set((fleet.latest / "not_reached.txt").read_text().split()) == set(fleet.names) - {canary}
    said = " ".join(ended.said.split())
    assert "exit 13: stopped after the canary batch (1 host): the whole would change 4 hosts of the 4" in said
    assert "0 of these hosts were compliant; 3 hosts left as found" in said and "failed:" not in said
    dry, on = commands(ended.said)
    assert " enforce --check --diff --limit @" in dry
    words = shlex.split(on)[1:]
    assert words[-1] == '{"proscribe_max_change": {"hosts": 4}}'
    ended = fleet.launch(*words)
    assert ended.code == 0, ended.said
    assert fleet.corrected == set(fleet.names)
    assert fleet.states == {name: "repaired" for name in fleet.names if name != canary}


def test_one_host_of_the_canary_that_fails_stops_nobody_and_two_stop_all(tmp_path):
    fleet = Fleet(tmp_path, 6)
    fleet.breaks("h1")  # which comes first, of hosts that share a plan
    fleet.breaks("h2")
    ended = fleet.enforce()
    assert ended.code == 13, ended.said
    assert fleet.corrected == set()
    assert fleet.states == {name: "error" if name in ("h1", "h2") else "noncompliant" for name in fleet.names}
    assert fleet.rollout["batches"] == [2, 4]
    said = " ".join(ended.said.split())
    assert "every host of a batch failed; 4 hosts left as found" in said
    assert "go on with the other 4 hosts, once the failure is corrected" in said
    fleet.interpreter("h2")
    ended = fleet.enforce()
    assert ended.code == 2, ended.said  # a host failed, but every host had its turn
    assert fleet.corrected == {*fleet.names} - {"h1"} and fleet.rollout["not_reached"] == 0


def test_hosts_that_another_process_is_changing_stop_nobody_and_stay_reported(tmp_path):
    """Two users who held the lock of their hosts stopped the fleet's run, without being root."""
    fleet = Fleet(tmp_path, 6)
    fleet.is_busy("h1")
    fleet.is_busy("h2")
    ended = fleet.enforce()
    assert fleet.corrected == {"h3", "h4", "h5", "h6"}, ended.said
    assert fleet.rollout["batches"] == [2, 4] and fleet.rollout["not_reached"] == 0
    assert fleet.states == {name: "error" if name in ("h1", "h2") else "repaired" for name in fleet.names}
    assert ended.code == 2, ended.said
    assert "2 hosts failed: h1, h2" in " ".join(ended.said.split())


def test_where_more_hosts_are_set_aside_than_few_the_others_count_as_failed(tmp_path):
    """Also of hostile hosts that only claim it: what stops a run is no claim of theirs."""
    fleet = Fleet(tmp_path, 6)
    for name in fleet.names:
        fleet.is_busy(name)
    ended = fleet.enforce(batches=[2, 3, 1])
    assert ended.code == 13, ended.said
    assert "stopped after 5 hosts: 3 of 3 failed, and 1 may; 1 host left as found" in " ".join(ended.said.split())
    assert fleet.states == {name: "noncompliant" if name == "h6" else "error" for name in fleet.names}


def test_a_host_that_claims_too_much_is_set_aside_and_the_others_are_corrected(tmp_path):
    fleet = Fleet(tmp_path, 11)
    fleet.claims("h1", 201)
    ended = fleet.enforce(max_change={"hosts": "unlimited"})
    assert fleet.corrected == {*fleet.names} - {"h1"}, ended.said
    assert fleet.states == {name: "error" if name == "h1" else "repaired" for name in fleet.names}
    assert ended.code == 13, ended.said
    said = " ".join(ended.said.split())
    assert "exit 13: h1 set aside and left as found" in said
    assert "it has 201 removals, and with it the whole is more than proscribe_max_change allows (200 removals)" in said
    assert [entry["host"] for entry in fleet.rollout["set_aside"]] == ["h1"]
    assert '"removals"' not in ended.said, "no limit is printed that a host has chosen"
    (dry,) = (line for line in commands(ended.said) if " --limit h1" in line)
    assert " enforce --check --diff " in dry


def test_the_roles_set_such_a_host_aside_too(tmp_path):
    fleet = Fleet(tmp_path, 3)
    fleet.claims("h2", 201)
    role = f"{{role: {PROJECT}/roles/dns_filter}}"
    (tmp_path / "site.yml").write_text(f"- {{hosts: all, gather_facts: false, roles: [{role}]}}\n")
    extra = '{"proscribe_max_change": {"removals": 5}}'
    ended = fleet.play("site.yml", "-e", extra, "--check")
    assert "a run without --check would leave out h2: set aside" in " ".join(ended.said.split())
    ended = fleet.play("site.yml", "-e", extra)
    assert fleet.corrected == {"h1", "h3"}, ended.said
    assert ended.code == 13, ended.said
    assert fleet.states == {"h1": "repaired", "h2": "error", "h3": "repaired"}
    assert [entry["host"] for entry in fleet.rollout["set_aside"]] == ["h2"]


@pytest.mark.parametrize("option", ["--list-hosts", "--list-tasks", "--syntax-check"])
def test_the_playbook_may_be_listed_and_checked(tmp_path, option):
    ended = Fleet(tmp_path, 1).launch("enforce", "-i", "fleet", option)
    assert ended.code == 0, ended.said
    assert "WARNING" not in ended.usual and "ERROR" not in ended.said
