"""What host records say of each rule, as the history keeps it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ....model.finding import ERROR, NOT_APPLICABLE, STATES, UNKNOWN, find_worst_state
from ....model.types.record import HostRecord, RuleRecord
from ..text.wording import clean, evidence, host_label
from .tables import HOST

BLIND = (ERROR, UNKNOWN)  # the states in which nobody could see how the rule stands
REMEMBERED = 100_000  # rules, in the lists that hosts share
LONGEST = 300  # characters of evidence that are kept
UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # what a database does not take in a text


class Said:
    """What records say. Thousands of hosts list the very same rules, so what was said of them is remembered."""

    def __init__(self) -> None:
        self._same: dict[tuple[str | int, ...], tuple[Sequence[RuleRecord], Mapping[str, tuple[str, str]]]] = {}
        self._remembered = 0

    def of(self, record: HostRecord, fresh: list[str], about_host: bool) -> Mapping[str, tuple[str, str]]:
        """{rule: (state, evidence)} of the controls that were observed, and of the host as a whole (rule "")."""
        rules = record["rules"]
        key: tuple[str | int, ...] = (*fresh, *map(id, rules))
        if key not in self._same:
            if self._remembered > REMEMBERED:
                self._same.clear()
                self._remembered = 0
            self._remembered += 1 + len(rules)
            here = {
                _printable(rule["rule"]): (rule["state"], _evidence(rule))
                for rule in rules
                if rule["rule"].partition("/")[0] in fresh
            }
            # With the rules themselves, so that none of their ids can become another's.
            self._same[key] = tuple(rules), here
        evidence = self._same[key][1]
        listed = [rule["state"] for rule in rules]
        # The host is worse than its rules when it gave no answer, or when a correction or a task failed.
        if (
            about_host
            and record["state"] in BLIND
            and (not listed or _rank(record["state"]) < _rank(find_worst_state(listed)))
        ):
            errors = "; ".join(str(error["message"]) for error in record["errors"])
            return {HOST: (record["state"], _printable(record["reason"] or errors or record["state"])), **evidence}
        return evidence


def _rank(state: str) -> int:
    return STATES.index(state)


def _evidence(rule: RuleRecord) -> str:
    if rule["state"] == NOT_APPLICABLE:
        return ""
    first = evidence(rule["findings"][0]) if rule["findings"] else rule["reason"] or ""
    more = len(rule["findings"]) - 1
    return _printable(f"{first} and {more} more" if more > 0 else first)


def storable_name(host: str) -> str:
    """Return a host's name as the history keeps it. An inventory may have one that no database takes."""
    return host_label(host) if UNSTORABLE.search(host) else host


def with_storable_name(record: HostRecord) -> HostRecord:
    """Return a record with the name that the history keeps."""
    name = storable_name(record["host"])
    return record if name == record["host"] else {**record, "host": name}


def _printable(text: object) -> str:
    """Text as it is kept: printable, since a database may refuse what does not print, and not endless."""
    return clean(str(text)[:LONGEST])
