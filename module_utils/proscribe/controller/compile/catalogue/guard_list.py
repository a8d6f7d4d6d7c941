"""A check that no service names a package, program or path that a host needs.

Such a name in the catalogue is a mistake. The check reports it before any host changes.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..reading.document_schema import Mistake
from ..reading.package_names import GUARDED
from .entry_types import ServiceIdentifiers

_EXPECTED = "something that a host can do without"


def check_guarded_names(service: ServiceIdentifiers) -> Iterator[Mistake]:
    """Yield a mistake for each package, program or path of a service that must never be removed or denied.

    host/controls/apps/protection.py has the protected names and the reasons. The values of `service` must be
    well-formed.
    """
    # imported here: a run with a cached catalogue does not need the code of the control `apps`
    from ....host.controls.apps import protection

    for system in GUARDED:
        for index, name in enumerate(service.get("packages", {}).get(system, ())):
            if reason := protection.explain_package_protection(name):
                yield ("packages", system, index), name, f"{_EXPECTED} ({reason})"
    linux_checks = (
        ("processes", service.get("processes", {}), protection.explain_program_protection),
        ("paths", service.get("paths", {}), protection.explain_path_protection),
    )
    for key, values, find_reason in linux_checks:
        for index, identifier in enumerate(values.get("linux", ())):
            if reason := find_reason(identifier):
                yield (key, "linux", index), identifier, f"{_EXPECTED} ({reason})"
