"""A host on which a resolver runs, for what every DNS filter has to pass (test_dns_contract.py).

The test file of a backend, tests/unit/host/controls/dns/backends/test_<name>.py, describes its resolver as `SAMPLE`.
"""

import importlib.util
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from file_hosts import write_files
from proscribe.host.controls.dns import filter_text
from proscribe.host.controls.dns.backends.filter_backends import FILTER_BACKENDS
from proscribe.host.controls.dns.dns_query import TXT_TYPE
from proscribe.host.system import Host, ToolResult

UPSTREAM = "192.0.2.77"  # what the resolver asks, by its own configuration
OPENED = "photos.wechat.com"  # what a line of the organisation's own opens
ACCOUNT = "resolver"  # of the processes 77 and 80
SYSTEM = "etc/systemd/system"


class Made(NamedTuple):
    """The real program with the files of a made tree, on an address of its own (integration/made_resolver.py)."""

    program: str
    arguments: Sequence[str]  # {main} is its main file
    files: Mapping[str, str]  # the main file is first; it listens on {address} and asks {upstream}
    opening: tuple[str, str]  # one more file: a line of it opens web.wechat.com, others open nothing that is blocked


class Packaged(NamedTuple):
    """Debian's package of it, on a whole host (integration/test_dns_services.py)."""

    files: Mapping[str, str]  # have it ask {upstream}
    user: str  # the account that it runs for
    refused: str = ""  # what its journal has of wechat.com, where it logs refusals and no other question
    logging: tuple[str, str] = ("", "")  # a file that has it log every question, where it can log no less


class Sample(NamedTuple):
    """A resolver as the organisation has set it up: the host asks it, and it asks UPSTREAM."""

    files: Mapping[str, str]  # what is on the host beside the usual, by path from /
    refusal: str = ""  # a line of its log about OPENED, which was refused; "" if it logs none
    tools: Sequence[str] = ()  # programs that have to be there
    links: Mapping[str, str] = {}  # by path: /proc/80/exe, say, for a resolver that another process starts
    users: Sequence[str] = (ACCOUNT,)  # that ask name servers for it
    opens: bool = True  # whether a line in the files opens OPENED
    made: Made | None = None
    packaged: Packaged | None = None


def sample(name):
    """The sample of a backend, out of its test."""
    place = f"tests/unit/host/controls/dns/backends/test_{name}.py"
    file = Path(__file__).resolve().parents[3] / place
    assert file.exists(), f"write {place} with SAMPLE, as dns_contract.py has it"
    spec = importlib.util.spec_from_file_location(f"sample_of_{name}", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert isinstance(module.SAMPLE, Sample)
    return module.SAMPLE


def make_reply(question, text="", code=0):
    """Make a reply to a question: with this text of a TXT record, or without a record and with this response code."""
    head = struct.pack(">HHHHHH", 0x5052, 0x8180 + code, 1, bool(text), 0, 0) + question[12:]
    record = struct.pack(">HHHIHB", 0xC00C, TXT_TYPE, 1, 0, len(text) + 1, len(text)) + text.encode()
    return head + record if text else head


class Machine(Host):
    """The host. Its resolver has read what is in the file of the filter, unless it is `deaf`."""

    def __init__(self, root, name, sample):
        super().__init__(str(root), self.run_tool)
        self.unit = FILTER_BACKENDS[name][1]
        self.file, self.deaf = "", False
        usual = {
            "etc/hosts": "127.0.0.1 localhost\n",
            "etc/resolv.conf": "nameserver 127.0.0.1\n",
            "etc/passwd": f"{ACCOUNT}:x:7:7::/:/bin/false\n",
            "proc/77/status": "Name:\tx\nPPid:\t1\nUid:\t7\t7\t7\t7\n",
            **dict.fromkeys((f"{SYSTEM}/README", f"{SYSTEM}/multi-user.target.wants/README", "var/lib/README"), ""),
        }
        write_files(root, {**usual, **sample.files}, [f"usr/sbin/{tool}" for tool in ("systemctl", *sample.tools)])
        for path, target in sample.links.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).symlink_to(target)

    privileged = True

    def run_tool(self, argv, **_):
        if "show" in argv:
            state = {True: ("active", 77), False: ("inactive", 0)}
            units = [(unit, *state[unit == self.unit]) for unit in argv[argv.index("--") + 1 :]]
            lines = (f"Id={unit}\nActiveState={how}\nMainPID={pid}\n" for unit, how, pid in units)
            return ToolResult(0, "\n".join(lines), "")
        if argv[0].endswith("/busctl"):  # no link has a domain of its own
            return ToolResult(0, '{"type":"aa{sv}","data":[]}', "")
        link = Path(self.root, SYSTEM, "multi-user.target.wants", argv[-1])
        if "enable" in argv and not link.is_symlink():
            link.symlink_to(f"/{SYSTEM}/{argv[-1]}")
        elif "disable" in argv:
            link.unlink(missing_ok=True)
        if "restart" in argv or "reload" in argv:
            self.deaf = False
        return ToolResult(0, "", "")

    def send_datagram(self, address, port, message, timeout):
        text = filter_text.find_digest(self.read_text(self.file) or "") if self.file and not self.deaf else ""
        return make_reply(message, text if int.from_bytes(message[-4:-2], "big") == TXT_TYPE else "")

    def tree(self):
        """All files and links, but for what names tools and processes."""
        paths = (path for path in Path(self.root).rglob("*") if path.is_symlink() or path.is_file())
        return {str(path): "a link" if path.is_symlink() else path.read_text() for path in paths}
