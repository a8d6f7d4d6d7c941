"""Whether who requested a waiver and who approved it are two persons, however their names are spelled."""

from __future__ import annotations

import pytest
from made_waivers import NOW, Organisation
from waiver_cases import OPEN, SHUT

ALICE = "Alice Wong <alice@example.org>"
ONE_PERSON = [
    (ALICE, "alice@example.org"),
    (ALICE, "alice"),
    (ALICE, "Alice Wong"),
    (ALICE, "ALICE@Example.ORG"),
    (ALICE, "A. W. <alice+approvals@example.org>"),
    ("alice@example.org", "alice"),
    ("alice", "alice@example.org"),
    ("alice", "EXAMPLE\\alice"),
    ("alice.wong", "Alice Wong"),
    ("alice", "\uff41lice"),  # fullwidth
    ("alice", "al\u0131ce"),  # without a dot
    ("alice", "a\u0301lice"),  # with an accent that is a mark
    ("alice", "a\u034flice"),  # with a mark that nobody sees
    ("alice", "alice\u3164"),  # with a letter that nobody sees
    ("alice", "\u0430lice"),  # Cyrillic a
    ("alice", "\u0430\u04cf\u0456\u0441\u0435"),  # all of it Cyrillic
    ("nikos", "\u03bdik\u03bfs"),  # Greek nu and omicron
    ("陳大文", "陳大文 <chan@example.org>"),
]
TWO_PERSONS = [
    (ALICE, "Bob Wong <bob@example.org>"),
    ("alice", "alicia"),
    ("alice@example.org", "alice@example.net"),
    ("chan.tai.man", "陳大文"),
    ("head.of.press", "Jos\u00e9 \u00c1lvarez"),
    ("陳大文", "李小明"),
]
OTHER_SCRIPTS = [
    ("\u0431\u043e\u0440\u0438\u0441", "CYRILLIC"),
    ("\u03b1\u03bb\u03b5\u03be\u03b7\u03c2", "GREEK"),
    ("b\u043eb", "CYRILLIC"),
    ("bob\u5de5", "CJK"),  # within a word
]


def judged(organisation: Organisation, approver: str, requester: str) -> tuple[str, str]:
    organisation.approvers({"press": {"head": approver, "deputies": ["somebody.else"]}})
    organisation.waiver(requested_by=requester, approved_by=approver)
    (waiver,) = organisation.run(NOW)["waivers"]
    assert organisation.opened() == (OPEN if waiver["status"] == "active" else SHUT)
    return waiver["status"], waiver["why"]


@pytest.mark.parametrize(("approver", "requester"), ONE_PERSON)
def test_nobody_approves_their_own_request_by_another_spelling(
    organisation: Organisation, approver: str, requester: str
) -> None:
    assert judged(organisation, approver, requester)[0] == "self_approved"


@pytest.mark.parametrize(("approver", "requester"), TWO_PERSONS)
def test_two_persons_are_two(organisation: Organisation, approver: str, requester: str) -> None:
    assert judged(organisation, approver, requester) == ("active", "")


@pytest.mark.parametrize(("requester", "script"), OTHER_SCRIPTS)
def test_a_name_in_another_script_than_the_approvers_is_refused(
    organisation: Organisation, requester: str, script: str
) -> None:
    status, why = judged(organisation, "head.of.press", requester)
    assert status == "self_approved" and script in why and requester in why


def test_where_an_approver_has_a_name_in_that_script_it_counts(organisation: Organisation) -> None:
    assert judged(organisation, "\u0438\u0432\u0430\u043d", "\u0431\u043e\u0440\u0438\u0441") == ("active", "")
