"""What distrobox-export really writes. Waydroid and toolbox were not run: they need Android's images, a registry."""

import shutil

import pytest
from conftest import require_tool
from throwaway import plan, two_users

ENTRY = """[Desktop Entry]
Type=Application\nName={name}\nExec={line}\nIcon={name}\nTryExec={name}
[Desktop Action new]
Name=New\nExec={line} --new
"""
HOME = "/home/alice"
MENU = f"{HOME}/.local/share/applications"
# What a container of distrobox has: its name, the host's home and file system below /run/host.
BOX = "mkdir -p /run/host/home /usr/share/applications && ln -s /home/alice /run/host/home/alice"
BOX += " && printf 'name=\"box\"\\n' >/run/.containerenv"
EXPORT = "export CONTAINER_ID=box DISTROBOX_ENTER_PATH=/usr/bin/distrobox-enter SHELL=/bin/sh USER=alice"
EXPORT += " XDG_DATA_DIRS= XDG_DATA_HOME= ; /debs/distrobox-export"


@pytest.fixture
def machine(tmp_path, tmp_path_factory):
    brought = tmp_path_factory.mktemp("distrobox")
    brought.chmod(0o755)
    shutil.copy(require_tool("distrobox-export"), brought)
    with two_users(tmp_path, brought) as system:
        yield system


def test_exports_of_distrobox_are_seen_and_certain_ones_moved(machine):
    machine.sh(BOX)
    for name, line in (("org.telegram.desktop", "telegram-desktop -- %u"), ("chat", "/usr/bin/wechat %U")):
        entry = ENTRY.format(name=name, line=line)
        machine.sh(f"cat >/usr/share/applications/{name}.desktop <<'END'\n{entry}END")
    machine.sh("mkdir -p /opt/wechat && cp /usr/bin/sleep /opt/wechat/wechat && cp /usr/bin/sleep /usr/bin/wechat")
    for what in ("--app org.telegram.desktop", "--app wechat", "--bin /opt/wechat/wechat"):
        machine.as_user("alice", f"{EXPORT} {what}")
    machine.sh("rm -r /opt/wechat /usr/bin/wechat /usr/share/applications")  # they are in the container alone
    listing = f"cd {HOME}; ls -1 .local/bin/* .local/share/applications/*"
    written = machine.as_user("alice", listing).stdout
    entries = [f".local/share/applications/box-{name}.desktop" for name in ("chat", "org.telegram.desktop")]
    assert written.split() == [".local/bin/wechat", *entries]
    banned = plan("flatpak", telegram=["org.telegram.desktop"], wechat=["com.tencent.WeChat"])
    services = banned["controls"]["apps"]["services"]
    services["telegram"]["processes"], services["wechat"]["processes"] = ["telegram-desktop"], ["wechat"]
    services["wechat"]["paths"] = ["/opt/wechat"]
    verdicts = machine.verb("observe", banned)
    findings = [(f["kind"], f["path"], f["detail"]) for rule in sorted(verdicts) for f in verdicts[rule]["findings"]]
    by_name = "known by its name alone, so it is not moved"
    starts = "it starts {} in a container ({})"
    assert findings == [
        ("launcher", f"{MENU}/box-org.telegram.desktop.desktop", starts.format("telegram-desktop", "distrobox-enter")),
        ("launcher", f"{MENU}/box-chat.desktop", starts.format("/usr/bin/wechat", "distrobox-enter") + ", " + by_name),
        ("launcher", f"{HOME}/.local/bin/wechat", starts.format("/opt/wechat/wechat", "distrobox")),
    ]
    done = machine.verb("enforce", banned)
    assert (done["error"], done["refused"]) == (None, [["apps/wechat", f"{MENU}/box-chat.desktop", by_name]])
    assert machine.as_user("alice", f"{listing} || :").stdout.split() == entries[:1]
    machine.verb("lift", banned)
    assert machine.as_user("alice", listing).stdout == written
