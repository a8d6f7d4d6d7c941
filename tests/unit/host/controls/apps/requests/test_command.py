"""The command `proscribe-request` on a host, and the list of services that it knows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from made_host import MadeHost
from proscribe.host.controls.apps.blocks.parts import DIFFERS, LEFT_OVER, MISSING
from proscribe.host.controls.apps.requests import command, command_text
from proscribe.host.controls.apps.requests.command import Program
from proscribe.host.system import Unseen

DIGEST = command_text.digest()
COMMAND, LIST = "/usr/local/bin/proscribe-request", "/etc/proscribe/requests.json"


def entry(name: str = "", mode: str = "enforce", names: list[str] | None = None) -> dict[str, Any]:
    return {"name": name, "mode": mode, **({"names": names} if names else {})}


def plan(mode: str = "enforce", digest: str = DIGEST, **services: dict[str, Any]) -> Any:
    apps = {"mode": mode, "services": services or {"owl": entry("Owl")}, "settings": {"requests": digest}}
    return {"contact": "it@example.org", "controls": {"apps": apps}}


def observed(host: MadeHost, of: Any) -> list[tuple[str, list[tuple[str, str]], str]]:
    verdicts = command.observe(host, of)
    for verdict in verdicts:
        found = [(one.kind, one.id, one.path) for one in verdict.findings]
        assert verdict.rule == "apps/request-command"
        assert {*found} <= {("command", "requests.json", LIST), ("command", "proscribe-request", COMMAND)}
    return [(one.state, [(of.id, of.detail) for of in one.findings], one.reason) for one in verdicts]


def test_what_is_observed_of_it(host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    other = plan(owl=entry(mode="waived"))
    names = ("requests.json", "proscribe-request")
    assert observed(host, other) == [] and observed(host, plan("audit")) == []
    assert observed(host, plan()) == [("noncompliant", [(name, MISSING) for name in names], "")]
    for part in command.parts(plan()):
        part.enforce(host)
    assert observed(host, plan()) == [("compliant", [], "")] and observed(host, plan("audit")) == []
    assert observed(host, other) == [("noncompliant", [(name, LEFT_OVER) for name in names], "")]

    def unseen(*_: Any) -> None:
        raise Unseen("a dead mount")

    monkeypatch.setattr(host, "stat", unseen)
    assert observed(host, plan()) == [("unknown", [], "a dead mount")]


class TestTheProgram:
    ONE = Program(DIGEST)

    def test_there_and_back(self, host: MadeHost) -> None:
        said = f"a program, SHA-256 {DIGEST}\n"
        assert (self.ONE.wrong(host, True), self.ONE.wrong(host, False)) == (MISSING, "")
        assert (self.ONE.in_place(host), self.ONE.text(host), self.ONE.desired(host)) == (False, "", said)
        self.ONE.enforce(host)
        assert (self.ONE.wrong(host, True), self.ONE.wrong(host, False)) == ("", LEFT_OVER)
        assert (self.ONE.in_place(host), self.ONE.text(host), self.ONE.left(host)) == (True, said, "")
        assert os.stat(host.root + COMMAND).st_mode & 0o777 == 0o755 and self.ONE.concerns(host)
        self.ONE.lift(host)
        assert not os.path.lexists(host.root + COMMAND)

    def test_what_is_wrong_with_it(self, host: MadeHost) -> None:
        self.ONE.enforce(host)
        place = Path(host.root + COMMAND)
        place.chmod(0o775)
        assert self.ONE.wrong(host, True) == "has mode 0775 instead of 0755"
        place.chmod(0o755)
        assert Program("0").wrong(host, True) == DIFFERS
        place.unlink()
        place.symlink_to("/bin/true")
        assert self.ONE.wrong(host, True) == "not a regular file"
        place.unlink()
        place.mkdir()
        assert self.ONE.text(host) != "" != self.ONE.wrong(host, True)
