"""How a format declares itself, what it gets, and what it gives: the whole interface of `formats/`.

A renderer is pure: one decision gives one set of files, byte for byte. It never writes more than it was given: what its
point cannot express is stricter there, or is left out, and said in both cases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from ...model.types.plan import Plan

NOTHING_TO_EXPORT = "nothing to export"  # how the text begins where the policy has nothing for a format


class ExportError(Exception):
    """There is no one decision for these hosts, or none that this format can express; the text says why."""

    @property
    def is_nothing_to_export(self) -> bool:
        """Whether the policy has nothing for the format, so that nobody has to do anything."""
        return str(self).startswith(NOTHING_TO_EXPORT)


class ExportOmission(NamedTuple):
    """Something of the hosts' plans that the point does not get as it is."""

    rule: str  # "browser/whatsapp", "dns/line", "browser/tenant-google", or "" for all
    subject: str  # "waiver W-2026-001 for host fin01", "path drive.google.com/drive", ...
    reason: str  # one short sentence


# Why a point leaves a service open that browsers on hosts open to some accounts only.
BY_TENANT_REASON = (
    "Accounts of the organisation's tenants have the same hosts (proscribe_tenants), so it is open to all accounts."
)


class ExportDecision(NamedTuple):
    """What one point has to enforce. `plan` needs no clock and no user: waivers that do are resolved to `closed`."""

    plan: Plan  # one plan in the form of plan.py (its docstring), sealed
    digest: str  # plan["digest"]
    catalogue: str  # release of the catalogue, "" if it has none
    group: str  # "": all hosts of the inventory
    hosts: tuple[str, ...]  # sorted
    compiled_at: datetime  # the moment it was compiled for, UTC; header lines and serials of zones come from it
    left_out: tuple[ExportOmission, ...] = ()  # what of the hosts' plans is not in `plan`
    valid_until: datetime | None = None  # when something of it begins or ends, UTC; None for nothing that is known


class RenderedExport(NamedTuple):
    """The files of an export."""

    files: Mapping[str, bytes]  # by relative name, in which "/" is allowed, and ".." is not
    included_rules: Sequence[str]  # the rules that are in it
    left_out: Sequence[ExportOmission] = ()


# Of which addresses a point sees the path.
NO_PATHS, HTTP_PATHS, HTTPS_PATHS = "", "plain HTTP only", "HTTPS too"


class BlockTest(Protocol):
    """Whether a point blocks a host name or an address, and a port of it, by a plan; None where it cannot say."""

    def __call__(self, plan: Plan, host: str, port: int | None = None, /) -> bool | None: ...


class DeviceLimit(NamedTuple):
    """How much a device takes of an export. What it would cut or refuse is refused here, where somebody reads it."""

    maximum: int
    counted_unit: str  # "entries of one list"
    source: str = ""  # which limit this is, where a vendor has several

    def check_count(self, count: int) -> None:
        """Raises ExportError for more than that."""
        if count > self.maximum:
            raise ExportError(
                f"{count:,} {self.counted_unit}, but the device takes at most {self.maximum:,} ({self.source})"
            )


class DeviceDocumentation(NamedTuple):
    """What the vendor's pages say of a device that no test has here. All of it is for docs, but for the limit."""

    wildcard_form: str  # how a name is written that stands for all below it
    exception_form: str  # how a name stays open below a blocked one
    fetch_method: str  # where the device has the files from, and how often
    vendor_pages: tuple[str, ...]  # addresses of the vendor's pages
    read_on: str  # when: "2026-11-30"
    limit: DeviceLimit | None = None


class ExportFormat(NamedTuple):
    """A format. Its name is that of its module."""

    name: str  # what is typed: "rpz"
    purpose: str  # one line of docs and --help
    controls: tuple[str, ...]  # which sections of the plan it needs: ("dns",)
    render_export: Callable[
        [ExportDecision], RenderedExport
    ]  # pure, deterministic; raises ExportError and ControlError
    tested_with: str = ""  # "named-checkzone (BIND 9.20)": what a test feeds it to
    main_files: str = ""  # the names of its files, for docs
    # For `explain`: whether the point blocks a host name or an address, by the plan; None where it cannot say.
    is_blocked: BlockTest | None = None
    visible_paths: str = NO_PATHS  # whose paths the point sees; it gets these in `is_blocked`, as "proton.me/drive"
    device: DeviceDocumentation | None = None  # for a device that cannot be tried here
