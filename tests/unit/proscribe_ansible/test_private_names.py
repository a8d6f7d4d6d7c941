"""Every private name of ansible-core that is used stands in one file, and what becomes of one that is missing."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.utils.display import Display
from proscribe_ansible import action, executor, private_names, sweep

PROJECT = Path(__file__).resolve().parents[3]
ROOMS = ("module_utils", "library", "action_plugins", "callback_plugins", "filter_plugins", "test_plugins")
THE_LIST = "module_utils/proscribe_ansible/private_names.py"
# Private names of Python's own; those of its tuples are documented.
OF_PYTHON = frozenset(
    {
        *("_asdict", "_fields", "_field_defaults", "_make", "_replace"),
        *("_actions", "_option_string_actions", "_AppendAction", "_SubParsersAction", "_width"),  # argparse
        *("_abc_impl", "_is_protocol"),  # abc, typing
        *("_getframe", "_exit"),  # sys, os
    }
)
LISTED = {
    name
    for uses in private_names.EVERY
    for names in uses.names.values()
    for one in names
    for name in one.split(private_names.EITHER)
}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and len(name) > 1


def of_self(node: ast.expr) -> bool:
    """Whether it is `self` or `cls`."""
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def defined(tree: ast.AST) -> Iterator[str]:
    """What a file defines, and what its objects set of themselves."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and of_self(node.value):
            yield node.attr


def used(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """The private names that a file takes of something, each with whether that is `self`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            yield node.attr, of_self(node.value)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "hasattr", "part_of"):
            named = node.args[1]
            if isinstance(named, ast.Constant) and is_private(str(named.value)):
                yield str(named.value), False


def imports_ansible(tree: ast.Module) -> bool:
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level]
    return any(name.partition(".")[0] == "ansible" for name in names)


def unlisted(every: dict[str, ast.Module]) -> set[tuple[str, str]]:
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


def test_a_private_name_that_is_used_is_in_the_list() -> None:
    paths = [path for room in ROOMS for path in sorted((PROJECT / room).rglob("*.py"))]
    every = {path.relative_to(PROJECT).as_posix(): ast.parse(path.read_bytes()) for path in paths}
    assert unlisted(every) == set()
    texts = "".join((PROJECT / path).read_text() for path in every if path != THE_LIST)
    assert [name for name in sorted(LISTED) if name not in texts] == ["_convert_wire_task_result_to_host_task_result",
        "_convert_wire_task_result_to_raw"]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from ansible import x\nx._thing", {"_thing"}),
        ("from ansible import x\nclass A(x):\n    def f(self):\n        return self._thing", {"_thing"}),
        ("from ansible import x\nclass A(x):\n    def f(self):\n        self._thing = 1", set()),
        ("from ansible import x\ngetattr(x, '_thing', None)", {"_thing"}),
        ("from ansible import x\nx._asdict()\nx.__dict__", set()),
        ("def f(x):\n    return x._thing", {"_thing"}),
    ],
)
def test_a_use_is_found(text: str, found: set[str]) -> None:
    assert {name for _, name in unlisted({"some.py": ast.parse(text)})} == found


def classes() -> Iterator[type]:
    """Ours that are made of one of Ansible's."""
    yield from (action.HostAction, sweep.Worker)
    yield from (executor._Inside, executor._Executor)
    for room, name in (("action_plugins", "ActionModule"), ("callback_plugins", "CallbackModule")):
        for path in sorted((PROJECT / room).glob("*.py")):
            spec = importlib.util.spec_from_file_location(f"made_{path.stem}", path)
            assert spec and spec.loader
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            yield getattr(module, name)


def test_what_stands_for_a_private_name_of_ansible_is_in_the_list() -> None:
    for ours in classes():
        of_ansible = [one for one in ours.__mro__ if one.__module__.startswith("ansible")]
        hidden = {name for name in vars(ours) if is_private(name) and any(name in vars(one) for one in of_ansible)}
        assert of_ansible and hidden <= LISTED | OF_PYTHON, ours


# Where what has the names is, in every ansible-core that is supported.
KINDS = {
    "ActionBase": "ansible.plugins.action",
    "AnsibleError": "ansible.errors",
    "CallbackBase": "ansible.plugins.callback",
    "CallbackTaskResult": "ansible.executor.task_result",
    "Connection": "ansible.plugins.connection.ssh",
    "FinalQueue": "ansible.executor.task_queue_manager",
    "HostVars": "ansible.vars.hostvars",
    "HostVarsVars": "ansible.vars.hostvars",
    "InventoryManager": "ansible.inventory.manager",
    "PlayIterator": "ansible.executor.play_iterator",
    "SimpleQueue": "multiprocessing.queues",
    "StrategyBase": "ansible.plugins.strategy",
    "Task": "ansible.playbook.task",
    "TaskExecutor": "ansible.executor.task_executor",
    "TaskQueueManager": "ansible.executor.task_queue_manager",
    "TaskResult": "ansible.executor.task_result",
    "VariableManager": "ansible.vars.manager",
    "WorkerProcess": "ansible.executor.process.worker",
    "_tags": "ansible._internal._datatag._tags",
}


def sources(kind: str) -> str:
    """The code of the module that has something of that kind, and of what that is made of."""
    module = importlib.import_module(KINDS[kind])
    made_of = getattr(getattr(module, kind, None), "__mro__", ())
    names = {module.__name__, *(one.__module__ for one in made_of)} - {"builtins"}
    return "".join(inspect.getsource(importlib.import_module(name)) for name in sorted(names))


def test_this_ansible_has_each_name_on_what_is_said_to_have_it() -> None:
    seen = set()
    for uses in private_names.EVERY:
        assert 0 < len(uses.part) < len(uses.without), "a few words, and then what follows"
        for kind, names in uses.names.items():
            name, _, method = kind.removesuffix("()").removeprefix("ansible._internal._datatag.").partition(".")
            seen.add(name)
            if method:
                function = getattr(getattr(importlib.import_module(KINDS[name]), name), method)
                assert private_names.lacking(uses, kind, function) == [] and names
                continue
            words = set(re.findall(r"\w+", sources(name)))
            assert names and [one for one in names if words.isdisjoint(one.split("|"))] == [], kind
    assert seen == KINDS.keys()


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(Display, "warning", lambda self, text: warnings.append(text))
    whole = SimpleNamespace(**dict.fromkeys(private_names.SWEEP.names["StrategyBase()"]))
    assert private_names.complete(private_names.SWEEP, {"StrategyBase()": whole}) and warnings == []
    del whole._hosts_cache, whole._results
    assert not private_names.complete(private_names.SWEEP, {"StrategyBase()": whole})
    [warning] = warnings
    assert "has no StrategyBase()._hosts_cache, StrategyBase()._results" in " ".join(warning.split())
    assert private_names.lacking(private_names.SWEEP, "TaskResult()", SimpleNamespace(utr=1)) == []


@pytest.mark.parametrize(
    ("uses", "kind", "names"),
    [
        (private_names.SWEEP, "StrategyBase", "_queue_task _wait_on_pending_results _process_pending_results"),
        (
            private_names.SWEEP,
            "StrategyBase",
            "_convert_wire_task_result_to_raw|_convert_wire_task_result_to_host_task_result",
        ),
        (private_names.SWEEP, "StrategyBase()", "_pending_results _results"),
        (private_names.SWEEP, "WorkerProcess", "_run _term"),
        (private_names.SWEEP, "WorkerProcess()", "_final_q _host _task _task_vars _play_context"),
        (private_names.SWEEP, "FinalQueue", "send_display send_task_result"),
        (private_names.SWEEP, "Task()", "_uuid"),
        (private_names.SWEEP, "TaskResult()", "_return_data|utr"),
        (private_names.SWEEP, "Connection()", "_run _play_context"),
        (private_names.CUT_SHORT, "TaskQueueManager()", "_final_q _workers"),
        (private_names.PLACES, "ansible._internal._datatag._tags", "Origin"),
        (private_names.FOUND, "Task()", "_uuid"),
        (private_names.FOUND, "CallbackBase()", "_display"),
        (private_names.FOUND, "CallbackTaskResult()", "_return_data|utr"),
    ],
)
def test_a_name_that_several_have_or_that_is_replaced_is_looked_for_on_each(
    uses: private_names.Uses, kind: str, names: str
) -> None:
    missing = private_names.lacking(uses, kind, SimpleNamespace())
    assert {f"{kind}.{name}" for name in names.split(" ")} <= set(missing)


@pytest.mark.parametrize(("has", "lacks"), [("_hosts", "_hosts_all"), ("_hosts_all", "_hosts")])
def test_a_parameter_is_looked_for_in_the_whole_of_its_name(has: str, lacks: str) -> None:
    functions = {"_hosts": lambda _hosts: None, "_hosts_all": lambda _hosts_all: None}
    kind = "VariableManager.get_vars"
    assert private_names.lacking(private_names.PLACES, kind, functions[has]) == [f"{kind}.{lacks}"]


@pytest.mark.parametrize("lacks", ["host", "task", "task_vars", "play_context"])
def test_a_parameter_that_a_release_renames_is_missing(lacks: str) -> None:
    def made(**_: object) -> None: ...

    names = {"host", "task", "task_vars", "play_context", "more"} - {lacks}
    of_names = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in sorted(names)]
    made.__signature__ = inspect.Signature(of_names)  # type: ignore[attr-defined]
    assert private_names.lacking(private_names.SWEEP, "WorkerProcess.__init__", made) == [
        f"WorkerProcess.__init__.{lacks}"
    ]
