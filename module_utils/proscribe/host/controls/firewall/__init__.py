"""The control `firewall`: an nftables table of Proscribe's own refuses connections to restricted networks.

Its rules:

    firewall/<service>       the refusal of a service's networks
    firewall/dns-over-tls    the refusal of port 853, if the plan requires it
    firewall/quic            the refusal of UDP port 443, if the plan requires it
    firewall/plain-dns       name servers for the host's own filter only, if the plan requires it
    firewall/local-ssh       the limit on connections of the host's own accounts to its sshd
    firewall/own-rules       the organisation's own rules
    firewall/ruleset         the table as a whole: parts that are not Proscribe's, the exemptions, the order
    firewall/boot            the restoration of the table after a reboot
    firewall/exemptions      addresses in restricted networks that the host has to reach
    firewall/neighbours      bypasses by another table
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Iterator, Mapping, Sequence

from ....base.lazy_patterns import compile_pattern
from ....model.finding import NOT_APPLICABLE, Finding, RuleVerdict, is_user_restricted, judge_rule
from ....model.plan import RESTRICTED_MODES
from ...system import ControlError, Host, ObservationError, RulesetGeneration
from ..base import Changes
from . import boot_units, exemptions, loaded_state, other_tables, table_listing
from .rule_syntax import MANAGEMENT_REASON, OWN_RULES, FirewallExemptions, format_network
from .ruleset import (
    LOCAL_SSH_RULE,
    PLAIN_DNS_RULE,
    get_local_ssh_limit,
    get_own_rules,
    make_general_matches,
    render_ruleset,
    select_refused_entries,
)

if TYPE_CHECKING:
    from ....model.types.plan import Plan, PlanEntry, PlanSection

NEEDS_ROOT_REASON = "the firewall's rules can only be listed by root: run the audit as root, or with -b"
NO_FILTER_REASON = "this host has no filtering resolver of its own, so everybody has to ask name servers"
_REMEMBERED_PATTERN = compile_pattern(rf"\tchain refuse-{PLAIN_DNS_RULE} \{{\n\t\tmeta skuid (?:\{{ )?([0-9, ]+)")


def observe(host: Host, plan: Plan) -> list[RuleVerdict]:
    """Check the table, and the files and units that restore it, against the plan. Raises ControlError.

    Only root can list the table. For another account, most verdicts are unknown. If nothing is to be refused and
    nothing is left over, the verdicts on table and files are NOT_APPLICABLE.
    """
    section = plan["controls"]["firewall"]
    findings_by_rule: Mapping[str, Sequence[Finding]] = {}
    counts: Mapping[str, tuple[int, int]] = {}
    boot_findings: list[Finding] = []
    other_verdicts: list[RuleVerdict] = []
    unseen_reason = unseen_boot_reason = ""
    nft = host.find_tool("nft")
    resolver_uids = find_resolver_uids(host, plan)
    # rules of this host that do not belong to a service, such as quic
    setting_rules = [
        *make_general_matches(section),
        *[PLAIN_DNS_RULE] * bool(resolver_uids),
        *[LOCAL_SSH_RULE] * bool(get_local_ssh_limit(section)),
        *[OWN_RULES] * bool(get_own_rules(section)),
    ]
    # False if the plan refuses nothing on this host, so that no table is needed
    is_needed = bool(select_refused_entries(section)) or bool(setting_rules)
    if nft is None and is_needed:
        findings_by_rule = dict.fromkeys(
            [*select_refused_entries(section), *setting_rules, "ruleset"], [table_listing.NO_NFT_FINDING]
        )
        boot_findings = [table_listing.NO_NFT_FINDING]
    elif not host.privileged:
        unseen_reason = unseen_boot_reason = NEEDS_ROOT_REASON
    elif nft is not None:
        try:
            boot_text = host.read_text(boot_units.BOOT_FILE_PATH) or ""
            host_exemptions = exemptions.collect_exemptions(host, section, boot_text, resolver_uids=resolver_uids)
            text = render_ruleset(section, host_exemptions)
            boot_findings = boot_units.find_boot_defects(host, nft, text)
            observation = table_listing.observe_table(host, nft, text, boot_text)
            findings_by_rule, unseen_reason, counts = (
                observation.findings_by_rule,
                observation.unseen_reason,
                observation.counts,
            )
            other_verdicts = _judge_exemptions(host_exemptions) if is_needed else []
            # The other tables need no check if they were checked before, and no table has changed since.
            if is_needed and not loaded_state.is_table_alone(host, text):
                table_verdicts = other_tables.observe_other_tables(host, nft)
                other_verdicts += table_verdicts
                if observation.is_right and text == boot_text:
                    host.state_savers.append(
                        partial(_save_loaded_state, host, text, observation.generation, not table_verdicts)
                    )
        except ObservationError as reason:
            unseen_reason = str(reason)
    verdicts = list(_judge_services(host, section, findings_by_rule, unseen_reason))
    section_entry: PlanEntry = {"mode": section["mode"]}
    verdicts += [
        judge_rule(f"firewall/{rule}", section_entry, findings_by_rule.get(rule, ()), unseen_reason)
        for rule in setting_rules
    ]
    if section["settings"].get("force_dns") and not resolver_uids:
        verdicts.append(RuleVerdict(f"firewall/{PLAIN_DNS_RULE}", NOT_APPLICABLE, reason=NO_FILTER_REASON))
    for rule, findings, unknown_reason in (
        ("ruleset", findings_by_rule.get("ruleset", ()), unseen_reason),
        ("boot", boot_findings, unseen_boot_reason),
    ):
        if is_needed or findings or unknown_reason:
            verdicts.append(judge_rule(f"firewall/{rule}", section_entry, findings, unknown_reason))
        else:
            verdicts.append(RuleVerdict(f"firewall/{rule}", NOT_APPLICABLE, reason="no network is to be refused"))
    attempts = {f"firewall/{rule}": packets for rule, (packets, _) in counts.items()}
    return [verdict._replace(attempts=attempts.get(verdict.rule, 0)) for verdict in [*verdicts, *other_verdicts]]


def _judge_services(
    host: Host, section: PlanSection, findings_by_rule: Mapping[str, Sequence[Finding]], unseen_reason: str
) -> Iterator[RuleVerdict]:
    """Yield the verdict on each service that has networks. A service without networks has no rule here.

    `findings_by_rule` has the faults of the table by service id. `unseen_reason` is the reason why further faults may
    be hidden; "" if none are.
    """
    for service_id, entry in section["services"].items():
        if entry["networks"] and entry["mode"] in RESTRICTED_MODES:
            findings = [*findings_by_rule.get(service_id, ()), *_find_waived_users(host, service_id, entry)]
            yield judge_rule(f"firewall/{service_id}", entry, findings, unseen_reason)
        elif entry["networks"]:
            waiver_findings = (
                [Finding("network", service_id, detail="not refused, by waiver")] if entry["mode"] == "waived" else ()
            )
            yield judge_rule(f"firewall/{service_id}", entry, waiver_findings)


def _judge_exemptions(host_exemptions: FirewallExemptions) -> list[RuleVerdict]:
    """Return the verdict that reports restricted addresses that remain reachable; [] if there are none.

    Such an address is no violation, because the host's own files show that the host needs it. Networks that the plan
    names under `management` are left out.
    """
    findings = []
    for entry in host_exemptions.exempt_networks:
        service_ids = [service_id for service_id in entry.service_ids if service_id != OWN_RULES]
        if service_ids and entry.reason != MANAGEMENT_REASON:
            detail = f"{entry.reason}: stays reachable, in a network of {', '.join(service_ids)}"
            findings.append(Finding("network", format_network(entry.network), manager="nftables", detail=detail))
    reason = "this host needs them: reported only, without effect on the state"
    return [RuleVerdict("firewall/exemptions", NOT_APPLICABLE, tuple(findings), reason=reason)] if findings else []


def _save_loaded_state(host: Host, text: str, generation: RulesetGeneration | None, is_alone: bool, _: bool) -> None:
    """Save that the table is loaded as desired, so that later observations need not list it.

    Nothing is saved if a table of the host has changed in the meantime. `is_alone` is True if no other table bypasses
    it. `_` is the flag that each of `Host.state_savers` gets; it does not matter here.
    """
    if generation is not None and generation == host.read_ruleset_generation():
        loaded_state.save_loaded_state(host, text, generation, is_alone)


def _find_waived_users(host: Host, service_id: str, entry: PlanEntry) -> list[Finding]:
    """Return a finding for each user of this host to whom a waiver permits a restricted service.

    Users for whom the service is not restricted at all are left out.
    """
    names = exemptions.list_exempted_users(entry)
    known_names = [name for name in dict.fromkeys(names) if host.find_user_id(name) is not None]
    findings = [
        Finding("network", service_id, scope=f"user:{name}", detail="not refused, by waiver") for name in known_names
    ]
    return [finding for finding in findings if is_user_restricted(entry, finding)]


def enforce(host: Host, plan: Plan) -> Changes:
    """Return the changes that load the table, and restore it after a reboot. Raises ControlError."""
    from . import table_changes

    return table_changes.enforce_firewall(host, plan["controls"]["firewall"], find_resolver_uids(host, plan))


def lift(host: Host, plan: Plan) -> Changes:
    """Return the changes that remove the table, and the files and units that would restore it."""
    from . import table_changes

    return table_changes.lift_firewall(host)


def find_resolver_uids(host: Host, plan: Plan) -> list[int]:
    """Return the uids of the accounts that may query name servers, sorted; [] if all accounts may.

    They are the accounts of the filter's resolver. All may unless the plan forces DNS through the filter. All may also
    on a host without a filter, because there every account has to query name servers itself. While the resolver does
    not run, its account is read from the boot file. Otherwise a user who stops the resolver could query name servers.
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
