"""Where the parts of a policy are that have folders of their own: waivers, approvers, an organisation's catalogues.

An inventory may be a folder with all of them in it. In an automation controller it is a generated file somewhere else,
and the policy is in the project that the controller has fetched. So a folder that a variable names is searched in
both, and what is beside the sources of the inventory counts as well, for each of several `-i`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ..policy_errors import PolicyError, PolicyErrors
from .inventory import HostVariables, Question, inventory_folders, waiver_folders
from .restrictions import PREFIX, Restrictions

REGISTER = "approvers.yml"  # who may approve waivers; beside a folder of these, as whose keys are whose
SIGNERS = "allowed_signers"
CATALOGUE = "catalog"  # the project's own, which is read anyhow
WAIVERS = PREFIX + "waivers_dir"
CATALOG = PREFIX + "catalog"
CATALOGUES = PREFIX + "catalog_dirs"


def catalogue_folders(question: Question, host: HostVariables, restrictions: Restrictions) -> tuple[Path, ...]:
    """The folders of a host's catalogue, the project's own first. Raises PolicyErrors for one that is not there, and
    for a relative one that is both in the project and beside the inventory: neither is left out in silence.
    """
    project = question.project / CATALOGUE
    if restrictions.catalog:
        places = places_of(restrictions.catalog, question, host)
        files = "<category>/<id>.yml"
        project = next(iter(_there(places)), None) or _missing(host, CATALOG, restrictions.catalog, files, places)
    own: list[Path] = []
    for named in restrictions.catalog_dirs:
        in_project, in_inventory = _places(named, question, host)
        found = _distinct([*_there(in_project), *_there(in_inventory)[:1]])
        if len(found) > 1:
            expected = f"a path that is one folder, not both {found[0]} and {found[1]}: rename one of them"
            raise _wrong(host, CATALOGUES, named, expected)
        own += found or [_missing(host, CATALOGUES, named, "<category>/<id>.yml", (*in_project, *in_inventory))]
    return (project, *own)


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


def relative_folders(question: Question, restrictions: Mapping[str, Restrictions]) -> list[Path]:
    """What variables name by relative paths, which may be in the project: folders, and beside those of waivers the
    files by which these are judged.
    """
    found: list[Path] = []
    for host in question.hosts:
        own = restrictions[host.name]
        found += map(Path, (*own.catalog_dirs, *([own.catalog] if own.catalog else [])))
        if own.waivers_dir:
            folder = Path(own.waivers_dir)
            found += [folder, folder.parent / REGISTER, folder.parent / SIGNERS]
    return [path for path in dict.fromkeys(found) if not path.is_absolute()]


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
            places = places_of(key[0], question, host)
            found[key] = next(iter(_there(places)), None) or _missing(host, WAIVERS, key[0], "<id>.yml", places)
    return _distinct(found.values())


def _places(named: str, question: Question, host: HostVariables) -> tuple[list[Path], list[Path]]:
    """What a path may mean: below the project or the folder of the playbook, and below a folder of the inventory. The
    project's own catalogue is never meant: it is read anyhow, and one inside an inventory has the same name.
    """
    if Path(named).is_absolute():
        return [Path(named)], []
    project = question.user_project or question.project
    projects = [project, *([question.playbook_folder] if question.playbook_folder else [])]
    inventories = [Path(host.folder), *inventory_folders(question.inventory)]
    in_project = _distinct(folder / named for folder in projects if folder / named != question.project / CATALOGUE)
    in_inventory = [place for place in _distinct(folder / named for folder in inventories) if place not in in_project]
    return in_project, in_inventory


def _there(places: Iterable[Path]) -> list[Path]:
    return _distinct(place for place in places if place.is_dir())


def _distinct(paths: Iterable[Path]) -> list[Path]:
    """Each folder once, by the first of its names."""
    found: dict[Path, Path] = {}
    for path in paths:
        found.setdefault(path.resolve(), path)
    return list(found.values())


def _missing(host: HostVariables, variable: str, named: str, files: str, places: Iterable[Path]) -> Path:
    searched = " or ".join(map(str, dict.fromkeys(places)))
    raise _wrong(host, variable, named, f"a directory with {files} files: {searched}")


def _wrong(host: HostVariables, variable: str, named: str, expected: str) -> PolicyErrors:
    return PolicyErrors([PolicyError(host.where(variable), variable, named, expected)])
