"""No service may name what a host cannot do without: such an entry is a mistake, found before any host is touched."""

from __future__ import annotations

from collections.abc import Iterator

from ..reading.package_names import GUARDED
from .entries import ServiceIdentifiers
from .kinds import Mistake

_EXPECTED = "something that a host can do without"


def check_guarded_names(service: ServiceIdentifiers) -> Iterator[Mistake]:
    """What a well-formed entry names although it is never removed or denied (host/controls/apps/protected.py)."""
    from ....host.controls.apps import protected  # a run whose catalogue is noted needs nothing of the apps

    for system in GUARDED:
        for index, name in enumerate(service.get("packages", {}).get(system, ())):
            if reason := protected.explain_package_protection(name):
                yield ("packages", system, index), name, f"{_EXPECTED} ({reason})"
    linux_checks = (
        ("processes", service.get("processes", {}), protected.explain_program_protection),
        ("paths", service.get("paths", {}), protected.explain_path_protection),
    )
    for key, values, find_reason in linux_checks:
        for index, identifier in enumerate(values.get("linux", ())):
            if reason := find_reason(identifier):
                yield (key, "linux", index), identifier, f"{_EXPECTED} ({reason})"
