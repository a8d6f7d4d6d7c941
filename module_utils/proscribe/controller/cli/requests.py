"""Command `./proscribe requests`: the list of users' requests for exceptions, and the refusal of a request.

A waiver grants a request: `./proscribe waiver new --request ID` drafts it. Both commands read a request's state with
`waiver/request_status.py`.
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
from ..compile.plans.host_policies import read_all_restrictions
from ..compile.waivers.judged_waivers import make_judgement_context
from ..compile.waivers.refusals import (
    MAX_REASON_LENGTH,
    REFUSALS_FILE,
    RequestRefusal,
    append_refusal,
    explain_invalid_refusal,
    lock_folder,
)
from ..report.text.terminal_layout import apply_styles, format_table_row, get_screen_width, measure_columns
from ..report.text.wording import clean_text, format_count, format_key, summarise_names
from . import CommandError, inventory, print_message
from .waiver.request_status import DRAFTED, ENDED, OPEN, REFUSED, WAIVED, RequestStatus, find_request, list_requests
from .waiver.waiver_files import find_new_waiver_folder, replace_waiver_file

SCHEMA = "proscribe/request-list/1"
LIST_REQUESTS, REFUSE_REQUEST = "list", "refuse"
STATE_COLOURS = {OPEN: "yellow", DRAFTED: "blue", WAIVED: "green", REFUSED: "red", ENDED: "grey"}

EPILOG = """\
  ./proscribe requests                                          all of them, those that wait first
  ./proscribe requests refuse 0f3a9c5d7e1b2846 'use the portal instead'
  ./proscribe waiver new --request 0f3a9c5d7e1b2846             the draft of a waiver, for its approver to sign

They are those of the last record of each host. The exit code is 0, whatever it finds. docs/requests.md"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `./proscribe requests` to its parser, and set its help texts."""
    parser.description = "List what users request on their hosts (proscribe-request), or refuse one of it."
    parser.epilog = EPILOG
    parser.add_argument(
        "do",
        nargs="?",
        choices=(LIST_REQUESTS, REFUSE_REQUEST),
        default=LIST_REQUESTS,
        help="list, or refuse one (default: list)",
    )
    parser.add_argument("id", nargs="?", default="", metavar="ID", help="the request to refuse")
    parser.add_argument(
        "why", nargs="?", default="", metavar="WHY", help="one sentence, which everybody on the host may read"
    )
    parser.add_argument(
        "--by", default="", metavar="NAME", help="who refuses it, one who may approve it (default: this account)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    inventory.add_inventory_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """List users' requests for exceptions, or refuse one of them, and return the exit code 0.

    Raises CommandError for invalid options and for a refusal that is not permitted, and PolicyErrors.
    """
    now = datetime.datetime.now(datetime.timezone.utc)
    if arguments.do == REFUSE_REQUEST:
        return _refuse_request(arguments, now)
    if arguments.id or arguments.why:
        raise CommandError(f"found {arguments.id!r} after list, expected options only")
    request_statuses = list_requests(arguments, now)
    if arguments.json:
        document = {
            "schema": SCHEMA,
            "at": format_moment(now),
            "requests": [make_request_entry(request_status) for request_status in request_statuses],
        }
        print(json.dumps(document, indent=2))
    elif not request_statuses:
        print_message("no requests: no host of this inventory has reported one")
    else:
        print(format_request_table(request_statuses, now, get_screen_width(), sys.stdout.isatty()))
    return 0


def _refuse_request(arguments: argparse.Namespace, now: datetime.datetime) -> int:
    """Refuse a user's request: append the refusal to its file, print the result, and return exit code 0.

    Raises CommandError for a missing reason, an answered request, and a person who may not refuse it.
    """
    reason = arguments.why.strip()
    if not (arguments.id and reason):
        raise CommandError("refuse: found no reason, expected the id of a request, and why")
    refused_by = arguments.by.strip() or pwd.getpwuid(os.getuid()).pw_name
    for option, text in (("why", reason), ("--by", refused_by)):
        if not text.isprintable() or len(text) > MAX_REASON_LENGTH:
            raise CommandError(
                f"{option}: found {len(text)} characters, expected one printable line of at most {MAX_REASON_LENGTH}"
            )
    request_status = find_request(arguments.id, list_requests(arguments, now))
    if request_status.state in (REFUSED, WAIVED):
        revocation_hint = (
            f"; to end it, revoke the waiver {request_status.waiver_id}" if request_status.waiver_id else ""
        )
        raise CommandError(
            f"request {request_status.request.id} is {request_status.state} already: "
            f"{request_status.answer}{revocation_hint}"
        )
    request = request_status.request
    refusal = RequestRefusal(
        request.id, request.host, request.user, request.service, reason, refused_by, format_moment(now)
    )
    compile_input = inventory.read_compile_input(arguments)
    if objection := explain_invalid_refusal(
        refusal, make_judgement_context(compile_input, read_all_restrictions(compile_input.hosts))
    ):
        raise CommandError(f"{objection}; who refuses a request has to be one who may approve it (--by)")
    path = find_new_waiver_folder(compile_input) / REFUSALS_FILE
    with lock_folder(path.parent):
        replace_waiver_file(path, append_refusal(path, refusal))
    print_message(
        f"request {request.id} of {request.user} on {request.host} for {request.service} is refused; commit {path}"
    )
    print_message(f"{request.host} has the answer with its next enforcing or drift run")
    if request_status.state == DRAFTED:
        print_message(f"the draft {request_status.waiver_id} is left as it is: delete it")
    return 0


def make_request_entry(request_status: RequestStatus) -> dict[str, object]:
    """Return a user's request and its state as an entry of the JSON list.

    `opens` has the controls that a waiver would open: for the user alone, and for everybody on the host.
    """
    keys = ("id", "host", "user", "service", "reason", "at")
    return {
        **{key: getattr(request_status.request, key) for key in keys},
        "departments": list(request_status.departments),
        "state": request_status.state,
        "why": request_status.answer or None,
        "waiver": request_status.waiver_id or None,
        "opens": {"user": list(request_status.effect.user_controls), "host": list(request_status.effect.host_controls)},
    }


def format_request_table(
    request_statuses: Sequence[RequestStatus], now: datetime.datetime, width: int, colours: bool
) -> str:
    """Return the users' requests as a table for a terminal of `width` columns, in the given order.

    The first line has the number of all requests and of the open ones. `colours` permits terminal styles.
    """
    open_count = sum(request_status.state == OPEN for request_status in request_statuses)
    lines = [
        apply_styles(f"{format_count(len(request_statuses), 'request')}: {open_count:,} open", "bold", colours=colours),
        "",
    ]
    state_texts = [format_key(request_status.state) for request_status in request_statuses]
    request_ids = [clean_text(request_status.request.id) for request_status in request_statuses]
    widths = (min(max(map(measure_columns, request_ids)), width // 3), max(map(measure_columns, state_texts)))
    for request_status, request_id, state_text in zip(request_statuses, request_ids, state_texts):
        first, *rest = format_table_row(
            request_id, state_text, clean_text(describe_request(request_status, now)), widths, width
        )
        lines += [
            first.replace(
                f" {state_text}",
                " " + apply_styles(state_text, STATE_COLOURS[request_status.state], colours=colours),
                1,
            ),
            *rest,
        ]
    return "\n".join(lines)


def describe_request(request_status: RequestStatus, now: datetime.datetime) -> str:
    """Return a paragraph about a request: the answer, user, host, service, age, reason, and the effect of a waiver."""
    request = request_status.request
    department_text = summarise_names(request_status.departments, 3) or "no department"
    age_text = format_duration(max(0.0, (now - request_status.time).total_seconds()))
    answer_note = f"{request_status.answer}. " if request_status.answer else ""
    return (
        f"{answer_note}{request.user} on {request.host} ({department_text}) requests {request.service}, {age_text} "
        f"ago: {request.reason}. "
        f"{request_status.effect}"
    )
