"""Real processes of a user, which run a marked program in ways that hide its path: audits, and starts."""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import made_apps as fake
import made_starts as starts
import pytest
from made_host import plan
from made_starts import ATTACKS, LOADER, MALLORY, PACKAGE, RCLONE, SLEEP, started
from patience import BUSY, until
from proscribe.host.controls.apps import apps_observation
from proscribe.host.controls.apps.desired_apps import DesiredApps
from proscribe.host.controls.apps.running_programs import ProcessIdentifier, RunningProgram
from proscribe.host.system import Host, Process, TerminationTarget
from proscribe.host.watch.restricted_programs import RestrictedPrograms, VerificationResult

BUILT = f"a program built from {PACKAGE}"

pytestmark = pytest.mark.skipif("not starts.may()", reason="needs root, glibc for x86-64, user namespaces for users")
# A user's own mounts (`unshare -Urm`): the catalogue's path has a program in them alone.
MOUNTED = "set -e; mount -t tmpfs none {0}/Telegram; cp {1} {0}/Telegram/Telegram; {2}"


@pytest.fixture
def place():
    with starts.place_of_user() as directory:
        yield directory


def audited(of: Mapping[str, Any], process: Process) -> list[RunningProgram]:
    host, desired = Host(), DesiredApps(of["controls"]["apps"])
    homes = {user.home for user in host.list_users()}
    programs, reasons = apps_observation._observe_running(host, ProcessIdentifier(host, desired, [], homes, {}))
    assert reasons == []
    return [program for program in programs if process.pid in [item.pid for item in program.processes]]


def ended(of: Mapping[str, Any], process: Process) -> list[RunningProgram]:
    """Return what is ended of a process at its start; on a busy machine it is verified again, as the daemon does."""
    parts: list[VerificationResult] = []

    def is_clear() -> bool:
        parts[:] = RestrictedPrograms(Host(), of["controls"]["apps"]).verify_processes([process])
        return not any(part.unclear_pids for part in parts)

    until(is_clear, BUSY)
    return [program for part in parts for program in part.restricted]


@pytest.mark.parametrize("attack", [pytest.param(command, id=name) for name, command in ATTACKS.items()])
def test_a_marked_program_is_reported_and_ended_however_it_is_started(place, attack):
    of = plan(rclone=RCLONE)
    with started(place, attack) as process:
        (program,) = audited(of, process)
        assert (program.identity.services, program.identity.doubt, program.user) == (["rclone"], "", str(MALLORY))
        assert BUILT in program.make_finding().detail
        assert [item.user for item in ended(of, process)] == [str(MALLORY)]


@pytest.mark.parametrize(
    ("service", "found_by_audit"),
    [
        ({"paths": ["{0}/owl"]}, True),  # a path of the catalogue
        ({"processes": ["owl"]}, False),  # a portable app, with its app around it
    ],
)
def test_program_of_a_loader_is_identified(place, service, found_by_audit):
    fake.put(place / "owl", {"icudtl.dat": fake.icu()})
    shutil.copy(SLEEP, place / "owl/owl")
    of = plan(owl={key: [text.format(place) for text in texts] for key, texts in service.items()})
    with started(place, [LOADER, "./owl/owl", "600"]) as process:
        assert [bool(item.identity.doubt) for item in audited(of, process)] == [not found_by_audit]
        (program,) = ended(of, process)
        assert program.make_finding().path == f"{place}/owl/owl"


@pytest.mark.parametrize(
    ("entry", "ends"),
    [
        ({"exceptions": [{"waiver": "w", "users": [str(MALLORY)]}]}, False),  # this user's waiver
        ({"exceptions": [{"waiver": "w", "users": ["frida"]}]}, True),  # another user's waiver
        ({"exceptions": [{"waiver": "w", "paths": ["{0}/notes"]}]}, False),  # a waiver for the path
        ({"mode": "audit"}, False),  # audited alone
    ],
)
@pytest.mark.parametrize("attack", ["deleted while it runs", "through the loader"])
def test_permitted_program_runs_on_however_it_is_started(place, attack, entry, ends):
    entry = json.loads(json.dumps({**RCLONE, **entry}).replace("{0}", str(place)))
    with started(place, ATTACKS[attack]) as process:
        assert bool(ended(plan(rclone=entry), process)) is ends


INNOCENT = {
    "another program in memory": ["sh", "-c", f"cp {SLEEP} notes; exec {starts.PYTHON} -ISc '{starts.IN_MEMORY}'"],
    "another program through the loader": [LOADER, SLEEP, "600"],
    "an updated program": ["sh", "-c", f"cp {SLEEP} notes; (sleep 0.2; cp {SLEEP} x; mv x notes) & exec ./notes 600"],
    "a library of a restricted app": [LOADER, "--preload", "./owl/libm.so.6", SLEEP, "600"],
    "a restricted program as data": ["sh", "-c", "exec 9<notes; exec sleep 600"],
}


@pytest.mark.parametrize("command", [pytest.param(command, id=name) for name, command in INNOCENT.items()])
def test_unrestricted_program_runs_on(place, command):
    (place / "owl").mkdir()
    shutil.copy(Path(os.path.realpath(LOADER)).parent / "libm.so.6", place / "owl")
    of = plan(rclone=RCLONE, owl={"paths": [f"{place}/owl"]})
    with started(place, command) as process:
        assert audited(of, process) == [] and ended(of, process) == []


@contextlib.contextmanager
def start_in_own_mounts(place: Path, script: str) -> Iterator[tuple[subprocess.Popen[bytes], VerificationResult]]:
    """Start a program of a user's in namespaces of the user's own, and verify the start."""
    for folder in ("Telegram", "root"):
        (place / folder).mkdir()
        os.chown(place / folder, MALLORY, MALLORY)
    script = MOUNTED.format(place, SLEEP, script.format(place))
    process = subprocess.Popen([*starts.AS_USER, "unshare", "-Urm", "sh", "-c", script], start_new_session=True)
    try:
        until(lambda: process.poll() is not None or starts.is_asleep(process.pid), BUSY)
        seen = Host().find_process(process.pid)
        assert seen is not None
        section = plan(telegram={"processes": ["Telegram"], "paths": [f"{place}/Telegram"]})["controls"]["apps"]
        parts = list(RestrictedPrograms(Host(), section).verify_processes([seen]))
        yield process, VerificationResult(*(sum((list(part[at]) for part in parts), []) for at in range(5)))
    finally:
        process.kill()
        process.wait()


def test_program_on_a_file_system_of_its_own_is_ended(place):
    with start_in_own_mounts(place, "exec {0}/Telegram/Telegram 600") as (process, verified):
        assert [item.pid for program in verified.restricted for item in program.processes] == [process.pid]
        Host().end_program(TerminationTarget([verified.restricted[0].processes[0]], lambda process: True))
        assert process.wait() < 0


@pytest.mark.parametrize(
    "script",
    [
        "mount --bind {0}/Telegram/Telegram /usr/bin/true; exec /usr/bin/true 600",
        "mount --rbind / {0}/root; exec chroot {0}/root {0}/Telegram/Telegram 600",
    ],
)
def test_program_hidden_by_own_mounts_is_not_innocent(place, script):
    with start_in_own_mounts(place, script) as (_, verified):
        assert verified.restricted == [] and verified.innocent_pids == []
