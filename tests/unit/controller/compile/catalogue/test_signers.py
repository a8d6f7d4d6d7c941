"""Who signs what on Macs: no entry takes a team that signs something else, too."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from proscribe.controller.compile.catalogue.loading import Catalogue
from proscribe.controller.compile.catalogue.schema import BOTH, check_service
from proscribe.controller.compile.catalogue.signers import SHARED, Signer, check

TEAM = "EXAMPLE123"
CHAT, MAIL = f"{TEAM}:com.example.chat", f"{TEAM}:com.example.mail"


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
