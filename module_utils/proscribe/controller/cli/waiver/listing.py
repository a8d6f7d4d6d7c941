"""`./proscribe waiver list` and `expire-soon`: who may do what, where, until when."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Sequence

from ....base.duration import count_calendar_days, format_duration, parse_duration
from ....model.plan import CONTROLS
from ...compile.inventory.inventory import CompileInput
from ...compile.inventory.reports_place import find_reports_folder
from ...compile.plans.waivers import list_judged_waivers
from ...compile.waivers.reading import JudgedWaiver, make_run_waiver
from ...compile.waivers.standing import format_moment, rank_by_urgency
from ...report.evaluation.lifts import Lifts
from ...report.evaluation.lifts import describe_lifts as in_words_of_lifts
from ...report.storage.fleet_state_file import read_lifts
from ...report.text.layout import cells, paint, row, screen_width
from ...report.text.wording import clean, counted, in_words, some
from .. import inventory, say

SCHEMA = "proscribe/waivers/1"
FOUND = 1  # expire-soon: something ends soon

SOON = datetime.timedelta(days=30)
COLOUR = {True: "green", False: "red"}


def add_list_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `list`."""
    parser.epilog = "The exit code is 0, whatever it finds; `expire-soon` and `verify` are for scripts."
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_soon_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `expire-soon`."""
    parser.epilog = (
        "Exit code 1: a waiver that is in force, or will be, expires in that time, or its review is overdue.\n"
        "Exit code 0 and no output: there is none, so that cron sends no mail."
    )
    parser.add_argument("--within", type=_length, default="30d", metavar="LENGTH", help="12h, 30d, 2w (default: 30d)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _length(text: str) -> datetime.timedelta:
    try:
        return datetime.timedelta(seconds=parse_duration(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def list_all(arguments: argparse.Namespace, now: datetime.datetime) -> int:
    """Every waiver, worst first."""
    question = inventory.question(arguments)
    _describe(
        _in_order(question, now, bool(arguments.limit)), question, now, arguments.json, "no waivers in this inventory"
    )
    return 0


def list_soon(arguments: argparse.Namespace, now: datetime.datetime) -> int:
    """The waivers that somebody has to see to."""
    question = inventory.question(arguments)
    found = [
        judged for judged in _in_order(question, now, bool(arguments.limit)) if soon(judged, now, arguments.within)
    ]
    if found or arguments.json or sys.stdout.isatty():
        _describe(
            found,
            question,
            now,
            arguments.json,
            f"no waiver ends within {format_duration(arguments.within.total_seconds())}",
        )
    return FOUND if found else 0


def soon(judged: JudgedWaiver, now: datetime.datetime, within: datetime.timedelta) -> bool:
    """Whether a waiver that waives, or is going to, ends in that time or has not been reviewed in its own."""
    return _ends_soon(judged, now, within) or (_lasting(judged) and judged.judgement.is_review_overdue)


def _ends_soon(judged: JudgedWaiver, now: datetime.datetime, within: datetime.timedelta) -> bool:
    return _lasting(judged) and judged.waiver.ends <= now + within


def _lasting(judged: JudgedWaiver) -> bool:
    return judged.judgement.is_waiving or judged.judgement.status == "not_yet_valid"


def _in_order(question: CompileInput, now: datetime.datetime, limited: bool) -> list[JudgedWaiver]:
    hosts = {host.name for host in question.hosts}
    found = [j for j in list_judged_waivers(question, now) if not limited or hosts.intersection(j.judgement.hosts)]
    return sorted(found, key=lambda judged: rank_by_urgency(*judged))


def _describe(
    found: Sequence[JudgedWaiver], question: CompileInput, now: datetime.datetime, as_json: bool, none: str
) -> None:
    lifts = read_lifts(find_reports_folder(question.hosts, question.inventory))
    if as_json:
        listed = [
            {
                **make_run_waiver(judged, question),
                "seconds_left": _left(judged, now),
                "lifted": lifted_hosts(judged, lifts),
            }
            for judged in found
        ]
        document: dict[str, object] = {"schema": SCHEMA, "at": f"{now:%Y-%m-%dT%H:%M:%SZ}", "waivers": listed}
        print(json.dumps(document, indent=2))
    elif not found:
        say(none)
    else:
        print(table(found, now, screen_width(), sys.stdout.isatty(), lifts))


def _left(judged: JudgedWaiver, now: datetime.datetime) -> int:
    """How long it still waives or will, in seconds; 0 if it does not."""
    if not _lasting(judged):
        return 0
    return max(0, int((judged.waiver.ends - now).total_seconds()))


def _describe_remaining_time(end: datetime.datetime, now: datetime.datetime) -> str:
    """Return `90 days` as the report counts them; within the last 24 hours return `7 hours`."""
    remaining = end - now
    if remaining < datetime.timedelta(days=1):
        return format_duration(remaining.total_seconds())
    return counted(count_calendar_days(now, end), "day")


def lifted_hosts(judged: JudgedWaiver, lifts: Lifts) -> list[str]:
    """Return the hosts of a waiver on which a control that it is for was lifted, and not observed since."""
    controls = set(judged.waiver.controls)
    return [host for host in judged.judgement.hosts if controls.intersection(lifts.get(host, ()))]


def table(
    found: Sequence[JudgedWaiver], now: datetime.datetime, width: int, colours: bool, lifts: Lifts | None = None
) -> str:
    """The waivers as text, in the order given."""
    waiving = sum(judged.judgement.is_waiving for judged in found)
    overdue = sum(judged.judgement.is_review_overdue for judged in found)
    head = [counted(len(found), "waiver"), f"{waiving:,} in force"]
    ending = sum(_ends_soon(judged, now, SOON) for judged in found)
    head += [f"{overdue:,} to be reviewed"] * bool(overdue)
    head += [f"{ending:,} {'ends' if ending == 1 else 'end'} within {format_duration(SOON.total_seconds())}"] * bool(
        ending
    )
    lines = [paint(": ".join([head[0], ", ".join(head[1:])]), "bold", colours=colours), ""]
    words = [in_words(judged.judgement.status) for judged in found]
    names = [clean(judged.waiver.id) for judged in found]
    widths = (min(max(map(cells, names)), width // 3), max(map(cells, words)))
    for judged, name, word in zip(found, names, words):
        first, *rest = row(name, word, clean(sentence(judged, now) + _lifted(judged, lifts or {})), widths, width)
        lines += [
            first.replace(f" {word}", " " + paint(word, COLOUR[judged.judgement.is_waiving], colours=colours), 1),
            *rest,
        ]
    return "\n".join(lines)


def _lifted(judged: JudgedWaiver, lifts: Lifts) -> str:
    """Say on which hosts of a waiver the ban is lifted, so that it waives nothing there; "" for none."""
    hosts = lifted_hosts(judged, lifts)
    if not hosts:
        return ""
    first = f" ({in_words_of_lifts(lifts[hosts[0]])})" if len(hosts) == 1 else ""
    return f". It has nothing to waive on {some(hosts, 3)}, where the ban is lifted{first}"


def sentence(judged: JudgedWaiver, now: datetime.datetime) -> str:
    """Who may do what where until when, and what is wrong with it."""
    waiver, worth = judged
    groups = [f"the members of {some(waiver.posix_groups, 3)}"] if waiver.posix_groups else []
    who = " and ".join([*([some(waiver.users, 3)] if waiver.users else []), *groups]) or "everybody"
    what = [some(waiver.services, 4)]
    what += [
        f"only {key[:-1]} {some(getattr(waiver, key), 3)}" for key in ("versions", "paths") if getattr(waiver, key)
    ]
    what += [f"at {some(waiver.hours, 3)}"] if waiver.hours else []
    what += [f"by {' and '.join(waiver.controls)}"] if len(waiver.controls) < len(CONTROLS) else []
    where = f"on {counted(len(worth.hosts), 'host')} ({some(worth.hosts, 3)})" if worth.hosts else "on no host"
    parties = f"for {waiver.requested_by}, approved by {waiver.approved_by}"
    parties += f", {waiver.ticket}" if waiver.ticket else ""
    problem = f"{worth.why}. " if worth.why else ""
    scope = f"{', '.join(what)} {where}"
    until = format_moment(waiver.ends)
    if worth.is_waiving:
        text = f"{_describe_remaining_time(waiver.ends, now)} left, until {until}: {who} may use {scope}"
    else:  # nobody may, whatever the file says
        text = f"It is for {who} to use {scope}, from {format_moment(waiver.starts)} until {until}"
    return f"{problem}{text}; {parties}: {waiver.reason}"
