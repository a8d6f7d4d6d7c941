"""AppLocker: which programs may not run on Windows, as a policy that the console and Set-AppLockerPolicy import.

host/controls/group_policy/applocker.py makes the rules, which a domain controller gets too.
"""

from __future__ import annotations

from ....host.controls.group_policy import applocker
from ....model.plan import RESTRICTED_MODES
from ..declaration import Decision, Format, LeftOut, NotExportable, Rendered
from ..header import header

CONTROL = "apps"
FILE = "applocker.xml"
SERVICE = LeftOut(
    "",
    "the service Application Identity",
    "Rules are in effect while it runs. Set AppIDSvc to start automatically, as the control group_policy does.",
)
NOTHING = "The catalogue has no name of its programs on Windows, no publisher and no packaged app."
NO_PUBLISHER = "The catalogue has no publisher of it, by which AppLocker knows packaged apps."


def render(decision: Decision) -> Rendered:
    """The policy. Raises NotExportable for a plan that denies nothing."""
    section = decision.plan["controls"][CONTROL]
    if applocker.mode_of(section) == applocker.OFF:
        raise NotExportable("nothing to export: proscribe_applocker is off for these hosts")
    rules = applocker.rules(section)
    included = sorted({rule.service for found in rules.values() for rule in found if rule.service})
    if not included:
        raise NotExportable("nothing to export: the catalogue has no program on Windows of a restricted service")
    try:
        policy = applocker.policy(section, header(decision, "applocker"))
    except ValueError as wrong:
        raise NotExportable(f"the rules have a text that AppLocker does not take: {wrong}") from None
    left_out = [SERVICE]
    if applocker.mode_of(section) == applocker.AUDIT:
        why = "proscribe_applocker is audit, so Windows logs what it would deny: AppLocker's events 8003, 8006, 8021."
        left_out.append(LeftOut("", "all programs", why))
    for id_, entry in sorted(section["services"].items()):
        if entry["mode"] not in RESTRICTED_MODES:
            continue
        if id_ not in included:
            left_out.append(LeftOut(f"{CONTROL}/{id_}", "the programs", NOTHING))
        known = {one.rpartition("\\")[2] for one in entry.get("windows_publishers", {}).get("appx", ())}
        for family in entry.get("windows_packages", {}).get("appx", ()):
            if family.partition("_")[0] not in known:
                left_out.append(LeftOut(f"{CONTROL}/{id_}", f"packaged app {family}", NO_PUBLISHER))
    return Rendered({FILE: policy}, [f"{CONTROL}/{id_}" for id_ in included], left_out)


FORMAT = Format(
    name="applocker",
    meant_for="programs on Windows: a policy of AppLocker, for the console, Set-AppLockerPolicy and device management",
    controls=(CONTROL,),
    render=render,
    accepted_by="an evaluator of the project's own, by Microsoft's documented rules",
    main=FILE,
)
