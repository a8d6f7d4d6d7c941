"""The policy of the hosts of a compilation: the restrictions of each, and its catalogue."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ....wire.plan_store import PLANS_DIRECTORY, PlanStore
from ...policy_errors import MistakeCollector, PolicyError, PolicyErrors
from ..catalogue.catalogue_cache import CatalogueCache
from ..catalogue.catalogue_loader import Catalogue
from ..inventory import retired_variables
from ..inventory.host_variables import CompileInput, HostVariables, is_read_as_hosts
from ..inventory.nested_inventories import find_nested_inventories
from ..inventory.policy_folders import find_catalogue_folders
from ..inventory.reports_folder import guess_reports_folder
from ..restrictions import PREFIX, Restrictions, read_noting_errors


class HostPolicies(NamedTuple):
    """The restrictions and the catalogue of each host, by its name."""

    restrictions: Mapping[str, Restrictions]  # with defaults in place of wrong values
    catalogues: Mapping[str, Catalogue]  # only hosts whose catalogue can be read

    @property
    def service_ids(self) -> set[str]:
        """The ids of all services in the catalogues of all hosts."""
        distinct = {id(catalogue): catalogue for catalogue in self.catalogues.values()}
        return {service for catalogue in distinct.values() for service in catalogue.services}


def find_plan_store(compile_input: CompileInput) -> PlanStore:
    """Return the plan store in the directory of reports.

    The policy is not checked yet. If it has a wrong value for the directory, the usual directory is taken.
    """
    return PlanStore(guess_reports_folder(compile_input.hosts, compile_input.inventory) / PLANS_DIRECTORY)


def read_sound_policy(compile_input: CompileInput) -> HostPolicies:
    """Return the policy of each host. Raises PolicyErrors."""
    mistakes = MistakeCollector()
    policy = read_policy(compile_input, mistakes, CatalogueCache(find_plan_store(compile_input)))
    mistakes.raise_mistakes()
    return policy


def read_policy(compile_input: CompileInput, mistakes: MistakeCollector, catalogues: CatalogueCache) -> HostPolicies:
    """Return the policy of each host.

    Add its errors to `mistakes`. A host whose catalogue cannot be read has restrictions, but no catalogue. A removed
    variable raises PolicyErrors.
    """
    # A removed variable is reported alone: the user has to run another command, so other mistakes do not matter.
    retired_variables.refuse_retired_variables(compile_input)
    mistakes.add_mistakes(*find_nested_inventories(compile_input.inventory))
    restrictions: dict[str, Restrictions] = {}
    folders_by_host: dict[str, tuple[Path, ...]] = {}
    # Policies without mistakes, so that hosts with the same variables are read once. Key: id() of the object with the
    # host's variables, which hosts may share, and the host's folder.
    sound_policies: dict[tuple[int, str], tuple[Restrictions, tuple[Path, ...]]] = {}
    for host in compile_input.hosts:
        shared_key = (id(host.values), host.folder)
        if shared_key in sound_policies and not host.errors:
            restrictions[host.name], folders_by_host[host.name] = sound_policies[shared_key]
            continue
        host_restrictions, errors = read_noting_errors(host.values, host.locate_variable)
        restrictions[host.name] = host_restrictions
        mistakes.add_mistakes(*host.errors, *errors)
        is_catalogue_unsure = any(error.key.startswith(f"{PREFIX}catalog_dirs") for error in (*host.errors, *errors))
        with mistakes.collect_mistakes():
            folders = find_catalogue_folders(compile_input, host, host_restrictions)
            # The first folder has Proscribe's catalogue, the others are the organisation's.
            mistakes.add_mistakes(
                *(folder_mistakes := list(_find_folders_read_as_hosts(host, folders[1:], compile_input.inventory)))
            )
            # A catalogue without the folders of a wrong value could lack services, which would be reported as unknown.
            folders_by_host.update({} if is_catalogue_unsure else {host.name: folders})
            if not (host.errors or errors or folder_mistakes):
                sound_policies[shared_key] = host_restrictions, folders
    loaded_catalogues: dict[tuple[Path, ...], Catalogue] = {}
    # Without any usable setting, the project's own catalogue is still checked for mistakes.
    for folders in dict.fromkeys(folders_by_host.values()) or [(compile_input.project / "catalog",)]:
        with mistakes.collect_mistakes():
            loaded_catalogues[folders] = catalogues.load_catalogue(folders)
    return HostPolicies(
        restrictions,
        {
            host: loaded_catalogues[host_folders]
            for host, host_folders in folders_by_host.items()
            if host_folders in loaded_catalogues
        },
    )


def read_all_restrictions(hosts: Sequence[HostVariables]) -> dict[str, Restrictions]:
    """Return every host's restrictions. Raises PolicyErrors; a mistake that hosts share is listed once."""
    mistakes = MistakeCollector()
    restrictions_by_host: dict[str, Restrictions] = {}
    for host in hosts:
        restrictions_by_host[host.name], errors = read_noting_errors(host.values, host.locate_variable)
        mistakes.add_mistakes(*host.errors, *errors)
    mistakes.raise_mistakes()
    return restrictions_by_host


@contextlib.contextmanager
def locate_mistakes(host: HostVariables) -> Iterator[None]:
    """Add the place of the host's variables to the PolicyErrors that the `with` body raises."""
    try:
        yield
    except PolicyErrors as exception:
        errors = [
            PolicyError(
                host.locate_variable(mistake.key, mistake.found_value),
                mistake.key,
                mistake.found_value,
                mistake.expected,
            )
            for mistake in exception.errors
        ]
        raise PolicyErrors(errors) from None


def _find_folders_read_as_hosts(
    host: HostVariables, folders: Sequence[Path], sources: list[str]
) -> Iterator[PolicyError]:
    """Yield an error for each folder of a host's own catalogue that Ansible reads as a part of the inventory.

    Ansible would take a service file there for an inventory file: its key `packages` would become a group. `folders`
    are these catalogue folders, and `sources` are those of the inventory.
    """
    name = f"{PREFIX}catalog_dirs"
    for folder in folders:
        if is_read_as_hosts(folder, sources):
            expected = (
                "a folder that Ansible does not read as hosts: call it catalog, put it beside the inventory's folder,"
                " or name it in inventory_ignore_patterns of ansible.cfg"
            )
            yield PolicyError(host.locate_variable(name), name, str(folder), expected)
