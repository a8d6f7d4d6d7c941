"""Common code of the backends with a real filter: a resolver that reads a file of Proscribe's.

A backend describes its filter as a `DnsFilter`. It has the files, the commands that make the resolver read them, and
the addresses where the resolver then answers.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, AbstractSet, Callable, Mapping, Sequence

from ....base.named_tuple import NamedTuple
from ....model.finding import Finding, RuleVerdict, judge_rule
from ...system import Host, ObservationError
from ...system.units import UNIT_DIRECTORY, find_foreign_files, is_suspended, read_unit_text
from . import filter_text
from .dns_query import FAILURE_CODES, QUERY_TIMEOUTS_SECONDS, TXT_TYPE, query_resolver
from .effect_test import WITNESS_NAME, FilterEffect, probe_filter_effect
from .filter_text import ResolverLanguage
from .names_to_block import DesiredNames, find_covering_name, judge_services
from .resolver_observation import (
    RESOLV_CONF_PATH,
    STUB_ADDRESSES,
    is_loopback,
    make_besides_finding,
    parse_nameservers,
    read_own_text,
)

if TYPE_CHECKING:
    from ....model.types.plan import PlanSection

Command = Sequence[str]


class FilterStage(NamedTuple):
    """Step of an installation: files that take effect together, and the commands for them."""

    files: Mapping[str, str]  # by path: the text
    start_commands: Sequence[Command]  # run after the files are written: they make the service read them
    answer_addresses: Sequence[tuple[str, int]]  # (address, port) pairs that then answer with the file's digest
    leave_commands: Sequence[Command] = ()  # run before the files are deleted
    removed_commands: Sequence[Command] = ()  # run after the files are deleted
    required_paths: Sequence[str] = ()  # links of enabled units: the start commands create them, and they have to exist


def make_restart_commands(unit: str, verb: str = "restart") -> list[Command]:
    """Return the commands that restart a unit, even if it was restarted often.

    systemd refuses to start a unit that was started too often (StartLimitBurst=, systemd.unit(5)). That would leave the
    host without name resolution.
    """
    return [("systemctl", "reset-failed", unit), ("systemctl", verb, unit)]


class DnsFilter(NamedTuple):
    """Description of a resolver of this host, as the filter that blocks names."""

    manager: str  # `manager` of the filter's findings: dnsmasq, unbound, ...
    file_path: str  # path of the file with the names
    language: ResolverLanguage  # language of that file
    # returns all stages that put the given text of the file into effect
    make_stages: Callable[[str], Sequence[FilterStage]]
    # The command that checks a candidate file, whose path is added as the last argument. Or a function that makes the
    # command from the path. () if no tool can check a file.
    check_command: Command | Callable[[str], Command]
    units: Sequence[str]  # units of the resolvers that the filter consists of
    log_unit: str = ""  # unit whose journal has the refused queries; "" if they are not logged
    bypasses: Sequence[Finding] = ()  # findings for bypasses that enforcement does not close
    # (link, domain): systemd-resolved sends queries for the domain to the name servers of this network link.
    routed_domains: Sequence[tuple[str, str]] = ()
    # (link, domain): the filter itself sends queries for the domain to this network link's name servers. It does so
    # even if its file blocks a wider name.
    link_domains: Sequence[tuple[str, str]] = ()
    # True if the name servers of a network link get every query too, and the first answer counts. Then an answer of
    # systemd-resolved that is not the filter's proves no fault, and a restart corrects nothing.
    is_raced: bool = False
    unseen_reason: str = ""  # reason why the bypasses are unknown; "" if they are known
    opening_lines: Sequence[
        tuple[str, str, str]
    ] = ()  # the organisation's own lines that make a name resolve: (path, line, name)
    extra_lines: str = ""  # lines that are added at the end of the file

    def render_file(self, desired_names: DesiredNames) -> str:
        """Return the text of the file with the names. Raises ControlError for an invalid name."""
        return filter_text.render_filter(self.language, desired_names) + self.extra_lines

    def make_check_command(self, path: str) -> Command:
        """Return the command that checks the candidate file `path`; () if there is none."""
        if callable(self.check_command):
            return self.check_command(path)
        return (*self.check_command, path) if self.check_command else ()


def observe_filter(
    host: Host, section: PlanSection, desired_names: DesiredNames, filter_: DnsFilter, leftovers: Sequence[Finding]
) -> list[RuleVerdict]:
    """Check that the filter is installed, that its resolver uses this very file, and that programs query it.

    Returns the verdicts on the services, then the verdict on dns/resolver. The latter also reports `leftovers`, the
    findings for files of other backends. Raises ControlError and ObservationError.
    """
    finding_template = Finding("name", "", manager=filter_.manager, path=filter_.file_path)
    text = filter_.render_file(desired_names)
    current_text = host.read_text(filter_.file_path) or ""
    stages = filter_.make_stages(text)
    file_findings = [finding for stage in stages for finding in find_stage_defects(host, filter_, stage)]
    blocked_names = desired_names.blocked_names
    idle_reason, unseen_reason = _explain_idle_filter(host, filter_, stages, text) if current_text == text else ("", "")
    if idle_reason:
        file_findings.append(Finding("resolver", filter_.manager, manager=filter_.manager, detail=idle_reason))
    # the resolver answers from the desired file
    is_served = current_text == text and not idle_reason and not unseen_reason
    # True if programs query systemd-resolved, which converts names to small letters (effect_test.py)
    is_stub = any(address in STUB_ADDRESSES for stage in stages for address, _ in stage.answer_addresses)
    filter_effect = (
        probe_filter_effect(host, desired_names, partial(_is_resolved_unavailable, host, stages), not is_stub)
        if is_served
        else FilterEffect()
    )
    # The file in place decides, even if it is not as desired. A name that the test resolved is not blocked.
    blocked_on_host = (
        blocked_names if current_text == text else set(filter_.language.blocked_pattern.findall(current_text))
    ) - {filter_effect.resolved_name}
    unseen_reason = unseen_reason or filter_effect.unseen_reason or filter_.unseen_reason
    verdicts = judge_services(
        section,
        desired_names,
        blocked_on_host,
        finding_template,
        idle_reason or filter_effect.idle_reason,
        unseen_reason,
    )
    if is_served:  # no run can correct the remaining faults, because a restart does not help
        verdicts = [verdict._replace(drifted=False) for verdict in verdicts]
    if filter_.log_unit and not idle_reason:
        from . import refusal_counts  # a host without a filter does not need this import

        names_by_rule = {
            f"dns/{service_id}": set(blocked_names) - set(desired_names.spared_names)
            for service_id, blocked_names in desired_names.names_by_service.items()
        }
        hit_counts = refusal_counts.count_service_hits(
            host, filter_.log_unit, filter_.language.hit_pattern, names_by_rule
        )
        verdicts = [verdict._replace(attempts=hit_counts.get(verdict.rule, 0)) for verdict in verdicts]
    bypass_findings = [
        *filter_.bypasses,
        *_find_routed_links(filter_, blocked_names),
        *_find_missing_effect(filter_, filter_effect),
        *_find_other_servers(host, text),
    ]
    resolver_verdict = judge_rule(
        "dns/resolver", {"mode": section["mode"]}, [*file_findings, *leftovers, *bypass_findings], unseen_reason
    )
    # Drift is what a run would correct, and enforcement closes no bypass.
    resolver_verdict = resolver_verdict._replace(drifted=resolver_verdict.drifted and bool(file_findings or leftovers))
    return [*(_add_opening_lines(verdict, section, desired_names, filter_) for verdict in verdicts), resolver_verdict]


def find_stage_defects(host: Host, filter_: DnsFilter, stage: FilterStage) -> list[Finding]:
    """Return findings for the files and units of a stage that are not as desired on the disk."""
    defects = []
    for path, text in stage.files.items():
        current_text = read_unit_text(host, path)
        if current_text != text:
            detail = "missing" if current_text is None else "changed"
            defects.append(Finding("file", path, manager=filter_.manager, path=path, detail=detail))
    defects += [
        Finding("unit", unit, manager="systemd", path=path, detail=f"overridden by {path}")
        for unit, path in find_overriding_files(host, stage)
    ]
    defects += [
        Finding("unit", path.rpartition("/")[2], manager="systemd", path=path, detail="not enabled")
        for path in stage.required_paths
        if host.find_entry(path) is None
    ]
    return defects


def find_overriding_files(host: Host, stage: FilterStage) -> list[tuple[str, str]]:
    """Return (unit, path) for each file that overrides a unit of a stage and is not Proscribe's."""
    units = [path.rpartition("/")[2] for path in stage.files if path.startswith(f"{UNIT_DIRECTORY}/")]
    return [(unit, path) for unit, paths in find_foreign_files(host, units).items() for path in paths] if units else []


def is_resolver_held(host: Host, filter_: DnsFilter) -> bool:
    """Return whether a process of the filter's resolver was stopped by a signal, or is frozen.

    Such a resolver is silent, as is a resolver of a busy host. Only the former is a fault.
    """
    return any(is_suspended(host, unit) for unit in filter_.units)


def is_serving_file(
    host: Host, address: str, port: int, text: str, waits: Sequence[float] = QUERY_TIMEOUTS_SECONDS
) -> bool:
    """Return whether the resolver at an address answers from the file with this text.

    Raises ObservationError if no answer comes within any of `waits` (seconds, one for each attempt). The result is also
    True while systemd-resolved fails every query because no network link is up: then no name resolves at all.
    """
    dns_answer = query_resolver(host, address, port, WITNESS_NAME, TXT_TYPE, waits)
    if dns_answer is None:
        return False
    return filter_text.find_digest(text) in dns_answer.texts or (
        dns_answer.rcode in FAILURE_CODES and address in STUB_ADDRESSES
    )


def is_serving_now(host: Host, address: str, port: int, text: str) -> bool:
    """Return whether the resolver answers from the file with this text, after a single short wait.

    The result is False if it is silent now. It may answer later.
    """
    try:
        return is_serving_file(host, address, port, text, QUERY_TIMEOUTS_SECONDS[:1])
    except ObservationError:
        return False


def _explain_idle_filter(host: Host, filter_: DnsFilter, stages: Sequence[FilterStage], text: str) -> tuple[str, str]:
    """Return why the file has no effect, and why its effect is unknown.

    At least one of the two reasons is "". `text` is the desired file, from which every resolver of the stages has to
    answer.
    """
    for address, port in (answer_address for stage in stages for answer_address in stage.answer_addresses):
        try:
            if not is_serving_file(host, address, port, text):
                return f"{address} port {port} does not answer with what the file says", ""
        except ObservationError as silence:
            return (
                (f"{silence} (stopped by a signal, or frozen)", "")
                if is_resolver_held(host, filter_)
                else ("", str(silence))
            )
    return "", ""


def _is_resolved_unavailable(host: Host, stages: Sequence[FilterStage]) -> bool:
    """Return whether systemd-resolved fails every query at the moment, as it does without a network link."""
    stub_addresses = [
        answer_address
        for stage in stages
        for answer_address in stage.answer_addresses
        if answer_address[0] in STUB_ADDRESSES
    ]
    dns_answers = (query_resolver(host, *answer_address, WITNESS_NAME, TXT_TYPE) for answer_address in stub_addresses)
    return any(dns_answer is not None and dns_answer.rcode in FAILURE_CODES for dns_answer in dns_answers)


def _find_routed_links(filter_: DnsFilter, blocked_names: AbstractSet[str]) -> list[Finding]:
    """Return findings for network links whose own name servers get the queries for a blocked name."""
    return [
        Finding("link", link, manager=filter_.manager, detail=f"its own name servers are asked for {domain}")
        for link, domain in filter_.routed_domains
        if find_covering_name(domain, blocked_names) or any(name.endswith(f".{domain}") for name in blocked_names)
    ]


def _find_missing_effect(filter_: DnsFilter, filter_effect: FilterEffect) -> list[Finding]:
    """Return a finding if programs do not use the filter, or if a blocked name still resolves; else []."""
    finding = Finding("resolver", filter_.manager, manager=filter_.manager, detail=filter_effect.idle_reason)
    if filter_effect.resolved_name:
        finding = finding._replace(
            id=filter_effect.resolved_name, detail=f"the C library says {filter_effect.resolved_address} all the same"
        )
    return [finding] if finding.detail else []


def _find_other_servers(host: Host, text: str) -> list[Finding]:
    """Return findings for other resolvers of this host that programs query and that do not block the names.

    `text` is the file of the filter, from which they would have to answer.
    """
    servers = parse_nameservers(read_own_text(host, RESOLV_CONF_PATH))[1:]
    other_servers = [server for server in servers if is_loopback(server) and server not in STUB_ADDRESSES]
    return [make_besides_finding(server) for server in other_servers if not is_serving_now(host, server, 53, text)]


def _add_opening_lines(
    verdict: RuleVerdict, section: PlanSection, desired_names: DesiredNames, filter_: DnsFilter
) -> RuleVerdict:
    """Return the verdict with findings for everything that makes blocked names of the service resolve.

    Two things can: the organisation's own lines in the resolver's files, and network links with their own name servers.
    """
    service_id = verdict.rule.partition("/")[2]
    blocked_names = set(desired_names.names_by_service.get(service_id, ())) - set(desired_names.spared_names)
    openings = [
        Finding(
            "line", name, manager=filter_.manager, path=path, detail=f"the organisation's own line opens it: {line}"
        )
        for path, line, name in filter_.opening_lines
        if find_covering_name(name, blocked_names) and not find_covering_name(name, desired_names.open_names)
    ]
    openings += [
        Finding("link", link, manager=filter_.manager, detail=f"its own name servers are asked for {domain}")
        for link, domain in filter_.link_domains
        if find_covering_name(domain, blocked_names | desired_names.open_names) in blocked_names
    ]
    if not openings:
        return verdict
    new_verdict = judge_rule(verdict.rule, section["services"][service_id], [*verdict.findings, *openings])
    # only the organisation can remove its line, so that line is no drift
    return new_verdict._replace(drifted=verdict.drifted)
