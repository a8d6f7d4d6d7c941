"""A YAML file, read as plain text, lists and mappings, with the line of every value.

YAML's own type guesses are left out: every scalar is text, so `no` is a word and 1.10 keeps its zero. Tags and aliases
are refused, because with them a small file could create an object or a huge value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ...policy_errors import DescribedValue, PolicyError
from .plain_file import read_plain_file

MAX_FILE_BYTES = 1 << 20  # bytes
MAX_DEPTH = 8  # levels of lists and mappings; the catalogue has five
MAX_VALUES = 20_000  # values; the catalogue's largest file has 1,700, and a long list is a feed

# The C loader is about ten times as fast. PyYAML has it if it was built against libyaml.
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map"))

KeyPath = tuple[str | int, ...]


def format_key_path(path: KeyPath) -> str:
    """Format the path to a value for a message: ("packages", "apt", 2) becomes `packages.apt[2]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


@dataclass(frozen=True)
class Document:
    """The content of a file, and its nodes, which have the line numbers."""

    path: Path
    data: Any
    root: yaml.Node
    content: bytes  # the bytes of the file; a signature has to be checked over these bytes
    # Keys of mappings, by the id() of the node. A cache, because a file may have a mistake in each key.
    _pairs: dict[int, dict[str, tuple[yaml.Node, yaml.Node]]] = field(default_factory=dict, repr=False, compare=False)

    def make_error(self, path: KeyPath, wrong_value: object, expected: str) -> PolicyError:
        """Return a mistake at a path of this file, with its line or that of the nearest value above."""
        if not path and isinstance(wrong_value, str):
            wrong_value = DescribedValue("one text")  # not the text itself: a link may lead to a secret file
        return PolicyError(self.describe_place(path), format_key_path(path), wrong_value, expected)

    def describe_place(self, path: KeyPath) -> str:
        """Return the file and the line of the value at a path."""
        return f"{self.path}:{self._find_line(path)}"

    def _find_line(self, path: KeyPath) -> int:
        """Return the line of the value at a path, or of the nearest value above it that exists.

        Lines count from 1.
        """
        node, line = self.root, self.root.start_mark.line
        for step in path:
            if isinstance(node, yaml.MappingNode):
                pairs = self._pairs.get(id(node))
                if pairs is None:
                    pairs = self._pairs[id(node)] = {key.value: (key, value_node) for key, value_node in node.value}
                if step not in pairs:
                    break
                key, node = pairs[step]
                line = key.start_mark.line
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line
            else:
                break
        return int(line) + 1


def read_yaml(path: Path) -> Document:
    """Read a file. Raises PolicyError if it is not readable, not YAML, or has a key twice."""
    return parse_yaml(read_plain_file(path, MAX_FILE_BYTES), path)


def parse_yaml(content: bytes, path: Path) -> Document:
    """Parse the present or earlier content of a file. Raises PolicyError if it is not YAML, or has a key twice."""
    try:
        root = yaml.compose(content.decode("utf-8"), Loader=_LOADER)
    except RecursionError:  # only without libyaml, which has a limit of its own
        raise PolicyError(
            str(path), "", DescribedValue(f"more than {MAX_DEPTH} levels"), "lists and mappings that are less deep"
        ) from None
    except UnicodeDecodeError as error:
        raise PolicyError(
            str(path), "", DescribedValue(f"byte {error.start}, which is not UTF-8"), "text in UTF-8"
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        raise PolicyError(place, "", DescribedValue(f"a syntax error ({problem})"), "valid YAML") from None
    if root is None:
        raise PolicyError(str(path), "", None, "a YAML document")
    return Document(path, _NodeReader(path).read_node(root, ()), root, content)


class _NodeReader:
    """A converter from the nodes of a YAML file to plain data."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen_nodes: set[int] = set()

    def read_node(self, node: yaml.Node, path: KeyPath) -> Any:
        """Return the data of a node.

        Raises PolicyError for an alias, a tag, a key that comes twice, and too many values or levels.
        """
        if id(node) in self.seen_nodes:
            raise self.make_error(node, path, DescribedValue("an alias (*name)"), "the value itself, written out")
        self.seen_nodes.add(id(node))
        if len(self.seen_nodes) > MAX_VALUES:
            raise self.make_error(node, path, DescribedValue(f"more than {MAX_VALUES} values"), "a file with fewer")
        if node.tag not in _PLAIN_TAGS:
            raise self.make_error(node, path, DescribedValue(f"the tag {node.tag}"), "a value without a tag (!name)")
        if len(path) > MAX_DEPTH:
            raise self.make_error(
                node,
                path[:MAX_DEPTH],
                DescribedValue(f"more than {MAX_DEPTH} levels"),
                "a list or mapping that is less deep",
            )
        if isinstance(node, yaml.SequenceNode):
            return [self.read_node(child, (*path, index)) for index, child in enumerate(node.value)]
        if not isinstance(node, yaml.MappingNode):
            return node.value
        data: dict[str, object] = {}
        for key, child_node in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.make_error(key, path, key.value, "a word as the key")
            if key.value in data:
                raise self.make_error(key, (*path, key.value), DescribedValue("the key a second time"), "each key once")
            data[key.value] = self.read_node(child_node, (*path, key.value))
        return data

    def make_error(self, node: yaml.Node, path: KeyPath, wrong_value: object, expected: str) -> PolicyError:
        return PolicyError(f"{self.path}:{node.start_mark.line + 1}", format_key_path(path), wrong_value, expected)
