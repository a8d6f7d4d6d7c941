"""Who may ask name servers where programs are to go through the host's own filter: the accounts of that resolver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....base.patterns import compile_pattern
from ...system import ControlError, Host
from . import boot
from .ruleset import PLAIN_DNS_RULE

if TYPE_CHECKING:
    from ....model.types.plan import Plan

_REMEMBERED_PATTERN = compile_pattern(rf"\tchain refuse-{PLAIN_DNS_RULE} \{{\n\t\tmeta skuid (?:\{{ )?([0-9, ]+)")


def find_resolver_uids(host: Host, plan: Plan) -> list[int]:
    """The numbers of the accounts, sorted. None where the plan does not ask for it. None on a host without a filtering
    resolver of its own: there everybody has to ask.

    The account of a resolver is known while it runs. Of one that does not run just now the boot file has it, of the
    last time. Otherwise whoever stops the resolver would open what it is there to close.
    """
    if not plan["controls"]["firewall"]["settings"].get("force_dns"):
        return []
    # Few ask for it, and an audit pays for every line.
    from ..dns.choice import HOSTS_BACKEND, choose_backend, list_resolver_users

    try:
        user_names = list_resolver_users(host, plan)
        uids = {uid for name in user_names if (uid := host.find_user_id(name)) is not None}
        if not uids and choose_backend(host, plan["controls"]["dns"]["settings"]).backend_name != HOSTS_BACKEND:
            match = _REMEMBERED_PATTERN.search(host.read_text(boot.BOOT_FILE_PATH) or "")
            uids = {int(uid) for uid in match[1].split(",")} if match else set()
    except ControlError:  # reported by dns, which cannot filter here either
        return []
    return sorted(uids)
