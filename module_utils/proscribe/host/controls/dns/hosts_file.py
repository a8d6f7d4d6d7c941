"""Backend: the names are blocked in /etc/hosts.

The file knows exact names only: nothing below them is blocked. Names that are left alone (see `desired`) are left out
of the block. Canaries, which a browser wants answered with NXDOMAIN, cannot be said here. The block has an effect only
as long as users' programs can read the file, and as /etc/nsswitch.conf has them ask it first.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Sequence

from ....base.others import ACL_NAMED_GROUP, ACL_USER, list_acl_rights
from ....model.finding import NOT_APPLICABLE, Finding, RuleVerdict, judge_rule
from ....model.plan import compute_once
from ...system import Host, ObservationError
from ..base import ChangeRefusal, Changes, ControlAction
from . import block, nsswitch
from .desired import Desired, collect, covering, everywhere, service_verdicts
from .effect import Tried, of_file
from .observed import RESOLV_CONF, STUBS, content, nameservers

if TYPE_CHECKING:
    from ....model.types.plan import Plan, PlanSection

PATH = "/etc/hosts"
_RULE = "dns/hosts-file"
_READ = 0o4
_NEEDED = {PATH: "block the names", nsswitch.PATH: "have `files` first in the line `hosts`"}


def observe(host: Host, plan: Plan, leftovers: Sequence[Finding] = ()) -> tuple[list[RuleVerdict], set[str]]:
    """Whether the hosts file blocks the names of the plan, and the names. `leftovers` of filters are reported with it.
    Raises ControlError.
    """
    section = plan["controls"]["dns"]
    try:
        whole = host.read_file(PATH) or b""
    except ObservationError as reason:
        unseen = [judge_rule(f"dns/{id_}", entry, (), str(reason)) for id_, entry in section["services"].items()]
        return [*unseen, judge_rule(_RULE, {"mode": section["mode"]}, (), str(reason))], set()
    usual = everywhere(plan, canaries=False).names
    likely = compute_once(plan, "dns/block", lambda: block.render(usual, made=False))
    seen = block.split(whole, lambda: _known(section), likely)
    desired = _desired(host, plan, seen.foreign)
    names = desired.names
    expected = likely if names == usual and not seen.made else block.render(names, seen.made)
    effect = _effect(host, desired, seen.ours == expected) if names else Tried()
    blocked = (names if seen.ours == expected else block.blocked(seen.ours)) - {effect.opened}
    verdicts = service_verdicts(section, desired, blocked, _finding("", ""), effect.idle, effect.unseen)
    wrong = seen.damage if seen.damage or seen.ours == expected else _differs(seen.ours, names)
    found = [*([_finding("block", wrong)] if wrong else ()), *_without_effect(effect), *leftovers]
    if names or found:
        verdicts.append(judge_rule(_RULE, {"mode": section["mode"]}, found, effect.unseen))
    else:
        verdicts.append(RuleVerdict(_RULE, NOT_APPLICABLE, reason="no name is to be blocked"))
    return verdicts, names


def left_over(host: Host, section: PlanSection, detail: str) -> list[Finding]:
    """What is ours of this backend, where another one has taken its place."""
    files = {
        PATH: block.split(host.read_file(PATH) or b"", lambda: _known(section)).ours,
        nsswitch.PATH: nsswitch.split(host.read_file(nsswitch.PATH) or b"").ours,
    }
    return [_finding("block", detail)._replace(path=path) for path, ours in files.items() if ours]


def foreign(host: Host, section: PlanSection) -> bytes:
    """What of the file is the organisation's own: it counts before any name server."""
    return block.split(host.read_file(PATH) or b"", lambda: _known(section)).foreign


def refusals(desired: Desired) -> list[ChangeRefusal]:
    """The names that are left alone, service by service."""
    return [
        ChangeRefusal(f"dns/{id_}", name, reason)
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


def _effect(host: Host, desired: Desired, right: bool) -> Tried:
    """Whether programs go by the file; tried where the block in it is `right`."""
    if _is_closed(host):
        return Tried(idle="users' programs cannot read it")
    said = nsswitch.amiss(host.read_file(nsswitch.PATH) or b"")
    effect = of_file(host, desired) if right and (not said or _asks_resolved(host)) else Tried(idle=said)
    return effect._replace(idle=f"{nsswitch.PATH} {said}") if said and effect.idle else effect


def _asks_resolved(host: Host) -> bool:
    """Whether name servers are asked through systemd-resolved, which goes by the hosts file itself (ReadEtcHosts= in
    resolved.conf(5)). With any other, a trial proves nothing: while that is silent, the next in the line is asked.
    """
    return nameservers(content(host, RESOLV_CONF))[:1] in [(stub,) for stub in STUBS]


def _without_effect(effect: Tried) -> list[Finding]:
    found = [_finding("effect", effect.idle)] if effect.idle else []
    if effect.opened:
        found.append(_finding(effect.opened, f"the C library says {effect.leads} all the same"))
    return found


def _is_closed(host: Host) -> bool:
    """Whether there are users who cannot read the file."""
    there = host.find_entry(PATH)
    if there is None or stat.S_ISLNK(there.st_mode):
        return False
    denied = any(not rights & _READ for rights in list_acl_rights(host.read_acl(PATH), (ACL_USER, ACL_NAMED_GROUP)))
    return denied or not there.st_mode & stat.S_IROTH


def enforce(host: Host, plan: Plan) -> Changes:
    """The writes that make the block right, and have programs go by it. Raises ControlError."""
    section = plan["controls"]["dns"]
    before = host.read_file(PATH)
    seen = block.split(before or b"", lambda: _known(section))
    desired = _desired(host, plan, seen.foreign)
    refused = refusals(desired)
    if not desired.names:
        return lift(host, section)._replace(refusals=refused)
    made = before is None or seen.made
    ours = block.render(desired.names, made)
    right, closed = not seen.damage and seen.ours == ours, _is_closed(host)
    parts = [] if right and not closed else [_put(host, PATH, before, ours + seen.foreign)]
    effect = Tried() if closed else _effect(host, desired, right)
    if effect.idle or effect.opened:
        parts.append(_files_first(host))
    return _together(parts, refused)


def _together(parts: Sequence[Changes], refused: Sequence[ChangeRefusal] = ()) -> Changes:
    actions = [action for part in parts for action in part.actions]
    return Changes(actions, [*refused, *(refusal for part in parts for refusal in part.refusals)])


def _files_first(host: Host) -> Changes:
    """Have the C library ask the file first."""
    before = host.read_file(nsswitch.PATH)
    if before is not None and nsswitch.begins_with_files(before):
        return Changes()
    seen = nsswitch.split(before or b"")
    return _put(host, nsswitch.PATH, before, nsswitch.with_files_first(seen.foreign, before is None or seen.made))


def lift(host: Host, section: PlanSection) -> Changes:
    """The files as they would be without us. Raises ControlError."""
    hosts = block.split(host.read_file(PATH) or b"", lambda: _known(section))
    order = nsswitch.split(host.read_file(nsswitch.PATH) or b"")
    parts = [
        _without(host, PATH, hosts.foreign, hosts.made),
        _without(host, nsswitch.PATH, order.foreign, order.made),
    ]
    return _together(parts)


def _without(host: Host, path: str, foreign: bytes, made: bool) -> Changes:
    before = host.read_file(path)
    if before is None or before == foreign:
        return Changes()
    if made and not foreign:
        return Changes([ControlAction("delete", path, lambda: host.delete_file(path), _shown(before))])
    return _put(host, path, before, foreign)


def _put(host: Host, path: str, before: bytes | None, after: bytes) -> Changes:
    """Write a file with the mode it has, readable for all, unless that would take something else's place."""
    there = host.find_entry(path)
    mounts = [line.split() for line in (host.read_text("/proc/self/mountinfo") or "").splitlines()]
    reason = ""
    if there is not None and stat.S_ISLNK(there.st_mode):
        reason = f"it is a link: what manages its target has to {_NEEDED[path]}"
    elif any(len(field) > 4 and field[4] == path for field in mounts):
        starts = "what starts the container"
        reason = f"it is a mount point of its own, as in some containers: {starts} has to {_NEEDED[path]}"
    if reason:
        return Changes(refusals=[ChangeRefusal(_RULE, path, reason)])
    mode = stat.S_IMODE(there.st_mode) | 0o444 if there is not None else 0o644
    return Changes(
        [ControlAction("write", path, lambda: host.write_file(path, after, mode), _shown(before or b""), _shown(after))]
    )


def _shown(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _known(section: PlanSection) -> set[str]:
    """Every name that a block of this plan could have."""
    return {name for entry in section["services"].values() for name in entry["domains"]}


def _desired(host: Host, plan: Plan, foreign: bytes) -> Desired:
    """The desired state, with the names of the plan only: what lies below them is neither blocked nor let through."""
    desired = collect(host, plan, foreign, canaries=False)
    if not desired.left:
        return desired
    named = {name for names in desired.services.values() for name in names}
    return desired._replace(left={name: reason for name, reason in desired.left.items() if name in named})


def _finding(id_: str, detail: str) -> Finding:
    return Finding("hosts_line", id_, manager="hosts", path=PATH, detail=detail)
