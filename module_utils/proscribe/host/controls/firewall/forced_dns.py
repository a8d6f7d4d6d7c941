"""Accounts that may ask name servers if programs have to use the host's own filter: those of that resolver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....base.lazy_patterns import compile_pattern
from ...system import ControlError, Host
from . import boot_units
from .ruleset import PLAIN_DNS_RULE

if TYPE_CHECKING:
    from ....model.types.plan import Plan

_REMEMBERED_PATTERN = compile_pattern(rf"\tchain refuse-{PLAIN_DNS_RULE} \{{\n\t\tmeta skuid (?:\{{ )?([0-9, ]+)")


def find_resolver_uids(host: Host, plan: Plan) -> list[int]:
    """Return the uids of the accounts, sorted; none unless the plan forces DNS.

    The list is also empty on a host without a filtering resolver of its own: there every account has to ask. The
    account of a resolver is known while it runs. The boot file has the last account of a resolver that does not run
    now. Otherwise a user who stops the resolver would open the name servers.
    """
    if not plan["controls"]["firewall"]["settings"].get("force_dns"):
        return []
    # Imported here, because few plans need it and an audit pays for every line.
    from ..dns.backend_choice import HOSTS_BACKEND, choose_backend, list_resolver_users

    try:
        user_names = list_resolver_users(host, plan)
        uids = {uid for name in user_names if (uid := host.find_user_id(name)) is not None}
        if not uids and choose_backend(host, plan["controls"]["dns"]["settings"]).backend_name != HOSTS_BACKEND:
            match = _REMEMBERED_PATTERN.search(host.read_text(boot_units.BOOT_FILE_PATH) or "")
            uids = {int(uid) for uid in match[1].split(",")} if match else set()
    except ControlError:  # the control dns reports the error, and cannot filter here either
        return []
    return sorted(uids)
