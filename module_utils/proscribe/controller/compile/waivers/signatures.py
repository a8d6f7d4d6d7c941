"""The signature of a waiver: `<file>.sig` over its exact bytes, made by `ssh-keygen -Y sign -n proscribe-waiver`.

Who has which key is in `allowed_signers` beside the folder of waivers.
"""

from __future__ import annotations

import datetime
from pathlib import Path

from ...ssh_signatures import AllowedSigner, SignatureCheck
from ...ssh_signatures import verify_signature as verified
from ..inventory.policy_folders import SIGNERS_FILE

NAMESPACE = "proscribe-waiver"


def make_approver_signer(name: str) -> AllowedSigner:
    """Whose signature a waiver needs."""
    return AllowedSigner(name, NAMESPACE, "waivers")


def get_signature_path(file: Path) -> Path:
    """Where the signature of a waiver's file is."""
    return file.with_name(file.name + ".sig")


def get_signers_path(file: Path) -> Path:
    """The file of the signers that count for a waiver's file: beside its folder."""
    return file.parent.parent / SIGNERS_FILE


def verify_signature(content: bytes, file: Path, signers: Path, signer: str, now: datetime.datetime) -> SignatureCheck:
    """Whether `signer` signed `content`, the bytes that were read from `file`, with a key that is theirs at `now`."""
    return verified(content, get_signature_path(file), signers, make_approver_signer(signer), now)
