"""Detached SSH signatures over a waiver's exact bytes: `<file>.sig`, made by `ssh-keygen -Y sign -n proscribe-waiver`.

Who has which key is in `allowed_signers` beside the folder of waivers; see ALLOWED SIGNERS in ssh-keygen(1). A
signature says nothing of its own time, so a key has to be valid at the time of the run: one that has expired signs
nothing any more, since nobody could distinguish what it signed then from what somebody signs with it today.
"""

from __future__ import annotations

import datetime
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..inventory.policy_folders import SIGNERS

NAMESPACE = "proscribe-waiver"

PATIENCE = 20  # seconds; an answer takes some 5 ms
KEY = re.compile(r" with (\S+ key \S+)$", re.MULTILINE)


class Signature(NamedTuple):
    """What a signature is worth: `problem` says why it does not count ("" if it does), `key` which key made it."""

    problem: str
    key: str = ""


def signature_of(file: Path) -> Path:
    """Where the signature of a waiver's file is."""
    return file.with_name(file.name + ".sig")


def signers_of(file: Path) -> Path:
    """The file of the signers that count for a waiver's file: beside its folder."""
    return file.parent.parent / SIGNERS


def verify(content: bytes, file: Path, signers: Path, signer: str, now: datetime.datetime) -> Signature:
    """Whether `signer` signed `content`, the bytes that were read from `file`, with a key that is theirs at `now`."""
    tool = shutil.which("ssh-keygen")
    if tool is None:
        return Signature("it cannot be checked: there is no ssh-keygen on this controller (package openssh-client)")
    if not signers.is_file():
        return Signature(f"it cannot be checked: there is no {signers}, which says who has which key")
    if not signature_of(file).is_file():  # a pipe would keep ssh-keygen waiting
        return Signature("it is no file")
    # In the system's own zone, because a suffix for UTC is only known to OpenSSH 9.1 and newer.
    moment = f"-Overify-time={now.astimezone():%Y%m%d%H%M%S}"
    signature = ["-s", str(signature_of(file))]
    arguments = ["-Y", "verify", "-f", str(signers), "-I", signer, "-n", NAMESPACE, *signature, moment]
    code, said, complaint = _run([tool, *arguments], content)
    if code == 0:
        key = KEY.search(said)
        return Signature("", key[1] if key else "")
    if _run([tool, "-Y", "check-novalidate", "-n", NAMESPACE, *signature], content)[0] != 0:
        why = "it does not fit the file, which was changed after it was signed, or it is no such signature"
    else:
        code, whose, _ = _run([tool, "-Y", "find-principals", "-f", str(signers), *signature, moment], b"")
        names = whose.splitlines() if code == 0 else []
        why = f"{SIGNERS} has no such key of {signer} for waivers now"
        if names and signer not in names:
            why = f"it is by {', '.join(names)}, not by {signer}"
    return Signature(f"{why} ({complaint})" if complaint else why)


def _run(command: Sequence[str], content: bytes) -> tuple[int, str, str]:
    """The exit code, the output, and the first line of what went wrong."""
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        return -1, "", str(error)
    complaints = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return done.returncode, done.stdout.decode("utf-8", "replace"), complaints[0] if complaints else ""
