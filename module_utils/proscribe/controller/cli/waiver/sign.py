"""`./proscribe waiver sign`: the approver's signature over a waiver's exact bytes, beside its file."""

from __future__ import annotations

import argparse
import datetime
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ....base.duration import format_moment
from ... import ssh_signatures
from ...compile.inventory.policy_folders import SIGNERS_FILE
from ...compile.plans.waivers import list_judged_waivers
from ...compile.waivers.signatures import (
    NAMESPACE,
    get_signature_path,
    get_signers_path,
    make_approver_signer,
    verify_signature,
)
from ...compile.waivers.waiver import Waiver
from ...policy_errors import PolicyErrors
from ...report.text.wording import counted, some
from .. import Refused, inventory, say
from . import text
from .folder import checked, named, replace

KEY = Path("~/.ssh/id_ed25519")
SIGNED_HOSTS = re.compile(rb"(?m)^signed_hosts: .*\r?\n?")
FEW = 3  # hosts that are named
APPROVED_ON = re.compile(rb"(?m)^approved_on: .*$")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the step."""
    parser.epilog = (
        f"Writes <file>.sig as `ssh-keygen -Y sign -n {NAMESPACE}` does. A waiver for groups or zones first gets the\n"
        "hosts that they come to now (signed_hosts), so that the signature covers them. Nothing is written unless it\n"
        f"would count: the key has to be the approver's in the file {SIGNERS_FILE} beside the directory of waivers."
    )
    parser.add_argument("id", metavar="ID", help="the waiver's id, or its file")
    parser.add_argument(
        "--key",
        type=Path,
        default=KEY,
        metavar="FILE",
        help=f"private key, or the public half of one that ssh-agent holds (default: {KEY})",
    )


def run(arguments: argparse.Namespace, now: datetime.datetime) -> int:
    """Sign, and write the signature if it counts."""
    waiver, worth = named(arguments.id, list_judged_waivers(inventory.question(arguments), now))
    file = Path(waiver.file)
    signers = get_signers_path(file)
    hosts = sorted({*worth.hosts, *worth.grown_hosts, *worth.frozen_hosts})
    covers_all = not (waiver.groups or waiver.zones) or sorted(waiver.signed_hosts) == hosts
    if (
        covers_all
        and get_signature_path(file).exists()
        and not verify_signature(waiver.document.content, file, signers, waiver.approved_by, now).problem
    ):
        say(f"waiver {waiver.id} is signed by {waiver.approved_by} already")
        return 0
    key = arguments.key.expanduser()
    if waiver.request:  # an operator drafted it, and now it is approved
        approved = f"approved_on: {format_moment(now)}".encode()
        waiver = checked(APPROVED_ON.sub(approved, waiver.document.content, count=1), file)
    if not covers_all:
        waiver = _with_hosts(waiver, hosts)
    signature = _signature(waiver, key)
    with tempfile.TemporaryDirectory() as folder:  # where it does no harm if it does not count
        candidate = Path(folder, file.name)
        get_signature_path(candidate).write_bytes(signature)
        seen = verify_signature(waiver.document.content, candidate, signers, waiver.approved_by, now)
    if seen.problem:
        raise Refused(
            f"that signature would not count, so nothing was written: {seen.problem}{_line(waiver, key, signers)}"
        )
    changed = waiver.request or not covers_all
    if changed:
        replace(file, waiver.document.content)
    replace(get_signature_path(file), signature)
    for_hosts = "" if covers_all else f" for {counted(len(hosts), 'host')} ({some(hosts, FEW)})"
    files = f"{file} and {get_signature_path(file)}" if changed else f"{get_signature_path(file)}"
    say(f"waiver {waiver.id} is signed by {waiver.approved_by}{for_hosts} with {seen.key}; commit {files}")
    return 0


def _with_hosts(waiver: Waiver, hosts: Sequence[str]) -> Waiver:
    """Return a waiver whose file says which hosts its groups and zones come to. Raises Refused where the lines of its
    file do not allow that.
    """
    path, content = Path(waiver.file), SIGNED_HOSTS.sub(b"", waiver.document.content)
    line = f"signed_hosts: {text.in_flow(hosts)}\n"
    try:
        changed = checked(text.append_lines(content, line), path)
    except PolicyErrors as wrong:
        raise Refused(f"the line does not fit the end of {path}; write it by hand:\n{line}{wrong}") from None
    if sorted(changed.signed_hosts) != list(hosts):
        raise Refused(f"{path} reads as if nothing had been added; write this line by hand:\n{line}")
    return changed


def _signature(waiver: Waiver, key: Path) -> bytes:
    try:
        return ssh_signatures.sign(waiver.document.content, key, NAMESPACE)
    except ssh_signatures.NotSigned as wrong:
        raise Refused(str(wrong)) from None


def _line(waiver: Waiver, key: Path, signers: Path) -> str:
    """What to do about a key that is nobody's yet."""
    line = ssh_signatures.line_of(key, make_approver_signer(waiver.approved_by))
    return f"\nIf {key} is the key of {waiver.approved_by}, {signers} needs this line:\n  {line}" if line else ""
