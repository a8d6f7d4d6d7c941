"""Feeds: long lists of the names or networks of a service, apart from its entry.

`<directory>/feeds/<id>.yml` describes a list. `<id>.txt` beside it holds the values: sorted, one on each line, with
comments after `#`. A list may have only the names on which several publishers agree (`agreement`). Then the comment is
the number of publishers that have the name. A name without a number was added by a person.

A feed compiles into the sets of the DNS filter and of the firewall. It never enters the lists of browsers, which accept
a thousand names. Its values have one date, and `proscribe_feeds` switches it on or off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ...policy_errors import DescribedValue, PolicyError
from ..reading import grammar
from ..reading.document_schema import Mistake
from ..reading.plain_file import read_plain_file
from ..reading.yaml_file import Document
from .entry_types import Compared, FeedEntry
from .name_conflicts import find_shared_name
from .shared_networks import find_network_owner

FOLDER = "feeds"
MAX_LIST_BYTES = 8 << 20  # bytes of a list
MAX_LIST_VALUES = 100_000  # values of a list
MAX_LINE_LENGTH = 256  # characters of a line
MAX_MISTAKES = 20  # most mistakes that are reported for a list: further mistakes usually repeat them

VALUE_CHECKS: Mapping[str, Callable[[str], str]] = {
    "domains": grammar.check_domain,
    "networks": grammar.check_network,
    "hosts": grammar.check_host_name,  # names in a list that protects from blocking (known_good.py)
    "addresses": grammar.check_network,  # networks in a list that protects from blocking (known_good.py)
    "programs": grammar.check_program_file_name,  # file names in a list that protects from denying (known_good.py)
}


class Feed(NamedTuple):
    """A list of names or networks of one service."""

    id: str
    service: str
    kind: str  # a key of VALUE_CHECKS
    checked: str  # the day on which the list was last compared with its source
    values: tuple[str, ...]
    file: str
    agreement: int = 0  # number of publisher families that must list a name; 0: the list has a single publisher
    compared: tuple[Compared, ...] = ()
    accepted: Mapping[str, str] = {}  # a person's acceptance of an old check: day, until, why; {} if there is none


def read_feed(document: Document) -> tuple[Feed | None, list[PolicyError]]:
    """Read the feed that a well-formed document describes. Return None and the errors if its list has mistakes."""
    data: FeedEntry = document.data
    values, errors = read_value_list(document.path.with_suffix(".txt"), data["kind"])
    if errors:
        return None, errors
    feed = Feed(
        data["id"],
        data["service"],
        data["kind"],
        data["checked"],
        tuple(values),
        str(document.path),
        int(data.get("agreement", 0)),
        tuple(data.get("compared", ())),
        data.get("checked_accepted", {}),
    )
    return feed, []


def read_value_list(path: Path, kind: str) -> tuple[list[str], list[PolicyError]]:
    """Return the values of a list file, and at most MAX_MISTAKES errors in it. `kind` is a key of VALUE_CHECKS."""
    try:
        text = read_plain_file(path, MAX_LIST_BYTES, within=path.parent).decode("ascii")
    except PolicyError as error:
        return [], [error]
    except UnicodeDecodeError as error:
        return [], [
            PolicyError(str(path), "", DescribedValue(f"byte {error.start}, which is not ASCII"), "text in ASCII")
        ]
    values = dict(parse_value_lines(text))
    errors = list(_find_wrong_values(path, values, kind))
    if not errors and not values:
        errors = [PolicyError(str(path), "", None, "at least one value")]
    if len(values) > MAX_LIST_VALUES:
        errors = [PolicyError(str(path), "", DescribedValue(f"{len(values)} values"), f"at most {MAX_LIST_VALUES}")]
    return list(values), errors[:MAX_MISTAKES]


def parse_value_lines(text: str) -> Iterator[tuple[str, int]]:
    """Yield each value of a list with its line number."""
    for number, line in enumerate(text.split("\n"), 1):
        if feed_value := line.partition("#")[0].strip():
            yield feed_value, number


def parse_publisher_counts(text: str) -> dict[str, int]:
    """Return the number of publishers of each value of a list; 0 for a line that a person wrote."""
    counts = {}
    for line in text.split("\n"):
        feed_value, _, comment = line.partition("#")
        if feed_value := feed_value.strip():
            counts[feed_value] = int(comment) if re.fullmatch(r" [1-9]\d?", comment, re.ASCII) else 0
    return counts


def check_feed_keys(description: Mapping[str, object]) -> Iterator[Mistake]:
    """Yield a mistake if a feed has `agreement` and its kind is not `domains`.

    The single values are already checked.
    """
    if "agreement" in description and description["kind"] != "domains":
        yield ("agreement",), description["agreement"], "kind: domains beside it"


def make_value_error(feed: Feed, feed_value: str, expected: str) -> PolicyError:
    """Return an error about a value of a feed, with the line of the value."""
    path = Path(feed.file).with_suffix(".txt")
    lines = dict(parse_value_lines(path.read_text(encoding="ascii")))
    return PolicyError(f"{path}:{lines.get(feed_value, 0)}", "", feed_value, expected)


def _find_wrong_values(path: Path, values: Mapping[str, int], kind: str) -> Iterator[PolicyError]:
    """Yield an error for each wrong value in a list file.

    `values` has the line number of each value.
    """
    for feed_value, number in values.items():
        if expected := check_feed_value(feed_value, kind):
            yield PolicyError(f"{path}:{number}", "", feed_value, expected)


def check_feed_value(feed_value: str, kind: str) -> str:
    """Return a phrase for the value that would be right in place of a wrong value; "" for a right value."""
    expected = (
        VALUE_CHECKS[kind](feed_value)
        if len(feed_value) <= MAX_LINE_LENGTH
        else f"at most {MAX_LINE_LENGTH} characters"
    )
    return expected or _check_overblocking(feed_value, kind)


def _check_overblocking(feed_value: str, kind: str) -> str:
    """Return a phrase for a right value if `feed_value` would block permitted services; "" if it would not."""
    if kind in ("hosts", "addresses"):  # such a list protects its values from blocking
        return ""
    if kind == "networks":
        owner = find_network_owner(feed_value)
        return f"a network of this service alone, none of {owner}" if owner else ""
    shared_match = find_shared_name(feed_value)
    return f"a name of this service alone: it carries {shared_match[1]}" if shared_match else ""
