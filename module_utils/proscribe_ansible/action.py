"""The base class of the actions that contact a host. An action is the controller's side of a module call.

wire/answers defines the possible answers of hosts.

Ansible makes the result of a task from any output of a module on a host. Some keys of a result have effects that the
screen does not show. They define other hosts (`add_host`) or variables (`ansible_facts`), notify handlers, or change
statistics and warnings. So every module that runs on hosts has an action of the same name, derived from HostAction. The
action passes on only the keys that the reader of the module knows.
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
from proscribe.base.ownership import find_account_name
from proscribe.base.timestamps import format_timestamp
from proscribe.controller.ansible_objects import find_part
from proscribe.controller.report.text.terminal_layout import fit_message, get_screen_width
from proscribe.controller.report.text.terminal_layout import fit_warning as in_lines
from proscribe.host.audit_program import PROGRAM_PATH
from proscribe.model.types.answer import ModuleAnswer, SharedTurn, TurnEntry
from proscribe.model.types.run import ActionResult, CompiledRun, Variables
from proscribe.wire import audit_installer
from proscribe.wire.answers import results
from proscribe.wire.answers.output_limits import OutputLimiter
from proscribe.wire.answers.parsing import parse_last_object
from proscribe.wire.answers.value_readers import MAX_LINE_LENGTH, UnusableAnswer, read_line, read_lines
from proscribe.wire.loader import LACKING
from proscribe.wire.observation import get_compiled_run
from proscribe.wire.parallel.multiplexing import end_connection, find_control_path
from proscribe.wire.stream import RECEIVER_PROGRAM, SHELL_EXIT_LINE, pack_for_pipe, parse_answer

# An honest host on which every rule is violated answers with some 0.4 MB. With all differences, it is some 3 MB
# (docs/speed.md).
MAX_ANSWER_BYTES = 5 * 1024 * 1024
CHANGE_TIMEOUT_SECONDS = 3600  # seconds that a change of a host may take: removing packages from slow disks takes long
OBSERVE_TIMEOUT_SECONDS = 300  # seconds that an observation may take if `compile_plans` set no timeout
MAX_ERROR_BYTES = 64 * 1024  # bytes of the error output; only the last ones are stored
GRACE_SECONDS = 15.0  # seconds beyond a host's own time limit before the controller gives the host up
REMOVE_KEYWORD_ADVICE = "remove the keyword from the task, its block, its role or its play; no host was touched"
SILENT_WAIT_SECONDS = 3.0  # seconds that a module waits for another run before a message names that run
TURN_TIMEOUT_SECONDS = 300.0  # seconds that a module waits after that message, unless the task sets a limit
PAUSE_SECONDS = 2.0  # seconds before a busy audit program is called again
NO_PYTHON = "it has no Python that Ansible finds: install Python 3.9 or newer, or name it in ansible_python_interpreter"
NO_PROGRAM = (
    f"{PROGRAM_PATH} did not answer: an enforcing run with proscribe_audit_with: stored installs it, and the account "
    f"needs"
    " the sudoers rule of docs/least-privilege.md"
)
AUDIT_FAILURES = {
    LACKING: "the host does not store what this run needs: an enforcing run with the same release and policy stores it",
    audit_installer.BUSY_KEY: "another audit of this host has not ended",
    audit_installer.REFUSED_KEY: "its audit program refused the request",
}
SCRIPT_PREFIX = b"#!"  # the first bytes of a module (a script) that Ansible pipes
SHELL_PROBE = "proscribe-shell"  # the text that a login shell has to print when it runs commands
NO_SHELL = (
    "{shell} on {host} does not run the commands of Ansible (/bin/sh -c '...'): {said}. Nothing was run there."
    " Expected: an account whose login shell runs what it is given, such as sh, bash, zsh, csh, fish or nu (usermod"
    " --shell), or another ansible_user; where a restricted shell runs sh by its name, ansible_shell_executable: sh"
)
INTERPRETER_PATTERN = re.compile(r"/[A-Za-z0-9_./+-]{1,200}")


Read = TypeVar("Read", bound=ModuleAnswer)


class HostAction(ActionBase, Generic[Read]):
    """A base class of actions that contact a host and return the checked answer of a module.

    A subclass sets `reader`, the function that checks an answer and returns only its known keys. It also overrides
    `ask_host`, unless it only runs the module with the name of the task.
    """

    TRANSFERS_FILES = False
    _supports_async = False

    # If true, `delegate_to` and `run_once` are refused, because the answer counts for the task's own host.
    counts_for_own_host = True
    changes_host = True  # the module changes the host, so it waits while another run changes the host
    reader: Callable[[object], Read]
    max_answer_bytes = MAX_ANSWER_BYTES
    limiter = OutputLimiter(0, 0)  # the limiter of the current call

    def run(self, tmp: Any = None, task_vars: Variables | None = None) -> ActionResult:
        """Contact the host and return the result of the task. Ansible calls this.

        For an unusable answer, or after an exceeded limit on output or time, the result is {failed, msg}. The messages
        of Ansible errors are raised again with escapes, because they contain output of the host.
        """
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
            if not limiter.reason:  # the error of ssh contains output of the host, so it is escaped
                raise AnsibleConnectionFailure(format_printable(connection_error)) from None
        except AnsibleError as error:
            if not limiter.reason:
                raise AnsibleActionFail(format_printable(error)) from None
        except Exception:  # killing the program of a connection may raise any exception
            if not limiter.reason:
                raise
        if limiter.reason:
            if not limiter.has_ended:
                self._give_up_connection()
            answer = {"failed": True, "msg": limiter.reason}
        return {**result, **answer}

    def _require_own_host(self, variables: Variables) -> None:
        """Raise AnsibleActionFail if `delegate_to` or `run_once` makes an answer count for another host, or for none.

        A delegated task would store the answer of the other host for this host. With `run_once`, the other hosts of the
        play would have no answer.
        """
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
        """Return the seconds that the host has for its answer.

        Subclasses may read them in the task's variables.
        """
        return CHANGE_TIMEOUT_SECONDS

    def ask_host(self, variables: Variables) -> ModuleAnswer:
        """Run the module with the task's name on the host, and return its checked answer. Subclasses override this."""
        return self.run_module(variables)

    def run_module(self, variables: Variables, name: str | None = None, **arguments: Any) -> Read:
        """Run a module on the host and return its checked answer.

        `name` is the module, by default that of the task. `arguments` replace the arguments of the task. If another run
        changes the host, the module waits for its end, for a limited time. After SILENT_WAIT_SECONDS, a message on the
        terminal names that run.
        """
        host, call_arguments = variables.get("inventory_hostname"), arguments or self._task.args
        if not self.changes_host:  # then it need not wait for a run that changes the host
            return self._execute_and_read(variables, name, call_arguments)
        # `by` names this run for other runs, `wait` is the limit in seconds. The first call waits only a short time, so
        # that the message about the other run comes early.
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
        """Print a warning for each other run that changed the host before or during this change."""
        for shared_turn in answer.get("other_runs", ()):
            self._display.warning(in_lines(f"{host}: {describe_other_run(shared_turn)}"))

    def _report_waiting(self, host: object, busy: TurnEntry, wait: float) -> None:
        """Print now that the host is being changed by another run (`busy`), and how long this run waits for its end.

        `wait` is the limit in seconds. The message is no warning, because Ansible shows warnings only after the task.
        """
        since = f"{busy['by']}, which has been changing it since {busy['since']}"
        message = f"{host}: waits for {since}, until {format_timestamp(time.time() + wait)} at the latest"
        self._display.display(fit_message(message, get_screen_width()), C.COLOR_WARN, stderr=True)

    def _execute_and_read(self, variables: Variables, name: str | None, arguments: Mapping[str, object]) -> Read:
        """Call a module on the host once, and return its answer as `reader` checked it.

        `name` is the module; None for the module with the task's name.
        """
        answer = self._execute_module(module_name=name, module_args=arguments, task_vars=variables)
        host_answer = self.reader(answer)
        # Ansible discovers the path of Python by itself and needs it for later tasks, so the path is added again. It
        # comes from the output of the host, so its form is checked.
        key = getattr(self, "_discovered_interpreter_key", None)
        interpreter = str(getattr(self, "_discovered_interpreter", ""))
        if key and INTERPRETER_PATTERN.fullmatch(interpreter):
            host_answer["ansible_facts"] = {key: interpreter}
        return host_answer

    def ask_audit_program(self, request: Mapping[str, object], seconds: float) -> Mapping[Any, Any]:
        """Call the stored audit program of the host (audit_installer.py), and return its answer, not yet checked.

        `request` is the JSON input of the program. sudo runs the program for this account, whatever `become` says.
        While another audit runs, the call is repeated, for at most `seconds`. Returns {failed, msg} if the program does
        not answer or refuses the request. Returns {} if a limit of `limiter` ended the call.
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
            if audit_installer.BUSY_KEY in program_answer and time.monotonic() + PAUSE_SECONDS < end:
                time.sleep(PAUSE_SECONDS)
                continue
            for key, message in AUDIT_FAILURES.items():
                if key in program_answer:
                    reason = read_line(program_answer[key], key) if isinstance(program_answer[key], str) else ""
                    return {"failed": True, "msg": f"{message}{reason and ': '}{reason}"}
            return program_answer

    def require_login_shell(self, host: str) -> None:
        """Raise AnsibleActionFail if the login shell of the account on the host does not run commands.

        A module is piped to the host next, and such a shell could read the text of the module.
        """
        result = self._low_level_execute_command(f"echo {SHELL_PROBE}", sudoable=False, in_data=SHELL_EXIT_LINE)
        if self.limiter.reason or SHELL_PROBE in result["stdout"].split():
            return
        printed = self._connection.exec_command(f"echo {SHELL_PROBE} $SHELL", in_data=SHELL_EXIT_LINE, sudoable=False)
        named, user = re.search(rf"{SHELL_PROBE} (\S+)", to_text(printed[1])), self._find_account()
        shell = f"the login shell{f' {named[1]}' if named else ''}{f' of {user}' if user else ''}"
        raise AnsibleActionFail(NO_SHELL.format(shell=shell, host=host, said=describe_result(result)))

    def _find_account(self) -> str:
        """Return the name of the account that the connection uses on the host; "" if the connection has no such option.

        Without a name in the inventory, the option is empty.
        """
        with contextlib.suppress(KeyError):
            return str(self._connection.get_option("remote_user") or "")
        return ""

    def _parse_returned_data(self, res: ActionResult, *more: Any, **named: Any) -> Any:
        """Parse the output of a module with Ansible's own parser, but pass only the part that `reader` accepts.

        Ansible's parser prints warnings with any other output of the host. It also converts some texts to types of its
        own. If a release of Ansible no longer calls this method, `_execute_and_read` still checks the result.
        """
        try:
            answer = parse_last_object(res["stdout"])
        except UnusableAnswer as error:
            # On a terminal (sudo), stdout has the shell's message about a missing python, so both outputs are searched.
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
        """Execute a command on the host as Ansible does, but pipe a module only in packed form.

        A login shell could read the text of a module as commands (stream.py). Characters that could control a terminal
        are escaped in stderr, because Ansible prints stderr in warnings.
        """
        if in_data and in_data.startswith(SCRIPT_PREFIX):
            cmd, in_data = f'{cmd} -c "{RECEIVER_PROGRAM}"', pack_for_pipe(to_text(in_data))
        result = super()._low_level_execute_command(cmd, *args, in_data=in_data, **named)
        errors = read_lines(result["stderr"][-MAX_ERROR_BYTES:], "stderr", MAX_ERROR_BYTES)
        return {**result, "stderr": errors, "stderr_lines": errors.splitlines()}

    def cleanup(self, force: bool = False) -> None:
        """Remove the module's files on the host.

        Ansible calls this after the task. The host may never answer, so the limit is GRACE_SECONDS. If a limit was
        exceeded before, nothing is removed.
        """
        if self.limiter.reason:
            # The host is given up, so its temporary directory stays.
            find_part(self._connection, ShellBase).tmpdir = None
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
        """End the open ssh connection of this host, because a session that never ends would keep it open."""
        with contextlib.suppress(Exception):  # only ssh connections can build this command
            exit_ = self._connection._build_command(
                self._connection.get_option("ssh_executable"), "ssh", "-O", "exit", self._connection.host
            )
            try:
                end_connection(find_control_path(map(to_bytes, exit_)), GRACE_SECONDS)
            except OSError:
                subprocess.run(exit_, stdin=subprocess.DEVNULL, capture_output=True, timeout=10)


def _find_busy_turn(answer: ModuleAnswer) -> TurnEntry | None:
    """Return the other run that changes the host, if the module gave up waiting for it; else None."""
    return answer.get("busy")


def _add_waited_turn(answer: ModuleAnswer, waited: SharedTurn) -> None:
    """Add the run that this run waited for to `other_runs` of an answer.

    It replaces the module's own entry about this wait, which has only the waiting time of the module's last call.
    """
    answer["other_runs"] = [
        waited,
        *(shared_turn for shared_turn in answer.get("other_runs", ()) if not shared_turn["waited"]),
    ]


def describe_run(run: CompiledRun) -> str:
    """Return a name of this run (run, account, controller), for other runs that wait to change the same host."""
    account, caller = find_account_name(os.getuid()), os.environ.get("SUDO_USER", "")
    user = f"{account} (sudo: {caller})" if caller and caller != account else account
    run_name = f"run {run['id']}" if "id" in run else f"process {os.getppid()}"
    return f"{run_name} of {user} on {os.uname().nodename}"


def describe_other_run(shared_turn: SharedTurn) -> str:
    """Describe another run that changed the host before this run, or between two changes of this run."""
    if shared_turn["waited"]:
        return (
            f"waited {shared_turn['waited']} s for {shared_turn['by']}, which had been changing it since "
            f"{shared_turn['since']}"
        )
    return f"{shared_turn['by']} changed it at {shared_turn['since']}, between two changes of this run"


def describe_result(result: ActionResult) -> str:
    """Describe an unexpected result of a command in one line: the end of its output, and its exit code."""
    output = " ".join(f"{result['stdout']} {result['stderr']}".split())[-MAX_LINE_LENGTH:]
    return f"{output and f'it printed {format_printable(output)!r}, '}exit code {result['rc']}"


def get_observe_timeout(variables: Variables) -> int:
    """Return the seconds that an observation of the task's host may take.

    `compile_plans` read them in the inventory. Without a compiled run they are OBSERVE_TIMEOUT_SECONDS.
    """
    run = get_compiled_run(variables)
    timeouts = run.get("observe_timeout") or {"usual": OBSERVE_TIMEOUT_SECONDS, "hosts": {}}
    return int(timeouts["hosts"].get(str(variables.get("inventory_hostname")), timeouts["usual"]))


def format_printable(error: object) -> str:
    """Return the text of an Ansible message, with escapes for characters that could control a terminal."""
    return read_line(str(error), "a message")


__all__ = ["HostAction", "describe_result", "get_observe_timeout", "format_printable", "results"]
