"""Questions of a batch to its hosts, and their outcomes; the hosts are shells of this machine."""

import hashlib
import json
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader
from members import make_member
from proscribe.wire.answers.value_readers import UnusableAnswer
from proscribe.wire.loader import LACKING
from proscribe.wire.parallel.exchange import ExchangeResult
from proscribe.wire.parallel.multiplexing import find_control_path
from proscribe_ansible import batch as proscribe_batch
from proscribe_ansible.result_transfer import CapturedAction

LOST = 255


class Observed:
    host = "h1"

    def __init__(self, *streams, seconds=60):
        self._streams, self.seconds = streams, seconds

    def list_streams(self):
        yield from (stream.encode() for stream in self._streams)


def question(*streams, seconds=60, path="", client="/bin/sh", **more):
    route = {"remote_command": "x", "password": None, "needs_login_password": False, "has_retries": False, **more}
    return proscribe_batch._HostQuestion(
        Observed(*streams, seconds=seconds),  # type: ignore[arg-type]
        SimpleNamespace(**route),  # type: ignore[arg-type]
        "h1.example",
        (client.encode(),),
        path,
    )


def said(what):
    return f"echo '{json.dumps(what)}'"


@pytest.fixture(autouse=True)
def read(monkeypatch):
    """Answers are plain JSON, or nothing; `unusable` is refused by their reader."""

    def answered(printed):
        if b"unusable" in printed:
            raise UnusableAnswer("of another shape")
        return json.loads(printed) if printed.strip() else None

    monkeypatch.setattr(proscribe_batch, "parse_observation", answered)


class Limiter:
    def __init__(self):
        self.reason = ""

    def end_processes(self, reason):
        self.reason = reason


def aside():
    """Nobody steps aside."""


class TestAnswers:
    @pytest.mark.parametrize(
        ("streams", "found"),
        [
            ([said({"record": 1}), "unusable"], {"record": 1}),  # it is sent nothing more
            ([said({LACKING: "x"}), said({"record": 2})], {"record": 2}),  # once it has the code
            (["", said({"record": 2})], {"record": 2}),  # once it is sent the whole
        ],
        ids=range(3),
    )
    def test_host_answers_to_the_first_stream_that_suffices(self, streams, found):
        outcome = proscribe_batch._ask_host(question(*streams), aside)
        assert outcome is not None and proscribe_batch._get_answer(outcome) == found
        assert outcome(Limiter()) == found  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("streams", "more"),
        [
            (["", ""], {}),
            ([said({LACKING: "x"})], {}),
            ([f"exit {LOST}"], {"has_retries": True}),
            ([said({"record": 1})], {"needs_login_password": True}),  # a new connection would need a password
            ([said({"record": 1})], {"client": "/nonexistent/ssh"}),
        ],
    )
    def test_host_without_an_answer_is_asked_the_ordinary_way(self, streams, more):
        assert proscribe_batch._ask_host(question(*streams, **more), aside) is None

    @pytest.mark.parametrize(
        ("stream", "raised", "why"),
        [
            ("echo unusable", UnusableAnswer, "of another shape"),
            ("yes '' | head -c 70000", UnusableAnswer, "68 KiB"),
            (f"echo no route >&2; exit {LOST}", AnsibleConnectionFailure, '"h1.example".*no route'),
        ],
    )
    def test_error_is_raised_where_the_action_runs(self, stream, raised, why):
        outcome = proscribe_batch._ask_host(question(stream), aside)
        assert outcome is not None and proscribe_batch._get_answer(outcome) is None
        with pytest.raises(raised, match=why):
            outcome(Limiter())  # type: ignore[arg-type]

    @pytest.mark.parametrize("stream", ["", "echo unusable", said({LACKING: "x"})])
    def test_host_that_has_used_up_its_time_is_not_asked_again(self, stream):
        outcome = proscribe_batch._ask_host(question(stream, said({"record": 2}), seconds=0), aside)
        limiter = Limiter()
        assert outcome is not None and outcome(limiter) == {}  # type: ignore[arg-type]
        assert limiter.reason.startswith("it took longer than")

    def test_end_of_a_command_is_no_outcome_a_cut_or_an_error(self):
        assert proscribe_batch._judge_ending(question(), ExchangeResult(0, b"", b"")) is None
        limiter, ended = Limiter(), ExchangeResult(-1, b"", b"")
        cut = proscribe_batch._judge_ending(question(), ended._replace(cut_reason="it was too much"))
        assert cut is not None and cut(limiter) == {} and limiter.reason == "it was too much"  # type: ignore[arg-type]
        refused = proscribe_batch._judge_ending(question(), ended._replace(refusal="Incorrect sudo password"))
        with pytest.raises(AnsibleError, match="Incorrect sudo password"):
            refused(limiter)  # type: ignore[arg-type, misc]

    def test_socket_that_serves_nobody_is_not_used(self, tmp_path):
        path = tmp_path / "left"
        path.touch()
        outcome = proscribe_batch._ask_host(question(said({"record": 1}), path=str(path)), aside)
        assert proscribe_batch._get_answer(outcome) == {"record": 1}

    @pytest.mark.parametrize(("code", "found"), [(0, {"record": 1}), (LOST, None)])
    def test_open_connection_is_used(self, tmp_path, monkeypatch, code, found):
        path = tmp_path / "open"
        path.touch()
        opened = []

        def over(*given):
            opened.append(given)
            return proscribe_batch.start_by_client((b"/bin/sh", b"-c", f"{said({'record': 1})}; exit {code}".encode()))

        monkeypatch.setattr(proscribe_batch, "start_over_connection", over)
        outcome = proscribe_batch._ask_host(question("", path=str(path), needs_login_password=True), aside)
        assert opened == [(str(path), "x")]
        assert (None if outcome is None else proscribe_batch._get_answer(outcome)) == found

    @pytest.mark.parametrize("connected", [False, True])
    def test_worker_that_waits_for_a_connection_steps_aside(self, tmp_path, monkeypatch, connected):
        path, done = tmp_path / "socket", []

        def exchanged(_question, _stream, _seconds, silent):
            if connected:
                path.touch()
            silent()
            return

        monkeypatch.setattr(proscribe_batch, "_exchange_stream", exchanged)
        proscribe_batch._ask_host(question("", path=str(path)), lambda: done.append(1))
        assert done == ([] if connected else [1])
        proscribe_batch._ask_host(question("", path=""), lambda: done.append(2))
        assert done[-1] == 2


def route(become="", client=(), refuses=""):
    observed = []

    def observation(run, name, seconds):
        if name == refuses:
            raise AnsibleError("it has no plan")
        observed.append((dict(run), name, seconds))
        return observed[-1]

    connection = SimpleNamespace(
        _load_name="ssh",
        _shell=SimpleNamespace(_load_name="sh"),
        become=SimpleNamespace(_load_name=become) if become else None,
    )
    action = SimpleNamespace(make_observation=observation)
    make_client = lambda address: (b"ssh", *client, address.encode())  # noqa: E731
    return proscribe_batch._HostRoute(action, connection, "x", make_client, None, False, False)


class TestQuestions:
    @pytest.mark.parametrize(
        ("become", "given", "together"),
        [
            ("", {}, True),
            ("sudo", {"ansible_su_user": "y"}, True),  # what nobody reads
            ("su", {"ansible_su_user": "y"}, False),
            ("su", {"ansible_su_user": "x"}, True),
        ],
    )
    def test_host_with_other_options_of_an_unusual_plugin_is_asked_apart(self, become, given, together):
        model, other = make_member("h1", ansible_su_user="x"), make_member("h2", **{"ansible_su_user": "x", **given})
        assert (proscribe_batch._make_question(route(become), other, model) is not None) is together
        assert proscribe_batch._make_question(route(become), model, model) is not None

    def test_host_without_an_observation_is_asked_nothing(self):
        assert proscribe_batch._make_question(route(refuses="h2"), make_member("h2"), make_member("h1")) is None

    @pytest.mark.parametrize(
        ("ended", "suits", "names", "model"),
        [
            (set(), True, ["h1", "h2", "h4"], "h1"),
            ({"h1", "h2"}, True, ["h4"], "h3"),  # their tasks have ended: they have their results
            ({"h1", "h2", "h3", "h4"}, True, [], ""),
            (set(), False, [], ""),
        ],
    )
    def test_hosts_of_a_group_without_a_result_are_asked(self, monkeypatch, ended, suits, names, model):
        models = []
        group = [make_member(f"h{number}") for number in range(1, 5)]
        monkeypatch.setattr(proscribe_batch, "_capture_action", lambda _, one: None if one.name in ended else one.name)
        monkeypatch.setattr(proscribe_batch, "_make_route", lambda captured: captured if suits else None)

        def made(captured, one, of):
            models.append(of.name)
            return None if one.name == "h3" else (captured, one.name)

        monkeypatch.setattr(proscribe_batch, "_make_question", made)
        assert dict(proscribe_batch._list_questions(None, group)) == {name: (model, name) for name in names}
        assert set(models) == ({model} if model else set()) and len(group) == 4


class TestRoutes:
    """How hosts are asked, by Ansible's own plugin and a made action."""

    def captured(self, become=None, streams=True, sudoable=True, **variables):
        context = PlayContext()
        context.password = variables.pop("password", None)
        connection = connection_loader.get("ssh", context)
        connection.set_options(var_options=variables)
        connection.become = become

        def execute(command, in_data):
            assert in_data
            connection.exec_command(f"become {command}", in_data=in_data, sudoable=sudoable)

        action = SimpleNamespace(_connection=connection, can_stream=lambda: streams, _low_level_execute_command=execute)
        return CapturedAction(action, "python3")

    def test_route_has_the_command_that_becomes_root(self):
        captured = self.captured()
        found = proscribe_batch._make_route(captured)
        assert found is not None and (found.remote_command, found.password) == ("become python3", None)
        assert (found.needs_login_password, found.has_retries) == (False, False)
        assert b"become python3" in found.make_client("h1.example") and b"h1.example" in found.make_client("h1.example")
        assert "exec_command" not in vars(captured.action._connection)  # it is as it was

    def test_client_of_a_route_differs_by_address_and_socket(self):
        variables = {"ansible_control_path_dir": "/c", "ansible_port": 2222, "ansible_user": "ann"}
        found = proscribe_batch._make_route(self.captured(**variables))
        for address in ("h1.example", "h2.example"):
            client = found.make_client(address)
            own = hashlib.sha1(f"{address}-2222-ann".encode()).hexdigest()[:10]
            assert (find_control_path(client), client.count(address.encode())) == (f"/c/{own}", 1)
            assert client[0] == b"ssh" and client[-1] == b"become python3" and b"Port=2222" in client

    def test_route_is_none_for_an_action_that_cannot_stream_and_for_another_plugin(self):
        assert proscribe_batch._make_route(self.captured(streams=False)) is None
        captured = self.captured()
        captured.action._connection = connection_loader.get("local", PlayContext())
        assert proscribe_batch._make_route(captured) is None

    def test_route_is_none_where_ansible_lacks_a_name(self, monkeypatch):
        captured, kinds = self.captured(), []
        monkeypatch.setattr(proscribe_batch, "has_all_names", lambda uses, having: kinds.extend(having))  # says None
        assert proscribe_batch._make_route(captured) is None and kinds == ["Connection()"]

    @pytest.mark.parametrize(
        ("incorrect", "missing", "why"),
        [(True, True, "Incorrect sudo password"), (False, True, "Missing sudo password"), (False, False, "")],
    )
    def test_password_is_the_one_of_the_become_plugin(self, incorrect, missing, why):
        become = SimpleNamespace(
            name="sudo",
            expect_prompt=lambda: True,
            get_option=lambda name, playcontext: {"become_pass": "sécret"}[name],
            check_password_prompt=lambda printed: printed == b"prompt",
            check_success=lambda printed: printed == b"success",
            check_incorrect_password=lambda printed: incorrect,
            check_missing_password=lambda printed: missing,
        )
        found = proscribe_batch._make_route(self.captured(become=become))
        assert found is not None and found.password is not None
        assert found.password.text == "sécret".encode() and found.password.describe_refusal(b"x") == why
        assert found.password.is_prompt(b"prompt") and not found.password.is_prompt(b"success")
        assert found.password.is_accepted(b"success") and not found.password.is_accepted(b"prompt")
        become.expect_prompt = lambda: False
        found = proscribe_batch._make_route(self.captured(become=become))
        assert found is not None and found.password is None


class Results:
    """What is sent to the strategy, in the order of that."""

    log: list[Any]

    def __init__(self, batch):
        self.log = batch.log

    def send(self, one, question, answer, outcome):
        self.log.append((one.name, question, answer))

    def flush(self):
        self.log.append("flush")


@pytest.fixture
def batch(monkeypatch):
    log = []
    monkeypatch.setattr(proscribe_batch, "MemberResults", Results)
    monkeypatch.setattr(proscribe_batch, "group_alike", lambda members: [members[:2], members[2:]])
    monkeypatch.setattr(
        proscribe_batch, "_list_questions", lambda _, group: [(one.name, f"asked {one.name}") for one in group]
    )
    return SimpleNamespace(log=log, give_up=lambda names: log.append(("give up", *names)))


def test_host_without_an_answer_is_given_up(batch, monkeypatch):
    answered = partial(proscribe_batch._return_answer, {"record": 1})
    outcomes = {"asked h1": answered, "asked h2": None, "asked h3": partial(proscribe_batch._end_for_limit, "x", False)}
    monkeypatch.setattr(proscribe_batch, "_ask_host", lambda question, _: outcomes[question])
    proscribe_batch.observe_hosts(batch, [make_member("h1"), make_member("h2"), make_member("h3")], 1)
    sent = [line for line in batch.log if line != "flush"]
    assert sorted(sent, key=str) == [("give up", "h2"), ("h1", "asked h1", {"record": 1}), ("h3", "asked h3", None)]
    assert batch.log[-1] == "flush"


def test_failure_of_a_batch_is_reported_and_the_ordinary_way_remains(batch, monkeypatch):
    warned = []
    monkeypatch.setattr(proscribe_batch.display, "warning", warned.append)

    def broken(*_):
        raise RuntimeError("a new Ansible")

    monkeypatch.setattr(Results, "send", broken)
    monkeypatch.setattr(proscribe_batch, "_ask_host", lambda question, _: partial(proscribe_batch._return_answer, {}))
    proscribe_batch.observe_hosts(batch, [make_member("h1")], 1)
    assert len(warned) == 1 and "RuntimeError: a new Ansible" in " ".join(warned[0].split())
    assert batch.log == ["flush"]
