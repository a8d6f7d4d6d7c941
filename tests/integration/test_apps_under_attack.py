"""Hostile homes, mounts and files in /tmp: what they cost the observation of their host."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from attacked_host import BOB, MALLORY, MEGABYTES, SECONDS, fuse, image, made_host, mounts_in, observe_root, put
from attacked_host import whole_plan as write_plan
from patience import BUSY

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes what other users own")


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return write_plan(tmp_path_factory.mktemp("plan"))


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


ENTRY, AUTOSTART = "[Desktop Entry]\n", ".config/autostart"
GIGABYTE = 1 << 30
METADATA = ".local/lib/python3.{}/site-packages/telethon-1.0.dist-info/METADATA"
# Files of a home with the size of each (0: its content's), and a reason of the report.
FILES: dict[str, tuple[dict[str, str], int, str]] = {
    "a name of many versions": ({f"a{'.1' * 40}!.AppImage": ""}, 0, ""),  # an exponential expression took for ever
    "quoted backslashes": (
        {
            f"{AUTOSTART}/a.desktop": f'{ENTRY}Type=Application\nExec="' + "\\\\" * 250_000 + "\\\n",
            f"{AUTOSTART}/b.desktop": f"{ENTRY}Exec=" + '"\\' * 500_000,
        },
        0,
        "",
    ),
    "many starters": (
        {
            f"{AUTOSTART}/a.desktop": f"{ENTRY}Exec=" + "env " * 250_000,
            f"{AUTOSTART}/b.desktop": f"{ENTRY}Exec=x https://" + "a." * 500_000,
            f"{AUTOSTART}/c.desktop": f"{ENTRY}Exec=/" + "a/" * 500_000,
        },
        0,
        "",
    ),
    "a huge npmrc": ({".npmrc": "prefix=~/a\n" * 450_000}, 0, ".npmrc is larger than 1048576 bytes"),
    "many prefixes": ({".npmrc": "".join(f"prefix=~/{n}\n" for n in range(60_000))}, 0, ""),
    "sparse metadata": ({METADATA.format(n): "Name: telethon\nVersion: 1.0\n" for n in range(20)}, GIGABYTE, ""),
    # More files of banned apps than any report has to list.
    "many names": ({f"d/QQ_3.2.{number}_x86_64.AppImage": "" for number in range(15_000)}, 0, "over budget"),
}


@pytest.mark.parametrize(("files", "size", "reason"), FILES.values(), ids=FILES)
def test_home_with_hostile_files_costs_a_bounded_amount(root, plan, files, size, reason):
    for path, content in files.items():
        put(root / "home/mallory" / path, content, size)
    assert reason in judged(observe_root(root, plan))


def sparse_everything(home: Path) -> None:
    """Make everything that is read of a home a gigabyte large."""
    flatpak = ".local/share/flatpak/app/com.tencent.WeChat/x86_64/stable"
    for path in (".npmrc", ".local/lib/node_modules/wechaty/package.json", f"{flatpak}/{'0' * 64}/deploy"):
        put(home / path, "{", GIGABYTE)
    put(home / f"{AUTOSTART}/a.desktop", ENTRY, GIGABYTE)
    put(home / ".config/systemd/user/a.service", "[Service]\n", GIGABYTE)
    os.symlink("0" * 64, home / flatpak / "active")


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


ATTACKS = [
    (sparse_everything, "larger than 1048576 bytes"),
    (deep, "more than 128 directories down"),
    (pipes_and_sockets, ""),
    (links, "is a link"),
]


@pytest.mark.parametrize(("attack", "reason"), ATTACKS)
def test_home_of_a_hostile_user_costs_a_bounded_amount(root, plan, attack, reason):
    attack(root / "home/mallory")
    assert reason in judged(observe_root(root, plan))


def npm_package(home: Path, name: str, version: int) -> None:
    put(home / f".nvm/versions/node/v{version}/lib/node_modules/{name}/package.json", '{"version": "1.0"}')


def pip_package(home: Path, name: str, version: int) -> None:
    place = home / f".local/lib/python3.{version}/site-packages/{name.replace('-', '_')}-1.0.dist-info"
    put(place / "METADATA", f"Name: {name}\nVersion: 1.0\n")


@pytest.mark.parametrize("copies", [1_600, 6_000])
def test_made_up_packages_of_one_user_change_the_state_of_no_rule_and_are_one_finding(root, plan, copies):
    """The first 1,000 count. Every rule is as it would be with all of them."""
    services = json.loads(plan.read_text())["controls"]["apps"]["services"].values()
    makers = {"npm": npm_package, "pip": pip_package}
    names = {key: sorted({name for entry in services for name in entry["packages"].get(key, ())}) for key in makers}
    assert min(map(len, names.values())) > 1
    home = root / "home/mallory"
    for key, make in makers.items():
        for name in names[key]:
            make(home, name, 900_000)  # what mallory has, once each
    honest = observe_root(root, plan)
    for key, make in makers.items():
        for version in range(copies):
            make(home, names[key][0], version)
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
    """Each of a user's 65,536 (subuid(5)) had a budget of its own."""
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
    for number in range(130_000):
        os.makedirs(root / f"home/mallory/{number // 1000}/{number:0200d}")
    time.sleep(2.1)  # what has changed just now is not remembered at all
    for _ in range(2):  # a busy machine needs both; what the first one has read, the second one need not
        reasons = judged(observe_root(root, plan, 120, "--keep"))
        assert reasons in ("", "mallory: over budget: more than 15 s, in /home/mallory")
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
