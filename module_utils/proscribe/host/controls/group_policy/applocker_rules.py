"""AppLocker's rules for a plan's restricted programs: as XML, and as registry values that a machine reads.

As soon as a collection has a rule, AppLocker denies everything that no rule allows. So each written collection begins
with a rule that allows everything to everyone. A deny rule has priority over an allow rule. If there are rules for
programs, a collection for packaged apps is written too.

    - Rules and their order: learn.microsoft.com/windows/security, "Understanding AppLocker rule behavior"
    - Conditions: "Understanding the path rule condition", "Understanding the publisher rule condition in AppLocker"
    - Values of the registry, and the extensions' ids: policies that Microsoft's console has written, in public
      collections
    - The service's start: [MS-GPSB] 2.2.8, "Service General Setting"
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Iterator

from ....base.named_tuple import NamedTuple
from ....model.plan import RESTRICTED_MODES
from .identity import make_name_uuid
from .registry_pol import RegistryEntry, make_number_entry, make_text_entry

if TYPE_CHECKING:
    from typing import Final

    from ....model.types.plan import PlanEntry as Service
    from ....model.types.plan import PlanSection

EXE_COLLECTION, MSI_COLLECTION, APPX_COLLECTION = RULE_COLLECTIONS = ("Exe", "Msi", "Appx")
APPLOCKER_KEY = "Software\\Policies\\Microsoft\\Windows\\SrpV2"
OFF_MODE, AUDIT_MODE, ENFORCE_MODE = APPLOCKER_MODES = ("off", "audit", "enforce")
# By mode: (value in XML, value in the registry).
ENFORCEMENT_VALUES: Final = {AUDIT_MODE: ("AuditOnly", 0), ENFORCE_MODE: ("Enabled", 1)}
EVERYONE_SID = "S-1-1-0"
ANY_VALUE = "*"
MAX_TEXT_LENGTH = 400
# Keys of a service in the plan from which rules of AppLocker are made.
PROGRAM_KEYS: Final = ("windows", "windows_processes", "windows_publishers", "windows_installers")
# Path of the security template in a Group Policy object. The template starts the service Application Identity. Without
# that service, no rule of AppLocker is in effect.
TEMPLATE_PATH = "Machine/Microsoft/Windows NT/SecEdit/GptTmpl.inf"
_TEMPLATE_TEXT = (
    '[Unicode]\r\nUnicode=yes\r\n[Version]\r\nsignature="$CHICAGO$"\r\nRevision=1\r\n'
    '[Service General Setting]\r\n"AppIDSvc",2,""\r\n'
)
_XML_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


class AppLockerRule(NamedTuple):
    """Rule of AppLocker for files with a path, or for files signed by a publisher.

    A rule for a publisher can name a product and a file too. `*` matches all.
    """

    collection: str  # one of RULE_COLLECTIONS
    service: str  # id of the denied service; "" for the rule that allows everything else
    path: str = ""
    publisher: str = ""
    product: str = ANY_VALUE
    binary: str = ANY_VALUE  # file name of the program

    @property
    def id(self) -> str:
        """Id of the rule. Equal rules have the same id."""
        return make_name_uuid("\n".join(("applocker rule", *(str(part) for part in self)))).lower()

    @property
    def xml(self) -> str:
        """The rule in AppLocker's XML. Raises ValueError if a text is not allowed in it."""
        kind = "FilePathRule" if self.path else "FilePublisherRule"
        action, name = ("Deny", f"Proscribe: {self.service}") if self.service else ("Allow", "Proscribe: all else")
        head = {"Id": self.id, "Name": name, "Description": "", "UserOrGroupSid": EVERYONE_SID, "Action": action}
        if self.path:
            if "%" in self.path:
                raise ValueError(f"{ascii(self.path)[:MAX_TEXT_LENGTH]}: AppLocker reads a variable between two %")
            condition = f"<FilePathCondition{_format_attributes({'Path': self.path})}/>"
        else:
            names = {"PublisherName": self.publisher, "ProductName": self.product, "BinaryName": self.binary}
            versions = f"<BinaryVersionRange{_format_attributes({'LowSection': ANY_VALUE, 'HighSection': ANY_VALUE})}/>"
            condition = f"<FilePublisherCondition{_format_attributes(names)}>{versions}</FilePublisherCondition>"
        return f"<{kind}{_format_attributes(head)}><Conditions>{condition}</Conditions></{kind}>"


def _format_attributes(values: dict[str, str]) -> str:
    """Return attributes of an XML element. Raises ValueError for a text that AppLocker does not accept."""
    for name, attribute_value in values.items():
        if len(attribute_value) > MAX_TEXT_LENGTH or not attribute_value.isprintable():
            raise ValueError(f"{ascii(attribute_value)[:MAX_TEXT_LENGTH]} is no text for {name} in a rule of AppLocker")
    return "".join(f' {name}="{attribute_value.translate(_XML_ESCAPES)}"' for name, attribute_value in values.items())


def get_applocker_mode(section: PlanSection) -> str:
    """Return the mode of AppLocker in a plan's section: off, audit (the default) or enforce."""
    return section["settings"].get("applocker", AUDIT_MODE)


def make_applocker_rules(section: PlanSection) -> dict[str, list[AppLockerRule]]:
    """Return the rules by collection, for the collections that have any.

    The rule that allows everything else comes first in each collection. If there are rules for programs, packaged apps
    get a collection too, even with that rule alone.
    """
    # dicts without values, to have each rule once and in a fixed order
    denying_rules: dict[str, dict[AppLockerRule, None]] = {collection: {} for collection in RULE_COLLECTIONS}
    for service_id, entry in sorted(section["services"].items()):
        if entry["mode"] in RESTRICTED_MODES:
            for rule in make_service_rules(service_id, entry):
                denying_rules[rule.collection].setdefault(rule)
    allowing_rules = {
        EXE_COLLECTION: AppLockerRule(EXE_COLLECTION, "", path=ANY_VALUE),
        MSI_COLLECTION: AppLockerRule(MSI_COLLECTION, "", path=ANY_VALUE),
        APPX_COLLECTION: AppLockerRule(APPX_COLLECTION, "", publisher=ANY_VALUE),
    }
    return {
        collection: [allowing_rules[collection], *collection_rules]
        for collection, collection_rules in denying_rules.items()
        if collection_rules or (collection == APPX_COLLECTION and denying_rules[EXE_COLLECTION])
    }


def make_service_rules(service_id: str, entry: Service) -> Iterator[AppLockerRule]:
    """Yield the rules that deny a service's programs, its installers and its packaged apps."""
    publishers = entry.get("windows_publishers", {})
    for signer in sorted(publishers.get("programs", ())):
        # publisher\product\binary; the last two may be missing
        publisher, _, product_and_binary = signer.partition("\\")
        product, _, binary = product_and_binary.partition("\\")
        for collection in (EXE_COLLECTION, MSI_COLLECTION):
            yield AppLockerRule(
                collection, service_id, publisher=publisher, product=product or ANY_VALUE, binary=binary or ANY_VALUE
            )
    # A rule for a file name applies in every folder. So a path with the name of a denied process needs no rule.
    process_names = {name.casefold() for name in entry.get("windows_processes", ())}
    paths = (path.replace("/", "\\") for path in entry.get("windows", ()))
    other_paths = (path for path in paths if path.rpartition("\\")[2].casefold() not in process_names)
    for name in sorted({*entry.get("windows_processes", ()), *entry.get("windows_installers", ()), *other_paths}):
        yield AppLockerRule(
            MSI_COLLECTION if name.casefold().endswith(".msi") else EXE_COLLECTION, service_id, path=f"*\\{name}"
        )
    for app in sorted(publishers.get("appx", ())):
        publisher, _, product = app.rpartition("\\")
        yield AppLockerRule(APPX_COLLECTION, service_id, publisher=publisher, product=product)


def list_registry_entries(section: PlanSection) -> list[RegistryEntry]:
    """Return AppLocker's registry values, below HKEY_LOCAL_MACHINE; [] if AppLocker is off.

    Raises ValueError if the plan has a text that no rule of AppLocker may have.
    """
    return list(_iterate_registry_entries(section)) if get_applocker_mode(section) != OFF_MODE else []


def _iterate_registry_entries(section: PlanSection) -> Iterator[RegistryEntry]:
    """Yield AppLocker's registry values: the mode of each collection, and a value for each of its rules."""
    for collection, collection_rules in make_applocker_rules(section).items():
        key = f"{APPLOCKER_KEY}\\{collection}"
        yield make_number_entry(key, "EnforcementMode", ENFORCEMENT_VALUES[get_applocker_mode(section)][1])
        for rule in collection_rules:
            yield make_text_entry(f"{key}\\{rule.id}", "Value", rule.xml)


def render_policy(section: PlanSection, comment: Iterable[str]) -> bytes:
    """Render AppLocker's policy as XML, which Set-AppLockerPolicy and Microsoft's console import.

    `comment` has the lines of text for the comments at the start of the file. Raises ValueError as
    `list_registry_entries` does.
    """
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        *(f"<!-- {comment_line.replace('--', '==')} -->" for comment_line in comment),
    ]
    lines.append('<AppLockerPolicy Version="1">')
    for collection, collection_rules in make_applocker_rules(section).items():
        lines.append(
            f'<RuleCollection Type="{collection}" '
            f'EnforcementMode="{ENFORCEMENT_VALUES[get_applocker_mode(section)][0]}">'
        )
        lines += [*(rule.xml for rule in collection_rules), "</RuleCollection>"]
    return "\n".join([*lines, "</AppLockerPolicy>", ""]).encode()


def encode_template() -> bytes:
    """Return the security template that makes Windows start the service Application Identity."""
    return b"\xff\xfe" + _TEMPLATE_TEXT.encode("utf-16-le")
