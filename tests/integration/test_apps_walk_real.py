"""The file scan with real programs, and against a user who swaps directories for links meanwhile."""

import datetime
import shutil
import threading
from pathlib import Path

import made_apps as made
import pytest
from proscribe.controller.compile.catalogue.loading import load
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.host.controls import apps
from proscribe.host.system import Host
from proscribe.host.system.file_scan import scan

PROJECT = Path(__file__).resolve().parents[2]
ALICE = 61234  # an account that no other process has
SCANNED = {"proscribe_requests": False}  # the command for requests is no part of the scan


def test_a_user_who_swaps_directories_for_links_leads_no_file_scan_astray(tmp_path):
    secret = tmp_path / "root/secret"
    secret.mkdir(parents=True)
    (secret / "only-root-knows").touch()
    home = tmp_path / "home/alice"
    for number in range(50):
        (home / f"d{number}/e/f").mkdir(parents=True)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for number in range(0, 50, 7):
                place, aside = home / f"d{number}/e", home / f"aside{number}"
                place.rename(aside)
                place.symlink_to(secret)
                place.unlink()
                aside.rename(place)

    thread = threading.Thread(target=swap)
    seen: set[str] = set()
    thread.start()
    try:
        known: dict = {}
        for _ in range(150):
            scanned = scan(Host(str(tmp_path)), ["/home/alice"], lambda d, names: seen.update(names) or (), known)
            known = scanned.known
    finally:
        stop.set()
        thread.join()
    assert "f" in seen and "only-root-knows" not in seen


@pytest.fixture
def machine(tmp_path):
    """A tree with the home of one user, in which the packages of no package system are."""
    for place in ("home/alice/.config/autostart", "home/alice/.local/share/applications", "opt", "proc", "etc"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "etc/passwd").write_text(f"alice:x:{ALICE}:{ALICE}::/home/alice:/bin/sh\n")
    yield tmp_path


def test_the_whole_catalogue_finds_what_people_bring_along_and_nothing_else(machine):
    program = shutil.which("true") or "/bin/true"
    home = machine / "home/alice"

    def bring(path: str) -> Path:
        place = home / path
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(program, place)
        return place

    image = home / "Downloads/QQ_3.2.15_241224_x86_64_01.AppImage"
    made.put(home, {f"Downloads/{image.name}": made.image("qq")})
    for path in ("Telegram/Telegram", "Telegram/Updater", "bin/signal-cli", "bin/weechat-notify", "src/megaglest"):
        bring(path)
    shutil.copy(image, home / "Downloads/megaglest-3.13.AppImage")
    entry = "[Desktop Entry]\nType=Application\nName=x\nExec={}\n"
    (home / ".local/share/applications/a.desktop").write_text(entry.format("chromium --app=https://web.whatsapp.com"))
    (home / ".config/autostart/discord.desktop").write_text(entry.format("/usr/bin/discord --start-minimized"))
    (home / ".config/autostart/clock.desktop").write_text(entry.format("/usr/bin/xclock"))
    plan = compile_plan(load([PROJECT / "catalog"]), read_restrictions(SCANNED, str), [], datetime.date(2026, 1, 1))
    before = {path: path.lstat() for path in machine.rglob("*")}
    verdicts = apps.observe(Host(str(machine)), plan)
    assert {path: path.lstat() for path in machine.rglob("*")}.keys() == before.keys()
    assert {
        (verdict.rule, finding.kind, finding.path.removeprefix("/home/alice/"), finding.scope)
        for verdict in verdicts
        for finding in verdict.findings
    } == {
        ("apps/qq", "file", "Downloads/QQ_3.2.15_241224_x86_64_01.AppImage", "user:alice"),
        ("apps/telegram", "file", "Telegram", "user:alice"),
        ("apps/signal", "file", "bin/signal-cli", "user:alice"),
        ("apps/whatsapp", "web_app", ".local/share/applications/a.desktop", "user:alice"),
        ("apps/discord", "autostart", ".config/autostart/discord.desktop", "user:alice"),
    }
    assert {v.rule: v.drifted for v in verdicts if v.findings} == {
        "apps/qq": True,
        "apps/telegram": True,
        "apps/signal": False,  # a program of that name alone
        "apps/whatsapp": True,
        "apps/discord": True,
    }
