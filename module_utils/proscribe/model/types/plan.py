"""A compiled plan (model/plan.py says what each part is for)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from typing import NotRequired

Hours = list[list[int]]  # openings of a week: [day (0 is Monday), from which minute, until which]


class Narrowed(TypedDict, total=False):
    """A part of a service, for which a waiver is, and when."""

    users: list[str]
    posix_groups: list[str]
    versions: list[str]
    paths: list[str]
    hours: Hours


class Exempted(Narrowed):
    """A waiver for a part of a service: what fits one in all keys that it has is waived."""

    waiver: str


class Only(TypedDict, total=False):
    """For whom alone a service is restricted: groups in a plan, their members on the host."""

    posix_groups: list[str]
    users: list[str]
    unresolved: str


class Standing(TypedDict):
    """What the policy says of a service under a control."""

    name: NotRequired[str]
    mode: str
    waiver: NotRequired[str]
    hours: NotRequired[Hours]
    otherwise: NotRequired[str]
    opens: NotRequired[dict[str, list[str]]]
    effective_from: NotRequired[str]
    only: NotRequired[Only]
    exceptions: NotRequired[list[Exempted]]
    unresolved: NotRequired[str]  # on a host: groups whose members are not known


class OfApps(TypedDict, total=False):
    """What the control apps finds a service by."""

    packages: dict[str, list[str]]
    processes: list[str]
    paths: list[str]
    desktop_files: list[str]
    names: list[str]
    markers: dict[str, list[str]]
    windows: list[str]
    windows_processes: list[str]
    windows_packages: dict[str, list[str]]
    windows_registered: dict[str, list[str]]
    bundle_ids: list[str]
    web_hosts: list[str]
    web_allow: list[str]
    serves_both: bool
    copies: list[str]  # of unmanaged browsers


class OfNames(TypedDict, total=False):
    """What the controls browser and dns both close."""

    domains: list[str]
    allow: list[str]


class OfBrowser(TypedDict, total=False):
    """What only the control browser closes."""

    urls: list[str]
    extensions: dict[str, list[str]]
    unlisted: list[str]
    open: list[str]


class OfFirewall(TypedDict, total=False):
    """What the control firewall closes."""

    networks: list[str]
    ports: list[int]


class OfDns(TypedDict, total=False):
    """What only the control dns answers."""

    canaries: list[str]


class Identifiers(OfApps, OfNames, OfBrowser, OfFirewall, OfDns):
    """What a control searches for, or closes, of a service."""


class Entry(Standing, Identifiers):
    """A service under a control. It has the identifiers of this control only."""


class OrganisationRule(TypedDict):
    """A firewall rule of the organisation (host/controls/firewall/organisation_rules.py)."""

    direction: str
    protocol: str
    addresses: list[str]
    ports: list[str]
    verdict: str
    comment: str


class Settings(TypedDict, total=False):
    """The settings of a control. Each control has its own."""

    user_notice: str
    refusal_notice: str
    grace: int
    quarantine_keep: int
    exec_control: str
    full_scan_every: int
    network_homes: str
    requests: str
    unmanaged_browsers: Entry
    browsers: dict[str, str]
    extensions_allowed: list[str]
    tenants: dict[str, list[str]]
    dns_over_tls: str
    quic: str
    log: bool
    confirm_within: int
    rules: list[OrganisationRule]
    management: list[str]
    force_dns: bool
    backend: str
    upstreams: list[str]


class Section(TypedDict):
    """A control in a plan."""

    mode: str
    services: dict[str, Entry]
    settings: Settings
    nothing_known: NotRequired[list[str]]
    by_tenant: NotRequired[list[str]]


class BrowserPlace(TypedDict):
    """Where the policies of a browser stand (host/controls/browser/places.py)."""

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
    """How often a host observes itself, and how long it takes its plan for current, in seconds."""

    every: int
    max_age: int


class Later(TypedDict):
    """The plan that is in effect from a moment on."""

    at: str
    plan: str


class PlanWaiver(TypedDict):
    """A waiver that a plan names."""

    expires: str
    users: list[str]
    services: list[str]
    posix_groups: NotRequired[list[str]]
    request: NotRequired[str]
    limits: NotRequired[str]


class GroupPolicyObject(TypedDict):
    """A Group Policy object of a domain controller."""

    name: str
    group: str
    ous: list[str]
    enforced: bool
    browser: Section
    request_url: NotRequired[str]


class GroupPolicy(TypedDict):
    """What a domain controller has for the machines of its domain."""

    objects: list[GroupPolicyObject]


class Plan(TypedDict):
    """The compiled policy of the hosts that share it."""

    schema: str
    digest: NotRequired[str]  # not there until it is sealed
    contact: str
    request_url: NotRequired[str]
    watch: NotRequired[WatchTimes]
    later: NotRequired[Later]
    waivers: NotRequired[dict[str, PlanWaiver]]
    answers: NotRequired[dict[str, dict[str, str]]]
    group_policy: NotRequired[GroupPolicy]
    catalog: NotRequired[str]
    browsers: list[BrowserPlace]
    controls: dict[str, Section]
