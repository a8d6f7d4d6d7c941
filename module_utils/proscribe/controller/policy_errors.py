"""A mistake in the catalogue, the restrictions or a waiver, reported so that the person who made it can correct it."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

MAX_VALUE_LENGTH = 80  # characters of a wrong value; enough to recognise it


class DescribedValue(str):
    """Instead of a value: what is there, in words."""

    __slots__ = ()


class PolicyError(Exception):
    """One mistake.

    `location` is a file (`catalog/webmail/gmail.yml:12`, with the line where it is known) or what else holds the value.
    `key` is the path to it (`packages.apt[2]`; "" for the whole), `found_value` what is there, `expected` what should be.
    """

    def __init__(self, location: str, key: str, found_value: object, expected: str) -> None:
        super().__init__(location, key, found_value, expected)
        self.location, self.key, self.found_value, self.expected = location, key, found_value, expected

    def __str__(self) -> str:
        location_parts = [part for part in (self.location, self.key) if part]
        line = ": ".join([*location_parts, f"found {format_value(self.found_value)}, expected {self.expected}"])
        # A key or a file's name may hold anything, and a terminal obeys some of it.
        return line if line.isprintable() else line.encode("unicode_escape").decode("ascii")


class UnexpectedValue(Exception):
    """A value that a variable cannot have: which part of it, what it is, and what was expected."""

    def __init__(self, key: str, found_value: object, expected: str) -> None:
        super().__init__(expected)
        self.key, self.found_value, self.expected = key, found_value, expected


class PolicyErrors(Exception):
    """All the mistakes of one reading, so that they can be corrected together. One line each."""

    def __init__(self, errors: Iterable[PolicyError]) -> None:
        self.errors = tuple(errors)
        super().__init__(*self.errors)

    def __str__(self) -> str:
        return "\n".join(map(str, self.errors))


class MistakeCollector:
    """Collects what several readings find wrong, so that one mistake does not hide another. What many hosts share is
    listed once.
    """

    def __init__(self) -> None:
        self._errors_by_text: dict[str, PolicyError] = {}

    def add_mistakes(self, *errors: PolicyError) -> None:
        """Take some mistakes."""
        self._errors_by_text.update({str(error): error for error in errors})

    @contextlib.contextmanager
    def collect_mistakes(self) -> Iterator[None]:
        """Take the mistakes of a block, which ends with them."""
        try:
            yield
        except PolicyErrors as policy_error:
            self.add_mistakes(*policy_error.errors)
        except PolicyError as policy_error:
            self.add_mistakes(policy_error)

    def __bool__(self) -> bool:
        return bool(self._errors_by_text)

    def raise_mistakes(self) -> None:
        """Raise PolicyErrors with all of them, if there are any."""
        if self._errors_by_text:
            raise PolicyErrors(self._errors_by_text.values())


def format_value(found_value: object) -> str:
    """A wrong value in few printable characters. What a list or mapping holds is never printed: it may be endless."""
    if found_value is None or found_value == "":
        return "nothing"
    if isinstance(found_value, DescribedValue):
        return str(found_value)
    if isinstance(found_value, Mapping):
        return "a mapping" if found_value else "an empty mapping"
    if isinstance(found_value, Sequence) and not isinstance(found_value, str | bytes):
        return "a list" if found_value else "an empty list"
    text = ascii(found_value) if isinstance(found_value, str | bytes) else str(found_value)
    return text if len(text) <= MAX_VALUE_LENGTH else text[:MAX_VALUE_LENGTH] + "..."


def join_alternatives(choices: Sequence[str]) -> str:
    """Words as a choice: `mail`, `mail or webhook`, `mail, matrix or webhook`."""
    return " or ".join(part for part in (", ".join(choices[:-1]), *choices[-1:]) if part)


def propose_similar_names(unknown_name: str, known_names: Iterable[str]) -> str:
    """The end of a message about a word that is none of `known_names`: `, did you mean 'x'?`, or "" if nothing is close."""
    close_names = difflib.get_close_matches(str(unknown_name), sorted(known_names), n=2, cutoff=0.7)
    return f", did you mean {' or '.join(map(repr, close_names))}?" if close_names else ""


def list_variable_mistakes(
    variable_names: Iterable[str], typed_variables: Collection[str], prefix: str, known_variables: Sequence[str]
) -> list[str]:
    """A mistake for each of the given variables that was meant to be one of `known_variables`, the variables of a command.

    Of those that somebody has `typed_variables` with -e, all with the prefix are. Of others, which an inventory may have for
    something else, only those that are nearly called so.
    """
    mistakes = []
    for name in variable_names:
        if name in known_variables:
            continue
        close_names = difflib.get_close_matches(name, known_variables, 1, 0.85)
        if name in typed_variables and name.startswith(prefix):
            expected = (
                f"{close_names[0]}; the variables are {', '.join(known_variables)}"
                if close_names
                else f"one of {', '.join(known_variables)}"
            )
            mistakes.append(f"{name}: found an unknown variable, expected {expected}")
        elif close_names:
            mistakes.append(f"{name}: found an unknown variable, expected {close_names[0]}")
    return mistakes
