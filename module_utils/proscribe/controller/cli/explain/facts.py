"""What is known of hosts from what they last answered: their system, package systems and browsers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from ....host.controls.apps.systems.registry import HOST_WIDE_SYSTEMS, ON_DEMAND, SYSTEMS
from ....model.finding import ERROR, LIFTED, NONCOMPLIANT, UNKNOWN
from ....model.plan import CONTROLS
from ....model.types.record import HostRecord
from ...compile.inventory.inventory import CompileInput
from ...compile.inventory.reports_place import find_reports_folder
from ...report.evaluation.lifts import Lift, describe_lifts
from ...report.evaluation.modes import OBSERVED_SYSTEMS
from ...report.storage import fleet_state_file
from ...report.storage.complete import UnreadableReport, list_runs, read_records

MOST_RUNS = 10  # that are read, the newest first: what is known of a host may stand in an older one.
# Systems that no run observes, as Python calls them (sys.platform). A Linux host says its distribution.
NOT_OBSERVED = ("darwin", "freebsd", "openbsd", "netbsd", "sunos", "aix", "cygwin", "win32")
WINDOWS = OBSERVED_SYSTEMS[0]


class Facts(NamedTuple):
    """A host as its records know it; None or "" is what no record says."""

    os: str = ""
    managers: frozenset[str] | None = None  # of the package systems that it has for all of it: dpkg, flatpak
    brought: frozenset[str] | None = None  # of those that users have brought along: nix
    browsers: frozenset[str] | None = None  # by the id of the place that they read
    at: str = ""  # when the oldest of this was seen: UTC
    state: str = ""  # what the newest record says of the host as a whole, or that it was lifted since
    observed: str = ""  # when that was: UTC
    lifted: tuple[str, ...] = ()  # the controls that were lifted, and not observed since
    lifts: str = ""  # the same in words, with the time and the run

    @property
    def known(self) -> bool:
        """Whether its package systems and browsers are known."""
        return self.managers is not None and self.browsers is not None

    @property
    def only_observed(self) -> bool:
        """Tell whether runs observe the host's system and change nothing on it."""
        return self.os in OBSERVED_SYSTEMS

    @property
    def observed_system(self) -> bool:
        """Tell whether runs observe the host's system, as far as its records say."""
        return not self.os.startswith(NOT_OBSERVED)

    def has(self, key: str) -> bool | None:
        """Whether the host, or one of its users, has a package system of the catalogue (`apt`); None where nobody
        knows.
        """
        own = {system.MANAGER for system in SYSTEMS if key == system.CATALOGUE_KEY}
        traced = {system.MANAGER for system in ON_DEMAND}
        if not own <= {system.MANAGER for system in HOST_WIDE_SYSTEMS} | traced:
            return True  # pip and its like leave no trace before they are used: they are looked for everywhere
        if own & ((self.managers or frozenset()) | (self.brought or frozenset())):
            return True
        return None if self.managers is None or (own & traced and self.brought is None) else False

    def without_time(self) -> Facts:
        """The same, for comparing hosts."""
        return self._replace(at="", state="", observed="", lifted=(), lifts="")


NOTHING = Facts()


def known_of(question: CompileInput, hosts: Collection[str]) -> dict[str, Facts]:
    """Return what records and the inventory say of some hosts of a question. The inventory names Windows hosts."""
    facts = known(find_reports_folder(question.hosts, question.inventory), hosts)
    facts.update({host: facts.get(host, NOTHING)._replace(os=WINDOWS) for host in question.windows_hosts})
    return facts


def known(reports: Path, hosts: Collection[str]) -> dict[str, Facts]:
    """What the newest records say of some hosts; a host that no record knows is not in it.

    A report that somebody broke says nothing. Reads at most MOST_RUNS reports.
    """
    found: dict[str, Facts] = {}
    missing = set(hosts)
    for id_ in reversed(list_runs(reports)[-MOST_RUNS:]):
        if not missing:
            break
        try:
            for record in read_records(reports / id_):
                if record["host"] in missing:
                    facts = _with(found.get(record["host"], NOTHING), record)
                    found[record["host"]] = facts
                    if facts.known:
                        missing.discard(record["host"])
        except (UnreadableReport, OSError):
            continue
    lifts = fleet_state_file.read_lifts(reports)
    for host in lifts.keys() & {*hosts}:
        found[host] = _after_lifts(found.get(host, NOTHING), lifts[host])
    return {host: facts for host, facts in found.items() if facts != NOTHING}


def _after_lifts(facts: Facts, lifts: Mapping[str, Lift]) -> Facts:
    """Return the facts of a host of which controls were lifted. What is known to be wrong in others stays."""
    facts = facts._replace(lifted=(*lifts,), lifts=describe_lifts(lifts))
    others_wrong = facts.state in (ERROR, NONCOMPLIANT) and not set(CONTROLS) <= lifts.keys()
    return (
        facts if others_wrong else facts._replace(state=LIFTED, observed=max(lift.lifted_at for lift in lifts.values()))
    )


def _with(newer: Facts, record: HostRecord) -> Facts:
    """What is known, and what an older record says beyond it."""
    at = str(record.get("checked_at") or "")
    if at and not newer.observed:
        newer = newer._replace(state=str(record.get("state") or UNKNOWN), observed=at)
    platform, said = record.get("platform"), newer
    if not said.os and isinstance(platform, Mapping):
        said = said._replace(os=str(platform.get("os") or ""))
    if said.managers is None and isinstance(named := record.get("package_systems"), list):
        said = said._replace(managers=frozenset(map(str, named)))
    if said.brought is None and isinstance(named := record.get("user_package_systems"), list):
        said = said._replace(brought=frozenset(map(str, named)))
    if said.browsers is None and isinstance(named := record.get("browsers"), list):
        said = said._replace(browsers=frozenset(map(str, named)))
    return said if said == newer else said._replace(at=min(filter(None, (newer.at, at)), default=""))
