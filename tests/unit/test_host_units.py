"""What shows of a unit without systemctl, and what does not show and has to be asked."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from proscribe.host.controls.dns.observed import running
from proscribe.host.system import Host, Result
from proscribe.host.system.units import FOLDERS, INVOCATIONS, SYSTEMD_RUNS, evidently_absent, main_process

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root sees all of it")

UNIT = "dnsmasq.service"
OURS = "/machine/a/init.scope"  # where systemd itself is: in a container, not at the top
GROUP = "/machine/a/system.slice/dnsmasq.service"


class Machine(Host):
    """A machine with what systemd notes, and processes."""

    def __init__(self, root: Path, answer: str = "") -> None:
        super().__init__(str(root), lambda argv, **_: self._answered(list(argv)))
        self.answer, self.called = answer, []  # type: ignore[var-annotated]
        self.process(1, "/usr/lib/systemd/systemd", 0, OURS)
        self.put(f"{SYSTEMD_RUNS}/any.unit", None)
        self.put("/usr/bin/systemctl", "")
        (root / "usr/bin/systemctl").chmod(0o755)

    def _answered(self, argv: list[str]) -> Result:
        self.called.append(argv[argv.index("--") + 1 :])
        return Result(0, self.answer, "")

    def put(self, path: str, content: str | None) -> None:
        place = Path(self.root + path)
        place.parent.mkdir(parents=True, exist_ok=True)
        if content is not None:
            place.write_text(content)

    def noted(self, unit: str = UNIT) -> None:
        self.put(f"{INVOCATIONS}:{unit}", None)
        Path(f"{self.root}{INVOCATIONS}:{unit}").symlink_to("0123456789abcdef0123456789abcdef")

    def process(self, pid: int, exe: str, parent: int, group: str) -> None:
        self.put(f"/proc/{pid}/stat", f"{pid} (a name) S {parent} {pid} {pid} 0 -1 4194560 0 0\n")
        self.put(f"/proc/{pid}/cgroup", f"4:pids:/somewhere\n0::{group}\n")
        Path(f"{self.root}/proc/{pid}/exe").symlink_to(exe)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
def test_units_are_looked_for_where_systemd_reads_them() -> None:
    read = subprocess.run(["systemd-analyze", "unit-paths", "--system"], capture_output=True, text=True, check=True)
    assert read.stdout.split() == [folder for folder in FOLDERS if folder != "/lib/systemd/system"]  # an old place


def test_the_main_process_is_systemds_own_child_in_the_services_own_group(machine: Machine) -> None:
    machine.noted()
    machine.process(70, "/usr/sbin/dnsmasq", 1, GROUP)
    machine.process(71, "/usr/sbin/dnsmasq", 70, GROUP)  # what it has forked
    machine.process(72, "/bin/sh", 1, GROUP)  # what systemd runs to reload it
    assert main_process(machine, UNIT) == 70


@pytest.mark.parametrize(
    ("exe", "parent", "group"),
    [
        ("/usr/sbin/dnsmasq", 70, GROUP),
        ("/usr/sbin/other", 1, GROUP),
        ("/usr/sbin/dnsmasq", 1, "/machine/a/system.slice/other.service"),
        # A user may have a group of that name in his own part of the tree, and a container a whole tree.
        ("/home/a/dnsmasq", 1, "/machine/a/user.slice/user-1000.slice/user@1000.service/system.slice/dnsmasq.service"),
        ("/home/a/dnsmasq", 1, f"/machine/a/user.slice/user-1000.slice/user@1000.service{GROUP}"),
        ("/home/a/dnsmasq", 1, f"/machine/a/user.slice/user-1000.slice/user@1000.service/x0::{GROUP}"),
        ("/usr/sbin/dnsmasq", 1, "/machine.slice/b/system.slice/dnsmasq.service"),
        ("/usr/sbin/dnsmasq", 1, "/"),
        ("/usr/sbin/dnsmasq", 1, ""),
    ],
)
def test_no_other_process_is_taken_for_it(machine: Machine, exe: str, parent: int, group: str) -> None:
    machine.noted()
    machine.process(70, exe, parent, group)
    assert main_process(machine, UNIT) == 0


def test_of_two_that_could_be_it_none_is(machine: Machine) -> None:
    machine.noted()
    for pid in (70, 71):
        machine.process(pid, "/usr/sbin/dnsmasq", 1, GROUP)
    assert main_process(machine, UNIT) == 0


def test_a_process_without_systemds_note_is_none(machine: Machine) -> None:
    machine.process(70, "/usr/sbin/dnsmasq", 1, GROUP)
    assert main_process(machine, UNIT) == 0


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_unit_is_absent_where_systemd_has_neither_a_file_nor_a_note_of_it(machine: Machine, folder: str) -> None:
    assert evidently_absent(machine, UNIT)
    machine.put(f"{folder}/{UNIT}", "[Service]\n")
    assert not evidently_absent(machine, UNIT)


def test_a_unit_that_runs_without_a_file_is_not_absent(machine: Machine) -> None:
    machine.noted()
    assert not evidently_absent(machine, UNIT)


def test_nothing_shows_where_systemd_does_not_run(machine: Machine) -> None:
    machine.noted()
    machine.process(70, "/usr/sbin/dnsmasq", 1, GROUP)
    Path(machine.root + SYSTEMD_RUNS).rmdir()
    assert main_process(machine, UNIT) == 0 and not evidently_absent(machine, "unbound.service")


SHOWN = "Id=unbound.service\nActiveState=inactive\nUnitFileState=enabled\nMainPID=0\n"


def test_systemd_is_asked_only_about_resolvers_of_which_nothing_shows(tmp_path: Path) -> None:
    machine = Machine(tmp_path, SHOWN)
    machine.noted()
    machine.process(70, "/usr/sbin/dnsmasq", 1, GROUP)
    units = (UNIT, "unbound.service", "NetworkManager.service")
    assert running(machine, units) == {UNIT: 70} and machine.called == []
    machine.put("/usr/lib/systemd/system/unbound.service", "[Service]\n")  # installed, and it does not run
    assert running(machine, units) == {UNIT: 70, "unbound.service": 0}
    assert machine.called == [["unbound.service"]]
