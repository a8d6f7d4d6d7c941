"""What the formats for proxies share: the sites of a plan's browser section. The rest of it is for browsers alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ...host.controls.browser.rendering import (
    NameVerdicts,
    SiteName,
    list_covering_hosts,
    list_service_names,
    make_minimal_names,
    parse_site_name,
)
from ...host.controls.browser.settings import GOOGLE_TENANTS, MICROSOFT_TENANTS, UNMANAGED
from ...model.plan import RESTRICTED_MODES
from ...model.types.plan import Plan, PlanSection
from .decision import open_for_tenants
from .declaration import Decision, LeftOut

CONTROL = "browser"


class WebNames(NamedTuple):
    """The names of a decision. `hosts` are those without a path: the nearest of them decides about a host, and each
    says another thing than the one above it.
    """

    hosts: Mapping[str, bool]  # whether it is blocked, with all below it
    paths: Mapping[SiteName, bool]  # the starts of paths that differ from their hosts
    included: tuple[str, ...]
    left_out: tuple[LeftOut, ...]  # but for the paths

    def blocked(self, host: str) -> bool:
        """Whether a host is blocked, whatever the path."""
        return next((self.hosts[one] for one in list_covering_hosts(host) if one in self.hosts), False)


def web_names(decision: Decision) -> WebNames:
    """The names of a decision. Raises ControlError for a name that is none."""
    section = decision.plan["controls"][CONTROL]
    services = section["services"]
    smallest = sorted(make_minimal_names(services).items())
    return WebNames(
        {one.host: blocked for one, blocked in smallest if not one.path},
        {one: blocked for one, blocked in smallest if one.path},
        tuple(
            f"{CONTROL}/{id_}"
            for id_, entry in sorted(services.items())
            if entry["mode"] in RESTRICTED_MODES and list_service_names(entry)
        ),
        (*open_for_tenants(decision.plan, CONTROL), *_for_browsers(section)),
    )


def with_left_out(decision: Decision, names: WebNames) -> Decision:
    """A decision that says as well what its names leave out, for the head of a file."""
    return decision._replace(left_out=(*decision.left_out, *names.left_out))


def rule_of(decision: Decision, one: SiteName) -> str:
    """The rule of the first restricted service that has a name; "" where it follows from several."""
    services = decision.plan["controls"][CONTROL]["services"]
    found = (
        id_
        for id_, entry in sorted(services.items())
        if entry["mode"] in RESTRICTED_MODES and one in list_service_names(entry)
    )
    return next((f"{CONTROL}/{id_}" for id_ in found), "")


def blocks(plan: Plan, host: str, port: int | None = None) -> bool:
    """Whether a host is blocked in a section, or what it has at a path."""
    section = plan["controls"].get(CONTROL)
    bare, slash, path = host.partition("/")
    if section is None or "." not in bare:
        return False
    verdicts, whole = NameVerdicts(section["services"]), parse_site_name(bare)
    return verdicts.is_blocked(whole) or verdicts.is_blocked(whole._replace(path=slash + path))


def _for_browsers(section: PlanSection) -> Iterator[LeftOut]:
    for id_, entry in sorted(section["services"].items()):
        if entry["mode"] in RESTRICTED_MODES and any(entry.get("extensions", {}).values()):
            yield LeftOut(f"{CONTROL}/{id_}", "its browser extensions", "A proxy does not manage browsers.")
    settings = section["settings"]
    for id_, value in sorted(settings.get("browsers", {}).items()):
        if value != UNMANAGED:
            yield LeftOut(f"{CONTROL}/{id_}", "the setting of browsers", "A proxy does not manage browsers.")
    for id_, provider in ((GOOGLE_TENANTS, "google"), (MICROSOFT_TENANTS, "microsoft")):
        if settings.get("tenants", {}).get(provider):
            why = "A proxy that does not open HTTPS cannot distinguish private accounts from the organisation's."
            yield LeftOut(f"{CONTROL}/{id_}", "the accounts of other organisations", why)
