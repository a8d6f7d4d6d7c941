"""What stands before a run's command: what the environment said of its scope, and sudo."""

from __future__ import annotations

import os
from collections.abc import Mapping

import pytest
from proscribe.controller.report.collection import invocation
from proscribe.wire import installation


@pytest.mark.parametrize(
    ("environment", "before"),
    [
        ({}, ()),
        ({"HOME": "/root", "PROSCRIBE": "x"}, ()),
        ({"ANSIBLE_CONFIG": installation.CONFIGURATION}, ()),  # by the launcher itself
        ({"ANSIBLE_CONFIG": "/etc/mine.cfg"}, ("env", "ANSIBLE_CONFIG=/etc/mine.cfg")),
        ({"ANSIBLE_CONFIG": ""}, ()),
        ({"SUDO_COMMAND": "/opt/proscribe/proscribe audit"}, ("sudo",)),
        ({"SUDO_COMMAND": "/usr/bin/bash"}, ()),
        (
            {"SUDO_COMMAND": "./proscribe audit", "ANSIBLE_CONFIG": "/etc/mine.cfg"},
            ("sudo", "env", "ANSIBLE_CONFIG=/etc/mine.cfg"),
        ),
    ],
)
def test_what_stands_before(
    environment: Mapping[str, str], before: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert invocation._before(environment, "./proscribe") == before


def test_who_is_not_root_was_not_started_by_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert invocation._before({"SUDO_COMMAND": "./proscribe audit"}, "./proscribe") == ()
