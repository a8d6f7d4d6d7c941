"""The private names of ansible-core that Proscribe uses, and its fallback without them.

ansible-core does not promise these names, so a release may rename any (tested with 2.19, 2.20 and 2.21). Each name is
checked on its object before the first host is contacted. If a name is missing, the feature that uses it is left out,
and a single warning states that name. `tests/unit/proscribe_ansible/test_private_names.py` fails for the use of
a name that is not listed here. `docs/decisions/0012` lists them all.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible.release import __version__
from ansible.utils.display import Display
from proscribe.controller.report.text.terminal_layout import fit_warning as in_lines

NAME_SEPARATOR = "|"  # between the names of the same attribute in different releases


class PrivateNames(NamedTuple):
    """The private names that a feature uses, and the consequence if one of them is missing.

    `names` has the names by the class that has them. `Class()` is an object of the class. The names of a function are
    its parameters.
    """

    feature: str
    consequence: str  # the behaviour when a name is missing
    public_cost: str  # the cost of the same feature by public names; "" if there are none for it
    names: Mapping[str, tuple[str, ...]]


SWEEP = PrivateNames(
    "many hosts in one process",
    "every host has a worker of its own, which takes longer",
    "45 instead of 8 ms of the controller for each of 100 hosts",
    {
        "StrategyBase": (
            *("_queue_task", "_wait_on_pending_results", "_process_pending_results"),
            "_convert_wire_task_result_to_raw|_convert_wire_task_result_to_host_task_result",
        ),
        "StrategyBase()": (
            *("_tqm", "_hosts_cache", "_queued_task_cache", "_pending_results", "_results", "_results_lock"),
        ),
        "TaskQueueManager()": ("_terminated",),
        "WorkerProcess": ("_run", "_detach", "_term", "_hard_exit"),
        "WorkerProcess.__init__": ("host", "task", "task_vars", "play_context"),  # parameters
        "WorkerProcess()": ("_final_q", "_host", "_task", "_task_vars", "_play_context"),
        "TaskExecutor": ("_get_connection", "_set_connection_options"),
        "FinalQueue": ("send_display", "send_task_result"),
        "Task()": ("_parent", "_uuid"),
        "TaskResult()": ("_return_data|utr",),
        "Connection()": ("_run", "_create_control_path", "_load_name", "_play_context", "_shell"),
    },
)
CUT_SHORT = PrivateNames(
    "runs that are cut short",
    "such a run leaves its report to the next run",
    "",
    {
        "TaskQueueManager()": ("_signal_handler", "_final_q", "_workers"),
        "SimpleQueue()": ("_writer",),  # of Python's multiprocessing
        "AnsibleError": ("_exit_code",),
    },
)
ENDING = PrivateNames(
    "the end of a run",
    "the exit code is Ansible's unless PROSCRIBE_EXIT_FILE names a file, and a run that is cut short leaves its report"
    " to the next run",
    "",
    {"TaskQueueManager()": ("_callback_plugins",)},
)
JOINING = PrivateNames(
    "roles that register the report",
    "only a playbook that names Proscribe's roles has a report",
    "",
    {"CallbackBase": ("_init_callback_methods",)},
)
STREAM = PrivateNames(
    "streamed code",
    "the observing code goes as a module, which takes longer",
    "an observation takes 0.86 instead of 0.21 of the time of a ping",
    {"ActionBase": ("_low_level_execute_command",)},
)
ANSWERS = PrivateNames(
    "answers of modules",
    "Ansible reads the answer of a module before Proscribe does",
    "",
    {"ActionBase": ("_parse_returned_data",)},
)
DETAILS = PrivateNames(
    "details",
    "messages say less, a host that does not end its session keeps it, and tasks may take longer",
    "",
    {
        "ActionBase": ("_requires_connection", "_supports_async"),
        "ActionBase()": ("_discovered_interpreter", "_discovered_interpreter_key"),
        "Connection": ("_build_command",),  # of the ssh plugin
        "CallbackBase": ("_handle_warnings",),
    },
)
PLACES = PrivateNames(
    "places of variables",
    "messages do not say where some variables were written, and a large fleet takes longer",
    "6 % more of the controller's time to compile plans for 3,000 hosts; for places, there are none",
    {
        "ansible._internal._datatag._tags": ("Origin",),
        "VariableManager()": ("_nonpersistent_fact_cache", "_vars_cache"),
        "VariableManager.get_vars": ("_hosts", "_hosts_all"),  # parameters
    },
)
ACTIONS = PrivateNames(
    "actions",
    "Ansible gives it to every action plugin, so the run stops before any host is touched",
    "",
    {
        "ActionBase()": (
            *("_connection", "_display", "_execute_module", "_loader", "_play_context", "_task", "_templar"),
        )
    },
)
# Without these names nothing is lost.
FOUND = PrivateNames(
    "parts of objects",
    "they are found elsewhere, and nothing is left out",
    "seconds for 10,000 hosts (`_variable_manager`), a copy of each result (`_return_data`)",
    {
        "HostVars()": ("_variable_manager",),
        "InventoryManager()": ("_sources",),
        "Task()": ("_uuid",),
        "CallbackBase()": ("_display",),
        "CallbackTaskResult()": ("_return_data|utr",),
    },
)
ALL_USES = (SWEEP, CUT_SHORT, ENDING, JOINING, STREAM, ANSWERS, DETAILS, PLACES, ACTIONS, FOUND)


def list_missing_names(uses: PrivateNames, kind: str, checked_object: Any) -> list[str]:
    """List the names of `kind` in `uses` that an object lacks, each with its kind; for a function, its parameters."""
    parameters = inspect.signature(checked_object).parameters if inspect.isroutine(checked_object) else None
    return [
        f"{kind}.{names}"
        for names in uses.names[kind]
        if not any(
            hasattr(checked_object, name) if parameters is None else name in parameters
            for name in names.split(NAME_SEPARATOR)
        )
    ]


def describe_missing_names(uses: PrivateNames, names: list[str]) -> str:
    """Return a message about missing names: the feature that uses them, and the consequence."""
    return f"ansible-core {__version__} has no {', '.join(names)}, for {uses.feature}: {uses.consequence}"


def has_all_names(uses: PrivateNames, objects: Mapping[str, object]) -> bool:
    """Return True if all objects have the names in `uses`; otherwise print a warning with the missing names.

    `objects` has an object for each kind, a key of `uses.names`. Ansible prints equal warnings of all processes once.
    """
    names = [
        name for kind, checked_object in objects.items() for name in list_missing_names(uses, kind, checked_object)
    ]
    if names:
        Display().warning(in_lines(describe_missing_names(uses, names)))
    return not names
