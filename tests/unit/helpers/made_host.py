"""A made host with dpkg, packages and programs, the plans for it, and what is said of it."""

import os
from pathlib import Path

from file_hosts import make_directories, write_files
from made_plans import make_plan
from proscribe.host.controls import apps
from proscribe.host.controls.apps.systems import dpkg
from proscribe.host.system import Host, ToolResult


def plan(mode="enforce", **services):
    """A plan's `apps` section; what a service does not name is empty, and its mode is the control's."""
    return make_plan("apps", services, mode, contact="it-security@example.org")


WECHAT = {"packages": {"apt": ["wechat"], "flatpak": ["com.tencent.WeChat"]}, "paths": ["/opt/wechat"]}
TOR = {"processes": ["tor"], "paths": ["/usr/bin/tor", "~/.local/share/torbrowser"]}


class MadeHost(Host):
    """A host over a test directory with dpkg, packages from a table, and processes that end on request."""

    def __init__(self, root):
        super().__init__(str(root), self.answer)
        self.packages = {}
        self.dependents = {}
        self.calls = []
        self.root_user = True
        make_directories(root, "etc/dpkg/dpkg.cfg.d", "var/lib/dpkg/info", "home/alice")
        passwd = f"alice:x:{os.getuid()}:0::/home/alice:/bin/sh\n"
        files = {"etc/passwd": passwd, "var/lib/dpkg/status": "", "proc/stat": "btime 1700000000\n"}
        write_files(root, files, [f"usr/bin/{tool}" for tool in ("dpkg-query", "dpkg", "apt-get")])

    @property
    def privileged(self):
        return self.root_user

    def has_accounts(self, *users):
        lines = [f"{one.name}:x:{one.uid}:{one.gid}::{one.home}:/bin/sh\n" for one in users]
        Path(self.root + "/etc/passwd").write_text("".join(lines))

    def answer(self, argv, **options):
        self.calls.append(" ".join(argv))
        names = [word for word in argv if word in self.packages]
        if argv[0] == "dpkg-query" and not names:
            rows = (f"{status} \t{name}\t{name}\t1.0\n" for name, status in self.packages.items())
            return ToolResult(0, "".join(rows), "")
        if argv[0] == "dpkg-query":
            return ToolResult(0, "no no ", "")
        if "--print-architecture" in argv:
            return ToolResult(0, "amd64\n", "")
        if "--simulate" in argv:
            taken = [*names, *(self.dependents[name] for name in names if name in self.dependents)]
            return ToolResult(0, "".join(f"Remv {name} [1.0]\n" for name in taken), "")
        if "remove" in argv:
            for name in names:
                self.packages[name] = "rc"
            return ToolResult(0, "", "")
        if argv[0] == dpkg.BLOCK_SCRIPT_PATH:
            return ToolResult(0 if self.read_text(dpkg.BLOCK_SCRIPT_PATH) == dpkg.BLOCK_SCRIPT_TEXT else 2, "", "")
        raise AssertionError(argv)

    def program(self, pid, exe, contained=False):
        place = Path(self.root) / "proc" / str(pid)
        place.mkdir()
        (place / "exe").symlink_to(exe)
        (place / "stat").write_text(f"{pid} (x) S 1 " + " ".join(["0"] * 17) + f" {pid}00 0")
        (place / "status").write_text(f"Name:\tx\nUid:\t{os.getuid()}\t0\t0\t0\n")
        (place / "root").mkdir() if contained else (place / "root").symlink_to(self.root)

    def end_program(self, program, *_):
        for process in program.processes:
            exe = Path(self.root) / "proc" / str(process.pid) / "exe"
            if program.is_target(process._replace(exe=os.readlink(exe))):
                exe.unlink()


def states(host, of):
    return {verdict.rule: verdict.state for verdict in apps.observe(host, of)}


def evidence(host, of, rule):
    verdict = next(verdict for verdict in apps.observe(host, of) if verdict.rule == rule)
    return [(f.kind, f.id, f.scope, f.path, f.detail) for f in verdict.findings]


def carry_out(actions):
    for action in actions:
        action.apply()
