"""Command `./proscribe waiver new`, which writes a waiver from options and, at a terminal, prompts for missing ones."""

from __future__ import annotations

import argparse
import datetime
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...compile.inventory.host_variables import CompileInput
from ...compile.inventory.policy_folders import APPROVERS_FILE
from ...compile.plans.waiver_queries import find_draft_mistakes, judge_new_waiver, list_judged_waivers
from ...compile.waivers.document import LIST_CHECKS, TIME_KEYS, WaiverFileError
from ...compile.waivers.judged_waivers import JudgedWaiver
from ...compile.waivers.waiver import NARROWING_KEYS, Waiver
from ...policy_errors import PolicyError, PolicyErrors
from ...report.text.shell_commands import LauncherSubcommand
from ...report.text.wording import format_key
from .. import CommandError, inventory, print_message
from ..suggestions import format_suggestions, propose_command
from . import waiver_text
from .draft import fill_in_options
from .listing import describe_waiver
from .prompts import ask_missing_options, ask_question
from .request_status import find_request, list_requests
from .time_options import format_time_option
from .waiver_files import check_waiver_content, create_waiver_file, find_new_waiver_folder

# The question for each required value. The question for the scope, `where`, is added when the values are collected: a
# single answer names hosts, groups or zones.
QUESTIONS: Mapping[str, str] = {
    "services": "services (ids of the catalogue, with commas between)",
    "reason": "reason: the need, in a sentence",
    "requested_by": "requested by",
    "approved_by": "approved by (the head of the department that owns the hosts, or a deputy)",
    "approved_on": "approved on (a day, a time with its zone, or now)",
    "expires": "expires (a day, a time with its zone, or a length from now such as 90d)",
}
# For each status that no signature can correct: the key in the waiver's file ({}) that has to be corrected.
CORRECTION_PLACES = {
    "self_approved": "approved_by in {}",
    "unauthorised": f"approved_by in {{}}, or {APPROVERS_FILE}",
    "blanket": "hosts in {}",
    "too_long": "expires in {}",
    "no_hosts": "hosts in {}",
    "expired": "expires in {}",
}
SCOPE_KEYS = ("hosts", "groups", "zones")  # a waiver needs at least one of these keys
SIGNED_HOSTS_KEY = "signed_hosts"  # has no option, because `waiver sign` writes it
# The option (without dashes) for each key of a waiver that has a list.
LIST_OPTIONS = {key: key.removesuffix("s").replace("_", "-") for key in LIST_CHECKS if key != SIGNED_HOSTS_KEY} | {
    "hours": "hours"
}
TEXT_OPTIONS: Mapping[str, str] = {
    "risk": "what may come of it, in a sentence",
    "ticket": "where the request was filed",
}
# A hint in an error that a name belongs to another key, in the notation of the file: `groups: [press]`.
OTHER_KEY_PATTERN = re.compile(r"\b(hosts|groups|services): \[(.*)\]")
TIME_HELP = "a day, a time with its zone, or now"
END_HELP = "a day (included), a time with its zone, or a length from now such as 90d"
TIME_OPTIONS: Mapping[str, str] = {
    "approved_on": TIME_HELP,
    "expires": END_HELP,
    "requested_on": TIME_HELP,
    "valid_from": f"{TIME_HELP} (default: from the approval on)",
    "review_by": f"{END_HELP} (default: 31 days after the approval)",
}
PARTIES_AND_REASON: Mapping[str, str] = {
    "reason": "the need, in a sentence",
    "requested_by": "who asks for it",
    "approved_by": "the head of the department that owns the hosts, or a deputy; somebody else than who asks",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `./proscribe waiver new`: one for each key of a waiver that a user can set."""
    parser.epilog = (
        "Options that take several may be repeated, or have commas between. What is required and not given is asked\n"
        "for at a terminal. A file that is there is never overwritten.\n\n"
        "  ./proscribe waiver new --service whatsapp --host press01 \\\n"
        "      --reason 'Press enquiries come in there' --requested-by chan.tai.man \\\n"
        "      --approved-by head.of.press --approved-on now --expires 90d"
    )
    parser.add_argument("--id", help="also the file's name (default: out of the place and the service)")
    for key, option in LIST_OPTIONS.items():
        parser.add_argument(
            f"--{option}",
            action="append",
            default=[],
            dest=key,
            metavar="TEXT" if key == "compensating_controls" else option.upper(),
            help=LIST_CHECKS[key]("") + _format_requirement(key),
        )
    for metavar, options in (("TEXT", {**PARTIES_AND_REASON, **TEXT_OPTIONS}), ("TIME", TIME_OPTIONS)):
        for key, help_ in options.items():
            parser.add_argument(
                f"--{key.replace('_', '-')}", dest=key, metavar=metavar, help=help_ + _format_requirement(key)
            )
    parser.add_argument(
        "--request",
        metavar="ID",
        default="",
        help="draft it from a user's request (./proscribe requests): for that user on that host, with the head of the "
        "department as its approver; other options go before what the request says",
    )
    parser.add_argument(
        "--whole-host", action="store_true", help="with --request: open all controls, for everybody on that host"
    )
    parser.add_argument("--print", action="store_true", help="show the file instead of writing it")


def _format_requirement(key: str) -> str:
    """Return the end of an option's help: required, the default, or the controls that the option needs.

    The result is "" for an optional key. `key` is the option's key in a waiver.
    """
    if key in SCOPE_KEYS:
        return " (one of host, group and zone is required)"
    if key == "controls":
        return " (default: all)"
    if key in NARROWING_KEYS:
        return f"; only this one is excepted (with --control {','.join(NARROWING_KEYS[key][0])})"
    return " (required)" if key in QUESTIONS else ""


def run(arguments: argparse.Namespace, now: datetime.datetime) -> int:
    """Write a new waiver's file, print its effect and the next commands, and return exit code 0.

    With `--print`, the file is printed instead of written. Raises CommandError for wrong options and for an existing
    waiver with this id.
    """
    remarks = []
    if arguments.request:
        remarks = fill_in_options(arguments, find_request(arguments.request, list_requests(arguments, now)), now)
    elif arguments.whole_host:
        raise CommandError("--whole-host: found without --request, expected with it")
    compile_input = inventory.read_compile_input(arguments)
    values, option_errors = _collect_values(arguments, now)
    path = find_new_waiver_folder(compile_input) / f"{values['id']}.yml"
    content = waiver_text.format_waiver(values).encode()
    waiver, judged_waiver = _judge_content(content, path, compile_input, now, option_errors)
    files_by_id = {
        judged_waiver.waiver.id: judged_waiver.waiver.file for judged_waiver in list_judged_waivers(compile_input, now)
    }
    if waiver.id in files_by_id:
        raise CommandError(f"{files_by_id[waiver.id]} has this id already; it is left as it is")
    if arguments.print:
        print(content.decode(), end="")
    else:
        create_waiver_file(path, content)
        print_message(f"wrote {path}")
    effect = (
        "it waives"
        if judged_waiver.judgement.is_waiving
        else f"as written it waives nothing ({judged_waiver.judgement.status})"
    )
    line = f"{format_key(effect)}: {describe_waiver(judged_waiver, now)}"
    for message in (line, *remarks):
        print_message(message, error=arguments.print)
    if not arguments.print:
        if place := CORRECTION_PLACES.get(judged_waiver.judgement.status):
            print_message(f"next: correct {place.format(path)}, since no signature helps; then its approver signs it:")
        else:
            print_message(f"next: {waiver.approved_by} signs it, and it is committed:")
        for line in format_suggestions(
            propose_command("waiver", LauncherSubcommand("sign", positional_values={"id": waiver.id}), arguments)
        ):
            print_message(line)
    return 0


def _judge_content(
    content: bytes,
    path: Path,
    compile_input: CompileInput,
    now: datetime.datetime,
    option_errors: Sequence[PolicyError],
) -> tuple[Waiver, JudgedWaiver]:
    """Return the waiver that a file with this content would be, with its status. Raises CommandError for mistakes.

    The file `path` does not exist yet, so the message names the options that caused the mistakes. It also has
    `option_errors`, the mistakes that were found before.
    """
    errors = list(option_errors)
    try:
        waiver = check_waiver_content(content, path)
        judged_waiver = judge_new_waiver(waiver, compile_input, now)
    except WaiverFileError as malformed:
        errors += [*malformed.errors, *find_draft_mistakes(malformed.malformed_waiver, compile_input, now)]
    except PolicyErrors as policy_errors:
        errors += policy_errors.errors
    if errors:
        raise CommandError("\n".join(str(_map_error_to_option(error, str(path))) for error in errors))
    return waiver, judged_waiver


def _map_error_to_option(error: PolicyError, path: str) -> PolicyError:
    """Convert a mistake in the waiver's future file `path` to a mistake in the option that gave the value.

    A mistake at another place is returned unchanged.
    """
    if not error.location.startswith(path):
        return error
    key = error.key.partition("[")[0]
    expected = OTHER_KEY_PATTERN.sub(lambda match: f"--{LIST_OPTIONS[match[1]]} {match[2]}", error.expected)
    return PolicyError(f"--{LIST_OPTIONS.get(key, key).replace('_', '-')}", "", error.found_value, expected)


def _collect_values(
    arguments: argparse.Namespace, now: datetime.datetime
) -> tuple[dict[str, str | list[str]], list[PolicyError]]:
    """Return the values of a waiver's file by key, and the errors of invalid times in options.

    At a terminal, the user is asked for missing options. An invalid time is replaced by a valid one, so that the other
    values are checked as well. Raises CommandError for missing options without a terminal.
    """
    option_errors: list[PolicyError] = []
    values: dict[str, str | list[str]] = {key: _split_option(key, getattr(arguments, key)) for key in LIST_OPTIONS}
    # The services and the scope are checked together with the other options, so one message names all missing options.
    arguments.services = ",".join(values["services"])
    arguments.where = ",".join(name for key in SCOPE_KEYS for name in values[key])
    names = {**QUESTIONS, "where": "hosts (or group:<name>, zone:<name>; with commas between)"}
    options = {"services": "--service", "where": "--host, --group or --zone"}
    answers = ask_missing_options(arguments, names, options)
    # In the answer about the scope, `group:press` is a group and `zone:lab` is a zone. Any other name is a host.
    if not any(values[key] for key in SCOPE_KEYS):
        for name in _split_option("hosts", [answers["where"]]):
            kind, colon, place_name = name.partition(":")
            key, scope_name = (f"{kind}s", place_name) if colon and f"{kind}s" in SCOPE_KEYS else ("hosts", name)
            values[key] = [*values[key], scope_name]
    values["services"] = _split_option("services", [answers["services"]])
    for key in PARTIES_AND_REASON:
        values[key] = answers[key]
    for key in TEXT_OPTIONS:
        values[key] = getattr(arguments, key) or ""
    for key in TIME_KEYS:
        time_text = answers.get(key) or getattr(arguments, key, None)
        if time_text:
            option, is_end = f"--{key.replace('_', '-')}", key in ("expires", "review_by")
            try:
                values[key] = format_time_option(time_text, option, now, is_end=is_end)
            except PolicyError as error:
                option_errors.append(error)
                values[key] = format_time_option("90d" if is_end else "now", option, now, is_end=is_end)
    values["request"] = arguments.request
    values["id"] = arguments.id or _propose_id(values)
    return values, option_errors


def _split_option(key: str, option_texts: Sequence[str]) -> list[str]:
    """Split the texts of a repeatable option at commas, and return the items.

    Sentences, paths and time windows may contain commas, so they are not split. `key` is the option's key in a waiver.
    """
    if key in ("compensating_controls", "paths", "hours"):
        return [part.strip() for part in option_texts if part.strip()]
    return [part.strip() for option_text in option_texts for part in option_text.split(",") if part.strip()]


def _propose_id(values: Mapping[str, str | Sequence[str]]) -> str:
    """Return an id for a new waiver, made from its scope and service: `press01-whatsapp`.

    At a terminal the user is asked, and may type another id.
    """
    places = [name for key in SCOPE_KEYS for name in values[key]]
    id_text = "-".join([places[0], values["services"][0]]) if places and values["services"] else "waiver"
    proposed_id = re.sub(r"[^A-Za-z0-9._-]+", "-", id_text).strip("-._")
    if not sys.stdin.isatty():
        return proposed_id
    return ask_question(f"id, which is also the file's name [{proposed_id}]") or proposed_id
