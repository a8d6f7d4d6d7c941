"""Comparison of an output with a recorded file, byte for byte. A test without its file writes it, and fails once."""

import textwrap

import pytest

MOST_LINES, MOST_COLUMNS = 300, 200


def compare(file, text):
    """Fail where a text differs from its recorded file, or is too large for one."""
    lines = text.split("\n")
    columns = max(map(len, lines))
    if len(lines) > MOST_LINES + 1 or columns > MOST_COLUMNS:
        pytest.fail(f"{file.name} would have {len(lines)} lines and {columns} columns: assert by field, or show less")
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="")
        pytest.fail(f"{file.name} is written now: read it")
    assert text == file.read_bytes().decode("utf-8")


def join_files(parts):
    """Join files to one text, each below its name."""
    return "".join(f"==> {path}\n{text}\n" for path, text in parts.items())


def fold(text, columns=MOST_COLUMNS):
    """Break long lines at blanks; mark what follows."""
    folding = textwrap.TextWrapper(columns, subsequent_indent="  > ", break_on_hyphens=False, expand_tabs=False)
    parts = (folding.wrap(line) if len(line) > columns else [line] for line in text.splitlines())
    return "".join(f"{part}\n" for line in parts for part in line)
