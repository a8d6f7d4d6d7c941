"""Removal of rpm packages: simulated first, and done only if it removes and installs no other packages."""

from __future__ import annotations

import re
from functools import partial
from typing import Sequence

from ....system import ControlError, Host, ToolResult
from ...base import ControlAction
from ..blocks.parts import read_file_text
from .package import Package
from .removed_record import make_removed_record
from .rpm_block import ZYPPER_LOCKS, list_locked_names
from .rpm_transaction import extract_error, run_transaction

SIMULATION_TIMEOUT_SECONDS = 120  # dnf may wait for another dnf before it simulates

# Libraries that only the removed package needed stay, whatever an administrator has configured. Proscribe's install
# block excludes the restricted names in [main], and dnf cannot remove excluded names. So these excludes are disabled.
DNF_OPTIONS = ["--disablerepo=*", "--setopt=clean_requirements_on_remove=False", "--setopt=disable_excludes=main"]
# Front ends of rpm. The record of a removed package names the first one of the host, to install the package again.
FRONT_ENDS = ("dnf5", "dnf", "zypper", "yum", "microdnf")
ZYPPER_OPTIONS = ["--non-interactive", "--no-refresh"]

DEPENDENT_PATTERN = re.compile(r" is needed by \(installed\) (\S+)")
SUMMARY_PATTERN = re.compile(r"^ *([A-Z][a-z]+):? +(\d+) packages?$", re.MULTILINE | re.IGNORECASE)
STAGE_PATTERN = re.compile(r"<to-([a-z-]+)>(.*?)</to-\1>", re.DOTALL)
SOLVABLE_PATTERN = re.compile(r'<solvable [^>]*\bname="([^"]+)"')


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """Return one action that removes packages together, and the packages that stay, each with the reason.

    A package stays if its removal would remove, break or change a package that is not in `packages`.
    """
    chosen, refusals = (packages, []) if not _find_objection(host, packages) else _choose_removable(host, packages)
    if not chosen:
        return [], refusals
    before = "".join(f"{package.handles[0]}\n" for package in chosen)
    names = ", ".join(package.id for package in chosen)
    front_end = next((name for name in FRONT_ENDS if host.find_tool(name)), "rpm")
    removed_records = [
        make_removed_record(package, f"{package.id}.{package.handles[0].rpartition('.')[2]}", how=front_end)
        for package in chosen
    ]
    return [
        ControlAction(
            "remove", names, partial(_remove_packages, host, chosen), before, removed_packages=removed_records
        )
    ], refusals


def _choose_removable(host: Host, packages: Sequence[Package]) -> tuple[list[Package], list[tuple[Package, str]]]:
    """Return as many packages as can be removed together without others, and the other packages with reasons.

    Packages are added one after another, if rpm and the front end have no objection.
    """
    chosen: list[Package] = []
    reasons: dict[Package, str] = {}
    has_grown = True
    while has_grown:  # a package whose removal another package prevented is tried again, if that one is chosen now
        has_grown = False
        for package in [package for package in packages if package not in chosen]:
            reasons[package] = _find_objection(host, [*chosen, package])
            if not reasons[package]:
                chosen.append(package)
                has_grown = True
    return chosen, [(package, reasons[package]) for package in packages if package not in chosen]


def _find_objection(host: Host, packages: Sequence[Package]) -> str:
    """Explain why these packages cannot be removed together without any other package, or return "".

    rpm and the front end simulate the removal.
    """
    handles = [package.handles[0] for package in packages]
    result = host.run_command(["rpm", "-e", "--test", "--", *handles])
    if result.rc:
        dependents = sorted(set(DEPENDENT_PATTERN.findall(result.err)))
        return f"would break {', '.join(dependents)}" if dependents else extract_error(result)
    tool = find_front_end(host, packages)
    if tool == "zypper":
        return find_zypper_objection(
            host.run_command(_make_zypper_command(packages, "--dry-run"), timeout=SIMULATION_TIMEOUT_SECONDS), packages
        )
    if tool:
        return find_dnf_objection(
            host.run_command(
                [tool, *DNF_OPTIONS, "--assumeno", "remove", *handles], timeout=SIMULATION_TIMEOUT_SECONDS
            ),
            packages,
        )
    return ""


def find_front_end(host: Host, packages: Sequence[Package]) -> str:
    """Return the front end that removes packages of this host, or "" if rpm itself must remove them.

    A front end is preferred, because it records the history of the packages. But zypper does not remove a package that
    it has locked. If Proscribe's install block has locked one of the packages, rpm removes all of them.
    """
    tool = next((name for name in ("dnf5", "dnf", "zypper") if host.find_tool(name)), "")
    if tool == "zypper" and list_locked_names(read_file_text(host, ZYPPER_LOCKS)) & {
        package.id for package in packages
    }:
        return ""
    return tool


def find_dnf_objection(result: ToolResult, packages: Sequence[Package]) -> str:
    """Explain why a simulated dnf transaction is refused, or return "" if it only removes the named packages.

    An earlier test with rpm has shown that no other package needs the named packages. So the counts in dnf's summary
    are enough to find other changes.
    """
    steps = [(verb.lower(), int(count)) for verb, count in SUMMARY_PATTERN.findall(result.out)]
    if not steps:
        return extract_error(result)
    if len(steps) == 1 and steps[0][0] in ("remove", "removing") and steps[0][1] == len(packages):
        return ""
    return f"would also change others: {', '.join(f'{verb} {count}' for verb, count in steps)}"


def find_zypper_objection(result: ToolResult, packages: Sequence[Package]) -> str:
    """Explain why a simulated zypper transaction (XML) is refused, or return "" if it only removes the packages."""
    names = {package.id for package in packages}
    steps = [
        (verb, name)
        for verb, stage_text in STAGE_PATTERN.findall(result.out)
        for name in SOLVABLE_PATTERN.findall(stage_text)
    ]
    if result.rc or not steps:
        messages = " ".join(re.findall(r'<message type="error">(.*?)</message>', result.out, re.DOTALL))
        return messages or extract_error(result)
    other_steps = sorted({f"{verb} {name}" for verb, name in steps if verb != "remove" or name not in names})
    return f"would also {', '.join(other_steps)}" if other_steps else ""


def _make_zypper_command(packages: Sequence[Package], *extra_options: str) -> list[str]:
    """Return the command of zypper that removes packages, each in the observed version (`name=version`)."""
    package_versions = [f"{package.id}={package.version}" for package in packages]
    return ["zypper", *ZYPPER_OPTIONS, "--xmlout", "remove", "--no-clean-deps", *extra_options, *package_versions]


def _remove_packages(host: Host, packages: Sequence[Package]) -> None:
    """Remove packages, after another simulation shows no objection.

    Raises ControlError.
    """
    if reason := _find_objection(host, packages):  # the host may have changed since the observation
        raise ControlError(f"not removed: {reason}")
    tool = find_front_end(host, packages)
    handles = [package.handles[0] for package in packages]
    if tool == "zypper":
        argv = _make_zypper_command(packages)
    elif tool:
        argv = [tool, *DNF_OPTIONS, "--assumeyes", "remove", *handles]
    else:
        argv = ["rpm", "-e", "--", *handles]
    run_transaction(host, argv)
