"""The control `browser`: restricted sites are blocked by the managed policies of the browsers.

Each place of the plan gets its policy whether or not a browser is installed. So the ban is in effect before the browser
arrives. A browser that a user unpacks at home obeys the same files, and no audit has to search for one.

Rules:
- `browser/<service>`, and one for each bypass that the plan closes (settings.SETTINGS), as `browser/dns-over-https`
- `browser/running`: browsers that go by another policy than the one on the disk
- `browser/packaged`: flatpaks and snaps that the policy on the disk does not reach
- `browser/policy-file`: what else is wrong with a file: more or other settings, its mode or owner, a link in its
  place, a foreign file that overrides it
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Collection, Iterable, Iterator, Sequence

from ....base.tuples import NamedTuple
from ....model.finding import COMPLIANT, NOT_APPLICABLE, Finding, RuleVerdict, judge_rule
from ....model.plan import RESTRICTED_MODES
from ....model.tenants import read_microsoft_tenants
from ...system import Host
from ..base import Changes
from . import exact_match, forks, ignored_policy_paths
from .autoconfig import unsandboxed
from .desired import Desired
from .name_closing import ALONE
from .observed import Observed
from .places import PACKAGERS, Place, places
from .rendering import MOST_ENTRIES, extensions
from .running import check_running as running_browsers
from .settings import GOOGLE_TENANTS, MICROSOFT_TENANTS, SIGN_IN, rule
from .sign_in import explain_open_sign_in

if TYPE_CHECKING:
    from ....model.types.plan import Plan, PlanEntry, PlanSection

NO_ROOM = f"open in browsers: their lists take {MOST_ENTRIES} names"
ONLY_BELOW = f"open below this name in browsers: their lists take {MOST_ENTRIES} names, and /etc/hosts closes it alone"
UNKNOWN = "a browser that the catalogue does not have, and no policy folder is found in it: docs/browsers.md"


class ObservedPlace(NamedTuple):
    """A place, and what was seen there."""

    place: Place
    observed: Observed


def observe(host: Host, plan: Plan) -> list[RuleVerdict]:
    """Whether every browser's policy blocks what the plan restricts. Raises ControlError for an unusable plan."""
    from .other_controls import make_desired  # not for a Mac, which has none of them

    section = plan["controls"]["browser"]
    desired = make_desired(host, plan)
    known = places(host, plan)
    others = forks.find_forks(host, known).forks
    everywhere = [*known, *(fork.place for fork in others if fork.policies)]
    installed = [place for place in places(host, plan, everywhere=True) if place.sites and place.there(host)]
    found_here = {place.id for place in installed}
    host.record_fields["browsers"] = sorted({*found_here, *(fork.id[:100] for fork in others if fork.policies)})
    seen = [ObservedPlace(place, exact_match.check(host, place, desired)) for place in everywhere]
    verdicts = judge_policies(section, desired, seen, installed=installed)
    mode: PlanEntry = {"mode": section["mode"]}
    found = faulty(seen)
    if desired:
        found += [Finding("browser", fork.id, path=fork.binary, detail=UNKNOWN) for fork in others if not fork.policies]
        running = running_browsers(host, everywhere)
        # Enforcing does not end a browser under its user's hands.
        verdicts.append(judge_rule("browser/running", mode, *running)._replace(drifted=False))
        verdicts.append(
            judge_rule("browser/packaged", mode, *_packaged(host, plan, everywhere))._replace(drifted=False)
        )
    if desired or found:
        scripted = unsandboxed(host, known) if desired else ""
        files = judge_rule("browser/policy-file", mode, found, _reasons([unclear(seen), scripted]))
        verdicts.append(files._replace(findings=(*files.findings, *ignored_policy_paths.find_unread(host))))
    else:
        verdicts.append(RuleVerdict("browser/policy-file", NOT_APPLICABLE, reason="no policy to set"))
    return verdicts


def judge_policies(
    section: PlanSection, desired: Desired, seen: Sequence[ObservedPlace], installed: Collection[Place] = ()
) -> list[RuleVerdict]:
    """Return the verdicts of a plan's services, and of the bypasses that it closes.

    `installed` are the places of browsers that are there.
    """
    unseen = _reasons(one.observed.unseen for one in seen)
    left_open = desired.open_names()
    verdicts = [
        _of_service(
            f"browser/{id_}", entry, list(_service_findings(seen, entry, desired)), unseen, left_open.get(id_, ())
        )
        for id_, entry in section["services"].items()
    ]
    for setting in desired.closed:
        found = [
            _finding(one.place, rule(setting).partition("/")[2], one.observed.settings[setting])
            for one in seen
            if setting in one.observed.settings
        ]
        more: list[Finding] = []
        if setting == SIGN_IN and (open_to_all := _open_sign_in(section, desired, seen)):
            found = [finding for finding in found if finding.manager not in open_to_all]
            more = [open_to_all[place.id] for place in installed if place.id in open_to_all]
        verdict = judge_rule(rule(setting), {"mode": section["mode"]}, [*found, *more], unseen)
        if more and not found:
            verdict = verdict._replace(drifted=False)  # no run can correct it
        if verdict.state == COMPLIANT and setting in (GOOGLE_TENANTS, MICROSOFT_TENANTS):
            from .tenants import mechanisms

            verdict = verdict._replace(findings=tuple(mechanisms(setting, desired.rules, [one.place for one in seen])))
        verdicts.append(verdict)
    return verdicts


def _open_sign_in(section: PlanSection, desired: Desired, seen: Sequence[ObservedPlace]) -> dict[str, Finding]:
    """Return a finding for each place whose browsers let every account sign in, for want of a tenant's domains. The
    organisation's own policy for sign-in counts before that.
    """
    if all(tenant.domains for tenant in read_microsoft_tenants(section["settings"])):
        return {}  # without the rules, which a compliant host does not work out
    return {
        one.place.id: _finding(one.place, "sign-in", f"every account may sign in: {why}")
        for one in seen
        if (one.observed.complete or SIGN_IN in one.observed.settings)
        and (why := explain_open_sign_in(desired.rules, one.place))
    }


def _of_service(
    rule: str, entry: PlanEntry, found: Sequence[Finding], unseen: str, left_open: Sequence[tuple[str, int]]
) -> RuleVerdict:
    """Return the verdict of a service. No run can close the names for which the lists of browsers have no room."""
    more = [Finding("policy", name, detail=ONLY_BELOW if degree == ALONE else NO_ROOM) for name, degree in left_open]
    verdict = judge_rule(rule, entry, [*found, *more], unseen)
    return verdict if found else verdict._replace(drifted=False)


def faulty(seen: Sequence[ObservedPlace]) -> list[Finding]:
    """What else is wrong with policies, a finding for each place."""
    return [
        _finding(one.place, one.place.path.rpartition("/")[2], "; ".join(one.observed.wrong))
        for one in seen
        if one.observed.wrong
    ]


def unclear(seen: Sequence[ObservedPlace]) -> str:
    """Why it is unknown whether something else is wrong; "" where it is known."""
    return _reasons(one.observed.unseen or one.observed.unclear for one in seen)


def _packaged(host: Host, plan: Plan, known: Sequence[Place]) -> tuple[Sequence[Finding], str]:
    """What keeps the policy from packaged browsers, and what could not be checked."""
    if not any(host.find_entry(folder) is not None for folder in PACKAGERS):
        return (), ""
    from . import packaged

    others = [place for place in places(host, plan, everywhere=True) if place not in known]
    return packaged.check_packaged(host, known, others)


def _service_findings(seen: Sequence[ObservedPlace], entry: PlanEntry, desired: Desired) -> Iterator[Finding]:
    """The evidence against one service: one finding for all places that lack the same for the same reason."""
    if entry["mode"] == "waived":
        yield Finding("policy", entry["name"], detail="not blocked, by waiver")
    elif entry["mode"] in RESTRICTED_MODES:
        open_: dict[tuple[str, str], list[Place]] = {}
        for place, observed in seen:
            if observed.complete:
                continue
            named = observed.opened(desired.listed(entry)) if place.sites else []
            why = observed.why_open(named[0]) if named else observed.cause
            opened = [str(one) for one in named]
            store = "chrome" if place.family == "chromium" else "firefox"
            opened += [f"extension {one}" for one in extensions(entry, store) if one in observed.unblocked]
            if opened:
                more = f"and {len(opened) - 1} more" if len(opened) > 1 else ""
                open_.setdefault((opened[0], ": ".join(filter(None, (more, why)))), []).append(place)
        for (id_, detail), where in open_.items():
            path = where[0].path if len(where) == 1 else ""
            managers = ",".join(dict.fromkeys(place.id for place in where))
            yield Finding("policy", id_, manager=managers, path=path, detail=detail)


def _finding(place: Place, id_: str, detail: str) -> Finding:
    return Finding("policy", id_, manager=place.id, path=place.path, detail=detail)


def _reasons(said: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(filter(None, said)))


def enforce(host: Host, plan: Plan) -> Changes:
    """The files to write so that every browser blocks what the plan restricts."""
    from . import changes

    return changes.enforce(host, plan)


def lift(host: Host, plan: Plan) -> Changes:
    """The changes that take Proscribe's policies away and give back what the organisation had, whatever the plan."""
    from . import changes

    return changes.lift(host, plan)
