"""Backend: the names are blocked in /etc/hosts.

Two kinds of names are left out of the block and reported. One that the organisation resolves in a line of its own: that
line stays and counts. One that the host hangs on: a source of its packages, its own name.

Canaries, which a browser wants answered with NXDOMAIN, cannot be said here and are no business of this backend.
"""

from __future__ import annotations

import stat
from typing import Any, Mapping, NamedTuple

from ...finding import NOT_APPLICABLE, Finding, Verdict, judge
from ...host import Host, Unseen
from ...plan import RESTRICTED
from .. import lifelines
from ..base import Action, Changes, Refusal
from . import block

PATH = "/etc/hosts"


class Wish(NamedTuple):
    """What the file should say."""

    services: Mapping[str, list[str]]  # the names to block, by restricted service
    left: Mapping[str, str]  # the names that are left alone, with the reason

    @property
    def names(self) -> set[str]:
        return {name for names in self.services.values() for name in names} - set(self.left)


def observe(host: Host, section: Mapping[str, Any]) -> list[Verdict]:
    """Whether the hosts file blocks the names of the plan. Raises ControlError."""
    try:
        content = host.read(PATH) or b""
    except Unseen as reason:
        rules = {f"dns/{id_}": entry for id_, entry in section["services"].items()}
        return [judge(rule, entry, (), str(reason)) for rule, entry in {**rules, "dns/hosts-file": section}.items()]
    seen = block.split(content, _known(section))
    wish = _wish(host, section, seen.foreign)
    blocked = block.blocked(seen.ours)
    verdicts = []
    for id_, entry in section["services"].items():
        if entry["mode"] == "waived":
            verdicts.append(judge(f"dns/{id_}", entry, [_finding(entry["name"], "not blocked, by waiver")]))
            continue
        names = wish.services.get(id_, [])
        missing = [name for name in names if name not in blocked and name not in wish.left]
        found = [_finding(name, f"not blocked: {wish.left[name]}") for name in names if name in wish.left]
        if missing:
            more = f", and {len(missing) - 1} more of {len(names)} names" if len(missing) > 1 else ""
            found.insert(0, _finding(missing[0], f"not blocked{more}"))
        verdict = judge(f"dns/{id_}", entry, found)
        verdicts.append(verdict._replace(drifted=verdict.drifted and bool(missing)))  # what is left alone stays so
    wrong = _wrong(seen, wish.names)
    if wish.names or wrong:
        verdicts.append(judge("dns/hosts-file", section, [_finding("block", wrong)] if wrong else ()))
    else:
        verdicts.append(Verdict("dns/hosts-file", NOT_APPLICABLE, reason="no name is to be blocked"))
    return verdicts


def _wrong(seen: block.Split, names: set[str]) -> str:
    """What is wrong with the block as a whole, in a few words."""
    if seen.damage or seen.ours == block.render(names, seen.made):
        return seen.damage
    if not seen.ours:
        return "missing"
    extra = sorted(block.blocked(seen.ours) - names)
    return f"blocks names not of the plan: {', '.join(extra[:3])}{', ...' * (len(extra) > 3)}" if extra else "changed"


def enforce(host: Host, section: Mapping[str, Any]) -> Changes:
    """The one write that makes the block right. Raises ControlError."""
    content = host.read(PATH)
    seen = block.split(content or b"", _known(section))
    wish = _wish(host, section, seen.foreign)
    refused = [
        Refusal(f"dns/{id_}", name, wish.left[name])
        for id_, names in wish.services.items()
        for name in names
        if name in wish.left
    ]
    if not wish.names:
        return lift(host, section)._replace(refused=refused)
    made = content is None or seen.made
    if not seen.damage and seen.ours == block.render(wish.names, made):
        return Changes(refused=refused)
    changes = _put(host, content, block.render(wish.names, made) + seen.foreign)
    return changes._replace(refused=[*refused, *changes.refused])


def lift(host: Host, section: Mapping[str, Any]) -> Changes:
    """The file as it would be without us. Raises ControlError."""
    content = host.read(PATH)
    seen = block.split(content or b"", _known(section))
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


def _wish(host: Host, section: Mapping[str, Any], foreign: bytes) -> Wish:
    entries = section["services"].values()
    waived = {name for entry in entries if entry["mode"] == "waived" for name in entry["domains"]}
    services = {
        id_: [name for name in entry["domains"] if name not in entry["allow"] and name not in waived]
        for id_, entry in section["services"].items()
        if entry["mode"] in RESTRICTED
    }
    wanted = {name for names in services.values() for name in names}
    left = dict.fromkeys(wanted & lifelines.own_names(host), "it is this host's own name")
    sources = wanted.intersection(lifelines.package_sources(host))
    left.update(dict.fromkeys(sources, "this host gets its packages from there"))
    left.update({name: f"a line of the host's own says {address}" for name, address in _resolved(foreign, wanted)})
    return Wish(services, left)


def _resolved(foreign: bytes, wanted: set[str]) -> list[tuple[str, str]]:
    """The wanted names to which the host's own lines give an address that leads somewhere."""
    found = []
    for line in foreign.splitlines():
        words = line.partition(b"#")[0].decode("utf-8", "replace").lower().split()
        if (
            wanted.intersection(words[1:])
            and not words[0].startswith("127.")
            and words[0] not in ("0.0.0.0", "::", "::1")
        ):
            found += [(name, words[0]) for name in words[1:] if name in wanted]
    return found


def _finding(id_: str, detail: str) -> Finding:
    return Finding("hosts_line", id_, manager="hosts", path=PATH, detail=detail)
