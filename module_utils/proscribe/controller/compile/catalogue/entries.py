"""Parts of the catalogue's entries, once they have been checked: their keys as types (docs/catalogue.md)."""

from __future__ import annotations

from typing import NotRequired, Required, TypedDict

# The value of `as` is a keyword of Python's.
Decision = TypedDict("Decision", {"names": list[str], "as": str, "why": str})


# What a file was compared with (dates.py); `with` is one, too.
Compared = TypedDict("Compared", {"with": str, "day": str, "sha256": str, "values": str, "version": NotRequired[str]})


class TenantHeader(TypedDict, total=False):
    """A header by which a vendor distinguishes accounts."""

    name: Required[str]
    value: str
    hosts: list[str]


class TenantControl(TypedDict, total=False):
    """How a vendor distinguishes accounts."""

    headers: list[TenantHeader]
    browser_policies: list[str]
    endpoint_policies: list[str]


class ServiceIdentifiers(TypedDict, total=False):
    """What a service is known by."""

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
    """What no good source confirms of a browser."""

    packages: dict[str, list[str]]
    processes: list[str]
    paths: list[str]
    policy_dir: dict[str, list[str]]
    policy_file: dict[str, list[str]]
    notes: str


class FeedEntry(TypedDict, total=False):
    """What describes a feed: feeds/<id>.yml."""

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
