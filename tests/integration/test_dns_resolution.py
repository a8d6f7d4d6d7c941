"""What the C library's resolver answers from a hosts file with our block."""

import os
import subprocess
from pathlib import Path

import pytest
from conftest import require_root, require_tool
from dns_samples import MADE
from made_resolver import KINDS, UPSTREAM, MadeHost, upstream
from name_server import ADDRESS
from proscribe.host.controls import dns
from proscribe.host.system import Host

__all__ = ["upstream"]  # a fixture
OWN = "127.0.0.1 localhost\n192.0.2.10 intranet.example web.own.example\n"
ENTRY = {
    "name": "WeChat",
    "mode": "enforce",
    "domains": ["wechat.com", "login.wechat.com", "web.own.example"],
    "allow": [],
}
PLAN = {"controls": {"dns": {"mode": "enforce", "services": {"wechat": ENTRY}, "settings": {}}}}


def test_blocked_names_lead_nowhere_and_own_names_stay(tmp_path):
    require_root()
    unshare, getent = require_tool("unshare"), require_tool("getent")
    hosts = tmp_path / "etc/hosts"
    for directory in (hosts.parent, tmp_path / "var/lib"):
        directory.mkdir(parents=True)
    hosts.write_text(OWN)

    def resolved(database: str, name: str) -> set[str]:
        script = f'mount --bind "$0" /etc/hosts && exec {getent} --no-addrconfig {database} {name}'
        argv = [unshare, "--mount", "--net", "sh", "-c", script, str(hosts)]  # no network: nobody else can answer
        answer = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
        return {line.split()[0] for line in answer.splitlines()}

    assert resolved("ahosts", "wechat.com") == set()
    for action in dns.enforce(Host(str(tmp_path)), PLAN).actions:
        action.apply()
    assert resolved("ahostsv4", "wechat.com") == {"0.0.0.0"} and resolved("ahostsv6", "wechat.com") == {"::"}
    assert resolved("ahostsv4", "web.own.example") == {"192.0.2.10"}
    assert resolved("ahostsv4", "localhost") == {"127.0.0.1"} and resolved("ahosts", "notwechat.com") == set()
    for action in dns.lift(Host(str(tmp_path)), PLAN).actions:
        action.apply()
    assert hosts.read_text() == OWN


# What a user's program asks for, with variables of the environment that the C library obeys: by each of them it asks
# the resolver for a blocked name, and nobody looks that name up in the hosts file.
BY_ENVIRONMENT = {
    "an alias": ("work", {"HOSTALIASES": "/mnt/aliases"}),
    "a search list": ("wechat", {"LOCALDOMAIN": "com"}),
    "a search list for names with dots": ("www.wechat", {"LOCALDOMAIN": "com", "RES_OPTIONS": "ndots:5"}),
}


def answers(directory: Path, server: str, name: str, environment: dict[str, str]) -> set[str]:
    """The addresses that the C library has for a name, from the directory's hosts file and from one name server."""
    (directory / "resolv.conf").write_text(f"nameserver {server}\noptions timeout:2 attempts:3\n")
    (directory / "nsswitch.conf").write_text("hosts: files dns\n")
    (directory / "aliases").write_text("work login.wechat.com.\n")
    script = (
        'mount --bind "$0/etc/hosts" /etc/hosts && mount --bind "$0/resolv.conf" /etc/resolv.conf && '
        'mount --bind "$0/nsswitch.conf" /etc/nsswitch.conf && mount --bind "$0" /mnt && '
        f"exec setpriv --reuid=65534 --clear-groups getent --no-addrconfig ahostsv4 {name}"
    )
    argv = ["unshare", "--mount", "sh", "-c", script, str(directory)]
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **environment}
    )
    return {line.split()[0] for line in done.stdout.splitlines()}


@pytest.mark.parametrize("variables", BY_ENVIRONMENT)
def test_variables_pass_the_hosts_file_and_the_record_says_so(tmp_path, upstream, variables):
    os.chmod(tmp_path, 0o755)
    for directory in ("etc", "var/lib"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "etc/hosts").write_text(OWN)
    host = Host(str(tmp_path))
    for action in dns.enforce(host, PLAN).actions:
        action.apply()
    assert answers(tmp_path, UPSTREAM, "wechat.com", {}) == {"0.0.0.0"}
    assert answers(tmp_path, UPSTREAM, *BY_ENVIRONMENT[variables]) == {ADDRESS}
    (verdict,) = (verdict for verdict in dns.observe(host, PLAN) if verdict.rule == "dns/sub-domains")
    (finding,) = verdict.findings
    assert "HOSTALIASES" in finding.detail


@pytest.mark.parametrize("kind", KINDS)
def test_variables_do_not_pass_a_filter(tmp_path, upstream, kind):
    os.chmod(tmp_path, 0o755)
    host = MadeHost(kind, tmp_path, require_tool(MADE[kind].program))
    try:
        for enforced in (False, True):
            if enforced:
                host.enforce()
            for name, environment in BY_ENVIRONMENT.values():
                upstream.queries.clear()
                answers(tmp_path, host.address, name, environment)
                leaving = [query for query in upstream.queries if query.endswith("wechat.com")]
                assert bool(leaving) is not enforced, (name, leaving)
    finally:
        host.stop()
