"""Facts about hosts from their newest records: operating system, package systems and browsers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from ....host.controls.apps.systems.package_systems import HOST_WIDE_SYSTEMS, ON_DEMAND, SYSTEMS
from ....model.finding import ERROR, LIFTED, NONCOMPLIANT, UNKNOWN
from ....model.plan import CONTROLS
from ....model.types.record import HostRecord
from ...compile.inventory.host_variables import CompileInput
from ...compile.inventory.reports_folder import find_reports_folder
from ...report.evaluation.control_modes import OBSERVED_SYSTEMS
from ...report.evaluation.lifts import Lift, describe_lifts
from ...report.storage import fleet_state_file
from ...report.storage.report_reader import UnreadableReport, list_runs, read_records

MAX_RUNS = 10  # most reports that are read: an older one may have facts that the newest lacks
# Systems that no run observes: names of Python's sys.platform, with which the system in a host's record begins. A Linux
# host reports its distribution instead.
UNOBSERVED_SYSTEMS = ("darwin", "freebsd", "openbsd", "netbsd", "sunos", "aix", "cygwin", "win32")
WINDOWS_SYSTEM = OBSERVED_SYSTEMS[0]


class HostFacts(NamedTuple):
    """The facts that records report about a host; None or "" for unknown ones."""

    os: str = ""
    package_managers: frozenset[str] | None = None  # package systems of the whole host, such as dpkg, flatpak
    user_package_managers: frozenset[str] | None = None  # package systems that users have installed, such as nix
    browsers: frozenset[str] | None = None  # ids of the policy directories that they read
    oldest_time: str = ""  # time of the oldest record that these facts come from: UTC
    state: str = ""  # state of the whole host in the newest record, or LIFTED
    observed_at: str = ""  # time of `state`: UTC
    lifted_controls: tuple[str, ...] = ()  # controls whose ban was lifted (removed), not observed since
    lifts_text: str = ""  # text about the lifts, with time and run

    @property
    def is_known(self) -> bool:
        """Return whether package systems and browsers are known."""
        return self.package_managers is not None and self.browsers is not None

    @property
    def is_only_observed(self) -> bool:
        """Return whether runs observe the host's system without changing it."""
        return self.os in OBSERVED_SYSTEMS

    @property
    def is_observed_system(self) -> bool:
        """Return whether runs can observe the host's system, as far as its records show."""
        return not self.os.startswith(UNOBSERVED_SYSTEMS)

    def has_package_system(self, key: str) -> bool | None:
        """Return whether the host or a user of it has a package system; None if unknown.

        `key` is the name of the package system in the catalogue, such as `apt`.
        """
        managers = {system.MANAGER for system in SYSTEMS if key == system.CATALOGUE_KEY}
        # Systems such as brew, which leave a trace on a host as soon as they are installed.
        traced_managers = {system.MANAGER for system in ON_DEMAND}
        if not managers <= {system.MANAGER for system in HOST_WIDE_SYSTEMS} | traced_managers:
            # Pip and similar tools leave no trace before their first use, so every host is checked for their packages.
            return True
        if managers & ((self.package_managers or frozenset()) | (self.user_package_managers or frozenset())):
            return True
        return (
            None
            if self.package_managers is None or (managers & traced_managers and self.user_package_managers is None)
            else False
        )

    def drop_times(self) -> HostFacts:
        """Return the facts without times, states and lifts, so that hosts with the same software have equal facts."""
        return self._replace(oldest_time="", state="", observed_at="", lifted_controls=(), lifts_text="")


NO_FACTS = HostFacts()


def collect_facts(compile_input: CompileInput, hosts: Collection[str]) -> dict[str, HostFacts]:
    """Return the facts by host, from the newest reports. The inventory shows which hosts run Windows."""
    facts = read_facts(find_reports_folder(compile_input.hosts, compile_input.inventory), hosts)
    facts.update({host: facts.get(host, NO_FACTS)._replace(os=WINDOWS_SYSTEM) for host in compile_input.windows_hosts})
    return facts


def read_facts(reports: Path, hosts: Collection[str]) -> dict[str, HostFacts]:
    """Return the facts by host, from the newest records in a directory of reports. Hosts without facts are left out.

    A damaged report contributes no facts. At most MAX_RUNS reports are read. Later lifts (removals of the ban) are
    applied to the facts.
    """
    facts_by_host: dict[str, HostFacts] = {}
    missing = set(hosts)
    for run_id in reversed(list_runs(reports)[-MAX_RUNS:]):
        if not missing:
            break
        try:
            for record in read_records(reports / run_id):
                if record["host"] in missing:
                    facts = _add_older_record(facts_by_host.get(record["host"], NO_FACTS), record)
                    facts_by_host[record["host"]] = facts
                    if facts.is_known:
                        missing.discard(record["host"])
        except (UnreadableReport, OSError):
            continue
    lifts = fleet_state_file.read_lifts(reports)
    for host in lifts.keys() & {*hosts}:
        facts_by_host[host] = _apply_lifts(facts_by_host.get(host, NO_FACTS), lifts[host])
    return {host: facts for host, facts in facts_by_host.items() if facts != NO_FACTS}


def _apply_lifts(facts: HostFacts, lifts: Mapping[str, Lift]) -> HostFacts:
    """Return the facts of a host after the ban was lifted from some of its controls.

    The state becomes LIFTED, unless a part of the ban remains and the newest record shows a fault.
    """
    facts = facts._replace(lifted_controls=(*lifts,), lifts_text=describe_lifts(lifts))
    has_remaining_fault = facts.state in (ERROR, NONCOMPLIANT) and not set(CONTROLS) <= lifts.keys()
    return (
        facts
        if has_remaining_fault
        else facts._replace(state=LIFTED, observed_at=max(lift.lifted_at for lift in lifts.values()))
    )


def _add_older_record(newer: HostFacts, record: HostRecord) -> HostFacts:
    """Return the facts of a host, with unknown ones filled in from an older record of the same host."""
    checked_at = str(record.get("checked_at") or "")
    if checked_at and not newer.observed_at:
        newer = newer._replace(state=str(record.get("state") or UNKNOWN), observed_at=checked_at)
    platform, facts = record.get("platform"), newer
    if not facts.os and isinstance(platform, Mapping):
        facts = facts._replace(os=str(platform.get("os") or ""))
    if facts.package_managers is None and isinstance(names := record.get("package_systems"), list):
        facts = facts._replace(package_managers=frozenset(map(str, names)))
    if facts.user_package_managers is None and isinstance(names := record.get("user_package_systems"), list):
        facts = facts._replace(user_package_managers=frozenset(map(str, names)))
    if facts.browsers is None and isinstance(names := record.get("browsers"), list):
        facts = facts._replace(browsers=frozenset(map(str, names)))
    return (
        facts
        if facts == newer
        else facts._replace(oldest_time=min(filter(None, (newer.oldest_time, checked_at)), default=""))
    )
