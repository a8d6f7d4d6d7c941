"""What a schedule puts on which machine."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.compile.inventory.inventory import HostVariables
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.controller.schedule import units
from proscribe.controller.schedule.rendered import Here, plan, program
from proscribe.host.programs import pulling

HERE = Here("/srv/proscribe", "ops", False, ["/srv/proscribe/inventory/prod"], "servers", {"PROSCRIBE_REPORTS": "/r 1"})
UNITS = "/etc/systemd/system/proscribe"
SIGNER = "ops@example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ"


def planned(here=HERE, elsewhere="", local=False, of=({}, {}), **settings):
    hosts = [
        HostVariables(
            f"web{number}", {**{f"proscribe_{key}": value for key, value in settings.items()}, **own}, {}, "."
        )
        for number, own in enumerate(of)
    ]
    read = {host.name: read_restrictions(host.values, host.where) for host in hosts}
    return plan(hosts, read, here, elsewhere, local)


def test_the_controller_runs_the_inventory_and_limit_that_the_schedule_was_set_up_with():
    answer = planned(schedule_options=["--forks", "50"])
    assert (answer["controller"], answer["become"], answer["pull"]["files"]) == ("localhost", True, {})
    service = answer["drift"]["files"][f"{UNITS}-drift.service"]
    command = '"/srv/proscribe/proscribe" "scheduled" "drift" "--" "-i" "/srv/proscribe/inventory/prod"'
    assert f'ExecStart={command} "--limit" "servers" "--forks" "50"\n' in service
    for line in (
        "User=ops",
        'Environment="PROSCRIBE_REPORTS=/r 1"',
        "TimeoutStartSec=21600",
        "OnFailure=proscribe-drift-failed.service",
        "NoNewPrivileges=yes",
    ):
        assert f"\n{line}\n" in service
    timer = answer["drift"]["files"][f"{UNITS}-drift.timer"]
    for line in ("OnCalendar=*-*-* 02:30", "RandomizedDelaySec=1800", "Persistent=yes"):
        assert f"\n{line}\n" in timer


def test_a_limit_of_hosts_that_pull_does_not_narrow_what_is_collected():
    answer = planned(schedule="pull", schedule_repository="https://git.example.org/p.git", schedule_signers=[SIGNER])
    service = answer["drift"]["files"][f"{UNITS}-drift.service"]
    assert '"scheduled" "collect" "--" "-i" "/srv/proscribe/inventory/prod"\n' in service


@pytest.mark.parametrize("schedule", ["controller", "pull"])
def test_the_catalogue_is_refreshed_where_the_inventory_says_when(schedule):
    pull = {"schedule_repository": "https://git.example.org/p.git", "schedule_signers": [SIGNER]}
    settings = {"schedule": schedule, **(pull if schedule == "pull" else {})}
    assert f"{UNITS}-catalogue.timer" not in planned(**settings)["drift"]["files"]
    files = planned(schedule_refresh="weekly", local=True, **settings)["drift"]["files"]
    assert "\nOnCalendar=weekly\n" in files[f"{UNITS}-catalogue.timer"]
    assert "\nOnCalendar=*-*-* 02:30\n" in files[f"{UNITS}-drift.timer"]
    service = files[f"{UNITS}-catalogue.service"]
    command = '"/srv/proscribe/proscribe" "scheduled" "catalog" "--" "-i" "/srv/proscribe/inventory/prod"'
    assert f"ExecStart={command}" in service and "\nNoNewPrivileges=yes\n" in service and "\nUser=ops\n" in service


@pytest.mark.parametrize(
    ("source", "written"),
    [("/srv/proscribe/inventory/prod", "/srv/proscribe/inventory/prod"), ("/srv/policy/hosts.yml", "/srv/policy")],
)
def test_a_refresh_writes_where_the_inventory_is(source, written):
    here = HERE._replace(inventory=[source])
    assert planned(here)["drift"]["runs"]["writes"] == ["/r 1"]
    assert planned(here, schedule_refresh="weekly")["drift"]["runs"]["writes"] == ["/r 1", written]


def test_nothing_refreshes_the_catalogue_without_a_schedule():
    assert planned(schedule="awx", schedule_refresh="weekly")["drift"]["files"] == {}
    with pytest.raises(PolicyErrors, match="such as weekly; or nothing"):
        planned(schedule_refresh=["weekly"])


NOT_UNDER = ("NoNewPrivileges", "SystemCall", "Restrict", "LockPersonality", "ProtectKernel", "PrivateDevices")
NOT_UNDER += ("ProtectClock",)


@pytest.mark.parametrize(
    ("account", "local", "notify", "has", "lacks"),
    [
        ("ops", False, {}, ("NoNewPrivileges=yes", "SystemCallFilter=@system-service", "CapabilityBoundingSet="), ()),
        # sendmail is setgid, and these go with no_new_privs
        ("ops", False, {"mail": "it@example.org"}, ("ProtectSystem=full", "PrivateTmp=yes"), NOT_UNDER),
        ("root", False, {"mail": "it@example.org"}, ("ProtectSystem=full", "LockPersonality=yes"), ("NoNewPriv",)),
        # the controller is a host, too: it is changed, and its /tmp is scanned
        ("ops", True, {}, ("UMask=0027",), ("ProtectSystem", "PrivateTmp", *NOT_UNDER)),
        ("root", True, {}, ("SystemCallFilter=~@clock",), ("Protect", "Private", "NoNewPriv", "RestrictSUIDSGID")),
    ],
)
def test_it_is_shut_in_as_far_as_its_work_allows(account, local, notify, has, lacks):
    files = planned(local=local, notify=notify, schedule_account=account)["drift"]["files"]
    for name in ("drift", "drift-failed"):
        lines = files[f"{UNITS}-{name}.service"].splitlines()
        assert [line for line in has if not any(found.startswith(line) for found in lines)] == []
        assert [line for line in lines if line.startswith(lacks or ("-",))] == []


def test_a_hosts_own_unit_never_has_what_keeps_it_from_changing_the_host():
    answer = planned(schedule="pull", schedule_repository="https://git.example.org/p.git", schedule_signers=[SIGNER])
    lines = answer["pull"]["files"][f"{UNITS}-pull.service"].splitlines()
    assert "SystemCallFilter=~@clock @cpu-emulation @obsolete @raw-io @reboot @swap" in lines
    assert not [line for line in lines if line.startswith(("Protect", "Private", "NoNewPriv", "RestrictSUIDSGID"))]


def test_what_runs_are_made_of_is_named_for_the_machine_that_has_it():
    """Whatever can have root run something: the checkout, its Ansible, the inventory, files that options name."""
    here = HERE._replace(environment={"PROSCRIBE_ANSIBLE_PLAYBOOK": "/opt/venv/bin/ansible-playbook"})
    here = here._replace(inventory=["/srv/proscribe/inventory/prod", "/etc/ansible/hosts", "web01,"])
    options = ["--vault-password-file", "/v/1", "--vault-id=x@/v/2", "-e", "@/v/3", "-e", "a=/tmp/x", "--forks", "5"]
    paths = ["/opt/venv/bin/ansible-playbook", "/srv/proscribe/inventory/prod", "/etc/ansible/hosts", "/own/catalogue"]
    answer = planned(here, schedule_options=options, catalog_dirs=["/own/catalogue"])
    assert answer["drift"]["runs"] == {
        "account": "ops",
        "paths": ["/srv/proscribe", *paths, "/v/1", "/v/2", "/v/3"],
        "needs": ["/srv/proscribe/proscribe", *paths[:3], "/v/1", "/v/2", "/v/3"],
        "starts": ["/srv/proscribe/proscribe"],
        "writes": [],
    }
    assert planned()["drift"]["runs"]["writes"] == ["/r 1"]
    answer = planned(here, "ctl", schedule_directory="/opt/p", schedule_account="root")
    assert answer["drift"]["runs"] == {
        "account": "root",
        "paths": ["/opt/p", "/opt/p/inventory/prod", "/etc/ansible/hosts"],
        "needs": ["/opt/p/proscribe", "/opt/p/inventory/prod", "/etc/ansible/hosts"],
        "starts": ["/opt/p/proscribe"],
        "writes": [],
    }


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
def test_so_it_is_on_hosts_that_pull(settings, paths, needs):
    message = {f"schedule_{name}": value for name, value in settings.items()}
    answer = planned(schedule="pull", schedule_inventory="prod", **message)
    starts = ["/srv/p/proscribe"] if "directory" in settings else []
    assert answer["pull"]["runs"] == {
        "account": "root",
        "paths": paths,
        "needs": needs,
        "starts": starts,
        "writes": [],
    }
    assert bool(answer["warnings"]) == ("repository" in settings and "signers" not in settings)


def test_root_on_its_own_machine_need_not_become_root():
    assert planned(HERE._replace(root=True))["become"] is False


def test_another_controller_has_its_own_checkout_and_account():
    answer = planned(elsewhere="ctl", schedule_directory="/opt/proscribe", schedule_account="ops2")
    service = answer["drift"]["files"][f"{UNITS}-drift.service"]
    assert answer["controller"] == "ctl"
    assert '"/opt/proscribe/proscribe" "scheduled" "drift" "--" "-i" "/opt/proscribe/inventory/prod"' in service
    assert "User=ops2" in service
    assert "PROSCRIBE_REPORTS" not in service


def test_hosts_that_pull_get_a_program_and_the_controller_collects():
    answer = planned(schedule="pull", schedule_repository="https://git.example.org/p.git", schedule_signers=[SIGNER])
    assert '"scheduled" "collect"' in answer["drift"]["files"][f"{UNITS}-drift.service"]
    files = answer["pull"]["files"]
    assert files["/usr/libexec/proscribe/pull"].startswith("#!/usr/bin/python3 -IB\n# ")
    assert files["/usr/libexec/proscribe/commits.py"] == program(pulling, "commits")
    assert SIGNER in files["/etc/proscribe/pull_signers"]
    assert "FixedRandomDelay=yes" in files[f"{UNITS}-pull.timer"]
    assert answer["pull"]["settings"] == {
        "repository": "https://git.example.org/p.git",
        "branch": "main",
        "signed": True,
        "first_commit": "",
        "directory": "",
        "inventory": "inventory/prod",
        "options": [],
        "ansible_playbook": "",
        "paths": [],
    }


@pytest.mark.parametrize("method", ["off", "awx"])
def test_nothing_is_put_anywhere(method):
    answer = planned(schedule=method)
    assert (answer["drift"], answer["pull"]) == ({"files": {}}, {"files": {}, "settings": {}})


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
        (
            {"of": ({}, {"proscribe_schedule": "off"})},
            "proscribe_schedule: found 'off', expected the same for all hosts",
        ),
    ],
)
def test_missing_or_contradictory_settings_are_reported(changes, message):
    with pytest.raises(PolicyErrors) as raised:
        planned(**changes)
    assert message in str(raised.value)


def unquoted(line: str) -> list[str]:
    """What systemd makes of a command line of double-quoted words (systemd.syntax(7), systemd.service(5))."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"', line)
    return [re.sub(r"\\(.)", r"\1", word).replace("%%", "%").replace("$$", "$") for word in found]


@given(st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1), min_size=1))
def test_every_word_of_a_command_comes_through(argv):
    assert unquoted(units.exec_start(argv)) == argv
