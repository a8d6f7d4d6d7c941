"""What an action does with what a host answers, and with what Ansible raises; a small one stands for it."""

from __future__ import annotations

import json
import subprocess
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.shell import ShellBase
from proscribe.wire import stored_audit
from proscribe.wire.loader import LACKING
from proscribe.wire.replies.shapes import Unusable
from proscribe.wire.stream import FOR_SHELLS, MARK, RECEIVER
from proscribe_ansible import action
from proscribe_ansible.action import HostAction

ESCAPE = "\x1b[2J"
HOST = {"inventory_hostname": "h1", "ansible_play_hosts_all": ["h1", "h2"]}


class Connection:
    """A connection over ssh, as far as it is used; `ended` is what ended it."""

    host = "h1.example"

    def __init__(self) -> None:
        self._shell = SimpleNamespace(tmpdir="/tmp/x")
        self.ran: list[tuple[str, dict[str, Any]]] = []
        self.printed = b""
        self.built: list[tuple[str, ...]] = []

    def exec_command(self, command: str, **named: Any) -> tuple[int, bytes, bytes]:
        self.ran.append((command, named))
        return 0, self.printed, b""

    def get_option(self, name: str) -> str:
        return {"ssh_executable": "the-ssh"}[name]

    def _build_command(self, *words: str) -> list[str]:
        self.built.append(words)
        return ["true"]


class Action(HostAction):
    """An action whose module answers what the test says; `called` is what it was called with."""

    def __init__(self, *answers: Any, args: dict[str, Any] | None = None) -> None:
        task = {"action": "host_watch", "async_val": 0, "check_mode": False, "diff": False, "environment": None}
        self._task = SimpleNamespace(**task, delegate_to=None, run_once=False, args=args or {"plan": "p"})
        self._connection = Connection()
        self.warned: list[str] = []
        self.said: list[str] = []
        self._display = SimpleNamespace(
            warning=self.warned.append, display=lambda text, *_, **named: self.said.append(f"{text} {named}")
        )
        self.answers = list(answers)
        self.called: list[dict[str, Any]] = []

    @staticmethod
    def reader(answer: Any) -> dict[str, Any]:
        return {name: value for name, value in answer.items() if name in ("busy", "other_runs", "is", "rc")}

    def _execute_module(self, **named: Any) -> Any:
        self.called.append(named)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer


class Low(Action):
    """One whose commands end as the test says; `commands` are the ones that ran."""

    def __init__(self, *answers: Any, **named: Any) -> None:
        super().__init__(*answers, **named)
        self.commands: list[tuple[str, dict[str, Any]]] = []

    def _low_level_execute_command(self, cmd: str, *_: Any, **named: Any) -> Any:  # type: ignore[override]
        self.commands.append((cmd, named))
        answer = self.answers.pop(0)
        stdout = answer if isinstance(answer, str) else printed(answer)
        return {"rc": 3, "stdout": stdout, "stderr": " it  said\nso "}


@pytest.fixture(autouse=True)
def plain_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActionBase, "run", lambda *_: {"of": "ansible"})


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        pytest.param(AnsibleConnectionFailure(f"lost {ESCAPE}"), AnsibleConnectionFailure, "lost", id="lost"),
        pytest.param(AnsibleError(f"no sudo {ESCAPE}"), AnsibleActionFail, "no sudo", id="Ansible's"),
        pytest.param(KeyError("x"), KeyError, "x", id="a defect"),
    ],
)
def test_what_ansible_raises_comes_without_what_could_steer_a_terminal(
    raised: Exception, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as failed:
        Action(raised).run(None, HOST)
    assert message in str(failed.value) and "\x1b" not in str(failed.value)


def test_an_answer_that_cannot_be_used_fails_the_task() -> None:
    assert Action(Unusable("no record")).run(None, HOST) == {
        "of": "ansible",
        "failed": True,
        "msg": "its answer cannot be used: no record",
    }


def test_an_answer_in_time_ends_no_connection() -> None:
    one = Action({"is": 1})
    one.run(None, HOST)
    one._connection._shell.tmpdir = None
    assert one._connection.built == []


def test_the_limit_counts_while_the_host_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(action, "GRACE", 0.05)
    one = Action(lambda: subprocess.run(["sleep", "600"], stdout=-1, check=True))
    monkeypatch.setattr(Action, "limit", lambda *_: 0.05)
    assert "it took longer than" in one.run(None, HOST)["msg"]


@pytest.mark.parametrize(
    ("keywords", "hosts", "refused"),
    [
        pytest.param({}, ["h1", "h2"], "", id="plain"),
        pytest.param({"delegate_to": "h1"}, ["h1", "h2"], "", id="delegated to itself"),
        pytest.param({"delegate_to": "h2"}, ["h1", "h2"], "host_watch is delegated to h2", id="to another"),
        pytest.param({"run_once": True}, ["h1"], "", id="once, for one host"),
        pytest.param({"run_once": True}, None, "", id="once, for hosts that Ansible does not name"),
        pytest.param({"run_once": True}, ["h1", "h2"], "host_watch has run_once", id="once, for more"),
    ],
)
@pytest.mark.parametrize("counts", [True, False])
def test_a_task_that_would_report_another_hosts_answer_is_refused(
    keywords: dict[str, Any], hosts: list[str] | None, refused: str, counts: bool
) -> None:
    one = Action({"is": 1})
    one.counts_for_its_host = counts
    for name, value in keywords.items():
        setattr(one._task, name, value)
    variables = {**HOST, "ansible_play_hosts_all": hosts}
    if not (refused and counts):
        assert one.run(None, variables)["is"] == 1
        return
    with pytest.raises(AnsibleActionFail, match=refused):
        one.run(None, variables)
    assert not one.called


# -- turns


BUSY = {"by": "run r0 of ann on c", "since": "2026-11-01T00:00:00Z", "waited": 0}


def test_a_module_that_only_reads_takes_no_turn() -> None:
    one = Action({"is": 1}, {"is": 2})
    one.changes_its_host = False
    assert one.module(dict(HOST), "a.b.module", stream="x") == {"is": 1}
    assert (one.called[0]["module_name"], one.called[0]["module_args"]) == ("a.b.module", {"stream": "x"})


def test_who_has_the_host_is_waited_for_as_long_as_the_task_says_and_named() -> None:
    one = Action({"busy": BUSY}, {"is": 1, "other_runs": [{**BUSY, "by": "x"}, {**BUSY, "waited": 7}]})
    one._task.args = {"plan": "p", "run": {"wait": 44}}
    read = one.module(dict(HOST))
    waits = [called["module_args"]["run"]["wait"] for called in one.called]
    assert waits == [action.SILENT, 44]
    assert "h1: waits for run r0 of ann on c" in one.said[0] and "'stderr': True" in one.said[0]
    assert [(other["by"], other["waited"] > 0) for other in read["other_runs"]] == [(BUSY["by"], True), ("x", False)]
    assert "waited 1 s for run r0" in " ".join(one.warned[0].split())
    assert "x changed it at" in " ".join(one.warned[1].split())


@pytest.mark.parametrize(
    ("found", "passes"),
    [("/usr/bin/python3.11", True), ("/usr/bin/python3; rm -r /", False), ("python3", False), ("", False)],
)
def test_the_interpreter_that_ansible_finds_is_kept_if_it_is_a_path(found: str, passes: bool) -> None:
    one = Action({"is": 1})
    one._discovered_interpreter_key, one._discovered_interpreter = "discovered_interpreter_python", found
    fact = {"ansible_facts": {"discovered_interpreter_python": found}} if passes else {}
    assert one.module(dict(HOST)) == {"is": 1, **fact}


def test_how_long_an_observation_may_take_is_what_was_compiled() -> None:
    timeouts = {"usual": 60, "hosts": {"h2": "90"}}
    compiled = {"proscribe_compiled": {"proscribe_run": {"observe_timeout": timeouts}}}
    times = [
        action.observe_timeout({**which, "inventory_hostname": name})
        for which, name in ((compiled, "h1"), (compiled, "h2"), ({}, "h1"))
    ]
    assert times == [60, 90, action.OBSERVE_TIMEOUT]


# -- the audit program


def answered(one: Low, seconds: float = 600) -> Any:
    return one.ask_program({"code": "it's"}, seconds)


def printed(one: dict[str, Any]) -> str:
    return f"motd\n{MARK}{json.dumps(one)}\n"


def test_while_another_audit_runs_the_program_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(action, "PAUSE", 0.001)
    one = Low(*[printed({stored_audit.BUSY: True})] * 3, printed({"is": 1}))
    assert answered(one) == {"is": 1}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param({stored_audit.BUSY: True}, action.ANSWERS[stored_audit.BUSY], id="busy to the end"),
        pytest.param({LACKING: ["x"]}, action.ANSWERS[LACKING], id="lacking"),
        pytest.param({stored_audit.REFUSED: "no plan"}, action.ANSWERS[stored_audit.REFUSED] + ": no plan", id="why"),
        pytest.param("no json", f"{action.NO_PROGRAM} (it said so)", id="no answer"),
    ],
)
def test_a_program_that_gives_no_record_says_why(answer: Any, message: str) -> None:
    assert answered(Low(answer), action.PAUSE / 2) == {"failed": True, "msg": message}


def test_a_program_without_an_answer_has_used_up_its_time_or_ended_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "it took longer than" in answered(Low("nothing"), 0.0)["msg"]
    monkeypatch.setattr(
        Low, "_low_level_execute_command", lambda *_, **__: {"rc": 3, "stdout": "nothing", "stderr": ""}
    )
    assert answered(Low())["msg"].endswith("(exit code 3)")


def test_a_program_that_was_cut_off_has_no_answer() -> None:
    one = Low(printed({"is": 1}))
    one.leash = SimpleNamespace(why="too long")  # type: ignore[assignment]
    assert answered(one) == {}


# -- login shells


@pytest.mark.parametrize(
    ("printed", "user", "shell"),
    [
        pytest.param(b"proscribe-shell /bin/rbash", "ann", "the login shell /bin/rbash of ann on h1", id="named"),
        pytest.param(b"welcome", "ann", "the login shell of ann on h1", id="silent"),
        pytest.param(b"welcome", None, "the login shell on h1", id="of an account that Ansible does not name"),
    ],
)
def test_a_login_shell_that_runs_nothing_is_refused_by_its_name(printed: bytes, user: str | None, shell: str) -> None:
    one = Low(f"nope {ESCAPE}")
    one._connection.printed = printed
    one._get_remote_user = lambda: user  # type: ignore[method-assign]
    with pytest.raises(AnsibleActionFail) as refused:
        one.require_shell("h1")
    message = str(refused.value)
    assert shell in message and "it printed" in message and "exit code 3" in message and "\x1b" not in message
    assert one.commands[0][1] == {"sudoable": False, "in_data": FOR_SHELLS}
    assert one._connection.ran[0] == ("echo proscribe-shell $SHELL", {"in_data": FOR_SHELLS, "sudoable": False})


@pytest.mark.parametrize(("output", "cut"), [("hello\nproscribe-shell\n", ""), ("nope", "it took too long")])
def test_a_login_shell_that_runs_what_it_is_given_is_not(output: str, cut: str) -> None:
    one = Low(output)
    one.leash = SimpleNamespace(why=cut)  # type: ignore[assignment]
    one.require_shell("h1")
    assert one._connection.ran == []


# -- what Ansible parses and runs


def parsed(monkeypatch: pytest.MonkeyPatch, **result: Any) -> Any:
    monkeypatch.setattr(ActionBase, "_parse_returned_data", lambda _, res, *more, **named: (res, more, named))
    return Action()._parse_returned_data({"rc": 0, **result}, "p", q=1)


def test_ansible_parses_only_what_the_reader_lets_through(monkeypatch: pytest.MonkeyPatch) -> None:
    result, more, named = parsed(monkeypatch, stdout='motd\n{"is": 1, "add_host": {}}\n', stderr="x", extra=2)
    assert json.loads(result.pop("stdout")) == {"is": 1}
    assert (result, more, named) == ({"rc": 0, "stderr": "", "extra": 2}, ("p",), {"q": 1})


def test_a_host_that_prints_nothing_at_all_has_nothing_said_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unusable) as failed:
        parsed(monkeypatch, stdout="", stderr=None)
    assert str(failed.value).endswith("(exit code 0)")


@pytest.mark.parametrize(
    ("data", "module"), [(b"#!/usr/bin/python3\nx", True), (b"no script", False), (None, False), (b"", False)]
)
def test_only_a_module_is_piped_to_a_receiver(
    monkeypatch: pytest.MonkeyPatch, data: bytes | None, module: bool
) -> None:
    given: list[Any] = []
    errors = f"a{ESCAPE}\nb"

    def low(_: Any, cmd: str, *args: Any, **named: Any) -> Any:
        given.append((cmd, args, named))
        return {"rc": 0, "stdout": "out", "stderr": errors}

    monkeypatch.setattr(ActionBase, "_low_level_execute_command", low)
    done = Action()._low_level_execute_command("python3", 5, in_data=data, sudoable=False)
    ((cmd, args, named),) = given
    assert (args, named["sudoable"]) == ((5,), False)
    assert (cmd == f'python3 -c "{RECEIVER}"') is module and (cmd == "python3") is not module
    assert (named["in_data"] == data) is not module
    assert done["stdout"] == "out" and "\x1b" not in done["stderr"]
    assert len(done["stderr_lines"]) == 2 and done["stderr_lines"][1] == "b"
    errors = f"first{'x' * action.ERRORS}last"
    assert Action()._low_level_execute_command("x")["stderr"] == errors[-action.ERRORS :]


# -- what is left on the host


class Shell(ShellBase):
    """Any shell of Ansible's."""

    def __init__(self) -> None:
        self.tmpdir = "/tmp/x"


def cleaned(one: Action, cut: str = "") -> Shell:
    one.leash = SimpleNamespace(why=cut)  # type: ignore[assignment]
    one._connection._shell = Shell()
    one.cleanup(force=True)
    return one._connection._shell


def test_what_a_module_left_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    forced: list[bool] = []
    monkeypatch.setattr(ActionBase, "cleanup", lambda _, force: forced.append(force))
    assert cleaned(Action()).tmpdir == "/tmp/x" and forced == [True]


def test_of_a_host_that_was_given_up_nothing_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActionBase, "cleanup", lambda *_: pytest.fail("it would be called once more"))
    assert cleaned(Action(), "too long").tmpdir is None


@pytest.mark.parametrize("slow", [True, False])
def test_taking_away_has_an_end_too(monkeypatch: pytest.MonkeyPatch, slow: bool) -> None:
    def clean(*_: Any) -> None:
        if slow:
            subprocess.run(["sleep", "600"], stdout=-1, check=True)
        raise AnsibleError("x")

    monkeypatch.setattr(ActionBase, "cleanup", clean)
    monkeypatch.setattr(action, "GRACE", 0.05)
    one = Action()
    if slow:
        cleaned(one)
        assert one._connection.built
    else:
        with pytest.raises(AnsibleError):
            cleaned(one)
        assert not one._connection.built
