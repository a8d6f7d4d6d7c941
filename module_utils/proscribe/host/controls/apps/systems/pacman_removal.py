"""Removal of packages of Arch Linux.

Each removal is simulated first, and done only if no other package would be removed.
"""

from __future__ import annotations

import re
import time
from functools import partial
from typing import Sequence

from .....model.removal_record import RemovedPackage
from ....system import STATE_DIRECTORY, ControlError, Host, ToolResult
from ...base import ControlAction
from .package import Package
from .removed_record import make_removed_record

LOCK_PATH = "/var/lib/pacman/db.lck"
# This file exists while pacman removes packages for Proscribe. If a run is killed, pacman's lock file stays. This file
# then shows a later run that the lock comes from Proscribe's removal.
REMOVAL_MARK_PATH = STATE_DIRECTORY + "/pacman"
LOCK_DELAY_SECONDS = 60  # pacman creates its lock at most this long after Proscribe wrote the mark and started pacman
LOCK_TIMEOUT_SECONDS = 60  # Proscribe waits this long for another pacman to finish
REMOVAL_TIMEOUT_SECONDS = (
    1800  # the scripts and hooks of a package may take long, and an interruption would do more harm than waiting
)

BREAKAGE_PATTERN = re.compile(r"^:: removing (\S+) breaks dependency '.*' required by (\S+)$", re.MULTILINE)


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """Return one action that removes packages together, and the packages that stay, each with the reason.

    A package stays if its removal would remove or break a package that is not restricted. It also stays if HoldPkg in
    pacman.conf names it.
    """
    if not host.find_tool("pacman"):
        return [], [(package, "pacman itself is not installed on this host") for package in packages]
    held_names = set(host.run_command(["pacman-conf", "HoldPkg"]).out.split())
    refusals = [
        (package, f"it is on hold: HoldPkg in pacman.conf names {package.id}")
        for package in packages
        if package.id in held_names
    ]
    chosen = [package for package in packages if package.id not in held_names]
    # If one package cannot be removed, pacman removes none of them. So the packages with a reason are taken out and the
    # rest is simulated again. A package that stays may need another package, so this repeats.
    while reasons := _find_objections(host, chosen):
        refusals += reasons.items()
        chosen = [package for package in chosen if package not in reasons]
    if not chosen:
        return [], refusals
    before = "".join(f"{package.id} {package.version}\n" for package in chosen)
    subject = ", ".join(package.id for package in chosen)
    return [
        ControlAction(
            "remove",
            subject,
            partial(_remove_packages, host, chosen),
            before,
            removed_packages=_make_removed_records(host, chosen),
        )
    ], refusals


def _make_removed_records(host: Host, packages: Sequence[Package]) -> list[RemovedPackage]:
    """Make the records with which the packages can be installed again after they are removed.

    Each record has a mark: "auto" if pacman's file `desc` says that the package was a dependency (`%REASON%`),
    otherwise "manual".
    """
    descriptions = {package: host.read_text(f"{package.path}/desc") or "" for package in packages}
    return [
        make_removed_record(package, mark="auto" if "%REASON%\n1\n" in text else "manual")
        for package, text in descriptions.items()
    ]


def _find_objections(host: Host, packages: Sequence[Package]) -> dict[Package, str]:
    """Simulate the removal of packages together, and return, by package, why it cannot be removed.

    Return {} if all can be removed. If pacman names the packages that others need, only these have a reason. Otherwise
    all packages have the same reason.
    """
    if not packages:
        return {}
    names = [package.id for package in packages]
    result = host.run_command(["pacman", "--remove", "--print", "--print-format", "%n", "--", *names])
    if result.rc == 0:
        additional_names = sorted(set(result.out.split()) - set(names))
        return dict.fromkeys(packages, f"would also remove {', '.join(additional_names)}") if additional_names else {}
    dependents_by_package = parse_breakages(result.out + result.err)
    reasons = {
        package: f"would break {', '.join(dependents_by_package[package.id])}"
        for package in packages
        if package.id in dependents_by_package
    }
    return reasons or dict.fromkeys(packages, _extract_error(result))


def parse_breakages(output: str) -> dict[str, list[str]]:
    """Return, by package, the other packages that need it. `output` is pacman's refusal of a removal."""
    dependents_by_package: dict[str, set[str]] = {}
    for name, dependent in BREAKAGE_PATTERN.findall(output):
        dependents_by_package.setdefault(name, set()).add(dependent)
    return {name: sorted(dependents) for name, dependents in dependents_by_package.items()}


def _remove_packages(host: Host, packages: Sequence[Package]) -> None:
    """Remove the packages, after another pacman has finished and a simulation shows no objection.

    Raises ControlError, also if the other pacman does not finish within LOCK_TIMEOUT_SECONDS. The file
    REMOVAL_MARK_PATH exists while pacman works for Proscribe.
    """
    if _is_own_stale_lock(host):
        host.delete_file(LOCK_PATH)
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while host.find_entry(LOCK_PATH):
        if time.monotonic() > deadline:
            raise ControlError(
                f"not removed: another pacman has been at work for {LOCK_TIMEOUT_SECONDS} s; if none runs, one was "
                f"interrupted and"
                f" left {LOCK_PATH}, which is for you to look into and delete"
            )
        time.sleep(0.5)
    # simulated again, because the host may have changed since the observation
    if reasons := _find_objections(host, packages):
        raise ControlError(f"not removed: {'; '.join(dict.fromkeys(reasons.values()))}")
    host.write_file(REMOVAL_MARK_PATH, "".join(f"{package.id}\n" for package in packages), 0o600)
    result = host.run_command(
        ["pacman", "--remove", "--noconfirm", "--", *(package.id for package in packages)],
        timeout=REMOVAL_TIMEOUT_SECONDS,
    )
    if not host.find_entry(LOCK_PATH):
        host.delete_file(REMOVAL_MARK_PATH)
    if result.rc:
        raise ControlError(f"pacman could not: {_extract_error(result)}")


def _is_own_stale_lock(host: Host) -> bool:
    """Return whether pacman's lock file is left from a removal by an earlier run of Proscribe that was killed.

    The lock of a pacman that Proscribe did not start stays, because only an administrator can judge its interrupted
    work.
    """
    lock, mark = host.find_entry(LOCK_PATH), host.find_entry(REMOVAL_MARK_PATH)
    # the lock must have been created soon after the mark, and no pacman may be running
    if lock is None or mark is None or not 0 <= lock.st_ctime - mark.st_ctime <= LOCK_DELAY_SECONDS:
        return False
    return not any(process.exe.endswith("/pacman") for process in host.list_processes()[0])


def _extract_error(result: ToolResult) -> str:
    """Return pacman's error messages as one line of at most 400 characters."""
    return " ".join((result.err.strip() or result.out.strip()).split())[-400:]
