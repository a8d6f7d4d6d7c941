"""Three network namespaces in a row: inner (a guest) --- local (the host) --- outside (the rest of the world)."""

import os
import subprocess

ROLES = ("inner", "local", "outside")
LOCAL, LOCAL_6, GATEWAY, GATEWAY_6 = "10.77.0.2", "fd77::2", "10.77.0.1", "fd77::1"
# The host's addresses on its link to the guest.
INWARD, INWARD_6 = "10.78.0.1", "fd78::1"

_LINKS = {("local", "outside"): ("10.77.0", "fd77:"), ("inner", "local"): ("10.78.0", "fd78:")}


def ip(lines, *options):
    """Many commands of ip(8) at once."""
    subprocess.run(["ip", *options, "-batch", "-"], input="\n".join(lines), text=True, check=True)


class ThreeNamespaces:
    """The namespaces, by role; `prefix` begins their names."""

    def __init__(self, prefix="proscribe"):
        self.names = {role: f"{prefix}-{role}-{os.getpid()}" for role in ROLES}

    def enter(self, role):
        return ["nsenter", f"--net=/run/netns/{self.names[role]}"]

    def build(self, outside):
        """Make and connect them; `outside` are the addresses of the rest of the world, of any network."""
        ip([f"netns add {name}" for name in self.names.values()])
        for role in ROLES:  # or a new link could not be asked for neighbours for a second
            quick = ["sysctl", "-qw", "net.ipv6.conf.default.dad_transmits=0"]
            subprocess.run([*self.enter(role), *quick], check=True)
        names = self.names
        ip([f"link add {b} netns {names[a]} type veth peer name {a} netns {names[b]}" for a, b in _LINKS])
        lines = {role: ["link set lo up"] for role in ROLES}
        for (near, far), (net4, net6) in _LINKS.items():
            for role, device, number in ((near, far, 2), (far, near, 1)):
                lines[role] += [f"link set {device} up", f"addr add {net4}.{number}/24 dev {device}"]
                lines[role] += [f"addr add {net6}:{number}/64 dev {device} nodad"]
            lines[near] += [f"route add default via {net4}.1", f"route add default via {net6}:1"]
        lines["outside"] += [f"addr add {address} dev lo" for address in outside]
        lines["outside"] += [f"route add 10.78.0.0/24 via {LOCAL}", f"route add fd78::/64 via {LOCAL_6}"]
        for role, name in names.items():
            ip(lines[role], "-n", name)
        forward = ["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]
        subprocess.run([*self.enter("local"), *forward], check=True)

    def forget_neighbours(self):
        """As if nobody had spoken to anybody yet."""
        for role in ("local", "outside"):
            subprocess.run(["ip", "-n", self.names[role], "neigh", "flush", "all"], check=True)

    def close(self):
        """Take away what `build` made."""
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], check=False)
