"""Requests on a fake host: refusal, request, list, draft, signature, grant, warning, end."""

import argparse
import contextlib
import dataclasses
import datetime
import importlib
import io
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path
from types import SimpleNamespace

import fleets
import pytest
import yaml
from file_hosts import make_directories, write_files
from made_policy import NOW, question
from proscribe.base.duration import format_moment
from proscribe.controller.cli import CommandError, inventory, requests, waiver
from proscribe.controller.cli.waiver.request_status import RequestStatus, WaiverEffect
from proscribe.controller.compile.inventory.reports_folder import ReportsPlace
from proscribe.controller.compile.plans.host_plans import compile_hosts
from proscribe.controller.compile.waivers import refusals
from proscribe.controller.report import request_notification
from proscribe.controller.report.storage import requests_file
from proscribe.host.controls import apps, change_execution
from proscribe.host.controls.apps.requests import answers, command, command_text, notifications
from proscribe.host.system import Host, ToolResult
from proscribe.wire.answers import results
from recording import compare

CLEAN = fleets.clean_answer()
WONG = 1000 if os.getuid() == 0 else os.getuid()
program = importlib.import_module("proscribe.host.programs.request")
ID = "0f3a9c5d7e1b2846"
OPENS = WaiverEffect("wong", ("apps", "firewall"), ("apps", "browser", "firewall"), ("browser",))
WAIVED = "waived by W-1 until 2026-12-25 04:00:00 UTC"
LONG = "x" * (refusals.MAX_REASON_LENGTH + 1)


class MadeHost(Host):
    """A made host with one user, wong, who is logged in where `present` says so."""

    def __init__(self, root):
        super().__init__(str(root), self.answer)
        make_directories(root, "home/wong", "usr/bin", "run/systemd/sessions", "var/lib")
        passwd = f"wong:x:{WONG}:{WONG}::/home/wong:/bin/sh\n"
        write_files(root, {"etc/passwd": passwd, "proc/stat": "btime 1700000000\n"})
        os.chown(root / "home/wong", WONG, -1)

    privileged = True

    def answer(self, argv, **options):
        return ToolResult(1, "", "")

    def logs_in(self, user="wong"):
        path = Path(self.root, "run/systemd/sessions", user)
        path.write_text(f"USER={user}\nCLASS=user\nLEADER=77\n")


@contextlib.contextmanager
def as_user():
    """This process with the rights of wong for files."""
    if os.getuid():
        yield
        return
    os.seteuid(WONG)
    try:
        yield
    finally:
        os.seteuid(0)


class Story:
    """One host of the press, its controller, and the people around them."""

    def __init__(self, folder, patch):
        self.now = NOW
        self.host = MadeHost(folder / "host")
        self.where = folder / "inventory"
        self.reports = folder / "reports"
        self.reports.mkdir()
        self.question = question(self.where, {"press01": {}, "fin01": {}}, press=["press01"], finance=["fin01"])
        (self.where / "approvers.yml").write_text(
            "press: {head: head.of.press, mail: head.press@example.org}\nfinance: {head: head.of.finance}\n"
        )
        patch.setattr(inventory, "read_compile_input", lambda arguments: self.question)
        patch.setattr(inventory, "locate_reports", lambda arguments: ReportsPlace(self.reports, ""))
        root = self.host.root
        patch.setattr(program, "SERVICE_LIST_PATH", root + command.SERVICE_LIST_PATH)
        patch.setattr(program, "ANSWERS_PATH", root + answers.ANSWERS_PATH)
        entry = SimpleNamespace(pw_dir=root + "/home/wong", pw_name="wong")
        patch.setattr(program, "pwd", SimpleNamespace(getpwuid=lambda uid: entry))
        real = {name: getattr(os, name) for name in dir(os) if not name.startswith("__")}
        patch.setattr(program, "os", SimpleNamespace(**{**real, "getuid": lambda: WONG}))
        self.spoken = []
        patch.setattr(program, "print_message", lambda text, descriptor=1: self.spoken.append(text))
        self.shown = []
        patch.setattr(notifications, "notify_users", lambda host, text, uid=None: self.shown.append((text, uid)))
        patch.setattr(notifications, "logged_in", lambda host: sorted(host.list_directory("/run/systemd/sessions")))
        self.runs = 0

    @property
    def plan(self):
        compiled = compile_hosts(self.question, self.now)
        return compiled.plans[compiled.hosts["press01"]]

    def types(self, *words):
        self.spoken.clear()
        with as_user():
            program.run_command(list(words))
        return "\n".join(self.spoken)

    def run(self):
        plan = self.plan
        change_execution.apply_changes(apps.enforce(self.host, plan))
        self.host.record_fields.clear()
        self.host.state_savers.clear()
        verdicts = apps.observe(self.host, plan)
        assert not [v for v in verdicts if v.rule == command.REQUEST_COMMAND_RULE and v.state != "compliant"]
        for saver in self.host.state_savers:
            saver(False)
        self.runs += 1
        record = {"host": "press01", "rules_evaluated": 1, **self.host.record_fields}
        report = {"run": {"id": f"run{self.runs}", "inventory": [str(self.where)], "controls": ["apps"]}}
        assert requests_file.store_requests(self.reports, report, [record]) == ""
        return record

    def __call__(self, module, *words, raw=False):
        parser = argparse.ArgumentParser(exit_on_error=False)
        module.add_arguments(parser)
        arguments = parser.parse_args(words)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = arguments.run_subcommand(arguments, self.now) if module is waiver else module.run(arguments)
        assert code == 0
        return out.getvalue() if raw else " ".join(out.getvalue().split())

    def listed(self):
        (one,) = json.loads(self(requests, "--json"))["requests"]
        return dict(one)


@pytest.fixture
def story(monkeypatch):
    with tempfile.TemporaryDirectory(prefix="proscribe-story-") as folder:
        os.chmod(folder, 0o755)  # the user has to get to the home
        made = Story(Path(folder), monkeypatch)
        yield made


@pytest.mark.slow
def test_from_refused_to_granted_to_closed(story):
    host = story.host
    assert "There is nothing" not in story.types("parrot", "Press calls") and "nothing to request" in story.spoken[0]

    # The ban comes with the command.
    story.run()
    assert Path(host.root + command.COMMAND_PATH).read_text() == command_text.format_command()
    assert "Did you mean: parrot" in story.types("parot", "Press calls")

    # The user requests. What is typed twice is one request.
    said = story.types("Parrot", "Press", "calls \x1b[31m")
    assert "is written down" in said and "already" in story.types("parrot", "again")
    record = story.run()
    (request,) = record["requests"]
    id_ = request["id"]
    assert id_ in said and request["user"] == "wong" and request["reason"] == "Press calls [31m"
    assert record["requests_left_out"] == 0
    assert f"{id_}" in story.types("--list") and "not answered yet" in story.spoken[0]

    # The head of the department reads of it, once.
    stored = requests_file.read_requests(story.reports)
    departments = {"press": request_notification.DepartmentContact(frozenset({"press01"}), "head.press@example.org")}
    assert [one.id for one in request_notification.select_new_requests(stored, "run2")] == [id_]
    (mail,) = request_notification.make_head_mails(stored, departments, "./proscribe requests -i inv")
    assert mail["mail"] == "head.press@example.org" and id_ in mail["message"]
    assert mail["message"].endswith("./proscribe requests -i inv\n")
    story.run()
    assert request_notification.select_new_requests(requests_file.read_requests(story.reports), "run3") == []

    # The controller lists it, with what a waiver would open.
    one = story.listed()
    assert (one["state"], one["departments"], one["user"]) == ("open", ["press"], "wong")
    assert one["opens"]["user"] == ["apps", "firewall"]
    assert sorted(one["opens"]["host"]) == ["apps", "browser", "dns", "firewall"]
    assert "browser and dns would stay closed" in story(requests)

    # The draft is for this user on this host, and waives nothing until its approver has signed it.
    said = story(waiver, "new", "--request", id_, "--expires", "30d")
    assert "it waives nothing (unsigned)" in said and "head.of.press signs it" in said
    (file,) = (story.where / "waivers").glob("*.yml")
    one = story.listed()
    assert (one["state"], one["waiver"]) == ("drafted", file.stem)
    assert "waiver" not in story.plan["controls"]["apps"]["services"]["parrot"] and "answers" not in story.plan
    with pytest.raises(CommandError, match="has a waiver already"):
        story(waiver, "new", "--request", id_)

    # It is signed, and in force for exactly that.
    key = story.where.parent / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    public = key.with_suffix(".pub").read_text().split()[:2]
    (story.where / "allowed_signers").write_text(f'head.of.press namespaces="proscribe-waiver" {" ".join(public)}\n')
    story.now += datetime.timedelta(days=1)
    story(waiver, "sign", file.stem, "--key", str(key))
    assert f"approved_on: {format_moment(story.now)}" in file.read_text()
    compiled = compile_hosts(story.question, story.now)
    assert "answers" not in compiled.plans[compiled.hosts["fin01"]]
    (exception,) = story.plan["controls"]["apps"]["services"]["parrot"]["exceptions"]
    assert (exception["waiver"], exception["users"]) == (file.stem, ["wong"])
    assert story.plan["answers"][id_]["answer"] == "granted"

    # The host opens, the user is notified when there, and reads it in the list.
    story.run()
    assert story.shown == []
    host.logs_in()
    story.run()
    story.run()
    ((text, uid),) = story.shown
    limits = "open: programs, network addresses; closed to everybody on this host: pages in browsers, names (DNS)"
    assert text == f"Exception {file.stem} for parrot on this host until 2026-12-25 04:00:00 UTC: {limits}."
    assert uid == WONG and f"granted until 2026-12-25 04:00:00 UTC ({limits})" in story.types("--list")

    # With a watch, the host's own observations notify: 7 days and 1 day before, and at the end.
    (granted,) = story.plan["answers"].values()
    waived = {"expires": granted["until"], "users": ["wong"], "services": ["Parrot"], "request": id_}
    plan = {**story.plan, "watch": {"every": 300}, "waivers": {file.stem: waived}}
    end = datetime.datetime(2026, 12, 25, 4, tzinfo=datetime.timezone.utc).timestamp()
    sent = []
    for days in (20, 8, 6.9, 6, 3, 0.9, 0.5, 0, -1):
        sent += [fields["about"] for _, _, fields in notifications.list_due_messages(host, plan, end - days * 86400)]
    assert sent == ["7 days: Parrot", "1 day: Parrot", "ended: Parrot"]

    # It ends without anybody's doing: closed, and the request is over.
    story.now = datetime.datetime(2026, 12, 26, tzinfo=datetime.timezone.utc)
    assert "exceptions" not in story.plan["controls"]["apps"]["services"]["parrot"]
    assert story.plan["answers"][id_]["answer"] == "ended"
    (request,) = story.run()["requests"]
    assert request["answer"] == "ended"
    assert "granted, and ended on 2026-12-25" in story.types("--list")

    # Whoever needs it for longer requests it anew.
    assert "is written down" in story.types("parrot", "Press calls go on")
    assert ["answer" in one for one in story.run()["requests"]].count(False) == 1

    # A lift takes all of it away.
    change_execution.apply_changes(apps.lift(host, story.plan))
    for path in (command.COMMAND_PATH, "/etc/proscribe", "/var/lib/proscribe"):
        assert host.find_entry(path) is None, path


def test_a_refusal_reaches_its_user(story):
    story.run()
    story.types("parrot", "for fun")
    (request,) = story.run()["requests"]
    story.host.logs_in()
    said = story(requests, "refuse", request["id"], "use the press desk's own", "--by", "head.of.press")
    assert f"is refused; commit {story.where / 'waivers' / refusals.REFUSALS_FILE}" in said and "the draft" not in said
    (refusal,) = refusals.read_refusals([story.where / "waivers"])
    assert (refusal.id, refusal.user, refusal.by) == (request["id"], "wong", "head.of.press")
    assert story.listed()["state"] == "refused"
    story.run()
    ((text, _),) = story.shown
    assert text == "Your request for parrot was refused: use the press desk's own"
    assert "refused on" in story.types("--list") and "use the press desk's own" in story.spoken[0]
    content = Path(story.host.root + answers.ANSWERS_PATH).read_text()
    assert "wong" not in content  # everybody may read it
    for plan in ({**story.plan, "answers": {}}, story.plan):  # a plan without it, and the next one with it
        assert notifications.list_due_messages(story.host, plan, story.now.timestamp()) == []
    with pytest.raises(CommandError, match="is refused already"):
        story(requests, "refuse", request["id"], "again", "--by", "head.of.press")
    # The same user may request again, and that is another request.
    assert "is written down" in story.types("parrot", "for the elections")


def test_a_draft_of_what_is_refused_is_left_and_named(story, monkeypatch):
    story.run()
    story.types("parrot", "Press calls")
    (request,) = story.run()["requests"]
    story(waiver, "new", "--request", request["id"])
    (file,) = (story.where / "waivers").glob("*.yml")
    account = SimpleNamespace(pw_name="head.of.press")
    monkeypatch.setattr(requests, "pwd", SimpleNamespace(getpwuid=lambda uid: account))  # whose command it is
    said = story(requests, "refuse", request["id"], "no")
    assert f"the draft {file.stem} is left as it is: delete it" in said and file.exists()
    assert [one.by for one in refusals.read_refusals([story.where / "waivers"])] == ["head.of.press"]


def test_an_id_that_another_user_copied_gets_nothing(story):
    """mallory on fin01 makes a host's record say that wong's request is his own."""
    story.run()
    story.types("parrot", "Press calls")
    (request,) = story.run()["requests"]
    copied = {"host": "fin01", "rules_evaluated": 1, "requests": [{**request, "user": "mallory"}]}
    run = {"id": "run9", "inventory": [str(story.where)], "controls": ["apps"]}
    requests_file.store_requests(story.reports, {"run": run}, [copied])
    with pytest.raises(CommandError, match="2 requests have this id"):
        story(waiver, "new", "--request", request["id"])
    whole = story.question
    limited = [host for host in whole.hosts if host.name == "press01"]  # by --limit
    story.question = dataclasses.replace(whole, hosts=limited)
    story(requests, "refuse", request["id"], "no", "--by", "head.of.press")
    story.question = whole
    states = {one["host"]: one["state"] for one in json.loads(story(requests, "--json"))["requests"]}
    assert states == {"press01": "refused", "fin01": "open"}


def test_request_of_a_hostile_host_is_one_row_and_drafts_for_nobody_else(story):
    nasty = "\x1b[2J\u202egnp\r\n- {services: [owl]}\n# '\" \ud800 *&!|>%@`"
    request = {"id": "f" * 16, "user": "wong", "service": "parrot", "reason": nasty, "at": "2026-11-24T08:00:00Z"}
    changes = [{}, {"user": nasty}, {"service": nasty}, {"user": "wong,root"}]
    changes += [{"user": ""}, {"service": ""}, {"reason": ""}, {"service": "parrot,owl"}]
    changes += [{"at": "9999-12-31T23:59:59Z"}, {"at": "0001-01-01T00:00:00Z"}]
    changes += [{"user": "*"}, {"service": "*"}, {"host": "fin01"}]
    said = [{**request, "id": f"{number:016x}", **change} for number, change in enumerate(changes)]
    record = results.read_stored_record({**CLEAN, "requests": said, "requests_left_out": 0, "host": "fin01"})["record"]
    run = {"id": "run9", "inventory": [str(story.where)], "controls": ["apps"]}
    requests_file.store_requests(story.reports, {"run": run}, [{"host": "press01", **record}])
    listed = json.loads(story(requests, "--json"))["requests"]
    assert [one["host"] for one in listed] == ["press01"] * len(changes) and story(requests).isprintable()
    drafted = 0
    for one in listed:
        try:
            draft = yaml.safe_load(story(waiver, "new", "--print", "--request", one["id"], raw=True))
        except CommandError as refused:
            assert str(refused).replace("\n", "").isprintable()
            continue
        assert (draft["hosts"], draft["services"], draft["users"]) == (["press01"], ["parrot"], [one["user"]])
        drafted += 1
    assert drafted >= 3
    (commas,) = (one["id"] for one in listed if one["user"] == "wong,root")
    with pytest.raises(CommandError, match="expected one user"):
        story(waiver, "new", "--request", commas)


def test_refusal_counts_only_from_an_approver(story):
    story.run()
    story.types("parrot", "Press calls")
    (request,) = story.run()["requests"]
    for by, why in (("head.of.finance", "may not approve for press (head head.of.press)"), ("wong", "have to be two")):
        with pytest.raises(CommandError, match=re.escape(why)):
            story(requests, "refuse", request["id"], "no", "--by", by)
    file = story.where / "waivers" / refusals.REFUSALS_FILE
    assert not file.exists()
    wrong = {key: request[key] for key in ("id", "user", "service")}
    line = {**wrong, "host": "press01", "why": "no", "by": "head.of.finance", "on": "2027-01-01T00:00:00Z"}
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(line) + "\n")
    assert story.listed()["state"] == "open" and "answers" not in story.plan
    (warning,) = compile_hosts(story.question, story.now).warnings
    assert f"the refusal of request {request['id']} on press01 counts for nothing: head.of.finance may not" in warning
    story(requests, "refuse", request["id"], "use the desk", "--by", "head.of.press")
    assert story.listed()["why"].startswith("refused by head.of.press") and len(file.read_text().splitlines()) == 2
    # A later line of the wrong person takes nothing of the right one's answer away.
    assert story.plan["answers"][request["id"]]["why"] == "use the desk"
    assert compile_hosts(story.question, story.now).warnings == []


def test_an_organisation_may_do_without(story):
    plan = story.plan
    del plan["controls"]["apps"]["settings"]["requests"]
    story.run()
    change_execution.apply_changes(apps.enforce(story.host, plan))
    paths = (command.COMMAND_PATH, command.SERVICE_LIST_PATH)
    assert [story.host.find_entry(path) for path in paths] == [None, None]


def request(state="open", why="", waiver="", **changed):
    fields = {"id": ID, "user": "wong", "service": "parrot", "reason": "Press calls", "at": "2026-11-22T04:00:00Z"}
    departments = changed.pop("departments", ("press",))
    made = requests_file.StoredRequest(**{"host": "press01", **fields, **changed})
    return RequestStatus(made, departments, ("head.of.press",), state, why, waiver, OPENS, 90)


class Command:
    def __init__(self, patch):
        self.listed = [request()]
        patch.setattr(requests, "list_requests", lambda arguments, now: self.listed)

    def __call__(self, *words):
        parser = argparse.ArgumentParser()
        requests.add_arguments(parser)
        assert requests.run(parser.parse_args(words)) == 0


@pytest.fixture
def list_command(monkeypatch):
    return Command(monkeypatch)


def test_list_has_how_many_wait_and_a_row_for_each(list_command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "190")
    long_ago, tomorrow = "2024-11-22T04:00:00Z", "9999-12-31T23:59:59Z"
    waived = request("waived", WAIVED, "W-1", at=long_ago, departments=("a", "b", "c", "d"), user="li\x1b[2J")
    list_command.listed = [request(at=tomorrow, departments=()), waived]
    list_command()
    shown = re.sub(r"[\d,]{3,} days ago", "N days ago", capsys.readouterr().out)
    list_command("--json")
    shown += re.sub(r'"at": "[^"]*Z"', '"at": "NOW"', capsys.readouterr().out, count=1)
    compare(Path(__file__).parents[2] / "recorded/cli/requests.printed.txt", shown)
    list_command.listed = []
    list_command()
    assert capsys.readouterr().out == "no requests: no host of this inventory has reported one\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", ID], f"found '{ID}' after list, expected options only"),
        (["refuse", ID], "found no reason"),
        (["refuse", ID, LONG], f"why: found {len(LONG)} characters, expected one printable line of at most"),
        (["refuse", ID, "use\nthe portal"], "why: found 14 characters, expected one printable line"),
        (["refuse", ID, "no", "--by", "\x1b[2J"], "--by: found 4 characters, expected one printable line"),
        (["refuse", ID[:-1], "no"], f"there is no request '{ID[:-1]}' in this inventory, did you mean '{ID}'?"),
    ],
)
def test_a_refusal_needs_a_request_and_one_line_that_says_why(list_command, words, message):
    with pytest.raises(CommandError, match=re.escape(message)):
        list_command(*words)


def test_answered_request_is_not_refused(list_command):
    for answered, message in (
        (request("waived", WAIVED, "W-1"), f"is waived already: {WAIVED}; to end it, revoke the waiver W-1"),
        (request("refused", "refused by head"), "is refused already: refused by head"),
    ):
        list_command.listed = [answered]
        with pytest.raises(CommandError) as refused:
            list_command("refuse", ID, "no")
        assert str(refused.value) == f"request {ID} {message}"
