"""What a record says outside its rules: what failed on the host, and what was left as it is. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ....model.finding import ERROR, NOT_APPLICABLE, OPEN_STATES
from ....model.types.record import HostRecord


def list_failures(record: HostRecord) -> Iterator[tuple[str, str, str]]:
    """(control, state, message) for each error that no rule reports already.

    What a control has left as it is (a refusal, `refused` names its rule) is no failure: such as an address that own
    rules would have cut off, on a host that is in line. It has the state of its rule where that is open, which it
    explains, and counts nothing elsewhere.
    """
    for error in record["errors"]:
        if rule := error.get("refused"):
            state = next(
                (r["state"] for r in record["rules"] if r["rule"] == rule and r["state"] in OPEN_STATES), NOT_APPLICABLE
            )
            yield error["control"], state, error["message"]
        # A control that could not observe has reported that with each of its rules already.
        elif not any(r["state"] == ERROR and r["reason"] == error["message"] for r in record["rules"]):
            yield error["control"], ERROR, error["message"]
