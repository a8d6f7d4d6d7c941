"""What is said of quarantines: before anything moves, in the list, and at the end of a run."""

from __future__ import annotations

import datetime
import re
from typing import Any

import pytest
from made_custody import item, plan, request
from proscribe.controller.custody import wording
from proscribe.controller.custody.outcome import Course
from proscribe.controller.custody.selection import choose
from proscribe.model.words import QUARANTINE_LIST_SCHEMA

NOW = datetime.datetime(2026, 11, 26, 8, tzinfo=datetime.timezone.utc)
PLAN = plan(wechat="enforce", telegram={"mode": "waived", "waiver": "w1"})
HOSTILE = "\x1b[2J\u202egnp"


def rows(*things: dict[str, Any]) -> list[dict[str, Any]]:
    found = choose(request(), {"web01": list(things)}, 0, lambda host: PLAN, {"w1": "2027-01-01"}, NOW)
    return [row.as_dict() for row in found]


BOTH = rows(item(), item("telegram-00000002", path="/home/alice/T", bytes=3 * 1024**3))


def course(do: str = "list", listed: bool = True, **more: Any) -> Course:
    made = Course(["web01", "web02"])
    made.began({"hosts": ["web01", "web02"], "do": do, "format": "table"})
    if listed:
        made.answered("web01", {"items": [item()], "broken": [], "left_out": 0, **more})
        made.chose({"rows": BOTH})
    return made


def test_before_anything_is_restored_the_next_runs_loss_is_named() -> None:
    assert wording.before("restore", BOTH, check=False) == [
        "2 items will be restored; the ban is not lifted, and the next enforcing run takes 1 of them again:",
        "  web01  telegram-00000002  /home/alice/T (alice, 3,072 MiB): covered by waiver w1 (until 2027-01-01)",
        "  web01  wechat-00000001  /home/alice/WeChat.AppImage (alice, 5,000 B): the next enforcing run takes it again:"
        " no waiver covers wechat there",
    ]
    assert [row["id"] for row in wording.losses(BOTH)] == ["wechat-00000001"]
    assert "takes wechat-00000001 again" in wording.not_accepted(BOTH)
    many = [{**BOTH[1], "id": f"wechat-{number:08x}"} for number in range(12)]
    assert "and 2 more again" in wording.not_accepted(many)


def test_before_anything_is_pruned_it_says_what_goes_for_ever() -> None:
    assert wording.before("prune", BOTH, check=True)[0] == (
        "2 items (3,072 MiB) would be deleted and cannot be restored:"
    )
    assert wording.before("prune", [], check=False) == ["nothing in the quarantine matches; nothing is pruned"]


def test_the_table_has_every_column_and_the_hosts_that_nobody_saw() -> None:
    made = course(broken=[{"id": "odd", "why": "no JSON"}], left_out=3)
    made.failed("web02", "unreachable: no route")
    lines = wording.table(made, 200).splitlines()
    assert lines[1].split() == ["host", "id", "when", "user", "service", "what", "size", "kept", "until", "path"]
    cells = ("web01", "wechat-00000001", "2026-11-20 08:00 UTC", "alice", "wechat", "AppImage", "5,000 B", "2027-02-18")
    assert re.split(r" {2,}", lines[3]) == [*cells, "/home/alice/WeChat.AppImage"]
    assert lines[5:] == [
        "2 items, 3,072 MiB; 1 of 2 hosts answered",
        "unknown: web02: unreachable: no route",
        "cannot be read: web01: odd: no JSON",
        "web01: 3 more items that do not fit in one answer",
    ]


def test_nobody_answered_is_never_an_empty_quarantine() -> None:
    made = course(listed=False)
    made.failed("web01", "unreachable: x")
    text = wording.table(made, 200)
    assert "0 items, 0 B; 0 of 2 hosts answered" in text
    assert "unknown: web01: unreachable: x" in text and "unknown: web02: no answer" in text
    document = made.document()
    assert [host["state"] for host in document["hosts"]] == ["unknown", "unknown"] and document["items"] == []


def test_what_was_taken_in_parts_is_one_line() -> None:
    paths = {f"wechat-0000000{number}": f"/home/alice/W/{number}" for number in (1, 2, 3)}
    parts = rows(*(item(id_, group="wechat-00000001", path=path, kind="tree") for id_, path in paths.items()))
    made = course()
    made.chose({"rows": parts})
    (line,) = [line for line in wording.table(made, 200).splitlines() if "wechat-0000000" in line]
    assert "directory (3 parts)" in line and line.endswith("/home/alice/W/1 and 2 more parts") and "14 KiB" in line


@pytest.mark.parametrize(
    ("do", "results", "check", "summary"),
    [
        ("restore", {"wechat-00000001": "", "telegram-00000002": ""}, False,
         "restored 2 of 2 items on 1 host; the ban was not lifted; the next enforcing run takes 1 of them again"),
        ("restore", {"wechat-00000001": "something stands there now", "telegram-00000002": ""}, False,
         "restored 1 of 2 items on 1 host; the ban was not lifted"),
        ("restore", {}, False, "restored 0 of 2 items on 0 hosts"),
        ("prune", {"wechat-00000001": "", "telegram-00000002": ""}, False,
         "pruned 2 of 2 items on 1 host; they cannot be restored"),
        ("prune", {"wechat-00000001": "", "telegram-00000002": ""}, True,
         "would have pruned 2 of 2 items on 1 host; nothing was changed"),
    ],
)  # fmt: skip
def test_after_a_run_what_is_said_is_true(do: str, results: dict[str, str], check: bool, summary: str) -> None:
    made = course(do)
    made.answered("web01", {"outcomes": [{"id": id_, "done": not why, "why": why} for id_, why in results.items()]})
    lines = wording.ended(made, check=check, width=200).splitlines()
    assert lines[1] == summary
    word = {"restore": "restored", "prune": "pruned"}[do]
    missed = {row["id"]: results.get(row["id"], "no answer") for row in BOTH}
    assert lines[2:-1] == [f"not {word}: web01: {id_}: {why}" for id_, why in missed.items() if why]
    assert "in force" not in " ".join(lines)


def test_a_host_that_was_lost_on_the_way_is_not_said_to_be_done() -> None:
    made = course("restore")
    made.failed("web01", "unreachable: gone")
    assert [(fate.done, fate.why) for fate in made.fates()] == [(False, "unreachable: gone")] * 2


def test_what_a_host_says_steers_no_terminal() -> None:
    nasty = rows(item(path=f"/x{HOSTILE}", owner=HOSTILE, kind=HOSTILE, services=[HOSTILE], taken_at=HOSTILE))
    made = course(broken=[{"id": HOSTILE, "why": HOSTILE}])
    made.chose({"rows": nasty})
    made.failed("web02", HOSTILE)
    made.do = "restore"
    texts = [
        wording.table(made, 200),
        wording.ended(made, check=False, width=80),
        *wording.before("prune", nasty, True),
    ]
    assert not set("".join(texts)) & set(HOSTILE[:1] + "\u202e")


def test_before_the_first_task_nothing_is_known() -> None:
    made = Course(["a"])
    assert (made.hosts, made.do, made.format, made.rows, made.listed) == (["a"], "list", "", [], {})
    assert (made.silent, made.fates()) == ({"a": "no answer"}, [])


def test_the_list_for_machines_has_every_host_and_every_row() -> None:
    made = course(broken=[{"id": "odd", "why": "no JSON"}], left_out=3)
    made.failed("web02", "unreachable: no route")
    unknown = {"state": "unknown", "reason": "unreachable: no route", "broken": [], "left_out": 0}
    listed = {"state": "listed", "reason": None, "broken": [{"id": "odd", "why": "no JSON"}], "left_out": 3}
    assert made.document() == {
        "schema": QUARANTINE_LIST_SCHEMA,
        "hosts": [{"host": "web01", **listed}, {"host": "web02", **unknown}],
        "items": BOTH,
    }


def test_what_became_of_each_thing_is_what_its_own_host_said_of_it() -> None:
    made = course("restore")
    made.failed("web01", "unreachable: gone")
    lost = {"id": "wechat-00000001", "done": False, "why": "something stands there"}
    made.answered("web01", {"outcomes": [lost]})
    made.answered("web02", {"outcomes": [{"id": "telegram-00000002", "done": True, "why": ""}]})
    assert [(fate.row["id"], fate.done, fate.why) for fate in made.fates()] == [
        ("telegram-00000002", False, "unreachable: gone"),
        ("wechat-00000001", False, "something stands there"),
    ]


def test_what_is_kept_for_ever_not_finished_or_of_an_unknown_kind_is_said() -> None:
    things = [item(finished=False, kept_until="", kind="odd"), item("wechat-00000002", group="wechat-00000001")]
    made = course()
    made.chose({"rows": rows(*things, item("wechat-00000009", group="", path="/x", finished=False, bytes=1))})
    lines = wording.table(made, 200).splitlines()
    when = "2026-11-20 08:00 UTC"
    assert [re.split(r" {2,}", line)[1:] for line in lines[2:4]] == [
        [
            *("wechat-00000001", when, "alice", "wechat", "odd (2 parts), unfinished", "9 KiB"),
            *("forever", "/home/alice/WeChat.AppImage and 1 more part"),
        ],
        ["wechat-00000009", when, "alice", "wechat", "AppImage, unfinished", "1 B", "2027-02-18", "/x"],
    ]


@pytest.mark.parametrize(("number", "more"), [(10, ""), (11, "1 more"), (13, "3 more")])
def test_of_many_ten_are_named(number: int, more: str) -> None:
    hosts = [f"web{one:02}" for one in range(1, number + 2)]
    made = Course(hosts)
    broken = [{"id": f"odd{one}", "why": "no JSON"} for one in range(number)]
    made.answered("web01", {"items": [], "broken": broken, "left_out": 0})
    lines = wording.table(made, 200).splitlines()[3:]
    unknown = [f"unknown: {host}: no answer" for host in hosts[1:11]]
    unread = [f"cannot be read: web01: odd{one}: no JSON" for one in range(10)]
    silent = [f"... and {more} host{'' if more == '1 more' else 's'}"] if more else []
    assert lines == [*unknown, *silent, *unread, *([f"web01: {more} that cannot be read"] if more else [])]
    ids = [f"wechat-{one:08x}" for one in range(number)]
    said = wording.not_accepted([{**BOTH[1], "id": one} for one in ids])
    assert f"run takes {', '.join(ids[:10])}{f' and {more}' if more else ''} again. " in said


def test_before_anything_moves_it_is_said_whether_it_will() -> None:
    waived = BOTH[:1]
    assert wording.before("restore", waived, check=True)[0] == "1 item would be restored; the ban is not lifted:"
    (head, line) = wording.before("prune", waived, check=False)
    assert head == "1 item (3,072 MiB) will be deleted and cannot be restored:"
    assert line == "  web01  telegram-00000002  /home/alice/T (alice, 3,072 MiB)"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (9_999, "9,999 B"),
        (10_000, "9 KiB"),
        (10_000 * 1024 - 1, "9,999 KiB"),
        (10_000 * 1024, "9 MiB"),
        (10_000 * 1024**2, "9 GiB"),
        (1024**5, "1,048,576 GiB"),
    ],
)
def test_sizes(size: int, text: str) -> None:
    assert wording.sized(size) == text
