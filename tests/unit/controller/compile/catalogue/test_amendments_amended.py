"""What an amendment makes of an entry, and what a feed's files make: all of it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from proscribe.controller.compile.catalogue.amendments import Origins, amended
from proscribe.controller.compile.reading.yaml_file import Document, read_yaml

ENTRY_DATA: dict[str, Any] = yaml.safe_load("""
id: parrot
notes: ""
audience: consumer
enforce: "true"
programs: private
domains: [a.example, b.example]
packages: {apt: [parrot], rpm: [parrot]}
markers: {go: [x.example/y]}
decided: [{names: [n.example], as: shared, why: x}]
compared: [{with: one, day: "2026-01-01"}, {with: two, day: "2026-01-02"}]
unverified: {domains: [u.example], packages: {apt: [parrot-beta], snap: [parrot]}, notes: of these}
sources: [a test, another]
""")
AMENDMENT = """
amends: parrot
accept: {domains: [u.example, v.example], packages: {snap: [parrot]}}
add: {domains: [c.example, a.example], urls: [d.example/x], packages: {apt: [parrot-beta, parrot-x]}}
remove: {domains: [b.example, zebra], packages: {rpm: [parrot]}, markers: {go: [x.example/y]}}
audience: both
enforce: "false"
programs: both
checked: "2026-11-01"
networks_checked: "2026-11-02"
networks_note: new
checked_accepted: {day: "2026-11-01"}
decided: [{names: [m.example], as: refused, why: y}]
compared: [{with: two, day: "2026-02-02"}, {with: three, day: "2026-02-03"}]
notes: not taken
sources: [another, our desk]
"""


def document(path: Path, text: str) -> Document:
    path.write_text(text)
    return read_yaml(path)


def test_what_an_amendment_makes_of_an_entry(tmp_path: Path) -> None:
    before = copy.deepcopy(ENTRY_DATA)
    earlier = document(tmp_path / "earlier.yml", "amends: parrot\n")
    origins: Origins = {
        (("domains",), "a.example"): (earlier, ("add", "domains", 0)),
        (("domains",), "b.example"): (earlier, ("add", "domains", 1)),
    }
    ours = document(tmp_path / "ours.yml", AMENDMENT)
    found, mistakes = amended(ENTRY_DATA, origins, ours)
    assert found.data == yaml.safe_load("""
        id: parrot
        notes: ""
        audience: both
        enforce: "false"
        programs: both
        domains: [a.example, u.example, c.example]
        urls: [d.example/x]
        packages: {apt: [parrot, parrot-x], snap: [parrot]}
        decided: [{names: [n.example], as: shared, why: x}, {names: [m.example], as: refused, why: y}]
        compared: [{with: one, day: "2026-01-01"}, {with: two, day: "2026-02-02"}, {with: three, day: "2026-02-03"}]
        unverified: {packages: {apt: [parrot-beta]}, notes: of these}
        checked: "2026-11-01"
        networks_checked: "2026-11-02"
        networks_note: new
        checked_accepted: {day: "2026-11-01"}
        sources: [a test, another, our desk]
        """)
    assert found.origins == {
        (("domains",), "a.example"): (earlier, ("add", "domains", 0)),
        (("domains",), "u.example"): (ours, ("accept", "domains", 0)),
        (("packages", "snap"), "parrot"): (ours, ("accept", "packages", "snap", 0)),
        (("domains",), "c.example"): (ours, ("add", "domains", 0)),
        (("urls",), "d.example/x"): (ours, ("add", "urls", 0)),
        (("packages", "apt"), "parrot-x"): (ours, ("add", "packages", "apt", 1)),
    }
    assert mistakes == [
        (("accept", "domains", 1), "v.example", "a value that parrot has under unverified"),
        (("add", "domains", 1), "a.example", "a value that parrot does not have yet"),
        (("add", "packages", "apt", 0), "parrot-beta", "it under accept: parrot has it under unverified"),
        (("remove", "domains", 1), "zebra", "a value that parrot has"),
    ]
    assert before == ENTRY_DATA and len(origins) == 2


FEED = 'id: birds\nname: Birds\nservice: parrot\nkind: domains\nchecked: "2026-01-02"\nsources: [a test]\n'
