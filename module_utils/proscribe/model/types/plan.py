"""The types of a compiled plan (model/plan.py describes each part)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...base.typed_dict import TypedDict

if TYPE_CHECKING:
    from typing import Annotated, NotRequired

    from ..vocabulary import PLAN_SCHEMA, SERVICE_MODES
    from .annotations import (
        UNDOCUMENTED_KEY,
        Day,
        Moment,
        OpeningHours,
        PlanDigest,
        PlanMode,
        Port,
        PositiveCount,
        RequestId,
        RequestUrl,
        SchemaKeywords,
    )


Hours = list[list[int]]  # weekly times when a waiver applies: [day (0 is Monday), first minute of the day, end minute]


class WaiverScope(TypedDict, total=False):
    """The scope of a waiver within a service: users, versions, paths, and the hours when the waiver applies."""

    users: list[str]
    posix_groups: list[str]
    versions: list[str]
    paths: list[str]
    hours: OpeningHours


class PartialWaiver(WaiverScope):
    """A waiver for a part of a service. A finding is waived if it matches all keys that the waiver has."""

    waiver: str


class OnlyGroups(TypedDict, total=False):
    """The only users for whom a service is restricted.

    A plan has their groups. The host adds `users`, the members of the groups.
    """

    posix_groups: list[str]
    users: Annotated[list[str], UNDOCUMENTED_KEY]
    unresolved: Annotated[str, UNDOCUMENTED_KEY]


class ServicePolicy(TypedDict):
    """The policy for a service in the section of a control: its mode, its waivers, and the affected users."""

    name: NotRequired[str]
    mode: Annotated[str, SchemaKeywords(enum=SERVICE_MODES)]
    waiver: NotRequired[Annotated[str, "With mode waived: the waiver's id"]]
    hours: NotRequired[Annotated[OpeningHours, "With mode waived: it is open at these times only"]]
    otherwise: NotRequired[Annotated[PlanMode, "With hours: the mode at other times"]]
    opens: NotRequired[
        Annotated[dict[str, list[str]], "With hours: the hosts that other services allow while this one is open"]
    ]
    effective_from: NotRequired[Annotated[Day, "With mode upcoming: the day it begins"]]
    only: NotRequired[
        Annotated[
            OnlyGroups,
            "For apps and firewall: it is restricted for the members of these groups alone",
            SchemaKeywords(required=("posix_groups",)),
        ]
    ]
    exceptions: NotRequired[
        Annotated[list[PartialWaiver], "Waivers for a part: what fits one in all keys that it has is waived"]
    ]
    unresolved: NotRequired[Annotated[str, UNDOCUMENTED_KEY]]


class AppIdentifiers(TypedDict, total=False):
    """The identifiers of a service that the control `apps` searches for."""

    packages: Annotated[dict[str, list[str]], "Names by package system"]
    processes: list[str]
    paths: list[str]
    desktop_files: Annotated[list[str], "Names of desktop entries"]
    names: Annotated[
        list[str],
        "What people call the service in their own script: AppImages and launchers of that name are reported, and "
        "never moved for it",
    ]
    markers: Annotated[
        dict[str, list[str]],
        "What its maker has left in a program: go (packages), gecko (vendors), and programs, base names that count "
        "with such a mark only",
    ]
    windows: Annotated[list[str], "Paths of Windows programs, below a folder of programs"]
    windows_processes: Annotated[list[str], "Image names of Windows programs"]
    windows_packages: Annotated[dict[str, list[str]], "Ids of Windows packages: winget, appx"]
    windows_registered: Annotated[
        dict[str, list[str]],
        "What installers register on Windows: names of uninstall keys, and names with their publishers",
    ]
    windows_publishers: Annotated[
        dict[str, list[str]],
        "Who signs on Windows: programs, as AppLocker writes it; appx: publisher\\name of an app package",
    ]
    windows_installers: Annotated[list[str], "File names of installers on Windows, with a * for what changes"]
    bundle_ids: Annotated[list[str], "Identifiers of applications on macOS"]
    mac_apps: Annotated[list[str], "File names of applications on macOS"]
    signing_ids: Annotated[list[str], "What programs on macOS are signed as: the team, a colon, and the identifier"]
    team_ids: Annotated[list[str], "Teams that sign programs of the service alone on macOS"]
    web_hosts: Annotated[
        list[str], "Hosts, or host/path, of which a web app in a window of its own is one of the service"
    ]
    web_allow: Annotated[list[str], "Hosts below these that are none"]
    serves_both: Annotated[
        bool, "With mode report: its programs serve permitted accounts, too", SchemaKeywords(const=True)
    ]
    copies: Annotated[list[str], UNDOCUMENTED_KEY]


class DomainIdentifiers(TypedDict, total=False):
    """The identifiers of a service that the controls `browser` and `dns` both use."""

    domains: list[str]
    allow: list[str]


class BrowserIdentifiers(TypedDict, total=False):
    """The identifiers of a service that only the control `browser` uses."""

    urls: list[str]
    extensions: dict[str, list[str]]
    front_doors: Annotated[list[str], "Those of the names that people type: the lists of browsers have them first"]


class FirewallIdentifiers(TypedDict, total=False):
    """The identifiers of a service that the control `firewall` blocks."""

    networks: list[str]
    ports: list[Port]


class DnsIdentifiers(TypedDict, total=False):
    """The identifiers of a service that only the control `dns` uses."""

    canaries: list[str]


class ControlIdentifiers(AppIdentifiers, DomainIdentifiers, BrowserIdentifiers, FirewallIdentifiers, DnsIdentifiers):
    """The identifiers of a service that a control searches for or blocks."""


class PlanEntry(ServicePolicy, ControlIdentifiers):
    """A service in the section of a control: its policy, and only the identifiers that this control uses."""


class OrganisationRule(TypedDict):
    """Firewall rule that the organisation has set itself (host/controls/firewall/organisation_rules.py)."""

    direction: str
    protocol: str
    addresses: list[str]
    ports: list[str]
    verdict: str
    comment: str


class TenantEntry(TypedDict, total=False):
    """Tenant of Microsoft Entra whose accounts are permitted (tenants.py)."""

    id: str
    domains: list[str]


class ControlSettings(TypedDict, total=False):
    """Settings of a control. Each control has its own keys."""

    user_notice: str
    refusal_notice: str
    grace: int
    quarantine_keep: int
    exec_control: str
    applocker: str
    full_scan_every: int
    network_homes: str
    requests: str
    unmanaged_browsers: PlanEntry
    browsers: dict[str, str]
    extensions_allowed: list[str]
    tenants: dict[str, list[str | TenantEntry]]
    dns_over_tls: str
    quic: str
    log: bool
    confirm_within: int
    rules: list[OrganisationRule]
    management: list[str]
    nat64: list[str]
    local_ssh: int
    force_dns: bool
    backend: str
    upstreams: list[str]


class PlanSection(TypedDict):
    """Section of a plan for a control: the control's mode, its services and its settings."""

    mode: PlanMode
    services: dict[str, Annotated[PlanEntry, SchemaKeywords(required=("name", "mode"))]]
    settings: Annotated[ControlSettings, dict, "As plan.py describes them"]
    nothing_known: NotRequired[
        Annotated[list[str], "Restricted services of which the catalogue has nothing for this control"]
    ]
    by_tenant: NotRequired[
        Annotated[list[str], "Restricted services that it leaves open for the organisation's tenants"]
    ]


class BrowserPlace(TypedDict):
    """Place from which a browser reads its policies (host/controls/browser/policy_places.py)."""

    id: str
    family: str
    path: str
    browsers: list[str]
    fallbacks: NotRequired[list[str]]
    programs: NotRequired[list[str]]
    paths: NotRequired[list[str]]
    present: NotRequired[list[str]]
    flatpaks: NotRequired[list[str]]
    snaps: NotRequired[list[str]]
    elsewhere: NotRequired[list[str]]


class WatchTimes(TypedDict):
    """Times of the watch, in seconds: between two observations, and the maximum age of the host's plan."""

    every: PositiveCount
    max_age: PositiveCount


class LaterPlan(TypedDict):
    """Reference to the plan that takes effect on the host at a later time."""

    at: Moment
    plan: Annotated[PlanDigest, "Its digest"]


class PlanWaiver(TypedDict):
    """Waiver that a plan names, with the data that a host shows to its users."""

    expires: Moment
    users: list[str]
    services: Annotated[list[str], "Their names"]
    posix_groups: NotRequired[list[str]]
    request: NotRequired[Annotated[RequestId, "The id of the request that it answers"]]
    limits: NotRequired[
        Annotated[str, "Only where it does not open all of its services: what is open and what is closed"]
    ]


class GroupPolicyObject(TypedDict):
    """Group Policy object that a domain controller shall have, with the policy for its machines."""

    name: Annotated[str, "What administrators see"]
    group: Annotated[str, "Of the inventory: whose hosts' policy it has"]
    ous: Annotated[list[str], "Where it is linked"]
    enforced: Annotated[bool, "Whether it applies below units that block inheritance"]
    browser: Annotated[PlanSection, "The one policy of the group's hosts, never wider than any of theirs"]
    apps: NotRequired[Annotated[PlanSection, "Of the same policy: the restricted programs that AppLocker knows"]]
    request_url: NotRequired[RequestUrl]


class GroupPolicy(TypedDict):
    """The Group Policy objects that a domain controller has for the machines of its domain."""

    objects: list[GroupPolicyObject]


class Plan(TypedDict):
    """Plan: the compiled policy of all hosts that have the same policy."""

    schema: Annotated[str, SchemaKeywords(const=PLAN_SCHEMA)]
    digest: NotRequired[Annotated[PlanDigest, "SHA-256 of the canonical JSON of all the rest"]]
    contact: Annotated[str, "Whom a refused user asks"]
    request_url: NotRequired[RequestUrl]
    watch: NotRequired[
        Annotated[
            WatchTimes,
            "How often the host observes itself, and how long it takes the plan for current; not there where off",
        ]
    ]
    later: NotRequired[Annotated[LaterPlan, "The plan that is in effect from then on; only with watch"]]
    waivers: NotRequired[Annotated[dict[str, PlanWaiver], "The waivers that the plan names; only with watch"]]
    answers: NotRequired[
        Annotated[dict[str, dict[str, str]], "By id of a request: the answer, which the host shows to its user"]
    ]
    group_policy: NotRequired[
        Annotated[GroupPolicy, "What a Samba domain controller has for the machines of its domain"]
    ]
    catalog: NotRequired[Annotated[str, "The release of the catalogue; not there where it has none"]]
    browsers: Annotated[list[Annotated[BrowserPlace, dict]], "Where the policies of browsers stand"]
    controls: Annotated[dict[str, PlanSection], "A control that is off is left out"]
