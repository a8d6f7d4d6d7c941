"""Python source as ruff writes it."""

WIDTH = 120


def begin_module(about, by, *lines):
    """The first lines of a module that this tool writes from what files declare."""
    note = f"`tests/tool python tests/derived` writes this file from what {by} declare (declaration.py)."
    return [f'"""{about}', "", note, '"""', "", "from __future__ import annotations", "", *lines]


def as_text(value):
    written = repr(value)
    return written if '"' in value or written[0] == '"' else f'"{written[1:-1]}"'


def as_entry(key, *items):
    """An entry of a tuple or (with a key, `"dnsmasq": `) of a mapping, as ruff writes it: in a line where that fits."""
    written = [
        as_text(one) if isinstance(one, str) else f"({', '.join(map(as_text, one))}{',' * (len(one) == 1)})"
        for one in items
    ]
    line = f"    {key}({', '.join(written)}),"
    if len(line) <= WIDTH:
        return [line]
    parts = [[f"        {as_text(one)},"] if isinstance(one, str) else as_tuple(one) for one in items]
    return [f"    {key}(", *(line for part in parts for line in part), "    ),"]


def as_tuple(texts):
    if len(texts) == 1:
        return [f"        ({as_text(texts[0])},),"]
    return ["        (", *(f"            {as_text(one)}," for one in texts), "        ),"]
