"""A made Internet in network namespaces: a managed host, a guest behind it, and a world that answers for everything."""

import json
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

from patience import LONGEST
from reach_cases import ADDRESSES, NAMES, RESOLVER, V4, V6
from three_namespaces import GATEWAY, INWARD, INWARD_6, ThreeNamespaces

HERE = Path(__file__).parent
HOST, NESTED = "local", "inner"
FILTERS = ("dnsmasq", "unbound")
BACKENDS = (*FILTERS, "hosts")
TOOLS = ("nft", "ip", "unshare", "nsenter", "openssl", *FILTERS)
A, AAAA, HTTPS = 1, 28, 65
TLS_PORT = 443
PORTS = {"tcp": [80, 853, 5222, 8443], "tls": [TLS_PORT], "udp": [80, TLS_PORT, 853, 5222, 8443]}
ETC = {
    **{name: Path("/etc", name).read_text() for name in ("passwd", "group")},  # resolvers look for their own accounts
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "resolv.conf": "",
    "apt/sources.list": "deb http://deb.debian.org/debian trixie main\n",
}

Probe = tuple[Any, ...]  # a question of `reaching`


class Place:
    """A process in a namespace that answers questions."""

    def __init__(self, command):
        environment = {"PYTHONPATH": f"{HERE.parents[1] / 'module_utils'}:{HERE.parent}"}
        environment["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)

    def ask(self, *questions):
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(questions) + "\n")
        self.process.stdin.flush()
        answered, _, _ = select.select([self.process.stdout], [], [], LONGEST)
        assert answered, f"no answer within {LONGEST} s to {questions[0]} and {len(questions) - 1} more"
        line = self.process.stdout.readline()
        assert line, "the process in the namespace has ended: its message is above"
        return list(json.loads(line))

    def close(self):
        self.process.kill()
        self.process.communicate()


class World:
    def __init__(self, root):
        self.root = root
        self.spaces = ThreeNamespaces("proscribe-reach")
        self.places = {}

    def build(self):
        probed = [split(text)[0] for text in ADDRESSES if split(text)[0] != GATEWAY]
        named = [address for addresses in NAMES.values() for address in addresses]
        self.connect([*probed, *named], NAMES)
        self.start_apart(HOST, "managed_host.py", "etc", "run", "var/lib", "usr/libexec")
        self.start_apart(NESTED, "reaching.py", "etc")

    def connect(self, addresses, names):
        """Make the namespaces and the rest of the world. A name that has no address here leads to V4 and V6."""
        self.spaces.build(dict.fromkeys([V4, V6, RESOLVER, *addresses]))
        # The host has to report every refused datagram at once; otherwise the client waits for its whole time limit.
        at_once = ["sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0"]
        subprocess.run([*self.spaces.enter(HOST), *at_once], check=True)
        key = str(self.root / "key.pem")
        made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        subprocess.run([*made, "-subj", "/CN=outside", "-keyout", key, "-out", key], check=True, capture_output=True)
        self.start("outside", "rest_of_the_world.py")
        named = {name.lower(): addresses for name, addresses in names.items()}
        self.places["outside"].ask({"names": named, "others": [V4, V6], "certificate": key, **PORTS})

    def start_apart(self, role, program, *private):
        """A process in a namespace that has such directories of its own, and in /etc what name resolution needs."""
        for folder in private:
            (self.root / role / folder).mkdir(parents=True)
        for name, content in ETC.items():
            path = self.root / role / "etc" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
        self.start(role, program, *private)

    def start(self, role, program, *private):
        """A process in a namespace, for which the `private` directories of the machine are those of the role's tree."""
        own = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        bind = 'for d; do [ "$d" != -- ] || break; mount --bind "$0/$d" "/$d" || exit; shift; done; shift; exec "$@"'
        inside = [*own, "sh", "-c", bind, str(self.root / role), *private, "--"] if private else []
        self.places[role] = Place([*self.spaces.enter(role), *inside, sys.executable, str(HERE / program)])

    def probe(self, role, questions):
        return dict(zip(questions, self.places[role].ask(*questions), strict=True))

    def host(self, *words):
        (answer,) = self.places[HOST].ask(words)
        return answer

    def resolve_by(self, backend):
        """From now on the host asks a resolver of its own, and so does its guest; or both ask the organisation's."""
        self.host("resolver", backend, RESOLVER)
        server = INWARD if backend in FILTERS else RESOLVER
        (self.root / NESTED / "etc/resolv.conf").write_text(f"nameserver {server}\nsearch .\n")

    def close(self):
        for place in self.places.values():
            place.close()
        self.spaces.close()


def split(text):
    address, _, port = text.rpartition(":")
    return address.strip("[]"), int(port)


def at(address, port):
    """Join an address and a port into the text of a case: the inverse of `split`."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def connections(address, port, name="outside.example"):
    return [("tls", address, port, name) if port == TLS_PORT else ("tcp", address, port), ("udp", address, port)]


def lookups(backend, role, name):
    """The probes of a name. The hosts file is no name server; and it is the host's own, which no guest reads."""
    if backend not in FILTERS:
        return [("name", name)] if role == HOST else []
    probes = [("name", name)]
    for server in ("127.0.0.1",) if role == HOST else (INWARD, INWARD_6):
        probes += [("dns", server, name, kind, "udp") for kind in (A, AAAA, HTTPS)] + [("dns", server, name, A, "tcp")]
    return probes


def reached_by(probe, name):
    """What a probe of a name is answered where nothing closes it."""
    return sorted(NAMES[name]) if probe[0] == "name" else 1


def lost(probe):
    return [] if probe[0] == "name" else "no such name"
