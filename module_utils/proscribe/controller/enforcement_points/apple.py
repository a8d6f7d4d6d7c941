"""Data for Macs from a decision: a configuration profile of the browsers' policies, and program identifiers.

A browser on macOS reads as policies the values that a profile manages in the browser's domain of preferences. A payload
with the domain as its type does that. Browsers derived from Chromium take the documented values. So do Firefox and
Thunderbird, which also need a switch. macOS 11 and later install such a profile only from device management, or by hand
with the user's consent. Keys of profiles: https://developer.apple.com/documentation/devicemanagement/toplevel
"""

from __future__ import annotations

import plistlib
import re
from collections.abc import Iterator, Mapping
from xml.parsers.expat import ExpatError

from ...host.controls.group_policy import account_restrictions, policies
from ...model.plan import RESTRICTED_MODES
from ...model.types.plan import PlanEntry
from .file_header import make_header, sanitise_comment
from .format_declaration import ExportDecision, ExportError, ExportOmission
from .group_policy.identity import make_uuid

IDENTIFIER_PREFIX = "internal.proscribe"  # "internal" is reserved for private use (ICANN, 2024)
# Firefox and Thunderbird follow policies in preferences only if this switch is set.
POLICY_SWITCH = "EnterprisePoliciesEnabled"
_BUNDLE_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", re.ASCII)


def make_identifier(decision: ExportDecision, *parts: str) -> str:
    """Return an identifier for device management that is the same in each export for a group of hosts.

    So the next export replaces the object of this export.
    """
    return ".".join((IDENTIFIER_PREFIX, str(make_uuid("identifier", decision.group)), *parts))


def make_content_uuid(decision: ExportDecision, *parts: str) -> str:
    """Return a UUID that changes with the plan, so that device management notices new content."""
    return str(make_uuid("content", decision.group, decision.digest, *parts)).upper()


def render_browser_profile(decision: ExportDecision) -> bytes:
    """Return the configuration profile of browsers and other programs; b"" if none has a policy."""
    payloads = [
        _make_browser_payload(decision, program, browser_policies)
        for program, browser_policies in policies.collect_program_policies(decision.plan).items()
    ]
    payloads += [
        make_managed_payload(decision, "browsers", domain, program_accounts.name, program_accounts.preferences)
        for program_accounts in account_restrictions.list_account_policies(decision.plan)
        for domain in program_accounts.domains
    ]
    return render_profile(decision, "mobileconfig", "browsers", payloads) if payloads else b""


def _make_browser_payload(
    decision: ExportDecision, program: policies.PolicyProgram, browser_policies: dict[str, object]
) -> dict[str, object]:
    """Return the payload that manages the policies of a browser, with the switch that Firefox and Thunderbird need."""
    if program.family != policies.CHROMIUM_FAMILY:
        browser_policies = {POLICY_SWITCH: True, **browser_policies}
    return make_managed_payload(decision, "browsers", program.domain, program.name, browser_policies)


def render_profile(decision: ExportDecision, format_: str, subject: str, payloads: list[dict[str, object]]) -> bytes:
    """Return a configuration profile in XML.

    Raises ExportError for a text that no property list can have. `format_` is the name of the export format. `subject`
    is a word in names and identifiers, such as `browsers`.
    """
    document = {
        "PayloadContent": payloads,
        "PayloadDescription": " ".join(make_header(decision, format_)),
        "PayloadDisplayName": f"Proscribe: {subject} {sanitise_comment(decision.group)}".rstrip(),
        "PayloadIdentifier": make_identifier(decision, subject),
        # Only device management removes a profile that it has installed, whatever this value is (macOS 10.15). Removing
        # a profile that was installed by hand requires an administrator.
        "PayloadRemovalDisallowed": True,
        "PayloadScope": "System",
        "PayloadType": "Configuration",
        "PayloadUUID": make_content_uuid(decision, subject),
        "PayloadVersion": 1,
    }
    try:
        content = plistlib.dumps(document, fmt=plistlib.FMT_XML, sort_keys=True)
        plistlib.loads(content)  # dumps also writes some characters that are invalid in XML
    except (ValueError, ExpatError) as error:
        raise ExportError(f"the policies of {subject} have a text that no profile takes: {error}") from None
    return content


def make_managed_payload(
    decision: ExportDecision, subject: str, domain: str, name: str, preferences: Mapping[str, object]
) -> dict[str, object]:
    """Return the payload that manages a program's preferences: those in `domain`, its domain on macOS.

    `subject` is that of the profile, and `name` is the program's name for users.
    """
    return {
        **preferences,
        "PayloadDisplayName": name,
        "PayloadIdentifier": make_identifier(decision, subject, domain),
        "PayloadType": domain,
        "PayloadUUID": make_content_uuid(decision, subject, domain),
        "PayloadVersion": 1,
    }


def list_bundle_ids(decision: ExportDecision) -> dict[str, list[str]]:
    """Return the macOS bundle ids of each restricted service, by service. Services without bundle ids are left out.

    Raises ExportError for an invalid bundle id.
    """
    ids_by_service = {}
    for service_id, entry in sorted(iterate_restricted_services(decision)):
        if bundle_ids := sorted(entry.get("bundle_ids", ())):
            for bundle_id in bundle_ids:
                if not _BUNDLE_PATTERN.fullmatch(bundle_id):
                    raise ExportError(f"{service_id}: {bundle_id!r} is no identifier of a program on macOS")
            ids_by_service[service_id] = bundle_ids
    return ids_by_service


def list_missing_bundle_ids(decision: ExportDecision) -> list[ExportOmission]:
    """Return a report entry for each restricted service without bundle ids: this export does not deny its programs."""
    return [
        ExportOmission(f"apps/{service_id}", "the programs", "The catalogue has no identifier (bundle id) of them.")
        for service_id, entry in sorted(iterate_restricted_services(decision))
        if not entry.get("bundle_ids")
    ]


def iterate_restricted_services(decision: ExportDecision) -> Iterator[tuple[str, PlanEntry]]:
    """Yield (id, plan entry) of each service whose programs are restricted."""
    for service_id, entry in decision.plan["controls"]["apps"]["services"].items():
        if entry["mode"] in RESTRICTED_MODES:
            yield service_id, entry
