"""Every module that our playbooks have run on a host has an action that reads its answer, and there are no others."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from proscribe.controller.compile.restrictions import PREFIX, REGISTERED
from proscribe_ansible.action import HostAction

PROJECT = Path(__file__).resolve().parents[3]
# These run on the controller, whatever host they are for.
CONTROLLER = {"fail", "set_fact", "include_role", "include_tasks", "import_tasks", "import_playbook", "import_role"}
KEYWORDS = {"name", "when", "loop", "loop_control", "register", "run_once", "tags", "vars", "block", "rescue", "notify"}
OURS = sorted(path.stem for path in (PROJECT / "library").glob("*.py"))


def tasks(value: Any) -> Iterator[dict[str, Any]]:
    """The tasks of a file, those within blocks and plays too."""
    for item in value if isinstance(value, list) else []:
        parts = [
            key for key in ("tasks", "block", "rescue", "always", "handlers", "pre_tasks", "post_tasks") if key in item
        ]
        for part in parts:
            yield from tasks(item[part])
        if not parts and "hosts" not in item:
            yield item


def files() -> list[Path]:
    found = [
        *PROJECT.glob("playbooks/**/*.yml"),
        *PROJECT.glob("roles/*/tasks/*.yml"),
        *PROJECT.glob("roles/*/handlers/*.yml"),
    ]
    return [path for path in found if "notify" not in (path.stem, path.parent.name)]  # which are for localhost alone


def test_no_other_module_runs_on_a_host():
    used = {
        key.removeprefix("ansible.builtin.")
        for path in files()
        for task in tasks(yaml.safe_load(path.read_text()))
        for key in task
        if key not in KEYWORDS
    }
    assert used and used - CONTROLLER == set(OURS)


def test_no_variable_that_our_playbooks_register_is_taken_for_one_of_the_policy():
    """It is there still when a later play of the same run compiles."""
    everywhere = [*PROJECT.glob("playbooks/**/*.yml"), *PROJECT.glob("roles/*/*/*.yml")]
    found = {
        task["register"]
        for path in everywhere
        for task in tasks(yaml.safe_load(path.read_text()))
        if task.get("register", "").startswith(PREFIX)
    }
    assert {"proscribe_compiled", "proscribe_notice_sent"} < found <= REGISTERED


@pytest.mark.parametrize("name", OURS)
def test_every_module_of_ours_has_an_action_that_reads_what_a_host_answers(name):
    spec = importlib.util.spec_from_file_location(f"action_{name}", PROJECT / "action_plugins" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    action = module.ActionModule
    on_the_controller = action._requires_connection is False
    assert on_the_controller != issubclass(action, HostAction)
    if not on_the_controller:
        assert callable(action.reader)
        assert not action._supports_async, "what a job of Ansible's finds later no reader has read"
        assert not action.TRANSFERS_FILES, "no directory is made for what is piped"
