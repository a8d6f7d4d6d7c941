"""How often a filter has answered for each service, out of what its resolver logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.controls.dns import hits
from proscribe.host.controls.dns.backends import dnsmasq, unbound
from proscribe.host.system import ControlError, Host, Result

SERVICES = {"wechat": {"wechat.com", "wx.qq.com"}, "personal": {"home.work.wechat.com"}, "also": {"wx.qq.com"}}


def journal(root: Path, text: str | None) -> tuple[Host, list[list[str]]]:
    """A host with that journal, or (None) with a journalctl that does not end; and how it was asked."""
    calls = []

    def run(argv: list[str], **options: Any) -> Result:
        calls.append(argv)
        if text is None or not options["timeout"] == hits.PATIENCE > 0:
            raise ControlError("no answer")
        newest = int(argv[-1].partition("=")[2])
        return Result(0, "\n".join(text.splitlines()[-newest:] if newest else ()), "")

    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/journalctl").touch(mode=0o755)
    return Host(str(root), run), calls


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Host, "privileged", True)


def test_hits_are_counted_by_the_service_of_the_nearest_name(tmp_path: Path) -> None:
    text = "".join(
        f"config {name} is NXDOMAIN\n"
        for name in (
            "a.wechat.com",
            "WeChat.com",
            "x.home.work.wechat.com",
            "wx.qq.com",
            "notwechat.com",
            "own.example",
        )
    )
    host, calls = journal(tmp_path, text)
    assert hits.count(host, "dnsmasq.service", dnsmasq.LANGUAGE.hit, SERVICES) == {
        "wechat": 3,
        "personal": 1,
        "also": 1,
    }
    options = ["--unit=dnsmasq.service", "--boot", "--quiet", "--no-pager", "--output=cat", f"--lines={hits.LINES}"]
    assert calls == [["/usr/bin/journalctl", *options]]


def test_an_unreadable_journal_has_no_hits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hits.count(Host(str(tmp_path)), "unbound.service", unbound.LANGUAGE.hit, SERVICES) == {}
    host, calls = journal(tmp_path, None)
    assert (hits.count(host, "unbound.service", unbound.LANGUAGE.hit, SERVICES), len(calls)) == ({}, 1)
    monkeypatch.setattr(Host, "privileged", False)
    assert (hits.count(host, "unbound.service", unbound.LANGUAGE.hit, SERVICES), len(calls)) == ({}, 1)


@given(st.text(max_size=300))
def test_reading_a_log_never_fails(text: str) -> None:
    assert all(name for language in (dnsmasq, unbound) for name in hits.named(text, language.LANGUAGE.hit))
