"""Names blocked in the hosts file, and the order of nsswitch.conf."""

import os
from pathlib import Path
from typing import Any

import pytest
from file_hosts import apply, write_files
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.controls import dns
from proscribe.host.controls.base import Refusal
from proscribe.host.controls.dns import block, hosts_file
from proscribe.host.system import WRITTEN_BY, Host, Unseen
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, Finding, Verdict

OWN = b"127.0.0.1 localhost\n::1 ip6-localhost\n"
NAMES = {"wechat.com", "web.wechat.com"}
BLOCK = block.render(NAMES, made=False)
LINES = st.sampled_from([b"127.0.0.1 localhost", b":: wechat.com", b"# note", b"", b"\xff\xfe", b"192.0.2.1 a b # c"])
CHUNKS = (st.lists(LINES), st.sampled_from([b"\n", b"\r\n"]), st.sampled_from([b"", b"\n", b"\r"]))
FILES = st.one_of(  # without markers of ours: hypothesis knows every constant of the code
    st.binary(max_size=200), st.builds(lambda lines, end, last: end.join(lines) + last, *CHUNKS)
).filter(lambda content: b"proscribe" not in content)
DOMAINS = st.sets(st.from_regex(r"[a-z]{1,5}\.(com|org)", fullmatch=True), min_size=1, max_size=5)
HOSTS, ORDER = "/etc/hosts", "/etc/nsswitch.conf"
RULE = "dns/hosts-file"
DNS_FIRST = b"hosts: dns files\npasswd: files\n"
FILES_FIRST = f"# BEGIN proscribe\n# {WRITTEN_BY}\nhosts: files dns\n# END proscribe\n#proscribe# ".encode() + DNS_FIRST
BEFORE = f"{ORDER} has `dns` before `files` in its line `hosts`"
CLOSED = "users' programs cannot read it"
MOUNTED = "it is a mount point of its own, as in some containers: what starts the container has to"


def plan(mode: str = "enforce", **services: Any) -> dict[str, Any]:
    """A plan; a service is a list of names, or a whole entry."""
    entries = {
        id_: {"name": id_, "mode": mode, "allow": [], **(value if isinstance(value, dict) else {"domains": value})}
        for id_, value in services.items()
    }
    return {"controls": {"dns": {"mode": mode, "services": entries, "settings": {}}}}


WECHAT = plan(wechat=["wechat.com", "web.wechat.com"])


@pytest.fixture
def hosts(tmp_path):
    return tmp_path / "etc/hosts"


@pytest.fixture
def host(tmp_path):
    return make_hosts(tmp_path)


def states(verdicts: list[Verdict]) -> dict[str, str]:
    """The states by rule, without the notes that sub-domains are not covered and who sees another file."""
    rules = {verdict.rule.partition("/")[2]: verdict.state for verdict in verdicts}
    return {rule: state for rule, state in rules.items() if rule not in ("sub-domains", "private-view")}


@pytest.mark.parametrize(
    ("tampered", "said", "against"),
    [
        (BLOCK.replace(b":: wechat.com\n", b""), "not blocked", "wechat"),
        (BLOCK.replace(b"0.0.0.0 wechat.com", b"0.0.0.0 x.example"), "", "wechat"),
        (BLOCK.replace(b"\n", b"\r\n"), "changed", ""),
        (BLOCK[: -len(block.END) - 1], "a beginning without an end", ""),
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
    details = " | ".join(f"{finding.detail}" for verdict in verdicts for finding in verdict.findings)
    assert said in details
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
    assert apply(dns.enforce(host, WECHAT)) == []
    assert apply(dns.lift(host, WECHAT)) == ["delete /etc/hosts"]
    assert not hosts.exists() and apply(dns.lift(host, WECHAT)) == []


def test_a_plan_that_blocks_nothing_any_more_takes_the_block_away(host, hosts):
    apply(dns.enforce(host, WECHAT))
    assert states(dns.observe(host, plan())) == {"hosts-file": NONCOMPLIANT}
    apply(dns.enforce(host, plan()))
    assert (hosts.read_bytes(), states(dns.observe(host, plan()))) == (OWN, {"hosts-file": NOT_APPLICABLE})


def test_an_unreadable_file_is_unknown(host, monkeypatch):
    read = host.read

    def unreadable(path: str, limit: int = 1 << 20) -> bytes | None:
        if path == "/etc/hosts":
            raise Unseen(f"{path} can only be read by root")
        return read(path, limit)

    monkeypatch.setattr(host, "read", unreadable)
    assert states(dns.observe(host, WECHAT)) == {"wechat": UNKNOWN, "hosts-file": UNKNOWN}


@given(FILES, DOMAINS)
def test_lifting_gives_back_every_byte(content, names):
    enforced = block.render(names, made=False) + content
    ours = block.render(names, made=False)
    for likely in (b"", ours, block.render({*names, "another.example"}, made=False)):
        assert block.split(enforced, lambda: names, likely) == block.Split(ours, content)


@given(FILES, DOMAINS, st.integers(0, 400))
def test_damaged_block_loses_no_foreign_line(content, names, cut):
    rendered = block.render(names, made=False)
    lines = rendered.splitlines(keepends=True)
    del lines[cut % len(lines)]
    damaged = b"".join(lines) + content
    split = block.split(damaged, lambda: names)
    assert block.split(damaged, lambda: names, rendered) == split
    foreign = split.foreign
    assert [line for line in content.split() if line not in foreign.split() and line not in rendered.split()] == []


def make_hosts(root: Path, hosts: bytes = OWN, order: bytes | None = None, mode: int = 0o644, mounts: str = "") -> Host:
    for folder in ("etc", "var/lib", "proc/self"):
        (root / folder).mkdir(parents=True)
    (root / "etc/hosts").write_bytes(hosts)
    (root / "etc/hosts").chmod(mode)
    if order is not None:
        (root / "etc/nsswitch.conf").write_bytes(order)
    (root / "proc/self/mountinfo").write_text(mounts)
    return Host(str(root))


def line(id_: str, detail: str) -> Finding:
    return Finding("hosts_line", id_, manager="hosts", path=HOSTS, detail=detail)


def against(rule: str, *findings: Finding) -> Verdict:
    return Verdict(rule, NONCOMPLIANT, findings, drifted=True)


BLOCKED = Verdict("dns/wechat", COMPLIANT)
OPEN = "not blocked, and 1 more of 2 names"
MISSING, OTHERS = line("block", "missing"), "blocks names not of the plan"
WHOLE, DNS_NOT_FILES = {HOSTS: BLOCK + OWN}, line("wechat.com", f"{OPEN}: {BEFORE}")
FOREIGN = block.render({*NAMES, "a", "b", "c", "d"}, made=False)


@pytest.mark.parametrize(
    ("made", "verdicts", "written"),
    [
        ({}, [against("dns/wechat", line("wechat.com", OPEN)), against(RULE, MISSING)], WHOLE),
        ({"hosts": BLOCK + OWN}, [BLOCKED, Verdict(RULE, COMPLIANT)], {}),
        ({"hosts": FOREIGN + OWN}, [BLOCKED, against(RULE, line("block", f"{OTHERS}: a, b, c, ..."))], WHOLE),
        (
            {"hosts": BLOCK + OWN, "mode": 0o640},
            [against("dns/wechat", line("wechat.com", f"{OPEN}: {CLOSED}")), against(RULE, line("effect", CLOSED))],
            WHOLE,
        ),
        (
            {"order": DNS_FIRST},
            [against("dns/wechat", DNS_NOT_FILES), against(RULE, MISSING, line("effect", BEFORE))],
            {**WHOLE, ORDER: FILES_FIRST},
        ),
        (
            {"hosts": BLOCK + OWN, "order": DNS_FIRST},
            [against("dns/wechat", DNS_NOT_FILES), against(RULE, line("effect", BEFORE))],
            {ORDER: FILES_FIRST},
        ),
    ],
)
def test_hosts_file_is_judged_and_corrected(tmp_path, made, verdicts, written):
    there = make_hosts(tmp_path, **made)
    assert hosts_file.observe(there, WECHAT) == (verdicts, NAMES)
    changes = dns.enforce(there, WECHAT)
    assert changes.refused == []
    assert [(str(action), action.before, action.after) for action in changes.actions] == [
        (f"write {path}", there.text(path), content.decode()) for path, content in written.items()
    ]
    apply(changes)
    assert {path: there.read(path) for path in written} == written
    assert (tmp_path / "etc/hosts").stat().st_mode & 0o777 == 0o644


def test_without_a_name_to_block_what_is_left_over_counts_alone(tmp_path):
    there, other = make_hosts(tmp_path), Finding("file", "/x")
    nothing = Verdict(RULE, NOT_APPLICABLE, reason="no name is to be blocked")
    assert hosts_file.observe(there, plan()) == ([nothing], set())
    assert hosts_file.observe(there, plan(), [other]) == ([against(RULE, other)], set())


def test_mounted_hosts_file_is_refused_and_left(tmp_path):
    mounts = "".join(f"36 35 98:0 /x {path} rw - ext4 /dev/sda rw\n36 35\n" for path in (HOSTS, ORDER, "/other"))
    changes = dns.enforce(make_hosts(tmp_path, order=DNS_FIRST, mounts=mounts), WECHAT)
    assert list(changes.actions) == []
    refusals = [(HOSTS, f"{MOUNTED} block the names"), (ORDER, f"{MOUNTED} have `files` first in the line `hosts`")]
    assert changes.refused == [Refusal(RULE, *refusal) for refusal in refusals]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a link counts only if root made it")
def test_link_in_place_of_the_hosts_file_is_refused_and_left(host, hosts):
    hosts.rename(hosts.parent / "elsewhere")
    hosts.symlink_to("elsewhere")
    changes = dns.enforce(host, WECHAT)
    assert (list(changes.actions), [refusal.rule for refusal in changes.refused]) == ([], [RULE])


def test_block_signed_by_an_earlier_version_is_ours():
    old = b"# Written by Proscribe, rewritten at its next run. To lift the ban on this host: ./proscribe lift"
    parts = [b"# BEGIN proscribe", old, b"0.0.0.0 a.example", b":: a.example", b"# END proscribe", OWN]
    found = block.split(b"\n".join(parts), set)
    assert (found.damage, found.foreign) == ("", OWN)


def test_names_that_the_host_needs_stay_open(tmp_path, host, hosts):
    write_files(
        tmp_path, {"etc/apt/sources.list": "deb https://apt.signal.org/ x\n", "etc/hostname": "chat.signal.org\n"}
    )
    changes = dns.enforce(host, plan(signal=["signal.org", "apt.signal.org", "chat.signal.org"]))
    apply(changes)
    assert block.blocked(hosts.read_bytes()) == {"signal.org"}
    assert {refusal.subject for refusal in changes.refused} == {"apt.signal.org", "chat.signal.org"}


def test_all_of_it_is_taken_back(tmp_path):
    there = make_hosts(tmp_path, BLOCK + OWN, FILES_FIRST)
    section = WECHAT["controls"]["dns"]
    left = line("block", "why")
    assert hosts_file.left_over(there, section, "why") == [left, left._replace(path=ORDER)]
    changes = dns.lift(there, WECHAT)
    assert [(str(action), action.before, action.after) for action in changes.actions] == [
        (f"write {HOSTS}", (BLOCK + OWN).decode(), OWN.decode()),
        (f"write {ORDER}", FILES_FIRST.decode(), DNS_FIRST.decode()),
    ]
    apply(changes)
    assert (hosts_file.left_over(there, section, "why"), hosts_file.foreign(there, section)) == ([], OWN)
