"""The signature of a waiver: `<file>.sig` over its exact bytes, made by `ssh-keygen -Y sign -n proscribe-waiver`.

Who has which key is in `allowed_signers` beside the folder of waivers.
"""

from __future__ import annotations

import datetime
from pathlib import Path

from ...ssh_signatures import Signature, Signer
from ...ssh_signatures import verify as verified
from ..inventory.policy_folders import SIGNERS

NAMESPACE = "proscribe-waiver"


def approver(name: str) -> Signer:
    """Whose signature a waiver needs."""
    return Signer(name, NAMESPACE, "waivers")


def signature_of(file: Path) -> Path:
    """Where the signature of a waiver's file is."""
    return file.with_name(file.name + ".sig")


def signers_of(file: Path) -> Path:
    """The file of the signers that count for a waiver's file: beside its folder."""
    return file.parent.parent / SIGNERS


def verify(content: bytes, file: Path, signers: Path, signer: str, now: datetime.datetime) -> Signature:
    """Whether `signer` signed `content`, the bytes that were read from `file`, with a key that is theirs at `now`."""
    return verified(content, signature_of(file), signers, approver(signer), now)
