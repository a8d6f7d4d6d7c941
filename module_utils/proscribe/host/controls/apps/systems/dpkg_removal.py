"""Debian packages taken off a host: simulated first, and only if nothing else goes or comes with them."""

from __future__ import annotations

import re
from functools import partial
from typing import Iterator, Sequence

from .....model.removed import RemovedPackage
from ....system import STATE_DIRECTORY, ControlError, Host, ToolResult
from ...base import ControlAction
from .as_removed import as_removed
from .package import Package

# Without package lists apt knows of nothing that it could install in place of what goes. Without a cache file it leaves
# none that lacks them. An administrator's apt.conf may purge or clean up by default: not in our name. It may also name
# a release that is preferred, which without lists does not exist, and stops apt.
APT_OPTIONS = [
    "--quiet",
    "--option=Dir::State::lists=/nonexistent",
    "--option=Dir::Cache::pkgcache=",
    "--option=Dir::Cache::srcpkgcache=",
    "--option=APT::Default-Release=",
    "--option=APT::Get::AutomaticRemove=false",
    "--option=APT::Get::Purge=false",
]
# What dpkg has not put into its database yet; apt goes nowhere while there is any.
JOURNAL = "/var/lib/dpkg/updates"
MARK = STATE_DIRECTORY + "/dpkg"  # there while a removal of ours is at work, so that what it left is known as ours
PATIENCE = 60  # seconds that apt waits for another package manager to finish (since apt 1.9.11).
# Seconds; a package's own removal scripts may stop services, and to interrupt them harms more than to wait.
LIMIT = 1800

BATCH = re.compile(r"^(Remv|Purg|Inst|Conf) (\S+)", re.MULTILINE)
DEPENDENT = re.compile(r"^ (\S+) (?:pre-)?depends on ", re.MULTILINE)


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """One transaction for all packages that can go without any other, and the reason for each that cannot."""
    refused = [(package, reason) for package in packages if (reason := _refused(host, package))]
    left = [package for package in packages if package not in [other for other, _ in refused]]
    chosen = left
    if left and _objection(host, left, left):
        chosen = []
        for package in left:
            allowed = [p for p in left if p not in [other for other, _ in refused]]
            if reason := _objection(host, [*chosen, package], allowed):
                refused.append((package, reason))
            else:
                chosen.append(package)
    if not chosen:
        return [], refused
    before = "".join(f"{package.handles[0]} {package.version}\n" for package in chosen)
    names = ", ".join(package.handles[0] for package in chosen)
    return [
        ControlAction("remove", names, partial(_remove, host, chosen), before, removed_packages=_taken(host, chosen))
    ], refused


def _taken(host: Host, packages: Sequence[Package]) -> list[RemovedPackage]:
    """How each comes back: apt marks what it installs for its own sake, so what it had for others' is known as such."""
    front = "apt-get" if host.find_tool("apt-get") else "dpkg"
    auto = set()
    if host.find_tool("apt-mark"):
        auto = set(
            host.run_command(["apt-mark", "showauto", *(package.handles[0] for package in packages)]).out.split()
        )
    return [as_removed(one, how=front, mark="auto" if auto & {one.id, *one.handles} else "manual") for one in packages]


def _refused(host: Host, package: Package) -> str:
    """Why a package is not even tried; "" if it may be."""
    if package.held:
        return f"it is on hold; to let it go: apt-mark unhold {package.id}"
    form = "${Essential} ${Protected} ${Important}"  # Important: what apt called Protected before dpkg knew it
    if "yes" in host.read_command_output(["dpkg-query", "-W", "-f", form, package.handles[0]]).split():
        return "the system cannot do without it (Essential or Protected)"
    return ""


def _objection(host: Host, packages: Sequence[Package], allowed: Sequence[Package]) -> str:
    """What speaks against removing some packages, when only the allowed ones may go; "" if nothing does."""
    names = [package.handles[0] for package in packages]
    if not host.find_tool("apt-get"):
        result = host.run_command(["dpkg", "--simulate", "--remove", *names])
        dependents = sorted(set(DEPENDENT.findall(result.err)))
        if dependents:
            return f"would break {', '.join(dependents)}"
        return _said(result) if result.rc else ""
    result = host.run_command(["apt-get", "--simulate", *APT_OPTIONS, "remove", *names])
    if result.rc:
        return _said(result)
    native = host.read_command_output(["dpkg", "--print-architecture"]).strip()
    may_go = {_plain(package.handles[0], native) for package in allowed}
    steps = [(verb, _plain(name, native)) for verb, name in parse(result.out)]
    for verb, what in (("Remv", "remove"), ("Purg", "purge"), ("Inst", "install")):
        harmed = sorted({name for step, name in steps if step == verb and (verb != "Remv" or name not in may_go)})
        if harmed:
            return f"would also {what} {', '.join(harmed)}"
    unconfigured = sorted({name for step, name in steps if step == "Conf"})
    if unconfigured:
        return f"repair dpkg first: `dpkg --configure -a` (not configured: {', '.join(unconfigured)})"
    return ""


def parse(simulation: str) -> Iterator[tuple[str, str]]:
    """The steps of a simulated apt transaction: Remv, Purg, Inst or Conf, and the package."""
    return ((match[1], match[2]) for match in BATCH.finditer(simulation))


def _plain(name: str, native: str) -> str:
    """A package's name as apt prints it: the host's own architecture is left out."""
    suffix = f":{native}"
    return name[: -len(suffix)] if name.endswith(suffix) else name


def _remove(host: Host, packages: Sequence[Package]) -> None:
    names = [package.handles[0] for package in packages]
    if reason := _objection(host, packages, packages):  # the host may have changed since it was observed
        raise ControlError(f"not removed: {reason}")
    # A removal of ours that was killed is completed by dpkg itself. One of somebody else is left, and reported by apt.
    interrupted = bool(host.list_directory(JOURNAL))
    ours = interrupted and host.find_entry(MARK) is not None
    if host.find_tool("apt-get") and not ours:
        wait = f"--option=DPkg::Lock::Timeout={PATIENCE}"
        argv = ["apt-get", "--yes", *APT_OPTIONS, wait, "remove", *names]
    else:
        argv = ["dpkg", "--remove", *names]
    if not interrupted:
        host.write_file(MARK, "".join(f"{name}\n" for name in names), 0o600)
    result = host.run_command(argv, timeout=LIMIT)
    if not host.list_directory(JOURNAL):
        host.delete_file(MARK)
    if result.rc:
        raise ControlError(f"{argv[0]} could not: {_said(result)}")


def _said(result: ToolResult) -> str:
    """A tool's own errors in one line."""
    text = result.err.strip() or result.out.strip()
    errors = [line for line in text.splitlines() if line.startswith(("E:", "dpkg: error"))]
    return " ".join(" ".join(errors or [text]).split())[-400:]
