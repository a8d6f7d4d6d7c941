"""An operator's request about quarantines: an operation, and selectors of quarantined items."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

from ...base.duration import parse_duration
from ...model.quarantine_ids import ITEM_ID, LIST, PRUNE, RESTORE
from ..policy_errors import list_variable_mistakes, propose_similar_names

OPERATIONS = (LIST, RESTORE, PRUNE)
TABLE_FORMAT, JSON_FORMAT = "table", "json"
OUTPUT_FORMATS = (TABLE_FORMAT, JSON_FORMAT)
# Prefix of the variables of playbooks/quarantine.yml. The playbook has a variable for each of ARGUMENTS.
VARIABLE_PREFIX = "quarantine_"


class ActionArgument(TypedDict, total=False):
    """The declaration of an argument of an action plugin, in Ansible's form.

    Without `type`, the argument is a text.
    """

    type: str
    choices: list[str]


# The launcher's options have the same meaning (cli/quarantine.py). A missing argument is None; `parse_request` replaces
# it by its default.
ARGUMENTS: dict[str, ActionArgument] = {
    "do": {"choices": list(OPERATIONS)},
    **dict.fromkeys(("hosts", "users", "services", "ids"), {"type": "list"}),
    "all": {"type": "bool"},
    "older_than": {},
    "accept_loss": {"type": "bool"},
    "format": {"choices": list(OUTPUT_FORMATS)},
}
SELECTORS = {"hosts": "--host", "users": "--user", "services": "--service", "ids": "--id"}
# Key: argument. Value: playbook variable, which is named after the launcher's option.
VARIABLE_NAMES = {name: VARIABLE_PREFIX + SELECTORS.get(name, name).lstrip("-") for name in ARGUMENTS}


class InvalidQuarantineRequest(ValueError):
    """An error for an invalid request.

    Its text has a line for each mistake: the option, the wrong value, and the expected value.
    """

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))


class QuarantineRequest(NamedTuple):
    """An operator's request: the operation `do`, the selectors, and the output format.

    An empty selector selects everything. An item is selected if it matches every selector.
    """

    do: str
    hosts: Sequence[str] = ()
    users: Sequence[str] = ()
    services: Sequence[str] = ()
    ids: Sequence[str] = ()
    all: bool = False
    older_than: int = 0  # seconds since the item was taken; 0 for any age
    accept_loss: bool = False
    format: str = TABLE_FORMAT


def parse_request(argument_values: Mapping[str, Any]) -> QuarantineRequest:
    """Parse a request from the arguments that ARGUMENTS declares.

    A missing argument gets its default. Restore and prune need a selector or --all. Raises InvalidQuarantineRequest
    with all mistakes.
    """
    mistakes = []
    selected_names = {
        key: tuple(dict.fromkeys(str(name).strip() for name in argument_values.get(key) or ())) for key in SELECTORS
    }
    for key, option in SELECTORS.items():
        # An empty name may come from an unset variable of the shell. It must not select everything.
        if "" in selected_names[key]:
            mistakes.append(f"{option}: found nothing, expected a name")
    invalid_ids = [
        invalid_id for invalid_id in selected_names["ids"] if invalid_id and not ITEM_ID.fullmatch(invalid_id)
    ]
    mistakes += [
        f"--id: found {invalid_id!r}, expected an id as the list has them, such as wechat-3fa4b2c1"
        for invalid_id in invalid_ids
    ]
    operation, selects_all = str(argument_values.get("do") or LIST), bool(argument_values.get("all"))
    accepts_loss = bool(argument_values.get("accept_loss"))
    min_age_seconds = 0
    if text := str(argument_values.get("older_than") or ""):
        try:
            min_age_seconds = parse_duration(text)
        except ValueError as error:
            mistakes.append(f"--older-than: {error}")
    has_selector = any(selected_names.values())
    if operation != LIST and not has_selector and not selects_all:
        options = ", ".join(SELECTORS.values())
        mistakes.append(f"{operation}: found no selector, expected one of {options}, or --all for everything there is")
    if has_selector and selects_all:
        mistakes.append("--all: found beside a selector, expected one or the other: --all is everything there is")
    if accepts_loss and operation != RESTORE:
        mistakes.append(f"--accept-loss: found with {operation}, expected with restore")
    if mistakes:
        raise InvalidQuarantineRequest(mistakes)
    format_ = str(argument_values.get("format") or TABLE_FORMAT)
    return QuarantineRequest(
        operation,
        **selected_names,
        all=selects_all,
        older_than=min_age_seconds,
        accept_loss=accepts_loss,
        format=format_,
    )


def list_requested_hosts(
    request: QuarantineRequest, run_hosts: Sequence[str], inventory_hosts: Collection[str]
) -> list[str]:
    """Return those hosts of a run that the request selects; without --host, all.

    Raises InvalidQuarantineRequest for a host that is not in the inventory, or that --limit excludes.
    """
    mistakes = []
    for host in request.hosts:
        if host not in inventory_hosts:
            mistakes.append(
                f"--host: found {host!r}, expected a host of the "
                f"inventory{propose_similar_names(host, inventory_hosts)}"
            )
        elif host not in run_hosts:
            mistakes.append(f"--host: found {host!r}, expected a host that --limit leaves")
    if mistakes:
        raise InvalidQuarantineRequest(mistakes)
    return [host for host in run_hosts if not request.hosts or host in request.hosts]


def list_mistyped_variables(variables: Iterable[str], typed_variables: Collection[str] = ()) -> list[str]:
    """Return a mistake for each misspelled variable of a request.

    If such a variable were ignored, the request would select too much. `typed_variables` come from -e options. A typed
    variable that begins with VARIABLE_PREFIX belongs to the request.
    """
    return list_variable_mistakes(variables, typed_variables, VARIABLE_PREFIX, list(VARIABLE_NAMES.values()))
