"""The filter behind systemd-resolved, beyond test_dns_contract.py."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from dns_contract import OPENED, UPSTREAM, Sample
from file_hosts import make_host
from proscribe.host.controls.dns.backends import resolved
from proscribe.host.controls.dns.resolver_observation import DnsObservation
from proscribe.host.system import WRITTEN_BY, Host, ToolResult
from proscribe.model.finding import Finding
from recording import compare

SAMPLE = Sample(
    files={"etc/resolv.conf": "nameserver 127.0.0.53\n", "etc/systemd/resolved.conf": f"[Resolve]\nDNS={UPSTREAM}\n"},
    refusal=f"dnsmasq[301]: config {OPENED} is NXDOMAIN",
    tools=("dnsmasq",),
    users=("nobody", "systemd-resolve"),
    opens=False,  # the filter is our own
)
RUNS = DnsObservation(("127.0.0.53",), ("192.0.2.1",), "", {resolved.RESOLVED_UNIT: 77})
FILE, DROP_IN = "/etc/proscribe/dns.conf", "/etc/systemd/resolved.conf.d/zz-proscribe.conf"
OWN, UNIT_FILE = "proscribe-dns.service", "/etc/systemd/system/proscribe-dns.service"
RECORDED = Path(__file__).parents[4] / "recorded/controls/proscribe-dns.service.txt"
RESTART = [("systemctl", "reset-failed", resolved.RESOLVED_UNIT), ("systemctl", "restart", resolved.RESOLVED_UNIT)]
LINKS = "Global: ~.\nLink 2 (eth0): corp.example ~Lab.example\nLink 3 (tun0): ~.\n"


def host(root: Path, files: Mapping[str, str] = {}, tools: str = "dnsmasq resolvectl") -> Host:
    def run(argv: Sequence[str], **_: Any) -> ToolResult:
        assert list(argv) == ["/usr/bin/resolvectl", "domain"]
        return ToolResult(0, LINKS, "")

    return make_host(root, files, tools, run)


def test_resolved_gets_a_filter_unit_and_a_drop_in(tmp_path):
    found = resolved.describe_filter(host(tmp_path), RUNS, {})
    own, front = found.make_stages("text")
    compare(RECORDED, own.files[UNIT_FILE].replace(" 2>&1 ", " 2>&1\n"))
    assert own._replace(files=[*own.files.items()][:1])._asdict() == {
        "files": [(FILE, "text")],
        "start_commands": [("systemctl", "daemon-reload"), ("systemctl", "enable", OWN), ("systemctl", "restart", OWN)],
        "answer_addresses": [("127.0.0.153", 153)],
        "leave_commands": [("systemctl", "disable", "--now", OWN)],
        "removed_commands": [("systemctl", "daemon-reload")],
        "required_paths": [f"/etc/systemd/system/multi-user.target.wants/{OWN}"],
    }
    assert front._asdict() == {
        "files": {DROP_IN: f"# {WRITTEN_BY}\n[Resolve]\nDNS=\nDNS=127.0.0.153:153\nDomains=~.\n"},
        "start_commands": RESTART,
        "answer_addresses": [("127.0.0.53", 53)],
        "leave_commands": (),
        "removed_commands": [RESTART[0], ("systemctl", "try-restart", resolved.RESOLVED_UNIT)],
        "required_paths": (),
    }
    expected = ("resolved", FILE, OWN, (OWN, resolved.RESOLVED_UNIT))
    assert (found.manager, found.file_path, found.log_unit, found.units) == expected
    assert (list(found.bypasses), found.routed_domains) == ([], [])
    assert found.make_check_command("/x") == ("/usr/bin/dnsmasq", "--test", "-C", "/x")
    expected = ({DROP_IN: ""}, (), (), (), [], ())
    assert resolved.list_possible_stages(host(tmp_path), RUNS._replace(pids_by_unit={}))[1] == expected


@pytest.mark.parametrize(
    ("settings", "files", "upstream"),
    [
        ({}, {}, ["resolv-file=/run/systemd/resolve/resolv.conf"]),
        ({"upstreams": ["192.0.2.7"]}, {}, ["no-resolv", "server=192.0.2.7"]),
        (
            *({}, {"etc/systemd/resolved.conf": "DNS=192.0.2.8:5353 [2001:db8::1]:53#name 2001:db8::2%eth0 x\n"}),
            ["no-resolv", "server=192.0.2.8#5353", "server=2001:db8::1#53", "server=2001:db8::2"],
        ),
    ],
)
def test_resolved_filter_asks_its_upstreams(tmp_path, settings, files, upstream):
    for passwd, user in [({}, "nobody"), ({"etc/passwd": "root:x:0:0\ndnsmasq:x:9:9\n"}, "dnsmasq")]:
        made = host(tmp_path, {**files, **passwd})
        own = [f"user={user}", "port=153", "listen-address=127.0.0.153", "bind-interfaces", "no-hosts", "cache-size=0"]
        found = resolved.describe_filter(made, RUNS, settings).extra_lines
        assert found == "".join(f"{line}\n" for line in (*own, *upstream))
        assert resolved.list_asking_users(made, RUNS) == sorted(["systemd-resolve", user])


CONF, RUN, LIB = (f"{folder}/systemd/resolved.conf" for folder in ("etc", "run", "usr/lib"))
DROP_INS = {f"{CONF}.d/b.conf": "DNS=192.0.2.2\n", f"{RUN}.d/b.conf": "DNS=192.0.2.9\n"}
DROP_INS |= {f"{LIB}.d/a.conf": "DNS=192.0.2.1\n"}


@pytest.mark.parametrize(
    ("files", "servers"),
    [
        ({CONF: "DNS=192.0.2.1\n", RUN: "DNS=192.0.2.2\n"}, ["192.0.2.1"]),
        ({LIB: "DNS = 192.0.2.3,192.0.2.4\nDNS=192.0.2.5\n"}, ["192.0.2.3", "192.0.2.4", "192.0.2.5"]),
        ({CONF: "#DNS=192.0.2.1\nFallbackDNS=192.0.2.1\nDNS\n"}, []),
        ({CONF: "DNS=192.0.2.1\nDNS=\nDNS=192.0.2.2\n"}, ["192.0.2.2"]),
        ({**DROP_INS, f"{CONF}.d/c.bak": "DNS=192.0.2.9\n", DROP_IN: "DNS=127.0.0.153\n"}, ["192.0.2.1", "192.0.2.2"]),
    ],
)
def test_servers_of_the_organisation_are_read_as_resolved_reads_them(tmp_path, files, servers):
    assert resolved.list_global_servers(host(tmp_path, files)) == servers


def test_servers_and_links_beside_the_resolved_filter_are_reported(tmp_path):
    later = {"etc/systemd/resolved.conf.d/zzz.conf": "DNS=192.0.2.9\n"}
    found = resolved.describe_filter(host(tmp_path, {**later, DROP_IN: "DNS=\nDNS=127.0.0.153:153\n"}), RUNS, {})
    folder = "/etc/systemd/resolved.conf.d"
    assert list(found.bypasses) == [
        Finding("link", "tun0", manager="resolved", detail="its own name servers are asked for every name too"),
        Finding(
            *("nameserver", "192.0.2.9", "resolved"), path=folder, detail="systemd-resolved asks it besides the filter"
        ),
    ]
    assert found.routed_domains == [("eth0", "corp.example"), ("eth0", "lab.example")]
    assert resolved.describe_filter(host(tmp_path, tools="dnsmasq"), RUNS, {}).units == (OWN, resolved.RESOLVED_UNIT)
    assert found.is_raced
