"""Command `./proscribe waiver revoke`, which ends a waiver by lines that it appends to the waiver's file."""

from __future__ import annotations

import argparse
import contextlib
import datetime
from pathlib import Path

from ....base.duration import format_moment
from ...compile.plans.host_policies import find_plan_store, read_all_restrictions
from ...compile.plans.waiver_queries import list_judged_waivers
from ...compile.waivers.approvers import explain_objection
from ...compile.waivers.judged_waivers import make_judgement_context
from ...compile.waivers.revocations import note_revocation
from ...compile.waivers.signatures import get_signature_path
from ...compile.waivers.waiver_notes import SeenRevocation
from ...policy_errors import PolicyError, PolicyErrors
from .. import CommandError, inventory, print_message
from . import waiver_text
from .prompts import ask_missing_options
from .time_options import format_time_option
from .waiver_files import check_waiver_content, find_waiver, replace_waiver_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `./proscribe waiver revoke`."""
    parser.epilog = (
        "The waiver ends at that time, and the next enforcing run closes what it had opened. A revocation needs no\n"
        "signature: it counts although the old one no longer fits. It is remembered: an old copy of the file waives\n"
        "nothing. To grant the same again, a new approval is needed, with a later approved_on."
    )
    parser.add_argument("id", metavar="ID", help="the waiver's id, or its file")
    parser.add_argument("--by", metavar="NAME", help="who revokes it, one who may approve it")
    parser.add_argument("--why", metavar="TEXT", help="one sentence")
    parser.add_argument("--on", metavar="TIME", default="now", help="from when on (default: now)")


def run(arguments: argparse.Namespace, now: datetime.datetime) -> int:
    """Append the revocation to the waiver's file, record it for later runs, and return exit code 0.

    The rest of the file stays, including comments. Raises CommandError if the waiver is revoked already, or if the
    person may not revoke it. A file to which no lines can be appended is an error, too.
    """
    compile_input = inventory.read_compile_input(arguments)
    judged_waiver = find_waiver(arguments.id, list_judged_waivers(compile_input, now))
    waiver = judged_waiver.waiver
    if waiver.revoked:
        raise CommandError(
            f"waiver {waiver.id} is revoked already: {judged_waiver.judgement.why or waiver.revoked.why}"
        )
    try:
        revoked_on = format_time_option(arguments.on, "--on", now)
    except PolicyError as error:
        raise CommandError(str(error)) from None
    answers = ask_missing_options(arguments, {"by": "who revokes it", "why": "why, in a sentence"})
    context = make_judgement_context(compile_input, read_all_restrictions(compile_input.hosts))
    if reason := explain_objection(
        answers["by"], frozenset(judged_waiver.judgement.hosts), context.register, context.groups
    ):
        raise CommandError(f"{reason}; only somebody who may approve the waiver may revoke it (--by)")
    path = Path(waiver.file)
    content = waiver_text.append_lines(
        waiver.document.content, waiver_text.format_revocation(revoked_on, answers["by"], answers["why"])
    )
    try:
        revoked_waiver = check_waiver_content(content, path)
    except PolicyErrors as error:
        lines = waiver_text.format_revocation(revoked_on, answers["by"], answers["why"])
        raise CommandError(f"the lines do not fit the end of {path}; add them by hand:\n{lines}{error}") from None
    if revoked_waiver.revoked is None:
        raise CommandError(f"{path} reads as if nothing had been added; add the revocation by hand")
    replace_waiver_file(path, content)
    revocation = revoked_waiver.revoked
    with contextlib.suppress(PolicyErrors):  # if the revocation cannot be recorded now, the next run records it
        revocation_note = SeenRevocation(waiver.id, revocation.by, format_moment(revocation.on), revocation.why)
        note_revocation(find_plan_store(compile_input), compile_input, revocation_note, format_moment(now))
    print_message(f"waiver {waiver.id} is revoked as of {revoked_on}; commit {path}")
    if get_signature_path(path).exists():
        print_message(
            f"{get_signature_path(path).name} no longer fits the file; that does not matter, and it may be deleted"
        )
    return 0
