"""Data of a run over the quarantines of hosts: the request, the selected items, and the hosts' answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypedDict

from ...model.quarantine_ids import LIST
from ...model.types.answer import QuarantineAnswer
from ...model.types.quarantine import ChosenItem, HostQuarantine, ItemOutcome, QuarantineList
from ...model.vocabulary import QUARANTINE_LIST_SCHEMA

NO_ANSWER = "no answer"


class OperationOutcome(NamedTuple):
    """The result for a quarantined item that was to be restored or pruned."""

    row: ChosenItem
    is_done: bool
    reason: str  # why the operation was not done on the item; "" if it was


class QuarantineRunStart(TypedDict):
    """The result of the run's first task: the hosts, the operation (`do`) and the output format."""

    hosts: list[str]
    do: str
    format: str


class QuarantineSelection(TypedDict):
    """The result of the run's second task: the quarantined items that the operator selected."""

    rows: list[ChosenItem]


class QuarantineRun:
    """The data of a run over quarantines, collected from its tasks in their order.

    The class uses nothing of Ansible. `do` is the operation: list, restore or prune.
    """

    def __init__(self, hosts: Sequence[str]) -> None:
        self.hosts = list(hosts)
        self.do = LIST
        self.format = ""
        self.rows: list[ChosenItem] = []  # the items that the operator selected
        # by host: the list of the quarantine; only hosts that answered
        self.listed_quarantines: dict[str, QuarantineAnswer] = {}
        self.reasons: dict[str, str] = {}  # by host: why it gave no answer, or no further answer
        self._outcomes: dict[tuple[str, str], ItemOutcome] = {}  # by host and id of the item

    def record_start(self, request: QuarantineRunStart) -> None:
        """Store the hosts, the operation and the output format of the run."""
        self.hosts, self.do, self.format = list(request["hosts"]), str(request["do"]), str(request["format"])

    def record_selection(self, selection: QuarantineSelection) -> None:
        """Store the quarantined items that the operator selected."""
        self.rows = list(selection["rows"])

    def record_answer(self, host: str, result: QuarantineAnswer) -> None:
        """Store a host's answer: the list of its quarantine, or the results of restoring or pruning items."""
        if "quarantined" in result:
            self.listed_quarantines[host] = result
        for item_outcome in result.get("outcomes", ()):
            self._outcomes[host, item_outcome["id"]] = item_outcome

    def record_failure(self, host: str, reason: str) -> None:
        """Store that a host could not be reached, or was lost during the run."""
        self.reasons[host] = reason

    @property
    def silent_hosts(self) -> dict[str, str]:
        """The hosts whose quarantine is unknown, each with the reason why it gave no list."""
        return {host: self.reasons.get(host, NO_ANSWER) for host in self.hosts if host not in self.listed_quarantines}

    def list_outcomes(self) -> list[OperationOutcome]:
        """Return the results of restoring or pruning, one for each selected item.

        If a host gave no answer about an item, the item counts as not done.
        """
        item_outcomes = []
        for row in self.rows:
            result = self._outcomes.get((row["host"], row["id"]))
            reason = result["why"] if result else self.reasons.get(row["host"], NO_ANSWER)
            item_outcomes.append(OperationOutcome(row, bool(result and result["done"]), reason))
        return item_outcomes

    def make_document(self) -> QuarantineList:
        """Return the content of the JSON output: all hosts, and the selected items.

        A host without an answer is listed with the state "unknown".
        """
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
