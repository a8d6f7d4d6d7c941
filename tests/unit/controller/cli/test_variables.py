"""The options of a command as variables of its playbook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from command_parsers import options, parsers
from proscribe.controller.cli import Refused, command_line
from proscribe.controller.cli.command_line import read
from proscribe.controller.cli.variables import COMMANDS, OF_THE_RUN, arguments_of, variables_of
from proscribe.controller.custody.request import VARIABLES

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
        ("explain", {"explain_name": "x", "explain_host": "a"}, ["--host=a", "--", "x"]),
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
        ("waiver", {"waiver_do": "new", "waiver_services": "x"}, "waiver_services: found .*, expected waiver_service$"),
    ],
)
def test_what_cannot_be_meant_is_refused(command: str, variables: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused, match=message):
        arguments_of(command, variables)


TYPED = [
    ("diff", {"diff_old": "latest", "diff_tool": "x"}, "diff_tool", "diff_old, diff_old_inventory, diff_as_now"),
    ("explain", {"explain_name": "x", "explain_extra_vars": "x"}, "explain_extra_vars", "explain_name, explain_expect"),
    ("waiver", {"waiver_do": "list", "waiver_reason": "x"}, "waiver_reason", "waiver_do, waiver_json, waiver_limit"),
    (
        "catalog",
        {"catalog_do": "check", "catalog_url": "x"},
        "catalog_url",
        "catalog_do, catalog_json, catalog_catalog",
    ),
]


@pytest.mark.parametrize(("command", "variables", "wrong", "known"), TYPED)
def test_what_was_typed_and_is_no_option_is_refused_with_those_that_are(
    command: str, variables: dict[str, Any], wrong: str, known: str
) -> None:
    """An inventory may have it for something else, which nobody has typed for this command."""
    arguments_of(command, variables)
    with pytest.raises(Refused, match=f"{wrong}: found an unknown variable, expected .*{known}"):
        arguments_of(command, variables, list(variables))


@pytest.mark.parametrize("command", [*COMMANDS, "report", "quarantine"])
def test_each_variable_is_named_as_its_option_is(command: str) -> None:
    for parser in parsers(command).values():
        named = variables_of(command, parser)
        assert len(named) == len([one for one in options(parser) if one.dest not in OF_THE_RUN]), "no two have one name"
        for name, action in named.items():
            given = name.removeprefix(f"{command}_").replace("_", "-")
            assert f"--{given}" in action.option_strings or given == (action.metavar or action.dest).lower()


def test_the_playbooks_with_variables_of_their_own_have_the_same_rule() -> None:
    for command in ("report", "quarantine"):
        text = (PROJECT / f"playbooks/{command}.yml").read_text(encoding="utf-8")
        used = set(re.findall(rf"{{{{ ({command}_\w+)", text))
        assert used == set(variables_of(command, parsers(command)[command]))
    assert set(VARIABLES.values()) == set(variables_of("quarantine", parsers("quarantine")["quarantine"]))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_inventory_is_that_of_the_run(command: str) -> None:
    """No variable replaces what ansible-playbook was given."""
    chosen = {"waiver_do": "list", "catalog_do": "list"}
    given = {f"{command}_{name}": "/x" for name in ("extra_vars", "vault_ids", "ask_vault_pass")}
    assert "/x" not in " ".join(arguments_of(command, {**chosen, **given}))


@pytest.mark.parametrize("command", COMMANDS)
def test_no_variable_stands_for_an_option_of_the_run(command: str) -> None:
    of_the_run = {"--inventory", "--extra-vars", "--vault-id", "--vault-password-file", "--ask-vault-pass", "--help"}
    for parser in parsers(command).values():
        for action in variables_of(command, parser).values():
            assert of_the_run.isdisjoint(action.option_strings) or action.dest == "existing"


def test_every_command_with_a_playbook_has_variables() -> None:
    """The other ones have a playbook with a rule of its own."""
    playbooks = {path.stem for path in (PROJECT / "playbooks").glob("*.yml")}
    assert playbooks.intersection(command_line.COMMANDS) - {"report", "quarantine"} == set(COMMANDS)
