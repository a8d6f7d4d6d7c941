"""Build of the guard package: an rpm without a file, built here because most hosts lack rpmbuild.

The format is rpm's package format 4 (https://rpm.org/docs/4.20.x/manual/format_v4.html). It begins with a lead that
only names the format, and a signature header with the digest of the header. The header with all data of the package
follows, and a payload, which is an empty cpio archive.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import struct
from typing import TYPE_CHECKING, Iterable, List, Sequence

from ....system import LIFT_COMMAND, Host
from .guard_conflicts import GUARD_PACKAGE, GUARD_PACKAGE_PATH, PackageConflict
from .rpm_transaction import run_transaction

MAX_VERSION_CHARACTERS = 200

INT32, STRING, BINARY, STRINGS, TRANSLATED = 4, 6, 7, 8, 9
SENSE_FLAGS = {"": 0, "<": 2, ">": 4, "=": 8}
if TYPE_CHECKING:
    from typing import Tuple, Union

    HeaderValue = Union[str, Sequence[str], Sequence[int]]
    HeaderEntry = Tuple[int, int, HeaderValue]  # tag, type, value

SIGNATURES, IMMUTABLE = 62, 63  # tags of the region around a header
EMPTY_CPIO = b"07070100000000" + b"0" * 24 + b"00000001" + b"0" * 48 + b"0000000b" + b"0" * 8 + b"TRAILER!!!\0\0\0\0"


def install_guard(
    host: Host, conflicts: Sequence[PackageConflict], release: str, policy: str, messages: Sequence[str] = ()
) -> None:
    """Install a guard with these conflicts in place of the current guard. Raises ControlError."""
    host.write_file(GUARD_PACKAGE_PATH, build_package(conflicts, release, policy, messages), 0o600)
    try:
        # --oldpackage: a release is no number. --nosignature: this run wrote the package itself, without a signature.
        run_transaction(host, ["rpm", "-U", "--oldpackage", "--nosignature", GUARD_PACKAGE_PATH])
    finally:
        host.delete_file(GUARD_PACKAGE_PATH)


def remove_guard(host: Host) -> None:
    """Remove the guard. Raises ControlError."""
    run_transaction(host, ["rpm", "-e", GUARD_PACKAGE])


def build_package(
    conflicts: Sequence[PackageConflict],
    release: str,
    policy: str,
    messages: Sequence[str] = (),
    name: str = GUARD_PACKAGE,
    provides: str = "",
) -> bytes:
    """Build the guard as an rpm, or another package without a file. Equal arguments give equal bytes."""
    provided_names = [name, *([provides] if provides else [])]
    payload = gzip.compress(EMPTY_CPIO, mtime=0)
    version = format_policy_version(policy)
    description = f"{policy} This package conflicts with what is restricted, and goes with: {LIFT_COMMAND}"
    description = "\n".join([description, *messages])
    entries: List[HeaderEntry] = [
        (100, STRINGS, ["C"]),  # languages of the translated texts
        (1000, STRING, name),
        (1001, STRING, version),
        (1002, STRING, release),
        (1004, TRANSLATED, [f"Written by Proscribe. {policy}"]),
        (1005, TRANSLATED, [description]),
        (1006, INT32, [0]),  # build time
        (1009, INT32, [0]),  # size on the disk
        (1014, STRING, "GPL-3.0-or-later"),
        (1016, TRANSLATED, ["Unspecified"]),
        (1021, STRING, "linux"),
        (1022, STRING, "noarch"),
        (1044, STRING, f"{name}-{version}-{release}.src.rpm"),  # without this tag it would be a source package
        (1047, STRINGS, provided_names),  # provided names; flags and version below
        (1053, INT32, [SENSE_FLAGS[conflict.sense] for conflict in conflicts]),
        (1054, STRINGS, [conflict.name for conflict in conflicts]),
        (1055, STRINGS, [conflict.version for conflict in conflicts]),
        (1064, STRING, "4.14.0"),  # the oldest rpm that writes such a package
        (1112, INT32, [SENSE_FLAGS["="]] * len(provided_names)),
        (1113, STRINGS, [f"{version}-{release}"] * len(provided_names)),
        (1124, STRING, "cpio"),
        (1125, STRING, "gzip"),
        (1126, STRING, "9"),
        (5092, STRINGS, [hashlib.sha256(payload).hexdigest()]),
        (5093, INT32, [8]),  # the digest is SHA-256
    ]
    header = _build_header(IMMUTABLE, entries)
    signature = _build_header(
        SIGNATURES,
        [(273, STRING, hashlib.sha256(header).hexdigest()), (1000, INT32, [len(header) + len(payload)])],
    )
    signature += b"\0" * (-len(signature) % 8)
    lead_name = f"{name}-{version}-{release}".encode()[:65]
    lead = struct.pack(">4sBBhh66shh16x", b"\xed\xab\xee\xdb", 3, 0, 0, 1, lead_name, 1, 5)
    return lead + signature + header + payload


def format_policy_version(policy: str) -> str:
    """Return a sentence as a version: it is in every refusal, which has no other free text."""
    return (
        re.sub(r"[^a-z0-9]+", ".", policy.lower().replace("@", " at ")).strip(".")[:MAX_VERSION_CHARACTERS].strip(".")
        or "0"
    )


def _build_header(region: int, entries: Iterable[HeaderEntry]) -> bytes:
    """Return a header: an index of tags, and a store that it points into.

    A region around both proves that the header is complete.
    """
    index: List[bytes] = []
    store = b""
    for tag, value_type, header_value in sorted(
        (entry for entry in entries if len(entry[2])), key=lambda entry: entry[0]
    ):
        if value_type == INT32:
            store += b"\0" * (-len(store) % 4)
        index.append(
            struct.pack(">iiii", tag, value_type, len(store), 1 if isinstance(header_value, str) else len(header_value))
        )
        store += _encode_value(header_value)
    count = len(index) + 1
    region_entry = struct.pack(">iiii", region, BINARY, len(store), 16)
    store += struct.pack(">iiii", region, BINARY, -16 * count, 16)
    return b"\x8e\xad\xe8\x01\0\0\0\0" + struct.pack(">ii", count, len(store)) + region_entry + b"".join(index) + store


def _encode_value(header_value: HeaderValue) -> bytes:
    if isinstance(header_value, str):
        return header_value.encode() + b"\0"
    return b"".join(
        struct.pack(">i", element) if isinstance(element, int) else element.encode() + b"\0" for element in header_value
    )
