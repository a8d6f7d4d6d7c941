"""A made host with a copy of a program at a user's home, and runs that are killed at a step of their choice."""

import errno
import os
import signal
from pathlib import Path

from proscribe.host.controls.apps.quarantine import manifest, move_completion, move_in, operator, restoration
from proscribe.host.controls.base import Changes
from proscribe.host.controls.change_execution import apply_changes
from proscribe.host.system import Host

TREE = "/home/alice/Telegram"
FILE = "/home/alice/bin/WeChat.AppImage"
ITEMS = "/var/lib/proscribe/quarantine"


def made_host(root):
    """Alice has two copies, and a document beside each."""
    home = root / "home/alice"
    (home / "Telegram/deep/er").mkdir(parents=True)
    (home / "bin").mkdir()
    (home / "Documents").mkdir()
    (home / "Documents/letter").write_text("dear")
    (home / "bin/notes").write_text("mine")
    (home / "bin/WeChat.AppImage").write_bytes(b"\x7fELF" + b"x" * 5000)
    (home / "bin/WeChat.AppImage").chmod(0o755)
    (home / "Telegram/Telegram").write_bytes(b"program")
    (home / "Telegram/Telegram").chmod(0o4711)
    (home / "Telegram/deep/er/data").write_bytes(b"data" * 100)
    os.link(home / "Telegram/deep/er/data", home / "Telegram/same")
    (home / "Telegram/link").symlink_to("../Documents/letter")
    (home / "Telegram/to-shadow").symlink_to("/etc/shadow")
    os.mkfifo(home / "Telegram/pipe")
    (root / os.fsdecode(b"home/alice/Telegram/caf\xe9\n")).write_text("hostile name")
    for path in (home / "Telegram/Telegram", home / "Telegram/deep", home / "Telegram", home / "bin/WeChat.AppImage"):
        os.utime(path, ns=(1_600_000_000_123_456_789, 1_500_000_000_987_654_321))
    (root / "var/lib").mkdir(parents=True)
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text(f"alice:x:{os.getuid()}:{os.getgid()}::/home/alice:/bin/sh\n")
    (root / "etc/shadow").write_text("secret")
    return Host(str(root), lambda argv, **options: None)


def picture(root, top=""):
    """Everything below a directory with what it is, but for what reading changes."""
    entries = {}
    for directory, folders, files in os.walk(root / top.lstrip("/")):
        for name in [*folders, *files, "."]:
            path = Path(directory) / name
            seen = path.lstat()
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            content = os.readlink(path).encode() if path.is_symlink() else content
            when = 0 if name == "." and Path(directory) in unstable(root) else seen.st_mtime_ns
            when = 0 if path in unstable(root) else when
            entries[os.path.relpath(path, root)] = (seen.st_mode, seen.st_uid, seen.st_gid, when, content)
    return entries


def unstable(root):
    """Directories whose own times change when a name in them does."""
    return {root / name for name in ("", "home", "home/alice", "home/alice/bin", "var", "var/lib")}


def killed_at(step, work):
    """Do the work in a process that dies at its `step`th step; the name of that step, "" if it came through."""
    read, written = os.pipe()
    child = os.fork()
    if not child:
        count = 0

        def reached(name):
            nonlocal count
            count += 1
            if count == step:
                os.write(written, name.encode())
                os.kill(os.getpid(), signal.SIGKILL)

        manifest.mark_step = reached
        try:
            work()
            os._exit(0)
        except BaseException as error:
            os.write(written, f"failed: {error!r}".encode())
            os._exit(1)
    os.close(written)
    with os.fdopen(read) as stream:
        name = stream.read()
    os.waitpid(child, 0)
    assert not name.startswith("failed"), name
    return name


def in_two_file_systems(monkeypatch, root):
    """As if /home were a file system of its own: no name moves, and no link reaches, between it and the rest."""
    real = {"rename": os.rename, "link": os.link}

    def side(path, descriptor):
        place = os.fspath(path) if descriptor is None else os.readlink(f"/proc/self/fd/{descriptor}")
        return place.startswith(f"{root}/home")

    def between(name):
        def call(src, dst, **options):
            if side(src, options.get("src_dir_fd")) != side(dst, options.get("dst_dir_fd")):
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
            real[name](src, dst, **options)

        return call

    for name in real:
        monkeypatch.setattr(os, name, between(name))


def enforced(host, *paths):
    """What an enforcing run does with copies that are still there."""
    actions = move_completion.make_complete_actions(host)
    actions += [
        move_in.make_move_action(host, move_in.MoveRequest(path, ["telegram"], "tree"))
        for path in paths
        if host.find_entry(path)
    ]
    for action in actions:
        action.apply()


def lifted(host):
    changes = restoration.make_restore_changes(host)
    apply_changes(changes)
    return changes


def restored(host, *ids, do="restore"):
    """What an operator has restored (or pruned): by id why it was not, "" where it was."""
    choices = operator.choose_entries(host, do, ids)
    outcome = apply_changes(Changes([choice.action for choice in choices if choice.action], is_independent=True))
    rows = operator.make_outcomes(choices, outcome["left"])
    return {row["id"]: "" if row["done"] else row["why"] for row in rows}


def folders(host):
    return (name for name in host.list_directory(ITEMS) if name != "README")
