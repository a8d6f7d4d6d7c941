"""Who may approve a waiver: the heads of the departments that own its hosts, and their deputies.

The approver list is `approvers.yml` beside a folder of waivers, a mapping of departments, which are groups of the
inventory:

    press:
      head: chan.tai.man
      deputies: [lee.siu.ming]
    finance:               # nobody is named yet: nobody can approve there, and every run says so
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....model.words import WAIVER_STATUSES
from ...policy_errors import PolicyError, PolicyErrors, close_to
from ..inventory.policy_folders import REGISTER
from ..reading.yaml_file import Document, read_yaml
from .persons import are_one_person

SELF_APPROVED, UNAUTHORISED = WAIVER_STATUSES[2:4]
KEYS = ("head", "deputies", "mail")
MAIL = re.compile(r"[A-Za-z0-9_.+][A-Za-z0-9_.+-]{0,63}@[A-Za-z0-9.-]{1,255}")


@dataclass(frozen=True)
class Authority:
    """Who approves for a department. An empty `head` is nobody's name."""

    head: str
    deputies: tuple[str, ...] = ()
    mail: str = ""  # where the head reads of new requests

    def __contains__(self, name: str) -> bool:
        return bool(name) and (name == self.head or name in self.deputies)

    def __str__(self) -> str:
        deputies = f", deputies {', '.join(self.deputies)}" if self.deputies else ""
        return f"{f'head {self.head}' if self.head else 'no head is named'}{deputies}"


Register = Mapping[str, Authority]  # by department


def read_register(folders: Sequence[Path], groups: Mapping[str, Set[str]]) -> Register:
    """The register of an inventory's folders; empty where there is none. Raises PolicyErrors with every mistake."""
    register: dict[str, Authority] = {}
    errors: list[PolicyError] = []
    for folder in folders:
        for path in (folder / REGISTER, (folder / REGISTER).with_suffix(".yaml")):
            if not path.exists():
                continue
            try:
                document = read_yaml(path)
            except PolicyError as error:
                errors.append(error)
                continue
            for department, authority in _departments(document, groups, errors):
                if department in register:
                    errors.append(document.error((department,), department, "each department in one register only"))
                register[department] = authority
    if errors:
        raise PolicyErrors(errors)
    return register


def unnamed_warning(register: Register) -> str:
    """Return the warning about departments for which nobody is named; "" where there are none."""
    departments = [name for name in sorted(register) if not register[name].head]
    if not departments:
        return ""
    more = f" (and {len(departments) - 1} more)" if departments[1:] else ""
    return f"nobody can approve a waiver for the group {departments[0]}{more}: name the head in {REGISTER}"


def disqualified(
    requester: str, name: str, hosts: Set[str], register: Register, groups: Mapping[str, Set[str]]
) -> tuple[str, str]:
    """The status and the reason why somebody's answer to a need, an approval or a refusal, does not count; ("", "") if
    it does.
    """
    if are_one_person(requester, name):
        return SELF_APPROVED, f"{requester} requested and decided it; these have to be two people"
    why = objection(name, hosts, register, groups)
    return (UNAUTHORISED, why) if why else ("", "")


def objection(approver: str, hosts: Set[str], register: Register, groups: Mapping[str, Set[str]]) -> str:
    """Return why somebody may not approve or revoke a waiver for these hosts, or "" if they may.

    Every department that has one of the hosts has to be theirs, so for a host of two departments both have to be. A
    host that no department has is nobody's to give away. Without hosts, any approver may decide.
    """
    if not register:
        return (
            f"nobody is registered to approve: name the departments' heads in {REGISTER}, beside the folder of waivers"
        )
    owned: set[str] = set()
    for department in sorted(register):
        theirs = hosts & groups.get(department, frozenset())
        if theirs and approver not in register[department]:
            authority = register[department]
            near = close_to(approver, [authority.head, *authority.deputies])
            return f"{approver} may not approve for {department} ({authority}), which owns {_some(theirs)}{near}"
        owned |= theirs
    if not hosts and not any(approver in authority for authority in register.values()):
        return f"{approver} may not approve for any department of {REGISTER}"
    if hosts - owned:
        return f"{_some(hosts - owned)} not in any department of {REGISTER}, so nobody can approve"
    return ""


def _departments(
    document: Document, groups: Mapping[str, Set[str]], errors: list[PolicyError]
) -> list[tuple[str, Authority]]:
    def wrong(place: tuple[str | int, ...], value: object, expected: str) -> None:
        errors.append(document.error(place, value, expected))

    if not isinstance(document.data, Mapping):
        wrong((), document.data, "a mapping such as press: {head: chan.tai.man, deputies: [lee.siu.ming]}")
        return []
    found = []
    for department, entry in document.data.items():
        if department not in groups:
            wrong((department,), department, f"a group of the inventory{close_to(department, groups)}")
            continue  # what it holds is not printed: a link may have borrowed the file, as Document.error says
        if entry == "":
            found.append((department, Authority("")))
            continue
        if not isinstance(entry, Mapping):
            wrong((department,), entry, "a mapping such as {head: chan.tai.man, deputies: [lee.siu.ming]}")
            continue
        for key in entry:
            if key not in KEYS:
                wrong((department, key), key, f"one of {', '.join(KEYS)}{close_to(key, KEYS)}")
        if not _is_name(entry.get("head")):
            wrong((department, "head"), entry.get("head"), "the head's name, as approved_by gives it")
            continue
        deputies: Any = entry.get("deputies") or []
        if not isinstance(deputies, list):
            wrong((department, "deputies"), deputies, f"a list, such as [{deputies}]")
            continue
        for index, name in enumerate(deputies):
            if not _is_name(name):
                wrong((department, "deputies", index), name, "a deputy's name")
        mail = entry.get("mail") or ""
        if mail and not (isinstance(mail, str) and MAIL.fullmatch(mail)):
            wrong((department, "mail"), mail, "one mail address, such as head.of.press@example.org")
            mail = ""
        found.append((department, Authority(entry["head"], tuple(filter(_is_name, deputies)), mail)))
    return found


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value) and value.isprintable() and value == value.strip()


def _some(hosts: Set[str]) -> str:
    first, *rest = sorted(hosts)
    return f"{first} and {len(rest)} more" if rest else first
