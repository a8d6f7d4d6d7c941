"""Who may ask name servers where programs are to go through the host's own filter: the accounts of that resolver."""

from __future__ import annotations

from typing import Any, Mapping

from ...host import ControlError, Host


def askers(host: Host, plan: Mapping[str, Any]) -> list[int]:
    """The numbers of the accounts, sorted; none where the plan does not ask for it, and on a host without a filtering
    resolver of its own: there everybody has to ask.
    """
    if not plan["controls"]["firewall"]["settings"].get("force_dns"):
        return []
    from ..dns.resolver_users import resolver_users  # few ask for it, and an audit pays for every line

    try:
        names = resolver_users(host, plan)
    except ControlError:  # told by dns, which cannot filter here either
        return []
    return sorted({number for name in names if (number := host.user_id(name)) is not None})
