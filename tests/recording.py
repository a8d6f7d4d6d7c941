"""Comparison of an output with a recorded file, byte for byte. A test without its file writes it, and fails once."""

import difflib
import json
import os
import re
import textwrap

import pytest

MOST_LINES, MOST_COLUMNS = 300, 200


def compare(file, text, base=""):
    """Fail where a text differs from its recorded file, or is too large for one.

    Lines as in the base are only counted, and of a long line that is above already its beginning is shown.
    """
    text = list_changes(base, text) if base else text
    lines = text.split("\n")
    columns = max(map(len, lines))
    if len(lines) > MOST_LINES + 1 or columns > MOST_COLUMNS:
        pytest.fail(f"{file.name} would have {len(lines)} lines and {columns} columns: assert by field, or show less")
    text = "\n".join(_shorten_repeated(lines))
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="")
        pytest.fail(f"{file.name} is written now: read it")
    assert text == file.read_bytes().decode("utf-8")


def list_changes(base, text):
    """List the lines of a text that a base has not, and the number of lines between them."""
    lines = text.splitlines()
    steps = difflib.SequenceMatcher(None, base.splitlines(), lines, False).get_opcodes()
    parts = ([f"... {j - i}"] if tag == "equal" else lines[i:j] for tag, _, _, i, j in steps)
    return "".join(f"{line}\n" for part in parts for line in part)


def _shorten_repeated(lines):
    """Show of a long line that is above already what no other line above begins with."""
    above: set[str] = set()
    for line in lines:
        others = [os.path.commonprefix([line, other]) for other in above - {line}]
        size = max([24, *map(len, others)]) + 1 if line in above else len(line)
        above.add(line)
        yield f"{line[:size]} ..." if len(line) > size + 12 else line


def join_files(parts):
    """Join files to one text, each below its name."""
    return "".join(f"==> {path}\n{text}\n" for path, text in parts.items())


def fold(text, columns=MOST_COLUMNS):
    """Break long lines at blanks; mark what follows."""
    folding = textwrap.TextWrapper(columns, subsequent_indent="  > ", break_on_hyphens=False, expand_tabs=False)
    parts = (folding.wrap(line) if len(line) > columns else [line] for line in text.splitlines())
    return "".join(f"{part}\n" for line in parts for part in line)


def read_value(text):
    """Read JSON of an object or a list; return any other text as it is."""
    return json.loads(text) if str(text).startswith(("[", "{")) else text


def outline(value, shown=None):
    """Write JSON in few lines; of a dictionary, what is not as in the one before it of the same keys, and `...`."""
    shown = {} if shown is None else shown
    if isinstance(value, str) and re.fullmatch(r'(?!-?\d[\d.]*$|null$|true$|false$)[^\s"{}\[\]=]+', value):
        return value
    if not isinstance(value, (dict, list, tuple)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        before = shown.get((*value,), {})
        shown[(*value,)] = value
        names = [name for name in value if name not in before or json.dumps(before[name]) != json.dumps(value[name])]
        parts = [f"{name}={outline(value[name], shown)}" for name in names] + ["..."] * (len(names) < len(value))
    else:
        parts = [outline(item, shown) for item in value]
    lines = ["{" if isinstance(value, dict) else "["]
    for number, part in enumerate(parts):
        if len(lines[-1]) + len(part) < 140 and "\n" not in lines[-1] + part:
            lines[-1] += f" {part}" if number else part
        else:
            lines.append(part)
    return "\n ".join(lines) + ("}" if isinstance(value, dict) else "]")
