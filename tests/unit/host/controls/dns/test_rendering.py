"""The names of a plan in the languages of dnsmasq and unbound."""

import contextlib
import hashlib
import re

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from properties import examples
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.host.controls.dns import block, rendering
from proscribe.host.controls.dns.backends import dnsmasq, resolved, unbound
from proscribe.host.controls.dns.desired import Desired, plain
from proscribe.host.system import WRITTEN_BY, ControlError, Host

WICKED = [
    *("a.org/\nserver=/b.org/1.2.3.4", 'a.org." transparent', "a.org b.org", "a.org#", "A.org", ".org", "a..org", ""),
    *("a.org.", "*.org", "a.org\r", "a.org\0", "\u00e4.org", "-a.org", "a/b.org", 64 * "a" + ".x"),
    ".".join(5 * [60 * "a"]),
]
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
def test_no_name_can_put_a_token_of_its_own_into_a_file(names, through):
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
ENDS = st.sampled_from(["#53", ":53", "%eth0", "#dns.example", "/", "\nlocal=/b.org/", " ", "\r"])
SERVERS = st.one_of(
    ADDRESS,
    ANYTHING,
    st.tuples(ADDRESS, ENDS).map("".join),
    st.sampled_from(["/a.org/10.0.0.1", "10.0.0.1\nserver=/b.org/1.2.3.4", "[2001:db8::1]:53", "fe80::1%a\nno-resolv"]),
)
OWN_LINE = re.compile(
    r"user=(?:dnsmasq|nobody)|port=153|listen-address=127\.0\.0\.153|bind-interfaces|no-hosts|cache-size=0|no-resolv"
    r"|resolv-file=/run/systemd/resolve/resolv\.conf|server=[0-9a-fA-F.:]+(?:#[0-9]+)?"
)


@examples(100, HealthCheck.function_scoped_fixture)
@given(servers=st.lists(SERVERS, max_size=3))
def test_no_name_server_puts_a_line_of_its_own_into_the_filters_file(tmp_path, servers):
    (tmp_path / "etc/systemd").mkdir(parents=True, exist_ok=True)
    lines = "".join(f"DNS={server}\n" for server in servers)
    (tmp_path / "etc/systemd/resolved.conf").write_text(f"[Resolve]\n{lines}", encoding="utf-8", errors="replace")
    host = Host(str(tmp_path))
    servers_of = [resolved.global_servers(host)]
    with contextlib.suppress(PolicyErrors):
        restrictions = read_restrictions({"proscribe_dns_upstreams": servers}, lambda name: name)
        servers_of.append(list(restrictions.dns_upstreams))
    for upstreams in servers_of:
        text = resolved._options(host, upstreams)
        assert [line for line in text.splitlines() if not OWN_LINE.fullmatch(line)] == []
        assert text.count("server=") == len(upstreams)


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("server=/a.org/10.0.0.1", ["a.org"]),
        ("server=/a.org/b.org/10.0.0.1#5353", ["a.org", "b.org"]),
        ("server=/a.org/#", ["a.org"]),
        ("server = /A.org/10.0.0.1 # why", ["a.org"]),
        ("server=/a.org/", []),
        ("address=/a.org/10.0.0.1", ["a.org"]),
        ("address=/a.org/0.0.0.0", []),
        ("local=/a.org/10.0.0.1", ["a.org"]),  # another name of `server`
        ("host-record=a.org,b.org,10.0.0.1", ["a.org", "b.org"]),
        ("cname=a.org,b.org", ["a.org"]),
        ("# server=/a.org/10.0.0.1", []),
    ],
)
def test_lines_of_dnsmasq_that_open_a_name(line, names):
    assert [name for _, name in dnsmasq.overrides(f"\n{line}\nport=53")] == names
    expected = ("cname= D.org ,e.org", "d.org")
    assert dnsmasq.overrides(f"{line}\nserver=//10.0.0.1\ncname=.,e.org\n cname= D.org ,e.org # why")[-1] == expected


@given(st.text(max_size=200))
def test_reading_the_organisations_files_never_fails(text):
    dnsmasq.overrides(text)
    unbound.overrides(text)
    dnsmasq._files(text)
    dnsmasq._hosts(text)
    dnsmasq._command_line(text.split())


def test_the_file_of_a_resolver_begins_with_its_notice_and_ends_with_the_witness():
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
