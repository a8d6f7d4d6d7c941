"""The names of a plan in the words of dnsmasq and unbound, and nothing but names."""

from __future__ import annotations

import contextlib
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from properties import examples
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.host.controls.dns import block, rendering
from proscribe.host.controls.dns.backends import dnsmasq, networkmanager, resolved, unbound
from proscribe.host.controls.dns.desired import Desired, collect, covering, of_plan, plain
from proscribe.host.controls.dns.observed import Observed
from proscribe.host.system import WRITTEN_BY, ControlError, Host


def section(**services: dict[str, Any]) -> dict[str, Any]:
    entries = {id_: {"name": id_, "mode": "enforce", "domains": [], "allow": [], **e} for id_, e in services.items()}
    return {"mode": "enforce", "services": entries, "settings": {}}


WECHAT = section(
    wechat={"domains": ["wechat.com"], "allow": ["work.wechat.com", "elsewhere.org"]},
    canary={"canaries": ["use-application-dns.net"]},
)


def test_dnsmasq_blocks_what_is_restricted_and_lets_through_what_lies_below() -> None:
    lines = rendering.text(dnsmasq.LANGUAGE, of_plan(WECHAT, {}, canaries=True)).splitlines()
    assert lines[0].startswith("# Written by Proscribe")
    assert lines[1:4] == ["local=/use-application-dns.net/", "local=/wechat.com/", "server=/work.wechat.com/#"]
    assert re.fullmatch(r'txt-record=filter\.proscribe\.internal,"[0-9a-f]{32}"', lines[4])
    assert lines[5:] == ["host-record=filter.proscribe.internal,127.80.82.83"]


def test_a_comment_is_one_of_the_language() -> None:
    zone = dnsmasq.LANGUAGE._replace(comment=";")
    desired = Desired({"wechat": ["wechat.com"]}, {}, frozenset())
    assert rendering.text(zone, desired) == rendering.text(dnsmasq.LANGUAGE, desired).replace("# Written", "; Written")


def test_unbound_says_the_same_in_local_zones() -> None:
    lines = rendering.text(unbound.LANGUAGE, of_plan(WECHAT, {}, canaries=True)).splitlines()
    assert lines[1:6] == [
        "server:",
        "  log-local-actions: yes",
        '  local-zone: "use-application-dns.net." always_nxdomain',
        '  local-zone: "wechat.com." always_nxdomain',
        '  local-zone: "work.wechat.com." transparent',
    ]
    assert re.fullmatch(r"  local-data: 'filter\.proscribe\.internal\. 0 IN TXT \"[0-9a-f]{32}\"'", lines[6])
    assert lines[7:] == ["  local-data: 'filter.proscribe.internal. 0 IN A 127.80.82.83'"]


@pytest.mark.parametrize(
    ("services", "names", "through"),
    [
        ({"a": {"domains": ["x.org"]}, "b": {"domains": ["x.org"], "mode": "waived"}}, set(), set()),
        ({"a": {"domains": ["x.org"]}, "b": {"domains": ["m.x.org"], "mode": "waived"}}, {"x.org"}, {"m.x.org"}),
        ({"a": {"domains": ["x.org"]}, "b": {"domains": ["m.x.org"], "mode": "upcoming"}}, {"x.org"}, set()),
        ({"a": {"domains": ["x.org", "m.x.org"], "allow": ["m.x.org"]}}, {"x.org"}, {"m.x.org"}),
        (
            {"a": {"domains": ["x.org"], "allow": ["m.x.org"]}, "b": {"domains": ["m.x.org"]}},
            {"x.org", "m.x.org"},
            set(),
        ),
        ({"a": {"domains": ["x.org"], "mode": "report", "allow": ["m.x.org"]}}, set(), set()),
        ({"a": {"domains": ["x.org"], "mode": "audit"}}, {"x.org"}, set()),
    ],
)
def test_whom_the_nearest_name_belongs_to(services: dict[str, Any], names: set[str], through: set[str]) -> None:
    desired = of_plan(section(**services), {}, canaries=True)
    assert (desired.names, desired.through) == (names, frozenset(through))


def test_what_a_host_hangs_on_stays_open_below_a_blocked_name(tmp_path: Any) -> None:
    (tmp_path / "etc/apt").mkdir(parents=True)
    (tmp_path / "etc/apt/sources.list").write_text(
        "deb https://apt.wechat.com/ x main\ndeb http://deb.example/ x main\n"
    )
    hosts = b"10.0.0.7 Intranet.wechat.com\n10.0.0.8 a/b.wechat.com\n"
    hosts += b"".join(b"%s ads.wechat.com\n" % address for address in (b"0.0.0.0", b"::", b"127.0.0.1", b"::1"))
    desired = collect(Host(str(tmp_path)), {"controls": {"dns": WECHAT}}, hosts, canaries=True)
    assert dict(desired.left) == {
        "apt.wechat.com": "this host gets its packages from there",
        "intranet.wechat.com": "a line of the host's own says 10.0.0.7",
    }
    assert desired.through == {"apt.wechat.com", "intranet.wechat.com", "work.wechat.com"}
    assert desired.names == {"wechat.com", "use-application-dns.net"}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("wechat.com", "wechat.com"),
        ("a.b.wechat.com", "wechat.com"),
        ("x.work.wechat.com", "work.wechat.com"),
        ("notwechat.com", ""),
        ("com", ""),
        ("", ""),
    ],
)
def test_the_nearest_name_above(name: str, found: str) -> None:
    assert covering(name, {"wechat.com", "work.wechat.com"}) == found


WICKED = ["a.org/\nserver=/b.org/1.2.3.4", 'a.org." transparent', "a.org b.org", "a.org#", "A.org", ".org", "a..org",
          "", "a.org.", "*.org", "a.org\r", "a.org\0", "\u00e4.org", "-a.org", "a/b.org", 64 * "a" + ".x",
          ".".join(5 * [60 * "a"])]  # fmt: skip


@pytest.mark.parametrize("name", WICKED)
def test_what_is_more_than_a_name_is_refused(name: str) -> None:
    with pytest.raises(ControlError, match="the plan has .* for a name"):
        plain(["wechat.com", name])


ANYTHING = st.one_of(
    st.text(max_size=40),
    st.sampled_from(WICKED),
    st.from_regex(r"[a-z0-9_/.#\"'\\ \n-]{1,20}", fullmatch=True),
    st.from_regex(r"[a-z0-9-]{1,9}(\.[a-z0-9-]{1,9}){1,3}", fullmatch=True),
)
DNSMASQ_LINE = re.compile(
    r'local=/[a-z0-9._-]+/|server=/[a-z0-9._-]+/#|txt-record=[a-z.]+,"[0-9a-f]{32}"|# Written.*'
    r"|host-record=filter\.proscribe\.internal,127\.80\.82\.83"
)
UNBOUND_LINE = re.compile(
    r'  local-zone: "[a-z0-9._-]+\." (?:always_nxdomain|transparent)|  local-data: \'[a-z.]+ 0 IN TXT "[0-9a-f]{32}"\''
    r"|server:|  log-local-actions: yes|# Written.*"
    r"|  local-data: 'filter\.proscribe\.internal\. 0 IN A 127\.80\.82\.83'"
)
HOSTS_LINE = re.compile(rb"(?:0\.0\.0\.0|::) [a-z0-9._-]+|# .*|127\.80\.82\.83 filter\.proscribe\.internal")


@given(st.sets(ANYTHING, max_size=5), st.sets(ANYTHING, max_size=3))
def test_no_name_can_put_a_token_of_its_own_into_a_file(names: set[str], through: set[str]) -> None:
    desired = Desired({"service": sorted(names)}, {}, frozenset(through))
    for language, pattern in ((dnsmasq.LANGUAGE, DNSMASQ_LINE), (unbound.LANGUAGE, UNBOUND_LINE)):
        try:
            text = rendering.text(language, desired)
        except ControlError:
            continue
        lines = text.split("\n")
        assert lines.pop() == ""
        assert all(pattern.fullmatch(line) for line in lines)
        assert len([line for line in lines if "local=/" in line or "always_nxdomain" in line]) == len(names)
    try:
        blocked = plain(names)
    except ControlError:
        return
    assert all(HOSTS_LINE.fullmatch(line) for line in block.render(blocked, made=False).split(b"\n")[:-1])


ADDRESS = st.ip_addresses().map(str)
SERVERS = st.one_of(
    ADDRESS,
    ANYTHING,
    st.tuples(ADDRESS, st.sampled_from(["#53", ":53", "%eth0", "#dns.example", "/", "\nlocal=/b.org/", " ", "\r"])).map(
        "".join
    ),
    st.sampled_from(["/a.org/10.0.0.1", "10.0.0.1\nserver=/b.org/1.2.3.4", "[2001:db8::1]:53", "fe80::1%a\nno-resolv"]),
)
OWN_LINE = re.compile(
    r"user=(?:dnsmasq|nobody)|port=153|listen-address=127\.0\.0\.153|bind-interfaces|no-hosts|cache-size=0|no-resolv"
    r"|resolv-file=/run/systemd/resolve/resolv\.conf|server=[0-9a-fA-F.:]+(?:#[0-9]+)?"
)


@examples(100, HealthCheck.function_scoped_fixture)
@given(servers=st.lists(SERVERS, max_size=3))
def test_no_name_server_of_the_inventory_or_the_host_can_put_a_line_of_its_own_into_the_filters_file(
    tmp_path: Path, servers: list[str]
) -> None:
    """The whole file of the filter behind systemd-resolved: what the inventory has, and what /etc has for DNS=."""
    (tmp_path / "etc/systemd").mkdir(parents=True, exist_ok=True)
    lines = "".join(f"DNS={server}\n" for server in servers)
    (tmp_path / "etc/systemd/resolved.conf").write_text(f"[Resolve]\n{lines}", encoding="utf-8", errors="replace")
    host = Host(str(tmp_path))
    servers_of = [resolved.global_servers(host)]
    with contextlib.suppress(PolicyErrors):
        servers_of.append(
            list(read_restrictions({"proscribe_dns_upstreams": servers}, lambda name: name).dns_upstreams)
        )
    for upstreams in servers_of:
        text = resolved._options(host, upstreams)
        assert [line for line in text.splitlines() if not OWN_LINE.fullmatch(line)] == []
        assert text.count("server=") == len(upstreams)


def test_what_networkmanagers_dnsmasq_is_given_is_written_by_the_same_hand(tmp_path: Path) -> None:
    filter_ = networkmanager.describe(Host(str(tmp_path)), Observed((), (), "NetworkManager", {}), {})
    assert filter_.language is dnsmasq.LANGUAGE
    (stage,) = filter_.stages("what was rendered")
    assert stage.files == {
        networkmanager.FILE: "what was rendered",
        networkmanager.SWITCH: f"# {WRITTEN_BY}\n[main]\ndns=dnsmasq\n",
    }


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("server=/a.org/10.0.0.1", ["a.org"]),
        ("server=/a.org/b.org/10.0.0.1#5353", ["a.org", "b.org"]),
        ("server=/a.org/#", ["a.org"]),
        ("server = /A.org/10.0.0.1 # why", ["a.org"]),
        ("server=/a.org/", []),
        ("server=10.0.0.1", []),
        ("address=/a.org/10.0.0.1", ["a.org"]),
        ("address=/a.org/0.0.0.0", []),
        ("address=/a.org/::", []),
        ("address=/a.org/#", []),
        ("address=/a.org/", []),
        ("local=/a.org/", []),
        ("local=/a.org/10.0.0.1", ["a.org"]),  # another name of `server`
        ("host-record=a.org,b.org,10.0.0.1", ["a.org", "b.org"]),
        ("cname=a.org,b.org", ["a.org"]),
        ("# server=/a.org/10.0.0.1", []),
        ("domain=a.org", []),
    ],
)
def test_lines_of_dnsmasq_that_open_a_name(line: str, names: list[str]) -> None:
    assert [name for _, name in dnsmasq.overrides(f"\n{line}\nport=53")] == names
    expected = ("cname= D.org ,e.org", "d.org")
    assert dnsmasq.overrides(f"{line}\nserver=//10.0.0.1\ncname=.,e.org\n cname= D.org ,e.org # why")[-1] == expected


@pytest.mark.parametrize(
    ("files", "words", "found"),
    [
        ({"etc/dnsmasq.conf": "server=/a.org/10.0.0.1\n"}, "", [("/etc/dnsmasq.conf", "a.org")]),
        ({}, "dnsmasq --server=/a.org/10.0.0.1", [("its command line", "a.org")]),
        ({}, "dnsmasq -k -S /a.org/10.0.0.1 -A/b.org/10.0.0.1", [("its command line", f"{n}.org") for n in "ab"]),
        *(
            ({"etc/dnsmasq.conf": f"{line}\n", "root/x": "server=/a.org/10.0.0.1\n"}, "", [("/root/x", "a.org")])
            for line in ("conf-file=/root/x", "servers-file = /root/x # why", "conf-dir=/root/,*.conf")
        ),
        *(
            ({"etc/dnsmasq.conf": f"{line}\n", "root/x": "10.0.0.1 a.org b\n0.0.0.0 c.org\n"}, "",
             [("/root/x", "a.org"), ("/root/x", "b")])
            for line in ("addn-hosts=/root/x", "hostsdir=/root")
        ),
        ({"root/x": "local=/a.org/10.0.0.1\n"}, "dnsmasq -C /root/x", [("/root/x", "a.org")]),
        ({"etc/dnsmasq.conf": "# conf-file=/root/x\nconf-file=x\n", "root/x": "server=/a.org/10.0.0.1\n"}, "", []),
    ],
)  # fmt: skip
def test_lines_that_open_a_name_in_dnsmasq_are_found_with_their_place(
    tmp_path: Path, files: dict[str, str], words: str, found: list[tuple[str, str]]
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    opened = dnsmasq.openers(Host(str(tmp_path)), ["/etc/dnsmasq.conf"], words.split())
    assert [(path, name) for path, _, name in opened] == found


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ('local-zone: "a.org." transparent', ["a.org"]),
        ("local-zone: a.org redirect", ["a.org"]),
        ('local-zone: "a.org" always_nxdomain', []),
        ('local-zone: "a.org"', []),
        ("local-data: 'a.org. IN A 10.0.0.1'", ["a.org"]),
        ('  name: "a.org"', ["a.org"]),
        ('  name: "."', []),
        ('# name: "a.org"', []),
        ("interface: 127.0.0.1", []),
    ],
)
def test_lines_of_unbound_that_open_a_name(line: str, names: list[str]) -> None:
    assert [name for _, name in unbound.overrides(f"server:\n{line}\n")] == names


@given(st.text(max_size=200))
def test_reading_the_organisations_files_never_fails(text: str) -> None:
    dnsmasq.overrides(text)
    unbound.overrides(text)
    dnsmasq._files(text)
    dnsmasq._hosts(text)
    dnsmasq._command_line(text.split())


def test_the_file_of_a_resolver_begins_with_its_notice_and_ends_with_the_witness() -> None:
    language = rendering.Language(
        lines=lambda blocked, through: [*(f"block {name}" for name in blocked), *(f"pass {name}" for name in through)],
        witness=lambda name, text, address: [f'txt {name} "{text}"', f"host {name} {address}"],
        blocked=re.compile("^block (.*)$", re.MULTILINE),
        head=["head"],
        logging=["log"],
    )
    desired = Desired({"a": ["b.org", "a.org"]}, {}, frozenset({"ok.b.org", "ok.a.org"}))
    body = ["block a.org", "block b.org", "pass ok.a.org", "pass ok.b.org"]
    digest = hashlib.sha256("\n".join(body).encode()).hexdigest()[:32]
    witness = [f'txt filter.proscribe.internal "{digest}"', "host filter.proscribe.internal 127.80.82.83"]
    text = rendering.text(language, desired)
    assert text.split("\n") == [f"# {WRITTEN_BY}", "head", "log", *body, *witness, ""]
    assert rendering.text(language._replace(comment=";"), desired) == f";{text[1:]}"
    assert rendering.digest_in(text) == digest
    for line in (f'"{digest}', f'"{digest}" x "', f'"{digest}x"', ""):
        assert rendering.digest_in(f"filter.proscribe.internal {line}\n") == ""
