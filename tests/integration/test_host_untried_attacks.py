"""Attacks of an ordinary user on what root does with his things."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import made_apps as made
import pytest
import restricted_programs
from attacked_host import BOB, MALLORY, MODULES, SECONDS, fuse, made_host, mounts_in, observe_root, running, whole_plan
from conftest import open_to_others, require_tool
from patience import BUSY, LONGEST
from proscribe.host.controls import apps, change_execution
from proscribe.host.controls.apps.quarantine import capacity, manifest, move_completion, move_in
from proscribe.host.controls.base import Changes
from proscribe.host.controls.change_execution import apply_changes
from proscribe.host.system import Host
from proscribe.host.system.forked_work import WorkLimits, run_apart

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes what other users own")
needs_fuse = pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="needs FUSE")
IMAGE = "WeChat.AppImage"
# Holds a write lease on each of some files, until the kernel takes it away. Files that are open already are named by
# their descriptor: of these it lets go when the lease is broken, and takes it again at once.
LEASE = """\
import contextlib, fcntl, os, signal, sys
uid = int(sys.argv[1])
os.setgroups([]); os.setgid(uid); os.setuid(uid)
signal.signal(signal.SIGIO, signal.SIG_IGN)
held = [int(word) if word.isdigit() else os.open(word, os.O_RDWR) for word in sys.argv[2:]]
ready, taken_once = False, not sys.argv[2].isdigit()
while True:
    for descriptor in held:
        try:
            if fcntl.fcntl(descriptor, fcntl.F_GETLEASE) != fcntl.F_WRLCK and not (ready and taken_once):
                with contextlib.suppress(OSError):  # there is none yet
                    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
                fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError:
            pass
    if not ready and all(fcntl.fcntl(descriptor, fcntl.F_GETLEASE) == fcntl.F_WRLCK for descriptor in held):
        ready = True
        print("held", flush=True)
"""
GROWING = """\
import json, os, sys, time
sys.path.insert(0, sys.argv[1])
from proscribe.host.system.forked_work import WorkLimits, run_each_apart
with open(sys.argv[2], "w") as stream:
    stream.write(str(os.getpid()))
def work(item):
    yield bytes([1]) * (80 << 20 if item == "mallory" else 1) and item
found = [[item, parts, why] for item, parts, why in run_each_apart(["mallory", "bob"], work, WorkLimits(memory=0))]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return whole_plan(tmp_path_factory.mktemp("plan"))


@pytest.fixture
def root(tmp_path):
    host = make_open_host(tmp_path)
    yield host
    unmount(host)


def make_open_host(place):
    """Make a host in a directory, for mallory to enter."""
    host = place / "host"
    host.mkdir()
    open_to_others(host)
    made_host(host)
    (host / "proc/self/mountinfo").touch()
    return host


def unmount(place):
    for where in reversed(mounts_in(place)):
        subprocess.run(["umount", "--lazy", where], check=False)


def leased(*files, **options):
    return running([sys.executable, "-c", LEASE, str(MALLORY), *map(str, files)], "held", **options)


def list_mounts(root):
    lines = [line for line in Path("/proc/self/mountinfo").read_text().splitlines(True) if f" {root}/" in line]
    (root / "proc/self/mountinfo").write_text("".join(line.replace(str(root), "") for line in lines))


def reasons(report):
    """What an observation says of mallory, which is right about bob and cost no more than mallory's share."""
    assert report["errors"] == []
    assert any(finding.startswith("user:bob QQ") for finding in report["findings"]), report["findings"]
    assert report["seconds"] < SECONDS + BUSY
    parts = {part for _, why, _ in report["rules"].values() for part in why.split("; ")}
    assert not any(part.startswith("bob") for part in parts)
    return " | ".join(sorted(part for part in parts if "mallory" in part))


def images(root):
    """A restricted AppImage of each user's, which its content shows to be one."""
    paths = {}
    for name, uid in (("mallory", MALLORY), ("bob", BOB)):
        made.put(root / "home" / name / "apps", {IMAGE: made.image("wechat"), "thesis.odt": b"PK"}, uid)
        paths[name] = root / "home" / name / "apps" / IMAGE
    return paths


def taking(root):
    """The moves of both into the quarantine, planned but not done."""
    return [
        move_in.make_move_action(
            Host(str(root)), move_in.MoveRequest(f"/home/{name}/apps/{IMAGE}", ["wechat"], "appimage")
        )._replace(user=name, rules=["apps/wechat"])
        for name in ("mallory", "bob")
    ]


def change(actions):
    """What was done, what was left of whom and why, and how long that took. It may take no longer than an hour."""
    began = time.monotonic()

    def carried():
        result = apply_changes(Changes(actions, is_independent=True))
        return result["done"], [[action.user, why] for action, why in result["left"]]

    done, left = run_apart(carried, WorkLimits(seconds=BUSY, memory=0))
    return done, [(user, why) for user, why in left], time.monotonic() - began


def kill_when_moved(action, monkeypatch):
    """Apply a move, and end the run once the file has moved."""

    def kill(step):
        if step == "moved":
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(manifest, "mark_step", kill)
        action.apply()


def test_a_lease_makes_nobody_wait_and_hides_only_what_is_its_users(root, plan):
    home = root / "home/mallory"
    texts = {".npmrc": b"prefix=~/a\n", ".config/autostart/a.desktop": b"[Desktop Entry]\nExec=wechat\n"}
    metadata = {".local/lib/python3.9/site-packages/telethon-1.0.dist-info/METADATA": b"Name: telethon\n"}
    made.put(home, {**texts, **metadata}, MALLORY)
    files = [images(root)["mallory"], *(home / name for name in texts)]
    with leased(*files):
        # The control: who opens such a file and waits, waits for the time of the kernel (45 s), again and again.
        naive = subprocess.Popen(["cat", str(files[1])], stdout=subprocess.DEVNULL)
        with pytest.raises(subprocess.TimeoutExpired):
            naive.wait(2)
        naive.kill()
        naive.wait()
        said = reasons(observe_root(root, plan))
        assert "WeChat.AppImage: Resource temporarily unavailable" in said and ".npmrc" in said, said
        done, left, seconds = change(taking(root))
    assert len(done) == 1 and seconds < BUSY
    ((user, reason),) = left
    assert (user, "WeChat.AppImage" in reason, "(a lease)" in reason) == ("mallory", True, True)


def test_a_lease_on_what_has_moved_fails_no_later_run(root, monkeypatch):
    descriptor = os.open(images(root)["mallory"], os.O_RDWR)
    kill_when_moved(taking(root)[0], monkeypatch)
    with leased(descriptor, pass_fds=(descriptor,)):
        os.close(descriptor)
        host = Host(str(root))
        done, left, _ = change(move_completion.make_complete_actions(host))
        assert (len(done), left) == (1, [])
    (item,) = manifest.list_entries(host)
    assert item.doing == "" and item.owner == "mallory" and item.attributes.uid == MALLORY
    content = root / f"var/lib/proscribe/quarantine/{item.id}/content"
    assert (content.stat().st_uid, content.stat().st_mode & 0o777) == (0, 0o600)


@needs_fuse
@pytest.mark.parametrize("private", [False, True], ids=["for all", "for its user alone"])
@pytest.mark.parametrize("place", ["home/mallory/.config", "tmp/mallory's"])
@pytest.mark.parametrize("how", ["error", "endless", "changing", "sizes"])
def test_a_file_system_that_lies_costs_its_user_alone(root, plan, how, place, private):
    """No list of mounts has it: it was mounted after that was read. It says that all in it is root's."""
    where = root / place
    where.mkdir(parents=True)
    os.chown(where, MALLORY, MALLORY)
    with fuse("lying_fuse.py", where, how, *(["private"] * private)):
        report = observe_root(root, plan, 120, "--hurry")
        said = reasons(report)
        assert not any(finding.startswith("system") for finding in report["findings"]), report["findings"]
    everything = " ".join(why for _, why, _ in report["rules"].values())
    if private or how == "error":
        assert "mallory" in said or "mallory" in everything
    unmount(root)


@needs_fuse
@pytest.mark.parametrize("of", ["a move", "its completion"])
def test_a_file_system_mounted_after_the_observation_holds_no_run(root, monkeypatch, of):
    if of == "its completion":
        home = root / "home/mallory"
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=8m,uid={MALLORY}", "home", str(home)], check=True)
    path = images(root)["mallory"]
    actions = taking(root)
    if of == "its completion":
        monkeypatch.setattr(capacity, "MIN_RESERVE_BYTES", 0)
        kill_when_moved(actions[0], monkeypatch)
        actions = [*move_completion.make_complete_actions(Host(str(root))), *actions]
    with fuse("hanging_fuse.py", root / "home/mallory" if of == "its completion" else path.parent, "0"):
        list_mounts(root)
        done, left, seconds = change(actions)
    unmount(root / "home")
    assert len(done) == 1 and "/home/bob/" in done[0] and {user for user, _ in left} == {"mallory"}, left
    assert "not entered" in left[-1][1] and seconds < BUSY


@pytest.fixture
def group():
    """A control group for 100 MB, and the file of its limit."""
    for above, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        place = Path(above) / f"proscribe-test-{os.getpid()}"
        if not Path(above, "cgroup.procs").exists():
            continue
        place.mkdir()
        try:
            if (place / limit).exists():
                (place / limit).write_text(str(100 << 20))
                yield place, limit
                return
        finally:
            place.rmdir()
    pytest.skip("needs control groups for memory")


def test_where_memory_is_out_the_observation_of_that_user_ends_and_nothing_else(group):
    """A larger program in the same group is the one that the kernel would end."""
    tasks = group[0] / "cgroup.procs"
    innocent = subprocess.Popen(
        [sys.executable, "-c", "import sys; held = bytes([1]) * (60 << 20); print(flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: tasks.write_text(str(os.getpid())) and None,
    )
    try:
        assert innocent.stdout and innocent.stdout.readline()
        argv = [sys.executable, "-c", GROWING, MODULES, str(tasks)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=BUSY)
        assert innocent.poll() is None and done.returncode == 0, (innocent.returncode, done.stderr)
        ended = ["mallory", [], "the observation was ended by signal 9"]
        assert json.loads(done.stdout) == [ended, ["bob", ["bob"], ""]]
    finally:
        innocent.kill()
        innocent.communicate()
        while tasks.read_text():
            time.sleep(0.01)


@pytest.mark.parametrize("what", ["blocks", "inodes"])
@pytest.mark.parametrize("begun", [False, True], ids=["nothing there yet", "a quarantine there"])
def test_a_disk_that_a_user_has_filled_loses_nothing_and_the_next_run_goes_on(tmp_path, plan, what, begun):
    root = tmp_path / "host"
    root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,nr_inodes=500,mode=755", "disk", str(root)], check=True)
    try:
        made_host(root)
        (root / "proc/self/mountinfo").touch()
        everything = json.loads(plan.read_text())
        if begun:
            apply_changes(apps.enforce(Host(str(root)), everything))
        paths = images(root)
        fill(root / "tmp", what)
        for _ in range(2):
            with contextlib.suppress(change_execution.ControlError):
                apply_changes(apps.enforce(Host(str(root)), everything))
            assert all(path.read_bytes() == made.image("wechat") for path in paths.values())
            assert [path for path in root.rglob("*") if path.name.endswith("~")] == []
        for path in (root / "tmp").iterdir():
            path.unlink()
        apply_changes(apps.enforce(Host(str(root)), everything))
        states = {verdict.rule: verdict.state for verdict in apps.observe(Host(str(root)), everything)}
        assert states["apps/wechat"] == "compliant" and "apps/quarantine" not in states
        assert {item.path for item in manifest.list_entries(Host(str(root)))} == {
            f"/home/{n}/apps/{IMAGE}" for n in paths
        }
        assert all((path.parent / "thesis.odt").exists() for path in paths.values())
    finally:
        unmount(root)


def fill(place, what):
    with contextlib.suppress(OSError), open(place / "fill", "wb", buffering=0) as stream:
        for number in range(100_000):
            if what == "inodes":
                (place / str(number)).touch()
            else:
                stream.write(bytes(4096))


@pytest.fixture
def btrfs(tmp_path):
    """A made host on btrfs, which is mounted at the directory above it."""
    require_tool("mkfs.btrfs")
    disk, place = tmp_path / "disk", tmp_path / "mounted"
    place.mkdir()
    with open(disk, "wb") as stream:
        stream.truncate(200 << 20)
    subprocess.run(["mkfs.btrfs", "--quiet", str(disk)], check=True)
    if subprocess.run(["mount", "-o", "loop", str(disk), str(place)], capture_output=True).returncode:
        pytest.skip("needs a kernel with btrfs and loop devices")
    try:
        yield make_open_host(place)
    finally:
        unmount(place)


def as_mallory(*argv):
    subprocess.run(argv, check=True, capture_output=True, user=MALLORY, group=MALLORY, extra_groups=[])


# Makes two subvolumes whose last changes are in one tick of the clock; the second one has the program.
TWINS = """\
import os, subprocess, sys
home, program = sys.argv[1], sys.argv[2]
for _ in range(100):
    for name in ("one", "two"):
        os.makedirs(f"{home}/{name}", exist_ok=True)
        if os.path.exists(f"{home}/{name}/sub"):
            os.rename(f"{home}/{name}/sub", f"{home}/{name}/{os.urandom(4).hex()}")
        subprocess.run(["btrfs", "subvolume", "create", f"{home}/{name}/sub"], check=True, stdout=subprocess.DEVNULL)
    one, two = (os.open(f"{home}/{name}/sub", os.O_PATH) for name in ("one", "two"))
    os.close(os.open("x", os.O_CREAT, dir_fd=one))
    descriptor = os.open(program, os.O_CREAT | os.O_WRONLY, 0o755, dir_fd=two)
    if os.stat(f"{home}/one/sub").st_ctime_ns == os.stat(f"{home}/two/sub").st_ctime_ns:
        break
os.write(descriptor, sys.stdin.buffer.read())
for place in (f"{home}/one", f"{home}/two"):
    print(os.stat(f"{place}/sub").st_ino, os.stat(f"{place}/sub").st_ctime_ns)
"""


def test_a_subvolume_that_takes_the_place_of_another_is_read(btrfs, plan):
    home = btrfs / "home/mallory"
    program = (btrfs / "home/bob/Downloads/QQ_3.2.15_x86_64.AppImage").read_bytes()
    argv = ["/usr/bin/python3", "-c", TWINS, str(home), "QQ_9_x86_64.AppImage"]
    made_twins = subprocess.run(argv, input=program, user=MALLORY, group=MALLORY, extra_groups=[], capture_output=True)
    assert made_twins.returncode == 0, made_twins.stderr
    first, second = made_twins.stdout.split(b"\n")[:2]
    assert first == second  # the control: for a scan of another file system they are the same
    hidden = btrfs / "var/hidden"
    (home / "two").rename(hidden)
    time.sleep(2.1)  # what has changed just now is not remembered at all
    assert "user:mallory QQ_9_x86_64.AppImage" not in observe_root(btrfs, plan, 120, "--keep")["findings"]
    (home / "one").rename(btrfs / "var/other")
    hidden.rename(home / "one")
    report = observe_root(btrfs, plan)
    assert "user:mallory QQ_9_x86_64.AppImage" in report["findings"] and reasons(report) == ""


def test_files_in_subvolumes_move_and_immovable_ones_are_reported(btrfs, plan, monkeypatch):
    monkeypatch.setattr(capacity, "MIN_RESERVE_BYTES", 1 << 20)
    home = btrfs / "home/mallory"
    everything = json.loads(plan.read_text())
    as_mallory("btrfs", "subvolume", "create", str(home / "own"))
    made.put(home / "own", {IMAGE: made.image("wechat"), "thesis.odt": b"PK"}, MALLORY)
    as_mallory("btrfs", "subvolume", "snapshot", "-r", str(home / "own"), str(home / "snapshot"))
    as_mallory("cp", "--reflink=always", str(home / "own" / IMAGE), str(home / "own/WeChat-4.AppImage"))
    made.put(home / "signal", made.electron("signal-desktop", "signal-desktop"), MALLORY)
    as_mallory("btrfs", "subvolume", "create", str(home / "signal/locales/mine"))
    for _ in range(2):
        carried = apply_changes(apps.enforce(Host(str(btrfs)), everything))
        reason = "cannot take /home/mallory/snapshot/WeChat.AppImage: Read-only file system"
        assert [(action.user, why) for action, why in carried["left"]] == [("mallory", reason)]
    remaining = {str(path.relative_to(home)) for path in home.rglob("*") if not path.is_dir()}
    assert remaining == {"own/thesis.odt", "snapshot/WeChat.AppImage", "snapshot/thesis.odt"}
    verdicts = {verdict.rule: verdict for verdict in apps.observe(Host(str(btrfs)), everything)}
    assert [finding.path for finding in verdicts["apps/wechat"].findings] == ["/home/mallory/snapshot/WeChat.AppImage"]
    assert "apps/quarantine" not in verdicts
    back = [manifest.read_entry(Host(str(btrfs)), item.id) for item in manifest.list_entries(Host(str(btrfs)))]
    assert all(item and item.doing == "" for item in back)


@pytest.mark.parametrize("mounted", ["a subvolume", "a directory of it"])
def test_a_subvolume_that_is_mounted_in_a_scanned_place_is_scanned(btrfs, plan, mounted):
    """As installers lay out their disks. A directory that is mounted a second time is scanned where it lies."""
    source = subprocess.check_output(["findmnt", "-no", "SOURCE", "--target", str(btrfs)], text=True)
    device = source.partition("[")[0]
    other = btrfs.parent / "other"
    subprocess.run(["btrfs", "subvolume", "create", str(other)], check=True, capture_output=True)
    made.put(other / "deep", {"QQ_9_x86_64.AppImage": made.image("qq")}, MALLORY)
    place = btrfs / "srv/team"
    place.mkdir(parents=True)
    if mounted == "a subvolume":
        subprocess.run(["mount", "-o", "subvol=/other", device.strip(), str(place)], check=True)
    else:
        subprocess.run(["mount", "--bind", str(other / "deep"), str(place)], check=True)
    list_mounts(btrfs)
    assert ("user:mallory QQ_9_x86_64.AppImage" in observe_root(btrfs, plan)["findings"]) is (mounted == "a subvolume")


def enforced(*evasions):
    """One enforcing run on a host where mallory runs a restricted program by these evasions, and bob does, too."""
    script = [sys.executable, "-ISB", restricted_programs.__file__, MODULES, *evasions]
    argv = [*restricted_programs.COMMAND, restricted_programs.SETUP, os.path.realpath("/usr/bin/python3"), *script]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LONGEST)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.skipif(not os.path.exists("/usr/bin/python3"), reason="needs the Python of the host")
@pytest.mark.parametrize(
    ("evasions", "least"),
    [
        (("deaf", "stopped", "headless"), 61),  # each waited for by itself: almost three minutes, and one not seen
        (("forking",), 40),  # each by itself: two minutes
    ],
    ids=["waiting", "forking"],
)
def test_a_program_that_does_not_want_to_end_ends_and_takes_nobodys_time(evasions, least):
    report = enforced(*evasions)
    assert report["before"]["mallory"] >= least and report["before"]["bob"] == 1, report
    assert report["after"] == {"mallory": 0, "bob": 0} and report["left"] == [], report
    assert report["seconds"] < BUSY, report["seconds"]


@needs_fuse
@pytest.mark.skipif(not os.path.exists("/usr/bin/python3"), reason="needs the Python of the host")
def test_programs_that_not_even_kill_ends_are_waited_for_once(plan):
    """They wait for an answer of their user's own file system; 16 of two programs, two minutes each by itself."""
    report = enforced("hanging", "hanging elsewhere")
    assert report["after"]["bob"] == 0 and report["seconds"] < BUSY, report
    assert {user for user, _ in report["left"]} == {"mallory"} and len(report["left"]) == 2, report
    assert all("does not end, not even by KILL (and 7 more)" in why for _, why in report["left"]), report


def electron(program):
    """Signal, with its program under another name."""
    files = made.electron("signal-desktop", "signal-desktop")
    return {program if name == "signal-desktop" else name: content for name, content in files.items()}


def unpacked(name="signal-desktop"):
    package = json.dumps({"name": name, "main": "main.js"}).encode()
    files = {"electron" if n == "signal-desktop" else n: c for n, c in made.electron("signal-desktop").items()}
    return {**files, "resources/app/package.json": package, "resources/app/main.js": b"//"}


METADATA = {"telethon-1.0.dist-info/METADATA": b"Name: telethon\nVersion: 1.0\n"}
WECHATY = {"node_modules/wechaty/package.json": b'{"name": "wechaty"}'}
WINDOWS = {"WeChat.exe": made.windows(), "WeChatWin.dll": made.windows()}
UNPACKED = {"AppRun": b"#!/bin/sh\n", "opt/wechat/wechat": made.elf(), "opt/wechat/icudtl.dat": made.icu()}
LAYER = ".local/share/containers/storage/overlay/0a/diff/opt/wechat"  # of a rootless image
SEEN_AND_MOVED, SEEN, NOT_SEEN = "moved", "seen", "not seen"
FORMS = [
    ("Notes", electron("notes"), SEEN_AND_MOVED),  # Electron with the archive of the app
    ("Notes", unpacked(), SEEN),  # the same, unpacked
    ("Notes", unpacked("notes"), NOT_SEEN),  # an app of his own
    ("bin", WECHATY, NOT_SEEN),  # node /home/u/app
    (".npm/_npx/0a", WECHATY, NOT_SEEN),  # npx
    ("venv/lib/python3.11/site-packages", METADATA, NOT_SEEN),  # python -m of a virtual environment
    (".local/pipx/.cache/0a/lib/python3.11/site-packages", METADATA, NOT_SEEN),  # pipx run
    (".local/lib/python3.11/site-packages", METADATA, SEEN),  # python -m of what pip --user installed
    ("bin", {"telethon.pyz": b"#!/usr/bin/env python3\nPK\x03\x04"}, NOT_SEEN),
    ("bin", {"signal-cli.jar": b"PK\x03\x04"}, NOT_SEEN),
    ("bin", {"Telegram.dll": made.windows()}, NOT_SEEN),
    ("squashfs-root", UNPACKED, SEEN_AND_MOVED),  # --appimage-extract
    ("Games/drive_c/Program Files/Tencent/WeChat", WINDOWS, SEEN_AND_MOVED),  # another prefix of Wine
    ("Games", WINDOWS, NOT_SEEN),  # wine, and no prefix around
    (LAYER, {"wechat": made.elf(), "icudtl.dat": made.icu()}, SEEN_AND_MOVED),
]


@pytest.mark.parametrize(("place", "files", "outcome"), FORMS)
def test_forms_of_an_app_are_seen_as_the_coverage_says(root, plan, place, files, outcome):
    home = root / "home/mallory"
    made.put(home / place, files, MALLORY)
    for path in (home / place, *(home / place).parents):
        if home in path.parents:
            os.chown(path, MALLORY, MALLORY)
    everything = json.loads(plan.read_text())
    findings = [f for verdict in apps.observe(Host(str(root)), everything) for f in verdict.findings]
    assert any(finding.scope == "user:mallory" for finding in findings) is (outcome != NOT_SEEN), findings
    before = {path for path in home.rglob("*") if path.is_file()}
    changes = apps.enforce(Host(str(root)), everything)
    own = [action for action in changes.actions if action.verb == "quarantine" and action.user == "mallory"]
    apply_changes(Changes(own, is_independent=True))
    assert ({path for path in home.rglob("*") if path.is_file()} < before) is (outcome == SEEN_AND_MOVED)
