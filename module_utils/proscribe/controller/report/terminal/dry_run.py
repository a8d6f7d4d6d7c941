"""The changes that a dry run would make, each once with its hosts.

Ten thousand equal hosts have a single list of changes. Hosts that differ in an app share the list of their common
changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..text.wording import clean_text, format_count, summarise_names
from .differences import ModuleChange, format_changes

MAX_NAMED_HOSTS = 8  # most hosts that the heading of a list of changes names
NOTE_PREFIX = "note: "


class _ModuleEntry(NamedTuple):
    """A change, or a note, of a module that several hosts may share."""

    module: str
    change: ModuleChange


class DryRunChanges:
    """The changes that the modules of a dry run have reported so far."""

    def __init__(self) -> None:
        self._hosts_by_entry: dict[_ModuleEntry, dict[str, None]] = {}  # the keys of each value are the hosts, in order
        self._difference_files: dict[tuple[str, str], str] = {}  # (module, host) -> the file with the complete changes

    def add_host_changes(
        self,
        host: str,
        module: str,
        module_changes: Iterable[ModuleChange],
        notes: Iterable[str] = (),
        difference_file: str = "",
    ) -> None:
        """Add the changes that an Ansible module would make on a host, and its notes about them.

        `difference_file` has the complete changes; "" if the lines of the changes are complete.
        """
        for change in (*module_changes, *(ModuleChange(f"{NOTE_PREFIX}{clean_text(note)}") for note in notes)):
            self._hosts_by_entry.setdefault(_ModuleEntry(module, change), {})[host] = None
        if difference_file:
            self._difference_files[module, host] = difference_file

    def take_blocks(self) -> Iterator[list[str]]:
        """Yield the lines for each set of hosts with the same changes, and delete the stored changes.

        Each result is a list: a heading with the hosts, and their changes. The largest set of hosts comes first.
        """
        entries_by_hosts: dict[tuple[str, ...], list[_ModuleEntry]] = {}
        for entry, hosts in self._hosts_by_entry.items():
            entries_by_hosts.setdefault(tuple(sorted(hosts)), []).append(entry)
        for host_names, entries in sorted(
            entries_by_hosts.items(), key=lambda hosts_entry: (-len(hosts_entry[0]), hosts_entry[0])
        ):
            count_text = "" if len(host_names) == 1 else f"{format_count(len(host_names), 'host')}: "
            yield [
                f"would change on {count_text}{summarise_names(host_names, MAX_NAMED_HOSTS)}",
                *self._format_host_set(host_names, entries),
            ]
        self._hosts_by_entry.clear()
        self._difference_files.clear()

    def _format_host_set(self, hosts: tuple[str, ...], entries: list[_ModuleEntry]) -> Iterator[str]:
        """Yield the lines for a set of hosts with the same changes, module by module.

        If the changes of a module are shortened, the file with the complete changes follows them.
        """
        for module in dict.fromkeys(entry.module for entry in entries):
            module_changes = [entry.change for entry in entries if entry.module == module]
            yield from (f"  {line}" for line in format_changes(module_changes))
            if not all(entry.is_complete for entry in module_changes):
                files = [
                    self._difference_files[module, host] for host in hosts if (module, host) in self._difference_files
                ]
                yield from self._format_file_reference(list(dict.fromkeys(files)))

    def _format_file_reference(self, files: list[str]) -> Iterator[str]:
        """Yield a line with the first file of complete changes, and the number of further files."""
        if files:
            other_files = f" and {format_count(len(files) - 1, 'more file')} beside it" if len(files) > 1 else ""
            yield f"  all of it: {clean_text(files[0])}{other_files}"
