"""The answers of the modules that run on hosts: every key that is let through, and what it may hold.

What a module prints becomes the result of Ansible's task, and of a result Ansible takes `add_host`, `ansible_facts`,
`ansible_stats`, `_ansible_notify`, `warnings` and more: a host that printed these would say what other hosts are, or
end the run. Reading twice gives the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ...host.system import DARWIN
from ...model import removed
from ...model.finding import LARGEST_DIFFERENCES
from ...model.quarantined import ID, MOST
from ..loader import LACKING
from . import record
from .shapes import TOKEN, Unusable, count, cut, flag, line, lines, listed, mapping, name, one_of, said

Reader = Callable[[object], dict[str, Any]]

REFUSED = ("rule", "subject", "reason")
SIDES = ("before", "after")
MOST_NOTES = 20
MOST_RUNS = 16
SERVICES = 100  # that one thing belongs to
RUN_TOKEN = re.compile(r"[0-9a-f]{12}")


def observation(value: object) -> dict[str, Any]:
    """The answer of `compliance_state`: {changed, record, drifted, privileged}, and {failed, msg} where the gate makes
    the host fail; {failed, msg} alone where there is no record; {lacking}, with {system} of a Mac that was sent code
    for Linux, or with {kept} of a streamed call; {not_installed} where the program for audits without root is not.
    """
    answer = mapping(value, "the answer")
    result: dict[str, Any] = {"changed": False, **_failed(answer)}
    if answer.get(LACKING) is True:
        return {**result, LACKING: True, **({"system": DARWIN} if answer.get("system") == DARWIN else {})}
    if "record" not in answer:
        if "failed" not in result:
            raise Unusable("it has no record")
        return result
    result["record"] = record.of_result(answer["record"])
    most = len(record.OBSERVED)
    drifted = listed(lambda one: one_of(one, record.OBSERVED, "control"), answer.get("drifted", []), "drifted", most)
    result["drifted"] = drifted
    result["privileged"] = flag(answer.get("privileged"), "privileged")
    if "kept" in answer:
        result["kept"] = flag(answer["kept"], "kept")
    if "not_installed" in answer:
        result["not_installed"] = line(answer["not_installed"], "not_installed")
    return result


def change(value: object) -> dict[str, Any]:
    """The answer of a module that changes a host: {changed, actions, refused, findings, diff}, with {notes} where
    something is to be said of the actions, {removed} where a lift leaves packages removed, and {failed, msg}.
    """
    answer = mapping(value, "the answer")
    notes = listed(lambda one: name(one, "a note"), answer.get("notes", []), "notes", MOST_NOTES)
    gone = listed(_removed, answer.get("removed", []), "removed", removed.MOST)
    return {
        "changed": flag(answer.get("changed"), "changed"),
        **_failed(answer),
        **_others(answer),
        **({"notes": notes} if notes else {}),
        **({"removed": gone} if gone else {}),
        "actions": listed(lambda one: name(one, "an action"), answer.get("actions", []), "actions"),
        "refused": listed(_refusal, answer.get("refused", []), "refused"),
        "findings": listed(record.finding, answer.get("findings", []), "findings"),
        "diff": _differences(answer.get("diff", [])),
    }


def firewall(value: object) -> dict[str, Any]:
    """The answer of `host_firewall`: that of a change, with {pending: token} where it waits for its confirmation."""
    answer = mapping(value, "the answer")
    if answer.get("pending") is None:
        return change(answer)
    # For how long the host waits is the plan's to say, so it is not asked.
    pending = answer["pending"]
    token = mapping(pending, "pending").get("token") if not isinstance(pending, str) else pending
    if not isinstance(token, str) or not RUN_TOKEN.fullmatch(token):
        raise Unusable("the token of a pending change is twelve hexadecimal digits, and it gave another")
    return {**change(answer), "pending": str(token)}


def quarantine(value: object) -> dict[str, Any]:
    """The answer of `quarantine`: {changed, items, broken, left_out} of a list, {changed, actions, diff, outcomes}
    where something was done, and {failed, msg}.
    """
    answer = mapping(value, "the answer")
    result: dict[str, Any] = {"changed": flag(answer.get("changed"), "changed"), **_failed(answer), **_others(answer)}
    if "items" in answer:
        items = listed(_item, answer["items"], "items", MOST)
        broken = listed(_broken, answer.get("broken", []), "broken", MOST)
        left_out = count(answer.get("left_out", 0), "left_out")
        result.update(changed=False, items=_each_once(items), broken=broken, left_out=left_out)
    elif "outcomes" in answer:
        result["outcomes"] = _each_once(listed(_outcome, answer["outcomes"], "outcomes", MOST))
        result["actions"] = listed(lambda one: name(one, "an action"), answer.get("actions", []), "actions")
        result["diff"] = _differences(answer.get("diff", []))
    elif "failed" not in result:
        raise Unusable("it has neither items nor outcomes")
    return result


def schedule(value: object) -> dict[str, Any]:
    """The answer of `drift_schedule`: {changed, actions, diff}, and {failed, msg}."""
    result = change(value)
    return {key: field for key, field in result.items() if key not in ("refused", "findings")}


def stored_record(value: object) -> dict[str, Any]:
    """The answer of `collect_record`: the record that a host has kept."""
    return {"changed": False, "record": record.of_result(value)}


def _failed(answer: Any) -> dict[str, Any]:
    if not flag(answer.get("failed"), "failed"):
        return {}
    busy = {"busy": _turn(answer["busy"])} if "busy" in answer else {}
    return {"failed": True, "msg": line(answer.get("msg"), "msg"), **busy}


def _turn(value: object) -> dict[str, Any]:
    """Who changes a host, or did, and since when."""
    turn = mapping(value, "a run")
    return {key: line(turn.get(key), key) for key in ("by", "since")}


def _others(answer: Any) -> dict[str, Any]:
    """With whom a run had to share the host; `waited` seconds, 0 where the other one came between two changes."""

    def other(value: object) -> dict[str, Any]:
        return {**_turn(value), "waited": count(mapping(value, "a run").get("waited"), "waited")}

    found = listed(other, answer.get("other_runs", []), "other_runs", MOST_RUNS)
    return {"other_runs": found} if found else {}


def _item(value: object) -> dict[str, Any]:
    item = mapping(value, "an item")
    found: dict[str, Any] = {
        "id": _id(item.get("id")),
        "group": _id(item["group"]) if item.get("group") else "",
        "services": listed(lambda one: name(one, "a service", TOKEN), item.get("services"), "services", SERVICES),
        "bytes": count(item.get("bytes"), "bytes"),
        "finished": flag(item.get("finished"), "finished"),
    }
    for key in ("path", "whole"):
        found[key] = name(item.get(key), key)
    for key in ("kind", "taken_at", "owner", "place_of", "kept_until"):
        found[key] = name(item.get(key), key, TOKEN)
    return found


def _broken(value: object) -> dict[str, str]:
    item = mapping(value, "a broken item")
    return {"id": name(item.get("id"), "id", TOKEN), "why": line(item.get("why"), "why")}


def _outcome(value: object) -> dict[str, Any]:
    outcome = mapping(value, "an outcome")
    return {
        "id": _id(outcome.get("id")),
        "done": flag(outcome.get("done"), "done"),
        "why": line(outcome.get("why"), "why"),
    }


def _id(value: object) -> str:
    """The id of an item: nothing else is ever asked for again, or shown to be typed."""
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise Unusable(f"{said(value)} is no id of a quarantine")
    return str(value)


def _each_once(outcomes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len({one["id"] for one in outcomes}) < len(outcomes):
        raise Unusable("it lists an id twice")
    return outcomes


def _refusal(value: object) -> dict[str, str]:
    refusal = mapping(value, "a refusal")
    return {key: name(refusal.get(key), key) for key in REFUSED}


def _removed(value: object) -> dict[str, str]:
    try:
        return removed.read(value)._asdict()
    except ValueError as wrong:
        raise Unusable(str(wrong)) from None


def _differences(value: object) -> list[dict[str, str]]:
    """Differences, until all that they hold is as much as one may."""
    left = LARGEST_DIFFERENCES
    found: list[dict[str, str]] = []
    for difference in listed(lambda one: mapping(one, "a difference"), value, "diff"):
        one = {key: name(difference.get(key), key) for key in ("before_header", "after_header")}
        for side in SIDES:
            one[side] = cut(lines(difference.get(side), side, LARGEST_DIFFERENCES), max(left, 3))
            left -= len(one[side])
        found.append(one)
    return found
