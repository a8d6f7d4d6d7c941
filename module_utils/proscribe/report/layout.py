"""Text on a terminal: how wide it is, how it wraps, how it is coloured. Knows nothing of compliance."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

# SGR codes; the sixteen colours that every theme of a terminal defines for itself, so they fit dark and light.
COLOURS = {"red": "31", "yellow": "33", "green": "32", "blue": "34", "grey": "90", "bold": "1"}


def cells(text: str) -> int:
    """How many columns a text takes: two for the wide characters of East Asia, none for combining marks."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def paint(text: str, *styles: str, colours: bool) -> str:
    """The text in those styles, or as it is."""
    codes = ";".join(COLOURS[style] for style in styles if style)
    return f"\x1b[{codes}m{text}\x1b[0m" if colours and codes else text


def clip(text: str, width: int) -> str:
    """The beginning of a text that fits, with `...` where something was cut off."""
    if cells(text) <= width:
        return text
    kept = text
    while kept and cells(kept) > width - 3:
        kept = kept[:-1]
    return kept.rstrip(" ,;") + "..."


def wrap(text: str, width: int, most: int) -> list[str]:
    """The text in lines of that width, broken at blanks where there are any; the last of `most` lines is clipped."""
    lines = list(_lines(text, width))
    if len(lines) <= most:
        return lines or [""]
    return [*lines[: most - 1], clip(" ".join(lines[most - 1 :]), width)]


def _lines(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and cells(line) + 1 + cells(word) <= width:
            line += " " + word
            continue
        if line:
            yield line
        line = word
        while cells(line) > width:
            cut = len(line)
            while cells(line[:cut]) > width:
                cut -= 1
            yield line[:cut]
            line = line[cut:]
    if line:
        yield line


def flow(parts: Iterable[str], width: int, gap: str = "   ") -> list[str]:
    """Parts side by side, as many on a line as fit; a part that is too long for a line is wrapped."""
    lines: list[str] = []
    for part in parts:
        if lines and cells(lines[-1]) + len(gap) + cells(part) <= width:
            lines[-1] += gap + part
        else:
            lines += wrap(part, width, 4)
    return lines


def row(first: str, second: str, text: str, widths: Sequence[int], width: int, most: int) -> list[str]:
    """One row of a table with two narrow columns and a wide one, in at most `most` lines of the wide one."""
    left, middle = widths
    indent = left + middle + 4
    if indent > width * 11 // 20:  # a narrow terminal: the text goes below, by two more columns
        return [f"{first}  {second}", *(f"    {line}" for line in wrap(text, width - 4, most))]
    lines = wrap(text, width - indent, most)
    head = f"{_pad(first, left)}  {_pad(second, middle)}  {lines[0]}".rstrip()
    return [head, *(" " * indent + line for line in lines[1:])]


def _pad(text: str, width: int) -> str:
    return text + " " * (width - cells(text))
