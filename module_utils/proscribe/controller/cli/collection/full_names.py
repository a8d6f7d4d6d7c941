"""Short names of modules, roles, filters and tests -> full names, in YAML and in the templates that it holds.

A checkout has short names, since its ansible.cfg says where everything is. A collection has no ansible.cfg. The YAML is
read as a document and changed in place, so that comments and layout stay. A name that is not resolved is an error.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import yaml
from ansible.playbook.task import Task
from ansible.plugins.filter import core, encryption, mathstuff, urls, urlsplit
from ansible.plugins.test import core as core_tests
from ansible.plugins.test import files, uri
from ansible.plugins.test import mathstuff as mathstuff_tests
from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.filters import FILTERS
from jinja2.tests import TESTS

from .. import Refused
from .layout import Source

BUILTIN = "ansible.builtin."
ROLES = ("include_role", "import_role")
INCLUDED = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")  # a namespace or a name, as Galaxy takes it
RESERVED = ("ansible",)  # namespaces of Ansible's own
BLOCK = ("block", "rescue", "always")
TASKS = ("pre_tasks", "tasks", "post_tasks", "handlers")
AFTER = re.compile(r"\||\bis\b")  # comes before a filter or a test
CONDITIONS = ("when", "changed_when", "failed_when", "until", "that")  # hold an expression without braces

Edit = tuple[int, int, str]  # from, to, and what takes its place


class Names(NamedTuple):
    """The collection, and what has a short name in the checkout."""

    collection: str  # namespace.name
    modules: frozenset[str]
    filters: frozenset[str]
    roles: frozenset[str]
    fragments: frozenset[str]
    tests: frozenset[str] = frozenset()

    @classmethod
    def of(cls, source: Source, namespace: str, name: str) -> Names:
        """The names of a checkout. Raises Refused for a namespace or a name that Galaxy does not take."""
        for option, value in (("--namespace", namespace), ("--name", name)):
            if not INCLUDED.fullmatch(value) or not 2 <= len(value) <= 64:
                expected = "2 to 64 small letters, digits and single underscores, a letter first"
                raise Refused(f"{option}: found {value!r}, expected {expected}")
        if namespace in RESERVED:
            raise Refused(f"--namespace: found {namespace!r}, which is Ansible's own, expected another one")

        def named(folder: str) -> frozenset[str]:
            return frozenset(m[1] for path in source if (m := re.fullmatch(rf"{folder}/(\w+)\.py", path)))

        roles = frozenset(path.split("/")[1] for path in source if path.startswith("roles/"))
        return cls(
            f"{namespace}.{name}",
            modules=named("library"),
            filters=named("filter_plugins"),
            roles=roles,
            fragments=named("doc_fragments"),
            tests=named("test_plugins"),
        )

    @property
    def package(self) -> str:
        """The Python package of what modules and plugins import."""
        return f"ansible_collections.{self.collection}.plugins.module_utils"

    def full(self, short: str) -> str:
        """A name with that of the collection."""
        return f"{self.collection}.{short}"


# -- a document --------------------------------------------------------------------------------------------------------


def playbook(text: str, names: Names, where: str) -> str:
    """The text of a playbook, with full names. Raises Refused."""
    return _changed(text, names, where, lambda document, root: document.plays(root))


def tasks(text: str, names: Names, where: str) -> str:
    """The text of a file of tasks, with full names. Raises Refused."""
    return _changed(text, names, where, lambda document, root: document.tasks(root, []))


def examples(text: str, names: Names, where: str) -> str:
    """Examples of a document: plays or tasks. Raises Refused."""
    return _changed(text, names, where, lambda document, root: document.plays_or_tasks(root))


def data(text: str, names: Names, where: str) -> str:
    """The text of any other YAML, with full names in its templates. Raises Refused."""
    return _changed(text, names, where, lambda document, root: iter(()))


def _changed(text: str, names: Names, where: str, reading: Reading) -> str:
    document = _Document(text, names, where)
    edits: list[Edit] = []
    try:
        roots = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise Refused(f"{where}: cannot be read as YAML: {' '.join(str(error).split())}") from None
    for root in roots:
        if root is not None:
            edits += reading(document, root)
            edits += document.templates(root)
    return edited(text, edits)


def edited(text: str, edits: Sequence[Edit]) -> str:
    """A text with its edits, which are given in any order; those that are given twice count once."""
    for start, end, new in sorted(set(edits), reverse=True):
        text = text[:start] + new + text[end:]
    return text


class _Document:
    """One YAML text, whose names are made full."""

    def __init__(self, text: str, names: Names, where: str) -> None:
        self.text, self.names, self.where = text, names, where

    def plays(self, root: yaml.Node) -> Iterator[Edit]:
        for play in _items(root):
            parts = dict(_pairs(play))
            scopes = [parts["vars"]] if "vars" in parts else []
            for key in TASKS:
                if key in parts:
                    yield from self.tasks(parts[key], scopes)
            for role in _items(parts.get("roles")):
                named = role if isinstance(role, yaml.ScalarNode) else dict(_pairs(role)).get("role")
                yield from self._role(named, scopes)

    def plays_or_tasks(self, root: yaml.Node) -> Iterator[Edit]:
        plays = any("hosts" in dict(_pairs(item)) for item in _items(root))
        yield from self.plays(root) if plays else self.tasks(root, [])

    def tasks(self, root: yaml.Node, scopes: list[yaml.Node]) -> Iterator[Edit]:
        for task in _items(root):
            parts = dict(_pairs(task))
            inside = [*scopes, *([parts["vars"]] if "vars" in parts else [])]
            blocks = [key for key in BLOCK if key in parts]
            for key in blocks:
                yield from self.tasks(parts[key], inside)
            if not blocks:
                yield from self._action(task, inside)

    def _action(self, task: yaml.Node, scopes: list[yaml.Node]) -> Iterator[Edit]:
        keywords = _task_keywords()
        keys = [
            (key, value)
            for key, value in _nodes(task)
            if key.value not in keywords and not key.value.startswith("with_")
        ]
        if len(keys) != 1:
            found = ", ".join(key.value for key, _ in keys) or "none"
            raise self._refused(task, f"found the actions {found}", "a task with one action")
        key, value = keys[0]
        if key.value in self.names.modules:
            yield _place(key, self.names.full(key.value))
        elif not key.value.startswith((BUILTIN, f"{self.names.collection}.")):
            raise self._refused(key, f"found the action {key.value!r}", "a module of the project, or a full name")
        if key.value.removeprefix(BUILTIN) in ROLES:
            yield from self._role(dict(_pairs(value)).get("name"), scopes)

    def _role(self, named: yaml.Node | None, scopes: list[yaml.Node]) -> Iterator[Edit]:
        """The name of a role: itself, or what a template finds in a variable of the task or of what is around it."""
        if not isinstance(named, yaml.ScalarNode):
            raise self._refused(named, "found no name of a role", "one")
        if named.value in self.names.roles:
            yield _place(named, self.names.full(named.value))
            return
        if named.value.startswith(f"{self.names.collection}."):
            return
        variable = _table_of(named.value)
        tables = [value for scope in scopes for key, value in _pairs(scope) if key == variable]
        values = [value for table in tables for _, value in _pairs(table)]
        if not values or any(getattr(value, "value", "") not in self.names.roles for value in values):
            expected = "a role of the project, or one out of a variable beside it that names roles of the project"
            raise self._refused(named, f"found the role {named.value!r}", expected)
        yield from (_place(value, self.names.full(value.value)) for value in values)

    # -- templates -----------------------------------------------------------------------------------------------------

    def templates(self, root: yaml.Node) -> Iterator[Edit]:
        """The filters and tests in all scalars below a node."""
        if isinstance(root, yaml.ScalarNode):
            yield from self._piped(root, bare=False)
        for item in _items(root):
            yield from self.templates(item)
        for key, value in _nodes(root):
            conditions = [value, *_items(value)] if key.value in CONDITIONS else []
            for condition in conditions:
                if isinstance(condition, yaml.ScalarNode) and "{{" not in condition.value:
                    yield from self._piped(condition, bare=True)
            yield from self.templates(value)

    def _piped(self, node: yaml.ScalarNode, bare: bool) -> Iterator[Edit]:
        if not AFTER.search(node.value) or not (bare or "{{" in node.value or "{%" in node.value):
            return
        quotes = 1 if node.style in ("'", '"') else 0
        start = node.start_mark.index + quotes
        raw = self.text[start : node.end_mark.index - quotes]
        before = "{{" if bare else ""
        try:
            tokens = list(Environment().lexer.tokeniter(before + raw + ("}}" if bare else ""), None))
        except TemplateSyntaxError as error:
            raise self._refused(node, f"found a template that cannot be read ({error})", "one that can") from None
        yield from self._of_tokens(node, tokens, start - len(before))

    def _of_tokens(self, node: yaml.Node, tokens: list[tuple[int, str, str]], place: int) -> Iterator[Edit]:
        name, start, after = "", 0, ""
        for _, kind, value in [*tokens, (0, "end", "")]:
            if after and (kind == "name" and value != "not" or name and kind == "operator" and value == "."):
                start = start if name else place
                name += value
            elif name:
                yield from self._plugin(node, name, start, after)
                name, after = "", ""
            if (kind, value) in (("operator", "|"), ("name", "is")):
                after = value
            place += len(value)

    def _plugin(self, node: yaml.Node, name: str, start: int, after: str) -> Iterator[Edit]:
        """The full name of a filter (after `|`) or of a test (after `is`)."""
        ours, known, what = self.names.filters, _known_filters, "filter"
        if after == "is":
            ours, known, what = self.names.tests, _known_tests, "test"
        if name in ours:
            yield start, start + len(name), self.names.full(name)
        elif name not in known() and not name.startswith((BUILTIN, f"{self.names.collection}.")):
            raise self._refused(node, f"found the {what} {name!r}", "one of the project's, or of Ansible's own")

    def _refused(self, node: yaml.Node | None, found: str, expected: str) -> Refused:
        line = f":{node.start_mark.line + 1}" if node is not None else ""
        return Refused(f"{self.where}{line}: {found}, expected {expected}")


Reading = Callable[[_Document, yaml.Node], Iterator[Edit]]  # the names in a document of one kind


# -- nodes -------------------------------------------------------------------------------------------------------------


def _items(node: yaml.Node | None) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _nodes(node: yaml.Node | None) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return [(key, value) for key, value in pairs if isinstance(key, yaml.ScalarNode)]


def _pairs(node: yaml.Node | None) -> list[tuple[str, yaml.Node]]:
    return [(key.value, value) for key, value in _nodes(node)]


def _place(node: yaml.Node, new: str) -> Edit:
    quotes = 1 if getattr(node, "style", None) in ("'", '"') else 0
    return node.start_mark.index + quotes, node.end_mark.index - quotes, new


def _table_of(template: str) -> str:
    """The variable of a template that is one look-up, `{{ variable[key] }}`; "" for any other."""
    try:
        output = Environment().parse(template).body[0]
        (found,) = output.nodes if isinstance(output, nodes.Output) else [output]
    except (TemplateSyntaxError, IndexError, ValueError):
        return ""
    inner = found.node if isinstance(found, nodes.Getitem) else None
    return inner.name if isinstance(inner, nodes.Name) else ""


@functools.cache
def _task_keywords() -> frozenset[str]:
    return frozenset({*Task.fattributes, "local_action", "loop", "args"})


@functools.cache
def _known_filters() -> frozenset[str]:
    modules = (core, encryption, mathstuff, urls, urlsplit)
    return frozenset(FILTERS).union(*(module.FilterModule().filters() for module in modules))


@functools.cache
def _known_tests() -> frozenset[str]:
    modules = (core_tests, files, mathstuff_tests, uri)
    return frozenset(TESTS).union(*(module.TestModule().tests() for module in modules))
