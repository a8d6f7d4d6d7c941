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
from proscribe.base.duration import shown
from proscribe.base.moments import stamp
from proscribe.base.ownership import name_of
from proscribe.controller.ansible_parts import part_of
from proscribe.controller.report.text.layout import prose, screen_width
from proscribe.controller.report.text.layout import warning as in_lines
from proscribe.host.audit_program import PROGRAM
from proscribe.model.types.answer import Answer, Shared, Turn
from proscribe.model.types.run import CompiledRun, Result, Variables
from proscribe.wire import stored_audit
from proscribe.wire.loader import LACKING
from proscribe.wire.observation import compiled_run
from proscribe.wire.replies import results
from proscribe.wire.replies.output_limits import Leash
from proscribe.wire.replies.parsing import last_object
from proscribe.wire.replies.shapes import LINE, Unusable, line, lines
from proscribe.wire.stream import FOR_SHELLS, RECEIVER, answer, piped
from proscribe.wire.sweep.multiplexing import end_connection, path_in

# Bytes. An honest answer with everything wrong has some 0.4 MB, and one with all differences some 3 (docs/speed.md).
MOST = 5 * 1024 * 1024
LONGEST = 3600  # seconds that a change of a host may take: packages are removed, over slow disks
OBSERVE_TIMEOUT = 300  # seconds that an observation may take, where no run was compiled
ERRORS = 64 * 1024  # bytes of what a program writes to its errors, of which the last are kept
GRACE = 15.0  # seconds after which a host is given up that does not keep to its own limit
REMOVE = "remove the keyword from the task, its block, its role or its play; no host was touched"
SILENT = 3.0  # seconds that a module waits for another run before it is said for whom
TURN = 300.0  # seconds that it waits then, unless the task says how long
PAUSE = 2.0  # seconds until an audit program is asked again that another audit uses
NO_PYTHON = "it has no Python that Ansible finds: install Python 3.9 or newer, or name it in ansible_python_interpreter"
NO_PROGRAM = (
    f"{PROGRAM} did not answer: an enforcing run with proscribe_audit_with: stored installs it, and the account needs"
    " the sudoers rule of docs/least-privilege.md"
)
ANSWERS = {
    LACKING: "the host does not store what this run needs: an enforcing run with the same release and policy stores it",
    stored_audit.BUSY: "another audit of this host has not ended",
    stored_audit.REFUSED: "its audit program refused the request",
}
SCRIPT = b"#!"  # begins what Ansible pipes of a module
HEARD = "proscribe-shell"  # what a login shell is asked to print
NO_SHELL = (
    "{shell} on {host} does not run the commands of Ansible (/bin/sh -c '...'): {said}. Nothing was run there."
    " Expected: an account whose login shell runs what it is given, such as sh, bash, zsh, csh, fish or nu (usermod"
    " --shell), or another ansible_user; where a restricted shell runs sh by its name, ansible_shell_executable: sh"
)
INTERPRETER = re.compile(r"/[A-Za-z0-9_./+-]{1,200}")


Read = TypeVar("Read", bound=Answer)


class HostAction(ActionBase, Generic[Read]):
    """Asks one host. An action says which reader its answer passes, and with `ask`, if it is no plain module, how."""

    TRANSFERS_FILES = False
    _supports_async = False

    counts_for_its_host = True  # what is answered; else the task may be given to another host, or to one for all
    changes_its_host = True  # by a module of ours, which takes turns with other runs
    reader: Callable[[object], Read]
    most = MOST
    leash = Leash(0, 0)  # of the call that is made

    def run(self, tmp: Any = None, task_vars: Variables | None = None) -> Result:
        """Answer the task."""
        result: Result = super().run(tmp, task_vars)
        variables = task_vars or {}
        if self.counts_for_its_host:
            self._require_its_host(variables)
        self.leash = leash = Leash(self.most, self.limit(variables) + GRACE)
        answer: Answer = {}
        try:
            with leash:
                answer = self.ask(variables)
        except Unusable as wrong:
            answer = {"failed": True, "msg": f"its answer cannot be used: {wrong}"}
        except AnsibleConnectionFailure as lost:
            if not leash.why:  # what ssh says holds what the host printed
                raise AnsibleConnectionFailure(printable(lost)) from None
        except AnsibleError as wrong:
            if not leash.why:
                raise AnsibleActionFail(printable(wrong)) from None
        except Exception:  # what becomes of a connection whose program is ended is nobody's to foresee
            if not leash.why:
                raise
        if leash.why:
            if not leash.gone:
                self._give_up_connection()
            answer = {"failed": True, "msg": leash.why}
        return {**result, **answer}

    def _require_its_host(self, variables: Variables) -> None:
        """Refuse what would report one host's answer as that of another, or of none."""
        host, name = str(variables.get("inventory_hostname")), self._task.action
        if (other := self._task.delegate_to) and str(other) != host:
            raise AnsibleActionFail(f"{name} is delegated to {other}, whose answer would count for {host}: {REMOVE}")
        if self._task.run_once and len(variables.get("ansible_play_hosts_all") or ()) > 1:
            raise AnsibleActionFail(f"{name} has run_once, so {host} would be the only host that it is for: {REMOVE}")

    def limit(self, _variables: Variables) -> float:
        """How many seconds the host has for its answer."""
        return LONGEST

    def ask(self, variables: Variables) -> Answer:
        """The host's answer: that of the module of the task's name."""
        return self.module(variables)

    def module(self, variables: Variables, name: str | None = None, **arguments: Any) -> Read:
        """What a module answers, read; with other `arguments` than the task's, if there are any. Where another run has
        the host, it is waited for, and it is said for whom.
        """
        host, given = variables.get("inventory_hostname"), arguments or self._task.args
        if not self.changes_its_host:
            return self._answer_of(variables, name, given)
        run = {"by": who_runs(compiled_run(variables)), "wait": TURN, **(self._task.args.get("run") or {})}
        began = time.monotonic()
        read = self._answer_of(variables, name, {**given, "run": {**run, "wait": SILENT}})
        if busy := _busy_with(read):
            self._report_waiting(host, busy, float(run["wait"]))
            read = self._answer_of(variables, name, {**given, "run": run})
            if not _busy_with(read):
                _add_waited(read, {**busy, "waited": max(round(time.monotonic() - began), 1)})
        self._report_others(host, read)
        return read

    def _report_others(self, host: object, answer: Answer) -> None:
        for other in answer.get("other_runs", ()):
            self._display.warning(in_lines(f"{host}: {other_run(other)}"))

    def _report_waiting(self, host: object, busy: Turn, wait: float) -> None:
        """Say for whom a host is waited for, now: Ansible keeps a warning until the task is over."""
        since = f"{busy['by']}, which has been changing it since {busy['since']}"
        said = f"{host}: waits for {since}, until {stamp(time.time() + wait)} at the latest"
        self._display.display(prose(said, screen_width()), C.COLOR_WARN, stderr=True)

    def _answer_of(self, variables: Variables, name: str | None, arguments: Mapping[str, object]) -> Read:
        """What a module answers to one call, read."""
        answer = self._execute_module(module_name=name, module_args=arguments, task_vars=variables)
        read = self.reader(answer)
        # The one fact that Ansible finds by itself and needs again; it comes out of what a host printed, too.
        key = getattr(self, "_discovered_interpreter_key", None)
        found = str(getattr(self, "_discovered_interpreter", ""))
        if key and INTERPRETER.fullmatch(found):
            read["ansible_facts"] = {key: found}
        return read

    def ask_program(self, request: Mapping[str, object], seconds: float) -> Mapping[Any, Any]:
        """What the audit program of the host answers (stored_audit.py). sudo runs it for this account, whatever the
        task would become, and it is asked again while another audit runs. {failed, msg} where it does not answer.
        """
        command = f"printf '%s\\n' {shlex.quote(json.dumps(request))} | sudo -n {PROGRAM}"
        end = time.monotonic() + seconds
        while True:
            began = time.monotonic()
            done = self._low_level_execute_command(command, sudoable=False)
            if self.leash.why:
                return {}
            answered = answer(done["stdout"])
            if answered is None and time.monotonic() - began >= seconds:
                return {"failed": True, "msg": f"it took longer than {shown(int(seconds))}"}
            if answered is None:
                said = line(" ".join(done["stderr"].split()) or f"exit code {done['rc']}", "stderr")
                return {"failed": True, "msg": f"{NO_PROGRAM} ({said})"}
            if stored_audit.BUSY in answered and time.monotonic() + PAUSE < end:
                time.sleep(PAUSE)
                continue
            for key, message in ANSWERS.items():
                if key in answered:
                    reason = line(answered[key], key) if isinstance(answered[key], str) else ""
                    return {"failed": True, "msg": f"{message}{reason and ': '}{reason}"}
            return answered

    def require_shell(self, host: str) -> None:
        """Refuse a host whose login shell does not run what it is given: it may read the text of a module, which is
        piped next. Raises AnsibleActionFail.
        """
        ran = self._low_level_execute_command(f"echo {HEARD}", sudoable=False, in_data=FOR_SHELLS)
        if self.leash.why or HEARD in ran["stdout"].split():
            return
        printed = self._connection.exec_command(f"echo {HEARD} $SHELL", in_data=FOR_SHELLS, sudoable=False)
        named, user = re.search(rf"{HEARD} (\S+)", to_text(printed[1])), self._account()
        shell = f"the login shell{f' {named[1]}' if named else ''}{f' of {user}' if user else ''}"
        raise AnsibleActionFail(NO_SHELL.format(shell=shell, host=host, said=how_it_ended(ran)))

    def _account(self) -> str:
        """The account of the connection; "" where Ansible does not say."""
        return str(self._get_remote_user() or "") if hasattr(self, "_get_remote_user") else ""

    def _parse_returned_data(self, res: Result, *more: Any, **named: Any) -> Any:
        """Ansible's own parser, but of what the reader lets through: it warns with what else a host printed, and has
        types of its own that a text can stand for. Were it not called, `module` would still read the result.
        """
        try:
            answer = last_object(res["stdout"])
        except Unusable as wrong:
            # On a terminal (sudo), what the shell says of a missing python stands in the output.
            said = " ".join(f"{res['stdout'][-LINE:]} {(res.get('stderr') or '')[-LINE:]}".split())
            why = NO_PYTHON if res.get("rc") in (126, 127) and "python" in said else wrong
            raise Unusable(f"{why} (exit code {res.get('rc')}){said and f': {printable(said)}'}") from None
        read = json.dumps(self.reader(answer))
        return super()._parse_returned_data({**res, "stdout": read, "stderr": ""}, *more, **named)

    def _low_level_execute_command(self, cmd: str, *args: Any, in_data: bytes | None = None, **named: Any) -> Any:
        """Ansible's own, but no module is piped as what a shell could read (stream.py), and without what could steer a
        terminal in the errors: Ansible warns with them.
        """
        if in_data and in_data.startswith(SCRIPT):
            cmd, in_data = f'{cmd} -c "{RECEIVER}"', piped(to_text(in_data))
        done = super()._low_level_execute_command(cmd, *args, in_data=in_data, **named)
        errors = lines(done["stderr"][-ERRORS:], "stderr", ERRORS)
        return {**done, "stderr": errors, "stderr_lines": errors.splitlines()}

    def cleanup(self, force: bool = False) -> None:
        """Take away what the module needed on the host, which may have no end there either."""
        if self.leash.why:
            part_of(self._connection, "_shell", ShellBase).tmpdir = None  # it is given up
            return
        leash = Leash(ERRORS, GRACE)
        try:
            with leash:
                super().cleanup(force)
        except Exception:
            if not leash.why:
                raise
        if leash.why:
            self._give_up_connection()

    def _give_up_connection(self) -> None:
        """End the connection that is kept for this host: a session that the host does not end would keep it."""
        with contextlib.suppress(Exception):  # only ssh has it
            exit_ = self._connection._build_command(
                self._connection.get_option("ssh_executable"), "ssh", "-O", "exit", self._connection.host
            )
            try:
                end_connection(path_in(map(to_bytes, exit_)), GRACE)
            except OSError:
                subprocess.run(exit_, stdin=subprocess.DEVNULL, capture_output=True, timeout=10)


def _busy_with(answer: Answer) -> Turn | None:
    """Return who has the host, where an answer says that there was no more time to wait."""
    return answer.get("busy")


def _add_waited(answer: Answer, waited: Shared) -> None:
    """Have an answer name the run that was waited for, instead of what the module said of it."""
    answer["other_runs"] = [waited, *(one for one in answer.get("other_runs", ()) if not one["waited"])]


def who_runs(run: CompiledRun) -> str:
    """Who changes hosts, for whoever else would: this controller, its account, and the run."""
    account, caller = name_of(os.getuid()), os.environ.get("SUDO_USER", "")
    user = f"{account} (sudo: {caller})" if caller and caller != account else account
    which = f"run {run['id']}" if "id" in run else f"process {os.getppid()}"
    return f"{which} of {user} on {os.uname().nodename}"


def other_run(other: Shared) -> str:
    """With whom a run had to share a host, in words."""
    if other["waited"]:
        return f"waited {other['waited']} s for {other['by']}, which had been changing it since {other['since']}"
    return f"{other['by']} changed it at {other['since']}, between two changes of this run"


def how_it_ended(done: Result) -> str:
    """Why a command was not what it should be, in a line: what it printed, and its exit code."""
    said = " ".join(f"{done['stdout']} {done['stderr']}".split())[-LINE:]
    return f"{said and f'it printed {printable(said)!r}, '}exit code {done['rc']}"


def observe_timeout(variables: Variables) -> int:
    """How many seconds an observation of a task's host may take, as `compile_plans` read it in the inventory."""
    run = compiled_run(variables)
    timeouts = run.get("observe_timeout") or {"usual": OBSERVE_TIMEOUT, "hosts": {}}
    return int(timeouts["hosts"].get(str(variables.get("inventory_hostname")), timeouts["usual"]))


def printable(error: object) -> str:
    """What a message of Ansible's says, without what could steer a terminal."""
    return line(str(error), "a message")


__all__ = ["HostAction", "how_it_ended", "observe_timeout", "printable", "results"]
