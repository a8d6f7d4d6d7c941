"""Signature of an export: manifest.json.sig over the exact bytes of manifest.json.

The manifest has the digest of each file. A receiver of the files can check them without Proscribe: `ssh-keygen -Y
verify` for the signature, then `sha256sum` for the files. The signer is a role and no person. So a key with which an
approver signs waivers is not valid for exports.
"""

from __future__ import annotations

import datetime
import tempfile
from pathlib import Path
from typing import NamedTuple

from ..ssh_signatures import (
    AllowedSigner,
    SignatureCheck,
    SigningError,
    format_signer_line,
    sign_content,
    verify_signature,
)
from . import export_directory, manifest
from .format_declaration import ExportError

EXPORT_NAMESPACE = "proscribe-export"
EXPORT_SIGNER = AllowedSigner(EXPORT_NAMESPACE, EXPORT_NAMESPACE, "exports")
MAX_SIGNATURE_BYTES = 1 << 16  # ample: a signature by an RSA key of 16,384 bits has 6,000 bytes
NO_SIGNATURE_PROBLEM = f"there is no {manifest.SIGNATURE_NAME}"


class ExportSigning(NamedTuple):
    """The key and the allowed signers of an organisation's exports."""

    key_path: str = ""  # path of the private key; "" if exports are not signed
    signer_paths: tuple[str, ...] = ()  # paths at which a file of allowed signers may be


def sign_manifest(content: bytes, signing: ExportSigning, now: datetime.datetime) -> dict[str, bytes]:
    """Return the signature file for the bytes of a manifest; {} without a key.

    Raises ExportError if the signature would not be accepted, so that no such export is written.
    """
    if not signing.key_path:
        return {}
    key_path = Path(signing.key_path).expanduser()
    try:
        signature = sign_content(content, key_path, EXPORT_NAMESPACE)
    except SigningError as error:
        raise ExportError(str(error)) from None
    if problem := _verify_signature(content, signature, signing, now).problem:
        signer_line = format_signer_line(key_path, EXPORT_SIGNER)
        advice = (
            f"\n{(signing.signer_paths or ('allowed_signers',))[0]} needs this line:\n  {signer_line}"
            if signer_line
            else ""
        )
        raise ExportError(f"that signature would not count, so nothing was written: {problem}{advice}")
    return {manifest.SIGNATURE_NAME: signature}


def check_signature(directory: Path, content: bytes, signing: ExportSigning, now: datetime.datetime) -> SignatureCheck:
    """Verify the signature in an export's directory over the bytes of its manifest.

    A signature is required if the organisation has a key for exports. If it is missing and not required, the result has
    no problem and no key.
    """
    path = directory / manifest.SIGNATURE_NAME
    signature = export_directory.read_export_file(path, MAX_SIGNATURE_BYTES)
    if signature is None:
        is_absent = not path.is_symlink() and not path.exists()
        return SignatureCheck(
            ""
            if is_absent and not signing.key_path
            else NO_SIGNATURE_PROBLEM
            if is_absent
            else f"{path.name} is no signature"
        )
    return _verify_signature(content, signature, signing, now)


def _verify_signature(
    content: bytes, signature: bytes, signing: ExportSigning, now: datetime.datetime
) -> SignatureCheck:
    """Verify a signature with the first file of allowed signers that accepts it.

    If no file accepts the signature, return the result of the last existing file.
    """
    verification = SignatureCheck("it cannot be checked: no inventory says where allowed_signers is")
    existing_paths = [signer_path for signer_path in signing.signer_paths if Path(signer_path).is_file()]
    with tempfile.TemporaryDirectory(prefix="proscribe-") as folder:
        signature_path = Path(folder, manifest.SIGNATURE_NAME)
        signature_path.write_bytes(signature)
        for signers_path in existing_paths or signing.signer_paths[:1]:
            verification = verify_signature(content, signature_path, Path(signers_path), EXPORT_SIGNER, now)
            if not verification.problem:
                break
    return verification
