"""Root runs no tool that others can change: planted tools of users, and package systems of their own."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import proscribe
import pytest
from proscribe.host.controls.apps.systems.package_systems import SYSTEMS
from proscribe.host.system import ControlError, Host, root_only_paths, run_tool
from proscribe.host.system.root_only_paths import find_changeable_part

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes files of somebody else")
MALLORY = 12345


@pytest.fixture
def place():
    """A directory as /usr/local is one, with a tool, which says who it runs as."""
    with tempfile.TemporaryDirectory(dir="/run") as directory:
        tool = Path(directory, "local/bin/made")
        tool.parent.mkdir(parents=True)
        tool.write_text("#!/bin/sh\nid -u\n")
        for one in (Path(directory), tool.parent.parent, tool.parent, tool):
            one.chmod(0o755)
        yield tool.parent


def give_away(path: Path) -> None:
    os.chown(path, MALLORY, MALLORY, follow_symlinks=False)


def share(path: Path, group: int = 50) -> None:
    os.chown(path, 0, group)
    path.chmod(0o775)


def link_elsewhere(place: Path, owner: int, target: int) -> None:
    """The tool is a link of somebody's to another place, where it is somebody's."""
    elsewhere = place.parent / "elsewhere"
    (place / "made").rename(elsewhere)
    (place / "made").symlink_to("../elsewhere")
    os.lchown(place / "made", owner, owner)
    os.chown(elsewhere, target, target)


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "all of it is root's": (lambda place: None, ""),
    "the tool is a user's": (lambda place: give_away(place / "made"), "bin/made"),
    "everybody may write to the tool": (lambda place: (place / "made").chmod(0o757), "bin/made"),
    "a group may write to the directory": (share, "bin"),
    "the group of daemons may write to the directory": (lambda place: share(place, 1), "bin"),
    "root's group may write to the directory": (lambda place: share(place, 0), ""),
    "the directory is a user's": (give_away, "bin"),
    "the directory above is a user's": (lambda place: give_away(place.parent), "."),
    "everybody may put something beside it": (lambda place: place.chmod(0o1777), ""),
    "root's link leads to root's file": (lambda place: link_elsewhere(place, 0, 0), ""),
    "root's link leads to a user's file": (lambda place: link_elsewhere(place, 0, MALLORY), "elsewhere"),
    "a user's link leads to root's file": (lambda place: link_elsewhere(place, MALLORY, 0), "bin/made"),
    "it leads to itself": (lambda place: [(place / "made").unlink(), (place / "made").symlink_to("made")], "bin/made"),
    "it is gone": (lambda place: (place / "made").unlink(), ""),
}


@pytest.mark.parametrize(("change", "found"), CHANGES.values(), ids=CHANGES.keys())
def test_tool_that_others_can_change_is_not_run(place, change, found):
    change(place)
    expected = os.path.normpath(place.parent / found) if found else ""
    assert find_changeable_part(str(place / "made")) == expected
    result = Host(str(place.parents[1])).find_changeable_part("/local/bin/made")
    assert result == expected.removeprefix(str(place.parents[1]))
    path = f"{place}:/usr/bin"
    if found or place.stat().st_mode & 0o002 or not (place / "made").exists():
        with pytest.raises(ControlError, match="made is not installed on this host"):
            run_tool(["made"], environment={"PATH": path})
    else:
        assert run_tool(["made"], environment={"PATH": path}).out == "0\n"
    if found:
        with pytest.raises(ControlError, match=f"is not run by root: others can change {expected}$"):
            run_tool([str(place / "made")])


def test_tool_of_root_finds_no_program_where_users_can_put_one(place):
    """A package's own script asks for programs that a host may not have."""
    asks = ["sh", "-c", "command -v made || echo none"]
    path = {"PATH": f"{place}:/usr/bin:/bin"}
    assert run_tool(asks, environment=path).out == f"{place}/made\n"
    place.chmod(0o1777)  # the tool is root's still, and anybody may put one beside it
    assert run_tool(asks, environment=path).out == "none\n"


# What a user puts where tools of package systems are looked for: they lie, never end, or flood.
PLANTED = """\
#!/bin/sh
id -u >> /usr/local/ran
case $0 in *snap | *npm) exec yes ;; *flatpak | *conda) exec sleep 1000 ;; esac
echo "nothing is installed"
"""
NAMES = sorted({system.MANAGER for system in SYSTEMS} | {"brew", "dpkg-query", "apt-get", "rpm", "pip", "python3.99"})
OBSERVE = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from proscribe.host.system import ControlError, Host
from proscribe.host.controls.apps.systems.package_systems import SYSTEMS
host, said = Host(), {}
for name in json.loads(sys.argv[2]):
    try:
        said[name] = [host.find_tool(name) or "", host.run_command([name, "--version"], timeout=1).rc]
    except ControlError as error:
        said[name] = [host.find_tool(name) or "", str(error)]
for system in SYSTEMS:
    system.is_present(host, None), system.find_packages(host, {"wechat", "com.tencent.WeChat"})
print(json.dumps([said, os.path.exists("/usr/local/ran")]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("owner", [MALLORY, 0])
def test_package_system_of_a_user_is_not_asked(tmp_path, owner):
    """All of /usr/local is a user's, as where he builds software; and the same tools where they are root's own."""
    (tmp_path / "planted").write_text(PLANTED)
    script = (
        "mount -t tmpfs -o mode=755 tmpfs /usr/local && mkdir /usr/local/bin && for name in $4; do "
        'cp "$1" /usr/local/bin/$name && chmod 755 /usr/local/bin/$name; done && chown -R $5 /usr/local && '
        'exec "$2" -ISc "$3" "$6" "$7"'
    )
    module_utils = str(Path(proscribe.__file__).parents[1])
    names = [" ".join(NAMES), str(owner), module_utils, json.dumps(NAMES)]
    command = ["unshare", "--mount", "sh", "-c", script, "sh", str(tmp_path / "planted"), "/usr/bin/python3", OBSERVE]
    said, ran = json.loads(subprocess.run([*command, *names], capture_output=True, text=True, check=True).stdout)
    local = {name for name, (path, _) in said.items() if path.startswith("/usr/local")}
    assert (bool(local), ran) == (owner == 0, owner == 0), said


def test_ordinary_user_may_run_any_tool(place, monkeypatch):
    give_away(place)
    monkeypatch.setattr(os, "geteuid", lambda: MALLORY)
    assert find_changeable_part(str(place / "made")) == ""


@pytest.mark.parametrize(
    ("path", "target", "checked"),
    [
        ("/usr/bin/env", "/usr/bin/env", False),
        ("/sbin/nft", "/sbin/nft", False),
        *(("/usr/bin/link", f"/{place}/link", True) for place in ("srv", "usr/local")),
        *((f"/{place}/link", "/usr/bin/env", True) for place in ("srv", "usr/local")),
    ],
)
def test_tools_of_the_distribution_are_trusted_unchecked(monkeypatch, path, target, checked):
    monkeypatch.setattr(os.path, "realpath", lambda _: target)
    monkeypatch.setattr(root_only_paths, "find_write_right", lambda *_, **__: True)
    assert bool(find_changeable_part(path)) is checked
