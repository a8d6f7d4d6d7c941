"""What an enforcing run takes of users' files, and what it leaves: real accounts, real owners, real AppImages."""

import os
import shutil
import subprocess

import made_apps as made
import pytest
from attacked_host import compile_catalogue
from conftest import require_root, require_tool
from proscribe.base import elf
from proscribe.host.controls import apps
from proscribe.host.controls.apps.portable import evidence
from proscribe.host.controls.apps.quarantine import manifest, operator
from proscribe.host.controls.base import Changes
from proscribe.host.controls.change_execution import apply_changes
from proscribe.host.system import Host

ALICE, BOB, MALLORY = 61234, 61235, 61236  # accounts that no other process has


@pytest.fixture(scope="module")
def plan():
    return compile_catalogue()


@pytest.fixture
def machine(tmp_path):
    require_root()
    for place in ("opt", "proc", "etc", "var/lib", "srv"):
        (tmp_path / place).mkdir(parents=True)
    lines = []
    for name, uid in (("alice", ALICE), ("bob", BOB), ("mallory", MALLORY)):
        (tmp_path / "home" / name).mkdir(parents=True)
        os.chown(tmp_path / "home" / name, uid, uid)
        lines.append(f"{name}:x:{uid}:{uid}::/home/{name}:/bin/sh\n")
    (tmp_path / "etc/passwd").write_text("".join(lines))
    yield tmp_path


def enforce(machine, plan):
    changes = apps.enforce(Host(str(machine)), plan)
    apply_changes(changes)
    return changes


def listed(place):
    return sorted(str(path.relative_to(place)) for path in place.rglob("*") if not path.is_dir())


def detail(machine, plan, rule):
    verdicts = {verdict.rule: verdict for verdict in apps.observe(Host(str(machine)), plan)}
    return [(finding.path, finding.detail) for finding in verdicts[rule].findings]


def test_an_empty_desktop_entry_takes_nothing_of_anybody(machine, plan):
    """The attack of the review: a folder for all, mode 1777, in which one user puts an empty qq.desktop."""
    shared = machine / "srv/projects/qq"
    shared.mkdir(parents=True)
    shared.chmod(0o1777)
    made.put(shared / "bob", {"figures.ods": b"PK\x03\x04", "src/main.c": b"int main;"}, BOB)
    made.put(shared / "alice", {"thesis.odt": b"PK\x03\x04"}, ALICE)
    (shared / "qq.desktop").touch()
    os.chown(shared / "qq.desktop", MALLORY, MALLORY)
    before = listed(machine / "srv")
    enforce(machine, plan)
    assert listed(machine / "srv") == before


def test_in_a_folder_of_several_owners_only_the_programs_owner_loses_files(machine, plan):
    shared = machine / "srv/projects/Telegram"
    shared.mkdir(parents=True)
    shared.chmod(0o1777)
    (shared / "thesis.odt").write_bytes(b"PK\x03\x04")
    os.chown(shared / "thesis.odt", ALICE, ALICE)
    for name, uid in (("Telegram", MALLORY), ("Updater", MALLORY), ("libbob.so", BOB), ("libroot.so", 0)):
        (shared / name).write_bytes(made.elf())
        (shared / name).chmod(0o755)
        os.chown(shared / name, uid, uid)
    enforce(machine, plan)
    assert {"libbob.so", "thesis.odt", "libroot.so"} <= set(listed(shared))
    assert {item.attributes.uid for item in manifest.list_entries(Host(str(machine)))} <= {MALLORY}


def test_thesis_beside_telegram_stays_and_is_named(machine, plan):
    home = machine / "home/alice"
    chats = {"Telegram/thesis.odt": b"PK\x03\x04", "Telegram/tdata/key_datas": b"TDF$", "Telegram/a.out": made.elf()}
    made.put(home, {"Telegram/Telegram": made.elf(), "Telegram/Updater": made.elf(), **chats}, ALICE)
    before = set(home.rglob("*"))
    ((path, text),) = detail(machine, plan, "apps/telegram")
    assert path == "/home/alice/Telegram"
    assert "stays, since it is not the program's own: a.out, tdata, thesis.odt" in text
    changes = enforce(machine, plan)
    assert [str(action) for action in changes.actions if action.verb == "quarantine"] == [f"quarantine {path}"]
    assert listed(home) == sorted(chats) and detail(machine, plan, "apps/telegram") == []
    # All that went together comes back.
    found = operator.choose_entries(
        Host(str(machine)), "restore", [item.id for item in manifest.list_entries(Host(str(machine)))]
    )
    apply_changes(Changes([choice.action for choice in found if choice.action]))
    assert set(home.rglob("*")) == before


@pytest.mark.parametrize(
    "files",
    [
        {"Documents/WeChat/contract.pdf": b"%PDF-1.7"},
        {"work/telegram/proposal.odt": b"PK", "work/telegram/run.sh": b"#!/bin/sh\n"},
        {"Telegram/thesis.odt": b"PK"},
        {"src/psi/psi.desktop": made.entry("psi"), "src/psi/configure": b"#!/bin/sh\n", "src/psi/main.cpp": b"int"},
        {"src/psi/psi.desktop": made.entry("psi"), "src/psi/psi": made.elf(), "src/psi/main.cpp": b"int main() {}"},
        {".local/bin/chisel": b"#!/bin/sh\n", "bin/xray": made.elf(), "bin/clash": made.go("example.org/clash")},
    ],
    ids=["a contract", "a project", "a thesis", "sources", "sources that were built", "names"],
)
def test_documents_projects_and_sources_stay(machine, plan, files):
    home = machine / "home/alice"
    made.put(home, files, ALICE)
    assert [str(action) for action in enforce(machine, plan).actions if action.verb == "quarantine"] == []
    assert listed(home) == sorted(files)


def test_an_electron_app_goes_whole_and_with_a_document_in_parts(machine, plan):
    files = made.electron("signal-desktop", "signal-desktop")
    made.put(machine / "home/alice/signal", files, ALICE)
    made.put(machine / "home/bob/signal", {**files, "resources/notes.txt": b"mine"}, BOB)
    enforce(machine, plan)
    assert not (machine / "home/alice/signal").exists()
    assert listed(machine / "home/bob/signal") == ["resources/notes.txt"]
    apply_changes(apps.lift(Host(str(machine)), plan))
    assert listed(machine / "home/alice/signal") == sorted(files)
    assert listed(machine / "home/bob/signal") == sorted([*files, "resources/notes.txt"])


def test_tunnels_in_one_file(machine, plan):
    tools = {
        "cloudflared": "github.com/cloudflare/cloudflared/cmd/cloudflared",
        "ngrok": "go.ngrok.com/cmd/ngrok",
        "mihomo": "github.com/metacubex/mihomo",
        "xray": "github.com/xtls/xray-core/main",
        "sing-box": "github.com/sagernet/sing-box/cmd/sing-box",
        "chisel": "github.com/jpillora/chisel",
        "frpc": "github.com/fatedier/frp/cmd/frpc",
        "hugo": "github.com/gohugoio/hugo",
    }
    home = machine / "home/alice"
    made.put(home / ".local/bin", {name: made.go(package) for name, package in tools.items()}, ALICE)
    enforce(machine, plan)
    assert listed(home / ".local/bin") == ["hugo"]


@pytest.mark.parametrize("tool", ["promtool", "runc"])
def test_binaries_of_the_go_compiler_are_read(tool):
    read = evidence.make_file_reader(Host(), require_tool(tool))
    binary = elf.read_elf(read)
    assert binary and elf.read_go_package(read, binary).rpartition("/")[2] == tool


def appimage(place, name, files, compression):
    inside, archive = place / "inside", place / "archive"
    made.put(inside, files)
    command = ["mksquashfs", inside, archive, "-comp", compression, "-no-progress", "-quiet"]
    subprocess.run(command, check=True, capture_output=True)
    (place / name).write_bytes(made.elf({".upd_info": b"\0"}, b"AI\x02") + archive.read_bytes())
    (place / name).chmod(0o755)
    shutil.rmtree(inside)
    archive.unlink()


def of(program, desktop="", **more):
    entry = {f"{desktop or program}.desktop": made.entry(program, **more)}
    return {**entry, f"usr/bin/{program}": made.elf(), "AppRun": b"#!/bin/sh\n"}


@pytest.mark.parametrize(
    ("name", "files", "compression", "moves"),
    [
        ("Signal-7.1.AppImage", of("signal-desktop"), "gzip", True),
        ("WeChatLinux_x86_64.AppImage", of("wechat", categories="Utility;"), "xz", True),
        ("Session.AppImage", of("session-desktop"), "lzma", True),
        # The same name, and another program
        ("Session.AppImage", of("session", "io.example.Session", categories="Utility;"), "gzip", False),
        ("Fractal.AppImage", of("fractal", categories="Graphics;Math;"), "xz", False),
        ("Signal.AppImage", of("signal-generator"), "gzip", False),
        ("WeChat.AppImage", of("wechat"), "lzo", False),  # Python does not unpack it, so the name alone counts
    ],
)
def test_appimages_by_what_is_in_them(machine, plan, name, files, compression, moves):
    require_tool("mksquashfs")
    home = machine / "home/alice"
    appimage(home, name, files, compression)
    os.chown(home / name, ALICE, ALICE)
    changes = enforce(machine, plan)
    assert (home / name).exists() is not moves, [refusal.reason for refusal in changes.refusals]


def test_no_name_of_a_file_brings_it_under_a_waiver_for_a_version(machine, plan):
    home = machine / "home/alice"
    made.put(home, {"WeChat-4.1.0.AppImage": made.image("wechat")}, ALICE)
    services = plan["controls"]["apps"]["services"]
    waived = {**services["wechat"], "exceptions": [{"waiver": "w1", "versions": ["4.1.0"]}]}
    section = {**plan["controls"]["apps"], "services": {**services, "wechat": waived}}
    narrowed = {**plan, "controls": {**plan["controls"], "apps": section}}
    ((_, text),) = detail(machine, narrowed, "apps/wechat")
    assert "version as its name says" in text
    enforce(machine, narrowed)
    assert listed(home) == []
