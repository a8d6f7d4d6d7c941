"""Names that other controls close on the same host, so that browsers need them least.

Only a control that enforces closes anything. A DNS filter closes a name and all names below it; a hosts file closes
that name alone. The firewall closes networks. A host cannot know which names lead to these networks. So such a name may
be left out of the lists, but it still counts as open.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, AbstractSet, Callable

from ....model.plan import RESTRICTED_MODES
from ...system import ControlError, Host, ObservationError
from ..dns.names_to_block import collect_section_names, find_covering_name
from .browser_settings import BLOCKED
from .closing_degrees import NAME_ALONE_CLOSED, NAME_CLOSED_WITH_ALL_BELOW, NAME_OPEN
from .desired_policies import DesiredPolicies

if TYPE_CHECKING:
    from ....model.types.plan import Plan, PlanSection

ENFORCE = "enforce"


class HostControls:
    """Other controls of a plan (dns, firewall) on a host, with the names and networks that they close.

    `measure_backend` returns the degree to which the DNS backend closes a name (closing_degrees.py). It is called at
    most once, and only if the degree matters.
    """

    def __init__(self, plan: Plan, measure_backend: Callable[[], int]) -> None:
        self._plan = plan
        self._measure_backend = measure_backend
        self._highest_degree: int | None = None
        # (names that the control dns blocks, names below them that it lets through); None until needed
        self._dns_names: tuple[AbstractSet[str], AbstractSet[str]] | None = None

    @property
    def highest_degree(self) -> int:
        """Degree to which the host's DNS backend closes a name that the control dns blocks."""
        if self._highest_degree is None:
            self._highest_degree = self._measure_backend() if is_dns_effective_in_browsers(self._plan) else NAME_OPEN
        return self._highest_degree

    @property
    def network_service_ids(self) -> AbstractSet[str]:
        """Ids of the services whose networks the firewall closes."""
        firewall = self._plan["controls"].get("firewall")
        entries = firewall["services"].items() if firewall else ()
        return frozenset(id_ for id_, entry in entries if entry["mode"] == ENFORCE and entry.get("networks"))

    def measure_degree(self, host: str) -> int:
        """Return the degree to which the control dns closes a name."""
        if self.highest_degree == NAME_OPEN:
            return NAME_OPEN
        if self._dns_names is None:
            self._dns_names = _list_dns_names(self._plan["controls"]["dns"])
        blocked_names, open_names = self._dns_names
        if self.highest_degree == NAME_ALONE_CLOSED:
            return NAME_ALONE_CLOSED if host in blocked_names else NAME_OPEN
        # of the blocked and the permitted names that include the host, the longer decides
        return (
            NAME_CLOSED_WITH_ALL_BELOW
            if len(find_covering_name(host, blocked_names)) > len(find_covering_name(host, open_names))
            else NAME_OPEN
        )


def _list_dns_names(section: PlanSection) -> tuple[AbstractSet[str], AbstractSet[str]]:
    """Return the names that a plan's control dns blocks, and the names below them that it lets through."""
    # The control dns does not close the names of an audited service, so exceptions of such a service open nothing.
    enforced_services = {
        id_: entry
        for id_, entry in section["services"].items()
        if entry["mode"] == ENFORCE or entry["mode"] not in RESTRICTED_MODES
    }
    desired_names = collect_section_names({**section, "services": enforced_services}, {}, canaries=False)
    return desired_names.blocked_names, desired_names.open_names


def make_desired(host: Host, plan: Plan) -> DesiredPolicies:
    """Return the desired policies of a plan for the browsers of a host, with regard to its other controls."""
    return DesiredPolicies(plan, HostControls(plan, functools.partial(_measure_backend, host, plan)))


def is_dns_effective_in_browsers(plan: Plan) -> bool:
    """Return whether a plan's control dns enforces, and browsers use the resolver of the host."""
    controls = plan["controls"]
    settings = controls["browser"]["settings"].get("browsers", {})
    return "dns" in controls and controls["dns"]["mode"] == ENFORCE and settings.get("dns_over_https") == BLOCKED


def _measure_backend(host: Host, plan: Plan) -> int:
    """Return the degree to which the DNS backend of a host closes a blocked name (closing_degrees.py)."""
    from ..dns.backend_choice import HOSTS_BACKEND, choose_backend

    section = plan["controls"]["dns"]
    try:
        return (
            NAME_ALONE_CLOSED
            if choose_backend(host, section["settings"]).backend_name == HOSTS_BACKEND
            else NAME_CLOSED_WITH_ALL_BELOW
        )
    except (ControlError, ObservationError):  # the control dns reports the error; here it counts as closing nothing
        return NAME_OPEN
