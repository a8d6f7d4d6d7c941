"""What a schedule puts on which machine is as it was recorded: each unit to the byte, with all that shuts it in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.schedule.timers import BASE_OF_GUARD, BASE_OF_PULL, COMMITS, GUARD, PROGRAM
from recording import compare, join_files

from unit.controller.schedule.test_rendered import HERE, SIGNER, planned

RECORDED = Path(__file__).parents[2] / "recorded/schedule"
FETCHED = {"schedule": "pull", "schedule_repository": "https://git.example.org/p.git"}
ODD = HERE._replace(
    project='/srv/p 100%"$x',
    inventory=['/srv/p 100%"$x/inventory/prod', "/etc/hosts.yml"],
    limit="",
    environment={"PROSCRIBE_B": 'a "b" \\ 5% $HOME', "PROSCRIBE_ANSIBLE_PLAYBOOK": "/opt/a/ansible-playbook"},
)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("locked_in", {"schedule_refresh": "weekly"}),
        (
            "root_with_mail",
            {"schedule_account": "root", "schedule_refresh": "daily", "notify": {"mail": "a@b.example"}},
        ),
        ("root_of_a_host", {"schedule_account": "root", "local": True, "here": HERE._replace(root=True)}),
        ("odd_names", {"here": ODD, "schedule_options": ["-e", "@/v/1"], "schedule_refresh": "weekly"}),
        ("elsewhere", {"elsewhere": "ctl", "schedule_directory": "/opt/p", "schedule_account": "ops2"}),
        ("pulled", {**FETCHED, "schedule_signers": [SIGNER], "schedule_branch": "live"}),
    ],
)
def test_a_schedule_is_as_it_was_recorded(name: str, settings: dict[str, Any]) -> None:
    answer = planned(**settings)
    files = {**answer["drift"].pop("files"), **answer["pull"].pop("files")}
    for program in (PROGRAM, COMMITS, GUARD, *BASE_OF_PULL.values(), *BASE_OF_GUARD.values()):  # as in the source
        files.pop(program, None)
    compare(RECORDED / f"{name}.txt", join_files({**files, "answer": json.dumps(answer, indent=1)}))
