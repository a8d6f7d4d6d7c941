"""Detached SSH signatures over exact bytes, made and checked by `ssh-keygen -Y`.

Each purpose has a namespace. A file of allowed signers assigns keys to persons; see ALLOWED SIGNERS in ssh-keygen(1). A
signature has no trusted time, so a key must be valid at the time of the run. An expired key makes all its signatures
invalid: an old signature cannot be distinguished from a new signature.
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

TIMEOUT_SECONDS = 20  # limit for a call of ssh-keygen, which takes about 5 ms
KEY_PATTERN = re.compile(r" with (\S+ key \S+)$", re.MULTILINE)


class SignatureCheck(NamedTuple):
    """The result of checking a signature: `problem` is "" for a valid signature, and `key` is the key that made it."""

    problem: str
    key: str = ""


class AllowedSigner(NamedTuple):
    """The person whose signature is accepted, and the purpose of the signature."""

    name: str  # the signer's name (principal) in the file of allowed signers
    namespace: str  # for example "proscribe-waiver"
    purpose: str  # a phrase for messages, for example "waivers"


class SigningError(Exception):
    """A failure to sign; the text has the reason."""


def sign_content(content: bytes, key: Path, namespace: str) -> bytes:
    """Sign `content` with the private key in the file `key`, and return the signature.

    ssh-keygen asks for the key's passphrase at the terminal. Raises SigningError.
    """
    tool = shutil.which("ssh-keygen")
    if tool is None:
        raise SigningError("there is no ssh-keygen here; install OpenSSH's client")
    if not key.is_file():
        raise SigningError(f"there is no key {key}; name the right one with --key")
    # ssh-keygen prompts for a passphrase on the terminal, so the standard input can carry the content.
    command = [tool, "-Y", "sign", "-f", str(key), "-n", namespace]
    completed = subprocess.run(command, input=content, capture_output=True)
    if completed.returncode or not completed.stdout:
        complaint = completed.stderr.decode("utf-8", "replace").strip() or f"exit code {completed.returncode}"
        raise SigningError(f"ssh-keygen could not sign with {key}: {complaint}")
    return completed.stdout


def verify_signature(
    content: bytes, signature: Path, signers_file: Path, signer: AllowedSigner, now: datetime.datetime
) -> SignatureCheck:
    """Check that `signer` signed `content` with a key that is assigned to the signer in `signers_file` now.

    If not, the result's `problem` says why, for example that another person signed, or that the content was changed.
    """
    tool = shutil.which("ssh-keygen")
    if tool is None:
        return SignatureCheck(
            "it cannot be checked: there is no ssh-keygen on this controller (package openssh-client)"
        )
    if not signers_file.is_file():
        return SignatureCheck(f"it cannot be checked: there is no {signers_file}, which says who has which key")
    if not signature.is_file():  # a pipe would block ssh-keygen
        return SignatureCheck("it is no file")
    # The time is local time: only OpenSSH 9.1 and newer accept a suffix for UTC.
    time_option, time_zone = f"-Overify-time={now.astimezone():%Y%m%d%H%M%S}", _find_zone(now)
    signature_option = ["-s", str(signature)]
    arguments = [
        "-Y",
        "verify",
        "-f",
        str(signers_file),
        "-I",
        signer.name,
        "-n",
        signer.namespace,
        *signature_option,
        time_option,
    ]
    code, output, complaint = _run_tool([tool, *arguments], content, time_zone)
    if code == 0:
        key = KEY_PATTERN.search(output)
        return SignatureCheck("", key[1] if key else "")
    # The signature is not accepted. These two calls find the reason: the content, or the signer.
    if _run_tool([tool, "-Y", "check-novalidate", "-n", signer.namespace, *signature_option], content)[0] != 0:
        problem = "it does not fit the file, which was changed after it was signed, or it is no such signature"
    else:
        code, principals, _ = _run_tool(
            [tool, "-Y", "find-principals", "-f", str(signers_file), *signature_option, time_option], b"", time_zone
        )
        names = principals.splitlines() if code == 0 else []
        problem = f"{signers_file.name} has no such key of {signer.name} for {signer.purpose} now"
        if names and signer.name not in names:
            problem = f"it is by {', '.join(names)}, not by {signer.name}"
    return SignatureCheck(f"{problem} ({complaint})" if complaint else problem)


def format_signer_line(key: Path, signer: AllowedSigner) -> str:
    """Return the line for a file of allowed signers that assigns a key to `signer`.

    `key` is the file of the private or public key. Returns "" if the public key cannot be read.
    """
    public_key = key if key.suffix == ".pub" else key.with_name(key.name + ".pub")
    try:
        kind, blob = public_key.read_text(encoding="utf-8").split()[:2]
    except (OSError, UnicodeDecodeError, ValueError):
        return ""
    principal = f'"{signer.name}"' if " " in signer.name else signer.name
    return f'{principal} namespaces="{signer.namespace}" {kind} {blob}'


def _find_zone(now: datetime.datetime) -> str:
    """Return the time zone in which ssh-keygen must read the local time of `now`; "" for the system's.

    When clocks go back, an hour repeats. In that hour, only a zone with a fixed offset is unambiguous.
    """
    local_time = now.astimezone().replace(tzinfo=None)
    # Both readings of the local time are the same moment, so the time is unambiguous.
    if local_time.replace(fold=0).astimezone() == local_time.replace(fold=1).astimezone():
        return ""
    minutes = int((now.astimezone().utcoffset() or datetime.timedelta()).total_seconds()) // 60
    # POSIX offsets are positive to the west
    return f"<now>{'-' if minutes >= 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _run_tool(command: Sequence[str], content: bytes, time_zone: str = "") -> tuple[int, str, str]:
    """Run ssh-keygen, and return its exit code, its output, and the first line of its errors.

    `content` goes to its standard input. `time_zone` is set as TZ; "" leaves TZ unchanged. The exit code is -1 if the
    tool cannot run or exceeds the time limit.
    """
    environment = {**os.environ, "TZ": time_zone} if time_zone else None
    try:
        completed = subprocess.run(
            command, input=content, capture_output=True, timeout=TIMEOUT_SECONDS, env=environment
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return -1, "", str(error)
    complaints = completed.stderr.decode("utf-8", "replace").strip().splitlines()
    return completed.returncode, completed.stdout.decode("utf-8", "replace"), complaints[0] if complaints else ""
