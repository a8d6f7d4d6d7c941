"""What scheduled runs are made of, as their units see it. Standard library only.

A unit sees another machine than whoever sets it up: its own /tmp, homes that may be hidden, file systems on which
nothing may be run. So what it needs is tried in a unit of the same kind, before anything is written.
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

# What does not stay: emptied at a boot, by age, or at a log-out (file-hierarchy(7)).
PASSING = ("/tmp", "/var/tmp", "/run", "/var/run", "/dev", "/proc", "/sys")
# Settings of a unit that decide what it sees and may do (systemd.exec(5)).
SETTINGS = (
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
TRYING = 60  # seconds
UNTOUCHED = "Nothing was touched."
BETTER = (
    f"{UNTOUCHED} Expected: the checkout, its inventory, its Ansible and the reports in places that stay and"
    " that the unit sees, such as /opt/proscribe and /var/lib/proscribe-reports (docs/scheduling.md)"
)
# Runs in the unit: what is wrong with each path, in words.
TRIAL = """
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
    """Raise ControlError with the first path that runs need and that is not on this machine."""
    for path in runs.get("needs", ()):
        if not os.path.exists(path):
            raise ControlError(
                f"{path} is not on {os.uname().nodename}, where scheduled runs need it. {UNTOUCHED} Expected on that"
                " machine, at these paths: the checkout, its inventory, its Ansible and the files that"
                " proscribe_schedule_options name (docs/scheduling.md)"
            )


def require_visible(host: Host, units: Mapping[str, str], runs: ScheduledRuns) -> None:
    """Raises ControlError, with the first path and what is wrong with it, unless the services see all that `runs`
    names. The services are among the `units` (texts by path). What is named are `paths`, of which they run `starts` and
    write to `writes`, as its `account`.
    """
    named = [*runs["paths"], *runs.get("starts", ()), *runs.get("writes", ())]
    if not named:
        return
    _require_lasting(named)
    kinds: dict[tuple[str, ...], str] = {}  # a service of each kind, by its settings
    for path, text in units.items():
        if path.endswith(".service"):
            kinds.setdefault((*_settings(text), *_added(host, path)), path)
    for settings, path in kinds.items():
        for thing, wrong in _tried(host, runs, settings):
            if wrong:
                seen = f"{thing} {wrong} for {os.path.basename(path)}, as {runs['account']}"
                why = ", ".join(one for one in settings if one.startswith(("Private", "Protect", "Inacc", "Temp")))
                raise ControlError(f"{seen}{why and f' ({why})'}. {BETTER}")


def _require_lasting(paths: Iterable[str]) -> None:
    """Raises ControlError for the first path that is below a place that is not kept, whatever links lead there."""
    for path in paths:
        for real in dict.fromkeys((os.path.normpath(path), os.path.realpath(path))):
            if below := next((place for place in PASSING if f"{real}/".startswith(f"{place}/")), ""):
                through = "" if real == path else f", by way of a link: {real}"
                raise ControlError(f"{path} is below {below}, which is not kept{through}. {BETTER}")


def _settings(text: str) -> Iterator[str]:
    """The settings of a unit's text that decide what it sees."""
    for line in text.splitlines():
        name, sign, value = map(str.strip, line.partition("="))
        if sign and name.startswith(SETTINGS):
            yield f"{name}={value}"


def _added(host: Host, path: str) -> Iterator[str]:
    """What an administrator has added to a unit."""
    for drop_in in list_drop_ins(host, os.path.basename(path)):
        yield from _settings(read_unit_text(host, drop_in) or "")


def _tried(host: Host, runs: ScheduledRuns, settings: Sequence[str]) -> Iterable[Sequence[str]]:
    """Each path, and what is wrong with it in a unit with these settings; "" for nothing."""
    starts, writes = list(runs.get("starts", ())), list(runs.get("writes", ()))
    given = json.dumps([_there([*runs["paths"], *starts]), starts, writes])
    properties = [word for one in (f"User={runs['account']}", *settings) for word in ("--property", one)]
    unit = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", *properties, "--"]
    done = host.run_command([*unit, sys.executable, "-I", "-S", "-c", TRIAL], stdin=given, timeout=TRYING)
    try:
        found: list[list[str]] = json.loads(done.out)
    except ValueError:
        said = " ".join((done.err or done.out).split())[-300:]
        raise ControlError(
            f"it cannot be tried what a unit sees ({said or f'exit code {done.rc}'}): {' '.join(properties[1::2])}."
            f" {BETTER}"
        ) from None
    return found


def _there(paths: Collection[str]) -> dict[str, list[int]]:
    """The paths that exist now, each with its device and inode; one that does not exist yet does not matter."""
    seen = {path: os.stat(path) for path in paths if os.path.exists(path)}
    return {path: [one.st_dev, one.st_ino] for path, one in seen.items()}
