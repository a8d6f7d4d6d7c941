"""The update of exports by scheduled runs, and the notification of exports that were written again.

Enforcement points, such as a proxy, load an export from its directory (`proscribe_exports_fed`).
"""

from __future__ import annotations

import argparse
import datetime
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired

from ....model.types import run as types
from ...compile.plans.due_exports import add_signing
from ...compile.plans.host_plans import CompiledPlans, compile_hosts
from ...compile.restrictions.export_settings import FedExport
from ...policy_errors import PolicyErrors
from ...report.notification import Notification, build_notification
from ...report.storage.report_reader import read_report
from ...report.text.wording import format_count
from .. import CommandError, inventory
from .notification_transport import parse_inventory_arguments


class RenewedExport(types.ScheduledExport):
    """An export that a scheduled run wrote again, or could not write."""

    why: str  # the first difference that made the export outdated, or the error
    differences: NotRequired[int]  # absent if the export could not be written


def update_exports(directory: Path, options: Sequence[str]) -> Notification | None:
    """Write outdated exports of `proscribe_exports_fed` again, and return the notification.

    `directory` has the report of the run, which lists these exports. `options` are those of the run. The result is None
    if all exports are up to date.
    """
    fed_exports = [FedExport(**fed_entry) for fed_entry in read_report(directory)["run"].get("exports_fed") or ()]
    if not fed_exports:
        return None
    from .. import export  # imported here: it loads all export formats, which a run without exports does not need

    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    all_hosts_arguments = argparse.Namespace(**{**vars(parse_inventory_arguments(options)), "limit": ""})
    written_exports: list[RenewedExport] = []
    failed_exports: list[RenewedExport] = []

    @functools.cache
    def compile_group(group: str) -> CompiledPlans:
        compile_input = inventory.read_compile_input(all_hosts_arguments, group=group, only_served=False)
        return add_signing(compile_hosts(compile_input, now), compile_input)

    for fed_export in fed_exports:
        try:
            if differences := export.update_export(fed_export, compile_group(fed_export.group), now):
                written_exports.append({**_make_outcome(fed_export, differences[0]), "differences": len(differences)})
        except (CommandError, PolicyErrors, OSError) as error:
            failed_exports.append(_make_outcome(fed_export, str(error)))
    return make_export_notification(written_exports, failed_exports) if written_exports or failed_exports else None


def make_export_notification(
    written_exports: Sequence[RenewedExport], failed_exports: Sequence[RenewedExport]
) -> Notification:
    """Return the notification of exports that were written again, and of exports that could not be written."""
    lines = []
    for heading, exports in (
        ("Not written:", failed_exports),
        ("Written again; whoever is fed with them has to load them:", written_exports),
    ):
        lines += [heading] if exports else []
        for renewed_export in exports:
            group_note = f" of group {renewed_export['group']}" if renewed_export["group"] else ""
            more_note = (
                f", and {renewed_export['differences'] - 1} more" if renewed_export.get("differences", 1) > 1 else ""
            )
            lines.append(
                f"  {renewed_export['directory']} ({renewed_export['format']}{group_note}): "
                f"{renewed_export['why']}{more_note}"
            )
    subject_parts = [f"{format_count(len(failed_exports), 'export')} not written"] if failed_exports else []
    subject_parts += [f"{format_count(len(written_exports), 'export')} written again"] if written_exports else []
    return build_notification(
        f"Proscribe: {', '.join(subject_parts)}", lines, written=[*written_exports], not_written=[*failed_exports]
    )


def _make_outcome(fed_export: FedExport, reason: str) -> RenewedExport:
    return {"format": fed_export.format, "directory": fed_export.directory, "group": fed_export.group, "why": reason}
