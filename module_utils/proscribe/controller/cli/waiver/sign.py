"""Command `./proscribe waiver sign`: an approver's signature over the exact bytes of a waiver, in a file beside it."""

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
from ...compile.plans.waiver_queries import list_judged_waivers
from ...compile.waivers.signatures import (
    NAMESPACE,
    get_signature_path,
    get_signers_path,
    make_approver_signer,
    verify_signature,
)
from ...compile.waivers.waiver import Waiver
from ...policy_errors import PolicyErrors
from ...report.text.wording import format_count, summarise_names
from .. import CommandError, inventory, print_message
from . import waiver_text
from .waiver_files import check_waiver_content, find_waiver, replace_waiver_file

DEFAULT_KEY = Path("~/.ssh/id_ed25519")
SIGNED_HOSTS_PATTERN = re.compile(rb"(?m)^signed_hosts: .*\r?\n?")
MAX_NAMED_HOSTS = 3
APPROVED_ON_PATTERN = re.compile(rb"(?m)^approved_on: .*$")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `./proscribe waiver sign`."""
    parser.epilog = (
        f"Writes <file>.sig as `ssh-keygen -Y sign -n {NAMESPACE}` does. A waiver for groups or zones first gets the\n"
        "hosts that they come to now (signed_hosts), so that the signature covers them. Nothing is written unless it\n"
        f"would count: the key has to be the approver's in the file {SIGNERS_FILE} beside the directory of waivers."
    )
    parser.add_argument("id", metavar="ID", help="the waiver's id, or its file")
    parser.add_argument(
        "--key",
        type=Path,
        default=DEFAULT_KEY,
        metavar="FILE",
        help=f"private key, or the public half of one that ssh-agent holds (default: {DEFAULT_KEY})",
    )


def run(arguments: argparse.Namespace, now: datetime.datetime) -> int:
    """Sign a waiver with the approver's key, write the signature if it is valid, and return exit code 0.

    A waiver for groups or zones first gets the list of their present hosts, so that the signature covers them. Raises
    CommandError, and writes nothing, if the signature would not be valid.
    """
    waiver, judgement = find_waiver(arguments.id, list_judged_waivers(inventory.read_compile_input(arguments), now))
    file = Path(waiver.file)
    signers = get_signers_path(file)
    # All hosts that the waiver covers now, also those for which it was not signed.
    hosts = sorted({*judgement.hosts, *judgement.grown_hosts, *judgement.frozen_hosts})
    # False if the hosts of the groups or zones have changed since the last signature, or if there was none.
    covers_all = not (waiver.groups or waiver.zones) or sorted(waiver.signed_hosts) == hosts
    if (
        covers_all
        and get_signature_path(file).exists()
        and not verify_signature(waiver.document.content, file, signers, waiver.approved_by, now).problem
    ):
        print_message(f"waiver {waiver.id} is signed by {waiver.approved_by} already")
        return 0
    key = arguments.key.expanduser()
    if waiver.request:  # an operator drafted the waiver, so the time of the signature is the time of the approval
        approval_line = f"approved_on: {format_moment(now)}".encode()
        waiver = check_waiver_content(APPROVED_ON_PATTERN.sub(approval_line, waiver.document.content, count=1), file)
    if not covers_all:
        waiver = _add_signed_hosts(waiver, hosts)
    signature = _make_signature(waiver, key)
    with tempfile.TemporaryDirectory() as folder:  # an invalid signature must not replace a valid signature
        candidate = Path(folder, file.name)
        get_signature_path(candidate).write_bytes(signature)
        verification = verify_signature(waiver.document.content, candidate, signers, waiver.approved_by, now)
    if verification.problem:
        raise CommandError(
            f"that signature would not count, so nothing was written: "
            f"{verification.problem}{_propose_signer_line(waiver, key, signers)}"
        )
    is_changed = waiver.request or not covers_all
    if is_changed:
        replace_waiver_file(file, waiver.document.content)
    replace_waiver_file(get_signature_path(file), signature)
    host_note = (
        "" if covers_all else f" for {format_count(len(hosts), 'host')} ({summarise_names(hosts, MAX_NAMED_HOSTS)})"
    )
    files = f"{file} and {get_signature_path(file)}" if is_changed else f"{get_signature_path(file)}"
    print_message(
        f"waiver {waiver.id} is signed by {waiver.approved_by}{host_note} with {verification.key}; commit {files}"
    )
    return 0


def _add_signed_hosts(waiver: Waiver, hosts: Sequence[str]) -> Waiver:
    """Return the waiver with the line `signed_hosts` at the end of its content: the hosts of its groups and zones.

    No file is written. Raises CommandError if the content has a form to which no line can be appended.
    """
    path, content = Path(waiver.file), SIGNED_HOSTS_PATTERN.sub(b"", waiver.document.content)
    line = f"signed_hosts: {waiver_text.format_flow_list(hosts)}\n"
    try:
        changed_waiver = check_waiver_content(waiver_text.append_lines(content, line), path)
    except PolicyErrors as policy_errors:
        raise CommandError(
            f"the line does not fit the end of {path}; write it by hand:\n{line}{policy_errors}"
        ) from None
    if sorted(changed_waiver.signed_hosts) != list(hosts):
        raise CommandError(f"{path} reads as if nothing had been added; write this line by hand:\n{line}")
    return changed_waiver


def _make_signature(waiver: Waiver, key: Path) -> bytes:
    """Return the signature over the content of a waiver's file. Raises CommandError if ssh-keygen fails."""
    try:
        return ssh_signatures.sign_content(waiver.document.content, key, NAMESPACE)
    except ssh_signatures.SigningError as error:
        raise CommandError(str(error)) from None


def _propose_signer_line(waiver: Waiver, key: Path, signers: Path) -> str:
    """Return a hint with the line that assigns `key` to the approver in the file `signers`.

    The hint is "" if the public key cannot be read.
    """
    line = ssh_signatures.format_signer_line(key, make_approver_signer(waiver.approved_by))
    return f"\nIf {key} is the key of {waiver.approved_by}, {signers} needs this line:\n  {line}" if line else ""
