"""What `./proscribe diff` prints of a rich difference, and how it asks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from proscribe.controller.cli import diff
from proscribe.controller.cli.diff import Compared, Group
from proscribe.controller.cli.diff.earlier_plans import Earlier
from proscribe.controller.compile.plans.difference import CONTROL, IDENTIFIER, PLAN, SERVICE, SETTING, Change
from recording import compare, fold, join_files

RECORDED = Path(__file__).parents[2] / "recorded/cli"
MANY = tuple(f"n{number}.example" for number in range(diff.MOST_NAMES + 2))
CHANGES = (
    Change("", PLAN, "", "contact", before="", after="desk\x1b[2J"),
    Change("", PLAN, "", "request_url", before="desk", after=""),
    Change("apps", CONTROL, "", "", before="off", after="enforce"),
    Change("apps", SETTING, "", "quarantine", before="", after="/srv/q"),
    Change(
        "apps", SERVICE, "owl", after="enforce", counts=(("packages.apt", 1), ("packages.snap", 1), ("paths", 1200))
    ),
    Change("apps", SERVICE, "gull", before="audit"),
    Change("apps", SERVICE, "wren", before="audit", after="enforce", counts=(("paths", 3),)),
    Change("firewall", SERVICE, "owl", after="enforce", counts=(("networks", 2),)),
    Change("firewall", SERVICE, "parrot", before="enforce", after="", counts=(("networks", 1),)),
    Change("firewall", IDENTIFIER, "elf", "networks", added=("192.0.2.0/24",)),
    Change("dns", IDENTIFIER, "elf", "domains", added=MANY, removed=("gone.example",)),
    Change("dns", IDENTIFIER, "a_service_with_a_name_that_is_much_too_long", "domains", removed=MANY[:2]),
    Change("dns", SETTING, "elf", "allow", before="x", after="y"),
)
MORE = tuple(Change("dns", IDENTIFIER, f"s{number}", "domains", added=("a",)) for number in range(len(CHANGES) + 2))
HOSTS = tuple(f"h{number:02}" for number in range(diff.MOST_HOSTS + 2))
DEPARTMENTS = {"press": HOSTS[:3], "it\x1b": ("x", HOSTS[0]), "other": ("y",), "none": ()}
GROUPS = (Group(CHANGES, HOSTS), Group(MORE, ("z",)), Group(MORE[:-1], ("y",)))
FOUND = Compared(GROUPS, fresh=("new1",), gone=HOSTS, compared=1200)
BEFORE = Earlier("v1\x1b", {}, {}, ("a\x1b note", "another"), {Path("/srv/a"): "abc", Path("/srv/b"): "def"})


def test_all_of_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diff, "MOST_LINES", len(CHANGES))
    first = FOUND._replace(groups=GROUPS[:1])
    shown = {
        "all": "\n".join(diff.render(BEFORE, FOUND, DEPARTMENTS, 100, False)),
        "narrow": "\n".join(diff.render(BEFORE, first, DEPARTMENTS, 40, False)),
        "colours": "\n".join(diff.render(BEFORE, first._replace(fresh=(), gone=()), {}, 100, True)),
        "JSON": fold(json.dumps(diff.as_json(BEFORE, first, DEPARTMENTS)).replace("}, {", "},\n{"), 120),
    }
    compare(RECORDED / "diff.printed.txt", join_files(shown))
