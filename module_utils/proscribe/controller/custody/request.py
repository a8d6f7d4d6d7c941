"""What an operator asks of the quarantines: which of the three verbs, and which things it is about."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

from ...base.duration import parse_duration
from ...model.quarantined import ITEM_ID, LIST, PRUNE, RESTORE
from ..policy_errors import close_to, unknown_variables

VERBS = (LIST, RESTORE, PRUNE)
TABLE, JSON = "table", "json"
FORMATS = (TABLE, JSON)
PREFIX = "quarantine_"  # of the variables that playbooks/quarantine.yml takes, one for each option below


class Argument(TypedDict, total=False):
    """An argument of an action as Ansible describes it. A text is the usual type."""

    type: str
    choices: list[str]


# The launcher's options have the same meaning (cli/quarantine.py). What is not given is None; `read` says what that
# means.
ARGUMENTS: dict[str, Argument] = {
    "do": {"choices": list(VERBS)},
    **dict.fromkeys(("hosts", "users", "services", "ids"), {"type": "list"}),
    "all": {"type": "bool"},
    "older_than": {},
    "accept_loss": {"type": "bool"},
    "format": {"choices": list(FORMATS)},
}
SELECTORS = {"hosts": "--host", "users": "--user", "services": "--service", "ids": "--id"}
# The variable of each, which is named as the option is.
VARIABLES = {name: PREFIX + SELECTORS.get(name, name).lstrip("-") for name in ARGUMENTS}


class Wrong(ValueError):
    """What was asked for cannot be meant: the option, its value, and what was expected; a line for each mistake."""

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))


class Request(NamedTuple):
    """A question. What is chosen has one of each kind of selector that names any."""

    do: str
    hosts: Sequence[str] = ()
    users: Sequence[str] = ()
    services: Sequence[str] = ()
    ids: Sequence[str] = ()
    all: bool = False
    older_than: int = 0  # seconds; 0 for any age
    accept_loss: bool = False
    format: str = TABLE


def read(values: Mapping[str, Any]) -> Request:
    """The question, out of values as ARGUMENTS has them. Raises Wrong, with every mistake."""
    mistakes = []
    named = {key: tuple(dict.fromkeys(str(one).strip() for one in values.get(key) or ())) for key in SELECTORS}
    for key, option in SELECTORS.items():
        # A variable of the shell that is empty must not make it be about everything.
        if "" in named[key]:
            mistakes.append(f"{option}: found nothing, expected a name")
    bad = [id_ for id_ in named["ids"] if id_ and not ITEM_ID.fullmatch(id_)]
    mistakes += [f"--id: found {id_!r}, expected an id as the list has them, such as wechat-3fa4b2c1" for id_ in bad]
    do, everything = str(values.get("do") or LIST), bool(values.get("all"))
    accepted = bool(values.get("accept_loss"))
    older = 0
    if text := str(values.get("older_than") or ""):
        try:
            older = parse_duration(text)
        except ValueError as error:
            mistakes.append(f"--older-than: {error}")
    selected = any(named.values())
    if do != LIST and not selected and not everything:
        options = ", ".join(SELECTORS.values())
        mistakes.append(f"{do}: found no selector, expected one of {options}, or --all for everything there is")
    if selected and everything:
        mistakes.append("--all: found beside a selector, expected one or the other: --all is everything there is")
    if accepted and do != RESTORE:
        mistakes.append(f"--accept-loss: found with {do}, expected with restore")
    if mistakes:
        raise Wrong(mistakes)
    format_ = str(values.get("format") or TABLE)
    return Request(do, **named, all=everything, older_than=older, accept_loss=accepted, format=format_)


def hosts_of(request: Request, run: Sequence[str], inventory: Collection[str]) -> list[str]:
    """The hosts of a run that are asked. Raises Wrong for one that the inventory does not have, or that the run leaves
    out.
    """
    mistakes = []
    for host in request.hosts:
        if host not in inventory:
            mistakes.append(f"--host: found {host!r}, expected a host of the inventory{close_to(host, inventory)}")
        elif host not in run:
            mistakes.append(f"--host: found {host!r}, expected a host that --limit leaves")
    if mistakes:
        raise Wrong(mistakes)
    return [host for host in run if not request.hosts or host in request.hosts]


def mistyped(variables: Iterable[str], typed: Collection[str] = ()) -> list[str]:
    """A mistake for each variable that was meant to be one of ours: without it, more would be chosen than was meant.
    Those that somebody has `typed` with -e are ours if they have the prefix.
    """
    return unknown_variables(variables, typed, PREFIX, list(VARIABLES.values()))
