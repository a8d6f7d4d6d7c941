"""Parser for the output of `reg query`: keys and values of the Windows registry.

Each key is a line, and its values are lines below it: four blanks, then name, type and data with four blanks between
them. A text may contain line ends, and is printed with them. So every line that is neither a queried key nor a value
belongs to the text before it. With such texts lines can be forged, but only by an account that may write a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ...wire.answers.value_readers import UnusableAnswer

MAX_VALUES = 200_000  # most values in a whole answer
MAX_KEYS = 100_000
MAX_TEXT_LENGTH = 1 << 20  # most characters of a value
MAX_NAME_LENGTH = 16_383  # most characters of a value's name; the limit of the registry
# most levels of nested keys; the registry permits 512, and the queried keys need less than a tenth of this
MAX_KEY_DEPTH = 128
HIVE_NAMES = {"hklm": "hkey_local_machine", "hku": "hkey_users"}
_VALUE_PATTERN = re.compile(r" {4}(.*?) {4}(REG_[A-Z_]{1,40})(?: {4}(.*))?", re.DOTALL)
_NUMBER_PATTERN = re.compile(r"0x[0-9a-fA-F]{1,8}")


class RegistryValue(NamedTuple):
    """A value in the registry: its name as the host spells it, its type, and its data.

    The data is a text, or a number for the type REG_DWORD.
    """

    name: str
    type: str
    data: str | int


def normalise_key(key: str) -> str:
    """Return the path of a registry key for comparison: in lower case, and with the full name of its hive."""
    hive, slash, path = key.strip().strip('"').casefold().partition("\\")
    return HIVE_NAMES.get(hive, hive) + slash + path.rstrip("\\")


class WindowsRegistry:
    """The parts of a host's registry that are known.

    A key is present, absent, or unknown.
    """

    def __init__(self) -> None:
        self._values_by_key: dict[str, list[RegistryValue]] = {}
        # by key, then by a child key's name in lower case: the child key's name as the host spells it
        self._child_names: dict[str, dict[str, str]] = {}
        self._read_keys: set[str] = set()  # keys that were read with all keys below them
        self._listed_keys: set[str] = set()  # keys whose values and child names are known
        self._limits_left = MAX_VALUES, MAX_KEYS  # numbers of values and keys that may still be added
        self._exact_keys: set[str] = set()  # keys that were read in UTF-16, in which no letter is lost

    def read_query(self, key: str, lines: Iterable[str], is_whole: bool) -> None:
        """Add the output of a successful `reg query` for a key.

        Raises UnusableAnswer if there is too much data. `is_whole` is True if the query included all keys below `key`.
        """
        queried_key = normalise_key(key)
        current_key: str | None = None
        text: list[str] = []  # lines of the text of the last value
        values_left, keys_left = self._limits_left
        for line in lines:
            # the key that the line names; "" for a value or a further line of a text
            line_key = normalise_key(line) if line[:5].casefold() == "hkey_" else ""
            if line_key and (line_key == queried_key or line_key.startswith(f"{queried_key}\\")):
                keys_left -= 1
                if line_key.count("\\") > MAX_KEY_DEPTH:
                    raise UnusableAnswer(f"its registry has keys that are deeper than {MAX_KEY_DEPTH}")
                self._finish_value(current_key, text)
                current_key = line_key
                self._add_key(queried_key, line_key, line.strip())
            elif current_key is not None and (match := _VALUE_PATTERN.fullmatch(line)):
                values_left -= 1
                self._finish_value(current_key, text)
                name, type_, data = match.groups(default="")
                self._values_by_key.setdefault(current_key, []).append(make_registry_value(name, type_, data))
                text.append(data)
            elif text and line:
                text.append(line)
            if values_left < 0 or keys_left < 0:
                raise UnusableAnswer(f"its registry has more than {MAX_VALUES:,} values or {MAX_KEYS:,} keys")
        self._finish_value(current_key, text)
        self._limits_left = values_left, keys_left
        self._listed_keys.add(queried_key)
        if is_whole:
            self._read_keys.add(queried_key)

    def replace_key(self, key: str, exported_keys: Iterable[tuple[str, list[RegistryValue]]]) -> None:
        """Replace a key and all keys below it by the content of an export: the path and the values of each key.

        Raises UnusableAnswer for keys elsewhere, and if there is too much data. Then nothing is replaced.
        """
        replaced_key = normalise_key(key)
        new_keys = [(normalise_key(path), path, values) for path, values in exported_keys]
        values_left, keys_left = self._limits_left
        values_left -= sum(len(values) for _, _, values in new_keys)
        keys_left -= len(new_keys)
        if values_left < 0 or keys_left < 0 or any(path.count("\\") > MAX_KEY_DEPTH for path, _, _ in new_keys):
            raise UnusableAnswer("an exported registry key has too much data")
        if not all(path == replaced_key or path.startswith(f"{replaced_key}\\") for path, _, _ in new_keys):
            raise UnusableAnswer("an export has other registry keys than the queried key")
        for keys in (self._values_by_key, self._child_names):
            for old_key in [path for path in keys if path == replaced_key or path.startswith(f"{replaced_key}\\")]:
                del keys[old_key]
        for path, spelled_path, values in new_keys:
            self._add_key(replaced_key, path, spelled_path.strip())
            self._values_by_key[path] = values
        self._limits_left = values_left, keys_left
        self._read_keys.add(replaced_key)
        self._exact_keys.add(replaced_key)

    def is_exact(self, key: str) -> bool:
        """Return True if a key was read in UTF-16, so that no letter of its names is lost."""
        return normalise_key(key) in self._exact_keys

    def _finish_value(self, key: str | None, text: list[str]) -> None:
        """Join all lines of the key's last value to its text, and empty `text` for the next value."""
        if key is not None and len(text) > 1:
            last_value = self._values_by_key[key][-1]
            self._values_by_key[key][-1] = make_registry_value(last_value.name, last_value.type, "\n".join(text))
        text.clear()

    def _add_key(self, queried_key: str, key: str, spelled_key: str) -> None:
        """Record a key and its parents, up to the queried key, as child keys.

        `key` is normalised, and `spelled_key` is the key as the host spells it.
        """
        while key != queried_key:
            parent, _, name = key.rpartition("\\")
            spelled_parent, _, spelled_name = spelled_key.rpartition("\\")
            child_names = self._child_names.setdefault(parent, {})
            if name in child_names:
                return
            child_names[name] = spelled_name
            key, spelled_key = parent, spelled_parent

    def is_present(self, key: str) -> bool | None:
        """Return True if a key is present, False if it is absent, None if that is unknown.

        A key is absent if its parent was read without it, or if its parent is absent.
        """
        key = normalise_key(key)
        if key in self._listed_keys or key in self._child_names:
            return True
        parent, _, name = key.rpartition("\\")
        if not parent:
            return None
        if name in self._child_names.get(parent, {}):
            return True
        if parent in self._listed_keys or self._is_covered(parent):
            return False
        return False if self.is_present(parent) is False else None

    def is_listed(self, key: str) -> bool:
        """Return True if the values of a key and the names of its child keys are known."""
        return normalise_key(key) in self._listed_keys

    def is_complete(self, key: str) -> bool:
        """Return True if everything about a key is known: all keys below it were read, or the key is absent."""
        key = normalise_key(key)
        return self._is_covered(key) or self.is_present(key) is False

    def _is_covered(self, key: str) -> bool:
        """Return whether a key was read with all keys below it, or is below such a key."""
        while key:
            if key in self._read_keys:
                return True
            key = key.rpartition("\\")[0]
        return False

    def read_values(self, key: str) -> Mapping[str, RegistryValue]:
        """Return the values of a key, by name in lower case.

        Of two values with the same name, the first counts.
        """
        values_by_name: dict[str, RegistryValue] = {}
        for registry_value in self._values_by_key.get(normalise_key(key), ()):
            values_by_name.setdefault(registry_value.name.casefold(), registry_value)
        return values_by_name

    def list_key_names(self, key: str) -> Iterator[str]:
        """Yield the names of a key's child keys, as the host spells them."""
        yield from self._child_names.get(normalise_key(key), {}).values()


def make_registry_value(name: str, type_: str, data: str) -> RegistryValue:
    """Return a registry value whose data is a number for REG_DWORD, else a text.

    Raises UnusableAnswer for a longer name or text than the registry permits.
    """
    if len(name) > MAX_NAME_LENGTH or len(data) > MAX_TEXT_LENGTH:
        raise UnusableAnswer("a name or a text of its registry is longer than the registry takes")
    if type_ == "REG_DWORD" and _NUMBER_PATTERN.fullmatch(data):
        return RegistryValue(name, type_, int(data, 16))
    return RegistryValue(name, type_, data)
