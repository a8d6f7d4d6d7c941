"""The quarantines of hosts: what a host lists, what an operator chooses, and what is printed for machines."""

from __future__ import annotations

from typing import TypedDict


class Item(TypedDict):
    """Something in the quarantine of a host, as the host lists it."""

    id: str
    group: str  # what parts that were taken together share; "" for a thing that was taken whole
    services: list[str]
    bytes: int
    finished: bool  # whether the move was not cut short
    path: str  # where it was
    whole: str  # the path of the whole that it is a part of
    kind: str
    taken_at: str
    owner: str
    place_of: str  # in whose home it was, "" for none
    kept_until: str  # "" for ever


class Broken(TypedDict):
    """A folder of a quarantine whose manifest cannot be read."""

    id: str
    why: str


class Done(TypedDict):
    """What became of an item that was to be restored or pruned."""

    id: str
    done: bool
    why: str  # it was not done


class NextRun(TypedDict):
    """What the next enforcing run makes of an item once it is restored."""

    state: str
    waiver: str | None
    why: str


class Chosen(TypedDict):
    """An item that fits the selectors."""

    host: str
    id: str
    group: str
    services: list[str]
    bytes: int
    finished: bool
    path: str
    kind: str
    taken_at: str
    user: str
    kept_until: str
    next_run: NextRun


class HostQuarantine(TypedDict):
    """A host that was asked."""

    host: str
    state: str  # listed, or unknown
    reason: str | None
    broken: list[Broken]
    left_out: int


class QuarantineList(TypedDict):
    """What `./proscribe quarantine list --format json` prints."""

    schema: str
    hosts: list[HostQuarantine]
    items: list[Chosen]
