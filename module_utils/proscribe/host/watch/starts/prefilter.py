"""Filter that sorts out nearly all program starts at little cost, because nearly all programs are harmless.

The filter passes every program that the apps control may identify with certainty, and some others. The apps control
decides about the passed starts (launch_verifier.py), and supplies the filter's sets. The filter only compares texts.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ....base.elf import is_built_from
from ....base.program_paths import DELETED_SUFFIX, is_system_place

if TYPE_CHECKING:
    from ....model.types.watch import VerifierSets

STORE_PREFIXES = ("/nix/store/", "/gnu/store/")
SANDBOX_PREFIX = "/app/"  # beginning of the path of a flatpak app, as its sandbox shows the path
BWRAP = "bwrap"  # program that starts every flatpak sandbox
MAX_STEM_LENGTH = 64  # characters
STORE_DIGEST_LENGTH = 33  # characters of the hash and the hyphen, which precede the package name in a path of the store


class Prefilter:
    """Filter that decides by a program's path alone whether the program may be restricted.

    `sets` are names and paths of restricted programs (VerifierSets in model/types/watch.py).
    """

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
        if is_system_place(path):  # only packages put files there, and their programs were compared above
            return False
        if self.has_sandboxes and path.startswith(SANDBOX_PREFIX):
            return True
        if self.store_names and path.startswith(STORE_PREFIXES):
            return path.split("/", 4)[3][STORE_DIGEST_LENGTH:].startswith(self.store_names)
        return self._has_restricted_stem(path.rpartition("/")[2])

    def is_marked(self, package: str) -> bool:
        """Return whether a program is restricted because it was built from the Go package `package`."""
        return is_built_from(package, self.modules)

    def _has_restricted_stem(self, name: str) -> bool:
        """Return whether a file name begins with the name of a restricted portable app, in any case of letters.

        Returns True for a name with non-ASCII letters.
        """
        if not self.stems:
            return False
        if not name.isascii():
            return True  # such letters have several encodings, so the verifier decides
        name = name.lower()[:MAX_STEM_LENGTH]
        return any(name[:end] in self.stems for end in range(self.shortest_stem, len(name) + 1))


def strip_deleted_mark(path: str) -> str:
    """Return a path from a link of /proc without the mark " (deleted)" for a deleted file."""
    return path[: -len(DELETED_SUFFIX)] if path.endswith(DELETED_SUFFIX) else path


def read_link(path: str) -> str:
    """Return the target of a link in /proc, which the kernel itself states; "" if the link is gone.

    The target of a deleted file ends with " (deleted)".
    """
    try:
        return os.readlink(path)
    except OSError:
        return ""
