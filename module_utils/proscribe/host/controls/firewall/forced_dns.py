"""Accounts that may query name servers if all programs have to use the host's own DNS filter.

These are the accounts that the resolver of the filter runs as.
"""

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
    """Return the uids of the accounts that may query name servers, sorted; [] if all accounts may.

    All may unless the plan forces DNS through the filter. All may also on a host without a filter, because there every
    account has to query name servers itself. While the resolver does not run, its account is read from the boot file.
    Otherwise a user who stops the resolver could query name servers.
    """
    if not plan["controls"]["firewall"]["settings"].get("force_dns"):
        return []
    # Imported here, because few plans need it, and an audit compiles every line that it imports.
    from ..dns.backend_choice import HOSTS_BACKEND, choose_backend, list_resolver_users

    try:
        user_names = list_resolver_users(host, plan)
        uids = {uid for name in user_names if (uid := host.find_user_id(name)) is not None}
        if not uids and choose_backend(host, plan["controls"]["dns"]["settings"]).backend_name != HOSTS_BACKEND:
            match = _REMEMBERED_PATTERN.search(host.read_text(boot_units.BOOT_FILE_PATH) or "")
            uids = {int(uid) for uid in match[1].split(",")} if match else set()
    except ControlError:  # the control dns reports this error, and installs no filter on this host either
        return []
    return sorted(uids)
