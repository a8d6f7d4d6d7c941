"""How a format declares itself, what it gets, and what it gives: the whole interface of `formats/`.

A renderer is pure: one decision gives one set of files, byte for byte. It never writes more than it was given: what its
point cannot express is stricter there, or is left out, and said in both cases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from ...model.types.plan import Plan

NOTHING = "nothing to export"  # how the text begins where the policy has nothing for a format


class NotExportable(Exception):
    """There is no one decision for these hosts, or none that this format can express; the text says why."""

    @property
    def nothing(self) -> bool:
        """Whether the policy has nothing for the format, so that nobody has to do anything."""
        return str(self).startswith(NOTHING)


class LeftOut(NamedTuple):
    """Something of the hosts' plans that the point does not get as it is."""

    rule: str  # "browser/whatsapp", "dns/line", "browser/tenant-google", or "" for all
    what: str  # "waiver W-2026-001 for host fin01", "path drive.google.com/drive", ...
    why: str  # one short sentence


# Why a point leaves a service open that browsers on hosts open to some accounts only.
BY_TENANT = (
    "Accounts of the organisation's tenants have the same hosts (proscribe_tenants), so it is open to all accounts."
)


class Decision(NamedTuple):
    """What one point has to enforce. `plan` needs no clock and no user: waivers that do are resolved to `closed`."""

    plan: Plan  # one plan in the form of plan.py (its docstring), sealed
    digest: str  # plan["digest"]
    catalogue: str  # release of the catalogue, "" if it has none
    group: str  # "": all hosts of the inventory
    hosts: tuple[str, ...]  # sorted
    at: datetime  # the moment it was compiled for, UTC; header lines and serials of zones come from it
    left_out: tuple[LeftOut, ...] = ()  # what of the hosts' plans is not in `plan`
    valid_until: datetime | None = None  # when something of it begins or ends, UTC; None for nothing that is known


class Rendered(NamedTuple):
    """The files of an export."""

    files: Mapping[str, bytes]  # by relative name, in which "/" is allowed, and ".." is not
    included: Sequence[str]  # the rules that are in it
    left_out: Sequence[LeftOut] = ()


# Of which addresses a point sees the path.
NO_PATHS, HTTP, HTTPS = "", "plain HTTP only", "HTTPS too"


class Blocks(Protocol):
    """Whether a point blocks a host name or an address, and a port of it, by a plan; None where it cannot say."""

    def __call__(self, plan: Plan, host: str, port: int | None = None, /) -> bool | None: ...


class Limit(NamedTuple):
    """How much a device takes of an export. What it would cut or refuse is refused here, where somebody reads it."""

    most: int
    what: str  # "entries of one list"
    source: str = ""  # which limit this is, where a vendor has several

    def check(self, count: int) -> None:
        """Raises NotExportable for more than that."""
        if count > self.most:
            raise NotExportable(f"{count:,} {self.what}, but the device takes at most {self.most:,} ({self.source})")


class Device(NamedTuple):
    """What the vendor's pages say of a device that no test has here. All of it is for docs, but for the limit."""

    below: str  # how a name is written that stands for all below it
    exceptions: str  # how a name stays open below a blocked one
    fetched: str  # where the device has the files from, and how often
    pages: tuple[str, ...]  # addresses of the vendor's pages
    read: str  # when: "2026-11-30"
    limit: Limit | None = None


class Format(NamedTuple):
    """A format. Its name is that of its module."""

    name: str  # what is typed: "rpz"
    meant_for: str  # one line of docs and --help
    controls: tuple[str, ...]  # which sections of the plan it needs: ("dns",)
    render: Callable[[Decision], Rendered]  # pure, deterministic; raises NotExportable and ControlError
    accepted_by: str = ""  # "named-checkzone (BIND 9.20)": what a test feeds it to
    main: str = ""  # the names of its files, for docs
    # For `explain`: whether the point blocks a host name or an address, by the plan; None where it cannot say.
    blocks: Blocks | None = None
    paths: str = NO_PATHS  # whose paths the point sees; it gets these in `blocks`, as "proton.me/drive"
    device: Device | None = None  # for a device that cannot be tried here
