"""The files and units that keep the table over a reboot."""

import pytest
from firewall_hosts import (
    BOOT_FILE,
    CHANGE_FOLDER,
    LOAD_ENABLED,
    LOAD_UNIT,
    LOAD_UNIT_FILE,
    NFT,
    PROGRAM,
    TRACE,
    WATCH_UNIT,
    WATCH_UNIT_FILE,
    FirewallHost,
)
from proscribe.host.controls.firewall import boot_units
from proscribe.host.system import ToolResult
from proscribe.model.finding import Finding

TEXT = "table inet proscribe {\n}\n"
DROP_IN = f"/etc/systemd/system/{LOAD_UNIT}.d/x.conf"
PENDING, BACK = f"{CHANGE_FOLDER}/pending-0123456789ab", "2026-11-25T08:00:00Z unreached 0 0\n"
LAST = "the last change was taken back at 2026-11-25T08:00:00Z"


@pytest.fixture
def host(tmp_path):
    host = FirewallHost(tmp_path, "systemctl")
    host.lay_whole(TEXT)
    return host


def file(path: str, detail: str) -> Finding:
    return Finding("file", path, manager="nftables", path=path, detail=detail)


def unit(name: str, detail: str, path: str = "") -> Finding:
    return Finding("unit", name, manager="systemd", path=path, detail=detail)


def mask(host: FirewallHost) -> None:
    host.path(LOAD_UNIT_FILE).unlink()
    host.path(LOAD_UNIT_FILE).symlink_to("/dev/null")


@pytest.mark.parametrize(
    ("change_host", "found"),
    [
        (lambda host: host.lay(BOOT_FILE, "other"), file(BOOT_FILE, "changed")),
        (lambda host: host.path(BOOT_FILE).unlink(), file(BOOT_FILE, "missing")),
        (lambda host: host.lay(PROGRAM, "other"), file(PROGRAM, "changed")),
        (lambda host: host.path(PROGRAM).unlink(), file(PROGRAM, "missing")),
        (lambda host: host.path(PROGRAM).chmod(0o600), file(PROGRAM, "changed")),
        (lambda host: host.lay(LOAD_UNIT_FILE, "other"), unit(LOAD_UNIT_FILE, "changed", LOAD_UNIT_FILE)),
        (lambda host: host.path(LOAD_ENABLED).unlink(), unit(LOAD_UNIT, "not enabled", LOAD_ENABLED)),
        (mask, unit(LOAD_UNIT_FILE, "masked", LOAD_UNIT_FILE)),
        (lambda host: host.lay(WATCH_UNIT_FILE, ""), unit(WATCH_UNIT_FILE, "masked", WATCH_UNIT_FILE)),
        (lambda host: host.lay(DROP_IN, ""), unit(LOAD_UNIT, f"overridden by {DROP_IN}", DROP_IN)),
    ],
)
def test_changed_file_of_the_boot_is_named(host, change_host, found):
    change_host(host)
    assert boot_units.find_boot_defects(host, NFT, TEXT) == [found]


def test_watcher_that_does_not_run_is_named_where_systemd_runs(host):
    host.answers["is-active"] = ToolResult(3, "", "")
    assert boot_units.find_boot_defects(host, NFT, TEXT) == [unit(WATCH_UNIT, "not running")]
    host.path("/run/systemd/system").rmdir()  # an image that is being made
    assert boot_units.find_boot_defects(host, NFT, TEXT) == []


@pytest.mark.parametrize(
    ("files", "detail"),
    [
        ({PENDING: ""}, "waits until its controller confirms it; otherwise it is taken back by itself"),
        (
            {TRACE: BACK + BACK.replace("unreached", "cut")},
            f"{LAST}, because with it this host could not send to its own gateways and resolvers (2 in a row)",
        ),
        ({PENDING: "", TRACE: BACK}, "waits until its controller confirms it; otherwise it is taken back by itself"),
    ],
)
@pytest.mark.parametrize("first", [False, True])
def test_plan_not_in_force_has_its_reason(host, files, detail, first):
    if first:  # nothing was ever confirmed on this host
        host.path(BOOT_FILE).unlink()
        host.path(LOAD_UNIT_FILE).unlink()
    for path, content in files.items():
        host.lay(path, content)
    lacks = unit(LOAD_UNIT, "missing", LOAD_UNIT_FILE) if first else file(BOOT_FILE, "changed")
    change = Finding("change", "proscribe", manager="nftables", path=TRACE, detail=detail)
    assert boot_units.find_boot_defects(host, NFT, "another " + TEXT) == [change, lacks]


def test_without_a_table_all_files_are_left_over(host):
    units = [unit(path, "left over", path) for path in (LOAD_UNIT_FILE, WATCH_UNIT_FILE)]
    found = boot_units.find_boot_defects(host, NFT, "")
    assert found == [file(BOOT_FILE, "left over"), *units, file(PROGRAM, "left over")]
    for path in (BOOT_FILE, LOAD_UNIT_FILE, WATCH_UNIT_FILE, PROGRAM):
        host.path(path).unlink()
    assert boot_units.find_boot_defects(host, NFT, "") == []


def test_without_systemd_no_unit_loads_the_table_at_boot(host):
    for path in ("/usr/sbin/systemctl", BOOT_FILE, LOAD_UNIT_FILE):
        host.path(path).unlink()
    none = unit(LOAD_UNIT, "this host has no systemd: the table is not loaded at boot")
    assert boot_units.find_boot_defects(host, NFT, TEXT) == [file(BOOT_FILE, "missing"), none]


@pytest.mark.parametrize(
    ("state", "events", "held"), [("S", "", False), ("T", "", True), ("t", "", True), ("S", "frozen 1", True)]
)
@pytest.mark.parametrize(
    ("first", "place"),
    [
        *(("0::/init.scope\n", f"/sys/fs/cgroup{end}") for end in ("", "/systemd", "/unified")),
        ("2:cpu:/x\n0::/box/init.scope\n", "/sys/fs/cgroup/systemd/box"),
        ("1:name=systemd:/init.scope\n", "/sys/fs/cgroup/systemd"),
    ],
)
def test_stopped_watcher_is_named(host, first, place, state, events, held):
    host.lay("/proc/1/cgroup", first)
    host.lay(f"{place}/system.slice/{WATCH_UNIT}/cgroup.procs", "41\n42\n")
    host.lay(f"{place}/system.slice/{WATCH_UNIT}/cgroup.events", f"populated 1\n{events}\n")
    for pid in (41, 42):
        host.lay(f"/proc/{pid}/stat", f"{pid} (sh (x) y) {state if pid == 42 else 'S'} 1 {pid}\n")
    details = [finding.detail for finding in boot_units.find_boot_defects(host, NFT, TEXT)]
    assert details == (["stopped by a signal, or frozen"] if held else [])
