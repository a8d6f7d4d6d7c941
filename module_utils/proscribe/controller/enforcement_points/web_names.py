"""Common parts of the formats for proxies: the sites that a plan blocks and opens.

A proxy cannot apply the other parts of the plan's browser section.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ...host.controls.browser.browser_settings import GOOGLE_TENANTS, MICROSOFT_TENANTS, UNMANAGED
from ...host.controls.browser.site_rules import (
    NameVerdicts,
    SiteName,
    list_covering_hosts,
    list_service_names,
    make_minimal_names,
    parse_site_name,
)
from ...model.plan import RESTRICTED_MODES
from ...model.tenants import GOOGLE, MICROSOFT
from ...model.types.plan import Plan, PlanSection
from .decision import list_open_for_tenants
from .format_declaration import ExportDecision, ExportOmission

BROWSER_CONTROL = "browser"


class ExportedWebNames(NamedTuple):
    """The sites that an export blocks and opens.

    `is_blocked_by_host` has host names. For a host, the closest listed name at or above it decides. A name is listed
    only if its value differs from that of the closest listed name above it.
    """

    # True if the host and all names below it are blocked, False if they are open
    is_blocked_by_host: Mapping[str, bool]
    # key: a host and the beginning of a path. True if pages there are blocked although the host is open; False if they
    # are open although the host is blocked
    is_blocked_by_path: Mapping[SiteName, bool]
    # key: a host and the beginning of a path. Value: the rule of the first restricted service that lists this name
    rule_by_path: Mapping[SiteName, str]
    included_rules: tuple[str, ...]
    left_out: tuple[ExportOmission, ...]  # parts of the plan that a proxy lacks, without paths

    def is_host_blocked(self, host: str) -> bool:
        """Return True if a host is blocked as a whole, without regard to paths."""
        return next(
            (
                self.is_blocked_by_host[parent]
                for parent in list_covering_hosts(host)
                if parent in self.is_blocked_by_host
            ),
            False,
        )


def collect_web_names(decision: ExportDecision) -> ExportedWebNames:
    """Return the sites that an export blocks and opens. Raises ControlError for an invalid name."""
    section = decision.plan["controls"][BROWSER_CONTROL]
    services = section["services"]
    minimal_names = sorted(make_minimal_names(services).items())
    names_by_rule = {
        f"{BROWSER_CONTROL}/{service_id}": service_names
        for service_id, entry in sorted(services.items())
        if entry["mode"] in RESTRICTED_MODES and (service_names := list_service_names(entry))
    }
    rule_by_path: dict[SiteName, str] = {}
    for rule, service_names in names_by_rule.items():
        for web_name in service_names:
            if web_name.path:
                rule_by_path.setdefault(web_name, rule)
    return ExportedWebNames(
        {web_name.host: is_blocked for web_name, is_blocked in minimal_names if not web_name.path},
        {web_name: is_blocked for web_name, is_blocked in minimal_names if web_name.path},
        rule_by_path,
        tuple(names_by_rule),
        (*list_open_for_tenants(decision.plan, BROWSER_CONTROL), *_list_browser_omissions(section)),
    )


def add_left_out(decision: ExportDecision, web_names: ExportedWebNames) -> ExportDecision:
    """Return the decision with the parts that the proxy lacks in `left_out`, for the header of a file."""
    return decision._replace(left_out=(*decision.left_out, *web_names.left_out))


def is_site_blocked(plan: Plan, host: str, port: int | None = None) -> bool:
    """Return True if a site is blocked.

    `host` is a host name or `host/path`; `port` is not used. A name without a dot is never blocked.
    """
    section = plan["controls"].get(BROWSER_CONTROL)
    host_name, slash, path = host.partition("/")
    if section is None or "." not in host_name:
        return False
    verdicts, web_name = NameVerdicts(section["services"]), parse_site_name(host_name)
    return verdicts.is_blocked(web_name) or verdicts.is_blocked(web_name._replace(path=slash + path))


def _list_browser_omissions(section: PlanSection) -> Iterator[ExportOmission]:
    """Yield a report entry for each part of the browser section that a proxy cannot apply."""
    for setting_id, entry in sorted(section["services"].items()):
        if entry["mode"] in RESTRICTED_MODES and any(entry.get("extensions", {}).values()):
            yield ExportOmission(
                f"{BROWSER_CONTROL}/{setting_id}", "its browser extensions", "A proxy does not manage browsers."
            )
    settings = section["settings"]
    for setting_id, setting in sorted(settings.get("browsers", {}).items()):
        if setting != UNMANAGED:
            yield ExportOmission(
                f"{BROWSER_CONTROL}/{setting_id}", "the setting of browsers", "A proxy does not manage browsers."
            )
    for setting_id, provider in ((GOOGLE_TENANTS, GOOGLE), (MICROSOFT_TENANTS, MICROSOFT)):
        if settings.get("tenants", {}).get(provider):
            reason = "A proxy that does not open HTTPS cannot distinguish private accounts from the organisation's."
            yield ExportOmission(f"{BROWSER_CONTROL}/{setting_id}", "the accounts of other organisations", reason)
