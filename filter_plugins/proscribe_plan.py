# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter for the plan of a host, in the arguments of a module."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "module_utils"))

from proscribe.model.plan import format_canonical
from proscribe.wire.plan_store import PlanStore

DOCUMENTATION = r"""
name: proscribe_plan
short_description: The plan of a host, out of what compile_plans registered
description: Gives a module that takes a plan the plan of the host it runs for.
version_added: "1.0.0"
author: The Proscribe developers
positional: host
options:
  _input:
    description: What C(compile_plans) registered.
    type: dict
    required: true
  host:
    description: The host's name in the inventory.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Bring the host's name resolution in line
  dns_filter:
    plan: "{{ proscribe_compiled | proscribe_plan(inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: The plan as JSON text, which a module's option of type dict takes.
  type: str
"""


def proscribe_plan(compiled: Mapping[str, Any], host: str) -> str:
    """Return the JSON text of a host's plan.

    `compiled` is the registered result of `compile_plans`. Hosts with equal plans share a file, whose name is the
    digest of the plan. Raises AnsibleFilterError if no plan was compiled for the host.
    """
    try:
        run = compiled["proscribe_run"]
        digest = run["hosts"][host]
    except (KeyError, TypeError):
        raise AnsibleFilterError(
            f"no plan was compiled for {host}: the play begins with a compile_plans task whose result is registered "
            "as proscribe_compiled (see playbooks/audit.yml)"
        ) from None
    try:
        return Path(run["plans"], f"{digest.removeprefix('sha256:')}.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return format_canonical(PlanStore(Path(run["plans"])).read_stored_plan(digest))


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"proscribe_plan": proscribe_plan}
