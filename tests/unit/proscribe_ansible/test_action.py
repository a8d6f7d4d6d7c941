"""An action, by a small one: the answers of hosts, errors of Ansible, turns, login shells, cleaning up."""

import json
import subprocess
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.shell import ShellBase
from proscribe.wire.answers.value_readers import UnusableAnswer
from proscribe.wire.stream import RECEIVER_PROGRAM, SHELL_EXIT_LINE
from proscribe_ansible import action
from proscribe_ansible.action import HostAction

ESCAPE = "\x1b[2J"
HOST = {"inventory_hostname": "h1", "ansible_play_hosts_all": ["h1", "h2"]}


class Connection:
    host = "h1.example"

    def __init__(self):
        self._shell = SimpleNamespace(tmpdir="/tmp/x")
        self.ran = []
        self.printed = b""
        self.built = []
        self.options = {"ssh_executable": "the-ssh"}

    def exec_command(self, command, **named):
        self.ran.append((command, named))
        return 0, self.printed, b""

    def get_option(self, name):
        return self.options[name]

    def _build_command(self, *words):
        self.built.append(words)
        return ["true"]


class Action(HostAction):
    """An action whose module answers what the test says; `calls` are its arguments."""

    def __init__(self, *answers):
        task = {"action": "host_watch", "async_val": 0, "check_mode": False, "diff": False, "environment": None}
        self._task = SimpleNamespace(**task, delegate_to=None, run_once=False, args={"plan": "p"})
        self._connection = Connection()
        self.warned = []
        self.shown = []
        self._display = SimpleNamespace(
            warning=self.warned.append, display=lambda text, *_, **named: self.shown.append(f"{text} {named}")
        )
        self.answers = list(answers)
        self.calls = []

    @staticmethod
    def reader(answer):
        return {name: value for name, value in answer.items() if name in ("busy", "other_runs", "is", "rc")}

    def _execute_module(self, **named):
        self.calls.append(named)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer


class Low(Action):
    """An action whose commands end as the test says; `commands` are the ones that ran."""

    def __init__(self, *answers):
        super().__init__(*answers)
        self.commands = []

    def _low_level_execute_command(self, cmd, *_, **named):  # type: ignore[override]
        self.commands.append((cmd, named))
        answer = self.answers.pop(0)
        printed = answer if isinstance(answer, str) else print_answer(answer)
        return {"rc": 3, "stdout": printed, "stderr": " it  said\nso "}


@pytest.fixture(autouse=True)
def plain_run(monkeypatch):
    monkeypatch.setattr(ActionBase, "run", lambda *_: {"of": "ansible"})


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        (AnsibleConnectionFailure(f"lost {ESCAPE}"), AnsibleConnectionFailure, "lost"),
        (AnsibleError(f"no sudo {ESCAPE}"), AnsibleActionFail, "no sudo"),
        (KeyError("x"), KeyError, "x"),
    ],
    ids=["lost", "Ansible's", "a defect"],
)
def test_error_of_ansible_steers_no_terminal(raised, kind, message):
    with pytest.raises(kind) as failed:
        Action(raised).run(None, HOST)
    assert message in str(failed.value) and "\x1b" not in str(failed.value)


def test_answer_that_cannot_be_used_fails_the_task():
    result = Action(UnusableAnswer("no record")).run(None, HOST)
    assert result == {"of": "ansible", "failed": True, "msg": "its answer cannot be used: no record"}


def test_answer_in_time_ends_no_connection_and_a_late_one_is_given_up(monkeypatch):
    action_in_time = Action({"is": 1})
    action_in_time.run(None, HOST)
    assert action_in_time._connection.built == []
    monkeypatch.setattr(action, "GRACE_SECONDS", 0.05)
    monkeypatch.setattr(Action, "get_time_limit", lambda *_: 0.05)
    late = Action(lambda: subprocess.run(["sleep", "600"], stdout=-1, check=True))
    result = late.run(None, HOST)
    assert result == {"of": "ansible", "failed": True, "msg": result["msg"]} and "longer than" in result["msg"]
    assert late._connection.built == [("the-ssh", "ssh", "-O", "exit", "h1.example")]


def test_answer_may_be_as_long_and_take_as_long_as_a_change_of_a_host(monkeypatch):
    limits, real = [], action.OutputLimiter
    monkeypatch.setattr(action, "OutputLimiter", lambda *words: limits.append(words) or real(*words))
    assert Action({"is": 1}).run(None, HOST) == {"of": "ansible", "is": 1}
    assert limits == [(5_242_880, 3615.0)]


@pytest.mark.parametrize(
    ("keywords", "hosts", "refused"),
    [
        ({"delegate_to": "h1"}, ["h1", "h2"], ""),
        ({"delegate_to": "h2"}, ["h1", "h2"], "host_watch is delegated to h2"),
        ({"run_once": True}, ["h1"], ""),
        ({"run_once": True}, None, ""),  # Ansible does not name the hosts
        ({"run_once": True}, ["h1", "h2"], "host_watch has run_once"),
    ],
)
@pytest.mark.parametrize("counts", [True, False])
def test_task_that_would_report_another_hosts_answer_is_refused(keywords, hosts, refused, counts):
    asking = Action({"is": 1})
    asking.counts_for_own_host = counts
    vars(asking._task).update(keywords)
    variables = {**HOST, "ansible_play_hosts_all": hosts}
    if not (refused and counts):
        assert asking.run(None, variables)["is"] == 1
        return
    with pytest.raises(AnsibleActionFail, match=refused):
        asking.run(None, variables)
    assert not asking.calls


# -- turns

BUSY = {"by": "run r0 of ann on c", "since": "2026-11-01T00:00:00Z", "waited": 0}


def test_module_that_only_reads_takes_no_turn():
    reading = Action({"is": 1}, {"is": 2})
    reading.changes_host = False
    assert reading.run_module(dict(HOST), "a.b.module", stream="x") == {"is": 1}
    assert reading.calls == [{"module_name": "a.b.module", "module_args": {"stream": "x"}, "task_vars": HOST}]


@pytest.mark.parametrize(("own", "wait"), [({}, 300.0), ({"wait": 44}, 44), ({"wait": "44", "by": "ann"}, "44")])
def test_call_of_a_module_names_the_run_and_has_a_turn(monkeypatch, own, wait):
    monkeypatch.setattr(action, "describe_run", lambda run: f"run {run['id']}")
    waiting = Action({"busy": BUSY}, {"busy": BUSY})
    waiting._task.args = {"plan": "p", "run": own} if own else {"plan": "p"}
    variables = {**HOST, "proscribe_compiled": {"proscribe_run": {"id": "r1"}}}
    assert waiting.run_module(variables) == {"busy": BUSY}
    calls = [{"plan": "p", "run": {"by": own.get("by", "run r1"), "wait": seconds}} for seconds in (3.0, wait)]
    assert waiting.calls == [{"module_name": None, "module_args": call, "task_vars": variables} for call in calls]


def test_run_that_has_the_host_is_waited_for_as_long_as_the_task_says_and_named():
    waiting = Action({"busy": BUSY}, {"is": 1, "other_runs": [{**BUSY, "by": "x"}, {**BUSY, "waited": 7}]})
    waiting._task.args = {"plan": "p", "run": {"wait": 44}}
    read = waiting.run_module(dict(HOST))
    assert [call["module_args"]["run"]["wait"] for call in waiting.calls] == [3.0, 44]
    assert "h1: waits for run r0 of ann on c" in waiting.shown[0] and "'stderr': True" in waiting.shown[0]
    assert [(other["by"], other["waited"] > 0) for other in read["other_runs"]] == [(BUSY["by"], True), ("x", False)]
    assert "waited 1 s for run r0" in " ".join(waiting.warned[0].split())
    assert "x changed it at" in " ".join(waiting.warned[1].split())


@pytest.mark.parametrize(
    ("path", "passes"), [("/usr/bin/python3.11", True), ("/usr/bin/python3; rm -r /", False), ("python3", False)]
)
def test_interpreter_that_ansible_finds_is_kept_if_it_is_a_path(path, passes):
    finding = Action({"is": 1})
    finding._discovered_interpreter_key, finding._discovered_interpreter = "discovered_interpreter_python", path
    fact = {"ansible_facts": {"discovered_interpreter_python": path}} if passes else {}
    assert finding.run_module(dict(HOST)) == {"is": 1, **fact}


def test_timeout_of_an_observation_is_the_compiled_one():
    timeouts = {"usual": 60, "hosts": {"h2": "90"}}
    compiled = {"proscribe_compiled": {"proscribe_run": {"observe_timeout": timeouts}}}
    cases = ((compiled, "h1"), (compiled, "h2"), ({}, "h1"))
    times = [action.get_observe_timeout({**variables, "inventory_hostname": name}) for variables, name in cases]
    assert times == [60, 90, 300]


# -- the audit program


def ask(asking, seconds=600):
    return asking.ask_audit_program({"code": "it's"}, seconds)


def print_answer(answer):
    return f"motd\nproscribe-answer:{json.dumps(answer)}\n"


def test_program_is_asked_again_while_another_audit_runs(monkeypatch):
    monkeypatch.setattr(action, "PAUSE_SECONDS", 0.001)
    asking = Low(*[{"busy": True}] * 3, {"is": 1})
    assert ask(asking) == {"is": 1}
    request = """'{"code": "it'"'"'s"}'"""
    command = f"printf '%s\\n' {request} | sudo -n /usr/libexec/proscribe/observe"
    assert asking.commands == [(command, {"sudoable": False})] * 4


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"busy": True}, action.AUDIT_FAILURES["busy"]),
        ({"lacking": ["x"]}, action.AUDIT_FAILURES["lacking"]),
        ({"refused": "no plan"}, action.AUDIT_FAILURES["refused"] + ": no plan"),
        ("no json", f"{action.NO_PROGRAM} (it said so)"),
    ],
)
def test_program_that_gives_no_record_names_the_reason(answer, message):
    assert ask(Low(answer), 1.0) == {"failed": True, "msg": message}


def test_program_without_an_answer_was_cut_ran_out_of_time_or_ended_silently(monkeypatch):
    assert "longer than" in ask(Low("nothing"), 0.0)["msg"]
    cut = Low({"is": 1})
    cut.limiter = SimpleNamespace(reason="too long")  # type: ignore[assignment]
    assert ask(cut) == {}
    silent = {"rc": 3, "stdout": "nothing", "stderr": ""}
    monkeypatch.setattr(Low, "_low_level_execute_command", lambda *_, **__: silent)
    assert ask(Low())["msg"].endswith("(exit code 3)")


# -- login shells


@pytest.mark.parametrize(
    ("printed", "user", "shell"),
    [
        (b"proscribe-shell /bin/rbash", "ann", "the login shell /bin/rbash of ann on h1"),
        (b"welcome", "ann", "the login shell of ann on h1"),
        (b"welcome", None, "the login shell on h1"),
    ],
)
def test_login_shell_that_runs_nothing_is_refused_by_its_name(printed, user, shell):
    asking = Low(f"nope {ESCAPE}")
    asking._connection.printed = printed
    asking._connection.options["remote_user"] = user
    with pytest.raises(AnsibleActionFail) as refused:
        asking.require_login_shell("h1")
    message = str(refused.value)
    assert shell in message and "it printed" in message and "exit code 3" in message and "\x1b" not in message
    assert asking.commands[0][1] == {"sudoable": False, "in_data": SHELL_EXIT_LINE}
    assert asking._connection.ran[0] == ("echo proscribe-shell $SHELL", {"in_data": SHELL_EXIT_LINE, "sudoable": False})


@pytest.mark.parametrize(("output", "cut"), [("hello\nproscribe-shell\n", ""), ("nope", "it took too long")])
def test_login_shell_that_runs_its_command_or_is_cut_off_is_not_refused(output, cut):
    asking = Low(output)
    asking.limiter = SimpleNamespace(reason=cut)  # type: ignore[assignment]
    asking.require_login_shell("h1")
    assert asking._connection.ran == []


# -- output that Ansible parses, and commands that it runs


def parse(monkeypatch, **result):
    monkeypatch.setattr(ActionBase, "_parse_returned_data", lambda _, res, *more, **named: (res, more, named))
    return Action()._parse_returned_data({"rc": 0, **result}, "p", q=1)


def test_ansible_parses_only_keys_that_the_reader_lets_through(monkeypatch):
    result, more, named = parse(monkeypatch, stdout='motd\n{"is": 1, "add_host": {}}\n', stderr="x", extra=2)
    assert json.loads(result.pop("stdout")) == {"is": 1}
    assert (result, more, named) == ({"rc": 0, "stderr": "", "extra": 2}, ("p",), {"q": 1})

    with pytest.raises(UnusableAnswer, match=r"\(exit code 0\)$"):
        parse(monkeypatch, stdout="", stderr=None)


@pytest.mark.parametrize(("data", "module"), [(b"#!/usr/bin/python3\nx", True), (b"no script", False), (None, False)])
def test_module_alone_is_piped_to_a_receiver(monkeypatch, data, module):
    calls, errors = [], f"a{ESCAPE}\nb"

    def low(_, cmd, *args, **named):
        calls.append((cmd, args, named))
        return {"rc": 0, "stdout": "out", "stderr": errors}

    monkeypatch.setattr(ActionBase, "_low_level_execute_command", low)
    done = Action()._low_level_execute_command("python3", 5, in_data=data, sudoable=False)
    ((cmd, args, named),) = calls
    assert (args, named["sudoable"]) == ((5,), False)
    assert (cmd == f'python3 -c "{RECEIVER_PROGRAM}"') is module and (cmd == "python3") is not module
    assert (named["in_data"] == data) is not module
    assert done["stdout"] == "out" and "\x1b" not in done["stderr"]
    assert len(done["stderr_lines"]) == 2 and done["stderr_lines"][1] == "b"
    errors = f"first{'x' * 65_536}last"
    assert Action()._low_level_execute_command("x")["stderr"] == errors[-65_536:]


# -- files that are left on the host


class Shell(ShellBase):
    def __init__(self):
        self.tmpdir = "/tmp/x"


def clean(cleaning, cut=""):
    cleaning.limiter = SimpleNamespace(reason=cut)  # type: ignore[assignment]
    cleaning._connection._shell = Shell()
    cleaning.cleanup(force=True)
    return cleaning._connection._shell


def test_files_of_a_module_are_removed_unless_the_host_was_given_up(monkeypatch):
    forced = []
    monkeypatch.setattr(ActionBase, "cleanup", lambda _, force: forced.append(force))
    assert clean(Action()).tmpdir == "/tmp/x" and forced == [True]
    monkeypatch.setattr(ActionBase, "cleanup", lambda *_: pytest.fail("it would be called once more"))
    assert clean(Action(), "too long").tmpdir is None


@pytest.mark.parametrize("slow", [True, False])
def test_removal_of_files_has_a_time_limit_and_raises_other_errors(monkeypatch, slow):
    def remove(*_):
        if slow:
            subprocess.run(["sleep", "600"], stdout=-1, check=True)
        raise AnsibleError("x")

    monkeypatch.setattr(ActionBase, "cleanup", remove)
    monkeypatch.setattr(action, "GRACE_SECONDS", 0.05)
    cleaning = Action()
    if slow:
        clean(cleaning)
    else:
        with pytest.raises(AnsibleError):
            clean(cleaning)
    assert bool(cleaning._connection.built) is slow
