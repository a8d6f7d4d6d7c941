"""How a run ends: the exit code, from what was evaluated and from what the hosts' gates ask for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from ....model.finding import ERROR, GATES, NONCOMPLIANT, UNKNOWN
from ....model.types.record import HostRecord
from ....model.types.report import ReportVerdict
from ..text.wording import clean, counted, some
from .arithmetic import covered
from .baseline import New

ANSIBLE = "ansible"  # the run ends with Ansible's own exit code
NONCOMPLIANT_EXIT = "10"
INCOMPLETE_EXIT = "11"
NOTHING_EXIT = "12"
STOPPED_EXIT = "13"
INTERRUPTED_EXIT = "14"
MISTAKE_EXIT = "2"  # a host failed, as Ansible's own code, or a command was called wrongly
BROKEN_EXIT = "250"  # Ansible's own code for an unexpected error: the report itself failed
# The first that fits decides.
EXITS = (BROKEN_EXIT, INTERRUPTED_EXIT, NOTHING_EXIT, STOPPED_EXIT, NONCOMPLIANT_EXIT, INCOMPLETE_EXIT, MISTAKE_EXIT)


class Verdict(NamedTuple):
    """The exit code (or ANSIBLE), and why, in words for the terminal."""

    exit: str
    reason: str = ""

    def as_dict(self, gate_levels: Iterable[str], compared: bool, ansible_failed: bool) -> ReportVerdict:
        """As it stands in report.json. `gate` is the strictest one (of a run that is
        `compared` with a baseline at least `noncompliant`), null where there was none to pass.
        """
        gate = strictest(gate_levels)
        if compared and gate == "never":
            gate = "noncompliant"
        failed = ansible_failed or self.exit == MISTAKE_EXIT
        return {
            "gate": None if gate == "never" else gate,
            "passed": self.exit in (ANSIBLE, MISTAKE_EXIT) and (gate == "never" or not failed),
            "exit": None if self.exit == ANSIBLE else int(self.exit),
            "reason": self.reason or None,
        }


def strictest(gate_levels: Iterable[str]) -> str:
    """The gate of a run: the strictest of its hosts' gates; a word that is no gate counts as the strictest."""
    order = list(GATES)
    return max(gate_levels, key=lambda gate: order.index(gate) if gate in order else len(order), default=order[0])


def judge(
    records: Sequence[HostRecord], gate_levels: Iterable[str], ansible_failed: bool, not_served: int = 0
) -> Verdict:
    """The verdict on a run that observed. `records` are the reconciled ones. `ansible_failed` says whether Ansible
    itself ends with an error (a host failed or was unreachable, and no task chose to ignore it). `not_served` is the
    number of hosts that Proscribe cannot observe because of their kind.
    """
    gate = strictest(gate_levels)
    states = {record["state"] for record in records}
    seen = any(map(covered, records))
    if not records:
        why = (
            f"{counted(not_served, 'host')} not served, and there is no other" if not_served else "no host was selected"
        )
        return Verdict(NOTHING_EXIT, f"nothing was evaluated: {why}")
    if not seen and not ansible_failed:
        return Verdict(NOTHING_EXIT, "nothing was evaluated: no host answered for a single rule")
    if gate != "never" and states & {ERROR, NONCOMPLIANT}:
        return Verdict(NONCOMPLIANT_EXIT, f"the compliance gate ({gate}) is not met: hosts are noncompliant")
    if gate not in ("never", "noncompliant") and (UNKNOWN in states or not all(map(covered, records))):
        return Verdict(INCOMPLETE_EXIT, f"the compliance gate ({gate}) is not met: hosts are unknown")
    if gate not in ("never", "noncompliant") and not_served:
        reason = f"{counted(not_served, 'host')} not served: leave them out by proscribe_hosts, if that is meant"
        return Verdict(INCOMPLETE_EXIT, f"the compliance gate ({gate}) is not met: {reason}")
    return _judge_failed([record["host"] for record in records if record["state"] == ERROR], ansible_failed)


def _judge_failed(hosts: Sequence[str], ansible_failed: bool) -> Verdict:
    """Return the verdict on failed hosts where nothing worse decides. Ansible itself knows only failed tasks."""
    if not hosts or ansible_failed:
        return Verdict(ANSIBLE)
    return Verdict(MISTAKE_EXIT, f"{counted(len(hosts), 'host')} failed: {some([clean(host) for host in hosts], 5)}")


def judge_new(
    records: Sequence[HostRecord], gate_levels: Iterable[str], failed: bool, new: Sequence[New], not_served: int = 0
) -> Verdict:
    """As `judge`, for a run that is compared with an earlier one: only what is `new` since then counts for the gate.
    The gate is at least `noncompliant`, since comparing asks for a verdict.
    """
    ungated = judge(records, (), failed, not_served)
    if ungated.exit not in (ANSIBLE, MISTAKE_EXIT):
        return ungated
    gate = strictest(gate_levels)
    if broken := [one for one in new if one.state in (ERROR, NONCOMPLIANT)]:
        return Verdict(NONCOMPLIANT_EXIT, f"not there in the baseline: {_described(broken)}")
    if gate not in ("never", "noncompliant") and new:
        return Verdict(INCOMPLETE_EXIT, f"not unknown in the baseline: {_described(new)}")
    return Verdict(ANSIBLE)  # a host that was in error in the baseline is accepted, as all that was there


def stopped(decided: Verdict, why: str, not_reached: int) -> Verdict:
    """The verdict on a run that was stopped before every host that had to be corrected had its turn."""
    if decided.exit in (BROKEN_EXIT, NOTHING_EXIT):
        return decided
    left = f"{counted(not_reached, 'host')} left as found"
    return Verdict(STOPPED_EXIT, f"{clean(why)}; {left}")


def set_aside(decided: Verdict, hosts: Sequence[str]) -> Verdict:
    """The verdict on a run that left some hosts as found, so that the others could be corrected."""
    return decided if decided.exit in (BROKEN_EXIT, NOTHING_EXIT) else Verdict(STOPPED_EXIT, left_aside(hosts))


def left_aside(hosts: Sequence[str]) -> str:
    """The hosts that were set aside, in words."""
    return f"{some(hosts, 5)} set aside and left as found: the whole would be more than proscribe_max_change allows"


def interrupted(why: str) -> Verdict:
    """The verdict on a run that ended before its end, whatever it had done until then."""
    return Verdict(INTERRUPTED_EXIT, f"the run was interrupted: {clean(why)}")


def _described(new: Sequence[New]) -> str:
    return some([clean(" ".join(part for part in (one.host, one.rule, one.what) if part)) for one in new], 5)


def judge_lift(expected: Collection[str], lifted: Collection[str], ansible_failed: bool) -> Verdict:
    """The verdict on a run that lifted the ban from hosts."""
    if lifted or ansible_failed:
        return _judge_failed([host for host in expected if host not in lifted], ansible_failed)
    return Verdict(NOTHING_EXIT, "nothing was lifted: no host was " + ("reached" if expected else "selected"))


def judge_quarantine(expected: int, answered: int, ansible_failed: bool, broken: int = 0) -> Verdict:
    """The verdict on a run over quarantines: of the `expected` hosts, `answered` listed theirs, in which `broken`
    entries cannot be read.
    """
    if broken:
        entries = "1 entry" if broken == 1 else f"{broken:,} entries"
        return Verdict(MISTAKE_EXIT, f"{entries} of the quarantine cannot be read; look into it on the host")
    if answered or ansible_failed:
        return Verdict(ANSIBLE)
    return Verdict(NOTHING_EXIT, "no quarantine was read: no host " + ("answered" if expected else "was selected"))


def worst_exit(exits: Iterable[str]) -> str:
    """One exit code for a playbook that held several runs."""
    said = set(exits)
    return next((code for code in EXITS if code in said), ANSIBLE)
