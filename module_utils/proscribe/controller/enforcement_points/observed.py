"""What the directories of fed exports have at the end of a run: the rows of its report. Nothing is written.

A directory may be on a share, and what is in it somebody else's by now. So each row says only what could be read, and
the rest is unknown.
"""

from __future__ import annotations

import hashlib
import stat
from datetime import datetime
from pathlib import Path

from ...base.duration import format_moment, parse_moment
from ...model.types.report import ExportReader, ReportedExport
from ...model.types.run import CompiledRun, DueExport
from ...model.words import DIGEST_PATTERN, POINT_STATES
from . import access_log, manifest, signature, writing
from .header import safe

CHANGED, NOT_SIGNED, EXPIRED, OLDER, MISSING, UNKNOWN, CURRENT = POINT_STATES
NO_LOG = "no access_log is named for it in proscribe_exports_fed"


def points_of(run: CompiledRun, finished: str) -> list[ReportedExport]:
    """The rows of a run's exports, as they are when it ends: a UTC time."""
    now = parse_moment(finished)
    return [_row(one, now) for one in run.get("points", ())]


def _row(due: DueExport, now: datetime) -> ReportedExport:
    try:
        return _observed(due, _unknown(due), now)
    except OSError as error:  # a share that is gone in between
        return {**_unknown(due), "why": [f"{due['directory']} cannot be read: {error.strerror}"]}


def _unknown(due: DueExport) -> ReportedExport:
    """A row of which nothing is known yet."""
    return {
        "format": due["format"],
        "directory": due["directory"],
        "group": due["group"],
        "state": UNKNOWN,
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


def _observed(due: DueExport, row: ReportedExport, now: datetime) -> ReportedExport:
    directory = Path(due["directory"])
    if wrong := _unreadable(directory):
        row["state"], why = wrong
        return {**row, "why": [why]}
    content = writing.content_of(directory / manifest.NAME)
    found = manifest.read(content) if content is not None else None
    if content is None or found is None or not DIGEST_PATTERN.fullmatch(found.plan):
        why = f"{manifest.NAME} in {directory} cannot be read, or is none of an export"
        return {**row, "why": [why]}
    said = [*_of_content(directory, due, found), *_of_plan(due, found, now)]
    signing = signature.Signing(due["key"], tuple(due["signers"]))
    signed = signature.checked(directory, content, signing, now)
    said += [(NOT_SIGNED, f"its signature does not count: {signed.problem}")] if signed.problem else []
    row["state"] = min((state for state, _ in said), key=POINT_STATES.index, default=CURRENT)
    row["why"] = [why for _, why in said]
    row["written"] = format_moment(found.at) if found.at else None
    row["plan"], row["signed_with"] = found.plan, signed.key or None
    row["valid_until"] = format_moment(found.valid_until) if found.valid_until else None
    row["older"] = found.plan != due["plan"] if due["plan"] else None
    row["expired"] = found.valid_until is not None and found.valid_until <= now
    row["fetched_by"], row["fetched_by_unknown"] = _fetched(due, found)
    return row


def _unreadable(directory: Path) -> tuple[str, str] | None:
    """Why a directory cannot be observed; None where it can."""
    try:
        if not stat.S_ISDIR(directory.lstat().st_mode):
            return UNKNOWN, f"{directory} is no directory (links are not followed)"
        next(directory.iterdir(), None)
    except FileNotFoundError:
        return MISSING, f"there is no {directory}"
    except OSError as error:
        return UNKNOWN, f"{directory} cannot be read: {error.strerror}"
    return None


def _of_content(directory: Path, due: DueExport, found: manifest.Earlier) -> list[tuple[str, str]]:
    """Whether a directory has the files of its manifest, for this format and group."""
    if (found.format, found.group) != (due["format"], due["group"]):
        of = f" of group {safe(found.group)}" if found.group else ""
        return [(CHANGED, f"it has an export {safe(found.format)}{of}")]
    for path, digest in sorted(found.files.items()):
        content = writing.content_of(directory / path)
        if content is None or hashlib.sha256(content).hexdigest() != digest:
            return [(CHANGED, f"{path} was changed, or is gone, since it was written")]
    return []


def _of_plan(due: DueExport, found: manifest.Earlier, now: datetime) -> list[tuple[str, str]]:
    """Whether an export is from the plan of this run, and still valid."""
    said = []
    if found.valid_until is not None and found.valid_until <= now:
        said.append((EXPIRED, f"it was valid until {format_moment(found.valid_until)}"))
    if not due["plan"]:
        said.append((UNKNOWN, f"this run has no plan to compare it with: {due['why']}"))
    elif found.plan != due["plan"]:
        said.append((OLDER, f"it is from plan {found.plan[:19]}, and that of this run is {due['plan'][:19]}"))
    return said


def _fetched(due: DueExport, found: manifest.Earlier) -> tuple[ExportReader | None, str]:
    """Who fetched the files of an export, and why that is not known."""
    if not due["access_log"]:
        return None, NO_LOG
    try:
        seen = access_log.fetches(Path(due["access_log"]), due["url"], found.files.keys())
    except access_log.Unreadable as wrong:
        return None, str(wrong)
    return {
        "since": format_moment(seen.since) if seen.since else None,
        "addresses": seen.addresses,
        "last": [{"address": one.address, "at": format_moment(one.at), "file": one.file} for one in seen.last],
    }, ""
