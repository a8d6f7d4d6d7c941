"""A cheap first answer to every start: nearly all are nothing, and cost nothing more.

It lets through all that the apps control may know for certain, and some that it does not: what a start really is says
that control (verifying.py). The sets come from there as well; this side only compares texts.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ....base.elf import is_built_from
from ....base.program_places import DELETED_SUFFIX, is_system_place

if TYPE_CHECKING:
    from ....model.types.watch import VerifierSets

STORES = ("/nix/store/", "/gnu/store/")
SANDBOX = "/app/"  # where an app of flatpak's is, as it sees itself
BWRAP = "bwrap"  # which begins every sandbox of flatpak's
LONGEST_STEM = 64  # characters
DIGEST = 33  # characters before the name in a path of a store


class Prefilter:
    """What may be restricted, by its path alone."""

    def __init__(self, sets: VerifierSets) -> None:
        self.parts = frozenset(sets.get("parts", ()))
        self.exact = frozenset(sets.get("exact", ()))
        self.stems = frozenset(sets.get("stems", ()))
        self.store = tuple(sets.get("store", ()))
        self.modules = tuple(sets.get("modules", ()))
        self.sandboxes = bool(sets.get("sandboxes"))
        self.restricts = bool(self.parts or self.exact or self.stems or self.store or self.modules)
        self.shortest = min(map(len, self.stems), default=LONGEST_STEM + 1)

    def may_be(self, path: str) -> bool:
        """Whether a program of that path may be restricted. It costs about a microsecond."""
        if path in self.exact or not self.parts.isdisjoint(path.split("/")):
            return True
        if is_system_place(path):
            return False
        if self.sandboxes and path.startswith(SANDBOX):
            return True
        if self.store and path.startswith(STORES):
            return path.split("/", 4)[3][DIGEST:].startswith(self.store)
        return self._begins_like_one(path.rpartition("/")[2])

    def is_marked(self, package: str) -> bool:
        """Whether a program that was built from a Go package is restricted."""
        return is_built_from(package, self.modules)

    def _begins_like_one(self, name: str) -> bool:
        if not self.stems:
            return False
        if not name.isascii():
            return True  # in how many ways letters of other scripts can be written is not decided here
        name = name.lower()[:LONGEST_STEM]
        return any(name[:end] in self.stems for end in range(self.shortest, len(name) + 1))


def plain(path: str) -> str:
    """A path of /proc as the file had it, also where that is gone by now."""
    return path[: -len(DELETED_SUFFIX)] if path.endswith(DELETED_SUFFIX) else path


def link(path: str) -> str:
    """Where a link of /proc leads, by the kernel's own word, with its " (deleted)"; "" if it is gone."""
    try:
        return os.readlink(path)
    except OSError:
        return ""
