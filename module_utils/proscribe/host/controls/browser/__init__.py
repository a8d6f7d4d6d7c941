"""The control `browser`: managed policies of the browsers block restricted sites.

Each place of the plan (the path of a policy file) gets its policy, even if no browser is installed. So the ban is in
effect before a browser is installed. A browser that a user unpacks at home obeys the same files, and no audit has to
search for it.

Rules:

    - `browser/<service>`, and a rule for each bypass that the plan closes (browser_settings.SETTINGS), such as
      `browser/dns-over-https`
    - `browser/running`: running browsers whose policy differs from the policy on the disk
    - `browser/packaged`: flatpaks and snaps that the policy on the disk does not reach
    - `browser/policy-file`: other faults of a file: its settings, mode or owner, a link, an overriding file of others
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Collection, Iterable, Iterator, Sequence

from ....base.named_tuple import NamedTuple
from ....model.finding import COMPLIANT, NOT_APPLICABLE, Finding, RuleVerdict, judge_rule
from ....model.plan import RESTRICTED_MODES
from ....model.tenants import EDGE_SIGN_IN, read_microsoft_tenants
from ...system import Host
from ..base import Changes
from . import browser_forks, exact_match, ignored_policy_paths
from .autoconfig import explain_unsandboxed_script
from .browser_processes import check_running
from .browser_settings import GOOGLE_TENANTS, MICROSOFT_TENANTS, SIGN_IN, format_rule_name
from .closing_degrees import NAME_ALONE_CLOSED
from .desired_policies import DesiredPolicies
from .policy_observation import PolicyObservation
from .policy_places import PACKAGER_PATHS, PolicyPlace, list_places
from .sign_in import explain_open_sign_in
from .site_rules import MAX_LIST_ENTRIES, list_extensions

if TYPE_CHECKING:
    from ....model.types.plan import Plan, PlanEntry, PlanSection

NO_ROOM_DETAIL = f"open in browsers: their lists take {MAX_LIST_ENTRIES} names"
ONLY_BELOW_DETAIL = (
    f"open below this name in browsers: their lists take {MAX_LIST_ENTRIES} names, and /etc/hosts closes it alone"
)
UNKNOWN_BROWSER_DETAIL = (
    "a browser that the catalogue does not have, and no policy folder is found in it: docs/browsers.md"
)


class ObservedPlace(NamedTuple):
    """Place of a policy file, and the observation of its policy."""

    place: PolicyPlace
    observed: PolicyObservation


def observe(host: Host, plan: Plan) -> list[RuleVerdict]:
    """Check that every browser's policy blocks what the plan restricts.

    Browsers that the catalogue does not have (browser_forks.py) are included. Raises ControlError for a plan that no
    browser could follow.
    """
    from .host_controls import make_desired  # imported here, because a Mac has none of the other controls

    section = plan["controls"]["browser"]
    desired = make_desired(host, plan)
    known_places = list_places(host, plan)
    unknown_browsers = browser_forks.find_forks(host, known_places).forks
    # a browser whose policy folder is unknown has no place, and is reported below
    everywhere = [*known_places, *(fork.place for fork in unknown_browsers if fork.policy_folder)]
    installed = [
        place
        for place in list_places(host, plan, everywhere=True)
        if place.has_sites and place.is_browser_installed(host)
    ]
    installed_ids = {place.id for place in installed}
    host.record_fields["browsers"] = sorted(
        {*installed_ids, *(fork.id[:100] for fork in unknown_browsers if fork.policy_folder)}
    )
    observed_places = [ObservedPlace(place, exact_match.check_place(host, place, desired)) for place in everywhere]
    verdicts = judge_policies(section, desired, observed_places, installed=installed)
    # these rules belong to no service, so only the mode of the whole control decides
    mode_entry: PlanEntry = {"mode": section["mode"]}
    findings = list_policy_faults(observed_places)
    if desired:  # the plan requires at least one policy
        findings += [
            Finding("browser", fork.id, path=fork.binary, detail=UNKNOWN_BROWSER_DETAIL)
            for fork in unknown_browsers
            if not fork.policy_folder
        ]
        running_check = check_running(host, everywhere)
        # No drift, because enforcement does not end a browser that a user is working with.
        verdicts.append(judge_rule("browser/running", mode_entry, *running_check)._replace(drifted=False))
        verdicts.append(
            judge_rule("browser/packaged", mode_entry, *_check_packaged(host, plan, everywhere))._replace(drifted=False)
        )
    if desired or findings:
        script_reason = explain_unsandboxed_script(host, known_places) if desired else ""
        file_verdict = judge_rule(
            "browser/policy-file",
            mode_entry,
            findings,
            _join_reasons([explain_unclear_policies(observed_places), script_reason]),
        )
        verdicts.append(
            file_verdict._replace(findings=(*file_verdict.findings, *ignored_policy_paths.find_unread_policies(host)))
        )
    else:
        verdicts.append(RuleVerdict("browser/policy-file", NOT_APPLICABLE, reason="no policy to set"))
    return verdicts


def judge_policies(
    section: PlanSection,
    desired: DesiredPolicies,
    observed_places: Sequence[ObservedPlace],
    installed: Collection[PolicyPlace] = (),
) -> list[RuleVerdict]:
    """Return the verdicts on a plan's services, and on the bypasses that the plan closes.

    `section` is the plan's section `browser`. `installed` has the places of installed browsers. If a browser cannot
    restrict sign-in to the organisation's accounts, that is a finding for installed browsers only.
    """
    unseen_reason = _join_reasons(observed_place.observed.unseen_reason for observed_place in observed_places)
    open_names = desired.list_open_names()
    verdicts = [
        _judge_service(
            f"browser/{id_}",
            entry,
            list(_find_open_names(observed_places, entry, desired)),
            unseen_reason,
            open_names.get(id_, ()),
        )
        for id_, entry in section["services"].items()
    ]
    for setting in desired.closed_settings:
        findings = [
            _make_finding(
                observed_place.place,
                format_rule_name(setting).partition("/")[2],
                observed_place.observed.settings[setting],
            )
            for observed_place in observed_places
            if setting in observed_place.observed.settings
        ]
        sign_in_findings: list[Finding] = []
        if setting == SIGN_IN and (open_sign_in := _find_open_sign_in(section, desired, observed_places)):
            # one finding for each place: the general finding is replaced, or dropped if no browser is installed
            findings = [finding for finding in findings if finding.manager not in open_sign_in]
            sign_in_findings = [open_sign_in[place.id] for place in installed if place.id in open_sign_in]
        verdict = judge_rule(
            format_rule_name(setting), {"mode": section["mode"]}, [*findings, *sign_in_findings], unseen_reason
        )
        if sign_in_findings and not findings:
            verdict = verdict._replace(drifted=False)  # no drift, because no run can correct it
        if verdict.state == COMPLIANT and setting in (GOOGLE_TENANTS, MICROSOFT_TENANTS):
            from .tenant_mechanisms import list_tenant_policies

            verdict = verdict._replace(
                findings=tuple(
                    list_tenant_policies(
                        setting, desired.rules, [observed_place.place for observed_place in observed_places]
                    )
                )
            )
        verdicts.append(verdict)
    return verdicts


def _find_open_sign_in(
    section: PlanSection, desired: DesiredPolicies, observed_places: Sequence[ObservedPlace]
) -> dict[str, Finding]:
    """Return, by id of a place, the finding that its browsers let every account sign in.

    Sign-in is open if a tenant's domains are unknown. A place where the organisation's own policy restricts sign-in is
    left out.
    """
    if not EDGE_SIGN_IN.explain_missing_value(read_microsoft_tenants(section["settings"])):
        return {}  # checked first, because most hosts then need not compute the rules
    return {
        observed_place.place.id: _make_finding(observed_place.place, "sign-in", f"every account may sign in: {reason}")
        for observed_place in observed_places
        # A place without a fault of this setting has the organisation's policy for it, unless its file is Proscribe's.
        if (observed_place.observed.is_complete or SIGN_IN in observed_place.observed.settings)
        and (reason := explain_open_sign_in(desired.rules, observed_place.place))
    }


def _judge_service(
    rule_name: str,
    entry: PlanEntry,
    findings: Sequence[Finding],
    unseen_reason: str,
    open_names: Sequence[tuple[str, int]],
) -> RuleVerdict:
    """Return the verdict on a service.

    `findings` are names and extensions that the policies do not block. `open_names` has (name, degree) for each name
    that is not blocked because browsers' lists are full; closing_degrees.py has the degrees. No run can correct the
    latter, so they are no drift.
    """
    open_findings = [
        Finding("policy", name, detail=ONLY_BELOW_DETAIL if degree == NAME_ALONE_CLOSED else NO_ROOM_DETAIL)
        for name, degree in open_names
    ]
    verdict = judge_rule(rule_name, entry, [*findings, *open_findings], unseen_reason)
    return verdict if findings else verdict._replace(drifted=False)


def list_policy_faults(observed_places: Sequence[ObservedPlace]) -> list[Finding]:
    """Return a finding for each place whose policy file has faults other than names that are not blocked."""
    return [
        _make_finding(
            observed_place.place,
            observed_place.place.path.rpartition("/")[2],
            "; ".join(observed_place.observed.faults),
        )
        for observed_place in observed_places
        if observed_place.observed.faults
    ]


def explain_unclear_policies(observed_places: Sequence[ObservedPlace]) -> str:
    """Return the reasons why other faults of policies may be hidden; "" if the check was complete."""
    return _join_reasons(
        observed_place.observed.unseen_reason or observed_place.observed.unclear_reason
        for observed_place in observed_places
    )


def _check_packaged(host: Host, plan: Plan, known_places: Sequence[PolicyPlace]) -> tuple[Sequence[Finding], str]:
    """Return findings about flatpaks and snaps that the policy does not reach, and the reasons for missing checks.

    `known_places` are the places where Proscribe writes policy files on this host. On a host without flatpak and snap,
    nothing is checked.
    """
    if not any(host.find_entry(folder) is not None for folder in PACKAGER_PATHS):
        return (), ""
    from . import packaged_browsers

    other_places = [place for place in list_places(host, plan, everywhere=True) if place not in known_places]
    return packaged_browsers.check_packaged(host, known_places, other_places)


def _find_open_names(
    observed_places: Sequence[ObservedPlace], entry: PlanEntry, desired: DesiredPolicies
) -> Iterator[Finding]:
    """Yield the findings against a service: a waiver, or the names and extensions that are not blocked.

    Places that lack the same names for the same reason share a finding.
    """
    if entry["mode"] == "waived":
        yield Finding("policy", entry["name"], detail="not blocked, by waiver")
    elif entry["mode"] in RESTRICTED_MODES:
        # by (first open name or extension, detail): the places with this gap
        places_by_gap: dict[tuple[str, str], list[PolicyPlace]] = {}
        for place, observed in observed_places:
            if observed.is_complete:
                continue
            open_names = observed.list_open_names(desired.list_service_names(entry)) if place.has_sites else []
            reason = observed.explain_opening(open_names[0]) if open_names else observed.cause
            open_texts = [str(open_item) for open_item in open_names]
            store = "chrome" if place.family == "chromium" else "firefox"
            open_texts += [
                f"extension {open_item}"
                for open_item in list_extensions(entry, store)
                if open_item in observed.unblocked_extensions
            ]
            if open_texts:
                remainder = f"and {len(open_texts) - 1} more" if len(open_texts) > 1 else ""
                places_by_gap.setdefault((open_texts[0], ": ".join(filter(None, (remainder, reason)))), []).append(
                    place
                )
        for (id_, detail), gap_places in places_by_gap.items():
            path = gap_places[0].path if len(gap_places) == 1 else ""
            managers = ",".join(dict.fromkeys(place.id for place in gap_places))
            yield Finding("policy", id_, manager=managers, path=path, detail=detail)


def _make_finding(place: PolicyPlace, id_: str, detail: str) -> Finding:
    return Finding("policy", id_, manager=place.id, path=place.path, detail=detail)


def _join_reasons(reasons: Iterable[str]) -> str:
    """Join different reasons to one text, each once. Empty reasons are dropped; "" if there are no others."""
    return "; ".join(dict.fromkeys(filter(None, reasons)))


def enforce(host: Host, plan: Plan) -> Changes:
    """Return the changes that make every browser block what the plan restricts."""
    from . import browser_changes

    return browser_changes.enforce(host, plan)


def lift(host: Host, plan: Plan) -> Changes:
    """Return the changes that remove Proscribe's policies at all places, and restore the organisation's.

    The content of the plan does not matter.
    """
    from . import browser_changes

    return browser_changes.lift(host, plan)
