"""Text on a terminal: how wide it is, how it wraps, how it is coloured. Knows nothing of compliance."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

USUAL, NARROWEST = 80, 40  # columns where there is no terminal; and the fewest that text is laid out for

# SGR codes; the sixteen colours that every theme of a terminal defines for itself, so they fit dark and light.
COLOURS = {"red": "31", "yellow": "33", "green": "32", "blue": "34", "grey": "90", "bold": "1"}
MARKS = 8  # characters for each column that are shown at the most: letters with marks upon marks are no words


def screen_width() -> int:
    """The columns that COLUMNS says, or that the terminal has; 80 in a pipe, a file, a journal or a mail."""
    return max(NARROWEST, shutil.get_terminal_size((USUAL, 24)).columns)


def cells(text: str) -> int:
    """How many columns a text takes: two for the wide characters of East Asia, none for combining marks."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _fitting(text: str, width: int) -> int:
    """How many characters from the beginning of a text fit in so many columns; of marks that take none, a few for
    each column. It reads no more of the text than that.
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
    return text if _fitting(text, width) == len(text) else _cut(text, width)


def _cut(text: str, width: int) -> str:
    """What fits of a text that does not, with the mark: words, or the beginning of the only one."""
    words, gap, _ = text[: _fitting(text, width - 4) + 1].rpartition(" ")
    if gap and words.strip():
        return words.rstrip(" ,;") + " ..."
    return text[: _fitting(text, width - 3)] + "..."


def wrap(text: str, width: int, most: int = 0) -> list[str]:
    """The text in lines of that width, broken at blanks alone: a word that is wider (a path, an identifier) has a line
    of its own, whole, so that it can be copied. Where they take more than `most` lines of the screen, the last one is
    cut; 0 is for all of the text.
    """
    if not most:
        return list(_lines(text.split(), width)) or [""]
    # What cannot be shown in so many lines is not laid out: text of a host's may be long, and is mostly not shown.
    begin = clip(" ".join(text[: 2 * MARKS * (most + 1) * (width + 1)].split()), (most + 1) * (width + 1))
    lines = list(_lines(begin.split(), width))
    shown: list[str] = []
    left = most
    while lines and sum(_taken(line, width) for line in lines) > left:
        if _taken(lines[0], width) >= left:
            last = lines[0] if left > 1 else " ".join(lines)
            return [*shown, _cut(last, left * width)]
        shown.append(lines.pop(0))
        left -= _taken(shown[-1], width)
    return [*shown, *lines] or [""]


def indented(text: str, width: int) -> list[str]:
    """The lines of a text that lies below another one; none of an empty text."""
    return [f"  {line}" for line in wrap(text, width - 2)] if text else []


def _taken(line: str, width: int) -> int:
    """The lines of a screen that a line takes."""
    return max(1, -(-cells(line) // width))


def _lines(words: Iterable[str], width: int) -> Iterator[str]:
    line, used = "", 0
    for word in words:
        gap = " "
        for piece in _pieces(word, width):
            wide = cells(piece)
            if line and used + len(gap) + wide <= width:
                line, used = f"{line}{gap}{piece}", used + len(gap) + wide
            else:
                if line:
                    yield line
                line, used = piece, wide
            gap = ""
    if line:
        yield line


def _pieces(word: str, width: int) -> Iterator[str]:
    """A word, or what of it may go on in the next line: a Chinese sentence has no blanks, and is broken anywhere."""
    if word.isascii() or "/" in word or cells(word) <= width:
        yield word
        return
    begin = 0
    for end in range(1, len(word)):
        if 2 in (_columns(word[end - 1]), _columns(word[end])) and _columns(word[end]):
            yield word[begin:end]
            begin = end
    yield word[begin:]


def fitted(text: str, width: int) -> str:
    """Lines for that width: what is wider goes on in the next ones, two columns further in. No command passes here,
    which would be two.
    """
    return "\n".join(part for line in text.split("\n") for part in _hanging(line, width))


def prose(text: str, width: int) -> str:
    """A message for that width. A line of it that begins with two blanks is something to copy, and stays whole."""
    return "\n".join(line if line.startswith("  ") else fitted(line, width) for line in text.split("\n"))


def warning(text: str) -> str:
    """A text that Ansible prints behind its label for warnings, in lines that fit the screen with it."""
    label = "[WARNING]:"
    return prose(f"{label} {text}", screen_width()).removeprefix(label).removeprefix(" ")


def _hanging(line: str, width: int) -> list[str]:
    if cells(line) <= width:
        return [line]
    indent = min(len(line) - len(line.lstrip()), width // 2)
    lines = wrap(line, width - indent - 2)
    return [f"{' ' * indent}{lines[0]}", *(f"{' ' * indent}  {rest}" for rest in lines[1:])]


def flow(parts: Iterable[str], width: int, gap: str = "   ") -> list[str]:
    """Parts side by side, as many on a line as fit; a part that is too long for a line is wrapped."""
    lines: list[str] = []
    for part in parts:
        if lines and cells(lines[-1]) + len(gap) + cells(part) <= width:
            lines[-1] += gap + part
        else:
            lines += wrap(part, width)
    return lines


def row(first: str, second: str, text: str, widths: Sequence[int], width: int, most: int = 0) -> list[str]:
    """One row of a table with two narrow columns and a wide one, of which `most` lines are shown (0: all). On a narrow
    terminal, and where a word needs more than the wide column, the text is below, four columns in.
    """
    left, middle = widths
    indent = left + middle + 4
    seen = text[: most * width] if most else text
    wide = any(cells(piece) > width - indent for word in seen.split() for piece in _pieces(word, width - indent))
    if wide or indent > width * 11 // 20 or cells(first) > left:
        return [*flow([first, second], width, "  "), *(f"    {line}" for line in wrap(text, width - 4, most))]
    lines = wrap(text, width - indent, most)
    head = f"{_pad(first, left)}  {_pad(second, middle)}  {lines[0]}".rstrip()
    return [head, *(" " * indent + line for line in lines[1:])]


def table(rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Rows of texts in columns, of which the first row has the headings. Where that is too wide, each row by itself:
    its first cell, and the others each behind its heading, without those that are empty or `-`.
    """
    widths = [max(cells(row_[index]) for row_ in rows) for index in range(len(rows[0]) - 1)]
    lines = ["  ".join([*map(_pad, row_, widths), row_[-1]]).rstrip() for row_ in rows]
    if max(map(cells, lines)) <= width:
        yield from lines
        return
    left = min(widths[0], width // 3)
    for first, *others in rows[1:]:
        named = [f"{heading} {cell}" for heading, cell in zip(rows[0][1:], others) if cell not in ("", "-")]
        parts = flow(named, width - left - 2)
        if cells(first) <= left and all(cells(part) <= width - left - 2 for part in parts):
            yield f"{_pad(first, left)}  {parts[0] if parts else ''}".rstrip()
            yield from (" " * (left + 2) + part for part in parts[1:])
        else:
            yield from (first, *(f"    {part}" for part in flow(named, width - 4)))


def _pad(text: str, width: int) -> str:
    return text + " " * (width - cells(text))
