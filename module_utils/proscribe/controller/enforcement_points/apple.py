"""What Macs take of a decision: the browsers' policies as a configuration profile, and the programs by identifier.

A browser on macOS reads as its policies what a profile manages in its domain of preferences. A payload whose type is
the domain does that. Chromium's relatives take the values as they are documented, Firefox and Thunderbird too, beside a
switch. macOS 11 and later install such a profile from device management only, or by hand with the user's consent.

Keys of profiles: https://developer.apple.com/documentation/devicemanagement/toplevel
"""

from __future__ import annotations

import plistlib
import re
from collections.abc import Iterator, Mapping
from xml.parsers.expat import ExpatError

from ...host.controls.group_policy import accounts, policies
from ...model.plan import RESTRICTED_MODES
from ...model.types.plan import PlanEntry
from .declaration import Decision, LeftOut, NotExportable
from .group_policy.identity import unique
from .header import header, safe

IDENTIFIER = "internal.proscribe"  # "internal" is reserved for private use (ICANN, 2024)
# Firefox and Thunderbird follow policies of preferences only beside this one.
SWITCH = "EnterprisePoliciesEnabled"
_BUNDLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", re.ASCII)


def identifier(decision: Decision, *parts: str) -> str:
    """By what device management knows something of a group again: the next export replaces it."""
    return ".".join((IDENTIFIER, str(unique("identifier", decision.group)), *parts))


def token(decision: Decision, *parts: str) -> str:
    """A UUID that is another one with another plan: what has changed since."""
    return str(unique("content", decision.group, decision.digest, *parts)).upper()


def browsers(decision: Decision) -> bytes:
    """The configuration profile of the browsers and other programs, b"" where none has a policy."""
    payloads = [_of_browser(decision, program, said) for program, said in policies.of_programs(decision.plan).items()]
    payloads += [
        managed(decision, "browsers", domain, one.name, one.preferences)
        for one in accounts.of_programs(decision.plan)
        for domain in one.domains
    ]
    return profile(decision, "mobileconfig", "browsers", payloads) if payloads else b""


def _of_browser(decision: Decision, program: policies.Program, said: dict[str, object]) -> dict[str, object]:
    if program.family != policies.CHROMIUM:
        said = {SWITCH: True, **said}
    return managed(decision, "browsers", program.domain, program.name, said)


def profile(decision: Decision, format_: str, what: str, payloads: list[dict[str, object]]) -> bytes:
    """A configuration profile of a format, in XML. Raises NotExportable for a text that no property list can have."""
    document = {
        "PayloadContent": payloads,
        "PayloadDescription": " ".join(header(decision, format_)),
        "PayloadDisplayName": f"Proscribe: {what} {safe(decision.group)}".rstrip(),
        "PayloadIdentifier": identifier(decision, what),
        # What device management installs, only device management removes, whatever this says (macOS 10.15). One that
        # was installed by hand asks for an administrator.
        "PayloadRemovalDisallowed": True,
        "PayloadScope": "System",
        "PayloadType": "Configuration",
        "PayloadUUID": token(decision, what),
        "PayloadVersion": 1,
    }
    try:
        content = plistlib.dumps(document, fmt=plistlib.FMT_XML, sort_keys=True)
        plistlib.loads(content)  # it writes some characters that no XML can have
    except (ValueError, ExpatError) as wrong:
        raise NotExportable(f"the policies of {what} have a text that no profile takes: {wrong}") from None
    return content


def managed(decision: Decision, what: str, domain: str, name: str, said: Mapping[str, object]) -> dict[str, object]:
    """The payload that manages a program's preferences."""
    return {
        **said,
        "PayloadDisplayName": name,
        "PayloadIdentifier": identifier(decision, what, domain),
        "PayloadType": domain,
        "PayloadUUID": token(decision, what, domain),
        "PayloadVersion": 1,
    }


def bundle_ids(decision: Decision) -> dict[str, list[str]]:
    """By restricted service that has any: the identifiers of its programs on macOS. Raises NotExportable for one that
    is more than an identifier.
    """
    found = {}
    for id_, entry in sorted(restricted(decision)):
        if ids := sorted(entry.get("bundle_ids", ())):
            for one in ids:
                if not _BUNDLE.fullmatch(one):
                    raise NotExportable(f"{id_}: {one!r} is no identifier of a program on macOS")
            found[id_] = ids
    return found


def without_bundle_id(decision: Decision) -> list[LeftOut]:
    """The restricted services of which nothing is known that a Mac could be given."""
    return [
        LeftOut(f"apps/{id_}", "the programs", "The catalogue has no identifier (bundle id) of them.")
        for id_, entry in sorted(restricted(decision))
        if not entry.get("bundle_ids")
    ]


def restricted(decision: Decision) -> Iterator[tuple[str, PlanEntry]]:
    """The services whose programs are restricted."""
    for id_, entry in decision.plan["controls"]["apps"]["services"].items():
        if entry["mode"] in RESTRICTED_MODES:
            yield id_, entry
