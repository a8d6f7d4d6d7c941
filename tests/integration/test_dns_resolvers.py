"""The name filter in a real dnsmasq and a real unbound, on loopback addresses of their own, with a name server behind
them that stands for the organisation's.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from name_server import NameServer, ask
from proscribe.compile.catalogue import load
from proscribe.compile.plans import compile_plan
from proscribe.compile.restrictions import read_restrictions
from proscribe.controls import dns
from proscribe.controls.dns import rendering, wish
from proscribe.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, Verdict
from proscribe.host import ControlError, Host, Result, run_tool

pytestmark = pytest.mark.integration

PROJECT = Path(__file__).resolve().parents[2]
OWN = f"127.53.{os.getpid() % 250}"  # of this run: another checkout may be tested at the same time
UPSTREAM = f"{OWN}.9"
A, AAAA, HTTPS = 1, 28, 65
NO_SUCH_NAME = (3, 0)
KINDS = ("dnsmasq", "unbound")
ADDRESS, ANOTHER = f"{OWN}.1", f"{OWN}.2"  # two instances of unbound would share one

DNSMASQ = """\
listen-address={address}
bind-interfaces
no-resolv
no-hosts
server={upstream}
conf-dir=/etc/dnsmasq.d/,*.conf
"""
UNBOUND = """\
server:
  interface: {address}
  do-not-query-localhost: no
  module-config: "iterator"
  chroot: ""
  username: ""
  use-syslog: no
  pidfile: ""
forward-zone:
  name: "."
  forward-addr: {upstream}
include-toplevel: "/etc/unbound/unbound.conf.d/*.conf"
"""


def plan(backend: str = "auto", mode: str = "enforce", **services: Any) -> dict[str, Any]:
    entries = {
        id_: {"name": id_, "mode": mode, "allow": [], **(value if isinstance(value, dict) else {"domains": value})}
        for id_, value in services.items()
    }
    return {"controls": {"dns": {"mode": mode, "services": entries, "settings": {"backend": backend}}}}


WECHAT = plan(
    wechat={"domains": ["wechat.com"], "allow": ["work.wechat.com"]},
    personal=["home.work.wechat.com"],
    canary={"domains": [], "canaries": ["use-application-dns.net"]},
)


class MadeHost:
    """A host that is a made tree, on which one resolver runs as a service: the real program, on the tree's files."""

    def __init__(self, kind: str, root: Path, program: str, address: str = ADDRESS) -> None:
        self.kind, self.root, self.program, self.address = kind, root, program, address
        self.process: subprocess.Popen[bytes] | None = None
        self.restarts = 0
        self.at_restart: Callable[[], None] = lambda: None
        self.log = root / "log"
        conf, folder = {
            "dnsmasq": (DNSMASQ, "etc/dnsmasq.d"),
            "unbound": (UNBOUND, "etc/unbound/unbound.conf.d"),
        }[kind]
        self.folder = root / folder
        for directory in (self.folder, root / "var/lib", root / "run", root / "usr/bin", root / "usr/sbin"):
            directory.mkdir(parents=True)
        self.conf = root / ("etc/dnsmasq.conf" if kind == "dnsmasq" else "etc/unbound/unbound.conf")
        self.conf.write_text(conf.format(address=self.address, upstream=UPSTREAM))
        (self.folder / "own.conf").write_text("# the organisation's own\n")
        (root / "etc/resolv.conf").write_text(f"nameserver {self.address}\n")
        (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
        for tool in ("usr/bin/systemctl", "usr/sbin/dnsmasq", "usr/sbin/unbound-checkconf"):
            (root / tool).touch(mode=0o755)
        self.host = Host(str(root), self.run)
        self.start()

    def run(self, argv: list[str], **options: Any) -> Result:
        """The tools of the host: systemctl is made, the others read files of the tree."""
        if Path(argv[0]).name != "systemctl":
            argv = [argv[0], *(f"{self.root}{word}" if word.startswith("/") else word for word in argv[1:])]
            return run_tool(argv, **options)
        if argv[1] == "show":
            pid = self.process.pid if self.process and self.process.poll() is None else 0
            state = "active" if pid else "failed"
            unit = f"Id={self.kind}.service\nActiveState={state}\nUnitFileState=enabled\nMainPID={pid}\n"
            return Result(0, f"{unit}\nId=NetworkManager.service\nActiveState=inactive\nMainPID=0\n", "")
        assert argv[1] in ("restart", "try-restart") and argv[2:] == [f"{self.kind}.service"]
        self.stop()
        self.restarts += 1
        self.at_restart()
        return Result(0, "", "") if self.start() else Result(1, "", f"Job for {self.kind}.service failed")

    def start(self) -> bool:
        run = self.root / "run" / self.conf.name  # with the paths of the tree
        run.write_text(self.conf.read_text().replace("/etc/", f"{self.root}/etc/"))
        argv = {
            "dnsmasq": [self.program, "--keep-in-foreground", "--pid-file", "--log-facility=-", f"--conf-file={run}"],
            "unbound": [self.program, "-d", "-c", str(run)],
        }[self.kind]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        listening = socket.inet_aton(self.address)[::-1].hex().upper()  # as the kernel shows it, and its port 53
        end = time.monotonic() + 10
        while time.monotonic() < end and self.process.poll() is None:
            if f"{listening}:0035" in Path("/proc/net/udp").read_text():
                return True
            time.sleep(0.02)
        return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)

    def enforce(self, wanted: Mapping[str, Any] = WECHAT) -> list[str]:
        return apply(dns.enforce(self.host, wanted))

    def states(self, wanted: Mapping[str, Any] = WECHAT) -> dict[str, str]:
        states = {verdict.rule.partition("/")[2]: verdict.state for verdict in dns.observe(self.host, wanted)}
        states.pop("private-view", None)  # of this machine's programs, see test_dns_private_view_real.py
        return states

    def told(self, wanted: Mapping[str, Any] = WECHAT) -> str:
        return " | ".join(f.detail for verdict in dns.observe(self.host, wanted) for f in verdict.findings)

    def tree(self) -> dict[str, bytes]:
        left_out = ("run/", "log")
        files = {str(path.relative_to(self.root)): path for path in self.root.rglob("*") if path.is_file()}
        return {name: path.read_bytes() for name, path in files.items() if not name.startswith(left_out)}


def apply(changes: Any) -> list[str]:
    for action in changes.actions:
        action.apply()
    return [str(action) for action in changes.actions]


@pytest.fixture(scope="module")
def upstream(require_root: Callable[[], None]) -> Iterator[NameServer]:
    require_root()
    server = NameServer(UPSTREAM)
    yield server
    server.close()


@pytest.fixture(params=KINDS)
def made(
    request: pytest.FixtureRequest, tmp_path: Path, upstream: NameServer, require_tool: Callable[[str], str]
) -> Iterator[MadeHost]:
    upstream.silent = False
    upstream.asked.clear()
    os.chmod(tmp_path, 0o755)
    host = MadeHost(request.param, tmp_path, require_tool(request.param))
    yield host
    host.stop()


FINE = {"wechat": COMPLIANT, "personal": COMPLIANT, "canary": COMPLIANT, "resolver": COMPLIANT}


@pytest.mark.parametrize(
    ("name", "kind", "blocked"),
    [
        ("wechat.com", A, True),
        ("wechat.com", AAAA, True),
        ("wechat.com", HTTPS, True),
        ("WWW.WeChat.com", A, True),
        ("a.b.c.d.wechat.com", A, True),
        ("a.wechat.com", HTTPS, True),
        ("work.wechat.com", A, False),
        ("open.work.wechat.com", A, False),
        ("home.work.wechat.com", A, True),
        ("deep.home.work.wechat.com", A, True),
        ("use-application-dns.net", A, True),
        ("use-application-dns.net", AAAA, True),
        ("notwechat.com", A, False),
        ("wechat.com.example", A, False),
        ("com", A, False),
        ("intranet.example", A, False),
    ],
)
def test_what_a_client_is_answered(
    enforced: MadeHost, upstream: NameServer, name: str, kind: int, blocked: bool
) -> None:
    upstream.asked.clear()
    answer = ask(enforced.address, name, kind)
    assert answer == (NO_SUCH_NAME if blocked else (0, 1))
    assert (name.lower() in upstream.asked) is not blocked  # what is blocked never leaves the host


@pytest.fixture(scope="module", params=KINDS)
def enforced(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    upstream: NameServer,
    require_tool: Callable[[str], str],
) -> Iterator[MadeHost]:
    root = tmp_path_factory.mktemp(request.param)
    host = MadeHost(request.param, root, require_tool(request.param), ANOTHER)
    assert ask(host.address, "wechat.com") == (0, 1)  # and the answer is in its cache now
    host.enforce()
    yield host
    host.stop()


def test_enforcing_settles_and_lifting_leaves_nothing(made: MadeHost) -> None:
    before = made.tree()
    assert made.states() == dict.fromkeys(FINE, NONCOMPLIANT)
    assert made.enforce() == [f"write /{made.folder.relative_to(made.root)}/proscribe.conf"]
    assert made.states() == FINE
    assert made.enforce() == []
    assert made.restarts == 1
    assert {name: content for name, content in made.tree().items() if name in before} == before
    assert made.enforce(plan()) == [f"delete /{made.folder.relative_to(made.root)}/proscribe.conf"]
    assert made.states(plan()) == {"resolver": NOT_APPLICABLE}
    made.enforce()
    assert apply(dns.lift(made.host, {"controls": {}})) == [
        f"delete /{made.folder.relative_to(made.root)}/proscribe.conf"
    ]
    assert made.tree() == before
    assert ask(made.address, "wechat.com") == (0, 1)
    assert apply(dns.lift(made.host, {"controls": {}})) == []


def test_observing_writes_nothing(made: MadeHost) -> None:
    made.enforce()
    before = made.tree()
    made.states()
    assert made.tree() == before


def test_a_running_resolver_that_has_not_read_the_file_is_told_and_corrected(made: MadeHost) -> None:
    made.enforce()
    more = plan(wechat=["wechat.com"], signal=["signal.org"])
    text = {"dnsmasq": rendering.dnsmasq, "unbound": rendering.unbound}[made.kind](
        wish.of_plan(more["controls"]["dns"], {}, canaries=True)
    )
    (made.folder / "proscribe.conf").write_text(text)
    assert set(made.states(more).values()) == {NONCOMPLIANT}
    assert "does not answer with what the file says" in made.told(more)
    assert made.enforce(more) == [f"restart {made.kind}.service"]
    assert set(made.states(more).values()) == {COMPLIANT}
    assert ask(made.address, "signal.org") == NO_SUCH_NAME


def test_a_resolver_that_was_stopped_is_started_again(made: MadeHost) -> None:
    made.enforce()
    made.stop()
    assert made.states()["resolver"] == NONCOMPLIANT
    assert made.enforce() == [f"restart {made.kind}.service"]
    assert made.states() == FINE


@pytest.mark.parametrize("tampering", ["a name is taken out", "the file is emptied", "the file is deleted"])
def test_tampering_is_told_by_service_and_corrected(made: MadeHost, tampering: str) -> None:
    made.enforce()
    file = made.folder / "proscribe.conf"
    good = file.read_text()
    if tampering == "the file is deleted":
        file.unlink()
    else:
        lines = good.splitlines(keepends=True)
        file.write_text("".join(line for line in lines if "wechat.com" not in line) if "name" in tampering else "")
    states = made.states()
    assert states["wechat"] == states["resolver"] == NONCOMPLIANT
    assert states["canary"] == (COMPLIANT if "name" in tampering else NONCOMPLIANT)
    made.enforce()
    assert (made.states(), file.read_text()) == (FINE, good)


def test_a_resolver_that_does_not_come_back_gets_its_old_file_back(made: MadeHost) -> None:
    made.enforce()
    good = made.tree()
    made.conf.write_text(made.conf.read_text() + "\nno such option\n")  # it runs on without having read that
    more = plan(wechat=["wechat.com"], signal=["signal.org"])
    with pytest.raises(ControlError, match="name resolution cannot be put back as it was"):
        made.enforce(more)
    assert (
        made.tree()[str((made.folder / "proscribe.conf").relative_to(made.root))]
        == good[str((made.folder / "proscribe.conf").relative_to(made.root))]
    )
    made.conf.write_text(made.conf.read_text().replace("\nno such option\n", ""))
    made.enforce(more)
    assert set(made.states(more).values()) == {COMPLIANT}


def test_a_file_that_cuts_other_names_is_taken_back(
    made: MadeHost, upstream: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns.switching, "PATIENCE", 1.5)
    made.enforce()
    before = made.tree()
    more = plan(wechat=["wechat.com"], signal=["signal.org"])
    changes = dns.enforce(made.host, more)
    made.restarts = 0
    made.at_restart = lambda: setattr(upstream, "silent", made.restarts == 1)  # as long as the new names are in place
    with pytest.raises(ControlError, match="names do not resolve any more; name resolution is put back as it was"):
        apply(changes)
    assert made.tree() == before
    assert made.restarts == 2
    assert ask(made.address, "notwechat.com") == (0, 1)


def test_without_an_upstream_that_answers_the_filter_is_put_in_place_all_the_same(
    made: MadeHost, upstream: NameServer
) -> None:
    upstream.silent = True
    made.enforce()
    assert made.states() == FINE


def test_the_organisations_own_line_that_opens_a_name_is_told_and_left(made: MadeHost) -> None:
    own = made.folder / "zz-own.conf"
    own.write_text(
        "server=/web.wechat.com/10.0.0.1\nserver=/open.work.wechat.com/10.0.0.1\naddress=/wechat.com/\n"
        if made.kind == "dnsmasq"
        else 'server:\n  local-zone: "web.wechat.com." transparent\n  local-zone: "x.wechat.com." refuse\n'
    )
    made.enforce()
    verdicts: dict[str, Verdict] = {verdict.rule: verdict for verdict in dns.observe(made.host, WECHAT)}
    wechat = verdicts["dns/wechat"]
    assert (wechat.state, wechat.drifted) == (NONCOMPLIANT, False)
    assert [(f.id, f.path) for f in wechat.findings] == [("web.wechat.com", f"/{own.relative_to(made.root)}")]
    assert verdicts["dns/personal"].state == COMPLIANT
    assert made.enforce() == []


def test_ten_thousand_domains(made: MadeHost) -> None:
    many = plan(many=[f"d{number}.example" for number in range(10_000)])
    started = time.monotonic()
    made.enforce(many)
    enforcing = time.monotonic() - started
    started = time.monotonic()
    assert made.states(many) == {"many": COMPLIANT, "resolver": COMPLIANT}
    observing = time.monotonic() - started
    assert ask(made.address, "x.d9999.example") == NO_SUCH_NAME
    assert ask(made.address, "x.d10000.example") == (0, 1)
    assert enforcing < 10
    assert observing < 2


@pytest.mark.parametrize("enforced", ["unbound"], indirect=True)  # dnsmasq logs all queries or none
def test_unbound_tells_hits_by_the_name_of_the_catalogue(enforced: MadeHost) -> None:
    ask(enforced.address, "photos.wechat.com")
    line = "wechat.com. always_nxdomain 127.0.0.1"
    end = time.monotonic() + 5
    while line not in enforced.log.read_text() and time.monotonic() < end:
        time.sleep(0.05)
    assert line in enforced.log.read_text()


def test_every_name_of_the_catalogue(made: MadeHost) -> None:
    restrictions = read_restrictions({"proscribe_dns_backend": made.kind}, lambda name: name)
    whole = compile_plan(load([PROJECT / "catalog"]), restrictions, [], restrictions.effective_from)
    made.enforce(whole)
    verdicts = dns.observe(made.host, whole)
    assert {verdict.state for verdict in verdicts} == {COMPLIANT, NOT_APPLICABLE}
    blocked = rendering.blocked((made.folder / "proscribe.conf").read_text())
    assert len(blocked) > 700
    assert {"mask.icloud.com", "use-application-dns.net", "wechat.com"} < blocked
    sample = sorted(blocked)[:: len(blocked) // 40]
    assert {ask(made.address, f"x.{name}") for name in sample} == {NO_SUCH_NAME}
