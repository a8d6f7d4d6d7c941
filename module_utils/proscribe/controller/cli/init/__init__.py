"""Command `./proscribe init`: a new policy repository of a team, from examples/policy-repository and the answers.

The answers come from options or from a terminal.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ....wire import installation
from ...compile.inventory.host_variables import CompileInput
from ...compile.plans.host_plans import compile_hosts
from ...report.text.shell_commands import ShellCommand
from ...version import get_own_version
from .. import CommandError, print_message
from ..explain import collected_facts
from ..explain.answer_texts import explain_question
from ..explain.expectations import EVERY_HOST
from ..explain.question import parse_question
from . import existing_inventory, new_files, repository
from .answers import OPTION_HELP, SetupAnswers, list_questions, read_answers

UNCLEAR_DEPARTMENTS_NOTE = (
    "which of its groups are departments is not clear, so `all` stands for them: replace it with them in"
)

EPILOG = """\
What no option answers is asked at a terminal. Without one, the rest has its default. The new repository has an
inventory, the restrictions, approvers, waivers, tables of what is expected, pipelines and a Molecule scenario. Every
control only audits at first. Nothing that is there is overwritten.

An inventory that is there is used where it lies, and never changed. The policy then has a folder of its own.

  ./proscribe init policy
  ./proscribe init policy --organisation Acme --department press=press01,press02 --department finance=fin01
  ./proscribe init . --organisation Acme --inventory inventory/prod --department press --ci gitlab

Exit code 2: an answer has a mistake or a file is there already, and nothing was written."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `./proscribe init` to its parser, one for each question of the setup."""
    parser.description = "Make a policy repository: what a team needs to ban services on its hosts."
    parser.epilog = EPILOG
    parser.add_argument("directory", metavar="DIR", help="the new repository, or one with other files in it")
    for question in list_questions(_get_today()):
        # The playbook `init` sets the attribute `inventory` to its own inventory (option_variables.py), so the option
        # `--inventory` of this command is stored as `existing`.
        parser.add_argument(
            f"--{question.option}",
            dest=question.option.replace("-", "_").replace("inventory", "existing"),
            metavar=question.metavar,
            help=OPTION_HELP[question.option],
            action="append" if question.is_repeatable else "store",
        )


def run(arguments: argparse.Namespace) -> int:
    """Make the policy repository, print the next commands and notes, and return exit code 0.

    Raises CommandError or PolicyErrors, and then writes nothing.
    """
    directory = Path(arguments.directory).absolute()
    arguments.inventory = arguments.existing
    answers = read_answers(arguments, _get_today())
    departments = {department.name: department.hosts for department in answers.department}
    folder = existing_inventory.choose_policy_folder(directory, answers.inventory)
    hosts_file = f"{folder}/hosts.yml"
    requirement, vendored = _make_requirement(answers)
    text_files = repository.make_files(answers, departments, requirement, folder)
    new_files.refuse_existing(directory, [*text_files, *vendored, *repository.TABLE_FILES])
    with new_files.create_staging_directory(directory) as staging_directory:
        new_files.write_files(
            staging_directory, {**{name: text.encode() for name, text in text_files.items()}, **vendored}
        )
        sources = [directory / answers.inventory] if answers.inventory else []
        tables = _make_tables(
            existing_inventory.read_inventory([*sources, staging_directory / hosts_file]), list(departments)
        )
        new_files.write_files(staging_directory, {name: text.encode() for name, text in tables.texts.items()})
        new_files.move_files(staging_directory, directory)
    print_message(f"made {directory}; every control only audits. README.md has what comes next:")
    command = ShellCommand(("cd", arguments.directory)).line()
    print(*(f"  {line}" for line in [command, *repository.list_next_commands(answers, folder)]), sep="\n", flush=True)
    for line in _list_notes(answers, folder, tables.omitted):
        print_message(f"proscribe: {line}", error=True)
    return 0


def _list_notes(answers: SetupAnswers, folder: str, omitted: Sequence[str]) -> Iterator[str]:
    """Yield notes for the operator about the new repository, and about facts that the operator has to fill in.

    `folder` is the directory of the policy's files. `omitted` are the names that the tables leave out.
    """
    departments = [department.name for department in answers.department]
    approvers = f"{folder}/approvers.yml"
    if answers.inventory:
        outside_note = (
            ", outside of the repository: pipelines need it at this path" if answers.inventory[0] == "/" else ""
        )
        yield f"the hosts are those of {answers.inventory}, which is used as it is{outside_note}"
        groups = ", ".join(departments)
        yield f"the departments are its groups {groups}" if groups else f"{UNCLEAR_DEPARTMENTS_NOTE} {approvers}"
    elif not departments:
        yield f"no host was named, so {folder}/hosts.yml has this machine alone: put your departments and hosts there"
    named_departments = {approver.department for approver in answers.approver}
    unnamed_departments = [
        name for name in departments or [repository.PLACEHOLDER_GROUP] if not named_departments & {"", name}
    ]
    if unnamed_departments:
        group_text = (
            f"the groups {', '.join(unnamed_departments)}"
            if unnamed_departments[1:]
            else f"the group {unnamed_departments[0]}"
        )
        yield f"nobody can approve a waiver for {group_text}: name the head in {approvers}"
    if omitted:
        yield f"not in the tables, since hosts answer differently: {', '.join(omitted)}"


def _get_today() -> datetime.date:
    return datetime.datetime.now().astimezone().date()


def _make_requirement(answers: SetupAnswers) -> tuple[Mapping[str, str], Mapping[str, bytes]]:
    """Return the entry of requirements.yml that installs this version of the collection, and the files for it.

    Without a git repository (`answers.source`), the only file is the collection's archive, by its path in the
    repository. An installed collection cannot build this archive, so it raises CommandError.
    """
    if answers.source:
        return {"name": answers.source, "type": "git", "version": f"v{get_own_version()}"}, {}
    if installation.COLLECTION:
        raise CommandError(
            "--source: found nothing, expected the git repository of the collection, as you installed it"
        )
    from ..collection import build_archive  # an installed collection does not contain this module

    name, content = build_archive()
    return {"name": f"./vendor/{name}", "type": "file"}, {f"vendor/{name}": content}


class ExpectationTables(NamedTuple):
    """The tables of expectations: the answers that the policy must give for some names of sites, apps and files."""

    texts: Mapping[str, str]  # the YAML text of each table by file name
    omitted: Sequence[str]  # names without a row, because hosts of a group have different answers


def _make_tables(compile_input: CompileInput, departments: Sequence[str]) -> ExpectationTables:
    """Return the tables with the current answers of the policy, for later comparison by `explain --expect`.

    The first table has a row for all hosts, the second a row for each department that has hosts. Without such a
    department, the second has a row for all hosts, too. A row leaves out names for which its hosts have different
    answers. Raises CommandError, PolicyErrors.
    """
    compiled = compile_hosts(compile_input, datetime.datetime.now(datetime.timezone.utc))
    facts_by_host = collected_facts.collect_facts(compile_input, compiled.hosts)
    omitted: dict[str, None] = {}

    def collect_answers(name: str, group: str) -> dict[str, list[str]]:
        """Return the names of a table by answer, for the hosts of a group; {} for a group without hosts.

        A name with different answers on these hosts is added to `omitted`.
        """
        members = {host: plan for host, plan in compiled.hosts.items() if host in compile_input.groups[group]}
        by_answer: dict[str, list[str]] = {}
        for table_name in repository.list_example_names(name) if members else ():
            _, groups = explain_question(parse_question(table_name), compiled._replace(hosts=members), facts_by_host)
            if len({answer_group.answer for answer_group in groups}) == 1:
                by_answer.setdefault(groups[0].answer, []).append(table_name)
            else:
                omitted[table_name] = None
        return by_answer

    texts = {}
    for name, rows in zip(repository.TABLE_FILES, ([EVERY_HOST], departments), strict=True):
        by_group = {group: by_answer for group in rows if (by_answer := collect_answers(name, group))}
        texts[name] = repository.format_table(name, by_group or {EVERY_HOST: collect_answers(name, EVERY_HOST)})
    return ExpectationTables(texts, list(omitted))
