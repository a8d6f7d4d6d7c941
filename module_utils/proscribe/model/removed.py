"""What enforcing removed by a package system, which no lift installs again, as both sides speak of it.

A host says what it was in fields, and never how it comes back: the command is made on the controller, out of what the
package system declares (systems/declaration.py). Each field is checked wherever it is read.
"""

from __future__ import annotations

from typing import Any

from ..base.patterns import pattern
from ..base.tuples import NamedTuple

MOST = 500  # packages that a host remembers, and answers
MOST_OF_USER = 50
MARKS = ("", "auto", "manual")

# What is in a command never begins as an option does.
_FIELD = pattern(r"(?!-)[^\0]{0,500}")
_SCOPE = pattern(r"system|user:[^\s:/,'\"-][^\s:/,'\"]{0,99}")


class Removed(NamedTuple):
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
    mark: str = ""  # of MARKS: whether it came for itself, or since others need it
    at: str = ""  # UTC

    @property
    def key(self) -> tuple[str, ...]:
        """What makes it another package than others that were removed."""
        return self.manager, self.scope, self.place, self.name

    @property
    def user(self) -> str:
        return self.scope.partition(":")[2]


def read(value: Any) -> Removed:
    """A package as a file or a host has it. Raises ValueError."""
    if not isinstance(value, dict):
        raise ValueError("a removed package is a mapping")
    fields = [value.get(key, "") for key in Removed._fields]
    if not all(isinstance(text, str) and text.isprintable() and _FIELD.fullmatch(text) for text in fields):
        raise ValueError("a field of a removed package is no printable text")
    removed = Removed(*map(str, fields))
    if not (removed.manager and removed.id and removed.name and _SCOPE.fullmatch(removed.scope)):
        raise ValueError("a removed package has manager, id, name and scope")
    if removed.mark not in MARKS:
        raise ValueError("the mark of a removed package is auto or manual")
    return removed
