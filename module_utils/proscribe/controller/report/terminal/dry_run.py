"""What a dry run would change, each change once with the hosts that would have it.

Ten thousand equal hosts have one list of changes; and of hosts that differ in one app, what they share is said once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..text.wording import clean, counted, some
from .differences import Change, listed

NAMED = 8  # hosts of a block
NOTE = "note: "


class _Of(NamedTuple):
    """Something that hosts would have in common: a change, or a note, of a module."""

    module: str
    change: Change


class DryRun:
    """The changes that a run has reported so far."""

    def __init__(self) -> None:
        self._hosts: dict[_Of, dict[str, None]] = {}
        self._files: dict[tuple[str, str], str] = {}  # by module and host

    def add(self, host: str, module: str, found: Iterable[Change], notes: Iterable[str] = (), file: str = "") -> None:
        """A host's answer; `file` has all of its differences, "" where they are shown whole."""
        for one in (*found, *(Change(f"{NOTE}{clean(note)}") for note in notes)):
            self._hosts.setdefault(_Of(module, one), {})[host] = None
        if file:
            self._files[module, host] = file

    def taken(self) -> Iterator[list[str]]:
        """The blocks, those of most hosts first, in lines; they are then no longer here."""
        blocks: dict[tuple[str, ...], list[_Of]] = {}
        for one, hosts in self._hosts.items():
            blocks.setdefault(tuple(sorted(hosts)), []).append(one)
        for names, found in sorted(blocks.items(), key=lambda block: (-len(block[0]), block[0])):
            several = "" if len(names) == 1 else f"{counted(len(names), 'host')}: "
            yield [f"would change on {several}{some(names, NAMED)}", *self._of_block(names, found)]
        self._hosts.clear()
        self._files.clear()

    def _of_block(self, hosts: tuple[str, ...], found: list[_Of]) -> Iterator[str]:
        for module in dict.fromkeys(one.module for one in found):
            mine = [one.change for one in found if one.module == module]
            yield from (f"  {line}" for line in listed(mine))
            if not all(one.whole for one in mine):
                files = [self._files[module, host] for host in hosts if (module, host) in self._files]
                yield from self._in_full(list(dict.fromkeys(files)))

    def _in_full(self, files: list[str]) -> Iterator[str]:
        if files:
            more = f" and {counted(len(files) - 1, 'more file')} beside it" if len(files) > 1 else ""
            yield f"  all of it: {clean(files[0])}{more}"
