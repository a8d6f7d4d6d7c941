"""The readers of the answers of Ansible modules on hosts. Only known keys with possible values pass a reader.

The answer of a module becomes the result of an Ansible task. Ansible obeys some keys of a result: `add_host`,
`ansible_facts`, `ansible_stats`, `_ansible_notify`, `warnings` and more. With these keys a host could redefine other
hosts, or end the run. A reader accepts its own result again, and returns the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ...host.system import DARWIN
from ...model import removal_record
from ...model.finding import MAX_DIFFERENCE_CHARACTERS
from ...model.quarantine_ids import ITEM_ID, MAX_ITEMS
from ...model.types.answer import (
    ChangeAnswer,
    FileDifference,
    ModuleAnswer,
    ObservationAnswer,
    QuarantineAnswer,
    RefusedChange,
    SharedTurn,
    StoredAnswer,
    TurnEntry,
)
from ...model.types.quarantine import BrokenItem, ItemOutcome, QuarantineItem
from ..loader import LACKING
from . import record
from .value_readers import (
    MAX_TOKEN_LENGTH,
    UnusableAnswer,
    quote_content,
    read_choice,
    read_count,
    read_flag,
    read_line,
    read_lines,
    read_list,
    read_name,
    require_mapping,
    truncate_text,
)

REFUSAL_KEYS = ("rule", "subject", "reason")
MAX_NOTES = 20
MAX_RUNS = 16
MAX_ITEM_SERVICES = 100  # most services of a quarantined item
TOKEN_PATTERN = re.compile(r"[0-9a-f]{12}")


def read_observation(content: object) -> ObservationAnswer:
    """Read a host's answer to the module `compliance_state`, which observes the host.

    The result has a record, or a failure, or the key `lacking`: the host lacks code or a plan of which only the name
    was sent. Raises UnusableAnswer.
    """
    answer = require_mapping(content, "the answer")
    result: ObservationAnswer = {"changed": False}
    _add_failure(result, answer)
    if answer.get(LACKING) is True:
        result["lacking"] = True
        if answer.get("system") == DARWIN:
            result["system"] = DARWIN
        return result
    if "record" not in answer:
        if "failed" not in result:
            raise UnusableAnswer("it has no record")
        return result
    result["record"] = record.read_result_record(answer["record"])
    max_controls = len(record.RULE_GROUPS)
    drifted = read_list(
        lambda control: read_choice(control, record.RULE_GROUPS, "control"),
        answer.get("drifted", []),
        "drifted",
        max_controls,
    )
    result["drifted"] = drifted
    result["privileged"] = read_flag(answer.get("privileged"), "privileged")
    if "cached" in answer:
        result["cached"] = read_flag(answer["cached"], "cached")
    if "not_installed" in answer:
        result["not_installed"] = read_line(answer["not_installed"], "not_installed")
    if "unwatched" in answer:
        result["unwatched"] = read_list(
            lambda control: read_choice(control, record.RULE_GROUPS, "control"),
            answer["unwatched"],
            "unwatched",
            max_controls,
        )
    return result


def read_change(content: object) -> ChangeAnswer:
    """Read the answer of a module that changes a host.

    Raises UnusableAnswer.
    """
    answer = require_mapping(content, "the answer")
    result: ChangeAnswer = {"changed": read_flag(answer.get("changed"), "changed")}
    _add_failure(result, answer)
    _add_other_runs(result, answer)
    if notes := read_list(lambda note: read_name(note, "a note"), answer.get("notes", []), "notes", MAX_NOTES):
        result["notes"] = notes
    if removed_packages := read_list(
        _read_removed_package, answer.get("removed", []), "removed", removal_record.MAX_PACKAGES
    ):
        result["removed"] = removed_packages
    result["actions"] = _read_actions(answer)
    result["refused"] = read_list(_read_refusal, answer.get("refused", []), "refused")
    result["findings"] = read_list(record.read_finding, answer.get("findings", []), "findings")
    result["diff"] = _read_differences(answer.get("diff", []))
    return result


def read_firewall_change(content: object) -> ChangeAnswer:
    """Read the answer of `host_firewall`, as that of any module that changes a host.

    If the change still waits for its confirmation, `pending` is the token that confirms the change. Raises
    UnusableAnswer.
    """
    answer = require_mapping(content, "the answer")
    result = read_change(answer)
    # The plan says how many seconds the host waits for the confirmation, so they are not read here.
    if (pending := answer.get("pending")) is not None:
        # The host sends a mapping. A text comes from an earlier reading by this function.
        token = require_mapping(pending, "pending").get("token") if not isinstance(pending, str) else pending
        if not isinstance(token, str) or not TOKEN_PATTERN.fullmatch(token):
            raise UnusableAnswer("the token of a pending change is twelve hexadecimal digits, and it gave another")
        result["pending"] = str(token)
    return result


def read_quarantine_answer(content: object) -> QuarantineAnswer:
    """Read the answer of `quarantine`: the items of a list, or the outcomes of a restore or prune."""
    answer = require_mapping(content, "the answer")
    result: QuarantineAnswer = {"changed": read_flag(answer.get("changed"), "changed")}
    _add_failure(result, answer)
    _add_other_runs(result, answer)
    if "quarantined" in answer:
        result["changed"] = False
        result["quarantined"] = read_list(_read_item, answer["quarantined"], "quarantined", MAX_ITEMS)
        result["broken"] = read_list(_read_broken_item, answer.get("broken", []), "broken", MAX_ITEMS)
        result["left_out"] = read_count(answer.get("left_out", 0), "left_out")
        _require_unique_ids(entry["id"] for entry in result["quarantined"])
    elif "outcomes" in answer:
        result["outcomes"] = read_list(_read_outcome, answer["outcomes"], "outcomes", MAX_ITEMS)
        result["actions"] = _read_actions(answer)
        result["diff"] = _read_differences(answer.get("diff", []))
        _require_unique_ids(entry["id"] for entry in result["outcomes"])
    elif "failed" not in result:
        raise UnusableAnswer("it has neither quarantined nor outcomes")
    return result


def read_schedule_change(content: object) -> ChangeAnswer:
    """Read the answer of `drift_schedule`, which has no refusals and no findings."""
    result = read_change(content)
    del result["refused"], result["findings"]
    return result


def read_stored_record(content: object) -> StoredAnswer:
    """Read the answer of `collect_record`: the record of the host's own scheduled run."""
    return {"changed": False, "record": record.read_result_record(content)}


def read_failure(content: object) -> ModuleAnswer:
    """Read the answer of a program that can only report a failure."""
    result: ModuleAnswer = {}
    _add_failure(result, require_mapping(content, "the answer"))
    if not result:
        raise UnusableAnswer("it has no record")
    return result


def _add_failure(result: ModuleAnswer, answer: Mapping[Any, Any]) -> None:
    """Add the failure of `answer` to `result`, if there is any; `busy` is another run that is changing the host."""
    if read_flag(answer.get("failed"), "failed"):
        result["failed"], result["msg"] = True, read_line(answer.get("msg"), "msg")
        if "busy" in answer:
            result["busy"] = _read_turn(answer["busy"])


def _read_turn(content: object) -> TurnEntry:
    """Read the name of a run that changes a host (`by`), and since when it does (`since`)."""
    turn = require_mapping(content, "a run")
    return {"by": read_line(turn.get("by"), "by"), "since": read_line(turn.get("since"), "since")}


def _add_other_runs(result: ModuleAnswer, answer: Mapping[Any, Any]) -> None:
    """Add to `result` the other runs that changed the host during this run.

    `waited` are the seconds that this run waited for the other run.
    """

    def read_other_run(content: object) -> SharedTurn:
        return {**_read_turn(content), "waited": read_count(require_mapping(content, "a run").get("waited"), "waited")}

    if other_runs := read_list(read_other_run, answer.get("other_runs", []), "other_runs", MAX_RUNS):
        result["other_runs"] = other_runs


def _read_actions(answer: Mapping[Any, Any]) -> list[str]:
    return read_list(lambda action: read_name(action, "an action"), answer.get("actions", []), "actions")


def _read_item(content: object) -> QuarantineItem:
    """Return an item in the quarantine of a host, checked, with every key of QuarantineItem."""
    entry = require_mapping(content, "an item")

    def read_token(key: str) -> str:
        return read_name(entry.get(key), key, MAX_TOKEN_LENGTH)

    return {
        "id": _read_item_id(entry.get("id")),
        "group": _read_item_id(entry["group"]) if entry.get("group") else "",
        "services": read_list(
            lambda service: read_name(service, "a service", MAX_TOKEN_LENGTH),
            entry.get("services"),
            "services",
            MAX_ITEM_SERVICES,
        ),
        "bytes": read_count(entry.get("bytes"), "bytes"),
        "finished": read_flag(entry.get("finished"), "finished"),
        "path": read_name(entry.get("path"), "path"),
        "whole": read_name(entry.get("whole"), "whole"),
        "kind": read_token("kind"),
        "taken_at": read_token("taken_at"),
        "owner": read_token("owner"),
        "place_of": read_token("place_of"),
        "kept_until": read_token("kept_until"),
    }


def _read_broken_item(content: object) -> BrokenItem:
    entry = require_mapping(content, "a broken item")
    return {"id": read_name(entry.get("id"), "id", MAX_TOKEN_LENGTH), "why": read_line(entry.get("why"), "why")}


def _read_outcome(content: object) -> ItemOutcome:
    """Return the result of restoring or pruning an item, checked."""
    outcome = require_mapping(content, "an outcome")
    return {
        "id": _read_item_id(outcome.get("id")),
        "done": read_flag(outcome.get("done"), "done"),
        "why": read_line(outcome.get("why"), "why"),
    }


def _read_item_id(content: object) -> str:
    """Read the id of a quarantined item.

    Only ids of this form are sent to hosts again, or shown to operators who may type them.
    """
    if not isinstance(content, str) or not ITEM_ID.fullmatch(content):
        raise UnusableAnswer(f"{quote_content(content)} is no id of a quarantine")
    return str(content)


def _require_unique_ids(ids: Iterable[str]) -> None:
    if any(times > 1 for times in Counter(ids).values()):
        raise UnusableAnswer("it lists an id twice")


def _read_refusal(content: object) -> RefusedChange:
    refusal = require_mapping(content, "a refusal")
    rule, subject, reason = (read_name(refusal.get(key), key) for key in REFUSAL_KEYS)
    return {"rule": rule, "subject": subject, "reason": reason}


def _read_removed_package(content: object) -> dict[str, str]:
    """Return the fields of a package that the run removed, checked, as a dict."""
    try:
        return removal_record.read_removed_package(content)._asdict()
    except ValueError as error:
        raise UnusableAnswer(str(error)) from None


def _read_differences(content: object) -> list[FileDifference]:
    """Read the differences of files, and cut their texts to MAX_DIFFERENCE_CHARACTERS in total."""
    characters_left = MAX_DIFFERENCE_CHARACTERS

    def read_side(difference: Mapping[Any, Any], key: str) -> str:
        """Return the text `before` or `after` a change, and subtract its length from the characters left."""
        nonlocal characters_left
        # Once the limit is reached, a text is cut to three characters, which are only dots.
        text = truncate_text(read_lines(difference.get(key), key, MAX_DIFFERENCE_CHARACTERS), max(characters_left, 3))
        characters_left -= len(text)
        return text

    return [
        {
            "before_header": read_name(entry.get("before_header"), "before_header"),
            "after_header": read_name(entry.get("after_header"), "after_header"),
            "before": read_side(entry, "before"),
            "after": read_side(entry, "after"),
        }
        for entry in read_list(lambda entry: require_mapping(entry, "a difference"), content, "diff")
    ]
