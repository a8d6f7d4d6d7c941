"""The signature of an export: manifest.json.sig over the exact bytes of manifest.json, which has the digest of each
file. Whoever fetches the files checks it without Proscribe: `ssh-keygen -Y verify`, then `sha256sum`.

The signer is a role and no person, so an approver's key for waivers signs no export.
"""

from __future__ import annotations

import datetime
import tempfile
from pathlib import Path
from typing import NamedTuple

from ..ssh_signatures import NotSigned, Signature, Signer, line_of, sign, verify
from . import manifest, writing
from .declaration import NotExportable

NAMESPACE = "proscribe-export"
SIGNER = Signer(NAMESPACE, NAMESPACE, "exports")
LARGEST = 1 << 16  # bytes of a signature; one by an RSA key of 16,384 bits has 6,000
ABSENT = f"there is no {manifest.SIGNATURE}"


class Signing(NamedTuple):
    """How an organisation signs its exports."""

    key: str = ""  # the file of the private key; "": exports need no signature
    signers: tuple[str, ...] = ()  # where the files of allowed signers may be


def signed(content: bytes, signing: Signing, now: datetime.datetime) -> dict[str, bytes]:
    """The file with the signature over a manifest; none where nobody signs. Raises NotExportable for a signature that
    would not count.
    """
    if not signing.key:
        return {}
    key = Path(signing.key).expanduser()
    try:
        made = sign(content, key, NAMESPACE)
    except NotSigned as wrong:
        raise NotExportable(str(wrong)) from None
    if problem := _verified(content, made, signing, now).problem:
        line = line_of(key, SIGNER)
        needed = f"\n{(signing.signers or ('allowed_signers',))[0]} needs this line:\n  {line}" if line else ""
        raise NotExportable(f"that signature would not count, so nothing was written: {problem}{needed}")
    return {manifest.SIGNATURE: made}


def checked(directory: Path, content: bytes, signing: Signing, now: datetime.datetime) -> Signature:
    """What the signature in a directory over the bytes of its manifest is worth. Without one, and where none is needed,
    there is no problem and no key.
    """
    path = directory / manifest.SIGNATURE
    found = writing.content_of(path, LARGEST)
    if found is None:
        absent = not path.is_symlink() and not path.exists()
        return Signature("" if absent and not signing.key else ABSENT if absent else f"{path.name} is no signature")
    return _verified(content, found, signing, now)


def _verified(content: bytes, signature: bytes, signing: Signing, now: datetime.datetime) -> Signature:
    """By the first file of allowed signers that has the key; else why the last one that is there does not."""
    seen = Signature("it cannot be checked: no inventory says where allowed_signers is")
    there = [one for one in signing.signers if Path(one).is_file()]
    with tempfile.TemporaryDirectory(prefix="proscribe-") as folder:
        file = Path(folder, manifest.SIGNATURE)
        file.write_bytes(signature)
        for signers in there or signing.signers[:1]:
            seen = verify(content, file, Path(signers), SIGNER, now)
            if not seen.problem:
                break
    return seen
