"""The answers to the requests of a host's users, for the command to show them: a file that everybody may read.

It has ids, which nobody but their user knows, and no names of users. A host without it is as compliant as another one:
it says nothing of the ban. So runs that may write bring it along, and no verdict is about it.
"""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ....host import STATE_DIRECTORY, WRITTEN_BY, Host
from ....json_text import to_json

ANSWERS = "/etc/proscribe/answers.json"
NOTIFIED = STATE_DIRECTORY + "/notified.json"  # what users were notified of
SHOWN = ("answer", "on", "why", "until")
GRANTED = "granted"
# What each control closes, and what an exception may be limited to, in words of a user.
CLOSES = {"apps": "programs", "browser": "pages in browsers", "firewall": "network addresses", "dns": "names (DNS)"}
LIMITS = {"hours": "at set hours only", "versions": "some versions only", "paths": "some paths only"}


def concerned(host: Host, plan: Mapping[str, Any]) -> bool:
    """Whether a run that may write has anything to do about answers."""
    section = plan["controls"]["apps"]
    if section["mode"] != "enforce":
        return False
    return bool(plan.get("answers") or host.stat(ANSWERS) or host.stat(NOTIFIED))


def text(plan: Mapping[str, Any]) -> str:
    """The file; "" where nothing was answered."""
    given: Mapping[str, Mapping[str, str]] = plan.get("answers") or {}
    if not given:
        return ""
    shown: dict[str, dict[str, str]] = {}
    for id_, one in sorted(given.items()):
        shown[id_] = {key: one[key] for key in SHOWN if key in one}
        if one["answer"] == GRANTED and (limits := limited(plan, one["waiver"], [one["service"]])):
            shown[id_]["limits"] = limits
    return to_json({"written_by": WRITTEN_BY, "answers": shown}, indent=1) + "\n"


def limited(plan: Mapping[str, Any], waiver: str, services: Iterable[str]) -> str:
    """What a waiver opens of services on this host and what stays closed, in words; "" where it opens all of them.

    A control that only knows whole hosts stays closed for those for whom alone a waiver is.
    """
    services = opened(plan, waiver) or services
    open_, closed = [], []
    limits: set[str] = set()
    for control, section in plan["controls"].items():
        entries = [section["services"][id_] for id_ in services if id_ in section["services"]]
        found = [(entry, _exceptions(entry, waiver)) for entry in entries]
        if any(entry["mode"] == "enforce" and not exceptions for entry, exceptions in found):
            closed.append(CLOSES[control])
        elif any(exceptions for _, exceptions in found):
            open_.append(CLOSES[control])
        for exceptions in (exceptions for _, exceptions in found if exceptions):
            if all(one.keys() & LIMITS for one in exceptions):
                limits.update(LIMITS[key] for one in exceptions for key in one.keys() & LIMITS)
    if not (closed or limits):
        return ""
    texts = [f"open: {', '.join([', '.join(open_) or 'nothing', *sorted(limits)])}"]
    texts += [f"closed to everybody on this host: {', '.join(closed)}"] * bool(closed)
    return "; ".join(texts)


def opened(plan: Mapping[str, Any], waiver: str) -> list[str]:
    """The services of which a waiver opens something on this host, by id."""
    entries = [item for section in plan["controls"].values() for item in section["services"].items()]
    return sorted({id_ for id_, entry in entries if entry.get("waiver") == waiver or _parts(entry, waiver)})


def _exceptions(entry: Mapping[str, Any], waiver: str) -> list[Mapping[str, Any]]:
    """What opens a service: a waiver of all of it, this one's or another's, and parts that this one opens."""
    whole = [{key: entry[key] for key in ("hours",) if key in entry}] if entry["mode"] == "waived" else []
    return [*whole, *_parts(entry, waiver)]


def _parts(entry: Mapping[str, Any], waiver: str) -> list[Mapping[str, Any]]:
    return [one for one in entry.get("exceptions", ()) if one["waiver"] == waiver]


def bring(host: Host, plan: Mapping[str, Any]) -> None:
    """Have the file as the plan has it. Raises ControlError, Unseen."""
    content = text(plan)
    if not content:
        if host.stat(ANSWERS):
            host.delete(ANSWERS)
    elif host.text(ANSWERS) != content:
        host.write(ANSWERS, content)
