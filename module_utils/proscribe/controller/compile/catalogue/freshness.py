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


class StaleEntry(NamedTuple):
    """Something that was not checked for too long. `checked` is its day, "" for never; `days` since then, None so."""

    what: str  # ENTRY, NETWORKS or FEED
    id: str
    checked: str
    days: int | None

    @property
    def name(self) -> str:
        return {ENTRY: self.id, NETWORKS: f"the networks of {self.id}", FEED: f"the feed {self.id}"}[self.what]

    @property
    def summary(self) -> str:
        return f"{self.name} ({f'{self.days} days ago' if self.checked else 'never'})"

    def __str__(self) -> str:
        if not self.checked:
            return f"{self.name}: never checked"
        return f"{self.name}: checked on {self.checked}, {self.days} days ago"


def find_stale_entries(
    catalogue: Catalogue, ids: Collection[str], today: datetime.date, max_days: int
) -> list[StaleEntry]:
    """What was not checked within some days, of the services with these ids and their feeds; the oldest first. What
    somebody accepts as it is on that day is left out.
    """
    return sort_oldest_first(
        entry for entry, acceptance in _find_old_entries(catalogue, ids, today, max_days) if not acceptance
    )


def find_accepted_entries(
    catalogue: Catalogue, ids: Collection[str], today: datetime.date, max_days: int
) -> list[tuple[StaleEntry, Mapping[str, str]]]:
    """What would be stale, and somebody accepts; with day, until and why."""
    return [
        (entry, acceptance) for entry, acceptance in _find_old_entries(catalogue, ids, today, max_days) if acceptance
    ]


def sort_oldest_first(entries: Iterable[StaleEntry]) -> list[StaleEntry]:
    """What is stale, in the order in which it is shown."""
    return sorted(entries, key=lambda entry: (entry.checked, entry.id, entry.what))


def _find_old_entries(
    catalogue: Catalogue, ids: Collection[str], today: datetime.date, max_days: int
) -> Iterator[tuple[StaleEntry, Mapping[str, str]]]:
    """What was not checked within some days, and who accepts that ({}: nobody)."""
    for entry, service_id, own_acceptance in _iterate_dated_entries(catalogue, ids, today):
        if entry.days is None or entry.days > max_days:
            acceptances = (own_acceptance, catalogue.services[service_id].checked_accepted)
            yield entry, next((acceptance for acceptance in acceptances if _is_acceptance_valid(acceptance, today)), {})


def _is_acceptance_valid(acceptance: Mapping[str, str], today: datetime.date) -> bool:
    return bool(acceptance) and acceptance["day"] <= today.isoformat() <= acceptance["until"]


def _iterate_dated_entries(
    catalogue: Catalogue, ids: Collection[str], today: datetime.date
) -> Iterator[tuple[StaleEntry, str, Mapping[str, str]]]:
    """All that has a day of checking, with its service and what its own file accepts."""
    for id_, service in catalogue.services.items():
        if id_ in ids:
            yield _make_stale_entry(ENTRY, id_, service.checked, today), id_, {}
            if service.networks:
                yield _make_stale_entry(NETWORKS, id_, service.networks_checked, today), id_, {}
    for id_, feed in catalogue.feeds.items():
        if feed.service in ids:
            yield _make_stale_entry(FEED, id_, feed.checked, today), feed.service, feed.accepted


def _make_stale_entry(kind: str, id_: str, checked: str, today: datetime.date) -> StaleEntry:
    return StaleEntry(kind, id_, checked, (today - datetime.date.fromisoformat(checked)).days if checked else None)


def describe_stale_entries(entries: list[StaleEntry], max_days: int) -> str:
    """The line of a report about what is stale; there is at least one. The end of the run prints what to do."""
    services = len({entry.id for entry in entries if entry.what != FEED})
    lists = sum(entry.what == FEED for entry in entries)
    summary = " and ".join(
        f"{count} {name}{'' if count == 1 else 's'}"
        for count, name in ((services, "service"), (lists, "feed"))
        if count
    )
    verb = "was" if services + lists == 1 else "were"
    oldest = f"{entries[0].summary}{' is the oldest' if len(entries) > 1 else ''}"
    return f"catalogue: {summary} restricted here {verb} not checked within {max_days} days: {oldest}"
