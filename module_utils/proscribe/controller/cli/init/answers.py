"""What a policy repository is made of: read from options, or asked at a terminal, each with the reader of its kind."""

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
from ...compile.reading.values import make_choice_reader, read_day, read_line
from ...compile.restrictions import RESTRICTIONS
from ...compile.restrictions.schedule_values import read_repository
from ...compile.restrictions.tenant_values import read_tenants
from ...policy_errors import Described, Expected, PolicyError, PolicyErrors, close_to
from ...report.text.wording import some
from ...ssh_signatures import PATIENCE
from .. import Refused, say
from ..waiver.asking import answer
from . import existing

ORGANISATION = "our organisation"  # where there is no terminal to ask for its name
PIPELINES = ("github", "gitlab", "none")
GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
PRINCIPAL = re.compile(r"""(?!-)[^\s"'`,*?!:=#\\$<>|&;(){}\[\]]{1,64}""")  # a pattern of ssh-keygen(1), and of a shell
PUBLIC_KEY = re.compile(r"((?:sk-)?(?:ssh|ecdsa)-[A-Za-z0-9@.-]{3,60}) ([A-Za-z0-9+/]{20,8000}={0,2})(?: [^\n]*)?\n?")
LARGEST_KEY = 16 * 1024  # bytes
MOST_GROUPS = 10  # named in a question


class Department(NamedTuple):
    """A group of the inventory with its hosts, of which there are none where an inventory has them already."""

    name: str
    hosts: tuple[str, ...]


class Approver(NamedTuple):
    """Who approves waivers: for one department, or for all (""); `key` is their public key, "" for none yet."""

    department: str
    name: str
    key: str


@dataclass(frozen=True)
class Answers:
    """All of them, each checked."""

    organisation: str
    contact: str
    department: tuple[Department, ...]
    inventory: str
    category: tuple[str, ...]
    tenant: tuple[tuple[str, str | TenantEntry], ...]
    approver: tuple[Approver, ...]
    first_day: datetime.date
    ci: str
    source: str


class Question(NamedTuple):
    """A question, and the option that answers it instead. A wrong answer raises Expected in `read`."""

    option: str
    text: str
    read: Callable[[str], Any]
    default: str | None = None  # the answer where there is none; None: one is needed at a terminal
    many: bool = False
    metavar: str = "TEXT"
    is_prompted: bool = True  # at a terminal
    are_words: bool = False  # one answer may have several values, with commas or spaces between them


def one_line(value: str) -> str:
    """One line that is not empty."""
    if not read_line(value).strip():
        raise Expected("", value, "one line of text")
    return value.strip()


def department(value: str) -> Department:
    """`press=press01,press02`, or `press` alone."""
    name, _, hosts = value.partition("=")
    if not GROUP.fullmatch(name) or name in NO_DEPARTMENT:
        raise Expected("", name, "a group's name: letters, digits and _, no digit first, such as press=press01,press02")
    found = tuple(host.strip() for host in hosts.split(",")) if hosts else ()
    for host in found:
        if not HOST.fullmatch(host) or host == name:
            raise Expected("", host, "hosts with commas between them, as Ansible reaches them: press=press01,press02")
    return Department(name, found)


def group(value: str, groups: Mapping[str, object] | None) -> Department:
    """Read a department that is a group of the inventory; `groups` is None where the inventory could not be read."""
    name, has_hosts, _ = value.partition("=")
    if has_hosts:
        raise Expected(name, Described("hosts"), "none, since --inventory has them")
    names = sorted(set(groups or ()) - set(NO_DEPARTMENT))
    if groups is not None and name not in names:
        expected = (
            f"a group of the inventory: {some(names, MOST_GROUPS)}" if names else "no department: it has no group"
        )
        raise Expected("", name, f"{expected}{close_to(name, names)}")
    if not existing.GROUP.fullmatch(name):
        raise Expected("", name, "a group whose name has letters, digits, and _ . - only")
    return Department(name, ())


def tenant(value: str) -> tuple[str, str | TenantEntry]:
    """Read `google=example.org` or `microsoft=<tenant id>:example.org`."""
    provider, _, name = value.partition("=")
    id_, *domains = name.split(":")
    entry = {"id": id_, "domains": domains} if domains and provider == "microsoft" else name
    try:
        (read,) = read_tenants({provider: [entry]})[provider]
    except Expected as wrong:
        raise Expected("", wrong.value, wrong.expected) from None
    return provider, read


def approver(value: str, departments: Sequence[str] | None = None) -> Approver:
    """`press:chan.tai.man=chan.pub`; without a department for all of them, without a file one with no key yet.

    `departments` are those that there are; None if they have a mistake.
    """
    who, _, file = value.partition("=")
    of, colon, name = who.rpartition(":")
    if not PRINCIPAL.fullmatch(name) or not name.isprintable() or (colon and not existing.GROUP.fullmatch(of)):
        raise Expected("", who, "a name without spaces and quotes, such as chan.tai.man or press:chan.tai.man")
    if of and departments is not None and of not in departments:
        none_named = f"a department that --department names, or the name alone for all hosts: {name}"
        expected = f"one of {', '.join(departments)}{close_to(of, departments)}" if departments else none_named
        raise Expected("", of, expected)
    return Approver(of, name, public_key(Path(file)) if file else "")


def public_key(file: Path) -> str:
    """The public key in a file, without its comment. What else is in the file is never printed."""
    expected = "the file of one public SSH key, such as ~/.ssh/id_ed25519.pub"
    try:
        content = read_plain_file(file.expanduser(), LARGEST_KEY)
    except PolicyError as wrong:
        raise Expected("", str(file), f"{expected}; found {wrong.value} there") from None
    found = PUBLIC_KEY.fullmatch(content.decode("utf-8", "replace"))
    tool = shutil.which("ssh-keygen")
    if tool is None:
        raise Refused("keys cannot be checked: there is no ssh-keygen on this controller (package openssh-client)")
    key = f"{found[1]} {found[2]}" if found else ""
    argv = [tool, "-l", "-f", "/dev/stdin"]
    if not key or subprocess.run(argv, input=key.encode(), capture_output=True, timeout=PATIENCE).returncode:
        raise Expected("", str(file), f"{expected}; it holds something else")
    return key


def questions(today: datetime.date) -> Sequence[Question]:
    """All questions, in their order."""
    category, banned = make_choice_reader(*CATEGORIES), ",".join(RESTRICTIONS["categories"].default)
    ends, none = "an empty line ends them", ""
    departments = f"A department and its hosts, such as press=press01,press02; {ends}"
    tenants = f"An own tenant, such as google=example.org or microsoft=TENANT_ID:example.org; {ends}"
    approvers = f"Who approves waivers, such as press:chan.tai.man=chan.pub; {ends}"
    source = "The git repository of the unpacked collection"
    source += "" if installation.COLLECTION else "; an empty line puts the collection's file into vendor/"
    return (
        Question("organisation", "The organisation", one_line, metavar="NAME"),
        Question("contact", "Whom users ask", one_line, RESTRICTIONS["contact"].default),
        Question("department", departments, department, none, True, "NAME[=HOST,HOST]"),
        Question("inventory", "An inventory that is there already", one_line, none, metavar="INVENTORY"),
        Question("category", f"A category that is banned; {ends}", category, banned, True, "CATEGORY", are_words=True),
        Question("tenant", tenants, tenant, none, True, "PROVIDER=TENANT"),
        Question("approver", approvers, approver, none, True, "[DEPARTMENT:]NAME=KEYFILE"),
        Question("first-day", "The first day of the ban", read_day, today.isoformat(), metavar="DATE"),
        Question(
            "ci", f"Pipelines for {', '.join(PIPELINES)}", make_choice_reader(*PIPELINES), PIPELINES[0], metavar="WHERE"
        ),
        Question("source", source, read_repository, none, metavar="URL"),
    )


HELP: Mapping[str, str] = {
    "organisation": f"its name (default: {ORGANISATION})",
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
    "ci": f"{', '.join(PIPELINES)} (default: {PIPELINES[0]})",
    "source": "where the collection comes from; without it, a checkout puts the collection's file into vendor/; a"
    " collection needs it",
}


def read_answers(arguments: argparse.Namespace, today: datetime.date) -> Answers:
    """The answers out of the options; at a terminal, what they do not answer is asked. Raises PolicyErrors with every
    mistake, and Refused.
    """
    read: dict[str, Any] = {}
    errors: list[PolicyError] = []
    for question in _ordered_questions(arguments, today, read):
        name = question.option.replace("-", "_")
        options = getattr(arguments, name) or []
        try:
            if options or not question.is_prompted or not sys.stdin.isatty():
                texts = [options] if isinstance(options, str) else options
                values = [value for text in texts for value in _read(question, text)] or _default(question)
            else:
                values = _prompted(question)
            read[name] = tuple(dict.fromkeys(values) if question.are_words else values) if question.many else values[0]
        except Expected as wrong:
            errors.append(PolicyError(f"--{question.option}", wrong.key, wrong.value, wrong.expected))
    if errors or (errors := list(_across(read))):
        raise PolicyErrors(errors)
    return Answers(**read)


def _ordered_questions(
    arguments: argparse.Namespace, today: datetime.date, read: Mapping[str, Any]
) -> Iterator[Question]:
    """Yield the questions in their order. `read` has the answers so far: some decide what the next question is."""
    by_option = {question.option: question for question in questions(today)}
    directory = Path(arguments.directory).absolute()
    default = existing.find_default_source(directory)
    inventory = by_option.pop("inventory")._replace(
        read=lambda value: existing.read_source(value, directory), default=default
    )
    department = by_option.pop("department")
    approvers = by_option.pop("approver")
    yield by_option.pop("organisation")
    yield by_option.pop("contact")
    has_hosts = any("=" in text for text in arguments.department or ())
    if arguments.inventory or (default and not has_hosts):
        yield inventory
    else:
        yield department
        yield inventory._replace(default="", is_prompted=not read.get("department"))
    if arguments.inventory or read.get("inventory"):
        yield _of_groups(department, directory, read.get("inventory"))
    yield by_option.pop("category")
    yield by_option.pop("tenant")
    departments = [one.name for one in read["department"]] if "department" in read else None
    yield approvers._replace(read=lambda value: approver(value, departments))
    yield from by_option.values()


def _of_groups(department: Question, directory: Path, source: str | None) -> Question:
    """The question which groups of an inventory are departments, which is asked where they do not show it."""
    groups = existing.read_inventory([directory / source]).groups if source else None
    clear = existing.clear_departments(groups or {})
    names = sorted(set(groups or ()) - set(NO_DEPARTMENT))
    return department._replace(
        text=f"Which groups are departments ({some(names, MOST_GROUPS)}); an empty line ends them",
        read=lambda value: group(value, groups),
        default=",".join(clear),
        is_prompted=bool(names) and not clear,
        are_words=True,
    )


def _read(question: Question, text: str) -> list[Any]:
    """The values of one answer. Raises Expected."""
    words = re.split(r"[\s,]+", text.strip(", \t")) if question.are_words else [text]
    return [question.read(word) for word in words]


def _default(question: Question) -> list[Any]:
    default = ORGANISATION if question.default is None else question.default
    words = [word for word in default.split(",") if word] if question.many else [default]
    return [question.read(word) for word in words]


def _prompted(question: Question) -> list[Any]:
    """The answers that somebody types; a wrong one is asked again."""
    found: list[Any] = []
    while True:
        shown = f" [{question.default}]" if question.default and not found else ""
        try:
            typed = answer(f"{question.text}{shown}")
            if not typed and (found or question.default is not None):
                return found or _default(question)
            found += _read(question, typed)
        except Expected as wrong:
            say(str(PolicyError("", "", wrong.value, wrong.expected)), error=True)
            continue
        if not question.many:
            return found


def _across(read: Mapping[str, Any]) -> Iterator[PolicyError]:
    """The mistakes of answers that do not go together."""
    departments: Sequence[Department] = read["department"]
    names = [one.name for one in departments]
    for one in departments:
        if not one.hosts and not read["inventory"]:
            yield PolicyError("--department", one.name, Described("no host"), f"at least one: {one.name}=HOST")
        if names.count(one.name) > 1 or any(one.name in other.hosts for other in departments):
            yield PolicyError("--department", "", one.name, "each name once, and no host of that name")
