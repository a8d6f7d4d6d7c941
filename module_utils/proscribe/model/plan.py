"""The plan: what the controller compiled for a host, and what every control on the host reads.

A plan is plain JSON, so that it can be printed, compared and streamed. types/plan.py has its keys.

A control that is off is not in a plan. `mode` of a service is one of these:
    enforce    it is blocked
    audit      it counts against the host, and nothing is changed
    waived     `waiver` is the id of the waiver
    upcoming   `effective_from` is the date from which it is in force
    report     it is seen and reported, and counts nothing (`serves_both`: its programs serve permitted accounts, too)

`nothing_known` are restricted services of which the catalogue has nothing for the control. `by_tenant` are those that
the control leaves open, because accounts of the organisation's tenants have the same hosts.

`watch`, `later` and `waivers` are there where hosts keep themselves in line. `later` names the plan that is in effect
from a moment on, as a run would compile it then. `waivers` are those that this plan names, for what the host says to
people: to all of them where there are neither `users` nor `posix_groups`. `answers` are those to requests of users.

A service that is waived in part keeps its mode and has `exceptions`. What fits one of them in all keys that narrow it
is waived (`finding.find_covering_waiver`). `users` are for apps and firewall, `versions` and `paths` for apps. The members of
`posix_groups` count as `users`, which are there too then, and may be none.

A service that is restricted for the members of groups alone has them in `only`, and is open to everybody else; for apps
and firewall. On the host `users` take their place. There `unresolved` says which groups' members are not known, and
why: then they are not restricted, and the rule is unknown (`finding.judge`).

`hours` are openings of a week on the host's own clock: `[[day (0 is Monday), minute of that day from which, and until
which], ...]`. A waived service with `hours` has `otherwise`, its mode at other times. In browser and dns it has `opens`
{service: [names]}: what others allow while it is open. plan_groups.resolve_here_and_now resolves hours and groups.

Identifiers by control:
    apps       packages {apt: [...], flatpak: [...], ...}, processes [base names], paths [absolute, or below ~/],
               desktop_files [names], names [what people call the service in their own script, for AppImages and
               launchers], markers {go: [packages that a program is built from], gecko: [vendors of a Gecko
               program], programs: [base names that count with such a mark only]}, windows [paths of programs
               below a folder of programs], windows_processes [image names], windows_packages {winget: [...],
               appx: [...]}, windows_registered {keys: [names of uninstall keys], names: ["name by publisher"]},
                windows_publishers {programs: [as AppLocker writes them], appx: [publisher\\name]}, windows_installers
                [file names, with a *], bundle_ids [of applications on macOS], mac_apps [their file names], signing_ids
                ["team:identifier" of programs on macOS], team_ids [of makers, all of whose programs there are meant],
                web_hosts [hosts, or host/path], web_allow [hosts below them that are no web app of the service]
    browser    domains [suffixes], urls [host or host/path], allow [hosts that stay reachable below the domains],
               extensions {chrome: [ids], firefox: [ids]}; front_doors [those of the names that people type: browsers
               get them first where their lists are too short for all], absent where all names fit
    firewall   networks [CIDR, merged; one address without a length], ports [numbers; none means all]
    dns        domains [suffixes], allow [hosts], canaries [names that want NXDOMAIN and no address]
Settings:
    apps       user_notice: text for logged-in users ("" for none), a line for each language; refusal_notice: the same
               for whose installation is refused; grace: seconds between TERM and KILL; quarantine_keep: seconds (0
               for ever); exec_control: "fapolicyd" | "off"; applocker: "off" | "audit" | "enforce", of machines with
               Windows; full_scan_every: in how many runs homes are read whole once; network_homes: "unknown" |
               "scan"; requests: the SHA-256 of the command proscribe-request, absent where hosts have none;
               unmanaged_browsers: like a service, with mode "report" | "audit", and copies [portable apps: programs
               that count in homes, with the rest of a browser around them]; absent if not scanned for
    browser    browsers {<setting>: how it is managed, of host/controls/browser/settings.py}; extensions_allowed [ids];
               tenants {google: [domains], microsoft: [of tenants.py, the organisation's own one first]}
    firewall   dns_over_tls, quic: "blocked" | "unmanaged"; log: whether refusals are logged; confirm_within: seconds
               until new rules are taken back unless confirmed; rules: [the organisation's own, of
               organisation_rules.py]; management: [CIDR that must never be cut]; force_dns: whether only the host's
               filtering resolver (host/controls/dns/resolver_users.py) may ask name servers
    dns        backend: "auto" | the name of one; upstreams: [name servers of the filter behind systemd-resolved]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Mapping

from ..base.hashing import sha256
from ..base.json_text import dump_json
from . import words

if TYPE_CHECKING:
    from typing import TypeVar

    from .types.plan import Plan

    Part = TypeVar("Part", bound=Mapping[str, object])

PLAN_SCHEMA = words.PLAN_SCHEMA
CONTROLS = words.CONTROLS

# The modes in which a service has to be blocked; `audit` says so too, it only leaves the correcting to people.
RESTRICTED_MODES = words.RESTRICTED_MODES


def format_canonical(document: Any) -> str:
    """JSON with one spelling for one value: sorted keys, no spaces, ASCII."""
    return dump_json(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def compute_digest(body: Mapping[str, object]) -> str:
    """The name of a plan: SHA-256 over its canonical JSON without the digest itself."""
    content = format_canonical({key: content_part for key, content_part in body.items() if key != "digest"})
    return "sha256:" + sha256(content.encode()).hexdigest()


def add_digest(body: Plan) -> Plan:
    """The plan with its digest."""
    return {**body, "digest": compute_digest(body)}


class PlanWithCache(dict[str, object]):
    """A plan, or a section of one, with what follows from it alone, by name."""

    def __init__(self, part: Mapping[str, object], cache: dict[str, object]) -> None:
        super().__init__(part)
        self.cache = cache


class ResolvedPlan(dict[str, object]):
    """A plan that has the digest of another."""


def add_cache(plan: Plan, cache: dict[str, object]) -> Plan:
    """The plan with what follows from it alone, by name, as far as it has been computed: a host caches both together.
    The sections of its controls are known as well.
    """
    controls = {name: PlanWithCache(section, cache) for name, section in plan.get("controls", {}).items()}
    return PlanWithCache({**plan, "controls": controls}, cache)  # type: ignore[return-value] # a plan all the same


def mark_resolved(plan: Plan) -> Plan:
    """A plan as it is on a host at a moment (plan_groups.resolve_here_and_now), with the digest of the compiled plan, which was
    checked before: it is another content. What follows from it is not cached.
    """
    return ResolvedPlan(plan)  # type: ignore[return-value] # a plan all the same


def inherit_cache(plan: Mapping[str, object], part: Part) -> Part:
    """Something made out of a plan, which is known where the plan is."""
    return PlanWithCache(part, plan.cache) if isinstance(plan, PlanWithCache) else part  # type: ignore[return-value]


def compute_once(plan: Mapping[str, object], name: str, compute: Callable[[], Any]) -> Any:
    """What follows from a plan (or a section of one), under a name of its own, worked out once where it is known.

    It must depend on the plan and the code only, must not be changed, and has to be what `marshal` can write: texts,
    numbers, bytes, and tuples, lists, sets and dicts of these.
    """
    if not isinstance(plan, PlanWithCache):
        return compute()
    if name not in plan.cache:
        plan.cache[name] = compute()
    return plan.cache[name]


def has_hours_or_groups(plan: Plan) -> bool:
    """Whether the plan says what only a host can resolve; plan_groups.resolve_here_and_now does."""
    return any(
        "hours" in opening or "posix_groups" in opening or "only" in opening
        for section in plan["controls"].values()
        for entry in section["services"].values()
        for opening in (entry, *entry.get("exceptions", ()))
    )


def check_plan(plan: Plan) -> None:
    """Refuse a plan that this code cannot have been meant for. Raises ValueError."""
    if isinstance(plan, ResolvedPlan):
        return
    if plan.get("schema") != PLAN_SCHEMA:
        raise ValueError(f"plan: schema is {plan.get('schema')!r}, expected {PLAN_SCHEMA!r}")
    if plan.get("digest") != compute_digest(plan):
        raise ValueError("plan: the digest does not match the content; compile the plan again")
    unknown = set(plan["controls"]) - set(CONTROLS)
    if unknown:
        raise ValueError(f"plan: unknown control {sorted(unknown)[0]!r}, expected one of {', '.join(CONTROLS)}")
