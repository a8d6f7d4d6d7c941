"""Format `santa`: rules that deny programs on Macs by their signer and identifier.

`rules.json` is for `santactl rule --import`. `santa.mobileconfig` has the same rules as StaticRules, for device
management. Santa refuses the first if the second is installed. The profile is for North Pole Security's Santa, which
reads only its own domain of preferences (kMobileConfigDomain in SNTConfigurator.mm).

A rule for a whole team (TEAMID) is written only if the catalogue has the team for a service (team_ids).

    Rules: https://northpole.dev/features/binary-authorization, "Rule Dictionary Format"
    Profile: https://northpole.dev/deployment/profile-configuration
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from ....model.types.plan import PlanEntry
from .. import apple
from ..file_header import encode_json
from ..format_declaration import ExportDecision, ExportError, ExportFormat, ExportOmission, RenderedExport

APPS_CONTROL = "apps"
PROFILE_SUBJECT = "programs"  # used in identifiers of the profile
RULES_FILE, PROFILE_FILE = "rules.json", "santa.mobileconfig"
PREFERENCE_DOMAIN = "com.northpolesec.santa"
LINE_BREAK = "<br />"  # a message is HTML; terminals display the text without its markup

_IDENTIFIER_PATTERNS = {
    "SIGNINGID": re.compile(r"[A-Z0-9]{10}:[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII),
    "TEAMID": re.compile(r"[A-Z0-9]{10}", re.ASCII),
}
_UNKNOWN_SIGNER_REASON = "The catalogue does not know who signs its programs on Macs."
_NO_PROGRAM_REASON = "The catalogue has no program of it for Macs."
_UNSIGNED_REASON = (
    "A rule is for what a team has signed. A copy that somebody else has signed again, or nobody, starts."
)


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return the rules as a file for `santactl` and as a configuration profile."""
    services = dict(sorted(apple.iterate_restricted_services(decision)))
    signed_services = {
        service_id: entry for service_id, entry in services.items() if entry.get("signing_ids") or entry.get("team_ids")
    }
    rules = [
        rule for service_id, entry in signed_services.items() for rule in _make_santa_rules(decision, service_id, entry)
    ]
    if not rules:
        raise ExportError("nothing to export: the catalogue does not know who signs programs of a restricted service")
    payload = apple.make_managed_payload(decision, PROFILE_SUBJECT, PREFERENCE_DOMAIN, "Santa", {"StaticRules": rules})
    files = {
        RULES_FILE: encode_json({"rules": rules}, sort_keys=True),
        PROFILE_FILE: apple.render_profile(decision, "santa", PROFILE_SUBJECT, [payload]),
    }
    omissions = [
        ExportOmission(
            f"{APPS_CONTROL}/{service_id}",
            "the programs",
            _UNKNOWN_SIGNER_REASON if _is_on_macs(entry) else _NO_PROGRAM_REASON,
        )
        for service_id, entry in services.items()
        if service_id not in signed_services
    ]
    return RenderedExport(
        files,
        [f"{APPS_CONTROL}/{service_id}" for service_id in signed_services],
        [ExportOmission("", "unsigned copies", _UNSIGNED_REASON), *omissions],
    )


def _is_on_macs(entry: PlanEntry) -> bool:
    return bool(entry.get("bundle_ids") or entry.get("packages", {}).get("brew_cask"))


def _make_santa_rules(decision: ExportDecision, service_id: str, entry: PlanEntry) -> Iterator[dict[str, str]]:
    for type_, identifiers in (("SIGNINGID", entry.get("signing_ids", ())), ("TEAMID", entry.get("team_ids", ()))):
        for identifier in sorted(identifiers):
            if not _IDENTIFIER_PATTERNS[type_].fullmatch(identifier):
                raise ExportError(f"{service_id}: {identifier!r} is nothing that a program on macOS is signed as")
            rule = {
                "comment": f"{APPS_CONTROL}/{service_id}",
                "custom_msg": _make_message(decision, entry["name"]),
                "identifier": identifier,
                "policy": "BLOCKLIST",
                "rule_type": type_,
            }
            if url := decision.plan.get("request_url"):
                rule["custom_url"] = url
            yield rule


def _make_message(decision: ExportDecision, name: str) -> str:
    """Return the message that Santa shows: the service, the contact, and the organisation's refusal notice."""
    plan = decision.plan
    paragraphs = [f"{name} is restricted by the policy of this organisation.", f"Ask {plan['contact']}."]
    paragraphs += plan["controls"][APPS_CONTROL]["settings"].get("refusal_notice", "").split("\n")
    lines = (" ".join(line.split()) for line in paragraphs)
    return LINE_BREAK.join(html.escape(line, quote=False) for line in lines if line)


FORMAT = ExportFormat(
    name="santa",
    purpose="programs on Macs, by Santa (North Pole Security): rules to import, or a configuration profile",
    controls=(APPS_CONTROL,),
    render_export=render_export,
    tested_with="a reader of the project's own, after Santa's",
    main_files=f"{RULES_FILE}, {PROFILE_FILE}",
)
