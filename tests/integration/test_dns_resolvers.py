"""The DNS filter in real resolvers, on loopback addresses of their own, and in the hosts file by the C library."""

import os
import subprocess
from pathlib import Path

import pytest
from conftest import require_root, require_tool
from dns_samples import MADE
from made_resolver import KINDS, UPSTREAM, WECHAT, MadeHost, apply, plan, upstream
from name_server import ADDRESS, ask
from patience import processor
from proscribe.controller.compile.catalogue.catalogue_loader import read_catalogue
from proscribe.controller.compile.plans.plan_compiler import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.host.controls import dns
from proscribe.host.controls.dns import filter_changes, filter_text, names_to_block
from proscribe.host.system import ControlError, Host
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE

PROJECT = Path(__file__).resolve().parents[2]
A, AAAA, HTTPS = 1, 28, 65
NO_SUCH_NAME = (3, 0)
__all__ = ["upstream"]  # a fixture


@pytest.fixture(params=KINDS)
def host(request, tmp_path, upstream):
    upstream.queries.clear()
    os.chmod(tmp_path, 0o755)
    host = MadeHost(request.param, tmp_path, require_tool(MADE[request.param].program))
    yield host
    host.stop()
    upstream.silent = False  # for the tests that share a host, whichever comes next


FINE = {"wechat": COMPLIANT, "personal": COMPLIANT, "canary": COMPLIANT, "resolver": COMPLIANT}


BLOCKED_NAMES = ["wechat.com", "WWW.WeChat.com", "a.b.c.wechat.com", "home.work.wechat.com", "use-application-dns.net"]
OPEN_NAMES = ["work.wechat.com", "open.work.wechat.com", "notwechat.com", "wechat.com.example", "com"]


def test_client_gets_no_address_of_a_blocked_name(host, upstream):
    assert ask(host.address, "wechat.com") == (0, 1)  # and the answer is in its cache now
    host.enforce()
    upstream.queries.clear()
    for name in (*BLOCKED_NAMES, "deep.home.work.wechat.com"):
        assert ask(host.address, name, A) == NO_SUCH_NAME, name
    assert ask(host.address, "wechat.com", AAAA) == ask(host.address, "wechat.com", HTTPS) == NO_SUCH_NAME
    assert not {name.lower() for name in BLOCKED_NAMES} & set(upstream.queries)  # what is blocked never leaves the host
    for name in OPEN_NAMES:
        assert ask(host.address, name, A) == (0, 1) and name in upstream.queries


def test_enforcing_settles_and_lifting_leaves_nothing(host):
    before = host.tree()
    assert host.states() == dict.fromkeys(FINE, NONCOMPLIANT) and host.enforce() == [f"write {host.files}"]
    assert host.states() == FINE and host.enforce() == [] and host.restarts == 1
    assert {name: content for name, content in host.tree().items() if name in before} == before
    assert host.enforce(plan()) == [f"delete {host.files}"]
    assert host.states(plan()) == {"resolver": NOT_APPLICABLE}
    host.enforce()
    assert apply(dns.lift(host.host, {"controls": {}})) == [f"delete {host.files}"] and host.tree() == before
    assert ask(host.address, "wechat.com") == (0, 1) and apply(dns.lift(host.host, {"controls": {}})) == []


def test_a_running_resolver_that_has_not_read_the_file_is_reported_and_corrected(host):
    host.enforce()
    more = plan(wechat=["wechat.com"], signal=["signal.org"])
    host.file.write_text(
        filter_text.render_filter(
            host.language, names_to_block.collect_section_names(more["controls"]["dns"], {}, canaries=True)
        )
    )
    assert set(host.states(more).values()) == {NONCOMPLIANT}
    assert "does not answer with what the file says" in host.details(more)
    assert host.enforce(more) == [f"restart {host.unit}"] and set(host.states(more).values()) == {COMPLIANT}
    assert ask(host.address, "signal.org") == NO_SUCH_NAME


def test_a_file_that_cuts_other_names_is_taken_back(host, upstream, monkeypatch):
    monkeypatch.setattr(filter_changes, "START_TIMEOUT_SECONDS", 1.5)
    host.enforce()
    before = host.tree()
    changes = dns.enforce(host.host, plan(wechat=["wechat.com"], signal=["signal.org"]))
    host.restarts = 0
    host.at_restart = lambda: setattr(upstream, "silent", host.restarts == 1)  # as long as the new names are in place
    with pytest.raises(ControlError, match="names do not resolve any more; name resolution is restored"):
        apply(changes)
    assert host.tree() == before and host.restarts == 2 and ask(host.address, "notwechat.com") == (0, 1)


def test_the_organisations_own_line_that_opens_a_name_is_reported_and_left(host):
    own, text = host.made.opening
    (host.root / own).write_text(text)
    host.enforce()
    verdicts = {verdict.rule: verdict for verdict in dns.observe(host.host, WECHAT)}
    wechat = verdicts["dns/wechat"]
    assert (wechat.state, wechat.drifted) == (NONCOMPLIANT, False)
    assert [(f.id, f.path) for f in wechat.findings] == [("web.wechat.com", f"/{own}")]
    assert verdicts["dns/personal"].state == COMPLIANT and host.enforce() == []


def test_ten_thousand_domains(host):
    many = plan(many=[f"d{number}.example" for number in range(10_000)])
    before = processor()
    host.enforce(many)
    enforcing, before = processor() - before, processor()
    assert host.states(many) == {"many": COMPLIANT, "resolver": COMPLIANT}
    observing = processor() - before
    assert ask(host.address, "x.d9999.example") == NO_SUCH_NAME
    assert ask(host.address, "x.d10000.example") == (0, 1) and enforcing < 10 and observing < 2


def test_every_name_of_the_catalogue(host):
    restrictions = read_restrictions({"proscribe_dns_backend": host.kind}, lambda name: name)
    whole = compile_plan(read_catalogue([PROJECT / "catalog"]), restrictions, [], restrictions.effective_from)
    host.enforce(whole)
    assert {verdict.state for verdict in dns.observe(host.host, whole)} == {COMPLIANT, NOT_APPLICABLE}
    blocked = {*host.language.blocked_pattern.findall(host.file.read_text())}
    assert len(blocked) > 700 and {"mask.icloud.com", "use-application-dns.net", "wechat.com"} < blocked
    sample = sorted(blocked)[:: len(blocked) // 40]
    assert {ask(host.address, f"x.{name}") for name in sample} == {NO_SUCH_NAME}


OWN = "127.0.0.1 localhost\n192.0.2.10 intranet.example web.own.example\n"
IN_HOSTS_FILE = plan(wechat=["wechat.com", "login.wechat.com", "web.own.example"])


@pytest.fixture
def hosts_file(tmp_path):
    """A tree whose hosts file is the filter."""
    os.chmod(tmp_path, 0o755)
    for directory in ("etc", "var/lib"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "etc/hosts").write_text(OWN)
    return tmp_path / "etc/hosts"


def test_blocked_names_lead_nowhere_and_own_names_stay(hosts_file, tmp_path):
    require_root()
    unshare, getent = require_tool("unshare"), require_tool("getent")

    def resolved(database, name):
        script = f'mount --bind "$0" /etc/hosts && exec {getent} --no-addrconfig {database} {name}'
        argv = [unshare, "--mount", "--net", "sh", "-c", script, str(hosts_file)]  # no network: nobody else can answer
        answer = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
        return {line.split()[0] for line in answer.splitlines()}

    assert resolved("ahosts", "wechat.com") == set()
    apply(dns.enforce(Host(str(tmp_path)), IN_HOSTS_FILE))
    assert resolved("ahostsv4", "wechat.com") == {"0.0.0.0"} and resolved("ahostsv6", "wechat.com") == {"::"}
    assert resolved("ahostsv4", "web.own.example") == {"192.0.2.10"}
    assert resolved("ahostsv4", "localhost") == {"127.0.0.1"} and resolved("ahosts", "notwechat.com") == set()
    apply(dns.lift(Host(str(tmp_path)), IN_HOSTS_FILE))
    assert hosts_file.read_text() == OWN


# What a user's program asks for, with variables of the environment that the C library obeys: by each of them it asks
# the resolver for a blocked name, and nobody looks that name up in the hosts file.
BY_ENVIRONMENT = {
    "an alias": ("work", {"HOSTALIASES": "/mnt/aliases"}),
    "a search list": ("wechat", {"LOCALDOMAIN": "com"}),
    "a search list for names with dots": ("www.wechat", {"LOCALDOMAIN": "com", "RES_OPTIONS": "ndots:5"}),
}


def answers(directory, server, name, environment):
    """Return what the C library has for a name, from the directory's hosts file and from one name server."""
    (directory / "resolv.conf").write_text(f"nameserver {server}\noptions timeout:2 attempts:3\n")
    (directory / "nsswitch.conf").write_text("hosts: files dns\n")
    (directory / "aliases").write_text("work login.wechat.com.\n")
    script = (
        'mount --bind "$0/etc/hosts" /etc/hosts && mount --bind "$0/resolv.conf" /etc/resolv.conf && '
        'mount --bind "$0/nsswitch.conf" /etc/nsswitch.conf && mount --bind "$0" /mnt && '
        f"exec setpriv --reuid=65534 --clear-groups getent --no-addrconfig ahostsv4 {name}"
    )
    argv, variables = ["unshare", "--mount", "sh", "-c", script, str(directory)], {**os.environ, **environment}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, env=variables)
    return {line.split()[0] for line in done.stdout.splitlines()}


@pytest.mark.parametrize("variables", BY_ENVIRONMENT)
def test_variables_pass_the_hosts_file_and_the_record_says_so(hosts_file, tmp_path, upstream, variables):
    host = Host(str(tmp_path))
    apply(dns.enforce(host, IN_HOSTS_FILE))
    assert answers(tmp_path, UPSTREAM, "wechat.com", {}) == {"0.0.0.0"}
    assert answers(tmp_path, UPSTREAM, *BY_ENVIRONMENT[variables]) == {ADDRESS}
    (verdict,) = (verdict for verdict in dns.observe(host, IN_HOSTS_FILE) if verdict.rule == "dns/sub-domains")
    (finding,) = verdict.findings
    assert "HOSTALIASES" in finding.detail


def test_variables_do_not_pass_a_filter(host, tmp_path, upstream):
    for enforced in (False, True):
        if enforced:
            host.enforce()
        for name, environment in BY_ENVIRONMENT.values():
            upstream.queries.clear()
            answers(tmp_path, host.address, name, environment)
            leaving = [query for query in upstream.queries if query.endswith("wechat.com")]
            assert bool(leaving) is not enforced, (name, leaving)
