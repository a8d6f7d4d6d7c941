"""`./proscribe waiver revoke`: take a waiver back, by a few lines at the end of its file."""

from __future__ import annotations

import argparse
import contextlib
import datetime
from pathlib import Path

from ....base.duration import format_moment
from ...compile.plans.policy import find_plan_store, read_all_restrictions
from ...compile.plans.waivers import list_judged_waivers
from ...compile.waivers.authority import explain_objection
from ...compile.waivers.reading import make_judgement_context
from ...compile.waivers.revocations import note_revocation
from ...compile.waivers.seen_notes import SeenRevocation
from ...compile.waivers.signatures import get_signature_path
from ...policy_errors import PolicyError, PolicyErrors
from .. import Refused, inventory, say
from . import text
from .asking import ask_for
from .folder import checked, named, replace
from .times import written


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the step."""
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
    """Append the revocation; all else in the file stays, comments too."""
    question = inventory.question(arguments)
    judged = named(arguments.id, list_judged_waivers(question, now))
    waiver = judged.waiver
    if waiver.revoked:
        raise Refused(f"waiver {waiver.id} is revoked already: {judged.judgement.why or waiver.revoked.why}")
    try:
        on = written(arguments.on, "--on", now)
    except PolicyError as wrong:
        raise Refused(str(wrong)) from None
    answers = ask_for(arguments, {"by": "who revokes it", "why": "why, in a sentence"})
    context = make_judgement_context(question, read_all_restrictions(question.hosts))
    if reason := explain_objection(answers["by"], frozenset(judged.judgement.hosts), context.register, context.groups):
        raise Refused(f"{reason}; only somebody who may approve the waiver may revoke it (--by)")
    path = Path(waiver.file)
    content = text.append_lines(waiver.document.content, text.revocation(on, answers["by"], answers["why"]))
    try:
        after = checked(content, path)
    except PolicyErrors as wrong:
        lines = text.revocation(on, answers["by"], answers["why"])
        raise Refused(f"the lines do not fit the end of {path}; add them by hand:\n{lines}{wrong}") from None
    if after.revoked is None:
        raise Refused(f"{path} reads as if nothing had been added; add the revocation by hand")
    replace(path, content)
    block = after.revoked
    with contextlib.suppress(PolicyErrors):  # the next run notes it anyhow
        revoked = SeenRevocation(waiver.id, block.by, format_moment(block.on), block.why)
        note_revocation(find_plan_store(question), question, revoked, format_moment(now))
    say(f"waiver {waiver.id} is revoked as of {on}; commit {path}")
    if get_signature_path(path).exists():
        say(f"{get_signature_path(path).name} no longer fits the file; that does not matter, and it may be deleted")
    return 0
