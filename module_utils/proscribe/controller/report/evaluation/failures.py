"""Facts of a record outside its rules: the failures on the host, and the refusals. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ....model.finding import ERROR, NOT_APPLICABLE, OPEN_STATES
from ....model.types.record import HostRecord


def list_failures(record: HostRecord) -> Iterator[tuple[str, str, str]]:
    """Yield (control, state, message) for each error that no rule reports already.

    A refusal (`refused` names its rule) is no failure of a control. An example is an address that own rules would have
    cut off, on a compliant host. A refusal explains its rule, so it has the state of the rule if that is open.
    Otherwise it does not count.
    """
    for error in record["errors"]:
        if rule := error.get("refused"):
            state = next(
                (r["state"] for r in record["rules"] if r["rule"] == rule and r["state"] in OPEN_STATES), NOT_APPLICABLE
            )
            yield error["control"], state, error["message"]
        # A control that could not observe has reported this with each of its rules already.
        elif not any(r["state"] == ERROR and r["reason"] == error["message"] for r in record["rules"]):
            yield error["control"], ERROR, error["message"]
