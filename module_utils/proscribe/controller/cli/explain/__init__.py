"""Command `./proscribe explain`: the status of a name, address, service or program on hosts, and the reasons.

The command contacts no host. The answer comes from the policy, and from the newest host records in the reports.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from pathlib import Path

from ....model.plan import CONTROLS
from ...compile.inventory.host_variables import CompileInput as Hosts
from ...compile.plans.host_plans import CompiledPlans, compile_hosts
from ...report.text.shell_commands import LauncherSubcommand
from ...report.text.terminal_layout import get_screen_width
from ...report.text.wording import summarise_names
from .. import CommandError, inventory, print_message
from ..suggestions import format_suggestions, propose_command
from . import collected_facts, expectations
from .answer_texts import MAX_NAMED_HOSTS, compare_expectations, explain_question
from .output import format_explanation, make_explanation_document
from .question import parse_question
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
    """Add the description and the options of `./proscribe explain` to its parser."""
    parser.description = (
        "Show whether a name, an address, a service or a program is blocked, by which control, and why."
    )
    parser.epilog = EPILOG
    question_options = parser.add_mutually_exclusive_group(required=True)
    question_options.add_argument("name", metavar="NAME", nargs="?", help="what to explain")
    question_options.add_argument(
        "--expect", metavar="FILE", help="compare a file of names and expected answers with the policy"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--at", type=parse_time_option, metavar="TIME", help="as of that time, with its zone (default: now)"
    )
    parser.add_argument("--host", dest="limit", metavar="HOST", default="", help="only this host: the same as --limit")
    inventory.add_inventory_options(parser)


def parse_time_option(text: str) -> datetime.datetime:
    """Parse the value of --at (ISO 8601 with a zone) and return it in UTC.

    Raises ArgumentTypeError for a text that is no time, and for a time without a zone.
    """
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time with its zone, such as 2027-01-01T00:00:00+08:00")
    return time.astimezone(datetime.timezone.utc)


def run(arguments: argparse.Namespace) -> int:
    """Answer the question of the command line, print the answer and return the exit code that EPILOG explains.

    With --expect, compare a file of expected answers with the policy instead. Raises CommandError for an unknown word.
    """
    question = parse_question(arguments.name) if arguments.name else None
    now = arguments.at or datetime.datetime.now(datetime.timezone.utc)
    compile_input, audience_note = _read_hosts(arguments)
    compiled = compile_hosts(compile_input, now)
    facts_by_host = collected_facts.collect_facts(compile_input, compiled.hosts)
    if question is None:
        results = compare_expectations(Path(arguments.expect), compile_input.groups, compiled, facts_by_host)
        if arguments.json:
            print(json.dumps(expectations.make_results_document(arguments.expect, results), indent=2))
        else:
            print(expectations.format_results(arguments.expect, results, get_screen_width()))
        return DIFFERENT if any(result.differences for result in results) else AS_EXPECTED
    try:
        subject, groups = explain_question(question, compiled, facts_by_host)
    except CommandError as error:
        raise CommandError(
            f"{error}{_describe_other_kind(question.text, compile_input, compiled, arguments)}"
        ) from None
    if arguments.json:
        print(json.dumps({**make_explanation_document(subject, groups), "audience": bool(audience_note)}, indent=2))
    else:
        colours = sys.stdout.isatty()
        if audience_note:
            print_message(audience_note)
        print(format_explanation(subject, groups, get_screen_width(), colours))
    is_closed = any(group.answer in (BLOCKED, DEPENDS) for group in groups)
    return CLOSED_SOMEWHERE if is_closed else OPEN_EVERYWHERE


def _read_hosts(arguments: argparse.Namespace) -> tuple[Hosts, str]:
    """Return the hosts that the options choose, and a note for the user; "" if runs serve some of these hosts.

    If runs leave out all of them (proscribe_hosts), the hosts are an audience that only exports for enforcement points
    serve. The note explains this.
    """
    try:
        return inventory.read_compile_input(arguments), ""
    except inventory.NoServedHosts as error:
        audience_note = f"{error}. What follows is what exports decide for them as an audience, and no run observes it."
        return inventory.read_compile_input(arguments, only_served=False), audience_note


def _describe_other_kind(
    word: str, compile_input: Hosts, compiled: CompiledPlans, arguments: argparse.Namespace
) -> str:
    """Return a hint if an unknown word is a group, host, service category, control or waiver; "" otherwise.

    The hint is the end of the error message about the word. It shows how to ask instead.
    """
    services = {
        service.id: service for catalogue in compiled.catalogues.values() for service in catalogue.services.values()
    }
    if word in compile_input.groups or any(word == host.name for host in compile_input.hosts):
        kind = "group" if word in compile_input.groups else "host"
        return f". It is a {kind} of the inventory: name what is to be explained there, with --host {word}"
    if members := sorted(service_id for service_id, service in services.items() if service.category == word):
        return f". It is a category of services: explain one of {summarise_names(members, MAX_NAMED_HOSTS)}"
    if word in CONTROLS:
        return ". It is a control: each explanation names what every control does"
    if any(word == waiver.id for waiver, _ in compiled.waivers):
        return "\n".join(
            [
                ". It is a waiver, and this lists it:",
                *format_suggestions(propose_command("waiver", LauncherSubcommand("list"), arguments)),
            ]
        )
    return ""
