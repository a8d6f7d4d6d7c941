"""What `reg query` prints, read back into keys and values.

A key is a line of its own, a value a line below it: four blanks, its name, its type and its data with four blanks
between them. A text may hold line ends, and is printed with them. So a line that is neither of the key that was asked
for, nor a value, belongs to the text before it. Only who may write a value can say something false with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ...wire.replies.shapes import UnusableAnswer

MOST_VALUES = 200_000  # of a whole answer
MOST_KEYS = 100_000
LONGEST_TEXT = 1 << 20  # characters of one value
LONGEST_NAME = 16_383  # of a name, as the registry has it
DEEPEST = 128  # keys below each other; the registry has 512 at the most, and no key of ours a tenth of that
HIVES = {"hklm": "hkey_local_machine", "hku": "hkey_users"}
_VALUE = re.compile(r" {4}(.*?) {4}(REG_[A-Z_]{1,40})(?: {4}(.*))?", re.DOTALL)
_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,8}")


class Value(NamedTuple):
    """A value: its name as it is spelled there, its type, and its data as text; a number of REG_DWORD as such."""

    name: str
    type: str
    data: str | int


def folded(key: str) -> str:
    """A key as it is compared: without case, and with its hive's whole name."""
    hive, slash, rest = key.strip().strip('"').casefold().partition("\\")
    return HIVES.get(hive, hive) + slash + rest.rstrip("\\")


class Registry:
    """What is known of a host's registry. A key is there, or not there, or nobody could say."""

    def __init__(self) -> None:
        self._values: dict[str, list[Value]] = {}
        self._below: dict[str, dict[str, str]] = {}  # by key: the names of keys below it, as they are spelled
        self._read: set[str] = set()  # of which all is known
        self._listed: set[str] = set()  # of which the values, and the names of keys below, are known
        self._left = MOST_VALUES, MOST_KEYS

    def take(self, key: str, lines: Iterable[str], whole: bool) -> None:
        """Take in what a query of a key printed, which ended well. `whole`: with all below it. Raises Unusable."""
        top = folded(key)
        current: str | None = None
        text: list[str] = []  # of the last value, line by line
        values, keys = self._left
        for line in lines:
            at = folded(line) if line[:5].casefold() == "hkey_" else ""
            if at and (at == top or at.startswith(f"{top}\\")):
                keys -= 1
                if at.count("\\") > DEEPEST:
                    raise UnusableAnswer(f"its registry has keys that are deeper than {DEEPEST}")
                self._complete(current, text)
                current = at
                self._add_key(top, at, line.strip())
            elif current is not None and (found := _VALUE.fullmatch(line)):
                values -= 1
                self._complete(current, text)
                name, type_, data = found.groups(default="")
                self._values.setdefault(current, []).append(_value(name, type_, data))
                text.append(data)
            elif text and line:
                text.append(line)
            if values < 0 or keys < 0:
                raise UnusableAnswer(f"its registry has more than {MOST_VALUES:,} values or {MOST_KEYS:,} keys")
        self._complete(current, text)
        self._left = values, keys
        self._listed.add(top)
        if whole:
            self._read.add(top)

    def _complete(self, key: str | None, text: list[str]) -> None:
        """Give the last value of a key all lines of its text, and begin another text."""
        if key is not None and len(text) > 1:
            last = self._values[key][-1]
            self._values[key][-1] = _value(last.name, last.type, "\n".join(text))
        text.clear()

    def _add_key(self, top: str, key: str, spelled: str) -> None:
        """Note a key with those above it, as far as the one that was asked for."""
        while key != top:
            above, _, name = key.rpartition("\\")
            spelled_above, _, spelled_name = spelled.rpartition("\\")
            known = self._below.setdefault(above, {})
            if name in known:
                return
            known[name] = spelled_name
            key, spelled = above, spelled_above

    def there(self, key: str) -> bool | None:
        """Whether a key is there; None where nobody could say."""
        key = folded(key)
        if key in self._listed or key in self._below:
            return True
        above, _, name = key.rpartition("\\")
        if not above:
            return None
        if name in self._below.get(above, {}):
            return True
        if above in self._listed or self._covered(above):
            return False
        return False if self.there(above) is False else None

    def listed(self, key: str) -> bool:
        """Whether the values of a key, and the names of those below it, are known."""
        return folded(key) in self._listed

    def complete(self, key: str) -> bool:
        """Whether all of a key is known: it was read whole, or is not there."""
        key = folded(key)
        return self._covered(key) or self.there(key) is False

    def _covered(self, key: str) -> bool:
        while key:
            if key in self._read:
                return True
            key = key.rpartition("\\")[0]
        return False

    def values(self, key: str) -> Mapping[str, Value]:
        """The values of a key by their names without case; of names that are there twice, the first."""
        found: dict[str, Value] = {}
        for value in self._values.get(folded(key), ()):
            found.setdefault(value.name.casefold(), value)
        return found

    def names(self, key: str) -> Iterator[str]:
        """The names of the keys right below one, as they are spelled."""
        yield from self._below.get(folded(key), {}).values()


def _value(name: str, type_: str, data: str) -> Value:
    if len(name) > LONGEST_NAME or len(data) > LONGEST_TEXT:
        raise UnusableAnswer("a name or a text of its registry is longer than the registry takes")
    if type_ == "REG_DWORD" and _NUMBER.fullmatch(data):
        return Value(name, type_, int(data, 16))
    return Value(name, type_, data)
