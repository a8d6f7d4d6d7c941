"""Hosts whose own variables and waivers a run does not read are asked for nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from proscribe.controller.compile.inventory import nested

HOSTS = "department: {hosts: {one: {}}}\n"


def made(top: Path, *paths: str) -> Path:
    for path in paths:
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(HOSTS)
    return top


def mistakes(*sources: Path) -> list[str]:
    return [str(mistake) for mistake in nested.nested([str(source) for source in sources])]


def test_where_no_file_is_around_it_none_is_named(tmp_path: Path) -> None:
    top = made(tmp_path, "prod/hosts.yml", "prod/approvers.yml")
    assert mistakes(top)[0].endswith(f"expected an inventory of its own: -i {top}/prod")


@pytest.mark.parametrize(("deep", "found"), [(nested.DEEPEST, 1), (nested.DEEPEST + 1, 0)])
def test_folders_are_looked_into_down_to_a_depth(tmp_path: Path, deep: int, found: int) -> None:
    top = made(tmp_path, "hosts.yml", f"{'a/' * deep}approvers.yml")
    assert len(mistakes(top)) == found
