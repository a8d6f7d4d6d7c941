"""What a task's play says of the policy, with Ansible's own objects: by its precedence, and where it was said."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.playbook import Playbook
from ansible_inventory import read_hostvars
from proscribe.controller.compile.inventory.in_play import InPlay, for_another_role, in_play_only
from proscribe.controller.compile.inventory.places import set_in

BAN = "proscribe_services_include"


class Run:
    """A playbook with one play, as Ansible has it when a task of it runs."""

    def __init__(self, root: Path, play: Mapping[str, Any], files: Mapping[str, Any]) -> None:
        inventory = {"all": {"hosts": {"h1": {"proscribe_a": "of h1"}, "h2": {}}}}
        for name, content in {"hosts.yml": inventory, "play.yml": [{"hosts": "all", **play}], **files}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        self.hostvars = read_hostvars(root / "hosts.yml")
        self.variables = self.hostvars._variable_manager
        loader = self.hostvars._loader
        playbook = Playbook.load(str(root / "play.yml"), variable_manager=self.variables, loader=loader)
        (self.play,) = playbook.get_plays()
        self.tasks = {task.name: task for block in self.play.compile() for task in block.block if task.name}

    def seen(self, task: str, names: Sequence[str] = ("h1", "h2")) -> InPlay:
        return InPlay(self.hostvars, self.tasks[task], names)


def task(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "meta": "noop", **more}  # which needs none of Ansible's plugins


ROLE = {
    "roles/own/tasks/main.yml": [task("in the role")],
    "roles/own/defaults/main.yml": {BAN: "default", "proscribe_b": "default"},
    "roles/other/tasks/main.yml": [task("in the other role")],
}


def first(seen: InPlay, host: str) -> Any:
    layers = (*seen.layers(host), *seen.defaults())
    return next((layer[BAN] for layer in layers if BAN in layer), None)


@pytest.mark.parametrize(
    ("places", "wins"),
    [
        (("another role's defaults", "defaults"), "defaults"),
        (("defaults", "play"), "play"),
        (("defaults", "play", "role"), "role"),
        (("play", "role", "task"), "task"),
        (("role", "task", "facts"), "facts"),
        (("task", "facts", "parameters"), "parameters"),
        (("play", "another role"), "another role"),
        (("another role", "role"), "role"),
        (("facts", "set"), "facts"),
        (("set", "task"), "set"),
    ],
)
def test_the_layers_of_a_play_are_in_ansibles_own_order(tmp_path, places, wins):
    here = {place: {BAN: place} for place in places}
    files = {
        **ROLE,
        "roles/own/defaults/main.yml": here.get("defaults", {}),
        "roles/own/vars/main.yml": here.get("role", {}),
        "roles/own/tasks/main.yml": [task("in the role", vars=here.get("task", {}))],
        "roles/other/vars/main.yml": here.get("another role", {}),
        "roles/other/defaults/main.yml": here.get("another role's defaults", {}),
    }
    roles = ["other", {"role": "own", **here.get("parameters", {})}]
    run = Run(tmp_path, {"roles": roles, "vars": here.get("play", {})}, files)
    run.variables._nonpersistent_fact_cache["h1"] = here.get("facts", {})
    run.variables._vars_cache["h1"] = here.get("set", {})
    seen = run.seen("in the role")
    assert seen.raw_get("h1")[BAN] == wins
    assert first(seen, "h1") == wins
    assert first(seen, "h2") == seen.raw_get("h2").get(BAN)


def test_connection_of_the_task_is_set_for_no_host(tmp_path):
    variables = {"ansible_connection": "local", BAN: "x"}
    run = Run(tmp_path, {"tasks": [task("compiles", vars=variables)]}, {})
    seen = run.seen("compiles")
    assert "ansible_connection" not in seen.raw_get("h1") and seen.raw_get("h1")[BAN] == "x"
    assert run.tasks["compiles"].vars == variables, "the task itself stays as it is"
    assert seen["h1"]["proscribe_a"] == "of h1" and seen["h2"][BAN] == "x"


@pytest.mark.parametrize(
    ("places", "where"),
    [
        (("roles/own/defaults/main.yml",), "roles/own/defaults/main.yml"),
        (("roles/own/defaults/main.yml", "group_vars/all.yml"), "group_vars/all.yml"),
        (("roles/own/vars/main.yml", "group_vars/all.yml"), "roles/own/vars/main.yml"),
    ],
)
def test_variable_of_a_play_has_the_place_that_sets_it(tmp_path, places, where):
    files = {**ROLE, "roles/own/defaults/main.yml": {}, **{place: {BAN: place} for place in places}}
    run = Run(tmp_path, {"roles": ["own"]}, files)
    seen = run.seen("in the role")
    assert seen.raw_get("h1")[BAN] == where
    assert set_in(seen, "h1", BAN) == f"{tmp_path}/{where}:1"


PLAY = """\
- hosts: all
  vars:
    proscribe_c: five
    proscribe_d: true
  roles:
    - role: own
      proscribe_x: [signal]
      proscribe_y: true
    - role: own
"""


def test_variables_of_one_role_or_the_play_alone_have_their_lines(tmp_path):
    run = Run(tmp_path, {}, {**ROLE, "roles/own/meta/main.yml": {"allow_duplicates": True}, "play.yml": PLAY})
    first, second = (one for block in run.play.compile() for one in block.block if one.name == "in the role")
    of_role = {one.key: one.where for one in for_another_role(second, [first])}
    of_play = {name: one.where for name, one in in_play_only(run.hostvars, second, ["h1"]).items()}
    assert set(of_role) == {"proscribe_x", "proscribe_y"}
    assert set(of_play) == {"proscribe_b", "proscribe_c", "proscribe_d", BAN}
    assert of_role["proscribe_x"] == f"{tmp_path}/play.yml:7"
    assert of_play["proscribe_c"] == f"{tmp_path}/play.yml:3"
    assert of_play[BAN] == f"{tmp_path}/roles/own/defaults/main.yml:2"
    assert of_role["proscribe_y"] == f"{tmp_path}/play.yml:8"  # true has no place of its own
    assert of_play["proscribe_d"] == f"{tmp_path}/roles/own/tasks/main.yml:1", "where the task is"
