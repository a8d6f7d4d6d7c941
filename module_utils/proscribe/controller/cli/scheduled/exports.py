"""The exports that scheduled runs keep up to date, and the notification of those that were written again."""

from __future__ import annotations

import argparse
import datetime
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired

from ....model.types import run as types
from ...compile.plans.hosts import CompiledPlans, compile_hosts
from ...compile.plans.points import add_signing
from ...compile.restrictions.points import FedExport
from ...policy_errors import PolicyErrors
from ...report.notification import Notification, build_notification
from ...report.storage.complete import read_report
from ...report.text.wording import counted
from .. import Refused, inventory
from .sending import inventory_arguments


class Renewed(types.ScheduledExport):
    """An export that was written again, or could not be."""

    why: str
    differences: NotRequired[int]  # not there for one that could not be


def renewed(directory: Path, options: Sequence[str]) -> Notification | None:
    """The notification of the fed exports of a run that were written again, or could not be; None where all are up to
    date.
    """
    fed_exports = [FedExport(**one) for one in read_report(directory)["run"].get("exports_fed") or ()]
    if not fed_exports:
        return None
    from .. import export  # with all its formats

    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    every = argparse.Namespace(**{**vars(inventory_arguments(options)), "limit": ""})
    written: list[Renewed] = []
    failed: list[Renewed] = []

    @functools.cache
    def compiled(group: str) -> CompiledPlans:
        question = inventory.question(every, group=group, served=False)
        return add_signing(compile_hosts(question, now), question)

    for fed in fed_exports:
        try:
            if differs := export.renew(fed, compiled(fed.group), now):
                written.append({**_outcome(fed, differs[0]), "differences": len(differs)})
        except (Refused, PolicyErrors, OSError) as wrong:
            failed.append(_outcome(fed, str(wrong)))
    return export_news(written, failed) if written or failed else None


def export_news(written: Sequence[Renewed], failed: Sequence[Renewed]) -> Notification:
    """The notice of exports."""
    lines = []
    for head, those in (
        ("Not written:", failed),
        ("Written again; whoever is fed with them has to load them:", written),
    ):
        lines += [head] if those else []
        for one in those:
            of = f" of group {one['group']}" if one["group"] else ""
            more = f", and {one['differences'] - 1} more" if one.get("differences", 1) > 1 else ""
            lines.append(f"  {one['directory']} ({one['format']}{of}): {one['why']}{more}")
    said = [f"{counted(len(failed), 'export')} not written"] if failed else []
    said += [f"{counted(len(written), 'export')} written again"] if written else []
    return build_notification(f"Proscribe: {', '.join(said)}", lines, written=[*written], not_written=[*failed])


def _outcome(fed: FedExport, why: str) -> Renewed:
    return {"format": fed.format, "directory": fed.directory, "group": fed.group, "why": why}
