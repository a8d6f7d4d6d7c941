"""Command `./proscribe waiver verify`, which checks the signatures of waivers and prints the status of each waiver."""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path
from typing import TypedDict

from ...compile.plans.waiver_queries import list_judged_waivers
from ...compile.waivers.judged_waivers import JudgedWaiver
from ...compile.waivers.signatures import get_signature_path, get_signers_path, verify_signature
from ...compile.waivers.waiver_status import ACTIVE, ENDED_STATUSES
from ...report.text.wording import format_key
from .. import inventory, print_message
from .waiver_files import find_waiver

NOT_YET_VALID = "not_yet_valid"  # status before the start of a waiver that is approved, and signed if required
NOT_WAIVING_CODE = 1  # exit code if a chosen waiver is not in force


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `./proscribe waiver verify`."""
    parser.epilog = "Exit code 0: every chosen waiver is in force, or with --current will be; 1: one is not."
    parser.add_argument("ids", nargs="*", metavar="ID", help="the waivers to verify (default: all)")
    parser.add_argument(
        "--current",
        action="store_true",
        help="leave out waivers that ended or were revoked, and accept those that begin later; for pipelines",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


class WaiverVerification(TypedDict):
    """The result of verifying a waiver, as an entry of the JSON output of `waiver verify`."""

    id: str
    signature: str  # a clause such as `not signed`
    signed: bool  # True for a valid signature
    waives: bool
    status: str
    why: str  # the reason for the status


def run(arguments: argparse.Namespace, now: datetime.datetime) -> int:
    """Verify the signatures of the chosen waivers, print the status of each waiver, and return the exit code.

    The exit code is 0 if every chosen waiver is in force, otherwise 1. With `--current`, a future start is accepted.
    """
    judged_waivers = list_judged_waivers(inventory.read_compile_input(arguments), now)
    selected = [find_waiver(waiver_id, judged_waivers) for waiver_id in arguments.ids] or judged_waivers
    accepted = (ACTIVE, NOT_YET_VALID) if arguments.current else (ACTIVE,)
    if arguments.current:
        selected = [judged_waiver for judged_waiver in selected if judged_waiver.judgement.status not in ENDED_STATUSES]
    results = [verify_waiver(judged_waiver, now) for judged_waiver in selected]
    if arguments.json:
        print(json.dumps({"schema": "proscribe/waiver-verification/1", "waivers": results}, indent=2))
    else:
        for verification_result in results:
            print_message(
                f"{verification_result['id']}: {verification_result['signature']}; "
                f"{format_key(verification_result['status'])}{_format_reason(verification_result['why'])}"
            )
        if not results:
            print("no waivers in this inventory")
    return 0 if all(result["status"] in accepted for result in results) else NOT_WAIVING_CODE


def verify_waiver(judged_waiver: JudgedWaiver, now: datetime.datetime) -> WaiverVerification:
    """Check the signature of a waiver at the time `now`, and return the result with the waiver's status."""
    waiver, judgement = judged_waiver
    file = Path(waiver.file)
    signed = False
    if get_signature_path(file).exists():
        verification = verify_signature(waiver.document.content, file, get_signers_path(file), waiver.approved_by, now)
        signed = not verification.problem
        signature_text = (
            f"signed by {waiver.approved_by} with {verification.key}"
            if signed
            else f"the signature does not count: {verification.problem}"
        )
    else:
        signature_text = "not signed"
    return {
        "id": waiver.id,
        "signature": signature_text,
        "signed": signed,
        "waives": judgement.is_waiving,
        "status": judgement.status,
        "why": judgement.why,
    }


def _format_reason(reason: str) -> str:
    return f": {reason}" if reason else ""
