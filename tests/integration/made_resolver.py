"""A host for tests of the DNS filter: a directory with its files, and a real resolver on a loopback address."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from conftest import require_root
from dns_samples import MADE, UNITS, sample
from file_hosts import make_directories, write_files
from made_plans import make_plan
from name_server import NameServer
from patience import until
from proscribe.host.controls import dns
from proscribe.host.controls.dns.backend_choice import choose_backend
from proscribe.host.controls.dns.backends import filter_backends
from proscribe.host.system import Host, ToolResult, run_tool

OWN = f"127.53.{os.getpid() % 250}"  # of this run: another checkout may be tested at the same time
UPSTREAM = f"{OWN}.9"
KINDS = tuple(MADE)
ADDRESS, ANOTHER = f"{OWN}.1", f"{OWN}.2"  # two instances of unbound would share one


def plan(backend="auto", mode="enforce", **services):
    return make_plan("dns", services, mode, {"backend": backend})


WECHAT = plan(
    wechat={"domains": ["wechat.com"], "allow": ["work.wechat.com"]},
    personal=["home.work.wechat.com"],
    canary={"domains": [], "canaries": ["use-application-dns.net"]},
)


class MadeHost:
    """A host that is a made tree, on which one resolver runs as a service: the real program, on the tree's files."""

    def __init__(self, kind, root, program, address=ADDRESS):
        self.kind, self.root, self.program, self.address = kind, root, program, address
        self.process = None
        self.restarts = 0
        self.at_restart = lambda: None
        self.log = root / "log"
        self.made, self.unit = MADE[kind], UNITS[kind]
        make_directories(root, "var/lib", "run", "usr/bin")
        fields = {"address": self.address, "upstream": UPSTREAM}
        files = {path: text.format(**fields) for path, text in self.made.files.items()}
        files |= {"etc/resolv.conf": f"nameserver {self.address}\n", "etc/hosts": "127.0.0.1 localhost\n"}
        write_files(root, files, [f"usr/sbin/{tool}" for tool in ("systemctl", *sample(kind).tools)])
        self.main = root / next(iter(self.made.files))
        self.host = Host(str(root), self.run)
        self.start()
        filter_ = filter_backends.load_backend(kind).describe_filter(
            self.host, choose_backend(self.host, {"backend": kind}).observation, {}
        )
        self.file, self.language = root / filter_.file_path[1:], filter_.language  # the file with the names
        self.files = ", ".join(
            path for stage in filter_.make_stages("") for path in stage.files
        )  # all that are written

    def run(self, argv, **options):
        """The tools of the host: systemctl is made, the others read files of the tree."""
        if Path(argv[0]).name != "systemctl":
            argv = [argv[0], *(f"{self.root}{word}" if word.startswith("/") else word for word in argv[1:])]
            return run_tool(argv, **options)
        if argv[1] == "show":
            pid = self.process.pid if self.process and self.process.poll() is None else 0
            state = "active" if pid else "failed"
            unit = f"Id={self.unit}\nActiveState={state}\nUnitFileState=enabled\nMainPID={pid}\n"
            return ToolResult(0, f"{unit}\nId=NetworkManager.service\nActiveState=inactive\nMainPID=0\n", "")
        if argv[1] == "reset-failed":
            return ToolResult(0, "", "")
        assert argv[1] in ("restart", "try-restart") and argv[2:] == [self.unit]
        self.stop()
        self.restarts += 1
        self.at_restart()
        return ToolResult(0, "", "") if self.start() else ToolResult(1, "", f"Job for {self.unit} failed")

    def start(self):
        run = self.root / "run" / self.main.name  # with the paths of the tree
        run.write_text(self.main.read_text().replace("/etc/", f"{self.root}/etc/"))
        argv = [self.program, *(word.format(main=run) for word in self.made.arguments)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        listening = socket.inet_aton(self.address)[::-1].hex().upper()  # as the kernel shows it, and its port 53
        bound = f"{listening}:0035"
        until(lambda: self.process.poll() is not None or bound in Path("/proc/net/udp").read_text())
        return self.process.poll() is None

    def stop(self):
        """End the resolver, also one that is stopped by a signal, and wait until it has."""
        if self.process is not None:
            self.process.terminate()
            self.process.send_signal(signal.SIGCONT)
            self.process.wait()

    def enforce(self, plan=WECHAT):
        return apply(dns.enforce(self.host, plan))

    def states(self, plan=WECHAT):
        states = {verdict.rule.partition("/")[2]: verdict.state for verdict in dns.observe(self.host, plan)}
        states.pop("private-view", None)  # of this machine's programs, see test_dns_private_view_real.py
        return states

    def details(self, plan=WECHAT):
        return " | ".join(f.detail for verdict in dns.observe(self.host, plan) for f in verdict.findings)

    def tree(self):
        left_out = ("run/", "log")
        files = {str(path.relative_to(self.root)): path for path in self.root.rglob("*") if path.is_file()}
        return {name: path.read_bytes() for name, path in files.items() if not name.startswith(left_out)}


def apply(changes):
    for action in changes.actions:
        action.apply()
    return [str(action) for action in changes.actions]


@pytest.fixture(scope="module")
def upstream():
    require_root()
    server = NameServer(UPSTREAM)
    yield server
    server.close()
