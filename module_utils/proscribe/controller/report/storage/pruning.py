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
from .files import JOURNAL, SUFFIX
from .last_passed import retained as baselines

# A run's id (compile/plans/run.py), of a report that is complete or in the making.
NAME = re.compile(rf"(\d{{8}}T\d{{6}}Z)-[a-z]+-[0-9a-f]{{4}}({re.escape(SUFFIX)})?", re.ASCII)
# Where the whole texts of what changed are (difference_files.py): a folder for each run, by the run's id.
DIFFS = "diffs"
LIFTS = "lifts"  # what runs have lifted (lift_file.py), as well
# What is taken away gets another name first, so that half a report is never taken for one.
GOING = ".going-"


def prune(reports: Path, now: str, keep: int, needed: Iterable[Path] = ()) -> list[str]:
    """Take away the folders of the runs that began more than `keep` seconds before `now` (2026-11-25T08:00:00Z), but
    for those `needed` and the latest. Returns what could not be taken away, in sentences; raises nothing.
    """
    oldest = parse_moment(now) - datetime.timedelta(seconds=keep)
    try:
        retained = {*map(_real, (*needed, *baselines(reports), reports / LATEST, reports / NEWEST))}
        problems = _prune(reports, oldest, retained)
        for folder in (reports / DIFFS, reports / LIFTS):
            if folder.is_dir() and not folder.is_symlink():
                problems += _prune(folder, oldest, {_real(folder / path.name) for path in retained})
    except OSError as error:
        return [f"old reports could not be listed: {error}"]
    return problems


def _prune(folder: Path, oldest: datetime.datetime, retained: Collection[Path]) -> list[str]:
    """Take away folders of runs that began before `oldest`; what could not be, in sentences. Raises OSError."""
    problems: list[str] = []
    with os.scandir(folder) as entries:
        found = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    for name in found:
        path = folder / name
        try:
            if name.startswith(GOING):  # a run that took it away was killed
                shutil.rmtree(path)
            elif (began := _began(path)) is not None and began < oldest and _real(path) not in retained:
                path.rename(path.with_name(f"{GOING}{name}"))
                shutil.rmtree(path.with_name(f"{GOING}{name}"))
        except FileNotFoundError:  # another run that ends now is at it
            continue
        except OSError as error:
            problems.append(f"the old report {name} could not be removed: {error}")
    return problems


def _real(path: Path) -> Path:
    """Where links lead; Path.resolve raises for one that leads to itself."""
    return Path(os.path.realpath(path))


def _began(path: Path) -> datetime.datetime | None:
    """When the run of a folder began, or was last heard of if it has no complete report; None for other folders."""
    named = NAME.fullmatch(path.name)
    if named is None:
        return None
    try:
        began = datetime.datetime.strptime(named[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    except ValueError:  # the thirteenth month
        return None
    if not named[2]:
        return began
    with contextlib.suppress(FileNotFoundError):
        written = datetime.datetime.fromtimestamp((path / JOURNAL).stat().st_mtime, datetime.timezone.utc)
        return max(began, written)
    return began
