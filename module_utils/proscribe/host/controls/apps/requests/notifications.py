"""What a host's users are notified of: that a request was refused, that a waiver has opened, that it ends in 7 days and
in 1 day, and that it has ended.

Each is for a user who is logged in; it waits for one who is not, until something newer takes its place. A file of
root's remembers what somebody was notified of, so nobody reads it twice.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Iterable, Mapping

from .....base.moments import format_timestamp, parse_timestamp
from ....system import ControlError, Host
from ....system.sessions import list_logged_in_users as logged_in
from ..request_hint import HINT
from ..user_notice import notify
from .answers import NOTIFIED, bring

if TYPE_CHECKING:
    from typing import NotRequired, TypedDict

    from .....model.types.plan import Plan, PlanWaiver

    class Subject(TypedDict):
        """What somebody may have to be notified of. `users` is [] for all."""

        waiver: str
        services: list[str]
        users: list[str]
        expires: str
        why: str
        limits: NotRequired[str]

    class Known(Subject):
        """The same, as it is remembered: what each user was notified of last."""

        notified: dict[str, str]


DAY = 86400
# The last moment before an end at which something is due, the latest step first.
STEPS = ((0, "ended"), (DAY, "1 day"), (7 * DAY, "7 days"))
OPENED, REFUSED, ENDED = "opened", "refused", "ended"
GRANTED = "granted"
FORGOTTEN = 14 * DAY  # after an end
MOST = 500  # waivers and answers that are remembered
MOST_SERVICES = 3  # that a text names


def due(host: Host, plan: Plan, now: float) -> list[tuple[str, str, dict[str, str]]]:
    """What has to be sent now, and is noted as sent: (user, text, {user, waiver, about}). `now` is seconds since 1970.
    Raises ControlError, Unseen.
    """
    before = _remembered(host)
    subjects = _subjects(plan, before, now)
    present = logged_in(host) if subjects else []
    found = []
    # A plan that takes effect on the host by itself may not have an answer that the one before it had.
    after: dict[str, Known] = {key: one for key, one in before.items() if not one["waiver"] and key not in subjects}
    for key, subject in list(subjects.items())[:MOST]:
        step = _step(subject, now)
        earlier = before.get(key)
        notified_before = earlier["notified"] if earlier else {}
        prolonged = subject["expires"] > (earlier["expires"] if earlier else "")
        notified = {} if prolonged else dict([*notified_before.items()][-MOST:])
        for user in present:
            if notified.get(user) != step and (not subject["users"] or user in subject["users"]):
                if step != ENDED or user in notified_before:  # who never knew of it need not know that it ended
                    fields = {"user": user, "waiver": subject["waiver"], "about": f"{step}: {_named(subject)}"}
                    found.append((user, _text(subject, step), fields))
                notified[user] = step
        after[key] = {**subject, "notified": notified}
    _remember(host, before, dict([*after.items()][-2 * MOST :]))
    return found


def deliver(host: Host, messages: Iterable[tuple[str, str, Mapping[str, str]]]) -> None:
    """Show each message to its user, on terminals and desktop. Never raises, never blocks for long."""
    for user, text, _ in messages:
        uid = host.find_user_id(user)
        if uid is not None:
            notify(host, text, uid)


def answer(host: Host, plan: Plan) -> None:
    """Bring the answers of a plan to its host, and notify the users whom something of it concerns. On a host with a
    watch, its own observations notify them. Raises ControlError, Unseen.
    """
    bring(host, plan)
    if "watch" not in plan:
        deliver(host, due(host, plan, time.time()))


def _subjects(plan: Plan, before: Mapping[str, Known], now: float) -> dict[str, Subject]:
    """What somebody may have to be notified of, by key."""
    found: dict[str, Subject] = {}
    answers: Mapping[str, Mapping[str, str]] = plan.get("answers") or {}
    waivers: dict[str, PlanWaiver] = dict(plan.get("waivers") or {})
    for id_, answer in answers.items():
        services, users = [answer["service"]], [answer["user"]]
        if answer["answer"] == REFUSED:
            found[f"request {id_}"] = {
                "waiver": "",
                "services": services,
                "users": users,
                "expires": "",
                "why": answer["why"],
            }
        elif answer["answer"] == GRANTED and answer["waiver"] not in waivers:  # without a watch a plan names no waivers
            waivers[answer["waiver"]] = {
                "services": services,
                "users": users,
                "expires": answer["until"],
                "limits": answer.get("limits", ""),
            }
    for id_, waiver in waivers.items():
        if waiver.get("posix_groups") and not waiver["users"]:  # nobody is in them here
            continue
        found[f"waiver {id_}"] = {
            "waiver": id_,
            "services": list(waiver["services"]),
            "users": list(waiver["users"]),
            "expires": waiver["expires"],
            "why": "",
        }
        if limits := waiver.get("limits"):
            found[f"waiver {id_}"]["limits"] = limits
    for key, known in before.items():
        if key not in found and known["waiver"]:  # it has ended, or was revoked
            end = min(known["expires"], format_timestamp(now))
            if _seconds(end) > now - FORGOTTEN:
                found[key] = {
                    "waiver": known["waiver"],
                    "services": known["services"],
                    "users": known["users"],
                    "expires": end,
                    "why": known["why"],
                }
    return found


def _step(subject: Subject, now: float) -> str:
    if not subject["waiver"]:
        return REFUSED
    left = _seconds(subject["expires"]) - now
    return next((step for most, step in STEPS if left <= most), OPENED)


def _named(subject: Subject) -> str:
    services = subject["services"]
    more = len(services) - MOST_SERVICES
    return ", ".join(services[:MOST_SERVICES]) + (f" and {more} more" if more > 0 else "")


def _text(subject: Subject, step: str) -> str:
    service = subject["services"][0] if len(subject["services"]) == 1 else "SERVICE"
    until = subject["expires"].replace("T", " ").replace("Z", " UTC")
    if step == REFUSED:
        return f"Your request for {_named(subject)} was refused: {subject['why']}"
    if step == OPENED:
        if limits := subject.get("limits"):
            return f"Exception {subject['waiver']} for {_named(subject)} on this host until {until}: {limits}."
        return f"You may use {_named(subject)} on this host until {until} (exception {subject['waiver']})."
    more = HINT.format(service=service)
    if step == ENDED:
        return f"The exception for {_named(subject)} on this host has ended. {more}"
    return f"The exception for {_named(subject)} on this host ends on {until}. {more}"


def _seconds(moment: str) -> float:
    try:
        return parse_timestamp(moment)
    except ValueError:
        return 0.0


def _remembered(host: Host) -> dict[str, Known]:
    """What was sent before; nothing where the file is missing or damaged, so that somebody may read it twice."""
    try:
        known = json.loads(host.read_file(NOTIFIED) or b"{}")
        return {
            key: one
            for key, one in known.items()
            if {"waiver", "services", "users", "expires", "why", "notified"} <= one.keys()
        }
    except (ValueError, AttributeError, TypeError, ControlError):
        return {}


def _remember(host: Host, before: Mapping[str, Known], after: Mapping[str, Known]) -> None:
    if after == before:
        return
    if after:
        host.write_file(NOTIFIED, json.dumps(after, indent=1, sort_keys=True) + "\n", 0o600)
    elif host.find_entry(NOTIFIED) is not None:
        host.delete_file(NOTIFIED)
