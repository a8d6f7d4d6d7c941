"""AppLocker's decision about a file, by Microsoft's documents: a strict reader of policies, and their precedence.

- learn.microsoft.com/windows/security: "Understanding AppLocker rule behavior", "... allow and deny actions on rules",
  "... the path rule condition", "... the publisher rule condition", "... the file hash rule condition", "... rule
  exceptions", "Rules in AppLocker" (the collection of each file)
- the form: the schema of policies that Get-AppLockerPolicy writes (AppLockerPolicy, Version 1)

No policy was ever tried on Windows itself.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple
from xml.etree import ElementTree

EVERYONE = "S-1-1-0"
COLLECTIONS = {"Exe": (".exe", ".com"), "Msi": (".msi", ".msp", ".mst"), "Appx": (), "Script": (".ps1",)}
COLLECTIONS["Dll"] = (".dll",)
MODES = ("NotConfigured", "AuditOnly", "Enabled")
# AppLocker's own names of well-known folders, which are no variables of the environment.
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
    """A program that somebody starts. A packaged app has the name of its package as its product."""

    path: str = ""
    publisher: str = ""  # of its signature, as AppLocker writes it; "" for none
    product: str = ""
    binary: str = ""
    version: str = "1.0.0.0"
    sha256: str = ""
    packaged: bool = False

    @property
    def collection(self):
        """The collection whose rules apply to the file; "" for none."""
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

    def applies(self, file, sids):
        """Return True if the rule applies to a file that somebody with these SIDs starts."""
        matches = self.sid in sids and any(condition(file) for condition in self.conditions)
        return matches and not any(exception(file) for exception in self.exceptions)


class Collection(NamedTuple):
    """The rules of a collection, and its mode."""

    mode: str
    rules: Sequence[Rule]


def denied(policy, file, *groups):
    """Return the rule that denies a file, "no rule allows it", or "" for a file that may run.

    Audited rules are evaluated in the same way as enforced ones, and logged.
    """
    collection = policy.get(file.collection)
    if collection is None or not collection.rules:
        return ""
    rules = [rule for rule in collection.rules if rule.applies(file, frozenset({EVERYONE, *groups}))]
    return next((rule.name for rule in rules if rule.denies), "" if rules else "no rule allows it")


def read(content):
    """Read a policy. Raise AssertionError for a form that the schema does not have."""
    root = ElementTree.fromstring(content)
    assert root.tag == "AppLockerPolicy" and root.attrib == {"Version": "1"}
    policy = {}
    for element in root:
        assert element.tag == "RuleCollection"
        type_, mode = _read_attributes(element, "Type", "EnforcementMode")
        assert type_ in COLLECTIONS and type_ not in policy and mode in MODES
        policy[type_] = Collection(mode, [_read_rule(rule, type_) for rule in element])
    ids = [rule.id.lower() for collection in policy.values() for rule in collection.rules]
    assert len(set(ids)) == len(ids)
    return policy


def of_registry(values):
    """Read a policy from the values below SrpV2: key, name, value. Raise AssertionError for another form."""
    modes = {}
    rules = {}
    for key, name, value in values:
        collection, _, id_ = key.partition("\\SrpV2\\")[2].partition("\\")
        if name == "EnforcementMode":
            assert not id_ and value in (0, 1)
            modes[collection] = "Enabled" if value else "AuditOnly"
        else:
            assert name == "Value" and isinstance(value, str)
            rule = _read_rule(ElementTree.fromstring(value), collection)
            assert rule.id == id_
            rules.setdefault(collection, []).append(rule)
    assert modes.keys() == rules.keys()
    return {name: Collection(mode, rules[name]) for name, mode in modes.items()}


def _read_attributes(element, *names):
    """Return the attributes of an element, which has no others."""
    assert set(element.attrib) == set(names)
    return [element.attrib[name] for name in names]


def _read_rule(element, collection):
    id_, name, description, sid, action = _read_attributes(
        element, "Id", "Name", "Description", "UserOrGroupSid", "Action"
    )
    assert _GUID.fullmatch(id_) and _SID.fullmatch(sid) and action in ("Allow", "Deny")
    assert 0 < len(name) <= 1024 and len(description) <= 1024
    parts = {part.tag: [_read_condition(condition, element.tag, collection) for condition in part] for part in element}
    assert list(parts) in (["Conditions"], ["Conditions", "Exceptions"]) and len(parts["Conditions"]) == 1
    return Rule(id_, name, sid, action == "Deny", parts["Conditions"], parts.get("Exceptions", []))


def _read_condition(element, kind, collection):
    if element.tag == "FilePathCondition":
        assert kind == "FilePathRule" and collection != "Appx"
        return _match_path(*_read_attributes(element, "Path"))
    if element.tag == "FileHashCondition":
        hashes = {hash_.attrib["Data"].lower() for hash_ in element}
        return lambda file: f"0x{file.sha256}".lower() in hashes
    assert element.tag == "FilePublisherCondition" and kind == "FilePublisherRule"
    names = _read_attributes(element, "PublisherName", "ProductName", "BinaryName")
    (versions,) = element
    assert versions.tag == "BinaryVersionRange" and all(names)
    low, high = _read_attributes(versions, "LowSection", "HighSection")
    assert _VERSION.fullmatch(low) and _VERSION.fullmatch(high)
    return _match_publisher(names, low, high)


def _match_path(path):
    """Match any path, or one in which each `*` stands for any text, a backslash too."""
    assert path and path.isprintable()
    variable = next((name for name in VARIABLES if path.upper().startswith(name)), "")
    rest = path[len(variable) :]
    assert "%" not in rest
    patterns = [
        re.compile(".*".join(map(re.escape, f"{start}{rest}".split("*"))), re.IGNORECASE | re.DOTALL)
        for start in VARIABLES.get(variable, [""])
    ]
    return lambda file: any(pattern.fullmatch(file.path) for pattern in patterns)


def _match_publisher(names, low, high):
    """Match a signed file. `*` by itself stands for any name, and is no wildcard within one."""

    def fits(file):
        own = (file.publisher, file.product, file.binary)
        has_names = all(name in ("*", value) for name, value in zip(map(str.casefold, names), map(str.casefold, own)))
        version = _number(file.version)
        is_within = (low == "*" or version >= _number(low)) and (high == "*" or version <= _number(high))
        return bool(file.publisher) and has_names and is_within

    return fits


def _number(version):
    return tuple(map(int, version.split(".")))
