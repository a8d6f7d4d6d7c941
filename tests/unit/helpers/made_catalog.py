"""A small catalogue: a service of which much is known, one of which nothing is, a feed, and an amendment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PARROT = """\
---
id: parrot
name: Parrot
category: instant_messaging
vendor: Example
audience: consumer
enforce: true
domains:
  - parrot.example
shared_domains:
  - cdn.example
networks:
  - 8.8.8.0/24
packages:
  apt: [parrot]
  winget: [Example.Parrot]
front_doors:
  - parrot.example
decided:
  - names: [cdn.example]
    as: shared
    why: everybody's pictures lie there
  - names: [toys.example]
    as: refused
    why: merchandise
checked: 2026-01-02
networks_checked: 2024-10-21
unverified:
  domains:
    - parrot.test.example
sources:
  - a test
"""
OWL = (
    "---\nid: owl\nname: Owl\ncategory: webmail\nvendor: E\naudience: consumer\nenforce: true\n"
    "unverified: {domains: [owl.example]}\nsources: [a test]\n"
)
AMENDS = "---\namends: parrot\naccept: {domains: [parrot.test.example]}\nsources: [our desk]\n"
FEED = "---\nid: birds\nname: Birds\nservice: parrot\nkind: domains\nchecked: 2026-01-02\nsources: [a test]\n"
USUAL = {
    "instant_messaging/parrot.yml": PARROT,
    "webmail/owl.yml": OWL,
    "feeds/birds.yml": FEED,
    "feeds/birds.txt": "finch.example\n",
    "../ours/amends/parrot.yml": AMENDS,
}


def written(place: Path, files: Mapping[str, str]) -> Path:
    """The catalogue in a directory, with these files besides or instead."""
    root = place / "catalog"
    for name, text in {**USUAL, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root
