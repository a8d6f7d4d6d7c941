"""`./proscribe waiver new`: write a waiver, from options, or by asking for what they leave out."""

from __future__ import annotations

import argparse
import datetime
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...compile.inventory.inventory import CompileInput
from ...compile.inventory.policy_folders import APPROVERS_FILE
from ...compile.plans.waivers import find_draft_mistakes, judge_new_waiver, list_judged_waivers
from ...compile.waivers.document import LIST_FORMS, TIME_KEYS, WaiverFileError
from ...compile.waivers.reading import JudgedWaiver
from ...compile.waivers.waiver import NARROWING_KEYS, Waiver
from ...policy_errors import PolicyError, PolicyErrors
from ...report.text.command import Subcommand
from ...report.text.wording import in_words
from .. import Refused, inventory, say
from ..next_command import format_suggestions, propose
from . import text
from .asking import answer, ask_for
from .drafting import fill_in
from .folder import checked, create, of_inventory
from .listing import sentence
from .requested import found, named
from .times import written

# What has to be known, and how it is asked for. `where` stands for hosts, groups or zones.
QUESTIONS: Mapping[str, str] = {
    "services": "services (ids of the catalogue, with commas between)",
    "reason": "reason: the need, in a sentence",
    "requested_by": "requested by",
    "approved_by": "approved by (the head of the department that owns the hosts, or a deputy)",
    "approved_on": "approved on (a day, a time with its zone, or now)",
    "expires": "expires (a day, a time with its zone, or a length from now such as 90d)",
}
# What of a waiver has to be another, by what it is worth: with these no signature makes it waive.
CORRECTED = {
    "self_approved": "approved_by in {}",
    "unauthorised": f"approved_by in {{}}, or {APPROVERS_FILE}",
    "blanket": "hosts in {}",
    "too_long": "expires in {}",
    "no_hosts": "hosts in {}",
    "expired": "expires in {}",
}
# What stands in a waiver only if it is given, with the name of its option.
SCOPES = ("hosts", "groups", "zones")
ONLY_SIGNED = "signed_hosts"  # `waiver sign` writes it
LIST_OPTIONS = {key: key.removesuffix("s").replace("_", "-") for key in LIST_FORMS if key != ONLY_SIGNED} | {
    "hours": "hours"
}
TEXT_OPTIONS: Mapping[str, str] = {
    "risk": "what may come of it, in a sentence",
    "ticket": "where the request was filed",
}
ELSEWHERE = re.compile(r"\b(hosts|groups|services): \[(.*)\]")  # where a name belongs, in a file's words
TIME = "a day, a time with its zone, or now"
LATER = "a day (included), a time with its zone, or a length from now such as 90d"
TIME_OPTIONS: Mapping[str, str] = {
    "approved_on": TIME,
    "expires": LATER,
    "requested_on": TIME,
    "valid_from": f"{TIME} (default: from the approval on)",
    "review_by": f"{LATER} (default: 31 days after the approval)",
}
PARTIES_AND_REASON: Mapping[str, str] = {
    "reason": "the need, in a sentence",
    "requested_by": "who asks for it",
    "approved_by": "the head of the department that owns the hosts, or a deputy; somebody else than who asks",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the step: one for each key of a waiver."""
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
            help=LIST_FORMS[key][1] + _needed(key),
        )
    for metavar, options in (("TEXT", {**PARTIES_AND_REASON, **TEXT_OPTIONS}), ("TIME", TIME_OPTIONS)):
        for key, help_ in options.items():
            parser.add_argument(f"--{key.replace('_', '-')}", dest=key, metavar=metavar, help=help_ + _needed(key))
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


def _needed(key: str) -> str:
    if key in SCOPES:
        return " (one of host, group and zone is required)"
    if key == "controls":
        return " (default: all)"
    if key in NARROWING_KEYS:
        return f"; only this one is excepted (with --control {','.join(NARROWING_KEYS[key][0])})"
    return " (required)" if key in QUESTIONS else ""


def run(arguments: argparse.Namespace, now: datetime.datetime) -> int:
    """Write the waiver, and say what it would be worth."""
    remarks = []
    if arguments.request:
        remarks = fill_in(arguments, named(arguments.request, found(arguments, now)), now)
    elif arguments.whole_host:
        raise Refused("--whole-host: found without --request, expected with it")
    question = inventory.question(arguments)
    values, wrong = _values(arguments, now)
    path = of_inventory(question) / f"{values['id']}.yml"
    content = text.render(values).encode()
    waiver, judged = _judged(content, path, question, now, wrong)
    taken = {judged.waiver.id: judged.waiver.file for judged in list_judged_waivers(question, now)}
    if waiver.id in taken:
        raise Refused(f"{taken[waiver.id]} has this id already; it is left as it is")
    if arguments.print:
        print(content.decode(), end="")
    else:
        create(path, content)
        say(f"wrote {path}")
    worth = "it waives" if judged.judgement.is_waiving else f"as written it waives nothing ({judged.judgement.status})"
    line = f"{in_words(worth)}: {sentence(judged, now)}"
    for one in (line, *remarks):
        say(one, error=arguments.print)
    if not arguments.print:
        if what := CORRECTED.get(judged.judgement.status):
            say(f"next: correct {what.format(path)}, since no signature helps; then its approver signs it:")
        else:
            say(f"next: {waiver.approved_by} signs it, and it is committed:")
        for line in format_suggestions(propose("waiver", Subcommand("sign", values={"id": waiver.id}), arguments)):
            say(line)
    return 0


def _judged(
    content: bytes, path: Path, question: CompileInput, now: datetime.datetime, wrong: Sequence[PolicyError]
) -> tuple[Waiver, JudgedWaiver]:
    """The waiver, and what it is worth. Raises Refused with all that is wrong with the options: there is no file yet
    that could be blamed.
    """
    errors = list(wrong)
    try:
        waiver = checked(content, path)
        judged = judge_new_waiver(waiver, question, now)
    except WaiverFileError as malformed:
        errors += [*malformed.errors, *find_draft_mistakes(malformed.malformed_waiver, question, now)]
    except PolicyErrors as mistaken:
        errors += mistaken.errors
    if errors:
        raise Refused("\n".join(str(_of_option(error, str(path))) for error in errors))
    return waiver, judged


def _of_option(error: PolicyError, path: str) -> PolicyError:
    """A mistake in what would be the file, as one in the option that it came from."""
    if not error.where.startswith(path):
        return error
    key = error.key.partition("[")[0]
    expected = ELSEWHERE.sub(lambda match: f"--{LIST_OPTIONS[match[1]]} {match[2]}", error.expected)
    return PolicyError(f"--{LIST_OPTIONS.get(key, key).replace('_', '-')}", "", error.value, expected)


def _values(
    arguments: argparse.Namespace, now: datetime.datetime
) -> tuple[dict[str, str | list[str]], list[PolicyError]]:
    """What the file says, and the options that cannot stand in one: a time is in their place, so that the others are
    checked as well.
    """
    wrong: list[PolicyError] = []
    values: dict[str, str | list[str]] = {key: _split(key, getattr(arguments, key)) for key in LIST_OPTIONS}
    # One message names everything that is missing, so that the user reads only one.
    arguments.services = ",".join(values["services"])
    arguments.where = ",".join(name for key in SCOPES for name in values[key])
    names = {**QUESTIONS, "where": "hosts (or group:<name>, zone:<name>; with commas between)"}
    options = {"services": "--service", "where": "--host, --group or --zone"}
    answers = ask_for(arguments, names, options)
    if not any(values[key] for key in SCOPES):
        for name in _split("hosts", [answers["where"]]):
            kind, colon, rest = name.partition(":")
            key, place = (f"{kind}s", rest) if colon and f"{kind}s" in SCOPES else ("hosts", name)
            values[key] = [*values[key], place]
    values["services"] = _split("services", [answers["services"]])
    for key in PARTIES_AND_REASON:
        values[key] = answers[key]
    for key in TEXT_OPTIONS:
        values[key] = getattr(arguments, key) or ""
    for key in TIME_KEYS:
        given = answers.get(key) or getattr(arguments, key, None)
        if given:
            option, end = f"--{key.replace('_', '-')}", key in ("expires", "review_by")
            try:
                values[key] = written(given, option, now, end=end)
            except PolicyError as error:
                wrong.append(error)
                values[key] = written("90d" if end else "now", option, now, end=end)
    values["request"] = arguments.request
    values["id"] = arguments.id or _id(values)
    return values, wrong


def _split(key: str, given: Sequence[str]) -> list[str]:
    """The items of an option. A sentence keeps its commas."""
    if key in ("compensating_controls", "paths", "hours"):
        return [item.strip() for item in given if item.strip()]
    return [item.strip() for text_ in given for item in text_.split(",") if item.strip()]


def _id(values: Mapping[str, str | Sequence[str]]) -> str:
    """A name that says what is in the file: press01-whatsapp."""
    places = [name for key in SCOPES for name in values[key]]
    words = "-".join([places[0], values["services"][0]]) if places and values["services"] else "waiver"
    proposed = re.sub(r"[^A-Za-z0-9._-]+", "-", words).strip("-._")
    if not sys.stdin.isatty():
        return proposed
    return answer(f"id, which is also the file's name [{proposed}]") or proposed
