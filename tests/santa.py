"""Santa's rules as Santa reads them, and what it does with a program by them.

Written after the documents of North Pole Security's Santa (northpole.dev/features/binary-authorization: "Rule
Dictionary Format", "Rule Types") and its source of 2026-08-21 (SNTRule.mm, SNTRuleTable.mm, SNTRuleIdentifiers.mm). It
is stricter: a key that is not documented, and a value that Santa would change (letters in lower case), is a mistake.
"""

from __future__ import annotations

import json
import plistlib
import re
from collections.abc import Iterable
from typing import NamedTuple
from xml.etree import ElementTree

SHA256 = re.compile(r"[0-9a-f]{64}")
# By type of rule, in the order in which Santa looks for one: the first that fits decides.
IDENTIFIER = {
    "CDHASH": re.compile(r"[0-9a-f]{40}"),
    "BINARY": SHA256,
    "SIGNINGID": re.compile(r"([A-Z0-9]{10}|platform):.+"),
    "CERTIFICATE": SHA256,
    "TEAMID": re.compile(r"[A-Z0-9]{10}"),
}
ALLOWED, BLOCKED = "ALLOWLIST", "BLOCKLIST"
POLICIES = {ALLOWED, "ALLOWLIST_COMPILER", BLOCKED, *(f"SILENT_{one}BLOCKLIST" for one in ("", "GUI_", "TTY_"))}
REQUIRED, OPTIONAL = {"identifier", "policy", "rule_type"}, {"custom_msg", "custom_url", "comment"}


class Rule(NamedTuple):
    """A rule."""

    type: str
    identifier: str
    policy: str
    message: str = ""
    url: str = ""


class Program(NamedTuple):
    """What Santa knows of a program that starts. Who signed it counts with a certificate for production only."""

    signing_id: str = ""  # with its team: EXAMPLE123:com.example.App
    production: bool = True
    cdhash: str = ""
    sha256: str = ""
    certificate: str = ""

    def identifiers(self) -> dict[str, str]:
        signed = self.signing_id if self.production else ""
        team = signed.partition(":")[0]
        return {
            "CDHASH": self.cdhash,
            "BINARY": self.sha256,
            "SIGNINGID": signed,
            "CERTIFICATE": self.certificate,
            "TEAMID": "" if team == "platform" else team,
        }


def rule(said: object) -> Rule:
    """A rule out of its dictionary. Raises ValueError."""
    if not isinstance(said, dict) or not said.keys() >= REQUIRED or said.keys() - REQUIRED - OPTIONAL:
        raise ValueError(f"not the keys of a rule: {said!r}")
    if not all(isinstance(text, str) and text for text in said.values()):
        raise ValueError(f"a value that is no text: {said!r}")
    if said["rule_type"] not in IDENTIFIER or said["policy"] not in POLICIES:
        raise ValueError(f"an unknown type or policy: {said!r}")
    if not IDENTIFIER[said["rule_type"]].fullmatch(said["identifier"]):
        raise ValueError(f"no identifier of its type: {said!r}")
    return Rule(
        said["rule_type"], said["identifier"], said["policy"], said.get("custom_msg", ""), said.get("custom_url", "")
    )


def imported(content: bytes) -> list[Rule]:
    """What `santactl rule --import` reads of a file."""
    document = json.loads(content)
    if document.keys() != {"rules"}:
        raise ValueError("one key, rules")
    return distinct(map(rule, document["rules"]))


def static(profile: bytes) -> list[Rule]:
    """The StaticRules of a configuration profile, in which Santa's domain has nothing else."""
    (payload,) = plistlib.loads(profile, fmt=plistlib.FMT_XML)["PayloadContent"]
    own = {key: value for key, value in payload.items() if not key.startswith("Payload")}
    if payload["PayloadType"] != "com.northpolesec.santa" or own.keys() != {"StaticRules"}:
        raise ValueError(f"not Santa's, or more than its rules: {payload['PayloadType']}, {sorted(own)}")
    return distinct(map(rule, own["StaticRules"]))


def distinct(rules: Iterable[Rule]) -> list[Rule]:
    """Rules of which no two are about the same: Santa would have the last one alone."""
    found = {}
    for one in rules:
        if found.setdefault((one.type, one.identifier), one) is not one:
            raise ValueError(f"twice: {one}")
    return list(found.values())


def decision(program: Program, rules: Iterable[Rule], fixed: Iterable[Rule] = ()) -> Rule | None:
    """The rule that decides about a program: of the static ones first, then of the others. None leaves it to the mode;
    MONITOR, which is the default, lets it start.
    """
    of = program.identifiers()
    for table in (fixed, rules):
        by = {(one.type, one.identifier): one for one in table}
        for type_ in IDENTIFIER:
            if found := by.get((type_, of[type_])):
                return found
    return None


def blocks(program: Program, rules: Iterable[Rule]) -> bool:
    """Whether Santa stops a program in its default mode."""
    found = decision(program, rules)
    return found is not None and found.policy not in (ALLOWED, "ALLOWLIST_COMPILER")


def on_a_terminal(message: str) -> str:
    """A message as Santa prints it on a terminal: it takes the HTML for XML. Raises ParseError where it cannot, and
    Santa prints its own text instead.
    """
    body = ElementTree.fromstring(f"<html><body>{message}</body></html>")[0]
    if wrong := {one.tag for one in body} - {"br"}:
        raise ValueError(f"marks that are none of ours: {wrong}")
    return (body.text or "") + "".join(f"\n{one.tail or ''}" for one in body)
