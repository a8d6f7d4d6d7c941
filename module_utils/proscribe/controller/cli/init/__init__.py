"""`./proscribe init`: a team's own policy repository, out of examples/policy-repository and some answers."""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ....wire import installation
from ...compile.inventory.inventory import Question
from ...compile.plans.departments import outermost
from ...compile.plans.hosts import Compiled, compile_hosts
from ...policy_errors import Expected, PolicyError, PolicyErrors
from ...version import own
from .. import Refused, inventory, say
from ..explain.answering import explain
from ..explain.expectations import EVERY_HOST
from ..explain.question import read
from . import placing, repository
from .answers import HELP, Answers, department, questions, read_answers

EPILOG = """\
What no option answers is asked at a terminal. Without one, the rest has its default. The new repository has an
inventory, the restrictions, approvers, waivers, tables of what is expected, pipelines and a Molecule scenario. Every
control only audits at first. Nothing that is there is overwritten.

  ./proscribe init policy
  ./proscribe init policy --organisation Acme --department press=press01,press02 --department finance=fin01
  ./proscribe init . --organisation Acme --inventory inventory/hosts.ini --ci gitlab

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
    departments = {one.name: one.hosts for one in answers.department} or _departments(directory, answers)
    requirement, vendored = _requirement(answers)
    made = repository.files(answers, departments, requirement)
    placing.refuse_existing(directory, [*made, *vendored, *repository.TABLES])
    with placing.beside(directory) as place:
        placing.fill(place, {**{name: text.encode() for name, text in made.items()}, **vendored})
        compiled, groups = _compiled([*_existing(directory, answers), place / repository.HOSTS])
        placing.fill(place, {name: text.encode() for name, text in _tables(compiled, groups, list(departments))})
        placing.move(place, directory)
    say(f"made {directory}; every control only audits. README.md has what comes next:")
    print(*(f"  {line}" for line in [f"cd {arguments.directory}", *repository.commands(answers)]), sep="\n")
    return 0


def _today() -> datetime.date:
    return datetime.datetime.now().astimezone().date()


def _existing(directory: Path, answers: Answers) -> list[Path]:
    return [directory / answers.inventory] if answers.inventory else []


def _question(sources: Iterable[Path]) -> Question:
    """What inventories say of all hosts. Raises Refused and PolicyErrors."""
    options = argparse.ArgumentParser()
    inventory.add_options(options)
    return inventory.question(options.parse_args([word for source in sources for word in ("-i", str(source))]))


def _departments(directory: Path, answers: Answers) -> dict[str, tuple[str, ...]]:
    """The departments of the inventory that is there: its outermost groups. Raises Refused and PolicyErrors."""
    (file,) = _existing(directory, answers)
    if not file.is_file():
        raise PolicyErrors([PolicyError("--inventory", "", answers.inventory, f"a file in {directory}")])
    found = outermost(_question([file]).groups)
    try:
        departments: dict[str, tuple[str, ...]] = {department(name).name: () for name in found}
    except Expected as wrong:
        raise PolicyErrors([PolicyError("--inventory", "", wrong.value, wrong.expected)]) from None
    if not departments:
        raise Refused(f"--inventory: {file} has no groups, expected one for each department")
    return departments


def _requirement(answers: Answers) -> tuple[Mapping[str, str], Mapping[str, bytes]]:
    """The entry of requirements.yml that installs this very version, and the files that it needs. Raises Refused."""
    if answers.source:
        return {"name": answers.source, "type": "git", "version": f"v{own()}"}, {}
    if installation.COLLECTION:
        raise Refused("--source: found nothing, expected the git repository of the collection, as you installed it")
    from ..collection import archive  # a collection has nothing that builds one

    name, content = archive()
    return {"name": f"./vendor/{name}", "type": "file"}, {f"vendor/{name}": content}


def _compiled(sources: Sequence[Path]) -> tuple[Compiled, Mapping[str, frozenset[str]]]:
    """The policy as it is written, by every reader that a run has, and its groups. Raises Refused and PolicyErrors."""
    question = _question(sources)
    return compile_hosts(question, datetime.datetime.now(datetime.timezone.utc)), question.groups


def _tables(
    compiled: Compiled, groups: Mapping[str, frozenset[str]], departments: Sequence[str]
) -> Iterable[tuple[str, str]]:
    """The tables with what the policy answers today; what differs within a group is left out."""

    def answers(name: str, group: str) -> dict[str, list[str]]:
        members = {one: plan for one, plan in compiled.hosts.items() if one in groups[group]}
        found: dict[str, list[str]] = {}
        for word in repository.names_of(name):
            _, given = explain(read(word), compiled._replace(hosts=members))
            if len({one.answer for one in given}) == 1:
                found.setdefault(given[0].answer, []).append(word)
        return found

    for name, rows in zip(repository.TABLES, ([EVERY_HOST], departments), strict=True):
        yield name, repository.table(name, {group: answers(name, group) for group in rows})
