"""Evaluation of block lists and their exceptions, also the organisation's: the addresses that a browser blocks.

If the effect of an entry is unclear, the worse reading counts. An entry that blocks only in part (one scheme, one port)
blocks nothing. An exception that permits in part permits everything.
"""

from __future__ import annotations

from typing import Iterable

from ....base.lazy_patterns import compile_pattern
from ....base.named_tuple import NamedTuple
from .site_rules import MAX_LIST_ENTRIES, SiteName, list_covering_hosts


class SiteListEntry(NamedTuple):
    """Entry of a block list or an allow list. The host "*" means every host."""

    name: SiteName
    includes_below: bool = True  # True if the entry is also for all hosts below the host
    is_whole: bool = True  # True if the entry is for every scheme and port, and for every address under the path


_CHROMIUM_PATTERN = compile_pattern(r"(?:([a-zA-Z][a-zA-Z0-9+.-]*|\*)://)?(\.?)([^/:?@]+)(:[^/?]*)?(/[^?]*)?(\?.*)?")
_FIREFOX_PATTERN = compile_pattern(r"(\*|https?|wss?|ftp)://(\*|(?:\*\.)?[^/*:]+)(/.*)")


def parse_chromium_entry(text: object) -> SiteListEntry | None:
    """Parse an entry of URLBlocklist or URLAllowlist.

    Returns None for an entry that Chromium rejects, or that is not about web hosts. The format is described at
    https://support.google.com/chrome/a/answer/9942583
    """
    match = _CHROMIUM_PATTERN.fullmatch(text) if isinstance(text, str) else None
    if not match:
        return None
    # a dot before the host excludes the hosts below it
    scheme, dot, host, port, path, query = match.groups()
    if host != "*" and "*" in host:
        return None
    is_whole = scheme in (None, "*") and port in (None, ":*") and not query
    return SiteListEntry(SiteName(host.lower(), (path or "").rstrip("*") if path != "/" else ""), not dot, is_whole)


def parse_firefox_entry(text: object) -> SiteListEntry | None:
    """Parse an entry of WebsiteFilter; None if it is invalid.

    An entry is a match pattern as in browser extensions. Firefox compares it in lower case.
    """
    if text == "<all_urls>":
        return SiteListEntry(SiteName("*"))
    match = _FIREFOX_PATTERN.fullmatch(text) if isinstance(text, str) else None
    if not match:
        return None
    scheme, host, path = match[1], match[2].lower(), match[3].lower()
    start, star, path_rest = path.partition("*")  # without a star, the pattern is for one address only
    includes_below = host.startswith("*")
    name = SiteName(host.removeprefix("*."), "" if start == "/" else start)
    return SiteListEntry(name, includes_below, scheme == "*" and bool(star) and not path_rest)


class ClosestMatch:
    """Decision of Chromium about addresses: the entry that is closest to an address decides.

    An exact host (".host") is closer than a host with those below it. Then the longer host is closer, then the longer
    path. On a tie, the exception decides; "*" comes last. Entries of `block` that block only in part count only with
    `accept_partial`.
    """

    def __init__(self, block: Iterable[object], allow: Iterable[object], accept_partial: bool = False) -> None:
        block_entries = [
            entry
            for entry in map(parse_chromium_entry, block)
            if entry and (accept_partial or (entry.is_whole and entry.includes_below))
        ]
        allow_entries = [entry for entry in map(parse_chromium_entry, allow) if entry]
        every_host = SiteName("*")
        # the entry "*", which decides if no other entry matches
        self._is_all_blocked = every_host in [entry.name for entry in block_entries] and every_host not in [
            entry.name for entry in allow_entries
        ]
        self._exact_paths = _group_paths(entry for entry in allow_entries if not entry.includes_below)
        self._block_paths = _group_paths(block_entries)
        self._allow_paths = _group_paths(entry for entry in allow_entries if entry.includes_below)

    def is_blocked(self, address: SiteName) -> bool:
        """Return whether Chromium blocks an address."""
        # an exception for exactly this host is closer than any other entry
        if _measure_longest_path(self._exact_paths, address.host, address.path) >= 0:
            return False
        for host in list_covering_hosts(address.host):
            block_length = _measure_longest_path(self._block_paths, host, address.path)
            allow_length = _measure_longest_path(self._allow_paths, host, address.path)
            if max(block_length, allow_length) >= 0:
                return block_length > allow_length
        return self._is_all_blocked


class FilterMatch:
    """Decision of Firefox about addresses: an entry of `block` blocks an address unless an exception matches it.

    It does not matter whether the entry or the exception is closer to the address. Only the first MAX_LIST_ENTRIES
    entries of each list count. Entries of `block` that block only in part do not count.
    """

    def __init__(self, block: Iterable[object], exceptions: Iterable[object]) -> None:
        block_entries = [
            entry
            for entry in map(parse_firefox_entry, list(block)[:MAX_LIST_ENTRIES])
            if entry and entry.is_whole and entry.includes_below
        ]
        exception_entries = [entry for entry in map(parse_firefox_entry, list(exceptions)[:MAX_LIST_ENTRIES]) if entry]
        self._block_paths = _group_paths(block_entries)
        self._exact_paths = _group_paths(entry for entry in exception_entries if not entry.includes_below)
        self._exception_paths = _group_paths(entry for entry in exception_entries if entry.includes_below)

    def is_blocked(self, address: SiteName) -> bool:
        """Return whether Firefox blocks an address."""
        path = address.path.lower()
        hosts = [*list_covering_hosts(address.host), "*"]
        if _measure_longest_path(self._exact_paths, address.host, path) >= 0 or any(
            _measure_longest_path(self._exception_paths, host, path) >= 0 for host in hosts
        ):
            return False
        return any(_measure_longest_path(self._block_paths, host, path) >= 0 for host in hosts)


def _group_paths(entries: Iterable[SiteListEntry]) -> dict[str, list[str]]:
    """Return, by host, the paths of the entries."""
    paths: dict[str, list[str]] = {}
    for entry in entries:
        paths.setdefault(entry.name.host, []).append(entry.name.path)
    return paths


def _measure_longest_path(paths: dict[str, list[str]], host: str, path: str) -> int:
    """Return the length of the longest of a host's paths with which `path` starts; -1 if there is none.

    `paths` has the paths by host.
    """
    return max((len(start) for start in paths.get(host, ()) if path.startswith(start)), default=-1)
