"""The options of a command as variables of its playbook."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.cli import Refused
from proscribe.cli.command_line import read
from proscribe.cli.variables import COMMANDS, arguments_of


@pytest.mark.parametrize(
    ("command", "variables", "words"),
    [
        ("explain", {"explain_name": "whatsapp", "other_name": "x"}, ["--", "whatsapp"]),
        ("explain", {"explain_name": "--json", "explain_json": True}, ["--json", "--", "--json"]),
        ("explain", {"explain_name": "x", "explain_json": "False", "explain_limit": "a:b"}, ["--limit=a:b", "--", "x"]),
        ("diff", {"diff_old": "latest", "diff_as_now": ["a", "-b"]}, ["--as-now=a", "--as-now=-b", "--", "latest"]),
        ("waiver", {"waiver_do": "verify", "waiver_ids": ["a", "b"]}, ["verify", "--", "a", "b"]),
        ("catalog", {"catalog_do": "show", "catalog_service": "line"}, ["show", "--", "line"]),
    ],
)
def test_the_arguments(command: str, variables: dict[str, Any], words: list[str]) -> None:
    assert arguments_of(command, variables) == words
    read(command, words)  # as somebody who types it


@pytest.mark.parametrize(
    ("command", "variables", "message"),
    [
        ("explain", {"explain_nmae": "x"}, "explain_nmae: found an unknown variable, expected explain_name"),
        ("explain", {"explain_name": ["x", "y"]}, "explain_name: found a list, expected one value"),
        ("explain", {"explain_name": {"x": 1}}, "explain_name: found dict, expected a text"),
        (
            "explain",
            {"explain_name": "x", "explain_json": "maybe"},
            "explain_json: found maybe, expected true or false",
        ),
        ("waiver", {}, "waiver_do: found '', expected new or sign or"),
        ("waiver", {"waiver_do": "lst"}, "waiver_do: found 'lst', expected .*list"),
    ],
)
def test_what_cannot_be_meant_is_refused(command: str, variables: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused, match=message):
        arguments_of(command, variables)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_inventory_is_that_of_the_run(command: str) -> None:
    """No variable replaces what ansible-playbook was given."""
    chosen = {"waiver_do": "list", "catalog_do": "list"}
    given = {f"{command}_{name}": "/x" for name in ("extra_vars", "vault_ids", "ask_vault_pass")}
    assert "/x" not in " ".join(arguments_of(command, {**chosen, **given}))
