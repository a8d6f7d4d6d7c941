"""Whose a path is, by the package systems: what each is asked, and what it prints then."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.controls.apps.file_owner import owner
from proscribe.host.system import Host, Result

PATH = "/opt/chat/chat"
ANSWERS = {
    f"dpkg-query --search -- {PATH}": f"chat-stable: {PATH}\n",
    f"rpm --query --file --queryformat %{{NAME}}\n -- {PATH}": "chat-stable\nchat-beta\n",
    f"pacman --query --owns --quiet -- {PATH}": "chat-stable\n",
}


def host(root: Path, tools: Sequence[str], answers: Any) -> Host:
    (root / "usr/bin").mkdir(parents=True)
    for tool in tools:
        (root / f"usr/bin/{tool}").touch(0o755)
    return Host(str(root), lambda argv, *_, **__: answers(" ".join(argv)))


def answered(question: str) -> Result:
    return Result(0, ANSWERS[question], "") if question in ANSWERS else Result(2, "", "what?")


@pytest.mark.parametrize(("tool", "manager"), [("dpkg-query", "dpkg"), ("rpm", "rpm"), ("pacman", "pacman")])
def test_a_path_of_a_package(tmp_path, tool, manager):
    assert owner(host(tmp_path, [tool], answered), PATH) == f"the {manager} package chat-stable"


def test_a_host_without_package_systems(tmp_path):
    assert owner(host(tmp_path, [], lambda _: pytest.fail("nobody is there to be asked")), PATH) == ""
