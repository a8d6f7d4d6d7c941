"""Whether a publisher's list is believed: its form, its size, its values, what nobody may block, how much it changes.

A single publisher's list is believed as a whole or not at all. In an agreement each list only has a say. What is no
name there, or carries what others stand on, is left out and counted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ...compile.catalogue import known_good
from ...compile.catalogue.claims import find_shared_name, list_name_and_parents
from ...compile.catalogue.entries import Compared
from ...compile.catalogue.feeds import MAX_LIST_VALUES, check_feed_value
from ...compile.catalogue.schema import iterate_decisions
from ...compile.reading.networks import merge_networks, parse_network
from ...policy_errors import shown
from ...report.text.wording import counted
from .chosen import Chosen
from .fetching import Fetched
from .formats import Unreadable, network
from .public_lists import MOST_NAMES, name_of
from .publishers import FORMATS, Publisher

SMALL = 20  # values: a change of so many is never too large
_WIDEST = {4: 8, 6: 16}  # of networks that only cover others
MOST_WRONG = 10  # percent of an agreement's list: more, and it is another thing than a list of names


class Believed(NamedTuple):
    """A publisher's list, read."""

    publisher: Publisher
    fetched: Fetched
    values: list[str]  # each once, in order

    @property
    def record(self) -> Compared:
        """What a file says that it was compared with."""
        day, digest = self.fetched.day.isoformat(), self.fetched.sha256
        made: Compared = {"with": self.publisher.id, "day": day, "sha256": digest, "values": str(len(self.values))}
        return {**made, "version": self.fetched.version} if self.fetched.version else made


def read(publisher: Publisher, fetched: Fetched, kind: str, agreeing: bool = False) -> Believed:
    """The values of a publisher's list. Raises Unreadable for a list that cannot be believed."""
    found: dict[str, int] = {}
    wrong = 0
    most = MOST_NAMES if agreeing else MAX_LIST_VALUES
    for raw in (one for part in publisher.named for one in FORMATS[publisher.format](fetched.text, part)):
        value = name_of(raw) if agreeing else network(raw) if kind == "networks" else raw.lower().rstrip(".")
        if value in found:
            found[value] += 1
            continue
        if len(found) == most:
            raise Unreadable(f"it has more than {most:,} values")
        if agreeing:
            if not value:
                wrong += "/" not in network(raw)  # an address is no name, and no mistake
                continue
        elif expected := check_feed_value(value, kind) if publisher.adds else _no_range(value):
            raise Unreadable(f"found {shown(raw)}, expected {expected}")
        found[value] = 1
    _require_list(publisher, found, wrong)
    values = sorted(found)
    if kind == "networks" and publisher.into == "networks":
        values = [network(value) for value in merge_networks(found)]
    return Believed(publisher, fetched, values)


def _no_range(value: str) -> str:
    """What was expected of a network that covers others; "" for a good one. Carriers announce wide ones."""
    with contextlib.suppress(ValueError):
        if parse_network(value).prefixlen >= _WIDEST[parse_network(value).version]:
            return ""
    return "a network of at least /8, or /16 of IPv6"


def _require_list(publisher: Publisher, found: Mapping[str, int], wrong: int) -> None:
    if wrong * 100 > MOST_WRONG * (len(found) + wrong):
        of_all = f"{wrong:,} of its {len(found) + wrong:,} values are no names"
        raise Unreadable(f"{of_all}, expected {MOST_WRONG} % at most")
    if len(found) < publisher.least:
        raise Unreadable(f"it has {counted(len(found), 'value')}, expected at least {publisher.least}")
    if len(found) > SMALL and min(found.values()) > 1:
        raise Unreadable(f"it has each of its {len(found):,} values twice or more: expected each once")


def require_guarded(believed: Believed, kind: str, id_: str, chosen: Chosen) -> None:
    """Raises Unreadable for a value that nobody may block: before anything is written, and in a dry run, too."""
    for found in _guarded(believed.values, kind, id_, chosen):
        raise Unreadable(f"found {shown(found.identifier)}, expected {known_good.describe_expected(found)}")


def _guarded(values: Sequence[str], kind: str, id_: str, chosen: Chosen) -> Iterator[known_good.KnownGoodConflict]:
    service = chosen.service(id_)
    entry = {kind: values, "decided": service.decided, "allow_domains": service.allow_domains}
    return known_good.find_conflicts({id_: entry}, (), known_good.read_known_good_lists(chosen.directories)[0])


def left_out(names: Sequence[str], id_: str, chosen: Chosen) -> set[str]:
    """Those of some names that an agreement leaves out: known to be good, shared, decided, or of another entry.

    What an entry has is its own: an organisation that permits a service of the catalogue permits its names.
    """
    guarded = {found.identifier for found in _guarded(names, "domains", id_, chosen)}
    own: set[str] = set()  # with all below
    open_: set[str] = set()
    for one in chosen.catalogue.services.values():
        own.update(one.domains, one.allow_domains, one.nxdomain_canaries)
        open_.update(one.shared_domains, one.mail_hosts, (url.partition("/")[0] for url in one.urls))
        for _, decided, of_decision in iterate_decisions({"decided": one.decided}):
            open_.update(of_decision if decided != "blocked" else ())
    over = {name for one in own | open_ for name in list_name_and_parents(one)}

    def stays_out(name: str) -> bool:
        return name in over or bool(find_shared_name(name)) or not own.isdisjoint(list_name_and_parents(name))

    return guarded | set(filter(stays_out, names))


def require_bounded(before: int, added: int, gone: int, most: int, of: str = "") -> None:
    """Raises Unreadable where more of a list has changed than one review can take in."""
    for what, number in (("new", added), ("gone", gone)):
        if number > SMALL and number * 100 > most * max(before, 1):
            share = number * 100 // max(before, 1)
            found = f"{of}{number:,} values are {what}, {share} % of {before:,}"
            raise Unreadable(f"{found}: more than --max-change {most}")
