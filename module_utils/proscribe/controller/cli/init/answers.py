"""The answers of `./proscribe init` for a policy repository, from options or a terminal, parsed and checked."""

from __future__ import annotations

import argparse
import datetime
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ....model.types.plan import TenantEntry
from ....wire import installation
from ...compile.catalogue.schema import CATEGORIES
from ...compile.plans.departments import NO_DEPARTMENT
from ...compile.reading.plain_file import read_plain_file
from ...compile.reading.value_readers import make_choice_reader, read_day, read_line
from ...compile.restrictions import RESTRICTIONS
from ...compile.restrictions.schedule_values import read_repository
from ...compile.restrictions.tenant_values import read_tenants
from ...policy_errors import DescribedValue, PolicyError, PolicyErrors, UnexpectedValue, propose_similar_names
from ...report.text.wording import summarise_names
from ...ssh_signatures import TIMEOUT_SECONDS
from .. import CommandError, print_message
from ..waiver.prompts import ask_question
from . import existing_inventory

DEFAULT_ORGANISATION = "our organisation"  # used if no option names it and there is no terminal
PIPELINE_KINDS = ("github", "gitlab", "none")
GROUP_PATTERN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
HOST_PATTERN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
# The name of an approver, without characters that are special in patterns of ssh-keygen(1) and in a shell.
PRINCIPAL_PATTERN = re.compile(r"""(?!-)[^\s"'`,*?!:=#\\$<>|&;(){}\[\]]{1,64}""")
PUBLIC_KEY_PATTERN = re.compile(
    r"((?:sk-)?(?:ssh|ecdsa)-[A-Za-z0-9@.-]{3,60}) ([A-Za-z0-9+/]{20,8000}={0,2})(?: [^\n]*)?\n?"
)
MAX_KEY_BYTES = 16 * 1024
MAX_NAMED_GROUPS = 10  # most groups that a question or a message lists


class NewDepartment(NamedTuple):
    """A department: a group of the inventory with its hosts; () if an existing inventory has the hosts."""

    name: str
    hosts: tuple[str, ...]


class Approver(NamedTuple):
    """An approver of waivers for a department; `department` is "" for all departments.

    `key` is the public SSH key, "" if there is none yet.
    """

    department: str
    name: str
    key: str


@dataclass(frozen=True)
class SetupAnswers:
    """All checked answers for a new policy repository. Each field has the name of its question."""

    organisation: str
    contact: str
    department: tuple[NewDepartment, ...]
    inventory: str
    category: tuple[str, ...]
    tenant: tuple[tuple[str, str | TenantEntry], ...]
    approver: tuple[Approver, ...]
    first_day: datetime.date
    ci: str
    source: str


class SetupQuestion(NamedTuple):
    """A question about a new policy repository, and the command line option that can answer it."""

    option: str  # without the dashes
    text: str
    parse: Callable[[str], Any]  # converts an answer, and raises UnexpectedValue for a wrong one
    default: str | None = None  # used if there is no answer; None: at a terminal, an answer is required
    is_repeatable: bool = False
    metavar: str = "TEXT"
    is_prompted: bool = True  # at a terminal, the question is asked if the option is missing
    are_words: bool = False  # an answer may have several values, separated by commas or spaces


def parse_one_line(text: str) -> str:
    """Return the text without surrounding spaces. Raises UnexpectedValue for empty text and for several lines."""
    if not read_line(text).strip():
        raise UnexpectedValue("", text, "one line of text")
    return text.strip()


def parse_department(text: str) -> NewDepartment:
    """Parse a department and its hosts: `press=press01,press02`, or `press` alone. Raises UnexpectedValue."""
    name, _, hosts = text.partition("=")
    if not GROUP_PATTERN.fullmatch(name) or name in NO_DEPARTMENT:
        raise UnexpectedValue(
            "", name, "a group's name: letters, digits and _, no digit first, such as press=press01,press02"
        )
    host_names = tuple(host.strip() for host in hosts.split(",")) if hosts else ()
    for host in host_names:
        if not HOST_PATTERN.fullmatch(host) or host == name:
            raise UnexpectedValue(
                "", host, "hosts with commas between them, as Ansible reaches them: press=press01,press02"
            )
    return NewDepartment(name, host_names)


def parse_group(text: str, groups: Mapping[str, object] | None) -> NewDepartment:
    """Parse the name of a department that is a group of an existing inventory. Raises UnexpectedValue.

    `groups` are the groups of that inventory by name; None if the inventory could not be read.
    """
    name, has_hosts, _ = text.partition("=")
    if has_hosts:
        raise UnexpectedValue(name, DescribedValue("hosts"), "none, since --inventory has them")
    names = sorted(set(groups or ()) - set(NO_DEPARTMENT))
    if groups is not None and name not in names:
        expected = (
            f"a group of the inventory: {summarise_names(names, MAX_NAMED_GROUPS)}"
            if names
            else "no department: it has no group"
        )
        raise UnexpectedValue("", name, f"{expected}{propose_similar_names(name, names)}")
    if not existing_inventory.GROUP_PATTERN.fullmatch(name):
        raise UnexpectedValue("", name, "a group whose name has letters, digits, and _ . - only")
    return NewDepartment(name, ())


def parse_tenant(text: str) -> tuple[str, str | TenantEntry]:
    """Parse the organisation's own tenant: `google=example.org`, or `microsoft=<tenant id>:example.org`.

    Returns the provider and the tenant. Raises UnexpectedValue.
    """
    provider, _, name = text.partition("=")
    tenant_id, *domains = name.split(":")
    entry = {"id": tenant_id, "domains": domains} if domains and provider == "microsoft" else name
    try:
        (tenant_entry,) = read_tenants({provider: [entry]})[provider]
    except UnexpectedValue as error:
        raise UnexpectedValue("", error.found_value, error.expected) from None
    return provider, tenant_entry


def parse_approver(text: str, departments: Sequence[str] | None = None) -> Approver:
    """Parse an approver: `press:chan.tai.man=chan.pub` is a department, a name and the file of a public key.

    Without a department, the approver is for all departments. Without a file, the approver has no key yet.
    `departments` are the known names, None if their answer has a mistake. Raises UnexpectedValue.
    """
    approver_text, _, file = text.partition("=")
    department_name, has_department, name = approver_text.rpartition(":")
    if (
        not PRINCIPAL_PATTERN.fullmatch(name)
        or not name.isprintable()
        or (has_department and not existing_inventory.GROUP_PATTERN.fullmatch(department_name))
    ):
        raise UnexpectedValue(
            "", approver_text, "a name without spaces and quotes, such as chan.tai.man or press:chan.tai.man"
        )
    if department_name and departments is not None and department_name not in departments:
        none_named = f"a department that --department names, or the name alone for all hosts: {name}"
        expected = (
            f"one of {', '.join(departments)}{propose_similar_names(department_name, departments)}"
            if departments
            else none_named
        )
        raise UnexpectedValue("", department_name, expected)
    return Approver(department_name, name, read_public_key(Path(file)) if file else "")


def read_public_key(file: Path) -> str:
    """Return the public SSH key in a file, as `TYPE BASE64` without the comment.

    Raises UnexpectedValue for a file without such a key; its message never has content of the file. Raises CommandError
    if ssh-keygen is missing.
    """
    expected = "the file of one public SSH key, such as ~/.ssh/id_ed25519.pub"
    try:
        content = read_plain_file(file.expanduser(), MAX_KEY_BYTES)
    except PolicyError as error:
        raise UnexpectedValue("", str(file), f"{expected}; found {error.found_value} there") from None
    match = PUBLIC_KEY_PATTERN.fullmatch(content.decode("utf-8", "replace"))
    key_tool = shutil.which("ssh-keygen")
    if key_tool is None:
        raise CommandError("keys cannot be checked: there is no ssh-keygen on this controller (package openssh-client)")
    key = f"{match[1]} {match[2]}" if match else ""
    command = [key_tool, "-l", "-f", "/dev/stdin"]
    if not key or subprocess.run(command, input=key.encode(), capture_output=True, timeout=TIMEOUT_SECONDS).returncode:
        raise UnexpectedValue("", str(file), f"{expected}; it holds something else")
    return key


def list_questions(today: datetime.date) -> Sequence[SetupQuestion]:
    """Return all questions for a new policy repository, with their options and defaults.

    `today` is the default for the first day of the ban.
    """
    category, default_categories = make_choice_reader(*CATEGORIES), ",".join(RESTRICTIONS["categories"].default)
    ending_note, no_answer = "an empty line ends them", ""
    departments = f"A department and its hosts, such as press=press01,press02; {ending_note}"
    tenants = f"An own tenant, such as google=example.org or microsoft=TENANT_ID:example.org; {ending_note}"
    approvers = f"Who approves waivers, such as press:chan.tai.man=chan.pub; {ending_note}"
    source = "The git repository of the unpacked collection"
    source += "" if installation.COLLECTION else "; an empty line puts the collection's file into vendor/"
    return (
        SetupQuestion("organisation", "The organisation", parse_one_line, metavar="NAME"),
        SetupQuestion("contact", "Whom users ask", parse_one_line, RESTRICTIONS["contact"].default),
        SetupQuestion("department", departments, parse_department, no_answer, True, "NAME[=HOST,HOST]"),
        SetupQuestion(
            "inventory", "An inventory that is there already", parse_one_line, no_answer, metavar="INVENTORY"
        ),
        SetupQuestion(
            "category",
            f"A category that is banned; {ending_note}",
            category,
            default_categories,
            True,
            "CATEGORY",
            are_words=True,
        ),
        SetupQuestion("tenant", tenants, parse_tenant, no_answer, True, "PROVIDER=TENANT"),
        SetupQuestion("approver", approvers, parse_approver, no_answer, True, "[DEPARTMENT:]NAME=KEYFILE"),
        SetupQuestion("first-day", "The first day of the ban", read_day, today.isoformat(), metavar="DATE"),
        SetupQuestion(
            "ci",
            f"Pipelines for {', '.join(PIPELINE_KINDS)}",
            make_choice_reader(*PIPELINE_KINDS),
            PIPELINE_KINDS[0],
            metavar="WHERE",
        ),
        SetupQuestion("source", source, read_repository, no_answer, metavar="URL"),
    )


OPTION_HELP: Mapping[str, str] = {
    "organisation": f"its name (default: {DEFAULT_ORGANISATION})",
    "contact": "whom users ask; part of every refusal",
    "department": "a department with its hosts, or a group of --inventory; repeatable (default: groups that can only be"
    " departments, else none)",
    "inventory": "instead of hosts: an inventory of any form (file, folder, script, plugin), used where it lies"
    " (default: inventory/prod/hosts.yml, inventory/prod or inventory in DIR, else this machine)",
    "category": "categories that are banned, with commas or spaces between them; repeatable",
    "tenant": "an own tenant, which stays reachable: google=DOMAIN, or microsoft=TENANT_ID:DOMAIN:...; repeatable",
    "approver": "who approves waivers, with a public SSH key; a department's first one is its head; repeatable"
    " (default: nobody, so nobody can approve)",
    "first-day": "the first day of the ban (default: today)",
    "ci": f"{', '.join(PIPELINE_KINDS)} (default: {PIPELINE_KINDS[0]})",
    "source": "where the collection comes from; without it, a checkout puts the collection's file into vendor/; a"
    " collection needs it",
}


def read_answers(arguments: argparse.Namespace, today: datetime.date) -> SetupAnswers:
    """Return the answers from the options; at a terminal, ask the user the questions that no option answers.

    Without a terminal, these questions have their default answers. Raises CommandError, and PolicyErrors with every
    mistake.
    """
    answers: dict[str, Any] = {}
    errors: list[PolicyError] = []
    for question in _order_questions(arguments, today, answers):
        name = question.option.replace("-", "_")
        options = getattr(arguments, name) or []
        try:
            if options or not question.is_prompted or not sys.stdin.isatty():
                texts = [options] if isinstance(options, str) else options
                values = [
                    answer_value for text in texts for answer_value in _parse_answer(question, text)
                ] or _parse_default(question)
            else:
                values = _request_answers(question)
            answers[name] = (
                tuple(dict.fromkeys(values) if question.are_words else values) if question.is_repeatable else values[0]
            )
        except UnexpectedValue as error:
            errors.append(PolicyError(f"--{question.option}", error.key, error.found_value, error.expected))
    if errors or (errors := list(_find_conflicts(answers))):
        raise PolicyErrors(errors)
    return SetupAnswers(**answers)


def _order_questions(
    arguments: argparse.Namespace, today: datetime.date, earlier_answers: Mapping[str, Any]
) -> Iterator[SetupQuestion]:
    """Yield the questions in the order in which they are asked.

    `earlier_answers` are the answers so far by name. The caller adds each answer before it requests the next question,
    because some questions depend on earlier answers.
    """
    by_option = {question.option: question for question in list_questions(today)}
    directory = Path(arguments.directory).absolute()
    default = existing_inventory.find_default_source(directory)
    inventory = by_option.pop("inventory")._replace(
        parse=lambda text: existing_inventory.read_source(text, directory), default=default
    )
    department = by_option.pop("department")
    approvers = by_option.pop("approver")
    yield by_option.pop("organisation")
    yield by_option.pop("contact")
    # An option such as `--department press=press01` has hosts, so no existing inventory is needed.
    has_hosts = any("=" in text for text in arguments.department or ())
    # An inventory that exists has the hosts. Otherwise the departments come first, and may bring hosts.
    if arguments.inventory or (default and not has_hosts):
        yield inventory
    else:
        yield department
        yield inventory._replace(default="", is_prompted=not earlier_answers.get("department"))
    if arguments.inventory or earlier_answers.get("inventory"):
        yield _make_group_question(department, directory, earlier_answers.get("inventory"))
    yield by_option.pop("category")
    yield by_option.pop("tenant")
    departments = (
        [new_department.name for new_department in earlier_answers["department"]]
        if "department" in earlier_answers
        else None
    )
    yield approvers._replace(parse=lambda text: parse_approver(text, departments))
    yield from by_option.values()


def _make_group_question(department: SetupQuestion, directory: Path, source: str | None) -> SetupQuestion:
    """Return the question for the groups of the inventory `source` that are departments.

    If these groups are clear, the question is not asked, and they are its default. `source` is None if the answer about
    the inventory has a mistake.
    """
    groups = existing_inventory.read_inventory([directory / source]).groups if source else None
    clear_departments = existing_inventory.find_clear_departments(groups or {})
    names = sorted(set(groups or ()) - set(NO_DEPARTMENT))
    return department._replace(
        text=f"Which groups are departments ({summarise_names(names, MAX_NAMED_GROUPS)}); an empty line ends them",
        parse=lambda text: parse_group(text, groups),
        default=",".join(clear_departments),
        is_prompted=bool(names) and not clear_departments,
        are_words=True,
    )


def _parse_answer(question: SetupQuestion, text: str) -> list[Any]:
    """Return the parsed values of an answer's text: several if the question allows it, else one.

    Raises UnexpectedValue for a wrong value.
    """
    parts = re.split(r"[\s,]+", text.strip(", \t")) if question.are_words else [text]
    return [question.parse(part) for part in parts]


def _parse_default(question: SetupQuestion) -> list[Any]:
    """Return the parsed values of a question's default.

    Commas separate the values of a repeatable question. An empty default gives no value for it.
    """
    default = DEFAULT_ORGANISATION if question.default is None else question.default
    parts = [part for part in default.split(",") if part] if question.is_repeatable else [default]
    return [question.parse(part) for part in parts]


def _request_answers(question: SetupQuestion) -> list[Any]:
    """Ask a question at the terminal and return the parsed values; the default if the first answer is empty.

    A repeatable question is asked until the user types an empty line. After a wrong answer it is asked again.
    """
    answers: list[Any] = []
    while True:
        default_note = f" [{question.default}]" if question.default and not answers else ""
        try:
            typed_text = ask_question(f"{question.text}{default_note}")
            if not typed_text and (answers or question.default is not None):
                return answers or _parse_default(question)
            answers += _parse_answer(question, typed_text)
        except UnexpectedValue as error:
            print_message(str(PolicyError("", "", error.found_value, error.expected)), error=True)
            continue
        if not question.is_repeatable:
            return answers


def _find_conflicts(answers: Mapping[str, Any]) -> Iterator[PolicyError]:
    """Yield the mistakes in departments: no host, a name used twice, or a name that is also a host's.

    Each answer alone is valid, so only a comparison of all answers shows these mistakes.
    """
    departments: Sequence[NewDepartment] = answers["department"]
    names = [new_department.name for new_department in departments]
    for new_department in departments:
        if not new_department.hosts and not answers["inventory"]:
            yield PolicyError(
                "--department",
                new_department.name,
                DescribedValue("no host"),
                f"at least one: {new_department.name}=HOST",
            )
        if names.count(new_department.name) > 1 or any(
            new_department.name in other_department.hosts for other_department in departments
        ):
            yield PolicyError("--department", "", new_department.name, "each name once, and no host of that name")
