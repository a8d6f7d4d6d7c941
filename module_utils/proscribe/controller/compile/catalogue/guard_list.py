"""No service may name what a host cannot do without: such an entry is a mistake, found before any host is touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..reading.package_names import GUARDED
from .schema import Mistake

_EXPECTED = "something that a host can do without"


def check(service: Mapping[str, Any]) -> Iterator[Mistake]:
    """What a well-formed entry names although it is never removed or denied (host/controls/apps/protected.py)."""
    from ....host.controls.apps import protected  # a run whose catalogue is noted needs nothing of the apps

    for system in GUARDED:
        for index, name in enumerate(service.get("packages", {}).get(system, ())):
            if why := protected.package(name):
                yield ("packages", system, index), name, f"{_EXPECTED} ({why})"
    for key, question in (("processes", protected.program), ("paths", protected.path)):
        for index, value in enumerate(service.get(key, {}).get("linux", ())):
            if why := question(value):
                yield (key, "linux", index), value, f"{_EXPECTED} ({why})"
