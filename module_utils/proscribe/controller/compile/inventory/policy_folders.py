"""Where the parts of a policy are that have folders of their own: waivers, approvers, an organisation's catalogues.

An inventory may be a folder with all of them in it. In an automation controller it is a generated file somewhere else,
and the policy is in the project that the controller has fetched. So a relative path starts at the folder of the
inventory, and where nothing is there, at the project: a checkout's own folder, the folder of the playbook that runs, or
for a collection the one in which the command was started. What is in both is a mistake, so that none is left out in
silence. And what is beside the sources of the inventory counts as well, for each of several `-i`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ...policy_errors import PolicyError, PolicyErrors
from ..restrictions import PREFIX, Restrictions
from .inventory import CompileInput, HostVariables, list_inventory_folders, list_waiver_folders

APPROVERS_FILE = "approvers.yml"  # who may approve waivers; beside a folder of these, as whose keys are whose
SIGNERS_FILE = "allowed_signers"
CATALOGUE_FOLDER = "catalog"  # the project's own, which is read anyhow
WAIVERS_VARIABLE = PREFIX + "waivers_dir"
CATALOG_VARIABLE = PREFIX + "catalog"
CATALOGUES_VARIABLE = PREFIX + "catalog_dirs"
SERVICE_FILE_PATTERN = "<category>/<id>.yml"


def find_catalogue_folders(
    compile_input: CompileInput, host: HostVariables, restrictions: Restrictions
) -> tuple[Path, ...]:
    """The folders of a host's catalogue, the project's own first. Raises PolicyErrors for one that is not there, and
    for a relative one that is both beside the inventory and in the project.
    """
    project = compile_input.project / CATALOGUE_FOLDER
    if restrictions.catalog:
        project = _find_named_folder(CATALOG_VARIABLE, restrictions.catalog, SERVICE_FILE_PATTERN, compile_input, host)
    return (
        project,
        *(
            _find_named_folder(CATALOGUES_VARIABLE, folder_name, SERVICE_FILE_PATTERN, compile_input, host)
            for folder_name in restrictions.catalog_dirs
        ),
    )


def find_waiver_folders(compile_input: CompileInput, restrictions: Mapping[str, Restrictions]) -> list[Path]:
    """The folders that waivers are read from: those that hosts name, and `waivers/` beside each source of the
    inventory. Raises PolicyErrors for a named one that is not there.
    """
    return _remove_duplicate_paths(
        [*_find_named_waiver_folders(compile_input, restrictions), *list_waiver_folders(compile_input.inventory)]
    )


def find_approver_folders(compile_input: CompileInput, restrictions: Mapping[str, Restrictions]) -> list[Path]:
    """The folders in which an approver list may be: beside those of waivers. Raises PolicyErrors."""
    named_folders = [folder.parent for folder in _find_named_waiver_folders(compile_input, restrictions)]
    return _remove_duplicate_paths([*named_folders, *list_inventory_folders(compile_input.inventory)])


def choose_new_waiver_folder(compile_input: CompileInput, restrictions: Mapping[str, Restrictions]) -> Path | None:
    """The folder in which a new waiver is written, which may not be there yet; None where nothing says which.

    Raises PolicyErrors for a named folder that is not there.
    """
    named_folders = _find_named_waiver_folders(compile_input, restrictions)
    inventory_waiver_folders = [folder / "waivers" for folder in list_inventory_folders(compile_input.inventory)]
    return next(iter([*named_folders, *inventory_waiver_folders]), None)


def list_possible_places(folder_name: str, compile_input: CompileInput, host: HostVariables) -> list[Path]:
    """Where the folder that a host's variable names may be, there or not; what counts first comes first."""
    return [place for places in _split_possible_places(folder_name, compile_input, host) for place in places]


def _find_named_waiver_folders(compile_input: CompileInput, restrictions: Mapping[str, Restrictions]) -> list[Path]:
    """What hosts name in proscribe_waivers_dir. Departments may have folders of their own, so all of them are read."""
    folders: dict[tuple[str, str], Path] = {}
    for host in compile_input.hosts:
        host_restrictions = restrictions.get(host.name)
        key = (host_restrictions.waivers_dir if host_restrictions else "", host.folder)
        if key[0] and key not in folders:
            folders[key] = _find_named_folder(WAIVERS_VARIABLE, key[0], "<id>.yml", compile_input, host)
    return _remove_duplicate_paths(folders.values())


def _split_possible_places(
    folder_name: str, compile_input: CompileInput, host: HostVariables
) -> tuple[list[Path], list[Path]]:
    """What a path may mean: below a folder of the inventory, and below the project or the folder of the playbook. The
    project's own catalogue is never meant: it is read anyhow, and one inside an inventory has the same name.
    """
    if Path(folder_name).is_absolute():
        return [Path(folder_name)], []
    project = compile_input.user_project or compile_input.project
    projects = [project, *([compile_input.playbook_folder] if compile_input.playbook_folder else [])]
    inventories = [Path(host.folder), *list_inventory_folders(compile_input.inventory)]
    in_inventory = _remove_duplicate_paths(folder / folder_name for folder in inventories)
    in_project = [
        place
        for place in _remove_duplicate_paths(folder / folder_name for folder in projects)
        if place not in in_inventory
    ]
    read_anyhow = compile_input.project / CATALOGUE_FOLDER
    return [candidate for candidate in in_inventory if candidate != read_anyhow], [
        candidate for candidate in in_project if candidate != read_anyhow
    ]


def _select_existing_folders(places: Iterable[Path]) -> list[Path]:
    return _remove_duplicate_paths(place for place in places if place.is_dir())


def _remove_duplicate_paths(paths: Iterable[Path]) -> list[Path]:
    """Each folder once, by the first of its names."""
    by_real_path: dict[Path, Path] = {}
    for path in paths:
        by_real_path.setdefault(path.resolve(), path)
    return list(by_real_path.values())


def _find_named_folder(
    variable: str, folder_name: str, files: str, compile_input: CompileInput, host: HostVariables
) -> Path:
    """The folder of some `files` that a host's variable names. Raises PolicyErrors for none, and for several."""
    in_inventory, in_project = _split_possible_places(folder_name, compile_input, host)
    existing_folders = _remove_duplicate_paths(
        [*_select_existing_folders(in_inventory)[:1], *_select_existing_folders(in_project)]
    )
    if len(existing_folders) == 1:
        return existing_folders[0]
    searched = " or ".join(map(str, dict.fromkeys((*in_inventory, *in_project))))
    expected = f"a directory with {files} files: {searched}"
    if existing_folders:
        expected = (
            f"a path that is one folder, not both {existing_folders[0]} and {existing_folders[1]}: rename one of them, or name the one that"
            " is meant by its absolute path"
        )
    raise PolicyErrors([PolicyError(host.locate_variable(variable), variable, folder_name, expected)])
