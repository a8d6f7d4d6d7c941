"""What enforcing removed by a package system, which no lift installs again, as both sides speak of it.

A host says what it was in fields, and never how it comes back: the command is made on the controller, out of what the
package system declares (systems/declaration.py). Each field is checked wherever it is read.
"""

from __future__ import annotations

from typing import Any

from ..base.patterns import compile_pattern
from ..base.tuples import NamedTuple

MAX_PACKAGES = 500  # packages that a host remembers, and answers
MAX_USER_PACKAGES = 50
INSTALL_MARKS = ("", "auto", "manual")

# What is in a command never begins as an option does.
_FIELD_PATTERN = compile_pattern(r"(?!-)[^\0]{0,500}")
_SCOPE_PATTERN = compile_pattern(r"system|user:[^\s:/,'\"-][^\s:/,'\"]{0,99}")


class RemovedPackage(NamedTuple):
    """A package that was removed: what its system calls it, and what it takes to install it just so."""

    manager: str  # as in findings
    id: str  # as in the catalogue
    version: str
    scope: str  # system, or user:alice
    name: str  # as its own system has it: wechat:i386
    how: str = ""  # which front of several installs it: apt-get, dnf, profile
    tool: str = ""  # the program, where it is none of the host's own
    place: str = ""  # a prefix, a profile, an environment, an installation
    source: str = ""  # a remote, a channel
    mark: str = ""  # of INSTALL_MARKS: whether it came for itself, or since others need it
    at: str = ""  # UTC

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes it another package than others that were removed."""
        return self.manager, self.scope, self.place, self.name

    @property
    def user(self) -> str:
        return self.scope.partition(":")[2]


def read_removed_package(package: Any) -> RemovedPackage:
    """A package as a file or a host has it. Raises ValueError."""
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
