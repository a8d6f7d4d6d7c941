"""Commands: screen width, exit codes, option defaults, whole files, and options as variables of a playbook."""

import argparse
import os
import sys
from pathlib import Path

import pytest
from printed import too_wide
from proscribe.controller.cli import Refused, command_line, say, whole_file
from proscribe.controller.cli.catalog import files
from proscribe.controller.cli.command_line import read
from proscribe.controller.cli.variables import COMMANDS, arguments_of
from proscribe.controller.cli.whole_file import write_whole
from proscribe.controller.policy_errors import PolicyError, PolicyErrors
from proscribe.wire import installation

HELPED = [
    *([command] for command in command_line.COMMANDS),
    *(["catalog", name] for name in ("list", "show", "check", "stats", "stale", "refresh", "propose")),
    *(["waiver", name] for name in ("new", "sign", "verify", "list", "expire-soon", "revoke")),
]
ONE = PolicyError("a.yml:3", "mode", "x", "y")
OTHER = PolicyError("b.yml:5", "mode", "z", "y")
TYPED = [
    ("diff", {"diff_old": "latest", "diff_tool": "x"}, "diff_tool", "diff_old, diff_old_inventory, diff_as_now"),
    ("explain", {"explain_name": "x", "explain_extra_vars": "x"}, "explain_extra_vars", "explain_name, explain_expect"),
]


@pytest.mark.parametrize("place", [".", f"/srv/{'deep/' * 20}proscribe"])
@pytest.mark.parametrize("argv", HELPED, ids=" ".join)
def test_help_fits_the_screen(argv, place, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("PROSCRIBE_CALLED", f"{place}/proscribe")
    with pytest.raises(SystemExit):
        command_line.main([*argv, "--help"])
    assert too_wide(capsys.readouterr().out, 80) == []


def test_text_to_copy_out_of_a_message_stays_whole(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    key = f'  head.of.press namespaces="proscribe-waiver" ssh-ed25519 {"A" * 68}'
    path = f"/srv/{'deep/' * 20}allowed_signers"
    say(f"If this is the key of head.of.press, {path} needs this line:\n{key}", error=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["If this is the key of head.of.press,", f"  {path}", "  needs this line:", key]


def raising(error):
    def run(arguments):
        raise error

    return run


@pytest.mark.parametrize(
    ("run", "code", "said"),
    [
        (lambda _: 10, 10, []),
        (raising(Refused("there is no such host\nname another")), 2, ["there is no such host", "name another"]),
        (raising(PolicyErrors([ONE, OTHER])), 2, ["2 mistakes in the policy", str(ONE), str(OTHER)]),
        (raising(FileNotFoundError(2, "No such file", "w1.yml")), 2, ["w1.yml: No such file"]),
        (raising(OSError("the disk is full")), 2, ["the disk is full"]),
        (raising(KeyboardInterrupt()), 130, []),
    ],
)
def test_a_command_ends(run, code, said, monkeypatch, capsys):
    monkeypatch.setattr(command_line, "read", lambda command, options: (run, argparse.Namespace()))
    assert command_line.main(["explain"]) == code
    assert capsys.readouterr().err.splitlines() == [f"proscribe: {line}" for line in said]


@pytest.mark.parametrize("argv", [[], ["\x1b[2J"]])
def test_an_unknown_command_names_those_that_there_are(argv, capsys):
    assert command_line.main(argv) == 2
    said = capsys.readouterr().err
    assert "there is no command" in said and "explain" in said and "\x1b" not in said


def test_all_is_printed_when_a_command_ends_and_a_reader_may_have_seen_enough(monkeypatch, tmp_path):
    with (tmp_path / "printed").open("w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setattr(command_line, "read", lambda *_: (lambda _: stdout.write("said") and 10, None))
        assert command_line.main(["explain"]) == 10 and (tmp_path / "printed").read_text() == "said"
        monkeypatch.setattr(command_line, "read", lambda *_: (raising(BrokenPipeError()), None))
        assert command_line.main(["explain"]) == 0
        print("more")
    assert (tmp_path / "printed").read_text() == "said"


def test_an_error_of_our_own_is_no_answer(monkeypatch, capsys):
    monkeypatch.setattr(command_line, "read", lambda *_: (raising(RuntimeError("it broke")), None))
    assert command_line.main(["diff"]) == 70
    printed = capsys.readouterr()
    assert "it broke" in printed.err and printed.out == ""


@pytest.mark.parametrize("option", ["--jsn", "-K"])
def test_unknown_option_goes_to_ansible_where_a_command_starts_it(option, capsys):
    assert command_line.read("quarantine", ["list", option])[1].passed_on == [option]
    with pytest.raises(SystemExit) as ended:
        command_line.read("explain", ["x.example", option])
    assert ended.value.code == 2 and f"unrecognized arguments: {option}\n" in capsys.readouterr().err


PROJECT = Path(__file__).resolve().parents[3]


def test_file_is_written_whole_and_readable_for_others(tmp_path):
    place = tmp_path / "w1.yml"
    for content in (b"first", b"second"):
        write_whole(place, content)
        assert place.read_bytes() == content and place.stat().st_mode & 0o777 == 0o644
    assert os.listdir(tmp_path) == ["w1.yml"]


def test_failed_write_leaves_the_earlier_file(tmp_path, monkeypatch):
    place = tmp_path / "w1.yml"
    place.write_bytes(b"before")

    def full(descriptor):
        new, _ = sorted(os.listdir(tmp_path))
        assert new.startswith(".") and os.fstat(descriptor).st_size == len(b"after"), "hidden, and written by now"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(whole_file.os, "fsync", full)
    with pytest.raises(Refused, match="w1.yml: No space left on device"):
        write_whole(place, b"after")
    assert place.read_bytes() == b"before" and os.listdir(tmp_path) == ["w1.yml"]


@pytest.mark.parametrize(
    ("collection", "place", "written"), [("", "root", True), ("acme.ban", "own", True), ("acme.ban", "root", False)]
)
def test_a_file_of_a_catalogue_is_written_but_in_a_collection(tmp_path, monkeypatch, collection, place, written):
    monkeypatch.setattr(installation, "COLLECTION", collection)
    monkeypatch.setattr(installation, "ROOT", tmp_path / "root")
    path = tmp_path / place / "catalog/webmail/owl.yml"
    for text in ("first\n", "Zürich\n") if written else ():
        files.write(path, text)
        assert path.read_text(encoding="utf-8") == text
    if not written:
        with pytest.raises(Refused, match="owl.yml is in the collection"):
            files.write(path, "first\n")
        assert os.listdir(tmp_path) == []


def test_a_file_in_the_place_of_a_folder_of_a_catalogue_is_named(tmp_path):
    (tmp_path / "webmail").write_text("")
    with pytest.raises(Refused, match="webmail/owl.yml: File exists"):
        files.write(tmp_path / "webmail/owl.yml", "x")


@pytest.mark.parametrize(
    ("command", "variables", "words"),
    [
        ("explain", {"explain_name": "whatsapp", "other_name": "x"}, ["--", "whatsapp"]),
        ("explain", {"explain_name": "--json", "explain_json": True}, ["--json", "--", "--json"]),
        ("explain", {"explain_name": "x", "explain_json": "False", "explain_limit": "a:b"}, ["--limit=a:b", "--", "x"]),
        ("diff", {"diff_old": "latest", "diff_as_now": ["a", "-b"]}, ["--as-now=a", "--as-now=-b", "--", "latest"]),
        ("waiver", {"waiver_do": "verify", "waiver_id": ["a", "b"]}, ["verify", "--", "a", "b"]),
        (
            *("waiver", {"waiver_do": "new", "waiver_requested_by": "chan", "waiver_service": ["a", "b"]}),
            ["new", "--service=a", "--service=b", "--requested-by=chan"],
        ),
        ("catalog", {"catalog_do": "show", "catalog_service": "line"}, ["show", "--", "line"]),
    ],
)
def test_the_arguments(command, variables, words):
    assert arguments_of(command, variables) == words
    read(command, words)  # as somebody who types it


@pytest.mark.parametrize(
    ("command", "variables", "message"),
    [
        ("explain", {"explain_nmae": "x"}, "explain_nmae: found an unknown variable, expected explain_name"),
        ("explain", {"explain_name": ["x", "y"]}, "explain_name: found a list, expected one value"),
        ("explain", {"explain_name": "x", "explain_json": "maybe"}, "explain_json: found maybe, expected true or"),
        ("waiver", {"waiver_do": "lst"}, "waiver_do: found 'lst', expected .*list"),
        ("waiver", {"waiver_do": "new", "waiver_services": "x"}, "waiver_services: found .*, expected waiver_service$"),
    ],
)
def test_wrong_variable_is_refused(command, variables, message):
    with pytest.raises(Refused, match=message):
        arguments_of(command, variables)


@pytest.mark.parametrize(("command", "variables", "wrong", "known"), TYPED)
def test_typed_variable_that_is_no_option_is_refused_with_the_options(command, variables, wrong, known):
    arguments_of(command, variables)
    with pytest.raises(Refused, match=f"{wrong}: found an unknown variable, expected .*{known}"):
        arguments_of(command, variables, list(variables))


def test_every_command_with_a_playbook_has_variables():
    playbooks = {path.stem for path in (PROJECT / "playbooks").glob("*.yml")}
    assert playbooks.intersection(command_line.COMMANDS) - {"report", "quarantine"} == set(COMMANDS)
