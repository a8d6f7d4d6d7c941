"""The state of units that shows without systemctl."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from proscribe.host.controls.dns.resolver_observation import find_running_units
from proscribe.host.system import Host, ToolResult
from proscribe.host.system.units import (
    CONTROL_GROUPS,
    INVOCATIONS_PREFIX,
    SYSTEMD_RUNS_PATH,
    UNIT_DIRECTORIES,
    find_foreign_files,
    find_main_process,
    is_evidently_absent,
    is_masked,
    is_suspended,
    read_unit_text,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root sees all of it")

UNIT = "dnsmasq.service"
OURS = "/machine/a/init.scope"  # where systemd itself is: in a container, not at the top
GROUP = "/machine/a/system.slice/dnsmasq.service"
MINE, MY_TIMER = "proscribe-x.service", "proscribe-x.timer"
BEFORE = ("/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient", "/run/systemd/system")
BEHIND = ("/usr/local/lib/systemd/system", "/usr/lib/systemd/system")


class Machine(Host):
    def __init__(self, root: Path, answer: str = "") -> None:
        super().__init__(str(root), lambda argv, **_: self._answered(list(argv)))
        self.answer, self.called = answer, []
        self.find_process(1, "/usr/lib/systemd/systemd", 0, OURS)
        self.put(f"{SYSTEMD_RUNS_PATH}/any.unit", None)
        self.put("/usr/bin/systemctl", "")
        (root / "usr/bin/systemctl").chmod(0o755)

    def _answered(self, argv: list[str]) -> ToolResult:
        self.called.append(argv[argv.index("--") + 1 :])
        return ToolResult(0, self.answer, "")

    def put(self, path: str, content: str | None) -> None:
        place = Path(self.root + path)
        place.parent.mkdir(parents=True, exist_ok=True)
        if content is not None:
            place.write_text(content)

    def noted(self, unit: str = UNIT) -> None:
        self.put(f"{INVOCATIONS_PREFIX}:{unit}", None)
        Path(f"{self.root}{INVOCATIONS_PREFIX}:{unit}").symlink_to("0123456789abcdef0123456789abcdef")

    def find_process(self, pid: int, exe: str, parent: int, group: str, state: str = "S") -> None:
        self.put(f"/proc/{pid}/stat", f"{pid} (a name) {state} {parent} {pid} {pid} 0 -1 4194560 0 0\n")
        self.put(f"/proc/{pid}/cgroup", f"4:pids:/somewhere\n0::{group}\n")
        Path(f"{self.root}/proc/{pid}/exe").symlink_to(exe)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
def test_folders_are_those_that_systemd_reads():
    read = subprocess.run(["systemd-analyze", "unit-paths", "--system"], capture_output=True, text=True, check=True)
    assert read.stdout.split() == [
        folder for folder in UNIT_DIRECTORIES if folder != "/lib/systemd/system"
    ]  # an old place


def test_two_candidates_for_the_main_process_are_none(machine):
    machine.noted()
    for pid in (70, 71):
        machine.find_process(pid, "/usr/sbin/dnsmasq", 1, GROUP)
    assert find_main_process(machine, UNIT) == 0


@pytest.mark.parametrize("folder", [UNIT_DIRECTORIES[0], UNIT_DIRECTORIES[-1]])
def test_unit_without_a_file_or_a_note_is_absent(machine, folder):
    assert is_evidently_absent(machine, UNIT)
    machine.put(f"{folder}/{UNIT}", "[Service]\n")
    assert not is_evidently_absent(machine, UNIT)


def test_host_without_systemd_shows_no_unit(machine):
    machine.noted()
    machine.find_process(70, "/usr/sbin/dnsmasq", 1, GROUP)
    Path(machine.root + SYSTEMD_RUNS_PATH).rmdir()
    assert find_main_process(machine, UNIT) == 0 and not is_evidently_absent(machine, "unbound.service")


@pytest.mark.parametrize("place", CONTROL_GROUPS)
@pytest.mark.parametrize(
    ("states", "events", "expected"),
    [("SS", "", False), ("ST", "", True), ("tS", "populated 1\nfrozen 0\n", True), ("S", "frozen 1\n", True)]
    + [("", "frozen 1\n", False)],
)
def test_service_is_held_by_a_signal_or_as_a_group(machine, place, states, events, expected):
    assert not is_suspended(machine, UNIT)
    for pid, state in enumerate(states, 70):
        machine.find_process(pid, "/usr/sbin/dnsmasq", 1, GROUP, state)
    machine.put(f"{place}{GROUP}/cgroup.procs", "".join(f"{pid}\n" for pid in range(70, 70 + len(states))))
    machine.put(f"{place}{GROUP}/cgroup.events", events)
    assert is_suspended(machine, UNIT) is expected


def test_unit_that_links_to_null_is_masked(machine):
    for name, content in (("a.service", "[Service]\n"), ("b.service", "")):
        machine.put(f"/etc/systemd/system/{name}", content)
    Path(f"{machine.root}/etc/systemd/system/c.service").symlink_to("/dev/null")
    Path(f"{machine.root}/etc/systemd/system/d.service").symlink_to("a.service")
    texts = {name: read_unit_text(machine, f"/etc/systemd/system/{name}.service") for name in "abcde"}
    assert texts == {"a": "[Service]\n", "b": "", "c": "", "d": "[Service]\n", "e": None}
    assert [name for name in "abcde" if is_masked(machine, f"/etc/systemd/system/{name}.service")] == ["c"]


def test_main_process_is_the_child_of_systemd_in_the_group_of_the_service(machine):
    machine.noted()
    assert not is_evidently_absent(machine, UNIT), "it may run without a file"
    machine.find_process(70, "/usr/sbin/dnsmasq", 1, GROUP)
    machine.find_process(71, "/usr/sbin/dnsmasq", 70, GROUP)  # it has forked this one
    machine.find_process(72, "/bin/sh", 1, GROUP)  # systemd runs this one to reload it
    assert find_main_process(machine, UNIT) == 70


@pytest.mark.parametrize(
    ("exe", "parent", "group"),
    [
        ("/usr/sbin/dnsmasq", 70, GROUP),
        ("/usr/sbin/other", 1, GROUP),
        ("/usr/sbin/dnsmasq", 1, "/machine/a/system.slice/other.service"),
        # A user may have a group of that name in an own part of the tree, and a container a whole tree.
        ("/home/a/dnsmasq", 1, "/machine/a/user.slice/user-1000.slice/user@1000.service/system.slice/dnsmasq.service"),
        ("/home/a/dnsmasq", 1, f"/machine/a/user.slice/user-1000.slice/user@1000.service/x0::{GROUP}"),
        ("/usr/sbin/dnsmasq", 1, "/machine.slice/b/system.slice/dnsmasq.service"),
        ("/usr/sbin/dnsmasq", 1, ""),
    ],
)
def test_other_process_is_not_taken_for_the_main_process(machine, exe, parent, group):
    machine.noted()
    machine.find_process(70, exe, parent, group)
    assert find_main_process(machine, UNIT) == 0


def test_systemd_is_asked_only_about_services_of_which_nothing_shows(tmp_path):
    machine = Machine(tmp_path, "Id=unbound.service\nActiveState=inactive\nUnitFileState=enabled\nMainPID=0\n")
    machine.noted()
    machine.find_process(70, "/usr/sbin/dnsmasq", 1, GROUP)
    services = (UNIT, "unbound.service", "NetworkManager.service")
    assert find_running_units(machine, services) == {UNIT: 70} and machine.called == []
    machine.put("/usr/lib/systemd/system/unbound.service", "[Service]\n")  # installed, and it does not run
    assert find_running_units(machine, services) == {UNIT: 70, "unbound.service": 0}
    assert machine.called == [["unbound.service"]]


@pytest.mark.parametrize("folder", ("/etc/systemd/system", *BEFORE, *BEHIND))
def test_foreign_files_before_or_beside_a_unit_are_named(machine, folder):
    for path in ("other.service", "other.service.d/a.conf", f"{MINE}.wants/a.conf"):
        machine.put(f"{folder}/{path}", "")
    assert find_foreign_files(machine, (MINE, MY_TIMER)) == {}
    paths = [f"{folder}/{path}" for path in (MINE, f"{MINE}.d/a.conf", "proscribe-.service.d/a.conf")]
    timer = f"{folder}/proscribe-.timer.d/b.conf"
    for path in (*paths, timer):
        machine.put(path, "")
    assert find_foreign_files(machine, (MINE, MY_TIMER)) == {MINE: paths[folder not in BEFORE :], MY_TIMER: [timer]}


def test_control_groups_are_where_the_kernel_shows_them():
    assert any(os.path.isdir(place) for place in CONTROL_GROUPS)
    assert all(place.startswith("/sys/fs/cgroup") for place in CONTROL_GROUPS)
