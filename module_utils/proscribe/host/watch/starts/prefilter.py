"""Cheap first answer to every start: nearly all starts are harmless, and cost nothing more.

The prefilter passes on everything that the apps control may know for certain, and some starts that it does not. The
apps control decides about a start (launch_verifier.py), and supplies the sets. This side only compares texts.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ....base.elf import is_built_from
from ....base.program_paths import DELETED_SUFFIX, is_system_place

if TYPE_CHECKING:
    from ....model.types.watch import VerifierSets

STORE_PREFIXES = ("/nix/store/", "/gnu/store/")
SANDBOX_PREFIX = "/app/"  # path of a flatpak app, in its own view
BWRAP = "bwrap"  # starts every flatpak sandbox
MAX_STEM_LENGTH = 64  # characters
STORE_DIGEST_LENGTH = 33  # characters before the name in a store path


class Prefilter:
    """Filter of programs that may be restricted, by path alone."""

    def __init__(self, sets: VerifierSets) -> None:
        self.parts = frozenset(sets.get("parts", ()))
        self.exact_paths = frozenset(sets.get("exact", ()))
        self.stems = frozenset(sets.get("stems", ()))
        self.store_names = tuple(sets.get("store", ()))
        self.modules = tuple(sets.get("modules", ()))
        self.has_sandboxes = bool(sets.get("sandboxes"))
        self.has_restrictions = bool(self.parts or self.exact_paths or self.stems or self.store_names or self.modules)
        self.shortest_stem = min(map(len, self.stems), default=MAX_STEM_LENGTH + 1)

    def may_be_restricted(self, path: str) -> bool:
        """Return whether a program of this path may be restricted. A call costs about a microsecond."""
        if path in self.exact_paths or not self.parts.isdisjoint(path.split("/")):
            return True
        if is_system_place(path):
            return False
        if self.has_sandboxes and path.startswith(SANDBOX_PREFIX):
            return True
        if self.store_names and path.startswith(STORE_PREFIXES):
            return path.split("/", 4)[3][STORE_DIGEST_LENGTH:].startswith(self.store_names)
        return self._has_restricted_stem(path.rpartition("/")[2])

    def is_marked(self, package: str) -> bool:
        """Return whether a program that was built from this Go package is restricted."""
        return is_built_from(package, self.modules)

    def _has_restricted_stem(self, name: str) -> bool:
        if not self.stems:
            return False
        if not name.isascii():
            return True  # letters of other scripts have several spellings, so the verifier decides
        name = name.lower()[:MAX_STEM_LENGTH]
        return any(name[:end] in self.stems for end in range(self.shortest_stem, len(name) + 1))


def strip_deleted_mark(path: str) -> str:
    """Return a path of /proc without the mark of a deleted file."""
    return path[: -len(DELETED_SUFFIX)] if path.endswith(DELETED_SUFFIX) else path


def read_link(path: str) -> str:
    """Return the target of a link of /proc, by the kernel's word, with its " (deleted)"; "" if the link is gone."""
    try:
        return os.readlink(path)
    except OSError:
        return ""
