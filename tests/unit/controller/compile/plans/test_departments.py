"""The hosts of a run by department: those of the register, or else the inventory's outermost groups."""

from __future__ import annotations

import pytest
from proscribe.controller.compile.inventory.inventory import HostVariables, Question
from proscribe.controller.compile.plans.departments import departments_of, outermost

GROUPS = {
    "all": {"web1", "web2", "db1", "lap1"},
    "ungrouped": {"lap1"},
    "press": {"web1", "web2"},
    "press_desktops": {"web1"},
    "treasury": {"db1"},
}


def question(inventory, hosts=("web1", "web2", "db1", "lap1"), groups=None):
    return Question(
        project=inventory,
        mode="audit",
        playbook="audit",
        inventory=[str(inventory)],
        limit="",
        controls=[],
        hosts=[HostVariables(name, {}, {}, str(inventory)) for name in hosts],
        groups={name: frozenset(hosts) for name, hosts in (groups or GROUPS).items()},
    )


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (GROUPS, ["press", "treasury"]),
        ({"all": {"a"}, "ungrouped": {"a"}}, []),
        ({"all": {"a"}, "treasury": {"a"}, "treasury_desktops": {"a"}}, ["treasury"]),
        ({"a": {"1", "2"}, "b": {"2", "3"}, "c": {"2"}}, ["a", "b"]),
        ({"empty": set(), "press": {"1"}}, ["press"]),
        ({"empty": set(), "void": set()}, []),
        ({"site": {"1", "2"}, "press": {"1"}, "treasury": {"2"}, "empty": set()}, ["press", "treasury"]),
        ({"departments": {"1", "2", "3"}, "press": {"1", "2"}, "treasury": {"3"}}, ["press", "treasury"]),
        ({"site": {"1", "2"}, "departments": {"1", "2"}, "press": {"1"}, "treasury": {"2"}}, ["press", "treasury"]),
        # One that has hosts of its own as well is a department around a team.
        ({"press": {"1", "2"}, "photographers": {"1"}}, ["press"]),
    ],
)
def test_the_outermost_groups_lie_within_no_other(groups, expected):
    assert outermost(groups) == expected


def test_only_hosts_of_the_run_count(tmp_path):
    assert departments_of(question(tmp_path, hosts=("web2",))) == {"press": ["web2"]}
