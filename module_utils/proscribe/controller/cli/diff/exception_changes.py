"""Changes of approvers, their keys, and waivers, each as a text for reviewers.

No plan contains an approver or a key. So a comparison of plans does not show a new approver or key, who can still make
a waiver possible.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ....base.hashing import sha256
from ...compile.inventory.host_variables import CompileInput
from ...compile.inventory.policy_folders import APPROVERS_FILE, SIGNERS_FILE, find_approver_folders, find_waiver_folders
from ...compile.plans.host_plans import CompiledPlans
from ...compile.waivers.approvers import read_approver_list
from ..waiver.listing import describe_waiver

MAX_SIGNERS_BYTES = 1 << 20
# A line of an allowed signers file (ALLOWED SIGNERS in ssh-keygen(1)): principals, options, type of the key, key.
SIGNER_PATTERN = re.compile(
    r"(\S+) +(?:((?:[^\s\"]|\"[^\"]*\")+) +)?((?:ssh|sk|ecdsa)-\S+) +([A-Za-z0-9+/]+={0,2})(?: .*)?"
)


class ExceptionTexts(NamedTuple):
    """The approvers, keys and waivers of an inventory, each as a text that can be compared."""

    approvers: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    waivers: frozenset[str] = frozenset()


class ExceptionChange(NamedTuple):
    """The added and removed texts of a kind (`approvers`, `keys`, `waivers`), with a title for the output."""

    kind: str
    title: str
    added: Sequence[str]
    removed: Sequence[str]


TITLES_BY_KIND = {
    "approvers": f"who may approve waivers ({APPROVERS_FILE})",
    "keys": f"whose signatures count ({SIGNERS_FILE})",
    "waivers": "waivers",
}


def read_exceptions(compile_input: CompileInput, compiled: CompiledPlans, now: datetime.datetime) -> ExceptionTexts:
    """Return the texts of an inventory's approvers, keys and waivers. Raises PolicyErrors for mistakes in the files."""
    approver_list = read_approver_list(
        find_approver_folders(compile_input, compiled.restrictions), compile_input.groups
    )
    approvers = [
        f"{department}: {role} {name}"
        for department, authority in approver_list.items()
        for role, name in (("head", authority.head or "(nobody)"), *(("deputy", name) for name in authority.deputies))
    ]
    folders = {folder.parent for folder in find_waiver_folders(compile_input, compiled.restrictions)}
    folders.update(find_approver_folders(compile_input, compiled.restrictions))
    keys = [text for folder in folders for text in _describe_keys(folder / SIGNERS_FILE)]
    waivers = [
        f"{judged_waiver.waiver.id}: {describe_waiver(judged_waiver, now)}" for judged_waiver in compiled.waivers
    ]
    return ExceptionTexts(frozenset(approvers), frozenset(keys), frozenset(waivers))


def compare_exceptions(earlier_exceptions: ExceptionTexts, current_exceptions: ExceptionTexts) -> list[ExceptionChange]:
    """Return a change for each kind (approvers, keys, waivers) whose texts differ; [] if none differ."""
    changes = []
    for kind, title in TITLES_BY_KIND.items():
        old_texts, new_texts = getattr(earlier_exceptions, kind), getattr(current_exceptions, kind)
        if old_texts != new_texts:
            changes.append(ExceptionChange(kind, title, sorted(new_texts - old_texts), sorted(old_texts - new_texts)))
    return changes


def _describe_keys(file: Path) -> Iterator[str]:
    """Yield the text of each signer in a file of allowed signers: principals, options, type and fingerprint of the key.

    A line that is no signer becomes a text, too. A missing file has no signers.
    """
    if not file.is_file():
        return
    with file.open("rb") as stream:
        lines = stream.read(MAX_SIGNERS_BYTES).decode("utf-8", "replace").splitlines()
    for line in map(str.strip, lines):
        if not line or line.startswith("#"):
            continue
        parts = SIGNER_PATTERN.fullmatch(line)
        if parts is None:
            yield f"a line that is no signer: {line}"
            continue
        principals, options, kind, key = parts.groups()
        yield " ".join(filter(None, (principals, options, kind, _compute_fingerprint(key))))


def _compute_fingerprint(key: str) -> str:
    """Return the fingerprint of a public key in the format of ssh-keygen; the key itself if it is no base64."""
    try:
        content = base64.b64decode(key, validate=True)
    except binascii.Error:
        return key
    return "SHA256:" + base64.b64encode(sha256(content).digest()).decode().rstrip("=")
