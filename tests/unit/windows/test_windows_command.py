"""What the command for a Windows host prints: in which code page, and in which order."""

from __future__ import annotations

import re

from proscribe.controller.windows.command import (
    LISTED_KEYS,
    LISTED_OF_USERS,
    LONGEST,
    WHOLE_KEYS,
    WHOLE_OF_USERS,
    line,
    token,
)


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
    parts = re.findall(f"echo {mark} ([a-z]+)", line(mark))
    assert [part for part in parts if part not in ("done", "failed")] == [
        "begin",
        "codepage",
        "architecture",
        "tasks",
        "list",
        "tree",
        *["list"] * len(LISTED_OF_USERS),
        *["tree"] * len(WHOLE_OF_USERS),
        "end",
    ]
    assert all(key in line(mark) for key in (*LISTED_KEYS, *WHOLE_KEYS, *LISTED_OF_USERS, *WHOLE_OF_USERS))
    assert f"echo {mark} architecture& set PROCESSOR_ARCHITE&" in line(mark)
    assert len(line(mark)) < LONGEST
    assert line(mark).startswith(f"echo {mark} begin& ver&")
