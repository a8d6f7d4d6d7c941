"""What the command for a Windows host prints: in which code page, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest
from proscribe.controller.windows.command import LONGEST, command, line, token
from recording import compare, fold

RECORDED = Path(__file__).parents[2] / "recorded/windows"


def test_the_line_is_short_enough_for_every_way_to_a_host() -> None:
    """Measured: 2,347 characters, and 6,502 as PowerShell is given them; cmd takes 8,191."""
    made = line(token())
    assert len(made) < 2500
    assert all(len(command(made, shell, "ssh")) < 7000 < LONGEST for shell in ("cmd", "powershell"))


def test_line_for_a_host_is_as_recorded() -> None:
    compare(RECORDED / "line.txt", fold(line("proscribe-0123456789abcdef").replace("& ", "&\n"), 120))


SCRIPT = "try{[Console]::OutputEncoding=[Text.Encoding]::UTF8}catch{};cmd /c 'echo ''x'' y'"


@pytest.mark.parametrize(
    ("shell", "transport", "made"),
    [
        ("cmd", "ssh", "echo 'x' y"),
        ("cmd", "winrm", "echo 'x' y"),
        ("powershell", "winrm", SCRIPT),
        ("powershell", "psrp", SCRIPT),
    ],
)
def test_what_a_connection_is_given(shell: str, transport: str, made: str) -> None:
    assert command("echo 'x' y", shell, transport) == made
