"""Arch's packages taken off a host: simulated first, and only if nothing else goes with them."""

from __future__ import annotations

import re
import time
from functools import partial
from typing import Sequence

from .....model.removed import RemovedPackage
from ....system import STATE_DIRECTORY, ControlError, Host, ToolResult
from ...base import ControlAction
from .as_removed import as_removed
from .package import Package

LOCK = "/var/lib/pacman/db.lck"
MARK = STATE_DIRECTORY + "/pacman"  # there while a pacman of ours is at work, so that a lock which it left is known
SOON = 60  # seconds within which a pacman that was started takes its lock
PATIENCE = 60  # seconds to wait for another pacman to finish
LIMIT = 1800  # seconds; a package's own scripts and hooks may take long, and to interrupt them harms more than to wait

BREAKS = re.compile(r"^:: removing (\S+) breaks dependency '.*' required by (\S+)$", re.MULTILINE)


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """One transaction for all packages that can go without any other, and the reason for each that cannot."""
    if not host.find_tool("pacman"):
        return [], [(package, "pacman itself is not installed on this host") for package in packages]
    held = set(host.run_command(["pacman-conf", "HoldPkg"]).out.split())
    refused = [
        (package, f"it is on hold: HoldPkg in pacman.conf names {package.id}")
        for package in packages
        if package.id in held
    ]
    chosen = [package for package in packages if package.id not in held]
    # pacman refuses them all for what speaks against one of them; what stays may be what another one is needed by.
    while reasons := _objections(host, chosen):
        refused += reasons.items()
        chosen = [package for package in chosen if package not in reasons]
    if not chosen:
        return [], refused
    before = "".join(f"{package.id} {package.version}\n" for package in chosen)
    subject = ", ".join(package.id for package in chosen)
    return [
        ControlAction("remove", subject, partial(_remove, host, chosen), before, removed_packages=_taken(host, chosen))
    ], refused


def _taken(host: Host, packages: Sequence[Package]) -> list[RemovedPackage]:
    """What came since others need it comes back as such (`%REASON%` in its `desc`)."""
    descriptions = {package: host.read_text(f"{package.path}/desc") or "" for package in packages}
    return [as_removed(one, mark="auto" if "%REASON%\n1\n" in text else "manual") for one, text in descriptions.items()]


def _objections(host: Host, packages: Sequence[Package]) -> dict[Package, str]:
    """What speaks against removing some packages together, by package."""
    if not packages:
        return {}
    names = [package.id for package in packages]
    result = host.run_command(["pacman", "--remove", "--print", "--print-format", "%n", "--", *names])
    if result.rc == 0:
        more = sorted(set(result.out.split()) - set(names))
        return dict.fromkeys(packages, f"would also remove {', '.join(more)}") if more else {}
    broken = parse(result.out + result.err)
    reasons = {p: f"would break {', '.join(broken[p.id])}" for p in packages if p.id in broken}
    return reasons or dict.fromkeys(packages, _said(result))


def parse(answer: str) -> dict[str, list[str]]:
    """By package: what would break without it, in what pacman says where it may not."""
    broken: dict[str, set[str]] = {}
    for name, dependent in BREAKS.findall(answer):
        broken.setdefault(name, set()).add(dependent)
    return {name: sorted(dependents) for name, dependents in broken.items()}


def _remove(host: Host, packages: Sequence[Package]) -> None:
    if _left_by_ours(host):
        host.delete_file(LOCK)
    end = time.monotonic() + PATIENCE
    while host.find_entry(LOCK):
        if time.monotonic() > end:
            raise ControlError(
                f"not removed: another pacman has been at work for {PATIENCE} s; if none runs, one was interrupted and"
                f" left {LOCK}, which is for you to look into and delete"
            )
        time.sleep(0.5)
    if reasons := _objections(host, packages):  # the host may have changed since it was observed
        raise ControlError(f"not removed: {'; '.join(dict.fromkeys(reasons.values()))}")
    host.write_file(MARK, "".join(f"{package.id}\n" for package in packages), 0o600)
    result = host.run_command(
        ["pacman", "--remove", "--noconfirm", "--", *(package.id for package in packages)], timeout=LIMIT
    )
    if not host.find_entry(LOCK):
        host.delete_file(MARK)
    if result.rc:
        raise ControlError(f"pacman could not: {_said(result)}")


def _left_by_ours(host: Host) -> bool:
    """Whether the lock is that of a pacman which an earlier run started and which was killed. Anybody else's stays:
    what it was in the middle of is not ours to judge.
    """
    lock, mark = host.find_entry(LOCK), host.find_entry(MARK)
    if lock is None or mark is None or not 0 <= lock.st_ctime - mark.st_ctime <= SOON:
        return False
    return not any(process.exe.endswith("/pacman") for process in host.list_processes()[0])


def _said(result: ToolResult) -> str:
    """What pacman said, in one line."""
    return " ".join((result.err.strip() or result.out.strip()).split())[-400:]
