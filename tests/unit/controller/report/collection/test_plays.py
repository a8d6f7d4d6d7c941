"""How the report distinguishes plays of Proscribe from other plays."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.controller.report.collection import plays
from proscribe.model.plan import CONTROLS
from proscribe.wire.installation import COLLECTION


def task(action: str, *tags: str, **args: str) -> Any:
    return SimpleNamespace(action=action, args=args, tags=tags)


def block(*tasks: Any, rescue: Any = (), always: Any = ()) -> Any:
    return SimpleNamespace(block=list(tasks), rescue=list(rescue), always=list(always))


def role(*blocks: Any, needs: Any = (), included: bool = False) -> Any:
    return SimpleNamespace(
        get_task_blocks=lambda: list(blocks), get_all_dependencies=lambda: list(needs), from_include=included
    )


def play(*tasks: Any, roles: Any = (), tags: Any = (), place: str = "/p/audit.yml:3") -> Any:
    return SimpleNamespace(get_tasks=lambda: list(tasks), roles=roles, tags=tags, get_path=lambda: place)


PING, PLANS = task("ansible.builtin.ping"), task("proscribe.proscribe.compile_plans")


@pytest.mark.parametrize(
    ("one", "compiles"),
    [
        (play(), False),
        (play(PING), False),
        (play(task("compile_plans")), True),
        (play([PING, [PLANS]]), True),
        (play(block(PING, block(PLANS))), True),
        (play(block(PING, rescue=[PLANS])), True),
        (play(block(PING, always=[block(PLANS)])), True),
        (play(PING, roles=[role(block(PING), needs=[role(block(PLANS))])]), True),
        (play(roles=[role(block(PLANS))]), True),
        (play(roles=[role(block(PLANS), included=True)]), False),  # its tasks are the play's, where it is imported
        (play(roles=None), False),
        (play(task("compile_plans_of_others")), False),
    ],
)
def test_a_play_that_compiles_plans(one: Any, compiles: bool) -> None:
    assert plays.compiles(one) is compiles


# The modules that change a host, with the control of each.
CHANGING = {
    "restricted_apps": "apps",
    "browser_policy": "browser",
    "host_firewall": "firewall",
    "dns_filter": "dns",
    "group_policy": "group_policy",
    "host_watch": "watch",
}


def test_each_control_has_its_module(project: Path) -> None:
    assert plays.ENFORCING == CHANGING and {*CHANGING.values()} >= {*CONTROLS}
    assert all((project / "library" / f"{name}.py").is_file() for name in plays.ENFORCING)


@pytest.mark.parametrize(
    ("action", "concerns"),
    [
        ("ping", False),
        ("compile_plans", True),
        ("compliance_state", True),
        ("collect_record", True),
        ("rollout", True),
        ("quarantine", True),
        ("quarantine_choice", True),
        ("drift_schedule", False),
        ("include_role", False),
        *((name, True) for name in CHANGING),
    ],
)
def test_a_play_that_a_report_is_made_from(action: str, concerns: bool) -> None:
    assert plays.concerns(play(PING, task(f"{COLLECTION}.{action}"))) is concerns


@pytest.mark.parametrize(("action", "schedules"), [("schedule_plan", True), ("compile_plans", False)])
def test_a_play_that_sets_up_scheduled_runs(action: str, schedules: bool) -> None:
    assert plays.schedules(play(PING, task(action))) is schedules


ROLE = sorted(plays.ENFORCING)[0]


@pytest.mark.parametrize(("entry", "names"), [("main", ["dns_filter", f"{COLLECTION}.{ROLE}"]), ("lift", [ROLE])])
def test_the_roles_that_a_play_includes_while_it_runs(entry: str, names: list[str]) -> None:
    one = play(
        PLANS,
        task("include_role", name="dns_filter"),
        task("include_role", name="others"),
        block(task("include_role", name=f"{COLLECTION}.{ROLE}", tasks_from="main.yml")),
        task("include_role", name=ROLE, tasks_from="lift"),
    )
    assert list(plays.included(one, entry)) == names


def test_the_tags_of_plays_and_their_tasks() -> None:
    found = plays.tags_of([play(task("ping", "a"), tags=["b"]), play(block(task("ping", "c", "a")), tags=[5])])
    assert found == {"a", "b", "c", "5"} and plays.tags_of([]) == set()


def test_the_file_of_a_play_has_no_line() -> None:
    assert plays.file_of(play(place="/a:b/audit.yml:28")) == "/a:b/audit.yml"
