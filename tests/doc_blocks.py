"""The fenced blocks of the documents: the commands in them with what they print, and the files that they show.

A command is in a block ```console, behind `$ `. A line that ends in a backslash goes on in the next one. The lines up
to the next command are its output, in which `...` stands for lines that are left out. A block in a language of files,
with the first line `# <path>`, is a file of that path.
"""

import re
from typing import NamedTuple

CONSOLE, TEXT = "console", "text"
FILES = ("yaml", "ini", "python")  # languages with comments behind `#`
LANGUAGES = (CONSOLE, TEXT, *FILES)
FENCE = re.compile(r"(?P<indent> *)(?P<ticks>```+)(?P<language>.*)")
PROMPT = "$ "
PATH = re.compile(r"# ([\w./-]+\.(?:ya?ml|ini|py))")
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


class Wrong(Exception):
    """A mistake in the form of a document, with its place."""


class Block(NamedTuple):
    """A fenced block, or the text between two (`language` is None then). `line` is the number of its first line."""

    path: str
    line: int
    language: str | None
    lines: tuple[str, ...]


class Command(NamedTuple):
    """A command as it is typed, lines with backslashes joined, and its output."""

    path: str
    line: int
    text: str
    output: tuple[str, ...]

    @property
    def where(self):
        return f"{self.path}:{self.line}"


class File(NamedTuple):
    """A file that a document shows."""

    path: str
    line: int
    name: str
    content: str


PLACES = ("*.md", "docs/**/*.md", "roles/*/README.md", "inventory/**/*.md", "catalog/**/*.md")


def read(project):
    """Return the texts of all documents with commands, by their paths in the project."""
    paths = sorted({path for place in PLACES for path in project.glob(place)})
    return {str(path.relative_to(project)): path.read_text(encoding="utf-8") for path in paths}


def blocks(path, text):
    """Yield the blocks of a document and the text between them. Raise Wrong."""
    began, language, ticks, indent = 1, None, "", 0
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.fullmatch(line)
        closes = fence and language is not None and not fence["language"] and len(fence["ticks"]) >= len(ticks)
        if fence and (language is None or closes):
            yield Block(path, began, language, tuple(lines))
            began, lines = number + 1, []
            opens = language is None
            language = fence["language"].strip() if opens else None
            ticks, indent = fence["ticks"], len(fence["indent"])
        else:
            lines.append(line[indent:] if language is not None and not line[:indent].strip() else line)
    if language is not None:
        raise Wrong(f"{path}:{began - 1}: found a block without an end, expected {ticks}")
    yield Block(path, began, None, tuple(lines))


def parts(path, text):
    """Yield the commands and files of a document, in their order. Raise Wrong."""
    for block in blocks(path, text):
        if block.language == CONSOLE:
            yield from commands_of(block)
        elif block.language in FILES and block.lines and (match := PATH.fullmatch(block.lines[0])):
            yield File(block.path, block.line, match[1], "\n".join((*block.lines, "")))


def commands(path, text):
    """Return the commands of a document. Raise Wrong."""
    return [part for part in parts(path, text) if isinstance(part, Command)]


def spans(block):
    """Yield the code in the running text of a block, with the numbers of its lines."""
    for number, line in enumerate(block.lines, block.line):
        yield from ((number, code) for code in SPAN.findall(line))


def commands_of(block):
    """Yield the commands of a console block. Raise Wrong."""
    lines = list(enumerate(block.lines, block.line))
    if lines and not lines[0][1].startswith(PROMPT):
        raise Wrong(f"{block.path}:{block.line}: found {lines[0][1]!r}, expected a command behind {PROMPT!r}")
    while lines:
        number, text = lines.pop(0)
        text = text.removeprefix(PROMPT)
        while text.endswith("\\"):
            if not lines:
                raise Wrong(f"{block.path}:{number}: found a backslash at the end, expected another line")
            text = text[:-1] + lines.pop(0)[1].lstrip()
        output = []
        while lines and not lines[0][1].startswith(PROMPT):
            output.append(lines.pop(0)[1])
        yield Command(block.path, number, text, tuple(output))
