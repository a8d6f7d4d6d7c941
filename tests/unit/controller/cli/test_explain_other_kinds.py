"""`explain` reports that a name is of another kind; a quarantine that cannot be read whole is no success."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from made_policy import NOW, question
from proscribe.controller.cli import explain
from proscribe.controller.compile.plans.hosts import compile_hosts


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("press01", "is a host of the inventory: name what is to be explained there, with --host press01"),
        ("press", "is a group of the inventory: name what is to be explained there, with --host press"),
        ("instant_messaging", "is a category of services: explain one of parrot"),
        ("dns", "is a control"),
        ("nothing", ""),
    ],
)
def test_what_explain_is_asked_about_may_be_of_another_kind(tmp_path: Path, word: str, hint: str) -> None:
    hosts = question(tmp_path / "inventory", {"press01": {}}, press=["press01"])
    said = explain._of_another_kind(word, hosts, compile_hosts(hosts, NOW), argparse.Namespace())
    assert hint in said and bool(hint) == bool(said)
