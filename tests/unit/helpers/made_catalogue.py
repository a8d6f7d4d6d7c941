"""A small catalogue on the disk, for the tests of loading."""

from pathlib import Path

from proscribe.controller.compile.catalogue.catalogue_loader import read_catalogue
from proscribe.controller.policy_errors import PolicyErrors

OWN = Path(__file__).resolve().parents[3] / "catalog"

GOOD = """\
---
id: parrot
name: Parrot
category: instant_messaging
vendor: Example
audience: consumer
enforce: true
domains:
  - parrot.example.com
  - parrot.example
packages:
  apt: [parrot]
sources: [a test]
"""


def errors_of(*directories):
    """The mistakes of a load; none at all if it succeeds."""
    try:
        read_catalogue(directories)
    except PolicyErrors as wrong:
        return list(wrong.errors)
    return []


class Made:
    """Catalogue directories below a temporary one."""

    def __init__(self, root):
        self.root = root

    def __call__(self, text, name="instant_messaging/parrot.yml", directory="catalog"):
        """Write a file of a catalogue and return the catalogue's directory."""
        path = self.root / directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return self.root / directory
