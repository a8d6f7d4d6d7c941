"""Reservations: controls that the watch does not correct, because a run changes or has changed them.

A run reserves a control before its first change, until the end of the run. If the watch does not receive the plan of
the run, the reservation stays. This happens with `--tags`, and when only one control is lifted. A later run that brings
the watch a plan ends the reservation. The reservation of a killed run ends after MAX_RESERVATION_SECONDS.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Collection, Mapping

from ....base.json_text import format_json
from ....base.named_tuple import NamedTuple
from ....model.finding import COMPLIANT, EXTRA_RULE_GROUPS, UNKNOWN, WATCH, find_worst_state, list_correctable_rules
from ....model.plan import CONTROLS
from ...system import ControlError, Host, ObservationError, format_one_line
from . import clock, watch_files

if TYPE_CHECKING:
    from ....model.types.record import ObservedRecord, RuleRecord

# A run may take so long: one change of a host takes up to an hour, and the hosts of a batch wait for each other.
MAX_RESERVATION_SECONDS = 2 * 3600
LOCK_TIMEOUT_SECONDS = 60.0  # longest wait for the host's lock, while another run changes the host
MAX_UNMET_RULES = 5000  # most unmet rules that are stored
LIFTED_DIGEST = ""  # stands for a plan's digest in the reservation of a lift


class SupersededError(ControlError):
    """A run has changed the host or its plan since the host began to observe itself."""

    def __init__(self) -> None:
        super().__init__("a run is changing this host: nothing more was corrected, and the next observation goes on")


class Reservation(NamedTuple):
    """Reservation of a control by a run.

    `by` names the run for people. `deadline` is made by clock.make_deadline; None for a reservation without a deadline.
    """

    by: str
    plan: str  # digest of the run's plan; LIFTED_DIGEST if the run has lifted (removed) the control
    deadline: Mapping[str, object] | None

    def as_dict(self) -> dict[str, object]:
        """Return the reservation in the form of the reservations file."""
        return {"by": self.by, "plan": self.plan, **(self.deadline or {})}


class Reservations(NamedTuple):
    """Reservations of a host, by control, and the unmet rules.

    Unmet rules are rules that were still noncompliant at the end of the last enforcing run.
    """

    controls: Mapping[str, Reservation] = {}
    unmet: tuple[str, ...] = ()

    def list_in_force(self, host: Host) -> dict[str, Reservation]:
        """Return the reservations in force: those without a deadline, and those whose deadline has not passed."""
        return {
            name: reservation
            for name, reservation in self.controls.items()
            if reservation.deadline is None or clock.is_ahead(host, reservation.deadline, MAX_RESERVATION_SECONDS)
        }


def read_reservations(host: Host) -> Reservations:
    """Return the reservations of a host; none if the file is invalid, or if others than root can write it."""
    try:
        content = watch_files.read_watch_file(host, watch_files.RESERVATIONS_PATH, watch_files.MAX_OWN_FILE_BYTES)
    except (watch_files.DamagedFileError, ObservationError):
        return Reservations()
    if content is None:
        return Reservations()
    content_parts = watch_files.parse_mapping(content)
    controls, unmet = content_parts.get("controls"), content_parts.get("unmet")
    names = (*CONTROLS, *EXTRA_RULE_GROUPS)
    entries = {name: controls[name] for name in names if name in controls} if type(controls) is dict else {}
    rules = tuple(rule for rule in unmet if type(rule) is str) if type(unmet) is list else ()
    return Reservations(
        {name: reservation for name, entry in entries.items() if (reservation := _parse_reservation(entry))},
        rules[:MAX_UNMET_RULES],
    )


def _parse_reservation(entry: Any) -> Reservation | None:
    """Return the reservation in an entry of the file; None for an invalid entry."""
    if type(entry) is not dict or not all(type(entry.get(key)) is str for key in ("by", "plan")):
        return None
    deadline = {key: entry[key] for key in ("until", "boot", "uptime") if key in entry}
    return Reservation(format_one_line(entry["by"]), entry["plan"], deadline or None)


def reserve_control(host: Host, name: str, digest: str) -> str:
    """Reserve a control for the run that holds the host's lock, if the host has a watch.

    `digest` is the digest of the run's plan, or LIFTED_DIGEST if the run lifts the control. The reservation of a lift
    has no deadline. Returns the reason why the watch no longer corrects the control, for people; "" if it still does.
    If the reservation cannot be written (a full disk), the run still corrects the host.
    """
    if host.find_entry(watch_files.SETTINGS_PATH) is None:
        return ""
    deadline = clock.make_deadline(host, MAX_RESERVATION_SECONDS) if digest != LIFTED_DIGEST else None
    reservations, reservation = read_reservations(host), Reservation(host.changed_by, digest, deadline)
    with contextlib.suppress(ControlError):
        _write_reservations(host, reservations._replace(controls={**reservations.controls, name: reservation}))
        return explain_reservation(name, reservation)
    return ""


def note_received_plans(host: Host, plans: Collection[str]) -> None:
    """End reservations (times in which the watch leaves a control to a run) once a run has brought its plans.

    `plans` are the digests of these plans. A reservation stays only if its run may still be in progress, and has
    another plan. The reservation for the installation of the watch ends too.
    """
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
    """Update the reservations after an observation by an enforcing run. Return the controls that stay reserved.

    `observed` are the observed controls, and `drifted` are those that have drifted. `is_last` is True for the run's
    last observation.

    The last observation ends the run's reservations if the watch has the run's plan. Otherwise it removes their
    deadline, so they stay until a later run, and returns their controls.

    Any other observation returns []. It ends reservations of earlier runs, for controls that comply with the watch's
    plan.

    Raises ControlError and ObservationError.
    """
    if host.find_entry(watch_files.RESERVATIONS_PATH) is None:
        return []
    digest, rules_in_error = record["plan"], list_correctable_rules(record, drifted)
    with host.lock_host(LOCK_TIMEOUT_SECONDS):
        try:
            settings = watch_files.read_settings(host)
        except watch_files.DamagedFileError:
            return []
        has_plan = settings is not None and digest in settings.list_digests()
        broken = {rule.partition("/")[0] for rule in rules_in_error}
        reservations = read_reservations(host)
        in_force = reservations.list_in_force(host)
        controls: dict[str, Reservation] = {}  # the reservations that stay
        for name, reservation in reservations.controls.items():
            if is_last and reservation.plan == digest:
                # This run brought no plan, so its installation of the watch failed. Only other controls stay reserved.
                if not has_plan and name != WATCH:
                    controls[name] = reservation._replace(deadline=None)
            # an earlier run has ended, and the control complies with the watch's plan: its reservation ends
            elif not (has_plan and name in observed and name not in broken and _has_ended(name, reservation, in_force)):
                controls[name] = reservation
        unmet = reservations.unmet
        if is_last and has_plan:
            # what this run leaves noncompliant is no drift for the watch
            unmet = (*(rule for rule in unmet if rule.partition("/")[0] not in observed), *rules_in_error)
        _write_reservations(host, Reservations(controls, unmet[:MAX_UNMET_RULES]))
        return [name for name, reservation in controls.items() if is_last and reservation.plan == digest]


def _has_ended(name: str, reservation: Reservation, in_force: Collection[str]) -> bool:
    """Return whether the run that made a reservation has ended.

    This is so if the reservation has no deadline, or if its deadline has passed.
    """
    return reservation.deadline is None or name not in in_force


def forget_expired(host: Host, since: tuple[object, ...]) -> None:
    """Delete expired reservations and unmet rules from the file, after the watch has taken them into account.

    `since` is an earlier result of `read_generation`. If a run has written the file since then, this function deletes
    nothing. Raises ControlError and ObservationError.
    """
    if not since:
        return
    with host.lock_host(LOCK_TIMEOUT_SECONDS):
        if read_generation(host) != since:
            return
        if controls := read_reservations(host).list_in_force(host):
            _write_reservations(host, Reservations(controls))
        else:
            host.delete_file(watch_files.RESERVATIONS_PATH)


def read_generation(host: Host) -> tuple[object, ...]:
    """Return a value that changes whenever the reservations file is written; () if there is no file.

    The value is the inode and the time of change: each write replaces the file.
    """
    status = host.find_entry(watch_files.RESERVATIONS_PATH)
    return (status.st_ino, status.st_ctime_ns) if status else ()


def is_changed_by_run(host: Host, name: str, settings: watch_files.WatchSettings) -> bool:
    """Return whether a reservation in force shows that a run has lifted the control, or used an unknown plan.

    An unknown plan is a plan that the watch does not have.
    """
    reservation = read_reservations(host).list_in_force(host).get(name)
    return reservation is not None and reservation.plan not in settings.list_digests()


def describe_lasting(host: Host, names: Collection[str]) -> list[str]:
    """Return the reasons of the reservations without a deadline, for the controls in `names`.

    The watch does not correct such controls until another run brings it a plan.
    """
    controls = read_reservations(host).controls
    return [
        explain_reservation(name, controls[name])
        for name in controls
        if name in names and controls[name].deadline is None
    ]


def is_being_installed(host: Host) -> bool:
    """Return whether a run is installing the watch now. Meanwhile the watch's files may not match its settings."""
    return WATCH in read_reservations(host).list_in_force(host)


def mark_reserved(record: ObservedRecord, reserved: Mapping[str, Reservation]) -> ObservedRecord:
    """Return the record, with the rules of reserved controls marked as unknown.

    The run that reserved a control used a plan by which the watch has not observed the host.
    """
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
    """Return the reason why the watch does not correct a reserved control, for people."""
    if reservation.plan == LIFTED_DIGEST:
        return f"{reservation.by} has lifted {name}; the watch leaves it alone until a run enforces it again"
    if reservation.deadline is None:
        alone = "the watch leaves it alone until a run of all controls enforces"
        return f"{reservation.by} has changed {name} by another plan; {alone}"
    return f"{reservation.by} is changing {name}"


def _write_reservations(host: Host, reservations: Reservations) -> None:
    """Replace the reservations file. Raises ControlError."""
    controls = {name: reservation.as_dict() for name, reservation in reservations.controls.items()}
    host.write_file(
        watch_files.RESERVATIONS_PATH,
        format_json({"controls": controls, "unmet": list(reservations.unmet)}) + "\n",
        watch_files.PRIVATE_MODE,
    )
