"""Text on a terminal: its width, its line breaks and its colours. Knows nothing of compliance."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

# columns of output that is no terminal, and the least columns for which texts are laid out
DEFAULT_COLUMNS, MIN_COLUMNS = 80, 40

# Codes that set colours on a terminal (SGR). Every theme defines these sixteen colours, so they fit dark and light
# themes.
SGR_CODES = {"red": "31", "yellow": "33", "green": "32", "blue": "34", "grey": "90", "bold": "1"}
# Most characters for each column. A text with more combining marks is no real text, and would take too long.
MAX_MARKS_PER_COLUMN = 8


def get_screen_width() -> int:
    """Return the columns of the terminal (or of COLUMNS); 80 in a pipe, a file, a journal or a mail."""
    return max(MIN_COLUMNS, shutil.get_terminal_size((DEFAULT_COLUMNS, 24)).columns)


def measure_columns(text: str) -> int:
    """Count the columns that a text takes on a terminal.

    The wide characters of East Asia take two columns, and combining marks take none.
    """
    return len(text) if text.isascii() else sum(map(_measure_character, text))


def _measure_character(character: str) -> int:
    """Return the columns of a character: 0 for a combining mark, 2 for a wide character, otherwise 1."""
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _count_fitting_characters(text: str, width: int) -> int:
    """Count the characters from the beginning of a text that fit into `width` columns.

    At most MAX_MARKS_PER_COLUMN characters for each column fit. No more of the text is read.
    """
    max_characters = MAX_MARKS_PER_COLUMN * width
    if text[: width + 1].isascii():
        return min(len(text), width)
    free_columns = width
    for number, character in enumerate(text[:max_characters]):
        free_columns -= _measure_character(character)
        if free_columns < 0:
            return number
    return min(len(text), max_characters)


def apply_styles(text: str, *styles: str, colours: bool) -> str:
    """Return the text in these styles (keys of SGR_CODES).

    Without `colours` the text is unchanged.
    """
    codes = ";".join(SGR_CODES[style] for style in styles if style)
    return f"\x1b[{codes}m{text}\x1b[0m" if colours and codes else text


def clip_text(text: str, width: int) -> str:
    """Return a text that fits into `width` columns.

    A longer text is cut, and ends with `...`.
    """
    return text if _count_fitting_characters(text, width) == len(text) else _cut_text(text, width)


def _cut_text(text: str, width: int) -> str:
    """Cut a text that does not fit, and add `...`: after a word, or within its only word."""
    words, separator, _ = text[: _count_fitting_characters(text, width - 4) + 1].rpartition(" ")
    if separator and words.strip():
        return words.rstrip(" ,;") + " ..."
    return text[: _count_fitting_characters(text, width - 3)] + "..."


def wrap_text(text: str, width: int, max_lines: int = 0) -> list[str]:
    """Wrap a text at blanks.

    A word that is too wide, such as a path, gets a separate line and stays whole. If the lines take more than
    `max_lines` lines of the screen, the last line is cut; 0 means no limit.
    """
    if not max_lines:
        return list(_fill_lines(text.split(), width)) or [""]
    # Cut the text before wrapping. A host's text may be long, and most of it is not shown.
    clipped = clip_text(
        " ".join(text[: 2 * MAX_MARKS_PER_COLUMN * (max_lines + 1) * (width + 1)].split()),
        (max_lines + 1) * (width + 1),
    )
    lines = list(_fill_lines(clipped.split(), width))
    # Take whole lines while they fit. A word that is wider than the screen takes several lines of the screen.
    shown_lines: list[str] = []
    free_lines = max_lines
    while lines and sum(_count_screen_lines(line, width) for line in lines) > free_lines:
        if _count_screen_lines(lines[0], width) >= free_lines:
            last_text = lines[0] if free_lines > 1 else " ".join(lines)
            return [*shown_lines, _cut_text(last_text, free_lines * width)]
        shown_lines.append(lines.pop(0))
        free_lines -= _count_screen_lines(shown_lines[-1], width)
    return [*shown_lines, *lines] or [""]


def wrap_indented_text(text: str, width: int) -> list[str]:
    """Wrap a text with an indent of two columns; [] for an empty text."""
    return [f"  {line}" for line in wrap_text(text, width - 2)] if text else []


def _count_screen_lines(line: str, width: int) -> int:
    """Count the lines of the screen that a line of text takes."""
    return max(1, -(-measure_columns(line) // width))


def _fill_lines(words: Iterable[str], width: int) -> Iterator[str]:
    """Yield lines of at most `width` columns, filled with the words.

    A word that cannot be split may be wider.
    """
    line, used_columns = "", 0
    for word in words:
        separator = " "
        for piece in _split_word(word, width):
            piece_columns = measure_columns(piece)
            if line and used_columns + len(separator) + piece_columns <= width:
                line, used_columns = f"{line}{separator}{piece}", used_columns + len(separator) + piece_columns
            else:
                if line:
                    yield line
                line, used_columns = piece, piece_columns
            separator = ""
    if line:
        yield line


def _split_word(word: str, width: int) -> Iterator[str]:
    """Yield the parts of a word between which a line may break.

    A Chinese sentence has no blanks, and may break anywhere.
    """
    if word.isascii() or "/" in word or measure_columns(word) <= width:
        yield word
        return
    # A line may break before and after a wide character, but not before a combining mark, which takes no column.
    piece_start = 0
    for end in range(1, len(word)):
        if 2 in (_measure_character(word[end - 1]), _measure_character(word[end])) and _measure_character(word[end]):
            yield word[piece_start:end]
            piece_start = end
    yield word[piece_start:]


def fit_lines(text: str, width: int) -> str:
    """Fit the lines of a text into a width.

    The rest of a wider line is indented by two more columns. No command may pass here, because it would become two
    commands.
    """
    return "\n".join(output_line for line in text.split("\n") for output_line in _wrap_hanging_line(line, width))


def fit_message(text: str, width: int) -> str:
    """Fit a message into `width` columns.

    A line that begins with two blanks is for copying, and stays whole.
    """
    return "\n".join(line if line.startswith("  ") else fit_lines(line, width) for line in text.split("\n"))


def fit_warning(text: str) -> str:
    """Fit a warning into the screen.

    Ansible prints the label `[WARNING]:` before the text.
    """
    label = "[WARNING]:"
    return fit_message(f"{label} {text}", get_screen_width()).removeprefix(label).removeprefix(" ")


def _wrap_hanging_line(line: str, width: int) -> list[str]:
    """Wrap a line that is too wide.

    The further lines are indented by two more columns.
    """
    if measure_columns(line) <= width:
        return [line]
    indent = min(len(line) - len(line.lstrip()), width // 2)
    lines = wrap_text(line, width - indent - 2)
    return [f"{' ' * indent}{lines[0]}", *(f"{' ' * indent}  {following_line}" for following_line in lines[1:])]


def pack_parts(parts: Iterable[str], width: int, separator: str = "   ") -> list[str]:
    """Put as many texts side by side in a line as fit.

    A text that is too long for a line is wrapped.
    """
    lines: list[str] = []
    for part in parts:
        if lines and measure_columns(lines[-1]) + len(separator) + measure_columns(part) <= width:
            lines[-1] += separator + part
        else:
            lines += wrap_text(part, width)
    return lines


def format_table_row(
    left_cell: str, middle_cell: str, text: str, widths: Sequence[int], width: int, max_lines: int = 0
) -> list[str]:
    """Format a row of a table: two narrow columns with the given `widths`, and a wide column for the text.

    The text has at most `max_lines` lines (0: all). On a narrow terminal, the text is below the narrow columns,
    indented by four columns. A word that is too wide has the same effect.
    """
    left_width, middle_width = widths
    indent = left_width + middle_width + 4
    shown_text = text[: max_lines * width] if max_lines else text
    has_wide_word = any(
        measure_columns(piece) > width - indent
        for word in shown_text.split()
        for piece in _split_word(word, width - indent)
    )
    # The text goes below if its column would have less than 9/20 of the width.
    if has_wide_word or indent > width * 11 // 20 or measure_columns(left_cell) > left_width:
        return [
            *pack_parts([left_cell, middle_cell], width, "  "),
            *(f"    {line}" for line in wrap_text(text, width - 4, max_lines)),
        ]
    lines = wrap_text(text, width - indent, max_lines)
    first_line = (
        f"{_fill_column(left_cell, left_width)}  {_fill_column(middle_cell, middle_width)}  {lines[0]}".rstrip()
    )
    return [first_line, *(" " * indent + line for line in lines[1:])]


def format_table(rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Yield a table of texts as lines.

    The first row has the headings. If the table is too wide, each row is shown separately, and its further cells have
    their headings beside them. Cells that are empty or `-` are left out then.
    """
    widths = [max(measure_columns(table_row[index]) for table_row in rows) for index in range(len(rows[0]) - 1)]
    lines = ["  ".join([*map(_fill_column, table_row, widths), table_row[-1]]).rstrip() for table_row in rows]
    if max(map(measure_columns, lines)) <= width:
        yield from lines
        return
    left_width = min(widths[0], width // 3)
    for first_cell, *other_cells in rows[1:]:
        labelled_cells = [
            f"{heading} {cell}" for heading, cell in zip(rows[0][1:], other_cells) if cell not in ("", "-")
        ]
        cell_lines = pack_parts(labelled_cells, width - left_width - 2)
        if measure_columns(first_cell) <= left_width and all(
            measure_columns(cell_line) <= width - left_width - 2 for cell_line in cell_lines
        ):
            yield f"{_fill_column(first_cell, left_width)}  {cell_lines[0] if cell_lines else ''}".rstrip()
            yield from (" " * (left_width + 2) + cell_line for cell_line in cell_lines[1:])
        else:
            yield from (first_cell, *(f"    {cell_line}" for cell_line in pack_parts(labelled_cells, width - 4)))


def _fill_column(text: str, width: int) -> str:
    return text + " " * (width - measure_columns(text))
