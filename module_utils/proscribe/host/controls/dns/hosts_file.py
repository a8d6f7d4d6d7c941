"""Backend that blocks the names in /etc/hosts.

The file blocks exact names only: names below them still resolve. Exempt names (see names_to_block.py) are left out of
the block. The file cannot block canaries, whose answer has to be NXDOMAIN. The block has an effect under two
conditions. Users' programs can read the file, and /etc/nsswitch.conf makes them use it first.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Sequence

from ....base.foreign_access import ACL_NAMED_GROUP, ACL_USER, list_acl_rights
from ....model.finding import NOT_APPLICABLE, Finding, RuleVerdict, judge_rule
from ....model.plan import compute_once
from ...system import Host, ObservationError
from ..base import ChangeRefusal, Changes, ControlAction
from . import hosts_block, nsswitch
from .effect_test import FilterEffect, probe_hosts_file_effect
from .names_to_block import (
    DesiredNames,
    collect_common_names,
    collect_desired_names,
    find_covering_name,
    judge_services,
)
from .resolver_observation import RESOLV_CONF_PATH, STUB_ADDRESSES, parse_nameservers, read_own_text

if TYPE_CHECKING:
    from ....model.types.plan import Plan, PlanSection

HOSTS_PATH = "/etc/hosts"
_HOSTS_FILE_RULE = "dns/hosts-file"
_READ_RIGHT = 0o4
_NEEDED_CHANGES = {HOSTS_PATH: "block the names", nsswitch.NSSWITCH_PATH: "have `files` first in the line `hosts`"}


def observe_hosts_file(host: Host, plan: Plan, leftovers: Sequence[Finding] = ()) -> tuple[list[RuleVerdict], set[str]]:
    """Check that the hosts file blocks the names of the plan. Return the verdicts, and the names to block.

    `leftovers` are findings for files of other backends: the rule dns/hosts-file reports them too. If the hosts file
    cannot be read, the verdicts are unknown, and no names are returned. Raises ControlError.
    """
    section = plan["controls"]["dns"]
    try:
        file_content = host.read_file(HOSTS_PATH) or b""
    except ObservationError as reason:
        unseen_verdicts = [
            judge_rule(f"dns/{service_id}", entry, (), str(reason)) for service_id, entry in section["services"].items()
        ]
        return [*unseen_verdicts, judge_rule(_HOSTS_FILE_RULE, {"mode": section["mode"]}, (), str(reason))], set()
    # Most hosts need the same block, so it is computed once for each plan.
    common_names = collect_common_names(plan, canaries=False).blocked_names
    likely_block = compute_once(plan, "dns/block", lambda: hosts_block.render_block(common_names, is_new_file=False))
    parts = hosts_block.split_hosts_file(file_content, lambda: _list_known_names(section), likely_block)
    desired_names = _collect_exact_names(host, plan, parts.foreign_lines)
    blocked_names = desired_names.blocked_names
    expected_block = (
        likely_block
        if blocked_names == common_names and not parts.is_new_file
        else hosts_block.render_block(blocked_names, parts.is_new_file)
    )
    file_effect = (
        _probe_effect(host, desired_names, parts.own_lines == expected_block) if blocked_names else FilterEffect()
    )
    # The lines in place decide, even if they are not as desired. A name that the test resolved is not blocked.
    blocked_on_host = (
        blocked_names if parts.own_lines == expected_block else hosts_block.find_blocked_names(parts.own_lines)
    ) - {file_effect.resolved_name}
    verdicts = judge_services(
        section,
        desired_names,
        blocked_on_host,
        _make_hosts_finding("", ""),
        file_effect.idle_reason,
        file_effect.unseen_reason,
    )
    block_defect = (
        parts.damage
        if parts.damage or parts.own_lines == expected_block
        else _describe_block_defect(parts.own_lines, blocked_names)
    )
    findings = [
        *([_make_hosts_finding("block", block_defect)] if block_defect else ()),
        *_find_missing_effect(file_effect),
        *leftovers,
    ]
    if blocked_names or findings:
        verdicts.append(judge_rule(_HOSTS_FILE_RULE, {"mode": section["mode"]}, findings, file_effect.unseen_reason))
    else:
        verdicts.append(RuleVerdict(_HOSTS_FILE_RULE, NOT_APPLICABLE, reason="no name is to be blocked"))
    return verdicts, blocked_names


def find_hosts_leftovers(host: Host, section: PlanSection, detail: str) -> list[Finding]:
    """Return findings for Proscribe's lines in /etc/hosts and nsswitch.conf, for a host that uses a filter.

    `detail` is the text of the findings.
    """
    own_lines_by_path = {
        HOSTS_PATH: hosts_block.split_hosts_file(
            host.read_file(HOSTS_PATH) or b"", lambda: _list_known_names(section)
        ).own_lines,
        nsswitch.NSSWITCH_PATH: nsswitch.split_nsswitch(host.read_file(nsswitch.NSSWITCH_PATH) or b"").own_lines,
    }
    return [
        _make_hosts_finding("block", detail)._replace(path=path)
        for path, own_lines in own_lines_by_path.items()
        if own_lines
    ]


def read_foreign_lines(host: Host, section: PlanSection) -> bytes:
    """Return the lines of /etc/hosts that are not Proscribe's. They have priority over any name server."""
    return hosts_block.split_hosts_file(
        host.read_file(HOSTS_PATH) or b"", lambda: _list_known_names(section)
    ).foreign_lines


def make_name_refusals(desired_names: DesiredNames) -> list[ChangeRefusal]:
    """Return a refusal for each restricted name that is exempt on this host, by service."""
    return [
        ChangeRefusal(f"dns/{service_id}", name, reason)
        for service_id, names in desired_names.names_by_service.items()
        for name, reason in desired_names.spared_names.items()
        if find_covering_name(name, set(names))
    ]


def _describe_block_defect(own_lines: bytes, expected_names: set[str]) -> str:
    """Describe briefly how Proscribe's lines differ from the desired lines, which block `expected_names`."""
    if not own_lines:
        return "missing"
    extra_names = sorted(hosts_block.find_blocked_names(own_lines) - expected_names)
    return (
        f"blocks names not of the plan: {', '.join(extra_names[:3])}{', ...' * (len(extra_names) > 3)}"
        if extra_names
        else "changed"
    )


def _probe_effect(host: Host, desired_names: DesiredNames, is_block_right: bool) -> FilterEffect:
    """Check that programs use the hosts file: its mode, the order in nsswitch.conf, and a lookup of a blocked name.

    The lookup is made only if Proscribe's lines are as desired (`is_block_right`).
    """
    if _is_file_closed(host):
        return FilterEffect(idle_reason="users' programs cannot read it")
    nsswitch_defect = nsswitch.find_order_defect(host.read_file(nsswitch.NSSWITCH_PATH) or b"")
    file_effect = (
        probe_hosts_file_effect(host, desired_names)
        if is_block_right and (not nsswitch_defect or _is_resolved_queried(host))
        else FilterEffect(idle_reason=nsswitch_defect)
    )
    return (
        file_effect._replace(idle_reason=f"{nsswitch.NSSWITCH_PATH} {nsswitch_defect}")
        if nsswitch_defect and file_effect.idle_reason
        else file_effect
    )


def _is_resolved_queried(host: Host) -> bool:
    """Return whether systemd-resolved is the name server that programs query first.

    It reads the hosts file itself (ReadEtcHosts=, resolved.conf(5)). Then a lookup shows whether the file has an
    effect, even with a wrong order in nsswitch.conf. With any other resolver, the lookup proves nothing: the hosts file
    may have answered only because that resolver was silent.
    """
    return parse_nameservers(read_own_text(host, RESOLV_CONF_PATH))[:1] in [(stub,) for stub in STUB_ADDRESSES]


def _find_missing_effect(file_effect: FilterEffect) -> list[Finding]:
    """Return findings for a file that programs do not use, and for a blocked name that still resolves."""
    findings = [_make_hosts_finding("effect", file_effect.idle_reason)] if file_effect.idle_reason else []
    if file_effect.resolved_name:
        findings.append(
            _make_hosts_finding(
                file_effect.resolved_name, f"the C library says {file_effect.resolved_address} all the same"
            )
        )
    return findings


def _is_file_closed(host: Host) -> bool:
    """Return whether some users cannot read the hosts file. A missing file and a link count as readable."""
    status = host.find_entry(HOSTS_PATH)
    if status is None or stat.S_ISLNK(status.st_mode):
        return False
    is_denied = any(
        not rights & _READ_RIGHT for rights in list_acl_rights(host.read_acl(HOSTS_PATH), (ACL_USER, ACL_NAMED_GROUP))
    )
    return is_denied or not status.st_mode & stat.S_IROTH


def enforce_hosts_file(host: Host, plan: Plan) -> Changes:
    """Return the changes that write the block, and make programs use the file. Raises ControlError.

    nsswitch.conf is changed only if the file would have no effect otherwise.
    """
    section = plan["controls"]["dns"]
    old_content = host.read_file(HOSTS_PATH)
    parts = hosts_block.split_hosts_file(old_content or b"", lambda: _list_known_names(section))
    desired_names = _collect_exact_names(host, plan, parts.foreign_lines)
    name_refusals = make_name_refusals(desired_names)
    if not desired_names.blocked_names:
        return lift_hosts_file(host, section)._replace(refusals=name_refusals)
    is_new_file = old_content is None or parts.is_new_file
    own_block = hosts_block.render_block(desired_names.blocked_names, is_new_file)
    is_block_right, is_closed = not parts.damage and parts.own_lines == own_block, _is_file_closed(host)
    # a write also makes the file readable for all
    changes_parts = (
        []
        if is_block_right and not is_closed
        else [_write_system_file(host, HOSTS_PATH, old_content, own_block + parts.foreign_lines)]
    )
    file_effect = FilterEffect() if is_closed else _probe_effect(host, desired_names, is_block_right)
    if file_effect.idle_reason or file_effect.resolved_name:
        changes_parts.append(_put_files_first(host))
    return _join_changes(changes_parts, name_refusals)


def _join_changes(parts: Sequence[Changes], refusals: Sequence[ChangeRefusal] = ()) -> Changes:
    actions = [action for part in parts for action in part.actions]
    return Changes(actions, [*refusals, *(refusal for part in parts for refusal in part.refusals)])


def _put_files_first(host: Host) -> Changes:
    """Return the change to nsswitch.conf that makes the C library use the hosts file (`files`) first.

    There is nothing to change if the hosts file comes first already.
    """
    old_content = host.read_file(nsswitch.NSSWITCH_PATH)
    if old_content is not None and nsswitch.has_files_first(old_content):
        return Changes()
    parts = nsswitch.split_nsswitch(old_content or b"")
    return _write_system_file(
        host,
        nsswitch.NSSWITCH_PATH,
        old_content,
        nsswitch.insert_files_first(parts.foreign_lines, old_content is None or parts.is_new_file),
    )


def lift_hosts_file(host: Host, section: PlanSection) -> Changes:
    """Return the changes that remove Proscribe's lines from the files. Raises ControlError."""
    hosts_parts = hosts_block.split_hosts_file(host.read_file(HOSTS_PATH) or b"", lambda: _list_known_names(section))
    nsswitch_parts = nsswitch.split_nsswitch(host.read_file(nsswitch.NSSWITCH_PATH) or b"")
    parts = [
        _remove_own_lines(host, HOSTS_PATH, hosts_parts.foreign_lines, hosts_parts.is_new_file),
        _remove_own_lines(host, nsswitch.NSSWITCH_PATH, nsswitch_parts.foreign_lines, nsswitch_parts.is_new_file),
    ]
    return _join_changes(parts)


def _remove_own_lines(host: Host, path: str, foreign_lines: bytes, is_new_file: bool) -> Changes:
    """Return the change that leaves only the organisation's lines in a file.

    The file is deleted if Proscribe created it and it has no other lines.
    """
    old_content = host.read_file(path)
    if old_content is None or old_content == foreign_lines:
        return Changes()
    if is_new_file and not foreign_lines:
        return Changes([ControlAction("delete", path, lambda: host.delete_file(path), _decode_text(old_content))])
    return _write_system_file(host, path, old_content, foreign_lines)


def _write_system_file(host: Host, path: str, old_content: bytes | None, new_content: bytes) -> Changes:
    """Return the change that writes a file, keeps its mode and makes it readable for all.

    If the path is a link or a mount point, the result is a refusal instead.
    """
    status = host.find_entry(path)
    # the field [4] of a line is the mount point (proc_pid_mountinfo(5))
    mounts = [line.split() for line in (host.read_text("/proc/self/mountinfo") or "").splitlines()]
    reason = ""
    if status is not None and stat.S_ISLNK(status.st_mode):
        reason = f"it is a link: what manages its target has to {_NEEDED_CHANGES[path]}"
    elif any(len(fields) > 4 and fields[4] == path for fields in mounts):
        starter = "what starts the container"
        reason = f"it is a mount point of its own, as in some containers: {starter} has to {_NEEDED_CHANGES[path]}"
    if reason:
        return Changes(refusals=[ChangeRefusal(_HOSTS_FILE_RULE, path, reason)])
    mode = stat.S_IMODE(status.st_mode) | 0o444 if status is not None else 0o644
    return Changes(
        [
            ControlAction(
                "write",
                path,
                lambda: host.write_file(path, new_content, mode),
                _decode_text(old_content or b""),
                _decode_text(new_content),
            )
        ]
    )


def _decode_text(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _list_known_names(section: PlanSection) -> set[str]:
    """Return every name that Proscribe's block could have under this plan."""
    return {name for entry in section["services"].values() for name in entry["domains"]}


def _collect_exact_names(host: Host, plan: Plan, foreign_lines: bytes) -> DesiredNames:
    """Return the names to block in the hosts file. Only names of the plan itself are exempt.

    A name below them need not be exempt, because the file never blocks such a name.
    """
    desired_names = collect_desired_names(host, plan, foreign_lines, canaries=False)
    if not desired_names.spared_names:
        return desired_names
    plan_names = {name for names in desired_names.names_by_service.values() for name in names}
    return desired_names._replace(
        spared_names={name: reason for name, reason in desired_names.spared_names.items() if name in plan_names}
    )


def _make_hosts_finding(finding_id: str, detail: str) -> Finding:
    """Return a finding about the hosts file."""
    return Finding("hosts_line", finding_id, manager="hosts", path=HOSTS_PATH, detail=detail)
