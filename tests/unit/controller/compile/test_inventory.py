"""Inventories: nested ones, tags, values for reports, selection of hosts, folders of a policy."""

import fnmatch
import itertools
import os
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible_inventory import read_hostvars
from file_hosts import write_files
from made_policy import restrictions
from mistakes import get_mistake
from proscribe.controller.compile.inventory import host_selection, nested_inventories, policy_folders, tags
from proscribe.controller.compile.inventory import report_settings as module
from proscribe.controller.compile.inventory.host_variables import CompileInput, HostVariables
from proscribe.controller.compile.inventory.reports_folder import (
    VARIABLE,
    find_reports_folder,
    find_reports_place,
    guess_reports_folder,
    require_reports_folder,
)
from proscribe.controller.compile.inventory.supported_hosts import explain_unserved_host, is_windows
from proscribe.controller.compile.inventory.variable_origins import find_setting_place, list_source_paths, locate_part
from proscribe.controller.policy_errors import PolicyError, PolicyErrors
from proscribe.wire import installation


def write_hosts(top: Path, *paths: str) -> Path:
    write_files(top, dict.fromkeys(paths, "department: {hosts: {one: {}}}\n"))
    return top


def mistakes(*sources: Path) -> list[str]:
    return [str(mistake) for mistake in nested_inventories.find_nested_inventories([str(source) for source in sources])]


@pytest.mark.parametrize(
    ("name", "own"),
    [("hosts.yml", "group_vars/all.yml"), ("hosts", "host_vars/one.yml"), ("hosts.ini", "waivers/w.yml")]
    + [("hosts.yaml", "approvers.yml"), ("", "allowed_signers")],
)
def test_nested_inventory_is_named_with_the_file_around_it(tmp_path, name, own):
    others = (".gitkeep", "aws.py", "cloud/hosts.yml", "a~", "notes.txt")
    top = write_hosts(tmp_path, *filter(None, [name]), *others, "prod/hosts.yml", f"prod/{own}")
    around = f", or -i {top}/{name} for the hosts around it" if name else ""
    assert mistakes(top) == [
        f"{top}/prod: found {own.partition('/')[0]}, which no run over the inventory {top} reads, "
        f"expected an inventory of its own: -i {top}/prod{around}"
    ]
    assert mistakes(top, top / "prod") == mistakes(top / "cloud/hosts.yml", top / "prod") == []


@pytest.mark.parametrize(("link", "to"), [("a/again", "."), ("a/again", "a"), ("c", "a/b")])
def test_folder_that_several_paths_lead_to_is_looked_into_once(tmp_path, link, to):
    top = write_hosts(tmp_path, "hosts.yml", "a/b/approvers.yml", ".git/approvers.yml")
    (top / link).symlink_to(top / to)
    assert len(mistakes(top)) == 1


@pytest.mark.parametrize(("deep", "found"), [(nested_inventories.MAX_DEPTH, 1), (nested_inventories.MAX_DEPTH + 1, 0)])
def test_folders_are_looked_into_down_to_a_depth(tmp_path, deep, found):
    top = write_hosts(tmp_path, "hosts.yml", f"{'a/' * deep}approvers.yml")
    assert len(mistakes(top)) == found


# -- tags


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["apps,dns", " report , "], ""),
        (["all,always,never", "tagged", "untagged"], ""),  # Ansible's own
        (["notest,molecule-notest", "molecule-idempotence-notest"], ""),  # Molecule's
        (["firewall"], "no task has the tag 'firewall'; there are apps, dns"),
        (["app"], "no task has the tag 'app', did you mean 'apps'?; there are apps, dns"),
        (["xx,apps", "yy", "xx"], "no task has the tag 'xx', and 'yy'; there are apps, dns"),
    ],
)
def test_a_tag_that_no_task_has_is_named(given, message):
    assert tags.describe_unknown_tags(given, ("apps", "dns", "report")) == message
    assert tags.describe_unknown_tags(["xx"], ["report"]) == "no task has the tag 'xx'", (
        "no task of a control is offered"
    )


# -- values for reports
@pytest.mark.parametrize("named", ["latest", "run1", "{reports}/run1", "{reports}/run1/hosts.jsonl"])
def test_a_baseline_is_named_in_several_ways(tmp_path, named):
    run = tmp_path / "run1"
    write_files(run, {"report.json": '{"run": {}}', "hosts.jsonl": ""})
    (tmp_path / "latest").symlink_to("run1")
    reporting = read_reporting(tmp_path, web01={"gate_baseline": named.format(reports=tmp_path)})
    assert reporting["baseline"] == str(run.resolve())


def test_a_server_needs_its_driver_before_any_host_is_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "HISTORY_DRIVER", "no_such_driver")
    with pytest.raises(PolicyErrors, match="proscribe_history: found 'postgresql://db/x', expected SQLAlchemy"):
        read_reporting(tmp_path, web01={"history": "postgresql://db/x"})
    for word in ("sqlite", "off"):
        assert read_reporting(tmp_path, web01={"history": word})["history"] == word


def read_reporting(tmp_path: Path, **variables: dict[str, Any]) -> Any:
    hosts = [HostVariables(name, {}, {}, ".") for name in variables]
    of_hosts = {name: restrictions(**values) for name, values in variables.items()}
    return module.collect_report_settings(hosts, of_hosts, tmp_path)


SERVED = {"format": "rpz", "directory": "/srv/rpz", "group": "lab"}
REPORTED = {"exports": ["csv"], "exports_fed": ["nft", SERVED], "history": "off", "history_keep": "1d"}
REPORTED |= {"reports_keep": "2d", "stale_after": "1h", "observe_timeout": "2m", "round": "7"}
REPORTING = {"exports": ["csv"], "exports_fed": [SERVED], "events": {}, "round": "7", "history": "off", "baseline": ""}
REPORTING |= {"history_keep": 86400, "reports_keep": 2 * 86400, "observe_timeout": {"usual": 120, "hosts": {}}}
REPORTING |= {"stale_after": {"usual": 3600, "hosts": {"c": 7200}}}


def test_report_has_one_value_for_all_hosts_or_names_those_that_differ(tmp_path):
    others = {"stale_after": "2h", "exports_fed": []}
    assert read_reporting(tmp_path, a=REPORTED, b=REPORTED, c={**REPORTED, **others}) == REPORTING
    usual = read_reporting(tmp_path)
    assert (usual["history"], usual["stale_after"]) == ("sqlite", {"usual": 3 * 86400, "hosts": {}})
    assert module.get_common_setting("exports_key", [], {}) == ""
    error = get_mistake(read_reporting, tmp_path, a={}, b={}, c={"history": "off"})
    assert (error.key, error.found_value) == ("proscribe_history", "off")
    assert error.expected == "the same for all hosts of a run; a has 'sqlite', c 'off'"


@pytest.mark.parametrize("baseline", ["latest", "20261125T080000Z"])
def test_a_run_to_compare_with_has_to_be_there(tmp_path, baseline):
    error = get_mistake(read_reporting, tmp_path, a={"gate_baseline": baseline})
    assert (error.key, error.found_value) == ("proscribe_gate_baseline", baseline)
    assert error.expected.startswith("an earlier run to compare with: ")


APPS: Any = {"mode": "enforce", "services": {"owl": {}, "crow": {}}, "nothing_known": ["dodo"]}
DNS: Any = {"mode": "audit", "services": {"owl": {}}, "nothing_known": ["dodo", "crow"]}
PLAN: Any = {"controls": {"apps": APPS, "dns": DNS, "browser": {"mode": "audit", "services": {}}}, "browsers": ["fox"]}


def test_the_rules_of_a_plan_are_counted():
    counts = [module.count_rules(PLAN, controls) for controls in ([], ["apps"], ["dns", "browser"], ["apps", "dns"])]
    assert counts == [0, 3, 3, 6]
    known = [module.list_rules_without_identifiers(PLAN, controls) for controls in (["dns", "apps"], ["browser"])]
    assert known == [["apps/dodo", "dns/dodo", "dns/crow"], []]


def test_the_policy_of_each_control_is_named_by_all_that_it_is_made_from():
    result = module.summarise_policies({**PLAN, "group_policy": {"x": 1}, "watch": {"y": 2}})
    modes = {"apps": "enforce", "browser": "audit", "dns": "audit", "firewall": "off"}
    beside = {"group_policy": "enforce", "watch": "enforce"}
    assert {name: policy["mode"] for name, policy in result.items()} == {**modes, **beside}
    assert result["firewall"]["policy"] is None and len({policy["policy"] for policy in result.values()}) == 6
    assert all(len(policy["policy"]) == 23 for name, policy in result.items() if name != "firewall")

    def find_changed(**changes: Any) -> set[str]:
        changed = module.summarise_policies({**PLAN, **changes})
        return {name for name in modes if changed[name] != result[name]}

    assert find_changed(watch={"y": 3}, contact="x") == set()
    assert find_changed(browsers=["other"]) == {"apps", "browser", "dns"}
    assert find_changed(controls={**PLAN["controls"], "dns": {**DNS, "services": {}}}) == {"dns"}


# -- selection
DEVICES = "network_cli httpapi netconf grpc napalm persistent"


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        *(({"ansible_connection": f"a.b.{plugin}"}, "a network device (") for plugin in DEVICES.split()),
        *(({"ansible_connection": plugin}, "a Windows host (ansible_connection: ") for plugin in ("winrm", "psrp")),
        ({"ansible_shell_type": "cmd"}, "a Windows host (ansible_shell_type: cmd)"),
        ({"ansible_shell_type": "ansible.builtin.PowerShell"}, "a Windows host (ansible_shell_type: ansible.builtin."),
        # `local` reaches the controller: if Proscribe observed it, the result would count as that of the switch.
        ({"ansible_connection": "local", "ansible_network_os": "ios"}, "a network device (ansible_network_os: ios)"),
        ({"ansible_connection": "ssh", "ansible_network_os": "ios"}, ""),
    ],
)
def test_host_that_is_not_served_is_recognised_by_its_variables(variables, reason):
    explained = explain_unserved_host(variables)
    assert explained.startswith(reason) and bool(explained) == bool(reason)
    assert is_windows(variables) == reason.startswith("a Windows host")
    assert not is_windows({**variables, "ansible_connection": "local"})


def select(*hosts: tuple[str, Any, str], observes: bool = False) -> host_selection.HostSelection:
    """Select from hosts, each of (name, proscribe_hosts, reason why it is not served)."""
    patterns = {name: {"proscribe_hosts": pattern} if pattern else {} for name, pattern, _ in hosts}
    variables = [
        HostVariables(name, patterns[name], {}, ".", unserved_reason=why, is_windows="Win" in why)
        for name, _, why in hosts
    ]

    def matching(pattern: str) -> set[str]:
        if pattern == "!":
            raise AnsibleError("no pattern")
        return {host.name for host in variables if fnmatch.fnmatch(host.name, pattern)}

    return host_selection.choose_hosts(variables, matching, observes)


def test_pattern_selects_served_hosts_and_lists_the_others():
    result = select(("web1", "web*", ""), ("web2", "web*", "a Windows host"), ("db1", "web*", "a network device"))
    assert (result.names, result.not_served, result.pattern) == (["web1"], {"web2": "a Windows host"}, "web*")


def read_managers(text: str, file: Path) -> tuple[InventoryManager, HostVars]:
    file.write_text(text, "utf-8")
    hostvars = read_hostvars(file)
    return hostvars._inventory, hostvars


def test_a_pattern_is_about_the_whole_inventory_whichever_hosts_a_play_has(tmp_path):
    """With --limit and serial Ansible knows fewer hosts. Proscribe still has to report what they leave out of a run."""
    fleet = "all: {vars: {proscribe_hosts: 'web*'}, hosts: {web1: , web2: , web3: , db1: }}\n"
    inventory, hostvars = read_managers(fleet, tmp_path / "hosts.yml")
    inventory.subset("web1:web2")
    inventory.restrict_to_hosts([inventory.get_host("web2")])
    result = host_selection.select_hosts(["web2", "db1"], hostvars)
    assert (result.names, result.chosen_hosts) == (["web2"], frozenset(("web1", "web2", "web3")))


def test_audience_has_hosts_that_proscribe_does_not_serve(tmp_path):
    windows, switch = "{ansible_connection: winrm}", "{ansible_connection: network_cli}"
    fleet = f"all: {{hosts: {{web1: , desk1: {windows}, sw1: {switch}}}}}\n"
    _, hostvars = read_managers(fleet, tmp_path / "hosts.yml")
    names = ["web1", "desk1", "sw1"]
    everybody = host_selection.select_audience(names, hostvars)
    assert (everybody.names, everybody.not_served, everybody.pattern) == (names, {}, "all")
    assert host_selection.select_hosts(names, hostvars, observes=True).names == ["web1", "desk1"]
    assert host_selection.select_hosts(names, hostvars).names == ["web1"], "a run that only changes hosts"


@pytest.mark.parametrize(
    ("hosts", "message"),
    [
        ([("web1", "nosuch", "")], "web1: proscribe_hosts: found 'nosuch', expected a pattern that fits a host"),
        ([("web1", "!", "")], "web1: proscribe_hosts: found '!', expected a pattern as --limit takes it (no pattern)"),
        ([("web1", "web*", ""), ("web2", "db*", "")], "web2: proscribe_hosts: found 'db*', expected the same for all"),
        ([("web1", "web*", ""), ("web2", None, ""), ("db1", "db*", "")], "web2: proscribe_hosts: found 'all'"),
    ],
)
def test_a_pattern_that_chooses_nobody_or_not_the_same_for_all_is_a_mistake(hosts, message):
    assert str(get_mistake(select, *hosts)).startswith(f"host {message}")


# -- folders of a policy
class Made:
    """A project with two inventories, of which the first names the hosts, and folders in them."""

    def __init__(self, root: Path, *there: str) -> None:
        self.root = root
        for folder in ("project", "fleet", "second", *there):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / "fleet/hosts.yml").touch()
        self.host = self.named("h1")

    def named(self, name: str) -> HostVariables:
        return HostVariables(name, {}, {}, str(self.root / "fleet"))

    def question(self) -> CompileInput:
        sources = [str(self.root / "fleet/hosts.yml"), str(self.root / "second")]
        return CompileInput(self.root / "project", "audit", "audit", sources, "", [], [self.host], {})

    def shown(self, folders: list[Path] | tuple[Path, ...]) -> list[str]:
        return [str(folder.relative_to(self.root)) for folder in folders]


@pytest.mark.parametrize(
    ("there", "found"),
    [
        (["fleet/own"], ["project/catalog", "fleet/own"]),
        (["second/own"], ["project/catalog", "second/own"]),
        (["project/own"], ["project/catalog", "project/own"]),
        (["fleet/own", "second/own"], ["project/catalog", "fleet/own"]),
        (["fleet/own", "project/own"], "a path that is one folder, not both {0}/fleet/own and {0}/project/own"),
        ([], "a directory with <category>/<id>.yml files: {0}/fleet/own or {0}/second/own or {0}/project/own"),
    ],
)
def test_an_organisations_own_catalogue(there, found, tmp_path):
    made = Made(tmp_path, *there)
    own = restrictions(catalog_dirs=["own"])
    if isinstance(found, list):
        assert made.shown(policy_folders.find_catalogue_folders(made.question(), made.host, own)) == found
        return
    error = get_mistake(policy_folders.find_catalogue_folders, made.question(), made.host, own)
    assert (error.location, error.key, error.found_value) == ("host h1", "proscribe_catalog_dirs", "own")
    assert error.expected.startswith(found.format(tmp_path))


def test_a_catalogue_in_the_place_of_the_projects_own(tmp_path):
    made = Made(tmp_path, "fleet/ours", "project/more")
    assert policy_folders.list_possible_places("/own", made.question(), made.host) == [Path("/own")]
    own = restrictions(catalog="ours", catalog_dirs=["more"])
    folders = policy_folders.find_catalogue_folders(made.question(), made.host, own)
    assert made.shown(folders) == ["fleet/ours", "project/more"]
    with pytest.raises(PolicyErrors, match="proscribe_catalog: found 'nosuch', expected a directory with <category>"):
        policy_folders.find_catalogue_folders(made.question(), made.host, restrictions(catalog="nosuch"))


def test_folders_of_waivers_and_the_registers_beside_them(tmp_path):
    made = Made(tmp_path, "second/waivers", "project/department/waivers")
    (tmp_path / "project/again").symlink_to("department/waivers")
    question = made.question()
    question.hosts.extend(map(made.named, ("h2", "h3", "h4")))
    named = {"h1": "department/waivers", "h2": "again", "h3": ""}  # and of h4 nothing is known
    own = {name: restrictions(waivers_dir=folder) for name, folder in named.items()}
    department = "project/department"
    assert made.shown(policy_folders.find_waiver_folders(question, own)) == [f"{department}/waivers", "second/waivers"]
    assert made.shown(policy_folders.find_approver_folders(question, own)) == [department, "fleet", "second"]
    assert policy_folders.choose_new_waiver_folder(question, own) == tmp_path / department / "waivers"
    assert policy_folders.choose_new_waiver_folder(question, {}) == tmp_path / "fleet/waivers", "which is not there yet"
    with pytest.raises(PolicyErrors, match="proscribe_waivers_dir: found 'x'"):
        policy_folders.find_waiver_folders(question, {"h2": restrictions(waivers_dir="x")})


# -- places of variables
VALUES = """\
proscribe_controls:
  apps: enforce
  dns:
    - audit
    - wrong
proscribe_zone: desks
proscribe_end_grace: 5
"""
NEAREST_LINES = [
    ("proscribe_controls", "", None, 1),
    ("proscribe_controls", ".apps", None, 2),
    ("proscribe_controls", ".dns[1]", None, 5),
    ("proscribe_controls", ".dns", "wrong", 5),
    ("proscribe_controls", ".dns[7]", None, 4),  # an item that is not there: its list
    ("proscribe_controls", ".browser", None, 1),
    ("proscribe_zone", "[2]", None, 6),  # a text has no items, though it has letters
    ("proscribe_end_grace", "[0]", None, 7),
]


@pytest.mark.parametrize(("variable", "steps", "wrong", "line"), NEAREST_LINES)
def test_the_nearest_place_that_is_known(tmp_path, variable, steps, wrong, line):
    file = tmp_path / "all.yml"
    file.write_text(VALUES)
    values = DataLoader().load_from_file(str(file))
    (key,) = (key for key in values if key == variable)
    assert locate_part(key, values[variable], steps, wrong) == f"{file}:{line}"


X = "proscribe_x"
FOLDERS = ("fleet", "second", "play")
# Where one variable can stand, the place with the last word last; in an inventory, with what is around it there.
PLACES = {
    "fleet/1.yml": "all: {{vars: {}}}",
    "fleet/2.yml": "all: {{children: {{web: {{vars: {}}}}}}}",
    **{f"{folder}/group_vars/{group}.yml": "{}" for group in ("all", "web") for folder in FOLDERS},
    "fleet/3.yml": "all: {{hosts: {{h1: {}}}}}",
    **{f"{folder}/host_vars/h1.yml": "{}" for folder in FOLDERS},
    "extra.yml": "{}",
}
FLEET = "all: {children: {web: {hosts: {h1: , h2: }}, other: {hosts: {h2: }}}}"


@pytest.mark.parametrize(("one", "other"), [*itertools.pairwise(PLACES), ("fleet/1.yml", "extra.yml")])
def test_the_place_with_the_last_word_is_named(one, other, tmp_path):
    loader = DataLoader()
    files = {"fleet/hosts.yml": FLEET, "second/hosts.yml": "all: {}", "play/play.yml": "[]"}
    files |= {place: PLACES[place].format(f"{{{X}: {place}}}") for place in (one, other)}
    write_files(tmp_path, {name: f"---\n{text}\n" for name, text in files.items()})
    loader.set_basedir(str(tmp_path / "play"))
    hostvars = read_hostvars(tmp_path / "fleet", tmp_path / "second", loader=loader)
    if other == "extra.yml":
        hostvars._variable_manager._extra_vars = loader.load_from_file(str(tmp_path / other))
    assert hostvars.raw_get("h1")[X] == other, "as Ansible has it"
    assert find_setting_place(hostvars, "h1", X) == f"{tmp_path}/{other}:2"
    assert find_setting_place(hostvars, "h1", "proscribe_y") == find_setting_place(hostvars, "nobody", X) == ""


def test_a_source_with_a_comma_is_a_path_where_it_is_there(tmp_path):
    (tmp_path / "a, b").mkdir()
    sources = [str(tmp_path / name) for name in ("a, b", "c, d", "e")]
    assert list_source_paths(["web1,", *sources]) == [tmp_path / "a, b", tmp_path / "e"]


# -- the place of reports
USUAL = installation.PROJECT_DIRECTORY / "reports"


def build_hosts(folder: Path, *values: object) -> list[HostVariables]:
    return [
        HostVariables(f"web{number}", {} if value is None else {VARIABLE: value}, {}, str(folder))
        for number, value in enumerate(values, 1)
    ]


@pytest.fixture
def inventory(tmp_path):
    (tmp_path / "inventory" / "prod").mkdir(parents=True)
    (tmp_path / "inventory" / "prod" / "hosts.yml").touch()
    return tmp_path / "inventory" / "prod"


# what is named, what the environment has, and where that is, from the directory of the inventory
REPORTS_PLACES = [
    (None, "", None, "the usual place"),
    ("state", "", "state", "proscribe_reports of the inventory"),
    ("../../state", "", "../../state", "proscribe_reports of the inventory"),
    ("./a//b/../c", "", "a/c", "proscribe_reports of the inventory"),
    ("/srv/state", "", "/srv/state", "proscribe_reports of the inventory"),
    ("/srv/state", "/mnt/job", "/mnt/job", "PROSCRIBE_REPORTS"),
    (None, "/mnt/job", "/mnt/job", "PROSCRIBE_REPORTS"),
]


@pytest.mark.parametrize("place", REPORTS_PLACES)
@pytest.mark.parametrize("cwd", ["inventory", "elsewhere"])
def test_the_place_does_not_depend_on_where_one_starts(inventory, tmp_path, monkeypatch, place, cwd):
    value, environment, expected, named_by = place
    (tmp_path / "elsewhere" / "state").mkdir(parents=True)  # what is there has no say
    monkeypatch.chdir(tmp_path / cwd)
    variables = {"PROSCRIBE_REPORTS": environment} if environment else {}
    where = USUAL if expected is None else Path(os.path.normpath(inventory / expected))
    sources = [str(inventory / "hosts.yml")]
    assert find_reports_folder(build_hosts(inventory, value, value), sources, variables) == where
    assert find_reports_place(build_hosts(inventory, value), sources, environment=variables) == (where, named_by)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("a", "b"), "web2: proscribe_reports: found 'b', expected the same .*; web1 has 'a', web2 'b'"),
        (("a", None), "web2: proscribe_reports: found nothing, expected the same .*; web1 has 'a', web2 ''"),
        (("",), "web1: proscribe_reports: found nothing, expected a directory's path"),
        (("a\x1b[2J",), r"found 'a\\x1b\[2J', expected a directory's path"),
        (("é" * 128,), "each name in it of at most 255 bytes"),
    ],
)
def test_wrong_place_of_reports_is_refused(inventory, values, message):
    with pytest.raises(PolicyErrors, match=message):
        find_reports_folder(build_hosts(inventory, *values), [str(inventory)], {})


def test_a_run_needs_a_place_in_which_it_can_write(inventory, monkeypatch):
    source = str(inventory / "hosts.yml")
    (inventory / "file").touch()
    (inventory / "link").symlink_to("nowhere")
    expected = "a directory in which this account can write; "
    for named in ("file", "file/below/it", "link"):
        hosts = build_hosts(inventory, named, named)
        error = get_mistake(require_reports_folder, hosts, [source], {})
        assert (error.location, error.key, error.found_value) == ("host web1", "proscribe_reports", named)
        assert error.expected == f"{expected}{inventory / named.partition('/')[0]} is no directory"
        assert str(require_reports_folder(hosts, [source], {"PROSCRIBE_REPORTS": "/mnt/job"})) == "/mnt/job"
    monkeypatch.setattr(os, "access", lambda path, mode: (str(path), mode) != (str(inventory), os.W_OK | os.X_OK))
    error = get_mistake(require_reports_folder, build_hosts(inventory, "new/one"), [source], {})
    assert error.expected == f"{expected}{inventory} is not writable for it"
    assert not (inventory / "new").exists(), "nothing was made"


def test_a_run_refuses_a_place_that_ansible_would_read_as_hosts(inventory):
    hosts = build_hosts(inventory, "reports")
    with pytest.raises(PolicyErrors, match=f"found 'reports', .*not read as hosts, and {inventory}/reports is inside"):
        require_reports_folder(hosts, [str(inventory)], {})
    beside = build_hosts(inventory, "../reports")
    assert require_reports_folder(beside, [str(inventory)], {}) == inventory.parent / "reports"
    assert require_reports_folder(hosts, [str(inventory / "hosts.yml")], {}) == inventory / "reports"


@pytest.mark.parametrize("project", [None, Path("/srv/project")])
def test_place_of_reports_without_an_inventory_on_the_disk(monkeypatch, project):
    monkeypatch.setattr(installation, "locate_user_project", lambda: project)
    hosts = build_hosts(Path(), "../state")
    assert find_reports_folder(hosts, ["web1,web2"], {}) == (project or installation.PROJECT_DIRECTORY).parent / "state"
    assert guess_reports_folder(hosts, ["web1,web2"]) == (project or installation.PROJECT_DIRECTORY).parent / "state"
    assert guess_reports_folder(build_hosts(Path(), "a", "b"), ["web1,web2"]) == installation.locate_reports()
    assert find_reports_place([], [], "; or x", {}) == (installation.locate_reports({}), "the usual place; or x")
    wrong = PolicyError("all.yml:1", VARIABLE, "{{ x }}", "y"), PolicyError("all.yml:2", "proscribe_zone", "", "y")
    assert get_mistake(find_reports_folder, [HostVariables("web1", {}, {}, ".", errors=wrong)], [], {}) == wrong[0]
