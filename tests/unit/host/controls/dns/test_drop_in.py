"""A resolver that reads a folder of files, ours among them: what is said of it as a filter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from proscribe.host.controls.dns import drop_in
from proscribe.host.controls.dns.backends.dnsmasq import LANGUAGE
from proscribe.host.controls.dns.observed import Observed
from proscribe.host.system import Host, User

UNIT = "dnsmasq.service"
AGAIN = [("systemctl", "reset-failed", UNIT), ("systemctl", "restart", UNIT)]


def observed(*servers: str, **more: Any) -> Observed:
    return Observed(**{"servers": servers, "uplinks": (), "written_by": "", "units": {}, **more})


@pytest.mark.parametrize(
    ("servers", "address", "past"),
    [(["127.0.0.1"], "127.0.0.1", []), (["127.0.0.7"], "127.0.0.7", []), (["192.0.2.1"], "127.0.0.1", ["192.0.2.1"])],
)
def test_it_answers_where_programs_ask_it(tmp_path: Path, servers: list[str], address: str, past: list[str]) -> None:
    host = Host(str(tmp_path))
    found = drop_in.filter_of(host, observed(*servers), "dnsmasq", UNIT, "/etc/a.conf", LANGUAGE, ("dnsmasq", "--test"))
    assert found._replace(stages=list, bypasses=[one.id for one in found.bypasses])._asdict() == {
        "manager": "dnsmasq",
        "file": "/etc/a.conf",
        "language": LANGUAGE,
        "stages": list,
        "check": ("dnsmasq", "--test"),
        "units": (UNIT,),
        "logs": "",
        "bypasses": past,
        "routed": (),
        "lent": (),
        "is_raced": False,
        "unseen": "",
        "openers": (),
        "more": "",
    }
    assert [stage._asdict() for stage in found.stages("text")] == [
        {
            "files": {"/etc/a.conf": "text"},
            "start": AGAIN,
            "answers": [(address, 53)],
            "leave": (),
            "left": AGAIN,
            "exists": (),
        }
    ]


def test_files_that_it_may_have_of_ours_go_and_it_starts_again_where_it_runs() -> None:
    for units, left in [({UNIT: 0}, [AGAIN[0], ("systemctl", "try-restart", UNIT)]), ({"named.service": 7}, [])]:
        stages = drop_in.standing(observed(units=units), UNIT, ["/etc/a", "/etc/b", "/etc/a"])
        assert [(stage.files, stage.start, stage.answers, stage.left) for stage in stages] == [
            ({path: ""}, (), (), left) for path in ("/etc/a", "/etc/b")
        ]


def test_which_files_are_the_organisations_own(tmp_path: Path) -> None:
    for folder, names in {"a": ("1.conf", "proscribe.conf"), "b": ("2.conf", "x")}.items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).touch()
    host = Host(str(tmp_path))
    assert drop_in.others(host, "/main", ["/a", "/b", "/c"]) == ["/main", "/a/1.conf", "/b/2.conf", "/b/x"]
    assert drop_in.others(host, "/main", ["/b"], ["x"]) == ["/main", "/b/2.conf"]


@pytest.mark.parametrize(("units", "names"), [({UNIT: 1}, ["one"]), ({UNIT: 0}, []), ({UNIT: 2}, []), ({}, [])])
def test_for_which_account_it_runs(tmp_path: Path, units: dict[str, int], names: list[str]) -> None:
    class WithProcesses(Host):
        def owner(self, process: Any) -> User | None:
            return User({0: "none", 1: "one"}[process.pid], 7, 7, "/") if process.pid < 2 else None

    assert drop_in.users(WithProcesses(str(tmp_path)), observed(units=units), UNIT) == names
