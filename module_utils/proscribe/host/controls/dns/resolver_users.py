"""Who asks name servers for a host, where everybody else is made to ask that one: for the firewall's forced DNS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...system import Host
from .backends.registry import backend
from .choice import HOSTS, choose

if TYPE_CHECKING:
    from ....model.types.plan import Plan


def resolver_users(host: Host, plan: Plan) -> list[str]:
    """The accounts of the resolver that a host filters with, sorted; none where it has no filter of its own. Then plain
    DNS must stay open for all: there is nobody else to ask.

    The rule is then: accept what leaves by `lo`; refuse port 53, TCP and UDP, unless `meta skuid` is one of them.
    Raises ControlError like `observe`.
    """
    section = plan["controls"].get("dns")
    if section is None or section["mode"] != "enforce":
        return []
    choice = choose(host, section["settings"])
    return [] if choice.name == HOSTS else backend(choice.name).users(host, choice.observed)
