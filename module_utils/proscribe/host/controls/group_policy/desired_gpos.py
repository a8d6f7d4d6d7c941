"""Desired state of Group Policy: each object of a plan, with its content and the units where it is linked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

from ....base.named_tuple import NamedTuple
from ....model.plan import compute_once
from ...system import WRITTEN_BY, ControlError
from . import applocker_rules
from .identity import APPLOCKER_EXTENSIONS, MARK_PREFIX, REGISTRY_EXTENSIONS, make_gpo_rule
from .policies import list_policy_entries
from .registry_pol import render_entries

if TYPE_CHECKING:
    from ....model.types.plan import GroupPolicyObject, Plan
    from .domain import SambaDomain
    from .registry_pol import RegistryEntry


class DesiredGpo(NamedTuple):
    """Desired Group Policy object. `ous` are the organisational units where it has to be linked."""

    name: str
    ous: Sequence[str]
    # its links also apply below units that block inheritance, and have priority over all other objects
    is_enforced: bool
    is_enforcing: bool  # True if the plan enforces the object, False if it only audits it
    policy: bytes  # content of Machine/Registry.pol
    template: bytes = b""  # content of the security template; b"" for an object without AppLocker's rules


def collect_desired_gpos(plan: Plan, with_policies: bool = True) -> list[DesiredGpo]:
    """Return the Group Policy objects of a plan; [] for a plan without any.

    `with_policies` is False for objects that will be removed: then their content is not computed. Raises ControlError
    for policies that no browser could follow.
    """
    return [
        DesiredGpo(
            gpo["name"],
            gpo["ous"],
            gpo["enforced"],
            gpo["browser"]["mode"] == "enforce",
            _render_gpo_policy(plan, gpo) if with_policies else b"",
            applocker_rules.encode_template() if with_policies and "apps" in gpo else b"",
        )
        for gpo in (plan["group_policy"]["objects"] if "group_policy" in plan else ())
    ]


def _render_gpo_policy(plan: Plan, gpo: GroupPolicyObject) -> bytes:
    """Return the content of Registry.pol for the machines of a Group Policy object.

    It has the policies of browsers, and AppLocker's rules if the plan has them. Raises ControlError.
    """
    # the plan as a machine of the group would have it, with the control browser only
    group_plan: Plan = {**plan, "request_url": gpo.get("request_url", ""), "controls": {"browser": gpo["browser"]}}
    try:
        return bytes(
            compute_once(
                plan,
                make_gpo_rule(gpo["name"]),
                lambda: render_entries([*list_policy_entries(group_plan), *_list_program_entries(gpo)]),
            )
        )
    except ValueError as error:
        raise ControlError(f"the policies of {gpo['group']} do not fit into Registry.pol: {error}") from None


def _list_program_entries(gpo: GroupPolicyObject) -> list[RegistryEntry]:
    """Return the registry values of AppLocker's rules; [] if the plan has none for the object."""
    return applocker_rules.list_registry_entries(gpo["apps"]) if "apps" in gpo else []


def make_gpo_attributes(domain: SambaDomain, desired_gpo: DesiredGpo, guid: str) -> list[tuple[str, str]]:
    """Return the attributes that Proscribe's object must have in the directory, as (name, value).

    The value "" means that the object must not have the attribute.
    """
    return [
        ("displayName", desired_gpo.name),
        ("description", MARK_PREFIX + desired_gpo.name),
        ("flags", "0"),
        ("gPCFileSysPath", f"\\\\{domain.name}\\sysvol\\{domain.name}\\Policies\\{guid}"),
        ("gPCFunctionalityVersion", "2"),
        ("gPCMachineExtensionNames", APPLOCKER_EXTENSIONS if desired_gpo.template else REGISTRY_EXTENSIONS),
        ("gPCUserExtensionNames", ""),
        ("gPCWQLFilter", ""),
    ]


def render_gpt_ini(version: int) -> bytes:
    """Return the content of GPT.INI. Its version number shows a client that the object has changed."""
    return f"; {WRITTEN_BY}\r\n[General]\r\nVersion={version}\r\n".encode()
