"""A quarantine at work while a user swaps files, links and directories under it as fast as he can.

    quarantine_under_attack.py ROOT TRIES        as root; ROOT is a made tree, /home in it may be a mount of its own

The user's links lead to things of the same names in root's own /srv/victim. A try is one move, in or back. Prints as
JSON how often something was taken, refused and given back, and how many rounds the user made.
"""

import contextlib
import ctypes
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from proscribe.host.controls.apps.quarantine import capacity, manifest, move_completion, move_in, restoration
from proscribe.host.system import ControlError, Host

MALLORY = 12345
NAME = "program"
HOME = "home/mallory"
AT_FDCWD = -100
LONGEST = 200.0  # seconds


def make(root):
    """The tree: what is root's, and what is the user's."""
    for folder in ("etc", "var/lib", "srv/victim/tree", HOME):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "etc/passwd").write_text(f"mallory:x:{MALLORY}:{MALLORY}::/{HOME}:/bin/sh\n")
    for name in ("shadow", NAME, f"tree/{NAME}"):
        path = root / "srv/victim" / name
        if not path.exists():
            path.write_text("root's own")
    os.chown(root / HOME, MALLORY, MALLORY)


def attack(root, rounds):
    """Swap for ever, as the user."""
    os.chdir(root / HOME)  # whoever closes the directories above meanwhile does not lock him out
    os.setgroups([])
    os.setgid(MALLORY)
    os.setuid(MALLORY)
    victim = str(root / "srv/victim")
    chance = random.Random(1)
    count = 0
    while True:
        count += 1
        os.pwrite(rounds, b"%12d" % count, 0)
        with contextlib.suppress(OSError):
            chance.choice(TURNS)(victim)


def parent_is_link(victim):
    away(Path("apps"))
    os.symlink(victim, "apps")


def parent_is_real(victim):
    if os.path.islink("apps"):
        os.unlink("apps")
    os.makedirs("apps", exist_ok=True)


def away(path):
    """What stands there gives way, at once: by a rename."""
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree("old", ignore_errors=True)
        path.rename("old")


def nothing(victim):
    """For a moment there is room for what is given back."""
    parent_is_real(victim)
    away(Path("apps") / NAME)
    time.sleep(0.01)


def file(victim):
    parent_is_real(victim)
    Path("new").write_text("mallory's")
    os.rename("new", f"apps/{NAME}")


def link(victim):
    parent_is_real(victim)
    os.symlink(f"{victim}/shadow", "soft")
    os.rename("soft", f"apps/{NAME}")


def hard_link(victim):
    parent_is_real(victim)
    Path("one").write_text("mallory's")
    with contextlib.suppress(OSError):
        os.unlink("other")
    os.link("one", "other")
    os.rename("other", f"apps/{NAME}")


def folder(victim):
    parent_is_real(victim)
    with contextlib.suppress(OSError):
        os.unlink(f"apps/{NAME}")
    os.makedirs(f"apps/{NAME}/deep/{NAME}", exist_ok=True)
    with contextlib.suppress(OSError):
        os.symlink(victim, f"apps/{NAME}/deep/link")


def exchanged(victim):
    """Exchange the subdirectory for a link to somebody else's directory while the quarantine traverses it."""
    folder(victim)
    os.rename(f"apps/{NAME}/deep", "deeper")
    os.symlink(f"{victim}/tree", f"apps/{NAME}/deep")


def parent_at_once(victim):
    """Exchange the directory for a link, so that there is never neither."""
    with contextlib.suppress(FileExistsError):
        os.symlink(victim, "swapped")
    exchange("swapped", "apps")


def at_once(victim):
    """Exchange the program for a link to a file of root's."""
    parent_is_real(victim)
    with contextlib.suppress(FileExistsError):
        os.symlink(f"{victim}/shadow", "swapped-file")
    exchange("swapped-file", f"apps/{NAME}")


def exchange(first, second):
    """Exchange two names in one step (RENAME_EXCHANGE of renameat2(2))."""
    if ctypes.CDLL(None, use_errno=True).renameat2(AT_FDCWD, first.encode(), AT_FDCWD, second.encode(), 2):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


TURNS = [
    *(parent_is_link, parent_is_real, file, link, hard_link, folder, exchanged, nothing),
    *(parent_at_once, at_once),
]


def enough(done, tries):
    return done["tries"] >= tries and done["taken"] >= 5 and done["refused"] + done["not_restored"] >= 5


def defend(root, tries):
    host = Host(str(root))
    done = dict.fromkeys(("tries", "taken", "refused", "restored", "not_restored", "pruned"), 0)
    begun = time.monotonic()
    # On a busy machine longer, until enough has happened.
    while not enough(done, tries) and time.monotonic() - begun < LONGEST:
        for _ in range(20):
            before = len(host.list_directory(move_in.QUARANTINE_DIRECTORY))
            done["tries"] += 1
            try:
                move_in.make_move_action(host, move_in.MoveRequest(f"/{HOME}/apps/{NAME}", ["made"], "file")).apply()
                done["taken"] += len(host.list_directory(move_in.QUARANTINE_DIRECTORY)) > before
            except ControlError:
                done["refused"] += 1
        done["not_restored"] += len(restoration.make_restore_changes(host).refusals)
        for item in manifest.list_entries(host)[-20:]:  # also where something was there a moment ago
            done["tries"] += 1
            try:
                done["restored"] += restoration.restore_entry(host, item) is not None
            except ControlError:
                done["not_restored"] += 1
        for action in move_completion.make_complete_actions(host):  # what could not go back
            with contextlib.suppress(ControlError):
                action.apply()
        for item in manifest.list_entries(host)[:-20]:
            with contextlib.suppress(ControlError):
                capacity.prune_entry(host, item)
                done["pruned"] += 1
    for action in move_completion.make_complete_actions(host):
        action.apply()
    return done


def given_back_in_peace(host, root):
    """What the last thing in the quarantine is once it is back."""
    apps = root / HOME / "apps"
    if apps.is_symlink():
        apps.unlink()
    shutil.rmtree(apps, ignore_errors=True)
    apps.mkdir()
    os.chown(apps, MALLORY, MALLORY)
    restoration.restore_entry(host, manifest.list_entries(host)[-1])
    back = apps / NAME
    if back.is_symlink():
        return ["a link"]
    return ["directory" if back.is_dir() else back.read_text()]


def main():
    root, tries = Path(sys.argv[1]), int(sys.argv[2])
    make(root)
    rounds = os.memfd_create("rounds")
    child = os.fork()
    if not child:
        attack(root, rounds)
    try:
        done = defend(root, tries)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    host = Host(str(root))
    uids = sorted({item.attributes.uid for item in manifest.list_entries(host)})
    afterwards = given_back_in_peace(host, root)
    print(json.dumps({**done, "afterwards": afterwards, "rounds": int(os.pread(rounds, 12, 0) or 0), "owners": uids}))


if __name__ == "__main__":
    main()
