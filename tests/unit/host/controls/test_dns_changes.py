"""The changes of a DNS filter and of the hosts file."""

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from described import describe_verdict
from dns_contract import make_reply
from file_hosts import apply, make_directories, make_host, write_files
from hypothesis import given
from hypothesis import strategies as st
from made_plans import make_plan, make_section
from proscribe.host.controls import dns
from proscribe.host.controls.base import ChangeRefusal
from proscribe.host.controls.dns import dns_filter, drop_in, filter_text, hosts_block, hosts_file, refusal_counts
from proscribe.host.controls.dns.backends import dnsmasq, unbound
from proscribe.host.controls.dns.backends.dnsmasq import DNSMASQ_LANGUAGE
from proscribe.host.controls.dns.dns_filter import DnsFilter, FilterStage, is_serving_file
from proscribe.host.controls.dns.dns_query import TXT_TYPE, query_resolver
from proscribe.host.controls.dns.names_to_block import DesiredNames
from proscribe.host.controls.dns.resolver_observation import DnsObservation
from proscribe.host.system import WRITTEN_BY, ControlError, Host, ObservationError, ToolResult
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, Finding, RuleVerdict
from recording import compare, fold

FILE, CONF = "/etc/made/names.conf", "/etc/made/made.conf"
UNIT = "/etc/systemd/system/multi-user.target.wants/made.service"
SERVICES = {"wechat": ["wechat.com", "wx.qq.com"]}
DESIRED = DesiredNames(SERVICES, {"wx.qq.com": "it is needed"}, frozenset(["open.wechat.com"]))
SECTION = make_section("dns", SERVICES)
TEXT = filter_text.render_filter(DNSMASQ_LANGUAGE, DESIRED)
LEFT = Finding("name", "wx.qq.com", "made", path=FILE, detail="not blocked: it is needed")
COUNTED = {"wechat": {"wechat.com", "wx.qq.com"}, "personal": {"home.work.wechat.com"}, "also": {"wx.qq.com"}}
QUESTION = b"\x06filter\x09proscribe\x08internal\0\0\x10\0\x01"
HEADER = struct.pack(">HHHHHH", 0x5052, 0x8180, 1, 1, 0, 0)
RECORD, DNSMASQ_UNIT = b"\xc0\x0c\0\x10\0\x01\0\0\0\0", "dnsmasq.service"
AGAIN = [("systemctl", "reset-failed", DNSMASQ_UNIT), ("systemctl", "restart", DNSMASQ_UNIT)]


class Machine(Host):
    """A host on whose loopback addresses something answers with a text, or does not."""

    privileged = True

    def __init__(self, root: Path, answers: str | bytes | None | OSError = "", journal: str = "") -> None:
        super().__init__(str(root), lambda argv, **options: ToolResult(0, journal, ""))
        self.answers = filter_text.find_digest(TEXT) if answers == "" else answers
        self.queried: list[float] = []
        write_files(root, {FILE: TEXT, CONF: "conf\n", UNIT: ""}, ["usr/bin/journalctl"])

    def send_datagram(self, address: str, port: int, message: bytes, timeout: float) -> bytes | None:
        self.queried.append(timeout)
        if isinstance(self.answers, OSError):
            raise self.answers
        return make_reply(message, self.answers) if isinstance(self.answers, str) else self.answers


def made(**other: Any) -> DnsFilter:
    stages = [
        FilterStage({CONF: "conf\n"}, [], [("127.0.0.2", 53)]),
        FilterStage({FILE: TEXT}, [], [("127.0.0.3", 5353)], required_paths=[UNIT]),
    ]
    return DnsFilter("made", FILE, DNSMASQ_LANGUAGE, lambda text: stages, ["check"], ["made.service"], **other)


def observed(
    host: Host, filter_: DnsFilter | None = None, desired: DesiredNames = DESIRED, leftovers: Sequence[Finding] = ()
) -> tuple[RuleVerdict, RuleVerdict]:
    wechat, whole = dns_filter.observe_filter(host, SECTION, desired, filter_ or made(), leftovers)
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


def test_drop_in_beside_a_unit_of_a_filter_is_named(tmp_path):
    unit, own = "/etc/systemd/system/made.service", "/etc/systemd/system/made.service.d/own.conf"
    host = make_host(tmp_path, {unit: "[Unit]\n", own: ""})
    finding = Finding("unit", "made.service", "systemd", path=own, detail=f"overridden by {own}")
    assert dns_filter.find_stage_defects(host, made(), FilterStage({unit: "[Unit]\n"}, [], [])) == [finding]


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
    for answers, logs, count in (("", "made.service", 1), ("", "", 0), ("another", "made.service", 0)):
        assert observed(Machine(tmp_path, answers, journal), made(log_unit=logs))[0].attempts == count


@pytest.mark.parametrize(("name", "opens"), [("w.wechat.com", True), ("open.wechat.com", False), ("wx.qq.com", False)])
def test_foreign_line_that_opens_a_blocked_name_is_reported(tmp_path, name, opens):
    wechat, whole = observed(Machine(tmp_path), made(opening_lines=[("/etc/made/own.conf", f"server=/{name}/", name)]))
    detail = f"the organisation's own line opens it: server=/{name}/"
    finding = Finding("line", name, "made", path="/etc/made/own.conf", detail=detail)
    assert wechat.findings == ((LEFT, finding) if opens else (LEFT,))
    assert (wechat.drifted, whole.state) == (False, "compliant")


@pytest.mark.parametrize(
    ("domain", "counts"), [("wechat.com", True), ("web.wechat.com", True), ("com", True), ("corp.example", False)]
)
def test_a_link_whose_servers_are_asked_for_a_blocked_name_is_named(tmp_path, domain, counts):
    _, whole = observed(Machine(tmp_path), made(routed_domains=[("tun0", domain)]))
    said = [(finding.id, finding.detail) for finding in whole.findings]
    assert (said, whole.drifted) == ([("tun0", f"its own name servers are asked for {domain}")] * counts, False)


@pytest.mark.parametrize(
    ("domain", "opens"), [("wechat.com", True), ("open.wechat.com", False), ("wx.qq.com", False), ("com", False)]
)
def test_domain_for_which_the_filter_asks_a_link_opens_its_names(tmp_path, domain, opens):
    wechat, whole = observed(Machine(tmp_path), made(link_domains=[("link0", domain)]))
    said = [(finding.id, finding.detail) for finding in wechat.findings if finding != LEFT]
    assert said == [("link0", f"its own name servers are asked for {domain}")] * opens
    assert (wechat.drifted, whole.state) == (False, "compliant")


def test_a_filter_that_does_not_say_for_which_domains_it_asks_a_link_is_unknown(tmp_path):
    _, whole = observed(Machine(tmp_path), made(unseen_reason="NetworkManager does not say"))
    assert (whole.state, whole.reason) == ("unknown", "NetworkManager does not say")


def make_journal(root: Path, text: str | None) -> tuple[Host, list[list[str]]]:
    """Make a host with that journal, or (None) with a journalctl that does not end; and a list of its calls."""
    calls = []

    def run(argv: list[str], **options: Any) -> ToolResult:
        calls.append(argv)
        if text is None or not options["timeout"] == 5:
            raise ControlError("no answer")
        newest = int(argv[-1].partition("=")[2])
        return ToolResult(0, "\n".join(text.splitlines()[-newest:] if newest else ()), "")

    return make_host(root, tools="journalctl", run=run), calls


def test_hits_are_counted_by_the_service_of_the_nearest_name(tmp_path, monkeypatch):
    monkeypatch.setattr(Host, "privileged", True)
    hosts = "a.wechat.com WeChat.com x.home.work.wechat.com wx.qq.com notwechat.com own.example"
    host, calls = make_journal(tmp_path, "".join(f"config {name} is NXDOMAIN\n" for name in hosts.split()))
    found = refusal_counts.count_service_hits(host, "dnsmasq.service", dnsmasq.DNSMASQ_LANGUAGE.hit_pattern, COUNTED)
    assert found == {"wechat": 3, "personal": 1, "also": 1}
    options = ["--unit=dnsmasq.service", "--boot", "--quiet", "--no-pager", "--output=cat", "--lines=5000"]
    assert calls == [["/usr/bin/journalctl", *options]]


def test_unreadable_journal_has_no_hits(tmp_path, monkeypatch):
    host, calls = make_journal(tmp_path / "a", None)
    for privileged, of, count in ((True, Host(str(tmp_path)), 0), (True, host, 1), (False, host, 1)):
        monkeypatch.setattr(Host, "privileged", privileged)
        hits = refusal_counts.count_service_hits(of, "unbound.service", unbound.UNBOUND_LANGUAGE.hit_pattern, COUNTED)
        assert (hits, len(calls)) == ({}, count)


@given(st.text(max_size=300))
def test_reading_a_log_never_fails(text):
    for language in (dnsmasq.DNSMASQ_LANGUAGE, unbound.UNBOUND_LANGUAGE):
        assert all(refusal_counts.list_hit_names(text, language.hit_pattern))


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
    assert is_serving_file(Machine(tmp_path, reply), address, 53, text) is fine


def test_silent_resolver_is_unseen_after_six_seconds(tmp_path):
    host = Machine(tmp_path, None)
    with pytest.raises(ObservationError, match=r"no answer from 127.0.0.1 port 53 \(asked 3 times in 6 s\)"):
        query_resolver(host, "127.0.0.1", 53, "x.org", TXT_TYPE)
    assert sum(host.queried) == 6
    with pytest.raises(ObservationError):
        is_serving_file(host, "127.0.0.53", 53, "")


@given(st.binary(max_size=120))
def test_any_answer_of_a_resolver_is_parsed_without_error(reply):
    host = Host("/nonexistent")
    for whole in (reply, HEADER + QUESTION + reply):
        host.send_datagram = lambda *_, reply=whole: reply  # type: ignore[method-assign]
        answer = query_resolver(host, "127.0.0.1", 53, "x.org", TXT_TYPE)
        assert answer is None or 0 <= answer.rcode < 16


def observed_servers(*servers: str, **more: Any) -> DnsObservation:
    return DnsObservation(**{"servers": servers, "uplinks": (), "conf_writer": "", "pids_by_unit": {}, **more})


@pytest.mark.parametrize(
    ("server", "address", "past"), [("127.0.0.7", "127.0.0.7", []), ("192.0.2.1", "127.0.0.1", ["192.0.2.1"])]
)
def test_filter_answers_at_the_first_name_server(tmp_path, server, address, past):
    of, check = observed_servers(server), ("dnsmasq", "--test")
    words = ("dnsmasq", DNSMASQ_UNIT, "/etc/a.conf", DNSMASQ_LANGUAGE, check)
    found = drop_in.make_drop_in_filter(Host(str(tmp_path)), of, *words)
    expected = ("dnsmasq", "/etc/a.conf", check, (DNSMASQ_UNIT,))
    assert (found.manager, found.file_path, found.check_command, found.units) == expected
    assert ([item.id for item in found.bypasses], found.log_unit, found.is_raced) == (past, "", False)
    assert found.make_stages("text") == [({"/etc/a.conf": "text"}, AGAIN, [(address, 53)], (), AGAIN, ())]


@pytest.mark.parametrize(
    ("unit", "stop"), [(DNSMASQ_UNIT, [AGAIN[0], ("systemctl", "try-restart", DNSMASQ_UNIT)]), ("named.service", [])]
)
def test_files_of_earlier_runs_go_and_a_running_resolver_restarts(unit, stop):
    of = observed_servers(pids_by_unit={unit: 0})
    stages = drop_in.list_drop_in_stages(of, DNSMASQ_UNIT, ["/etc/a", "/etc/b", "/etc/a"])
    assert stages == [({path: ""}, (), (), (), stop, ()) for path in ("/etc/a", "/etc/b")]


OWN = b"127.0.0.1 localhost\n::1 ip6-localhost\n"
NAMES = {"wechat.com", "web.wechat.com"}
BLOCK = hosts_block.render_block(NAMES, is_new_file=False)
LINES = st.sampled_from([b"127.0.0.1 localhost", b":: wechat.com", b"# note", b"", b"\xff\xfe", b"192.0.2.1 a b # c"])
CHUNKS = (st.lists(LINES), st.sampled_from([b"\n", b"\r\n"]), st.sampled_from([b"", b"\n", b"\r"]))
FILES = st.one_of(  # without markers of ours: hypothesis knows every constant of the code
    st.binary(max_size=200), st.builds(lambda lines, end, last: end.join(lines) + last, *CHUNKS)
).filter(lambda content: b"proscribe" not in content)
DOMAINS = st.sets(st.from_regex(r"[a-z]{1,5}\.(com|org)", fullmatch=True), min_size=1, max_size=5)
HOSTS, ORDER = "/etc/hosts", "/etc/nsswitch.conf"
RULE, DNS_FIRST = "dns/hosts-file", b"hosts: dns files\npasswd: files\n"
FILES_FIRST = f"# BEGIN proscribe\n# {WRITTEN_BY}\nhosts: files dns\n# END proscribe\n#proscribe# ".encode() + DNS_FIRST
MOUNTED = "it is a mount point of its own, as in some containers: what starts the container has to"


WECHAT = make_plan("dns", {"wechat": ["wechat.com", "web.wechat.com"]})


@pytest.fixture
def hosts(tmp_path):
    return tmp_path / "etc/hosts"


@pytest.fixture
def host(tmp_path):
    return make_hosts(tmp_path)


def states(verdicts: list[RuleVerdict]) -> dict[str, str]:
    """The states by rule, without the notes that sub-domains are not covered and who sees another file."""
    rules = {verdict.rule.partition("/")[2]: verdict.state for verdict in verdicts}
    return {rule: state for rule, state in rules.items() if rule not in ("sub-domains", "private-view")}


@pytest.mark.parametrize(
    ("tampered", "said", "against"),
    [
        (BLOCK.replace(b":: wechat.com\n", b""), "not blocked", "wechat"),
        (BLOCK.replace(b"0.0.0.0 wechat.com", b"0.0.0.0 x.example"), "", "wechat"),
        (BLOCK.replace(b"\n", b"\r\n"), "changed", ""),
        (BLOCK[: -len(hosts_block.END_MARKER) - 1], "a beginning without an end", ""),
        (BLOCK[BLOCK.index(b"\n") + 1 :], "an end without a beginning", ""),
        (BLOCK + BLOCK, "it is there twice", ""),
        (BLOCK.replace(b":: wechat", b"192.0.2.9 intranet\n:: wechat"), "other lines within it", ""),
        (b"", "missing", "wechat"),
    ],
)
def test_damaged_block_is_reported_and_repaired(host, hosts, tampered, said, against):
    foreign = b"0.0.0.0 ads.example\n:: ads.example\n" + OWN
    hosts.write_bytes(tampered + foreign)
    verdicts = dns.observe(host, WECHAT)
    assert said in " | ".join(f"{finding.detail}" for verdict in verdicts for finding in verdict.findings)
    assert (states(verdicts)["wechat"] == NONCOMPLIANT) is bool(against)
    apply(dns.enforce(host, WECHAT))
    left = b"192.0.2.9 intranet\n" if b"intranet" in tampered else b""
    assert hosts.read_bytes() == BLOCK + left + foreign
    assert set(states(dns.observe(host, WECHAT)).values()) == {COMPLIANT}


def test_lines_put_before_the_block_stay_there_when_it_is_lifted(host, hosts):
    apply(dns.enforce(host, WECHAT))
    hosts.write_bytes(b"192.0.2.1 first\n" + hosts.read_bytes() + b"192.0.2.2 last")
    assert set(states(dns.observe(host, WECHAT)).values()) == {COMPLIANT}
    apply(dns.lift(host, WECHAT))
    assert hosts.read_bytes() == b"192.0.2.1 first\n" + OWN + b"192.0.2.2 last"


def test_a_file_that_was_not_there_goes_again(host, hosts):
    hosts.unlink()
    apply(dns.enforce(host, WECHAT))
    verdicts = dns.observe(host, WECHAT)
    assert set(states(verdicts).values()) == {COMPLIANT}
    assert [f.id for v in verdicts for f in v.findings if v.rule == "dns/sub-domains"] == ["sub-domains"]
    assert apply(dns.enforce(host, WECHAT)) == [] and apply(dns.lift(host, WECHAT)) == ["delete /etc/hosts"]
    assert not hosts.exists() and apply(dns.lift(host, WECHAT)) == []


def test_a_plan_that_blocks_nothing_any_more_takes_the_block_away(host, hosts):
    apply(dns.enforce(host, WECHAT))
    assert states(dns.observe(host, make_plan("dns"))) == {"hosts-file": NONCOMPLIANT}
    apply(dns.enforce(host, make_plan("dns")))
    assert (hosts.read_bytes(), states(dns.observe(host, make_plan("dns")))) == (OWN, {"hosts-file": NOT_APPLICABLE})


def test_an_unreadable_file_is_unknown(host, monkeypatch):
    read = host.read_file

    def unreadable(path: str, limit: int = 1 << 20) -> bytes | None:
        if path == "/etc/hosts":
            raise ObservationError(f"{path} can only be read by root")
        return read(path, limit)

    monkeypatch.setattr(host, "read_file", unreadable)
    assert states(dns.observe(host, WECHAT)) == {"wechat": UNKNOWN, "hosts-file": UNKNOWN}


@pytest.mark.slow
@given(FILES, DOMAINS)
def test_lifting_gives_back_every_byte(content, names):
    enforced = hosts_block.render_block(names, is_new_file=False) + content
    ours = hosts_block.render_block(names, is_new_file=False)
    for likely in (b"", ours, hosts_block.render_block({*names, "another.example"}, is_new_file=False)):
        found = hosts_block.split_hosts_file(enforced, lambda: names, likely)
        assert found == hosts_block.HostsFileParts(ours, content)


@given(FILES, DOMAINS, st.integers(0, 400))
def test_damaged_block_loses_no_foreign_line(content, names, cut):
    rendered = hosts_block.render_block(names, is_new_file=False)
    lines = rendered.splitlines(keepends=True)
    del lines[cut % len(lines)]
    damaged = b"".join(lines) + content
    split = hosts_block.split_hosts_file(damaged, lambda: names)
    assert hosts_block.split_hosts_file(damaged, lambda: names, rendered) == split
    foreign = split.foreign_lines
    assert [line for line in content.split() if line not in foreign.split() and line not in rendered.split()] == []


def make_hosts(root: Path, hosts: bytes = OWN, order: bytes | None = None, mode: int = 0o644, mounts: str = "") -> Host:
    make_directories(root, "var/lib")
    files = {"etc/hosts": hosts, "proc/self/mountinfo": mounts}
    write_files(root, files if order is None else {**files, "etc/nsswitch.conf": order})
    (root / "etc/hosts").chmod(mode)
    return Host(str(root))


FOREIGN = hosts_block.render_block({*NAMES, "a", "b", "c", "d"}, is_new_file=False)
HOSTS_CASES: dict[str, dict[str, Any]] = {
    "without the block": {},
    "with it": {"hosts": BLOCK + OWN},
    "with other names": {"hosts": FOREIGN + OWN},
    "closed to users": {"hosts": BLOCK + OWN, "mode": 0o640},
    "dns comes first, and without the block": {"order": DNS_FIRST},
    "dns comes first": {"hosts": BLOCK + OWN, "order": DNS_FIRST},
}


def test_hosts_file_is_judged_and_corrected(tmp_path):
    lines = []
    for case, made in HOSTS_CASES.items():
        there = make_hosts(tmp_path / case, **made)
        verdicts, names = hosts_file.observe_hosts_file(there, WECHAT)
        assert names == NAMES
        for verdict in verdicts:
            lines += describe_verdict(f"{case}, {verdict.rule}", verdict)
        changes = dns.enforce(there, WECHAT)
        written = {action.subject: (action.verb, action.before) for action in changes.actions}
        assert changes.refusals == [] and written == {path: ("write", there.read_text(path)) for path in written}
        apply(changes)
        lines.append(f"  writes {', '.join(written) or 'nothing'}")
        assert there.read_file(HOSTS) == BLOCK + OWN
        assert there.read_file(ORDER) == ("order" in made and FILES_FIRST or None)
        assert (tmp_path / case / "etc/hosts").stat().st_mode & 0o777 == 0o644
    compare(Path(__file__).parents[2] / "recorded/controls/hosts_file.txt", fold("\n".join(lines)))


def line(id_: str, detail: str) -> Finding:
    return Finding("hosts_line", id_, manager="hosts", path=HOSTS, detail=detail)


def test_without_a_name_to_block_what_is_left_over_counts_alone(tmp_path):
    there, other = make_hosts(tmp_path), Finding("file", "/x")
    nothing = RuleVerdict(RULE, NOT_APPLICABLE, reason="no name is to be blocked")
    assert hosts_file.observe_hosts_file(there, make_plan("dns")) == ([nothing], set())
    found = hosts_file.observe_hosts_file(there, make_plan("dns"), [other])
    assert found == ([RuleVerdict(RULE, NONCOMPLIANT, (other,), drifted=True)], set())


def test_mounted_hosts_file_is_refused_and_left(tmp_path):
    mounts = "".join(f"36 35 98:0 /x {path} rw - ext4 /dev/sda rw\n36 35\n" for path in (HOSTS, ORDER, "/other"))
    changes = dns.enforce(make_hosts(tmp_path, order=DNS_FIRST, mounts=mounts), WECHAT)
    assert list(changes.actions) == []
    refusals = [(HOSTS, f"{MOUNTED} block the names"), (ORDER, f"{MOUNTED} have `files` first in the line `hosts`")]
    assert changes.refusals == [ChangeRefusal(RULE, *refusal) for refusal in refusals]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a link counts only if root made it")
def test_link_in_place_of_the_hosts_file_is_refused_and_left(host, hosts):
    hosts.rename(hosts.parent / "elsewhere")
    hosts.symlink_to("elsewhere")
    changes = dns.enforce(host, WECHAT)
    assert (list(changes.actions), [refusal.rule for refusal in changes.refusals]) == ([], [RULE])


def test_block_signed_by_an_earlier_version_is_ours():
    old = b"# Written by Proscribe, rewritten at its next run. To lift the ban on this host: ./proscribe lift"
    parts = [b"# BEGIN proscribe", old, b"0.0.0.0 a.example", b":: a.example", b"# END proscribe", OWN]
    found = hosts_block.split_hosts_file(b"\n".join(parts), set)
    assert (found.damage, found.foreign_lines) == ("", OWN)


def test_names_that_the_host_needs_stay_open(tmp_path, host, hosts):
    files = {"etc/apt/sources.list": "deb https://apt.signal.org/ x\n", "etc/hostname": "chat.signal.org\n"}
    write_files(tmp_path, files)
    changes = dns.enforce(host, make_plan("dns", {"signal": ["signal.org", "apt.signal.org", "chat.signal.org"]}))
    apply(changes)
    assert hosts_block.find_blocked_names(hosts.read_bytes()) == {"signal.org"}
    assert {refusal.subject for refusal in changes.refusals} == {"apt.signal.org", "chat.signal.org"}


def test_all_of_it_is_taken_back(tmp_path):
    there = make_hosts(tmp_path, BLOCK + OWN, FILES_FIRST)
    section, left = WECHAT["controls"]["dns"], line("block", "why")
    assert hosts_file.find_hosts_leftovers(there, section, "why") == [left, left._replace(path=ORDER)]
    changes = dns.lift(there, WECHAT)
    assert [(str(action), action.before, action.after) for action in changes.actions] == [
        (f"write {HOSTS}", (BLOCK + OWN).decode(), OWN.decode()),
        (f"write {ORDER}", FILES_FIRST.decode(), DNS_FIRST.decode()),
    ]
    apply(changes)
    found = (hosts_file.find_hosts_leftovers(there, section, "why"), hosts_file.read_foreign_lines(there, section))
    assert found == ([], OWN)
