"""Packages of the rpm family taken off a host: simulated first, and only if nothing else goes or comes with them."""

from __future__ import annotations

import re
from functools import partial
from typing import Sequence

from ....system import ControlError, Host, ToolResult
from ...base import ControlAction
from ..blocks.parts import read_file_text
from .as_removed import as_removed
from .package import Package
from .rpm_block import ZYPPER_LOCKS, locks
from .rpm_transaction import patiently, said

SIMULATION = 120  # seconds; dnf may wait for another one of its kind before it even simulates

# Libraries that only the removed package needed stay, whatever the administrator's configuration says. What is left out
# in [main], which is where our install block is, cannot be removed either.
DNF = ["--disablerepo=*", "--setopt=clean_requirements_on_remove=False", "--setopt=disable_excludes=main"]
FRONTS = ("dnf5", "dnf", "zypper", "yum", "microdnf")  # of which one installs again what goes
ZYPPER = ["--non-interactive", "--no-refresh"]

DEPENDENT = re.compile(r" is needed by \(installed\) (\S+)")
SUMMARY = re.compile(r"^ *([A-Z][a-z]+):? +(\d+) packages?$", re.MULTILINE | re.IGNORECASE)
STAGES = re.compile(r"<to-([a-z-]+)>(.*?)</to-\1>", re.DOTALL)
SOLVABLE = re.compile(r'<solvable [^>]*\bname="([^"]+)"')


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """One transaction for all packages that can go without any other, and the reason for each that cannot."""
    chosen, refused = (packages, []) if not _objection(host, packages) else _largest(host, packages)
    if not chosen:
        return [], refused
    before = "".join(f"{package.handles[0]}\n" for package in chosen)
    names = ", ".join(package.id for package in chosen)
    front = next((name for name in FRONTS if host.find_tool(name)), "rpm")
    gone = [as_removed(one, f"{one.id}.{one.handles[0].rpartition('.')[2]}", how=front) for one in chosen]
    return [ControlAction("remove", names, partial(_remove, host, chosen), before, removed_packages=gone)], refused


def _largest(host: Host, packages: Sequence[Package]) -> tuple[list[Package], list[tuple[Package, str]]]:
    """As many of the packages as can go, and the reason for each that cannot."""
    chosen: list[Package] = []
    reasons: dict[Package, str] = {}
    grown = True
    while grown:  # what needed one of them may have been chosen since
        grown = False
        for package in [package for package in packages if package not in chosen]:
            reasons[package] = _objection(host, [*chosen, package])
            if not reasons[package]:
                chosen.append(package)
                grown = True
    return chosen, [(package, reasons[package]) for package in packages if package not in chosen]


def _objection(host: Host, packages: Sequence[Package]) -> str:
    """What speaks against removing some packages and nothing else; "" if nothing does."""
    handles = [package.handles[0] for package in packages]
    result = host.run_command(["rpm", "-e", "--test", "--", *handles])
    if result.rc:
        dependents = sorted(set(DEPENDENT.findall(result.err)))
        return f"would break {', '.join(dependents)}" if dependents else said(result)
    front = front_end(host, packages)
    if front == "zypper":
        return zypper_objection(host.run_command(_zypper(packages, "--dry-run"), timeout=SIMULATION), packages)
    if front:
        return dnf_objection(
            host.run_command([front, *DNF, "--assumeno", "remove", *handles], timeout=SIMULATION), packages
        )
    return ""


def front_end(host: Host, packages: Sequence[Package]) -> str:
    """What keeps the history of this host's packages, so that their removal belongs into it; "" where it is rpm's.

    zypper does not remove what it has locked, and our install block has locked what came in past it.
    """
    front = next((name for name in ("dnf5", "dnf", "zypper") if host.find_tool(name)), "")
    if front == "zypper" and locks(read_file_text(host, ZYPPER_LOCKS)) & {package.id for package in packages}:
        return ""
    return front


def dnf_objection(result: ToolResult, packages: Sequence[Package]) -> str:
    """What speaks against a simulated dnf transaction: anything but the removal of as many packages as were named.

    That no package needs the named ones is known by then; the count shows whatever else dnf would do.
    """
    steps = [(verb.lower(), int(count)) for verb, count in SUMMARY.findall(result.out)]
    if not steps:
        return said(result)
    if len(steps) == 1 and steps[0][0] in ("remove", "removing") and steps[0][1] == len(packages):
        return ""
    return f"would also change others: {', '.join(f'{verb} {count}' for verb, count in steps)}"


def zypper_objection(result: ToolResult, packages: Sequence[Package]) -> str:
    """What speaks against a simulated zypper transaction, as it prints it in XML."""
    names = {package.id for package in packages}
    steps = [(verb, name) for verb, inner in STAGES.findall(result.out) for name in SOLVABLE.findall(inner)]
    if result.rc or not steps:
        messages = " ".join(re.findall(r'<message type="error">(.*?)</message>', result.out, re.DOTALL))
        return messages or said(result)
    others = sorted({f"{verb} {name}" for verb, name in steps if verb != "remove" or name not in names})
    return f"would also {', '.join(others)}" if others else ""


def _zypper(packages: Sequence[Package], *more: str) -> list[str]:
    """A zypper command line, with `name=version` for each package: of several versions, the one that was observed."""
    desired = [f"{package.id}={package.version}" for package in packages]
    return ["zypper", *ZYPPER, "--xmlout", "remove", "--no-clean-deps", *more, *desired]


def _remove(host: Host, packages: Sequence[Package]) -> None:
    if reason := _objection(host, packages):  # the host may have changed since it was observed
        raise ControlError(f"not removed: {reason}")
    front = front_end(host, packages)
    handles = [package.handles[0] for package in packages]
    if front == "zypper":
        argv = _zypper(packages)
    elif front:
        argv = [front, *DNF, "--assumeyes", "remove", *handles]
    else:
        argv = ["rpm", "-e", "--", *handles]
    patiently(host, argv)
