"""Record of a package that is about to be removed."""

from __future__ import annotations

from .....model.removal_record import RemovedPackage
from .package import Package


def make_removed_record(package: Package, system_name: str = "", **details: str) -> RemovedPackage:
    """Make the record of a package, with its name in its own system and the details for a new installation."""
    system_name = system_name or (package.handles[0] if package.handles else package.id)
    fields = {**package._asdict(), "scope": package.scope, "name": system_name, **details}
    texts = {key: fields[key] for key in RemovedPackage._fields if key in fields}
    return RemovedPackage(**{key: text if text.isprintable() else "" for key, text in texts.items()})
