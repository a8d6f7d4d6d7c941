"""A compiled plan (`proscribe/plan.py` says what each part is for)."""

from __future__ import annotations

import re

from proscribe.compile.waivers.waiver import NARROWER
from proscribe.plan import CONTROLS, SCHEMA

from .shapes import ANYTHING, DAY, TEXT, TEXTS, Shape, about, by, keyed, listed, matching, one_of

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
        "web_hosts": about(
            TEXTS, "Hosts, or host/path, of which a web app in a window of its own is one of the service"
        ),
        "web_allow": about(TEXTS, "Hosts below these that are none"),
    },
    "browser": {"domains": TEXTS, "urls": TEXTS, "allow": TEXTS, "extensions": by(TEXTS)},
    "firewall": {"networks": TEXTS, "ports": listed(PORT)},
    "dns": {"domains": TEXTS, "allow": TEXTS, "canaries": TEXTS},
}
EXCEPTION = keyed({"waiver": TEXT, **dict.fromkeys(NARROWER, TEXTS)}, optional=NARROWER)
ENTRY = {
    "name": TEXT,
    "mode": one_of(("enforce", "audit", "waived", "upcoming", "report")),
    "waiver": about(TEXT, "With mode waived: the waiver's id"),
    "effective_from": about(DAY, "With mode upcoming: the day it begins"),
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
        },
        optional=("nothing_known",),
    )


def plan() -> Shape:
    schema = keyed(
        {
            "schema": {"const": SCHEMA},
            "digest": about(matching(DIGEST), "SHA-256 of the canonical JSON of all the rest"),
            "contact": about(TEXT, "Whom a refused user asks"),
            "answers": about(by(by(TEXT)), "By id of a request: the answer, which the host shows to its user"),
            "catalog": about(TEXT, "The release of the catalogue; not there where it has none"),
            "browsers": about(listed(ANYTHING), "Where the policies of browsers stand"),
            "controls": about(
                keyed({control: section(control) for control in CONTROLS}, required=()),
                "A control that is off is left out",
            ),
        },
        optional=("answers", "browsers", "catalog"),
    )
    description = "The compiled policy of the hosts that share it, in reports/plans/<digest>.json"
    return {"title": "Plan", "description": description, **schema}
