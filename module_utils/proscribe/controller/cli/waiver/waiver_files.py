"""Search, checks and writing of waiver files.

A file is written completely or not at all, and only if it can be read.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...compile.inventory.host_variables import CompileInput
from ...compile.inventory.policy_folders import WAIVERS_VARIABLE, choose_new_waiver_folder
from ...compile.plans.host_policies import read_all_restrictions
from ...compile.waivers.document import WaiverFileError, read_waiver
from ...compile.waivers.judged_waivers import JudgedWaiver
from ...compile.waivers.waiver import Waiver
from ...named_files import name_file_in_errors
from ...policy_errors import PolicyError, propose_similar_names
from .. import CommandError

NEW_FILE_MODE = 0o644


def find_waiver(waiver_id: str, judged_waivers: Sequence[JudgedWaiver]) -> JudgedWaiver:
    """Return the waiver with that id or file name, as completed by a shell. Raises CommandError."""
    name = Path(waiver_id).name.removesuffix(".sig").removesuffix(".yml").removesuffix(".yaml")
    for judged_waiver in judged_waivers:
        if judged_waiver.waiver.id == name:
            return judged_waiver
    waiver_ids = [judged_waiver.waiver.id for judged_waiver in judged_waivers]
    raise CommandError(f"there is no waiver {name!r} in this inventory{propose_similar_names(name, waiver_ids)}")


def find_new_waiver_folder(compile_input: CompileInput) -> Path:
    """Return the directory for a new waiver. Raises CommandError if the inventory is only a list of names.

    It is the directory in proscribe_waivers_dir, else `waivers/` of the first source in a directory. Raises
    PolicyErrors for a named directory that does not exist.
    """
    folder = choose_new_waiver_folder(compile_input, read_all_restrictions(compile_input.hosts))
    if folder is None:
        expected = "a waiver is a file beside an inventory: give one with -i that is a directory or a file"
        raise CommandError(f"{expected}, or set {WAIVERS_VARIABLE}")
    return folder


def check_waiver_content(content: bytes, path: Path) -> Waiver:
    """Return the waiver that a file with this content would be. Raises WaiverFileError, which names the path."""
    with tempfile.TemporaryDirectory() as folder:
        candidate = Path(folder, path.name)
        with name_file_in_errors(candidate):
            candidate.write_bytes(content)
        try:
            waiver = read_waiver(candidate)
        except WaiverFileError as malformed:
            candidate_path = str(candidate)
            errors = [
                PolicyError(
                    error.location.replace(candidate_path, str(path)), error.key, error.found_value, error.expected
                )
                for error in malformed.errors
            ]
            named_waiver = malformed.malformed_waiver
            if named_waiver:
                named_waiver = dataclasses.replace(
                    named_waiver, document=dataclasses.replace(named_waiver.document, path=path)
                )
            raise WaiverFileError(errors, named_waiver) from None
    return dataclasses.replace(waiver, file=str(path), document=dataclasses.replace(waiver.document, path=path))


def create_file(path: Path, content: bytes) -> None:
    """Write a new file. Raises CommandError if it exists, and OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _write_beside(path, content, NEW_FILE_MODE) as temporary_path:
        try:
            os.link(temporary_path, path)  # unlike a rename, a link never replaces a file
        except FileExistsError:
            raise CommandError(f"{path} is there already; it is left as it is") from None


def replace_file(path: Path, content: bytes) -> None:
    """Write a file with the mode of the existing one, which it replaces. Raises OSError."""
    target = path.resolve()  # a link stays a link
    mode = target.stat().st_mode & 0o777 if target.exists() else NEW_FILE_MODE
    with _write_beside(target, content, mode) as temporary_path:
        os.rename(temporary_path, target)


@contextlib.contextmanager
def _write_beside(path: Path, content: bytes, mode: int) -> Iterator[Path]:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix="~", dir=path.parent)
    temporary_path = Path(name)
    try:
        with name_file_in_errors(path), os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            os.fchmod(stream.fileno(), mode)
            stream.flush()
            os.fsync(stream.fileno())
        yield temporary_path
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary_path.unlink()
