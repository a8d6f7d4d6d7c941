"""What a catalogue makes of a name: the first of many sayings that is about it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.controller.cli.catalog.chosen import Chosen
from proscribe.controller.cli.catalog.recall.standing import standings

LISTS = ("domains", "nxdomain_canaries", "urls", "shared_domains", "allow_domains", "mail_hosts", "decided")


def service(id_: str, **says: Any) -> Any:
    return SimpleNamespace(**{"id": id_, "enforce": True, "unverified": {}, **dict.fromkeys(LISTS, ()), **says})


SERVICES = [
    service("quiet", enforce=False, domains=["quiet.example", "both.example"]),
    service("owl", domains=["owl.example", "deep.part.example", "both.example"], nxdomain_canaries=["canary.example"]),
    service("pages", urls=["page.example", "web.example/x", "owl.example/y"]),
    service("open", shared_domains=["cdn.example", "quiet.example"], allow_domains=["ok.owl.example"]),
    service("mail", mail_hosts=["mx.example"]),
    service("wren", decided=[{"names": ["said.example", "192.0.2.0/24", "mx.example", "kept.example"]}]),
    service("elf", unverified={"domains": ["perhaps.example", "owl.example"], "networks": ["192.0.2.0/24"]}),
]
FEEDS = [
    SimpleNamespace(id="birds", kind="domains", service="owl", values=["fed.example", "x.deep.fed.other"]),
    SimpleNamespace(id="calm", kind="domains", service="quiet", values=["calm.example", "said.example"]),
    SimpleNamespace(id="nets", kind="networks", service="owl", values=["nets.example"]),
]


@pytest.mark.parametrize(
    ("name", "state", "where"),
    [
        *((name, "blocked", "owl") for name in ("owl.example", "a.b.owl.example", "canary.example", "both.example")),
        *((name, "blocked", "pages") for name in ("page.example", "x.page.example")),
        ("fed.example", "blocked", "feeds/birds"),
        ("calm.example", "reported", "feeds/calm"),
        ("said.example", "reported", "feeds/calm"),
        ("quiet.example", "reported", "quiet"),
        *((name, "shared", "open") for name in ("cdn.example", "ok.owl.example", "x.ok.owl.example")),
        ("mx.example", "shared", "mail"),
        ("x.kept.example", "decided", "wren"),
        ("192.0.2.0/24", "missing", ""),
        ("perhaps.example", "unverified", "elf"),
        ("good.other", "known good", "known_good.txt"),
        ("below.good.other", "missing", ""),
        ("web.example", "page", "pages"),
        ("x.web.example", "missing", ""),
        ("part.example", "part", "owl"),
        ("deep.fed.other", "part", "feeds/birds"),
        ("x.nets.example", "missing", ""),
        ("nobody.example", "missing", ""),
        ("com", "known good", ""),
    ],
)
def test_the_first_saying_about_a_name_counts(name: str, state: str, where: str, tmp_path: Path) -> None:
    (tmp_path / "known_good.txt").write_text("good.other\n")
    catalogue = SimpleNamespace(services={one.id: one for one in SERVICES}, feeds={feed.id: feed for feed in FEEDS})
    found = standings(Chosen([tmp_path], catalogue))(name)  # type: ignore[arg-type]
    assert found.state == state
    assert found.where == where if where or state == "missing" else found.where.startswith("carries ")
