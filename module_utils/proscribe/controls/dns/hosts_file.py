"""Backend: the names are blocked in /etc/hosts.

The file knows exact names only: nothing below them is blocked. Names that are left alone (see `desired`) are left out
of the block. Canaries, which a browser wants answered with NXDOMAIN, cannot be said here.
"""

from __future__ import annotations

import stat
from typing import Any, Mapping, Sequence

from ...finding import NOT_APPLICABLE, Finding, Verdict, judge
from ...host import Host, Unseen
from ...plan import once
from ..base import Action, Changes, Refusal
from . import block
from .desired import Desired, collect, covering, everywhere, service_verdicts

PATH = "/etc/hosts"


def observe(host: Host, plan: Mapping[str, Any], leftovers: Sequence[Finding] = ()) -> tuple[list[Verdict], set[str]]:
    """Whether the hosts file blocks the names of the plan, and the names. `leftovers` of filters are reported with it.
    Raises ControlError.
    """
    section = plan["controls"]["dns"]
    try:
        content = host.read(PATH) or b""
    except Unseen as reason:
        rules = {f"dns/{id_}": entry for id_, entry in section["services"].items()}
        entries = {**rules, "dns/hosts-file": section}
        return [judge(rule, entry, (), str(reason)) for rule, entry in entries.items()], set()
    usual = everywhere(plan, canaries=False).names
    likely = once(plan, "dns/block", lambda: block.render(usual, made=False))
    seen = block.split(content, lambda: _known(section), likely)
    desired = _desired(host, plan, seen.foreign)
    expected = likely if desired.names == usual and not seen.made else block.render(desired.names, seen.made)
    blocked = desired.names if seen.ours == expected else block.blocked(seen.ours)
    verdicts = service_verdicts(section, desired, blocked, _finding("", ""))
    wrong = seen.damage if seen.damage or seen.ours == expected else _differs(seen.ours, desired.names)
    found = [*([_finding("block", wrong)] if wrong else ()), *leftovers]
    if desired.names or found:
        verdicts.append(judge("dns/hosts-file", section, found))
    else:
        verdicts.append(Verdict("dns/hosts-file", NOT_APPLICABLE, reason="no name is to be blocked"))
    return verdicts, desired.names


def left_over(host: Host, section: Mapping[str, Any], detail: str) -> list[Finding]:
    """Our block, where another backend has taken its place."""
    return [_finding("block", detail)] if block.split(host.read(PATH) or b"", lambda: _known(section)).ours else []


def foreign(host: Host, section: Mapping[str, Any]) -> bytes:
    """What of the file is the organisation's own: it counts before any name server."""
    return block.split(host.read(PATH) or b"", lambda: _known(section)).foreign


def refusals(desired: Desired) -> list[Refusal]:
    """The names that are left alone, service by service."""
    return [
        Refusal(f"dns/{id_}", name, reason)
        for id_, names in desired.services.items()
        for name, reason in desired.left.items()
        if covering(name, set(names))
    ]


def _differs(ours: bytes, names: set[str]) -> str:
    """What is wrong with a block that is not as it should be, in a few words."""
    if not ours:
        return "missing"
    extra = sorted(block.blocked(ours) - names)
    return f"blocks names not of the plan: {', '.join(extra[:3])}{', ...' * (len(extra) > 3)}" if extra else "changed"


def enforce(host: Host, plan: Mapping[str, Any]) -> Changes:
    """The one write that makes the block right. Raises ControlError."""
    section = plan["controls"]["dns"]
    content = host.read(PATH)
    seen = block.split(content or b"", lambda: _known(section))
    desired = _desired(host, plan, seen.foreign)
    refused = refusals(desired)
    if not desired.names:
        return lift(host, section)._replace(refused=refused)
    made = content is None or seen.made
    if not seen.damage and seen.ours == block.render(desired.names, made):
        return Changes(refused=refused)
    changes = _put(host, content, block.render(desired.names, made) + seen.foreign)
    return changes._replace(refused=[*refused, *changes.refused])


def lift(host: Host, section: Mapping[str, Any]) -> Changes:
    """The file as it would be without us. Raises ControlError."""
    content = host.read(PATH)
    seen = block.split(content or b"", lambda: _known(section))
    if content is None or not seen.ours:
        return Changes()
    if seen.made and not seen.foreign:
        return Changes([Action("delete", PATH, lambda: host.delete(PATH), _shown(content))])
    return _put(host, content, seen.foreign)


def _put(host: Host, before: bytes | None, after: bytes) -> Changes:
    """Write the file with the mode it has, unless that would take something else's place."""
    there = host.stat(PATH)
    mounts = [line.split() for line in (host.text("/proc/self/mountinfo") or "").splitlines()]
    reason = ""
    if there is not None and stat.S_ISLNK(there.st_mode):
        reason = "it is a link: what manages its target has to block the names"
    elif any(len(field) > 4 and field[4] == PATH for field in mounts):
        reason = (
            "it is a mount point of its own, as in some containers: what starts the container has to block the names"
        )
    if reason:
        return Changes(refused=[Refusal("dns/hosts-file", PATH, reason)])
    mode = stat.S_IMODE(there.st_mode) if there is not None else 0o644
    return Changes([Action("write", PATH, lambda: host.write(PATH, after, mode), _shown(before or b""), _shown(after))])


def _shown(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _known(section: Mapping[str, Any]) -> set[str]:
    """Every name that a block of this plan could have."""
    return {name for entry in section["services"].values() for name in entry["domains"]}


def _desired(host: Host, plan: Mapping[str, Any], foreign: bytes) -> Desired:
    """The desired state, with the names of the plan only: what lies below them is neither blocked nor let through."""
    desired = collect(host, plan, foreign, canaries=False)
    if not desired.left:
        return desired
    named = {name for names in desired.services.values() for name in names}
    return desired._replace(left={name: reason for name, reason in desired.left.items() if name in named})


def _finding(id_: str, detail: str) -> Finding:
    return Finding("hosts_line", id_, manager="hosts", path=PATH, detail=detail)
