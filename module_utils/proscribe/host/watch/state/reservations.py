"""Controls that runs have changed, or change now: the host's own watch leaves them alone.

A run reserves a control before its first change, until the end of the run. Where the watch does not get the plan of
that run (`--tags`, a lift of one control), the reservation stays until a run brings one. The reservation of a run that
is killed ends after MAX_RESERVATION_SECONDS seconds.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Collection, Mapping

from ....base.json_text import format_json
from ....base.tuples import NamedTuple
from ....model.finding import COMPLIANT, EXTRA_RULE_GROUPS, UNKNOWN, WATCH, find_worst_state, list_correctable_rules
from ....model.plan import CONTROLS
from ...system import ControlError, Host, ObservationError, format_one_line
from . import clock, files

if TYPE_CHECKING:
    from ....model.types.record import ObservedRecord, RuleRecord

MAX_RESERVATION_SECONDS = (
    2 * 3600
)  # seconds: one change of a host may take an hour, and the hosts of a batch wait for each other
LOCK_TIMEOUT_SECONDS = 60.0  # seconds that the end of a reservation waits for another run's change
MAX_UNMET_RULES = 5000  # that a run leaves unmet
LIFTED_DIGEST = ""  # instead of a plan's digest


class SupersededError(ControlError):
    """A run has changed this host, or its plan, since an own observation began."""

    def __init__(self) -> None:
        super().__init__("a run is changing this host: nothing more was corrected, and the next observation goes on")


class Reservation(NamedTuple):
    """A control that a run has reserved. A `deadline` (clock.make_deadline) of None is none."""

    by: str
    plan: str  # its digest; LIFTED_DIGEST where the run has lifted the control
    deadline: Mapping[str, object] | None

    def as_dict(self) -> dict[str, object]:
        """Return the reservation as the file has it."""
        return {"by": self.by, "plan": self.plan, **(self.deadline or {})}


class Reservations(NamedTuple):
    """All reservations of a host by control, and the rules that its last enforcing run could not bring in line."""

    controls: Mapping[str, Reservation] = {}
    unmet: tuple[str, ...] = ()

    def list_in_force(self, host: Host) -> dict[str, Reservation]:
        """Return the reservations whose deadline lies ahead, or that have none."""
        return {
            name: reservation
            for name, reservation in self.controls.items()
            if reservation.deadline is None or clock.is_ahead(host, reservation.deadline, MAX_RESERVATION_SECONDS)
        }


def read_reservations(host: Host) -> Reservations:
    """Return the reservations of a host; none for a file that is broken, or that others than root can write."""
    try:
        content = files.read_watch_file(host, files.RESERVATIONS_PATH, files.MAX_OWN_FILE_BYTES)
    except (files.DamagedFileError, ObservationError):
        return Reservations()
    if content is None:
        return Reservations()
    content_parts = files.parse_mapping(content)
    controls, unmet = content_parts.get("controls"), content_parts.get("unmet")
    names = (*CONTROLS, *EXTRA_RULE_GROUPS)
    entries = {name: controls[name] for name in names if name in controls} if type(controls) is dict else {}
    rules = tuple(rule for rule in unmet if type(rule) is str) if type(unmet) is list else ()
    return Reservations(
        {name: reservation for name, entry in entries.items() if (reservation := _parse_reservation(entry))},
        rules[:MAX_UNMET_RULES],
    )


def _parse_reservation(entry: Any) -> Reservation | None:
    if type(entry) is not dict or not all(type(entry.get(key)) is str for key in ("by", "plan")):
        return None
    deadline = {key: entry[key] for key in ("until", "boot", "uptime") if key in entry}
    return Reservation(format_one_line(entry["by"]), entry["plan"], deadline or None)


def reserve_control(host: Host, name: str, digest: str) -> str:
    """Reserve a control for the run that has its turn, on a host with a watch. That of a lift has no deadline. Return
    why the watch leaves the control alone from now on; "" where it does not.

    A reservation that cannot be written (a full disk) does not keep a run from correcting the host.
    """
    if host.find_entry(files.SETTINGS_PATH) is None:
        return ""
    deadline = clock.make_deadline(host, MAX_RESERVATION_SECONDS) if digest != LIFTED_DIGEST else None
    reservations, reservation = read_reservations(host), Reservation(host.changed_by, digest, deadline)
    with contextlib.suppress(ControlError):
        _write_reservations(host, reservations._replace(controls={**reservations.controls, name: reservation}))
        return explain_reservation(name, reservation)
    return ""


def note_received_plans(host: Host, plans: Collection[str]) -> None:
    """End the reservations of runs that have ended, and of those whose plan the watch has received in this turn."""
    reservations = read_reservations(host)
    continuing = {
        name: reservation
        for name, reservation in reservations.list_in_force(host).items()
        if name != WATCH and reservation.deadline is not None and reservation.plan not in plans
    }
    _write_reservations(host, Reservations(continuing))


def note_observation(
    host: Host, observed: Collection[str], record: ObservedRecord, drifted: Collection[str], is_last: bool
) -> list[str]:
    """Take in what an enforcing run has observed of some controls, of which some have drifted.

    The last observation of a run ends its reservations where the watch has its plan. Else they lose their deadline. The
    first observation ends those of earlier runs, for controls that are in line by the plan that the watch has.
    Return the controls of a run that has ended which the watch leaves alone. Raises ControlError and Unseen.
    """
    if host.find_entry(files.RESERVATIONS_PATH) is None:
        return []
    digest, rules_in_error = record["plan"], list_correctable_rules(record, drifted)
    with host.lock_host(LOCK_TIMEOUT_SECONDS):
        try:
            settings = files.read_settings(host)
        except files.DamagedFileError:
            return []
        has_plan = settings is not None and digest in settings.list_digests()
        broken = {rule.partition("/")[0] for rule in rules_in_error}
        reservations = read_reservations(host)
        in_force = reservations.list_in_force(host)
        controls: dict[str, Reservation] = {}
        for name, reservation in reservations.controls.items():
            if is_last and reservation.plan == digest:
                if not has_plan and name != WATCH:  # an installation that failed is over
                    controls[name] = reservation._replace(deadline=None)
            elif not (has_plan and name in observed and name not in broken and _has_ended(name, reservation, in_force)):
                controls[name] = reservation
        unmet = reservations.unmet
        if is_last and has_plan:
            unmet = (*(rule for rule in unmet if rule.partition("/")[0] not in observed), *rules_in_error)
        _write_reservations(host, Reservations(controls, unmet[:MAX_UNMET_RULES]))
        return [name for name, reservation in controls.items() if is_last and reservation.plan == digest]


def _has_ended(name: str, reservation: Reservation, in_force: Collection[str]) -> bool:
    """Return whether the run of a reservation has ended."""
    return reservation.deadline is None or name not in in_force


def forget_expired(host: Host, since: tuple[object, ...]) -> None:
    """Forget what the watch has taken into account: reservations past their deadline, and unmet rules. A run that has
    written since then (`generation`) leaves it to the next observation. Raises ControlError and Unseen.
    """
    if not since:
        return
    with host.lock_host(LOCK_TIMEOUT_SECONDS):
        if read_generation(host) != since:
            return
        if controls := read_reservations(host).list_in_force(host):
            _write_reservations(host, Reservations(controls))
        else:
            host.delete_file(files.RESERVATIONS_PATH)


def read_generation(host: Host) -> tuple[object, ...]:
    """Return what changes when a run begins or ends a reservation."""
    status = host.find_entry(files.RESERVATIONS_PATH)
    return (status.st_ino, status.st_ctime_ns) if status else ()


def is_changed_by_run(host: Host, name: str, settings: files.WatchSettings) -> bool:
    """Return whether a run has changed a control by a plan that the watch does not have, or has lifted it."""
    reservation = read_reservations(host).list_in_force(host).get(name)
    return reservation is not None and reservation.plan not in settings.list_digests()


def describe_lasting(host: Host, names: Collection[str]) -> list[str]:
    """Say of each of these controls that the watch leaves alone until another run why it does."""
    controls = read_reservations(host).controls
    return [
        explain_reservation(name, controls[name])
        for name in controls
        if name in names and controls[name].deadline is None
    ]


def is_being_installed(host: Host) -> bool:
    """Return whether a run is installing the watch now: its files do not fit its settings meanwhile."""
    return WATCH in read_reservations(host).list_in_force(host)


def mark_reserved(record: ObservedRecord, reserved: Mapping[str, Reservation]) -> ObservedRecord:
    """Return a record in which the rules of reserved controls are unknown: nobody has observed them by that plan."""
    rules: list[RuleRecord] = []
    for rule in record["rules"]:
        name = rule["rule"].partition("/")[0]
        if name in reserved:
            rule = {
                **rule,
                "state": UNKNOWN,
                "waiver": None,
                "reason": explain_reservation(name, reserved[name]),
                "findings": [],
            }
        rules.append(rule)
    if rules == record["rules"]:
        return record
    return {**record, "rules": rules, "state": find_worst_state([COMPLIANT, *(rule["state"] for rule in rules)])}


def explain_reservation(name: str, reservation: Reservation) -> str:
    """Say why the watch leaves a control alone, for people."""
    if reservation.plan == LIFTED_DIGEST:
        return f"{reservation.by} has lifted {name}; the watch leaves it alone until a run enforces it again"
    if reservation.deadline is None:
        alone = "the watch leaves it alone until a run of all controls enforces"
        return f"{reservation.by} has changed {name} by another plan; {alone}"
    return f"{reservation.by} is changing {name}"


def _write_reservations(host: Host, reservations: Reservations) -> None:
    controls = {name: reservation.as_dict() for name, reservation in reservations.controls.items()}
    host.write_file(
        files.RESERVATIONS_PATH,
        format_json({"controls": controls, "unmet": list(reservations.unmet)}) + "\n",
        files.PRIVATE_MODE,
    )
