"""Text on a terminal: how wide it is, how it wraps, how it is coloured. Knows nothing of compliance."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

# SGR codes; the sixteen colours that every theme of a terminal defines for itself, so they fit dark and light.
COLOURS = {"red": "31", "yellow": "33", "green": "32", "blue": "34", "grey": "90", "bold": "1"}
MARKS = 8  # characters for each column that are shown at the most: letters with marks upon marks are no words


def cells(text: str) -> int:
    """How many columns a text takes: two for the wide characters of East Asia, none for combining marks."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _fitting(text: str, width: int) -> int:
    """How many characters from the beginning of a text fit in so many columns; of marks that take none, a few for
    each column. Looks at no more of the text than that.
    """
    most = MARKS * width
    if text[: width + 1].isascii():
        return min(len(text), width)
    left = width
    for number, character in enumerate(text[:most]):
        left -= _columns(character)
        if left < 0:
            return number
    return min(len(text), most)


def paint(text: str, *styles: str, colours: bool) -> str:
    """The text in those styles, or as it is."""
    codes = ";".join(COLOURS[style] for style in styles if style)
    return f"\x1b[{codes}m{text}\x1b[0m" if colours and codes else text


def clip(text: str, width: int) -> str:
    """The beginning of a text that fits, with `...` where something was cut off."""
    if _fitting(text, width) == len(text):
        return text
    return text[: _fitting(text, width - 3)].rstrip(" ,;") + "..."


def wrap(text: str, width: int, most: int) -> list[str]:
    """The text in lines of that width, broken at blanks where there are any; the last of `most` lines is clipped."""
    # What cannot be shown in so many lines is not laid out: text of a host's may be long, and is mostly not shown.
    words = clip(" ".join(text[: 2 * MARKS * (most + 1) * (width + 1)].split()), (most + 1) * (width + 1)).split(" ")
    lines = list(_lines(words, width))
    if len(lines) <= most:
        return lines or [""]
    return [*lines[: most - 1], clip(" ".join(lines[most - 1 :]), width)]


def _lines(words: Iterable[str], width: int) -> Iterator[str]:
    line, used = "", 0
    for word in words:
        wide = cells(word)
        if line and used + 1 + wide <= width:
            line, used = f"{line} {word}", used + 1 + wide
            continue
        if line:
            yield line
        line, used = word, wide
        while used > width:
            cut = max(_fitting(line, width), 1)
            yield line[:cut]
            used -= cells(line[:cut])
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
    if indent > width * 11 // 20 or cells(first) > left:  # a narrow terminal: the text goes below, by two more columns
        return [f"{first}  {second}", *(f"    {line}" for line in wrap(text, width - 4, most))]
    lines = wrap(text, width - indent, most)
    head = f"{_pad(clip(first, left), left)}  {_pad(second, middle)}  {lines[0]}".rstrip()
    return [head, *(" " * indent + line for line in lines[1:])]


def _pad(text: str, width: int) -> str:
    return text + " " * (width - cells(text))
