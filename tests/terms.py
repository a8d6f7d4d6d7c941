"""Other names of the ideas in docs/glossary.md: `python tests/terms.py` prints them.

The table "Plain terms" of the glossary has the words that no identifier may have, and the phrases that no message may
have. Identifiers are the names that a file defines: functions, classes, arguments, variables, fields and modules. A
name of somebody else's library is theirs. Messages are the texts in the code, the playbooks, the roles and the
templates. Comments, docstrings and names of tests have no such phrase either, except in backticks, which quote.
Documents are edited by reading.

A sentence of a comment or a docstring in the product has at most 25 words.
"""

import ast
import io
import itertools
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[1]
GLOSSARY = "docs/glossary.md"
HEAD = ("we say", "not", "no identifier has", "no message has")
# Files whose texts people read: code, playbooks and roles, the templates of the page and the programs of hosts.
PLUGINS = ("action_plugins", "callback_plugins", "filter_plugins", "test_plugins", "library")
MESSAGES = ("module_utils", *PLUGINS, "playbooks", "roles")
TEXTS = (".yml", ".j2", ".sh", ".js")
_COMMENT = re.compile(r"(?:^|\s)(?:#|//).*")
_QUOTED = re.compile(r"`[^`\n]*`")
_SCRIPT = re.compile(rb"#!\S+(?:env )?\S*python")
# Columns, and texts that show the shape of data, have no sentences.
_COLUMNS = re.compile(r"^\s*\S+(?: \S+)? {2,}\S|[{}]", re.MULTILINE)
_WORD = re.compile(r"[\w'/.-]+")
_SENTENCE_END = re.compile(r"(?<=[.!?:])\s+")
MOST_WORDS = 25
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


Lines = Iterator[tuple[int, str]]  # with the number of each


class Term(NamedTuple):
    """A row of the glossary: the term, and the parts of names and the phrases that it replaces, except in `names`."""

    say: str
    parts: frozenset[str]
    phrases: tuple[str, ...]
    names: frozenset[str]


class Found(NamedTuple):
    """A place that has another name than the glossary."""

    path: str
    line: int
    text: str
    say: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.text}; we say: {self.say}"


def terms(glossary):
    """Read the table "Plain terms". Raise ValueError if it is missing or has other columns."""
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in glossary.splitlines()]
    if list(HEAD) not in rows:
        raise ValueError(f"{GLOSSARY} has no table with the columns {', '.join(HEAD)}")
    first = rows.index(list(HEAD)) + 2
    table = []
    for row in itertools.takewhile(lambda row: row != [""], rows[first:]):
        if len(row) != len(HEAD):
            raise ValueError(f"{GLOSSARY}: {len(row)} columns in the row of {row[0]!r}, expected {len(HEAD)}")
        parts, _, names = row[2].partition(" but for ")
        parts, phrases, names = (re.findall(r"`([^`]+)`", cell) for cell in (parts, row[3], names))
        table.append(Term(row[0], frozenset(parts), tuple(phrases), frozenset(names)))
    return table


def list_identifiers(tree):
    """Yield the names that a module defines, those of tests left out."""
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


def in_identifiers(path, tree, of):
    """Yield the names that a file defines, its own included, which have other terms."""
    own = [(1, Path(path).stem)] if not Path(path).name.startswith("test_") else []
    for line, name in [*own, *list_identifiers(tree)]:
        parts = {part.lower() for part in _PART.findall(name)}
        yield from (Found(path, line, name, term.say) for term in of if term.parts & parts and name not in term.names)


def list_texts(tree):
    """Yield the lines of the texts of a module. Docstrings are none, nor are keys, which are names in files."""
    others = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            others.update(map(id, node.keys))
        elif isinstance(node, ast.Subscript):
            others.add(id(node.slice))
        elif isinstance(node, ast.Expr):
            others.add(id(node.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in others:
            yield from enumerate(node.value.split("\n"), node.lineno)


def list_docstrings(tree):
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if documented and (text := ast.get_docstring(node, clean=False)):
            yield node.body[0].lineno, text


def list_comments(content):
    tokens = tokenize.generate_tokens(io.StringIO(content).readline)
    return (token for token in tokens if token.type == tokenize.COMMENT)


def list_sentences(content, tree):
    """Yield the lines of the comments and docstrings of a module, and the names of its tests."""
    yield from ((token.start[0], _QUOTED.sub("", token.string)) for token in list_comments(content))
    for first, text in list_docstrings(tree):
        yield from enumerate(_QUOTED.sub("", text).split("\n"), first)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.lineno, node.name.replace("_", " ")


def list_paragraphs(content, tree):
    """Yield the paragraphs of docstrings, and of comments that follow each other in lines of their own."""
    for first, text in list_docstrings(tree):
        yield from ((first, paragraph) for paragraph in re.split(r"\n\s*\n", text))
    paragraphs = []
    last = -1  # the line of a comment that the next line may continue
    for token in list_comments(content):
        is_alone = token.line.lstrip().startswith("#")
        if token.start[0] != last + 1 or not is_alone:
            paragraphs.append((token.start[0], []))
        paragraphs[-1][1].append(token.string.lstrip("#: "))
        last = token.start[0] if is_alone else -1
    yield from ((first, " ".join(lines)) for first, lines in paragraphs)


def too_long(path, content, tree):
    """Yield the sentences with too many words."""
    for number, paragraph in list_paragraphs(content, tree):
        text = " ".join(_QUOTED.sub("X", paragraph).split())
        for sentence in _SENTENCE_END.split(text) if not _COLUMNS.search(paragraph) else ():
            if (words := len(_WORD.findall(sentence))) > MOST_WORDS:
                yield Found(path, number, f"{words} words in {sentence[:80]!r}", f"at most {MOST_WORDS}")


def in_messages(path, lines, of):
    """Yield the phrases that have other terms. A text that is only the phrase is a value, as in the catalogue."""
    for number, line in lines:
        for term in of:
            for phrase in term.phrases:
                if line != phrase and re.search(rf"(?<![\w/-]){re.escape(phrase)}(?![\w-])", line, re.IGNORECASE):
                    yield Found(path, number, f'"{phrase}" in {line.strip()[:80]!r}', term.say)


def found_in(files, of):
    """Yield the places in files, by path and content, that have other terms."""
    for path, content in files.items():
        is_product = path.split("/")[0] in MESSAGES
        if path.endswith(".py") or (path.startswith("tests/") and _SCRIPT.match(content)):
            tree = ast.parse(content)
            yield from in_identifiers(path, tree, of)
            yield from in_messages(path, list_sentences(content.decode(), tree), of)
            if is_product:
                yield from in_messages(path, list_texts(tree), of)
                yield from too_long(path, content.decode(), tree)
        elif is_product and path.endswith(TEXTS):
            lines = content.decode().split("\n")
            yield from in_messages(path, enumerate((_COMMENT.sub("", line) for line in lines), 1), of)


def main():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    files = {path: (PROJECT / path).read_bytes() for path in listed.split("\0") if (PROJECT / path).is_file()}
    places = list(found_in(files, terms((PROJECT / GLOSSARY).read_text(encoding="utf-8"))))
    print(*dict.fromkeys(places), sep="\n", end="\n" if places else "")
    return 1 if places else 0


if __name__ == "__main__":
    sys.exit(main())
