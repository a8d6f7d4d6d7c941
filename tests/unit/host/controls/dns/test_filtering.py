"""DNS filters with a resolver: files, effect, hits and questions."""

import socket
import struct
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from dns_contract import make_reply
from file_hosts import make_host, write_files
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.controls.dns import drop_in, filtering, hits, rendering
from proscribe.host.controls.dns.backends import dnsmasq, unbound
from proscribe.host.controls.dns.backends.dnsmasq import LANGUAGE
from proscribe.host.controls.dns.desired import Desired
from proscribe.host.controls.dns.filtering import Filter, Stage, serves
from proscribe.host.controls.dns.observed import Observed
from proscribe.host.controls.dns.question import TXT, ask
from proscribe.host.system import ControlError, Host, Result, Unseen
from proscribe.model.finding import Finding, Verdict

FILE, CONF = "/etc/made/names.conf", "/etc/made/made.conf"
UNIT = "/etc/systemd/system/multi-user.target.wants/made.service"
SERVICES = {"wechat": ["wechat.com", "wx.qq.com"]}
DESIRED = Desired(SERVICES, {"wx.qq.com": "it is needed"}, frozenset(["open.wechat.com"]))
ENTRY = {"name": "WeChat", "mode": "enforce", "domains": SERVICES["wechat"], "allow": []}
SECTION: dict[str, Any] = {"mode": "enforce", "services": {"wechat": ENTRY}}
TEXT = rendering.text(LANGUAGE, DESIRED)
LEFT = Finding("name", "wx.qq.com", "made", path=FILE, detail="not blocked: it is needed")
COUNTED = {"wechat": {"wechat.com", "wx.qq.com"}, "personal": {"home.work.wechat.com"}, "also": {"wx.qq.com"}}
QUESTION = b"\x06filter\x09proscribe\x08internal\0\0\x10\0\x01"
HEADER = struct.pack(">HHHHHH", 0x5052, 0x8180, 1, 1, 0, 0)
RECORD = b"\xc0\x0c\0\x10\0\x01\0\0\0\0"
DNSMASQ_UNIT = "dnsmasq.service"
AGAIN = [("systemctl", "reset-failed", DNSMASQ_UNIT), ("systemctl", "restart", DNSMASQ_UNIT)]


class Machine(Host):
    """A host on whose loopback addresses something answers with a text, or does not."""

    privileged = True

    def __init__(self, root: Path, answers: str | bytes | None | OSError = "", journal: str = "") -> None:
        super().__init__(str(root), lambda argv, **options: Result(0, journal, ""))
        self.answers = rendering.digest_in(TEXT) if answers == "" else answers
        self.queried: list[float] = []
        write_files(root, {FILE: TEXT, CONF: "conf\n", UNIT: ""}, ["usr/bin/journalctl"])

    def exchange(self, address: str, port: int, message: bytes, timeout: float) -> bytes | None:
        self.queried.append(timeout)
        if isinstance(self.answers, OSError):
            raise self.answers
        return make_reply(message, self.answers) if isinstance(self.answers, str) else self.answers


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


@pytest.mark.parametrize("answers", ["0123456789abcdef", ConnectionRefusedError()])
def test_unread_file_blocks_no_name(tmp_path, answers):
    wechat, whole = observed(Machine(tmp_path, answers))
    why = "127.0.0.2 port 53 does not answer with what the file says"
    assert (whole.state, wechat.state) == ("noncompliant", "noncompliant")
    assert whole.findings == (Finding("resolver", "made", "made", detail=why),) and whole.drifted
    assert wechat.findings == (Finding("name", "wechat.com", "made", path=FILE, detail=f"not blocked: {why}"), LEFT)


def test_silent_resolver_is_unknown_and_names_left_open_are_not(tmp_path):
    wechat, whole = observed(Machine(tmp_path, None))
    assert (whole.state, wechat.state) == ("unknown", "noncompliant")
    assert whole.reason.startswith("no answer from 127.0.0.2 port 53")


@pytest.mark.parametrize(
    ("path", "text", "finding"),
    [
        (CONF, "other\n", Finding("file", CONF, "made", path=CONF, detail="changed")),
        (UNIT, None, Finding("unit", "made.service", "systemd", path=UNIT, detail="not enabled")),
    ],
)
def test_changed_or_missing_file_of_a_filter_is_one_finding(tmp_path, path, text, finding):
    host = Machine(tmp_path)
    (tmp_path / path[1:]).unlink() if text is None else (tmp_path / path[1:]).write_text(text)
    wechat, whole = observed(host)
    assert (whole.state, whole.findings, whole.drifted) == ("noncompliant", (finding,), True)
    assert wechat.findings == (LEFT,), "its names are blocked all the same"


def test_a_file_of_other_names_is_amiss_and_nobody_is_asked_about_it(tmp_path):
    host = Machine(tmp_path)
    (tmp_path / FILE[1:]).write_text(TEXT.replace("local=/wechat.com/\n", ""))
    wechat, whole = observed(host)
    assert whole.findings == (Finding("file", FILE, "made", path=FILE, detail="changed"),)
    assert wechat.findings[0] == Finding("name", "wechat.com", "made", path=FILE, detail="not blocked")
    assert wechat.drifted and host.queried == []
    (tmp_path / FILE[1:]).write_text(TEXT + "# a line of somebody's\n")
    wechat, whole = observed(host)
    assert (wechat.findings, whole.state) == ((LEFT,), "noncompliant")  # the names are still in it


def test_hits_are_counted_where_the_filter_is_in_effect(tmp_path):
    journal = "config photos.wechat.com is NXDOMAIN\nconfig wx.qq.com is NXDOMAIN\nconfig other.org is NXDOMAIN\n"
    cases = (("", "made.service", 1), ("", "", 0), ("another", "made.service", 0))
    for answers, logs, count in cases:
        assert observed(Machine(tmp_path, answers, journal), made(logs=logs))[0].attempts == count


@pytest.mark.parametrize(
    ("name", "opens"), [("photos.wechat.com", True), ("open.wechat.com", False), ("wx.qq.com", False)]
)
def test_foreign_line_that_opens_a_blocked_name_is_reported(tmp_path, name, opens):
    wechat, whole = observed(Machine(tmp_path), made(openers=[("/etc/made/own.conf", f"server=/{name}/", name)]))
    detail = f"the organisation's own line opens it: server=/{name}/"
    finding = Finding("line", name, "made", path="/etc/made/own.conf", detail=detail)
    assert wechat.findings == ((LEFT, finding) if opens else (LEFT,))
    assert (wechat.drifted, whole.state) == (False, "compliant")


@pytest.mark.parametrize(
    ("domain", "counts"), [("wechat.com", True), ("web.wechat.com", True), ("com", True), ("corp.example", False)]
)
def test_a_link_whose_servers_are_asked_for_a_blocked_name_is_named(tmp_path, domain, counts):
    _, whole = observed(Machine(tmp_path), made(routed=[("tun0", domain)]))
    said = [(finding.id, finding.detail) for finding in whole.findings]
    assert (said, whole.drifted) == ([("tun0", f"its own name servers are asked for {domain}")] * counts, False)


@pytest.mark.parametrize(
    ("domain", "opens"), [("wechat.com", True), ("open.wechat.com", False), ("wx.qq.com", False), ("com", False)]
)
def test_domain_for_which_the_filter_asks_a_link_opens_its_names(tmp_path, domain, opens):
    wechat, whole = observed(Machine(tmp_path), made(lent=[("link0", domain)]))
    said = [(finding.id, finding.detail) for finding in wechat.findings if finding != LEFT]
    assert said == [("link0", f"its own name servers are asked for {domain}")] * opens
    assert (wechat.drifted, whole.state) == (False, "compliant")


def test_a_filter_that_does_not_say_for_which_domains_it_asks_a_link_is_unknown(tmp_path):
    _, whole = observed(Machine(tmp_path), made(unseen="NetworkManager does not say"))
    assert (whole.state, whole.reason) == ("unknown", "NetworkManager does not say")


def make_journal(root: Path, text: str | None) -> tuple[Host, list[list[str]]]:
    """Make a host with that journal, or (None) with a journalctl that does not end; and a list of its calls."""
    calls = []

    def run(argv: list[str], **options: Any) -> Result:
        calls.append(argv)
        if text is None or not options["timeout"] == 5:
            raise ControlError("no answer")
        newest = int(argv[-1].partition("=")[2])
        return Result(0, "\n".join(text.splitlines()[-newest:] if newest else ()), "")

    return make_host(root, tools="journalctl", run=run), calls


@pytest.fixture(autouse=True)
def root(monkeypatch):
    monkeypatch.setattr(Host, "privileged", True)


def test_hits_are_counted_by_the_service_of_the_nearest_name(tmp_path):
    hosts = "a.wechat.com WeChat.com x.home.work.wechat.com wx.qq.com notwechat.com own.example"
    host, calls = make_journal(tmp_path, "".join(f"config {name} is NXDOMAIN\n" for name in hosts.split()))
    counted = hits.count(host, "dnsmasq.service", dnsmasq.LANGUAGE.hit, COUNTED)
    assert counted == {"wechat": 3, "personal": 1, "also": 1}
    options = ["--unit=dnsmasq.service", "--boot", "--quiet", "--no-pager", "--output=cat", "--lines=5000"]
    assert calls == [["/usr/bin/journalctl", *options]]


def test_unreadable_journal_has_no_hits(tmp_path, monkeypatch):
    host, calls = make_journal(tmp_path / "a", None)
    for privileged, of, count in ((True, Host(str(tmp_path)), 0), (True, host, 1), (False, host, 1)):
        monkeypatch.setattr(Host, "privileged", privileged)
        assert (hits.count(of, "unbound.service", unbound.LANGUAGE.hit, COUNTED), len(calls)) == ({}, count)


@given(st.text(max_size=300))
def test_reading_a_log_never_fails(text):
    assert all(name for language in (dnsmasq, unbound) for name in hits.named(text, language.LANGUAGE.hit))


@pytest.mark.parametrize(
    ("address", "reply", "fine"),
    [
        ("127.0.0.1", HEADER + QUESTION + RECORD + b"\0\x06\x05abcde", True),
        ("127.0.0.1", HEADER + QUESTION + RECORD + b"\0\x06\x05abcdf", False),
        ("127.0.0.1", b"PR\x81\x82\0\0\0\0\0\0\0\0", False),
        ("127.0.0.53", b"PR\x81\x82\0\0\0\0\0\0\0\0", True),  # systemd-resolved, offline
        ("127.0.0.53", ConnectionRefusedError(), False),
    ],
)
def test_resolver_serves_the_file_if_its_digest_matches(tmp_path, address, reply, fine):
    text = 'txt-record=filter.proscribe.internal,"abcde"\n'
    assert serves(Machine(tmp_path, reply), address, 53, text) is fine


def test_silent_resolver_is_unseen_after_six_seconds(tmp_path):
    host = Machine(tmp_path, None)
    with pytest.raises(Unseen, match=r"no answer from 127.0.0.1 port 53 \(asked 3 times in 6 s\)"):
        ask(host, "127.0.0.1", 53, "x.org", TXT)
    assert sum(host.queried) == 6
    with pytest.raises(Unseen):
        serves(host, "127.0.0.53", 53, "")


@given(st.binary(max_size=120))
def test_any_answer_of_a_resolver_is_parsed_without_error(reply):
    host = Host("/nonexistent")
    for whole in (reply, HEADER + QUESTION + reply):
        host.exchange = lambda *_, reply=whole: reply  # type: ignore[method-assign]
        answer = ask(host, "127.0.0.1", 53, "x.org", TXT)
        assert answer is None or 0 <= answer.rcode < 16


def test_a_datagram_goes_to_the_address_and_back(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        address, port = server.getsockname()

        def echo() -> None:
            message, client = server.recvfrom(100)
            server.sendto(message[::-1], client)

        threading.Thread(target=echo, daemon=True).start()
        assert Host(str(tmp_path)).exchange(address, port, b"abc", 60) == b"cba"
        assert Host(str(tmp_path)).exchange(address, port, b"abc", 0.05) is None, "open and silent"
    with pytest.raises(ConnectionRefusedError):
        Host(str(tmp_path)).exchange(address, port, b"abc", 60)


def observed_servers(*servers: str, **more: Any) -> Observed:
    return Observed(**{"servers": servers, "uplinks": (), "written_by": "", "units": {}, **more})


@pytest.mark.parametrize(
    ("server", "address", "past"), [("127.0.0.7", "127.0.0.7", []), ("192.0.2.1", "127.0.0.1", ["192.0.2.1"])]
)
def test_filter_answers_at_the_first_name_server(tmp_path, server, address, past):
    of, check = observed_servers(server), ("dnsmasq", "--test")
    found = drop_in.filter_of(Host(str(tmp_path)), of, "dnsmasq", DNSMASQ_UNIT, "/etc/a.conf", LANGUAGE, check)
    assert (found.manager, found.file, found.check, found.units) == ("dnsmasq", "/etc/a.conf", check, (DNSMASQ_UNIT,))
    assert ([item.id for item in found.bypasses], found.logs, found.is_raced) == (past, "", False)
    assert found.stages("text") == [({"/etc/a.conf": "text"}, AGAIN, [(address, 53)], (), AGAIN, ())]


@pytest.mark.parametrize(
    ("unit", "stop"), [(DNSMASQ_UNIT, [AGAIN[0], ("systemctl", "try-restart", DNSMASQ_UNIT)]), ("named.service", [])]
)
def test_files_of_earlier_runs_go_and_a_running_resolver_restarts(unit, stop):
    stages = drop_in.standing(observed_servers(units={unit: 0}), DNSMASQ_UNIT, ["/etc/a", "/etc/b", "/etc/a"])
    assert stages == [({path: ""}, (), (), (), stop, ()) for path in ("/etc/a", "/etc/b")]
