"""Registers of approvers, refusals, hours and parts of waivers."""

import dataclasses
import datetime
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from file_hosts import write_files
from hypothesis import given
from hypothesis import strategies as st
from mistakes import get_mistake
from proscribe.controller.compile.plans import host_plans, waiver_queries
from proscribe.controller.compile.waivers import approvers, refusals, request_answers, revocations, waiver_status
from proscribe.controller.compile.waivers.departed_names import describe_departures, find_departures
from proscribe.controller.compile.waivers.document import MOMENT_PATTERN, WaiverFileError, read_waiver, read_waivers
from proscribe.controller.compile.waivers.hours import HOURS_PATTERN, merge_windows
from proscribe.controller.compile.waivers.judged_waivers import make_run_waiver, warn_of_waiver
from proscribe.controller.compile.waivers.refusals import MAX_FILE_BYTES, REFUSALS_FILE, RequestRefusal
from proscribe.controller.compile.waivers.waiver import Waiver
from proscribe.controller.compile.waivers.waiver_notes import SeenRevocation, make_waiver_notes, read_waiver_notes
from proscribe.controller.policy_errors import PolicyErrors
from waiver_organisation import GROUPS, NOW, WAIVER, at


def test_empty_entry_lets_nobody_approve():
    register, groups = {"press": approvers.Authority("")}, {"press": frozenset({"press01"})}
    for approver in ("", "no head is named"):
        why = approvers.explain_objection(approver, frozenset({"press01"}), register, groups)
        assert why.startswith(f"{approver} may not approve for press (no head is named), which owns press01")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("pres: {head: chan}\n", r"approvers\.yml:1: pres: found 'pres', expected a group .*did you mean 'press'"),
        ("press: {deputies: [chan]}\n", r"press\.head: found nothing, expected a value: this key is required"),
        ("press: {head: chan, deputy: lee}\n", r"press\.deputy: found 'deputy', .*did you mean 'deputies'"),
        ("press: {head: chan, deputies: lee}\n", r"press\.deputies: found 'lee', expected a list, such as \[lee\]"),
        ("[press]\n", "found a list, expected a mapping; each key is a group of the inventory"),
        ("press: {head: chan}\npress: {head: lee}\n", "the key a second time"),
        ("", "a YAML document"),
    ],
)
def test_a_wrong_register_is_named_with_its_place(tmp_path, content, message):
    (tmp_path / "approvers.yml").write_text(content, encoding="utf-8")
    with pytest.raises(PolicyErrors, match=message):
        approvers.read_approver_list([tmp_path], GROUPS)


def test_a_department_stands_in_one_register(tmp_path):
    write_files(tmp_path, dict.fromkeys(("a/approvers.yml", "b/approvers.yml"), "press: {head: chan}\n"))
    with pytest.raises(PolicyErrors, match="each department in one register only"):
        approvers.read_approver_list([tmp_path / "a", tmp_path / "b"], GROUPS)


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        ("lab: ''\npress: chan", "press"),
        ("press: {head: ''}", "press.head"),
        ("press: {head: a, deputies: [b, ' c']}", "press.deputies[1]"),
        ("press: {head: a, mail: b}", "press.mail"),
    ],
)
def test_a_mistake_in_one_department_hides_none_in_the_next(tmp_path, entry, key):
    (tmp_path / "approvers.yml").write_text(f"{entry}\nfinance: {{head: ''}}\n", encoding="utf-8")
    with pytest.raises(PolicyErrors) as wrong:
        approvers.read_approver_list([tmp_path], GROUPS)
    assert [error.key for error in wrong.value.errors] == [key, "finance.head"]


def test_every_register_is_read_whatever_its_ending(tmp_path):
    files = {"a/approvers.yml": "[", "b/approvers.yaml": "press: {head: chan, deputies: [lee], mail: a@b}"}
    write_files(tmp_path, files)
    register = approvers.read_approver_list([tmp_path, tmp_path / "b"], GROUPS)
    assert register == {"press": approvers.Authority("chan", ("lee",), "a@b")}
    (tmp_path / "b/approvers.yaml").write_text("press: {head: chan, mail: a b}", encoding="utf-8")
    with pytest.raises(PolicyErrors) as wrong:
        approvers.read_approver_list([tmp_path / "a", tmp_path / "b"], GROUPS)
    places = [(Path(error.location).parent.name, error.key) for error in wrong.value.errors]
    assert places == [("a", ""), ("b", "press.mail")]


# -- hours
NINE, NOON, SIX, TEN, DAY = 9 * 60, 12 * 60, 18 * 60, 22 * 60, 24 * 60
WINDOWS_BY_HOURS = [
    ("mon 09:00-18:00", [(0, NINE, SIX)]),
    ("mon-fri 09:00-12:00", [(day, NINE, NOON) for day in range(5)]),
    ("weekdays 09:00-12:00", [(day, NINE, NOON) for day in range(5)]),
    ("weekends 09:00-12:00", [(5, NINE, NOON), (6, NINE, NOON)]),
    ("daily 09:00-12:00", [(day, NINE, NOON) for day in range(7)]),
    ("sat-mon 00:00-24:00", [(0, 0, DAY), (5, 0, DAY), (6, 0, DAY)]),
    ("wed,mon 09:45-18:00", [(0, NINE + 45, SIX), (2, NINE + 45, SIX)]),
    ("mon 22:00-09:00", [(0, TEN, DAY), (1, 0, NINE)]),
    ("sun 22:00-09:00", [(0, 0, NINE), (6, TEN, DAY)]),
    ("mon 22:00-00:00", [(0, TEN, DAY)]),
    ("mon 24:00-09:00", [(1, 0, NINE)]),
    ("mon 09:00-12:00;mon 12:00-18:00", [(0, NINE, SIX)]),
    ("mon 12:01-18:00;mon 09:00-12:00", [(0, NINE, NOON), (0, NOON + 1, SIX)]),
    ("mon 09:00-12:00;tue 09:00-12:00;mon 11:00-18:00", [(0, NINE, SIX), (1, NINE, NOON)]),
]


@pytest.mark.parametrize(("texts", "expected"), WINDOWS_BY_HOURS)
def test_hours_become_windows_of_a_week(texts, expected):
    assert all(HOURS_PATTERN.fullmatch(text) for text in texts.split(";"))
    assert merge_windows(texts.split(";")) == expected


@pytest.mark.parametrize("times", ["09:00-09:00", "24:00-00:00"])
def test_no_time_at_all_is_a_mistake(times):
    with pytest.raises(ValueError, match=times):
        merge_windows([f"daily {times}"])


@pytest.mark.parametrize(
    "text",
    [
        *("mon", "09:00-18:00", "mon 9:00-18:00", "mon 09:00-18:60", "mon 09:00-24:01", "mon 09:00"),
        *("mon  09:00-18:00", "mon 09:00-18:00\n", "Mon 09:00-18:00", "mon- 09:00-18:00", "weekdays,sat 09:00-18:00"),
        *(f"{'mon,' * 7}mon 09:00-18:00", "mon \u0660\u0669:00-18:00"),
    ],
)
def test_malformed_hours_do_not_match(text):
    assert not HOURS_PATTERN.fullmatch(text)


# -- refusals
ONE = RequestRefusal("0" * 16, "press01", "wong", "whatsapp", "no", "head.of.press", "2026-11-25T08:00:00Z")
DEPARTMENTS = {name: GROUPS[name] for name in ("press", "finance")} | {"all": frozenset({"press01", "fin01", "lab01"})}
REGISTER = {"press": approvers.Authority("head.of.press", ("deputy", "head.of.both"))}
REGISTER["finance"] = approvers.Authority("head.of.finance", ("head.of.both",))
CONTEXT = waiver_status.JudgementContext(DEPARTMENTS, REGISTER, waiver_status.WaiverRules(), lambda host: "")


def write_line(refusal: RequestRefusal) -> str:
    return json.dumps(refusal._asdict()) + "\n"


@pytest.mark.parametrize("key", ["id", "host", "user", "service", "why", "by", "on"])
@pytest.mark.parametrize("value", ["", "a\nb", "x" * 1001, 7, None])
def test_refusal_with_a_long_or_empty_text_is_a_mistake(tmp_path, key, value):
    (tmp_path / REFUSALS_FILE).write_text(write_line(ONE) + json.dumps({**ONE._asdict(), key: value}) + "\n" + "[\n")
    with pytest.raises(PolicyErrors) as wrong:
        refusals.read_refusals([tmp_path])
    places = [error.location.rpartition(REFUSALS_FILE) for error in wrong.value.errors]
    assert places == [(f"{tmp_path}/", REFUSALS_FILE, f":{number}") for number in (2, 3)]
    assert all("id, host, user, service, why, by, on" in error.expected for error in wrong.value.errors)
    longest = ONE._replace(why="x" * 1000)
    (tmp_path / REFUSALS_FILE).write_text(write_line(longest))
    assert refusals.read_refusals([tmp_path]) == [longest]


def test_refusals_in_no_file_of_lines_are_a_mistake(tmp_path):
    def read_error(name: str) -> tuple[str, str, object, str]:
        error = get_mistake(refusals.read_refusals, [tmp_path / name])
        return error.location, error.key, error.found_value, error.expected

    for name in (f"folder/{REFUSALS_FILE}", "large", "latin"):
        (tmp_path / name).mkdir(parents=True)
    with (tmp_path / "large" / REFUSALS_FILE).open("wb") as stream:
        stream.truncate(MAX_FILE_BYTES + 1)
    (tmp_path / "latin" / REFUSALS_FILE).write_bytes(b"\xe4\n")
    large = ("", "no plain file, or a large one", "lines of JSON")
    assert read_error("folder") == (str(tmp_path / "folder" / REFUSALS_FILE), *large)
    assert read_error("large") == (str(tmp_path / "large" / REFUSALS_FILE), *large)
    unreadable = (str(tmp_path / "latin" / REFUSALS_FILE), "", "UnicodeDecodeError", "a file of UTF-8 that can be read")
    assert read_error("latin") == unreadable


def test_one_more_line_leaves_the_others_as_they_are(tmp_path):
    file = tmp_path / REFUSALS_FILE
    other = ONE._replace(why="請用電話")
    added = (json.dumps(other._asdict(), ensure_ascii=False) + "\n").encode()
    assert refusals.append_refusal(file, other) == added
    for before, left in ((b"", b""), (b"x", b"x\n"), (b"x\n", b"x\n")):
        file.write_bytes(before)
        assert refusals.append_refusal(file, other) == left + added


def test_the_newest_that_counts_is_in_force():
    newer = ONE._replace(why="really", on="2026-11-26T08:00:00Z")
    own = ONE._replace(by="wong", on="2026-11-27T08:00:00Z")
    stranger = ONE._replace(id="2", by="head.of.finance")
    elsewhere = ONE._replace(host="gone01")
    result, disregarded = refusals.select_valid_refusals([elsewhere, ONE, newer, own, stranger], CONTEXT)
    assert result == [newer]
    (left,) = disregarded
    assert left.refusal == stranger and left.why.startswith("head.of.finance may not approve for press")


def test_refusals_of_a_folder_are_in_the_plan_of_their_host(organisation):
    stranger = ONE._replace(id="1" * 16, by="head.of.finance")
    lines = [ONE, stranger, stranger._replace(id="2" * 16)]
    (organisation.waivers / REFUSALS_FILE).write_text("".join(map(write_line, lines)))
    compiled = host_plans.compile_hosts(organisation.question(), at(NOW))
    answers = {host: compiled.plans[digest].get("answers") for host, digest in compiled.hosts.items()}
    refused = {"answer": "refused", "user": "wong", "service": "whatsapp", "on": "2026-11-25T08:00:00Z", "why": "no"}
    assert (answers.pop("press01"), set(answers.values())) == ({"0" * 16: refused}, {None})
    assert compiled.refusals == [ONE]
    (text,) = compiled.warnings
    assert text.startswith(f"the refusal of request {'1' * 16} on press01 counts for nothing (and 1 more): head.of.")
    assert text.endswith(f" [{REFUSALS_FILE}]")


# -- parts of waivers
def day(number: int) -> datetime.datetime:
    return datetime.datetime(2026, 11, number, 8, tzinfo=datetime.timezone.utc)


FIELDS = [field for field in dataclasses.fields(Waiver) if field.init]
BLANK: dict[str, Any] = {field.name: () if "tuple" in str(field.type) else "" for field in FIELDS}
BLANK |= {"id": "w1", "services": ("owl", "crow"), "revoked": None, "approved_on": day(2), "valid_from": day(1)}


def build_waiver(**keys: Any) -> Waiver:
    return Waiver(**{**BLANK, "expires": day(20), **keys})


MORE = {"hosts": ["press01", "press02"], "zones": ["internet", "internal"], "users": ["alice"]}
MORE |= {"services": ["whatsapp", "slack"], "controls": ["apps"], "posix_groups": ["editors"], "versions": ["4.0"]}
MORE |= {"paths": ["/opt/whatsapp/x"], "request": "00c0ffee00c0ffee"}
TAKEN_BACK = {"on": "2026-12-20T00:00:00Z", "by": "head.of.press", "why": "not needed"}
DESCRIBED = yaml.safe_load("""
{id: w1, status: active, waives: true, why: "its review was due on 2026-11-20: is the need still there?",
 valid_from: "2026-11-01T16:00:00Z", expires: "2026-12-31T10:00:00Z", review_by: "2026-11-20T00:00:00Z",
 review_overdue: true, hours: [], requested_on: "2026-10-30T01:00:00Z", approved_on: "2026-11-01T01:00:00Z",
 reason: Press enquiries come in there, risk: Files received there are not scanned, ticket: ITS-4711,
 compensating_controls: [a network of its own], requested_by: chan.tai.man, approved_by: head.of.press,
 signed_with: ""}
""")


def test_report_has_all_of_a_waiver(organisation):
    organisation.variables = {"waiver_signatures": "off"}
    file = organisation.waiver(**MORE, review_by="2026-11-20T00:00:00Z", revoked=TAKEN_BACK)
    question = organisation.question("press01", "fin01")
    (judged,) = waiver_queries.list_judged_waivers(question, at(NOW))
    changed = {**MORE, "hosts": ["press01"], "revoked": TAKEN_BACK, "file": str(file)}
    assert make_run_waiver(judged, question) == {**DESCRIBED, **changed}
    assert warn_of_waiver(judged) == f"waiver w1 still waives, but {DESCRIBED['why']} [{file}]"
    assert judged.waiver.document.content == file.read_bytes()
    assert judged.waiver.ends == at("2026-12-20T00:00:00+00:00")
    assert judged.waiver.narrowing == {key: MORE[key] for key in ("users", "posix_groups", "versions", "paths")}
    organisation.waiver(requested_on=None, valid_from="", risk=None, compensating_controls=None, controls=None)
    (judged,) = waiver_queries.list_judged_waivers(question, at(NOW))
    missing = {"requested_on": None, "risk": "", "compensating_controls": [], "revoked": None, "request": ""}
    missing |= {"valid_from": "2026-11-01T01:00:00Z", "review_by": "2026-12-02T01:00:00Z", "zones": [], "users": []}
    missing |= {"controls": ["apps", "browser", "firewall", "dns"], "why": "", "review_overdue": False}
    assert {key: value for key, value in make_run_waiver(judged, question).items() if key in missing} == missing


DNS_ALONE = {"controls": ["dns"]}
HOURS_OF_A_DAY = [f"mon {hour:02}:00-{hour:02}:30" for hour in range(20)]
APPROVED = at("2026-11-01T01:00:00+00:00")
GOOD_WAIVERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    # a review is due a month after the last one, and does not outlive the waiver
    ({"reviewed_on": "2026-11-15T00:00:00Z"}, {"review_by": at("2026-12-16T00:00:00+00:00")}),
    ({"expires": "2026-11-10T00:00:00Z"}, {"review_by": at("2026-11-10T00:00:00+00:00")}),
    ({"reviewed_on": "2026-11-01T01:00:00Z", "review_by": ""}, {"review_by": at("2026-12-02T01:00:00+00:00")}),
    ({"requested_on": "2026-11-01T01:00:00Z"}, {"requested_on": APPROVED, "approved_on": APPROVED}),
    ({"valid_from": "2026-10-01T00:00:00Z"}, {"starts": APPROVED}),
    ({"valid_from": "2026-11-03T00:00Z"}, {"starts": at("2026-11-03T00:00:00+00:00")}),
    ({"reason": "x" * 1000}, {"reason": "x" * 1000}),
    ({"hours": "mon 09:00-10:00", **DNS_ALONE}, {"hours": ("mon 09:00-10:00",), "weekly_windows": [(0, 540, 600)]}),
    ({"hours": HOURS_OF_A_DAY, **DNS_ALONE}, {"hours": tuple(HOURS_OF_A_DAY), "narrowing": {}}),
    ({"users": ["EX\\bob", "a", "a"], "controls": ["apps"]}, {"users": ("EX\\bob", "a"), "controls": ("apps",)}),
    ({"posix_groups": [f"g{n}" for n in range(20)], "controls": ["apps", "firewall"]}, {"users": ()}),
]


@pytest.mark.parametrize(("changes", "fields"), GOOD_WAIVERS)
def test_good_waiver_is_read(tmp_path, changes, fields):
    waiver = read_waiver(write_waiver(tmp_path, **changes))
    assert {name: getattr(waiver, name) for name in fields} == fields


def test_names_of_a_malformed_waiver_are_read_as_far_as_they_are_spelled_so(tmp_path):
    names = {"services": ["whatsapp", "Whats App"], "hosts": ["h1", " h2"], "groups": ["g"], "zones": ["z", ""]}
    with pytest.raises(WaiverFileError) as wrong:
        read_waiver(write_waiver(tmp_path, **names, expires=None))
    named = wrong.value.malformed_waiver
    assert named and (named.services, named.hosts) == (("whatsapp",), ("h1",))
    assert (named.groups, named.zones) == (("g",), ("z",))


def test_answers_of_a_plan_are_the_newest_and_say_what_stays_closed():
    everybody, alice = build_waiver(request="2"), build_waiver(id="w3", request="3", users=("alice", "bob"))
    group = build_waiver(id="w4", request="4", posix_groups=("staff",))
    apps = {"services": {"owl": {"mode": "enforce", "exceptions": [{"waiver": "w3", "users": ["alice"]}]}}}
    body: Any = {"controls": {"apps": apps, "dns": {"services": {"owl": {"mode": "enforce"}}}}}
    ended = [dataclasses.replace(alice, id=f"e{number}", request=f"e{number}") for number in range(52)]
    refused = request_answers.group_refusals_by_host([ONE._replace(id=f"r{number}") for number in range(51)])["press01"]
    ended[-1] = dataclasses.replace(alice, id="e51", request="r50")  # which was refused as well
    refused |= {"3": {"answer": "refused"}}  # which was granted as well
    plan = request_answers.add_answers(body, refused, [everybody, alice, group, build_waiver()], ended)
    answers = plan["answers"]
    assert plan == {**body, "answers": answers} and request_answers.add_answers(body, {}, [], []) is body
    assert {*answers} == {*(f"e{n}" for n in range(2, 51)), *(f"r{n}" for n in range(1, 51)), "2", "3"}
    assert answers["r50"]["answer"] == "refused"
    closed = "closed to everybody on this host:"
    granted = {"answer": "granted", "service": "owl", "until": "2026-11-20T08:00:00Z"}
    assert {key: answers[key] for key in ("2", "3", "e2", "r1")} == {
        "2": {**granted, "user": "", "waiver": "w1", "limits": f"open: nothing; {closed} programs, names (DNS)"},
        "3": {**granted, "user": "alice", "waiver": "w3", "limits": f"open: programs; {closed} names (DNS)"},
        "e2": {"answer": "ended", "user": "alice", "service": "owl", "waiver": "e2", "on": "2026-11-20T08:00:00Z"},
        "r1": {"answer": "refused", "user": "wong", "service": "whatsapp", "on": "2026-11-25T08:00:00Z", "why": "no"},
    }


# -- memories
def test_newest_revocation_that_has_begun_and_the_next_one_are_kept():
    listed = [SeenRevocation("w1", "x", f"2026-11-{number}T08:00:00Z", "y") for number in (28, 24, 27, 25, 26)]
    other = SeenRevocation("w2", "x", "2026-11-27T08:00:00Z", "y")
    merged = revocations.merge_revocations([*listed, other], "2026-11-25T08:00:00Z")
    assert merged == {"w1": [listed[3], listed[4]], "w2": [other]}


def test_revocation_is_noted_for_the_next_run_of_its_inventory(organisation, store):
    organisation.waiver()
    organisation.run()
    question = organisation.question()
    elsewhere = dataclasses.replace(question, inventory=["/elsewhere"], groups={"all": frozenset({"other01"})})
    old, new = (SeenRevocation("w1", "x", f"2026-11-{day}T08:00:00Z", "y") for day in (20, 21))
    for requested, revoked in ((question, new), (elsewhere, new), (question, old)):
        revocations.note_revocation(store, requested, revoked, "2026-11-25T08:00:00Z")
    noted = [(notes.sources, len(notes.waivers), notes.revocations) for notes in read_waiver_notes(store)]
    assert noted == [([str(organisation.inventory)], 1, [new]), (["/elsewhere"], 0, [new])]
    alone = dataclasses.replace(question, hosts=[], groups={"all": frozenset({"localhost"})})
    assert make_waiver_notes(alone).hosts_digest == "", "every controller is called so"
    assert organisation.status() == "revoked"


def test_departed_hosts_and_groups_are_described():
    seen = lambda _, name: "" if name == "old" else "2026-11-20T08:00:00Z"  # noqa: E731

    def describe(*hosts: str, groups: tuple[str, ...] = ()) -> str:
        waiver = build_waiver(hosts=hosts, groups=groups)
        found = find_departures(waiver, {"all": {"h0"}, "desks": {"h0"}}, seen)
        return describe_departures(found).replace(" (last seen on 2026-11-20)", "!")

    assert describe("h0", groups=("desks",)) == "" and describe("h1") == "h1! is not in the inventory any more"
    assert describe("old", "h1", groups=("press", "desks")).startswith("old, h1! and the group press! are not in")
    assert describe("h1", "old", "h3", "h4").startswith("h1!, old, h3! and 1 more are not in")


# -- notes for the next run
def test_run_notes_its_waivers_and_those_of_hosts_that_it_leaves_out(organisation):
    hosts = {"w2": "press02", "w1": "press01"}
    files = {id_: organisation.waiver(f"{id_}.yml", id=id_, hosts=[host]) for id_, host in hosts.items()}
    organisation.waiver("w3.yml", id="w3", expires="2026-11-20T00:00:00Z")
    run = organisation.run()
    note = json.loads((organisation.root / "reports/plans/seen-waivers").read_text())
    (inventory,) = note["inventories"]
    ends = {"ends": "2026-12-31T10:00:00Z"}
    waivers = [{"id": id_, "file": str(files[id_]), "hosts": [hosts[id_]], **ends} for id_ in ("w1", "w2")]
    names = {"hosts": dict.fromkeys(("press01", "press02"), "2026-11-25T08:00:00Z"), "groups": {}}
    whole = {"sources": [str(organisation.inventory)], "run": run["id"], "waivers": waivers, "names": names}
    assert inventory == {**whole, "revoked": [], "commits": {}, "hosts": inventory["hosts"]}
    assert note["schema"] == "proscribe/waivers-seen/1" and len(inventory["hosts"]) == 64
    files["w2"].unlink()
    second = organisation.run(NOW, "press01")["id"]
    gone = f"waiver w2 is gone since run {second}: what it opened is closed [{files['w2']}]"
    assert organisation.run()["warnings"].count(gone) == 1
    assert gone not in organisation.run()["warnings"]


@pytest.mark.parametrize(
    ("count", "more", "option"), [(10, "", "w0,w1,w2,w3,w4,w5,w6,w7,w8,w9"), (12, " and 2 more", "all")]
)
def test_waivers_that_are_not_found_are_named_with_the_option(count, more, option, organisation):
    files = [organisation.waiver(f"w{number:x}.yml", id=f"w{number:x}") for number in range(count)]
    run = organisation.run()
    for file in files:
        file.unlink()
    error, folder = get_mistake(organisation.run), str(organisation.waivers)
    named = f"none of the waivers w0, w1, w2, w3, w4, w5, w6, w7, w8, w9{more}"
    assert (error.location, error.key, error.found_value) == (folder, "", named)
    assert error.expected.startswith(f"the waivers that run {run['id']} found there; this run searched {folder}. ")
    assert error.expected.endswith(f" -e proscribe_waivers_removed={option}")


# -- documents
def write_waiver(folder: Path, name: str = "w1.yml", **changes: object) -> Path:
    content = {key: value for key, value in {**WAIVER, **changes}.items() if value is not None}
    path = folder / name
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


NO_TIMES = [
    *("2026-12-31", "2015/10/21", "2026-12-31T18:00:00", "2026-12-31T18:00:00 Asia/Hong_Kong"),
    *("20261231T180000+0800", "2026-W53-4T18:00:00+08:00"),
    "2027-02-29T18:00:00+08:00",  # no leap year
    *("2026-12-31T24:00:00+08:00", "2026-12-31T18:00:60+08:00", "2026-12-31T18:00:00+15:00"),
    *("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "\u0662026-12-31T18:00:00+08:00"),
    *(["2026-12-31T18:00:00+08:00"], "never"),
]
NEEDED = ("id", "services", "reason", "requested_by", "approved_by", "approved_on", "expires")
WRONG_WAIVERS = [
    *(({key: None}, key, "a value: this key is required") for key in NEEDED),
    *(({"expires": text}, "expires", "a time with its zone") for text in NO_TIMES),
    ({"expires": "2026-11-01T16:00:00+00:00"}, "expires", "a time after 2026-11-01T16:00:00+00:00"),
    ({"requested_on": "2026-11-05T00:00:00Z"}, "requested_on", "not after approved_on"),
    ({"reviewed_on": "2026-10-05T00:00:00Z"}, "reviewed_on", "not before approved_on"),
    ({"expiry": "never"}, "expiry", "did you mean 'expires'?"),
    ({"id": "w2"}, "id", "the name of its file, w1"),
    ({"id": "w 1"}, "id", "letters, digits"),
    ({"services": "whatsapp"}, "services", "a list, such as [whatsapp]"),
    ({"services": [["whatsapp"]]}, "services[0]", "one text: a service's id"),
    ({"services": ["what\u200bsapp"]}, "services[0]", "a service's id"),
    ({"controls": ["firewal"]}, "controls[0]", "did you mean 'firewall'?"),
    ({"hosts": None}, "hosts", "hosts, groups or zones"),
    ({"approved_by": " head"}, "approved_by", "one line of text"),
    ({"reason": "\x1b[2J"}, "reason", "one line of text"),
    ({"reason": "x" * 1001}, "reason", "at most 1000"),
    ({"users": ["alice"]}, "controls", "[apps, firewall] or less beside users, because browser policies"),
    ({"versions": ["4.0"], "controls": ["apps", "firewall"]}, "controls", "[apps] or less beside versions"),
    ({"paths": ["/opt/x"]}, "controls", "[apps] or less beside paths"),
    *(({"users": [name], "controls": ["apps"]}, "users[0]", "a user's login name") for name in ("1000", "-rf")),
    ({"versions": ["4 0"], "controls": ["apps"]}, "versions[0]", "a version as the package system writes it"),
    *(({"paths": [path], "controls": ["apps"]}, "paths[0]", "an absolute") for path in ("opt/x", "/opt/../etc")),
    ({"posix_groups": ["press"]}, "controls", "[apps, firewall] or less beside posix_groups, because browser"),
    ({"posix_groups": ["-rf"], "controls": ["apps"]}, "posix_groups[0]", "the name of a group of the host's users"),
    ({"posix_groups": [f"g{n}" for n in range(21)], "controls": ["apps"]}, "posix_groups", "at most 20"),
    ({"hours": "sun 09:00-18:00"}, "controls", "[browser, firewall, dns] or less beside hours, because apps that"),
    ({"hours": "mon\n09:00-18:00", "controls": ["dns"]}, "hours[0]", "days and times of the host's own zone"),
    ({"hours": ["mon 09:00-09:00"], "controls": ["dns"]}, "hours[0]", "ends at another minute"),
    ({"hours": [f"mon 09:00-10:{n:02}" for n in range(21)], "controls": ["dns"]}, "hours", "at most 20"),
    *(({"request": id_}, "request", "16 of 0-9 and a-f") for id_ in ("12345", "00C0FFEE00C0FFEE")),
    ({"revoked": ""}, "revoked", "a mapping with keys out of on, by, why"),
    ({"revoked": {"on": "2026-12-01", "by": "x", "why": "y"}}, "revoked.on", "a time with its zone"),
    ({"revoked": {"on": "2026-12-01T00:00:00Z", "by": "x"}}, "revoked.why", "a value: this key is required"),
    ({"revoked": {"on": "2026-12-01T00:00:00Z", "by": "x", "wy": "y"}}, "revoked.wy", "did you mean 'why'?"),
    *(({"revoked": {**TAKEN_BACK, "by": by}}, "revoked.by", "one ") for by in (["x"], "a\nb")),
]


@pytest.mark.parametrize(("changes", "key", "expected"), WRONG_WAIVERS)
def test_a_wrong_waiver_is_named_with_its_place_and_what_was_expected(tmp_path, changes, key, expected):
    path = write_waiver(tmp_path, **changes)
    with pytest.raises(PolicyErrors) as raised:
        read_waiver(path)
    error = next(error for error in raised.value.errors if error.key == key)
    assert error.location.rpartition(":")[0] == str(path)
    assert expected in error.expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("id: w1\nservices: [whatsapp\nreason: x\n", r"w1\.yml:3: found a syntax error .*expected valid YAML"),
        ("", "found nothing, expected a YAML document"),
        ("- w1\n", "found a list, expected a mapping with keys out of id, services, "),
        ("id: w1\nid: w1\n", "the key a second time"),
    ],
)
def test_a_file_that_is_no_waiver_is_named(tmp_path, content, expected):
    path = tmp_path / "w1.yml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(PolicyErrors, match=expected):
        read_waiver(path)


def test_mistakes_of_all_files_are_reported_at_once(tmp_path):
    write_waiver(tmp_path, "w1.yml", reason="")
    write_waiver(tmp_path, "w2.yml", id="w2", expires="soon", risk="\n")
    write_waiver(tmp_path, "w3.yml", id="w3")
    _, _, mistakes = read_waivers([tmp_path])
    assert [error.key for error in mistakes] == ["reason", "expires", "risk"]


def test_only_yaml_files_are_waivers_and_every_folder_is_read(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    write_waiver(tmp_path / "a")
    write_waiver(tmp_path / "b", "w2.yaml", id="w2")
    for other in ("README.md", "w1.yml.sig", "w3.yml~", "w4.yml.bak", "._w1.yml"):
        (tmp_path / "a" / other).write_text("no waiver", encoding="utf-8")
    waivers, _, mistakes = read_waivers([tmp_path / "a", tmp_path / "b"])
    assert ([waiver.id for waiver in waivers], mistakes) == (["w1", "w2"], [])
    write_waiver(tmp_path / "b", "w1.yml")
    _, _, (mistake,) = read_waivers([tmp_path / "a", tmp_path / "b"])
    assert "does not have" in mistake.expected


def test_entry_of_the_folder_that_is_no_file_is_a_mistake(tmp_path):
    os.mkfifo(tmp_path / "pipe.yml")
    (tmp_path / "folder.yml").mkdir()
    (tmp_path / "link.yml").symlink_to("nowhere")
    _, _, mistakes = read_waivers([tmp_path, tmp_path / "nosuch"])
    names = [Path(error.location).name for error in mistakes]
    assert names == ["folder.yml", "link.yml", "pipe.yml", "nosuch"]


@given(st.integers(0, 6_000_000_000), st.integers(-14 * 60, 14 * 60))  # seconds since 1970, to the year 2160
def test_any_moment_with_its_offset_can_be_written(seconds, minutes):
    zone = datetime.timezone(datetime.timedelta(minutes=minutes))
    assert MOMENT_PATTERN.fullmatch(datetime.datetime.fromtimestamp(seconds, zone).isoformat())
