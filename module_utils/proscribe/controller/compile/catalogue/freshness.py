"""How long ago the catalogue was checked: entries, their networks, feeds. Pure.

A network that a vendor gave back, or a name that somebody else has bought, blocks the wrong people. So each entry says
on which day somebody last compared it with its sources. An organisation can accept an age for a time, with a reason
(dates.py).
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from .loading import Catalogue

ENTRY, NETWORKS, FEED = "entry", "networks", "feed"


class Stale(NamedTuple):
    """Something that was not checked for too long. `checked` is its day, "" for never; `days` since then, None so."""

    what: str  # ENTRY, NETWORKS or FEED
    id: str
    checked: str
    days: int | None

    @property
    def name(self) -> str:
        return {ENTRY: self.id, NETWORKS: f"the networks of {self.id}", FEED: f"the feed {self.id}"}[self.what]

    @property
    def in_short(self) -> str:
        return f"{self.name} ({f'{self.days} days ago' if self.checked else 'never'})"

    def __str__(self) -> str:
        if not self.checked:
            return f"{self.name}: never checked"
        return f"{self.name}: checked on {self.checked}, {self.days} days ago"


def stale(catalogue: Catalogue, ids: Collection[str], today: datetime.date, max_days: int) -> list[Stale]:
    """What was not checked within some days, of the services with these ids and their feeds; the oldest first. What
    somebody accepts as it is on that day is left out.
    """
    return oldest_first(one for one, accepted in _old(catalogue, ids, today, max_days) if not accepted)


def accepted(
    catalogue: Catalogue, ids: Collection[str], today: datetime.date, max_days: int
) -> list[tuple[Stale, Mapping[str, str]]]:
    """What would be stale, and somebody accepts; with day, until and why."""
    return [(one, accepted) for one, accepted in _old(catalogue, ids, today, max_days) if accepted]


def oldest_first(found: Iterable[Stale]) -> list[Stale]:
    """What is stale, in the order in which it is shown."""
    return sorted(found, key=lambda one: (one.checked, one.id, one.what))


def _old(
    catalogue: Catalogue, ids: Collection[str], today: datetime.date, max_days: int
) -> Iterator[tuple[Stale, Mapping[str, str]]]:
    """What was not checked within some days, and who accepts that ({}: nobody)."""
    for one, service, own in _dated(catalogue, ids, today):
        if one.days is None or one.days > max_days:
            words = (own, catalogue.services[service].checked_accepted)
            yield one, next((word for word in words if _counts(word, today)), {})


def _counts(word: Mapping[str, str], today: datetime.date) -> bool:
    return bool(word) and word["day"] <= today.isoformat() <= word["until"]


def _dated(
    catalogue: Catalogue, ids: Collection[str], today: datetime.date
) -> Iterator[tuple[Stale, str, Mapping[str, str]]]:
    """All that has a day of checking, with its service and what its own file accepts."""
    for id_, service in catalogue.services.items():
        if id_ in ids:
            yield _one(ENTRY, id_, service.checked, today), id_, {}
            if service.networks:
                yield _one(NETWORKS, id_, service.networks_checked, today), id_, {}
    for id_, feed in catalogue.feeds.items():
        if feed.service in ids:
            yield _one(FEED, id_, feed.checked, today), feed.service, feed.accepted


def _one(what: str, id_: str, checked: str, today: datetime.date) -> Stale:
    return Stale(what, id_, checked, (today - datetime.date.fromisoformat(checked)).days if checked else None)


def warning(found: list[Stale], max_days: int) -> str:
    """The line of a report about what is stale; there is at least one. The end of the run prints what to do."""
    services = len({one.id for one in found if one.what != FEED})
    lists = sum(one.what == FEED for one in found)
    counted = " and ".join(
        f"{count} {name}{'' if count == 1 else 's'}"
        for count, name in ((services, "service"), (lists, "feed"))
        if count
    )
    verb = "was" if services + lists == 1 else "were"
    oldest = f"{found[0].in_short}{' is the oldest' if len(found) > 1 else ''}"
    return f"catalogue: {counted} restricted here {verb} not checked within {max_days} days: {oldest}"
