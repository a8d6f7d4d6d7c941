"""Arch's packages taken off a host: simulated first, and only if nothing else goes with them."""

from __future__ import annotations

import re
import time
from functools import partial
from typing import Sequence

from ...host import ControlError, Host, Result
from ..base import Action
from .package import Package

LOCK = "/var/lib/pacman/db.lck"
PATIENCE = 60  # seconds to wait for another pacman to finish
LIMIT = 1800  # seconds; a package's own scripts and hooks may take long, and to interrupt them harms more than to wait

BREAKS = re.compile(r"^:: removing (\S+) breaks dependency '.*' required by (\S+)$", re.MULTILINE)


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[Action], list[tuple[Package, str]]]:
    """One transaction for all packages that can go without any other, and the reason for each that cannot."""
    if not host.tool("pacman"):
        return [], [(package, "pacman itself is not installed on this host") for package in packages]
    held = set(host.run(["pacman-conf", "HoldPkg"]).out.split())
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
    return [Action("remove", subject, partial(_remove, host, chosen), before)], refused


def _objections(host: Host, packages: Sequence[Package]) -> dict[Package, str]:
    """What speaks against removing some packages together, by package."""
    if not packages:
        return {}
    names = [package.id for package in packages]
    result = host.run(["pacman", "--remove", "--print", "--print-format", "%n", "--", *names])
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
    end = time.monotonic() + PATIENCE
    while host.stat(LOCK):
        if time.monotonic() > end:
            raise ControlError(
                f"not removed: another pacman has been at work for {PATIENCE} s; if none runs, one was interrupted and"
                f" left {LOCK}, which is for you to look into and delete"
            )
        time.sleep(0.5)
    if reasons := _objections(host, packages):  # the host may have changed since it was looked at
        raise ControlError(f"not removed: {'; '.join(dict.fromkeys(reasons.values()))}")
    result = host.run(["pacman", "--remove", "--noconfirm", "--", *(package.id for package in packages)], timeout=LIMIT)
    if result.rc:
        raise ControlError(f"pacman could not: {_said(result)}")


def _said(result: Result) -> str:
    """What pacman said, in one line."""
    return " ".join((result.err.strip() or result.out.strip()).split())[-400:]
