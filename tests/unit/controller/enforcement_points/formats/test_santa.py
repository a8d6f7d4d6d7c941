"""The rules for Santa: what it reads of them, what its users see, and which programs it stops."""

import copy
import re

import pytest
import santa
from hypothesis import assume, given
from hypothesis import strategies as st
from made_export import decision, plan
from properties import examples
from proscribe.controller.enforcement_points.declaration import NotExportable
from proscribe.controller.enforcement_points.formats.santa import PROFILE, RULES, render
from santa import ALLOWED, BLOCKED, Program, Rule

TEAM, WHOLE = "EXAMPLE123", "EXAMPLE999"
APPS = {
    "chat": {"mode": "enforce", "signing_ids": [f"{TEAM}:com.example.chat", f"{TEAM}:chat"]},
    "mail": {"mode": "audit", "signing_ids": [f"{WHOLE}:com.example.mail"], "team_ids": [WHOLE]},
    "waived": {"mode": "waived", "waiver": "W-1", "signing_ids": [f"{TEAM}:com.example.waived"]},
    "seen": {"mode": "report", "signing_ids": [f"{TEAM}:com.example.seen"]},
    "unsigned": {"mode": "enforce", "bundle_ids": ["com.example.unsigned"]},
    "brewed": {"mode": "enforce", "packages": {"brew_cask": ["brewed"]}},
    "linux": {"mode": "enforce", "packages": {"apt": ["linux"]}},
}
# Santa's documented precedence: CDHash, Binary, SigningID, Certificate, TeamID; the first that fits decides.
CHAT = Program(f"{TEAM}:com.example.chat", cdhash="a" * 40, sha256="b" * 64, certificate="c" * 64)
ORDER = [("CDHASH", "a" * 40), ("BINARY", "b" * 64), ("SIGNINGID", CHAT.signing_id), ("CERTIFICATE", "c" * 64)]
TEXT = st.text(st.sampled_from("aZ <>&\"'%\n\r\t/;é\u2028]") | st.characters(), max_size=30)


def made(text="", **top):
    found = copy.deepcopy(plan({"apps": APPS}, **top))
    found["controls"]["apps"]["settings"]["refusal_notice"] = text
    return found


def files(**changes):
    return dict(render(decision(made(**changes))).files)


def rules(**changes):
    both = files(**changes)
    found = santa.imported(both[RULES])
    assert santa.static(both[PROFILE]) == found
    return found


def test_without_a_known_signer_there_is_nothing_to_export():
    with pytest.raises(NotExportable, match="nothing to export"):
        render(decision(plan({"apps": {"unsigned": APPS["unsigned"]}})))


ORDER.append(("TEAMID", TEAM))


@pytest.mark.parametrize("first", range(5))
def test_the_most_specific_rule_decides_whatever_the_others_say(first):
    allowed = Rule(*ORDER[first], ALLOWED)
    others = [Rule(*one, BLOCKED) for one in ORDER]
    assert santa.decision(CHAT, [*others[first + 1 :], allowed]) == allowed
    assert santa.blocks(CHAT, [allowed, *others[:first]]) is (first > 0)
    assert santa.decision(CHAT, [], [Rule(*ORDER[4], ALLOWED)]) is not None


@pytest.mark.slow
@examples(5_000)
@given(name=TEXT, contact=TEXT, text=TEXT, url=TEXT, group=TEXT)
def test_no_text_gets_out_of_its_place(name, contact, text, url, group):
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
def test_wrong_identifier_makes_no_rule(identifier, key):
    assume(not re.fullmatch(r"[A-Z0-9]{10}(:[A-Za-z0-9][A-Za-z0-9._-]*)?", identifier))  # hypothesis takes constants
    one = plan({"apps": {"chat": {"mode": "enforce", key: [identifier]}}})
    with pytest.raises(NotExportable, match="signed"):
        render(decision(one))
