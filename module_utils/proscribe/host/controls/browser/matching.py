"""What the browsers make of lists, those of other people included: which addresses are blocked in the end.

Where it is not plain what a foreign entry does, it is read so that it speaks against us: an entry that blocks only in
part (one scheme, one port) blocks nothing, one that opens in part opens.
"""

from __future__ import annotations

from typing import Iterable

from ....base.patterns import compile_pattern
from ....base.tuples import NamedTuple
from .rendering import MOST_ENTRIES, Name, above


class Entry(NamedTuple):
    """An entry of a list. The host "*" is every host."""

    name: Name
    below: bool = True  # the hosts below are meant too
    whole: bool = True  # every scheme and port, and every address under the path


_FILTER = compile_pattern(r"(?:([a-zA-Z][a-zA-Z0-9+.-]*|\*)://)?(\.?)([^/:?@]+)(:[^/?]*)?(/[^?]*)?(\?.*)?")
_PATTERN = compile_pattern(r"(\*|https?|wss?|ftp)://(\*|(?:\*\.)?[^/*:]+)(/.*)")


def chromium_entry(text: object) -> Entry | None:
    """An entry of URLBlocklist or URLAllowlist; None for what Chromium would not take, or that is not about web hosts.

    The format: https://support.google.com/chrome/a/answer/9942583
    """
    parts = _FILTER.fullmatch(text) if isinstance(text, str) else None
    if not parts:
        return None
    scheme, dot, host, port, path, query = parts.groups()
    if host != "*" and "*" in host:
        return None
    whole = scheme in (None, "*") and port in (None, ":*") and not query
    return Entry(Name(host.lower(), (path or "").rstrip("*") if path != "/" else ""), not dot, whole)


def firefox_entry(text: object) -> Entry | None:
    """An entry of WebsiteFilter: a match pattern as extensions have them; Firefox compares it in lower case."""
    if text == "<all_urls>":
        return Entry(Name("*"))
    parts = _PATTERN.fullmatch(text) if isinstance(text, str) else None
    if not parts:
        return None
    scheme, host, path = parts[1], parts[2].lower(), parts[3].lower()
    start, star, rest = path.partition("*")
    below = host.startswith("*")
    name = Name(host.removeprefix("*."), "" if start == "/" else start)
    return Entry(name, below, scheme == "*" and bool(star) and not rest)


class Closest:
    """Chromium: the entry that fits an address most closely decides. Its precedence: exact hosts (".host") before
    hosts with what lies below, the longer host, the longer path; on a tie the exception; "*" last.
    """

    def __init__(self, block: Iterable[object], allow: Iterable[object], in_part: bool = False) -> None:
        blocks = [e for e in map(chromium_entry, block) if e and (in_part or (e.whole and e.below))]
        allows = [e for e in map(chromium_entry, allow) if e]
        everything = Name("*")
        self._everything = everything in [e.name for e in blocks] and everything not in [e.name for e in allows]
        self._exact = _by_host(e for e in allows if not e.below)
        self._block = _by_host(blocks)
        self._allow = _by_host(e for e in allows if e.below)

    def blocked(self, address: Name) -> bool:
        if _longest(self._exact, address.host, address.path) >= 0:
            return False
        for host in above(address.host):
            block = _longest(self._block, host, address.path)
            allow = _longest(self._allow, host, address.path)
            if max(block, allow) >= 0:
                return block > allow
        return self._everything


class Unless:
    """Firefox: blocked is what a Block entry fits and no exception, however close; MOST_ENTRIES of each list count."""

    def __init__(self, block: Iterable[object], exceptions: Iterable[object]) -> None:
        blocks = [e for e in map(firefox_entry, list(block)[:MOST_ENTRIES]) if e and e.whole and e.below]
        opened = [e for e in map(firefox_entry, list(exceptions)[:MOST_ENTRIES]) if e]
        self._block = _by_host(blocks)
        self._exact = _by_host(e for e in opened if not e.below)
        self._open = _by_host(e for e in opened if e.below)

    def blocked(self, address: Name) -> bool:
        path = address.path.lower()
        hosts = [*above(address.host), "*"]
        if _longest(self._exact, address.host, path) >= 0 or any(_longest(self._open, h, path) >= 0 for h in hosts):
            return False
        return any(_longest(self._block, h, path) >= 0 for h in hosts)


def _by_host(entries: Iterable[Entry]) -> dict[str, list[str]]:
    paths: dict[str, list[str]] = {}
    for entry in entries:
        paths.setdefault(entry.name.host, []).append(entry.name.path)
    return paths


def _longest(paths: dict[str, list[str]], host: str, path: str) -> int:
    """The length of the longest of a host's paths that begins the given one, -1 for none."""
    return max((len(start) for start in paths.get(host, ()) if path.startswith(start)), default=-1)
