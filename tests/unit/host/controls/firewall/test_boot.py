"""The files and units that keep the table over a reboot."""

from __future__ import annotations

from pathlib import Path

import pytest
from proscribe.host.controls.firewall import boot, program
from proscribe.host.system import Host, Result, units
from proscribe.model.finding import Finding

TEXT = "table inet proscribe {\n}\n"
NFT = "/usr/sbin/nft"


class BootHost(Host):
    """A made tree on which everything is as it should be; `watching` says whether the watcher runs."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root), lambda argv, **options: Result(0 if self.watching else 3, "", ""))
        self.watching = True
        self.lay("/usr/sbin/systemctl", "", 0o755)
        self.lay(boot.FILE, TEXT)
        self.lay(program.PATH, boot.program_text(), program.MODE)
        for unit in boot.units(NFT):
            self.lay(unit.path, unit.text)
            self.lay(unit.enabled, "")
        self.path("/run/systemd/system").mkdir(parents=True)

    def path(self, path: str) -> Path:
        return Path(self.root, path.lstrip("/"))

    def lay(self, path: str, text: str, mode: int = 0o644) -> None:
        real = self.path(path)
        real.parent.mkdir(parents=True, exist_ok=True)
        real.write_text(text)
        real.chmod(mode)


def file(path: str, detail: str) -> Finding:
    return Finding("file", path, manager="nftables", path=path, detail=detail)


def unit(name: str, detail: str, path: str = "") -> Finding:
    return Finding("unit", name, manager="systemd", path=path, detail=detail)


def change(detail: str) -> Finding:
    return Finding("change", "proscribe", manager="nftables", path=program.TRACE, detail=detail)


def test_a_host_as_it_should_be(tmp_path: Path) -> None:
    assert boot.wrong(BootHost(tmp_path), NFT, TEXT) == []


@pytest.mark.parametrize(
    ("path", "content", "found"),
    [
        (boot.FILE, "other", [file(boot.FILE, "changed")]),
        (boot.FILE, None, [file(boot.FILE, "missing")]),
        (program.PATH, "other", [file(program.PATH, "changed")]),
        (program.PATH, None, [file(program.PATH, "missing")]),
        (boot.UNIT_FILE, "other", [unit(boot.UNIT_FILE, "changed", boot.UNIT_FILE)]),
        (boot.WATCH_FILE, "other", [unit(boot.WATCH_FILE, "changed", boot.WATCH_FILE)]),
        (boot.ENABLED, None, [unit(boot.UNIT_NAME, "not enabled", boot.ENABLED)]),
        (boot.WATCH_ENABLED, None, [unit(boot.WATCH_NAME, "not enabled", boot.WATCH_ENABLED)]),
    ],
)
def test_missing_or_changed_boot_file_is_named(
    tmp_path: Path, path: str, content: str | None, found: list[Finding]
) -> None:
    host = BootHost(tmp_path)
    if content is None:
        host.path(path).unlink()
    else:
        host.path(path).write_text(content)
    assert boot.wrong(host, NFT, TEXT) == found


@pytest.mark.parametrize(("path", "masked"), [(boot.UNIT_FILE, True), (boot.WATCH_FILE, False)])
def test_a_unit_that_is_masked_is_named(tmp_path: Path, path: str, masked: bool) -> None:
    host = BootHost(tmp_path)
    host.path(path).unlink()
    if masked:
        host.path(path).symlink_to("/dev/null")
    else:
        host.path(path).touch()  # which masks a unit as well
    assert [(finding.id, finding.detail) for finding in boot.wrong(host, NFT, TEXT)] == [(path, "masked")]


def test_a_program_that_cannot_be_run_is_changed(tmp_path: Path) -> None:
    host = BootHost(tmp_path)
    host.path(program.PATH).chmod(0o600)
    assert [finding.detail for finding in boot.wrong(host, NFT, TEXT)] == ["changed"]


def test_a_watcher_that_does_not_run_is_named_where_systemd_runs(tmp_path: Path) -> None:
    host = BootHost(tmp_path)
    host.watching = False
    assert boot.wrong(host, NFT, TEXT) == [unit(boot.WATCH_NAME, "not running")]
    host.path("/run/systemd/system").rmdir()  # an image that is being made
    assert boot.wrong(host, NFT, TEXT) == []


PENDING = f"{program.RUN}/pending-0123456789ab"
BACK = "2026-11-25T08:00:00Z unreached 0 0\n"
LAST = "the last change was taken back at 2026-11-25T08:00:00Z"


@pytest.mark.parametrize(
    ("files", "detail"),
    [
        ({PENDING: ""}, "waits until its controller confirms it; otherwise it is taken back by itself"),
        ({program.TRACE: BACK}, f"{LAST}, because no controller reached this host over a new connection in time"),
        (
            {program.TRACE: BACK + BACK.replace("unreached", "cut")},
            f"{LAST}, because with it this host could not send to its own gateways and resolvers (2 in a row)",
        ),
        (
            {PENDING: "", program.TRACE: BACK},
            "waits until its controller confirms it; otherwise it is taken back by itself",
        ),
    ],
)
@pytest.mark.parametrize("first", [False, True])
def test_why_a_plan_is_not_in_force_is_said(tmp_path: Path, files: dict[str, str], detail: str, first: bool) -> None:
    host = BootHost(tmp_path)
    if first:  # nothing was ever confirmed on this host
        host.path(boot.FILE).unlink()
        host.path(boot.UNIT_FILE).unlink()
    for path, content in files.items():
        host.lay(path, content)
    lacks = unit(boot.UNIT_NAME, "missing", boot.UNIT_FILE) if first else file(boot.FILE, "changed")
    assert boot.wrong(host, NFT, "another " + TEXT) == [change(detail), lacks]


def test_with_nothing_to_load_all_of_it_is_left_over(tmp_path: Path) -> None:
    host = BootHost(tmp_path)
    units_ = [unit(path, "left over", path) for path in (boot.UNIT_FILE, boot.WATCH_FILE)]
    assert boot.wrong(host, NFT, "") == [file(boot.FILE, "left over"), *units_, file(program.PATH, "left over")]
    for path in (boot.FILE, boot.UNIT_FILE, boot.WATCH_FILE, program.PATH):
        host.path(path).unlink()
    assert boot.wrong(host, NFT, "") == []


def test_without_systemd_nothing_loads_it_at_boot(tmp_path: Path) -> None:
    host = BootHost(tmp_path)
    host.path("/usr/sbin/systemctl").unlink()
    host.path(boot.FILE).unlink()
    host.path(boot.UNIT_FILE).unlink()
    none = unit(boot.UNIT_NAME, "this host has no systemd: the table is not loaded at boot")
    assert boot.wrong(host, NFT, TEXT) == [file(boot.FILE, "missing"), none]


@pytest.mark.parametrize(
    "path",
    [
        f"/etc/systemd/system/{boot.UNIT_NAME}.d/x.conf",
        f"/run/systemd/system/{boot.WATCH_NAME}.d/x.conf",
        f"/etc/systemd/system.control/{boot.UNIT_NAME}",
        f"/run/systemd/transient/{boot.WATCH_NAME}",
    ],
)
def test_override_of_a_unit_is_named(tmp_path: Path, path: str) -> None:
    host = BootHost(tmp_path)
    host.lay(path, "[Service]\nExecStart=\nExecStart=/bin/true\n")
    name = boot.WATCH_NAME if boot.WATCH_NAME in path else boot.UNIT_NAME
    assert boot.wrong(host, NFT, TEXT) == [unit(name, f"overridden by {path}", path)]


@pytest.mark.parametrize(
    ("state", "events", "held"), [("S", "", False), ("T", "", True), ("t", "", True), ("S", "frozen 1", True)]
)
@pytest.mark.parametrize(
    ("first", "place"),
    [*(("0::/init.scope\n", place) for place in units.CONTROL_GROUPS),
     ("2:cpu:/x\n0::/box/init.scope\n", "/sys/fs/cgroup/systemd/box"),
     ("1:name=systemd:/init.scope\n", "/sys/fs/cgroup/systemd")],
)  # fmt: skip
def test_a_watcher_that_is_stopped_is_named(
    tmp_path: Path, first: str, place: str, state: str, events: str, held: bool
) -> None:
    host = BootHost(tmp_path)
    host.lay("/proc/1/cgroup", first)
    host.lay(f"{place}/system.slice/{boot.WATCH_NAME}/cgroup.procs", "41\n42\n")
    host.lay(f"{place}/system.slice/{boot.WATCH_NAME}/cgroup.events", f"populated 1\n{events}\n")
    for pid in (41, 42):
        host.lay(f"/proc/{pid}/stat", f"{pid} (sh (x) y) {state if pid == 42 else 'S'} 1 {pid}\n")
    details = [finding.detail for finding in boot.wrong(host, NFT, TEXT)]
    assert details == (["stopped by a signal, or frozen"] if held else [])
