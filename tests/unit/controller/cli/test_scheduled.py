"""Scheduled runs from lock to notification; the run and the sender are small programs."""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from proscribe.controller.cli import CommandError, inventory, scheduled
from proscribe.controller.cli.scheduled import catalogue_refresh, exit_codes, failed_run
from proscribe.controller.compile.inventory.reports_folder import ENVIRONMENT_VARIABLE
from proscribe.controller.compile.waivers.approvers import Authority
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.controller.report.history import HistoryError
from proscribe.controller.report.notification import build_notification
from proscribe.controller.report.request_notification import DepartmentContact
from proscribe.controller.report.storage.requests_file import StoredRequest
from proscribe.wire import installation, plan_store
from refusals import make_refusal

ARGUMENTS = ["-i", "/srv/inventory", "--limit", "web", "--ask-vault-pass"]
# Begins the report that it is named, and ends with a code.
RUN = """#!/bin/sh
printf '%s\\n' "$@" >"{place}/started"
cat >>"{place}/started"
if [ -n "{report}" ]; then
    mkdir -p "{reports}/{report}"
    : >"{reports}/{report}/hosts.jsonl"
    printf '%s' '{content}' >"{reports}/{report}/report.json"
    ln -sfn "{report}" "{reports}/newest"
fi
exit {code}
"""
SENDER = """#!/bin/sh
printf '%s\\n' "$@" >"{place}/sent"
env >"{place}/environment"
cat >>"{place}/sent"
for last in "$@"; do :; done
cp "$(printf '%s' "$last" | sed 's/.*: "//; s/".*//')" "{place}/notification"
seq 100
printf 'bad\\033[2J\\n'
printf '[ERROR]: no inventory\\033[2J\\n' >&2
exit {code}
"""
NEWS = build_notification("Proscribe: drift", ["a line"], a=1)
INVENTORY_OPTIONS = ["-i", "/srv/inventory", "--limit", "web"]
NEW = StoredRequest("press01", "0f3a", "wong", "parrot", "Press calls", "2026-11-22T04:00:00Z", "inventory", "run1")
RUN_OF_REPORT = {"id": "run1", "inventory": ["a b"], "playbook": "audit"}


class Place:
    def __init__(self, root, monkeypatch):
        self.root, self.reports, self.monkeypatch = root, root / "reports", monkeypatch
        self.reports.mkdir()
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(self.reports))
        self.run_is()
        self.sender_is(0)

    def program(self, name, text, **fields):
        path = self.root / name
        path.write_text(text.format(place=self.root, reports=self.reports, **fields))
        path.chmod(0o755)
        return str(path)

    def run_is(self, report="2026-11-02", code=0, **run):
        content = json.dumps({"run": run})
        path = self.program("launcher", RUN, report=report, code=code, content=content)
        self.monkeypatch.setattr(installation, "make_launcher_command", lambda python: (path,))

    def sender_is(self, code):
        self.monkeypatch.setattr(sys, "executable", self.program("sender", SENDER, code=code))

    def reports_that(self, *notifications, heads=()):
        news, requests, exports = notifications
        self.monkeypatch.setattr(scheduled, "summarise_run", lambda *_: news)
        self.monkeypatch.setattr(scheduled, "make_request_notifications", lambda *_: (requests, [*heads]))
        self.monkeypatch.setattr(scheduled, "update_exports", lambda *_: exports)

    def scheduled(self, what="drift", *options):
        return scheduled.run(argparse.Namespace(what=what, options=[*options]))

    def report(self, name, **run):
        directory = self.reports / name
        directory.mkdir()
        (directory / "hosts.jsonl").write_text("")
        (directory / "report.json").write_text(json.dumps({"run": run}))
        (self.reports / "newest").unlink(missing_ok=True)
        (self.reports / "newest").symlink_to(name)
        return directory

    def read(self, name):
        path = self.root / name
        return path.read_text() if path.exists() else ""


@pytest.fixture
def place(tmp_path, monkeypatch):
    one = Place(tmp_path, monkeypatch)
    one.reports_that(None, None, None)
    return one


EXPORTS = build_notification("Proscribe: exports", ["written"], not_written=[])
NOT_WRITTEN = build_notification("Proscribe: exports", ["none"], not_written=[{"directory": "/srv"}])


@pytest.mark.parametrize(
    ("code", "notifications", "sender", "expected"),
    [
        (0, (NEWS, None, None), 0, 0),
        (2, (NEWS, None, None), 0, 2),
        (0, (NEWS, None, None), 1, 76),
        (2, (NEWS, None, None), 1, 2),
        (0, (None, NEWS, EXPORTS), 0, 0),
        (0, (None, None, NOT_WRITTEN), 0, 74),
        (4, (None, None, NOT_WRITTEN), 0, 4),
        (0, (NEWS, None, NOT_WRITTEN), 1, 74),
    ],
)
def test_code_of_a_run_comes_before_those_of_exports_and_of_sending(place, code, notifications, sender, expected):
    place.run_is(code=code, interrupted={"why": "a signal"})  # its own report, closed early
    place.sender_is(sender)
    place.reports_that(*notifications)
    assert place.scheduled() == expected


def test_failed_sending_is_not_forgotten_for_what_was_sent(place):
    sent = []
    place.monkeypatch.setattr(scheduled, "send_notification", lambda *given: not sent.append(given) and len(sent) > 1)
    place.reports_that(NEWS, EXPORTS, NOT_WRITTEN, heads=["a mail"])
    place.run_is(code=4)
    assert place.scheduled("drift", "-x") == 4
    assert sent == [(NEWS, ["-x"], []), (EXPORTS, ["-x"], ["a mail"]), (NOT_WRITTEN, ["-x"], [])]


def test_reason_of_failed_sending_is_the_end_of_what_was_printed(place, capsys):
    place.reports_that(NEWS, None, None)
    place.sender_is(1)
    place.scheduled()
    printed = capsys.readouterr()
    numbers = "".join(f"{number}\n" for number in range(90, 101))
    assert printed.out == "Proscribe: drift\na line\n\n"
    reason = f"{numbers}bad\ufffd[2J\n[ERROR]: no inventory\ufffd[2J\n"
    assert printed.err == f"proscribe: the notification could not be sent:\n{reason}"


@pytest.mark.parametrize("report", [{"report": ""}, {"report": "2026-11-01"}, {"interrupted": {"closed_by": "x"}}])
def test_a_run_without_a_report_of_its_own_is_said_so(place, report, capsys):
    if report.get("report"):
        place.report("2026-11-01")
    place.run_is(**{"code": 5, **report})
    place.reports_that(NEWS, None, None)
    assert place.scheduled() == exit_codes.NO_REPORT
    assert "produced no report (it ended with 5)" in capsys.readouterr().err and place.read("sent") == ""


def test_notification_goes_to_its_playbook_in_a_file_and_never_on_a_command_line(place):
    place.reports_that(None, NEWS, None, heads=[{"mail": "h@example.org"}])
    assert place.scheduled("drift", *ARGUMENTS) == 0
    words = place.read("sent").split("\n")
    notify = ["-EP", "-m", "ansible", "playbook", installation.name_playbook("notify"), "-i", "/srv/inventory", "-e"]
    assert words[:8] == notify and words[9:] == [""] and [*json.loads(words[8])] == ["proscribe_notice_file"]
    notification = json.loads(place.read("notification"))
    assert notification["facts"]["a"] == 1 and notification["heads"] == [{"mail": "h@example.org"}]
    environment = place.read("environment").split("\n")
    assert {"ANSIBLE_NO_TARGET_SYSLOG=1", f"PROSCRIBE_REPORTS={place.reports}"} <= {*environment}
    assert not os.path.exists(json.loads(words[words.index("-e") + 1])["proscribe_notice_file"])


def test_run_gets_its_options_and_no_input_and_is_quiet_without_news(place, capsys):
    assert place.scheduled("collect", *ARGUMENTS) == 0
    assert place.read("started").split("\n") == ["collect", *ARGUMENTS, ""]
    assert capsys.readouterr().out == "" and place.read("sent") == ""


def test_only_one_runs_at_a_time_and_who_comes_second_names_the_first(place):
    holder = "import fcntl,os,sys; fcntl.flock(os.open(sys.argv[1], 0), 2); print('ready', flush=True); input()"
    with subprocess.Popen(["python3", "-c", holder, place.reports], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout and other.stdout.readline()
        assert place.scheduled("drift", *ARGUMENTS) == 77
        other.communicate("\n")
    assert place.read("started") == ""
    assert f"process {other.pid} of" in json.loads(place.read("notification"))["facts"]["refused"]
    before = os.listdir("/proc/self/fd")
    assert place.scheduled() == 0 and len(os.listdir("/proc/self/fd")) == len(before)


def test_reports_that_others_can_change_are_refused(place):
    (place.reports / plan_store.PLANS_DIRECTORY).mkdir()
    (place.reports / plan_store.PLANS_DIRECTORY).chmod(0o777)
    assert place.scheduled("drift", *ARGUMENTS) == 77 and place.read("started") == ""
    notification = json.loads(place.read("notification"))
    assert f"chmod go-w {place.reports}/{plan_store.PLANS_DIRECTORY}" in notification["facts"]["text"]
    assert "Subject: Proscribe: a scheduled run was refused" in notification["message"]
    place.sender_is(1)
    assert place.scheduled() == 78, "the unit that reports failed runs tries again"


@pytest.mark.parametrize("wrong", [CommandError("no inventory"), PolicyErrors(["no inventory"])])
def test_a_refused_inventory_starts_no_run_and_a_failed_run_is_reported_all_the_same(place, wrong, capsys, tmp_path):
    place.monkeypatch.delenv(ENVIRONMENT_VARIABLE)
    place.monkeypatch.setattr(inventory, "read_compile_input", make_refusal(wrong))
    place.monkeypatch.setattr(installation, "locate_reports", lambda: tmp_path / "usual")
    assert place.scheduled() == 77
    assert "no inventory" in capsys.readouterr().err and place.read("started") == ""
    assert "no inventory" in json.loads(place.read("notification"))["facts"]["text"]
    failed = []
    place.monkeypatch.setattr(scheduled, "report_failed_run", lambda *given: failed.append(given) or 3)
    assert place.scheduled("failed", *ARGUMENTS) == 3 and failed == [(tmp_path / "usual", ARGUMENTS)]


def test_reports_are_where_the_inventory_says(place, tmp_path):
    place.monkeypatch.delenv(ENVIRONMENT_VARIABLE)
    questions, question = [], SimpleNamespace(hosts={}, inventory=None)
    place.monkeypatch.setattr(inventory, "read_compile_input", lambda one: questions.append(one) or question)
    place.monkeypatch.setattr(scheduled, "find_reports_folder", lambda hosts, _: tmp_path / "named")
    assert scheduled.find_reports_directory(ARGUMENTS) == tmp_path / "named" and vars(questions[0])["limit"] == "web"


def systemd(place, text, code=0):
    tools = place.root / "tools"
    tools.mkdir(exist_ok=True)
    place.program("tools/systemctl", f'#!/bin/sh\necho "$@" >{{place}}/shown\ncat <<END\n{text}\nEND\nexit {code}\n')
    place.monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")


def test_why_a_run_failed_is_in_its_notification(place, capsys):
    invocation = "0" * 31 + "f"
    systemd(place, f"Result=exit-code\nExecMainStatus={exit_codes.NO_REPORT}\nInvocationID={invocation}")
    printed = "Compile\\n\\nthe report cannot be written: No space left on device\\n\\033[2Jx"
    place.program("tools/journalctl", f'#!/bin/sh\necho "$@" >{{place}}/asked\nprintf "{printed}"\n')
    partial(place, "2026-11-03", '["begun", 1]')
    assert place.scheduled("failed", *ARGUMENTS) == 0 and "/srv/inventory" in place.read("sent").split("\n")
    words = f"--no-pager --output=cat --lines=25 _SYSTEMD_INVOCATION_ID={invocation}"
    assert place.read("asked").strip() == words
    command = "show proscribe-drift.service --property=Result,ExecMainStatus,ExecMainStartTimestamp,InvocationID"
    assert place.read("shown").strip() == command
    facts = json.loads((place.reports / "ended.json").read_text())
    report = f"{place.reports}/2026-11-03.partial"
    assert "\x1b" not in facts["text"]
    assert capsys.readouterr().out.splitlines() == [
        "Proscribe: a scheduled run produced no report (it ended with 78)",
        "The scheduled run produced no report (it ended with 78).",
        "",
        f"What its hosts answered could not be written to {report}.",
        "It does not show the state of the hosts.",
        "Its log: journalctl -u proscribe-drift.service",
        "",
        "The end of its log:",
        "  Compile",
        "  the report cannot be written: No space left on device",
        "  \ufffd[2Jx",
        "",
    ]
    facts = {key: facts[key] for key in ("result", "status", "begun", "report", "answered")}
    assert facts == {"result": "exit-code", "status": "78", "begun": None, "report": report, "answered": 0}


@pytest.mark.parametrize(
    ("codes", "sent"), [("2 4 10 11 13 14 74 76 77", False), ("0 1 3 5 9 12 15 73 75 78 79 130 250", True)]
)
def test_a_run_has_reported_itself_by_its_code(place, codes, sent):
    calls = []
    place.monkeypatch.setattr(failed_run, "send_notification", lambda *given: not calls.append(given))
    for code in codes.split():
        systemd(place, f"Result=exit-code\nExecMainStatus={code}")
        calls.clear()
        assert place.scheduled("failed") == 0 and bool(calls) is sent, code


def test_failure_that_could_not_be_sent_has_a_code(place):
    systemd(place, "Result=timeout")
    place.sender_is(1)
    assert place.scheduled("failed") == exit_codes.NOT_SENT


def test_where_systemd_gives_no_answer_the_failure_is_still_reported(place, tmp_path):
    place.monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    place.monkeypatch.setattr(failed_run, "send_notification", lambda *_: True)
    assert place.scheduled("failed") == 0
    assert json.loads((place.reports / "ended.json").read_text())["result"] == ""


@pytest.mark.parametrize(
    ("result", "status", "why"),
    [
        ("timeout", "", "proscribe_schedule_timeout"),
        ("exit-code", "78", "run of Mon 06:00 produced no report (it ended with 78)."),
        ("exit-code", "1", "run of Mon 06:00 failed (it ended with 1)."),
        ("signal", "9", "killed by signal 9"),
        ("oom-kill", "", "no memory left"),
        ("watchdog", "", "failed (watchdog)"),
        ("", "", "systemd does not say how"),
    ],
)
def test_reason_of_a_failed_run_is_in_the_notification(result, status, why):
    unit = {"Result": result, "ExecMainStatus": status, "ExecMainStartTimestamp": "Mon 06:00"}
    notification = failed_run.make_failure_notification(unit, "/r/x.partial", 3)
    assert why in notification.lines[0] and "of Mon 06:00" in notification.lines[0]
    assert any("3 hosts" in line and "/r/x.partial" in line for line in notification.lines)
    facts = [notification.facts[name] for name in ("result", "status", "begun", "report", "answered")]
    assert facts == [result, status, "Mon 06:00", "/r/x.partial", 3]


def partial(place, name, *lines):
    directory = place.reports / f"{name}{failed_run.PARTIAL_SUFFIX}"
    directory.mkdir()
    if lines:
        (directory / failed_run.JOURNAL_FILE).write_text("\n".join(lines))
    return directory


ANSWERED = ['["begun", 1]', *['["answered", "h1"]'] * 2, '["answered", "h2", {}]', '["answered"]', '["an']


def test_the_report_that_a_run_has_begun_is_the_newest_after_the_complete_one(place):
    assert failed_run._find_unended_report(place.reports) == ("", 0)
    partial(place, "2026-11-01")
    second = partial(place, "2026-11-03", *ANSWERED)
    assert failed_run._find_unended_report(place.reports) == (str(second), 2)
    place.report("2026-11-02")
    assert failed_run._find_unended_report(place.reports) == (str(second), 2)
    place.report("2026-11-04")
    assert failed_run._find_unended_report(place.reports) == ("", 0)
    (place.reports / "2026-11-04/report.json").write_text("[")
    assert failed_run._find_unended_report(place.reports) == ("", 0)
    third = partial(place, "2026-11-05")
    assert failed_run._find_unended_report(place.reports) == (str(third), 0)


@pytest.mark.parametrize(
    ("run", "age", "named"),
    [
        pytest.param({"interrupted": {"why": "x"}}, 10, True, id="interrupted just now"),
        pytest.param({"interrupted": {"why": "x"}}, 2 * failed_run.FAILURE_DELAY_SECONDS, False, id="long ago"),
        pytest.param({"interrupted": {"closed_by": "x"}}, 10, False, id="closed by another"),
        pytest.param({}, 10, False, id="not interrupted"),
    ],
)
def test_an_interrupted_run_that_closed_its_own_report_is_reported_with_it(place, run, age, named):
    directory = place.report("2026-11-02", **run)
    records = [{"host": "h1", "rules": [], "rules_evaluated": 3}, {"host": "h2", "rules": [], "rules_evaluated": 0}]
    (directory / "hosts.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in records))
    os.utime(directory, (time.time() - age,) * 2)
    assert failed_run._find_unended_report(place.reports) == ((str(directory), 1) if named else ("", 0))


def test_a_history_that_cannot_be_read_makes_all_that_is_wrong_news(place, monkeypatch, capsys):
    monkeypatch.undo()
    given = []
    monkeypatch.setattr(scheduled, "make_run_notification", lambda *all_: given.append(all_))
    monkeypatch.setattr(scheduled, "read_run_history", lambda history, report: ("known", history, report))
    directory = place.report("2026-11-02", history="off")
    scheduled.summarise_run(directory, place.reports)
    report, records, known, where = given.pop()
    assert (report, [*records], where) == ({"run": {"history": "off"}}, [], str(directory))
    assert known[0] == "known" and known[2] == report

    monkeypatch.setattr(scheduled, "open_history", make_refusal(HistoryError("no database")))
    scheduled.summarise_run(directory, place.reports)
    assert given.pop()[2] is None and "no database" in capsys.readouterr().err


class Inventory:
    def __init__(self, root, patch):
        self.root, self.top = root.resolve(), root.resolve() / "policy"
        (self.top / "inventory").mkdir(parents=True)
        (self.top / "inventory/hosts.yml").touch()
        self.question = SimpleNamespace(inventory=[], project=self.top, hosts=[], groups={"g": {"h"}})
        self.catalogues, self.arguments, self.sources, self.refreshed = {}, None, [], []
        self.repository = SimpleNamespace(top=self.top)
        patch.setattr(inventory, "read_compile_input", self.calls)
        patch.setattr(catalogue_refresh, "read_all_restrictions", lambda all_: {h.name: f"of {h.name}" for h in all_})
        patch.setattr(catalogue_refresh, "find_catalogue_folders", self.folders)
        patch.setattr(catalogue_refresh, "find_repository", lambda place: self.sources.append(place) or self.repository)
        patch.setattr(catalogue_refresh.branch_commit, "find_head_commit", lambda top: f"newest of {top}")
        patch.setattr(catalogue_refresh, "_copy_catalogue", lambda *given: self.refreshed.append(given) or {})
        patch.setattr(catalogue_refresh, "_refresh_copy", lambda listed, *_: self.refreshed.append(listed) or [])

    def calls(self, arguments):
        self.arguments = arguments
        self.question.hosts = [SimpleNamespace(name=name) for name in self.catalogues]
        return self.question

    def folders(self, question, host, restrictions):
        assert question is self.question and restrictions == f"of {host.name}"
        return self.catalogues[host.name]

    def refresh(self):
        assert catalogue_refresh.refresh_on_branch(INVENTORY_OPTIONS, lambda _: CommandError) == (None, True)
        assert (self.arguments.inventory, self.arguments.limit) == (["/srv/inventory"], "web")


@pytest.fixture
def calls(tmp_path, monkeypatch):
    return Inventory(tmp_path, monkeypatch)


def test_catalogue_in_the_repository_of_the_inventory_is_refreshed_once(calls):
    release, own, other = calls.root / "release", calls.top / "catalog", calls.top / "other"
    (calls.root / "link").symlink_to(calls.top)
    same = [release, calls.root / "link/catalog"]
    calls.catalogues = {"a": [release], "b": [release, own], "c": same, "d": [release, other, own], "e": [release, own]}
    calls.refresh()
    (repository, base, folders, _), *refreshed = calls.refreshed
    assert refreshed == folders == [(release, own), (release, other, own)]
    assert (repository, base) == (calls.repository, f"newest of {calls.top}")


@pytest.mark.parametrize(
    ("sources", "place"),
    [([], "."), (["inventory"], "inventory"), (["inventory/hosts.yml", "x"], "inventory"), (["gone/x"], "gone")],
)
def test_repository_is_that_of_the_first_source(calls, sources, place):
    calls.question.inventory = [str(calls.top / source) for source in sources]
    calls.catalogues = {"a": [calls.top / "catalog"]}
    calls.refresh()
    assert calls.sources == [calls.top / place]


def test_where_no_list_could_be_written_that_is_said(calls):
    calls.catalogues = {"a": [calls.root / "release"]}
    with pytest.raises(CommandError, match=f"no directory of the catalogue lies in {calls.top}; expected one of"):
        calls.refresh()
    calls.repository = None
    with pytest.raises(CommandError, match=f"^{calls.top} lies in no git repository; expected one"):
        calls.refresh()


class News:
    def __init__(self, patch):
        self.requests = [NEW, NEW._replace(id="old", run="run0")]
        self.questions, self.reported = [], []
        question = SimpleNamespace(hosts=["hosts"], groups={"groups": 1})
        news = scheduled.request_notification
        patch.setattr(scheduled, "read_report", lambda directory: {"run": RUN_OF_REPORT})
        patch.setattr(scheduled.requests_file, "read_requests", lambda reports: self.requests)
        patch.setattr(inventory, "read_compile_input", lambda arguments: self.questions.append(arguments) or question)
        patch.setattr(scheduled, "read_all_restrictions", lambda hosts: (*hosts, "read"))
        patch.setattr(scheduled, "find_approver_folders", lambda *given: given)
        patch.setattr(scheduled, "list_departments", lambda *given: {"press": ["press01"], "it": ["x", "y"]})
        patch.setattr(scheduled, "read_approver_list", self.register)
        patch.setattr(news, "make_request_notification", lambda *given: self.reported.append(given) or "a notification")
        patch.setattr(news, "make_head_mails", lambda *given: self.reported.append(given) or ["a mail"])

    def register(self, folders, groups):
        (question, restrictions) = folders
        assert (question.hosts, restrictions, groups) == (["hosts"], ("hosts", "read"), {"groups": 1})
        return {"press": Authority("head", (), "head@example.org")}

    def __call__(self):
        return scheduled.make_request_notifications(Path("/r/run1"), Path("/r"), INVENTORY_OPTIONS)


@pytest.fixture
def news(monkeypatch):
    return News(monkeypatch)


def test_new_requests_are_reported_to_all_and_to_the_heads_of_departments(news):
    assert news() == ("a notification", ["a mail"])
    departments = {"press": DepartmentContact({"press01"}, "head@example.org"), "it": DepartmentContact({"x", "y"}, "")}
    reported, mailed = news.reported
    assert reported == mailed and reported[:2] == ([NEW], departments)
    assert reported[2].endswith("requests -i 'a b'")
    assert [(one.inventory, one.limit) for one in news.questions] == [(["/srv/inventory"], "web")]


def test_without_new_requests_no_inventory_is_asked(news):
    news.requests = news.requests[1:]
    assert news() == (None, []) and news.questions == [] and news.reported == []


@pytest.mark.parametrize("error", [OSError("no disk"), ValueError("no JSON"), CommandError("no host")])
def test_why_requests_are_not_reported_is_said(news, error, monkeypatch, capsys):
    monkeypatch.setattr(scheduled, "read_approver_list", make_refusal(error))
    assert news() == (None, [])
    assert capsys.readouterr() == ("", f"proscribe: new requests are not reported: {error}\n")
