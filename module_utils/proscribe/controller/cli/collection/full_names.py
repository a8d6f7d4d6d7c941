"""Replacement of short names by full names: of modules, roles, filters and tests, in YAML and its templates.

A checkout uses short names (`host_firewall`), because its ansible.cfg sets the search paths. A collection has no
ansible.cfg, so it needs full names (`proscribe.ban.host_firewall`). The YAML is parsed only to find the names. The
text is changed at these places, so comments and layout stay. A name that cannot be resolved is an error.
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

from .. import CommandError
from .layout import SourceFiles

BUILTIN_PREFIX = "ansible.builtin."
ROLE_ACTIONS = ("include_role", "import_role")
NAME_PATTERN = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")  # a namespace or a name that Galaxy accepts
RESERVED_NAMESPACES = ("ansible",)  # namespaces that belong to Ansible
BLOCK_KEYS = ("block", "rescue", "always")
TASK_KEYS = ("pre_tasks", "tasks", "post_tasks", "handlers")
PLUGIN_PATTERN = re.compile(r"\||\bis\b")  # precedes a filter or a test
CONDITION_KEYS = ("when", "changed_when", "failed_when", "until", "that")  # have a Jinja expression without braces

# The replacement of a part of a text: position of its first character, position after its last one, new part.
Edit = tuple[int, int, str]


class CollectionNames(NamedTuple):
    """The name of the collection, and the short names of the plugins and roles that it contains."""

    collection: str  # NAMESPACE.NAME, such as proscribe.ban
    modules: frozenset[str]
    filters: frozenset[str]
    roles: frozenset[str]
    fragments: frozenset[str]  # documentation fragments: option descriptions that several modules share
    tests: frozenset[str] = frozenset()

    @classmethod
    def collect_names(cls, source: SourceFiles, namespace: str, name: str) -> CollectionNames:
        """Collect the short names of the checkout with the files `source`, for the collection `namespace`.`name`.

        Raises CommandError for a namespace or a name that Galaxy refuses.
        """
        for option, name_part in (("--namespace", namespace), ("--name", name)):
            if not NAME_PATTERN.fullmatch(name_part) or not 2 <= len(name_part) <= 64:
                expected = "2 to 64 small letters, digits and single underscores, a letter first"
                raise CommandError(f"{option}: found {name_part!r}, expected {expected}")
        if namespace in RESERVED_NAMESPACES:
            raise CommandError(f"--namespace: found {namespace!r}, which is Ansible's own, expected another one")

        def list_plugins(folder: str) -> frozenset[str]:
            return frozenset(match[1] for path in source if (match := re.fullmatch(rf"{folder}/(\w+)\.py", path)))

        roles = frozenset(path.split("/")[1] for path in source if path.startswith("roles/"))
        return cls(
            f"{namespace}.{name}",
            modules=list_plugins("library"),
            filters=list_plugins("filter_plugins"),
            roles=roles,
            fragments=list_plugins("doc_fragments"),
            tests=list_plugins("test_plugins"),
        )

    @property
    def utils_package(self) -> str:
        """The full name of the Python package module_utils, from which the collection's modules and plugins import."""
        return f"ansible_collections.{self.collection}.plugins.module_utils"

    def make_full_name(self, short_name: str) -> str:
        """Return the full name of a plugin or a role: `proscribe.ban.host_firewall` for `host_firewall`."""
        return f"{self.collection}.{short_name}"


# -- a document --------------------------------------------------------------------------------------------------------


def expand_playbook(text: str, names: CollectionNames, source_name: str) -> str:
    """Return the YAML text of a playbook with full names of modules, roles, filters and tests.

    Raises CommandError for text that is not YAML and for an unknown name. Its message names the file `source_name`.
    """
    return _expand_names(text, names, source_name, lambda document, root: document.find_play_edits(root))


def expand_tasks(text: str, names: CollectionNames, source_name: str) -> str:
    """Return the YAML text of a task file with full names of modules, roles, filters and tests.

    Raises CommandError for text that is not YAML and for an unknown name. Its message names the file `source_name`.
    """
    return _expand_names(text, names, source_name, lambda document, root: document.find_task_edits(root, []))


def expand_examples(text: str, names: CollectionNames, source_name: str) -> str:
    """Return the YAML text of examples (plays or tasks) in a document or a module, with full names.

    Raises CommandError for text that is not YAML and for an unknown name. Its message names the place `source_name`.
    """
    return _expand_names(text, names, source_name, lambda document, root: document.find_example_edits(root))


def expand_data(text: str, names: CollectionNames, source_name: str) -> str:
    """Return YAML text without plays or tasks, with full names of the filters and tests in its templates.

    Raises CommandError for text that is not YAML and for an unknown name. Its message names the file `source_name`.
    """
    return _expand_names(text, names, source_name, lambda document, root: iter(()))


def _expand_names(text: str, names: CollectionNames, source_name: str, find_edits: EditFinder) -> str:
    """Return a YAML text with full names in its templates, and at the places that `find_edits` finds.

    The text may have several documents. Raises CommandError for text that is not YAML, and for an unknown name. Its
    message names the file `source_name`.
    """
    document = _YamlDocument(text, names, source_name)
    edits: list[Edit] = []
    try:
        roots = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise CommandError(f"{source_name}: cannot be read as YAML: {' '.join(str(error).split())}") from None
    for root in roots:
        if root is not None:
            edits += find_edits(document, root)
            edits += document.find_template_edits(root)
    return apply_edits(text, edits)


def apply_edits(text: str, edits: Sequence[Edit]) -> str:
    """Return the text with all edits applied; each edit is (start, end, replacement).

    The edits may have any order. Equal edits are applied once.
    """
    for start, end, replacement in sorted(set(edits), reverse=True):
        text = text[:start] + replacement + text[end:]
    return text


class _YamlDocument:
    """A YAML text whose short names are searched. Its methods yield the edits that replace them by full names."""

    def __init__(self, text: str, names: CollectionNames, source_name: str) -> None:
        self.text, self.names, self.source_name = text, names, source_name

    def find_play_edits(self, root: yaml.Node) -> Iterator[Edit]:
        """Yield the edits for a list of plays: for the modules of all tasks, and for roles.

        Raises CommandError for an unknown name, as the other methods do.
        """
        for play in _list_items(root):
            parts = dict(_list_pairs(play))
            scopes = [parts["vars"]] if "vars" in parts else []
            for key in TASK_KEYS:
                if key in parts:
                    yield from self.find_task_edits(parts[key], scopes)
            for role in _list_items(parts.get("roles")):
                role_node = role if isinstance(role, yaml.ScalarNode) else dict(_list_pairs(role)).get("role")
                yield from self._find_role_edits(role_node, scopes)

    def find_example_edits(self, root: yaml.Node) -> Iterator[Edit]:
        """Yield the edits for a list of plays, or for a list of tasks if no item has `hosts`."""
        has_plays = any("hosts" in dict(_list_pairs(entry)) for entry in _list_items(root))
        yield from self.find_play_edits(root) if has_plays else self.find_task_edits(root, [])

    def find_task_edits(self, root: yaml.Node, scopes: list[yaml.Node]) -> Iterator[Edit]:
        """Yield the edits for a list of tasks, and for tasks inside of `block`, `rescue` and `always`.

        `scopes` are the `vars` of the play and of the surrounding blocks of tasks. A role's name may be defined there.
        """
        for task in _list_items(root):
            parts = dict(_list_pairs(task))
            task_scopes = [*scopes, *([parts["vars"]] if "vars" in parts else [])]
            block_keys = [key for key in BLOCK_KEYS if key in parts]
            for key in block_keys:
                yield from self.find_task_edits(parts[key], task_scopes)
            if not block_keys:
                yield from self._find_action_edits(task, task_scopes)

    def _find_action_edits(self, task: yaml.Node, scopes: list[yaml.Node]) -> Iterator[Edit]:
        """Yield the edits for a task's module, and for the role that the task includes.

        The action is the only key of a task that is no keyword of Ansible, such as `when`. Raises CommandError for a
        task without one action, and for an unknown module.
        """
        keywords = _list_task_keywords()
        actions = [
            (key, action_node)
            for key, action_node in _list_nodes(task)
            if key.value not in keywords and not key.value.startswith("with_")
        ]
        if len(actions) != 1:
            action_names = ", ".join(key.value for key, _ in actions) or "none"
            raise self._make_error(task, f"found the actions {action_names}", "a task with one action")
        key, action_node = actions[0]
        if key.value in self.names.modules:
            yield _make_edit(key, self.names.make_full_name(key.value))
        elif not key.value.startswith((BUILTIN_PREFIX, f"{self.names.collection}.")):
            raise self._make_error(key, f"found the action {key.value!r}", "a module of the project, or a full name")
        if key.value.removeprefix(BUILTIN_PREFIX) in ROLE_ACTIONS:
            yield from self._find_role_edits(dict(_list_pairs(action_node)).get("name"), scopes)

    def _find_role_edits(self, role_node: yaml.Node | None, scopes: list[yaml.Node]) -> Iterator[Edit]:
        """Yield the edits that give roles their full names. Raises CommandError for an unknown role.

        `role_node` is a role's name, or a template `{{ variable[key] }}`. For a template, all roles in the variable get
        full names. `scopes` are the `vars` of the play, the blocks and the task that can define the variable.
        """
        if not isinstance(role_node, yaml.ScalarNode):
            raise self._make_error(role_node, "found no name of a role", "one")
        if role_node.value in self.names.roles:
            yield _make_edit(role_node, self.names.make_full_name(role_node.value))
            return
        if role_node.value.startswith(f"{self.names.collection}."):
            return
        variable = _find_table_variable(role_node.value)
        tables = [node for scope in scopes for key, node in _list_pairs(scope) if key == variable]
        values = [node for table in tables for _, node in _list_pairs(table)]
        if not values or any(getattr(node, "value", "") not in self.names.roles for node in values):
            expected = "a role of the project, or one out of a variable beside it that names roles of the project"
            raise self._make_error(role_node, f"found the role {role_node.value!r}", expected)
        yield from (_make_edit(node, self.names.make_full_name(node.value)) for node in values)

    # -- templates -----------------------------------------------------------------------------------------------------

    def find_template_edits(self, root: yaml.Node) -> Iterator[Edit]:
        """Yield the edits that give full names to filters and tests, in all templates at or below a YAML node."""
        if isinstance(root, yaml.ScalarNode):
            yield from self._find_scalar_edits(root, is_bare=False)
        for child in _list_items(root):
            yield from self.find_template_edits(child)
        for key, child_node in _list_nodes(root):
            conditions = [child_node, *_list_items(child_node)] if key.value in CONDITION_KEYS else []
            for condition in conditions:
                if isinstance(condition, yaml.ScalarNode) and "{{" not in condition.value:
                    yield from self._find_scalar_edits(condition, is_bare=True)
            yield from self.find_template_edits(child_node)

    def _find_scalar_edits(self, node: yaml.ScalarNode, is_bare: bool) -> Iterator[Edit]:
        """Yield the edits that give filters and tests in a scalar's template the name of the collection.

        With `is_bare`, the whole scalar is an expression without braces, as in `when`. A scalar without a template
        gives no edit. Raises CommandError for a template that Jinja cannot read, and for an unknown name.
        """
        if not PLUGIN_PATTERN.search(node.value) or not (is_bare or "{{" in node.value or "{%" in node.value):
            return
        quotes = 1 if node.style in ("'", '"') else 0
        start = node.start_mark.index + quotes
        raw = self.text[start : node.end_mark.index - quotes]
        opening = "{{" if is_bare else ""  # Jinja's lexer reads a condition as an expression only between braces
        try:
            tokens = list(Environment().lexer.tokeniter(opening + raw + ("}}" if is_bare else ""), None))
        except TemplateSyntaxError as error:
            raise self._make_error(node, f"found a template that cannot be read ({error})", "one that can") from None
        yield from self._find_token_edits(node, tokens, start - len(opening))

    def _find_token_edits(self, node: yaml.Node, tokens: list[tuple[int, str, str]], position: int) -> Iterator[Edit]:
        """Yield the edits for the filters and tests among the tokens of a template.

        A token is a tuple: line number, kind, text. `position` is the place of the first token in the YAML text. `node`
        is the scalar with the template, for error messages.
        """
        # Jinja's lexer splits a name with dots into several tokens, so the parts of a plugin's name are joined here.
        name, start, introducer = "", 0, ""
        for _, kind, token in [*tokens, (0, "end", "")]:
            if introducer and (kind == "name" and token != "not" or name and kind == "operator" and token == "."):
                start = start if name else position
                name += token
            elif name:
                yield from self._find_plugin_edits(node, name, start, introducer)
                name, introducer = "", ""
            if (kind, token) in (("operator", "|"), ("name", "is")):
                introducer = token
            position += len(token)

    def _find_plugin_edits(self, node: yaml.Node, name: str, start: int, introducer: str) -> Iterator[Edit]:
        """Yield the edit that gives its full name to a filter (after `|`) or a test (after `is`).

        Ansible's own filters and tests need no edit. `start` is the position of the name in the text. `introducer` is
        `|` or `is`. Raises CommandError for an unknown name.
        """
        own_names, list_known_names, plugin_kind = self.names.filters, _list_known_filters, "filter"
        if introducer == "is":
            own_names, list_known_names, plugin_kind = self.names.tests, _list_known_tests, "test"
        if name in own_names:
            yield start, start + len(name), self.names.make_full_name(name)
        elif name not in list_known_names() and not name.startswith((BUILTIN_PREFIX, f"{self.names.collection}.")):
            raise self._make_error(
                node, f"found the {plugin_kind} {name!r}", "one of the project's, or of Ansible's own"
            )

    def _make_error(self, node: yaml.Node | None, mistake: str, expected: str) -> CommandError:
        """Return the error about a mistake at a YAML node; None stands for a missing node, without a line number."""
        line = f":{node.start_mark.line + 1}" if node is not None else ""
        return CommandError(f"{self.source_name}{line}: {mistake}, expected {expected}")


EditFinder = Callable[[_YamlDocument, yaml.Node], Iterator[Edit]]  # yields the edits for playbooks, tasks or examples


# -- nodes -------------------------------------------------------------------------------------------------------------


def _list_items(node: yaml.Node | None) -> list[yaml.Node]:
    """Return the items of a YAML list; [] for any other node."""
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _list_nodes(node: yaml.Node | None) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    """Return the key and value nodes of a YAML mapping; [] for any other node."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return [(key, child) for key, child in pairs if isinstance(key, yaml.ScalarNode)]


def _list_pairs(node: yaml.Node | None) -> list[tuple[str, yaml.Node]]:
    """Return the keys of a YAML mapping as texts, each with its value node; [] for any other node."""
    return [(key.value, child) for key, child in _list_nodes(node)]


def _make_edit(node: yaml.Node, replacement: str) -> Edit:
    """Return the edit that replaces the text of a scalar, but not its quotes."""
    quotes = 1 if getattr(node, "style", None) in ("'", '"') else 0
    return node.start_mark.index + quotes, node.end_mark.index - quotes, replacement


def _find_table_variable(template: str) -> str:
    """Return the name of the variable in the template `{{ variable[key] }}`; "" for a template of another form."""
    try:
        output = Environment().parse(template).body[0]
        (expression,) = output.nodes if isinstance(output, nodes.Output) else [output]
    except (TemplateSyntaxError, IndexError, ValueError):
        return ""
    table_node = expression.node if isinstance(expression, nodes.Getitem) else None
    return table_node.name if isinstance(table_node, nodes.Name) else ""


@functools.cache
def _list_task_keywords() -> frozenset[str]:
    """Return the keys of a task that are no action."""
    return frozenset({*Task.fattributes, "local_action", "loop", "args"})


@functools.cache
def _list_known_filters() -> frozenset[str]:
    modules = (core, encryption, mathstuff, urls, urlsplit)
    return frozenset(FILTERS).union(*(module.FilterModule().filters() for module in modules))


@functools.cache
def _list_known_tests() -> frozenset[str]:
    modules = (core_tests, files, mathstuff_tests, uri)
    return frozenset(TESTS).union(*(module.TestModule().tests() for module in modules))
