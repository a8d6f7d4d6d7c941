"""What the actions share that ask a host: the Ansible side of a call. wire/replies says what an answer may hold.

Ansible makes a task's result of whatever a module prints on a host, and takes more of a result than it shows: other
hosts (`add_host`), variables (`ansible_facts`), handlers, statistics, warnings. So every module that runs on hosts has
an action of its name that is one of these. It lets nothing through but what the module's reader knows.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from ansible import constants as C
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.text.converters import to_bytes, to_text
from ansible.plugins.action import ActionBase
from ansible.plugins.shell import ShellBase
from proscribe.base.duration import format_duration
from proscribe.base.moments import format_timestamp
from proscribe.base.ownership import find_account_name
from proscribe.controller.ansible_parts import find_part
from proscribe.controller.report.text.layout import fit_message, get_screen_width
from proscribe.controller.report.text.layout import fit_warning as in_lines
from proscribe.host.audit_program import PROGRAM_PATH
from proscribe.model.types.answer import ModuleAnswer, SharedTurn, TurnEntry
from proscribe.model.types.run import ActionResult, CompiledRun, Variables
from proscribe.wire import stored_audit
from proscribe.wire.loader import LACKING
from proscribe.wire.observation import get_compiled_run
from proscribe.wire.replies import results
from proscribe.wire.replies.output_limits import OutputLimiter
from proscribe.wire.replies.parsing import parse_last_object
from proscribe.wire.replies.shapes import MAX_LINE_LENGTH, UnusableAnswer, read_line, read_lines
from proscribe.wire.stream import RECEIVER_PROGRAM, SHELL_EXIT_LINE, pack_for_pipe, parse_answer
from proscribe.wire.sweep.multiplexing import end_connection, find_control_path

# Bytes. An honest answer with everything wrong has some 0.4 MB, and one with all differences some 3 (docs/speed.md).
MAX_ANSWER_BYTES = 5 * 1024 * 1024
CHANGE_TIMEOUT_SECONDS = 3600  # seconds that a change of a host may take: packages are removed, over slow disks
OBSERVE_TIMEOUT_SECONDS = 300  # seconds that an observation may take, where no run was compiled
MAX_ERROR_BYTES = 64 * 1024  # bytes of what a program writes to its errors, of which the last are kept
GRACE_SECONDS = 15.0  # seconds after which a host is given up that does not keep to its own limit
REMOVE_KEYWORD_ADVICE = "remove the keyword from the task, its block, its role or its play; no host was touched"
SILENT_WAIT_SECONDS = 3.0  # seconds that a module waits for another run before it is said for whom
TURN_TIMEOUT_SECONDS = 300.0  # seconds that it waits then, unless the task says how long
PAUSE_SECONDS = 2.0  # seconds until an audit program is asked again that another audit uses
NO_PYTHON = "it has no Python that Ansible finds: install Python 3.9 or newer, or name it in ansible_python_interpreter"
NO_PROGRAM = (
    f"{PROGRAM_PATH} did not answer: an enforcing run with proscribe_audit_with: stored installs it, and the account needs"
    " the sudoers rule of docs/least-privilege.md"
)
AUDIT_FAILURES = {
    LACKING: "the host does not store what this run needs: an enforcing run with the same release and policy stores it",
    stored_audit.BUSY_KEY: "another audit of this host has not ended",
    stored_audit.REFUSED_KEY: "its audit program refused the request",
}
SCRIPT_PREFIX = b"#!"  # begins what Ansible pipes of a module
SHELL_PROBE = "proscribe-shell"  # what a login shell is asked to print
NO_SHELL = (
    "{shell} on {host} does not run the commands of Ansible (/bin/sh -c '...'): {said}. Nothing was run there."
    " Expected: an account whose login shell runs what it is given, such as sh, bash, zsh, csh, fish or nu (usermod"
    " --shell), or another ansible_user; where a restricted shell runs sh by its name, ansible_shell_executable: sh"
)
INTERPRETER_PATTERN = re.compile(r"/[A-Za-z0-9_./+-]{1,200}")


Read = TypeVar("Read", bound=ModuleAnswer)


class HostAction(ActionBase, Generic[Read]):
    """Asks one host. An action says which reader its answer passes, and with `ask_host`, if it is no plain module, how."""

    TRANSFERS_FILES = False
    _supports_async = False

    counts_for_own_host = True  # what is answered; else the task may be given to another host, or to one for all
    changes_host = True  # by a module of ours, which takes turns with other runs
    reader: Callable[[object], Read]
    max_answer_bytes = MAX_ANSWER_BYTES
    limiter = OutputLimiter(0, 0)  # of the call that is made

    def run(self, tmp: Any = None, task_vars: Variables | None = None) -> ActionResult:
        """Answer the task."""
        result: ActionResult = super().run(tmp, task_vars)
        variables = task_vars or {}
        if self.counts_for_own_host:
            self._require_own_host(variables)
        self.limiter = limiter = OutputLimiter(self.max_answer_bytes, self.get_time_limit(variables) + GRACE_SECONDS)
        answer: ModuleAnswer = {}
        try:
            with limiter:
                answer = self.ask_host(variables)
        except UnusableAnswer as error:
            answer = {"failed": True, "msg": f"its answer cannot be used: {error}"}
        except AnsibleConnectionFailure as connection_error:
            if not limiter.reason:  # what ssh says holds what the host printed
                raise AnsibleConnectionFailure(format_printable(connection_error)) from None
        except AnsibleError as error:
            if not limiter.reason:
                raise AnsibleActionFail(format_printable(error)) from None
        except Exception:  # what becomes of a connection whose program is ended is nobody's to foresee
            if not limiter.reason:
                raise
        if limiter.reason:
            if not limiter.has_ended:
                self._give_up_connection()
            answer = {"failed": True, "msg": limiter.reason}
        return {**result, **answer}

    def _require_own_host(self, variables: Variables) -> None:
        """Refuse what would report one host's answer as that of another, or of none."""
        host, name = str(variables.get("inventory_hostname")), self._task.action
        if (delegate := self._task.delegate_to) and str(delegate) != host:
            raise AnsibleActionFail(
                f"{name} is delegated to {delegate}, whose answer would count for {host}: {REMOVE_KEYWORD_ADVICE}"
            )
        if self._task.run_once and len(variables.get("ansible_play_hosts_all") or ()) > 1:
            raise AnsibleActionFail(
                f"{name} has run_once, so {host} would be the only host that it is for: {REMOVE_KEYWORD_ADVICE}"
            )

    def get_time_limit(self, _variables: Variables) -> float:
        """How many seconds the host has for its answer."""
        return CHANGE_TIMEOUT_SECONDS

    def ask_host(self, variables: Variables) -> ModuleAnswer:
        """The host's answer: that of the module of the task's name."""
        return self.run_module(variables)

    def run_module(self, variables: Variables, name: str | None = None, **arguments: Any) -> Read:
        """What a module answers, read; with other `arguments` than the task's, if there are any. Where another run has
        the host, it is waited for, and it is said for whom.
        """
        host, call_arguments = variables.get("inventory_hostname"), arguments or self._task.args
        if not self.changes_host:
            return self._execute_and_read(variables, name, call_arguments)
        run = {
            "by": describe_run(get_compiled_run(variables)),
            "wait": TURN_TIMEOUT_SECONDS,
            **(self._task.args.get("run") or {}),
        }
        began = time.monotonic()
        host_answer = self._execute_and_read(
            variables, name, {**call_arguments, "run": {**run, "wait": SILENT_WAIT_SECONDS}}
        )
        if busy := _find_busy_turn(host_answer):
            self._report_waiting(host, busy, float(run["wait"]))
            host_answer = self._execute_and_read(variables, name, {**call_arguments, "run": run})
            if not _find_busy_turn(host_answer):
                _add_waited_turn(host_answer, {**busy, "waited": max(round(time.monotonic() - began), 1)})
        self._report_other_runs(host, host_answer)
        return host_answer

    def _report_other_runs(self, host: object, answer: ModuleAnswer) -> None:
        for shared_turn in answer.get("other_runs", ()):
            self._display.warning(in_lines(f"{host}: {describe_other_run(shared_turn)}"))

    def _report_waiting(self, host: object, busy: TurnEntry, wait: float) -> None:
        """Say for whom a host is waited for, now: Ansible keeps a warning until the task is over."""
        since = f"{busy['by']}, which has been changing it since {busy['since']}"
        message = f"{host}: waits for {since}, until {format_timestamp(time.time() + wait)} at the latest"
        self._display.display(fit_message(message, get_screen_width()), C.COLOR_WARN, stderr=True)

    def _execute_and_read(self, variables: Variables, name: str | None, arguments: Mapping[str, object]) -> Read:
        """What a module answers to one call, read."""
        answer = self._execute_module(module_name=name, module_args=arguments, task_vars=variables)
        host_answer = self.reader(answer)
        # The one fact that Ansible finds by itself and needs again; it comes out of what a host printed, too.
        key = getattr(self, "_discovered_interpreter_key", None)
        interpreter = str(getattr(self, "_discovered_interpreter", ""))
        if key and INTERPRETER_PATTERN.fullmatch(interpreter):
            host_answer["ansible_facts"] = {key: interpreter}
        return host_answer

    def ask_audit_program(self, request: Mapping[str, object], seconds: float) -> Mapping[Any, Any]:
        """What the audit program of the host answers (stored_audit.py). sudo runs it for this account, whatever the
        task would become, and it is asked again while another audit runs. {failed, msg} where it does not answer.
        """
        command = f"printf '%s\\n' {shlex.quote(json.dumps(request))} | sudo -n {PROGRAM_PATH}"
        end = time.monotonic() + seconds
        while True:
            began = time.monotonic()
            result = self._low_level_execute_command(command, sudoable=False)
            if self.limiter.reason:
                return {}
            program_answer = parse_answer(result["stdout"])
            if program_answer is None and time.monotonic() - began >= seconds:
                return {"failed": True, "msg": f"it took longer than {format_duration(int(seconds))}"}
            if program_answer is None:
                output = read_line(" ".join(result["stderr"].split()) or f"exit code {result['rc']}", "stderr")
                return {"failed": True, "msg": f"{NO_PROGRAM} ({output})"}
            if stored_audit.BUSY_KEY in program_answer and time.monotonic() + PAUSE_SECONDS < end:
                time.sleep(PAUSE_SECONDS)
                continue
            for key, message in AUDIT_FAILURES.items():
                if key in program_answer:
                    reason = read_line(program_answer[key], key) if isinstance(program_answer[key], str) else ""
                    return {"failed": True, "msg": f"{message}{reason and ': '}{reason}"}
            return program_answer

    def require_login_shell(self, host: str) -> None:
        """Refuse a host whose login shell does not run what it is given: it may read the text of a module, which is
        piped next. Raises AnsibleActionFail.
        """
        result = self._low_level_execute_command(f"echo {SHELL_PROBE}", sudoable=False, in_data=SHELL_EXIT_LINE)
        if self.limiter.reason or SHELL_PROBE in result["stdout"].split():
            return
        printed = self._connection.exec_command(f"echo {SHELL_PROBE} $SHELL", in_data=SHELL_EXIT_LINE, sudoable=False)
        named, user = re.search(rf"{SHELL_PROBE} (\S+)", to_text(printed[1])), self._find_account()
        shell = f"the login shell{f' {named[1]}' if named else ''}{f' of {user}' if user else ''}"
        raise AnsibleActionFail(NO_SHELL.format(shell=shell, host=host, said=describe_result(result)))

    def _find_account(self) -> str:
        """The account of the connection; "" where Ansible does not say."""
        return str(self._get_remote_user() or "") if hasattr(self, "_get_remote_user") else ""

    def _parse_returned_data(self, res: ActionResult, *more: Any, **named: Any) -> Any:
        """Ansible's own parser, but of what the reader lets through: it warns with what else a host printed, and has
        types of its own that a text can stand for. Were it not called, `run_module` would still read the result.
        """
        try:
            answer = parse_last_object(res["stdout"])
        except UnusableAnswer as error:
            # On a terminal (sudo), what the shell says of a missing python stands in the output.
            output = " ".join(
                f"{res['stdout'][-MAX_LINE_LENGTH:]} {(res.get('stderr') or '')[-MAX_LINE_LENGTH:]}".split()
            )
            reason = NO_PYTHON if res.get("rc") in (126, 127) and "python" in output else error
            raise UnusableAnswer(
                f"{reason} (exit code {res.get('rc')}){output and f': {format_printable(output)}'}"
            ) from None
        read = json.dumps(self.reader(answer))
        return super()._parse_returned_data({**res, "stdout": read, "stderr": ""}, *more, **named)

    def _low_level_execute_command(self, cmd: str, *args: Any, in_data: bytes | None = None, **named: Any) -> Any:
        """Ansible's own, but no module is piped as what a shell could read (stream.py), and without what could steer a
        terminal in the errors: Ansible warns with them.
        """
        if in_data and in_data.startswith(SCRIPT_PREFIX):
            cmd, in_data = f'{cmd} -c "{RECEIVER_PROGRAM}"', pack_for_pipe(to_text(in_data))
        result = super()._low_level_execute_command(cmd, *args, in_data=in_data, **named)
        errors = read_lines(result["stderr"][-MAX_ERROR_BYTES:], "stderr", MAX_ERROR_BYTES)
        return {**result, "stderr": errors, "stderr_lines": errors.splitlines()}

    def cleanup(self, force: bool = False) -> None:
        """Take away what the module needed on the host, which may have no end there either."""
        if self.limiter.reason:
            find_part(self._connection, "_shell", ShellBase).tmpdir = None  # it is given up
            return
        limiter = OutputLimiter(MAX_ERROR_BYTES, GRACE_SECONDS)
        try:
            with limiter:
                super().cleanup(force)
        except Exception:
            if not limiter.reason:
                raise
        if limiter.reason:
            self._give_up_connection()

    def _give_up_connection(self) -> None:
        """End the connection that is kept for this host: a session that the host does not end would keep it."""
        with contextlib.suppress(Exception):  # only ssh has it
            exit_ = self._connection._build_command(
                self._connection.get_option("ssh_executable"), "ssh", "-O", "exit", self._connection.host
            )
            try:
                end_connection(find_control_path(map(to_bytes, exit_)), GRACE_SECONDS)
            except OSError:
                subprocess.run(exit_, stdin=subprocess.DEVNULL, capture_output=True, timeout=10)


def _find_busy_turn(answer: ModuleAnswer) -> TurnEntry | None:
    """Return who has the host, where an answer says that there was no more time to wait."""
    return answer.get("busy")


def _add_waited_turn(answer: ModuleAnswer, waited: SharedTurn) -> None:
    """Have an answer name the run that was waited for, instead of what the module said of it."""
    answer["other_runs"] = [
        waited,
        *(shared_turn for shared_turn in answer.get("other_runs", ()) if not shared_turn["waited"]),
    ]


def describe_run(run: CompiledRun) -> str:
    """Who changes hosts, for whoever else would: this controller, its account, and the run."""
    account, caller = find_account_name(os.getuid()), os.environ.get("SUDO_USER", "")
    user = f"{account} (sudo: {caller})" if caller and caller != account else account
    run_name = f"run {run['id']}" if "id" in run else f"process {os.getppid()}"
    return f"{run_name} of {user} on {os.uname().nodename}"


def describe_other_run(shared_turn: SharedTurn) -> str:
    """With whom a run had to share a host, in words."""
    if shared_turn["waited"]:
        return f"waited {shared_turn['waited']} s for {shared_turn['by']}, which had been changing it since {shared_turn['since']}"
    return f"{shared_turn['by']} changed it at {shared_turn['since']}, between two changes of this run"


def describe_result(result: ActionResult) -> str:
    """Why a command was not what it should be, in a line: what it printed, and its exit code."""
    output = " ".join(f"{result['stdout']} {result['stderr']}".split())[-MAX_LINE_LENGTH:]
    return f"{output and f'it printed {format_printable(output)!r}, '}exit code {result['rc']}"


def get_observe_timeout(variables: Variables) -> int:
    """How many seconds an observation of a task's host may take, as `compile_plans` read it in the inventory."""
    run = get_compiled_run(variables)
    timeouts = run.get("observe_timeout") or {"usual": OBSERVE_TIMEOUT_SECONDS, "hosts": {}}
    return int(timeouts["hosts"].get(str(variables.get("inventory_hostname")), timeouts["usual"]))


def format_printable(error: object) -> str:
    """What a message of Ansible's says, without what could steer a terminal."""
    return read_line(str(error), "a message")


__all__ = ["HostAction", "describe_result", "get_observe_timeout", "format_printable", "results"]
