"""The policy of the hosts of a question: the restrictions of each, and its catalogue."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ....wire.store import PLANS_DIRECTORY, PlanStore
from ...policy_errors import Mistakes, PolicyError, PolicyErrors
from ..catalogue.cache import Catalogues
from ..catalogue.loading import Catalogue
from ..inventory import retired
from ..inventory.inventory import HostVariables, Question, read_as_hosts
from ..inventory.nested import nested
from ..inventory.policy_folders import catalogue_folders
from ..inventory.reports_place import likely_reports
from ..restrictions import PREFIX, Restrictions, read_in_part


class Policy(NamedTuple):
    """What is said of each host, by its name."""

    restrictions: Mapping[str, Restrictions]  # with the defaults for what is wrong in them
    catalogues: Mapping[str, Catalogue]  # where it can be read

    @property
    def services(self) -> set[str]:
        """The ids of all services."""
        distinct = {id(catalogue): catalogue for catalogue in self.catalogues.values()}
        return {service for catalogue in distinct.values() for service in catalogue.services}


def store_of(question: Question) -> PlanStore:
    """The plan store, as far as it is known before the mistakes of the policy are."""
    return PlanStore(likely_reports(question.hosts, question.inventory) / PLANS_DIRECTORY)


def sound_policy(question: Question) -> Policy:
    """The policy of each host. Raises PolicyErrors."""
    mistakes = Mistakes()
    policy = read_policy(question, mistakes, Catalogues(store_of(question)))
    mistakes.settle()
    return policy


def read_policy(question: Question, mistakes: Mistakes, catalogues: Catalogues) -> Policy:
    """The policy of each host. Notes the mistakes."""
    retired.refuse(question)  # alone: another command does now what it did
    mistakes.note(*nested(question.inventory))
    restrictions: dict[str, Restrictions] = {}
    folders_of: dict[str, tuple[Path, ...]] = {}
    sound: dict[tuple[int, str], tuple[Restrictions, tuple[Path, ...]]] = {}  # by values and folder of a host
    for host in question.hosts:
        same = (id(host.values), host.folder)
        if same in sound and not host.wrong:
            restrictions[host.name], folders_of[host.name] = sound[same]
            continue
        own, errors = read_in_part(host.values, host.where)
        restrictions[host.name] = own
        mistakes.note(*host.wrong, *errors)
        unsure = any(error.key.startswith(f"{PREFIX}catalog_dirs") for error in (*host.wrong, *errors))
        with mistakes.noting():
            folders = catalogue_folders(question, host, own)
            mistakes.note(*(taken := list(_taken_for_hosts(host, folders[1:], question.inventory))))
            folders_of.update({} if unsure else {host.name: folders})
            if not (host.wrong or errors or taken):
                sound[same] = own, folders
    loaded: dict[tuple[Path, ...], Catalogue] = {}
    for folders in dict.fromkeys(folders_of.values()) or [(question.project / "catalog",)]:
        with mistakes.noting():
            loaded[folders] = catalogues.load(folders)
    return Policy(restrictions, {host: loaded[own] for host, own in folders_of.items() if own in loaded})


def read_all(hosts: Sequence[HostVariables]) -> dict[str, Restrictions]:
    """Every host's restrictions. Raises PolicyErrors; a mistake that many hosts share is listed once."""
    mistakes = Mistakes()
    read: dict[str, Restrictions] = {}
    for host in hosts:
        read[host.name], errors = read_in_part(host.values, host.where)
        mistakes.note(*host.wrong, *errors)
    mistakes.settle()
    return read


@contextlib.contextmanager
def placed(host: HostVariables) -> Iterator[None]:
    """Mistakes of a block that are about a host's variables, raised with where these were set."""
    try:
        yield
    except PolicyErrors as wrong:
        errors = [PolicyError(host.where(e.key, e.value), e.key, e.value, e.expected) for e in wrong.errors]
        raise PolicyErrors(errors) from None


def _taken_for_hosts(host: HostVariables, folders: Sequence[Path], sources: list[str]) -> Iterator[PolicyError]:
    """The folders of a host's own catalogue that Ansible takes for a part of the inventory. A service would be a group
    `packages` there, with a warning for each of its keys.
    """
    name = f"{PREFIX}catalog_dirs"
    for folder in folders:
        if read_as_hosts(folder, sources):
            expected = (
                "a folder that Ansible does not read as hosts: call it catalog, put it beside the inventory's folder,"
                " or name it in inventory_ignore_patterns of ansible.cfg"
            )
            yield PolicyError(host.where(name), name, str(folder), expected)
