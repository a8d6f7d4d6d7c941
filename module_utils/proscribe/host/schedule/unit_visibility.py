"""Check that the systemd units of scheduled runs see the files that the runs need.

A unit sees another machine than the operator: a /tmp of its own, hidden homes, file systems that forbid execution. So
each path is checked in a unit of the same kind, before anything is written. Standard library only.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Collection, Iterable, Iterator, Mapping, Sequence

from ..system import ControlError, Host
from ..system.units import list_drop_ins, read_unit_text

if TYPE_CHECKING:
    from ...model.types.schedule import ScheduledRuns

# Directories that lose their content at a boot, by age, or at a log-out (file-hierarchy(7)).
TEMPORARY_DIRECTORIES = ("/tmp", "/var/tmp", "/run", "/var/run", "/dev", "/proc", "/sys")
# Beginnings of the names of settings that decide which files a unit sees, and what the unit may do (systemd.exec(5)).
VISIBILITY_SETTINGS = (
    *("Private", "Protect", "ReadOnlyPaths", "ReadWritePaths", "InaccessiblePaths", "TemporaryFileSystem"),
    *(
        "BindPaths",
        "BindReadOnlyPaths",
        "ExecPaths",
        "NoExecPaths",
        "RootDirectory",
        "RootImage",
        "MountFlags",
        "NoNewPrivileges",
        "CapabilityBoundingSet",
    ),
    *("SystemCall", "Restrict", "LockPersonality"),
)
TRIAL_TIMEOUT_SECONDS = 60
UNTOUCHED_NOTE = "Nothing was touched."
EXPECTED_PLACES = (
    f"{UNTOUCHED_NOTE} Expected: the checkout, its inventory, its Ansible and the reports in places that stay and"
    " that the unit sees, such as /opt/proscribe and /var/lib/proscribe-reports (docs/scheduling.md)"
)
# Program that runs in a temporary unit, and prints the fault of each path in words.
TRIAL_PROGRAM = """
import json, os, sys
same, starts, writes = json.load(sys.stdin)
def wrong(path, number):
    try:
        seen = os.stat(path)
    except OSError as error:
        return f"is not there ({error.strerror})"
    if [seen.st_dev, seen.st_ino] != number:
        return "is not the same"
    if not os.access(path, os.R_OK | (os.X_OK if os.path.isdir(path) else 0)):
        return "cannot be read"
    return "cannot be run" if path in starts and not os.access(path, os.X_OK) else ""
def unwritable(path):
    while not os.path.lexists(path) and path != "/":
        path = os.path.dirname(path)
    return "" if os.path.isdir(path) and os.access(path, os.W_OK | os.X_OK) else "cannot be written"
found = [[path, wrong(path, number)] for path, number in same.items()]
print(json.dumps(found + [[path, unwritable(path)] for path in writes]))
"""


def require_present(runs: ScheduledRuns) -> None:
    """Raise ControlError for the first missing path among those that the scheduled runs need."""
    for path in runs.get("needs", ()):
        if not os.path.exists(path):
            raise ControlError(
                f"{path} is not on {os.uname().nodename}, where scheduled runs need it. {UNTOUCHED_NOTE} Expected on "
                f"that"
                " machine, at these paths: the checkout, its inventory, its Ansible and the files that"
                " proscribe_schedule_options name (docs/scheduling.md)"
            )


def require_visible(host: Host, units: Mapping[str, str], runs: ScheduledRuns) -> None:
    """Raise ControlError unless each service unit sees all paths that `runs` names.

    The error names the first bad path.

    `units` are texts by path, and only those of services are checked. The `account` of `runs` must be able to read the
    `paths`, execute the `starts`, and write to the `writes`.
    """
    named_paths = [*runs["paths"], *runs.get("starts", ()), *runs.get("writes", ())]
    if not named_paths:
        return
    _require_lasting(named_paths)
    # one service for each combination of settings, since equal settings see the same files
    path_by_settings: dict[tuple[str, ...], str] = {}
    for path, text in units.items():
        if path.endswith(".service"):
            path_by_settings.setdefault((*_parse_settings(text), *_read_drop_in_settings(host, path)), path)
    for settings, path in path_by_settings.items():
        for tried_path, problem in _try_paths(host, runs, settings):
            if problem:
                seen_problem = f"{tried_path} {problem} for {os.path.basename(path)}, as {runs['account']}"
                restrictions = ", ".join(
                    setting for setting in settings if setting.startswith(("Private", "Protect", "Inacc", "Temp"))
                )
                raise ControlError(f"{seen_problem}{restrictions and f' ({restrictions})'}. {EXPECTED_PLACES}")


def _require_lasting(paths: Iterable[str]) -> None:
    """Raise ControlError for the first path below a directory that loses its content, such as /tmp.

    The target of a symbolic link counts too.
    """
    for path in paths:
        for real_path in dict.fromkeys((os.path.normpath(path), os.path.realpath(path))):
            if temporary_directory := next(
                (place for place in TEMPORARY_DIRECTORIES if f"{real_path}/".startswith(f"{place}/")), ""
            ):
                link_note = "" if real_path == path else f", by way of a link: {real_path}"
                raise ControlError(
                    f"{path} is below {temporary_directory}, which is not kept{link_note}. {EXPECTED_PLACES}"
                )


def _parse_settings(text: str) -> Iterator[str]:
    """Yield the lines of a unit file that decide which files the unit can see and use."""
    for line in text.splitlines():
        name, sign, setting_value = map(str.strip, line.partition("="))
        if sign and name.startswith(VISIBILITY_SETTINGS):
            yield f"{name}={setting_value}"


def _read_drop_in_settings(host: Host, path: str) -> Iterator[str]:
    """Yield such lines (`_parse_settings`) from the drop-in files by which an administrator changes a unit."""
    for drop_in in list_drop_ins(host, os.path.basename(path)):
        yield from _parse_settings(read_unit_text(host, drop_in) or "")


def _try_paths(host: Host, runs: ScheduledRuns, settings: Sequence[str]) -> Iterable[Sequence[str]]:
    """Test all paths in a temporary unit with these settings.

    Return pairs of path and fault ("" for no fault).

    Raises ControlError if the temporary unit cannot be run.
    """
    starts, writes = list(runs.get("starts", ())), list(runs.get("writes", ()))
    trial_input = json.dumps([_read_identities([*runs["paths"], *starts]), starts, writes])
    properties = [
        word for unit_setting in (f"User={runs['account']}", *settings) for word in ("--property", unit_setting)
    ]
    unit = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", *properties, "--"]
    result = host.run_command(
        [*unit, sys.executable, "-I", "-S", "-c", TRIAL_PROGRAM], stdin=trial_input, timeout=TRIAL_TIMEOUT_SECONDS
    )
    try:
        path_problems: list[list[str]] = json.loads(result.out)
    except ValueError:
        message = " ".join((result.err or result.out).split())[-300:]
        raise ControlError(
            f"it cannot be tried what a unit sees ({message or f'exit code {result.rc}'}): "
            f"{' '.join(properties[1::2])}."
            f" {EXPECTED_PLACES}"
        ) from None
    return path_problems


def _read_identities(paths: Collection[str]) -> dict[str, list[int]]:
    """Return the device and inode of each existing path, to compare with those that a unit sees.

    A path that does not exist yet is left out.
    """
    status_by_path = {path: os.stat(path) for path in paths if os.path.exists(path)}
    return {path: [status.st_dev, status.st_ino] for path, status in status_by_path.items()}
