"""Launchers of what runs in containers. The lines of distrobox are those that its distrobox-export 1.8.1 writes (see
test_apps_real_launchers.py), those of Waydroid stand in its tools/services/user_manager.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_users import ALICE, BOB, put, tree
from proscribe.host.controls.apps.portable import container_launchers, desktop_entries, launchers
from proscribe.host.system import Host

TELEGRAM = {
    "mode": "enforce",
    "name": "Telegram",
    "packages": {"flatpak": ["org.telegram.desktop"], "android": ["org.telegram.messenger"]},
    "processes": ["telegram-desktop"],
    "paths": ["/opt/telegram/Telegram"],
}
WECHAT = {
    "mode": "enforce",
    "name": "WeChat",
    "packages": {"android": ["com.tencent.mm"]},
    "processes": ["wechat"],
    "paths": ["/opt/wechat"],
    "desktop_files": ["wechat.desktop"],
}
SERVICES: dict[str, dict[str, Any]] = {"telegram": TELEGRAM, "wechat": WECHAT}


def services_of(program: str, flatpak: str) -> list[str]:
    """As sight has it: by flatpak id, by path, else by base name."""
    if flatpak:
        return [service for service, entry in SERVICES.items() if flatpak in entry["packages"].get("flatpak", ())]
    paths = [s for s, entry in SERVICES.items() if any((program + "/").startswith(p + "/") for p in entry["paths"])]
    return paths or [s for s, entry in SERVICES.items() if program.rpartition("/")[2] in entry["processes"]]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("waydroid app launch com.tencent.mm", ("waydroid", "", "com.tencent.mm")),
        ("/usr/bin/waydroid app launch com.tencent.mm", ("waydroid", "", "com.tencent.mm")),
        ("waydroid show-full-ui", None),
        ("waydroid app launch", None),
        ("/usr/bin/distrobox-enter  -n box  --   telegram-desktop -- %u ", ("distrobox-enter", "telegram-desktop", "")),
        ("distrobox-enter --root -n box -- sudo -S /opt/x/y", ("distrobox-enter", "/opt/x/y", "")),
        ("distrobox enter box -- env A=b wechat", ("distrobox", "wechat", "")),
        (
            'env SUDO_ASKPASS="/a b" DBX_SUDO_PROGRAM="sudo --askpass" distrobox-enter --root -n b -- wechat',
            ("distrobox-enter", "wechat", ""),
        ),
        ("distrobox enter box", None),
        ("distrobox enter box wechat", None),  # it takes these for its own arguments
        ("distrobox-enter box wechat", None),
        ("toolbox run -c box wechat --x", ("toolbox", "wechat", "")),
        ("toolbox run wechat", ("toolbox", "wechat", "")),
        ("toolbox --verbose run --container box wechat", ("toolbox", "wechat", "")),
        ("toolbox enter box", None),
        ("podman exec -it --user 1000 box /usr/bin/wechat", ("podman", "/usr/bin/wechat", "")),
        ("podman run wechat", None),
        ("podman run box wechat", None),
        ("podman exec box", None),
        ("other exec box wechat", None),
        *(
            (f"podman exec {option} wechat box /opt/x", ("podman", "/opt/x", ""))  # a value is no container
            for option in ("-e", "--env", "-u", "--user", "-w", "--workdir")
        ),
        *(
            (f"toolbox run {option} wechat /opt/x", ("toolbox", "/opt/x", ""))
            for option in ("-c", "--container", "-d", "--distro", "-r", "--release")
        ),
        ("distrobox -n wechat enter box -- /opt/x", ("distrobox", "/opt/x", "")),
        ("docker exec -i box su-exec wechat", ("docker", "wechat", "")),
        ("lxc exec box -- /usr/bin/sudo-rs -n wechat", ("lxc", "wechat", "")),
        ("incus exec box -- wechat", ("incus", "wechat", "")),
        ("lxc-attach -n box -- wechat", ("lxc-attach", "wechat", "")),
        ("wechat", None),
        ("", None),
    ],
)
def test_what_a_line_runs_in_a_container(line: str, found: tuple[str, str, str] | None) -> None:
    inside = container_launchers.launched(desktop_entries.arguments(line))
    assert (tuple(inside) if inside else None) == found


@given(
    st.lists(st.sampled_from(["podman", "exec", "--", "-e", "env", "sudo", "distrobox-enter", "waydroid", "app", "x"]))
)
def test_any_line_is_read(words: list[str]) -> None:
    inside = container_launchers.launched(words)
    assert inside is None or bool(inside.program) != bool(inside.android)


ENTRY = "[Desktop Entry]\nType=Application\nName=x\nExec={}\n"
MENU = "/home/alice/.local/share/applications"
BOX = "/usr/bin/distrobox-enter  -n box  --   {} -- %u "


@pytest.mark.parametrize(
    ("path", "line", "found"),
    [
        (f"{MENU}/waydroid.com.tencent.mm.desktop", "waydroid app launch com.tencent.mm", ("wechat", "launcher", True)),
        (f"{MENU}/anything.desktop", "waydroid app launch org.telegram.messenger", ("telegram", "launcher", True)),
        (f"{MENU}/waydroid.x.desktop", "waydroid app launch com.android.settings", None),
        (f"{MENU}/box-org.telegram.desktop.desktop", BOX.format("telegram-desktop"), ("telegram", "launcher", True)),
        (f"{MENU}/box-wechat.desktop", BOX.format("/usr/bin/wechat"), ("wechat", "launcher", True)),
        (f"{MENU}/box-chat.desktop", BOX.format("/opt/wechat/wechat"), ("wechat", "launcher", True)),
        (f"{MENU}/box-chat.desktop", BOX.format("/usr/bin/wechat"), ("wechat", "launcher", False)),
        (f"{MENU}/box-weechat.desktop", BOX.format("weechat"), None),
        (f"{MENU}/wechat.desktop", "/usr/bin/wechat", None),  # of the host: its package or file says so
        ("/home/alice/.config/autostart/a.desktop", BOX.format("/opt/wechat/x"), ("wechat", "autostart", True)),
        ("/home/alice/Desktop/a.desktop", "waydroid app launch com.tencent.mm", ("wechat", "launcher", True)),
    ],
)
def test_whose_launcher_an_entry_is_and_whether_that_is_certain(
    tmp_path: Path, path: str, line: str, found: tuple[str, str, bool] | None
) -> None:
    root = tree(tmp_path)
    put(root, path, ENTRY.format(line))
    portable_apps, unseen = launchers.find_launchers(Host(str(root)), SERVICES, services_of, [ALICE, BOB], True)
    seen = [(*copy.services, copy.finding().kind, not copy.doubt) for copy in portable_apps]
    assert (seen, unseen) == ([found] if found else [], [])


@pytest.mark.parametrize(("length", "certain"), [(4096, True), (4097, False)])
def test_a_path_that_the_kernel_would_not_open_is_no_path_of_the_catalogue(length: int, certain: bool) -> None:
    program = "/opt/wechat/".ljust(length - len("/wechat"), "x") + "/wechat"
    ((_, _, doubt),) = container_launchers.Known(SERVICES).claims(
        "/x.desktop", [["podman", "exec", "box", program]], services_of
    )
    assert doubt == ("" if certain else container_launchers.BY_NAME)


SCRIPT = """#!/bin/sh
# distrobox_binary
# name: box
if [ -z "${CONTAINER_ID}" ]; then
	exec "/usr/bin/distrobox-enter"  -n box  --  '%s'  "$@"
elif [ -n "${CONTAINER_ID}" ] && [ "${CONTAINER_ID}" != "box" ]; then
	exec distrobox-host-exec '/home/alice/.local/bin/wechat' "$@"
else
	exec '%s' "$@"
fi
"""


@pytest.mark.parametrize(
    ("name", "text", "certain"),
    [
        ("wechat", SCRIPT.replace("%s", "/opt/wechat/wechat"), [True]),
        ("wechat", SCRIPT.replace("%s", "/usr/bin/wechat"), [False]),
        ("wechat", SCRIPT.replace("%s", "/usr/bin/weechat"), []),
        ("wechat", "#!/bin/sh\nexec '/opt/wechat/wechat' \"$@\"\n", []),
        ("other", SCRIPT.replace("%s", "/opt/wechat/wechat"), []),
        ("wechat", "# distrobox_binary\n" + "\texec '/" + "x" * 100_000, []),
    ],
)
def test_a_script_that_distrobox_exported(tmp_path: Path, name: str, text: str, certain: list[bool]) -> None:
    root = tree(tmp_path)
    put(root, f"/home/alice/.local/bin/{name}", text, 0o755)
    portable_apps, unseen = launchers.find_launchers(Host(str(root)), SERVICES, services_of, [ALICE], False)
    assert ([not copy.doubt for copy in portable_apps], unseen) == (certain, [])
    assert {(copy.kind, copy.path) for copy in portable_apps} <= {("launcher", f"/home/alice/.local/bin/{name}")}
