"""The results of a run over quarantines: its selection, the actions of each host, and hosts without an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypedDict

from ...model.quarantine_ids import LIST
from ...model.types.answer import QuarantineAnswer
from ...model.types.quarantine import ChosenItem, HostQuarantine, ItemOutcome, QuarantineList
from ...model.vocabulary import QUARANTINE_LIST_SCHEMA

NO_ANSWER = "no answer"


class OperationOutcome(NamedTuple):
    """The result for an item that was to be restored or pruned."""

    row: ChosenItem
    is_done: bool
    reason: str  # why it was not done


class QuarantineRunStart(TypedDict):
    """The request of a run, from its first task."""

    hosts: list[str]
    do: str
    format: str


class QuarantineSelection(TypedDict):
    """The selection of the second task."""

    rows: list[ChosenItem]


class QuarantineRun:
    """The events of a run, in their order. Knows nothing of Ansible."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self.hosts = list(hosts)
        self.do = LIST
        self.format = ""
        self.rows: list[ChosenItem] = []
        self.listed_quarantines: dict[str, QuarantineAnswer] = {}  # the quarantine of each host that answered
        self.reasons: dict[str, str] = {}  # why a host gave no answer, or no further answer
        self._outcomes: dict[tuple[str, str], ItemOutcome] = {}

    def record_start(self, request: QuarantineRunStart) -> None:
        """Store the request of the run."""
        self.hosts, self.do, self.format = list(request["hosts"]), str(request["do"]), str(request["format"])

    def record_selection(self, selection: QuarantineSelection) -> None:
        """Store the selection."""
        self.rows = list(selection["rows"])

    def record_answer(self, host: str, result: QuarantineAnswer) -> None:
        """Store a host's answer: its list, or its actions."""
        if "quarantined" in result:
            self.listed_quarantines[host] = result
        for item_outcome in result.get("outcomes", ()):
            self._outcomes[host, item_outcome["id"]] = item_outcome

    def record_failure(self, host: str, reason: str) -> None:
        """Store that a host could not be reached, or was lost during the run."""
        self.reasons[host] = reason

    @property
    def silent_hosts(self) -> dict[str, str]:
        """The hosts whose quarantine is unknown, each with the reason."""
        return {host: self.reasons.get(host, NO_ANSWER) for host in self.hosts if host not in self.listed_quarantines}

    def list_outcomes(self) -> list[OperationOutcome]:
        """Return the results of all selected items. An item without an answer of its host was not done."""
        item_outcomes = []
        for row in self.rows:
            result = self._outcomes.get((row["host"], row["id"]))
            reason = result["why"] if result else self.reasons.get(row["host"], NO_ANSWER)
            item_outcomes.append(OperationOutcome(row, bool(result and result["done"]), reason))
        return item_outcomes

    def make_document(self) -> QuarantineList:
        """Return the list for machines. A host without an answer is in it, as unknown."""
        silent_hosts = self.silent_hosts
        hosts: list[HostQuarantine] = [
            {
                "host": host,
                "state": "unknown" if host in silent_hosts else "listed",
                "reason": silent_hosts.get(host),
                "broken": [] if host in silent_hosts else self.listed_quarantines[host]["broken"],
                "left_out": 0 if host in silent_hosts else self.listed_quarantines[host]["left_out"],
            }
            for host in self.hosts
        ]
        return {"schema": QUARANTINE_LIST_SCHEMA, "hosts": hosts, "items": self.rows}
