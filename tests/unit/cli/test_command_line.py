"""How a command ends: its exit code, and what stands on the error stream."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import pytest
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
        (lambda _: 0, 0, []),
        (lambda _: 10, 10, []),
        (raising(Refused("there is no such host\nname another")), 2, ["there is no such host", "name another"]),
        (raising(PolicyErrors([ONE])), 2, ["a mistake in the policy", str(ONE)]),
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


@pytest.mark.parametrize("argv", [[], ["audi"], ["\x1b[2J"]])
def test_an_unknown_command_names_those_that_there_are(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(argv) == 2
    said = capsys.readouterr().err
    assert "there is no command" in said and "explain" in said and "\x1b" not in said
