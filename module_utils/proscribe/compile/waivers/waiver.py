"""A waiver, as its file says it: what is excepted where, why, who approved it and until when."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..yaml_file import Document

# Which controls can honour a scope that is narrower than a host, and why the others cannot.
NARROWER: Mapping[str, tuple[tuple[str, ...], str]] = {
    "users": (("apps", "firewall"), "browser policies and the DNS filter apply to a whole host, whoever uses it"),
    "versions": (("apps",), "only what is installed has a version"),
    "paths": (("apps",), "only what is installed has a path"),
}


@dataclass(frozen=True)
class Revocation:
    """When a waiver was revoked, by which person and why."""

    on: datetime.datetime
    by: str
    why: str


@dataclass(frozen=True)
class Waiver:
    """An approved exception: which services, for which controls, where, why, by whom, until when. Times are UTC.

    `hosts` and `groups` add up; `zones` narrows them, and alone stands for every host of these zones. `users`,
    `versions` and `paths` narrow what is waived on such a host; () is no narrowing.
    """

    id: str
    services: tuple[str, ...]
    controls: tuple[str, ...]
    hosts: tuple[str, ...]
    groups: tuple[str, ...]
    zones: tuple[str, ...]
    users: tuple[str, ...]
    versions: tuple[str, ...]
    paths: tuple[str, ...]
    reason: str
    risk: str
    compensating_controls: tuple[str, ...]
    ticket: str
    request: str  # the id of the request that it answers, "" for none
    requested_by: str
    requested_on: datetime.datetime | None
    approved_by: str
    approved_on: datetime.datetime
    valid_from: datetime.datetime  # as written, and the approval where nothing is
    expires: datetime.datetime
    review_by: datetime.datetime  # as written, and a month after the approval or the last review where nothing is
    revoked: Revocation | None
    file: str
    document: Document = field(repr=False, compare=False)

    @property
    def starts(self) -> datetime.datetime:
        """The first moment: nothing is waived before it was approved."""
        return max(self.valid_from, self.approved_on)

    @property
    def ends(self) -> datetime.datetime:
        """The first moment after it."""
        return min(self.expires, self.revoked.on) if self.revoked else self.expires

    @property
    def partial(self) -> dict[str, list[str]]:
        """What it covers of a service, where that is less than all: {users, versions, paths}, the ones it names."""
        return {key: list(getattr(self, key)) for key in NARROWER if getattr(self, key)}
