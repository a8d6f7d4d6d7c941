"""What a client can reach is what `explain` says, name by name and address by address.

A made Internet in network namespaces, with no way out: a host that Proscribe manages, a guest behind it, and a world
that answers for every name and on every address of `reach_cases`. The host's plan is compiled from the real catalogue,
and its own code enforces it there, with the real nft and a real resolver. `reach` means

    in name resolution    a name gets an address: from the C library (which reads /etc/hosts too), and from the name
                          server that the host or the guest is told to ask, over UDP and TCP; for each type of record
    in the firewall       TCP connects (on port 443 with the whole TLS handshake), and a UDP datagram gets an answer

The firewall knows no names, so of a name it is told the addresses, one by one, as for a program that knows them without
DNS. Browsers have policies of their own and no part in this.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from proscribe.cli import explain, inventory
from proscribe.cli.asked import read
from proscribe.compile.run import compile_hosts
from reach_cases import (
    ADDRESSES,
    CLOSED_ADDRESSES,
    CLOSED_NAMES,
    CLOSED_TO_GUESTS,
    CLOSED_TO_HOST,
    INNOCENT_ADDRESSES,
    INNOCENT_NAMES,
    NAMES,
    RESOLVER,
    V4,
    V6,
    VARIABLES,
    WAIVED,
)
from three_namespaces import GATEWAY, INWARD, INWARD_6, ThreeNamespaces

pytestmark = pytest.mark.integration

HERE = Path(__file__).parent
NOW = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.timezone.utc)
FILTERS = ("dnsmasq", "unbound")
BACKENDS = (*FILTERS, "hosts")
BEFORE, ENFORCED, LIFTED = "before", "enforced", "lifted"
HOST, GUEST = "local", "inner"
A, AAAA, HTTPS = 1, 28, 65
TLS_PORT = 443
PORTS = {"tcp": [80, 853, 5222, 8443], "tls": [TLS_PORT], "udp": [80, TLS_PORT, 853, 5222, 8443]}
WAIVER = {
    "id": "w1",
    "services": [WAIVED],
    "groups": ["press"],
    "reason": "r",
    "requested_by": "a",
    "approved_by": "b",
    "approved_on": "2026-11-20T00:00:00Z",
    "expires": "2026-12-31T18:00:00Z",
}

Probe = tuple[Any, ...]  # a question of `reaching`


# What explain says.


class Policy:
    """The policy of one host for each way of filtering names, from an inventory as people write them."""

    def __init__(self, folder: Path) -> None:
        (folder / "waivers").mkdir(parents=True)
        hosts = {backend: {"proscribe_dns_backend": backend} for backend in (*BACKENDS, "auto")}
        (folder / "hosts.yml").write_text(yaml.safe_dump({"press": {"hosts": hosts, "vars": VARIABLES}}))
        (folder / "approvers.yml").write_text("press: {head: b}\n")
        (folder / "waivers/w1.yml").write_text(yaml.safe_dump(WAIVER))
        parser = argparse.ArgumentParser()
        explain.add_arguments(parser)
        question = inventory.question(parser.parse_args(["-i", str(folder / "hosts.yml"), "x"]))
        self.compiled = compile_hosts(question, NOW)
        self._told: dict[str, list[Any]] = {}

    def plan(self, backend: str) -> dict[str, Any]:
        return self.compiled.plans[self.compiled.hosts[backend]]

    def says(self, backend: str, word: str) -> dict[str, str]:
        """Each control's answer about a name or an address."""
        return {control: answer["answer"] for control, answer in self._controls(backend, word).items()}

    def reasons(self, backend: str, word: str) -> dict[str, list[str]]:
        """Each control's reasons, in words."""
        told = self._controls(backend, word)
        return {control: [reason["text"] for reason in answer["reasons"]] for control, answer in told.items()}

    def _controls(self, backend: str, word: str) -> dict[str, Any]:
        """What `explain --json` prints of one host."""
        if word not in self._told:
            told = json.loads(json.dumps(explain.as_json(*explain.explain(read(word), self.compiled))))
            self._told[word] = told["answers"]
        (group,) = (group for group in self._told[word] if backend in group["hosts"])
        return dict(group["controls"])


def closed(answer: str) -> bool:
    """Whether an answer says that something cannot be reached; one that leaves it open to what the host is like does
    not say it.
    """
    assert answer not in (explain.DEPENDS, explain.AUDITED), answer
    return answer == explain.BLOCKED


# What can be reached.


class Place:
    """A process in a namespace that answers questions."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": str(HERE.parents[1] / "module_utils"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )

    def ask(self, *questions: Probe) -> list[Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(questions) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the process in the namespace has ended: its message is above"
        return list(json.loads(line))

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


class World:
    """The namespaces, and who stands in them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.spaces = ThreeNamespaces("proscribe-reach")
        self.places: dict[str, Place] = {}

    def build(self) -> None:
        probed = [split(text)[0] for text in ADDRESSES if split(text)[0] != GATEWAY]
        named = [address for addresses in NAMES.values() for address in addresses]
        self.spaces.build(dict.fromkeys([V4, V6, RESOLVER, *probed, *named]))
        # Every refusal of a datagram is to be told at once, or a client waits for as long as it has patience.
        at_once = ["sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0"]
        subprocess.run([*self.spaces.enter(HOST), *at_once], check=True)
        key = str(self.root / "key.pem")
        made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        subprocess.run([*made, "-subj", "/CN=outside", "-keyout", key, "-out", key], check=True, capture_output=True)
        self.start("outside", "rest_of_the_world.py")
        names = {name.lower(): addresses for name, addresses in NAMES.items()}
        self.places["outside"].ask({"names": names, "others": [V4, V6], "certificate": key, **PORTS})
        for role, program, private in (
            (HOST, "managed_host.py", ("etc", "run", "var/lib", "usr/libexec")),
            (GUEST, "reaching.py", ("etc",)),
        ):
            for folder in private:
                (self.root / role / folder).mkdir(parents=True)
            for name, content in ETC.items():
                path = self.root / role / "etc" / name
                path.parent.mkdir(exist_ok=True)
                path.write_text(content)
            self.start(role, program, *private)

    def start(self, role: str, program: str, *private: str) -> None:
        """A process in a namespace, for which the `private` directories of the machine are those of the role's tree."""
        own = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        bind = (
            'for d; do case $d in --) break;; esac; mount --bind "$0/$d" "/$d" || exit; shift; done; shift; exec "$@"'
        )
        inside = [*own, "sh", "-c", bind, str(self.root / role), *private, "--"] if private else []
        self.places[role] = Place([*self.spaces.enter(role), *inside, sys.executable, str(HERE / program)])

    def look(self, role: str, questions: list[Probe]) -> dict[Probe, Any]:
        return dict(zip(questions, self.places[role].ask(*questions), strict=True))

    def host(self, *words: Any) -> Any:
        """Have the managed host do something."""
        (answer,) = self.places[HOST].ask(words)
        return answer

    def close(self) -> None:
        for place in self.places.values():
            place.close()
        self.spaces.close()


ETC = {
    **{name: Path("/etc", name).read_text() for name in ("passwd", "group")},  # resolvers look for their own accounts
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "resolv.conf": "",
    "apt/sources.list": "deb http://deb.debian.org/debian trixie main\n",
}


def split(text: str) -> tuple[str, int]:
    """The address and the port of a case."""
    address, _, port = text.rpartition(":")
    return address.strip("[]"), int(port)


def connections(address: str, port: int, name: str = "outside.example") -> list[Probe]:
    """The probes of an address over TCP and UDP."""
    return [("tls", address, port, name) if port == TLS_PORT else ("tcp", address, port), ("udp", address, port)]


def lookups(backend: str, role: str, name: str) -> list[Probe]:
    """The probes of a name. The hosts file is no name server; and it is the host's own, which no guest reads."""
    if backend not in FILTERS:
        return [("name", name)] if role == HOST else []
    asked: list[Probe] = [("name", name)]
    for server in ("127.0.0.1",) if role == HOST else (INWARD, INWARD_6):
        asked += [("dns", server, name, kind, "udp") for kind in (A, AAAA, HTTPS)] + [("dns", server, name, A, "tcp")]
    return asked


def found(probe: Probe, name: str) -> object:
    """What a probe of a name is answered where nothing closes it."""
    return sorted(NAMES[name]) if probe[0] == "name" else 1


def lost(probe: Probe) -> object:
    """What it is answered where the name is closed."""
    return [] if probe[0] == "name" else "no such name"


CONNECTIONS = list(
    dict.fromkeys(
        probe
        for listed in (
            *(connections(address, TLS_PORT, name) for name, pair in NAMES.items() for address in pair),
            *(connections(*split(text)) for text in ADDRESSES),
        )
        for probe in listed
    )
)
Seen = dict[tuple[str, str, str], dict[Probe, Any]]  # by backend, phase and role


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return Policy(tmp_path_factory.mktemp("inventory"))


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, require_tool: Callable[[str], str], require_root: Callable[[], None]
) -> Iterator[World]:
    require_root()
    for tool in ("nft", "ip", "unshare", "nsenter", "openssl", *FILTERS):
        require_tool(tool)
    made = World(tmp_path_factory.mktemp("reach"))
    try:
        made.build()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def seen(world: World, policy: Policy) -> Seen:
    """All that was reached: by each backend of name resolution, and, beside the first one, by the firewall."""
    everything: Seen = {}
    for backend in BACKENDS:
        plan = policy.plan(backend)
        controls = ["dns", "firewall"] if backend == BACKENDS[0] else ["dns"]
        assert world.host("resolver", backend, RESOLVER) == "ok"
        guest_asks = INWARD if backend in FILTERS else RESOLVER
        (world.root / GUEST / "etc/resolv.conf").write_text(f"nameserver {guest_asks}\nsearch .\n")
        for phase in (BEFORE, ENFORCED, LIFTED):
            for control in controls if phase != BEFORE else []:
                verb = "enforce" if phase == ENFORCED else "lift"
                assert isinstance(told := world.host(verb, plan, control), list), told
            if phase == ENFORCED:
                everything[backend, phase, "record"] = world.host("observe", plan)
            for role in (HOST, GUEST):
                asked = [probe for name in NAMES for probe in lookups(backend, role, name)]
                asked += CONNECTIONS if "firewall" in controls else []
                everything[backend, phase, role] = world.look(role, asked)
    return everything


@pytest.mark.parametrize("phase", [BEFORE, LIFTED])
@pytest.mark.parametrize("role", [HOST, GUEST])
@pytest.mark.parametrize("backend", BACKENDS)
def test_without_proscribe_everything_is_reached(seen: Seen, backend: str, role: str, phase: str) -> None:
    reached = seen[backend, phase, role]
    wanted = {probe: found(probe, name) for name in NAMES for probe in lookups(backend, role, name)}
    wanted |= dict.fromkeys(CONNECTIONS if backend == BACKENDS[0] else [], "ok")
    assert reached == wanted


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_name_resolves_unless_explain_says_that_it_is_blocked(
    seen: Seen, policy: Policy, backend: str, name: str
) -> None:
    blocked = closed(policy.says(backend, name)["dns"])
    for role in (HOST, GUEST):
        reached = seen[backend, ENFORCED, role]
        for probe in lookups(backend, role, name):
            assert (probe, reached[probe]) == (probe, lost(probe) if blocked else found(probe, name)), role


@pytest.mark.parametrize("case", [*ADDRESSES, *NAMES])
def test_an_address_is_reached_unless_explain_says_that_it_is_blocked(seen: Seen, policy: Policy, case: str) -> None:
    places = [(address, TLS_PORT, case) for address in NAMES[case]] if case in NAMES else [split(case)]
    some_blocked = False
    for place in places:
        address, port = place[:2]
        blocked = closed(
            policy.says(BACKENDS[0], f"[{address}]:{port}" if ":" in address else f"{address}:{port}")["firewall"]
        )
        some_blocked |= blocked
        for role in (HOST, GUEST):
            reached = seen[BACKENDS[0], ENFORCED, role]
            other = role == GUEST and address in (CLOSED_TO_HOST, CLOSED_TO_GUESTS)  # the answer is the host's
            for probe in connections(*place):
                assert (probe, reached[probe] == "ok") == (probe, blocked if other else not blocked), role
    if case in NAMES and some_blocked:  # of a name, explain cannot know where it leads
        assert policy.says(BACKENDS[0], case)["firewall"] == explain.DEPENDS


def test_what_own_rules_do_to_guests_only_is_among_the_reasons(policy: Policy) -> None:
    for address, refused in ((CLOSED_TO_HOST, "from this host"), (CLOSED_TO_GUESTS, "from guests behind it")):
        (reason,) = policy.reasons(BACKENDS[0], address)["firewall"]
        assert reason.startswith(refused)
        assert "reject" in reason


def test_the_host_itself_reports_the_ban_as_kept(seen: Seen) -> None:
    for backend in BACKENDS:
        record: Any = seen[backend, ENFORCED, "record"]
        wrong = [rule for rule in record["rules"] if rule["state"] in ("error", "noncompliant", "unknown")]
        firewall_is_lifted = backend != BACKENDS[0]
        wrong = [rule for rule in wrong if not (firewall_is_lifted and rule["rule"].startswith("firewall/"))]
        assert wrong == []


def test_where_it_depends_on_the_host_a_filter_blocks_and_the_hosts_file_does_not(policy: Policy) -> None:
    for name in NAMES:
        by_filter, by_file = (closed(policy.says(backend, name)["dns"]) for backend in ("unbound", "hosts"))
        answer = policy.says("auto", name)["dns"]
        assert (answer == explain.DEPENDS) == (by_filter and not by_file), name
        assert (answer == explain.BLOCKED) == (by_filter and by_file), name


def test_there_are_thirty_cases_of_either_kind_and_they_are_what_they_are_called(policy: Policy) -> None:
    assert {name: closed(policy.says("dnsmasq", name)["dns"]) for name in CLOSED_NAMES} == dict.fromkeys(
        CLOSED_NAMES, True
    )
    assert {text: closed(policy.says("dnsmasq", text)["firewall"]) for text in CLOSED_ADDRESSES} == dict.fromkeys(
        CLOSED_ADDRESSES, True
    )
    innocent = (*INNOCENT_NAMES, *INNOCENT_ADDRESSES)
    told = {word: {policy.says("dnsmasq", word)[control] for control in ("dns", "firewall")} for word in innocent}
    assert told == {word: {explain.OPEN} for word in innocent}
    assert min(len(CLOSED_NAMES) + len(CLOSED_ADDRESSES), len(innocent)) >= 30
