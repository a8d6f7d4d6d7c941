"""What became of a run over quarantines: what was chosen, what each host did, and which hosts never said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypedDict

from ...model.quarantined import LIST
from ...model.types.answer import QuarantineAnswer
from ...model.types.quarantine import ChosenItem, HostQuarantine, ItemOutcome, QuarantineList
from ...model.words import QUARANTINE_LIST_SCHEMA

NO_ANSWER = "no answer"


class OperationOutcome(NamedTuple):
    """What became of one thing that was to be restored or pruned."""

    row: ChosenItem
    is_done: bool
    reason: str  # it was not done


class QuarantineRunStart(TypedDict):
    """What the first task of a run says that it is about."""

    hosts: list[str]
    do: str
    format: str


class QuarantineSelection(TypedDict):
    """What the second task has chosen."""

    rows: list[ChosenItem]


class QuarantineRun:
    """The events of one run, in their order; knows nothing of Ansible."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self.hosts = list(hosts)
        self.do = LIST
        self.format = ""
        self.rows: list[ChosenItem] = []
        self.listed_quarantines: dict[str, QuarantineAnswer] = {}  # what each host that answered said of its quarantine
        self.reasons: dict[str, str] = {}  # why there is no answer of a host, or no further one
        self._outcomes: dict[tuple[str, str], ItemOutcome] = {}

    def record_start(self, request: QuarantineRunStart) -> None:
        """Take what the run is about."""
        self.hosts, self.do, self.format = list(request["hosts"]), str(request["do"]), str(request["format"])

    def record_selection(self, selection: QuarantineSelection) -> None:
        """Take the choice."""
        self.rows = list(selection["rows"])

    def record_answer(self, host: str, result: QuarantineAnswer) -> None:
        """Take a host's answer: what it lists, or what it did."""
        if "items" in result:
            self.listed_quarantines[host] = result
        for item_outcome in result.get("outcomes", ()):
            self._outcomes[host, item_outcome["id"]] = item_outcome

    def record_failure(self, host: str, reason: str) -> None:
        """A host could not be asked, or not any more."""
        self.reasons[host] = reason

    @property
    def silent_hosts(self) -> dict[str, str]:
        """The hosts whose quarantine nobody has seen, each with the reason."""
        return {host: self.reasons.get(host, NO_ANSWER) for host in self.hosts if host not in self.listed_quarantines}

    def list_outcomes(self) -> list[OperationOutcome]:
        """What became of all that was chosen; what no host spoke of was not done."""
        item_outcomes = []
        for row in self.rows:
            result = self._outcomes.get((row["host"], row["id"]))
            reason = result["why"] if result else self.reasons.get(row["host"], NO_ANSWER)
            item_outcomes.append(OperationOutcome(row, bool(result and result["done"]), reason))
        return item_outcomes

    def make_document(self) -> QuarantineList:
        """The list for machines. A host that did not answer is there, as unknown."""
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
