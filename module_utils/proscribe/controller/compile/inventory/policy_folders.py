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
from .inventory import HostVariables, Question, inventory_folders, waiver_folders

REGISTER = "approvers.yml"  # who may approve waivers; beside a folder of these, as whose keys are whose
SIGNERS = "allowed_signers"
CATALOGUE = "catalog"  # the project's own, which is read anyhow
WAIVERS = PREFIX + "waivers_dir"
CATALOG = PREFIX + "catalog"
CATALOGUES = PREFIX + "catalog_dirs"
SERVICE_FILES = "<category>/<id>.yml"


def catalogue_folders(question: Question, host: HostVariables, restrictions: Restrictions) -> tuple[Path, ...]:
    """The folders of a host's catalogue, the project's own first. Raises PolicyErrors for one that is not there, and
    for a relative one that is both beside the inventory and in the project.
    """
    project = question.project / CATALOGUE
    if restrictions.catalog:
        project = _folder(CATALOG, restrictions.catalog, SERVICE_FILES, question, host)
    return (
        project,
        *(_folder(CATALOGUES, named, SERVICE_FILES, question, host) for named in restrictions.catalog_dirs),
    )


def folders_of_waivers(question: Question, restrictions: Mapping[str, Restrictions]) -> list[Path]:
    """The folders that waivers are read from: those that hosts name, and `waivers/` beside each source of the
    inventory. Raises PolicyErrors for a named one that is not there.
    """
    return _distinct([*_named_for_waivers(question, restrictions), *waiver_folders(question.inventory)])


def folders_of_registers(question: Question, restrictions: Mapping[str, Restrictions]) -> list[Path]:
    """The folders in which an approver list may be: beside those of waivers. Raises PolicyErrors."""
    named = [folder.parent for folder in _named_for_waivers(question, restrictions)]
    return _distinct([*named, *inventory_folders(question.inventory)])


def folder_of_new_waivers(question: Question, restrictions: Mapping[str, Restrictions]) -> Path | None:
    """The folder in which a new waiver is written, which may not be there yet; None where nothing says which.

    Raises PolicyErrors for a named folder that is not there.
    """
    named = _named_for_waivers(question, restrictions)
    beside = [folder / "waivers" for folder in inventory_folders(question.inventory)]
    return next(iter([*named, *beside]), None)


def places_of(named: str, question: Question, host: HostVariables) -> list[Path]:
    """Where the folder that a host's variable names may be, there or not; what counts first comes first."""
    return [place for listed in _places(named, question, host) for place in listed]


def _named_for_waivers(question: Question, restrictions: Mapping[str, Restrictions]) -> list[Path]:
    """What hosts name in proscribe_waivers_dir. Departments may have folders of their own, so all of them are read."""
    found: dict[tuple[str, str], Path] = {}
    for host in question.hosts:
        own = restrictions.get(host.name)
        key = (own.waivers_dir if own else "", host.folder)
        if key[0] and key not in found:
            found[key] = _folder(WAIVERS, key[0], "<id>.yml", question, host)
    return _distinct(found.values())


def _places(named: str, question: Question, host: HostVariables) -> tuple[list[Path], list[Path]]:
    """What a path may mean: below a folder of the inventory, and below the project or the folder of the playbook. The
    project's own catalogue is never meant: it is read anyhow, and one inside an inventory has the same name.
    """
    if Path(named).is_absolute():
        return [Path(named)], []
    project = question.user_project or question.project
    projects = [project, *([question.playbook_folder] if question.playbook_folder else [])]
    inventories = [Path(host.folder), *inventory_folders(question.inventory)]
    in_inventory = _distinct(folder / named for folder in inventories)
    in_project = [place for place in _distinct(folder / named for folder in projects) if place not in in_inventory]
    read_anyhow = question.project / CATALOGUE
    return [one for one in in_inventory if one != read_anyhow], [one for one in in_project if one != read_anyhow]


def _there(places: Iterable[Path]) -> list[Path]:
    return _distinct(place for place in places if place.is_dir())


def _distinct(paths: Iterable[Path]) -> list[Path]:
    """Each folder once, by the first of its names."""
    found: dict[Path, Path] = {}
    for path in paths:
        found.setdefault(path.resolve(), path)
    return list(found.values())


def _folder(variable: str, named: str, files: str, question: Question, host: HostVariables) -> Path:
    """The folder of some `files` that a host's variable names. Raises PolicyErrors for none, and for several."""
    in_inventory, in_project = _places(named, question, host)
    found = _distinct([*_there(in_inventory)[:1], *_there(in_project)])
    if len(found) == 1:
        return found[0]
    searched = " or ".join(map(str, dict.fromkeys((*in_inventory, *in_project))))
    expected = f"a directory with {files} files: {searched}"
    if found:
        expected = (
            f"a path that is one folder, not both {found[0]} and {found[1]}: rename one of them, or name the one that"
            " is meant by its absolute path"
        )
    raise PolicyErrors([PolicyError(host.where(variable), variable, named, expected)])
