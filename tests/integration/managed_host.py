"""A managed host in namespaces of its own: Proscribe's own code for it on "/", the real nft, real resolvers.

To be started with private /etc, /run, /var/lib and /usr/libexec. It answers what `reaching` answers, and:

    ["resolver", KIND, UPSTREAM]    from now on the host asks that name server: through a dnsmasq or an unbound of its
                                    own, or by itself (hosts)
    ["enforce", PLAN, CONTROL]      as the enforcing modules do; the actions
    ["lift", PLAN, CONTROL]         the same
    ["observe", PLAN]               the host record

There is no systemd, so what it is told about the two resolvers is done here.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import reaching
from proscribe import run
from proscribe.host import Host, Result, run_tool
from three_namespaces import INWARD, INWARD_6

LISTENS = ("127.0.0.1", INWARD, INWARD_6)
DNSMASQ = """\
user=root
bind-interfaces
no-resolv
no-hosts
{listens}
server={upstream}
conf-dir=/etc/dnsmasq.d/,*.conf
"""
UNBOUND = """\
server:
{listens}
  access-control: 10.78.0.0/24 allow
  access-control: fd78::/64 allow
  module-config: "iterator"
  chroot: ""
  username: "unbound"
  directory: "/etc/unbound"
  pidfile: ""
  use-syslog: no
forward-zone:
  name: "."
  forward-addr: {upstream}
include-toplevel: "/etc/unbound/unbound.conf.d/*.conf"
"""
CONF = {"dnsmasq": Path("/etc/dnsmasq.conf"), "unbound": Path("/etc/unbound/unbound.conf")}
FOLDERS = ("/etc/dnsmasq.d", "/etc/unbound/unbound.conf.d")
COMMANDS = {
    "dnsmasq": ["dnsmasq", "--keep-in-foreground", "--conf-file=/etc/dnsmasq.conf"],
    "unbound": ["unbound", "-d", "-c", "/etc/unbound/unbound.conf"],
}


class Services:
    """The services of the host: one resolver, or none."""

    def __init__(self) -> None:
        self.kind = ""
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, kind: str) -> Result:
        self.stop()
        self.kind = kind
        self.process = subprocess.Popen(COMMANDS[kind], stdin=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while ":0035 " not in Path("/proc/net/udp").read_text():  # nobody is on port 53 yet
            if self.process.poll() is not None or time.monotonic() > end:
                return Result(1, "", f"{kind}.service failed")
            time.sleep(0.02)
        return Result(0, "", "")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
        self.process = None

    def run(self, argv: list[str], **options: Any) -> Result:
        """The runner of the host's tools."""
        words = [Path(argv[0]).name, *argv[1:]]
        if words[:2] == ["systemctl", "show"]:
            unit = f"Id={self.kind}.service\nActiveState=active\nMainPID={self.process.pid}\n" if self.process else ""
            return Result(0, unit, "")
        if words[0] == "systemctl" and words[-1] in (f"{kind}.service" for kind in CONF):
            return self.start(words[-1].partition(".")[0])
        return run_tool(argv, **options)


SERVICES = Services()
HOST = Host("/", SERVICES.run)


def resolver(kind: str, upstream: str) -> str:
    SERVICES.stop()
    for path in CONF.values():
        path.unlink(missing_ok=True)
    if kind in CONF:
        text, line = {"dnsmasq": (DNSMASQ, "listen-address={}"), "unbound": (UNBOUND, "  interface: {}")}[kind]
        listens = "\n".join(line.format(address) for address in LISTENS)
        CONF[kind].write_text(text.format(listens=listens, upstream=upstream))
        HOST.must(["systemctl", "start", f"{kind}.service"])
    asked = LISTENS[0] if kind in CONF else upstream
    Path("/etc/resolv.conf").write_text(f"nameserver {asked}\nsearch .\n")
    return "ok"


def enforce(plan: dict[str, Any], control: str) -> list[str]:
    return list(run.change(HOST, plan, control)["actions"])


def lift(plan: dict[str, Any], control: str) -> list[str]:
    return list(run.change(HOST, plan, control, lift=True)["actions"])


def observe(plan: dict[str, Any]) -> dict[str, Any]:
    return run.observe(HOST, plan, ["firewall", "dns"])[0]


if __name__ == "__main__":
    for folder in FOLDERS:
        Path(folder).mkdir(parents=True)
    reaching.serve({"resolver": resolver, "enforce": enforce, "lift": lift, "observe": observe})
