"""The answers of the modules that run on hosts: every key that is let through, and what it may hold.

What a module prints becomes the result of Ansible's task, and of a result Ansible takes `add_host`, `ansible_facts`,
`ansible_stats`, `_ansible_notify`, `warnings` and more: a host that printed these would say what other hosts are, or
end the run. Reading twice gives the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ...host.system import DARWIN
from ...model import removed
from ...model.finding import LARGEST_DIFFERENCES
from ...model.quarantined import ID, MOST
from ...model.types.answer import (
    Answer,
    ChangeAnswer,
    Difference,
    ObservationAnswer,
    QuarantineAnswer,
    Refused,
    Shared,
    StoredAnswer,
    Turn,
)
from ...model.types.quarantine import Broken, Done, Item
from ..loader import LACKING
from . import record
from .shapes import TOKEN, Unusable, count, cut, flag, line, lines, listed, mapping, name, one_of, said

REFUSED = ("rule", "subject", "reason")
MOST_NOTES = 20
MOST_RUNS = 16
SERVICES = 100  # that one thing belongs to
RUN_TOKEN = re.compile(r"[0-9a-f]{12}")


def observation(value: object) -> ObservationAnswer:
    """The answer of `compliance_state`."""
    answer = mapping(value, "the answer")
    result: ObservationAnswer = {"changed": False}
    _add_failure(result, answer)
    if answer.get(LACKING) is True:
        result["lacking"] = True
        if answer.get("system") == DARWIN:
            result["system"] = DARWIN
        return result
    if "record" not in answer:
        if "failed" not in result:
            raise Unusable("it has no record")
        return result
    result["record"] = record.of_result(answer["record"])
    most = len(record.OBSERVED)
    drifted = listed(lambda one: one_of(one, record.OBSERVED, "control"), answer.get("drifted", []), "drifted", most)
    result["drifted"] = drifted
    result["privileged"] = flag(answer.get("privileged"), "privileged")
    if "cached" in answer:
        result["cached"] = flag(answer["cached"], "cached")
    if "not_installed" in answer:
        result["not_installed"] = line(answer["not_installed"], "not_installed")
    if "unwatched" in answer:
        result["unwatched"] = listed(
            lambda control: one_of(control, record.OBSERVED, "control"), answer["unwatched"], "unwatched", most
        )
    return result


def change(value: object) -> ChangeAnswer:
    """The answer of a module that changes a host."""
    answer = mapping(value, "the answer")
    result: ChangeAnswer = {"changed": flag(answer.get("changed"), "changed")}
    _add_failure(result, answer)
    _add_others(result, answer)
    if notes := listed(lambda one: name(one, "a note"), answer.get("notes", []), "notes", MOST_NOTES):
        result["notes"] = notes
    if gone := listed(_removed, answer.get("removed", []), "removed", removed.MOST):
        result["removed"] = gone
    result["actions"] = _actions(answer)
    result["refused"] = listed(_refusal, answer.get("refused", []), "refused")
    result["findings"] = listed(record.finding, answer.get("findings", []), "findings")
    result["diff"] = _differences(answer.get("diff", []))
    return result


def firewall(value: object) -> ChangeAnswer:
    """The answer of `host_firewall`: that of a change, with a token where it waits for its confirmation."""
    answer = mapping(value, "the answer")
    result = change(answer)
    # For how long the host waits is the plan's to say, so it is not asked.
    if (pending := answer.get("pending")) is not None:
        token = mapping(pending, "pending").get("token") if not isinstance(pending, str) else pending
        if not isinstance(token, str) or not RUN_TOKEN.fullmatch(token):
            raise Unusable("the token of a pending change is twelve hexadecimal digits, and it gave another")
        result["pending"] = str(token)
    return result


def quarantine(value: object) -> QuarantineAnswer:
    """The answer of `quarantine`: of a list, or of what was done."""
    answer = mapping(value, "the answer")
    result: QuarantineAnswer = {"changed": flag(answer.get("changed"), "changed")}
    _add_failure(result, answer)
    _add_others(result, answer)
    if "items" in answer:
        result["changed"] = False
        result["items"] = listed(_item, answer["items"], "items", MOST)
        result["broken"] = listed(_broken, answer.get("broken", []), "broken", MOST)
        result["left_out"] = count(answer.get("left_out", 0), "left_out")
        _require_once(one["id"] for one in result["items"])
    elif "outcomes" in answer:
        result["outcomes"] = listed(_outcome, answer["outcomes"], "outcomes", MOST)
        result["actions"] = _actions(answer)
        result["diff"] = _differences(answer.get("diff", []))
        _require_once(one["id"] for one in result["outcomes"])
    elif "failed" not in result:
        raise Unusable("it has neither items nor outcomes")
    return result


def schedule(value: object) -> ChangeAnswer:
    """The answer of `drift_schedule`, which refuses and finds nothing."""
    result = change(value)
    del result["refused"], result["findings"]
    return result


def stored_record(value: object) -> StoredAnswer:
    """The answer of `collect_record`."""
    return {"changed": False, "record": record.of_result(value)}


def failure(value: object) -> Answer:
    """The answer of a program that has only a failure to answer with."""
    result: Answer = {}
    _add_failure(result, mapping(value, "the answer"))
    if not result:
        raise Unusable("it has no record")
    return result


def _add_failure(result: Answer, answer: Mapping[Any, Any]) -> None:
    if flag(answer.get("failed"), "failed"):
        result["failed"], result["msg"] = True, line(answer.get("msg"), "msg")
        if "busy" in answer:
            result["busy"] = _turn(answer["busy"])


def _turn(value: object) -> Turn:
    turn = mapping(value, "a run")
    return {"by": line(turn.get("by"), "by"), "since": line(turn.get("since"), "since")}


def _add_others(result: Answer, answer: Mapping[Any, Any]) -> None:
    def other(value: object) -> Shared:
        return {**_turn(value), "waited": count(mapping(value, "a run").get("waited"), "waited")}

    if found := listed(other, answer.get("other_runs", []), "other_runs", MOST_RUNS):
        result["other_runs"] = found


def _actions(answer: Mapping[Any, Any]) -> list[str]:
    return listed(lambda one: name(one, "an action"), answer.get("actions", []), "actions")


def _item(value: object) -> Item:
    item = mapping(value, "an item")

    def token(key: str) -> str:
        return name(item.get(key), key, TOKEN)

    return {
        "id": _id(item.get("id")),
        "group": _id(item["group"]) if item.get("group") else "",
        "services": listed(lambda one: name(one, "a service", TOKEN), item.get("services"), "services", SERVICES),
        "bytes": count(item.get("bytes"), "bytes"),
        "finished": flag(item.get("finished"), "finished"),
        "path": name(item.get("path"), "path"),
        "whole": name(item.get("whole"), "whole"),
        "kind": token("kind"),
        "taken_at": token("taken_at"),
        "owner": token("owner"),
        "place_of": token("place_of"),
        "kept_until": token("kept_until"),
    }


def _broken(value: object) -> Broken:
    item = mapping(value, "a broken item")
    return {"id": name(item.get("id"), "id", TOKEN), "why": line(item.get("why"), "why")}


def _outcome(value: object) -> Done:
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


def _require_once(ids: Iterable[str]) -> None:
    if any(times > 1 for times in Counter(ids).values()):
        raise Unusable("it lists an id twice")


def _refusal(value: object) -> Refused:
    refusal = mapping(value, "a refusal")
    rule, subject, reason = (name(refusal.get(key), key) for key in REFUSED)
    return {"rule": rule, "subject": subject, "reason": reason}


def _removed(value: object) -> dict[str, str]:
    try:
        return removed.read(value)._asdict()
    except ValueError as wrong:
        raise Unusable(str(wrong)) from None


def _differences(value: object) -> list[Difference]:
    """Differences, until all that they hold is as much as one may."""
    left = LARGEST_DIFFERENCES

    def side(difference: Mapping[Any, Any], key: str) -> str:
        nonlocal left
        text = cut(lines(difference.get(key), key, LARGEST_DIFFERENCES), max(left, 3))
        left -= len(text)
        return text

    return [
        {
            "before_header": name(one.get("before_header"), "before_header"),
            "after_header": name(one.get("after_header"), "after_header"),
            "before": side(one, "before"),
            "after": side(one, "after"),
        }
        for one in listed(lambda one: mapping(one, "a difference"), value, "diff")
    ]
