"""The data of a waiver from its file: the exception, its scope, its reason, its approver and its end."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

from ....model.types.plan import WaiverScope
from ...controls import DECLARATIONS
from ...controls.declaration import ControlDeclaration
from ..reading.yaml_file import Document
from .hours import Window, merge_windows

_WHOLE_HOST_REASON = "browser policies and the DNS filter apply to a whole host, whoever uses it"
_REASONS_BY_KEY = {
    "users": _WHOLE_HOST_REASON,
    "posix_groups": _WHOLE_HOST_REASON,
    "versions": "only what is installed has a version",
    "paths": "only what is installed has a path",
    "hours": "apps that are removed when the hours end do not come back",
}


def _can_narrow(declaration: ControlDeclaration, key: str) -> bool:
    """Return whether a control can apply a waiver that `key` narrows."""
    if key in ("users", "posix_groups"):
        return not declaration.whole_host_reason
    return key in declaration.narrowing_keys


# Keys that narrow a waiver. For each: the controls that can apply it, and the reason why other controls cannot.
NARROWING_KEYS: Mapping[str, tuple[tuple[str, ...], str]] = {
    key: (tuple(control for control, declaration in DECLARATIONS.items() if _can_narrow(declaration, key)), reason)
    for key, reason in _REASONS_BY_KEY.items()
}


@dataclass(frozen=True)
class Revocation:
    """The time of a waiver's revocation, the person who revoked it, and the reason."""

    on: datetime.datetime
    by: str
    why: str


@dataclass(frozen=True)
class Waiver:
    """An approved exception: services, controls, places, reason, persons, times. Times are UTC.

    A waiver covers its `hosts` and the hosts of its `groups`. `zones` limits these to hosts of the zones. Without hosts
    and groups, `zones` covers every host of the zones. On a host, `users` and `posix_groups`, `versions` and `paths`
    limit the waived part, and `hours` limits the time. () is no limit. A waiver is for its `users` and the members of
    its `posix_groups`, which a host resolves.
    """

    id: str
    services: tuple[str, ...]
    controls: tuple[str, ...]
    hosts: tuple[str, ...]
    groups: tuple[str, ...]
    zones: tuple[str, ...]
    signed_hosts: tuple[str, ...]  # the covered hosts at the time of signing; () if the file does not list them
    users: tuple[str, ...]
    posix_groups: tuple[str, ...]
    versions: tuple[str, ...]
    paths: tuple[str, ...]
    hours: tuple[str, ...]  # as written in the file, such as `mon-fri 09:00-18:00`
    reason: str
    risk: str
    compensating_controls: tuple[str, ...]
    ticket: str
    request: str  # the id of the user's request that the waiver answers; "" for none
    requested_by: str
    requested_on: datetime.datetime | None
    approved_by: str
    approved_on: datetime.datetime
    valid_from: datetime.datetime  # by default the time of approval
    expires: datetime.datetime
    review_by: datetime.datetime  # by default a month after the approval or the last review
    revoked: Revocation | None
    file: str
    document: Document = field(repr=False, compare=False)

    @property
    def starts(self) -> datetime.datetime:
        """The first moment of the waiver: nothing is waived before the approval."""
        return max(self.valid_from, self.approved_on)

    @property
    def ends(self) -> datetime.datetime:
        """The moment at which the waiver ends: its expiry, or its revocation if that is earlier."""
        return min(self.expires, self.revoked.on) if self.revoked else self.expires

    @property
    def narrowing(self) -> WaiverScope:
        """The limits of the waived part of a service; {} if the waiver is for the whole service.

        With `posix_groups` there is always a key `users`. So a reader that does not support groups admits no other
        user.
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
        """The open windows of a week; [] for a waiver that is always open."""
        return merge_windows(self.hours)
