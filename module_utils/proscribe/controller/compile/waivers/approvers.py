"""The authority to approve a waiver: the heads of the departments that own its hosts, and their deputies.

The approver list is `approvers.yml` beside a folder of waivers. It is a mapping of departments, which are groups of the
inventory:

    press:
      head: chan.tai.man
      deputies: [lee.siu.ming]
    finance:               # no head yet: no waiver can be approved there, and every run warns
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....model.vocabulary import WAIVER_STATUSES
from ...policy_errors import PolicyError, PolicyErrors, propose_similar_names
from ..inventory.policy_folders import APPROVERS_FILE
from ..reading.document_schema import GroupSchema, ListSchema, OptionalSchema, TextSchema, read_document
from ..reading.grammar import make_pattern_check
from .person_names import is_same_person

SELF_APPROVED, UNAUTHORISED = WAIVER_STATUSES[2:4]


def _check_name(text: str) -> str:
    is_name = bool(text) and text.isprintable() and text == text.strip()
    return "" if is_name else "a person's name, as approved_by gives it"


_EMPTY: Sequence[object] = ("", [], {})
_NAME = TextSchema(_check_name)
_MAIL = TextSchema(
    make_pattern_check(
        r"[A-Za-z0-9_.+][A-Za-z0-9_.+-]{0,63}@[A-Za-z0-9.-]{1,255}",
        "one mail address, such as head.of.press@example.org",
    )
)
_AUTHORITY = GroupSchema(
    {
        "head": _NAME,
        "deputies": OptionalSchema(ListSchema(_NAME, min_items=0, has_unique_items=False), _EMPTY),
        "mail": OptionalSchema(_MAIL, _EMPTY),
    },
    required=("head",),
)


@dataclass(frozen=True)
class Authority:
    """The approvers of a department. An empty `head` is no person's name."""

    head: str
    deputies: tuple[str, ...] = ()
    mail: str = ""  # address of the head for mail about new requests

    def __contains__(self, name: str) -> bool:
        return bool(name) and (name == self.head or name in self.deputies)

    def __str__(self) -> str:
        deputies = f", deputies {', '.join(self.deputies)}" if self.deputies else ""
        return f"{f'head {self.head}' if self.head else 'no head is named'}{deputies}"


ApproverList = Mapping[str, Authority]  # key: the name of a department


def read_approver_list(folders: Sequence[Path], groups: Mapping[str, Set[str]]) -> ApproverList:
    """Return the approver list in these folders; empty if there is none.

    Raises PolicyErrors with every mistake. `groups` are the groups of the inventory. Each department has to be one of
    them.
    """
    schema = GroupSchema(dict.fromkeys(groups, OptionalSchema(_AUTHORITY)), key_description="a group of the inventory")
    entries: dict[str, Any] = {}
    errors: list[PolicyError] = []
    names = (APPROVERS_FILE, Path(APPROVERS_FILE).with_suffix(".yaml"))
    for path in (folder / name for folder in folders for name in names if (folder / name).exists()):
        try:
            document = read_document(path, schema)
        except PolicyErrors as error:
            errors += error.errors
            continue
        errors += [
            document.make_error((name,), name, "each department in one register only")
            for name in document.data
            if name in entries
        ]
        entries.update(document.data)
    if errors:
        raise PolicyErrors(errors)
    return {
        department: Authority(entry["head"], tuple(entry.get("deputies") or ()), entry.get("mail") or "")
        if entry
        else Authority("")
        for department, entry in entries.items()
    }


def warn_of_unnamed_heads(approver_list: ApproverList) -> str:
    """Return the warning about departments without a head, the person who approves waivers; "" if there are none."""
    departments = [name for name in sorted(approver_list) if not approver_list[name].head]
    if not departments:
        return ""
    more = f" (and {len(departments) - 1} more)" if departments[1:] else ""
    return f"nobody can approve a waiver for the group {departments[0]}{more}: name the head in {APPROVERS_FILE}"


def explain_disqualification(
    requester: str, name: str, hosts: Set[str], approver_list: ApproverList, groups: Mapping[str, Set[str]]
) -> tuple[str, str]:
    """Return the status and the reason why an approval or refusal by `name` does not count; ("", "") if it counts.

    `requester` is the person who made the request. The two have to be different persons.
    """
    if is_same_person(requester, name):
        return SELF_APPROVED, f"{requester} requested and decided it; these have to be two people"
    reason = explain_objection(name, hosts, approver_list, groups)
    return (UNAUTHORISED, reason) if reason else ("", "")


def explain_objection(
    approver: str, hosts: Set[str], approver_list: ApproverList, groups: Mapping[str, Set[str]]
) -> str:
    """Return the reason why a person may not approve or revoke a waiver for these hosts; "" if allowed.

    The person needs authority for every department that has one of the hosts. So a host of two departments requires
    authority for both. For a host without a department, no person can approve. Without hosts, any approver may decide.
    """
    if not approver_list:
        return (
            f"nobody is registered to approve: name the departments' heads in {APPROVERS_FILE}, beside the folder "
            f"of waivers"
        )
    owned_hosts: set[str] = set()
    for department in sorted(approver_list):
        department_hosts = hosts & groups.get(department, frozenset())
        if department_hosts and approver not in approver_list[department]:
            authority = approver_list[department]
            hint = propose_similar_names(approver, [authority.head, *authority.deputies])
            return (
                f"{approver} may not approve for {department} ({authority}), which owns "
                f"{_describe_hosts(department_hosts)}{hint}"
            )
        owned_hosts |= department_hosts
    if not hosts and not any(approver in authority for authority in approver_list.values()):
        return f"{approver} may not approve for any department of {APPROVERS_FILE}"
    if hosts - owned_hosts:
        return (
            f"{_describe_hosts(hosts - owned_hosts)} not in any department of {APPROVERS_FILE}, so nobody can approve"
        )
    return ""


def _describe_hosts(hosts: Set[str]) -> str:
    first, *rest = sorted(hosts)
    return f"{first} and {len(rest)} more" if rest else first
