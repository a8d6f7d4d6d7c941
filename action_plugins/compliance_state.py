# SPDX-License-Identifier: GPL-3.0-or-later
"""Action: streams the observing code to the host in one exec; where that cannot be, it runs as an ordinary module."""

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

from proscribe.base.duration import shown
from proscribe.controller.ansible_parts import part_of
from proscribe.controller.report.text.layout import warning as in_lines
from proscribe.controller.rollout.shares import is_held_by_users
from proscribe.model.finding import GATES, LARGEST_ANSWER
from proscribe.model.plan import CONTROLS, canonical
from proscribe.model.types.answer import ObservationAnswer
from proscribe.model.types.call import Call
from proscribe.model.types.run import CompiledRun, Result, Variables
from proscribe.wire import installation
from proscribe.wire.observation import (
    ANY_PYTHON,
    Observation,
    answered,
    compiled_run,
    is_macos,
    lacks,
    of_host,
)
from proscribe.wire.replies.shapes import LINE, Unusable
from proscribe.wire.store import Store
from proscribe.wire.stream import RECEIVE
from proscribe_ansible.action import HostAction, how_it_ended, observe_timeout, printable, results
from proscribe_ansible.handover import Captured, handover
from proscribe_ansible.private_names import STREAM, complete

# Of every host of a fleet, so it is no text of one host's: Ansible prints one text once.
NOT_PIPED = (
    "pipelining is off, so the observing code goes as a module, which takes longer; `pipelining = true` in the section "
    "[connection] of ansible.cfg, or ANSIBLE_PIPELINING=1, turns it on"
)
NO_ANSWER = "its Python did not answer the streamed code, which goes as a module now and takes longer"
UNPROMPTED = "waiting for privilege escalation prompt"  # in what Ansible says where nobody asks for a password
# What understands ANY_PYTHON; ansible_shell_executable may name another shell.
POSIX = {"sh", "ash", "bash", "dash", "ksh", "mksh", "zsh"}
# Variable of a task, in a run that corrects in batches: users alone fail no host there. The run has the gate's verdict.
SETS_ASIDE = "proscribe_sets_aside"
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
    """Observes one host."""

    changes_its_host = False
    reader = staticmethod(results.observation)
    most = LARGEST_ANSWER

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._calls: dict[str, Call] = {}  # what was checked, by what was compiled for a host
        self._unanswered: Result | None = None  # how the last stream ended that was not answered

    def limit(self, variables: Variables) -> float:
        """How long the observation may take."""
        return observe_timeout(variables)

    def ask(self, variables: Variables) -> ObservationAnswer:
        """Observe the host."""
        run, host = compiled_run(variables), str(variables.get("inventory_hostname"))
        if host in run.get("windows", ()):
            return self._of_windows(run, host)
        if host in handover.outcomes:
            observed, outcome = handover.outcomes.pop(host)
            return self._finished(observed, outcome(self.leash))
        observed = self.observation(run, host, observe_timeout(variables))
        if run.get("mode") == "audit" and host in run.get("audit_stored", ()):
            return self._with_the_program(observed)
        if handover.capturing:
            raise Captured(self, self.command(variables))
        return self._finished(observed, self._exchanged(observed, variables))

    def _of_windows(self, run: CompiledRun, host: str) -> ObservationAnswer:
        """The answer of a Windows host, judged here: its own programs are asked, in one exec."""
        from proscribe.controller.windows import answer, command, observing  # few inventories have one

        text, call = self._arguments(run, host)
        plan = json.loads(text) if text else Store(Path(run["plans"])).stored(run["hosts"][host])
        mark, began = command.token(), time.monotonic()
        line, connection = command.line(mark), self._connection
        family = part_of(connection, "_shell", ShellBase).SHELL_FAMILY
        typed = command.command(line, family, connection.transport)
        done = self._low_level_execute_command(typed, sudoable=False)
        if self.leash.why:
            return {}
        try:
            said_there = answer.read(done["stdout"].encode("utf-8", "surrogateescape"), mark)
        except Unusable as wrong:
            said = " ".join((done["stderr"] or done["stdout"])[-LINE:].split())
            raise Unusable(f"{wrong} (exit code {done['rc']}){said and f': {printable(said)}'}") from None
        record = observing.observe(plan, said_there, call["controls"], began)
        return results.observation(observing.answered(record, call["gate"]))

    def _finished(self, observed: Observation, result: ObservationAnswer) -> ObservationAnswer:
        """The result of the task, once it is noted what the host stores now."""
        if reason := observed.noted(result).pop("not_installed", ""):
            why = f"{observed.host}: the program for audits without root is not installed: {reason}"
            self._display.warning(in_lines(why))
        if names := result.pop("unwatched", []):  # without the host: one warning for all
            self._display.warning(
                in_lines(
                    f"The watch of hosts that this run has changed leaves {' and '.join(names)} alone from now on."
                    " It has another plan. Enforce all controls (without --tags) to bring it this one."
                )
            )
        judged = SETS_ASIDE in self._task.vars and result.get("failed") and "record" in result
        if judged and is_held_by_users(result["record"], observed.call["gate"]):
            del result["failed"], result["msg"]
            result["set_aside"] = True
        return result

    def observation(self, run: CompiledRun, host: str, seconds: int) -> Observation:
        """What a host of this task is sent."""
        text, call = self._arguments(run, host)
        return of_host(run, host, text, call, seconds)

    def _exchanged(self, observed: Observation, variables: Variables) -> ObservationAnswer:
        """What the host answers, by the first way that it answers at all; {} where it was given up."""
        end = time.monotonic() + observed.seconds
        transports = [self._streamed] if self.can_stream() else []
        # Nobody can change a connection that cannot pipe at all, so nothing is said of it.
        if not transports and self._connection.has_pipelining and complete(STREAM, {"ActionBase": ActionBase}):
            self._display.warning(in_lines(NOT_PIPED))
        result = None
        for transport in [*transports, self._as_module]:
            for stream in observed.streams():
                try:
                    result = transport(stream, variables)
                except Unusable:
                    if time.monotonic() < end:
                        raise
                    result = None
                if result is not None and not lacks(result):
                    return result
                if is_macos(result) and "macos" not in observed.call:
                    return self._exchanged(observed.for_macos(), variables)
                if time.monotonic() >= end:  # the host has ended it, and would end it again
                    self.leash.cut(f"it took longer than {shown(observed.seconds)}")
                    return {}
            if result is not None:
                break
        raise Unusable("it lacks what it was sent")

    def _with_the_program(self, observed: Observation) -> ObservationAnswer:
        """The answer of the host's own program, which only gets names (proscribe_audit_with: stored)."""
        named = {"code": observed.code.name, "plan": observed.plan.name, "seconds": observed.seconds}
        given = self.ask_program(
            {**named, "controls": observed.call["controls"], "gate": observed.call["gate"]}, observed.seconds
        )
        read = results.observation(given) if given else ObservationAnswer()
        read.pop("cached", None)
        return read

    def _arguments(self, run: CompiledRun, host: str) -> tuple[str, Call]:
        """The plan as JSON text, and the rest of the call. What the task does not give is what was compiled for the
        host ("" for the plan): an expression in the playbook would have to be compiled once more for every host.
        """
        compiled = _compiled(run, host)
        given = {**compiled, **self._task.args}
        plan = _text(given["plan"]) if "plan" in given else ""
        if not plan and host not in run.get("hosts", {}):
            raise AnsibleActionFail(
                f"no plan was compiled for {host}: compile_plans did not run for it (--start-at-task and --step can "
                "leave it out); the host was not touched"
            )
        # Of a batch, one action has the arguments of all hosts, and to check them costs more than all else here.
        key = repr(compiled)
        if key not in self._calls:
            self._calls[key] = self._checked(given)
        return plan, self._calls[key]

    def _checked(self, given: Mapping[str, object]) -> Call:
        """The call, as the module declares it. Raises AnsibleActionFail."""
        arguments, self._task.args = self._task.args, {**given, "plan": {}}  # checking would copy all of the plan
        try:
            _, call = self.validate_argument_spec(ARGUMENTS)
        finally:
            self._task.args = arguments
        del call["plan"]
        checked: Call = call
        return {**checked, "remember": checked["remember"] and not self._task.check_mode}

    def can_stream(self) -> bool:
        """As for Ansible's own pipelining: the connection can pipe, and the configuration lets it."""
        pipes = self._connection.has_pipelining and self._connection.get_option("pipelining")
        return bool(pipes) and complete(STREAM, {"ActionBase": ActionBase})

    def _streamed(self, stream: bytes, variables: Variables) -> ObservationAnswer | None:
        try:
            done = self._low_level_execute_command(self.command(variables), in_data=stream)
        except AnsibleConnectionFailure as lost:
            if UNPROMPTED in str(lost) and not self.leash.why:  # a shell that does not even start sudo
                self.require_shell(str(variables.get("inventory_hostname")))
            raise
        if self.leash.why:
            return {}
        result = answered(done["stdout"])
        self._unanswered = done if result is None else None
        return result

    def command(self, variables: Variables) -> str:
        """What the host runs, with a stream as its standard input."""
        named = str(self._templar.template(variables.get("ansible_python_interpreter")) or "auto")
        python = f'"$({ANY_PYTHON})"' if named.startswith("auto") else named
        command = f'{python} -I -S -c "{RECEIVE}"'
        posix = Path(self._play_context.executable or "/bin/sh").name in POSIX
        return command if posix else f"/bin/sh -c {shlex.quote(command)}"

    def _as_module(self, stream: bytes, variables: Variables) -> ObservationAnswer:
        if self._unanswered is not None:
            host = str(variables.get("inventory_hostname"))
            self.require_shell(host)
            self._display.warning(in_lines(f"{host}: {NO_ANSWER}: {how_it_ended(self._unanswered)}"))
        return self.module(variables, installation.called("compliance_state"), stream=stream.decode("ascii"))


def _compiled(run: CompiledRun, host: str) -> dict[str, object]:
    """What `compile_plans` read in the inventory about the observation of a host. With a baseline, the run fails for
    what is new, and not the host.
    """
    if not run:
        return {}
    gate = "never" if run.get("baseline") else run["gate"].get(host, "never")
    return {"controls": run["controls"], "gate": gate, "probe": host in run["probe"]}


def _text(plan: object) -> str:
    """A plan as JSON text: as `proscribe_plan` gives it, or out of a mapping."""
    if isinstance(plan, Mapping):
        return canonical(plan)
    if isinstance(plan, str) and plan.lstrip().startswith("{"):
        return str(plan)
    raise AnsibleActionFail("plan is required: the host's plan, as compile_plans made it")
