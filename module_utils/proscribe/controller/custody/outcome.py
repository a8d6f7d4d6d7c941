"""What became of a run over quarantines: what was chosen, what each host did, and which hosts never said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypedDict

from ...model.quarantined import LIST
from ...model.types.answer import QuarantineAnswer
from ...model.types.quarantine import ChosenItem, HostQuarantine, ItemOutcome, QuarantineList
from ...model.words import QUARANTINE_LIST_SCHEMA

NOTHING = "no answer"


class Fate(NamedTuple):
    """What became of one thing that was to be restored or pruned."""

    row: ChosenItem
    done: bool
    why: str  # it was not done


class Begun(TypedDict):
    """What the first task of a run says that it is about."""

    hosts: list[str]
    do: str
    format: str


class Selected(TypedDict):
    """What the second task has chosen."""

    rows: list[ChosenItem]


class Course:
    """The events of one run, in their order; knows nothing of Ansible."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self.hosts = list(hosts)
        self.do = LIST
        self.format = ""
        self.rows: list[ChosenItem] = []
        self.listed: dict[str, QuarantineAnswer] = {}  # what each host that answered said of its quarantine
        self.reasons: dict[str, str] = {}  # why there is no answer of a host, or no further one
        self._outcomes: dict[tuple[str, str], ItemOutcome] = {}

    def began(self, request: Begun) -> None:
        """Take what the run is about."""
        self.hosts, self.do, self.format = list(request["hosts"]), str(request["do"]), str(request["format"])

    def chose(self, selection: Selected) -> None:
        """Take the choice."""
        self.rows = list(selection["rows"])

    def answered(self, host: str, result: QuarantineAnswer) -> None:
        """Take a host's answer: what it lists, or what it did."""
        if "items" in result:
            self.listed[host] = result
        for one in result.get("outcomes", ()):
            self._outcomes[host, one["id"]] = one

    def failed(self, host: str, why: str) -> None:
        """A host could not be asked, or not any more."""
        self.reasons[host] = why

    @property
    def silent(self) -> dict[str, str]:
        """The hosts whose quarantine nobody has seen, each with the reason."""
        return {host: self.reasons.get(host, NOTHING) for host in self.hosts if host not in self.listed}

    def fates(self) -> list[Fate]:
        """What became of all that was chosen; what no host spoke of was not done."""
        found = []
        for row in self.rows:
            result = self._outcomes.get((row["host"], row["id"]))
            why = result["why"] if result else self.reasons.get(row["host"], NOTHING)
            found.append(Fate(row, bool(result and result["done"]), why))
        return found

    def document(self) -> QuarantineList:
        """The list for machines. A host that did not answer is there, as unknown."""
        silent = self.silent
        hosts: list[HostQuarantine] = [
            {
                "host": host,
                "state": "unknown" if host in silent else "listed",
                "reason": silent.get(host),
                "broken": [] if host in silent else self.listed[host]["broken"],
                "left_out": 0 if host in silent else self.listed[host]["left_out"],
            }
            for host in self.hosts
        ]
        return {"schema": QUARANTINE_LIST_SCHEMA, "hosts": hosts, "items": self.rows}
