"""Finding, checking and writing waivers' files. A file is written whole or not at all, and only if it reads back."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...compile.inventory.inventory import CompileInput
from ...compile.inventory.policy_folders import WAIVERS_VARIABLE, choose_new_waiver_folder
from ...compile.plans.policy import read_all_restrictions
from ...compile.waivers.document import WaiverFileError, read_waiver
from ...compile.waivers.reading import JudgedWaiver
from ...compile.waivers.waiver import Waiver
from ...files import naming
from ...policy_errors import PolicyError, close_to
from .. import Refused

MODE = 0o644


def named(id_: str, known: Sequence[JudgedWaiver]) -> JudgedWaiver:
    """The waiver of that id (or of a file's name, as a shell completes it). Raises Refused."""
    name = Path(id_).name.removesuffix(".sig").removesuffix(".yml").removesuffix(".yaml")
    for judged in known:
        if judged.waiver.id == name:
            return judged
    ids = [judged.waiver.id for judged in known]
    raise Refused(f"there is no waiver {name!r} in this inventory{close_to(name, ids)}")


def of_inventory(question: CompileInput) -> Path:
    """The folder that a new waiver belongs to: the one that proscribe_waivers_dir names, else `waivers/` of the first
    source that stands in a directory.

    Raises Refused where the inventory is only a list of names, and PolicyErrors for a named folder that is not there.
    """
    folder = choose_new_waiver_folder(question, read_all_restrictions(question.hosts))
    if folder is None:
        expected = "a waiver is a file beside an inventory: give one with -i that is a directory or a file"
        raise Refused(f"{expected}, or set {WAIVERS_VARIABLE}")
    return folder


def checked(content: bytes, path: Path) -> Waiver:
    """The waiver that a content would be at that path. Raises Malformed, which names the path."""
    with tempfile.TemporaryDirectory() as folder:
        candidate = Path(folder, path.name)
        with naming(candidate):
            candidate.write_bytes(content)
        try:
            waiver = read_waiver(candidate)
        except WaiverFileError as wrong:
            there = str(candidate)
            errors = [PolicyError(e.where.replace(there, str(path)), e.key, e.value, e.expected) for e in wrong.errors]
            named = wrong.malformed_waiver
            if named:
                named = dataclasses.replace(named, document=dataclasses.replace(named.document, path=path))
            raise WaiverFileError(errors, named) from None
    return dataclasses.replace(waiver, file=str(path), document=dataclasses.replace(waiver.document, path=path))


def create(path: Path, content: bytes) -> None:
    """Write a file that is not there yet. Raises Refused if it is, and OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _beside(path, content, MODE) as beside:
        try:
            os.link(beside, path)  # unlike a rename, it never replaces anything
        except FileExistsError:
            raise Refused(f"{path} is there already; it is left as it is") from None


def replace(path: Path, content: bytes) -> None:
    """Write a file in place of the one that may be there, with its mode. Raises OSError."""
    target = path.resolve()  # a link stays one
    mode = target.stat().st_mode & 0o777 if target.exists() else MODE
    with _beside(target, content, mode) as beside:
        os.rename(beside, target)


@contextlib.contextmanager
def _beside(path: Path, content: bytes, mode: int) -> Iterator[Path]:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix="~", dir=path.parent)
    beside = Path(name)
    try:
        with naming(path), os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            os.fchmod(stream.fileno(), mode)
            stream.flush()
            os.fsync(stream.fileno())
        yield beside
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    finally:
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()
