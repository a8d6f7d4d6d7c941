"""AppLocker's rules for a plan's restricted programs: as XML, and as the values of the registry that a machine reads.

AppLocker denies what no rule allows, as soon as a collection has a rule. So each collection that is written begins with
the rule that allows everything to everybody, and a rule that denies goes before one that allows. Where programs have
rules, packaged apps get their collection too.

- Rules and their order: learn.microsoft.com/windows/security, "Understanding AppLocker rule behavior"
- Conditions: "Understanding the path rule condition", "Understanding the publisher rule condition in AppLocker"
- Values of the registry, and the extensions' ids: policies that Microsoft's console has written, in public collections
- The service's start: [MS-GPSB] 2.2.8, "Service General Setting"
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Iterator

from ....base.tuples import NamedTuple
from ....model.plan import RESTRICTED_MODES
from .identity import uuid
from .registry_pol import Entry, number, text

if TYPE_CHECKING:
    from typing import Final

    from ....model.types.plan import PlanEntry as Service
    from ....model.types.plan import PlanSection

EXE, MSI, APPX = COLLECTIONS = ("Exe", "Msi", "Appx")
KEY = "Software\\Policies\\Microsoft\\Windows\\SrpV2"
OFF, AUDIT, ENFORCE = MODES = ("off", "audit", "enforce")
ENFORCEMENT: Final = {AUDIT: ("AuditOnly", 0), ENFORCE: ("Enabled", 1)}  # in XML, in the registry
EVERYONE = "S-1-1-0"
ANY = "*"
LONGEST = 400  # characters of a text in a rule
# What an entry has that makes a rule.
NAMED: Final = ("windows", "windows_processes", "windows_publishers", "windows_installers")
# The security template of a Group Policy object: Application Identity, without which no rule is in effect, starts.
TEMPLATE = "Machine/Microsoft/Windows NT/SecEdit/GptTmpl.inf"
_TEMPLATE = (
    '[Unicode]\r\nUnicode=yes\r\n[Version]\r\nsignature="$CHICAGO$"\r\nRevision=1\r\n'
    '[Service General Setting]\r\n"AppIDSvc",2,""\r\n'
)
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


class Rule(NamedTuple):
    """One rule: a path, or a publisher with a product and a file. `*` stands for all."""

    collection: str
    service: str  # "" for the rule that allows everything
    path: str = ""
    publisher: str = ""
    product: str = ANY
    binary: str = ANY

    @property
    def id(self) -> str:
        """Its id, the same for the same rule."""
        return uuid("\n".join(("applocker rule", *(str(part) for part in self)))).lower()

    @property
    def xml(self) -> str:
        """The rule as AppLocker has it."""
        kind = "FilePathRule" if self.path else "FilePublisherRule"
        action, name = ("Deny", f"Proscribe: {self.service}") if self.service else ("Allow", "Proscribe: all else")
        head = {"Id": self.id, "Name": name, "Description": "", "UserOrGroupSid": EVERYONE, "Action": action}
        if self.path:
            if "%" in self.path:
                raise ValueError(f"{ascii(self.path)[:LONGEST]}: AppLocker reads a variable between two %")
            condition = f"<FilePathCondition{_attributes({'Path': self.path})}/>"
        else:
            names = {"PublisherName": self.publisher, "ProductName": self.product, "BinaryName": self.binary}
            versions = f"<BinaryVersionRange{_attributes({'LowSection': ANY, 'HighSection': ANY})}/>"
            condition = f"<FilePublisherCondition{_attributes(names)}>{versions}</FilePublisherCondition>"
        return f"<{kind}{_attributes(head)}><Conditions>{condition}</Conditions></{kind}>"


def _attributes(values: dict[str, str]) -> str:
    for name, value in values.items():
        if len(value) > LONGEST or not value.isprintable():
            raise ValueError(f"{ascii(value)[:LONGEST]} is no text for {name} in a rule of AppLocker")
    return "".join(f' {name}="{value.translate(_ESCAPED)}"' for name, value in values.items())


def mode_of(section: PlanSection) -> str:
    """What AppLocker does with the rules of a plan."""
    return section["settings"].get("applocker", AUDIT)


def rules(section: PlanSection) -> dict[str, list[Rule]]:
    """By collection that has any: its rules, that which allows everything first."""
    denied: dict[str, dict[Rule, None]] = {collection: {} for collection in COLLECTIONS}
    for id_, entry in sorted(section["services"].items()):
        if entry["mode"] in RESTRICTED_MODES:
            for rule in of_service(id_, entry):
                denied[rule.collection].setdefault(rule)
    allowing = {EXE: Rule(EXE, "", path=ANY), MSI: Rule(MSI, "", path=ANY), APPX: Rule(APPX, "", publisher=ANY)}
    return {
        collection: [allowing[collection], *found]
        for collection, found in denied.items()
        if found or (collection == APPX and denied[EXE])
    }


def of_service(id_: str, entry: Service) -> Iterator[Rule]:
    """The rules that deny a service's programs, its installers and its packaged apps."""
    publishers = entry.get("windows_publishers", {})
    for signer in sorted(publishers.get("programs", ())):
        publisher, _, rest = signer.partition("\\")
        product, _, binary = rest.partition("\\")
        for collection in (EXE, MSI):
            yield Rule(collection, id_, publisher=publisher, product=product or ANY, binary=binary or ANY)
    images = {name.casefold() for name in entry.get("windows_processes", ())}
    paths = (path.replace("/", "\\") for path in entry.get("windows", ()))
    apart = (path for path in paths if path.rpartition("\\")[2].casefold() not in images)
    for name in sorted({*entry.get("windows_processes", ()), *entry.get("windows_installers", ()), *apart}):
        yield Rule(MSI if name.casefold().endswith(".msi") else EXE, id_, path=f"*\\{name}")
    for app in sorted(publishers.get("appx", ())):
        publisher, _, product = app.rpartition("\\")
        yield Rule(APPX, id_, publisher=publisher, product=product)


def entries(section: PlanSection) -> list[Entry]:
    """The values below HKEY_LOCAL_MACHINE. Raises ValueError for a text that no rule takes."""
    return list(_entries(section)) if mode_of(section) != OFF else []


def _entries(section: PlanSection) -> Iterator[Entry]:
    for collection, found in rules(section).items():
        key = f"{KEY}\\{collection}"
        yield number(key, "EnforcementMode", ENFORCEMENT[mode_of(section)][1])
        for rule in found:
            yield text(f"{key}\\{rule.id}", "Value", rule.xml)


def policy(section: PlanSection, comment: Iterable[str]) -> bytes:
    """The policy as Set-AppLockerPolicy and the console import it. Raises ValueError as `entries`."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', *(f"<!-- {one.replace('--', '==')} -->" for one in comment)]
    lines.append('<AppLockerPolicy Version="1">')
    for collection, found in rules(section).items():
        lines.append(f'<RuleCollection Type="{collection}" EnforcementMode="{ENFORCEMENT[mode_of(section)][0]}">')
        lines += [*(rule.xml for rule in found), "</RuleCollection>"]
    return "\n".join([*lines, "</AppLockerPolicy>", ""]).encode()


def template() -> bytes:
    """The security template that starts Application Identity with Windows."""
    return b"\xff\xfe" + _TEMPLATE.encode("utf-16-le")
