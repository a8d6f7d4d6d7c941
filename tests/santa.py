"""Santa's rules as Santa reads them, and its decision about a program by them.

Written after the documents of North Pole Security's Santa (northpole.dev/features/binary-authorization: "Rule
Dictionary Format", "Rule Types") and its source of 2026-08-21 (SNTRule.mm, SNTRuleTable.mm, SNTRuleIdentifiers.mm). It
is stricter: a key that is not documented, and a value that Santa would change (letters in lower case), is a mistake.
"""

import json
import plistlib
import re
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
    type: str
    identifier: str
    policy: str
    message: str = ""
    url: str = ""


class Program(NamedTuple):
    """A program that starts. Its signer counts with a certificate for production only."""

    signing_id: str = ""  # with its team: EXAMPLE123:com.example.App
    production: bool = True
    cdhash: str = ""
    sha256: str = ""
    certificate: str = ""

    def identifiers(self):
        """Return the types and identifiers of its rules, in the order of their precedence."""
        signed = self.signing_id if self.production else ""
        team = signed.partition(":")[0].replace("platform", "")
        return list(zip(IDENTIFIER, (self.cdhash, self.sha256, signed, self.certificate, team), strict=True))


def _read_rules(rows):
    """Read rules of which no two have the same identifier: Santa would have the last one alone. Raise ValueError."""
    rules = {}
    for row in rows:
        if not isinstance(row, dict) or not row.keys() >= REQUIRED or row.keys() - REQUIRED - OPTIONAL:
            raise ValueError(f"not the keys of a rule: {row!r}")
        if not all(isinstance(text, str) and text for text in row.values()):
            raise ValueError(f"a value that is no text: {row!r}")
        key = type_, identifier = row["rule_type"], row["identifier"]
        if type_ not in IDENTIFIER or row["policy"] not in POLICIES:
            raise ValueError(f"an unknown type or policy: {row!r}")
        if not IDENTIFIER[type_].fullmatch(identifier):
            raise ValueError(f"no identifier of its type: {row!r}")
        if key in rules:
            raise ValueError(f"twice: {row!r}")
        rules[key] = Rule(*key, row["policy"], row.get("custom_msg", ""), row.get("custom_url", ""))
    return list(rules.values())


def imported(content):
    """Return the rules that `santactl rule --import` reads of a file."""
    document = json.loads(content)
    if document.keys() != {"rules"}:
        raise ValueError("one key, rules")
    return _read_rules(document["rules"])


def static(profile):
    """Return the StaticRules of a configuration profile, which has nothing else of Santa's."""
    (payload,) = plistlib.loads(profile, fmt=plistlib.FMT_XML)["PayloadContent"]
    own = {key: value for key, value in payload.items() if not key.startswith("Payload")}
    if payload["PayloadType"] != "com.northpolesec.santa" or own.keys() != {"StaticRules"}:
        raise ValueError(f"not Santa's, or more than its rules: {payload['PayloadType']}, {sorted(own)}")
    return _read_rules(own["StaticRules"])


def decision(program, rules, fixed=()):
    """Return the rule that decides about a program, the static ones first; None leaves it to the mode."""
    tables = [{(rule.type, rule.identifier): rule for rule in table} for table in (fixed, rules)]
    return next((table[key] for table in tables for key in program.identifiers() if key in table), None)


def blocks(program, rules):
    """Return True if Santa stops a program in its default mode."""
    rule = decision(program, rules)
    return rule is not None and rule.policy not in (ALLOWED, "ALLOWLIST_COMPILER")


def on_a_terminal(message):
    """Return a message as Santa prints it on a terminal, which takes HTML for XML. Raise ParseError for other text."""
    body = ElementTree.fromstring(f"<html><body>{message}</body></html>")[0]
    if tags := {element.tag for element in body} - {"br"}:
        raise ValueError(f"marks that are none of ours: {tags}")
    return (body.text or "") + "".join(f"\n{element.tail or ''}" for element in body)
