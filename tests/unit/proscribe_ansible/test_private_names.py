"""Every private name of ansible-core that is used stands in one file, and what becomes of one that is missing."""

import ast
from pathlib import Path
from types import SimpleNamespace

from ansible.utils.display import Display
from proscribe_ansible import private_names

PROJECT = Path(__file__).resolve().parents[3]
ROOMS = ("module_utils", "library", "action_plugins", "callback_plugins", "filter_plugins", "test_plugins")
THE_LIST = "module_utils/proscribe_ansible/private_names.py"
# Private names of Python's own; those of its tuples are documented.
OF_PYTHON = {
    *("_asdict", "_fields", "_field_defaults", "_make", "_replace"),
    *("_actions", "_option_string_actions", "_AppendAction", "_SubParsersAction", "_width"),  # argparse
    *("_abc_impl", "_is_protocol", "_getframe", "_exit"),  # abc, typing, sys, os
}
LISTS = [names for uses in private_names.ALL_USES for names in uses.names.values()]
LISTED = {name for names in LISTS for either in names for name in either.split(private_names.NAME_SEPARATOR)}


def is_private(name):
    return name.startswith("_") and not name.startswith("__") and len(name) > 1


def of_self(node):
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def defined(tree):
    """What a file defines, and what its objects set of themselves."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and of_self(node.value):
            yield node.attr


def used(tree):
    """The private names that a file takes of something, each with whether that is `self`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            yield node.attr, of_self(node.value)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "hasattr"):
            named = node.args[1]
            if isinstance(named, ast.Constant) and is_private(str(named.value)):
                yield str(named.value), False


def imports_ansible(tree):
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level]
    return any(name.partition(".")[0] == "ansible" for name in names)


def unlisted(every):
    """The private names that are neither in the list nor our own, each with its file. In a file that imports Ansible
    only what the file itself defines is our own, but for what objects take of themselves.
    """
    ours = {name for tree in every.values() for name in defined(tree)}
    return {
        (path, name)
        for path, tree in every.items()
        for name, itself in used(tree)
        if name not in LISTED | OF_PYTHON
        and name not in (ours if itself or not imports_ansible(tree) else set(defined(tree)))
    }


def test_private_name_that_is_used_is_in_the_list():
    paths = [path for room in ROOMS for path in sorted((PROJECT / room).rglob("*.py"))]
    every = {path.relative_to(PROJECT).as_posix(): ast.parse(path.read_bytes()) for path in paths}
    assert unlisted(every) == set()
    texts = "".join((PROJECT / path).read_text() for path in every if path != THE_LIST)
    assert [name for name in sorted(LISTED) if name not in texts] == ["_convert_wire_task_result_to_host_task_result",
        "_convert_wire_task_result_to_raw"]  # fmt: skip


def test_missing_private_name_is_named_in_a_warning(monkeypatch):
    warnings = []
    monkeypatch.setattr(Display, "warning", lambda self, text: warnings.append(text))
    whole = SimpleNamespace(**dict.fromkeys(private_names.SWEEP.names["StrategyBase()"]))
    assert private_names.has_all_names(private_names.SWEEP, {"StrategyBase()": whole}) and warnings == []
    del whole._hosts_cache, whole._results
    assert not private_names.has_all_names(private_names.SWEEP, {"StrategyBase()": whole})
    [warning] = warnings
    assert "has no StrategyBase()._hosts_cache, StrategyBase()._results" in " ".join(warning.split())
    assert private_names.list_missing_names(private_names.SWEEP, "TaskResult()", SimpleNamespace(utr=1)) == []
