"""A waiver, as its file says it: what is excepted where, why, who approved it and until when."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

from ....model.types.plan import WaiverScope
from ..reading.yaml_file import Document
from .hours import Window, merge_windows

_WHOLE_HOST_REASON = "browser policies and the DNS filter apply to a whole host, whoever uses it"
# Which controls can honour a scope that is narrower than a host, and why the others cannot.
NARROWING_KEYS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "users": (("apps", "firewall"), _WHOLE_HOST_REASON),
    "posix_groups": (("apps", "firewall"), _WHOLE_HOST_REASON),
    "versions": (("apps",), "only what is installed has a version"),
    "paths": (("apps",), "only what is installed has a path"),
    "hours": (("browser", "firewall", "dns"), "apps that are removed when the hours end do not come back"),
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
    `versions` and `paths` narrow what is waived on such a host, and `hours` when; () is no narrowing. `users` and
    `posix_groups`, whose members a host knows, add up.
    """

    id: str
    services: tuple[str, ...]
    controls: tuple[str, ...]
    hosts: tuple[str, ...]
    groups: tuple[str, ...]
    zones: tuple[str, ...]
    signed_hosts: tuple[str, ...]  # which hosts these came to when it was signed; () where the file does not say
    users: tuple[str, ...]
    posix_groups: tuple[str, ...]
    versions: tuple[str, ...]
    paths: tuple[str, ...]
    hours: tuple[str, ...]  # as written
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
    def narrowing(self) -> WaiverScope:
        """What it covers of a service, where that is less than all. With groups there are always users, so that whoever
        does not know groups lets nobody else in.
        """
        narrowing: WaiverScope = {}
        if self.users or self.posix_groups:
            narrowing["users"] = list(self.users)
        if self.posix_groups:
            narrowing["posix_groups"] = list(self.posix_groups)
        if self.versions:
            narrowing["versions"] = list(self.versions)
        if self.paths:
            narrowing["paths"] = list(self.paths)
        return narrowing

    @property
    def weekly_windows(self) -> list[Window]:
        """When it is open in a week, [] for always."""
        return merge_windows(self.hours)
