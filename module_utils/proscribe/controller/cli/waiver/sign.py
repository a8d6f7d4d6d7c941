"""`./proscribe waiver sign`: the approver's signature over a waiver's exact bytes, beside its file."""

from __future__ import annotations

import argparse
import datetime
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from ....base.duration import spelled
from ...compile.inventory.policy_folders import SIGNERS
from ...compile.plans.waivers import waivers_of
from ...compile.waivers.signatures import NAMESPACE, signature_of, signers_of, verify
from ...compile.waivers.waiver import Waiver
from .. import Refused, inventory, say
from .folder import checked, named, replace

KEY = Path("~/.ssh/id_ed25519")
APPROVED_ON = re.compile(rb"(?m)^approved_on: .*$")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the step."""
    parser.epilog = (
        f"Writes <file>.sig as `ssh-keygen -Y sign -n {NAMESPACE}` does. Nothing is written unless the signature\n"
        f"would count: the key has to be the approver's in the file {SIGNERS} beside the directory of waivers."
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
    waiver, _ = named(arguments.id, waivers_of(inventory.question(arguments), now))
    file = Path(waiver.file)
    signers = signers_of(file)
    if (
        signature_of(file).exists()
        and not verify(waiver.document.content, file, signers, waiver.approved_by, now).problem
    ):
        say(f"waiver {waiver.id} is signed by {waiver.approved_by} already")
        return 0
    key = arguments.key.expanduser()
    if waiver.request:  # an operator drafted it, and now it is approved
        approved = f"approved_on: {spelled(now)}".encode()
        waiver = checked(APPROVED_ON.sub(approved, waiver.document.content, count=1), file)
    signature = _signature(waiver, key)
    with tempfile.TemporaryDirectory() as folder:  # where it does no harm if it does not count
        candidate = Path(folder, file.name)
        signature_of(candidate).write_bytes(signature)
        seen = verify(waiver.document.content, candidate, signers, waiver.approved_by, now)
    if seen.problem:
        raise Refused(
            f"that signature would not count, so nothing was written: {seen.problem}{_line(waiver, key, signers)}"
        )
    if waiver.request:
        replace(file, waiver.document.content)
    replace(signature_of(file), signature)
    say(f"waiver {waiver.id} is signed by {waiver.approved_by} with {seen.key}; commit {signature_of(file)}")
    return 0


def _signature(waiver: Waiver, key: Path) -> bytes:
    tool = shutil.which("ssh-keygen")
    if tool is None:
        raise Refused("there is no ssh-keygen here; install OpenSSH's client")
    if not key.is_file():
        raise Refused(f"there is no key {key}; name the approver's with --key")
    # A passphrase is asked for at the terminal itself, not on the standard input.
    command = [tool, "-Y", "sign", "-f", str(key), "-n", NAMESPACE]
    done = subprocess.run(command, input=waiver.document.content, capture_output=True)
    if done.returncode or not done.stdout:
        complaint = done.stderr.decode("utf-8", "replace").strip() or f"exit code {done.returncode}"
        raise Refused(f"ssh-keygen could not sign with {key}: {complaint}")
    return done.stdout


def _line(waiver: Waiver, key: Path, signers: Path) -> str:
    """What to do about a key that is nobody's yet."""
    public = key if key.suffix == ".pub" else key.with_name(key.name + ".pub")
    try:
        kind, blob = public.read_text(encoding="utf-8").split()[:2]
    except (OSError, UnicodeDecodeError, ValueError):
        return ""
    who = f'"{waiver.approved_by}"' if " " in waiver.approved_by else waiver.approved_by
    line = f'{who} namespaces="{NAMESPACE}" {kind} {blob}'
    return f"\nIf {key} is the key of {waiver.approved_by}, {signers} needs this line:\n  {line}"
