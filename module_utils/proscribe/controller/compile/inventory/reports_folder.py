"""The directory of an inventory's reports and state, from `proscribe_reports`, for runs and for every command."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ....wire import installation
from ...policy_errors import PolicyError, PolicyErrors, UnexpectedValue
from ..restrictions import PREFIX, RESTRICTIONS
from .host_variables import HostVariables, is_read_as_hosts, list_inventory_folders
from .report_settings import require_same_setting

SETTING_NAME = "reports"
VARIABLE = PREFIX + SETTING_NAME
ENVIRONMENT_VARIABLE = "PROSCRIBE_REPORTS"


class ReportsPlace(NamedTuple):
    """A directory of reports, and a phrase for the setting that determines it."""

    directory: Path
    named_by: str


def find_reports_place(
    hosts: Sequence[HostVariables],
    sources: Sequence[str],
    alternatives: str = "",
    environment: Mapping[str, str] = os.environ,
) -> ReportsPlace:
    """Return the directory of reports (`find_reports_folder`), with a phrase for the setting that determines it.

    Commands print the phrase. `alternatives` is a text about other possible settings. It follows the phrase `the usual
    place`.
    """
    place = find_reports_folder(hosts, sources, environment)
    if environment.get(ENVIRONMENT_VARIABLE):
        return ReportsPlace(place, ENVIRONMENT_VARIABLE)
    if _find_named_folder(hosts, sources):
        return ReportsPlace(place, f"{VARIABLE} of the inventory")
    return ReportsPlace(place, f"the usual place{alternatives}")


def find_reports_folder(
    hosts: Sequence[HostVariables], sources: Sequence[str], environment: Mapping[str, str] = os.environ
) -> Path:
    """Return the directory of reports and state for a run over these hosts; `sources` are those of their inventory.

    A relative path starts at the directory of the first inventory, so every choice of hosts gives the same place.
    Raises PolicyErrors for hosts that differ, and for a value that is no path.
    """
    return installation.locate_reports(environment, _find_named_folder(hosts, sources))


def guess_reports_folder(hosts: Sequence[HostVariables], sources: Sequence[str]) -> Path:
    """Return the result of `find_reports_folder`, or the usual place if it raises PolicyErrors.

    Nothing may be written there, because the guess may be wrong.
    """
    with contextlib.suppress(PolicyErrors):
        return find_reports_folder(hosts, sources)
    return installation.locate_reports()


def require_reports_folder(
    hosts: Sequence[HostVariables], sources: Sequence[str], environment: Mapping[str, str] = os.environ
) -> Path:
    """Return the result of `find_reports_folder` for a run, which writes there.

    Also raises PolicyErrors if the inventory sets a directory that is not writable, or that Ansible reads as hosts.
    """
    named_folder = _find_named_folder(hosts, sources)
    place = installation.locate_reports(environment, named_folder)
    if named_folder is None or place != named_folder.absolute():  # set by the environment, or the usual place
        return place
    if problem := _describe_write_obstacle(place):
        expected = f"a directory in which this account can write; {problem}"
    elif is_read_as_hosts(place, list(sources)):
        expected = (
            f"a directory that Ansible does not read as hosts, and {place} is inside the inventory: name one outside"
        )
    else:
        return place
    host = hosts[0]
    raise PolicyErrors([PolicyError(host.locate_variable(VARIABLE), VARIABLE, host.values.get(VARIABLE), expected)])


def _find_named_folder(hosts: Sequence[HostVariables], sources: Sequence[str]) -> Path | None:
    """Return the directory that the hosts set; None if they set none."""
    folder_name = require_same_setting(SETTING_NAME, hosts, _read_setting)
    if not folder_name:
        return None
    base = next(
        iter(list_inventory_folders(list(sources))),
        installation.locate_user_project() or installation.PROJECT_DIRECTORY,
    )
    return Path(os.path.normpath(base / folder_name))


def _read_setting(host: HostVariables) -> str:
    """Return the value of proscribe_reports of a host; "" if it is not set.

    Raises PolicyErrors for a wrong value.
    """
    setting = host.values.get(VARIABLE)
    errors = [error for error in host.errors if error.key == VARIABLE]  # the value cannot be templated
    try:
        folder_name = str(RESTRICTIONS[SETTING_NAME].read(setting))
    except UnexpectedValue as mistake:
        errors.append(PolicyError(host.locate_variable(VARIABLE), VARIABLE, setting, mistake.expected))
    if errors:
        raise PolicyErrors(errors)
    return folder_name


def _describe_write_obstacle(place: Path) -> str:
    """Return the obstacle to writing files in a directory, which may not exist yet; "" if there is none."""
    existing_path = next(path for path in (place, *place.parents) if os.path.lexists(path))
    if not existing_path.is_dir():
        return f"{existing_path} is no directory"
    return "" if os.access(existing_path, os.W_OK | os.X_OK) else f"{existing_path} is not writable for it"
