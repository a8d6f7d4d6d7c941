"""Mistakes in the catalogue, the restrictions or a waiver, reported so that their author can correct them."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

MAX_VALUE_LENGTH = 80  # most characters of a wrong value in a message; enough to recognise the value


class DescribedValue(str):
    """A description that a message prints, without quotes, in place of a wrong value."""

    __slots__ = ()


class PolicyError(Exception):
    """A single mistake in the catalogue, the restrictions or a waiver.

    `location` is a file (`catalog/webmail/gmail.yml:12`, with the line if it is known) or another source of the value.
    `key` is the path to the value (`packages.apt[2]`; "" for the whole). `found_value` is the wrong value, and
    `expected` describes a right value.
    """

    def __init__(self, location: str, key: str, found_value: object, expected: str) -> None:
        super().__init__(location, key, found_value, expected)
        self.location, self.key, self.found_value, self.expected = location, key, found_value, expected

    def __str__(self) -> str:
        location_parts = [part for part in (self.location, self.key) if part]
        line = ": ".join([*location_parts, f"found {format_value(self.found_value)}, expected {self.expected}"])
        # A key or a file name may contain control characters, which a terminal would execute.
        return line if line.isprintable() else line.encode("unicode_escape").decode("ascii")


class UnexpectedValue(Exception):
    """A value that a variable cannot have.

    `key` is the path to the wrong part of the value (".apps", "[2]"; "" for the whole). `found_value` is that part, and
    `expected` describes a right value.
    """

    def __init__(self, key: str, found_value: object, expected: str) -> None:
        super().__init__(expected)
        self.key, self.found_value, self.expected = key, found_value, expected


class PolicyErrors(Exception):
    """All mistakes of an input, a line for each, so that their author can correct them together."""

    def __init__(self, errors: Iterable[PolicyError]) -> None:
        self.errors = tuple(errors)
        super().__init__(*self.errors)

    def __str__(self) -> str:
        return "\n".join(map(str, self.errors))


class MistakeCollector:
    """A collector of mistakes from several readers, so that all are reported together.

    Equal mistakes are listed once.
    """

    def __init__(self) -> None:
        self._errors_by_text: dict[str, PolicyError] = {}

    def add_mistakes(self, *errors: PolicyError) -> None:
        """Add mistakes."""
        self._errors_by_text.update({str(error): error for error in errors})

    @contextlib.contextmanager
    def collect_mistakes(self) -> Iterator[None]:
        """Add the mistakes that the `with` body raises, and continue after the body.

        The first exception ends the body.
        """
        try:
            yield
        except PolicyErrors as policy_error:
            self.add_mistakes(*policy_error.errors)
        except PolicyError as policy_error:
            self.add_mistakes(policy_error)

    def __bool__(self) -> bool:
        return bool(self._errors_by_text)

    def raise_mistakes(self) -> None:
        """Raise PolicyErrors with all mistakes, if there are any."""
        if self._errors_by_text:
            raise PolicyErrors(self._errors_by_text.values())


def format_value(found_value: object) -> str:
    """Format a wrong value for a message, in few printable characters.

    The content of lists and mappings is never printed, because it may be huge.
    """
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
    """Join the choices as alternatives: `mail`, `mail or webhook`, `mail, matrix or webhook`."""
    return " or ".join(part for part in (", ".join(choices[:-1]), *choices[-1:]) if part)


def propose_similar_names(unknown_name: str, known_names: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: `, did you mean 'x'?`, or "" if no known name is close."""
    close_names = difflib.get_close_matches(str(unknown_name), sorted(known_names), n=2, cutoff=0.7)
    return f", did you mean {' or '.join(map(repr, close_names))}?" if close_names else ""


def describe_known_key(unknown_key: object, known_keys: Collection[str]) -> str:
    """Return what a message about an unknown key expects: similar keys, or all known keys if none is similar."""
    similar = propose_similar_names(str(unknown_key), known_keys)
    return f"a known key{similar or ', one of ' + ', '.join(known_keys)}"


def list_variable_mistakes(
    variable_names: Iterable[str], typed_variables: Collection[str], prefix: str, known_variables: Sequence[str]
) -> list[str]:
    """Return a mistake for each variable that is probably a misspelling of a command's `known_variables`.

    `typed_variables` are the variables of -e options. Of these, each unknown variable that begins with `prefix` is a
    mistake. An inventory may have other variables for other uses. So an unknown variable of the inventory is a mistake
    only if it resembles a known name.
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
