"""Variables of hosts out of an inventory, and mistakes in it."""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.playbook import Playbook
from ansible_inventory import read_hostvars
from mistakes import get_mistake
from proscribe.controller.compile.inventory import host_variables, play_variables, variable_origins
from proscribe.controller.compile.inventory.host_variables import CompileInput, HostVariables, make_zone_finder
from proscribe.controller.compile.plans.run_compiler import compile_run
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.model import plan as plans

HOSTS = """\
all:
  vars:
    site: north
    proscribe_contact: "{{ site }}@example.org"
    proscribe_compiled: {}
  hosts:
    web1:
      ansible_host: "[2001:db8::1]"
      ansible_port: "{{ 2200 + 22 }}"
      proscribe_zone: dmz
      proscribe_categories:
        - webmail
        - chat
    web2: {proscribe_zone: dmz, proscribe_categories: [webmail, chat], ansible_host: web2.example.org}
    192.0.2.7: {ansible_port: ssh, ansible_connection: "{{ nowhere }}"}
    bad:
      proscribe_zone: "{{ nowhere }}"
      proscribe_probe: true
    desk: {ansible_connection: winrm, ansible_host: "fe80::1%eth0"}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fleet")
    (folder / "hosts.yml").write_text(HOSTS)
    return folder


@pytest.fixture(scope="module")
def hostvars(folder):
    return read_hostvars(folder / "hosts.yml")


CONTACT = {"proscribe_contact": "north@example.org"}
WEB = {**CONTACT, "proscribe_zone": "dmz", "proscribe_categories": ["webmail", "chat"]}
ADDRESSES = [
    ("web1", WEB, "2001:db8::1", 2222),
    ("web2", WEB, "", 22),
    ("192.0.2.7", CONTACT, "192.0.2.7", 22),
    ("bad", {**CONTACT, "proscribe_probe": True}, "", 22),
    ("desk", CONTACT, "fe80::1", 22),
]


@pytest.mark.parametrize(("name", "values", "address", "port"), ADDRESSES)
def test_host_has_its_variables_and_address(name, values, address, port, hostvars, folder):
    host = HostVariables.read_hostvars(name, hostvars)
    assert (host.name, host.values, host.origins, host.folder) == (name, values, {}, str(folder))
    assert (host.address, host.ssh_port) == (address, port)
    assert (host.is_windows, "winrm" in host.unserved_reason) == (name == "desk", name == "desk")
    assert [error.key for error in host.errors] == (["proscribe_zone"] if name == "bad" else [])


@pytest.mark.parametrize(
    ("name", "key", "wrong", "line"),
    [
        ("web1", "proscribe_contact", None, 4),
        ("web1", "proscribe_categories", None, 11),
        ("web1", "proscribe_categories[1]", None, 13),
        ("web1", "proscribe_categories", "chat", 13),
        ("bad", "proscribe_probe", None, 18),  # true has no place: the source that sets it
        *(("web1", key, None, 0) for key in ("proscribe_compiled", "ansible_host", "proscribe_nosuch")),
    ],
)
def test_variable_has_the_line_that_wrote_it(name, key, wrong, line, hostvars, folder):
    where = HostVariables.read_hostvars(name, hostvars).locate_variable(key, wrong)
    assert where == (f"{folder}/hosts.yml:{line}" if line else f"host {name}")


def test_any_host_of_the_inventory_can_be_asked_for(hostvars):
    assert [make_zone_finder(hostvars)(name) for name in ("web1", "desk")] == ["dmz", ""]
    assert get_mistake(make_zone_finder(hostvars), "bad").key == "proscribe_zone"
    assert host_variables.make_variables_reader(hostvars)("web1").values == WEB


def test_an_error_has_the_place_that_it_or_a_cause_of_it_knows(hostvars, folder):
    def error(obj: object = None, **more: BaseException) -> Exception:
        made = ValueError("x")
        vars(made)["obj"] = obj
        for name, value in more.items():
            setattr(made, f"__{name}__", value)
        return made

    known = error(hostvars.raw_get("web1")["proscribe_zone"])
    errors = (error(), error("x"), error("x", cause=known), error(context=known))
    assert [host_variables.find_error_place(item) for item in errors] == ["", "", *[f"{folder}/hosts.yml:10"] * 2]


def test_values_are_plain(hostvars):
    value = {1: ("a", ["b", None]), "c": hostvars.raw_get("web1")["proscribe_zone"]}
    plain = host_variables.strip_tags(value)
    assert plain == {"1": ["a", ["b", None]], "c": "dmz"} and type(plain["c"]) is str


OTHER_FOLDERS = ("fleet", "elsewhere", "fleet/.git", "fleet/more~/deep", "fleet/x.orig/deep")


@pytest.mark.parametrize(
    ("folder", "expected"),
    [("fleet/more", True), ("second/more", True), ("linked/more", True), *((name, False) for name in OTHER_FOLDERS)],
)
def test_a_folder_in_a_source_is_read_as_hosts(folder, expected, tmp_path):
    for name in ("fleet", "second"):
        (tmp_path / name).mkdir()
    (tmp_path / "hosts").touch()
    (tmp_path / "linked").symlink_to("second")
    sources = [str(tmp_path / name) for name in ("hosts", "fleet", "second", "missing")]
    assert host_variables.is_read_as_hosts(tmp_path / folder, sources) == expected
    assert not host_variables.is_read_as_hosts(tmp_path / folder, sources[:1])


def test_a_variable_that_is_nearly_called_as_ours_is_a_mistake_with_its_place(tmp_path):
    (tmp_path / "hosts.yml").write_text("all:\n  hosts:\n    web1:\n      Proscribe_watch: true\n      proxy_env: {}\n")
    host = HostVariables.read_hostvars("web1", read_hostvars(tmp_path / "hosts.yml"))
    (wrong,) = host.errors
    assert str(wrong).startswith(f"{tmp_path}/hosts.yml:4: Proscribe_watch: ")
    assert "did you mean 'proscribe_watch'?" in str(wrong)


NOW = datetime.datetime(2026, 11, 25, 8, 0, tzinfo=datetime.timezone.utc)


class Written:
    def __init__(self, project: Path, folder: Path) -> None:
        self.project, self.folder = project, folder
        self.file("hosts.yml", "finance: {hosts: {h1: {ansible_connection: local}}}\n")

    def file(self, name: str, content: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")

    def mistakes(self) -> list[str]:
        """Return the mistakes without the inventory's folder in each line."""
        source = self.folder / "hosts.yml"
        hosts, groups = [HostVariables.read_hostvars("h1", read_hostvars(source))], {"all": frozenset({"h1"})}
        question = CompileInput(self.project, "audit", "audit", [str(source)], "", list(plans.CONTROLS), hosts, groups)
        with pytest.raises(PolicyErrors) as wrong:
            compile_run(question, NOW)
        return [line.replace(f"{self.folder}/", "") for line in str(wrong.value).splitlines()]


@pytest.fixture
def written(project, tmp_path, monkeypatch):
    monkeypatch.setenv("PROSCRIBE_REPORTS", str(tmp_path / "reports"))
    return Written(project, tmp_path / "inventory")


def test_an_item_of_a_long_list_is_reported_with_its_own_line(written):
    written.file("group_vars/all.yml", "proscribe_services_include:\n  - telegram\n  - whatsap\n")
    (line,) = written.mistakes()
    assert line.startswith("group_vars/all.yml:3: proscribe_services_include: found 'whatsap'"), line


WRONG = """\
proscribe_categorys: [webmail]
proscribe_services_include: [whatsap]
proscribe_probe: maybe
proscribe_zone: "{{ nowhere }}"
"""


def test_mistakes_of_variables_catalogues_waivers_and_registers_are_reported_at_once(written):
    written.file("group_vars/all.yml", WRONG)
    written.file("waivers/w1.yml", "id: w1\n")
    written.file("approvers.yml", "nosuch: {head: a}\n")
    places = {f"all.yml:{number}: {key.partition(':')[0]}" for number, key in enumerate(WRONG.splitlines(), 1)}
    lines = written.mistakes()
    for place in (*places, "waivers/w1.yml", "approvers.yml"):
        assert [line for line in lines if line.removeprefix("group_vars/").startswith(place)], (place, lines)
    written.file("group_vars/all.yml", "proscribe_catalog_dirs: [ours]\nproscribe_probe: maybe\n")
    written.file("ours/webmail/x.yml", "id: y\n")
    lines = written.mistakes()
    assert [line for line in lines if "proscribe_probe" in line], lines
    assert [line for line in lines if line.startswith("ours/webmail/x.yml")], lines


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

    def seen(self, task: str, names: Sequence[str] = ("h1", "h2")) -> play_variables.PlayVariables:
        return play_variables.PlayVariables(self.hostvars, self.tasks[task], names)


def task(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "meta": "noop", **more}  # which needs none of Ansible's plugins


ROLE = {
    "roles/own/tasks/main.yml": [task("in the role")],
    "roles/own/defaults/main.yml": {BAN: "default", "proscribe_b": "default"},
    "roles/other/tasks/main.yml": [task("in the other role")],
}


def first(seen: play_variables.PlayVariables, host: str) -> Any:
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


def test_a_role_has_the_parameters_of_the_role_that_depends_on_it(tmp_path):
    files = {**ROLE, "roles/outer/meta/main.yml": {"dependencies": ["own"]}, "roles/outer/tasks/main.yml": []}
    seen = Run(tmp_path, {"roles": [{"role": "outer", BAN: "outer"}]}, files).seen("in the role")
    assert seen.raw_get("h1")[BAN] == first(seen, "h1") == "outer"
    seen = Run(tmp_path / "beside", {"roles": [{"role": "other", BAN: "other"}, "own"]}, ROLE).seen("in the role")
    assert seen.raw_get("h1")[BAN] == first(seen, "h1") == "default", "those of a role beside it are not its own"


def test_variables_that_an_included_role_is_given_are_those_of_the_task(tmp_path):
    apply = {"vars": {BAN: "x", "other": "y"}}
    run = Run(tmp_path, {"tasks": [{"name": "includes", "include_role": {"name": "own", "apply": apply}}]}, ROLE)
    assert play_variables.hash_task_variables(run.tasks["includes"]).keys() == {BAN}


def test_connection_of_the_task_is_set_for_no_host(tmp_path):
    variables = {"ansible_connection": "local", BAN: "x"}
    run = Run(tmp_path, {"tasks": [task("compiles", vars=variables)]}, {})
    seen = run.seen("compiles")
    assert not {"ansible_connection", "hostvars"} & seen.raw_get("h1").keys() and seen.raw_get("h1")[BAN] == "x"
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
    assert variable_origins.find_setting_place(seen, "h1", BAN) == f"{tmp_path}/{where}:1"


PLAY = """\
- hosts: all
  vars:
    proscribe_c: five
    proscribe_d: true
  roles:
    - role: own
      proscribe_x: [signal]
      proscribe_y: true
      proscribe_z: a
    - role: own
      proscribe_z: b
"""


def test_variables_of_one_role_or_the_play_alone_have_their_lines(tmp_path):
    run = Run(tmp_path, {}, {**ROLE, "roles/own/meta/main.yml": {"allow_duplicates": True}, "play.yml": PLAY})
    first, second = (item for block in run.play.compile() for item in block.block if item.name == "in the role")
    mistakes = play_variables.find_role_mistakes(second, [first])
    of_role = {item.key: (item.location, item.found_value) for item in mistakes}
    alone = play_variables.find_play_only_variables(run.hostvars, second, ["h1", "h2"])
    of_play = {name: (item.location, item.key, item.found_value) for name, item in alone.items()}
    place, own, other = f"{tmp_path}/play.yml", f"{tmp_path}/roles/own/defaults/main.yml", f"{tmp_path}/roles/own/tasks"
    # true has no place of its own
    values = {"x": (f"{place}:7", ["signal"]), "y": (f"{place}:8", True), "z": (f"{place}:9", "a")}
    assert of_role == {f"proscribe_{name}": value for name, value in values.items()}
    assert of_play == {
        "proscribe_b": (f"{own}:1", "proscribe_b", "default"),
        "proscribe_c": (f"{place}:3", "proscribe_c", "five"),
        "proscribe_d": (f"{other}/main.yml:1", "proscribe_d", True),  # where the task is
        "proscribe_z": (f"{place}:11", "proscribe_z", "b"),
        BAN: (f"{own}:2", BAN, "default"),
    }
    assert list(play_variables.find_role_mistakes(second, [second])) == []
