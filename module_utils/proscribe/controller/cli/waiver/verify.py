"""`./proscribe waiver verify`: who signed what, and whether it stands."""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path
from typing import TypedDict

from ...compile.plans.waivers import list_judged_waivers
from ...compile.waivers.reading import JudgedWaiver
from ...compile.waivers.signatures import get_signature_path, get_signers_path, verify_signature
from ...compile.waivers.standing import ACTIVE
from ...report.text.wording import in_words
from .. import inventory, say
from .folder import named

ENDED = ("expired", "revoked")
NOT_YET_VALID = "not_yet_valid"  # approved, and signed where it has to be
FALLEN = 1  # some waiver that was asked for does not waive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the step."""
    parser.epilog = "Exit code 0: every chosen waiver is in force, or with --current will be; 1: one is not."
    parser.add_argument("ids", nargs="*", metavar="ID", help="the waivers to verify (default: all)")
    parser.add_argument(
        "--current",
        action="store_true",
        help="leave out waivers that ended or were revoked, and accept those that begin later; for pipelines",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


class Verified(TypedDict):
    """A waiver, as it stands in the answer for machines."""

    id: str
    signature: str  # in words
    signed: bool
    waives: bool
    status: str
    why: str


def run(arguments: argparse.Namespace, now: datetime.datetime) -> int:
    """Verify the signatures of waivers, and print whether each is in force."""
    known = list_judged_waivers(inventory.question(arguments), now)
    selected = [named(id_, known) for id_ in arguments.ids] or known
    accepted = (ACTIVE, NOT_YET_VALID) if arguments.current else (ACTIVE,)
    if arguments.current:
        selected = [judged for judged in selected if judged.judgement.status not in ENDED]
    results = [verified(judged, now) for judged in selected]
    if arguments.json:
        print(json.dumps({"schema": "proscribe/waiver-verification/1", "waivers": results}, indent=2))
    else:
        for one in results:
            say(f"{one['id']}: {one['signature']}; {in_words(one['status'])}{_because(one['why'])}")
        if not results:
            print("no waivers in this inventory")
    return 0 if all(result["status"] in accepted for result in results) else FALLEN


def verified(judged: JudgedWaiver, now: datetime.datetime) -> Verified:
    """Judge the signature of one waiver, and whether the waiver is in force."""
    waiver, worth = judged
    file = Path(waiver.file)
    signed = False
    if get_signature_path(file).exists():
        seen = verify_signature(waiver.document.content, file, get_signers_path(file), waiver.approved_by, now)
        signed = not seen.problem
        said = (
            f"signed by {waiver.approved_by} with {seen.key}"
            if signed
            else f"the signature does not count: {seen.problem}"
        )
    else:
        said = "not signed"
    return {
        "id": waiver.id,
        "signature": said,
        "signed": signed,
        "waives": worth.is_waiving,
        "status": worth.status,
        "why": worth.why,
    }


def _because(why: str) -> str:
    return f": {why}" if why else ""
