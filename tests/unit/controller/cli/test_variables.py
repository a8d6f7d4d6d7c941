"""The options of a command as variables of its playbook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.cli import Refused, command_line
from proscribe.controller.cli.command_line import read
from proscribe.controller.cli.variables import COMMANDS, arguments_of

PROJECT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize(
    ("command", "variables", "words"),
    [
        ("explain", {"explain_name": "whatsapp", "other_name": "x"}, ["--", "whatsapp"]),
        ("explain", {"explain_name": "--json", "explain_json": True}, ["--json", "--", "--json"]),
        ("explain", {"explain_name": "x", "explain_json": "False", "explain_limit": "a:b"}, ["--limit=a:b", "--", "x"]),
        ("diff", {"diff_old": "latest", "diff_as_now": ["a", "-b"]}, ["--as-now=a", "--as-now=-b", "--", "latest"]),
        ("waiver", {"waiver_do": "verify", "waiver_id": ["a", "b"]}, ["verify", "--", "a", "b"]),
        (
            "waiver",
            {
                "waiver_do": "new",
                "waiver_requested_by": "chan",
                "waiver_service": ["a", "b"],
                "waiver_compensating_control": "x",
            },
            ["new", "--service=a", "--service=b", "--compensating-control=x", "--requested-by=chan"],
        ),
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
        (
            "explain",
            {"explain_name": "x", "explain_json": "maybe"},
            "explain_json: found maybe, expected true or false",
        ),
        ("waiver", {"waiver_do": "lst"}, "waiver_do: found 'lst', expected .*list"),
        ("waiver", {"waiver_do": "new", "waiver_services": "x"}, "waiver_services: found .*, expected waiver_service$"),
    ],
)
def test_what_cannot_be_meant_is_refused(command: str, variables: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused, match=message):
        arguments_of(command, variables)


TYPED = [
    ("diff", {"diff_old": "latest", "diff_tool": "x"}, "diff_tool", "diff_old, diff_old_inventory, diff_as_now"),
    ("explain", {"explain_name": "x", "explain_extra_vars": "x"}, "explain_extra_vars", "explain_name, explain_expect"),
]


@pytest.mark.parametrize(("command", "variables", "wrong", "known"), TYPED)
def test_what_was_typed_and_is_no_option_is_refused_with_those_that_are(
    command: str, variables: dict[str, Any], wrong: str, known: str
) -> None:
    """An inventory may have it for something else, which nobody has typed for this command."""
    arguments_of(command, variables)
    with pytest.raises(Refused, match=f"{wrong}: found an unknown variable, expected .*{known}"):
        arguments_of(command, variables, list(variables))


def test_every_command_with_a_playbook_has_variables() -> None:
    """The other ones have a playbook with a rule of its own."""
    playbooks = {path.stem for path in (PROJECT / "playbooks").glob("*.yml")}
    assert playbooks.intersection(command_line.COMMANDS) - {"report", "quarantine"} == set(COMMANDS)
