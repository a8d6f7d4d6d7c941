"""Notifications of a host's users about their requests and waivers.

Users are notified when a request was refused or a waiver starts. Further notifications come 7 days and 1 day before the
end of a waiver, and after its end. A notification waits until its user is logged in, or until a newer notification
replaces it. A file of root records the notifications, so that no user gets the same notification twice.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Iterable, Mapping

from .....base.timestamps import format_timestamp, parse_timestamp
from ....system import ControlError, Host
from ....system.sessions import list_logged_in_users as logged_in
from ..request_hint import REQUEST_HINT
from ..user_notice import notify_users
from .answers import NOTIFIED_PATH, write_answers

if TYPE_CHECKING:
    from typing import NotRequired, TypedDict

    from .....model.types.plan import Plan, PlanWaiver

    class NotificationSubject(TypedDict):
        """Waiver or refused request about which users may be notified."""

        waiver: str  # id of the waiver; "" for a refused request
        services: list[str]
        users: list[str]  # users who are notified; [] for all users
        expires: str  # end of the waiver, UTC; "" for a refused request
        why: str  # reason of a refusal; "" for a waiver
        limits: NotRequired[str]  # text about the limits of a waiver that permits only a part of its services

    class NotifiedSubject(NotificationSubject):
        """Subject as the record of notifications has it."""

        notified: dict[str, str]  # by user: the last step about which the user was notified


DAY_SECONDS = 86400
# A step is the reason for a notification. Pairs of seconds before the end of a waiver, and the step that is due from
# that time on. The last step comes first.
END_STEPS = ((0, "ended"), (DAY_SECONDS, "1 day"), (7 * DAY_SECONDS, "7 days"))
OPENED, REFUSED, ENDED = "opened", "refused", "ended"  # further steps, and the last step: a waiver started, or ended
GRANTED = "granted"  # answer to a request that a waiver grants
FORGET_SECONDS = 14 * DAY_SECONDS  # time after the end of a waiver for which its record is kept
MAX_SUBJECTS = 500  # at most this many waivers and refused requests of a plan are considered
MAX_NAMED_SERVICES = 3  # a notification names at most this many services


def list_due_messages(host: Host, plan: Plan, now: float) -> list[tuple[str, str, dict[str, str]]]:
    """Return the messages to send now, as (user, text, fields), and record them as sent.

    Only users who are logged in get messages. The fields, for a log, are `user`, `waiver` and `about` (step and
    services). `now` is in seconds since 1970. Raises ControlError and ObservationError.
    """
    earlier_subjects = _read_notified(host)
    subjects = _collect_subjects(plan, earlier_subjects, now)
    present_users = logged_in(host) if subjects else []
    messages = []
    # Refused requests stay in the record, even if this plan has no answer to them. A plan that takes effect on the host
    # by itself may lack the answers.
    later_subjects: dict[str, NotifiedSubject] = {
        key: subject_before
        for key, subject_before in earlier_subjects.items()
        if not subject_before["waiver"] and key not in subjects
    }
    for key, subject in list(subjects.items())[:MAX_SUBJECTS]:
        step = _find_step(subject, now)
        earlier_subject = earlier_subjects.get(key)
        notified_before = earlier_subject["notified"] if earlier_subject else {}
        # a waiver with a later end than before counts as a new waiver
        is_prolonged = subject["expires"] > (earlier_subject["expires"] if earlier_subject else "")
        notified = {} if is_prolonged else dict([*notified_before.items()][-MAX_SUBJECTS:])
        for user in present_users:
            if notified.get(user) != step and (not subject["users"] or user in subject["users"]):
                # A user who was never notified of the start of the waiver is not notified of its end.
                if step != ENDED or user in notified_before:
                    fields = {
                        "user": user,
                        "waiver": subject["waiver"],
                        "about": f"{step}: {_format_services(subject)}",
                    }
                    messages.append((user, _format_message(subject, step), fields))
                notified[user] = step
        later_subjects[key] = {**subject, "notified": notified}
    _save_notified(host, earlier_subjects, dict([*later_subjects.items()][-2 * MAX_SUBJECTS :]))
    return messages


def send_messages(host: Host, messages: Iterable[tuple[str, str, Mapping[str, str]]]) -> None:
    """Show each message to its user on terminals and desktops.

    Raises no error, and has time limits.
    """
    for user, text, _ in messages:
        uid = host.find_user_id(user)
        if uid is not None:
            notify_users(host, text, uid)


def send_answers(host: Host, plan: Plan) -> None:
    """Write the answers of a plan on its host, and notify the users of these answers and of waivers.

    On a host with a watch, the watch sends the notifications. Raises ControlError and ObservationError.
    """
    write_answers(host, plan)
    if "watch" not in plan:
        send_messages(host, list_due_messages(host, plan, time.time()))


def _collect_subjects(
    plan: Plan, earlier_subjects: Mapping[str, NotifiedSubject], now: float
) -> dict[str, NotificationSubject]:
    """Return the waivers and refused requests about which users may be notified.

    A key is `waiver ID` or `request ID`. A recorded waiver may be no longer in the plan. It is included for 14 days
    after its end, so that its users learn of the end.
    """
    subjects: dict[str, NotificationSubject] = {}
    answers: Mapping[str, Mapping[str, str]] = plan.get("answers") or {}
    waivers: dict[str, PlanWaiver] = dict(plan.get("waivers") or {})
    for subject_id, answer in answers.items():
        services, users = [answer["service"]], [answer["user"]]
        if answer["answer"] == REFUSED:
            subjects[f"request {subject_id}"] = {
                "waiver": "",
                "services": services,
                "users": users,
                "expires": "",
                "why": answer["why"],
            }
        # a plan without a watch has no list of waivers
        elif answer["answer"] == GRANTED and answer["waiver"] not in waivers:
            waivers[answer["waiver"]] = {
                "services": services,
                "users": users,
                "expires": answer["until"],
                "limits": answer.get("limits", ""),
            }
    for subject_id, waiver in waivers.items():
        # the waiver is for groups, and no user of this host is in them
        if waiver.get("posix_groups") and not waiver["users"]:
            continue
        subjects[f"waiver {subject_id}"] = {
            "waiver": subject_id,
            "services": list(waiver["services"]),
            "users": list(waiver["users"]),
            "expires": waiver["expires"],
            "why": "",
        }
        if limits := waiver.get("limits"):
            subjects[f"waiver {subject_id}"]["limits"] = limits
    for key, earlier_subject in earlier_subjects.items():
        # a recorded waiver that is not in the plan any more: it has ended or was revoked
        if key not in subjects and earlier_subject["waiver"]:
            end = min(earlier_subject["expires"], format_timestamp(now))
            if _parse_seconds(end) > now - FORGET_SECONDS:
                subjects[key] = {
                    "waiver": earlier_subject["waiver"],
                    "services": earlier_subject["services"],
                    "users": earlier_subject["users"],
                    "expires": end,
                    "why": earlier_subject["why"],
                }
    return subjects


def _find_step(subject: NotificationSubject, now: float) -> str:
    """Return the step (the reason for a notification) that is due for a subject now.

    For a refused request it is `refused`. For a waiver it is `opened`, `7 days` or `1 day` before the end, or `ended`.
    """
    if not subject["waiver"]:
        return REFUSED
    seconds_left = _parse_seconds(subject["expires"]) - now
    return next((step for max_seconds, step in END_STEPS if seconds_left <= max_seconds), OPENED)


def _format_services(subject: NotificationSubject) -> str:
    """Return the services of a subject as text. At most 3 services are named."""
    services = subject["services"]
    more_count = len(services) - MAX_NAMED_SERVICES
    return ", ".join(services[:MAX_NAMED_SERVICES]) + (f" and {more_count} more" if more_count > 0 else "")


def _format_message(subject: NotificationSubject, step: str) -> str:
    """Return the text of the notification about a subject.

    `step` is the reason for it (see `_find_step`).
    """
    service = subject["services"][0] if len(subject["services"]) == 1 else "SERVICE"
    until = subject["expires"].replace("T", " ").replace("Z", " UTC")
    if step == REFUSED:
        return f"Your request for {_format_services(subject)} was refused: {subject['why']}"
    if step == OPENED:
        if limits := subject.get("limits"):
            return (
                f"Exception {subject['waiver']} for {_format_services(subject)} on this host until {until}: {limits}."
            )
        return f"You may use {_format_services(subject)} on this host until {until} (exception {subject['waiver']})."
    hint = REQUEST_HINT.format(service=service)
    if step == ENDED:
        return f"The exception for {_format_services(subject)} on this host has ended. {hint}"
    return f"The exception for {_format_services(subject)} on this host ends on {until}. {hint}"


def _parse_seconds(moment: str) -> float:
    """Return a time as seconds since 1970, or 0 for an invalid time."""
    try:
        return parse_timestamp(moment)
    except ValueError:
        return 0.0


def _read_notified(host: Host) -> dict[str, NotifiedSubject]:
    """Return the recorded subjects (waivers and refused requests) by key, as in `_collect_subjects`.

    Return {} if the record is missing or damaged. Users may then get some notifications twice.
    """
    try:
        content = json.loads(host.read_file(NOTIFIED_PATH) or b"{}")
        return {
            key: subject
            for key, subject in content.items()
            if {"waiver", "services", "users", "expires", "why", "notified"} <= subject.keys()
        }
    except (ValueError, AttributeError, TypeError, ControlError):
        return {}


def _save_notified(
    host: Host, earlier_subjects: Mapping[str, NotifiedSubject], later_subjects: Mapping[str, NotifiedSubject]
) -> None:
    """Write the record of notifications if it has changed, or delete it if no subject is left."""
    if later_subjects == earlier_subjects:
        return
    if later_subjects:
        host.write_file(NOTIFIED_PATH, json.dumps(later_subjects, indent=1, sort_keys=True) + "\n", 0o600)
    elif host.find_entry(NOTIFIED_PATH) is not None:
        host.delete_file(NOTIFIED_PATH)
