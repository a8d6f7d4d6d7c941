"""AppLocker's answer about a file, by what Microsoft documents: a strict reader of policies, and their precedence.

- learn.microsoft.com/windows/security: "Understanding AppLocker rule behavior", "... allow and deny actions on rules",
  "... the path rule condition", "... the publisher rule condition", "... the file hash rule condition", "... rule
  exceptions", "Rules in AppLocker" (which file is of which collection)
- the form: the schema of policies that Get-AppLockerPolicy writes (AppLockerPolicy, Version 1)

What Windows itself makes of a policy was never seen here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple
from xml.etree import ElementTree

EVERYONE = "S-1-1-0"
COLLECTIONS = {
    "Exe": (".exe", ".com"),
    "Msi": (".msi", ".msp", ".mst"),
    "Appx": (),
    "Script": (".ps1",),
    "Dll": (".dll",),
}
MODES = ("NotConfigured", "AuditOnly", "Enabled")
# What stands for well-known folders; AppLocker's own names, which are no variables of the environment.
VARIABLES = {
    "%WINDIR%": ["C:\\Windows"],
    "%SYSTEM32%": ["C:\\Windows\\System32", "C:\\Windows\\SysWOW64"],
    "%OSDRIVE%": ["C:"],
    "%PROGRAMFILES%": ["C:\\Program Files", "C:\\Program Files (x86)"],
    "%REMOVABLE%": ["E:"],
    "%HOT%": ["F:"],
}
_GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_SID = re.compile(r"S-1(-\d{1,15}){1,15}")
_VERSION = re.compile(r"\*|\d{1,5}(\.\d{1,5}){3}")


class File(NamedTuple):
    """What somebody starts. A packaged app has the name of its package as its product."""

    path: str = ""
    publisher: str = ""  # of its signature, as AppLocker writes it; "" for none
    product: str = ""
    binary: str = ""
    version: str = "1.0.0.0"
    sha256: str = ""
    packaged: bool = False

    @property
    def collection(self) -> str:
        """The collection whose rules are about it; "" for none."""
        if self.packaged:
            return "Appx"
        ending = self.path[self.path.rfind(".") :].lower()
        return next((name for name, endings in COLLECTIONS.items() if ending in endings), "")


Condition = Callable[[File], bool]


class Rule(NamedTuple):
    """A rule, as it was read."""

    id: str
    name: str
    sid: str
    denies: bool
    conditions: Sequence[Condition]
    exceptions: Sequence[Condition]

    def applies(self, file: File, sids: frozenset[str]) -> bool:
        """Whether the rule is about a file that somebody with these SIDs starts."""
        concerned = self.sid in sids and any(condition(file) for condition in self.conditions)
        return concerned and not any(exception(file) for exception in self.exceptions)


class Collection(NamedTuple):
    """The rules of a collection, and what becomes of its answer."""

    mode: str
    rules: Sequence[Rule]


def denied(policy: Mapping[str, Collection], file: File, *groups: str) -> str:
    """The rule that denies a file, "no rule allows it", or "" for one that may run. Whatever the mode: audited rules
    are evaluated in the same way, and logged.
    """
    collection = policy.get(file.collection)
    if collection is None or not collection.rules:
        return ""
    sids = frozenset({EVERYONE, *groups})
    if name := next((rule.name for rule in collection.rules if rule.denies and rule.applies(file, sids)), ""):
        return name
    return "" if any(rule.applies(file, sids) for rule in collection.rules) else "no rule allows it"


def read(content: bytes) -> dict[str, Collection]:
    """A policy. Raises AssertionError for what the schema does not have."""
    root = ElementTree.fromstring(content)
    assert root.tag == "AppLockerPolicy" and root.attrib == {"Version": "1"}
    found: dict[str, Collection] = {}
    for element in root:
        assert element.tag == "RuleCollection" and set(element.attrib) == {"Type", "EnforcementMode"}
        type_, mode = element.attrib["Type"], element.attrib["EnforcementMode"]
        assert type_ in COLLECTIONS and type_ not in found and mode in MODES
        found[type_] = Collection(mode, [rule(one, type_) for one in element])
    ids = [one.id for collection in found.values() for one in collection.rules]
    assert len({one.lower() for one in ids}) == len(ids)
    return found


def of_registry(values: Iterable[tuple[str, str, object]]) -> dict[str, Collection]:
    """A policy out of the values below SrpV2: key, name, and what it says. Raises AssertionError for another form."""
    modes: dict[str, object] = {}
    rules: dict[str, list[Rule]] = {}
    for key, name, said in values:
        collection, _, id_ = key.partition("\\SrpV2\\")[2].partition("\\")
        if name == "EnforcementMode":
            assert not id_ and said in (0, 1)
            modes[collection] = said
        else:
            assert name == "Value" and isinstance(said, str)
            one = rule(ElementTree.fromstring(said), collection)
            assert one.id == id_
            rules.setdefault(collection, []).append(one)
    assert modes.keys() == rules.keys()
    return {name: Collection("Enabled" if mode else "AuditOnly", rules[name]) for name, mode in modes.items()}


def rule(element: ElementTree.Element, collection: str) -> Rule:
    """One rule, of a policy or of the registry."""
    attributes = element.attrib
    assert set(attributes) == {"Id", "Name", "Description", "UserOrGroupSid", "Action"}
    assert _GUID.fullmatch(attributes["Id"]) and _SID.fullmatch(attributes["UserOrGroupSid"])
    assert 0 < len(attributes["Name"]) <= 1024 and len(attributes["Description"]) <= 1024
    assert attributes["Action"] in ("Allow", "Deny")
    parts = {part.tag: [_condition(one, element.tag, collection) for one in part] for part in element}
    assert list(parts) in (["Conditions"], ["Conditions", "Exceptions"]) and len(parts["Conditions"]) == 1
    return Rule(
        attributes["Id"],
        attributes["Name"],
        attributes["UserOrGroupSid"],
        attributes["Action"] == "Deny",
        parts["Conditions"],
        parts.get("Exceptions", []),
    )


def _condition(element: ElementTree.Element, kind: str, collection: str) -> Condition:
    if element.tag == "FilePathCondition":
        assert kind == "FilePathRule" and collection != "Appx" and set(element.attrib) == {"Path"}
        return _of_path(element.attrib["Path"])
    if element.tag == "FileHashCondition":
        hashes = {one.attrib["Data"].lower() for one in element}
        return lambda file: f"0x{file.sha256}".lower() in hashes
    assert element.tag == "FilePublisherCondition" and kind == "FilePublisherRule"
    assert set(element.attrib) == {"PublisherName", "ProductName", "BinaryName"}
    (versions,) = element
    assert versions.tag == "BinaryVersionRange" and set(versions.attrib) == {"LowSection", "HighSection"}
    low, high = versions.attrib["LowSection"], versions.attrib["HighSection"]
    assert _VERSION.fullmatch(low) and _VERSION.fullmatch(high)
    names = [element.attrib[name] for name in ("PublisherName", "ProductName", "BinaryName")]
    assert all(names)
    return _of_publisher(names, low, high)


def _of_path(path: str) -> Condition:
    """Any path, or one in which each `*` stands for any text, a backslash too."""
    assert path and path.isprintable()
    variable = next((one for one in VARIABLES if path.upper().startswith(one)), "")
    assert "%" not in path[len(variable) :]
    starts = VARIABLES[variable] if variable else [""]
    patterns = [
        re.compile(".*".join(map(re.escape, (start + path[len(variable) :]).split("*"))), re.IGNORECASE | re.DOTALL)
        for start in starts
    ]
    return lambda file: any(pattern.fullmatch(file.path) for pattern in patterns)


def _of_publisher(names: Sequence[str], low: str, high: str) -> Condition:
    """A signed file; `*` by itself stands for any name, and is no wildcard within one."""

    def fits(file: File) -> bool:
        if not file.publisher:
            return False
        own = (file.publisher, file.product, file.binary)
        if not all(name == "*" or name.casefold() == one.casefold() for name, one in zip(names, own, strict=True)):
            return False
        above = low == "*" or _number(file.version) >= _number(low)
        return above and (high == "*" or _number(file.version) <= _number(high))

    return fits


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
