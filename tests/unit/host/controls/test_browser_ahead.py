"""Policy files for browsers that nobody installed: what enforcing says of them, and on which hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_browser import section
from made_places import BROWSERS
from proscribe.host.controls import browser
from proscribe.host.controls.browser import chromium_changes
from proscribe.host.system import ControlError, Host, Unseen
from proscribe.model.plan import SCHEMA, sealed


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "etc").mkdir()
    (tmp_path / "var/lib").mkdir(parents=True)
    return Host(str(tmp_path))


def plan(browsers: Any) -> dict[str, Any]:
    of = section({"mail": {"domains": ["mail.example"]}})
    body = {"schema": SCHEMA, "contact": "", "browsers": browsers, "controls": {"browser": of}}
    return sealed(body)


def absent(number: int, **more: Any) -> dict[str, Any]:
    """A browser that nobody has installed."""
    path = f"/etc/b{number}/policies/managed/proscribe.json"
    return {
        "id": f"b{number}",
        "family": "chromium",
        "path": path,
        "browsers": [f"b{number}"],
        "paths": [f"/b{number}"],
        **more,
    }


def test_what_cannot_be_seen_may_be_there(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Host.stat

    def stat(self: Host, path: str) -> Any:
        if path == "/b1":
            raise Unseen("Host is down")
        return real(self, path)

    monkeypatch.setattr(Host, "stat", stat)
    assert browser.enforce(host, plan([absent(1)])).notes == []


def test_a_place_that_cannot_be_observed_is_an_action_that_fails(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise Unseen("Host is down")

    monkeypatch.setattr(chromium_changes, "Folder", refuse)
    for work in (browser.enforce, browser.lift):
        first, second = work(host, plan(BROWSERS)).actions[:2]
        assert (str(first), first.subject < second.subject) == (f"observe {BROWSERS[0]['path']}", True)
        with pytest.raises(ControlError, match="Host is down"):
            first.apply()
