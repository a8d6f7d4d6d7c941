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
    """A waiver for a part of a service.

    A finding is waived if it matches all keys that the waiver has.
    """

    waiver: str


class OnlyGroups(TypedDict, total=False):
    """The only users for whom a service is restricted.

    A plan has their groups. The host adds `users`, the members of the groups.
    """

    posix_groups: list[str]
    users: Annotated[list[str], UNDOCUMENTED_KEY]
    unresolved: Annotated[str, UNDOCUMENTED_KEY]  # the groups with unknown members, and the reasons


class ServicePolicy(TypedDict):
    """The policy for a service in the section of a control: its mode, its waivers, and the affected users."""

    name: NotRequired[str]
    mode: Annotated[str, SchemaKeywords(enum=SERVICE_MODES)]
    waiver: NotRequired[Annotated[str, "Id of the waiver; only with mode `waived`"]]
    hours: NotRequired[
        Annotated[
            OpeningHours,
            "Weekly times at which the waiver opens the service, by the host's clock. Each is [day, first "
            "minute, end minute]; day 0 is Monday. The key exists only with mode `waived`. A waiver without "
            "it applies at all times.",
        ]
    ]
    otherwise: NotRequired[Annotated[PlanMode, "Mode of the service at other times; only with `hours`"]]
    opens: NotRequired[
        Annotated[
            dict[str, list[str]],
            "Host names that stay allowed for other services while this service is open; only with `hours`. "
            "Key: id of the service that otherwise blocks the names.",
        ]
    ]
    effective_from: NotRequired[Annotated[Day, "First day of the restriction, ISO 8601; only with mode `upcoming`"]]
    only: NotRequired[
        Annotated[
            OnlyGroups,
            "User groups to whose members the restriction is limited; only in the controls apps and firewall",
            SchemaKeywords(required=("posix_groups",)),
        ]
    ]
    exceptions: NotRequired[
        Annotated[
            list[PartialWaiver],
            "Waivers for a part of the service. A finding is waived if it matches all keys of a waiver.",
        ]
    ]
    # the groups in `exceptions` with unknown members, and the reasons; only the host adds this key
    unresolved: NotRequired[Annotated[str, UNDOCUMENTED_KEY]]


class AppIdentifiers(TypedDict, total=False):
    """The identifiers of a service that the control `apps` searches for."""

    packages: Annotated[dict[str, list[str]], "Names of packages, by package system such as apt or flatpak"]
    processes: list[str]
    paths: list[str]
    desktop_files: Annotated[list[str], "File names of desktop entries"]
    names: Annotated[
        list[str],
        "Names of the service in writing systems other than Latin. AppImages and launchers with such a "
        "name are reported. The name alone is no reason to move them.",
    ]
    markers: Annotated[
        dict[str, list[str]],
        "Marks inside the service's programs. Key `go`: Go packages or modules from which a program is "
        "built. Key `gecko`: vendors of a Gecko program. Key `programs`: base names of programs that "
        "count only with such a mark.",
    ]
    windows: Annotated[
        list[str], "Paths of Windows programs, relative to a directory of programs such as %ProgramFiles%"
    ]
    windows_processes: Annotated[list[str], "Image names of Windows programs, such as Program.exe"]
    windows_shared_processes: Annotated[
        list[str], "Image names of Windows programs that programs of others have, too. They count only with a path."
    ]
    windows_packages: Annotated[dict[str, list[str]], "Ids of Windows packages, by package system: winget or appx"]
    windows_registered: Annotated[
        dict[str, list[str]],
        "Registrations of installers on Windows. Key `keys`: names of uninstall keys. Key `names`: "
        "display names with publishers, as `name by publisher`.",
    ]
    windows_publishers: Annotated[
        dict[str, list[str]],
        "Signers on Windows. Key `programs`: publishers in AppLocker's notation. Key `appx`: app "
        "packages, as `publisher\\name`.",
    ]
    windows_installers: Annotated[
        list[str], "File names of installers on Windows. A `*` stands for the part that changes between releases."
    ]
    bundle_ids: Annotated[list[str], "Bundle identifiers of applications on macOS"]
    mac_apps: Annotated[list[str], "File names of applications on macOS, such as Program.app"]
    signing_ids: Annotated[
        list[str], "Signatures of programs on macOS: the developer team, a colon, and the signing identifier"
    ]
    team_ids: Annotated[list[str], "Ids of Apple developer teams that sign only programs of this service on macOS"]
    web_hosts: Annotated[
        list[str],
        "Web addresses of the service: `host` or `host/path`. An installed web app with such an address "
        "is an app of the service.",
    ]
    web_allow: Annotated[list[str], "Hosts below `web_hosts` whose web apps are not apps of the service"]
    serves_both: Annotated[
        bool,
        "True if the service's programs serve permitted accounts, too; only with mode `report`",
        SchemaKeywords(const=True),
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
    front_doors: Annotated[
        list[str],
        "Addresses of the service that users type. Browser block lists have them first, because the lists "
        "are too short for all names.",
    ]


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
    """Settings of a control.

    Each control has its own keys. The docstring of model/plan.py describes them.
    """

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
    settings: Annotated[
        ControlSettings,
        dict,
        "Settings of the control. Each control has its own keys, which module_utils/proscribe/model/plan.py describes.",
    ]
    nothing_known: NotRequired[
        Annotated[list[str], "Ids of restricted services for which the catalogue has no identifiers for this control"]
    ]
    by_tenant: NotRequired[
        Annotated[
            list[str],
            "Ids of restricted services that the control leaves open, because accounts of the organisation's "
            "tenants use the same hosts",
        ]
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
    plan: Annotated[PlanDigest, "Digest of the later plan"]


class PlanWaiver(TypedDict):
    """Waiver that a plan names, with the data that a host shows to its users."""

    expires: Moment
    users: list[str]
    services: Annotated[list[str], "Names of the services that the waiver opens"]
    posix_groups: NotRequired[list[str]]
    request: NotRequired[Annotated[RequestId, "Id of the user's request that the waiver answers"]]
    limits: NotRequired[
        Annotated[
            str, "Text about the open and the closed parts. The key is missing if the waiver opens all of its services."
        ]
    ]


class GroupPolicyObject(TypedDict):
    """Group Policy object that a domain controller shall have, with the policy for its machines."""

    name: Annotated[str, "Name of the object, as administrators see it"]
    group: Annotated[str, "Inventory group whose hosts' policy the object has"]
    ous: Annotated[list[str], "Organisational units, containers or domains to which the object is linked"]
    enforced: Annotated[
        bool, "True if the object also applies below units that block inheritance, and before all other objects"
    ]
    browser: Annotated[
        PlanSection,
        "Common browser policy of the group's hosts. It never permits more than the policy of any of these hosts.",
    ]
    apps: NotRequired[Annotated[PlanSection, "Restricted programs of the same policy for which AppLocker rules exist"]]
    request_url: NotRequired[RequestUrl]


class GroupPolicy(TypedDict):
    """The Group Policy objects that a domain controller has for the machines of its domain."""

    objects: list[GroupPolicyObject]


class Plan(TypedDict):
    """Plan: the compiled policy of all hosts that have the same policy."""

    schema: Annotated[str, SchemaKeywords(const=PLAN_SCHEMA)]
    digest: NotRequired[
        Annotated[
            PlanDigest,
            "SHA-256 of the plan as canonical JSON, without this key. Canonical JSON has sorted keys, no "
            "spaces, and only ASCII characters.",
        ]
    ]
    contact: Annotated[str, "Contact that a refused user can ask, as text"]
    request_url: NotRequired[RequestUrl]
    watch: NotRequired[
        Annotated[
            WatchTimes,
            "Seconds between two observations by the host itself (`every`), and the maximum age of its plan "
            "in seconds (`max_age`). The key is missing if the watch is off.",
        ]
    ]
    later: NotRequired[
        Annotated[LaterPlan, "Next plan, and the time from which it is in effect; only together with `watch`"]
    ]
    waivers: NotRequired[
        Annotated[dict[str, PlanWaiver], "Waivers that the plan names, by id; only together with `watch`"]
    ]
    answers: NotRequired[
        Annotated[
            dict[str, dict[str, str]],
            "Answers to users' requests, by id of the request. The host shows the answer to the user.",
        ]
    ]
    group_policy: NotRequired[
        Annotated[GroupPolicy, "Group Policy objects that a Samba domain controller has for the machines of its domain"]
    ]
    catalog: NotRequired[
        Annotated[str, "Release of the catalogue of services. The key is missing if the catalogue has no release."]
    ]
    browsers: Annotated[
        list[Annotated[BrowserPlace, dict]], "Files and directories from which browsers read their policies"
    ]
    controls: Annotated[
        dict[str, PlanSection], "Policy of each control, by name of the control. A control that is off is missing."
    ]
