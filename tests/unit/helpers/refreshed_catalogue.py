"""A small catalogue whose lists come out of a folder, for the tests of refreshing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from proscribe.controller.cli import command_line as launcher

PARROT = """\
---
id: parrot
name: Parrot
category: circumvention
vendor: Example
class: vpn
enforce: true
domains:
  - parrot.example
shared_domains:
  - cdn.example
allow_domains:
  - work.parrot.example
networks:
  - 8.8.4.0/24
  - 8.8.8.8/32
checked: 2026-01-02
networks_checked: 2026-01-02
decided:
  - names: [toys.example]
    as: refused
    why: merchandise
unverified:
  domains:
    - unsure.example
sources:
  - a test
"""
BIRDS = "---\nid: birds\nname: Birds\nservice: parrot\nkind: domains\nchecked: 2026-01-02\nsources:\n  - a test\n"
DAY = 1_790_000_000  # 2026-09-21


class Refreshed:
    """The catalogue `release`, the organisation's own `ours`, and a folder of lists."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self.release, self.ours, self.lists = root, root / "release", root / "ours", root / "lists"
        self._capsys = capsys
        for directory in (self.release, self.ours, self.lists):
            directory.mkdir()
        self.write("release/circumvention/parrot.yml", PARROT)

    def write(self, name: str, text: str) -> Path:
        """Write a file of a directory."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def publishers(self, directory: str, *rows: Mapping[str, Any]) -> None:
        """Write publishers.yml: each row an id with what differs from a list of names for the feed birds."""
        usual = {"format": "lines", "into": "feed", "of": "birds", "least": "1"}
        listed = [{"url": f"https://x.example/{row['id']}", **usual, **row} for row in rows]
        self.write(f"{directory}/publishers.yml", yaml.safe_dump(listed))

    def refresh(self, lists: Mapping[str, str], *words: str) -> tuple[int, list[str]]:
        """Refresh from these lists; the exit code and what was printed."""
        for name, text in lists.items():
            os.utime(self.write(f"lists/{name}", text), (DAY, DAY))
        directories = ["--catalog", str(self.release), "--dir", str(self.ours)]
        code = launcher.main(["catalog", "refresh", *directories, "--from", str(self.lists), *words])
        return code, "".join(self._capsys.readouterr()).splitlines()

    def content(self) -> dict[str, bytes]:
        """What is in the directories."""
        files = [*self.release.rglob("*.*"), *self.ours.rglob("*.*")]
        return {str(path.relative_to(self.root)): path.read_bytes() for path in sorted(files)}

    def data(self, name: str) -> Any:
        """What a file says."""
        return yaml.load((self.root / name).read_text(), yaml.BaseLoader)
