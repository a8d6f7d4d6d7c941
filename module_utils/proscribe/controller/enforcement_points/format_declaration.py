"""Interface of `formats/`: the declaration, the input and the output of a format.

A renderer is pure: a decision always gives the same files, byte for byte. It never permits more than the decision. A
part that its point cannot express is stricter there, or is left out, and the export reports both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from ...model.types.plan import Plan

NOTHING_TO_EXPORT = "nothing to export"  # start of the text if the policy has nothing for a format


class ExportError(Exception):
    """Hosts without a common decision, or a decision that a format cannot express, with the reason."""

    @property
    def is_nothing_to_export(self) -> bool:
        """Return whether the policy has nothing for the format, so that no action is needed."""
        return str(self).startswith(NOTHING_TO_EXPORT)


class ExportOmission(NamedTuple):
    """A part of the hosts' plans that the point does not get unchanged."""

    rule: str  # "browser/whatsapp", "dns/line", "browser/tenant-google", or "" for all
    subject: str  # "waiver W-2026-001 for host fin01", "path drive.google.com/drive", ...
    reason: str  # a short sentence


# The reason why a point leaves a service open that hosts' browsers open for some accounts only.
BY_TENANT_REASON = (
    "Accounts of the organisation's tenants have the same hosts (proscribe_tenants), so it is open to all accounts."
)


class ExportDecision(NamedTuple):
    """The policy that a point has to enforce.

    `plan` depends on no clock and no user. A waiver that depends on them has no effect in it, and is in `left_out`.
    """

    plan: Plan  # in the form documented in plan.py, sealed
    digest: str  # plan["digest"]
    catalogue: str  # release of the catalogue, "" if it has none
    group: str  # "": all hosts of the inventory
    hosts: tuple[str, ...]  # sorted
    compiled_at: datetime  # time for which it was compiled, UTC; used in header lines and serials of zones
    left_out: tuple[ExportOmission, ...] = ()  # parts of the hosts' plans that are not in `plan`
    valid_until: datetime | None = None  # next known start or end of a part of it, UTC; None for none


class RenderedExport(NamedTuple):
    """The files of an export."""

    files: Mapping[str, bytes]  # by relative name, which may contain "/" but not ".."
    included_rules: Sequence[str]  # rules that the export enforces
    left_out: Sequence[ExportOmission] = ()


# The addresses whose path a point sees.
NO_PATHS, HTTP_PATHS, HTTPS_PATHS = "", "plain HTTP only", "HTTPS too"


class BlockTest(Protocol):
    """Type of a test whether a plan blocks a host name or an address, and a port of it, at a point.

    The test returns None if this is undecided.
    """

    def __call__(self, plan: Plan, host: str, port: int | None = None, /) -> bool | None: ...


class DeviceLimit(NamedTuple):
    """The amount that a device accepts of an export.

    The export is refused if it exceeds this, because the device would cut or refuse it unnoticed.
    """

    maximum: int
    counted_unit: str  # "entries of one list"
    source: str = ""  # name of the limit, for vendors with several limits

    def check_count(self, count: int) -> None:
        """Raise ExportError if `count` exceeds the maximum."""
        if count > self.maximum:
            raise ExportError(
                f"{count:,} {self.counted_unit}, but the device takes at most {self.maximum:,} ({self.source})"
            )


class DeviceDocumentation(NamedTuple):
    """The vendor's documentation of a device that cannot be tested here. Except for the limit, it is only for
    documents.
    """

    wildcard_form: str  # notation of a name with all names below it
    exception_form: str  # notation of an open name below a blocked one
    fetch_method: str  # source of the files for the device, and interval
    vendor_pages: tuple[str, ...]  # addresses of the vendor's pages
    read_on: str  # day, such as "2026-11-30"
    limit: DeviceLimit | None = None


class ExportFormat(NamedTuple):
    """A format. Its name is that of its module."""

    name: str  # as typed by users: "rpz"
    purpose: str  # a line for docs and --help
    controls: tuple[str, ...]  # needed sections of the plan: ("dns",)
    # Pure, deterministic; raises ExportError and ControlError.
    render_export: Callable[[ExportDecision], RenderedExport]
    tested_with: str = ""  # program that reads the export in a test: "named-checkzone (BIND 9.20)"
    main_files: str = ""  # names of its files, for docs
    # For `explain`: test whether the plan makes the point block a host name or an address; None if undecided.
    is_blocked: BlockTest | None = None
    # Addresses whose path the point sees; `is_blocked` gets them with the path, as "proton.me/drive".
    visible_paths: str = NO_PATHS
    device: DeviceDocumentation | None = None  # for a device that cannot be tested here
