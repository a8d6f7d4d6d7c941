"""Every module that our playbooks have run on a host has an action that reads its answer, and there are no others."""

from pathlib import Path

import yaml
from proscribe.controller.compile.restrictions import PREFIX, REGISTERED_VARIABLES

PROJECT = Path(__file__).resolve().parents[3]
# These run on the controller, whatever host they are for.
CONTROLLER = {"fail", "set_fact", "include_role", "include_tasks", "import_tasks", "import_playbook", "import_role"}
KEYWORDS = {"name", "when", "loop", "loop_control", "register", "run_once", "tags", "vars", "block", "rescue", "notify"}
PARTS = ("tasks", "block", "rescue", "always", "handlers", "pre_tasks", "post_tasks")
OURS = sorted(path.stem for path in (PROJECT / "library").glob("*.py"))


def tasks(value):
    """The tasks of a file, those within blocks and plays too."""
    for item in value if isinstance(value, list) else []:
        parts = [key for key in PARTS if key in item]
        for part in parts:
            yield from tasks(item[part])
        if not parts and "hosts" not in item:
            yield item


def files():
    patterns = ("playbooks/**/*.yml", "roles/*/tasks/*.yml", "roles/*/handlers/*.yml")
    found = [path for pattern in patterns for path in PROJECT.glob(pattern)]
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
    assert {"proscribe_compiled", "proscribe_notice_sent"} < found <= REGISTERED_VARIABLES
