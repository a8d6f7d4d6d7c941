"""Policy files for browsers that nobody installed: what enforcing says of them, and on which hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_browser import section
from made_places import BROWSERS
from proscribe.controller.compile.catalogue.loading import Catalogue
from proscribe.controller.compile.plans.browsers import places
from proscribe.host import run
from proscribe.host.controls import browser
from proscribe.host.controls.browser import chromium_changes
from proscribe.host.system import ControlError, Host, Unseen
from proscribe.model.plan import SCHEMA, sealed
from proscribe.wire.replies import results


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "etc").mkdir()
    (tmp_path / "var/lib").mkdir(parents=True)
    return Host(str(tmp_path))


def plan(browsers: Any) -> dict[str, Any]:
    of = section({"mail": {"domains": ["mail.example"]}})
    body = {"schema": SCHEMA, "contact": "", "browsers": browsers, "controls": {"browser": of}}
    return sealed(body)


def put(host: Host, path: str) -> None:
    place = Path(host.root + path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()


def test_a_dry_run_says_why_files_are_written_for_browsers_that_are_not_installed(
    host: Host, own_catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve files for browsers that nobody has look like a mistake to whoever reads the dry run."""
    monkeypatch.setattr(Host, "require_root", lambda self: None)
    monkeypatch.setattr(Host, "exclusive", lambda self: __import__("contextlib").nullcontext())
    of = plan(places(own_catalogue))
    answer = results.change(run.change(host, of, "browser", dry_run=True))
    (note,) = answer["notes"]
    written = [action for action in answer["actions"] if action.startswith("write ")]
    assert note.startswith(f"{len(written)} of these policy files are for browsers that are not installed: ")
    assert note.endswith("; so that a later installation is covered")
    assert all(name in note for name in ("brave", "firefox", "microsoft_edge"))


def test_what_is_installed_is_not_counted_and_a_compliant_host_gets_no_note(
    host: Host, own_catalogue: Catalogue
) -> None:
    of = plan(places(own_catalogue))
    before = browser.enforce(host, of)
    put(host, "/usr/bin/firefox")
    put(host, "/usr/lib/firefox/firefox")
    after = browser.enforce(host, of)
    assert len(after.actions) == len(before.actions)
    count = [int(changes.notes[0].split()[0]) for changes in (before, after)]
    assert count[1] == count[0] - 1 and "firefox," not in after.notes[0]
    for action in after.actions:
        action.apply()
    assert browser.enforce(host, of) == browser.Changes([], [], independent=True, notes=[])


def test_a_place_of_which_nobody_knows_where_its_browser_stands_is_not_called_absent(host: Host) -> None:
    unknown = [{key: value for key, value in one.items() if key != "paths"} for one in BROWSERS]
    changes = browser.enforce(host, plan(unknown))
    assert changes.actions and not changes.notes


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


AHEAD = "for browsers that are not installed: {}; so that a later installation is covered"
ONE = f"1 of these policy files is {AHEAD.format('b1')}"


@pytest.mark.parametrize(
    ("browsers", "there", "note"),
    [
        ([absent(1)], "", ONE),
        ([absent(1), absent(2, browsers=["b1", "b2"])], "", f"2 of these policy files are {AHEAD.format('b1, b2')}"),
        ([absent(1), absent(2, present=["/etc"])], "", ONE),
        ([absent(1)], "/b1", ""),
        ([absent(1, paths=["/a", "/b1"])], "/b1", ""),
        ([absent(1, flatpaks=["org.b1"])], "/var/lib/flatpak/app/org.b1/x", ""),
        (
            [absent(1, flatpaks=["org.b1"])],
            "/var/lib/flatpak/app/org.b2/x",
            ONE,
        ),
        ([absent(1, snaps=["b1"])], "/snap/b1/x", ""),
        (
            [absent(n) for n in range(15)],
            "",
            f"15 of these policy files are {AHEAD.format(', '.join(f'b{n}' for n in range(15)))}",
        ),
        (
            [absent(n) for n in range(17)],
            "",
            f"17 of these policy files are {AHEAD.format(', '.join(f'b{n}' for n in range(15)) + ' and 2 more')}",
        ),
    ],
)
def test_which_browsers_are_named(host: Host, browsers: list[dict[str, Any]], there: str, note: str) -> None:
    if there:
        put(host, there)
    changes = browser.enforce(host, plan(browsers))
    assert changes.notes == [note] * bool(note)
    assert len(changes.actions) == len(browsers) and changes.independent


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
