"""Exceptions as an auditor reads them: each link of a chain in words, as a row of a table, and for machines."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from proscribe.controller.report.terminal.exceptions import (
    Approved,
    Chain,
    Ended,
    Exceptions,
    Opened,
    Requested,
    Used,
    render,
    table,
)
from proscribe.controller.report.terminal.summary import Screen

SCREEN = Screen(200, 50)
T1, T2, T3 = (f"2026-11-2{day}T08:00:00Z" for day in (1, 2, 3))
NOBODY = dict.fromkeys(("users", "posix_groups", "hours", "versions", "paths"), [])
CHAIN = Chain(
    waiver="press", inventory="prod", status="active", services=["wechat", "line"], controls=["apps", "dns"],
    only={**NOBODY, "users": ["alice"], "posix_groups": ["press"], "hours": ["08:00-18:00"], "versions": ["4"]},
    hosts=["web01", "web02"], reason="answers\nreaders", risk="low", ticket="BAN-1",
    requested=Requested("al\x1bice", T1, "0123", "web01", "bob", "it is needed", T1),
    approved=Approved("mei", T2, "SHA256:abc"), opened=Opened(T2, T3),
    used=Used(["web01"], T2, T3, ["dpkg wechat 4.0", "dpkg line 7"], 2, 1), expires=T3, ended=Ended(T3, "not_valid"),
    changes=[(T1, "active"), (T3, "expired")],
)  # fmt: skip
SHORT = CHAIN._replace(
    services=[f"s{number}" for number in range(9)], controls=["apps"], only=NOBODY, hosts=[], reason="",
    requested=Requested("", "", "", "", "", "", ""), approved=Approved("", "", ""), opened=Opened("", ""),
    used=Used([], "", "", [], 0, 0), expires="", ended=Ended("", ""),
)  # fmt: skip


def said(one: Chain) -> dict[str, str]:
    """What is said of an exception, by its link."""
    lines = render(Exceptions(T3, "", [one], []), SCREEN).splitlines()[4:]
    return {line[:12].strip(): line[14:] for line in lines}


@pytest.mark.parametrize(
    ("change", "link", "words"),
    [
        ({"expires": T3}, "ended", "not yet; expires 2026-11-23 08:00 UTC"),
        ({"used": Used([], "", "", [], 1, 0)}, "used", "no run has found anything that it covers; 1 attempt refused"),
        ({"used": Used([], "", "", [], 0, 3)}, "used", "no run has found anything that it covers; 3 starts ended"),
        (
            {"requested": Requested("ann", "", "01\x1b", "", "", "", "")},
            "requested",
            "ann; request 01\ufffd, which no run has seen",
        ),
        ({"approved": Approved("", T1, "")}, "approved", "not recorded on 2026-11-21 08:00 UTC"),
        ({"opened": Opened("", T1)}, "opened", "not recorded; in effect in the run of 2026-11-21 08:00 UTC"),
    ],
)
def test_a_link_of_which_some_is_known(change: Any, link: str, words: str) -> None:
    assert said(SHORT._replace(**change))[link] == words


WAITING = {
    "id": "0123", "host": "web\x1b1", "user": "bob", "service": "line", "reason": "calls\nfor the press", "at": T1
}  # fmt: skip


def test_a_narrow_screen_has_all_of_it() -> None:
    lines = render(Exceptions(T3, "", [CHAIN], [WAITING]), Screen(40, 10)).splitlines()
    assert all(len(line) <= 40 for line in lines)
    assert [line for line in lines if line.startswith("  used")] == ["  used        2026-11-22 08:00 UTC to"]
    assert lines[lines.index("  used        2026-11-22 08:00 UTC to") + 1] == f"{'':14}2026-11-23 08:00 UTC on"
    coloured = render(Exceptions(T3, "", [CHAIN], [WAITING]), Screen(200, 50, True))
    assert coloured.count("\x1b[1m") == 3 and "\x1b[1mpress  active\x1b[0m" in coloured


def test_a_row_of_the_table_has_a_cell_for_each_link() -> None:
    heads, cells, short = csv.reader(io.StringIO(table(Exceptions(T3, "", [CHAIN, SHORT], []))))
    assert dict(zip(heads, cells, strict=True)) == {
        "waiver": "press", "inventory": "prod", "status": "active", "services": "wechat, line",
        "controls": "apps, dns", "hosts": "web01, web02", "users": "alice", "posix_groups": "press",
        "hours": "08:00-18:00", "versions": "4", "paths": "", "reason": "answers readers", "risk": "low",
        "ticket": "BAN-1", "requested_by": "al\ufffdice", "requested_on": T1, "request": "0123",
        "request_host": "web01", "request_user": "bob", "request_reason": "it is needed", "request_at": T1,
        "approved_by": "mei", "approved_on": T2, "signed_with": "SHA256:abc", "valid_from": T2, "first_observed": T3,
        "used_on": "web01", "used_first": T2, "used_last": T3, "found": "dpkg wechat 4.0; dpkg line 7",
        "attempts_refused": "2", "starts_ended": "1", "expires": T3, "ended_on": T3, "ended_how": "not_valid",
    }  # fmt: skip
    assert short[-8:] == ["", "", "", "0", "0", "", "", ""]


def test_the_answer_for_machines() -> None:
    found = Exceptions(T3, T1, [CHAIN], [WAITING]).as_dict()
    (one,) = found.pop("exceptions")  # type: ignore[misc]
    assert found == {"schema": "proscribe/exceptions/1", "now": T3, "since": T1, "requests": [WAITING]}
    assert one == {
        **{key: getattr(CHAIN, key) for key in ("waiver", "inventory", "status", "services", "controls", "hosts")},
        **{key: getattr(CHAIN, key) for key in ("reason", "risk", "ticket", "expires")},
        **CHAIN.only,
        **{key: getattr(CHAIN, key)._asdict() for key in ("requested", "approved", "used", "ended")},
        "opened": {"from": T2, "observed": T3},
        "changes": [{"at": T1, "status": "active"}, {"at": T3, "status": "expired"}],
    }
