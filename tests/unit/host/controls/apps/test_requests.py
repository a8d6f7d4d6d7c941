"""Requests for exceptions: files that users write, answers, the command, and notifications."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_host import WECHAT, MadeHost, plan
from proscribe.host.controls import apps
from proscribe.host.controls.apps.requests import answers, command, command_text, notifications, request_files
from proscribe.host.controls.apps.requests.command import RequestCommand
from proscribe.host.system import ControlError, Host, ObservationError, User
from proscribe.host.system.mounts import Mount
from proscribe.wire.answers import value_readers

ME = os.getuid()
ALICE = User("alice", ME, 0, "/home/alice")
PLACE = "home/alice/.local/state/proscribe/requests"
GOOD = {"schema": "proscribe/request/1", "service": "wechat", "reason": "Press calls", "at": "2026-11-25T08:00:00Z"}
ANSWERS, NOTIFIED = "/etc/proscribe/answers.json", "/var/lib/proscribe/notified.json"
END, DAY = "2026-12-10T00:00:00Z", 86400
AT_END = 1_796_860_800
WAIVER = {"services": ["owl"], "users": ["ann"], "expires": END}
REFUSED = {"answer": "refused", "service": "owl", "user": "ann", "why": "use the desk"}
GRANTED = {"answer": "granted", "service": "owl", "user": "bob", "waiver": "w2", "until": END}
GRANTED |= {"on": "2026-11-26", "limits": "apps alone"}
DIGEST = command_text.hash_command()
COMMAND, LIST = "/usr/local/bin/proscribe-request", "/etc/proscribe/requests.json"


@pytest.fixture
def host(host):
    Path(host.root, PLACE).mkdir(parents=True)
    return host


def name(count: int = 0) -> str:
    return f"{count:016x}.json"


def put(host: Host, content: Any = GOOD, file: str = name()) -> Path:
    path = Path(host.root, PLACE, file)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


ODD: dict[str, Any] = {
    "nothing": b"",
    "no text": b"\xff\xfe\x00",
    "a list": [GOOD],
    "deep in a key": b'{"schema":' * 400,
    "many digits": b'{"at": ' + b"9" * 4000 + b"}",
    "no schema": {key: GOOD[key] for key in ("service", "reason", "at")},
    "a service that is none": {**GOOD, "service": "../../etc"},
    "no reason": {**GOOD, "reason": ""},
    "a long reason": {**GOOD, "reason": "x" * 301},
    "escapes for terminals": {**GOOD, "reason": "\x1b]0;owned\x07 please"},
    "a line of its own": {**GOOD, "reason": "please\napproved by: head"},
    "text that runs backwards": {**GOOD, "reason": "\u202egnp.exe\u202c"},
    "half a pair": json.dumps(GOOD).encode().replace(b"Press", b"\\ud800"),
    "blanks around": {**GOOD, "reason": " x "},
    "no such hour": {**GOOD, "at": "2026-02-20T29:00:00Z"},
    "other digits": {**GOOD, "at": "٢٠٢٦-11-25T08:00:00Z"},
    "too large": json.dumps(GOOD).encode() + b" " * 4096,
}


@pytest.mark.parametrize("content", ODD.values(), ids=ODD.keys())
def test_damaged_request_is_left_out_and_hides_no_other(host, content):
    put(host, content)
    put(host, GOOD, name(1))
    rows, left_out = request_files.read_user_requests(host, ALICE)
    assert ([row[2] for row in rows], left_out) == (["wechat"], 1)


def test_newest_requests_come_first_each_with_the_number_of_its_user(host):
    future = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 10**6))
    for count in range(21):
        put(host, {**GOOD, "at": f"2020-11-25T08:00:{count:02}Z"}, name(count))
    put(host, {**GOOD, "reason": "x" * 300, "at": future}, name(21))
    rows, left_out = request_files.read_user_requests(host, ALICE)
    assert [row[4][17:19] for row in rows[1:]] == [f"{count:02}" for count in range(20, 1, -1)] and left_out == 2
    assert rows[0][1:4] == ("alice", "wechat", "x" * 300) and "2020-12" < rows[0][4] < future, "a time to come is now"
    ids = [request_files.make_request_id(ME, name(count)) for count in range(20, 1, -1)]
    assert [row[0] for row in rows[1:]] == ids
    numbers = [request_files.make_request_id(uid, "0123456789abcdef.json") for uid in (1000, 1001)]
    assert numbers == ["707864022e781172", "961f87f86ee5fa15"]


@given(st.binary(max_size=300) | st.text(max_size=100).map(lambda text: json.dumps({**GOOD, "reason": text}).encode()))
def test_any_request_that_is_read_fits_a_record(content):
    result = request_files.parse_request(content)
    if result:
        service, reason, at = result
        assert service.isascii() and reason.isprintable() and 0 < len(reason) <= 300
        assert value_readers.read_line(reason, "reason", 300) == reason and time.strptime(at, "%Y-%m-%dT%H:%M:%SZ")


def outside(path: Path) -> Path:
    secret = path.parents[5] / "secret"
    secret.write_text(json.dumps(GOOD))
    return secret


PLANTED: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a link": lambda path: path.symlink_to(outside(path)),
    "another name of a file": lambda path: os.link(outside(path), path),
    "a directory": os.mkdir,
    "a hole": lambda path: (path.touch(), os.truncate(path, 1 << 40)),
    "somebody else's": lambda path: (path.write_text(json.dumps(GOOD)), os.chown(path, 4711, 0)),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_only_a_users_own_plain_file_is_opened(host, kind):
    if kind == "somebody else's" and ME:
        pytest.skip("only root can give files away")
    PLANTED[kind](Path(host.root, PLACE, name()))
    put(host, GOOD, name(1))
    rows, left_out = request_files.read_user_requests(host, ALICE)
    assert (len(rows), left_out) == (1, 1)


@pytest.mark.parametrize("kind", ["a link", "a pipe"])
def test_file_that_is_exchanged_is_not_read(host, monkeypatch, kind):
    path, real = put(host), os.open

    def swap(file: Any, flags: int, *rest: Any, **more: Any) -> int:
        if file == name():
            path.unlink()
            PLANTED[kind](path)
        return real(file, flags, *rest, **more)

    monkeypatch.setattr(os, "open", swap)
    assert request_files.read_user_requests(host, ALICE) == ([], 1)


def test_file_that_grows_meanwhile_is_read_up_to_the_limit(host, monkeypatch):
    content = json.dumps(GOOD).encode().ljust(4096)
    path = put(host, content)
    assert len(request_files.read_user_requests(host, ALICE)[0]) == 1
    real = os.fstat

    def grow(descriptor: int) -> os.stat_result:
        seen = real(descriptor)
        if os.path.samestat(seen, path.stat()):
            path.write_bytes(content + b" ")
        return seen

    monkeypatch.setattr(os, "fstat", grow)
    assert request_files.read_user_requests(host, ALICE) == ([], 1)


def test_folder_behind_a_link_is_not_read(host, tmp_path):
    put(host)
    state = tmp_path / "home/alice/.local/state"
    state.rename(tmp_path / "elsewhere")
    state.symlink_to(tmp_path / "elsewhere")
    if ME == 0:
        os.lchown(state, 1000, 1000)
    assert request_files.read_user_requests(host, ALICE) == ([], 0)


def test_thousands_of_files_are_not_read(host, monkeypatch):
    monkeypatch.setattr(request_files, "MAX_NAMES", 60)
    for count in range(200):
        put(host, GOOD, name(count))
    opened, real = [], os.open
    monkeypatch.setattr(os, "open", lambda file, *rest, **more: opened.append(file) or real(file, *rest, **more))
    rows, left_out = request_files.read_user_requests(host, ALICE)
    assert len(rows) == request_files.MAX_USER_REQUESTS and len(rows) + left_out == 60
    assert len({file for file in opened if str(file).endswith(".json")}) <= 60


def test_spent_budget_or_remote_home_gives_no_request(host, monkeypatch):
    put(host)
    with monkeypatch.context() as patch:
        patch.setattr(request_files, "USER_TIMEOUT_SECONDS", -1.0)
        assert request_files.read_user_requests(host, ALICE) == ([], 0)
    monkeypatch.setattr(request_files, "read_mounts", lambda host: {"/home/alice/.local": Mount("fuse.sshfs", False)})
    assert request_files.read_user_requests(host, ALICE) == ([], 0)
    host.enters_remote = True
    assert len(request_files.read_user_requests(host, ALICE)[0]) == 1


def rows(user: str, count: int) -> list[tuple[str, ...]]:
    return [(f"{user}{number}", user, "wechat", "r", f"2026-11-25T08:00:{59 - number:02}Z") for number in range(count)]


def test_many_requests_of_a_user_hide_no_other(host):
    of_users = [*((rows(f"mallory{number}", 20), 0) for number in range(8)), (rows("bob", 1), 0)]
    record = request_files.make_reported_requests(plan(wechat=WECHAT), of_users)
    assert len(record["requests"]) == 100 and record["requests_left_out"] == 61
    assert "bob" in {request["user"] for request in record["requests"][:9]}
    apps.observe(host, plan(wechat=WECHAT))
    assert not {"requests", "requests_left_out"} & host.record_fields.keys(), "a host without requests"


@pytest.mark.parametrize(
    ("answer", "fields"),
    [
        ({"service": "wechat", "user": ""}, {"answer": "granted"}),
        ({"service": "wechat", "user": "ann"}, {}),
        ({"service": "qq", "user": "bob"}, {}),
    ],
)
def test_request_has_the_answer_to_its_user_and_service(answer, fields):
    of = {**plan(wechat=WECHAT), "answers": {"bob0": {"answer": "granted", **answer}}}
    (row,) = rows("bob", 1)
    request = dict(zip(("id", "user", "service", "reason", "at"), row))
    reported = {"requests": [{**request, **fields}], "requests_left_out": 0}
    assert request_files.make_reported_requests(of, [([row], 0)]) == reported


def test_answers_are_written_on_change_and_deleted(host, monkeypatch):
    methods = {name: mock.Mock(side_effect=getattr(host, name)) for name in ("write_file", "delete_file")}
    for method, spy in methods.items():
        monkeypatch.setattr(host, method, spy)
    both = {"f0": REFUSED, "a1": GRANTED}
    for of in ({}, {"answers": both}, {"answers": both}, {"answers": {"a1": GRANTED}}, {"answers": {}}, {}):
        answers.write_answers(host, {**plan(), **of})
        if of.get("answers") == both:
            shown = {key: value for key, value in GRANTED.items() if key not in ("service", "user", "waiver")}
            text = json.loads(host.read_text(ANSWERS) or "")
            assert text.pop("written_by").startswith("Written by Proscribe")
            assert text == {"answers": {"a1": shown, "f0": {"answer": "refused", "why": "use the desk"}}}
    assert [spy.call_count for spy in methods.values()] == [2, 1]


@pytest.mark.parametrize(
    ("answer", "mode", "file", "concerned"),
    [
        ({"a1": GRANTED}, "enforce", "/x", True),
        ({"a1": GRANTED}, "audit", "/x", False),
        ({}, "enforce", "/x", False),
        ({}, "enforce", ANSWERS, True),
        ({}, "enforce", NOTIFIED, True),
    ],
)
def test_run_with_answers(host, answer, mode, file, concerned):
    host.write_file(file, "{}")
    assert answers.has_answer_work(host, {**plan(mode), **({"answers": answer} if answer else {})}) is concerned


def plan_command(mode: str = "enforce", service: str = "enforce") -> Any:
    of = plan(mode, owl={"name": "Owl", "mode": service})
    of["controls"]["apps"]["settings"] = {"requests": DIGEST}
    return of


def test_list_has_each_restricted_service_with_its_names():
    of = plan(owl={"name": "Owl", "names": ["Eule", "Owl"]}, elk={"name": ""}, yak={"mode": "report"})
    of["controls"]["dns"] = {"services": {"owl": {"mode": "audit", "name": "Owl", "names": ["Hibou"]}}}
    text = command.format_service_list({**of, "request_url": "https://x.example"})
    listed = json.loads(text)
    assert listed.pop("written_by").startswith("Written by Proscribe") and text.endswith("}\n")
    services = [{"id": "elk", "names": ["elk"]}, {"id": "owl", "names": ["Owl", "Eule", "Hibou"]}]
    about = {"schema": "proscribe/requests/1", "contact": "it-security@example.org", "request_url": "https://x.example"}
    assert listed == {**about, "services": services}


@pytest.mark.parametrize("lost", ["digest", "apps", "dns", "service"])
def test_command_is_required_where_something_is_closed(lost):
    modes = {"apps": "enforce", "dns": "enforce", "service": "enforce", lost: "audit"}
    of = plan(modes["apps"], owl={"mode": "waived"})
    of["controls"]["apps"]["settings"] = {} if lost == "digest" else {"requests": DIGEST}
    of["controls"]["dns"] = {"mode": modes["dns"], "services": {"owl": {"mode": modes["service"]}}}
    assert not command.is_command_required(of)
    of["controls"]["dns"] = {"mode": "enforce", "services": {"owl": {"mode": "enforce"}}}
    assert command.is_command_required(of) is (lost in ("dns", "service"))
    assert command.find_command_digest({**of, "controls": {"dns": of["controls"]["dns"]}}) == ""


def observe_command(host: MadeHost, of: Any) -> list[tuple[str, list[tuple[str, str]], str]]:
    verdicts = command.observe(host, of)
    assert all(verdict.rule == "apps/request-command" for verdict in verdicts)
    rows = [[(item.path, item.detail) for item in verdict.findings] for verdict in verdicts]
    return [(verdict.state, row, verdict.reason) for verdict, row in zip(verdicts, rows)]


def test_command_is_observed(host, monkeypatch):
    waived, audited, enforced = plan_command(service="waived"), plan_command("audit"), plan_command()
    assert observe_command(host, waived) == observe_command(host, audited) == []
    assert observe_command(host, enforced) == [("noncompliant", [(LIST, "missing"), (COMMAND, "missing")], "")]
    for part in command.list_command_parts(enforced):
        part.enforce(host)
    assert observe_command(host, enforced) == [("compliant", [], "")] and observe_command(host, audited) == []
    ((state, findings, _),) = observe_command(host, waived)
    assert state == "noncompliant" and all(detail.startswith("left over") for _, detail in findings)
    monkeypatch.setattr(host, "find_entry", mock.Mock(side_effect=ObservationError("a dead mount")))
    assert observe_command(host, enforced) == [("unknown", [], "a dead mount")]


def test_command_is_installed_and_deleted_and_its_mode_content_and_kind_are_checked(host):
    program, text, place = RequestCommand(DIGEST), f"a program, SHA-256 {DIGEST}\n", Path(host.root + COMMAND)
    assert (program.find_problem(host, True), program.find_problem(host, False)) == ("missing", "")
    assert not program.is_in_place(host)
    assert (program.read_current_text(host), program.make_desired_text(host)) == ("", text)
    program.enforce(host)
    assert program.find_problem(host, True) == "" and program.find_problem(host, False).startswith("left over")
    texts = (program.read_current_text(host), program.make_lifted_text(host))
    assert program.is_in_place(host) and texts == (text, "")
    assert place.stat().st_mode & 0o777 == 0o755 and program.is_applicable(host)
    assert "does not say" in RequestCommand("0").find_problem(host, True)
    place.chmod(0o775)
    assert program.find_problem(host, True) == "has mode 0775 instead of 0755"
    program.lift(host)
    assert not os.path.lexists(place)
    place.parent.mkdir(parents=True)
    place.symlink_to("/bin/true")
    assert program.find_problem(host, True) == "not a regular file"
    place.unlink()
    place.mkdir()
    assert program.read_current_text(host) != "" != program.find_problem(host, True)


class Here:
    def __init__(self, host: MadeHost, patch: pytest.MonkeyPatch) -> None:
        self.host, self.present = host, ["ann", "bob"]
        patch.setattr(notifications, "logged_in", lambda _: self.present)

    def due(self, before_end: float = 10 * DAY, **plan: Any) -> list[tuple[str, str]]:
        """Return users and what they are notified of, so many seconds before the end."""
        self.due_now = notifications.list_due_messages(self.host, plan, AT_END - before_end)  # type: ignore[arg-type]
        return [(user, about["about"]) for user, _, about in self.due_now]

    @property
    def memory(self) -> dict[str, Any]:
        return dict(json.loads(self.host.read_text(NOTIFIED) or ""))


@pytest.fixture
def here(host, monkeypatch):
    return Here(host, monkeypatch)


@pytest.mark.parametrize(
    ("before_end", "about"),
    [
        (7 * DAY + 1, "opened: owl"),
        (7 * DAY, "7 days: owl"),
        (DAY + 1, "7 days: owl"),
        (DAY, "1 day: owl"),
        (1, "1 day: owl"),
        (0, ""),
    ],
)
def test_user_is_notified_of_a_step_once_and_it_is_remembered_for_root(here, before_end, about):
    for expected in ([("ann", about)] * bool(about), []):
        assert here.due(before_end, waivers={"w1": {**WAIVER, "limits": "apps alone"}}) == expected
    assert all(fields == {"user": "ann", "waiver": "w1", "about": about} for _, _, fields in here.due_now)
    subject = {"waiver": "w1", "services": ["owl"], "users": ["ann"], "expires": END, "why": "", "limits": "apps alone"}
    assert here.memory == {"waiver w1": {**subject, "notified": {"ann": about.partition(":")[0] or "ended"}}}
    assert Path(here.host.root + NOTIFIED).stat().st_mode & 0o777 == 0o600


def test_text_names_services_waiver_and_end(here):
    def texts(before_end: float = 10 * DAY, **waiver: Any) -> list[str]:
        here.due(before_end, waivers={"w1": {**WAIVER, **waiver}})
        return [text for _, text, _ in here.due_now]

    (opened,), (soon,), (ended,) = texts(), texts(DAY), texts(0, services=[*"abcde"])
    assert all("2026-12-10 00:00:00 UTC" in text for text in (opened, soon)) and "owl" in opened and "w1" in opened
    assert "a, b, c and 2 more" in ended and ended.endswith('proscribe-request SERVICE "reason"')
    assert soon.endswith('proscribe-request owl "reason"')
    assert "a, b, c on" in texts(services=[*"abc"], expires="2027-01-01T00:00:00Z")[0]


def test_end_is_notified_to_those_who_were_notified_of_the_beginning(here):
    both = {"w3": {**WAIVER, "users": ["ann", "bob"]}}
    assert here.due(0, waivers={"w1": WAIVER}) == []
    here.present = ["bob"]
    assert here.due(waivers=both) == [("bob", "opened: owl")]
    here.present = ["ann", "bob"]
    assert here.due(0, waivers=both) == [("bob", "ended: owl")]


def test_waiver_opens_again_where_it_was_prolonged_or_the_memory_is_unread(here, monkeypatch):
    here.due(DAY, waivers={"w1": WAIVER})
    later = {**WAIVER, "expires": "2027-01-10T00:00:00Z"}
    assert here.due(DAY, waivers={"w1": later}) == [("ann", "opened: owl")]
    assert here.due(0, waivers={"w1": later}) == []
    monkeypatch.setattr(here.host, "read_file", mock.Mock(side_effect=ControlError("a link")))
    assert here.due(waivers={"w1": WAIVER}) == [("ann", "opened: owl")]


def test_revoked_waiver_has_ended_and_is_forgotten_later(here):
    here.due(waivers={"w1": WAIVER})
    assert here.due(9 * DAY) == [("ann", "ended: owl")] and here.due(9 * DAY) == []
    waiver = here.memory["waiver w1"]
    assert (waiver["expires"], waiver["notified"]) == ("2026-12-01T00:00:00Z", {"ann": "ended"})
    here.due(9 * DAY - 14 * DAY + 1)
    assert here.host.find_entry(NOTIFIED)
    here.due(9 * DAY - 14 * DAY)
    assert here.host.find_entry(NOTIFIED) is None


def test_answers_are_notified_once(here):
    answers = {"f0": REFUSED, "a1": GRANTED, "b2": {**GRANTED, "answer": "ended"}}
    assert here.due(answers=answers) == [("ann", "refused: owl"), ("bob", "opened: owl")]
    (_, refusal, _), (_, grant, _) = here.due_now
    assert "use the desk" in refusal and "w2" in grant and "2026-12-10 00:00:00 UTC: apps alone." in grant
    assert [about["waiver"] for *_, about in here.due_now] == ["", "w2"] and here.due(answers=answers) == []
    assert here.due(9 * DAY) == [("bob", "ended: owl")], "a plan without the answer; the refusal is known still"
    assert here.due(8 * DAY, answers={"f0": REFUSED}) == []


def test_waiver_of_the_plan_counts_before_the_answer_and_groups_hide_no_other(here):
    groups = {**WAIVER, "users": [], "posix_groups": ["press"]}
    assert here.due(answers={"a1": GRANTED}, waivers={"w1": groups, "w2": WAIVER}) == [("ann", "opened: owl")]
    assert "limits" not in here.memory["waiver w2"]


@pytest.mark.parametrize("watch", [{}, {"watch": {}}])
def test_host_with_a_watch_is_notified_by_the_watch(here, monkeypatch, watch):
    texts: list[str] = []
    monkeypatch.setattr(notifications, "notify_users", lambda host, text, uid: texts.append(text))
    monkeypatch.setattr(here.host, "find_user_id", lambda name: 7)
    notifications.send_answers(here.host, {"answers": {"f0": REFUSED}, **watch})
    assert len(texts) == ("watch" not in watch) and here.host.find_entry(ANSWERS)
