"""The files of a new policy repository, made from examples/policy-repository and the answers of `./proscribe init`.

Files that are the same for every team are copied from the example. The other files combine the data of the example with
the answers. Texts of the user enter YAML only through the YAML writer, so that they cannot change its structure.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ....model.plan import CONTROLS
from ....model.tenants import read_tenant
from ....model.types.plan import TenantEntry
from ....wire import installation
from ...compile.restrictions import PREFIX, RESTRICTIONS
from ...compile.waivers.signatures import NAMESPACE
from ...report.text.shell_commands import ShellCommand
from .answers import SetupAnswers
from .existing_inventory import POLICY_FOLDER
from .yaml_text import LiteralText, format_yaml, read_comments

EXAMPLE_DIRECTORY = installation.PROJECT_DIRECTORY / "examples/policy-repository"
EXAMPLE_COLLECTION = "proscribe.ban"  # name of the collection in the example
UNCHANGED_FILES = (
    *(".ansible-lint", ".gitignore", "requirements.txt"),
    *(f"molecule/default/{name}.yml" for name in ("collections", "prepare", "converge", "verify")),
    "inventory/prod/waivers/.gitkeep",
)
PIPELINE_FILES = {"github": (".github/workflows/policy.yml",), "gitlab": (".gitlab-ci.yml",), "none": ()}
DIFF_SCRIPT = "ci/diff"
DIFF_COMMAND = 'diff "$1"'  # the command in DIFF_SCRIPT that may get another option
COMMENT_SCRIPTS = ("ci/comment.py", DIFF_SCRIPT)  # needed by pipelines of GitHub and of GitLab
HOSTS_FILE = "inventory/prod/hosts.yml"
VARIABLES_FILE = "inventory/prod/group_vars/all.yml"
APPROVERS_FILE = "inventory/prod/approvers.yml"
TABLE_FILES = ("expectations.yml", "exceptions.yml")
MOLECULE_FILE = "molecule/default/molecule.yml"
# This option is removed from the pipelines. At first all controls only audit, so it would fail them every morning.
GATE_OPTION = " -e proscribe_compliance_gate=incomplete"
MAX_PLATFORMS = 2  # most throw-away hosts of the Molecule scenario, as in the example
LOCAL_INVENTORY = {"all": {"hosts": {"localhost": {"ansible_connection": "local"}}}}
PLACEHOLDER_GROUP = "all"  # the group in approvers.yml until the team names departments
AUDIT_COMMENT = "# Each control reports and changes nothing, until it is on enforce: the README says when.\n"
TENANT_COMMENT = (
    "# A tenant of Microsoft has an id and domains: {id: <tenant id>, domains: [example.org]}. Exports need both.\n"
)
UNNAMED_COMMENT = (
    "# Nobody is named where the value is missing: nobody can approve there, and every run says so. Put `{head: NAME}`"
    " there.\n"
)
PLACEHOLDER_COMMENT = "# `all` stands for your departments until you name them: groups of the inventory.\n"
TABLE_COMMENT = (
    "# `audited` becomes `blocked` in the change that enforces, `upcoming` becomes `audited` on the first day.\n"
)
MARKDOWN_PATTERN = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$])")


def read_example(name: str, folder: str = POLICY_FOLDER) -> str:
    """Return the text of a file of examples/policy-repository, adapted to the new repository.

    `folder` replaces the example's directory of the policy. If this code is an installed collection, its name replaces
    the example's collection.
    """
    text = (EXAMPLE_DIRECTORY / name).read_text(encoding="utf-8").replace(POLICY_FOLDER, folder)
    collection = installation.COLLECTION or EXAMPLE_COLLECTION
    return text.replace(EXAMPLE_COLLECTION, collection).replace(
        EXAMPLE_COLLECTION.replace(".", "/"), collection.replace(".", "/")
    )


def _load_example(name: str, folder: str = POLICY_FOLDER) -> Any:
    return yaml.safe_load(read_example(name, folder))


def make_files(
    answers: SetupAnswers,
    departments: Mapping[str, Sequence[str]],
    requirement: Mapping[str, str],
    folder: str = POLICY_FOLDER,
) -> dict[str, str]:
    """Return the texts of all files of a new policy repository by path, except the tables of expectations.

    `departments` has the hosts of each department; no hosts if an existing inventory has them. `requirement` is the
    entry of requirements.yml for the collection. `folder` is the directory of the policy's files.
    """
    pipeline = PIPELINE_FILES[answers.ci]
    texts = {name: read_example(name, folder) for name in (*UNCHANGED_FILES, *(COMMENT_SCRIPTS if pipeline else ()))}
    texts.update((name, read_example(name, folder).replace(GATE_OPTION, "")) for name in pipeline)
    approvers = _make_approvers(answers, list(departments))
    groups: dict[str, Any] = {
        name: {"hosts": dict.fromkeys(hosts)} if hosts else {} for name, hosts in departments.items()
    }
    sources = ",".join(filter(None, (answers.inventory, f"{folder}/hosts.yml")))
    values: dict[str, object] = {
        "ansible.cfg": read_example("ansible.cfg").replace(HOSTS_FILE, sources),
        "site.yml": [play for play in _load_example("site.yml") if "import_playbook" in play],
        "requirements.yml": {"collections": [dict(requirement)]},
        HOSTS_FILE: groups or ({PLACEHOLDER_GROUP: {}} if answers.inventory else LOCAL_INVENTORY),
        VARIABLES_FILE: _make_restrictions(answers),
        APPROVERS_FILE: approvers,
        "inventory/prod/allowed_signers": _format_signers(answers),
        MOLECULE_FILE: _make_molecule_scenario(list(departments), folder),
    }
    approver_comments = "" if departments else PLACEHOLDER_COMMENT
    approver_comments += UNNAMED_COMMENT if None in approvers.values() else ""
    comments = {VARIABLES_FILE: AUDIT_COMMENT + _describe_tenants(answers), APPROVERS_FILE: approver_comments}
    for name, content in values.items():
        text = (
            content
            if isinstance(content, str)
            else format_yaml(content, read_comments(read_example(name)) + comments.get(name, ""))
        )
        texts[name] = text
    texts = {name.replace(POLICY_FOLDER, folder): text for name, text in texts.items()}
    # An inventory outside of the repository is in none of its revisions, so the comparison uses its present state.
    if pipeline and (inventory_path := Path(answers.inventory)).is_absolute():
        inventory_folder = inventory_path if inventory_path.is_dir() else inventory_path.parent
        texts[DIFF_SCRIPT] = texts[DIFF_SCRIPT].replace(
            DIFF_COMMAND, f"{DIFF_COMMAND} --as-now {shlex.quote(str(inventory_folder))}"
        )
    return {**texts, "README.md": _format_readme(answers, [*texts, *TABLE_FILES], departments, approvers, folder)}


def format_table(name: str, answers: Mapping[str, Mapping[str, Sequence[str]]]) -> str:
    """Return the YAML text of a table of expectations (`expectations.yml` or `exceptions.yml`).

    `answers` has for each group of hosts the names by the policy's answer, such as `{all: {blocked: [gmail.com]}}`.
    """
    return format_yaml(answers, read_comments(read_example(name)) + TABLE_COMMENT)


def list_example_names(name: str) -> list[str]:
    """Return the names in a table of expectations of the example, without those of the example's own services.

    The example's own services have names that end with `.example`.
    """
    table_names = [
        table_name for rows in _load_example(name).values() for names in rows.values() for table_name in names
    ]
    return [table_name for table_name in dict.fromkeys(table_names) if not table_name.endswith(".example")]


def _describe_tenants(answers: SetupAnswers) -> str:
    """Return a comment for the restrictions if an own tenant of Microsoft lacks its id or its domains; else ""."""
    microsoft_tenants = [read_tenant(entry) for provider, entry in answers.tenant if provider == "microsoft"]
    return "" if all(tenant.id and tenant.domains for tenant in microsoft_tenants) else TENANT_COMMENT


def _make_restrictions(answers: SetupAnswers) -> Mapping[str, object]:
    """Return the variables of the restrictions by name, made from the answers; empty values are left out."""
    tenants: dict[str, list[str | TenantEntry]] = {}
    for provider, name in answers.tenant:
        tenants.setdefault(provider, []).append(name)
    values = {
        "categories": list(answers.category),
        "effective_from": answers.first_day,
        "contact": LiteralText(answers.contact),
        "controls": dict.fromkeys(CONTROLS, "audit"),
        "tenants": tenants,
        # Without this variable, new waivers would be written beside the existing inventory, where no approver has a
        # key.
        "waivers_dir": "waivers" if answers.inventory else "",
        "waiver_signatures": "required",
    }
    return {PREFIX + name: setting for name, setting in values.items() if setting}


def _make_approvers(answers: SetupAnswers, departments: Sequence[str]) -> dict[str, dict[str, Any] | None]:
    """Return the content of approvers.yml: the head and the deputies of each department.

    The first approver of a department is its head. A department without an approver has the value None: nobody can
    approve there.
    """
    approver_list: dict[str, dict[str, Any] | None] = {}
    for department in departments or [PLACEHOLDER_GROUP]:
        approver_names = list(
            dict.fromkeys(approver.name for approver in answers.approver if approver.department in ("", department))
        )
        deputies = {"deputies": approver_names[1:]} if approver_names[1:] else {}
        approver_list[department] = {"head": approver_names[0], **deputies} if approver_names else None
    return approver_list


def _format_signers(answers: SetupAnswers) -> str:
    """Return the text of allowed_signers: the example's lines, then a line for each approver with a key."""
    keys = dict.fromkeys((approver.name, approver.key) for approver in answers.approver if approver.key)
    lines = [f'{name} namespaces="{NAMESPACE}" {key}\n' for name, key in keys]
    return read_example("inventory/prod/allowed_signers") + "".join(lines)


def _make_molecule_scenario(departments: Sequence[str], folder: str) -> object:
    """Return the data of molecule.yml: a scenario that enforces the whole policy on throw-away hosts.

    The first two departments have one such host each. The scenario sets all controls to `enforce`, also while the hosts
    of the inventory only audit.
    """
    scenario = _load_example(MOLECULE_FILE, folder)
    platform = scenario["platforms"][0]
    names = departments[:MAX_PLATFORMS] or [PLACEHOLDER_GROUP]
    scenario["platforms"] = [
        {**platform, "name": f"policy-{name.replace('_', '-')}", "groups": [name] if departments else []}
        for name in names
    ]
    options = scenario["provisioner"]["options"]
    variables = json.loads(options["extra-vars"])
    variables.pop("proscribe_catalog_dirs")  # a new repository has no catalogue of its own
    enforced_controls = dict.fromkeys(CONTROLS, "enforce")
    start_date = RESTRICTIONS["effective_from"].default
    options["extra-vars"] = json.dumps(
        {**variables, "proscribe_controls": enforced_controls, "proscribe_effective_from": start_date}
    )
    return scenario


def list_next_commands(answers: SetupAnswers, folder: str = POLICY_FOLDER) -> list[str]:
    """Return the next five commands that the operator types in the new repository, each as a line for a shell."""
    schedule_command = f"ansible-playbook {installation.COLLECTION}.drift"
    if not installation.COLLECTION:
        sources = filter(None, (answers.inventory, f"{folder}/hosts.yml"))
        options = [argument for source in sources for argument in ("-i", source)]
        schedule_command = ShellCommand(("sudo", installation.LAUNCHER_PATH, "schedule", *options)).line()
    collection = installation.COLLECTION or EXAMPLE_COLLECTION
    return [
        "python3 -m venv .venv && . .venv/bin/activate && pip install -r requirements.txt",
        "ansible-galaxy collection install -r requirements.yml -p collections",
        f"ansible-playbook {collection}.explain -e explain_expect=expectations.yml",
        f"ansible-playbook {collection}.audit",
        schedule_command,
    ]


COMMAND_PURPOSES = (
    "Ansible, ansible-lint and Molecule, in an environment of their own",
    "the collection",
    "compare the policy with the table; no host is touched",
    "report for every host; nothing is changed",
    "every night: audit; correct what is on enforce",
)


def _format_readme(
    answers: SetupAnswers,
    names: Sequence[str],
    departments: Mapping[str, Sequence[str]],
    approvers: Mapping[str, Mapping[str, Any] | None],
    folder: str,
) -> str:
    """Return the text of the README: files, next commands, and the sections of the example that apply.

    `names` are the paths of all files, and `approvers` is the content of approvers.yml. Names of the example, such as
    its department, are replaced by names of the new repository.
    """
    department = next((name for name, entry in approvers.items() if entry), next(iter(approvers)))
    local_hosts = () if departments or answers.inventory else tuple(LOCAL_INVENTORY["all"]["hosts"])
    host = (*departments.get(department, ()), *local_hosts, "HOST")[0]
    head_name = (approvers[department] or {"head": "HEAD"})["head"]
    title = MARKDOWN_PATTERN.sub(r"\\\1", answers.organisation)
    sections = ["Molecule", *(["Pipelines"] if answers.ci != "none" else []), "Waivers"]
    example = read_example("README.md", folder)
    replacements = {"press01.example.org": host, "head.of.press": head_name, "press": department}
    lines = [
        f"# The policy of {title}\n\nWhat is banned where, who is excepted, who approves. Proscribe itself comes as a"
        " collection.\n",
        *_select_file_rows(example, names),
        "\n## The next five commands\n\n```sh",
        *(
            f"{command}\n# ^ {purpose}"
            for command, purpose in zip(list_next_commands(answers, folder), COMMAND_PURPOSES, strict=True)
        ),
        "```\n",
        ENFORCE_SECTION.replace(POLICY_FOLDER, folder),
    ]
    for section in sections:
        section_match = re.search(rf"^## {section}\n.*?(?=^## |\Z)", example, re.MULTILINE | re.DOTALL)
        if section_match is None:
            raise LookupError(f"{EXAMPLE_DIRECTORY}/README.md has no section {section}")
        pattern = "|".join(rf"\b{re.escape(word)}\b" for word in replacements)
        text = re.sub(pattern, lambda word: replacements[word[0]], section_match[0]).rstrip() + "\n"
        if section == "Waivers" and None in approvers.values():
            text = text.replace("\n\n", f"\n\n{UNNAMED_NOTE.replace(POLICY_FOLDER, folder)}\n\n", 1)
        lines.append(text)
    return "\n".join(lines)


def _select_file_rows(example: str, names: Sequence[str]) -> Iterator[str]:
    """Yield the rows of the README's table of files that the new repository has, and the head of the table.

    `example` is the README of the example. `names` are the paths of the files in the new repository.
    """
    for row in re.findall(r"^\|.*\|$", example.partition("\n## ")[0], re.MULTILINE):
        file_names = re.findall(r"`([^`]+)`", row.split("|")[1])
        if not file_names or any(name.startswith(file_name) for file_name in file_names for name in names):
            yield row


UNNAMED_NOTE = (
    f"`{APPROVERS_FILE}` does not name everybody who approves yet. Put a head there for each department first."
)

ENFORCE_SECTION = f"""\
## Enforce it

Every control only audits at first. Read the report of the audit. Then set a control to `enforce` in
`{VARIABLES_FILE}`, and change `audited` to `blocked` in the tables, in one change: its comment
says what each host gets. See what it does on a host: `ansible-playbook site.yml --limit HOST --check --diff`.

`proscribe_compliance_gate: incomplete` in the same file makes the pipeline's audit fail for a host that is not as it
should be. Molecule enforces the whole policy on its throw-away hosts, also while yours only audits.
"""
