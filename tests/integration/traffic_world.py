"""Three namespaces in a row for the firewall's traffic, with a process in each that opens connections on command."""

import contextlib
import json
import select
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from conftest import require_root, require_tool
from namespaced import NamespacedHost, made_plan
from patience import until
from proscribe.host.controls import firewall
from proscribe.host.system import ToolResult, run_tool
from three_namespaces import GATEWAY_6, LOCAL_6, ROLES, ThreeNamespaces

PEER = Path(__file__).with_name("peer.py")
BLOCKED, BLOCKED_HOST, BLOCKED_6 = "203.0.113.7", "198.51.100.7", "2001:db8::7"
FREE, FREE_6 = "198.51.100.80", "2001:db8:1::80"


def plan(*networks, ports=(), management=(), **more):
    nat64 = more.pop("nat64", ())
    services = {id_: {"networks": nets, "ports": list(ports)} for id_, nets in {"telegram": networks, **more}.items()}
    return made_plan(services, management=list(management), **({"nat64": [*nat64]} if nat64 else {}))


BAN = plan("203.0.113.0/24", BLOCKED_HOST, "2001:db8::/48")


class World:
    def __init__(self, root):
        self.root = root
        self.spaces = ThreeNamespaces()
        self.peers = {}
        self.host = NamespacedHost(str(root), self.run)

    def run(self, argv, **options):
        if argv[0] == "getent":
            return ToolResult(0, f"{BLOCKED} STREAM {argv[-1]}\n", "")  # every name is there
        return run_tool([*self.spaces.enter("local"), *argv], **options)

    def build(self):
        self.spaces.build((BLOCKED, BLOCKED_HOST, BLOCKED_6, FREE, FREE_6))
        for role in ROLES:
            self.start(role)
            assert self.send_command(role, "serve") == "ok"
        # IPv6 needs a second or two before it works on a new link.
        for role, address in (("local", GATEWAY_6), ("outside", LOCAL_6), ("inner", FREE_6)):
            until(partial(self._reaches, role, address))
        self.spaces.forget_neighbours()

    def _reaches(self, role, address):
        return self.send_command(role, "connect", address, 8080) == "ok"

    def start(self, role, of="", *options):
        """A process that opens connections in the namespace of a role; `options` are setpriv's."""
        identity = ["setpriv", *options] if options else []
        command = [*self.spaces.enter(of or role), *identity, sys.executable, "-I", str(PEER)]
        self.peers[role] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def user(self, name, uid):
        accounts = self.host.read_text("/etc/passwd") or ""
        self.file("/etc/passwd", f"{accounts}{name}:x:{uid}:{uid}::/home/{name}:/bin/sh\n")
        self.start(name, "local", f"--reuid={uid}", "--clear-groups")

    def close(self):
        for peer in self.peers.values():
            peer.kill()
            peer.communicate()
        self.spaces.close()

    def send_command(self, role, *words):
        stdin, stdout = self.peers[role].stdin, self.peers[role].stdout
        assert stdin is not None and stdout is not None
        stdin.write(" ".join(map(str, words)) + "\n")
        stdin.flush()
        answered, _, _ = select.select([stdout], [], [], 30)
        assert answered, f"{role} did not answer {words}"
        return stdout.readline().strip()

    def file(self, path, content):
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)

    def enforce(self, plan):
        """Load the table; the refusals, by subject."""
        changes = firewall.enforce(self.host, plan)
        for action in changes.actions:
            action.apply()
        return {refusal.subject: refusal.reason for refusal in changes.refusals}

    def refused(self, service="_telegram"):
        listed = self.run(["nft", "-j", "list", "counter", "inet", "proscribe", f"refused{service}"]).out
        return int(json.loads(listed)["nftables"][1]["counter"]["packets"])


@contextlib.contextmanager
def world_in(root):
    require_root()
    (root / "usr/sbin").mkdir(parents=True)
    (root / "var/lib").mkdir(parents=True)
    (root / "usr/sbin/nft").symlink_to(require_tool("nft"))
    require_tool("ip")
    made = World(root)
    try:
        made.build()
        yield made
    finally:
        made.close()


@pytest.fixture
def world(tmp_path):
    with world_in(tmp_path) as made:
        yield made
