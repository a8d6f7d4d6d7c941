"""Facts of a record outside its rules: the failures on the host, and the changes that the host refused. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ....model.finding import ERROR, NOT_APPLICABLE, OPEN_STATES
from ....model.types.record import HostRecord


def list_failures(record: HostRecord) -> Iterator[tuple[str, str, str]]:
    """Yield (control, state, message) for each error of a record that no rule reports already.

    A change that the host refused is listed as an error, too; its key `refused` names the rule. Such a refusal is no
    failure of a control. An example is an address that Proscribe's rules would cut off, on a compliant host. A refusal
    has the state of its rule if the rule is not compliant. Otherwise its state is `not_applicable`, so the refusal does
    not count.
    """
    for error in record["errors"]:
        if rule := error.get("refused"):
            state = next(
                (r["state"] for r in record["rules"] if r["rule"] == rule and r["state"] in OPEN_STATES), NOT_APPLICABLE
            )
            yield error["control"], state, error["message"]
        # A control that could not observe the host repeats its error as the reason of each of its rules.
        elif not any(r["state"] == ERROR and r["reason"] == error["message"] for r in record["rules"]):
            yield error["control"], ERROR, error["message"]
