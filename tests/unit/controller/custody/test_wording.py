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
