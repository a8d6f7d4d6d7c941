"""The rules for Santa: what it reads of them, what its users see, and which programs it stops."""

from __future__ import annotations

import copy
import json
import plistlib
import re
from pathlib import Path
from typing import Any

import pytest
import santa
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from made_export import decision, plan
from properties import examples
from proscribe.controller.compile.catalogue.loading import Catalogue
from proscribe.controller.enforcement_points.declaration import LeftOut, NotExportable
from proscribe.controller.enforcement_points.formats.santa import PROFILE, RULES, render
from santa import ALLOWED, BLOCKED, Program, Rule

TEAM, WHOLE = "EXAMPLE123", "EXAMPLE999"
APPS: dict[str, dict[str, Any]] = {
    "chat": {"mode": "enforce", "signing_ids": [f"{TEAM}:com.example.chat", f"{TEAM}:chat"]},
    "mail": {"mode": "audit", "signing_ids": [f"{WHOLE}:com.example.mail"], "team_ids": [WHOLE]},
    "waived": {"mode": "waived", "waiver": "W-1", "signing_ids": [f"{TEAM}:com.example.waived"]},
    "seen": {"mode": "report", "signing_ids": [f"{TEAM}:com.example.seen"]},
    "unsigned": {"mode": "enforce", "bundle_ids": ["com.example.unsigned"]},
    "brewed": {"mode": "enforce", "packages": {"brew_cask": ["brewed"]}},
    "linux": {"mode": "enforce", "packages": {"apt": ["linux"]}},
}


def made(text: str = "", **top: Any) -> dict[str, Any]:
    found = copy.deepcopy(plan({"apps": APPS}, **top))
    found["controls"]["apps"]["settings"]["refusal_notice"] = text
    return found


def files(**changes: Any) -> dict[str, bytes]:
    return dict(render(decision(made(**changes))).files)


def rules(**changes: Any) -> list[Rule]:
    """The rules, which both files have alike."""
    both = files(**changes)
    found = santa.imported(both[RULES])
    assert santa.static(both[PROFILE]) == found
    return found


def test_a_rule_for_each_identifier_of_what_is_restricted_and_for_teams_that_sign_nothing_else() -> None:
    assert [(one.type, one.identifier, one.policy) for one in rules()] == [
        ("SIGNINGID", f"{TEAM}:chat", BLOCKED),
        ("SIGNINGID", f"{TEAM}:com.example.chat", BLOCKED),
        ("SIGNINGID", f"{WHOLE}:com.example.mail", BLOCKED),
        ("TEAMID", WHOLE, BLOCKED),
    ]
    written = json.loads(files()[RULES])["rules"]
    assert [one["comment"] for one in written] == ["apps/chat", "apps/chat", "apps/mail", "apps/mail"]


def test_what_has_no_rule_is_left_out_with_the_reason() -> None:
    found = render(decision(made()))
    unknown, none = (
        "The catalogue does not know who signs its programs on Macs.",
        "The catalogue has no program of it for Macs.",
    )
    assert list(found.included) == ["apps/chat", "apps/mail"]
    assert [one for one in found.left_out if one.rule] == [
        LeftOut("apps/brewed", "the programs", unknown),
        LeftOut("apps/linux", "the programs", none),
        LeftOut("apps/unsigned", "the programs", unknown),
    ]
    assert any("signed again" in one.why for one in found.left_out)


def test_without_a_known_signer_there_is_nothing_to_export() -> None:
    with pytest.raises(NotExportable, match="nothing to export"):
        render(decision(plan({"apps": {"unsigned": APPS["unsigned"]}})))


def test_a_user_reads_what_is_restricted_whom_to_ask_and_the_organisations_text_in_each_language() -> None:
    found = rules(
        contact="IT <desk> & co", text="See the policy.\n請看政策。", request_url="https://a.example/ask?x=%20"
    )
    assert {one.url for one in found} == {"https://a.example/ask?x=%20"}
    assert santa.on_a_terminal(found[0].message).split("\n") == [
        "Chat is restricted by the policy of this organisation.",
        "Ask IT <desk> & co.",
        "See the policy.",
        "請看政策。",
    ]


def test_without_a_page_for_requests_there_is_no_button() -> None:
    assert {one.url for one in rules()} == {""}
    assert all("custom_url" not in one for one in json.loads(files()[RULES])["rules"])


def test_the_profile_manages_the_rules_of_santa_alone_and_the_next_one_replaces_it() -> None:
    def profile(**changes: Any) -> dict[str, Any]:
        found: dict[str, Any] = plistlib.loads(render(decision(made())._replace(**changes)).files[PROFILE])
        return found

    first, other, group = profile(), profile(digest="sha256:" + "0" * 64), profile(group="finance")
    assert (first["PayloadType"], first["PayloadScope"]) == ("Configuration", "System")
    assert first["PayloadIdentifier"] == other["PayloadIdentifier"] != group["PayloadIdentifier"]
    assert first["PayloadUUID"] != other["PayloadUUID"]
    assert {one["PayloadVersion"] for one in (first, *first["PayloadContent"])} == {1}


# Santa's documented precedence: CDHash, Binary, SigningID, Certificate, TeamID; the first that fits decides.
CHAT = Program(f"{TEAM}:com.example.chat", cdhash="a" * 40, sha256="b" * 64, certificate="c" * 64)
ORDER = [("CDHASH", "a" * 40), ("BINARY", "b" * 64), ("SIGNINGID", CHAT.signing_id), ("CERTIFICATE", "c" * 64)]
ORDER.append(("TEAMID", TEAM))


@pytest.mark.parametrize("first", range(5))
def test_the_most_specific_rule_decides_whatever_the_others_say(first: int) -> None:
    allowed = Rule(*ORDER[first], ALLOWED)
    others = [Rule(*one, BLOCKED) for one in ORDER]
    assert santa.decision(CHAT, [*others[first + 1 :], allowed]) == allowed
    assert santa.blocks(CHAT, [allowed, *others[:first]]) is (first > 0)
    assert santa.decision(CHAT, [], [Rule(*ORDER[4], ALLOWED)]) is not None


@pytest.mark.parametrize(
    ("program", "stopped"),
    [
        (Program(f"{TEAM}:com.example.chat"), True),
        (Program(f"{TEAM}:com.example.chat.helper"), False),  # a part of it, which the program starts
        (Program(f"{TEAM}:com.example.other"), False),  # of the same maker
        (Program("EXAMPLE124:com.example.chat"), False),  # another maker's
        (Program(f"{TEAM}:com.example.chat", production=False), False),  # with a certificate for development
        (Program("", cdhash="a" * 40), False),  # not signed, or by nobody
        (Program(f"{TEAM}:com.example.waived"), False),
        (Program(f"{TEAM}:com.example.seen"), False),
        (Program(f"{WHOLE}:com.example.mail"), True),
        (Program(f"{WHOLE}:com.example.beta"), True),  # all of that team's programs
        (Program("platform:com.apple.Safari"), False),
    ],
)
def test_which_programs_start(program: Program, stopped: bool) -> None:
    assert santa.blocks(program, rules()) is stopped


def test_an_organisation_opens_one_program_of_a_team_by_a_rule_of_its_own() -> None:
    own = Rule("SIGNINGID", f"{WHOLE}:com.example.beta", ALLOWED)
    assert not santa.blocks(Program(own.identifier), [*rules(), own])


TEXT = st.text(st.sampled_from("aZ <>&\"'%\n\r\t/;é\u2028]") | st.characters(), max_size=30)


@pytest.mark.slow
@examples(5_000)
@given(name=TEXT, contact=TEXT, text=TEXT, url=TEXT, group=TEXT)
def test_no_text_gets_out_of_its_place(name: str, contact: str, text: str, url: str, group: str) -> None:
    """It is refused, or both forms have the rules that they have with harmless texts, and a terminal prints it."""
    one = made(text, contact=contact, request_url=url and f"https://a.example/{url}")
    one["controls"]["apps"]["services"]["chat"]["name"] = name
    try:
        both = render(decision(one)._replace(group=group)).files
    except NotExportable as refused:
        assert "a text that no profile takes" in str(refused)
        return
    found = santa.imported(both[RULES])
    assert [one[:3] for one in found] == [one[:3] for one in rules()]
    lines = [f"{name} is restricted by the policy of this organisation.", f"Ask {contact}.", *text.split("\n")]
    said = [" ".join(line.split()) for line in lines]
    assert santa.on_a_terminal(found[0].message).split("\n") == [line for line in said if line]
    for imported, fixed in zip(found, santa.static(both[PROFILE])):
        assert imported[:4] == fixed[:4]
        assert fixed.url == imported.url.replace("\r\n", "\n").replace("\r", "\n")  # as XML has it


@examples(300)
@given(identifier=TEXT, key=st.sampled_from(["signing_ids", "team_ids"]))
def test_what_is_no_identifier_makes_no_rule(identifier: str, key: str) -> None:
    """The catalogue refuses it before; a plan that a person made has to say so."""
    assume(not re.fullmatch(r"[A-Z0-9]{10}(:[A-Za-z0-9][A-Za-z0-9._-]*)?", identifier))  # hypothesis takes constants
    one = plan({"apps": {"chat": {"mode": "enforce", key: [identifier]}}})
    with pytest.raises(NotExportable, match="signed"):
        render(decision(one))


# -- the project's own catalogue


def test_each_rule_of_the_own_catalogue_is_one_and_no_permitted_program_is_stopped(
    project: Path, own_catalogue: Catalogue
) -> None:
    """With every service restricted, whatever its category is, except those whose programs serve both."""
    services = own_catalogue.services.values()
    apps = {
        one.id: {"mode": "enforce", "signing_ids": list(one.signing_ids), "team_ids": list(one.team_ids)}
        for one in services
        if one.programs == "private"
    }
    both = render(decision(plan({"apps": apps}))).files
    found = santa.imported(both[RULES])
    assert santa.static(both[PROFILE]) == found
    office = yaml.safe_load((project / "tests/catalog/office_programs.yml").read_text())["signing_ids"]
    permitted = {*office, *(signed for one in services if one.programs == "both" for signed in one.signing_ids)}
    assert [one for one in permitted if santa.blocks(Program(one), found)] == []
    private = {signed for one in services if one.programs == "private" for signed in one.signing_ids}
    assert [one for one in private if not santa.blocks(Program(one), found)] == []
    assert len(private) > 60 and len(permitted) > 30
