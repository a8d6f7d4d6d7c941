"""Record with which a package can be installed again after Proscribe has removed it."""

from __future__ import annotations

from .....model.removal_record import RemovedPackage
from .package import Package


def make_removed_record(package: Package, system_name: str = "", **details: str) -> RemovedPackage:
    """Make the record of a package, before its removal. `details` are further fields of `RemovedPackage`.

    `system_name` is the package's name in its package system. If it is "", the first handle of the package is used, or
    else its id. A field that is not printable becomes "", because a user may have chosen its text.
    """
    system_name = system_name or (package.handles[0] if package.handles else package.id)
    fields = {**package._asdict(), "scope": package.scope, "name": system_name, **details}
    texts = {key: fields[key] for key in RemovedPackage._fields if key in fields}
    return RemovedPackage(**{key: text if text.isprintable() else "" for key, text in texts.items()})
