"""The removal of old report folders, if the inventory limits their age.

Reports contain names of users and of their installed packages, so an organisation may have to delete them. These stay:

    - Entries that are not clearly reports: a report is a real directory with a run's id as its name.
    - The reports that `latest` and `newest` point to, and the baselines of this run and of later runs.
    - A run in progress.
    - The plans in `plans/`: they name no users but those of waivers, and the history still needs them.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from ....base.duration import parse_moment
from .accepted_baseline import list_baselines as baselines
from .report_directory import JOURNAL_FILE, PARTIAL_SUFFIX
from .report_reader import LATEST, NEWEST

# The directory name of a complete or an unfinished report: the run's id (compile/plans/run_compiler.py), and a suffix
# if unfinished.
RUN_ID_PATTERN = re.compile(rf"(\d{{8}}T\d{{6}}Z)-[a-z]+-[0-9a-f]{{4}}({re.escape(PARTIAL_SUFFIX)})?", re.ASCII)
# The directory with the whole texts of changes (difference_files.py). It has a directory for each run, named by the
# run's id.
DIFFERENCES_FOLDER = "diffs"
LIFTS_FOLDER = "lifts"  # the directory with the files about lifts (lift_file.py), with a directory for each run
# A directory gets this prefix before its removal, so that half a report is never read as a report.
REMOVAL_PREFIX = ".going-"


def prune_reports(reports: Path, now: str, keep_seconds: int, needed_directories: Iterable[Path] = ()) -> list[str]:
    """Delete the directories of runs that began more than `keep_seconds` before `now` (2026-11-25T08:00:00Z).

    `needed_directories`, the baselines, and the reports of the links `latest` and `newest` stay. The result has a
    sentence for each failure; [] if there was none. Failures to list or delete directories raise no error.
    """
    oldest_time = parse_moment(now) - datetime.timedelta(seconds=keep_seconds)
    try:
        retained = {
            *map(_resolve_links, (*needed_directories, *baselines(reports), reports / LATEST, reports / NEWEST))
        }
        problems = _prune_folder(reports, oldest_time, retained)
        for folder in (reports / DIFFERENCES_FOLDER, reports / LIFTS_FOLDER):
            if folder.is_dir() and not folder.is_symlink():
                # the texts and lifts of a report that stays stay too
                problems += _prune_folder(
                    folder, oldest_time, {_resolve_links(folder / path.name) for path in retained}
                )
    except OSError as error:
        return [f"old reports could not be listed: {error}"]
    return problems


def _prune_folder(folder: Path, oldest_time: datetime.datetime, retained: Collection[Path]) -> list[str]:
    """Delete the directories of runs that began before `oldest_time`, except `retained`.

    The result has a sentence for each directory that could not be deleted. Raises OSError if `folder` cannot be read.
    """
    problems: list[str] = []
    with os.scandir(folder) as entries:
        folder_names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    for name in folder_names:
        path = folder / name
        try:
            if name.startswith(REMOVAL_PREFIX):  # a killed run left this removal unfinished
                shutil.rmtree(path)
            elif (
                (began_at := _read_start_time(path)) is not None
                and began_at < oldest_time
                and _resolve_links(path) not in retained
            ):
                path.rename(path.with_name(f"{REMOVAL_PREFIX}{name}"))
                shutil.rmtree(path.with_name(f"{REMOVAL_PREFIX}{name}"))
        except FileNotFoundError:  # another run removes the directory at the same time
            continue
        except OSError as error:
            problems.append(f"the old report {name} could not be removed: {error}")
    return problems


def _resolve_links(path: Path) -> Path:
    """Resolve the symbolic links of a path. Unlike Path.resolve, it raises no error for a link to itself."""
    return Path(os.path.realpath(path))


def _read_start_time(path: Path) -> datetime.datetime | None:
    """Return when the run of a directory began; None for a directory that belongs to no run.

    For an unfinished report, the time of the last write to its journal counts if it is later.
    """
    name_match = RUN_ID_PATTERN.fullmatch(path.name)
    if name_match is None:
        return None
    try:
        began_at = datetime.datetime.strptime(name_match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    except ValueError:  # the digits are no date, such as a thirteenth month
        return None
    if not name_match[2]:
        return began_at
    with contextlib.suppress(FileNotFoundError):
        written_at = datetime.datetime.fromtimestamp((path / JOURNAL_FILE).stat().st_mtime, datetime.timezone.utc)
        return max(began_at, written_at)
    return began_at
