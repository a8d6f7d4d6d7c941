"""`./proscribe explain`: what is closed where, and why, told from the policy alone. No host is touched."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from pathlib import Path

from ....model.plan import CONTROLS
from ...compile.inventory.inventory import CompileInput as Hosts
from ...compile.plans.hosts import CompiledPlans, compile_hosts
from ...report.text.command import Subcommand
from ...report.text.layout import screen_width
from ...report.text.wording import some
from .. import Refused, inventory, say
from ..next_command import format_suggestions, propose
from . import expectations, facts
from .answering import MOST_HOSTS, compare, explain
from .printing import as_json, render
from .question import read
from .reasons.reason import BLOCKED, DEPENDS

OPEN_EVERYWHERE, CLOSED_SOMEWHERE = 0, 1
AS_EXPECTED, DIFFERENT = 0, 1

EPILOG = """\
NAME may be a host (mail.google.com), a URL, an address or a network (with a port: 9.9.9.9:853, [2620:fe::fe]:853),
a service (gmail), a program: a package, flatpak, process or path (org.telegram.desktop), a file (WeChat.AppImage),
or a browser extension by its id.
The newest reports say which package systems and browsers a host has; without a report, the answer covers each of them.

Answers: blocked; depends (on something that only the host knows, and the reason says on what); audited (counts against
the host, nothing is changed); waived; tenants (open to the organisation's own accounts); upcoming; reported; open.

Exit code 0: open on all chosen hosts; 1: a control blocks it on some host (or may: depends); 2: the question or the
policy has a mistake. With --expect, 0: all as expected; 1: some name has another answer.

A file for --expect has names by hosts (all, a group, a host) and answer:
  all:
    blocked: [web.whatsapp.com, https://drive.google.com/drive]
    open: [www.google.com, mail.example.org]

  ./proscribe explain https://drive.google.com/drive -i inventory/prod
  ./proscribe explain 149.154.167.99 --host finance-01
  ./proscribe explain whatsapp --at 2027-01-01T00:00:00+08:00 --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the word."""
    parser.description = (
        "Show whether a name, an address, a service or a program is blocked, by which control, and why."
    )
    parser.epilog = EPILOG
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("name", metavar="NAME", nargs="?", help="what to explain")
    what.add_argument("--expect", metavar="FILE", help="compare a file of names and expected answers with the policy")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--at", type=at, metavar="TIME", help="as of that time, with its zone (default: now)")
    parser.add_argument("--host", dest="limit", metavar="HOST", default="", help="only this host: the same as --limit")
    inventory.add_options(parser)


def at(text: str) -> datetime.datetime:
    """An option's point in time. Raises ArgumentTypeError for one without a zone."""
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time with its zone, such as 2027-01-01T00:00:00+08:00")
    return time.astimezone(datetime.timezone.utc)


def run(arguments: argparse.Namespace) -> int:
    """Answer on the standard output; returns the exit code."""
    question = read(arguments.name) if arguments.name else None
    now = arguments.at or datetime.datetime.now(datetime.timezone.utc)
    hosts, aside = _hosts(arguments)
    compiled = compile_hosts(hosts, now)
    known = facts.known_of(hosts, compiled.hosts)
    if question is None:
        results = compare(Path(arguments.expect), hosts.groups, compiled, known)
        if arguments.json:
            print(json.dumps(expectations.as_json(arguments.expect, results), indent=2))
        else:
            print(expectations.render(arguments.expect, results, screen_width()))
        return DIFFERENT if any(result.differences for result in results) else AS_EXPECTED
    try:
        about, groups = explain(question, compiled, known)
    except Refused as refused:
        raise Refused(f"{refused}{_of_another_kind(question.word, hosts, compiled, arguments)}") from None
    if arguments.json:
        print(json.dumps({**as_json(about, groups), "audience": bool(aside)}, indent=2))
    else:
        colours = sys.stdout.isatty()
        if aside:
            say(aside)
        print(render(about, groups, screen_width(), colours))
    closed = any(group.answer in (BLOCKED, DEPENDS) for group in groups)
    return CLOSED_SOMEWHERE if closed else OPEN_EVERYWHERE


def _hosts(arguments: argparse.Namespace) -> tuple[Hosts, str]:
    """The hosts that are chosen, and "". Where runs leave all of them out they are an audience, for which exports
    decide: with that in words.
    """
    try:
        return inventory.question(arguments), ""
    except inventory.NoneServed as none:
        why = f"{none}. What follows is what exports decide for them as an audience, and no run observes it."
        return inventory.question(arguments, served=False), why


def _of_another_kind(word: str, hosts: Hosts, compiled: CompiledPlans, arguments: argparse.Namespace) -> str:
    """What a word is, where it is known as something else, and how that is asked about; "" where it is not."""
    services = {service.id: service for one in compiled.catalogues.values() for service in one.services.values()}
    if word in hosts.groups or any(word == host.name for host in hosts.hosts):
        kind = "group" if word in hosts.groups else "host"
        return f". It is a {kind} of the inventory: name what is to be explained there, with --host {word}"
    if members := sorted(id_ for id_, service in services.items() if service.category == word):
        return f". It is a category of services: explain one of {some(members, MOST_HOSTS)}"
    if word in CONTROLS:
        return ". It is a control: each explanation names what every control does"
    if any(word == waiver.id for waiver, _ in compiled.waivers):
        return "\n".join(
            [
                ". It is a waiver, and this lists it:",
                *format_suggestions(propose("waiver", Subcommand("list"), arguments)),
            ]
        )
    return ""
