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
from proscribe.host.system import Host
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
