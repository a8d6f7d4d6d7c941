"""Is each idea called by its one name? `python tests/terms.py` reads docs/glossary.md and prints every other name.

The table "Plain terms" of the glossary says which words an identifier may not be made of, and which phrases no message
may have. Identifiers are those that a file defines: names of functions, classes, arguments, variables, fields and
modules; a name of somebody else's library is theirs. Messages are the texts in the code, the playbooks, the roles and
the templates. Comments, docstrings and the names of tests are sentences, too, so no phrase of a message is in them, but
for what is in backticks, which is quoted. Documents are edited by reading, not by a list.

A sentence of a comment or a docstring in what is delivered has at most 25 words.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[1]
GLOSSARY = "docs/glossary.md"
HEAD = ("we say", "not", "no identifier has", "no message has")
# Files whose texts people read: code, playbooks and roles, and what the page and the hosts' programs are made of.
PLUGINS = ("action_plugins", "callback_plugins", "filter_plugins", "test_plugins", "library")
MESSAGES = ("module_utils", *PLUGINS, "playbooks", "roles")
TEXTS = (".yml", ".j2", ".sh", ".js")
_COMMENT = re.compile(r"(?:^|\s)(?:#|//).*")
_QUOTED = re.compile(r"`[^`\n]*`")
_SCRIPT = re.compile(rb"#!\S+(?:env )?\S*python")
# What is laid out in columns, or shows the shape of data, has no sentences.
_COLUMNS = re.compile(r"^\s*\S+(?: \S+)? {2,}\S|[{}]", re.MULTILINE)
_WORD = re.compile(r"[\w'/.-]+")
_SENTENCE_END = re.compile(r"(?<=[.!?:])\s+")
MOST_WORDS = 25
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


class Term(NamedTuple):
    """A row of the glossary: what we say, the parts of identifiers and the phrases that it stands instead of, and the
    names that have such a part all the same: users type them, or files contain them.
    """

    say: str
    parts: frozenset[str]
    phrases: tuple[str, ...]
    names: frozenset[str]


class Found(NamedTuple):
    """Something that has another name in the glossary."""

    path: str
    line: int
    text: str
    say: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}; we say: {self.say}"


def terms(glossary: str) -> list[Term]:
    """The rows of the table "Plain terms". Raises ValueError where it is not there or has other columns."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")] for line in glossary.splitlines() if "|" in line
    ]
    if list(HEAD) not in rows:
        raise ValueError(f"{GLOSSARY} has no table with the columns {', '.join(HEAD)}")
    found = []
    for row in rows[rows.index(list(HEAD)) + 2 :]:
        if len(row) != len(HEAD):
            raise ValueError(f"{GLOSSARY}: {len(row)} columns in the row of {row[0]!r}, expected {len(HEAD)}")
        parts, _, names = row[2].partition(" but for ")
        found.append(Term(row[0], frozenset(_quoted(parts)), tuple(_quoted(row[3])), frozenset(_quoted(names))))
    return found


def _quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def identifiers(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, name) of what a module defines, but for its tests."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not re.match(r"test_|Test", node.name):
                yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node.lineno, node.asname


def in_identifiers(path: str, tree: ast.Module, of: Sequence[Term]) -> Iterator[Found]:
    """What is called otherwise among what a file defines, its own name included."""
    named = [(1, Path(path).stem)] if not Path(path).name.startswith("test_") else []
    for line, name in [*named, *identifiers(tree)]:
        parts = {part.lower() for part in _PART.findall(name)}
        for term in of:
            if term.parts & parts and name not in term.names:
                yield Found(path, line, name, term.say)


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, text) of the texts of a module that are no docstrings, nor keys, which are names in files."""
    other = {
        id(key)
        for node in ast.walk(tree)
        for key in (
            node.keys if isinstance(node, ast.Dict) else [node.slice] if isinstance(node, ast.Subscript) else []
        )
    } | {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False)
        if isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in other:
            yield from ((node.lineno + number, line) for number, line in enumerate(node.value.split("\n")))


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, text) of the docstrings of a module."""
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if documented and (text := ast.get_docstring(node, clean=False)):
            yield node.body[0].lineno, text


def sentences(content: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, text) of the comments and docstrings of a module, and of the names of its tests."""
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], _QUOTED.sub("", token.string)
    for first, text in docstrings(tree):
        yield from ((first + number, line) for number, line in enumerate(_QUOTED.sub("", text).split("\n")))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.lineno, node.name.replace("_", " ")


def paragraphs(content: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, text) of the paragraphs of docstrings, and of comments that follow each other in lines of their own."""
    for first, text in docstrings(tree):
        yield from ((first, one) for one in re.split(r"\n\s*\n", text))
    begun, last, lines = 0, 0, []
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type != tokenize.COMMENT:
            continue
        if lines and not (token.start[0] == last + 1 and token.line.lstrip().startswith("#")):
            yield begun, " ".join(lines)
            lines = []
        begun, last = begun if lines else token.start[0], token.start[0]
        lines.append(token.string.lstrip("#: "))
    if lines:
        yield begun, " ".join(lines)


def too_long(path: str, content: str, tree: ast.Module) -> Iterator[Found]:
    """The sentences with too many words."""
    for number, paragraph in paragraphs(content, tree):
        if not _COLUMNS.search(paragraph):
            for sentence in _SENTENCE_END.split(" ".join(_QUOTED.sub("X", paragraph).split())):
                words = len(_WORD.findall(sentence))
                if words > MOST_WORDS:
                    yield Found(path, number, f"{words} words in {sentence[:80]!r}", f"at most {MOST_WORDS}")


def in_messages(path: str, lines: Iterator[tuple[int, str]], of: Sequence[Term]) -> Iterator[Found]:
    """What is said otherwise in some texts; one that is only the phrase is a value, as a class of the catalogue is."""
    for number, line in lines:
        for term in of:
            for phrase in term.phrases:
                if line != phrase and re.search(rf"(?<![\w/-]){re.escape(phrase)}(?![\w-])", line, re.IGNORECASE):
                    yield Found(path, number, f'"{phrase}" in {line.strip()[:80]!r}', term.say)


def found_in(files: Mapping[str, bytes], of: Sequence[Term]) -> Iterator[Found]:
    """What is called otherwise in some files, by path and content."""
    for path, content in files.items():
        own = path.split("/")[0] in MESSAGES
        if path.endswith(".py") or (path.startswith("tests/") and _SCRIPT.match(content)):
            tree = ast.parse(content)
            yield from in_identifiers(path, tree, of)
            yield from in_messages(path, sentences(content.decode(), tree), of)
            if own:
                yield from in_messages(path, texts(tree), of)
                yield from too_long(path, content.decode(), tree)
        elif own and path.endswith(TEXTS):
            lines = enumerate((_COMMENT.sub("", line) for line in content.decode().split("\n")), 1)
            yield from in_messages(path, iter(lines), of)


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    paths = [path for path in listed.split("\0") if path and (PROJECT / path).is_file()]
    own = terms((PROJECT / GLOSSARY).read_text(encoding="utf-8"))
    found = list(found_in({path: (PROJECT / path).read_bytes() for path in paths}, own))
    print(*dict.fromkeys(found), sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
