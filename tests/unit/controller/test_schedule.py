"""Files and settings of a schedule on a controller, and on hosts that pull."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.compile.inventory.host_variables import HostVariables
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.controller.schedule import schedule_units
from proscribe.controller.schedule.schedule_plan import ScheduleController, plan_schedule
from proscribe.host.schedule.timers import (
    COMMITS_PATH,
    GUARD_BASE_FILES,
    GUARD_PATH,
    PULL_BASE_FILES,
    PULL_PROGRAM_PATH,
)
from recording import compare, join_files, outline

HERE = ScheduleController(
    "/srv/proscribe", "ops", False, ["/srv/proscribe/inventory/prod"], "servers", {"PROSCRIBE_REPORTS": "/r 1"}
)
SIGNER = "ops@example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ"
PULLED = {"schedule": "pull", "schedule_repository": "https://git.example.org/p.git", "schedule_signers": [SIGNER]}
ODD = HERE._replace(
    project_directory='/srv/p 100%"$x',
    inventory=['/srv/p 100%"$x/inventory/prod', "/etc/hosts.yml"],
    limit="",
    environment={"PROSCRIBE_B": 'a "b" \\ 5% $HOME', "PROSCRIBE_ANSIBLE_PLAYBOOK": "/opt/a/ansible-playbook"},
)


def planned(here=HERE, elsewhere="", local=False, of=({}, {}), **settings):
    hosts = [
        HostVariables(
            f"web{number}", {**{f"proscribe_{key}": value for key, value in settings.items()}, **own}, {}, "."
        )
        for number, own in enumerate(of)
    ]
    read = {host.name: read_restrictions(host.values, host.locate_variable) for host in hosts}
    return plan_schedule(hosts, read, here, elsewhere, local)


def show_plan(settings):
    answer = planned(**settings)
    files = {**answer["drift"].pop("files"), **answer["pull"].pop("files")}
    for program in (
        PULL_PROGRAM_PATH,
        COMMITS_PATH,
        GUARD_PATH,
        *PULL_BASE_FILES.values(),
        *GUARD_BASE_FILES.values(),
    ):  # as in the source
        files.pop(program, None)
    return join_files({**files, "answer": outline(answer)})


SCHEDULES = {
    "locked_in": {"schedule_refresh": "weekly"},
    "root_with_mail": {"schedule_account": "root", "schedule_refresh": "daily", "notify": {"mail": "a@b.example"}},
    "root_of_a_host": {"schedule_account": "root", "local": True, "here": HERE._replace(is_root=True)},
    "odd_names": {"here": ODD, "schedule_options": ["-e", "@/v/1"], "schedule_refresh": "weekly"},
    "elsewhere": {"elsewhere": "ctl", "schedule_directory": "/opt/p", "schedule_account": "ops2"},
    "pulled": {**PULLED, "schedule_branch": "live"},
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_is_as_recorded(name):
    recorded = Path(__file__).parents[1] / f"recorded/schedule/{name}.txt"
    base = "" if name == "locked_in" else show_plan(SCHEDULES["locked_in"])
    compare(recorded, show_plan(SCHEDULES[name]), base)


@pytest.mark.parametrize(
    ("source", "written"),
    [("/srv/proscribe/inventory/prod", "/srv/proscribe/inventory/prod"), ("/srv/policy/hosts.yml", "/srv/policy")],
)
def test_a_refresh_writes_where_the_inventory_is(source, written):
    here = HERE._replace(inventory=[source])
    assert planned(here)["drift"]["runs"]["writes"] == ["/r 1"]
    assert planned(here, schedule_refresh="weekly")["drift"]["runs"]["writes"] == ["/r 1", written]


def test_catalogue_is_not_refreshed_without_a_schedule():
    assert planned(schedule="awx", schedule_refresh="weekly")["drift"]["files"] == {}
    with pytest.raises(PolicyErrors, match="such as weekly; or nothing"):
        planned(schedule_refresh=["weekly"])


@pytest.mark.parametrize(
    ("settings", "paths", "needs"),
    [
        ({"repository": "https://git.example.org/p.git", "signers": [SIGNER]}, [], []),
        ({"repository": "/srv/p.git", "signers": [SIGNER]}, [], []),  # the signatures are checked
        ({"repository": "/srv/p.git"}, ["/srv/p.git"], []),
        ({"repository": "file:///srv/p.git", "ansible": "/opt/a"}, ["/opt/a", "/srv/p.git"], ["/opt/a"]),
        ({"directory": "/srv/p"}, ["/srv/p"], ["/srv/p/proscribe", "/srv/p/prod"]),
    ],
)
def test_pulling_host_needs_paths_of_its_settings(settings, paths, needs):
    message = {f"schedule_{name}": value for name, value in settings.items()}
    answer = planned(schedule="pull", schedule_inventory="prod", **message)
    starts = ["/srv/p/proscribe"] if "directory" in settings else []
    assert answer["pull"]["runs"] == {"account": "root", "paths": paths, "needs": needs, "starts": starts, "writes": []}
    assert bool(answer["warnings"]) == ("repository" in settings and "signers" not in settings)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": "pull"}, "proscribe_schedule_repository: found nothing, expected where hosts fetch from"),
        (
            {"schedule": "pull", "schedule_directory": "/x", "here": HERE._replace(inventory=["/etc/ansible/hosts"])},
            "proscribe_schedule_inventory: found nothing, expected the inventory's path",
        ),
        ({"elsewhere": "ctl"}, "proscribe_schedule_directory: found nothing, expected the path of the checkout on ctl"),
        ({"elsewhere": "ctl", "schedule_directory": "/x"}, "proscribe_schedule_account: found nothing"),
        ({"of": ({}, {"proscribe_schedule": "off"})}, "proscribe_schedule: found 'off', expected the same for all"),
    ],
)
def test_missing_or_contradictory_settings_are_reported(changes, message):
    with pytest.raises(PolicyErrors, match=re.escape(message)):
        planned(**changes)


def unquoted(line):
    """What systemd makes of a command line of double-quoted words (systemd.syntax(7), systemd.service(5))."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"', line)
    return [re.sub(r"\\(.)", r"\1", word).replace("%%", "%").replace("$$", "$") for word in found]


@given(st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1), min_size=1))
def test_every_word_of_a_command_comes_through(argv):
    assert unquoted(schedule_units.format_exec_start(argv)) == argv
