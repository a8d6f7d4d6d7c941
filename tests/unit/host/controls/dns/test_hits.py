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


@pytest.mark.parametrize(
    ("line", "name"),
    [
        # unbound 1.22 of Debian 13
        ("[177:0] info: wechat.com. always_nxdomain 127.0.0.1@39478 photos.wechat.com. A IN", "wechat.com"),
        ("[177:0] info: wechat.com. always_nxdomain ::1@39478 wechat.com. HTTPS IN", "wechat.com"),
        ("[177:0] info: work.wechat.com. transparent 127.0.0.1@39478 work.wechat.com. A IN", None),
        ("[177:0] info: generate keytag query _ta-4f66-9728. NULL IN", None),
        # dnsmasq 2.91: to the journal, to its standard error, and with log-queries=extra
        ("config photos.wechat.com is NXDOMAIN", "photos.wechat.com"),
        ("dnsmasq[301]: config Photos.WeChat.com is NXDOMAIN", "Photos.WeChat.com"),
        ("3 127.0.0.1/47211 config wechat.com is NXDOMAIN", "wechat.com"),
        # as an observation spells what it asks for
        ("config WECHAT.COM is NXDOMAIN", None),
        ("[177:0] info: wechat.com. always_nxdomain 127.0.0.1@39478 WECHAT.COM. A IN", None),
        ("config wechat.com is NODATA-IPv6", None),
        ("config wechat.com is 192.0.2.1", None),
        ("query[A] photos.wechat.com from 127.0.0.1", None),
        ("reply nowhere.example is NXDOMAIN", None),
        ("cached nowhere.example is NXDOMAIN", None),
        ("query[A] config from 127.0.0.1", None),
    ],
)
def test_which_lines_tell_a_hit(line: str, name: str | None) -> None:
    language = unbound.LANGUAGE if "info:" in line else dnsmasq.LANGUAGE
    assert list(hits.named(f"Started.\n{line}\n", language.hit)) == ([] if name is None else [name])


def test_a_language_without_lines_about_refusals_has_no_hits() -> None:
    assert list(hits.named("config wechat.com is NXDOMAIN\n", None)) == []


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


@pytest.mark.parametrize(
    ("text", "logs"),
    [
        ("log-queries\n", True),
        ("port=53\n log-queries=extra\n", True),
        ("# log-queries\n", False),
        ("no-log-queries\n", False),
        ("a\n log-queries=extra # all", True),
        ("xlog-queries", False),
        ("", False),
    ],
)
def test_only_the_log_queries_option_makes_dnsmasq_log(text: str, logs: bool) -> None:
    assert dnsmasq.logs_queries(["port=53\n", text]) is logs
