"""A compiled plan (`proscribe/plan.py` says what each part is for)."""

from __future__ import annotations

import re

from proscribe.controller.compile.restrictions.readers import URL
from proscribe.controller.compile.waivers.document import REQUEST
from proscribe.model.plan import CONTROLS, SCHEMA

from .shapes import ANYTHING, DAY, SOME, TEXT, TEXTS, TIME, Shape, about, by, keyed, listed, matching, one_of

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
PORT: Shape = {"type": "integer", "minimum": 1, "maximum": 65535}

# What a service is found and blocked by.
IDENTIFIERS: dict[str, dict[str, Shape]] = {
    "apps": {
        "packages": about(by(TEXTS), "Names by package system"),
        "processes": TEXTS,
        "paths": TEXTS,
        "desktop_files": about(TEXTS, "Names of desktop entries"),
        "names": about(
            TEXTS,
            "What people call the service in their own script: AppImages and launchers of that name are reported, and "
            "never moved for it",
        ),
        "markers": about(
            by(TEXTS),
            "What its maker has left in a program: go (packages), gecko (vendors), and programs, base names that "
            "count with such a mark only",
        ),
        "windows": about(TEXTS, "Paths of Windows programs, below a folder of programs"),
        "windows_processes": about(TEXTS, "Image names of Windows programs"),
        "windows_packages": about(by(TEXTS), "Ids of Windows packages: winget, appx"),
        "windows_registered": about(
            by(TEXTS), "What installers register on Windows: names of uninstall keys, and names with their publishers"
        ),
        "bundle_ids": about(TEXTS, "Identifiers of applications on macOS"),
        "web_hosts": about(
            TEXTS, "Hosts, or host/path, of which a web app in a window of its own is one of the service"
        ),
        "web_allow": about(TEXTS, "Hosts below these that are none"),
        "serves_both": about({"const": True}, "With mode report: its programs serve permitted accounts, too"),
    },
    "browser": {
        "domains": TEXTS,
        "urls": TEXTS,
        "allow": TEXTS,
        "extensions": by(TEXTS),
        "unlisted": about(TEXTS, "Those of the names that browsers are not given, because their lists are full"),
        "open": about(TEXTS, "Those of these that the plan's DNS filter does not close"),
    },
    "firewall": {"networks": TEXTS, "ports": listed(PORT)},
    "dns": {"domains": TEXTS, "allow": TEXTS, "canaries": TEXTS},
}
MINUTE: Shape = {"type": "integer", "minimum": 0, "maximum": 1440}
WINDOW: Shape = {"type": "array", "items": MINUTE, "minItems": 3, "maxItems": 3}
HOURS = about(
    listed(WINDOW, 1), "Openings of a week on the host's clock: the day (0 is Monday), from which minute, until which"
)
PARTS = ("users", "posix_groups", "versions", "paths")  # what of a service is waived; `hours` say when
EXCEPTION = keyed({"waiver": TEXT, **dict.fromkeys(PARTS, TEXTS), "hours": HOURS}, optional=(*PARTS, "hours"))
WAIVER = keyed(
    {
        "expires": TIME,
        "users": TEXTS,
        "services": about(TEXTS, "Their names"),
        "posix_groups": TEXTS,
        "request": about(matching(REQUEST), "The id of the request that it answers"),
        "limits": about(TEXT, "Only where it does not open all of its services: what is open and what is closed"),
    },
    optional=("posix_groups", "request", "limits"),
)
ENTRY = {
    "name": TEXT,
    "mode": one_of(("enforce", "audit", "waived", "upcoming", "report")),
    "waiver": about(TEXT, "With mode waived: the waiver's id"),
    "hours": about(HOURS, "With mode waived: it is open at these times only"),
    "otherwise": about(one_of(("enforce", "audit")), "With hours: the mode at other times"),
    "opens": about(by(TEXTS), "With hours: the hosts that other services allow while this one is open"),
    "effective_from": about(DAY, "With mode upcoming: the day it begins"),
    "only": about(
        keyed({"posix_groups": TEXTS}), "For apps and firewall: it is restricted for the members of these groups alone"
    ),
    "exceptions": about(listed(EXCEPTION), "Waivers for a part: what fits one in all keys that it has is waived"),
}


def section(control: str) -> Shape:
    """The part of a control."""
    return keyed(
        {
            "mode": one_of(("enforce", "audit")),
            "services": by(keyed({**ENTRY, **IDENTIFIERS[control]}, required=("name", "mode"))),
            "settings": about(ANYTHING, "As plan.py describes them"),
            "nothing_known": about(TEXTS, "Restricted services of which the catalogue has nothing for this control"),
            "by_tenant": about(TEXTS, "Restricted services that it leaves open for the organisation's tenants"),
        },
        optional=("nothing_known", "by_tenant"),
    )


GROUP_POLICY_OBJECT = keyed(
    {
        "name": about(TEXT, "What administrators see"),
        "group": about(TEXT, "Of the inventory: whose hosts' policy it has"),
        "ous": about(TEXTS, "Where it is linked"),
        "enforced": about({"type": "boolean"}, "Whether it applies below units that block inheritance"),
        "browser": about(section("browser"), "The one policy of the group's hosts, never wider than any of theirs"),
        "request_url": about(matching(URL), "Where a refused user can ask; not there where nothing is set"),
    },
    optional=("request_url",),
)


def plan() -> Shape:
    schema = keyed(
        {
            "schema": {"const": SCHEMA},
            "digest": about(matching(DIGEST), "SHA-256 of the canonical JSON of all the rest"),
            "contact": about(TEXT, "Whom a refused user asks"),
            "request_url": about(matching(URL), "Where a refused user can ask; not there where nothing is set"),
            "watch": about(
                keyed({"every": SOME, "max_age": SOME}),
                "How often the host observes itself, and how long it takes the plan for current; not there where off",
            ),
            "later": about(
                keyed({"at": TIME, "plan": about(matching(DIGEST), "Its digest")}),
                "The plan that is in effect from then on; only with watch",
            ),
            "waivers": about(by(WAIVER), "The waivers that the plan names; only with watch"),
            "answers": about(by(by(TEXT)), "By id of a request: the answer, which the host shows to its user"),
            "group_policy": about(
                keyed({"objects": listed(GROUP_POLICY_OBJECT)}),
                "What a Samba domain controller has for the machines of its domain",
            ),
            "catalog": about(TEXT, "The release of the catalogue; not there where it has none"),
            "browsers": about(listed(ANYTHING), "Where the policies of browsers stand"),
            "controls": about(
                keyed({control: section(control) for control in CONTROLS}, required=()),
                "A control that is off is left out",
            ),
        },
        optional=("answers", "browsers", "catalog", "group_policy", "request_url", "watch", "later", "waivers"),
    )
    description = "The compiled policy of the hosts that share it, in reports/plans/<digest>.json"
    return {"title": "Plan", "description": description, **schema}
