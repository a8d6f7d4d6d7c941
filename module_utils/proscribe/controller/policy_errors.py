"""A mistake in the catalogue, the restrictions or a waiver, reported so that the person who made it can correct it."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

LONGEST_SHOWN = 80  # characters of a wrong value; enough to recognise it


class Described(str):
    """Instead of a value: what is there, in words."""

    __slots__ = ()


class PolicyError(Exception):
    """One mistake.

    `where` is a file (`catalog/webmail/gmail.yml:12`, with the line where it is known) or what else holds the value.
    `key` is the path to it (`packages.apt[2]`; "" for the whole), `value` what is there, `expected` what should be.
    """

    def __init__(self, where: str, key: str, value: object, expected: str) -> None:
        super().__init__(where, key, value, expected)
        self.where, self.key, self.value, self.expected = where, key, value, expected

    def __str__(self) -> str:
        place = [part for part in (self.where, self.key) if part]
        line = ": ".join([*place, f"found {shown(self.value)}, expected {self.expected}"])
        # A key or a file's name may hold anything, and a terminal obeys some of it.
        return line if line.isprintable() else line.encode("unicode_escape").decode("ascii")


class Expected(Exception):
    """A value that a variable cannot have: which part of it, what it is, and what was expected."""

    def __init__(self, key: str, value: object, expected: str) -> None:
        super().__init__(expected)
        self.key, self.value, self.expected = key, value, expected


class PolicyErrors(Exception):
    """All the mistakes of one reading, so that they can be corrected together. One line each."""

    def __init__(self, errors: Iterable[PolicyError]) -> None:
        self.errors = tuple(errors)
        super().__init__(*self.errors)

    def __str__(self) -> str:
        return "\n".join(map(str, self.errors))


class Mistakes:
    """Collects what several readings find wrong, so that one mistake does not hide another. What many hosts share is
    listed once.
    """

    def __init__(self) -> None:
        self._found: dict[str, PolicyError] = {}

    def note(self, *errors: PolicyError) -> None:
        """Take some mistakes."""
        self._found.update({str(error): error for error in errors})

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Take the mistakes of a block, which ends with them."""
        try:
            yield
        except PolicyErrors as wrong:
            self.note(*wrong.errors)
        except PolicyError as wrong:
            self.note(wrong)

    def __bool__(self) -> bool:
        return bool(self._found)

    def settle(self) -> None:
        """Raise PolicyErrors with all of them, if there are any."""
        if self._found:
            raise PolicyErrors(self._found.values())


def shown(value: object) -> str:
    """A wrong value in few printable characters. What a list or mapping holds is never printed: it may be endless."""
    if value is None or value == "":
        return "nothing"
    if isinstance(value, Described):
        return str(value)
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return "a list" if value else "an empty list"
    text = ascii(value) if isinstance(value, str | bytes) else str(value)
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "..."


def alternatives(words: Sequence[str]) -> str:
    """Words as a choice: `mail`, `mail or webhook`, `mail, matrix or webhook`."""
    return " or ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def close_to(word: str, words: Iterable[str]) -> str:
    """The end of a message about a word that is none of `words`: `, did you mean 'x'?`, or "" if nothing is close."""
    close = difflib.get_close_matches(str(word), sorted(words), n=2, cutoff=0.7)
    return f", did you mean {' or '.join(map(repr, close))}?" if close else ""


def unknown_variables(given: Iterable[str], typed: Collection[str], prefix: str, known: Sequence[str]) -> list[str]:
    """A mistake for each of the given variables that was meant to be one of `known`, the variables of a command.

    Of those that somebody has `typed` with -e, all with the prefix are. Of others, which an inventory may have for
    something else, only those that are nearly called so.
    """
    mistakes = []
    for name in given:
        if name in known:
            continue
        close = difflib.get_close_matches(name, known, 1, 0.85)
        if name in typed and name.startswith(prefix):
            expected = f"{close[0]}; the variables are {', '.join(known)}" if close else f"one of {', '.join(known)}"
            mistakes.append(f"{name}: found an unknown variable, expected {expected}")
        elif close:
            mistakes.append(f"{name}: found an unknown variable, expected {close[0]}")
    return mistakes
