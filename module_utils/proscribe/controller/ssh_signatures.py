"""Detached SSH signatures over exact bytes: made and verified by `ssh-keygen -Y`, with a namespace for each purpose.

Who has which key is in a file of allowed signers; see ALLOWED SIGNERS in ssh-keygen(1). A signature says nothing of its
own time, so a key has to be valid at the time of the run: one that has expired signs nothing any more, since nobody
could distinguish what it signed then from what somebody signs with it today.
"""

from __future__ import annotations

import datetime
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

PATIENCE = 20  # seconds; an answer takes some 5 ms
KEY = re.compile(r" with (\S+ key \S+)$", re.MULTILINE)


class Signature(NamedTuple):
    """What a signature is worth: `problem` says why it does not count ("" if it does), `key` which key made it."""

    problem: str
    key: str = ""


class Signer(NamedTuple):
    """Whose signature counts, and for what."""

    name: str  # as the file of allowed signers has it
    namespace: str  # "proscribe-waiver"
    purpose: str  # in words: "waivers"


class NotSigned(Exception):
    """There is no signature; the text says why."""


def sign(content: bytes, key: Path, namespace: str) -> bytes:
    """The signature of a key over `content`. ssh-keygen asks for a passphrase at the terminal. Raises NotSigned."""
    tool = shutil.which("ssh-keygen")
    if tool is None:
        raise NotSigned("there is no ssh-keygen here; install OpenSSH's client")
    if not key.is_file():
        raise NotSigned(f"there is no key {key}; name the right one with --key")
    # A passphrase is asked for at the terminal itself, not on the standard input.
    command = [tool, "-Y", "sign", "-f", str(key), "-n", namespace]
    done = subprocess.run(command, input=content, capture_output=True)
    if done.returncode or not done.stdout:
        complaint = done.stderr.decode("utf-8", "replace").strip() or f"exit code {done.returncode}"
        raise NotSigned(f"ssh-keygen could not sign with {key}: {complaint}")
    return done.stdout


def verify(content: bytes, signature: Path, signers: Path, signer: Signer, now: datetime.datetime) -> Signature:
    """Whether `signer` signed `content` with a key that is theirs at `now`, by a file of allowed signers."""
    tool = shutil.which("ssh-keygen")
    if tool is None:
        return Signature("it cannot be checked: there is no ssh-keygen on this controller (package openssh-client)")
    if not signers.is_file():
        return Signature(f"it cannot be checked: there is no {signers}, which says who has which key")
    if not signature.is_file():  # a pipe would keep ssh-keygen waiting
        return Signature("it is no file")
    # In the system's own zone, because a suffix for UTC is only known to OpenSSH 9.1 and newer.
    moment, zone = f"-Overify-time={now.astimezone():%Y%m%d%H%M%S}", _find_zone(now)
    file = ["-s", str(signature)]
    arguments = ["-Y", "verify", "-f", str(signers), "-I", signer.name, "-n", signer.namespace, *file, moment]
    code, said, complaint = _run([tool, *arguments], content, zone)
    if code == 0:
        key = KEY.search(said)
        return Signature("", key[1] if key else "")
    if _run([tool, "-Y", "check-novalidate", "-n", signer.namespace, *file], content)[0] != 0:
        why = "it does not fit the file, which was changed after it was signed, or it is no such signature"
    else:
        code, whose, _ = _run([tool, "-Y", "find-principals", "-f", str(signers), *file, moment], b"", zone)
        names = whose.splitlines() if code == 0 else []
        why = f"{signers.name} has no such key of {signer.name} for {signer.purpose} now"
        if names and signer.name not in names:
            why = f"it is by {', '.join(names)}, not by {signer.name}"
    return Signature(f"{why} ({complaint})" if complaint else why)


def line_of(key: Path, signer: Signer) -> str:
    """The line that a file of allowed signers needs for a key; "" where its public half cannot be read."""
    public = key if key.suffix == ".pub" else key.with_name(key.name + ".pub")
    try:
        kind, blob = public.read_text(encoding="utf-8").split()[:2]
    except (OSError, UnicodeDecodeError, ValueError):
        return ""
    who = f'"{signer.name}"' if " " in signer.name else signer.name
    return f'{who} namespaces="{signer.namespace}" {kind} {blob}'


def _find_zone(now: datetime.datetime) -> str:
    """Return the zone in which ssh-keygen reads the local time of a moment; "" for the system's own.

    When clocks go back, an hour comes twice. There only a zone with the offset of that moment says which it is.
    """
    local = now.astimezone().replace(tzinfo=None)
    if local.replace(fold=0).astimezone() == local.replace(fold=1).astimezone():
        return ""
    minutes = int((now.astimezone().utcoffset() or datetime.timedelta()).total_seconds()) // 60
    return f"<now>{'-' if minutes >= 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"  # POSIX_SHELLS counts to the west


def _run(command: Sequence[str], content: bytes, zone: str = "") -> tuple[int, str, str]:
    """The exit code, the output, and the first line of what went wrong. `zone` is that of the program."""
    environment = {**os.environ, "TZ": zone} if zone else None
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=PATIENCE, env=environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        return -1, "", str(error)
    complaints = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return done.returncode, done.stdout.decode("utf-8", "replace"), complaints[0] if complaints else ""
