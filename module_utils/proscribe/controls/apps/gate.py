"""The gates of the package systems as one rule: which files have to be there, and what is wrong with them."""

from __future__ import annotations

import stat
from typing import Any, Iterator, Mapping

from ...finding import Finding, Verdict, judge
from ...host import ControlError, Host, Unseen
from .package import GateFile
from .sight import SYSTEMS, Wanted

RULE = "apps/reinstall-gate"


def observe(host: Host, plan: Mapping[str, Any], wanted: Wanted) -> list[Verdict]:
    """The gate's verdict; none where no gate is called for and none stands, or where nothing is enforced at all."""
    section = plan["controls"]["apps"]
    if section["mode"] != "enforce":
        return []
    files = list(expected(host, plan, wanted))
    try:
        found = [
            Finding("gate", file.path.rpartition("/")[2], manager, path=file.path, detail=problem)
            for manager, file, called_for in files
            if (problem := wrong(host, file, called_for))
        ]
    except Unseen as unseen:
        return [judge(RULE, section, [], str(unseen))]
    if len(found) > 1 and len(found) == len(files) and {finding.detail for finding in found} == {"missing"}:
        found = [
            Finding("gate", "gate", manager, detail="missing") for manager in dict.fromkeys(m for m, _, _ in files)
        ]
    if found or any(called_for for _, _, called_for in files):
        return [judge(RULE, section, found)]
    return []


def expected(host: Host, plan: Mapping[str, Any], wanted: Wanted) -> Iterator[tuple[str, GateFile, bool]]:
    """Every file of every gate, with its package system and whether it has to be there.

    A gate that has nothing to refuse any more has to go, so that what is permitted can be installed.
    """
    for system in SYSTEMS:
        ids = wanted.restricted(system.MANAGER)
        for file in system.gate(ids, str(plan.get("contact") or ""), wanted.permitted(system.MANAGER)):
            yield system.MANAGER, file, bool(ids) and system.gated(host)


def wrong(host: Host, file: GateFile, called_for: bool) -> str:
    """What is wrong with a file of a gate, in a few words; "" if nothing is. Raises Unseen."""
    seen = host.stat(file.path)
    if seen is None:
        return "missing" if called_for else ""
    if not called_for:
        return "left over: there is nothing to refuse any more"
    if not stat.S_ISREG(seen.st_mode):
        return "not a regular file"
    root = host.stat("/")
    if root is None or seen.st_uid != root.st_uid:
        return f"belongs to uid {seen.st_uid}, so it can be changed by others than root"
    if stat.S_IMODE(seen.st_mode) != file.mode:
        return f"has mode {stat.S_IMODE(seen.st_mode):04o} instead of {file.mode:04o}"
    return "" if content(host, file) == file.content else "does not say what this plan calls for"


def content(host: Host, file: GateFile) -> str:
    """What stands in a file of a gate, for a comparison or a diff; "" if it is not there or is not a file."""
    try:
        return host.text(file.path) or ""
    except ControlError:
        return ""
