"""Hostile homes, mounts and files in /tmp: the cost of an observation, and its findings. PROSCRIBE_FUZZ: hosts."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from functools import partial

import attacked_host
import hostile_homes
import made_apps as made
import pytest
from attacked_host import BOB, MALLORY, MEGABYTES, SECONDS, fuse, image, made_host, observe_root, put
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from patience import BUSY
from proscribe.host.controls import apps
from proscribe.host.system import Host
from proscribe.host.system.file_scan import scan_directories

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes what other users own")


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return attacked_host.whole_plan(tmp_path_factory.mktemp("plan"))


@pytest.fixture
def root(tmp_path):
    host = tmp_path / "host"
    host.mkdir()
    # In memory: a hundred thousand directories on a disk take a minute to delete.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4g,mode=755", "host", str(host)], check=True)
    made_host(host)
    yield host
    subprocess.run(["umount", "--lazy", *reversed(attacked_host.mounts_in(host))], check=True)


def judged(report, seconds=SECONDS):
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
BACKSLASHES = ('Type=Application\nExec="' + "\\\\" * 250_000 + "\\\n", "Exec=" + '"\\' * 500_000)
STARTERS = ("Exec=" + "env " * 250_000, "Exec=x https://" + "a." * 500_000, "Exec=/" + "a/" * 500_000)


def entries(*lines):
    return {f"{AUTOSTART}/{number}.desktop": ENTRY + line for number, line in enumerate(lines)}


# Files of a home with the size of each (0: its content's), and a reason of the report.
FILES = {
    "a name of many versions": ({f"a{'.1' * 40}!.AppImage": ""}, 0, ""),  # an exponential expression took for ever
    "quoted backslashes": (entries(*BACKSLASHES), 0, ""),
    "many starters": (entries(*STARTERS), 0, ""),
    "a huge npmrc": ({".npmrc": "prefix=~/a\n" * 450_000}, 0, ".npmrc is larger than 1048576 bytes"),
    "many prefixes": ({".npmrc": "".join(f"prefix=~/{n}\n" for n in range(60_000))}, 0, ""),
    "sparse metadata": ({METADATA.format(n): "Name: telethon\nVersion: 1.0\n" for n in range(20)}, GIGABYTE, ""),
    # More files of banned apps than any report has to list.
    "many names": ({f"d/QQ_3.2.{number}_x86_64.AppImage": "" for number in range(15_000)}, 0, "over budget"),
}


def put_files(files, size, home):
    for path, content in files.items():
        put(home / path, content, size)


def sparse_everything(home):
    flatpak = ".local/share/flatpak/app/com.tencent.WeChat/x86_64/stable"
    for path in (".npmrc", ".local/lib/node_modules/wechaty/package.json", f"{flatpak}/{'0' * 64}/deploy"):
        put(home / path, "{", GIGABYTE)
    put(home / f"{AUTOSTART}/a.desktop", ENTRY, GIGABYTE)
    put(home / ".config/systemd/user/a.service", "[Service]\n", GIGABYTE)
    os.symlink("0" * 64, home / flatpak / "active")


def deep(home):
    os.chdir(home)
    try:
        for _ in range(2_000):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
    finally:
        os.chdir("/")


def pipes_and_sockets(home):
    for path in (".npmrc", ".config/autostart/a.desktop", "Downloads/QQ.AppImage", "wechat"):
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(home / path)


def links(home):
    for path in (".local", ".npmrc", ".config", ".npm-global", ".nvm", ".pyenv", "Downloads"):
        os.symlink("/etc", home / path)
        os.lchown(home / path, MALLORY, MALLORY)


ATTACKS = {
    **{name: (partial(put_files, files, size), reason) for name, (files, size, reason) in FILES.items()},
    "everything sparse": (sparse_everything, "larger than 1048576 bytes"),
    "deep": (deep, "more than 128 directories down"),
    "pipes": (pipes_and_sockets, ""),
    "links": (links, "is a link"),
}


@pytest.mark.parametrize(("attack", "reason"), ATTACKS.values(), ids=ATTACKS)
def test_home_of_a_hostile_user_costs_a_bounded_amount(root, plan, attack, reason):
    attack(root / "home/mallory")
    assert reason in judged(observe_root(root, plan))


def npm_package(home, name, version):
    put(home / f".nvm/versions/node/v{version}/lib/node_modules/{name}/package.json", '{"version": "1.0"}')


def pip_package(home, name, version):
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
    owners = [("165536", 9), ("bob", 15), ("mallory", 100_000), ("mallory", 165_535)]
    images = sorted(finding for finding in report["findings"] if "QQ" in finding)
    assert images == [f"user:{owner} QQ_3.2.{version}_x86_64.AppImage" for owner, version in owners]


def test_memory_of_a_large_home_is_bounded_and_fails_no_later_run(root, plan):
    for number in range(130_000):
        os.makedirs(root / f"home/mallory/{number // 1000}/{number:0200d}")
    time.sleep(2.1)  # what has changed just now is not remembered at all
    for _ in range(2):  # a busy machine needs both; what the first one has read, the second one need not
        reasons = judged(observe_root(root, plan, 120, "--keep"))
        assert reasons in ("", "mallory: over budget: more than 15 s, in /home/mallory")
    sizes = {path.name: path.stat().st_size for path in (root / "var/lib/proscribe/apps").iterdir()}
    assert f"walk-{BOB}" in sizes and max(sizes.values()) < 16 << 20


# The home itself, from which the accounts of the host are worked out; directories, and files.
IN_HOME = ("", "/.local", "/.npmrc", "/a/b/c", "/Downloads/QQ.AppImage", "/.config/autostart")


@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="needs FUSE")
@pytest.mark.parametrize("place", [*(f"home/mallory{path}" for path in IN_HOME), "tmp/mallory's", "opt/mallory's/a"])
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
        reasons = judged(observe_root(root, plan, 120, *hurry))
        assert any(part in reasons for part in ("over budget", "FUSE", "mount point")), reasons


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
HOSTS = int(os.environ.get("PROSCRIBE_FUZZ") or 20)
USERS = 3
# What nobody should have to read: control characters, what turns a line round, halves of characters.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# What a user's part says when something in it was not thought of.
UNFORESEEN = re.compile(r"cannot be observed: |ended by signal|ended without an answer")


def list_texts(part):
    if isinstance(part, str):
        yield part
    elif isinstance(part, (dict, list)):
        for value in (*part, *(part.values() if isinstance(part, dict) else ())):
            yield from list_texts(value)


def find_mistakes(report):
    """Return what is wrong with an observation; nothing may be, whatever was in the homes."""
    reasons = sorted({part for _, reason, _ in report["rules"].values() for part in reason.split("; ")})
    mistakes = [reason for reason in reasons if "bob" in reason or UNFORESEEN.search(reason)]
    mistakes += [text for text in list_texts(report["record"]) if UNPRINTABLE.search(text)]
    mistakes += report["errors"]
    if not any(finding.startswith("user:bob QQ") for finding in report["findings"]):
        mistakes.append("bob's image was not seen")
    if report["processor"] > SECONDS or max(report["child"], report["own"]) > MEGABYTES:
        mistakes.append([report["processor"], "s of all three together", report["child"], report["own"], "MB"])
    return mistakes


@settings(max_examples=HOSTS, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(homes=st.lists(hostile_homes.HOMES, min_size=USERS, max_size=USERS))
def test_no_home_costs_more_than_one_user_may(plan, homes):
    root = plan.parent / "host"
    names = hostile_homes.catalogue_names(json.loads(plan.read_text())["controls"]["apps"]["services"])
    users = [(f"mallory{number}", MALLORY + 10 + number) for number in range(USERS)]
    try:
        made_host(root, [*users, ("bob", BOB)])
        for (name, uid), things in zip(users, homes):
            hostile_homes.leave(root / "home" / name, root / "tmp", uid, things, names)
        report = observe_root(root, plan)
    finally:
        subprocess.run(["rm", "-rf", str(root)], check=True)  # its directories may be deeper than Python goes
    assert find_mistakes(report) == []


def test_a_user_who_swaps_directories_for_links_leads_no_file_scan_astray(tmp_path):
    secret = tmp_path / "root/secret"
    secret.mkdir(parents=True)
    (secret / "only-root-knows").touch()
    home = tmp_path / "home/alice"
    for number in range(50):
        (home / f"d{number}/e/f").mkdir(parents=True)
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            for number in range(0, 50, 7):
                place, aside = home / f"d{number}/e", home / f"aside{number}"
                place.rename(aside)
                place.symlink_to(secret)
                place.unlink()
                aside.rename(place)

    thread = threading.Thread(target=swap)
    seen = set()
    thread.start()
    try:
        known = {}
        for _ in range(150):
            known = scan_directories(
                Host(str(tmp_path)), ["/home/alice"], lambda d, names: seen.update(names) or (), known
            ).remembered
    finally:
        stop.set()
        thread.join()
    assert "f" in seen and "only-root-knows" not in seen


def test_the_whole_catalogue_finds_what_people_bring_along_and_nothing_else(tmp_path):
    home = tmp_path / "home/alice"
    for place in ("opt", "proc", "etc"):
        (tmp_path / place).mkdir()
    (tmp_path / "etc/passwd").write_text("alice:x:61234:61234::/home/alice:/bin/sh\n")
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
    verdicts = apps.observe(Host(str(tmp_path)), attacked_host.compile_catalogue(requests=False))
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
