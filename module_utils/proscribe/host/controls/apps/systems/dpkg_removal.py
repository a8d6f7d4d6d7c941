"""Removal of Debian packages.

Each removal is simulated first, and done only if no other package would be removed or installed.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Iterator, Sequence

from .....model.removal_record import RemovedPackage
from ....system import STATE_DIRECTORY, ControlError, Host, ToolResult
from ...base import ControlAction
from .package import Package
from .removed_record import make_removed_record

# The options hide apt's package lists, so that apt finds no packages to install as replacements. apt's cache would then
# lack these lists, so apt writes no cache file. An administrator's apt.conf may set apt to purge or to remove unneeded
# packages; Proscribe's removals do neither. An apt.conf may also set a default release. Without lists that release does
# not exist and apt would stop, so no release is set.
APT_OPTIONS = [
    "--quiet",
    "--option=Dir::State::lists=/nonexistent",
    "--option=Dir::Cache::pkgcache=",
    "--option=Dir::Cache::srcpkgcache=",
    "--option=APT::Default-Release=",
    "--option=APT::Get::AutomaticRemove=false",
    "--option=APT::Get::Purge=false",
]
# This directory has changes that dpkg has not written into its database yet. Until then apt refuses to work.
JOURNAL_DIRECTORY = "/var/lib/dpkg/updates"
# this file exists during a removal: it shows a later run that an interrupted removal was Proscribe's
REMOVAL_MARK_PATH = STATE_DIRECTORY + "/dpkg"
LOCK_TIMEOUT_SECONDS = 60  # apt waits this long for another package manager (since apt 1.9.11).
# The removal scripts of a package may stop services; an interruption harms more than waiting.
REMOVAL_TIMEOUT_SECONDS = 1800

APT_STEP_PATTERN = re.compile(r"^(Remv|Purg|Inst|Conf) (\S+)", re.MULTILINE)
DEPENDENT_PATTERN = re.compile(r"^ (\S+) (?:pre-)?depends on ", re.MULTILINE)


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """Return one action that removes packages together, and the packages that stay, each with the reason.

    A package stays if its removal would remove or install a package that is not in `packages`. If not all packages can
    be removed together, they are tried one after another. Each is chosen if it can be removed together with those that
    were chosen before.
    """
    refusals = [(package, reason) for package in packages if (reason := _find_refusal_reason(host, package))]
    candidates = [
        package for package in packages if package not in [refused_package for refused_package, _ in refusals]
    ]
    chosen = candidates
    if candidates and _find_objection(host, candidates, candidates):
        chosen = []
        for package in candidates:
            # a removal may also remove candidates that were not added yet, but no refused ones
            allowed = [
                candidate
                for candidate in candidates
                if candidate not in [refused_package for refused_package, _ in refusals]
            ]
            if reason := _find_objection(host, [*chosen, package], allowed):
                refusals.append((package, reason))
            else:
                chosen.append(package)
    if not chosen:
        return [], refusals
    before = "".join(f"{package.handles[0]} {package.version}\n" for package in chosen)
    names = ", ".join(package.handles[0] for package in chosen)
    return [
        ControlAction(
            "remove",
            names,
            partial(_remove_packages, host, chosen),
            before,
            removed_packages=_make_removed_records(host, chosen),
        )
    ], refusals


def _make_removed_records(host: Host, packages: Sequence[Package]) -> list[RemovedPackage]:
    """Make the records with which the packages can be installed again after they are removed.

    Each record has apt's mark: "auto" for a package that was installed as a dependency, otherwise "manual". Without
    this mark in the record, a package that is installed again by name would always be manual.
    """
    front_end = "apt-get" if host.find_tool("apt-get") else "dpkg"
    auto_names = set()
    if host.find_tool("apt-mark"):
        auto_names = set(
            host.run_command(["apt-mark", "showauto", *(package.handles[0] for package in packages)]).out.split()
        )
    return [
        make_removed_record(
            package, how=front_end, mark="auto" if auto_names & {package.id, *package.handles} else "manual"
        )
        for package in packages
    ]


def _find_refusal_reason(host: Host, package: Package) -> str:
    """Return the reason why a removal of the package is not even simulated, or "".

    The package is on hold, or the system needs it (Essential or Protected).
    """
    if package.is_held:
        return f"it is on hold; to let it go: apt-mark unhold {package.id}"
    # Before dpkg had the field Protected, apt called it Important.
    query_format = "${Essential} ${Protected} ${Important}"
    if "yes" in host.read_command_output(["dpkg-query", "-W", "-f", query_format, package.handles[0]]).split():
        return "the system cannot do without it (Essential or Protected)"
    return ""


def _find_objection(host: Host, packages: Sequence[Package], allowed: Sequence[Package]) -> str:
    """Return the reason why `packages` cannot be removed together, or "". The removal is simulated.

    The simulation may remove only packages in `allowed`, and install none. A handle of a package is dpkg's name for it,
    with the architecture if needed. Without apt, dpkg itself simulates the removal.
    """
    names = [package.handles[0] for package in packages]
    if not host.find_tool("apt-get"):
        result = host.run_command(["dpkg", "--simulate", "--remove", *names])
        dependents = sorted(set(DEPENDENT_PATTERN.findall(result.err)))
        if dependents:
            return f"would break {', '.join(dependents)}"
        return _extract_error(result) if result.rc else ""
    result = host.run_command(["apt-get", "--simulate", *APT_OPTIONS, "remove", *names])
    if result.rc:
        return _extract_error(result)
    native_architecture = host.read_command_output(["dpkg", "--print-architecture"]).strip()
    removable_names = {_strip_architecture(package.handles[0], native_architecture) for package in allowed}
    steps = [(verb, _strip_architecture(name, native_architecture)) for verb, name in parse_simulation(result.out)]
    for verb, action in (("Remv", "remove"), ("Purg", "purge"), ("Inst", "install")):
        affected_names = sorted(
            {name for step_verb, name in steps if step_verb == verb and (verb != "Remv" or name not in removable_names)}
        )
        if affected_names:
            return f"would also {action} {', '.join(affected_names)}"
    unconfigured = sorted({name for step_verb, name in steps if step_verb == "Conf"})
    if unconfigured:
        return f"repair dpkg first: `dpkg --configure -a` (not configured: {', '.join(unconfigured)})"
    return ""


def parse_simulation(simulation: str) -> Iterator[tuple[str, str]]:
    """Yield the steps of a removal that apt simulated.

    A step is a verb (Remv, Purg, Inst or Conf) and the name of a package.
    """
    return ((match[1], match[2]) for match in APT_STEP_PATTERN.finditer(simulation))


def _strip_architecture(name: str, native_architecture: str) -> str:
    """Return the name of a package without the architecture if that is the host's own, as apt prints it."""
    suffix = f":{native_architecture}"
    return name[: -len(suffix)] if name.endswith(suffix) else name


def _remove_packages(host: Host, packages: Sequence[Package]) -> None:
    """Remove the packages with apt, or with dpkg if there is no apt. Raises ControlError.

    If a removal by an earlier run was interrupted, dpkg itself completes it, because apt refuses to work then. The file
    REMOVAL_MARK_PATH shows that the interrupted removal was Proscribe's.
    """
    names = [package.handles[0] for package in packages]
    if reason := _find_objection(host, packages, packages):  # the host may have changed since the observation
        raise ControlError(f"not removed: {reason}")
    # An interrupted operation of another program is left as it is: apt then refuses to work, and the error is reported.
    is_interrupted = bool(host.list_directory(JOURNAL_DIRECTORY))
    is_own_removal = is_interrupted and host.find_entry(REMOVAL_MARK_PATH) is not None
    if host.find_tool("apt-get") and not is_own_removal:
        lock_option = f"--option=DPkg::Lock::Timeout={LOCK_TIMEOUT_SECONDS}"
        argv = ["apt-get", "--yes", *APT_OPTIONS, lock_option, "remove", *names]
    else:
        argv = ["dpkg", "--remove", *names]
    if not is_interrupted:
        host.write_file(REMOVAL_MARK_PATH, "".join(f"{name}\n" for name in names), 0o600)
    result = host.run_command(argv, timeout=REMOVAL_TIMEOUT_SECONDS)
    if not host.list_directory(JOURNAL_DIRECTORY):
        host.delete_file(REMOVAL_MARK_PATH)
    if result.rc:
        raise ControlError(f"{argv[0]} could not: {_extract_error(result)}")


def _extract_error(result: ToolResult) -> str:
    """Return the error messages of apt or dpkg as one line; all output if no line is an error message.

    The line has at most 400 characters.
    """
    text = result.err.strip() or result.out.strip()
    errors = [line for line in text.splitlines() if line.startswith(("E:", "dpkg: error"))]
    return " ".join(" ".join(errors or [text]).split())[-400:]
