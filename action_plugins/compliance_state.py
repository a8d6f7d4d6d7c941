# SPDX-License-Identifier: GPL-3.0-or-later
"""Action that streams the observing code to a host in a single command, or runs it as an ordinary module."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.plugins.shell import ShellBase

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "module_utils"))

from proscribe.base.duration import format_duration
from proscribe.controller.ansible_objects import find_part
from proscribe.controller.report.text.terminal_layout import fit_warning as in_lines
from proscribe.controller.rollout.shares import has_only_user_problems
from proscribe.model.finding import GATES, MAX_ANSWER_BYTES
from proscribe.model.plan import CONTROLS, format_canonical
from proscribe.model.types.answer import ObservationAnswer
from proscribe.model.types.call import ObservationCall
from proscribe.model.types.run import ActionResult, CompiledRun, Variables
from proscribe.wire import installation
from proscribe.wire.answers.value_readers import MAX_LINE_LENGTH, UnusableAnswer
from proscribe.wire.observation import (
    FIND_PYTHON_COMMAND,
    HostObservation,
    get_compiled_run,
    has_no_answer,
    is_macos,
    make_observation,
    parse_observation,
)
from proscribe.wire.plan_store import PlanStore
from proscribe.wire.stream import REPLYING_PROGRAM
from proscribe_ansible.action import HostAction, describe_result, format_printable, get_observe_timeout, results
from proscribe_ansible.private_names import STREAM, has_all_names
from proscribe_ansible.result_transfer import CapturedAction, transfer

# The text names no host, so Ansible prints it only once for a whole fleet.
NO_PIPELINING_WARNING = (
    "pipelining is off, so the observing code goes as a module, which takes longer; `pipelining = true` in the section "
    "[connection] of ansible.cfg, or ANSIBLE_PIPELINING=1, turns it on"
)
NO_ANSWER_WARNING = "its Python did not answer the streamed code, which goes as a module now and takes longer"
NO_PROMPT_MESSAGE = "waiting for privilege escalation prompt"  # a part of Ansible's message if no password prompt comes
# Shells that can run FIND_PYTHON_COMMAND. If ansible_shell_executable names another shell, /bin/sh runs it.
POSIX_SHELLS = {"sh", "ash", "bash", "dash", "ksh", "mksh", "zsh"}
# Variable of a task in a run that corrects hosts in batches. There, problems of users alone do not fail a host, so that
# they do not stop the batches. The gate still judges the run.
SETS_ASIDE_VARIABLE = "proscribe_sets_aside"
# The arguments of the task, as Ansible declares them.
ARGUMENTS = {
    "plan": {"type": "dict"},
    "controls": {"type": "list", "elements": "str", "choices": list(CONTROLS), "default": []},
    "gate": {"type": "str", "choices": list(GATES), "default": "never"},
    "will_correct": {"type": "bool", "default": False},
    "probe": {"type": "bool", "default": False},
    "remember": {"type": "bool", "default": False},
}


class ActionModule(HostAction[ObservationAnswer]):
    """Action that observes a host and returns its record."""

    changes_host = False
    reader = staticmethod(results.read_observation)
    max_answer_bytes = MAX_ANSWER_BYTES

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        # checked arguments of calls; key: the arguments that `compile_plans` read for a host, as text
        self._calls: dict[str, ObservationCall] = {}
        # the result of the last stream, if the host's Python gave no answer to it; else None
        self._unanswered: ActionResult | None = None

    def get_time_limit(self, variables: Variables) -> float:
        """Return the seconds that the observation may take."""
        return get_observe_timeout(variables)

    def ask_host(self, variables: Variables) -> ObservationAnswer:
        """Observe the host and return its checked answer.

        A batch is a process that observes many hosts (proscribe_ansible/batch.py). In a batch, the answer may exist
        already in `transfer`. For the first host of a group in the batch, CapturedAction is raised instead of
        contacting the host. The batch takes the connection of this action for all hosts of the group.
        """
        run, host = get_compiled_run(variables), str(variables.get("inventory_hostname"))
        if host in run.get("windows", ()):
            return self._observe_windows(run, host)
        if host in transfer.outcomes:
            observation, outcome = transfer.outcomes.pop(host)
            return self._finish_result(observation, outcome(self.limiter))
        observation = self.make_observation(run, host, get_observe_timeout(variables))
        if run.get("mode") == "audit" and host in run.get("audit_stored", ()):
            return self._ask_stored_program(observation)
        if transfer.capturing:
            raise CapturedAction(self, self.command(variables))
        return self._finish_result(observation, self._exchange_with_host(observation, variables))

    def _observe_windows(self, run: CompiledRun, host: str) -> ObservationAnswer:
        """Observe a Windows host with a single command, and return the answer that the controller makes of the output.

        The command runs Windows' own programs on the host. If letters of names were lost in the host's code page, a
        second command reads these names in UTF-16. Raises UnusableAnswer for an unusable output.
        """
        from proscribe.controller.windows import (  # only here: few inventories have a Windows host
            answer_reader,
            command_line,
            exported_keys,
            host_record,
            installed_programs,
        )

        text, call = self._prepare_arguments(run, host)
        plan = json.loads(text) if text else PlanStore(Path(run["plans"])).read_stored_plan(run["hosts"][host])
        mark, began = command_line.make_token(), time.monotonic()
        line, connection = command_line.make_command_line(mark), self._connection
        family = find_part(connection, ShellBase).SHELL_FAMILY
        typed = command_line.wrap_command(line, family, connection.transport)
        result = self._low_level_execute_command(typed, sudoable=False)
        if self.limiter.reason:
            return {}
        try:
            windows_answer = answer_reader.parse_answer(result["stdout"].encode("utf-8", "surrogateescape"), mark)
        except UnusableAnswer as error:
            output = " ".join((result["stderr"] or result["stdout"])[-MAX_LINE_LENGTH:].split())
            raise UnusableAnswer(
                f"{error} (exit code {result['rc']}){output and f': {format_printable(output)}'}"
            ) from None
        if lossy_keys := installed_programs.find_lossy_keys(windows_answer)[: exported_keys.MAX_KEYS]:
            typed = exported_keys.make_export_command(lossy_keys, mark, family, connection.transport)
            result = self._low_level_execute_command(typed, sudoable=False)
            if self.limiter.reason:
                return {}
            output = result["stdout"].encode("utf-8", "surrogateescape")
            exported_keys.read_exported_keys(windows_answer.registry, lossy_keys, output, mark)
        record = host_record.observe_windows_host(plan, windows_answer, call["controls"], began)
        return results.read_observation(host_record.make_module_result(record, call["gate"]))

    def _finish_result(self, observation: HostObservation, result: ObservationAnswer) -> ObservationAnswer:
        """Print the warnings in a host's answer, and return the result of the task.

        The plan store also records whether the host stores code and plan now. In a run that corrects in batches, a host
        may fail its gate only because of users' findings. Such a host becomes `set_aside` instead of failed.
        """
        if reason := observation.note_cached(result).pop("not_installed", ""):
            message = f"{observation.host}: the program for audits without root is not installed: {reason}"
            self._display.warning(in_lines(message))
        if names := result.pop("unwatched", []):  # the text names no host, so that all hosts share a warning
            self._display.warning(
                in_lines(
                    f"The watch of hosts that this run has changed leaves {' and '.join(names)} alone from now on."
                    " It has another plan. Enforce all controls (without --tags) to bring it this one."
                )
            )
        is_failed_by_gate = SETS_ASIDE_VARIABLE in self._task.vars and result.get("failed") and "record" in result
        if is_failed_by_gate and has_only_user_problems(result["record"], observation.call["gate"]):
            del result["failed"], result["msg"]
            result["set_aside"] = True
        return result

    def make_observation(self, run: CompiledRun, host: str, seconds: int) -> HostObservation:
        """Build the observation of a host: the data that this task sends to the host. `seconds` is the time limit."""
        text, call = self._prepare_arguments(run, host)
        return make_observation(run, host, text, call, seconds)

    def _exchange_with_host(self, observation: HostObservation, variables: Variables) -> ObservationAnswer:
        """Return the host's answer by the first transport that gets an answer; {} if a limit was exceeded.

        The transports are the stream, if the connection can pipe, and the module. A host that has stored the code and
        the plan first gets a stream with only their names. If the host has lost them, a stream with both follows.
        Raises UnusableAnswer.
        """
        end = time.monotonic() + observation.seconds
        transports = [self._send_stream] if self.can_stream() else []
        # There is no warning for a connection that cannot pipe at all, because no setting changes that.
        if not transports and self._connection.has_pipelining and has_all_names(STREAM, {"ActionBase": ActionBase}):
            self._display.warning(in_lines(NO_PIPELINING_WARNING))
        result = None
        for transport in [*transports, self._send_as_module]:
            for stream in observation.list_streams():
                try:
                    result = transport(stream, variables)
                except UnusableAnswer:
                    if time.monotonic() < end:
                        raise
                    result = None  # the time limit has cut the answer off
                if result is not None and not has_no_answer(result):
                    return result
                if is_macos(result) and "macos" not in observation.call:
                    return self._exchange_with_host(observation.adapt_to_macos(), variables)
                if time.monotonic() >= end:  # the host ended the call at its limit, and would do so again
                    self.limiter.end_processes(f"it took longer than {format_duration(observation.seconds)}")
                    return {}
            if result is not None:
                break
        raise UnusableAnswer("it lacks what it was sent")

    def _ask_stored_program(self, observation: HostObservation) -> ObservationAnswer:
        """Return the answer of the audit program that the host has stored (proscribe_audit_with: stored).

        The program gets only the names of the code and of the plan, which the host has stored, too.
        """
        request = {"code": observation.code.name, "plan": observation.plan.name, "seconds": observation.seconds}
        program_answer = self.ask_audit_program(
            {**request, "controls": observation.call["controls"], "gate": observation.call["gate"]}, observation.seconds
        )
        read = results.read_observation(program_answer) if program_answer else ObservationAnswer()
        read.pop("cached", None)
        return read

    def _prepare_arguments(self, run: CompiledRun, host: str) -> tuple[str, ObservationCall]:
        """Return the plan as JSON text, and the checked arguments of the call without the plan.

        Arguments that the task lacks come from the compiled run; the text of the plan is then "". The project's tasks
        lack them, because Ansible would compile an expression in the playbook again for every host. Raises
        AnsibleActionFail.
        """
        compiled = _get_compiled_arguments(run, host)
        call_arguments = {**compiled, **self._task.args}
        plan = _format_plan_text(call_arguments["plan"]) if "plan" in call_arguments else ""
        if not plan and host not in run.get("hosts", {}):
            raise AnsibleActionFail(
                f"no plan was compiled for {host}: compile_plans did not run for it (--start-at-task and --step can "
                "leave it out); the host was not touched"
            )
        # In a batch, a single action checks the arguments of all hosts. The check costs more than the rest of this
        # function, so equal arguments are checked once.
        key = repr(compiled)
        if key not in self._calls:
            self._calls[key] = self._check_arguments(call_arguments)
        return plan, self._calls[key]

    def _check_arguments(self, call_arguments: Mapping[str, object]) -> ObservationCall:
        """Check the arguments of a call and return them without the plan. Raises AnsibleActionFail.

        In check mode, `remember` becomes False.
        """
        # The check would copy the whole plan, so it gets an empty plan.
        arguments, self._task.args = (
            self._task.args,
            {**call_arguments, "plan": {}},
        )
        try:
            _, call = self.validate_argument_spec(ARGUMENTS)
        finally:
            self._task.args = arguments
        del call["plan"]
        checked: ObservationCall = call
        return {**checked, "remember": checked["remember"] and not self._task.check_mode}

    def can_stream(self) -> bool:
        """Return True if the connection can pipe and the configuration permits it, as for Ansible's own pipelining."""
        pipes = self._connection.has_pipelining and self._connection.get_option("pipelining")
        return bool(pipes) and has_all_names(STREAM, {"ActionBase": ActionBase})

    def _send_stream(self, stream: bytes, variables: Variables) -> ObservationAnswer | None:
        """Send a stream to the host's Python, and return the answer; None for no answer, {} for an exceeded limit."""
        try:
            execution = self._low_level_execute_command(self.command(variables), in_data=stream)
        except AnsibleConnectionFailure as lost:
            if NO_PROMPT_MESSAGE in str(lost) and not self.limiter.reason:  # the shell may not even start sudo
                self.require_login_shell(str(variables.get("inventory_hostname")))
            raise
        if self.limiter.reason:
            return {}
        result = parse_observation(execution["stdout"])
        self._unanswered = execution if result is None else None
        return result

    def command(self, variables: Variables) -> str:
        """Return the shell command that starts the host's Python, which reads a stream from its standard input."""
        interpreter = str(self._templar.template(variables.get("ansible_python_interpreter")) or "auto")
        python = f'"$({FIND_PYTHON_COMMAND})"' if interpreter.startswith("auto") else interpreter
        command = f'{python} -I -S -c "{REPLYING_PROGRAM}"'
        posix = Path(self._play_context.executable or "/bin/sh").name in POSIX_SHELLS
        return command if posix else f"/bin/sh -c {shlex.quote(command)}"

    def _send_as_module(self, stream: bytes, variables: Variables) -> ObservationAnswer:
        """Send a stream in the arguments of the module, and return the answer; with a warning if streaming failed."""
        if self._unanswered is not None:
            host = str(variables.get("inventory_hostname"))
            self.require_login_shell(host)
            self._display.warning(in_lines(f"{host}: {NO_ANSWER_WARNING}: {describe_result(self._unanswered)}"))
        return self.run_module(variables, installation.qualify_name("compliance_state"), stream=stream.decode("ascii"))


def _get_compiled_arguments(run: CompiledRun, host: str) -> dict[str, object]:
    """Return the arguments for a host that `compile_plans` read in the inventory; {} without a compiled run.

    With a baseline (an earlier run to compare with), new problems fail the run and not the host. So the gate is
    `never`.
    """
    if not run:
        return {}
    gate = "never" if run.get("baseline") else run["gate"].get(host, "never")
    return {"controls": run["controls"], "gate": gate, "probe": host in run["probe"]}


def _format_plan_text(plan: object) -> str:
    """Return a plan as JSON text, from a text of the filter `proscribe_plan` or from a mapping.

    Raises AnsibleActionFail for any other value.
    """
    if isinstance(plan, Mapping):
        return format_canonical(plan)
    if isinstance(plan, str) and plan.lstrip().startswith("{"):
        return str(plan)
    raise AnsibleActionFail("plan is required: the host's plan, as compile_plans made it")
