"""The file scan with real programs, and against a user who swaps directories for links meanwhile."""

import shutil
import threading

import made_apps as made
from attacked_host import compile_catalogue
from proscribe.host.controls import apps
from proscribe.host.system import Host
from proscribe.host.system.file_scan import scan

ALICE = 61234  # an account that no other process has


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
            known = scan(Host(str(tmp_path)), ["/home/alice"], lambda d, names: seen.update(names) or (), known).known
    finally:
        stop.set()
        thread.join()
    assert "f" in seen and "only-root-knows" not in seen


def test_the_whole_catalogue_finds_what_people_bring_along_and_nothing_else(tmp_path):
    home = tmp_path / "home/alice"
    for place in ("opt", "proc", "etc"):
        (tmp_path / place).mkdir()
    (tmp_path / "etc/passwd").write_text(f"alice:x:{ALICE}:{ALICE}::/home/alice:/bin/sh\n")
    image = made.image("qq")
    made.put(home / "Downloads", {"QQ_3.2.15_241224_x86_64_01.AppImage": image, "megaglest-3.13.AppImage": image})
    for path in ("Telegram/Telegram", "Telegram/Updater", "bin/signal-cli", "bin/weechat-notify", "src/megaglest"):
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(shutil.which("true") or "/bin/true", home / path)
    for path, command in (
        (".local/share/applications/a", "chromium --app=https://web.whatsapp.com"),
        (".config/autostart/discord", "/usr/bin/discord --start-minimized"),
        (".config/autostart/clock", "/usr/bin/xclock"),
    ):
        made.put(home, {f"{path}.desktop": f"[Desktop Entry]\nType=Application\nName=x\nExec={command}\n".encode()})
    before = set(tmp_path.rglob("*"))
    # The command for requests is no part of the scan.
    verdicts = apps.observe(Host(str(tmp_path)), compile_catalogue(requests=False))
    assert set(tmp_path.rglob("*")) == before
    assert {(v.rule, f.kind, f.path, f.scope, v.drifted) for v in verdicts for f in v.findings} == {
        (f"apps/{service}", kind, f"/home/alice/{path}", "user:alice", drifted)
        for service, kind, path, drifted in (
            ("qq", "file", "Downloads/QQ_3.2.15_241224_x86_64_01.AppImage", True),
            ("telegram", "file", "Telegram", True),
            ("signal", "file", "bin/signal-cli", False),  # a program of that name alone
            ("whatsapp", "web_app", ".local/share/applications/a.desktop", True),
            ("discord", "autostart", ".config/autostart/discord.desktop", True),
        )
    }
