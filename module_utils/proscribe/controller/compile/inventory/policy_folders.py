"""Folders with parts of the policy: waivers, approver lists, and an organisation's catalogues.

An inventory may be a folder that contains all of them. In an automation controller the inventory is a generated file
elsewhere. The policy is in the project that the controller has fetched. So a relative path starts at the folder of the
inventory, and second at the project. The project is the checkout or the folder of the running playbook. For a
collection it is the working directory of the command.

A path that exists in both is a mistake, so that none is left out in silence. Folders beside the sources of the
inventory count as well, for each of several `-i`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ...policy_errors import PolicyError, PolicyErrors
from ..restrictions import PREFIX, Restrictions
from .host_variables import CompileInput, HostVariables, list_inventory_folders, list_waiver_folders

# Persons who may approve waivers; beside the waivers' folder, like SIGNERS_FILE, which has their keys.
APPROVERS_FILE = "approvers.yml"
SIGNERS_FILE = "allowed_signers"
CATALOGUE_FOLDER = "catalog"  # the project's own catalogue, which is always read
WAIVERS_VARIABLE = PREFIX + "waivers_dir"
CATALOG_VARIABLE = PREFIX + "catalog"
CATALOGUES_VARIABLE = PREFIX + "catalog_dirs"
SERVICE_FILE_PATTERN = "<category>/<id>.yml"


def find_catalogue_folders(
    compile_input: CompileInput, host: HostVariables, restrictions: Restrictions
) -> tuple[Path, ...]:
    """Return the folders of a host's catalogue, the project's own first.

    Raises PolicyErrors for a missing folder, and for a relative path that exists beside the inventory and in the
    project.
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
    """Return the folders of waivers: those that hosts set, and `waivers/` beside each source of the inventory.

    Raises PolicyErrors if a folder that hosts set is missing.
    """
    return _remove_duplicate_paths(
        [*_find_named_waiver_folders(compile_input, restrictions), *list_waiver_folders(compile_input.inventory)]
    )


def find_approver_folders(compile_input: CompileInput, restrictions: Mapping[str, Restrictions]) -> list[Path]:
    """Return the folders that may have an approver list: the parents of those of waivers. Raises PolicyErrors."""
    named_folders = [folder.parent for folder in _find_named_waiver_folders(compile_input, restrictions)]
    return _remove_duplicate_paths([*named_folders, *list_inventory_folders(compile_input.inventory)])


def choose_new_waiver_folder(compile_input: CompileInput, restrictions: Mapping[str, Restrictions]) -> Path | None:
    """Return the folder for a new waiver, which may not exist yet; None if nothing determines a folder.

    Raises PolicyErrors if a folder that hosts set is missing.
    """
    named_folders = _find_named_waiver_folders(compile_input, restrictions)
    inventory_waiver_folders = [folder / "waivers" for folder in list_inventory_folders(compile_input.inventory)]
    return next(iter([*named_folders, *inventory_waiver_folders]), None)


def list_possible_places(folder_name: str, compile_input: CompileInput, host: HostVariables) -> list[Path]:
    """Return the paths that a folder's name in a host's variable can mean, by precedence. The paths need not exist."""
    return [place for places in _split_possible_places(folder_name, compile_input, host) for place in places]


def _find_named_waiver_folders(compile_input: CompileInput, restrictions: Mapping[str, Restrictions]) -> list[Path]:
    """Return all folders that hosts set in proscribe_waivers_dir, because departments may have folders of their own."""
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
    """Return the possible paths of a folder: first those below the inventory's folders, then those below the project.

    The project's own catalogue is excluded. It is always read, and a catalogue inside an inventory has the same name.
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
    project_catalogue = compile_input.project / CATALOGUE_FOLDER
    return [candidate for candidate in in_inventory if candidate != project_catalogue], [
        candidate for candidate in in_project if candidate != project_catalogue
    ]


def _select_existing_folders(places: Iterable[Path]) -> list[Path]:
    return _remove_duplicate_paths(place for place in places if place.is_dir())


def _remove_duplicate_paths(paths: Iterable[Path]) -> list[Path]:
    """Return each folder once, by the first of its paths."""
    by_real_path: dict[Path, Path] = {}
    for path in paths:
        by_real_path.setdefault(path.resolve(), path)
    return list(by_real_path.values())


def _find_named_folder(
    variable: str, folder_name: str, files: str, compile_input: CompileInput, host: HostVariables
) -> Path:
    """Return the folder that a host's variable sets.

    Raises PolicyErrors if no such folder exists. PolicyErrors is also raised if the path exists both beside the
    inventory and in the project. `files` is the pattern of the file names in the folder, for the message.
    """
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
            f"a path that is one folder, not both {existing_folders[0]} and {existing_folders[1]}: rename one of "
            f"them, or name the one that"
            " is meant by its absolute path"
        )
    raise PolicyErrors([PolicyError(host.locate_variable(variable), variable, folder_name, expected)])
