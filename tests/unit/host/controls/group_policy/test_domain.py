"""The tools of Samba: which is missing is said, and what one prints is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from proscribe.host.controls.group_policy import domain
from proscribe.host.system import ControlError, Host, Result


class Controller(Host):
    """A host at its own root, with these tools."""

    def __init__(self, root: str, tools: Sequence[str], rc: int = 0) -> None:
        super().__init__(root, self.answer)
        self.tools, self.rc = tools, rc
        self.ran: list[str] = []

    def tool(self, name: str) -> str | None:
        return f"/usr/bin/{name}" if name in self.tools else None

    def answer(self, argv: Sequence[str], **_: Any) -> Result:
        self.ran.append(" ".join(argv))
        return Result(self.rc, "printed", "no such object")


def test_a_tool_that_is_missing_names_its_packages() -> None:
    host = Controller("/", ["ldbsearch"])
    with pytest.raises(ControlError, match=f"testparm is not installed on this host: {domain.PACKAGES}"):
        domain.run(host, ["testparm"])
    assert host.ran == []
    assert domain.run(host, ["ldbsearch", "-H", "x"]) == "printed" and host.ran == ["ldbsearch -H x"]


def test_a_tool_that_fails_is_an_error_unless_it_may() -> None:
    host = Controller("/", ["testparm"], rc=1)
    assert domain.run(host, ["testparm"], may_fail=True) == ""
    with pytest.raises(ControlError, match="no such object"):
        domain.run(host, ["testparm"], may_fail=False)
