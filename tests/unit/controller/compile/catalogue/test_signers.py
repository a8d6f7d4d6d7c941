"""Who signs what on Macs: no entry takes a team that signs something else, too."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml
from proscribe.controller.compile.catalogue.loading import Catalogue
from proscribe.controller.compile.catalogue.schema import BOTH, check_service
from proscribe.controller.compile.catalogue.signers import SHARED, Signer, check
from proscribe.controller.compile.reading.grammar import signing_id, team_id

TEAM = "EXAMPLE123"
CHAT, MAIL = f"{TEAM}:com.example.chat", f"{TEAM}:com.example.mail"


@pytest.mark.parametrize(
    ("signers", "wrong"),
    [
        ([Signer("chat", 0, [CHAT], []), Signer("mail", 0, [MAIL], [])], []),
        ([Signer("chat", 0, [CHAT], [TEAM])], []),
        ([Signer("chat", 0, [CHAT], []), Signer("mail", 0, [CHAT], [])], [("mail", "signing_ids")]),
        ([Signer("chat", 0, [CHAT], [TEAM]), Signer("mail", 0, [MAIL], [])], [("mail", "signing_ids")]),
        ([Signer("chat", 0, [CHAT], []), Signer("mail", 0, [], [TEAM])], [("mail", "team_ids")]),
        ([Signer("mail", 0, [MAIL], []), Signer("chat", 1, [], [TEAM])], [("chat", "team_ids")]),
        # the organisation's own entry comes after the project's, and gives way
        ([Signer("chat", 1, [CHAT], []), Signer("mail", 0, [], [TEAM])], [("chat", "signing_ids")]),
        ([Signer("owl", 0, [], ["UBF8T346G9"])], [("owl", "team_ids")]),
        ([Signer("owl", 0, ["UBF8T346G9:com.example.owl"], [])], []),
    ],
)
def test_a_team_is_taken_as_a_whole_by_one_entry_alone(signers: list[Signer], wrong: list[tuple[str, str]]) -> None:
    assert [(id_, path[0]) for id_, (path, _, _) in check(signers)] == wrong


def test_the_makers_of_what_every_office_has_are_all_known() -> None:
    """Whoever they are: a team that is lost would be stopped with all that it signs."""
    makers = {"Microsoft": 1, "Google": 1, "Meta": 2, "Amazon": 1, "Adobe": 1, "Mozilla": 1, "Zoom": 1, "Cisco": 1}
    makers |= {"Cloudflare": 1, "1Password": 1, "Proton": 1, "Nord Security": 1, "the Tor Project": 1, "Tencent": 3}
    assert Counter(SHARED.values()) == {**makers, "Yandex": 1, "GitHub": 1}
    assert all(team_id(team) == "" for team in SHARED)


def test_what_is_wrong_is_said_of_the_later_of_two() -> None:
    chat, mail = Signer("chat", 0, ["x:y", CHAT], []), Signer("mail", 0, [CHAT], [TEAM])
    whole = "one of them takes it as a whole"
    assert list(check([mail, chat])) == [
        ("mail", (("signing_ids", 0), CHAT, "a program of its own: chat has this one")),
        ("mail", (("team_ids", 0), TEAM, f"no team that chat has in signing_ids: {whole}")),
    ]
    assert list(check([Signer("a", 0, [], [TEAM]), Signer("b", 0, [], ["OTHER12345", TEAM])])) == [
        ("b", (("team_ids", 1), TEAM, f"no team that a has in team_ids: {whole}")),
        ("b", (("team_ids", 1), TEAM, f"no team that a has in team_ids: {whole}")),
    ]


@pytest.mark.parametrize("team", SHARED)
def test_a_team_that_signs_what_every_office_has_is_never_taken(team: str) -> None:
    [(id_, (path, value, expected))] = check([Signer("owl", 0, [], [TEAM, team])])
    assert (id_, path, value) == ("owl", ("team_ids", 1), team)
    assert SHARED[team] and SHARED[team] in expected


def test_a_service_whose_programs_serve_both_takes_no_team(own_catalogue: Catalogue) -> None:
    entry = yaml.safe_load(Path(own_catalogue.services["signal"].file).read_text())
    entry |= {"enforce": "true", "checked": "2026-11-29"}
    assert [path for path, _, _ in check_service(entry)] == []
    assert [path for path, _, _ in check_service(entry | {"programs": BOTH})] == [("team_ids",)]


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        (CHAT, True),
        (f"{TEAM}:WhatsApp", True),
        ("platform:com.apple.Safari", False),  # a part of macOS
        ("example123:com.example.chat", False),
        ("EXAMPLE12:com.example.chat", False),
        (f"{TEAM}:", False),
        (f"{TEAM}:com.example.chat\n", False),
        (f"{TEAM}: com", False),
        (TEAM, False),
    ],
)
def test_how_a_program_is_signed(text: str, fits: bool) -> None:
    assert (signing_id(text) == "") is fits


@pytest.mark.parametrize(("text", "fits"), [(TEAM, True), ("example123", False), (TEAM + "4", False), ("", False)])
def test_a_team(text: str, fits: bool) -> None:
    assert (team_id(text) == "") is fits
