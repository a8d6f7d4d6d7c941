"""What each kind of question turns out to be about, and what is said of it whatever the host."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from made_policy import made_catalogue
from proscribe.controller.cli import Refused
from proscribe.controller.cli.explain.question import read
from proscribe.controller.cli.explain.relations import remarks, subject
from proscribe.controller.compile.catalogue.feeds import Feed
from proscribe.controller.compile.catalogue.loading import Catalogue
from recording import compare

RECORDED = Path(__file__).parents[3] / "recorded/cli"
QUESTIONS = (
    *("parrot", "Parrot Work", "Papagei", "dns-nine", "PARROT"),
    *("parrot.example", "a.parrot.example", "work.parrot.example", "x.work.parrot.example", "canary.example"),
    *("office.parrot.example", "imap.owl.example", "pages.example", "pages.example/parrot", "pages.example/parrots"),
    *("google.com", "x.google.com", "google.com/parrot/x", "com", "parot", "drive.google.com", "cdn.shared.example"),
    *("said.example", "no.example", "x.no.example", "parrots.example", "fed.example", "x.fed.example", "fed.other"),
    *(
        "198.51.100.7",
        "198.51.101.7",
        "198.51.100.0/23",
        "2001:db8::/32",
        "203.0.113.9:53",
        "192.0.2.9",
        "192.0.2.0/30",
    ),
    *(
        "parrot-desktop",
        "example.parrot.Parrot",
        "parrotd",
        "/opt/Parrot/parrot-desktop",
        "/opt/Parrot/parrot-desktop/x",
    ),
    *("parrot.desktop", "Parrot.AppImage", "unknown.exe", "abcdefghijklmnopabcdefghijklmnop", "p" * 32, "a@b.example"),
    *("www.example.org", "dodo-mail", "Example.Parrot"),
)


@pytest.fixture
def rich(tmp_path: Path) -> Catalogue:
    """A catalogue with all that an entry can say."""
    made = made_catalogue(tmp_path)
    parrot = dataclasses.replace(
        made.services["parrot"],
        names=("Papagei",),
        markers={"programs": ["parrotd"]},
        desktop_files=("parrot.desktop",),
        nxdomain_canaries=("canary.example",),
        shared_domains=("google.com", "cdn.shared.example", "said.example"),
        decided=(
            {"as": "shared", "names": ["said.example"], "why": "others use it"},
            {"as": "refused", "names": ["no.example"], "why": "it is of all"},
        ),
        origins={"parrot.example": "own/amends/parrot.yml", "198.51.100.0/25": "own/amends/more.yml"},
    )
    owl = dataclasses.replace(made.services["owl"], shared_domains=("google.com",))
    feeds = {
        "birds": Feed("birds", "owl", "domains", "", ("fed.example", "deep.fed.other"), ""),
        "nets": Feed("nets", "owl", "networks", "", ("192.0.2.0/31", "192.0.2.8/29"), ""),
    }
    return dataclasses.replace(made, services={**made.services, "parrot": parrot, "owl": owl}, feeds=feeds)


def test_what_a_question_is_about(rich: Catalogue) -> None:
    lines: list[str] = []
    for word in QUESTIONS:
        try:
            about = subject(read(word), rich)
        except Refused as refused:
            lines.append(str(refused))
            continue
        found = [f"  {one.service.id} {one.how} {one.what}" for one in about.relations]
        lines += [f"{word}: {about.kind}", *found, *(f"  - {said}" for said in remarks(about))]
    compare(RECORDED / "explain.subjects.txt", "\n".join([*lines, ""]))
