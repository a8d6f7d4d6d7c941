"""Which results of a batch Ansible's executor makes, and which are sent as an answer beside such a result."""

from types import SimpleNamespace

import pytest
from ansible.executor.process import worker as workers
from ansible.executor.task_executor import TaskExecutor
from members import make_member
from proscribe_ansible import executor as proscribe_executor
from proscribe_ansible.connection_groups import TASK_KEYWORDS
from proscribe_ansible.executor import MemberResults, run_executor
from proscribe_ansible.result_transfer import TaskMember, transfer


class Batch:
    """The worker of a batch: what it sent, and in which order."""

    def __init__(self):
        self.log = []

    def answered(self, wire, answers):
        self.log.append((wire.model, list(answers)))


def task(**keywords):
    return SimpleNamespace(**{"name": "Observe", "register": None, **keywords})


def question(route):
    return SimpleNamespace(
        route=route, observation=SimpleNamespace(note_cached=lambda answer: {**answer, "changed": False})
    )


@pytest.fixture
def batch(monkeypatch):
    """A batch in which the executor notes for whom it ran, and with which outcome."""
    made = Batch()

    def run(of, member, question):
        observation, outcome = transfer.outcomes.pop(member.name)
        assert of is made and observation is question.observation
        made.log.append((member.name, outcome))
        return SimpleNamespace(model=member.name, return_data=dict(member.variables))

    monkeypatch.setattr(proscribe_executor, "run_executor", run)
    return made


def record(number):
    return {"record": {"host": number}, "drifted": ["dns"] * number, "privileged": number % 2 == 0}


class TestResults:
    def test_an_answer_that_differs_in_more_has_a_result_of_its_own(self, batch):
        results, one, route = MemberResults(batch), task(), object()
        for number, more in enumerate([{}, {}, {"more": 1}, {"more": 1}, {}]):
            results.send(make_member(f"h{number}", one), question(route), {**record(number), **more}, f"o{number}")
        results.send(make_member("h5", one), question(route), None, "o5")
        results.send(make_member("h6", one), question(object()), record(6), "o6")  # asked otherwise
        results.flush()
        results.flush()
        own = [(f"h{number}", f"o{number}") for number in (0, 2, 3, 5, 6)]
        assert batch.log == [*own, ("h0", [("h1", record(1)), ("h4", record(4))])]

    @pytest.mark.parametrize(
        ("keywords", "more", "gathered"),
        [
            ({}, {}, True),
            ({"register": {"x": "_task.polymorphic_result"}}, {}, True),
            ({"register": {"x": "_task.polymorphic_result", "y": "{{ z }}"}}, {}, False),
            *(({keyword: "x"}, {}, False) for keyword in ("changed_when", "failed_when", "notify", "no_log")),
            ({"name": "{{ x }}"}, {}, False),
            *(({}, {key: "x"}, False) for key in ("failed", "not_installed", "unwatched")),
        ],
    )
    def test_task_or_answer_that_says_more_has_results_of_its_own(self, batch, keywords, more, gathered):
        results, shared, route = MemberResults(batch), task(**keywords), object()
        for number in range(2):
            results.send(make_member(f"h{number}", shared), question(route), {**record(number), **more}, f"o{number}")
        results.flush()
        assert batch.log == [("h0", "o0"), ("h0", [("h1", record(1))]) if gathered else ("h1", "o1")]


class Queue:
    def __init__(self):
        self.content = []

    def put(self, result):
        self.content.append(result)

    def send_task_result(self, *result):
        self.put(result)

    def send_display(self, *what):
        self.content.append(("display", *what))


class Task:
    def __init__(self, **keywords):
        self.__dict__.update(keywords)
        self._parent = "block"

    def copy(self, exclude_parent, exclude_tasks):
        assert exclude_parent and exclude_tasks
        one = Task(**vars(self))
        one._parent = ""
        return one


class TestInside:
    @pytest.fixture
    def parts(self):
        batch = SimpleNamespace(_final_q=Queue(), _term="term", _loader="loader", _task="own", _host="own")
        host = SimpleNamespace(name="h1", vars={"a": 1}, groups=["g"])
        keywords = dict.fromkeys(TASK_KEYWORDS, "{{ expression }}")
        return batch, TaskMember(host, Task(name="x", **keywords), {"b": 2}, "context")

    @pytest.mark.parametrize("fails", [False, True])
    def test_member_runs_with_its_own_host_and_leaves_the_batch_unchanged(self, parts, monkeypatch, fails):
        batch, member = parts
        question = SimpleNamespace(
            address="10.0.0.7",
            route=SimpleNamespace(
                connection=SimpleNamespace(host=""),
                action=SimpleNamespace(_task=SimpleNamespace(**dict.fromkeys(TASK_KEYWORDS, "evaluated"))),
            ),
        )
        before, task_before = member.host.vars, dict(vars(member.task))

        def run(self):
            assert workers.TaskExecutor is proscribe_executor._AnsweredExecutor
            assert (self._host, self._play_context, self._loader) == (member.host, "context", "loader")
            assert self._task_vars == {"b": 2} and self._task_vars is not member.variables
            assert self._task._parent == "block" and self._task is not member.task
            assert {getattr(self._task, keyword) for keyword in TASK_KEYWORDS} == {"evaluated"}
            executor = object.__new__(workers.TaskExecutor)
            assert executor._get_connection({}, None) is question.route.connection
            assert question.route.connection.host == "10.0.0.7"
            assert executor._set_connection_options({}, None) == []
            self._host.vars, self._host.groups = {}, []
            if fails:
                try:
                    raise KeyError("x")
                except KeyError:
                    self._hard_exit("an error")
            self._final_q.send_display("a warning")
            self._final_q.send_task_result("h1", "result")

        monkeypatch.setattr(proscribe_executor._InsideWorker, "run", run)
        if fails:
            with pytest.raises(KeyError):
                run_executor(batch, member, question)
        else:
            assert run_executor(batch, member, question) == ("h1", "result")
            assert batch._final_q.content == [("display", "a warning"), ("h1", "result")]
        assert workers.TaskExecutor is TaskExecutor and proscribe_executor._AnsweredExecutor.question is None
        assert member.host.vars is before and member.host.groups == ["g"]
        assert vars(member.task) == task_before and batch._task == "own"

    def test_without_a_question_the_executor_is_ansibles(self, parts, monkeypatch):
        batch, member = parts
        monkeypatch.setattr(TaskExecutor, "_get_connection", lambda *words: ("a connection", *words[1:]))
        monkeypatch.setattr(TaskExecutor, "_set_connection_options", lambda *words: ["options", *words[1:]])

        def run(self):
            executor = object.__new__(workers.TaskExecutor)
            assert executor._get_connection("x") == ("a connection", "x")
            assert executor._set_connection_options("x") == ["options", "x"]
            assert {getattr(self._task, keyword) for keyword in TASK_KEYWORDS} == {"{{ expression }}"}

        monkeypatch.setattr(proscribe_executor._InsideWorker, "run", run)
        assert run_executor(batch, member) is None
