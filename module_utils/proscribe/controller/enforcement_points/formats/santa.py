"""Santa on Macs: programs do not start that a team has signed, by the identifier that it gave them.

`rules.json` is what `santactl rule --import` reads. `santa.mobileconfig` has the same rules as StaticRules, for device
management. Santa refuses the first where the second is installed. The profile is for North Pole Security's Santa, which
reads its own domain of preferences alone (kMobileConfigDomain in SNTConfigurator.mm).

A rule for a whole team (TEAMID) is written only where the catalogue has the team for a service (team_ids).

Rules: https://northpole.dev/features/binary-authorization, "Rule Dictionary Format"
Profile: https://northpole.dev/deployment/profile-configuration
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from ....model.types.plan import PlanEntry
from .. import apple
from ..declaration import Decision, Format, LeftOut, NotExportable, Rendered
from ..header import json_file

CONTROL = "apps"
WHAT = "programs"  # of the profiles
RULES, PROFILE = "rules.json", "santa.mobileconfig"
DOMAIN = "com.northpolesec.santa"
NEW_LINE = "<br />"  # a message is HTML. Terminals get what an XML parser leaves of it

_IDENTIFIERS = {
    "SIGNINGID": re.compile(r"[A-Z0-9]{10}:[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII),
    "TEAMID": re.compile(r"[A-Z0-9]{10}", re.ASCII),
}
_UNKNOWN = "The catalogue does not know who signs its programs on Macs."
_NO_PROGRAM = "The catalogue has no program of it for Macs."
_OTHERS = "A rule is for what a team has signed. A copy that somebody else has signed again, or nobody, starts."


def render(decision: Decision) -> Rendered:
    """The rules, in both forms."""
    services = dict(sorted(apple.restricted(decision)))
    found = {id_: entry for id_, entry in services.items() if entry.get("signing_ids") or entry.get("team_ids")}
    rules = [rule for id_, entry in found.items() for rule in _rules(decision, id_, entry)]
    if not rules:
        raise NotExportable("nothing to export: the catalogue does not know who signs programs of a restricted service")
    payload = apple.managed(decision, WHAT, DOMAIN, "Santa", {"StaticRules": rules})
    files = {
        RULES: json_file({"rules": rules}, sort_keys=True),
        PROFILE: apple.profile(decision, "santa", WHAT, [payload]),
    }
    missing = [
        LeftOut(f"{CONTROL}/{id_}", "the programs", _UNKNOWN if _on_macs(entry) else _NO_PROGRAM)
        for id_, entry in services.items()
        if id_ not in found
    ]
    return Rendered(files, [f"{CONTROL}/{id_}" for id_ in found], [LeftOut("", "unsigned copies", _OTHERS), *missing])


def _on_macs(entry: PlanEntry) -> bool:
    return bool(entry.get("bundle_ids") or entry.get("packages", {}).get("brew_cask"))


def _rules(decision: Decision, id_: str, entry: PlanEntry) -> Iterator[dict[str, str]]:
    for type_, identifiers in (("SIGNINGID", entry.get("signing_ids", ())), ("TEAMID", entry.get("team_ids", ()))):
        for one in sorted(identifiers):
            if not _IDENTIFIERS[type_].fullmatch(one):
                raise NotExportable(f"{id_}: {one!r} is nothing that a program on macOS is signed as")
            rule = {
                "comment": f"{CONTROL}/{id_}",
                "custom_msg": _message(decision, entry["name"]),
                "identifier": one,
                "policy": "BLOCKLIST",
                "rule_type": type_,
            }
            if url := decision.plan.get("request_url"):
                rule["custom_url"] = url
            yield rule


def _message(decision: Decision, name: str) -> str:
    """What Santa shows: the service, whom to ask, and the organisation's own text in each language."""
    plan = decision.plan
    said = [f"{name} is restricted by the policy of this organisation.", f"Ask {plan['contact']}."]
    said += plan["controls"][CONTROL]["settings"].get("refusal_notice", "").split("\n")
    lines = (" ".join(line.split()) for line in said)
    return NEW_LINE.join(html.escape(line, quote=False) for line in lines if line)


FORMAT = Format(
    name="santa",
    meant_for="programs on Macs, by Santa (North Pole Security): rules to import, or a configuration profile",
    controls=(CONTROL,),
    render=render,
    accepted_by="a reader of the project's own, after Santa's",
    main=f"{RULES}, {PROFILE}",
)
