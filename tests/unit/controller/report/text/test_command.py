"""Printed commands: one line that reaches the program word for word, in the scope of the run."""

import argparse
import ast
import json
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import doc_commands
import pytest
from command_parsers import parsers
from fleets import run
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from proscribe.controller.cli import command_line
from proscribe.controller.cli.next_command import format_suggestions, propose
from proscribe.controller.cli.variables import arguments_of
from proscribe.controller.report.collection.invocation import called, parsed, repeated
from proscribe.controller.report.evaluation.advice import advice
from proscribe.controller.report.evaluation.reconcile import fleet_report, reconcile
from proscribe.controller.report.text.command import Call, Subcommand, quoted
from proscribe.host.controls.apps.quarantine import moving
from proscribe.host.system import LIFT, WRITTEN_BY
from proscribe.wire import installation
from proscribe.wire.installation import LAUNCHER

PROJECT = str(Path(__file__).resolve().parents[5])

# As ansible-playbook has them, some of them.
OPTIONS = {
    **dict.fromkeys(("-i", "--inventory"), ("inventory", True)), **dict.fromkeys(("-l", "--limit"), ("subset", True)),
    **dict.fromkeys(("-t", "--tags"), ("tags", True)), "--skip-tags": ("skip_tags", True),
    **dict.fromkeys(("-e", "--extra-vars"), ("extra_vars", True)),
    **dict.fromkeys(("-u", "--user"), ("remote_user", True)), **dict.fromkeys(("-b", "--become"), ("become", False)),
    "--become-user": ("become_user", True), **dict.fromkeys(("-C", "--check"), ("check", False)),
    **dict.fromkeys(("-D", "--diff"), ("diff", False)),
    **dict.fromkeys(("-K", "--ask-become-pass"), ("become_ask_pass", False)), "--vault-id": ("vault_ids", True),
    "--vault-password-file": ("vault_password_files", True), "--ssh-common-args": ("ssh_common_args", True),
    "--list-hosts": ("listhosts", False), "-v": ("verbosity", False),
}  # fmt: skip
SCOPE = ["-i", "a b/prod", "-i", "x,y", "--tags", "apps,browser", "--skip-tags=slow", "-e", "@vars file.yml"]
SCOPE += ["-e", '{"note": "it\'s $HOME `id` !!"}', "-u", "ops", "-bK", "--vault-id", "dev@prompt"]
SCOPE += ["--vault-password-file", "pw", "--become-user=root"]
HOSTS = ["web01", "web02", "web03"]
# Examples in the help, files of one host (which reach no other host), and descriptions of variables and keys.
WITH_LAUNCHER = {
    "controller/cli": "report requests export quarantine __init__ diff/__init__ explain/__init__ init/__init__ "
                      "scheduled/__init__ waiver/new collection/__init__",
    "controller/compile": "restrictions/runs inventory/retired", "host/system": "files", "model/types": "export",
    "host/controls/apps": "quarantine/moving",
}  # fmt: skip


def make_launcher_call(word="audit", options=(), program="./proscribe", here="/srv", **environment):
    argv = ["/venv/bin/ansible-playbook", f"{PROJECT}/playbooks/{word}.yml", *options]
    return called(argv, {"PROSCRIBE_CALLED": program, **environment}, OPTIONS, here)


def test_options_that_narrow_a_command_come_first():
    line = make_launcher_call(options=SCOPE).instead("enforce", "web01").line("/srv")
    assert line.startswith("./proscribe enforce --check --diff --limit web01 ")


def test_a_launcher_that_cannot_be_executed_is_run_by_sh(tmp_path):
    (tmp_path / "proscribe").touch(0o644)
    assert make_launcher_call(program="proscribe", here=str(tmp_path)).program == ("sh", "./proscribe")


def test_plain_ansible_playbook_is_proposed_where_it_was_called(tmp_path, monkeypatch):
    monkeypatch.chdir(PROJECT)
    argv = ["/opt/venv/bin/ansible-playbook", "-i", "prod", "playbooks/audit.yml", "-t", "apps"]
    call = called(argv, {"ANSIBLE_CONFIG": "/etc/our.cfg"}, OPTIONS, PROJECT)
    started = ("env", "ANSIBLE_CONFIG=/etc/our.cfg", "/opt/venv/bin/ansible-playbook")
    assert call.again("web01").argv == (
        *started, "--limit", "web01", "playbooks/audit.yml", "-i", "prod", "-t", "apps",
    )  # fmt: skip
    assert call.instead("enforce").argv == (
        *started, "--check", "--diff", "playbooks/enforce.yml", "-i", "prod", "-t", "apps",
    )  # fmt: skip


def test_a_playbook_of_somebody_else_is_proposed_again_and_none_of_ours_in_its_place(tmp_path):
    """Its `hosts:` and `vars:` are in there: ours would reach every host, by another policy."""
    call = called(["ansible-playbook", "site.yml"], {}, OPTIONS, str(tmp_path))
    assert call.again().argv == ("ansible-playbook", "site.yml")
    assert call.again(more=["-b"]).argv == ("ansible-playbook", "site.yml", "-b")
    assert call.instead("enforce") is None


@examples(200)
@given(st.text(max_size=60))
def test_any_text_is_read_without_an_error(text):
    repeated(parsed(["-e", text, f"-{text}", f"--{text}"], OPTIONS))


def test_a_report_of_before_names_the_launcher_of_this_checkout_and_keeps_its_controls():
    result = run(HOSTS, inventory=["/srv/prod"], controls=["apps"], command=None)
    options = "audit --limit web01 -i /srv/prod --tags apps"
    assert Call.of(result).again("web01").line("/srv") == f"{quoted(LAUNCHER)} {options}"


@pytest.mark.parametrize(("word", "line"), [
    ("a-b/c=d", "a-b/c=d"),
    ("a b", "'a b'"),
    ("", "''"),
    ("=x", "'='x"),  # zsh puts the path of the program x there
    ("a'b", "'a'\"'\"'b'"),
    ("\u5fae", "'\u5fae'"),
    ("a\x1b", "$'a\\033'"),
    ("\n'\\", "$'\\012\\'\\\\'"),
    ("\udcff", "$'\\377'"),
])  # fmt: skip
def test_a_word_is_quoted_for_every_shell(word, line):
    assert quoted(word) == line


def test_the_launcher_is_the_file_at_the_top_of_the_project():
    assert os.path.join(PROJECT, "proscribe") == LAUNCHER and os.access(LAUNCHER, os.X_OK)


def test_withheld_options_are_named_before_the_command():
    assert Call().secrets() == []
    (step,) = Call(withheld=("one", "two")).secrets()
    assert step.command is None and step.text.startswith("first put one, two into proscribe-secret-vars.yml (")


def test_command_in_a_file_of_a_host_reaches_no_other_host():
    assert LIFT.split()[:3] == ["./proscribe", "lift", "--limit"]
    assert LIFT in WRITTEN_BY and LIFT in moving.SAID
    assert not re.search(r"proscribe lift(?! --limit)", WRITTEN_BY + moving.SAID)
    assert len(WRITTEN_BY) < 127  # nft takes no longer comment


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


def read_literals(path: Path) -> Iterator[str]:
    """Return the texts of a module without its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = (node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef))
    first = (node.body[0] for node in documented if node.body)
    docstrings = {id(item.value) for item in first if isinstance(item, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_no_command_is_written_by_hand_in_a_message():
    result = {
        str(path.relative_to(Path(PROJECT))): text
        for folder in SOURCES
        for path in sorted((Path(PROJECT) / folder).rglob("*.py"))
        for text in read_literals(path)
        if BY_HAND.search(HELP.sub("", text))
    }
    assert {path: text for path, text in result.items() if not path.endswith(tuple(ALLOWED))} == {}
    assert all(any(path.endswith(name) for path in result) for name in ALLOWED), "an exception that nothing needs"


def test_no_other_text_has_a_command_without_its_scope():
    root = Path(PROJECT) / "module_utils/proscribe"
    allowed = {root / folder / f"{name}.py" for folder, names in WITH_LAUNCHER.items() for name in names.split()}
    plugins = ("module_utils", "action_plugins", "callback_plugins", "filter_plugins", "library", "test_plugins")
    paths = {path for folder in plugins for path in (Path(PROJECT) / folder).rglob("*.py")} - allowed
    texts = [text for path in paths if "./proscribe" in path.read_text() for text in read_literals(path)]
    assert [text for text in texts if re.search(r"\./proscribe (?:\w|\{)", text)] == []


INVENTORY = argparse.Namespace(
    inventory=["our hosts"], extra_vars=["@more.yml", "site_password=secret"], vault_ids=[], vault_password_files=[]
)
INVENTORY.ask_vault_pass = False
RUN: dict[str, Any] = {
    "id": "r", "playbook": "audit", "mode": "audit", "inventory": ["our hosts"], "limit": "web01",
    "controls": ["apps", "browser", "firewall", "dns"], "started": "2026-11-25T00:00:00Z",
    "stale_catalog": {"max_days": 30, "directories": [str(installation.CATALOGUE), "/srv/our own"]},
}  # fmt: skip
OF_PLAYBOOK = Call(("ansible-playbook",), playbook=f"{Path(PROJECT)}/playbooks/audit.yml")


def print_commands_of_run(call: Call) -> list[str]:
    """Return the commands below a report with a stale catalogue and a silent host."""
    run: Any = {**RUN, "command": call.as_dict()}
    fleet = reconcile({"web01": "sha256:0"}, [])
    steps = advice(fleet_report(run, fleet, "2026-11-25T01:00:00Z"), fleet.records)
    return [step.command.line() for step in steps if step.command]


def read_options(line: str) -> tuple[str, list[str]]:
    """Return a printed command as the launcher takes it."""
    (argv,) = doc_commands.simple_commands(line)
    if not argv[0].endswith("ansible-playbook"):
        return argv[1], argv[2:]
    word = Path(argv[1].rpartition(".")[2] if installation.COLLECTION else argv[1]).stem
    extra = json.loads(argv[argv.index("-e", argv.index("-e") + 1 if argv.count("-e") > 1 else 0) + 1])
    return word, arguments_of(word, extra, extra)


@pytest.mark.parametrize("call", [Call(("./proscribe",), "audit"), OF_PLAYBOOK], ids=["launcher", "playbook"])
def test_parser_takes_commands_of_a_run_with_its_catalogue(call):
    (line,) = [line for line in print_commands_of_run(call) if "catalog" in line]
    assert [wrong for item in print_commands_of_run(call) for wrong in doc_commands.wrong_with(item)] == []
    word, words = read_options(line)
    arguments = command_line.read(word, words)[1]
    assert (arguments.subcommand, arguments.max_age, arguments.dir) == ("stale", 30, ["/srv/our own"])
    assert arguments.catalog == str(installation.CATALOGUE)


@pytest.mark.parametrize("collection", ["", "proscribe.ban"])
@pytest.mark.parametrize(("word", "more", "scoped", "parsed"), [
    ("waiver", Subcommand("sign", values={"id": "press-whatsapp"}), True, {"id": "press-whatsapp"}),
    ("catalog", Subcommand("refresh", {"dir": ["a b"]}, {"list": ["x", "y"]}), False, {"id": ["x", "y"]}),
    ("catalog", Subcommand("refresh", {}, {"list": ["-x"]}), False, {"id": ["-x"]}),
])  # fmt: skip
def test_parser_takes_commands_of_a_command_with_its_inventory(monkeypatch, collection, word, more, scoped, parsed):
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
