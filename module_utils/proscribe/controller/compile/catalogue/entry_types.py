"""Types of the keys in the catalogue's YAML files, after these were checked (docs/catalogue.md)."""

from __future__ import annotations

from typing import NotRequired, Required, TypedDict

# A decision about names of public lists, in a service's file. `as` is a keyword of Python, so the class syntax cannot
# declare this key.
Decision = TypedDict("Decision", {"names": list[str], "as": str, "why": str})


# A comparison of a service's file with a publisher's list (check_dates.py). `with`, a keyword too, has the publisher's
# id.
Compared = TypedDict("Compared", {"with": str, "day": str, "sha256": str, "values": str, "version": NotRequired[str]})


class TenantHeader(TypedDict, total=False):
    """HTTP header by which a vendor distinguishes accounts of different organisations."""

    name: Required[str]
    value: str
    hosts: list[str]


class TenantControl(TypedDict, total=False):
    """Settings by which a vendor distinguishes accounts of different organisations."""

    headers: list[TenantHeader]
    browser_policies: list[str]
    endpoint_policies: list[str]


class ServiceIdentifiers(TypedDict, total=False):
    """Identifiers of a service, by which Proscribe finds or blocks it: names, addresses, packages, programs."""

    names: list[str]
    domains: list[str]
    urls: list[str]
    mail_hosts: list[str]
    shared_domains: list[str]
    allow_domains: list[str]
    networks: list[str]
    networks_note: str
    packages: dict[str, list[str]]
    bundle_ids: list[str]
    signing_ids: list[str]
    team_ids: list[str]
    processes: dict[str, list[str]]
    paths: dict[str, list[str]]
    registered: dict[str, list[str]]
    publishers: dict[str, list[str]]
    installers: list[str]
    desktop_files: list[str]
    markers: dict[str, list[str]]
    browser_extensions: dict[str, list[str]]
    tenant_control: TenantControl
    nxdomain_canaries: list[str]
    notes: str


class UnverifiedBrowserData(TypedDict, total=False):
    """Data about a browser that no good source confirms."""

    packages: dict[str, list[str]]
    processes: list[str]
    paths: list[str]
    policy_dir: dict[str, list[str]]
    policy_file: dict[str, list[str]]
    notes: str


class FeedEntry(TypedDict, total=False):
    """Description of a feed (a long list of domains or networks of a service): feeds/<id>.yml."""

    id: Required[str]
    name: Required[str]
    service: Required[str]
    kind: Required[str]
    checked: Required[str]
    compared: list[Compared]
    checked_accepted: dict[str, str]
    agreement: str
    replaces: str
    notes: str
    sources: Required[list[str]]
