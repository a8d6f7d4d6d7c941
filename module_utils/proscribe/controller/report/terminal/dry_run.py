"""The changes that a dry run would make, each once with its hosts.

Ten thousand equal hosts have a single list of changes. Hosts that differ in an app share the list of their common
changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..text.wording import clean_text, format_count, summarise_names
from .differences import ModuleChange, format_changes

MAX_NAMED_HOSTS = 8  # hosts named in a block
NOTE_PREFIX = "note: "


class _ModuleEntry(NamedTuple):
    """A change, or a note, of a module that several hosts may share."""

    module: str
    change: ModuleChange


class DryRunChanges:
    """The changes that a run has reported so far."""

    def __init__(self) -> None:
        self._hosts_by_entry: dict[_ModuleEntry, dict[str, None]] = {}
        self._difference_files: dict[tuple[str, str], str] = {}  # by module and host

    def add_host_changes(
        self,
        host: str,
        module: str,
        module_changes: Iterable[ModuleChange],
        notes: Iterable[str] = (),
        difference_file: str = "",
    ) -> None:
        """Add the answer of a host. `difference_file` has all of its differences, "" if they are shown whole."""
        for change in (*module_changes, *(ModuleChange(f"{NOTE_PREFIX}{clean_text(note)}") for note in notes)):
            self._hosts_by_entry.setdefault(_ModuleEntry(module, change), {})[host] = None
        if difference_file:
            self._difference_files[module, host] = difference_file

    def take_blocks(self) -> Iterator[list[str]]:
        """Yield the blocks in lines, those of most hosts first, and forget them."""
        blocks: dict[tuple[str, ...], list[_ModuleEntry]] = {}
        for entry, hosts in self._hosts_by_entry.items():
            blocks.setdefault(tuple(sorted(hosts)), []).append(entry)
        for host_names, entries in sorted(blocks.items(), key=lambda block: (-len(block[0]), block[0])):
            count_text = "" if len(host_names) == 1 else f"{format_count(len(host_names), 'host')}: "
            yield [
                f"would change on {count_text}{summarise_names(host_names, MAX_NAMED_HOSTS)}",
                *self._format_block(host_names, entries),
            ]
        self._hosts_by_entry.clear()
        self._difference_files.clear()

    def _format_block(self, hosts: tuple[str, ...], entries: list[_ModuleEntry]) -> Iterator[str]:
        for module in dict.fromkeys(entry.module for entry in entries):
            module_changes = [entry.change for entry in entries if entry.module == module]
            yield from (f"  {line}" for line in format_changes(module_changes))
            if not all(entry.is_complete for entry in module_changes):
                files = [
                    self._difference_files[module, host] for host in hosts if (module, host) in self._difference_files
                ]
                yield from self._format_file_reference(list(dict.fromkeys(files)))

    def _format_file_reference(self, files: list[str]) -> Iterator[str]:
        if files:
            other_files = f" and {format_count(len(files) - 1, 'more file')} beside it" if len(files) > 1 else ""
            yield f"  all of it: {clean_text(files[0])}{other_files}"
