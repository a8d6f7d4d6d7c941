"""What was seen of one browser's policy, and what is wrong with a file whatever its content."""

from __future__ import annotations

import os
import stat
from typing import AbstractSet, Iterable, Mapping, Protocol, Sequence

from ...host import ControlError, Host
from ...tuples import NamedTuple
from .rendering import Name, covers

FILE_MODE = 0o644
# The key under which every policy file carries its notice. Chromium lists what it does not know as unknown and goes on;
# Firefox reads "policies" only. A comment would do for Chromium, but would not be JSON to anybody else.
MARK = "proscribe"


class Effect(Protocol):
    """Which addresses a browser blocks, all files taken together."""

    def blocked(self, address: Name) -> bool: ...


class Observed(NamedTuple):
    """What was seen of a browser."""

    effect: Effect | None = None  # None: nothing is blocked
    openings: Sequence[Name] = ()  # what somebody else's exceptions open although it has to be blocked
    complete: bool = False  # every file is just what it has to be, so that no name needs a check
    why: str = ""  # why names are not blocked, where one reason covers them
    settings: Mapping[str, str] = {}  # by setting that is not as it has to be: what is wrong with it
    openers: Sequence[tuple[Name, str]] = ()  # somebody else's exceptions, and the words for each
    unblocked: AbstractSet[str] = frozenset()  # the extensions that are not refused
    wrong: Sequence[str] = ()  # what else is wrong
    unseen: str = ""  # why nothing could be seen
    unclear: str = ""  # why it is unknown whether something else is wrong

    def opened(self, names: Iterable[Name]) -> list[Name]:
        """Those of a service's names that are not blocked, and what is opened below them."""
        if self.unseen:
            return []
        restricted = sorted(set(names))
        effect = self.effect
        if effect is None:
            return restricted
        found = [one for one in restricted if not effect.blocked(one)]
        below = [one for one in self.openings if one not in found and any(covers(upper, one) for upper in restricted)]
        return found + below

    def why_open(self, name: Name) -> str:
        """Why a name is open: by whose exception, or else what applies to all."""
        said = (words for opener, words in self.openers if covers(opener, name) or covers(name, opener))
        return self.why or next(said, "")


def lost(error: ControlError, settings: Iterable[str], extensions: Iterable[str]) -> Observed:
    """What is in effect where a place cannot be observed safely: nothing."""
    why = str(error)
    return Observed(why=why, settings=dict.fromkeys(settings, why), unblocked=frozenset(extensions), wrong=[why])


class Faults(NamedTuple):
    """What is wrong with a policy file and its directories, and whether a browser can read it in spite of that."""

    file: list[str]
    directories: list[str]
    readable: bool


def faults(host: Host, path: str) -> Faults:
    """Check owner and mode of a policy file that is there, and of its directories below /etc.

    A browser runs as its user: what others cannot read is no policy, and where others can write, anybody makes
    policies. Raises Unseen.
    """
    owner = os.stat(host.root).st_uid  # root, but in a fixture
    directories = []
    readable = True
    step = path.rpartition("/")[0]
    while step.count("/") > 1:
        seen = host.stat(step)
        if seen is not None and stat.S_ISDIR(seen.st_mode):
            if seen.st_uid != owner or seen.st_mode & 0o022:
                directories.append(f"{step} can be changed by others ({_rights(seen)}): chown root, chmod 755")
            elif seen.st_mode & 0o005 != 0o005:
                directories.append(f"{step} cannot be read by users ({_rights(seen)}): chmod 755")
                readable = False
        step = step.rpartition("/")[0]
    seen = host.stat(path)
    if seen is None:
        return Faults([], directories, readable)
    if stat.S_ISLNK(seen.st_mode):
        return Faults(["a link is in its place"], directories, readable)
    if not stat.S_ISREG(seen.st_mode):
        return Faults(["something other than a file is in its place"], directories, False)
    wrong = []
    if seen.st_uid != owner or stat.S_IMODE(seen.st_mode) != FILE_MODE:
        wrong.append(f"{_rights(seen)} instead of root's with mode 644")
    return Faults(wrong, directories, readable and bool(seen.st_mode & 0o004))


def changeable(host: Host, seen: os.stat_result) -> str:
    """Who else than root can change a file, in words; "" for nobody. Of a link, its own owner counts."""
    if seen.st_uid == os.stat(host.root).st_uid and (stat.S_ISLNK(seen.st_mode) or not seen.st_mode & 0o022):
        return ""
    return f"can be changed by others ({_rights(seen)}): chown root, chmod 644"


def _rights(seen: os.stat_result) -> str:
    return f"uid {seen.st_uid}, mode {stat.S_IMODE(seen.st_mode):o}"
