"""Commands that are printed: one builder makes them, the parsers take them, and those that only read are run."""

from __future__ import annotations

import argparse
import ast
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import doc_commands
import pytest
from command_parsers import parsers
from proscribe.controller.cli import command_line
from proscribe.controller.cli.next_command import format_suggestions, propose
from proscribe.controller.cli.variables import arguments_of
from proscribe.controller.report.evaluation.advice import advice
from proscribe.controller.report.evaluation.reconcile import fleet_report, reconcile
from proscribe.controller.report.text.command import Call, Subcommand
from proscribe.wire import installation

PROJECT = Path(__file__).resolve().parents[5]
SOURCES = ("module_utils/proscribe/controller", "module_utils/proscribe_ansible", "action_plugins", "callback_plugins")
SUBCOMMANDS = {word: [*parsers(word)] for word in ("waiver", "catalog")}
NAMED = [line for lines in SUBCOMMANDS.values() for line in lines if " " in line]
NAMED += [f"quarantine {word}" for word in ("list", "restore", "prune")] + ["requests refuse", "requests list"]
WORDS = "|".join(doc_commands.launcher_commands())
OTHERS = "git|ansible|ansible-[a-z]+|ssh-keygen|systemctl|pip|apt-get"
BY_HAND = re.compile(rf"\b(?:{'|'.join(NAMED)})\b|`(?:\S*proscribe )?(?:{WORDS}|{OTHERS}) |\b(?:{WORDS}) --[a-z]")
HELP = re.compile(r"\./proscribe (?:[^\n]*\\\n)*[^\n]*")
# Literals that are no command for somebody to type next.
ALLOWED = {
    "compile/restrictions/controls.py": "the meaning of a variable, for the documents",
    "compile/restrictions/schedule_values.py": "what a value has to look like",
    "cli/init/repository.py": "the README of a team's repository",
    "cli/waiver/sign.py": "the help: which program signs alike",
}


def literals(path: Path) -> Iterator[str]:
    """The texts of a module, without its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = (node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef))
    first = (node.body[0] for node in documented if node.body)
    docstrings = {id(one.value) for one in first if isinstance(one, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_no_command_is_written_by_hand_in_a_message() -> None:
    found = {
        str(path.relative_to(PROJECT)): text
        for folder in SOURCES
        for path in sorted((PROJECT / folder).rglob("*.py"))
        for text in literals(path)
        if BY_HAND.search(HELP.sub("", text))
    }
    assert {path: text for path, text in found.items() if not path.endswith(tuple(ALLOWED))} == {}
    assert all(any(path.endswith(name) for path in found) for name in ALLOWED), "an exception that nothing needs"


INVENTORY = argparse.Namespace(
    inventory=["our hosts"], extra_vars=["@more.yml", "site_password=secret"], vault_ids=[], vault_password_files=[]
)
INVENTORY.ask_vault_pass = False
RUN: dict[str, Any] = {
    "id": "r",
    "playbook": "audit",
    "mode": "audit",
    "inventory": ["our hosts"],
    "limit": "web01",
    "controls": ["apps", "browser", "firewall", "dns"],
    "started": "2026-11-25T00:00:00Z",
    "stale_catalog": {"max_days": 30, "directories": [str(installation.CATALOGUE), "/srv/our own"]},
}
OF_PLAYBOOK = Call(("ansible-playbook",), playbook=f"{PROJECT}/playbooks/audit.yml")


def printed_by_a_run(call: Call) -> list[str]:
    """The commands below the report of a run that found the catalogue stale, and whose host did not answer."""
    run: Any = {**RUN, "command": call.as_dict()}
    fleet = reconcile({"web01": "sha256:0"}, [])
    steps = advice(fleet_report(run, fleet, "2026-11-25T01:00:00Z"), fleet.records)
    return [step.command.line() for step in steps if step.command]


def options_of(line: str) -> tuple[str, list[str]]:
    """A printed command as the launcher's command takes it, whichever way it is printed."""
    (argv,) = doc_commands.simple_commands(line)
    if not argv[0].endswith("ansible-playbook"):
        return argv[1], argv[2:]
    word = Path(argv[1].rpartition(".")[2] if installation.COLLECTION else argv[1]).stem
    extra = json.loads(argv[argv.index("-e", argv.index("-e") + 1 if argv.count("-e") > 1 else 0) + 1])
    return word, arguments_of(word, extra, extra)


@pytest.mark.parametrize("call", [Call(("./proscribe",), "audit"), OF_PLAYBOOK], ids=["launcher", "playbook"])
def test_what_a_run_prints_is_taken_by_the_parser_and_keeps_the_catalogue(call: Call) -> None:
    (line,) = [line for line in printed_by_a_run(call) if "catalog" in line]
    assert [wrong for one in printed_by_a_run(call) for wrong in doc_commands.wrong_with(one)] == []
    word, words = options_of(line)
    arguments = command_line.read(word, words)[1]
    assert (arguments.subcommand, arguments.max_age, arguments.dir) == ("stale", 30, ["/srv/our own"])
    assert arguments.catalog == str(installation.CATALOGUE)


@pytest.mark.parametrize("collection", ["", "proscribe.ban"])
@pytest.mark.parametrize(
    ("word", "more", "scoped", "parsed"),
    [
        ("waiver", Subcommand("sign", values={"id": "press-whatsapp"}), True, {"id": "press-whatsapp"}),
        ("waiver", Subcommand("list"), True, {}),
        ("catalog", Subcommand("refresh", {"dir": ["a b"]}, {"list": ["x", "y"]}), False, {"id": ["x", "y"]}),
        ("catalog", Subcommand("refresh", {}, {"list": ["-x"]}), False, {"id": ["-x"]}),
    ],
)
def test_what_a_command_prints_is_taken_by_the_parser_and_keeps_the_inventory(
    monkeypatch: pytest.MonkeyPatch, collection: str, word: str, more: Subcommand, scoped: bool, parsed: dict[str, Any]
) -> None:
    monkeypatch.setattr(installation, "COLLECTION", collection)
    secret, line = (
        format_suggestions(propose(word, more, INVENTORY)) if scoped else ["", *format_suggestions(propose(word, more))]
    )
    assert line.startswith("  ") and doc_commands.wrong_with(line) == []
    assert line.startswith(f"  ansible-playbook proscribe.ban.{word} ") is bool(collection)
    assert ("site_password" in secret, "secret" in line.replace("proscribe-secret-vars.yml", "")) == (scoped, False)
    argv = shlex.split(line)
    if scoped:
        assert argv[argv.index("-i") + 1] == "our hosts" and "@more.yml" in argv
    if collection:
        extra = json.loads(next((text for text in reversed(argv) if text.startswith("{")), "{}"))
        words = arguments_of(word, extra, extra)
    else:
        words = argv[argv.index(word) + 1 :]
    arguments = vars(command_line.read(word, words)[1])
    assert arguments["subcommand"] == more.name
    assert {key: arguments[key] for key in parsed} == parsed
