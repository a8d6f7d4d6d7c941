"""What a policy repository is made of: read from options, or asked at a terminal, each with the reader of its kind."""

from __future__ import annotations

import argparse
import datetime
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ....model.types.plan import TenantEntry
from ...compile.catalogue.schema import CATEGORIES
from ...compile.plans.departments import NO_DEPARTMENT
from ...compile.reading.plain_file import content_of
from ...compile.reading.values import choice, day, line
from ...compile.restrictions import RESTRICTIONS
from ...compile.restrictions.schedule_values import read_repository
from ...compile.restrictions.tenant_values import read_tenants
from ...policy_errors import Described, Expected, PolicyError, PolicyErrors
from ...ssh_signatures import PATIENCE
from .. import Refused, say
from ..waiver.asking import answer

PIPELINES = ("github", "gitlab", "none")
GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
FILE = re.compile(r"(?!/)[A-Za-z0-9._/-]{1,200}")  # part of a list with commas in ansible.cfg
PRINCIPAL = re.compile(r"""(?!-)[^\s"'`,*?!:=#\\$<>|&;(){}\[\]]{1,64}""")  # a pattern of ssh-keygen(1), and of a shell
PUBLIC_KEY = re.compile(r"((?:sk-)?(?:ssh|ecdsa)-[A-Za-z0-9@.-]{3,60}) ([A-Za-z0-9+/]{20,8000}={0,2})(?: [^\n]*)?\n?")
LARGEST_KEY = 16 * 1024  # bytes


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
    default: str | None = None  # the answer where there is none; None: one is needed
    many: bool = False
    metavar: str = "TEXT"


def one_line(value: str) -> str:
    """One line that is not empty."""
    if not line(value).strip():
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


def inventory_file(value: str) -> str:
    """The path of an inventory in the repository."""
    if value and (not FILE.fullmatch(value) or ".." in value.split("/")):
        raise Expected("", value, "the path of a file in DIR, from there, such as inventory/hosts.ini")
    return value


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


def approver(value: str) -> Approver:
    """`press:chan.tai.man=chan.pub`; without a department for all of them, without a file one with no key yet."""
    who, _, file = value.partition("=")
    of, colon, name = who.rpartition(":")
    if not PRINCIPAL.fullmatch(name) or not name.isprintable() or (colon and not GROUP.fullmatch(of)):
        raise Expected("", who, "a name without spaces and quotes, such as chan.tai.man or press:chan.tai.man")
    return Approver(of, name, public_key(Path(file)) if file else "")


def public_key(file: Path) -> str:
    """The public key in a file, without its comment. What else is in the file is never printed."""
    expected = "the file of one public SSH key, such as ~/.ssh/id_ed25519.pub"
    try:
        content = content_of(file.expanduser(), LARGEST_KEY)
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
    category, banned = choice(*CATEGORIES), ",".join(RESTRICTIONS["categories"].default)
    some, none = "an empty line ends them", ""
    departments = f"A department and its hosts, such as press=press01,press02; {some}"
    tenants = f"An own tenant, such as google=example.org or microsoft=TENANT_ID:example.org; {some}"
    approvers = f"Who approves waivers, such as press:chan.tai.man=chan.pub; {some}"
    return (
        Question("organisation", "The organisation", one_line, metavar="NAME"),
        Question("contact", "Whom users ask", one_line, RESTRICTIONS["contact"].default),
        Question("department", departments, department, none, True, "NAME=HOST,HOST"),
        Question("inventory", "An inventory that is in DIR already", inventory_file, none, metavar="FILE"),
        Question("category", f"A category that is banned; {some}", category, banned, True, "CATEGORY"),
        Question("tenant", tenants, tenant, none, True, "PROVIDER=TENANT"),
        Question("approver", approvers, approver, none, True, "[DEPARTMENT:]NAME=KEYFILE"),
        Question("first-day", "The first day of the ban", day, today.isoformat(), metavar="DATE"),
        Question("ci", f"Pipelines for {', '.join(PIPELINES)}", choice(*PIPELINES), PIPELINES[0], metavar="WHERE"),
        Question("source", "The git repository of the unpacked collection", read_repository, none, metavar="URL"),
    )


HELP: Mapping[str, str] = {
    "organisation": "its name",
    "contact": "whom users ask; part of every refusal",
    "department": "a department with its hosts; repeatable",
    "inventory": "instead of hosts: an inventory that is in DIR, used as it is",
    "category": "a category that is banned; repeatable",
    "tenant": "an own tenant, which stays reachable: google=DOMAIN, or microsoft=TENANT_ID:DOMAIN:...; repeatable",
    "approver": "who approves waivers, with a public SSH key; a department's first one is its head; repeatable",
    "first-day": "the first day of the ban (default: today)",
    "ci": f"{', '.join(PIPELINES)} (default: {PIPELINES[0]})",
    "source": "where the collection comes from; without it, a checkout puts the collection's file into vendor/",
}


def read_answers(arguments: argparse.Namespace, today: datetime.date) -> Answers:
    """The answers out of the options; at a terminal, what they do not answer is asked. Raises PolicyErrors with every
    mistake, and Refused.
    """
    read: dict[str, Any] = {}
    errors: list[PolicyError] = []
    for question in questions(today):
        name = question.option.replace("-", "_")
        given = getattr(arguments, name) or []
        try:
            if given or not sys.stdin.isatty() or _answered(name, read):
                values = [question.read(one) for one in (given if isinstance(given, list) else [given])]
                values = values or _default(question)
            else:
                values = _prompted(question)
            read[name] = tuple(values) if question.many else values[0]
        except Expected as wrong:
            errors.append(PolicyError(f"--{question.option}", wrong.key, wrong.value, wrong.expected))
    if errors or (errors := list(_across(read))):
        raise PolicyErrors(errors)
    return Answers(**read)


def _answered(name: str, read: Mapping[str, Any]) -> bool:
    """Whether another answer makes a question superfluous: the hosts are known, or an option has them."""
    return name == "inventory" and bool(read.get("department"))


def _default(question: Question) -> list[Any]:
    if question.default is None:
        raise Expected("", "", f"an answer to: {question.text}")
    words = question.default.split(",") if question.many else [question.default]
    return [question.read(word) for word in words if word or not question.many]


def _prompted(question: Question) -> list[Any]:
    """The answers that somebody types; a wrong one is asked again."""
    found: list[Any] = []
    while True:
        shown = f" [{question.default}]" if question.default and not found else ""
        try:
            typed = answer(f"{question.text}{shown}")
            if not typed and (found or question.default is not None):
                return found or _default(question)
            found.append(question.read(typed))
        except Expected as wrong:
            say(str(PolicyError("", "", wrong.value, wrong.expected)), error=True)
            continue
        if not question.many:
            return found


def _across(read: Mapping[str, Any]) -> Sequence[PolicyError]:
    """The mistakes of answers that do not go together."""
    departments: Sequence[Department] = read["department"]
    names = [one.name for one in departments]
    errors = []
    if not read["inventory"] and not departments:
        expected = "the departments with their hosts, such as press=press01,press02, or --inventory"
        errors.append(PolicyError("--department", "", "", expected))
    for one in departments:
        if bool(one.hosts) == bool(read["inventory"]):
            found = Described("hosts") if one.hosts else Described("no host")
            expected = "none, since --inventory has them" if one.hosts else f"at least one: {one.name}=HOST"
            errors.append(PolicyError("--department", one.name, found, expected))
        if names.count(one.name) > 1 or any(one.name in other.hosts for other in departments):
            errors.append(PolicyError("--department", "", one.name, "each name once, and no host of that name"))
    for who in read["approver"]:
        if who.department and names and who.department not in names:
            expected = f"one of {', '.join(names)}"
            errors.append(PolicyError("--approver", "", who.department, expected))
    return errors
