"""Functions that find, check and write the files of waivers.

A file is written completely or not at all. New content is first read as a waiver (`check_waiver_content`), so no file
becomes unreadable.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ...compile.inventory.host_variables import CompileInput
from ...compile.inventory.policy_folders import WAIVERS_VARIABLE, choose_new_waiver_folder
from ...compile.plans.host_policies import read_all_restrictions
from ...compile.waivers.document import WaiverFileError, read_waiver
from ...compile.waivers.judged_waivers import JudgedWaiver
from ...compile.waivers.waiver import Waiver
from ...files import FILE_MODE, create_file, name_file_in_errors, write_file
from ...policy_errors import PolicyError, propose_similar_names
from .. import CommandError


def find_waiver(waiver_id: str, judged_waivers: Sequence[JudgedWaiver]) -> JudgedWaiver:
    """Return the waiver with this id. Raises CommandError for an unknown waiver.

    A path of the waiver's file or of its signature is accepted as well, because a shell completes paths.
    """
    name = Path(waiver_id).name.removesuffix(".sig").removesuffix(".yml").removesuffix(".yaml")
    for judged_waiver in judged_waivers:
        if judged_waiver.waiver.id == name:
            return judged_waiver
    waiver_ids = [judged_waiver.waiver.id for judged_waiver in judged_waivers]
    raise CommandError(f"there is no waiver {name!r} in this inventory{propose_similar_names(name, waiver_ids)}")


def find_new_waiver_folder(compile_input: CompileInput) -> Path:
    """Return the directory for the file of a new waiver.

    It is the directory in `proscribe_waivers_dir`, else `waivers/` in the directory of the first inventory source.
    Raises PolicyErrors if the directory in `proscribe_waivers_dir` does not exist. Raises CommandError if the inventory
    is only a list of host names.
    """
    folder = choose_new_waiver_folder(compile_input, read_all_restrictions(compile_input.hosts))
    if folder is None:
        expected = "a waiver is a file beside an inventory: give one with -i that is a directory or a file"
        raise CommandError(f"{expected}, or set {WAIVERS_VARIABLE}")
    return folder


def check_waiver_content(content: bytes, path: Path) -> Waiver:
    """Return the waiver that the file `path` with this content would be. The file itself is not written.

    Raises WaiverFileError with every mistake in the content; its message names `path`.
    """
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


def create_waiver_file(path: Path, content: bytes) -> None:
    """Create a file with this content, completely or not at all. Raises CommandError if it exists, and OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        create_file(path, content)
    except FileExistsError:
        raise CommandError(f"{path} is there already; it is left as it is") from None


def replace_waiver_file(path: Path, content: bytes) -> None:
    """Replace the content of a file in one step, and keep its mode. A missing file is created. Raises OSError."""
    target = path.resolve()  # the target of a symbolic link is replaced, so the link stays
    write_file(target, content, target.stat().st_mode & 0o777 if target.exists() else FILE_MODE)
