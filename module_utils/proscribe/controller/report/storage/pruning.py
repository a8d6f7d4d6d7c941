"""Takes away folders of old reports, where the inventory says for how long they are kept.

Reports hold names of users and of what they have installed, so an organisation may have to be rid of them. These stay:

- What is not plainly a report of ours: a real directory, by the name that a run gives it.
- The reports that `latest` and `newest` point to, and the baselines of this run and of later ones.
- A run that is under way.
- The plans in `plans/`: they name no user but those of waivers, and the history still asks what a host had to keep.
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
from .complete import LATEST, NEWEST
from .files import JOURNAL_FILE, PARTIAL_SUFFIX
from .last_passed import list_baselines as baselines

# A run's id (compile/plans/run.py), of a report that is complete or in the making.
RUN_ID_PATTERN = re.compile(rf"(\d{{8}}T\d{{6}}Z)-[a-z]+-[0-9a-f]{{4}}({re.escape(PARTIAL_SUFFIX)})?", re.ASCII)
# Where the whole texts of what changed are (difference_files.py): a folder for each run, by the run's id.
DIFFERENCES_FOLDER = "diffs"
LIFTS_FOLDER = "lifts"  # what runs have lifted (lift_file.py), as well
# What is taken away gets another name first, so that half a report is never taken for one.
REMOVAL_PREFIX = ".going-"


def prune_reports(reports: Path, now: str, keep_seconds: int, needed_directories: Iterable[Path] = ()) -> list[str]:
    """Take away the folders of the runs that began more than `keep_seconds` seconds before `now` (2026-11-25T08:00:00Z), but
    for those `needed_directories` and the latest. Returns what could not be taken away, in sentences; raises nothing.
    """
    oldest_time = parse_moment(now) - datetime.timedelta(seconds=keep_seconds)
    try:
        retained = {
            *map(_resolve_links, (*needed_directories, *baselines(reports), reports / LATEST, reports / NEWEST))
        }
        problems = _prune_folder(reports, oldest_time, retained)
        for folder in (reports / DIFFERENCES_FOLDER, reports / LIFTS_FOLDER):
            if folder.is_dir() and not folder.is_symlink():
                problems += _prune_folder(
                    folder, oldest_time, {_resolve_links(folder / path.name) for path in retained}
                )
    except OSError as error:
        return [f"old reports could not be listed: {error}"]
    return problems


def _prune_folder(folder: Path, oldest_time: datetime.datetime, retained: Collection[Path]) -> list[str]:
    """Take away folders of runs that began before `oldest_time`; what could not be, in sentences. Raises OSError."""
    problems: list[str] = []
    with os.scandir(folder) as entries:
        folder_names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    for name in folder_names:
        path = folder / name
        try:
            if name.startswith(REMOVAL_PREFIX):  # a run that took it away was killed
                shutil.rmtree(path)
            elif (
                (began_at := _read_start_time(path)) is not None
                and began_at < oldest_time
                and _resolve_links(path) not in retained
            ):
                path.rename(path.with_name(f"{REMOVAL_PREFIX}{name}"))
                shutil.rmtree(path.with_name(f"{REMOVAL_PREFIX}{name}"))
        except FileNotFoundError:  # another run that ends now is at it
            continue
        except OSError as error:
            problems.append(f"the old report {name} could not be removed: {error}")
    return problems


def _resolve_links(path: Path) -> Path:
    """Where links lead; Path.resolve raises for one that leads to itself."""
    return Path(os.path.realpath(path))


def _read_start_time(path: Path) -> datetime.datetime | None:
    """When the run of a folder began, or was last heard of if it has no complete report; None for other folders."""
    name_match = RUN_ID_PATTERN.fullmatch(path.name)
    if name_match is None:
        return None
    try:
        began_at = datetime.datetime.strptime(name_match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    except ValueError:  # the thirteenth month
        return None
    if not name_match[2]:
        return began_at
    with contextlib.suppress(FileNotFoundError):
        written_at = datetime.datetime.fromtimestamp((path / JOURNAL_FILE).stat().st_mtime, datetime.timezone.utc)
        return max(began_at, written_at)
    return began_at
