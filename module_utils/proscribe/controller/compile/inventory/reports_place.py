"""Where an inventory's reports and state are: what `proscribe_reports` comes to, for runs and for every command."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ....wire import installation
from ...policy_errors import Expected, PolicyError, PolicyErrors
from ..restrictions import PREFIX, RESTRICTIONS
from .inventory import HostVariables, inventory_folders, read_as_hosts
from .reporting import agreed

NAME = "reports"
VARIABLE = PREFIX + NAME
ENVIRONMENT = "PROSCRIBE_REPORTS"


class Place(NamedTuple):
    """A directory of reports, and in words what names it."""

    directory: Path
    named_by: str


def place_of_reports(
    hosts: Sequence[HostVariables], sources: Sequence[str], more: str = "", environment: Mapping[str, str] = os.environ
) -> Place:
    """As `reports_of`, for a command that prints what names the place; `more` says what else could."""
    place = reports_of(hosts, sources, environment)
    if environment.get(ENVIRONMENT):
        return Place(place, ENVIRONMENT)
    if _named(hosts, sources):
        return Place(place, f"{VARIABLE} of the inventory")
    return Place(place, f"the usual place{more}")


def reports_of(
    hosts: Sequence[HostVariables], sources: Sequence[str], environment: Mapping[str, str] = os.environ
) -> Path:
    """The directory of reports and state of a run over these hosts of an inventory; `sources` are that inventory's.

    A relative path starts at the directory of the inventory, of the first one where there are several: so it is the
    same place for each choice of hosts. Raises PolicyErrors for hosts that differ, and for a value that is no path.
    """
    return installation.locate_reports(environment, _named(hosts, sources))


def likely_reports(hosts: Sequence[HostVariables], sources: Sequence[str]) -> Path:
    """As `reports_of`, for what only reads there: where the hosts differ, it is the usual place."""
    with contextlib.suppress(PolicyErrors):
        return reports_of(hosts, sources)
    return installation.locate_reports()


def require_reports(
    hosts: Sequence[HostVariables], sources: Sequence[str], environment: Mapping[str, str] = os.environ
) -> Path:
    """As `reports_of`, for a run, which writes there. Raises PolicyErrors also for a named place in which it cannot,
    and for one that Ansible reads as a part of the inventory.
    """
    named = _named(hosts, sources)
    place = installation.locate_reports(environment, named)
    if named is None or place != named.absolute():  # the environment's, or the usual place
        return place
    if wrong := _not_writable(place):
        expected = f"a directory in which this account can write; {wrong}"
    elif read_as_hosts(place, list(sources)):
        expected = (
            f"a directory that Ansible does not read as hosts, and {place} is inside the inventory: name one outside"
        )
    else:
        return place
    host = hosts[0]
    raise PolicyErrors([PolicyError(host.where(VARIABLE), VARIABLE, host.values.get(VARIABLE), expected)])


def _named(hosts: Sequence[HostVariables], sources: Sequence[str]) -> Path | None:
    """What the hosts name; None for nothing."""
    named = agreed(NAME, hosts, _read)
    if not named:
        return None
    base = next(
        iter(inventory_folders(list(sources))), installation.locate_user_project() or installation.PROJECT_DIRECTORY
    )
    return Path(os.path.normpath(base / named))


def _read(host: HostVariables) -> str:
    value = host.values.get(VARIABLE)
    wrong = [error for error in host.wrong if error.key == VARIABLE]  # it cannot be templated
    try:
        read = str(RESTRICTIONS[NAME].read(value))
    except Expected as mistake:
        wrong.append(PolicyError(host.where(VARIABLE), VARIABLE, value, mistake.expected))
    if wrong:
        raise PolicyErrors(wrong)
    return read


def _not_writable(place: Path) -> str:
    """What prevents files in a directory, which need not be there yet; "" for nothing."""
    there = next(path for path in (place, *place.parents) if os.path.lexists(path))
    if not there.is_dir():
        return f"{there} is no directory"
    return "" if os.access(there, os.W_OK | os.X_OK) else f"{there} is not writable for it"
