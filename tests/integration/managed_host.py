"""A managed host in namespaces of its own: Proscribe's own code for it on "/", the real nft, real resolvers.

To be started with private /etc, /run, /var/lib and /usr/libexec. It answers what `reaching` answers, and:

    ["resolver", KIND, UPSTREAM]    from now on the host asks that name server: through a dnsmasq or an unbound of its
                                    own, or by itself (hosts)
    ["stop"]                        that resolver has ended
    ["enforce", PLAN, CONTROL]      as the enforcing modules do, new rules tried out and confirmed; the actions
    ["lift", PLAN, CONTROL]         the same
    ["observe", PLAN]               the host record

There is no systemd, so this program carries out the systemctl commands for the two resolvers.
"""

import os
import subprocess
from pathlib import Path

import reaching
from patience import LONGEST, until
from proscribe.host import host_operations
from proscribe.host.controls.firewall import change_trial, program
from proscribe.host.system import Host, ToolResult, run_tool
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
COMMANDS = {
    "dnsmasq": ["dnsmasq", "--keep-in-foreground", "--conf-file=/etc/dnsmasq.conf"],
    "unbound": ["unbound", "-d", "-c", "/etc/unbound/unbound.conf"],
}


class Services:
    """The services of the host: one resolver, or none."""

    def __init__(self):
        self.kind = ""
        self.process = None

    def start(self, kind):
        self.stop()
        self.kind = kind
        self.process = process = subprocess.Popen(COMMANDS[kind], stdin=subprocess.DEVNULL)
        until(lambda: process.poll() is not None or ":0035 " in Path("/proc/net/udp").read_text())  # it has port 53
        if process.poll() is not None:
            return ToolResult(1, "", f"{kind}.service failed")
        return ToolResult(0, "", "")

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(LONGEST)
        self.process = None

    def run(self, argv, **options):
        """The runner of the host's tools."""
        words = [Path(argv[0]).name, *argv[1:]]
        if words[:2] == ["systemctl", "show"]:
            state = f"ActiveState={'active' if self.process else 'inactive'}\nUnitFileState=enabled\n"
            pid = self.process.pid if self.process else 0
            return ToolResult(0, f"Id={self.kind}.service\n{state}MainPID={pid}\n" if self.kind else "", "")
        if words[0] == "systemctl" and words[-1] in (f"{kind}.service" for kind in CONF):
            return self.start(words[-1].partition(".")[0])
        return run_tool(argv, **options)


SERVICES = Services()
HOST = Host("/", SERVICES.run)


def resolver(kind, upstream):
    stop()
    SERVICES.kind = ""
    for path in CONF.values():
        path.unlink(missing_ok=True)
    if kind in CONF:
        text, line = {"dnsmasq": (DNSMASQ, "listen-address={}"), "unbound": (UNBOUND, "  interface: {}")}[kind]
        listens = "\n".join(line.format(address) for address in LISTENS)
        CONF[kind].write_text(text.format(listens=listens, upstream=upstream))
        HOST.read_command_output(["systemctl", "start", f"{kind}.service"])
    server = LISTENS[0] if kind in CONF else upstream
    Path("/etc/resolv.conf").write_text(f"nameserver {server}\nsearch .\n")
    return "ok"


def stop():
    SERVICES.stop()
    return "ok"


def enforce(plan, control):
    if control != "firewall":
        return list(host_operations.change(HOST, plan, control)["actions"])
    token = begun(plan)
    until(lambda: Path(f"{program.CHANGE_DIRECTORY}/loaded-{token}").exists())
    return list(change_trial.confirm_trial(HOST, token)["actions"])


def begun(plan):
    """Have new rules tried out, by a process that ends with its answer, as a module does; the token of the trial."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            result = host_operations.change(
                HOST, plan, "firewall", doing=change_trial.make_trial_application(HOST, plan)
            )
            os.write(writing, result["pending"]["token"].encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        token = answer.read()
    os.waitpid(child, 0)
    return token


def lift(plan, control):
    return list(host_operations.change(HOST, plan, control, lift=True)["actions"])


def observe(plan):
    return host_operations.observe(HOST, plan, ["firewall", "dns"])[0]


if __name__ == "__main__":
    for folder in ("/etc/dnsmasq.d", "/etc/unbound/unbound.conf.d"):
        Path(folder).mkdir(parents=True)
    reaching.serve({"resolver": resolver, "stop": stop, "enforce": enforce, "lift": lift, "observe": observe})
