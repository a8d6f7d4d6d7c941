"""State of the export directories in `proscribe_exports_fed` at the end of a run, as rows of the report.

Nothing is written. A directory may be on a share, and its content may have been replaced. So each row has only values
that could be read; all other values are unknown.
"""

from __future__ import annotations

import hashlib
import stat
from datetime import datetime
from pathlib import Path

from ...base.duration import format_moment, parse_moment
from ...model.types.report import ExportReader, ReportedExport
from ...model.types.run import CompiledRun, DueExport
from ...model.vocabulary import DIGEST_PATTERN, POINT_STATES
from . import access_log, export_directory, manifest, signature
from .file_header import sanitise_comment

CHANGED_STATE, NOT_SIGNED_STATE, EXPIRED_STATE, OLDER_STATE, MISSING_STATE, UNKNOWN_STATE, CURRENT_STATE = POINT_STATES
NO_LOG_REASON = "no access_log is named for it in proscribe_exports_fed"


def observe_points(run: CompiledRun, finished_at: str) -> list[ReportedExport]:
    """Return a row about the directory of each export that the run expects.

    The state of a row is one of POINT_STATES. `finished_at` is the run's end in UTC.
    """
    now = parse_moment(finished_at)
    return [_make_point_row(due_point, now) for due_point in run.get("points", ())]


def _make_point_row(due_point: DueExport, now: datetime) -> ReportedExport:
    """Return the row of an export's directory; with only unknown values and the reason if it cannot be read."""
    try:
        return _observe_point(due_point, _make_unknown_row(due_point), now)
    except OSError as error:  # the network share with the directory may disappear in the meantime
        return {**_make_unknown_row(due_point), "why": [f"{due_point['directory']} cannot be read: {error.strerror}"]}


def _make_unknown_row(due_point: DueExport) -> ReportedExport:
    """Return a row with all values unknown."""
    return {
        "format": due_point["format"],
        "directory": due_point["directory"],
        "group": due_point["group"],
        "state": UNKNOWN_STATE,
        "why": [],
        "written": None,
        "plan": None,
        "valid_until": None,
        "older": None,
        "expired": None,
        "signed_with": None,
        "fetched_by": None,
        "fetched_by_unknown": "its files are not known",
    }


def _observe_point(due_point: DueExport, row: ReportedExport, now: datetime) -> ReportedExport:
    """Return the row of an export's directory with its state, the problems, and the clients that fetched files.

    `row` is a row with all values unknown.
    """
    directory = Path(due_point["directory"])
    if unreadable := _explain_unreadable(directory):
        row["state"], reason = unreadable
        return {**row, "why": [reason]}
    content = export_directory.read_export_file(directory / manifest.MANIFEST_NAME)
    export = manifest.parse_manifest(content) if content is not None else None
    if content is None or export is None or not DIGEST_PATTERN.fullmatch(export.plan):
        reason = f"{manifest.MANIFEST_NAME} in {directory} cannot be read, or is none of an export"
        return {**row, "why": [reason]}
    problems = [*_check_content(directory, due_point, export), *_check_plan(due_point, export, now)]
    signing = signature.ExportSigning(due_point["key"], tuple(due_point["signers"]))
    signed = signature.check_signature(directory, content, signing, now)
    problems += [(NOT_SIGNED_STATE, f"its signature does not count: {signed.problem}")] if signed.problem else []
    row["state"] = min((state for state, _ in problems), key=POINT_STATES.index, default=CURRENT_STATE)
    row["why"] = [reason for _, reason in problems]
    row["written"] = format_moment(export.compiled_at) if export.compiled_at else None
    row["plan"], row["signed_with"] = export.plan, signed.key or None
    row["valid_until"] = format_moment(export.valid_until) if export.valid_until else None
    # None if this run has no plan to compare with
    row["older"] = export.plan != due_point["plan"] if due_point["plan"] else None
    row["expired"] = export.valid_until is not None and export.valid_until <= now
    row["fetched_by"], row["fetched_by_unknown"] = _summarise_point_fetches(due_point, export)
    return row


def _explain_unreadable(directory: Path) -> tuple[str, str] | None:
    """Return the state and the reason if a directory cannot be observed; None if it can."""
    try:
        if not stat.S_ISDIR(directory.lstat().st_mode):
            return UNKNOWN_STATE, f"{directory} is no directory (links are not followed)"
        next(directory.iterdir(), None)
    except FileNotFoundError:
        return MISSING_STATE, f"there is no {directory}"
    except OSError as error:
        return UNKNOWN_STATE, f"{directory} cannot be read: {error.strerror}"
    return None


def _check_content(directory: Path, due_point: DueExport, export: manifest.EarlierExport) -> list[tuple[str, str]]:
    """Return the first problem of a directory as (state, reason); [] if there is none.

    Problems are another export in the directory, and a file that is missing or was changed.
    """
    if (export.format, export.group) != (due_point["format"], due_point["group"]):
        group_note = f" of group {sanitise_comment(export.group)}" if export.group else ""
        return [(CHANGED_STATE, f"it has an export {sanitise_comment(export.format)}{group_note}")]
    for path, digest in sorted(export.files.items()):
        content = export_directory.read_export_file(directory / path)
        if content is None or hashlib.sha256(content).hexdigest() != digest:
            return [(CHANGED_STATE, f"{path} was changed, or is gone, since it was written")]
    return []


def _check_plan(due_point: DueExport, export: manifest.EarlierExport, now: datetime) -> list[tuple[str, str]]:
    """Return a problem (state, reason) if an export has expired, and one if its plan is not the plan of this run."""
    problems = []
    if export.valid_until is not None and export.valid_until <= now:
        problems.append((EXPIRED_STATE, f"it was valid until {format_moment(export.valid_until)}"))
    if not due_point["plan"]:
        problems.append((UNKNOWN_STATE, f"this run has no plan to compare it with: {due_point['why']}"))
    elif export.plan != due_point["plan"]:
        problems.append(
            (OLDER_STATE, f"it is from plan {export.plan[:19]}, and that of this run is {due_point['plan'][:19]}")
        )
    return problems


def _summarise_point_fetches(due_point: DueExport, export: manifest.EarlierExport) -> tuple[ExportReader | None, str]:
    """Return the fetches of an export's files and ""; or None and the reason why the fetches are unknown."""
    if not due_point["access_log"]:
        return None, NO_LOG_REASON
    try:
        fetches = access_log.summarise_fetches(Path(due_point["access_log"]), due_point["url"], export.files.keys())
    except access_log.UnreadableLogError as error:
        return None, str(error)
    return {
        "since": format_moment(fetches.log_start) if fetches.log_start else None,
        "addresses": fetches.address_count,
        "last": [
            {"address": fetch.address, "at": format_moment(fetch.fetched_at), "file": fetch.file_name}
            for fetch in fetches.last_fetches
        ],
    }, ""
