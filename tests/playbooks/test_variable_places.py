"""Every place in which Ansible lets a team put a variable: its own precedence decides, or the run is refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from checkout import PROJECT, install_collection, read_records
from organisation import PATHS, ROLES, Organisation

pytestmark = [pytest.mark.playbook, pytest.mark.slow]

BAN = "proscribe_services_include"
INVENTORY = "signal"  # what it bans for all hosts; each place bans another
OF_PLACE = "slack"
SAYS = f"{BAN}: [{OF_PLACE}]\n"
OWN = f"{{{BAN}: [{OF_PLACE}]}}"
OF_HOST, OF_GROUP = f"all:\n  hosts:\n    one: {OWN}\n", f"department:\n  vars: {OWN}\n"
PROMPT = f"  vars_prompt: [{{name: asked, default: {OF_PLACE}}}]\n  vars: {{{BAN}: ['{{{{ asked }}}}']}}\n"
FILES = "  vars_files: ['policy/{{ inventory_hostname }}.yml']\n"
USES = {  # how a team uses a role of Proscribe's, in a play of its own
    "roles": "  roles:\n    - role: {role}\n",
    "import_role": "  tasks:\n    - import_role: {{name: {role}}}\n",
    "include_role": "  tasks:\n    - include_role: {{name: {role}}}\n",
}
PLAY = "- hosts: one\n  gather_facts: false\n"
COMPILING = f"compile_plans: {{mode: audit}}, run_once: true, vars: {OWN}, register: proscribe_compiled"
ONE_ROLE = f"  roles:\n    - dns_filter\n    - {{role: restricted_apps, vars: {OWN}}}\n"


class Place(NamedTuple):
    files: Mapping[str, str] = {}
    head: str = ""  # of the play
    before: str = ""  # a task before the role
    at: str = ""  # at the role, deeper by so many spaces
    options: tuple[str, ...] = ()


# By the numbers of Ansible's list (docs.ansible.com, "Understanding variable precedence"); 1 are options, no variables.
PLACES = {
    "2 defaults of a role": Place({"roles/wraps/defaults/main.yml": SAYS}),
    "3 group vars in the inventory": Place({"more.yml": OF_GROUP}, options=("-i", "more.yml")),
    "4 group_vars/all beside the inventory": Place({"group_vars/all.yml": SAYS}),
    "5 group_vars/all beside the playbook": Place({"plays/group_vars/all.yml": SAYS}),
    "6 group_vars of a group beside the inventory": Place({"group_vars/department.yml": SAYS}),
    "7 group_vars of a group beside the playbook": Place({"plays/group_vars/department/ban.yml": SAYS}),
    "8 host vars in the inventory": Place({"more.yml": OF_HOST}, options=("-i", "more.yml")),
    "9 host_vars beside the inventory": Place({"host_vars/one.yml": SAYS}),
    "10 host_vars beside the playbook": Place({"plays/host_vars/one.yml": SAYS}),
    "12 vars of the play": Place(head=f"  vars: {OWN}\n"),
    "13 vars_prompt": Place(head=PROMPT),
    "14 vars_files": Place({"plays/policy/one.yml": SAYS}, head=FILES),
    "15 vars of a role": Place({"roles/wraps/vars/main.yml": SAYS}),
    "16 vars of a block": Place(at="block"),
    "17 vars of the task": Place(at="vars"),
    "18 include_vars": Place({"plays/vars/ban.yml": SAYS}, before="    - include_vars: ban.yml\n"),
    "19 set_fact": Place(before=f"    - set_fact: {OWN}\n"),
    "20 parameters of a role": Place(at="parameter"),
    "22 extra variables": Place(options=("-e", f'{{"{BAN}": ["{OF_PLACE}"]}}')),
}
# A place that the inventory's own for all hosts counts before, and one that a use of a role does not have.
WEAKER = {"2 defaults of a role"}
LACKING = dict.fromkeys(("import_role", "include_role"), {"20 parameters of a role"})
LACKING["roles"] = {"16 vars of a block"}


def play(use, place, role):
    _, head, before, at, _ = PLACES[place]
    used = USES[use].format(role=role)
    if at == "parameter":
        used += f"      {SAYS}"
    elif at == "vars":
        used += f"      vars: {OWN}\n"
    elif at == "block":
        used = used.replace("    - ", f"    - vars: {OWN}\n      block:\n        - ", 1)
    if before and use == "roles":
        used = f"  pre_tasks:\n{before}{used}"
    elif before:
        used = used.replace("  tasks:\n", f"  tasks:\n{before}")
    return PLAY + head + used


@pytest.fixture
def organisation(tmp_path):
    made = Organisation(tmp_path)
    made.inventory(enforced="", proscribe_categories="[]", **{BAN: f"[{INVENTORY}]"})
    (tmp_path / "hosts.yml").write_text((tmp_path / "hosts.yml").read_text().replace("dns: 'off'", "dns: audit"))
    return made


def wrapped(organisation, files, role):
    """Write files; the role to use: a team's own that depends on ours where one of the files is of such a role."""
    for path, text in files.items():
        (organisation.directory / path).parent.mkdir(parents=True, exist_ok=True)
        (organisation.directory / path).write_text(text)
    if not any(path.startswith("roles/wraps/") for path in files):
        return role
    (organisation.directory / "roles/wraps/meta").mkdir(parents=True)
    (organisation.directory / "roles/wraps/meta/main.yml").write_text(f"dependencies: [{role}]\n")
    return "wraps"


def banned(organisation):
    """The services of the rules that the newest report has of the host."""
    rules = read_records(organisation.reports, "newest")["one"]["rules"]
    return {rule["rule"].partition("/")[2] for rule in rules} & {INVENTORY, OF_PLACE}


def run(organisation, playbook, config=ROLES, *options):
    organisation.configured("", config)
    ended = organisation.run(organisation.playbook(playbook), "--check", *options)
    assert ended.code == 2, ended.said
    assert not (organisation.reports / "newest").exists(), "no host was observed"
    return " ".join(ended.said.split())


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("use", "place"), [(use, place) for use in USES for place in PLACES if place not in LACKING[use]]
)
def test_a_role_counts_what_ansible_counts(organisation, use, place):
    organisation.configured("", f"roles_path = {organisation.directory / 'roles'}:{PROJECT / 'roles'}\n")
    role = wrapped(organisation, PLACES[place].files, "dns_filter")
    (organisation.directory / "plays").mkdir(exist_ok=True)
    playbook = organisation.playbook(play(use, place, role), "plays/site.yml")
    ended = organisation.run(playbook, "--check", *PLACES[place].options)
    assert ended.code == 0, ended.said
    assert banned(organisation) == {INVENTORY if place in WEAKER else OF_PLACE}, ended.said


def imported(more="", playbook=str(PROJECT / "playbooks/audit.yml")):
    return f"- import_playbook: {playbook}\n{more}"


@pytest.mark.parametrize(
    "text", [f"{PLAY}  tasks: [{{{COMPILING}}}, {{compliance_state: }}]\n", imported(f"  vars: {OWN}\n")]
)
def test_variables_of_a_task_that_compiles_and_of_an_imported_playbook_count(organisation, text):
    organisation.configured("", PATHS)
    ended = organisation.run(organisation.playbook(text), "--limit", "one")
    assert ended.code == 0, ended.said
    assert banned(organisation) == {OF_PLACE}


@pytest.fixture(scope="module")
def collections(tmp_path_factory):
    return install_collection(tmp_path_factory.mktemp("collections"))


@pytest.mark.parametrize("named", ["an imported playbook", "an imported FQCN", "an FQCN"])
def test_variable_files_that_ansible_does_not_read_are_refused(organisation, collections, named):
    organisation.configured("", f"{PATHS}collections_path = {collections}\n")
    vault = "$ANSIBLE_VAULT;1.1;AES256\n3030\n"  # which this run cannot open, and does not need
    wrapped(organisation, {"team/group_vars/all.yml": SAYS, "team/group_vars/elsewhere.yml": vault}, "")
    text = imported() if named == "an imported playbook" else imported(playbook="proscribe.ban.audit")
    playbook = organisation.playbook(text, "team/site.yml")
    if named == "an FQCN":
        organisation.directory /= "team"
        organisation.source = "../hosts.yml"
        (organisation.directory / "ansible.cfg").write_text(f"[defaults]\ncollections_path = {collections}\n")
        playbook = Path("proscribe.ban.audit")
    ended = organisation.run(playbook)
    said = " ".join(ended.said.split())
    assert (ended.code, "no host was touched" in said) == (2, True), ended.said
    assert f"team/group_vars/all.yml:1: {BAN}: found a list, expected nothing of Proscribe's there" in said
    assert "Set it beside the inventory" in said


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (f"  vars: {{{BAN}s: [slack]}}\n  roles: [dns_filter]\n", f"{BAN}s"),
        (f"  tasks: [{{include_role: {{name: dns_filter}}, vars: {{{BAN}s: [slack]}}}}]\n", f"{BAN}s"),
        (ONE_ROLE, f"site.yml:5: {BAN}: found a list, expected the same for all roles of the play"),
    ],
)
def test_variable_mistyped_in_a_play_or_for_one_role_is_refused(organisation, body, message):
    assert message in run(organisation, PLAY + body)


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("- include_role: {name: restricted_apps}\n", "this role is for apps"),
        (f"- include_role: {{name: dns_filter}}\n  vars: {OWN}\n", f"this role has its own {BAN}"),
    ],
)
def test_a_role_of_which_nobody_could_know_is_not_passed_over(organisation, task, reason):
    organisation.configured("", ROLES)
    (organisation.directory / "more.yml").write_text(task)
    text = f"{PLAY}  tasks: [{{include_role: {{name: dns_filter}}}}, {{include_tasks: more.yml}}]\n"
    ended = organisation.run(organisation.playbook(text), "--check")
    assert ended.code == 2, ended.said
    assert reason in ended.said and "expected all roles" in " ".join(ended.said.split())


@pytest.mark.parametrize(
    ("playbook", "more", "options", "wrong"),
    [
        ("explain", f"  vars: {{explain_name: slack, {BAN}: [slack]}}\n", (), "expected it in the inventory"),
        ("schedule", "", ("-e", f'{{"{BAN}": ["slack"]}}'), "scheduled runs do not get this -e"),
    ],
)
def test_playbook_that_reads_the_inventory_alone_refuses_variables_elsewhere(
    organisation, playbook, more, options, wrong
):
    said = run(organisation, imported(more, f"{PROJECT}/playbooks/{playbook}.yml"), PATHS, *options)
    assert f"{BAN}: found a list" in said and wrong in said
