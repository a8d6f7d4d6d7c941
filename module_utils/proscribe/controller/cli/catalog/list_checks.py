"""Checks of a publisher's list before it is trusted: form, size, values, harm to others, amount of change.

The list of a single publisher is accepted as a whole or refused. In an agreement, each list is only one vote. So an
agreement leaves out and counts values that are no names, and names that other services depend on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ...compile.catalogue import known_good
from ...compile.catalogue.entry_types import Compared
from ...compile.catalogue.feeds import MAX_LIST_VALUES, check_feed_value
from ...compile.catalogue.name_conflicts import find_shared_name, list_name_and_parents
from ...compile.catalogue.schema import iterate_decisions
from ...compile.reading.networks import merge_networks, parse_network
from ...policy_errors import format_value
from ...report.text.wording import format_count
from .download import FetchedList
from .list_formats import ListFormatError, normalise_network
from .loaded_catalogue import LoadedCatalogue
from .public_lists import MAX_LIST_NAMES, extract_host_name
from .publishers import FORMATS, Publisher

MAX_SMALL_CHANGE = 20  # values: a change up to this number is never too large
# By IP version: the least prefix length of a network in a list that adds no network (`adds: false`). Such a list only
# shows which networks of an entry remain, because it covers them.
_MIN_PREFIX_LENGTHS = {4: 8, 6: 16}
MAX_WRONG_PERCENT = 10  # of the values of an agreement's list: with more wrong values, the file is no list of names


class CheckedList(NamedTuple):
    """The list of a publisher with its checked values."""

    publisher: Publisher
    fetched: FetchedList
    values: list[str]  # each once, in ascending order

    @property
    def comparison(self) -> Compared:
        """The record of the comparison with this list, for the key `compared` of a catalogue file."""
        day, digest = self.fetched.day.isoformat(), self.fetched.sha256
        comparison_data: Compared = {
            "with": self.publisher.id,
            "day": day,
            "sha256": digest,
            "values": str(len(self.values)),
        }
        return {**comparison_data, "version": self.fetched.version} if self.fetched.version else comparison_data


def check_list(publisher: Publisher, fetched: FetchedList, kind: str, is_agreement: bool = False) -> CheckedList:
    """Return a publisher's list with its checked values. Raises ListFormatError for a list that cannot be trusted.

    `kind` is the kind of the values, such as `domains` or `networks`. A single wrong value refuses the list. For an
    agreement, wrong values are left out instead, up to MAX_WRONG_PERCENT of all values.
    """
    value_counts: dict[str, int] = {}
    wrong_count = 0
    max_values = MAX_LIST_NAMES if is_agreement else MAX_LIST_VALUES
    for raw_value in (
        raw_value for part in publisher.named for raw_value in FORMATS[publisher.format](fetched.text, part)
    ):
        normalised = (
            extract_host_name(raw_value)
            if is_agreement
            else normalise_network(raw_value)
            if kind == "networks"
            else raw_value.lower().rstrip(".")
        )
        if normalised in value_counts:
            value_counts[normalised] += 1
            continue
        if len(value_counts) == max_values:
            raise ListFormatError(f"it has more than {max_values:,} values")
        if is_agreement:
            if not normalised:
                wrong_count += "/" not in normalise_network(raw_value)  # IP addresses are left out, but are no mistake
                continue
        # With `adds: false` in publishers.yml, no value of the list gets into the catalogue. The entry only loses the
        # networks that the list does not cover. So the check is only that each network is well-formed and not too wide.
        elif expectation := check_feed_value(normalised, kind) if publisher.adds else _check_width(normalised):
            raise ListFormatError(f"found {format_value(raw_value)}, expected {expectation}")
        value_counts[normalised] = 1
    _require_plausible_list(publisher, value_counts, wrong_count)
    values = sorted(value_counts)
    if kind == "networks" and publisher.into == "networks":
        values = [normalise_network(normalised) for normalised in merge_networks(value_counts)]
    return CheckedList(publisher, fetched, values)


def _check_width(network_text: str) -> str:
    """Return a phrase for the network that is expected instead of a wrong or too wide one; "" for a good one.

    A list that only covers networks of an entry may have wider networks than the entry. Network operators announce such
    wide networks.
    """
    with contextlib.suppress(ValueError):
        if parse_network(network_text).prefixlen >= _MIN_PREFIX_LENGTHS[parse_network(network_text).version]:
            return ""
    return "a network of at least /8, or /16 of IPv6"


def _require_plausible_list(publisher: Publisher, value_counts: Mapping[str, int], wrong_count: int) -> None:
    """Raise ListFormatError for a list with too many wrong values, too few values, or only repeated values.

    `value_counts` has by value how often the list has it. A list of up to MAX_SMALL_CHANGE values may repeat each of
    them.
    """
    if wrong_count * 100 > MAX_WRONG_PERCENT * (len(value_counts) + wrong_count):
        wrong_note = f"{wrong_count:,} of its {len(value_counts) + wrong_count:,} values are no names"
        raise ListFormatError(f"{wrong_note}, expected {MAX_WRONG_PERCENT} % at most")
    if len(value_counts) < publisher.least:
        raise ListFormatError(f"it has {format_count(len(value_counts), 'value')}, expected at least {publisher.least}")
    if len(value_counts) > MAX_SMALL_CHANGE and min(value_counts.values()) > 1:
        raise ListFormatError(f"it has each of its {len(value_counts):,} values twice or more: expected each once")


def require_no_guarded_values(checked_list: CheckedList, kind: str, service_id: str, loaded: LoadedCatalogue) -> None:
    """Raise ListFormatError if a list for a service has a value that nobody may block (known_good.py).

    `kind` is `domains` or `networks`. Callers check before they write anything, and in a dry run, too.
    """
    for blocked_value in _find_guarded_values(checked_list.values, kind, service_id, loaded):
        raise ListFormatError(
            f"found {format_value(blocked_value.identifier)}, expected {known_good.describe_expected(blocked_value)}"
        )


def _find_guarded_values(
    values: Sequence[str], kind: str, service_id: str, loaded: LoadedCatalogue
) -> Iterator[known_good.KnownGoodConflict]:
    """Yield the values that nobody may block, each with the good names or networks that it would block.

    `values` are those of a list for a service. `kind` is `domains` or `networks`.
    """
    service = loaded.find_service(service_id)
    entry = {kind: values, "decided": service.decided, "allow_domains": service.allow_domains}
    return known_good.find_conflicts({service_id: entry}, (), known_good.read_known_good_lists(loaded.directories)[0])


def find_left_out_names(names: Sequence[str], service_id: str, loaded: LoadedCatalogue) -> set[str]:
    """Return the names that an agreement leaves out: known to be good, shared, decided, or of an entry.

    The names of an entry belong to that entry alone: an organisation that permits a service permits its names.
    """
    guarded_names = {
        blocked_value.identifier for blocked_value in _find_guarded_values(names, "domains", service_id, loaded)
    }
    own_names: set[str] = set()  # names of entries; all names below them belong to these entries, too
    open_names: set[str] = set()  # names that entries leave open, at least in part
    for other_service in loaded.catalogue.services.values():
        own_names.update(other_service.domains, other_service.allow_domains, other_service.nxdomain_canaries)
        open_names.update(
            other_service.shared_domains,
            other_service.mail_hosts,
            (url.partition("/")[0] for url in other_service.urls),
        )
        for _, decision_kind, decided_names in iterate_decisions({"decided": other_service.decided}):
            open_names.update(decided_names if decision_kind != "blocked" else ())
    parent_names = {parent for name in own_names | open_names for parent in list_name_and_parents(name)}

    def is_left_out(name: str) -> bool:
        """Return whether a name has to stay out of an agreement feed, because entries or many services need it.

        These are names at, above or below a name of an entry. Names at or above a name that an entry leaves open are
        among them, too.
        """
        return (
            name in parent_names
            or bool(find_shared_name(name))
            or not own_names.isdisjoint(list_name_and_parents(name))
        )

    return guarded_names | set(filter(is_left_out, names))


def require_bounded_change(
    earlier_count: int, added_count: int, removed_count: int, max_change_percent: int, prefix: str = ""
) -> None:
    """Raise ListFormatError if more of a list has changed than a single review can cover.

    New and removed values are checked separately. Their number is too large if it is above MAX_SMALL_CHANGE, and above
    `max_change_percent` of the `earlier_count` values. `prefix` is the beginning of the error's text.
    """
    for kind, number in (("new", added_count), ("gone", removed_count)):
        if number > MAX_SMALL_CHANGE and number * 100 > max_change_percent * max(earlier_count, 1):
            share = number * 100 // max(earlier_count, 1)
            description = f"{prefix}{number:,} values are {kind}, {share} % of {earlier_count:,}"
            raise ListFormatError(f"{description}: more than --max-change {max_change_percent}")
