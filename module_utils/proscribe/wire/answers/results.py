"""The readers of the answers of Ansible modules on hosts. Only known keys with possible values pass a reader.

The answer of a module becomes the result of an Ansible task. Ansible obeys some keys of a result: `add_host`,
`ansible_facts`, `ansible_stats`, `_ansible_notify`, `warnings` and more. With these keys a host could redefine other
hosts, or end the run. A reader accepts its own result again, and returns the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ...host.system import DARWIN
from ...model import removal_record
from ...model.finding import MAX_DIFFERENCE_CHARACTERS
from ...model.types.answer import (
    ChangeAnswer,
    FileDifference,
    ModuleAnswer,
    ObservationAnswer,
    QuarantineAnswer,
    StoredAnswer,
    TurnEntry,
)
from ..loader import LACKING
from . import record
from .typed_reader import read_keys, read_typed
from .value_readers import UnusableAnswer, read_flag, read_line, read_list, require_mapping, truncate_text

SIDES: Final = ("before", "after")  # the texts of a file before and after a change
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
    result |= read_keys(ObservationAnswer, answer, "drifted", "privileged", "cached", "not_installed", "unwatched")
    return result


def read_change(content: object) -> ChangeAnswer:
    """Read the answer of a module that changes a host.

    Raises UnusableAnswer.
    """
    answer = require_mapping(content, "the answer")
    result: ChangeAnswer = {"changed": read_flag(answer.get("changed"), "changed")}
    _add_failure(result, answer)
    result |= _read_filled_lists(answer, "other_runs", "notes")
    if removed_packages := read_list(
        _read_removed_package, answer.get("removed", []), "removed", removal_record.MAX_PACKAGES
    ):
        result["removed"] = removed_packages
    result |= read_keys(ChangeAnswer, answer, "actions", "refused", "findings")
    result["diff"] = _read_differences(answer)
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
    result |= _read_filled_lists(answer, "other_runs")
    if "quarantined" in answer:
        result["changed"] = False
        result |= read_keys(QuarantineAnswer, answer, "quarantined", "broken", "left_out")
        _require_unique_ids(entry["id"] for entry in result["quarantined"])
    elif "outcomes" in answer:
        result |= read_keys(QuarantineAnswer, answer, "outcomes")
        result |= read_keys(ChangeAnswer, answer, "actions")
        result["diff"] = _read_differences(answer)
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
            result["busy"] = read_typed(TurnEntry, answer["busy"], "a run")


def _read_filled_lists(answer: Mapping[Any, Any], *keys: str) -> Any:
    """Read these lists of a module's answer, without those that have no items."""
    return {key: entries for key, entries in read_keys(ChangeAnswer, answer, *keys).items() if entries}


def _require_unique_ids(ids: Iterable[str]) -> None:
    if any(times > 1 for times in Counter(ids).values()):
        raise UnusableAnswer("it lists an id twice")


def _read_removed_package(content: object) -> dict[str, str]:
    """Return the fields of a package that the run removed, checked, as a dict."""
    try:
        return removal_record.read_removed_package(content)._asdict()
    except ValueError as error:
        raise UnusableAnswer(str(error)) from None


def _read_differences(answer: Mapping[Any, Any]) -> list[FileDifference]:
    """Read the differences of files, and cut their texts to MAX_DIFFERENCE_CHARACTERS in total."""
    differences: list[FileDifference] = read_keys(ChangeAnswer, answer, "diff")["diff"]
    characters_left = MAX_DIFFERENCE_CHARACTERS
    for difference in differences:
        for key in SIDES:
            # Once the limit is reached, a text is cut to three characters, which are only dots.
            difference[key] = truncate_text(difference[key], max(characters_left, 3))
            characters_left -= len(difference[key])
    return differences
