"""The plan: the compiled policy of a host, which every control on the host reads.

A plan is plain JSON, so that it can be printed, compared and streamed. types/plan.py has its keys.

A control that is off is not in a plan. The `mode` of a service is one of these:
    enforce    it is blocked
    audit      it counts against the host, and nothing is changed
    waived     `waiver` is the id of the waiver
    upcoming   `effective_from` is the date from which it is in force
    report     it is reported and never counts (`serves_both`: its programs serve permitted accounts, too)

`nothing_known` lists restricted services without identifiers for the control. `by_tenant` lists services that the
control leaves open, because accounts of the organisation's tenants use the same hosts.

`watch`, `later` and `waivers` are only in the plans of hosts with a watch, which observe and correct themselves.
`later` names the plan that takes effect at a later time, as a run would compile it then. `waivers` are the waivers that
this plan names, for the messages of the host to its users. A waiver without `users` and `posix_groups` is for all
users. `answers` are the answers to requests of users.

A service that is waived in part keeps its mode and has `exceptions`, the partial waivers. A finding is waived if it
matches all keys that limit an exception (`finding.find_covering_waiver`). `users` are for apps and firewall, `versions`
and `paths` for apps. The members of `posix_groups` count as `users`. An exception with `posix_groups` also has `users`,
which may be empty.

In apps and firewall a service may be restricted for the members of groups alone. `only` has the groups, and the service
is open to all other users. On the host, `users` with the members replaces the groups. There `unresolved` names the
groups with unknown members, and the reason. These members are not restricted, and the rule is unknown
(`finding.judge_rule`).

`hours` are the weekly times at which a waiver applies, by the host's own clock. Each is `[day, from, until]`: day 0 is
Monday, the other numbers are minutes of that day. A waived service with `hours` has `otherwise`, its mode at other
times. In browser and dns it has `opens` {service: [names]}: the names that other services allow while it is open.
`resolve_here_and_now` of host/plan_resolution.py resolves hours and groups.

Identifiers by control:
    apps       packages {apt: [...], flatpak: [...], ...}, processes [base names], paths [absolute, or below ~/],
               desktop_files [names], names [names of the service in the script of its users, for AppImages and
               launchers], markers {go: [packages that a program is built from], gecko: [vendors of a Gecko
               program], programs: [base names that count with such a mark only]}, windows [paths of programs
               below a folder of programs], windows_processes [image names], windows_shared_processes [image
               names that programs of others have, too], windows_packages {winget: [...], appx: [...]},
               windows_registered {keys: [names of uninstall keys], names: ["name by publisher"]}, windows_publishers
               {programs: [as AppLocker writes them], appx: [publisher\\name]}, windows_installers [file names, with
               a *], bundle_ids [of applications on macOS], mac_apps [their file names], signing_ids
               ["team:identifier" of programs on macOS], team_ids [makers whose programs on macOS are all restricted],
               web_hosts [hosts, or host/path], web_allow [hosts below them that are no web app of the service]
    browser    domains [suffixes], urls [host or host/path], allow [hosts that stay reachable below the domains],
               extensions {chrome: [ids], firefox: [ids]}; front_doors [the names that people type: browsers get them
               first where their lists are too short for all names], absent where all names fit
    firewall   networks [CIDR, merged; one address without a length], ports [numbers; none means all]
    dns        domains [suffixes], allow [hosts], canaries [names that are answered with NXDOMAIN, not an address]

Settings:
    apps       user_notice: text for logged-in users ("" for none), a line for each language; refusal_notice: the same
               for a user whose installation is refused; grace: seconds between TERM and KILL; quarantine_keep: seconds
               (0 for ever); exec_control: "fapolicyd" | "off"; applocker: "off" | "audit" | "enforce", of machines
               with Windows; full_scan_every: the number of runs in which homes are read whole once; network_homes:
               "unknown" | "scan"; requests: the SHA-256 of the command proscribe-request, absent where hosts have
               none; unmanaged_browsers: like a service, with mode "report" | "audit", and copies [portable apps:
               programs that count in homes, with the rest of a browser around them]; absent if not scanned for
    browser    browsers {<setting>: how it is managed, of host/controls/browser/browser_settings.py};
               extensions_allowed [ids]; tenants {google: [domains], microsoft: [as in tenants.py, the organisation's
               own tenant first]}
    firewall   dns_over_tls, quic: "blocked" | "unmanaged"; log: whether refusals are logged; confirm_within: seconds
               until new rules are taken back unless confirmed; rules: [the organisation's own, of
               organisation_rules.py]; management: [CIDR that must never be cut]; force_dns: whether only the host's
               filtering resolver (`list_resolver_users` of host/controls/dns/backend_choice.py) may ask name servers
    dns        backend: "auto" | the name of a backend; upstreams: [name servers of the filter behind systemd-resolved]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Mapping

from ..base.hashing import sha256
from ..base.json_text import dump_json
from . import vocabulary

if TYPE_CHECKING:
    from typing import TypeVar

    from .types.plan import Plan

    Part = TypeVar("Part", bound=Mapping[str, object])

PLAN_SCHEMA = vocabulary.PLAN_SCHEMA
CONTROLS = vocabulary.CONTROLS

# The modes in which a service has to be blocked. With `audit`, people have to correct a violation.
RESTRICTED_MODES = vocabulary.RESTRICTED_MODES


def format_canonical(document: Any) -> str:
    """Format JSON so that equal values have equal text: sorted keys, no spaces, ASCII."""
    return dump_json(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def compute_digest(body: Mapping[str, object]) -> str:
    """Return the digest by which a plan is named: the SHA-256 of its canonical JSON without the key `digest`."""
    content = format_canonical({key: content_part for key, content_part in body.items() if key != "digest"})
    return "sha256:" + sha256(content.encode()).hexdigest()


def add_digest(body: Plan) -> Plan:
    """Return the plan with its digest."""
    return {**body, "digest": compute_digest(body)}


class PlanWithCache(dict[str, object]):
    """A plan or a section of a plan, with a cache of results that follow from the plan alone.

    `cache` has the results by name (`compute_once`).
    """

    def __init__(self, part: Mapping[str, object], cache: dict[str, object]) -> None:
        super().__init__(part)
        self.cache = cache


class ResolvedPlan(dict[str, object]):
    """A plan that was resolved for a time and a host.

    It has the digest of the compiled plan from which it was made. So its digest does not fit its content.
    """


def add_cache(plan: Plan, cache: dict[str, object]) -> Plan:
    """Return the plan with `cache`, the results by name that were computed from the plan earlier.

    The plan and the sections of its controls share this cache. A host stores the plan together with the cache.
    """
    controls = {name: PlanWithCache(section, cache) for name, section in plan.get("controls", {}).items()}
    return PlanWithCache({**plan, "controls": controls}, cache)  # type: ignore[return-value] # a plan all the same


def mark_resolved(plan: Plan) -> Plan:
    """Mark a plan as resolved on a host for a time (`resolve_here_and_now`), so that its digest is not checked.

    The digest is that of the compiled plan, which was checked before and has another content. No results are cached.
    """
    return ResolvedPlan(plan)  # type: ignore[return-value] # a plan all the same


def inherit_cache(plan: Mapping[str, object], part: Part) -> Part:
    """Return `part`, which was made from a plan, with the plan's cache if the plan has a cache."""
    return PlanWithCache(part, plan.cache) if isinstance(plan, PlanWithCache) else part  # type: ignore[return-value]


def compute_once(plan: Mapping[str, object], name: str, compute: Callable[[], Any]) -> Any:
    """Return a result that follows from a plan or section alone, from the plan's cache if possible.

    `compute` makes the result, and `name` is its key in the cache. Without a cache, the result is computed in each
    call.

    The result must depend on the plan and the code only, and must not be changed. It has to be of types that `marshal`
    can write: texts, numbers, bytes, and tuples, lists, sets and dicts of these.
    """
    if not isinstance(plan, PlanWithCache):
        return compute()
    if name not in plan.cache:
        plan.cache[name] = compute()
    return plan.cache[name]


def has_hours_or_groups(plan: Plan) -> bool:
    """Return whether the plan has hours or user groups, which only a host can resolve (`resolve_here_and_now`)."""
    return any(
        "hours" in policy or "posix_groups" in policy or "only" in policy
        for section in plan["controls"].values()
        for entry in section["services"].values()
        for policy in (entry, *entry.get("exceptions", ()))
    )


def check_plan(plan: Plan) -> None:
    """Raise ValueError unless the plan has this code's schema, a matching digest and known controls."""
    if isinstance(plan, ResolvedPlan):  # the compiled plan from which it was made was checked before
        return
    if plan.get("schema") != PLAN_SCHEMA:
        raise ValueError(f"plan: schema is {plan.get('schema')!r}, expected {PLAN_SCHEMA!r}")
    if plan.get("digest") != compute_digest(plan):
        raise ValueError("plan: the digest does not match the content; compile the plan again")
    unknown = set(plan["controls"]) - set(CONTROLS)
    if unknown:
        raise ValueError(f"plan: unknown control {sorted(unknown)[0]!r}, expected one of {', '.join(CONTROLS)}")
