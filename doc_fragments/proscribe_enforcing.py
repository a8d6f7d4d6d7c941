"""The documentation that the enforcing modules share."""

from __future__ import annotations


class ModuleDocFragment:
    """Options and attributes of restricted_apps, browser_policy, host_firewall, dns_filter and host_watch."""

    DOCUMENTATION = r"""
options:
  plan:
    description: The host's plan, as C(compile_plans) made it.
    type: dict
    required: true
  state:
    description:
      - V(present) brings the host in line with the plan.
      - V(absent) leaves it as if Proscribe had never been there, with what is the organisation's own untouched.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    support: full
    description: Says what it would do, and does nothing.
  diff_mode:
    support: full
    description: One difference for every action.
"""
