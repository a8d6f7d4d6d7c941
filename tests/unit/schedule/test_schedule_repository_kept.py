"""The repository of a host that pulls: what it has is kept from run to run, and what could have it run code is not."""

from __future__ import annotations

import os
from pathlib import Path

from proscribe.schedule import commits

SETTINGS = {"repository": "https://git.example.org/policy.git", "branch": "main", "signed": False}


def test_what_was_fetched_stays_and_what_would_run_something_goes(tmp_path: Path) -> None:
    """With it the last good commit would be lost: a host whose server is gone then had no policy at all."""
    one = commits.Checkout(str(tmp_path), SETTINGS)
    one.prepare()
    store = Path(one.store)
    (store / "objects/kept").write_text("fetched")
    odd = ("hooks/post-checkout", "info/attributes", "objects/info/alternates", "shallow", "refs/replace/x")
    for name in odd:
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).write_text("of an attacker")
    (Path(one.directory) / ".git").mkdir()
    (store / "config").write_text("[core]\n\thooksPath = /tmp\n")
    one.prepare()
    assert (store / "objects/kept").read_text() == "fetched"
    assert [name for name in odd if (store / name).exists()] == []
    assert os.listdir(one.directory) == []
    assert (store / "config").read_text() == commits.CONFIG.format(scheme="https")


def test_what_is_no_repository_is_made_anew(tmp_path: Path) -> None:
    one = commits.Checkout(str(tmp_path), SETTINGS)
    Path(one.store).mkdir()
    (Path(one.store) / "rest").touch()
    one.prepare()
    assert not (Path(one.store) / "rest").exists() and (Path(one.store) / "objects").is_dir()
    assert one.good() == ""
