"""Check of the accounts that OneDrive, Teams and Google Drive accept on a Windows host.

The plan's policies for these programs are registry values for a machine, and values for each of its users. Only those
of the machine are read. They count whether or not the program is installed, because users can install it later.
OneDrive's list of tenants is additive, so tenants that another Group Policy object adds are no difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...host.controls.group_policy import account_restrictions
from ...host.controls.group_policy.account_restrictions import ACCOUNT_RULES, ALLOWED_TENANTS
from ...host.controls.group_policy.registry_pol import RegistryEntry, decode_entry
from ...host.system.types import escape_text
from ...model.finding import UNKNOWN, Finding, RuleVerdict, judge_rule, make_unobservable_verdict
from .command_line import MACHINE_HIVE
from .store_packages import WINDOWS_MANAGER

if TYPE_CHECKING:
    from ...model.types.plan import ControlSettings, Plan, PlanSection
    from .registry import WindowsRegistry

UNREAD_REASON = "{} cannot be read there"
USER_VALUE_REASON = "{} of {} is a value of each user (HKEY_CURRENT_USER), which is not read"
MAX_SHOWN_LENGTH = 200  # most characters of a host's value in a finding


def observe_program_accounts(plan: Plan, registry: WindowsRegistry) -> list[RuleVerdict]:
    """Return the verdicts on the accounts of programs; [] if the plan restricts no program's accounts.

    A list of tenants that the plan cannot make, because a tenant lacks its id, is unknown.
    """
    section = plan["controls"]["browser"]
    verdicts = []
    if problem := account_restrictions.explain_missing_ids(section, for_users=False):
        verdicts.append(RuleVerdict(f"browser/{ACCOUNT_RULES[ALLOWED_TENANTS]}", UNKNOWN, reason=problem))
    if account_restrictions.explain_missing_ids(section):
        plan = {**plan, "controls": {**plan["controls"], "browser": _remove_microsoft_tenants(section)}}
    for program in account_restrictions.list_account_policies(plan):
        machine_entries: dict[str, list[RegistryEntry]] = {}
        for entry in program.machine_entries:
            machine_entries.setdefault(_name_policy(entry), []).append(entry)
        for policy, entries in machine_entries.items():
            verdicts.append(_judge_policy(section, registry, policy, program.name, entries))
        for policy in dict.fromkeys(map(_name_policy, program.user_entries)):
            reason = USER_VALUE_REASON.format(policy, program.name)
            verdicts.append(make_unobservable_verdict(f"browser/{ACCOUNT_RULES[policy]}", reason))
    return verdicts


def _name_policy(entry: RegistryEntry) -> str:
    """Return the name of the policy that a registry value belongs to. The policy may be a list, which is a key."""
    list_name = entry.key.rpartition("\\")[2]
    return list_name if list_name in ACCOUNT_RULES else entry.value_name


def _remove_microsoft_tenants(section: PlanSection) -> PlanSection:
    """Return the section without tenants of Microsoft, whose policies cannot be made."""
    tenants = {
        provider: entries
        for provider, entries in section["settings"].get("tenants", {}).items()
        if provider != "microsoft"
    }
    settings: ControlSettings = {**section["settings"], "tenants": tenants}
    return {**section, "settings": settings}


def _judge_policy(
    section: PlanSection, registry: WindowsRegistry, policy: str, program: str, entries: list[RegistryEntry]
) -> RuleVerdict:
    """Compare a policy's registry values with those of the host, and return the verdict."""
    rule = f"browser/{ACCOUNT_RULES[policy]}"
    host_key = f"{MACHINE_HIVE}\\{entries[0].key}"
    if not registry.is_complete(host_key):
        return judge_rule(rule, {"mode": section["mode"]}, (), UNREAD_REASON.format(host_key))
    texts = {
        name: str(registry_value.data)
        for name, registry_value in registry.read_values(host_key).items()
        if registry_value.type == "REG_SZ"
    }
    find_differences = _list_missing_tenants if policy == ALLOWED_TENANTS else _list_different_values
    findings = [
        Finding("policy", policy, WINDOWS_MANAGER, path=host_key, detail=f"{program}: {difference}")
        for difference in find_differences(entries, texts)
    ]
    return judge_rule(rule, {"mode": section["mode"]}, findings)


def _list_missing_tenants(entries: list[RegistryEntry], texts: dict[str, str]) -> Iterator[str]:
    """Yield a phrase for each tenant that is in no value of the host's list, under any name."""
    host_tenants = {text.strip().casefold() for text in texts.values()}
    for entry in entries:
        tenant = str(decode_entry(entry))
        if tenant.casefold() not in host_tenants:
            yield f"the tenant {tenant} is not in the list"


def _list_different_values(entries: list[RegistryEntry], texts: dict[str, str]) -> Iterator[str]:
    """Yield a phrase for each value that the host lacks, or has with another text."""
    for entry in entries:
        host_text = texts.get(entry.value_name.casefold())
        if host_text is None:
            yield "no text is set"
        elif host_text != decode_entry(entry):
            yield f"another text is set: {escape_text(host_text[:MAX_SHOWN_LENGTH])}"
