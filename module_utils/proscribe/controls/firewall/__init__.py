"""The control `firewall`: connections to restricted networks are refused by an nftables table of our own.

Rules: `firewall/<service>` for services with networks; `firewall/dns-over-tls` where port 853 is to be refused;
`firewall/ruleset` for the table as a whole (what is in it and not of the plan, the exemptions, the order); and
`firewall/boot`, whether it comes back after a reboot.
"""

from __future__ import annotations

from typing import Any, Mapping

from ...finding import NOT_APPLICABLE, Finding, Verdict, judge
from ...host import Host, Unseen
from ...plan import RESTRICTED
from ..base import Changes
from . import boot, exemptions, listing
from .ruleset import DNS_OVER_TLS, refused, refuses_dns_over_tls, render

NEEDS_ROOT = "the firewall's rules can only be listed by root: run the audit as root, or with -b"


def observe(host: Host, plan: Mapping[str, Any]) -> list[Verdict]:
    """Whether the table and what brings it back are as the plan calls for. Raises ControlError."""
    section = plan["controls"]["firewall"]
    wrong: Mapping[str, Any] = {}
    kept: list[Finding] = []
    unseen = unseen_boot = ""
    nft = host.tool("nft")
    needed = bool(refused(section)) or refuses_dns_over_tls(section)
    if nft is None and needed:
        wrong = dict.fromkeys([*section["services"], DNS_OVER_TLS, "ruleset"], [listing.NO_NFT])
        kept = [listing.NO_NFT]
    elif not host.privileged:
        unseen = unseen_boot = NEEDS_ROOT
    elif nft is not None:
        try:
            text = render(section, exemptions.collect(host, section, host.text(boot.FILE) or ""))
            kept = boot.wrong(host, nft, text)
            _, wrong, unseen = listing.look(host, nft, text)
        except Unseen as reason:
            unseen = str(reason)
    verdicts = []
    for id_, entry in section["services"].items():
        if not entry["networks"]:
            continue
        if entry["mode"] in RESTRICTED:
            verdicts.append(judge(f"firewall/{id_}", entry, wrong.get(id_, ()), unseen))
        else:
            let = [Finding("network", id_, detail="not refused, by waiver")] if entry["mode"] == "waived" else ()
            verdicts.append(judge(f"firewall/{id_}", entry, let))
    if refuses_dns_over_tls(section):
        verdicts.append(judge(f"firewall/{DNS_OVER_TLS}", section, wrong.get(DNS_OVER_TLS, ()), unseen))
    for rule, found, why in (("ruleset", wrong.get("ruleset", ()), unseen), ("boot", kept, unseen_boot)):
        if needed or found or why:
            verdicts.append(judge(f"firewall/{rule}", section, found, why))
        else:
            verdicts.append(Verdict(f"firewall/{rule}", NOT_APPLICABLE, reason="no network is to be refused"))
    return verdicts


def enforce(host: Host, plan: Mapping[str, Any]) -> Changes:
    """Load the table and keep it over a reboot. Raises ControlError."""
    from . import loading

    return loading.enforce(host, plan["controls"]["firewall"])


def lift(host: Host, plan: Mapping[str, Any]) -> Changes:
    """Take the table away, and what would bring it back."""
    from . import loading

    return loading.lift(host)
