"""The start of the daemon and of the verifier, with real processes, and their status."""

import importlib
import json
import os
import re
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest
from proscribe.host.system import Host
from proscribe.host.watch import launches, serving, verifying
from proscribe.host.watch.heartbeat import DEAF, NOTICED, UNABLE, Heard
from proscribe.host.watch.starts import daemon
from proscribe.host.watch.state import files
from refusals import make_refusal

# The daemon's modules with one that prints what the process has, instead of the daemon.
LIGHT = """\
import json, os, sys
from proscribe.host.watch import launches
parts = launches._parts()
assert [name for name, _, _ in parts][-1] == "proscribe.host.watch.starts.daemon"
said = '''import json, sys
def run(words):
    flags = sys.flags.isolated, sys.flags.no_site, sys.flags.utf8_mode
    print(json.dumps([words, flags, sorted(n for n in sys.modules if n.startswith("proscribe"))]))
'''
parts.append(("proscribe.host.watch.last", compile(said, "x", "exec"), False))
launches._become_light(parts, ["/usr/bin/python3", "the program", "launches"])
"""
PACKAGES = ("proscribe", "proscribe.base", "proscribe.host", "proscribe.host.watch", "proscribe.host.watch.starts")


def test_daemon_has_its_own_modules_and_no_others(project):
    environment = {**os.environ, "PYTHONPATH": str(project / "module_utils")}
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, env=environment, check=True)
    words, flags, modules = json.loads(done.stdout)
    assert words == ["/usr/bin/python3", "the program", "launches"]
    assert flags == [1, 1, 1], "it loads nothing that lies about, and reads names of any locale"
    own = [f"proscribe.{name}" for name in (*launches.LIGHT, launches.DAEMON)]
    assert modules == sorted([*own, *PACKAGES, "proscribe.host.watch.last"])


@pytest.mark.parametrize("loader", [None, SimpleNamespace(), SimpleNamespace(compiled=lambda _: [None])])
def test_loader_without_code_gives_no_parts(monkeypatch, loader):
    module = SimpleNamespace(__spec__=loader and SimpleNamespace(loader=loader))
    monkeypatch.setattr(importlib, "import_module", lambda _: module)
    assert launches._parts() == []


def test_command_of_the_daemon_is_that_of_its_start(project):
    code = "import sys; from proscribe.host.watch import launches; print(launches._command(), [sys.executable])"
    environment = {**os.environ, "PYTHONPATH": str(project / "module_utils")}
    done = subprocess.run([sys.executable, "-c", code, "a b", "ü", ""], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == f"{[sys.executable, '-c', code, 'a b', 'ü', '']} {[sys.executable]}"


def standard_input_is(monkeypatch: pytest.MonkeyPatch, seen: os.stat_result) -> None:
    fstat = os.fstat
    monkeypatch.setattr(launches.os, "fstat", lambda number: seen if number == 0 else fstat(number))


def test_process_that_cannot_be_replaced_runs_the_daemon(monkeypatch):
    ran = []
    monkeypatch.setattr(daemon, "run", ran.append)
    monkeypatch.setattr(os, "execv", make_refusal(OSError))
    standard_input_is(monkeypatch, os.stat(os.devnull))
    launches.main(Host("/nowhere"))
    assert ran == [launches._command()]


def test_process_with_a_socket_as_its_input_is_the_verifier(monkeypatch):
    served = []
    ours, other = socket.socketpair()
    with ours, other:
        standard_input_is(monkeypatch, os.fstat(ours.fileno()))
        monkeypatch.setattr(serving, "serve", lambda *given: served.append(given))
        monkeypatch.setattr(daemon, "run", lambda _: pytest.fail("it is no daemon"))
        launches.main(Host("/nowhere"))
    ((verifier, descriptor),) = served
    assert isinstance(verifier, verifying.Verifying) and descriptor == 0


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        (Heard(NOTICED, "", {"by": "fanotify"}), "starts of programs are noticed by fanotify$"),
        (Heard(NOTICED, "", {"by": "fanotify", "unseen": "nfs4"}), "noticed by fanotify; not on nfs4, "),
        (Heard(UNABLE, "cannot (x)"), r"^cannot \(x\); the timer"),
        (Heard(DEAF, "does not run"), "not noticed now: the daemon does not run; the timer"),
    ],
)
def test_status_tells_whether_starts_are_noticed(monkeypatch, heard, said):
    settings, queried = files.Settings("r", 1, 1, "p", (), {}), []
    heartbeat = SimpleNamespace(heard=lambda settings: queried.append(settings) or heard)
    monkeypatch.setattr(launches, "Heartbeat", lambda _: heartbeat)
    assert re.search(said, launches.status(Host("/nowhere"), settings)) and queried == [settings]
