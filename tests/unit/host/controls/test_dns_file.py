"""Names blocked in the hosts file: our block, the lines of others, and what is left alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.controls import dns
from proscribe.host.controls.dns import block
from proscribe.host.system import Host, Unseen
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, WAIVED, Verdict

OWN = b"127.0.0.1 localhost\n::1 ip6-localhost\n"
NAMES = {"wechat.com", "web.wechat.com"}
BLOCK = block.render(NAMES, made=False)


def plan(mode: str = "enforce", **services: Any) -> dict[str, Any]:
    """A plan; a service is a list of names, or a whole entry."""
    entries = {
        id_: {"name": id_, "mode": mode, "allow": [], **(value if isinstance(value, dict) else {"domains": value})}
        for id_, value in services.items()
    }
    return {"controls": {"dns": {"mode": mode, "services": entries, "settings": {}}}}


WECHAT = plan(wechat=["wechat.com", "web.wechat.com"])


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "var/lib").mkdir(parents=True)
    (tmp_path / "etc/hosts").write_bytes(OWN)
    return tmp_path / "etc/hosts"


@pytest.fixture
def host(hosts: Path, tmp_path: Path) -> Host:
    return Host(str(tmp_path))


def apply(changes: Any) -> list[str]:
    for action in changes.actions:
        action.apply()
    return [str(action) for action in changes.actions]


def states(verdicts: list[Verdict]) -> dict[str, str]:
    """The states by rule, without the notes that sub-domains are not covered and who sees another file."""
    rules = {verdict.rule.partition("/")[2]: verdict.state for verdict in verdicts}
    return {rule: state for rule, state in rules.items() if rule not in ("sub-domains", "private-view")}


def test_each_name_is_blocked_for_both_families_ahead_of_the_hosts_own_lines(host: Host, hosts: Path) -> None:
    assert apply(dns.enforce(host, WECHAT)) == ["write /etc/hosts"]
    lines = hosts.read_text().splitlines()
    assert lines[2:7] == [
        "127.80.82.83 filter.proscribe.internal",  # by which an observation tries the file
        *("0.0.0.0 web.wechat.com", ":: web.wechat.com", "0.0.0.0 wechat.com", ":: wechat.com"),
    ]
    assert hosts.read_bytes().endswith(OWN)
    assert states(dns.observe(host, WECHAT)) == {"wechat": COMPLIANT, "hosts-file": COMPLIANT}
    assert apply(dns.enforce(host, WECHAT)) == []


def test_before_enforcing_a_service_has_one_finding(host: Host) -> None:
    verdicts = dns.observe(host, WECHAT)
    assert states(verdicts) == {"wechat": NONCOMPLIANT, "hosts-file": NONCOMPLIANT}
    assert [f"{f.id}: {f.detail}" for f in verdicts[0].findings] == ["wechat.com: not blocked, and 1 more of 2 names"]
    assert [verdict.drifted for verdict in verdicts] == [True, True, False, False]


def test_allowed_and_waived_names_are_not_blocked(host: Host, hosts: Path) -> None:
    mixed = plan(
        wechat={"domains": ["wechat.com", "work.wechat.com"], "allow": ["work.wechat.com"]},
        slack={"domains": ["slack.com"], "mode": "waived", "waiver": "w7"},
        other=["slack.com", "other.example"],
        later={"domains": ["later.example"], "mode": "upcoming", "effective_from": "2030-01-01"},
        seen={"domains": ["seen.example"], "mode": "report"},
    )
    apply(dns.enforce(host, mixed))
    assert block.blocked(hosts.read_bytes()) == {"wechat.com", "other.example"}
    verdicts = dns.observe(host, mixed)
    assert states(verdicts) == {
        "wechat": COMPLIANT,
        "slack": WAIVED,
        "other": COMPLIANT,
        "later": NOT_APPLICABLE,
        "seen": NOT_APPLICABLE,
        "hosts-file": COMPLIANT,
    }
    assert verdicts[1].waiver == "w7"


@pytest.mark.parametrize(
    ("own", "left"),
    [
        (b"192.0.2.4 intranet wechat.com # ours\n", True),
        (b"2001:db8::4 WeChat.com\n", True),
        (b"# 192.0.2.4 wechat.com\n", False),
        (b"192.0.2.4 notwechat.com\n", False),
        (b"0.0.0.0 wechat.com\n", False),
        (b"127.0.0.1 wechat.com\n", False),
        (b":: wechat.com\n", False),
    ],
)
def test_a_name_that_the_organisation_resolves_itself_is_left_alone_and_reported(
    host: Host, hosts: Path, own: bytes, left: bool
) -> None:
    hosts.write_bytes(OWN + own)
    changes = dns.enforce(host, WECHAT)
    assert [refusal.subject for refusal in changes.refused] == (["wechat.com"] if left else [])
    apply(changes)
    assert hosts.read_bytes().endswith(OWN + own)
    assert ("wechat.com" in block.blocked(hosts.read_bytes().removesuffix(OWN + own))) is not left
    verdict = dns.observe(host, WECHAT)[0]
    assert (verdict.state, verdict.drifted) == ((NONCOMPLIANT, False) if left else (COMPLIANT, False))


def test_names_that_the_host_hangs_on_are_never_blocked(host: Host, hosts: Path, tmp_path: Path) -> None:
    (tmp_path / "etc/apt").mkdir()
    (tmp_path / "etc/apt/sources.list").write_text("deb https://apt.signal.org/ x main\n")
    (tmp_path / "etc/hostname").write_text("chat.signal.org\n")
    signal = plan(signal=["signal.org", "apt.signal.org", "chat.signal.org"])
    changes = dns.enforce(host, signal)
    apply(changes)
    assert block.blocked(hosts.read_bytes()) == {"signal.org"}
    assert {(refusal.rule, refusal.subject) for refusal in changes.refused} == {
        ("dns/signal", "apt.signal.org"),
        ("dns/signal", "chat.signal.org"),
    }
    assert states(dns.observe(host, signal)) == {"signal": NONCOMPLIANT, "hosts-file": COMPLIANT}


@pytest.mark.parametrize(
    ("tampered", "said", "against"),
    [
        (BLOCK.replace(b":: wechat.com\n", b""), "not blocked", "wechat"),
        (BLOCK.replace(b"0.0.0.0 wechat.com", b"0.0.0.0 x.example"), "blocks names not of the plan", "wechat"),
        (BLOCK.replace(b"0.0.0.0 wechat.com\n:: wechat.com", b"0.0.0.0 a\n:: a"), "not of the plan: a", "wechat"),
        (BLOCK.replace(b"\n", b"\r\n"), "changed", ""),
        (BLOCK[: -len(block.END) - 1], "a beginning without an end", ""),
        (BLOCK[BLOCK.index(b"\n") + 1 :], "an end without a beginning", ""),
        (BLOCK + BLOCK, "it is there twice", ""),
        (BLOCK.replace(b":: wechat", b"192.0.2.9 intranet\n:: wechat"), "other lines within it", ""),
        (b"", "missing", "wechat"),
    ],
)  # fmt: skip
def test_a_damaged_block_is_reported_and_repaired_without_losing_a_foreign_line(
    host: Host, hosts: Path, tampered: bytes, said: str, against: str
) -> None:
    foreign = b"0.0.0.0 ads.example\n:: ads.example\n" + OWN
    hosts.write_bytes(tampered + foreign)
    verdicts = dns.observe(host, WECHAT)
    details = " | ".join(f"{finding.detail}" for verdict in verdicts for finding in verdict.findings)
    if said != "blocks names not of the plan":
        assert said in details
    assert (states(verdicts)["wechat"] == NONCOMPLIANT) is bool(against)
    apply(dns.enforce(host, WECHAT))
    left = b"192.0.2.9 intranet\n" if b"intranet" in tampered else b""
    assert hosts.read_bytes() == BLOCK + left + foreign
    assert set(states(dns.observe(host, WECHAT)).values()) == {COMPLIANT}


def test_lines_put_before_the_block_stay_there_when_it_is_lifted(host: Host, hosts: Path) -> None:
    apply(dns.enforce(host, WECHAT))
    hosts.write_bytes(b"192.0.2.1 first\n" + hosts.read_bytes() + b"192.0.2.2 last")
    assert set(states(dns.observe(host, WECHAT)).values()) == {COMPLIANT}
    apply(dns.lift(host, WECHAT))
    assert hosts.read_bytes() == b"192.0.2.1 first\n" + OWN + b"192.0.2.2 last"


def test_a_file_that_was_not_there_goes_again(host: Host, hosts: Path) -> None:
    hosts.unlink()
    apply(dns.enforce(host, WECHAT))
    assert set(states(dns.observe(host, WECHAT)).values()) == {COMPLIANT}
    assert apply(dns.enforce(host, WECHAT)) == []
    assert apply(dns.lift(host, WECHAT)) == ["delete /etc/hosts"]
    assert not hosts.exists()
    assert apply(dns.lift(host, WECHAT)) == []


def test_a_plan_that_blocks_nothing_any_more_takes_the_block_away(host: Host, hosts: Path) -> None:
    apply(dns.enforce(host, WECHAT))
    nothing = plan()
    assert states(dns.observe(host, nothing)) == {"hosts-file": NONCOMPLIANT}
    apply(dns.enforce(host, nothing))
    assert hosts.read_bytes() == OWN
    assert states(dns.observe(host, nothing)) == {"hosts-file": NOT_APPLICABLE}


def test_the_record_says_that_sub_domains_are_not_covered(host: Host) -> None:
    note = dns.observe(host, WECHAT)[-1]
    assert (note.rule, note.state, note.drifted) == ("dns/sub-domains", NOT_APPLICABLE, False)
    assert "install and use dnsmasq or unbound" in note.findings[0].detail
    chosen = {"controls": {"dns": {**WECHAT["controls"]["dns"], "settings": {"backend": "hosts"}}}}
    assert dns.observe(host, chosen)[-1].findings[0].detail.endswith("pass it with HOSTALIASES or LOCALDOMAIN")
    assert [verdict.rule for verdict in dns.observe(host, plan())] == ["dns/hosts-file"]


def test_the_mode_of_the_file_stays_but_every_user_can_read_it(host: Host, hosts: Path) -> None:
    hosts.chmod(0o660)
    apply(dns.enforce(host, WECHAT))
    assert hosts.stat().st_mode & 0o777 == 0o664


@pytest.mark.parametrize("mount", [False, True])
def test_a_link_or_a_mount_point_is_not_replaced(host: Host, hosts: Path, tmp_path: Path, mount: bool) -> None:
    if mount:
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/mountinfo").write_text("36 35 98:0 /x/hosts /etc/hosts rw - ext4 /dev/sda rw\n")
    else:
        (tmp_path / "elsewhere").write_bytes(OWN)
        hosts.unlink()
        os.symlink("../elsewhere", hosts)
    if not mount and os.geteuid() != 0:
        pytest.skip("needs root: a link counts only if root made it")
    changes = dns.enforce(host, WECHAT)
    assert (list(changes.actions), [refusal.rule for refusal in changes.refused]) == ([], ["dns/hosts-file"])


def test_an_unreadable_file_is_unknown(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    read = host.read

    def unreadable(path: str, limit: int = 1 << 20) -> bytes | None:
        if path == "/etc/hosts":
            raise Unseen(f"{path} can only be read by root")
        return read(path, limit)

    monkeypatch.setattr(host, "read", unreadable)
    assert states(dns.observe(host, WECHAT)) == {"wechat": UNKNOWN, "hosts-file": UNKNOWN}


def test_lifting_needs_no_plan_of_the_control(host: Host) -> None:
    assert list(dns.lift(host, {"controls": {}}).actions) == []


LINES = st.sampled_from(
    [
        b"127.0.0.1 localhost",
        b"0.0.0.0 ads.example",
        b":: wechat.com",
        b"# note",
        b"",
        b"\xff\xfe",
        b"192.0.2.1 a b # c",
    ]
)
FILES = st.one_of(  # without markers of ours: hypothesis knows every constant of the code
    st.binary(max_size=200),
    st.builds(
        lambda lines, end, last: end.join(lines) + last,
        st.lists(LINES),
        st.sampled_from([b"\n", b"\r\n"]),
        st.sampled_from([b"", b"\n", b"\r"]),
    ),
).filter(lambda content: b"proscribe" not in content)  # fmt: skip
DOMAINS = st.sets(st.from_regex(r"[a-z]{1,5}\.(com|org)", fullmatch=True), min_size=1, max_size=5)


@given(FILES, DOMAINS)
def test_lifting_gives_back_every_byte(content: bytes, names: set[str]) -> None:
    enforced = block.render(names, made=False) + content
    ours = block.render(names, made=False)
    for likely in (b"", ours, block.render({*names, "another.example"}, made=False)):
        assert block.split(enforced, lambda: names, likely) == block.Split(ours, content)


@given(FILES, DOMAINS, st.integers(0, 400))
def test_however_the_block_is_cut_no_foreign_line_is_lost(content: bytes, names: set[str], cut: int) -> None:
    rendered = block.render(names, made=False)
    lines = rendered.splitlines(keepends=True)
    del lines[cut % len(lines)]
    damaged = b"".join(lines) + content
    split = block.split(damaged, lambda: names)
    assert block.split(damaged, lambda: names, rendered) == split
    foreign = split.foreign
    assert [line for line in content.split() if line not in foreign.split() and line not in rendered.split()] == []


def test_a_block_that_an_earlier_version_signed_in_other_words_is_ours() -> None:
    old = b"# Written by Proscribe, rewritten at its next run. To lift the ban on this host: ./proscribe lift"
    content = b"\n".join([block.BEGIN, old, b"0.0.0.0 a.example", b":: a.example", block.END, b"127.0.0.1 localhost\n"])
    found = block.split(content, set)
    assert (found.damage, found.foreign) == ("", b"127.0.0.1 localhost\n")
