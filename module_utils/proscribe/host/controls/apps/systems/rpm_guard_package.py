"""Build and installation of the guard, an empty rpm package that conflicts with restricted packages.

Proscribe builds the package itself, because most hosts lack rpmbuild. The format is rpm's package format 4
(https://rpm.org/docs/4.20.x/manual/format_v4.html). A package begins with a lead, 96 bytes that only name the format. A
signature header with the digest of the main header follows. The main header has all data of the package, as values with
a number (tag) each. The payload at the end, the files of the package, is an empty cpio archive.
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

MAX_VERSION_CHARACTERS = 200  # longest version of the guard, which has the sentence for users

INT32, STRING, BINARY, STRINGS, TRANSLATED = 4, 6, 7, 8, 9  # rpm's numbers of the types of values
SENSE_FLAGS = {"": 0, "<": 2, ">": 4, "=": 8}  # rpm's flags of a comparison of versions
if TYPE_CHECKING:
    from typing import Tuple, Union

    HeaderValue = Union[str, Sequence[str], Sequence[int]]
    HeaderEntry = Tuple[int, int, HeaderValue]  # tag, type, value

SIGNATURES, IMMUTABLE = 62, 63  # tags of the regions that enclose the signature header and the main header
EMPTY_CPIO = b"07070100000000" + b"0" * 24 + b"00000001" + b"0" * 48 + b"0000000b" + b"0" * 8 + b"TRAILER!!!\0\0\0\0"


def install_guard(
    host: Host, conflicts: Sequence[PackageConflict], release: str, policy: str, messages: Sequence[str] = ()
) -> None:
    """Install a guard (the empty package) with these conflicts, in place of an installed guard.

    Raises ControlError. `release` is a digest of the guard's content. `policy` is the sentence that users read when rpm
    refuses a package. `messages` are the organisation's texts for the description of the package.
    """
    host.write_file(GUARD_PACKAGE_PATH, build_package(conflicts, release, policy, messages), 0o600)
    try:
        # --oldpackage: the release is a digest, so a newer guard may look older to rpm. --nosignature: the package has
        # no signature, because this run built it.
        run_transaction(host, ["rpm", "-U", "--oldpackage", "--nosignature", GUARD_PACKAGE_PATH])
    finally:
        host.delete_file(GUARD_PACKAGE_PATH)


def remove_guard(host: Host) -> None:
    """Remove the guard package from the host. Raises ControlError."""
    run_transaction(host, ["rpm", "-e", GUARD_PACKAGE])


def build_package(
    conflicts: Sequence[PackageConflict],
    release: str,
    policy: str,
    messages: Sequence[str] = (),
    name: str = GUARD_PACKAGE,
    provides: str = "",
) -> bytes:
    """Return the bytes of the guard as an rpm package without files. Equal arguments give equal bytes.

    A trial of the install block uses `name` and `provides` to build another package, which provides a restricted
    package. "" in `provides` means no further name. The other parameters are those of `install_guard`.
    """
    provided_names = [name, *([provides] if provides else [])]
    payload = gzip.compress(EMPTY_CPIO, mtime=0)
    version = format_policy_version(policy)
    description = f"{policy} This package conflicts with what is restricted, and goes with: {LIFT_COMMAND}"
    description = "\n".join([description, *messages])
    entries: List[HeaderEntry] = [
        (100, STRINGS, ["C"]),  # languages of the values of type TRANSLATED
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
        # without this tag, rpm would take the package for a source package
        (1044, STRING, f"{name}-{version}-{release}.src.rpm"),
        (1047, STRINGS, provided_names),  # provided names; the tags 1112 and 1113 below have their flags and versions
        (1053, INT32, [SENSE_FLAGS[conflict.sense] for conflict in conflicts]),
        (1054, STRINGS, [conflict.name for conflict in conflicts]),
        (1055, STRINGS, [conflict.version for conflict in conflicts]),
        (1064, STRING, "4.14.0"),  # version of rpm that the package claims was used: the oldest that writes this format
        (1112, INT32, [SENSE_FLAGS["="]] * len(provided_names)),
        (1113, STRINGS, [f"{version}-{release}"] * len(provided_names)),
        (1124, STRING, "cpio"),
        (1125, STRING, "gzip"),
        (1126, STRING, "9"),
        (5092, STRINGS, [hashlib.sha256(payload).hexdigest()]),
        (5093, INT32, [8]),  # algorithm of the payload's digest: 8 is SHA-256
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
    """Return the sentence `policy` in the form of a version: lower-case words with dots between them.

    rpm shows the guard's version in every refusal, and no other free text. So users read the policy there.
    """
    return (
        re.sub(r"[^a-z0-9]+", ".", policy.lower().replace("@", " at ")).strip(".")[:MAX_VERSION_CHARACTERS].strip(".")
        or "0"
    )


def _build_header(region: int, entries: Iterable[HeaderEntry]) -> bytes:
    """Return a header of an rpm package: an index of tags, and a store with the values of the tags.

    `entries` are (tag, type, value); empty values are left out. The entry with the tag `region` encloses index and
    store, which shows rpm that the header is complete.
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
    """Return a header value in rpm's form: strings end with a zero byte, integers have four bytes."""
    if isinstance(header_value, str):
        return header_value.encode() + b"\0"
    return b"".join(
        struct.pack(">i", element) if isinstance(element, int) else element.encode() + b"\0" for element in header_value
    )
