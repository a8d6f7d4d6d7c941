"""What the backends with a real filter say of a host: whether their file stands, is in effect, and what goes round it.

A made resolver stands for dnsmasq and its like; what these say themselves is in the tests of each.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.controls.dns import filtering, rendering
from proscribe.host.controls.dns.backends.dnsmasq import LANGUAGE
from proscribe.host.controls.dns.desired import Desired
from proscribe.host.controls.dns.filtering import Filter, Stage
from proscribe.host.system import Host, Result
from proscribe.model.finding import Finding, Verdict

FILE, CONF = "/etc/made/names.conf", "/etc/made/made.conf"
UNIT = "/etc/systemd/system/multi-user.target.wants/made.service"
DESIRED = Desired(
    {"wechat": ["wechat.com", "wx.qq.com"]}, {"wx.qq.com": "it is needed"}, frozenset(["open.wechat.com"])
)
SECTION: dict[str, Any] = {
    "mode": "enforce",
    "services": {"wechat": {"name": "WeChat", "mode": "enforce", "domains": DESIRED.services["wechat"], "allow": []}},
}
TEXT = rendering.text(LANGUAGE, DESIRED)


class Machine(Host):
    """A host on whose loopback addresses something answers with a text, or does not."""

    def __init__(self, root: Path, answers: str | None | OSError = "the file's", journal: str = "") -> None:
        super().__init__(str(root), lambda argv, **options: Result(0, journal, ""))
        self.answers = answers
        self.queried: list[tuple[str, int]] = []
        for path, text in ((FILE, TEXT), (CONF, "conf\n"), (UNIT, ""), ("/usr/bin/journalctl", "")):
            (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            (root / path[1:]).write_text(text)
        (root / "usr/bin/journalctl").chmod(0o755)

    @property
    def privileged(self) -> bool:
        return True

    def exchange(self, address: str, port: int, message: bytes, timeout: float) -> bytes | None:
        self.queried.append((address, port))
        if not isinstance(self.answers, str):
            if self.answers is None:
                return None
            raise self.answers
        said = rendering.digest_in(TEXT) if self.answers == "the file's" else self.answers
        record = b"\xc0\x0c" + struct.pack(">HHIH", 16, 1, 0, len(said) + 1) + bytes([len(said)]) + said.encode()
        return struct.pack(">HHHHHH", 0x5052, 0x8180, 1, 1, 0, 0) + message[12:] + record


def made(**other: Any) -> Filter:
    stages = [
        Stage({CONF: "conf\n"}, [], [("127.0.0.2", 53)]),
        Stage({FILE: TEXT}, [], [("127.0.0.3", 5353)], exists=[UNIT]),
    ]
    return Filter("made", FILE, LANGUAGE, lambda text: stages, ["check"], ["made.service"], **other)


def observed(
    host: Host, filter_: Filter | None = None, desired: Desired = DESIRED, leftovers: Sequence[Finding] = ()
) -> tuple[Verdict, Verdict]:
    wechat, whole = filtering.observe(host, SECTION, desired, filter_ or made(), leftovers)
    assert (wechat.rule, whole.rule) == ("dns/wechat", "dns/resolver")
    return wechat, whole


LEFT = Finding("name", "wx.qq.com", "made", path=FILE, detail="not blocked: it is needed")


@pytest.mark.parametrize(
    ("answers", "state", "reason"),
    [
        ("0123456789abcdef", "noncompliant", ""),
        (ConnectionRefusedError(), "noncompliant", ""),
        (None, "unknown", "no answer from 127.0.0.2 port 53"),
    ],
)
def test_a_file_that_its_resolver_has_not_read_blocks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: Any, state: str, reason: str
) -> None:
    wechat, whole = observed(Machine(tmp_path, answers))
    assert (whole.state, wechat.state) == (state, "noncompliant"), "what is left alone is not blocked, whoever answers"
    assert whole.reason.startswith(reason)
    if state == "noncompliant":
        why = "127.0.0.2 port 53 does not answer with what the file says"
        assert whole.findings == (Finding("resolver", "made", "made", detail=why),) and whole.drifted
        assert wechat.findings == (Finding("name", "wechat.com", "made", path=FILE, detail=f"not blocked: {why}"), LEFT)


@pytest.mark.parametrize(
    ("path", "text", "finding"),
    [
        (CONF, "other\n", Finding("file", CONF, "made", path=CONF, detail="changed")),
        (CONF, None, Finding("file", CONF, "made", path=CONF, detail="missing")),
        (UNIT, None, Finding("unit", "made.service", "systemd", path=UNIT, detail="not enabled")),
    ],
)
def test_what_is_amiss_of_its_files_is_one_finding_each(
    tmp_path: Path, path: str, text: str | None, finding: Finding
) -> None:
    host = Machine(tmp_path)
    (tmp_path / path[1:]).unlink() if text is None else (tmp_path / path[1:]).write_text(text)
    wechat, whole = observed(host)
    assert (whole.state, whole.findings, whole.drifted) == ("noncompliant", (finding,), True)
    assert wechat.findings == (LEFT,), "its names are blocked all the same"


def test_a_file_of_other_names_is_amiss_and_nobody_is_asked_about_it(tmp_path: Path) -> None:
    host = Machine(tmp_path)
    (tmp_path / FILE[1:]).write_text(TEXT.replace("local=/wechat.com/\n", ""))
    wechat, whole = observed(host)
    assert whole.findings == (Finding("file", FILE, "made", path=FILE, detail="changed"),)
    assert wechat.findings[0] == Finding("name", "wechat.com", "made", path=FILE, detail="not blocked")
    assert wechat.drifted and host.queried == []


def test_hits_are_counted_where_the_filter_is_in_effect(tmp_path: Path) -> None:
    journal = "config photos.wechat.com is NXDOMAIN\nconfig wx.qq.com is NXDOMAIN\nconfig other.org is NXDOMAIN\n"
    counted = [
        observed(Machine(tmp_path, answers, journal), made(logs=logs))[0].attempts
        for answers, logs in (("the file's", "made.service"), ("the file's", ""), ("another", "made.service"))
    ]
    assert counted == [1, 0, 0]


@pytest.mark.parametrize(
    ("name", "opens"),
    [
        ("wechat.com", True),
        ("photos.wechat.com", True),
        ("open.wechat.com", False),
        ("wx.qq.com", False),
        ("a.b", False),
    ],
)
def test_a_line_of_the_organisation_that_opens_a_blocked_name_is_reported(
    tmp_path: Path, name: str, opens: bool
) -> None:
    """Not one for what stays open, or is left alone; and it is theirs to take out, so it is no drift."""
    wechat, whole = observed(Machine(tmp_path), made(openers=[("/etc/made/own.conf", f"server=/{name}/", name)]))
    detail = f"the organisation's own line opens it: server=/{name}/"
    finding = Finding("line", name, "made", path="/etc/made/own.conf", detail=detail)
    assert wechat.findings == ((LEFT, finding) if opens else (LEFT,))
    assert (wechat.drifted, whole.state) == (False, "compliant")


def test_a_unit_is_started_also_where_it_was_started_often_of_late() -> None:
    assert filtering.restarting("made.service") == [
        ("systemctl", "reset-failed", "made.service"),
        ("systemctl", "restart", "made.service"),
    ]
    assert filtering.restarting("made.service", "start")[1] == ("systemctl", "start", "made.service")


@pytest.mark.parametrize(
    ("domain", "counts"), [("wechat.com", True), ("web.wechat.com", True), ("com", True), ("corp.example", False)]
)
def test_a_link_whose_servers_are_asked_for_a_blocked_name_is_named(tmp_path: Path, domain: str, counts: bool) -> None:
    _, whole = observed(Machine(tmp_path), made(routed=[("tun0", domain)]))
    said = [(finding.id, finding.detail) for finding in whole.findings]
    assert (said, whole.drifted) == ([("tun0", f"its own name servers are asked for {domain}")] * counts, False)


@pytest.mark.parametrize(
    ("domain", "opens"),
    [
        ("wechat.com", True),
        ("photos.wechat.com", True),
        ("open.wechat.com", False),
        ("wx.qq.com", False),  # left alone
        ("com", False),  # the filter's own line is for a narrower name
    ],
)
def test_a_domain_for_which_the_filter_asks_a_link_opens_its_names(tmp_path: Path, domain: str, opens: bool) -> None:
    wechat, whole = observed(Machine(tmp_path), made(lent=[("link0", domain)]))
    said = [(finding.id, finding.detail) for finding in wechat.findings if finding != LEFT]
    assert said == [("link0", f"its own name servers are asked for {domain}")] * opens
    assert (wechat.drifted, whole.state) == (False, "compliant")


def test_a_filter_that_does_not_say_for_which_domains_it_asks_a_link_is_unknown(tmp_path: Path) -> None:
    _, whole = observed(Machine(tmp_path), made(unseen="NetworkManager does not say"))
    assert (whole.state, whole.reason) == ("unknown", "NetworkManager does not say")
