"""What the command for a Windows host prints: in which code page, and in which order."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from proscribe.controller.windows.command import (
    LISTED_KEYS,
    LISTED_OF_USERS,
    LONGEST,
    WHOLE_KEYS,
    WHOLE_OF_USERS,
    command,
    line,
    token,
)
from recording import compare, fold

RECORDED = Path(__file__).parents[2] / "recorded/windows"


def test_all_that_has_names_is_printed_in_unicode() -> None:
    """In the code page of the console a name in another script would be a row of question marks."""
    page, named, queries = "437", [], 0
    for part in line(token()).split("& "):
        if part.startswith("chcp "):
            page = part.split()[1].partition(">")[0]
        elif part == "chcp":
            named.append(page)
        elif "reg query" in part or "tasklist" in part:
            assert page == "65001", part
            queries += 1
    assert named == ["437", "65001"]  # what it was before says how to read a host that cannot change it
    assert queries


def test_every_part_of_an_answer_begins_with_its_line() -> None:
    mark = token()
    made = line(mark)
    assert made.startswith(f"for %m in ({mark}) do @(echo %m begin& ver&") and made.endswith("& echo %m end)")
    assert made.count(mark) == 1  # so that a key costs its own length alone
    parts = re.findall("echo %m ([a-z]+)", made)
    assert [part for part in parts if part not in ("done", "failed")] == [
        *("begin", "codepage", "architecture", "tasks", "service"),
        *("list", "tree", "list", "tree", "end"),
    ]
    assert "echo %m architecture& set PROCESSOR_ARCHITE&" in made


def test_every_key_is_asked_for_once_for_the_machine_and_once_for_each_user() -> None:
    made = line(token())
    loops = re.findall(r"\(for %k in \((.*?)\) do @\(echo %m (list|tree) (\S+)&", made)
    queried = [(kind, key, [first or second for first, second in _KEYS.findall(keys)]) for keys, kind, key in loops]
    assert queried == [
        ("list", "%k", list(LISTED_KEYS)),
        ("tree", "%k", list(WHOLE_KEYS)),
        ("list", '"%u\\%~k"', list(LISTED_OF_USERS)),
        ("tree", '"%u\\%~k"', list(WHOLE_OF_USERS)),
    ]
    assert all(made.count(f"{key} ") + made.count(f"{key})") + made.count(f'{key}"') for key in LISTED_KEYS)


_KEYS = re.compile(r'"([^"]+)"|(\S+)')


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


def test_what_powershell_is_given_over_ssh_holds_nothing_that_a_shell_takes_for_its_own() -> None:
    *words, packed = command("echo 'x' y", "powershell", "ssh").split(" ")
    assert words == ["powershell", "-NoProfile", "-NonInteractive", "-EncodedCommand"]
    assert base64.b64decode(packed).decode("utf-16-le") == SCRIPT
