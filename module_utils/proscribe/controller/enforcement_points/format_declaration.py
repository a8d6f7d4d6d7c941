"""Interface of `formats/`: the declaration of a format, its input and its output.

A renderer is pure: a decision (a joined plan) always gives the same files, byte for byte. An export never permits more
than its decision. If a point cannot express a part, this part is stricter there, or is left out. The export reports
both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from ...model.types.plan import Plan

NOTHING_TO_EXPORT = "nothing to export"  # start of the error message if the policy has nothing for a format


class ExportError(Exception):
    """Hosts without a common decision, or a decision that a format cannot express, with the reason."""

    @property
    def is_nothing_to_export(self) -> bool:
        """Return whether the policy has nothing for the format, so that no action is needed."""
        return str(self).startswith(NOTHING_TO_EXPORT)


class ExportOmission(NamedTuple):
    """A part of the hosts' plans that the enforcement point does not get unchanged."""

    rule: str  # "browser/whatsapp", "dns/line", "browser/tenant-google", or "" for all
    subject: str  # "waiver W-2026-001 for host fin01", "path drive.google.com/drive", ...
    reason: str  # a short sentence


# The reason why a point leaves a service open to all accounts. Browsers on hosts open it to some accounts only.
BY_TENANT_REASON = (
    "Accounts of the organisation's tenants have the same hosts (proscribe_tenants), so it is open to all accounts."
)


class ExportDecision(NamedTuple):
    """The policy that an enforcement point has to enforce: the joined plan of its hosts.

    `plan` depends on no clock and no user. A waiver that depends on a clock or on users has no effect in it, and is in
    `left_out`.
    """

    plan: Plan  # a plan with its digest, in the form that plan.py documents
    digest: str  # plan["digest"]
    catalogue: str  # release of the catalogue, "" if it has none
    group: str  # group of the hosts; "" for all hosts of the inventory
    hosts: tuple[str, ...]  # sorted
    compiled_at: datetime  # time for which the plan was compiled, UTC; used in header lines and serials of zones
    left_out: tuple[ExportOmission, ...] = ()  # parts of the hosts' plans that are not in `plan`
    # UTC: next known time at which a part of the plan begins or ends; None for none
    valid_until: datetime | None = None


class RenderedExport(NamedTuple):
    """The files of an export."""

    files: Mapping[str, bytes]  # by relative name, which may contain "/" but not ".."
    included_rules: Sequence[str]  # rules that the export enforces
    left_out: Sequence[ExportOmission] = ()


# Kinds of web addresses whose path a point sees, not only their host.
NO_PATHS, HTTP_PATHS, HTTPS_PATHS = "", "plain HTTP only", "HTTPS too"


class BlockTest(Protocol):
    """Type of a test for an enforcement point: it returns whether a plan blocks a host name or address on a port.

    The test returns None if this is undecided.
    """

    def __call__(self, plan: Plan, host: str, port: int | None = None, /) -> bool | None: ...


class DeviceLimit(NamedTuple):
    """A limit of the size of an export that a device accepts.

    An export beyond the limit is refused, because the device would cut or refuse it unnoticed.
    """

    maximum: int
    counted_unit: str  # "entries of one list"
    source: str = ""  # origin of the limit, for vendors with several limits

    def check_count(self, count: int) -> None:
        """Raise ExportError if `count` exceeds the maximum."""
        if count > self.maximum:
            raise ExportError(
                f"{count:,} {self.counted_unit}, but the device takes at most {self.maximum:,} ({self.source})"
            )


class DeviceDocumentation(NamedTuple):
    """The vendor's documentation of a device that cannot be tested here.

    Except for the limit, it is only for documents.
    """

    wildcard_form: str  # the device's notation of a name with all names below it
    exception_form: str  # the device's notation of an open name below a blocked name
    fetch_method: str  # how the device gets the files, and at which interval
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
    main_files: str = ""  # names of the export's files, for docs
    # For the command `explain`: a test whether the point blocks a host name or an address. None: no such test.
    is_blocked: BlockTest | None = None
    # Web addresses whose path the point sees. `is_blocked` gets such an address with its path: "proton.me/drive".
    visible_paths: str = NO_PATHS
    device: DeviceDocumentation | None = None  # for a device that cannot be tested here
