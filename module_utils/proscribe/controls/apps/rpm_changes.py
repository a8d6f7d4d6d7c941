"""Packages of the rpm family taken off a host: simulated first, and only if nothing else goes or comes with them."""

from __future__ import annotations

import re
import time
from functools import partial
from typing import Sequence

from ...host import ControlError, Host, Result
from ..base import Action
from .package import Package

PATIENCE = 60  # seconds to wait for another package manager to finish
LIMIT = 1800  # seconds; a package's own scripts may stop services, and to interrupt them harms more than to wait

# Libraries that only the removed package needed stay, whatever the administrator's configuration says.
DNF = ["--assumeyes", "--disablerepo=*", "--setopt=clean_requirements_on_remove=False"]
ZYPPER = ["--non-interactive", "--no-refresh"]

DEPENDENT = re.compile(r" is needed by \(installed\) (\S+)")
SUMMARY = re.compile(r"^ *([A-Z][a-z]+):? +(\d+) packages?$", re.MULTILINE | re.IGNORECASE)
STEPS = re.compile(r"<to-([a-z-]+)>(.*?)</to-\1>", re.DOTALL)
SOLVABLE = re.compile(r'<solvable [^>]*\bname="([^"]+)"')


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[Action], list[tuple[Package, str]]]:
    """One transaction for all packages that can go without any other, and the reason for each that cannot."""
    if not packages or not _objection(host, packages):
        chosen, refused = list(packages), []
    else:
        chosen, refused = [], []
        for package in packages:
            # A package goes with those that need it, if these are to go as well and can.
            reason = _objection(host, [*chosen, package]) or ""
            if reason:
                refused.append((package, reason))
            else:
                chosen.append(package)
        for package, _ in list(refused):  # what stood in the way of the first may have been chosen since
            if not _objection(host, [*chosen, package]):
                chosen.append(package)
                refused = [(other, why) for other, why in refused if other != package]
    if not chosen:
        return [], refused
    before = "".join(f"{package.handles[0]}\n" for package in chosen)
    names = ", ".join(package.id for package in chosen)
    return [Action("remove", names, partial(_remove, host, chosen), before)], refused


def _objection(host: Host, packages: Sequence[Package]) -> str:
    """What speaks against removing some packages and nothing else; "" if nothing does."""
    handles = [package.handles[0] for package in packages]
    result = host.run(["rpm", "-e", "--test", "--", *handles])
    if result.rc:
        dependents = sorted(set(DEPENDENT.findall(result.err)))
        return f"would break {', '.join(dependents)}" if dependents else said(result)
    front = front_end(host)
    if front == "zypper":
        return zypper_objection(host.run(_zypper(packages, "--dry-run"), timeout=PATIENCE), packages)
    if front:
        return dnf_objection(host.run([front, *DNF, "--assumeno", "remove", *handles], timeout=PATIENCE), packages)
    return ""


def front_end(host: Host) -> str:
    """What keeps the history of this host's packages, so that a removal belongs into it; "" where there is only rpm."""
    return next((name for name in ("dnf5", "dnf", "zypper") if host.tool(name)), "")


def dnf_objection(result: Result, packages: Sequence[Package]) -> str:
    """What speaks against a simulated dnf transaction: anything but the removal of as many packages as were named.

    That no package needs the named ones is known by then; the count tells whatever else dnf would do.
    """
    steps = [(verb.lower(), int(count)) for verb, count in SUMMARY.findall(result.out)]
    if not steps:
        return said(result)
    if len(steps) == 1 and steps[0][0] in ("remove", "removing") and steps[0][1] == len(packages):
        return ""
    return f"would also change others: {', '.join(f'{verb} {count}' for verb, count in steps)}"


def zypper_objection(result: Result, packages: Sequence[Package]) -> str:
    """What speaks against a simulated zypper transaction, as it tells it in XML."""
    names = {package.id for package in packages}
    steps = [(verb, name) for verb, inner in STEPS.findall(result.out) for name in SOLVABLE.findall(inner)]
    if result.rc or not steps:
        messages = " ".join(re.findall(r'<message type="error">(.*?)</message>', result.out, re.DOTALL))
        return messages or said(result)
    others = sorted({f"{verb} {name}" for verb, name in steps if verb != "remove" or name not in names})
    return f"would also {', '.join(others)}" if others else ""


def _zypper(packages: Sequence[Package], *more: str) -> list[str]:
    """A zypper command line. It takes `name=version` for one of several versions; what it cannot tell is the epoch 0."""
    wanted = [f"{package.id}={package.version}" for package in packages]
    return ["zypper", *ZYPPER, "--xmlout", "remove", "--no-clean-deps", *more, *wanted]


def _remove(host: Host, packages: Sequence[Package]) -> None:
    if reason := _objection(host, packages):  # the host may have changed since it was looked at
        raise ControlError(f"not removed: {reason}")
    front = front_end(host)
    handles = [package.handles[0] for package in packages]
    if front == "zypper":
        argv = _zypper(packages)
    elif front:
        argv = [front, *DNF, "remove", *handles]
    else:
        argv = ["rpm", "-e", "--", *handles]
    patiently(host, argv)


def patiently(host: Host, argv: Sequence[str]) -> None:
    """Carry out a transaction, and wait for another package manager to finish first. Raises ControlError."""
    end = time.monotonic() + PATIENCE
    result = host.run(argv, timeout=LIMIT)
    while result.rc and _busy(argv[0], result):
        if time.monotonic() > end:
            raise ControlError(f"another package manager has been at work for {PATIENCE} s: {said(result)}")
        time.sleep(1)
        result = host.run(argv, timeout=LIMIT)
    if result.rc:
        raise ControlError(f"{argv[0]} could not: {said(result)}")


def _busy(tool: str, result: Result) -> bool:
    """Whether a tool gave way to another one: zypper's own lock, or rpm's, which all of them end up with."""
    return (tool == "zypper" and result.rc == 7) or "transaction lock" in result.err + result.out


def said(result: Result) -> str:
    """A tool's own errors in one line."""
    text = result.err.strip() or result.out.strip()
    errors = [line for line in text.splitlines() if line.lower().startswith(("error:", " problem", "problem"))]
    return " ".join(" ".join(errors or [text]).split())[-400:]
