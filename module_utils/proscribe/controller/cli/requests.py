"""`./proscribe requests`: what users request on their hosts, and the refusal of a request.

What grants one is a waiver: `./proscribe waiver new --request ID`. `waiver/requested.py` has the state of a request for
both.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pwd
import sys
from collections.abc import Sequence

from ...base.duration import format_duration, format_moment
from ..compile.plans.policy import read_all_restrictions
from ..compile.waivers.reading import make_judgement_context
from ..compile.waivers.refusals import (
    MAX_REASON_LENGTH,
    REFUSALS_FILE,
    RequestRefusal,
    append_refusal,
    explain_invalid_refusal,
    lock_folder,
)
from ..report.text.layout import cells, paint, row, screen_width
from ..report.text.wording import clean, counted, in_words, some
from . import Refused, inventory, say
from .waiver.folder import of_inventory, replace
from .waiver.requested import DRAFTED, ENDED, OPEN, REFUSED, WAIVED, Standing, found, named

SCHEMA = "proscribe/request-list/1"
LIST, REFUSE = "list", "refuse"
COLOUR = {OPEN: "yellow", DRAFTED: "blue", WAIVED: "green", REFUSED: "red", ENDED: "grey"}

EPILOG = """\
  ./proscribe requests                                          all of them, those that wait first
  ./proscribe requests refuse 0f3a9c5d7e1b2846 'use the portal instead'
  ./proscribe waiver new --request 0f3a9c5d7e1b2846             the draft of a waiver, for its approver to sign

They are those of the last record of each host. The exit code is 0, whatever it finds. docs/requests.md"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.description = "List what users request on their hosts (proscribe-request), or refuse one of it."
    parser.epilog = EPILOG
    parser.add_argument(
        "do", nargs="?", choices=(LIST, REFUSE), default=LIST, help="list, or refuse one (default: list)"
    )
    parser.add_argument("id", nargs="?", default="", metavar="ID", help="the request to refuse")
    parser.add_argument(
        "why", nargs="?", default="", metavar="WHY", help="one sentence, which everybody on the host may read"
    )
    parser.add_argument(
        "--by", default="", metavar="NAME", help="who refuses it, one who may approve it (default: this account)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    inventory.add_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it; returns the exit code. Raises Refused and PolicyErrors."""
    now = datetime.datetime.now(datetime.timezone.utc)
    if arguments.do == REFUSE:
        return _refuse(arguments, now)
    if arguments.id or arguments.why:
        raise Refused(f"found {arguments.id!r} after list, expected options only")
    listed = found(arguments, now)
    if arguments.json:
        document = {"schema": SCHEMA, "at": format_moment(now), "requests": [as_dict(one) for one in listed]}
        print(json.dumps(document, indent=2))
    elif not listed:
        say("no requests: no host of this inventory has reported one")
    else:
        print(table(listed, now, screen_width(), sys.stdout.isatty()))
    return 0


def _refuse(arguments: argparse.Namespace, now: datetime.datetime) -> int:
    why = arguments.why.strip()
    if not (arguments.id and why):
        raise Refused("refuse: found no reason, expected the id of a request, and why")
    by = arguments.by.strip() or pwd.getpwuid(os.getuid()).pw_name
    for option, text in (("why", why), ("--by", by)):
        if not text.isprintable() or len(text) > MAX_REASON_LENGTH:
            raise Refused(
                f"{option}: found {len(text)} characters, expected one printable line of at most {MAX_REASON_LENGTH}"
            )
    standing = named(arguments.id, found(arguments, now))
    if standing.state in (REFUSED, WAIVED):
        also = f"; to end it, revoke the waiver {standing.waiver}" if standing.waiver else ""
        raise Refused(f"request {standing.request.id} is {standing.state} already: {standing.why}{also}")
    request = standing.request
    refusal = RequestRefusal(request.id, request.host, request.user, request.service, why, by, format_moment(now))
    question = inventory.question(arguments)
    if why := explain_invalid_refusal(refusal, make_judgement_context(question, read_all_restrictions(question.hosts))):
        raise Refused(f"{why}; who refuses a request has to be one who may approve it (--by)")
    path = of_inventory(question) / REFUSALS_FILE
    with lock_folder(path.parent):
        replace(path, append_refusal(path, refusal))
    say(f"request {request.id} of {request.user} on {request.host} for {request.service} is refused; commit {path}")
    say(f"{request.host} has the answer with its next enforcing or drift run")
    if standing.state == DRAFTED:
        say(f"the draft {standing.waiver} is left as it is: delete it")
    return 0


def as_dict(standing: Standing) -> dict[str, object]:
    """A request with its state, for programs."""
    keys = ("id", "host", "user", "service", "reason", "at")
    return {
        **{key: getattr(standing.request, key) for key in keys},
        "departments": list(standing.departments),
        "state": standing.state,
        "why": standing.why or None,
        "waiver": standing.waiver or None,
        "opens": {"user": list(standing.opens.user), "host": list(standing.opens.host)},
    }


def table(listed: Sequence[Standing], now: datetime.datetime, width: int, colours: bool) -> str:
    """The requests as text, in the order given."""
    waiting = sum(one.state == OPEN for one in listed)
    lines = [paint(f"{counted(len(listed), 'request')}: {waiting:,} open", "bold", colours=colours), ""]
    words = [in_words(one.state) for one in listed]
    names = [clean(one.request.id) for one in listed]
    widths = (min(max(map(cells, names)), width // 3), max(map(cells, words)))
    for one, name, word in zip(listed, names, words):
        first, *rest = row(name, word, clean(sentence(one, now)), widths, width)
        lines += [first.replace(f" {word}", " " + paint(word, COLOUR[one.state], colours=colours), 1), *rest]
    return "\n".join(lines)


def sentence(standing: Standing, now: datetime.datetime) -> str:
    """Who requests what where, for how long already, why, what a waiver would open, and what was answered."""
    request = standing.request
    whose = some(standing.departments, 3) or "no department"
    age = format_duration(max(0.0, (now - standing.time).total_seconds()))
    said = f"{standing.why}. " if standing.why else ""
    return (
        f"{said}{request.user} on {request.host} ({whose}) requests {request.service}, {age} ago: {request.reason}. "
        f"{standing.opens}"
    )
