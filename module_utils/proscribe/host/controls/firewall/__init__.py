"""The control `firewall`: connections to restricted networks are refused by an nftables table of our own.

Its rules:

    firewall/<service>       whether the networks of a service are refused
    firewall/dns-over-tls    whether port 853 is, where it has to be
    firewall/quic            whether UDP port 443 is, where it has to be
    firewall/plain-dns       whether only the host's own filter may ask name servers, where that is desired
    firewall/local-ssh       whether the host's own accounts can open only so many connections to its sshd
    firewall/own-rules       whether the organisation's own rules are there
    firewall/ruleset         the table as a whole: what is in it and not of the plan, the exemptions, the order
    firewall/boot            whether it comes back after a reboot
    firewall/exemptions      what the host has to reach in a restricted network
    firewall/neighbours      how another table bypasses ours
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Iterator, Mapping, Sequence

from ....model.finding import NOT_APPLICABLE, Finding, RuleVerdict, is_user_restricted, judge_rule
from ....model.plan import RESTRICTED_MODES
from ...system import Host, ObservationError, RulesetGeneration
from ..base import Changes
from . import boot, exemptions, forced_dns, listing, loaded_state, other_tables
from .rule_text import MANAGEMENT, OWN_RULES, Exemptions, spelled
from .ruleset import LOCAL_SSH, PLAIN_DNS, local_ssh_limit, own_rules, refused, refused_everywhere, render

if TYPE_CHECKING:
    from ....model.types.plan import Plan, PlanEntry, PlanSection

NEEDS_ROOT = "the firewall's rules can only be listed by root: run the audit as root, or with -b"
NO_FILTER = "this host has no filtering resolver of its own, so everybody has to ask name servers"


def observe(host: Host, plan: Plan) -> list[RuleVerdict]:
    """Whether the table and what brings it back are as the plan calls for. Raises ControlError."""
    section = plan["controls"]["firewall"]
    wrong: Mapping[str, Sequence[Finding]] = {}
    counts: Mapping[str, tuple[int, int]] = {}
    wrong_at_boot: list[Finding] = []
    others: list[RuleVerdict] = []
    unseen = unseen_boot = ""
    nft = host.find_tool("nft")
    askers = forced_dns.askers(host, plan)
    settings = [
        *refused_everywhere(section),
        *[PLAIN_DNS] * bool(askers),
        *[LOCAL_SSH] * bool(local_ssh_limit(section)),
        *[OWN_RULES] * bool(own_rules(section)),
    ]
    needed = bool(refused(section)) or bool(settings)
    if nft is None and needed:
        wrong = dict.fromkeys([*refused(section), *settings, "ruleset"], [listing.NO_NFT])
        wrong_at_boot = [listing.NO_NFT]
    elif not host.privileged:
        unseen = unseen_boot = NEEDS_ROOT
    elif nft is not None:
        try:
            at_boot = host.read_text(boot.FILE) or ""
            lets = exemptions.collect(host, section, at_boot, askers=askers)
            text = render(section, lets)
            wrong_at_boot = boot.wrong(host, nft, text)
            observed = listing.observe_table(host, nft, text, at_boot)
            wrong, unseen, counts = observed.wrong, observed.unseen, observed.counts
            others = _exempted(lets) if needed else []
            if needed and not loaded_state.alone(host, text):
                beside = other_tables.observe(host, nft)
                others += beside
                if observed.right and text == at_boot:
                    host.state_savers.append(partial(_keep, host, text, observed.generation, not beside))
        except ObservationError as reason:
            unseen = str(reason)
    verdicts = list(_of_services(host, section, wrong, unseen))
    whole: PlanEntry = {"mode": section["mode"]}
    verdicts += [judge_rule(f"firewall/{rule}", whole, wrong.get(rule, ()), unseen) for rule in settings]
    if section["settings"].get("force_dns") and not askers:
        verdicts.append(RuleVerdict(f"firewall/{PLAIN_DNS}", NOT_APPLICABLE, reason=NO_FILTER))
    for rule, found, why in (("ruleset", wrong.get("ruleset", ()), unseen), ("boot", wrong_at_boot, unseen_boot)):
        if needed or found or why:
            verdicts.append(judge_rule(f"firewall/{rule}", whole, found, why))
        else:
            verdicts.append(RuleVerdict(f"firewall/{rule}", NOT_APPLICABLE, reason="no network is to be refused"))
    attempts = {f"firewall/{rule}": packets for rule, (packets, _) in counts.items()}
    return [v._replace(attempts=attempts.get(v.rule, 0)) for v in [*verdicts, *others]]


def _of_services(
    host: Host, section: PlanSection, wrong: Mapping[str, Sequence[Finding]], unseen: str
) -> Iterator[RuleVerdict]:
    for id_, entry in section["services"].items():
        if entry["networks"] and entry["mode"] in RESTRICTED_MODES:
            evidence = [*wrong.get(id_, ()), *_let_through(host, id_, entry)]
            yield judge_rule(f"firewall/{id_}", entry, evidence, unseen)
        elif entry["networks"]:
            let = [Finding("network", id_, detail="not refused, by waiver")] if entry["mode"] == "waived" else ()
            yield judge_rule(f"firewall/{id_}", entry, let)


def _exempted(lets: Exemptions) -> list[RuleVerdict]:
    """What of restricted networks stays reachable for the sake of the host, by what its own files say."""
    found = []
    for entry in lets.exempt:
        services = [id_ for id_ in entry.services if id_ != OWN_RULES]
        if services and entry.reason != MANAGEMENT:
            detail = f"{entry.reason}: stays reachable, in a network of {', '.join(services)}"
            found.append(Finding("network", spelled(entry.network), manager="nftables", detail=detail))
    reason = "this host needs them: seen and reported, counts nothing"
    return [RuleVerdict("firewall/exemptions", NOT_APPLICABLE, tuple(found), reason=reason)] if found else []


def _keep(host: Host, text: str, seen: RulesetGeneration | None, alone: bool, _: bool) -> None:
    """Save the observation for later ones, unless a table has changed meanwhile."""
    if seen is not None and seen == host.read_ruleset_generation():
        loaded_state.remember(host, text, seen, alone)


def _let_through(host: Host, id_: str, entry: PlanEntry) -> list[Finding]:
    """The users of this host whom a waiver lets through: evidence of what is open."""
    names = exemptions.exempted_users(entry)
    known = [name for name in dict.fromkeys(names) if host.find_user_id(name) is not None]
    found = [Finding("network", id_, scope=f"user:{name}", detail="not refused, by waiver") for name in known]
    return [finding for finding in found if is_user_restricted(entry, finding)]


def enforce(host: Host, plan: Plan) -> Changes:
    """Load the table, and make it survive a reboot. Raises ControlError."""
    from . import loading

    return loading.enforce(host, plan["controls"]["firewall"], forced_dns.askers(host, plan))


def lift(host: Host, plan: Plan) -> Changes:
    """Take the table away, and what would bring it back."""
    from . import loading

    return loading.lift(host)
