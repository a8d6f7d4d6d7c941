"""Names blocked in the hosts file: our block, the lines of others, and what is left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.controls import dns
from proscribe.host.controls.dns import block
from proscribe.host.system import Host, Unseen
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, Verdict

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


def test_an_unreadable_file_is_unknown(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    read = host.read

    def unreadable(path: str, limit: int = 1 << 20) -> bytes | None:
        if path == "/etc/hosts":
            raise Unseen(f"{path} can only be read by root")
        return read(path, limit)

    monkeypatch.setattr(host, "read", unreadable)
    assert states(dns.observe(host, WECHAT)) == {"wechat": UNKNOWN, "hosts-file": UNKNOWN}


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
