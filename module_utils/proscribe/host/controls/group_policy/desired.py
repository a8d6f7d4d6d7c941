"""What a plan says of Group Policy: each object, with all that it has and where it applies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

from ....base.tuples import NamedTuple
from ....model.plan import compute_once
from ...system import WRITTEN_BY, ControlError
from . import applocker
from .identity import EXTENSIONS, MARK, WITH_APPLOCKER, rule
from .policies import entries
from .registry_pol import render

if TYPE_CHECKING:
    from ....model.types.plan import GroupPolicyObject, Plan
    from .domain import Domain
    from .registry_pol import Entry


class Desired(NamedTuple):
    """A Group Policy object as it has to be."""

    name: str
    ous: Sequence[str]
    enforced: bool  # whether its links apply below units that block inheritance, and before all other objects
    drifts: bool  # whether it is enforced, and not only audited
    policy: bytes  # Machine/Registry.pol
    template: bytes = b""  # the security template; b"" for an object without AppLocker's rules


def desired(plan: Plan, whole: bool = True) -> list[Desired]:
    """The objects of a plan; not `whole`: without their policies, for what is about to be removed. Raises ControlError
    for policies that no browser could follow.
    """
    return [
        Desired(
            one["name"],
            one["ous"],
            one["enforced"],
            one["browser"]["mode"] == "enforce",
            _policy(plan, one) if whole else b"",
            applocker.template() if whole and "apps" in one else b"",
        )
        for one in (plan["group_policy"]["objects"] if "group_policy" in plan else ())
    ]


def _policy(plan: Plan, one: GroupPolicyObject) -> bytes:
    """The registry's values that say the policies of a group's browsers."""
    of_group: Plan = {**plan, "request_url": one.get("request_url", ""), "controls": {"browser": one["browser"]}}
    try:
        return bytes(compute_once(plan, rule(one["name"]), lambda: render([*entries(of_group), *_programs(one)])))
    except ValueError as wrong:
        raise ControlError(f"the policies of {one['group']} do not fit into Registry.pol: {wrong}") from None


def _programs(one: GroupPolicyObject) -> list[Entry]:
    return applocker.entries(one["apps"]) if "apps" in one else []


def attributes(domain: Domain, one: Desired, id_: str) -> list[tuple[str, str]]:
    """The attributes that an object of ours has in the directory; "" for one that it must not have."""
    return [
        ("displayName", one.name),
        ("description", MARK + one.name),
        ("flags", "0"),
        ("gPCFileSysPath", f"\\\\{domain.name}\\sysvol\\{domain.name}\\Policies\\{id_}"),
        ("gPCFunctionalityVersion", "2"),
        ("gPCMachineExtensionNames", WITH_APPLOCKER if one.template else EXTENSIONS),
        ("gPCUserExtensionNames", ""),
        ("gPCWQLFilter", ""),
    ]


def ini(version: int) -> bytes:
    """GPT.INI, the file by which a client sees that an object has changed."""
    return f"; {WRITTEN_BY}\r\n[General]\r\nVersion={version}\r\n".encode()
