"""Packages that an enforcing run removed. `lift`, which removes the ban, does not install these again.

A host reports only fields, never the command that installs a package again. The controller builds that command from the
declaration of the package system (host/controls/apps/systems/declaration.py). Each field is checked wherever it is
read.
"""

from __future__ import annotations

from typing import Any

from ..base.lazy_patterns import compile_pattern
from ..base.named_tuple import NamedTuple

MAX_PACKAGES = 500  # packages that a host remembers and reports
MAX_USER_PACKAGES = 50
INSTALL_MARKS = ("", "auto", "manual")

# A field becomes an argument of a command, so it must not begin as an option does.
_FIELD_PATTERN = compile_pattern(r"(?!-)[^\0]{0,500}")
_SCOPE_PATTERN = compile_pattern(r"system|user:[^\s:/,'\"-][^\s:/,'\"]{0,99}")


class RemovedPackage(NamedTuple):
    """A package that was removed: its name in its package system, and the data to install it again in the same form."""

    manager: str  # the package system, as in findings
    id: str  # the package, as in the catalogue
    version: str
    scope: str  # system, or user:alice
    name: str  # name in the package system, such as wechat:i386
    how: str = ""  # the front end that installs the package, if there are several: apt-get, dnf, profile
    tool: str = ""  # path of the package program, if it is not the host's own
    place: str = ""  # the prefix, profile, environment or installation that had the package
    source: str = ""  # the remote or channel from which the package came
    mark: str = ""  # one of INSTALL_MARKS: installed by request (manual), or because another package needs it (auto)
    at: str = ""  # the time of the removal, UTC

    @property
    def identity(self) -> tuple[str, ...]:
        """The fields that distinguish removed packages."""
        return self.manager, self.scope, self.place, self.name

    @property
    def user(self) -> str:
        """The user who had the package; "" for a package of the whole host."""
        return self.scope.partition(":")[2]


def read_removed_package(package: Any) -> RemovedPackage:
    """Read a removed package from a file or from the answer of a host.

    A missing field is "". Raises ValueError.
    """
    if not isinstance(package, dict):
        raise ValueError("a removed package is a mapping")
    fields = [package.get(key, "") for key in RemovedPackage._fields]
    if not all(isinstance(text, str) and text.isprintable() and _FIELD_PATTERN.fullmatch(text) for text in fields):
        raise ValueError("a field of a removed package is no printable text")
    removed = RemovedPackage(*map(str, fields))
    if not (removed.manager and removed.id and removed.name and _SCOPE_PATTERN.fullmatch(removed.scope)):
        raise ValueError("a removed package has manager, id, name and scope")
    if removed.mark not in INSTALL_MARKS:
        raise ValueError("the mark of a removed package is auto or manual")
    return removed
