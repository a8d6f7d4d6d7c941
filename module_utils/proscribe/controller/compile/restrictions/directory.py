"""Setting for Group Policy on a domain controller.

Machines of the domain get their policies from the domain controller, and not from Ansible.
"""

from __future__ import annotations

from .group_policy_values import PolicyObjectSetting, read_group_policy
from .variable import declare_settings, declare_variable


@declare_settings
class DirectorySettings:
    """Settings for a Samba domain controller."""

    group_policy: tuple[PolicyObjectSetting, ...] = declare_variable(
        [],
        read_group_policy,
        "On a Samba domain controller: the Group Policy objects that it has, a list of {name, group, ous, enforced}. "
        "Machines of the units get what the browsers of the group's hosts get; docs/domain_controller.md.",
    )
