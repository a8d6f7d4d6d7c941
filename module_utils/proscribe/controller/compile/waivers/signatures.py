"""The signature of a waiver: `<file>.sig` over its exact bytes, by `ssh-keygen -Y sign -n proscribe-waiver`.

`allowed_signers` beside the folder of waivers assigns keys to persons.
"""

from __future__ import annotations

import datetime
from pathlib import Path

from ...ssh_signatures import AllowedSigner, SignatureCheck
from ...ssh_signatures import verify_signature as verified
from ..inventory.policy_folders import SIGNERS_FILE

NAMESPACE = "proscribe-waiver"


def make_approver_signer(name: str) -> AllowedSigner:
    """Return the name and the signature namespace that the signature of a waiver by this approver must have."""
    return AllowedSigner(name, NAMESPACE, "waivers")


def get_signature_path(file: Path) -> Path:
    """Return the path of the signature of a waiver's file."""
    return file.with_name(file.name + ".sig")


def get_signers_path(file: Path) -> Path:
    """Return the path of `allowed_signers` for a waiver's file. It lies beside the folder that has the waiver."""
    return file.parent.parent / SIGNERS_FILE


def verify_signature(content: bytes, file: Path, signers: Path, signer: str, now: datetime.datetime) -> SignatureCheck:
    """Check that `signer` signed `content` with a key that is valid at `now`.

    `content` are the bytes that were read from `file`.
    """
    return verified(content, get_signature_path(file), signers, make_approver_signer(signer), now)
