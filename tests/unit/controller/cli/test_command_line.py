"""How a command ends: its exit code, and what stands on the error stream."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from proscribe.controller import cli
from proscribe.controller.cli import Refused, command_line
from proscribe.controller.policy_errors import PolicyError, PolicyErrors

ONE = PolicyError("a.yml:3", "mode", "x", "y")
OTHER = PolicyError("b.yml:5", "mode", "z", "y")


def raising(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
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
def test_a_command_ends(
    run: Callable[[argparse.Namespace], int],
    code: int,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command_line, "read", lambda command, options: (run, argparse.Namespace()))
    assert command_line.main(["explain"]) == code
    assert capsys.readouterr().err.splitlines() == [f"proscribe: {line}" for line in said]


@pytest.mark.parametrize("argv", [[], ["\x1b[2J"]])
def test_an_unknown_command_names_those_that_there_are(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(argv) == 2
    said = capsys.readouterr().err
    assert "there is no command" in said and "explain" in said and "\x1b" not in said


def test_all_is_printed_when_a_command_ends_and_a_reader_may_have_seen_enough(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "printed").open("w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setattr(command_line, "read", lambda *_: (lambda _: stdout.write("said") and 10, None))
        assert command_line.main(["explain"]) == 10 and (tmp_path / "printed").read_text() == "said"
        monkeypatch.setattr(command_line, "read", lambda *_: (raising(BrokenPipeError()), None))
        assert command_line.main(["explain"]) == 0
        print("more")
    assert (tmp_path / "printed").read_text() == "said"


def test_an_error_of_our_own_is_no_answer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Python has exit code 1 for it, with which `diff`, `explain` and `waiver verify` answer."""
    monkeypatch.setattr(command_line, "read", lambda *_: (raising(RuntimeError("it broke")), None))
    assert command_line.main(["diff"]) == 70
    printed = capsys.readouterr()
    assert "it broke" in printed.err and printed.out == ""


def test_every_module_with_options_and_a_run_is_a_command() -> None:
    modules = [importlib.import_module(f"{cli.__name__}.{one.name}") for one in pkgutil.iter_modules(cli.__path__)]
    found = [
        one.__name__.rpartition(".")[2] for one in modules if hasattr(one, "run") and hasattr(one, "add_arguments")
    ]
    assert sorted(found) == sorted(command_line.COMMANDS)


@pytest.mark.parametrize("option", ["--jsn", "-K"])
def test_what_no_option_is_goes_to_ansible_where_a_command_starts_that(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.read("quarantine", ["list", option])[1].passed_on == [option]
    with pytest.raises(SystemExit) as ended:
        command_line.read("explain", ["x.example", option])
    assert ended.value.code == 2 and f"unrecognized arguments: {option}\n" in capsys.readouterr().err
