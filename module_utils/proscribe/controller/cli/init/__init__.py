"""`./proscribe init`: a team's own policy repository, out of examples/policy-repository and some answers."""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ....wire import installation
from ...compile.inventory.inventory import CompileInput
from ...compile.plans.hosts import compile_hosts
from ...report.text.command import Command
from ...version import own
from .. import Refused, say
from ..explain import facts
from ..explain.answering import explain
from ..explain.expectations import EVERY_HOST
from ..explain.question import read
from . import existing, placing, repository
from .answers import HELP, Answers, questions, read_answers

NO_DEPARTMENTS = "which of its groups are departments is not clear, so `all` stands for them: replace it with them in"

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
    """The options of the command."""
    parser.description = "Make a policy repository: what a team needs to ban services on its hosts."
    parser.epilog = EPILOG
    parser.add_argument("directory", metavar="DIR", help="the new repository, or one with other files in it")
    for question in questions(_today()):
        # --inventory is none of a run, so it has another name within
        parser.add_argument(
            f"--{question.option}",
            dest=question.option.replace("-", "_").replace("inventory", "existing"),
            metavar=question.metavar,
            help=HELP[question.option],
            action="append" if question.many else "store",
        )


def run(arguments: argparse.Namespace) -> int:
    """Make it and print what comes next; returns the exit code. Raises Refused and PolicyErrors."""
    directory = Path(arguments.directory).absolute()
    arguments.inventory = arguments.existing
    answers = read_answers(arguments, _today())
    departments = {department.name: department.hosts for department in answers.department}
    folder = existing.choose_policy_folder(directory, answers.inventory)
    hosts = f"{folder}/hosts.yml"
    requirement, vendored = _requirement(answers)
    made = repository.files(answers, departments, requirement, folder)
    placing.refuse_existing(directory, [*made, *vendored, *repository.TABLES])
    with placing.beside(directory) as place:
        placing.fill(place, {**{name: text.encode() for name, text in made.items()}, **vendored})
        sources = [directory / answers.inventory] if answers.inventory else []
        tables = _tables(existing.read_inventory([*sources, place / hosts]), list(departments))
        placing.fill(place, {name: text.encode() for name, text in tables.texts.items()})
        placing.move(place, directory)
    say(f"made {directory}; every control only audits. README.md has what comes next:")
    command = Command(("cd", arguments.directory)).line()
    print(*(f"  {line}" for line in [command, *repository.commands(answers, folder)]), sep="\n", flush=True)
    for line in _notes(answers, folder, tables.omitted):
        say(f"proscribe: {line}", error=True)
    return 0


def _notes(answers: Answers, folder: str, omitted: Sequence[str]) -> Iterator[str]:
    """Yield what the operator has to know, or to fill in, because no answer says it."""
    departments = [department.name for department in answers.department]
    approvers = f"{folder}/approvers.yml"
    if answers.inventory:
        outside = ", outside of the repository: pipelines need it at this path" if answers.inventory[0] == "/" else ""
        yield f"the hosts are those of {answers.inventory}, which is used as it is{outside}"
        groups = ", ".join(departments)
        yield f"the departments are its groups {groups}" if groups else f"{NO_DEPARTMENTS} {approvers}"
    elif not departments:
        yield f"no host was named, so {folder}/hosts.yml has this machine alone: put your departments and hosts there"
    named = {approver.department for approver in answers.approver}
    unnamed = [name for name in departments or [repository.NO_DEPARTMENTS] if not named & {"", name}]
    if unnamed:
        which = f"the groups {', '.join(unnamed)}" if unnamed[1:] else f"the group {unnamed[0]}"
        yield f"nobody can approve a waiver for {which}: name the head in {approvers}"
    if omitted:
        yield f"not in the tables, since hosts answer differently: {', '.join(omitted)}"


def _today() -> datetime.date:
    return datetime.datetime.now().astimezone().date()


def _requirement(answers: Answers) -> tuple[Mapping[str, str], Mapping[str, bytes]]:
    """The entry of requirements.yml that installs this very version, and the files that it needs. Raises Refused."""
    if answers.source:
        return {"name": answers.source, "type": "git", "version": f"v{own()}"}, {}
    if installation.COLLECTION:
        raise Refused("--source: found nothing, expected the git repository of the collection, as you installed it")
    from ..collection import archive  # a collection has nothing that builds one

    name, content = archive()
    return {"name": f"./vendor/{name}", "type": "file"}, {f"vendor/{name}": content}


class Tables(NamedTuple):
    """The tables of expectations."""

    texts: Mapping[str, str]  # by file
    omitted: Sequence[str]  # names that hosts of one row answer differently


def _tables(question: CompileInput, departments: Sequence[str]) -> Tables:
    """Return the tables with what the policy answers today, by the reader and the facts of `explain --expect`.

    What differs within a group is left out. A group without hosts has no row. Raises Refused and PolicyErrors.
    """
    compiled = compile_hosts(question, datetime.datetime.now(datetime.timezone.utc))
    known = facts.known_of(question, compiled.hosts)
    omitted: dict[str, None] = {}

    def answers(name: str, group: str) -> dict[str, list[str]]:
        members = {host: plan for host, plan in compiled.hosts.items() if host in question.groups[group]}
        by_answer: dict[str, list[str]] = {}
        for word in repository.names_of(name) if members else ():
            _, groups = explain(read(word), compiled._replace(hosts=members), known)
            if len({one.answer for one in groups}) == 1:
                by_answer.setdefault(groups[0].answer, []).append(word)
            else:
                omitted[word] = None
        return by_answer

    texts = {}
    for name, rows in zip(repository.TABLES, ([EVERY_HOST], departments), strict=True):
        by_group = {group: by_answer for group in rows if (by_answer := answers(name, group))}
        texts[name] = repository.table(name, by_group or {EVERY_HOST: answers(name, EVERY_HOST)})
    return Tables(texts, list(omitted))
