"""The watch: its program as it lies on a host, its units, restrictions, causes, and the start of the daemon."""

import configparser
import importlib
import json
import lzma
import marshal
import os
import re
import socket
import subprocess
import sys
from binascii import crc32
from collections.abc import Callable, Sequence
from importlib._bootstrap_external import MAGIC_NUMBER
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made_plans import make_section
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.controls.apps.systems.package_systems import SYSTEMS
from proscribe.host.system import Host
from proscribe.host.watch import launch_verifier, launches, verifier_socket, watch_units
from proscribe.host.watch import restricted_programs as restricted_module
from proscribe.host.watch.drift_causes import group_by_cause
from proscribe.host.watch.heartbeat import DEAF, NOTICED, UNABLE, HeartbeatResult
from proscribe.host.watch.program_text import WATCH_TEXT
from proscribe.host.watch.restricted_programs import RestrictedPrograms, make_prefilter_sets
from proscribe.host.watch.starts import daemon
from proscribe.host.watch.state import journal, watch_files
from watch_host import ROOT

BLOCKED = (
    "import os, signal, sys\nsignal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGTERM})\n"
    "os.execv(sys.argv[1], sys.argv[1:])"
)
UNIT_TEXTS = watch_units.make_unit_texts(300)
SERVICES = [name for name in UNIT_TEXTS if name.endswith(".service")]
FIXED = {"RestrictRealtime": "yes", "LockPersonality": "yes", "SystemCallArchitectures": "native"}
PACKAGES = ("proscribe", "proscribe.base", "proscribe.host", "proscribe.host.watch", "proscribe.host.watch.starts")


class Installed:
    """The program with its code, in a directory of its own."""

    def __init__(self, root: Path) -> None:
        self.place = root / "state/watch"
        (self.place / "cache").mkdir(parents=True)
        self.code, self.program = self.place / "code", root / "watch"
        text = WATCH_TEXT.replace(watch_files.WATCH_DIRECTORY, str(self.place)).replace(
            "INSTALL_WAIT_SECONDS = 5", "INSTALL_WAIT_SECONDS = 0"
        )
        self.program.write_text(text)
        self.settings, self.journal = self.place / "settings.json", root / "state" / journal.FILE_NAME
        code = {"packages": ["proscribe", "proscribe.host"], "texts": TEXTS}
        content = lzma.compress(json.dumps(code).encode())
        self.code.write_bytes(content)
        self.settings.write_text(json.dumps({"files": {f"{self.place}/code": watch_files.hash_content(content)}}))
        self.cached = self.place / f"cache/{watch_files.hash_content(content)}-{MAGIC_NUMBER.hex()}"
        for path in (root, root / "state", self.place, self.place / "cache"):
            path.chmod(0o755)

    def run(self, *words: str, before: Sequence[str] = (), **environment: str) -> subprocess.CompletedProcess[str]:
        command = [*before, sys.executable, "-IS", str(self.program), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=600, env={**os.environ, **environment})

    def call(self, *words: str, **more: str) -> dict[str, object]:
        done = self.run(*words, **more)
        assert (done.returncode, done.stderr) == (5, "")
        return dict(json.loads(done.stdout))

    def read_events(self) -> list[dict[str, object] | None]:
        return [journal.parse_line(line) for line in self.journal.read_bytes().splitlines()]


REPORTING = """
import gc, json, os, signal
def main(words, by, started_by, marshalled):
    compiled = marshalled()
    if compiled and words[1:]:
        with open(words[1], "wb") as file:
            file.write(compiled)
    print(json.dumps({
        "words": words, "by": by, "started_by": started_by, "compiled": compiled is not None, "at": os.getcwd(),
        "umask": os.umask(0), "environment": dict(os.environ), "collects": gc.isenabled(),
        "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, ())), "name": __name__,
    }))
    return 5
"""
TEXTS = {"proscribe": "", "proscribe.host": "", "proscribe.host.watch_commands": REPORTING}
CALLED = {
    "words": ["observe"], "by": "root", "started_by": "", "compiled": True, "at": "/", "umask": 0o077,
    "environment": {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"},
    "collects": False, "blocked": 0, "name": "proscribe.host.watch_commands",
}  # fmt: skip


@pytest.fixture
def installed(tmp_path):
    return Installed(tmp_path)


@ROOT
def test_program_does_nothing_for_an_ordinary_user():
    as_user = ("setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3", "-IS", "-c", WATCH_TEXT)
    done = subprocess.run(as_user, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "this program is run by root\n")


@ROOT
def test_environment_of_the_caller_has_no_effect(installed, monkeypatch):
    for name in ("SUDO_USER", "TRIGGER_UNIT"):
        monkeypatch.delenv(name, raising=False)
    assert installed.call("observe") == CALLED
    hers = {"PATH": "/hers", "LC_ALL": "C", "HOME": "/hers", "LD_DEBUG_OUTPUT": "/hers"}
    hers |= {"SUDO_USER": "alice", "TRIGGER_UNIT": "a.path"}
    called = installed.call("observe", before=(sys.executable, "-c", BLOCKED), **hers)
    assert called == {**CALLED, "by": "alice", "started_by": "a.path"}
    for words, collects in ((["launches"], True), (["launches", "/dev/null"], False), ([], False)):
        assert installed.call(*words) == {**CALLED, "words": words, "collects": collects}


@ROOT
def test_cached_code_is_run_without_being_compiled_again(installed, tmp_path):
    installed.call("observe", str(tmp_path / "compiled"))
    content = (tmp_path / "compiled").read_bytes()
    for checksum, compiled in ((b"%08x" % crc32(content), False), (b"%08x" % (crc32(content) ^ 1), True)):
        installed.cached.write_bytes(checksum + content)
        assert installed.call("observe") == {**CALLED, "compiled": compiled}


@ROOT
@pytest.mark.parametrize("content", [b"", b"00000000nonsense", b"%08x" % crc32(b"nonsense") + b"nonsense"])
def test_broken_cache_only_costs_time(installed, content):
    installed.cached.write_bytes(content)
    assert installed.call("observe") == CALLED


DAMAGE: dict[str, Callable[[Installed], object]] = {
    "a byte more": lambda it: it.code.write_bytes(it.code.read_bytes() + b"x"),
    "gone": lambda it: it.code.unlink(),
    "a link": lambda it: it.code.symlink_to(it.code.rename(it.place / "elsewhere")),
    "a pipe": lambda it: (it.code.unlink(), os.mkfifo(it.code)),
    "others can write it": lambda it: it.code.chmod(0o666),
    "others can write its directory": lambda it: it.place.chmod(0o777),
    "of another user": lambda it: os.chown(it.code, 65534, 0),
    "no settings": lambda it: it.settings.unlink(),
    "settings without end": lambda it: it.settings.write_text("[" * 1_000_000),
    "other settings": lambda it: it.settings.write_text('{"files": 5}'),
}


@ROOT
@pytest.mark.parametrize("damage", DAMAGE)
def test_code_that_was_not_installed_is_not_run_and_written_down_once(installed, damage):
    DAMAGE[damage](installed)
    for _ in range(2):
        done = installed.run("status")
        assert done.returncode == 1 and "is not what was installed: nothing was run" in done.stderr
    (event,) = installed.read_events()
    assert (event["event"], event["file"]) == ("damaged", f"{installed.place}/code")
    assert installed.journal.stat().st_mode & 0o777 == 0o600


@ROOT
def test_damage_is_written_down_behind_half_a_line_and_in_a_long_journal(installed):
    installed.code.unlink()
    installed.journal.write_bytes(b'{"at": "2026-11-27T03:00:00Z", "event": "tha')
    installed.run("status")
    half, event = installed.read_events()
    assert half is None and event["event"] == "damaged"
    thawed = b'{"at": "2026-11-27T03:00:00Z", "event": "thawed"}\n'
    for number in range(2):  # of a long journal only the end is read
        installed.journal.write_bytes(installed.journal.read_bytes() + thawed * 200 * number)
        installed.run("status")
        assert [event and event["event"] for event in installed.read_events()].count("damaged") == 1 + number


def make_finding(kind: str, path: str = "", id_: str = "", detail: str | None = None) -> dict[str, Any]:
    return {"kind": kind, "path": path, "id": id_, **({} if detail is None else {"detail": detail})}


FILE, UNIT = make_finding("policy", "/etc/x.json", "x", "is missing"), make_finding("unit", "", "dnsmasq")


def test_rules_with_the_same_findings_have_one_cause():
    rules = {"browser/b": [FILE, UNIT], "browser/a": [UNIT, FILE, FILE], "dns/a": [FILE, UNIT], "apps/a": [UNIT]}
    rules |= {"apps/b": [], "apps/c": [], "apps/d": [FILE]}
    record = {"rules": [{"rule": rule, "findings": findings} for rule, findings in rules.items()]}
    assert group_by_cause(record, [*rules][:-1]) == [
        ("policy /etc/x.json, and 1 more", ["browser/b", "browser/a"]),
        ("policy /etc/x.json: is missing, and 1 more", ["dns/a"]),
        ("unit dnsmasq", ["apps/a"]),
        ("", ["apps/b", "apps/c"]),
    ]


GO = {"markers": {"go": ["example.org/owl"], "programs": ["owl"]}}
APT = {"packages": {"apt": ["owl"]}}


@pytest.mark.parametrize(
    ("entries", "seen"),
    [
        ((), {}),
        (({},), {}),
        (({"paths": ["/opt/owl"]}, {"paths": ["/opt/elf/"]}), {"exact": ["/opt/elf/", "/opt/owl"], "parts": "elf owl"}),
        (({"paths": ["~/owl/.local"]},), {"exact": ["~/owl/.local"], "parts": "owl"}),
        (({"paths": ["/home/~/.config"]},), {"exact": ["/home/~/.config"]}),
        (({"packages": {"apt": ["owl", "app"], "snap": ["owl-s"]}},), {"parts": "owl owl-s"}),
        (({"packages": {"nix": ["owl"], "guix": ["owl-g"]}},), {"store": ["owl", "owl-g"]}),
        (({"packages": {"flatpak": ["org.Owl"]}}, {}), {"parts": "bwrap", "sandboxes": True}),
        (({"packages": {"flatpak": []}},), {}),
        ((GO, APT), {"parts": "owl", "modules": ["example.org/owl"]}),
        (({"mode": "audit", **APT}, {"mode": "waived", "waiver": "w", **APT}), {}),
        (({"mode": "audit", "otherwise": "enforce", **APT},), {"parts": "owl"}),
    ],
)
def test_sets_have_all_that_plans_enforce_and_no_common_name(tmp_path, entries, seen):
    host = Host(str(tmp_path))
    sections = [make_section("apps", {"owl": entry}) for entry in entries]
    all_sets = make_prefilter_sets(host, sections, RestrictedPrograms(host, None))
    none = {"exact": [], "store": [], "modules": [], "sandboxes": False, "files": []}
    assert {**all_sets, "stems": []} == {**none, **seen, "parts": seen.get("parts", "").split(), "stems": []}


def test_packages_of_root_count_as_the_hosts(tmp_path, monkeypatch):
    def find_user_packages(host, user, ids):
        queried.append((user.name, [*ids]))
        return [packages[user.name]], ""

    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n")
    packages = {user: Package("flatpak", "owl", path=f"/opt/{user}") for user in ("root", "ann", "all")}
    queried = []
    system = SimpleNamespace(MANAGER="flatpak", DATABASE_FILES=(), find_user_packages=find_user_packages)
    none = SimpleNamespace(
        MANAGER="snap", DATABASE_FILES=(), find_user_packages=lambda *_: pytest.fail("nothing is looked for")
    )
    monkeypatch.setattr(restricted_module, "SYSTEMS", (system, none))
    monkeypatch.setattr(
        restricted_module, "find_installed_packages", lambda host, restricted, ids, *_: ([packages["all"]], "")
    )
    section = make_section("apps", {"owl": {"packages": {"flatpak": ["owl"]}}})
    restricted = RestrictedPrograms(Host(str(tmp_path)), section)
    assert queried == [("root", ["owl"])]
    assert restricted.packages == [(["owl"], packages["all"]), (["owl"], packages["root"])]


def test_sets_have_names_of_packages_and_databases(tmp_path):
    host = Host(str(tmp_path))
    databases = [path for system in SYSTEMS for path in system.DATABASE_FILES]
    (tmp_path / Path(databases[0]).parent.relative_to("/")).mkdir(parents=True)
    folder, restricted = str(Path(databases[0]).parent), RestrictedPrograms(host, make_section("apps", {"owl": {}}))
    paths = ("/opt/Owl/night", "", "/usr/var")
    restricted.packages = [(["owl"], Package("apt", "owl", path=path)) for path in paths]
    seen = make_prefilter_sets(host, [make_section("apps", {"owl": {}})], restricted)
    assert "night" in seen["parts"] and "" not in seen["parts"] and "var" not in seen["parts"]
    assert seen["files"] == [path for path in databases if str(Path(path).parent) == folder]


FIXED |= {"SystemCallErrorNumber": "EPERM", "UMask": "0077"}


def read_unit(name: str) -> dict[str, dict[str, list[str]]]:
    sections: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    for line in UNIT_TEXTS[name].splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return sections


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_hardened(name):
    service = read_unit(name)["Service"]
    assert {key: service.get(key) for key in FIXED} == {key: [value] for key, value in FIXED.items()}


def test_units_begin_the_program_and_are_limited():
    """Whatever the watch's own units say, systemd does."""
    timer, service, launches = (
        read_unit(f"proscribe-{name}") for name in ("watch.timer", "watch.service", "launches.service")
    )
    times = {"OnActiveSec": ["60"], "OnUnitActiveSec": ["300"], "RandomizedDelaySec": ["30"], "AccuracySec": ["1"]}
    assert (timer["Timer"], timer["Install"]) == (times, {"WantedBy": ["timers.target"]})
    exists = ["/var/lib/proscribe/watch/settings.json"]
    assert service["Unit"]["ConditionPathExists"] == launches["Unit"]["ConditionPathExists"] == exists
    assert launches["Unit"]["StartLimitIntervalSec"] == ["0"]
    assert launches["Install"] == {"WantedBy": ["multi-user.target"]} and "Install" not in service
    assert {key: values for key, values in service["Service"].items() if key not in FIXED} == {
        "Type": ["oneshot"], "ExecStart": ["/usr/libexec/proscribe/watch observe"], "Nice": ["10"],
        "IOSchedulingClass": ["idle"], "TimeoutStartSec": ["3600"], "TimeoutStopSec": ["60"],
        "RestrictAddressFamilies": ["AF_UNIX AF_INET AF_INET6 AF_NETLINK"],
        "SystemCallFilter": ["~@clock @cpu-emulation @obsolete @raw-io @reboot @swap"],
        "CapabilityBoundingSet": [
            "~CAP_BLOCK_SUSPEND CAP_LEASE CAP_PERFMON CAP_SYS_BOOT CAP_SYS_PACCT CAP_SYS_RAWIO CAP_SYS_TIME",
            "~CAP_SYS_TTY_CONFIG CAP_WAKE_ALARM",
        ],
    }  # fmt: skip
    rights = {
        *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "KILL", "NET_ADMIN", "SETGID", "SETUID", "SYS_ADMIN"),
        *("SYS_NICE", "SYS_PTRACE", "SYS_RESOURCE"),
    }
    assert " ".join(launches["Service"].pop("CapabilityBoundingSet")).replace("CAP_", "").split() == sorted(rights)
    assert list(launches["Service"].items())[:9] == [
        ("ExecStart", ["/usr/libexec/proscribe/watch launches"]), ("Restart", ["always"]), ("RestartSec", ["5"]),
        ("UMask", ["0077"]), ("OOMScoreAdjust", ["-500"]), ("MemoryMax", ["256M"]), ("TasksMax", ["64"]),
        ("RestrictAddressFamilies", ["AF_UNIX AF_NETLINK"]),
        ("SystemCallFilter", ["@system-service fanotify_init fanotify_mark"]),
    ]  # fmt: skip


def test_daemon_gains_no_right_and_reaches_no_address():
    """An observation calls package managers; the daemon calls nothing but itself."""
    daemon = read_unit(watch_units.LAUNCHES_UNIT)["Service"]
    for setting in ("NoNewPrivileges", "RestrictNamespaces", "RestrictSUIDSGID", "MemoryDenyWriteExecute"):
        assert daemon[setting] == ["yes"]
    assert daemon["IPAddressDeny"] == ["any"]


@pytest.mark.parametrize(("every", "first", "spread"), [(30, "30", "3"), (3600, "60", "360")])
def test_timer_begins_soon_and_spreads_hosts(every, first, spread):
    parser = configparser.ConfigParser()
    parser.read_string(watch_units.make_unit_texts(every)[watch_units.TIMER_UNIT])
    timer = parser["Timer"]
    assert (timer["OnActiveSec"], timer["OnUnitActiveSec"], timer["RandomizedDelaySec"]) == (first, str(every), spread)


# The daemon's modules with one that prints what the process has, instead of the daemon.
LIGHT = """\
import json, os, sys
from proscribe.host.watch import launches
parts = launches._list_module_codes()
assert [name for name, _, _ in parts][-1] == "proscribe.host.watch.starts.daemon"
said = '''import json, sys
def run_daemon(words):
    flags = sys.flags.isolated, sys.flags.no_site, sys.flags.utf8_mode
    print(json.dumps([words, flags, sorted(n for n in sys.modules if n.startswith("proscribe"))]))
'''
parts.append(("proscribe.host.watch.last", compile(said, "x", "exec"), False))
launches._execute_daemon(parts, ["/usr/bin/python3", "the program", "launches"])
"""


def test_daemon_has_its_own_modules_and_no_others(project):
    environment = {**os.environ, "PYTHONPATH": str(project / "module_utils")}
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, env=environment, check=True)
    words, flags, modules = json.loads(done.stdout)
    assert words == ["/usr/bin/python3", "the program", "launches"]
    assert flags == [1, 1, 1], "it loads nothing that lies about, and reads names of any locale"
    starts = "content_check daemon daemon_report fanotify inotify mounts prefilter proc_events process_users"
    starts += " program_cache start_queue start_sources verifier_process"
    own = [f"proscribe.host.watch.starts.{name}" for name in starts.split()]
    own += [f"proscribe.base.{name}" for name in ("elf", "named_tuple", "program_paths")]
    assert modules == sorted([*own, *PACKAGES, "proscribe.host.watch.last"])


@pytest.mark.parametrize("code", [marshal.dumps(compile("5", "x", "eval")), compile("5", "x", "eval")])
def test_loader_of_a_host_gives_code(monkeypatch, code):
    loader = SimpleNamespace(compile_module=lambda name: {"proscribe.x": (code, False)}[name])
    monkeypatch.setattr(importlib, "import_module", lambda _: SimpleNamespace(__spec__=SimpleNamespace(loader=loader)))
    assert launches._find_module_code("proscribe.x") == compile("5", "x", "eval")


@pytest.mark.parametrize("loader", [None, SimpleNamespace(), SimpleNamespace(compile_module=lambda _: [None])])
def test_loader_without_code_gives_no_parts(monkeypatch, loader):
    module = SimpleNamespace(__spec__=loader and SimpleNamespace(loader=loader))
    monkeypatch.setattr(importlib, "import_module", lambda _: module)
    assert launches._list_module_codes() == []


def test_command_of_the_daemon_is_that_of_its_start(project):
    code = "import sys; from proscribe.host.watch import launches; print(launches._read_command(), [sys.executable])"
    environment = {**os.environ, "PYTHONPATH": str(project / "module_utils")}
    done = subprocess.run([sys.executable, "-c", code, "a b", "ü", ""], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == f"{[sys.executable, '-c', code, 'a b', 'ü', '']} {[sys.executable]}"


def standard_input_is(monkeypatch: pytest.MonkeyPatch, seen: os.stat_result) -> None:
    fstat = os.fstat
    monkeypatch.setattr(launches.os, "fstat", lambda number: seen if number == 0 else fstat(number))


def test_process_that_cannot_be_replaced_runs_the_daemon(monkeypatch):
    def execute(path, words):
        assert (path, words[:4]) == (sys.executable, [sys.executable, "-ISXutf8", "-c", launches.LOADER])
        with open(int(words[4]), "rb") as stream:
            names.extend(part[0] for part in marshal.load(stream))
        assert words[5:] == command
        raise OSError

    ran, names, command = [], [], [sys.executable, *Path("/proc/self/cmdline").read_text().split("\0")[1:-1]]
    monkeypatch.setattr(daemon, "run_daemon", ran.append)
    monkeypatch.setattr(os, "execv", execute)
    standard_input_is(monkeypatch, os.stat(os.devnull))
    launches.run_launches(Host("/nowhere"))
    assert ran == [command] and names[:2] == ["proscribe", "proscribe.base"] and len(names) == 21


def test_process_with_a_socket_as_its_input_is_the_verifier(monkeypatch):
    served = []
    ours, other = socket.socketpair()
    with ours, other:
        standard_input_is(monkeypatch, os.fstat(ours.fileno()))
        monkeypatch.setattr(verifier_socket, "serve_requests", lambda *given: served.append(given))
        monkeypatch.setattr(daemon, "run_daemon", lambda _: pytest.fail("it is no daemon"))
        launches.run_launches(Host("/nowhere"))
    ((verifier, descriptor),) = served
    assert isinstance(verifier, launch_verifier.LaunchVerifier) and descriptor == 0


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        (HeartbeatResult(NOTICED, "", {"by": "fanotify"}), "starts of programs are noticed by fanotify$"),
        (HeartbeatResult(NOTICED, "", {"by": "fanotify", "unseen": "nfs4"}), "noticed by fanotify; not on nfs4, "),
        (HeartbeatResult(UNABLE, "cannot (x)"), r"^cannot \(x\); the timer"),
        (HeartbeatResult(DEAF, "does not run"), "not noticed now: the daemon does not run; the timer"),
    ],
)
def test_status_shows_whether_starts_are_noticed(monkeypatch, heard, said):
    settings, queried = watch_files.WatchSettings("r", 1, 1, "p", (), {}), []
    heartbeat = SimpleNamespace(wait_for_result=lambda settings: queried.append(settings) or heard)
    monkeypatch.setattr(launches, "Heartbeat", lambda _: heartbeat)
    assert re.search(said, launches.describe_status(Host("/nowhere"), settings)) and queried == [settings]


def test_notice_for_users_is_that_of_the_plan(tmp_path):
    host, settings = Host(str(tmp_path)), {"user_notice": "Not here.", "requests": "command"}
    sections = (make_section("apps", **settings), make_section("apps"), None)
    notices = [
        (restricted.notification_text, restricted.has_requests)
        for restricted in (RestrictedPrograms(host, plan) for plan in sections)
    ]
    assert notices == [("Not here.", True), ("", False), ("", False)]
