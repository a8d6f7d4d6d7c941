"""What operators do with quarantines: selectors, the next run's effect on restored items, and the printed texts."""

import datetime
import re

import pytest
from made_plans import make_plan
from proscribe.controller.quarantine import quarantine_texts
from proscribe.controller.quarantine.quarantine_run import QuarantineRun
from proscribe.controller.quarantine.request import (
    InvalidQuarantineRequest,
    QuarantineRequest,
    list_mistyped_variables,
    list_requested_hosts,
    parse_request,
)
from proscribe.controller.quarantine.restore_effect import find_outlook
from proscribe.controller.quarantine.selection import select_rows

NOW = datetime.datetime(2026, 11, 26, 8, tzinfo=datetime.timezone.utc)
DAY = "2026-11-2{}T08:00:00Z"
HOSTILE = "\x1b[2J\u202egnp"
NO_WAIVER = "no waiver covers wechat there"
W1 = "covered by waiver w1 (until 2027-01-01T00:00:00Z)"
AUDITED = "wechat is only audited there: the next run reports it noncompliant"
FOR_GROUPS = {"mode": "enforce", "only": {"posix_groups": ["x", "y"]}}
WAIVED_1, WAIVED_9 = {"mode": "waived", "waiver": "w1"}, {"mode": "waived", "waiver": "w9"}
BOTH_SERVICES = {"services": ["wechat", "signal"]}
DONE = {"wechat-00000001": "", "telegram-00000002": ""}


def item(id_="wechat-00000001", **more):
    """Return an item of alice's quarantine, as a host lists it."""
    path = more.get("path", "/home/alice/WeChat.AppImage")
    fields = {"id": id_, "group": "", "services": [id_.partition("-")[0]], "bytes": 5000, "finished": True}
    fields |= {"path": path, "whole": path, "kind": "appimage", "taken_at": DAY.format(0), "owner": "alice"}
    return {**fields, "place_of": "alice", "kept_until": "2027-02-18T08:00:00Z", **more}


def plan(mode="enforce", keep=0, **services):
    """Build a plan with these services in `apps`, each as its entry or the name of its mode."""
    entries = {name: {"mode": entry} if isinstance(entry, str) else entry for name, entry in services.items()}
    return make_plan("apps", entries, mode, {"quarantine_keep": keep})


@pytest.mark.parametrize(
    ("values", "mistakes"),
    [
        ({"do": "restore"}, ["restore: found no selector"]),
        ({"do": "prune", "older_than": "30d"}, ["prune: found no selector"]),
        ({"do": "restore", "accept_loss": True}, ["restore: found no selector"]),
        ({"do": "prune", "ids": ["", "a-0123abcd"]}, ["--id: found nothing"]),
        ({"do": "prune", "users": ["alice", " "]}, ["--user: found nothing"]),
        ({"do": "prune", "all": True, "users": ["alice"]}, ["--all: found beside a selector"]),
        ({"do": "prune", "users": ["alice"], "older_than": "30"}, ["--older-than: '30'"]),
        ({"do": "prune", "users": ["alice"], "accept_loss": True}, ["--accept-loss: found with prune"]),
        ({"do": "list", "older_than": "0d", "ids": ["x"]}, ["--id: found 'x'", "--older-than: '0d'"]),
    ],
)
def test_forgotten_empty_or_mistyped_selector_is_refused(values, mistakes):
    with pytest.raises(InvalidQuarantineRequest) as wrong:
        parse_request(values)
    starts = [line[: len(start)] for line, start in zip(wrong.value.mistakes, mistakes)]
    assert (starts, len(wrong.value.mistakes)) == (mistakes, len(mistakes))
    assert str(wrong.value).splitlines() == list(wrong.value.mistakes)


def test_hosts_of_request_are_all_or_the_named_ones():
    assert list_requested_hosts(parse_request({}), ["a", "b"], {"a", "b", "c"}) == ["a", "b"]
    assert list_requested_hosts(parse_request({"hosts": ["b"]}), ["a", "b"], {"a", "b", "c"}) == ["b"]
    with pytest.raises(InvalidQuarantineRequest) as wrong:
        list_requested_hosts(parse_request({"hosts": ["web10", "web2", "a*"]}), ["web1"], ["web1", "web2"])
    near, limited, pattern = wrong.value.mistakes
    assert near.endswith("did you mean 'web1'?") and "--limit leaves" in limited
    assert pattern == "--host: found 'a*', expected a host of the inventory"


def test_mistyped_variable_of_playbook_is_named_with_the_right_one():
    for name in ("quarantine_hosts", "quarntine_host", "quarantinehost", "my_quarantine_host"):
        assert list_mistyped_variables([name]) == [f"{name}: found an unknown variable, expected quarantine_host"]
    assert (
        list_mistyped_variables(
            ["quarantine_vlan", "quarantine_all", "quarantine_id", "users", "proscribe_quarantine_keep"]
        )
        == []
    )
    (typed,) = list_mistyped_variables(
        ["quarantine_vlan", "quarantine_id", "our_vlan"], ["quarantine_vlan", "our_vlan"]
    )
    assert typed.startswith("quarantine_vlan: ") and "one of quarantine_do, quarantine_host, " in typed


PLAN = plan(wechat="enforce", telegram="enforce", signal="enforce")
LISTED = {
    "web02": [item("wechat-00000001")],
    "web01": [
        item("wechat-00000002", owner="bob", taken_at=DAY.format(5)),
        item("telegram-00000003", group="telegram-00000003", path="/home/alice/T/a"),
        item("telegram-00000004", group="telegram-00000003", path="/home/alice/T/b"),
        item("signal-00000005", services=["signal", "wechat"], taken_at="2099-01-01T00:00:00Z"),
        item("signal-00000006", taken_at="yesterday"),
    ],
}


@pytest.mark.parametrize(
    ("selectors", "chosen"),
    [
        ({}, ["web01 3", "web01 4", "web01 2", "web01 5", "web01 6", "web02 1"]),
        ({"users": ["bob"]}, ["web01 2"]),
        ({"users": ["bob", "alice"], "services": ["telegram"]}, ["web01 3", "web01 4"]),
        ({"users": ["bob"], "services": ["telegram"]}, []),
        ({"services": ["wechat"]}, ["web01 2", "web01 5", "web02 1"]),
        ({"ids": ["wechat-00000001", "wechat-00000002"]}, ["web01 2", "web02 1"]),
        ({"ids": ["telegram-00000004"]}, ["web01 3", "web01 4"]),  # the parts of one thing go together
        ({"older_than": 6 * 86400}, ["web01 3", "web01 4", "web02 1"]),  # to the second
        ({"older_than": 6 * 86400 + 1}, []),
        ({"older_than": 1}, ["web01 3", "web01 4", "web01 2", "web02 1"]),  # none whose time cannot be
    ],
)
def test_selectors_choose_items(selectors, chosen):
    rows = select_rows(QuarantineRequest("list", **selectors), LISTED, 0, lambda host: PLAN, {}, NOW)
    assert [f"{row.host} {row.quarantine_item['id'][-1]}" for row in rows] == chosen


def test_row_of_item_has_the_keys_that_scripts_read():
    audited = plan(keep=86400, wechat="audit")
    (row,) = select_rows(QuarantineRequest("list"), {"web01": [item(kept_until="")]}, 0, lambda host: audited, {}, NOW)
    found = row.make_document()
    next_run = found.pop("next_run")
    assert (next_run["state"], next_run["waiver"], list(next_run)) == ("left", None, ["state", "waiver", "why"])
    expected = {"host": "web01", "id": "wechat-00000001", "group": "", "services": ["wechat"], "bytes": 5000}
    expected |= {"finished": True, "path": "/home/alice/WeChat.AppImage", "kind": "appimage", "user": "alice"}
    assert found == expected | {"taken_at": "2026-11-20T08:00:00Z", "kept_until": "2026-11-21T08:00:00Z"}
    waived = plan(wechat={"mode": "waived", "waiver": "w1"})
    (row,) = select_rows(QuarantineRequest("list"), {"web01": [item()]}, 0, lambda host: waived, {"w1": "2027"}, NOW)
    found = row.make_document()
    assert (found["kept_until"], found["next_run"]["waiver"]) == ("2027-02-18T08:00:00Z", "w1")


def test_parts_of_one_thing_stay_together_where_times_are_equal():
    parts = [item("x-00000004", group="x-00000003"), item("x-00000005"), item("x-00000003", group="x-00000003")]
    listed = {"b": [item("x-00000002")], "a": parts}
    rows = select_rows(QuarantineRequest("list"), listed, 0, lambda host: plan(x="enforce"), {}, NOW)
    assert [row.quarantine_item["id"][-1] for row in rows] == ["5", "3", "4", "2"]


def test_parts_are_chosen_by_the_name_of_a_part_that_is_gone():
    listed = {"a": [item("x-00000002", group="x-00000001"), item("x-00000003", group="x-00000001")]}
    rows = select_rows(
        QuarantineRequest("list", ids=["x-00000001"]), listed, 0, lambda host: plan(x="enforce"), {}, NOW
    )
    assert [row.quarantine_item["id"] for row in rows] == ["x-00000002", "x-00000003"]


@pytest.mark.parametrize(
    ("answered", "silent", "where"),
    [(1, 0, "the 1 host that answered"), (1200, 1100, "the 1,200 hosts that answered (1,100 did not)")],
)
def test_mistake_counts_the_hosts_that_answered(answered, silent, where):
    listed = {f"h{number}": [] for number in range(answered)}
    with pytest.raises(InvalidQuarantineRequest) as wrong:
        select_rows(QuarantineRequest("list", users=["zoe"]), listed, silent, lambda host: {"controls": {}}, {}, NOW)
    (mistake,) = wrong.value.mistakes
    assert mistake.startswith("--user: found 'zoe', ") and mistake.endswith(f" of {where}")


def except_(**part):
    return {"mode": "enforce", "exceptions": [{"waiver": "w1", **part}]}


PARTLY = except_(users=["alice"])


@pytest.mark.parametrize(
    ("compiled", "thing", "state", "why"),
    [
        (plan(wechat="enforce"), {}, "taken", NO_WAIVER),
        (plan(wechat=WAIVED_1), {}, "waived", W1),
        (plan(wechat=WAIVED_9), {}, "waived", "covered by waiver w9 (until its end)"),
        (plan(wechat=PARTLY), {}, "waived", W1),
        (plan(wechat=PARTLY), {"place_of": ""}, "taken", NO_WAIVER),
        (plan(wechat=PARTLY), {"owner": "alice", "place_of": "bob"}, "taken", NO_WAIVER),
        (plan(wechat=except_(versions=["1"])), {}, "taken", NO_WAIVER),
        (plan(wechat=except_(paths=["/a/T"])), {"path": "/a/T/a", "whole": "/a/T"}, "waived", W1),
        (plan(wechat=FOR_GROUPS), {"place_of": "bob"}, "taken", NO_WAIVER),  # the host alone knows the members
        (plan(wechat=FOR_GROUPS), {"place_of": ""}, "left", "wechat is restricted there for the members of x, y only"),
        (plan("audit", wechat="enforce"), {}, "left", AUDITED),
        (plan("audit", wechat=WAIVED_1), {}, "waived", W1),
        (plan(wechat="report"), {}, "left", "wechat is only reported there"),
        (
            plan(wechat={"mode": "upcoming", "effective_from": "2027-01-01"}),
            *({}, "left", "wechat is banned there from 2027-01-01 on, and taken then"),
        ),
        (plan(telegram="enforce"), {}, "left", "wechat is not restricted there"),
        ({"controls": {}}, {}, "left", "the control apps is off there"),
        (plan(wechat=WAIVED_1, signal="enforce"), BOTH_SERVICES, "taken", "no waiver covers signal there"),
        (plan(wechat=WAIVED_1), BOTH_SERVICES, "waived", W1),
        (plan(), {"services": []}, "taken", "it is not known for which service it was taken"),
        (plan(wechat=WAIVED_1, signal=WAIVED_9), BOTH_SERVICES, "waived", f"{W1}, w9 (until its end)"),
        (plan(wechat="report", signal=WAIVED_1), BOTH_SERVICES, "waived", W1),
        (
            plan(wechat="audit", signal="report"),
            *({"services": ["wechat", "signal", "line"]}, "left"),
            f"{AUDITED}; signal is only reported there; line is not restricted there",
        ),
    ],
)
def test_next_run_is_never_milder_than_the_plan(compiled, thing, state, why):
    found = find_outlook(compiled, item(**thing), {"w1": "2027-01-01T00:00:00Z"})
    assert (found.state, found.reason) == (state, why)
    assert found.waiver == (why.split()[3] if state == "waived" else "")


def test_request_without_a_format_is_a_table():
    assert (
        parse_request({}) == QuarantineRequest("list", format="table")
        and parse_request({"format": "json"}).format == "json"
    )
    assert parse_request({"do": "prune", "all": True, "older_than": "1d"}) == QuarantineRequest(
        "prune", all=True, older_than=86400
    )


def rows_of(*things):
    compiled = plan(wechat="enforce", telegram=WAIVED_1)
    found = select_rows(
        QuarantineRequest("list"), {"web01": list(things)}, 0, lambda host: compiled, {"w1": "2027-01-01"}, NOW
    )
    return [row.make_document() for row in found]


BOTH = rows_of(item(), item("telegram-00000002", path="/home/alice/T", bytes=3 * 1024**3))


def course(do="list", **more):
    """Return the course of a run over two hosts, of which one has listed two items."""
    made = QuarantineRun(["web01", "web02"])
    made.record_start({"hosts": ["web01", "web02"], "do": do, "format": "table"})
    made.record_answer("web01", {"quarantined": [item()], "broken": [], "left_out": 0, **more})
    made.record_selection({"rows": BOTH})
    return made


def test_losses_are_named_before_a_restore_and_a_prune():
    head, telegram, wechat = quarantine_texts.describe_operation("restore", BOTH, is_check=False)
    assert head.startswith("2 items will be restored") and head.endswith("takes 1 of them again:")
    assert telegram.startswith("  web01  telegram-00000002  /home/alice/T (alice, 3,072 MiB): covered by waiver w1 ")
    assert "WeChat.AppImage (alice, 5,000 B): the next enforcing run takes it again" in wechat
    assert [row["id"] for row in quarantine_texts.list_losses(BOTH)] == ["wechat-00000001"]
    assert "takes wechat-00000001 again" in quarantine_texts.describe_unaccepted_losses(BOTH)
    many = [{**BOTH[1], "id": f"wechat-{number:08x}"} for number in range(12)]
    assert "and 2 more again" in quarantine_texts.describe_unaccepted_losses(many)
    assert quarantine_texts.describe_operation("prune", BOTH, is_check=True)[0].startswith(
        "2 items (3,072 MiB) would be deleted"
    )
    assert "nothing is pruned" in quarantine_texts.describe_operation("prune", [], is_check=False)[0]


def test_table_names_unreadable_items_and_silent_hosts():
    made = course(broken=[{"id": "odd", "why": "no JSON"}], left_out=3)
    made.record_failure("web02", "unreachable: no route")
    lines = quarantine_texts.format_quarantine_table(made, 200).splitlines()
    assert lines[1].split() == ["host", "id", "when", "user", "service", "what", "size", "kept", "until", "path"]
    cells = ("web01", "wechat-00000001", "2026-11-20 08:00 UTC", "alice", "wechat", "AppImage", "5,000 B", "2027-02-18")
    assert re.split(r" {2,}", lines[3]) == [*cells, "/home/alice/WeChat.AppImage"]
    assert lines[5:8] == [
        "2 items, 3,072 MiB; 1 of 2 hosts answered",
        "unknown: web02: unreachable: no route",
        "cannot be read: web01: odd: no JSON",
    ]
    assert lines[8].startswith("web01: 3 more items ")


def test_silent_hosts_are_unknown_and_never_an_empty_quarantine():
    made = QuarantineRun(["web01", "web02"])
    made.record_start({"hosts": ["web01", "web02"], "do": "list", "format": "table"})
    made.record_failure("web01", "unreachable: x")
    text = quarantine_texts.format_quarantine_table(made, 200)
    assert "0 of 2 hosts answered" in text and "web01: unreachable: x" in text and "web02: no answer" in text
    assert [host["state"] for host in made.make_document()["hosts"]] == ["unknown", "unknown"]


def test_table_marks_items_that_are_kept_forever_unfinished_or_of_an_unknown_kind():
    things = [item(finished=False, kept_until="", kind="odd"), item("wechat-00000002", group="wechat-00000001")]
    made = course()
    made.record_selection(
        {"rows": rows_of(*things, item("wechat-00000009", group="", path="/x", finished=False, bytes=1))}
    )
    first, second = quarantine_texts.format_quarantine_table(made, 200).splitlines()[2:4]
    assert re.split(r" {2,}", first)[5:8] == ["odd (2 parts), unfinished", "9 KiB", "forever"]
    assert re.split(r" {2,}", second)[5:8] == ["AppImage, unfinished", "1 B", "2027-02-18"]


@pytest.mark.parametrize(
    ("do", "results", "check", "summary"),
    [
        ("restore", DONE, False, r"restored 2 of 2 items on 1 host; .* takes 1 of them again"),
        ("restore", DONE | {"wechat-00000001": "taken"}, False, r"restored 1 of 2 items on 1 host; .* not lifted"),
        ("restore", {}, False, "restored 0 of 2 items on 0 hosts"),
        ("prune", DONE, False, "pruned 2 of 2 items on 1 host; they cannot be restored"),
        ("prune", DONE, True, "would have pruned 2 of 2 items on 1 host; nothing was changed"),
    ],
)
def test_summary_counts_what_was_done(do, results, check, summary):
    made = course(do)
    made.record_answer(
        "web01", {"outcomes": [{"id": id_, "done": not why, "why": why} for id_, why in results.items()]}
    )
    lines = quarantine_texts.describe_result(made, is_check=check, width=200).splitlines()
    assert re.fullmatch(summary, lines[1])
    word = {"restore": "restored", "prune": "pruned"}[do]
    missed = {row["id"]: results.get(row["id"], "no answer") for row in BOTH}
    assert lines[2:-1] == [f"not {word}: web01: {id_}: {why}" for id_, why in missed.items() if why]


def test_text_of_host_steers_no_terminal():
    nasty = rows_of(item(path=f"/x{HOSTILE}", owner=HOSTILE, kind=HOSTILE, services=[HOSTILE], taken_at=HOSTILE))
    made = course(broken=[{"id": HOSTILE, "why": HOSTILE}])
    made.record_selection({"rows": nasty})
    made.record_failure("web02", HOSTILE)
    made.do = "restore"
    texts = [
        quarantine_texts.format_quarantine_table(made, 200),
        quarantine_texts.describe_result(made, is_check=False, width=9),
        *quarantine_texts.describe_operation("prune", nasty, True),
    ]
    assert not set("".join(texts)) & set(HOSTILE[:1] + "\u202e")
