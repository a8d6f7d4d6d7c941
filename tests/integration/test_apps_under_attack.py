"""Hostile homes, mounts and files in /tmp: what they cost the observation of their host."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attacked_host import (
    BOB,
    MALLORY,
    MEGABYTES,
    SECONDS,
    fuse,
    image,
    made_host,
    mounts_in,
    observe_root,
    put,
    whole_plan,
)
from patience import BUSY

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes what other users own")


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return whole_plan(tmp_path_factory.mktemp("plan"))


@pytest.fixture
def root(tmp_path):
    host = tmp_path / "host"
    host.mkdir()
    # In memory: a hundred thousand directories on a disk take a minute to delete.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4g,mode=755", "host", str(host)], check=True)
    made_host(host)
    yield host
    subprocess.run(["umount", "--lazy", *reversed(mounts_in(host))], check=True)


def judged(report: dict[str, Any], seconds: float = SECONDS) -> str:
    """Check that an observation is correct whatever mallory does, and return the reasons that name him."""
    assert report["errors"] == []
    assert any(finding.startswith("user:bob QQ") for finding in report["findings"]), report["findings"]
    assert report["child"] < MEGABYTES and report["own"] < MEGABYTES, (report["own"], report["child"])
    assert report["seconds"] < seconds + BUSY, report["seconds"]  # bob's own part, too
    reasons = {part for _, reason, _ in report["rules"].values() for part in reason.split("; ") if "mallory" in part}
    return " | ".join(sorted(reasons))


def name_of_many_versions(home: Path) -> None:
    """An exponential expression took for ever over one empty file."""
    put(home / f"a{'.1' * 40}!.AppImage")


def quoted_backslashes(home: Path) -> None:
    line = '"' + "\\\\" * 250_000 + "\\"
    put(home / ".config/autostart/a.desktop", f"[Desktop Entry]\nType=Application\nExec={line}\n")
    put(home / ".config/autostart/b.desktop", "[Desktop Entry]\nExec=" + '"\\' * 500_000)


def many_starters(home: Path) -> None:
    put(home / ".config/autostart/a.desktop", "[Desktop Entry]\nExec=" + "env " * 250_000)
    put(home / ".config/autostart/b.desktop", "[Desktop Entry]\nExec=x https://" + "a." * 500_000)
    put(home / ".config/autostart/c.desktop", "[Desktop Entry]\nExec=/" + "a/" * 500_000)


def huge_npmrc(home: Path) -> None:
    put(home / ".npmrc", "prefix=~/a\n" * 450_000)


def many_prefixes(home: Path) -> None:
    put(home / ".npmrc", "".join(f"prefix=~/{n}\n" for n in range(60_000)))


def sparse_metadata(home: Path) -> None:
    for number in range(20):
        place = home / f".local/lib/python3.{number}/site-packages/telethon-1.0.dist-info"
        put(place / "METADATA", "Name: telethon\nVersion: 1.0\n", size=1 << 30)


def sparse_everything(home: Path) -> None:
    """Everything that is read of a home, a gigabyte each."""
    put(home / ".npmrc", "prefix=~/a\n", 1 << 30)
    put(home / ".local/lib/node_modules/wechaty/package.json", "{", 1 << 30)
    put(home / ".config/autostart/a.desktop", "[Desktop Entry]\n", 1 << 30)
    put(home / ".config/systemd/user/a.service", "[Service]\n", 1 << 30)
    place = home / ".local/share/flatpak/app/com.tencent.WeChat/x86_64/stable"
    put(place / ("0" * 64) / "deploy", "x", 1 << 30)
    os.symlink("0" * 64, place / "active")


def many_directories(home: Path, count: int = 130_000) -> None:
    for number in range(count):
        os.makedirs(home / f"{number // 1000}" / f"{number:0200d}")


def many_names(home: Path) -> None:
    """More files of banned apps than any report has to list."""
    for number in range(15_000):
        put(home / f"d/QQ_3.2.{number}_x86_64.AppImage")


def deep(home: Path) -> None:
    os.chdir(home)
    try:
        for _ in range(2_000):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
    finally:
        os.chdir("/")


def pipes_and_sockets(home: Path) -> None:
    for path in (".npmrc", ".config/autostart/a.desktop", "Downloads/QQ.AppImage", "wechat"):
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(home / path)


def links(home: Path) -> None:
    for path in (".local", ".npmrc", ".config", ".npm-global", ".nvm", ".pyenv", "Downloads"):
        os.symlink("/etc", home / path)
        os.lchown(home / path, MALLORY, MALLORY)


ATTACKS: list[tuple[Callable[[Path], None], str]] = [
    (name_of_many_versions, ""),
    (quoted_backslashes, ""),
    (many_starters, ""),
    (huge_npmrc, ".npmrc is larger than 1048576 bytes"),
    (many_prefixes, ""),
    (sparse_metadata, ""),
    (sparse_everything, "larger than 1048576 bytes"),
    (many_names, "over budget"),
    (deep, "more than 128 directories down"),
    (pipes_and_sockets, ""),
    (links, "is a link"),
]


@pytest.mark.parametrize(("attack", "said"), [pytest.param(a, said, id=a.__name__) for a, said in ATTACKS])
def test_home_of_a_hostile_user_costs_a_bounded_amount(root, plan, attack, said):
    attack(root / "home/mallory")
    assert said in judged(observe_root(root, plan))


def npm_package(home: Path, name: str, version: int) -> None:
    put(home / f".nvm/versions/node/v{version}/lib/node_modules/{name}/package.json", '{"version": "1.0"}')


def pip_package(home: Path, name: str, version: int) -> None:
    place = home / f".local/lib/python3.{version}/site-packages/{name.replace('-', '_')}-1.0.dist-info"
    put(place / "METADATA", f"Name: {name}\nVersion: 1.0\n")


@pytest.mark.parametrize("copies", [1_600, 6_000])
def test_made_up_packages_of_one_user_change_the_state_of_no_rule_and_are_one_finding(root, plan, copies):
    """The first 1,000 count. Every rule is as it would be with all of them."""
    services = json.loads(plan.read_text())["controls"]["apps"]["services"].values()
    named: dict[str, list[str]] = {}
    for key in ("npm", "pip"):
        named[key] = sorted({name for entry in services for name in entry["packages"].get(key, ())})
        assert len(named[key]) > 1
    home = root / "home/mallory"
    for key, make in (("npm", npm_package), ("pip", pip_package)):
        for name in named[key]:
            make(home, name, 900_000)  # what mallory has, once each
    honest = observe_root(root, plan)
    for key, make in (("npm", npm_package), ("pip", pip_package)):
        for version in range(copies):
            make(home, named[key][0], version)
    report = observe_root(root, plan)
    assert judged(report) == ""
    states = {rule: state for rule, (state, _, _) in report["rules"].items()}
    added = states.pop("apps/too-many-findings", "")
    assert states == {rule: state for rule, (state, _, _) in honest["rules"].items()}
    assert added == "noncompliant" and "unknown" not in states.values()
    (rule,) = (rule for rule in report["record"]["rules"] if rule["rule"] == "apps/too-many-findings")
    (finding,) = rule["findings"]
    assert (finding["kind"], finding["id"], finding["scope"]) == ("user", "mallory", "user:mallory")
    more = int(finding["detail"].partition(" ")[0].replace(",", ""))
    assert 2 * copies - 1_000 <= more <= 2 * copies, finding["detail"]


def test_files_of_subordinate_uids_count_for_their_user(root, plan):
    """A user has 65,536 of them (subuid(5)), and owns files as each in a namespace. Each had a budget of its own: as
    many names as two of them may have are too many for one user.
    """
    (root / "etc/subuid").write_text("# made\nmallory:100000:65536\nbroken\n")
    for uid in (100_000, 165_535):
        for number in range(6_000):
            put(root / f"tmp/{uid}/{number}/wechat", "no program")
        image(root / f"tmp/QQ_3.2.{uid}_x86_64.AppImage", uid)
        for place, directories, files in os.walk(root / f"tmp/{uid}"):
            for path in (place, *(f"{place}/{name}" for name in (*directories, *files))):
                os.chown(path, uid, uid)
    image(root / "tmp/QQ_3.2.9_x86_64.AppImage", 165_536)  # nobody's subordinate number
    report = observe_root(root, plan)
    assert "mallory: over budget: more than 10,000 files" in judged(report)
    assert sorted(finding for finding in report["findings"] if "QQ" in finding) == [
        "user:165536 QQ_3.2.9_x86_64.AppImage",
        "user:bob QQ_3.2.15_x86_64.AppImage",
        "user:mallory QQ_3.2.100000_x86_64.AppImage",
        "user:mallory QQ_3.2.165535_x86_64.AppImage",
    ]


def test_memory_of_a_large_home_is_bounded_and_fails_no_later_run(root, plan):
    many_directories(root / "home/mallory")
    time.sleep(2.1)  # what has changed just now is not remembered at all
    for _ in range(2):  # a busy machine needs both; what the first one has read, the second one need not
        assert judged(observe_root(root, plan, 120, "--keep")) in (
            "",
            "mallory: over budget: more than 15 s, in /home/mallory",
        )
    sizes = {path.name: path.stat().st_size for path in (root / "var/lib/proscribe/apps").iterdir()}
    assert f"walk-{BOB}" in sizes and max(sizes.values()) < 16 << 20


@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="needs FUSE")
@pytest.mark.parametrize(
    "place",
    [
        "home/mallory",  # the home itself, which the accounts of the host are worked out from
        "home/mallory/.local",
        "home/mallory/.npmrc",  # on a file
        "home/mallory/a/b/c",
        "home/mallory/Downloads/QQ.AppImage",
        "tmp/mallory's",
        "opt/mallory's/a",
        "home/mallory/.config/autostart",
    ],
)
@pytest.mark.parametrize("known", [True, False], ids=["mounted before", "mounted meanwhile"])
def test_a_file_system_that_never_answers_holds_nobody(root, plan, place, known):
    """`known`: the list of mounts has it. One that is mounted after that list was read is in no list."""
    where = root / place
    if where.suffix or where.name == ".npmrc":
        put(where)
    else:
        where.mkdir(parents=True, exist_ok=True)
    for step in (where, *where.parents):
        if step != root / "opt" and step not in (root / "tmp", root / "home") and root in step.parents:
            os.chown(step, MALLORY, MALLORY)
    with fuse("hanging_fuse.py", where, "0"):
        line = f"36 35 0:50 / /{place} rw,nosuid,nodev - fuse.hanging hanging rw,user_id={MALLORY},allow_other\n"
        (root / "proc/self/mountinfo").write_text(line.replace("'", "\\047") if known else "")
        hurry = [] if place.endswith(".local") else ["--hurry"]
        said = judged(observe_root(root, plan, 120, *hurry))
        assert "over budget" in said or "FUSE" in said or "mount point" in said, said


def test_a_user_who_swaps_everything_all_the_time_fails_no_look(root, plan):
    """68 of 77 observations failed while a user swapped links, directories, files and pipes under them."""
    home = root / "home/mallory"
    swapping = subprocess.Popen([sys.executable, "-c", SWAPPING, str(home), str(root / "tmp"), str(MALLORY)])
    try:
        for _ in range(15):
            judged(observe_root(root, plan, 120, "--hurry"))
        assert swapping.poll() is None
    finally:
        swapping.kill()
        swapping.wait()


SWAPPING = """
import contextlib, os, random, shutil, sys
home, shared, uid = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.setgroups([]); os.setgid(uid); os.setuid(uid)
names = (".local", ".local/lib", ".local/share", ".npmrc", ".config", ".config/autostart", "QQ.AppImage",
         ".config/autostart/a.desktop", ".local/share/flatpak/app", ".local/lib/python3.9/site-packages", "wechat",
         ".pyenv/versions", "Downloads", "Downloads/QQ.AppImage", ".local/share/pipx/venvs", ".nvm/versions/node")
chance = random.Random(1)
while True:
    base = chance.choice([home, home, f"{shared}/mallory"])
    place = f"{base}/{chance.choice(names)}"
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(place), exist_ok=True)
        what = chance.randrange(6)
        beside = f"{base}/.beside"
        if os.path.isdir(beside) and not os.path.islink(beside): shutil.rmtree(beside)
        elif os.path.lexists(beside): os.unlink(beside)
        if os.path.lexists(place): os.rename(place, beside)
        if what == 0: os.symlink(chance.choice(["/etc", "/root", place, "/proc/self/fd"]), place)
        elif what == 1: os.mkfifo(place)
        elif what == 2: os.makedirs(place + "/QQ/" + "x" * 200)
        elif what == 3: open(place, "w").write("[Desktop Entry]\\nExec=qq\\n")
        elif what == 4: os.mkdir(place, 0)
"""
