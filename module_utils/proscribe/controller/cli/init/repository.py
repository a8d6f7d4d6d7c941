"""The files of a team's policy repository, out of those of examples/policy-repository.

The example is the one source of them: what is the same for everybody is taken as it is, the rest is made from its data
and the answers. Values of a user go into YAML through its writer alone.
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
from ...report.text.command import Command
from .answers import Answers
from .existing import FOLDER
from .yaml_text import Literal, comments_of, document

EXAMPLE = installation.PROJECT_DIRECTORY / "examples/policy-repository"
NAMED = "proscribe.ban"  # the collection, as the example has it
AS_IT_IS = (
    *(".ansible-lint", ".gitignore", "requirements.txt"),
    *(f"molecule/default/{name}.yml" for name in ("collections", "prepare", "converge", "verify")),
    "inventory/prod/waivers/.gitkeep",
)
PIPELINE = {"github": (".github/workflows/policy.yml",), "gitlab": (".gitlab-ci.yml",), "none": ()}
DIFF = "ci/diff"
COMPARED = 'diff "$1"'  # the command in it
COMMENTS = ("ci/comment.py", DIFF)  # of any pipeline
HOSTS = "inventory/prod/hosts.yml"
VARIABLES = "inventory/prod/group_vars/all.yml"
APPROVERS = "inventory/prod/approvers.yml"
TABLES = ("expectations.yml", "exceptions.yml")
MOLECULE = "molecule/default/molecule.yml"
GATE = " -e proscribe_compliance_gate=incomplete"  # what only audits would fail every morning
MOST_PLATFORMS = 2  # throw-away hosts, as in the example
THIS_MACHINE = {"all": {"hosts": {"localhost": {"ansible_connection": "local"}}}}
NO_DEPARTMENTS = "all"  # stands for the departments that nobody has named
AUDITS = "# Each control reports and changes nothing, until it is on enforce: the README says when.\n"
INCOMPLETE_TENANT = (
    "# A tenant of Microsoft has an id and domains: {id: <tenant id>, domains: [example.org]}. Exports need both.\n"
)
NAMED_LATER = (
    "# Nobody is named where the value is missing: nobody can approve there, and every run says so. Put `{head: NAME}`"
    " there.\n"
)
NO_DEPARTMENTS_YET = "# `all` stands for your departments until you name them: groups of the inventory.\n"
BECOMES = "# `audited` becomes `blocked` in the change that enforces, `upcoming` becomes `audited` on the first day.\n"
MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$])")


def text_of(name: str, folder: str = FOLDER) -> str:
    """A file of the example, which names the collection and the policy's folder as they are called here."""
    text = (EXAMPLE / name).read_text(encoding="utf-8").replace(FOLDER, folder)
    here = installation.COLLECTION or NAMED
    return text.replace(NAMED, here).replace(NAMED.replace(".", "/"), here.replace(".", "/"))


def _data(name: str, folder: str = FOLDER) -> Any:
    return yaml.safe_load(text_of(name, folder))


def files(
    answers: Answers, departments: Mapping[str, Sequence[str]], requirement: Mapping[str, str], folder: str = FOLDER
) -> dict[str, str]:
    """The text of each file by its name, but for the tables. `departments` are the groups with their hosts, as this
    repository has them; `requirement` is what installs the collection; `folder` is the policy's.
    """
    pipeline = PIPELINE[answers.ci]
    made = {name: text_of(name, folder) for name in (*AS_IT_IS, *(COMMENTS if pipeline else ()))}
    made.update((name, text_of(name, folder).replace(GATE, "")) for name in pipeline)
    approvers = _approvers(answers, list(departments))
    groups: dict[str, Any] = {
        name: {"hosts": dict.fromkeys(hosts)} if hosts else {} for name, hosts in departments.items()
    }
    sources = ",".join(filter(None, (answers.inventory, f"{folder}/hosts.yml")))
    values: dict[str, object] = {
        "ansible.cfg": text_of("ansible.cfg").replace(HOSTS, sources),
        "site.yml": [play for play in _data("site.yml") if "import_playbook" in play],
        "requirements.yml": {"collections": [dict(requirement)]},
        HOSTS: groups or ({NO_DEPARTMENTS: {}} if answers.inventory else THIS_MACHINE),
        VARIABLES: _restrictions(answers),
        APPROVERS: approvers,
        "inventory/prod/allowed_signers": _signers(answers),
        MOLECULE: _molecule(list(departments), folder),
    }
    later = "" if departments else NO_DEPARTMENTS_YET
    later += NAMED_LATER if None in approvers.values() else ""
    comments = {VARIABLES: AUDITS + _note_on_tenants(answers), APPROVERS: later}
    for name, value in values.items():
        text = value if isinstance(value, str) else document(value, comments_of(text_of(name)) + comments.get(name, ""))
        made[name] = text
    made = {name.replace(FOLDER, folder): text for name, text in made.items()}
    if pipeline and (outside := Path(answers.inventory)).is_absolute():  # no revision of this repository has it
        folder_outside = outside if outside.is_dir() else outside.parent
        made[DIFF] = made[DIFF].replace(COMPARED, f"{COMPARED} --as-now {shlex.quote(str(folder_outside))}")
    return {**made, "README.md": _readme(answers, [*made, *TABLES], departments, approvers, folder)}


def table(name: str, answers: Mapping[str, Mapping[str, Sequence[str]]]) -> str:
    """A table of what the policy answers, by hosts and answer."""
    return document(answers, comments_of(text_of(name)) + BECOMES)


def names_of(name: str) -> list[str]:
    """The names that the example's table asks about; not those of the example's own services."""
    found = [one for rows in _data(name).values() for names in rows.values() for one in names]
    return [one for one in dict.fromkeys(found) if not one.endswith(".example")]


def _note_on_tenants(answers: Answers) -> str:
    own = [read_tenant(entry) for provider, entry in answers.tenant if provider == "microsoft"]
    return "" if all(tenant.id and tenant.domains for tenant in own) else INCOMPLETE_TENANT


def _restrictions(answers: Answers) -> Mapping[str, object]:
    tenants: dict[str, list[str | TenantEntry]] = {}
    for provider, name in answers.tenant:
        tenants.setdefault(provider, []).append(name)
    values = {
        "categories": list(answers.category),
        "effective_from": answers.first_day,
        "contact": Literal(answers.contact),
        "controls": dict.fromkeys(CONTROLS, "audit"),
        "tenants": tenants,
        # Else new waivers would go beside the inventory that was there, where no approver has a key.
        "waivers_dir": "waivers" if answers.inventory else "",
        "waiver_signatures": "required",
    }
    return {PREFIX + name: value for name, value in values.items() if value}


def _approvers(answers: Answers, departments: Sequence[str]) -> dict[str, dict[str, Any] | None]:
    """The approver list. A department for which nobody was named has no value, which grants nothing."""
    register: dict[str, dict[str, Any] | None] = {}
    for department in departments or [NO_DEPARTMENTS]:
        named = list(dict.fromkeys(one.name for one in answers.approver if one.department in ("", department)))
        deputies = {"deputies": named[1:]} if named[1:] else {}
        register[department] = {"head": named[0], **deputies} if named else None
    return register


def _signers(answers: Answers) -> str:
    keys = dict.fromkeys((one.name, one.key) for one in answers.approver if one.key)
    lines = [f'{name} namespaces="{NAMESPACE}" {key}\n' for name, key in keys]
    return text_of("inventory/prod/allowed_signers") + "".join(lines)


def _molecule(departments: Sequence[str], folder: str) -> object:
    """Two throw-away hosts, on which the whole policy is enforced, also while the hosts of the inventory only audit."""
    scenario = _data(MOLECULE, folder)
    platform = scenario["platforms"][0]
    names = departments[:MOST_PLATFORMS] or [NO_DEPARTMENTS]
    scenario["platforms"] = [
        {**platform, "name": f"policy-{name.replace('_', '-')}", "groups": [name] if departments else []}
        for name in names
    ]
    options = scenario["provisioner"]["options"]
    variables = json.loads(options["extra-vars"])
    variables.pop("proscribe_catalog_dirs")  # an own catalogue is named once it is there
    enforced = dict.fromkeys(CONTROLS, "enforce")
    since = RESTRICTIONS["effective_from"].default
    options["extra-vars"] = json.dumps({**variables, "proscribe_controls": enforced, "proscribe_effective_from": since})
    return scenario


def commands(answers: Answers, folder: str = FOLDER) -> list[str]:
    """The next five commands, which are typed in the repository."""
    scheduled = f"ansible-playbook {installation.COLLECTION}.drift"
    if not installation.COLLECTION:
        sources = filter(None, (answers.inventory, f"{folder}/hosts.yml"))
        options = [word for source in sources for word in ("-i", source)]
        scheduled = Command(("sudo", installation.LAUNCHER_PATH, "schedule", *options)).line()
    collection = installation.COLLECTION or NAMED
    return [
        "python3 -m venv .venv && . .venv/bin/activate && pip install -r requirements.txt",
        "ansible-galaxy collection install -r requirements.yml -p collections",
        f"ansible-playbook {collection}.explain -e explain_expect=expectations.yml",
        f"ansible-playbook {collection}.audit",
        scheduled,
    ]


COMMANDS_FOR = (
    "Ansible, ansible-lint and Molecule, in an environment of their own",
    "the collection",
    "compare the policy with the table; no host is touched",
    "report for every host; nothing is changed",
    "every night: audit; correct what is on enforce",
)


def _readme(
    answers: Answers,
    names: Sequence[str],
    departments: Mapping[str, Sequence[str]],
    approvers: Mapping[str, Mapping[str, Any] | None],
    folder: str,
) -> str:
    department = next((name for name, entry in approvers.items() if entry), next(iter(approvers)))
    local = () if departments or answers.inventory else tuple(THIS_MACHINE["all"]["hosts"])
    host = (*departments.get(department, ()), *local, "HOST")[0]
    head = (approvers[department] or {"head": "HEAD"})["head"]
    title = MARKDOWN.sub(r"\\\1", answers.organisation)
    sections = ["Molecule", *(["Pipelines"] if answers.ci != "none" else []), "Waivers"]
    example = text_of("README.md", folder)
    for_this = {"press01.example.org": host, "head.of.press": head, "press": department}
    lines = [
        f"# The policy of {title}\n\nWhat is banned where, who is excepted, who approves. Proscribe itself comes as a"
        " collection.\n",
        *_rows(example, names),
        "\n## The next five commands\n\n```sh",
        *(f"{command}\n# ^ {why}" for command, why in zip(commands(answers, folder), COMMANDS_FOR, strict=True)),
        "```\n",
        ENFORCE.replace(FOLDER, folder),
    ]
    for section in sections:
        found = re.search(rf"^## {section}\n.*?(?=^## |\Z)", example, re.MULTILINE | re.DOTALL)
        if found is None:
            raise LookupError(f"{EXAMPLE}/README.md has no section {section}")
        words = "|".join(rf"\b{re.escape(word)}\b" for word in for_this)
        text = re.sub(words, lambda word: for_this[word[0]], found[0]).rstrip() + "\n"
        if section == "Waivers" and None in approvers.values():
            text = text.replace("\n\n", f"\n\n{UNNAMED.replace(FOLDER, folder)}\n\n", 1)
        lines.append(text)
    return "\n".join(lines)


def _rows(example: str, names: Sequence[str]) -> Iterator[str]:
    """The table of files, with those that are here."""
    for row in re.findall(r"^\|.*\|$", example.partition("\n## ")[0], re.MULTILINE):
        of = re.findall(r"`([^`]+)`", row.split("|")[1])
        if not of or any(name.startswith(one) for one in of for name in names):
            yield row


UNNAMED = f"`{APPROVERS}` does not name everybody who approves yet. Put a head there for each department first."

ENFORCE = f"""\
## Enforce it

Every control only audits at first. Read the report of the audit. Then set a control to `enforce` in
`{VARIABLES}`, and change `audited` to `blocked` in the tables, in one change: its comment
says what each host gets. See what it does on a host: `ansible-playbook site.yml --limit HOST --check --diff`.

`proscribe_compliance_gate: incomplete` in the same file makes the pipeline's audit fail for a host that is not as it
should be. Molecule enforces the whole policy on its throw-away hosts, also while yours only audits.
"""
