"""The control `dns`: names of restricted services do not resolve.

A backend answers for one way of telling a host so, with `observe(host, section)`, `enforce(host, section)` and
`lift(host, section)`. There is one, the hosts file: the only way that every host has. It knows exact names, so of a
service's domains it blocks the names that the plan lists and no others below them.

Rules: `dns/<service>`, and one of the backend's own for what else is wrong (`dns/hosts-file`).
"""

from __future__ import annotations

from typing import Any, Mapping

from ...finding import Verdict
from ...host import Host
from ..base import Changes
from . import hosts_file as backend


def observe(host: Host, plan: Mapping[str, Any]) -> list[Verdict]:
    """Whether the names of the plan are blocked. Raises ControlError."""
    return backend.observe(host, plan["controls"]["dns"])


def enforce(host: Host, plan: Mapping[str, Any]) -> Changes:
    """The change that blocks the names of the plan. Raises ControlError."""
    return backend.enforce(host, plan["controls"]["dns"])


def lift(host: Host, plan: Mapping[str, Any]) -> Changes:
    """The change that gives the host its own name resolution back. Raises ControlError."""
    return backend.lift(host, plan["controls"].get("dns", {"services": {}}))
