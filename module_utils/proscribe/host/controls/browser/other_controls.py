"""The names that other controls close on the same host, so that browsers need them least.

Only a control that enforces closes anything. A DNS filter closes a name and all below it, a hosts file that name alone.
The firewall closes networks. Nobody knows on a host which names lead there, so such a name may give way, and counts as
open all the same.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, AbstractSet, Callable

from ....model.plan import RESTRICTED_MODES
from ...system import ControlError, Host, ObservationError
from ..dns.desired import collect_section_names, find_covering_name
from .desired import DesiredPolicies
from .name_closing import NAME_ALONE_CLOSED, NAME_CLOSED_WITH_ALL_BELOW, NAME_OPEN
from .settings import BLOCKED

if TYPE_CHECKING:
    from ....model.types.plan import Plan, PlanSection

ENFORCE = "enforce"


class HostControls:
    """The other controls of a plan on a host.

    `backend` returns the degree in which the DNS backend closes a name. It is called once, and only if that matters.
    """

    def __init__(self, plan: Plan, measure_backend: Callable[[], int]) -> None:
        self._plan = plan
        self._measure_backend = measure_backend
        self._highest_degree: int | None = None
        self._dns_names: tuple[AbstractSet[str], AbstractSet[str]] | None = None

    @property
    def highest_degree(self) -> int:
        """The degree in which the host's DNS backend closes a name."""
        if self._highest_degree is None:
            self._highest_degree = self._measure_backend() if is_dns_effective_in_browsers(self._plan) else NAME_OPEN
        return self._highest_degree

    @property
    def network_service_ids(self) -> AbstractSet[str]:
        """The ids of the services whose networks the firewall closes."""
        firewall = self._plan["controls"].get("firewall")
        entries = firewall["services"].items() if firewall else ()
        return frozenset(id_ for id_, entry in entries if entry["mode"] == ENFORCE and entry.get("networks"))

    def measure_degree(self, host: str) -> int:
        """Return the degree in which a name is closed."""
        if self.highest_degree == NAME_OPEN:
            return NAME_OPEN
        if self._dns_names is None:
            self._dns_names = _list_dns_names(self._plan["controls"]["dns"])
        blocked_names, passed_names = self._dns_names
        if self.highest_degree == NAME_ALONE_CLOSED:
            return NAME_ALONE_CLOSED if host in blocked_names else NAME_OPEN
        return (
            NAME_CLOSED_WITH_ALL_BELOW
            if len(find_covering_name(host, blocked_names)) > len(find_covering_name(host, passed_names))
            else NAME_OPEN
        )


def _list_dns_names(section: PlanSection) -> tuple[AbstractSet[str], AbstractSet[str]]:
    """Return the names that a plan's dns control blocks, and those that it lets through below them."""
    # What is only audited is not closed, and its exceptions open nothing.
    enforced_services = {
        id_: entry
        for id_, entry in section["services"].items()
        if entry["mode"] == ENFORCE or entry["mode"] not in RESTRICTED_MODES
    }
    desired_names = collect_section_names({**section, "services": enforced_services}, {}, canaries=False)
    return desired_names.blocked_names, desired_names.open_names


def make_desired(host: Host, plan: Plan) -> DesiredPolicies:
    """Return what a plan asks of the browsers of a host that has its other controls too."""
    return DesiredPolicies(plan, HostControls(plan, functools.partial(_measure_backend, host, plan)))


def is_dns_effective_in_browsers(plan: Plan) -> bool:
    """Return True if a plan's dns control enforces, and browsers ask no resolver of their own."""
    controls = plan["controls"]
    settings = controls["browser"]["settings"].get("browsers", {})
    return "dns" in controls and controls["dns"]["mode"] == ENFORCE and settings.get("dns_over_https") == BLOCKED


def _measure_backend(host: Host, plan: Plan) -> int:
    from ..dns.choice import HOSTS_BACKEND, choose_backend

    section = plan["controls"]["dns"]
    try:
        return (
            NAME_ALONE_CLOSED
            if choose_backend(host, section["settings"]).backend_name == HOSTS_BACKEND
            else NAME_CLOSED_WITH_ALL_BELOW
        )
    except (ControlError, ObservationError):  # reported by dns, which closes nothing here as far as is known
        return NAME_OPEN
