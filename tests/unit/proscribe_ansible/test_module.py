"""A call of a module that changes a host: what it answers, what the host's own log keeps of it, and that nothing is
written in check mode. The module itself, on a fixture of a host.
"""

import importlib
import json
import sys
from pathlib import Path

import ansible.module_utils
import pytest
from ansible.module_utils import basic
from file_hosts import make_directories, write_files
from made_plans import make_plan

PROJECT = Path(__file__).resolve().parents[3]
PLAN = make_plan("dns", {"owl": ["owl.example"]})
BY = "run 7 of alice on ctl"
DIGEST = PLAN["digest"]


@pytest.fixture
def module(monkeypatch):
    monkeypatch.setattr(
        ansible.module_utils, "__path__", [*ansible.module_utils.__path__, str(PROJECT / "module_utils")]
    )
    before = set(sys.modules)
    yield importlib.import_module("ansible.module_utils.proscribe_ansible.module")
    for name in set(sys.modules) - before:
        if name.startswith("ansible.module_utils.proscribe"):
            del sys.modules[name]


class Made:
    """A host whose names resolve by its hosts file, and whose log is in `log`."""

    def __init__(self, root, module, monkeypatch, capsys):
        self.root, self.module, self.monkeypatch, self.capsys = root, module, monkeypatch, capsys
        self.log = []
        make_directories(root, "var/lib", "run")
        write_files(root, {"etc/hosts": "127.0.0.1 localhost\n"})
        host = module.Host
        monkeypatch.setattr(module, "Host", lambda: host(str(root)))
        monkeypatch.setattr(host, "require_root", lambda self: None)
        monkeypatch.setattr(module.ModuleCall, "log", lambda _, text: self.log.append(text))

    def files(self):
        """All files of the host but the lock, which every run takes."""
        paths = [path for path in sorted(self.root.rglob("*")) if path.is_file() and path.name != "proscribe.lock"]
        return {str(path.relative_to(self.root)): path.read_bytes() for path in paths}

    def call(self, work=None, **arguments):
        """What the module prints for a call; or one that does this `work` instead. What is None is not said."""
        said = {key: value for key, value in {"plan": PLAN, **arguments}.items() if value is not None}
        if "inject_invocation" in basic.PASS_VARS:  # since 2.21 an answer has its invocation only if that is asked for
            said["_ansible_inject_invocation"] = True
        self.monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": said}).encode())
        self.monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        with pytest.raises(SystemExit):
            if work is None:
                self.module.serve_control("dns")
            call = self.module.ModuleCall(argument_spec={"plan": {"type": "dict"}})
            self.module.take_plan(call)
            self.module.serve_call(call, lambda: work(call))
        return dict(json.loads(self.capsys.readouterr().out))


@pytest.fixture
def host(tmp_path, module, monkeypatch, capsys):
    return Made(tmp_path, module, monkeypatch, capsys)


def test_the_log_has_who_sent_which_plan_and_what_was_done(host):
    invoked = f"Invoked with plan={DIGEST} state=present by={BY}"
    host.call(run={"by": BY}, _ansible_check_mode=True)
    assert host.log == [invoked]
    done = host.call(run={"by": BY})
    assert done["actions"] and host.log[1:] == [invoked, f"Did {'; '.join(done['actions'])}"]
    host.call()
    assert host.log[3:] == [f"Invoked with plan={DIGEST} state=present"], "nothing was to do"


def test_actions_are_one_line_of_the_log_with_any_names_of_files(host):
    host.call(lambda _: {"changed": True, "actions": ["moved /home/a\nroot: did nothing", "moved \x1b[2J"]})
    assert host.log[1:] == ["Did moved /home/a root: did nothing; moved [2J"]


@pytest.mark.parametrize("state", ["present", "absent"])
def test_check_mode_changes_nothing_and_answers_as_the_run_would(host, state):
    if state == "absent":
        host.call()
    before, checked = host.files(), host.call(state=state, _ansible_check_mode=True)
    assert host.files() == before
    done = host.call(state=state)
    assert checked["changed"] is done["changed"] is True and checked["diff"] == done["diff"] != []
    assert ("owl.example" in (host.root / "etc/hosts").read_text()) == (state == "present")


@pytest.mark.parametrize(
    ("run", "by", "wait"),
    [({"by": BY, "wait": 7.5}, BY, 7.5), ({"wait": "7.5"}, "", 7.5), ({"by": BY}, BY, 60.0), (None, "", 60.0)],
)
def test_call_is_made_in_the_name_of_its_run_and_leaves_no_plan_behind(host, run, by, wait):
    answer = host.call(lambda call: {"changed": False, "said": [call.host.changed_by, call.host.lock_timeout]}, run=run)
    assert answer.pop("invocation")["module_args"] == {"plan": DIGEST}
    assert answer == {"changed": False, "said": [by, wait]}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"plan": None}, "missing required arguments: plan"),
        ({"plan": "all"}, "dictionary"),
        ({"state": "gone"}, "present, absent"),
        ({"run": {"by": BY, "wait": "long"}}, "wait"),
        ({"run": {"for": BY}}, "for"),
    ],
)
def test_arguments_that_are_no_call_are_refused_and_change_nothing(host, arguments, why):
    before, answer = host.files(), host.call(**arguments)
    assert answer["failed"] and why in answer["msg"] and host.files() == before


OTHER = {"by": "run 8 of bob on ctl", "since": "2026-11-25T00:30:00Z"}
SHARED = [{**OTHER, "waited": 3}]


@pytest.mark.parametrize("shared", [[], SHARED])
@pytest.mark.parametrize(
    ("kind", "done"),
    [
        ("ControlError", []),
        ("ControlError", ["removed wechat", "closed ports"]),
        ("ValueError", []),
        ("HostBusyError", []),
    ],
)
def test_error_is_answered_with_the_actions_before_it(host, kind, done, shared):
    def work(call):
        call.host.other_runs = shared
        if kind == "ValueError":
            raise ValueError("the disk is full")
        if kind == "HostBusyError":
            turn = sys.modules[host.module.HostBusyError.__module__].HostTurn
            raise host.module.HostBusyError(turn(**OTHER), "2026-11-25T00:35:00Z")
        raise host.module.ControlError("the disk is full", done=done)

    answer = host.call(work)
    busy = "this host is being changed by run 8 of bob on ctl, since 2026-11-25T00:30:00Z"
    busy += "; waited for it until 2026-11-25T00:35:00Z"
    others = {"busy": OTHER} if kind == "HostBusyError" else {"other_runs": shared} if shared else {}
    answer.pop("invocation", None)
    expected = {"failed": True, "msg": busy if kind == "HostBusyError" else "the disk is full", "changed": bool(done)}
    assert answer == {**expected, "actions": done, "refused": [], **others}
    assert host.log[1:] == (["Did removed wechat; closed ports"] if done else [])
