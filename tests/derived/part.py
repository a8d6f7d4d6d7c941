"""One text that follows from the code, and its place."""

from collections.abc import Callable
from typing import NamedTuple

OPTIONS = " " * 6  # before what a role's entry point takes, in argument_specs.yml


class StaleMarks(Exception):
    """A document lacks the marks of a part, or has them twice."""


class Part(NamedTuple):
    """A text and its place: a whole file, or the text between the marks of a name in a document."""

    path: str  # from the project's directory
    text: Callable[[], str]  # ends with a line end
    name: str = ""  # of the marks; "" for the whole file

    def applied(self, document):
        """The document with this part in it. Raises StaleMarks."""
        if not self.name:
            return self.text()
        opened, closed = (f"{OPTIONS}# ", "") if self.path.endswith(".yml") else ("<!-- ", " -->")
        begin, end = (f"{opened}{words}{self.name}{closed}\n" for words in ("derived: ", "end of "))
        if (document.count(begin), document.count(end)) != (1, 1) or document.index(begin) > document.index(end):
            raise StaleMarks(f"expected the marks {begin.strip()!r} and {end.strip()!r}, once each and in this order")
        before, _, rest = document.partition(begin)
        return f"{before}{begin}{self.text()}{end}{rest.partition(end)[2]}"


def parts_of(path, texts):
    """The parts of a document, by the names of their marks."""
    return tuple(Part(path, text, name) for name, text in texts.items())


def table(heads, rows):
    lines = [[cell.replace("|", "\\|") for cell in row] for row in (heads, *rows)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (lines[0], ["---"] * len(heads), *lines[1:]))


def read_rows(text):
    """Read the rows of a table: cells between bars; an indented line goes on with the row before it."""
    lines = text.strip().replace("\n    ", " ").splitlines()
    return [tuple(cell.strip() for cell in f"{line} ".split(" | ")) for line in lines]


def described(names, rows):
    """The rows, each of one name of the code or of several with commas, as a table has them and in the code's order.
    Raises ValueError for a name that only the code or only the rows have, so that neither is without the other.
    """
    if different := {name for those, *_ in rows for name in those.split(", ")} ^ set(names):
        raise ValueError(f"either the code or its table lacks {', '.join(sorted(different))}")
    for those, *cells in sorted(rows, key=lambda row: min(names.index(name) for name in row[0].split(", "))):
        yield (", ".join(f"`{name}`" for name in those.split(", ")), *cells)
