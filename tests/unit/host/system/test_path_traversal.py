"""Links of root's are followed; a link of a user's never, also where it is swapped in at the last moment."""

import contextlib
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from proscribe.host.system import ControlError, Host, ObservationError, User, forked_work, path_traversal

USER = 61235
SWAP = """
import os, sys
os.chdir(sys.argv[1])
while True:
    for name in ("good", "bad"):
        os.link(name, "next", follow_symlinks=False)
        os.rename("next", "x")
"""
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes what another user owns")


@pytest.fixture
def root(tmp_path):
    for path in ("etc/alternatives", "usr/lib", "home/a"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "usr/lib/file").write_text("it")
    return tmp_path


def link(path: Path, to: str, uid: int = 0) -> None:
    path.symlink_to(to)
    os.lchown(path, uid, uid)


def test_missing_entries_and_targets_of_links_are_read_as_none(root):
    (root / "etc/x").symlink_to("/nowhere/x")
    with contextlib.nullcontext() if os.geteuid() == 0 else pytest.raises(ControlError):  # who is not root made it
        assert Host(str(root)).read_text("/etc/x") is None
    assert Host(str(root)).read_text("/usr/lib/file/file") is None
    with Host(str(root)).open_directory("/usr/lib") as directory:
        assert path_traversal.read_link_target(directory, "file", "/usr/lib/file") == "", (
            "and what is no link says nothing"
        )


@ROOT
@pytest.mark.parametrize(("more", "found"), [(0, "it"), (1, "")])
def test_links_are_followed_up_to_a_limit(root, more, found):
    names = ["usr/lib/file", *(f"etc/l{number}" for number in range(32 + more))]
    for to, name in zip(names, names[1:]):
        link(root / name, f"/{to}")
    with contextlib.nullcontext() if found else pytest.raises((ControlError, ObservationError)):
        assert Host(str(root)).read_text(f"/{names[-1]}") == found


@contextlib.contextmanager
def swap_links(place: Path) -> Iterator[None]:
    """Make `x` in a user's directory root's link and the user's link in turn, by a process of its own."""
    process = subprocess.Popen([sys.executable, "-I", "-c", SWAP, str(place)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@ROOT
@pytest.mark.parametrize(
    ("good", "bad", "read"),
    [
        ("usr/lib/file", "etc/secret", lambda host: host.read_text("/home/a/x")),
        ("usr/lib", "etc", lambda host: host.read_text("/home/a/x/file")),
        ("usr/lib/file", "etc/secret", lambda host: host.resolve_link("/home/a/x").replace("/etc/secret", "secret")),
    ],
)
def test_link_that_is_swapped_after_its_check_leads_nowhere(root, good, bad, read):
    """An open file is asked whose it is, and what it says; by its name it may be another one each time."""
    (root / "etc/secret").write_text("secret")
    (root / "etc/file").write_text("secret")
    home, host, answers, deadline = root / "home/a", Host(str(root)), set(), time.monotonic() + 120
    link(home / "good", f"../../{good}")
    link(home / "bad", f"../../{bad}", USER)
    os.chown(home, USER, USER)
    with swap_links(home):
        for attempt in itertools.count():
            try:
                answers.add(read(host))
            except (ControlError, ObservationError) as error:
                answers.add(type(error).__name__)
            both_links = bool({"it", "/usr/lib/file"} & answers) and "ControlError" in answers
            if attempt >= 6_000 and both_links or time.monotonic() > deadline:
                break
    assert "secret" not in answers
    assert both_links, "each of the two links has been read"


@ROOT
@pytest.mark.parametrize(
    ("links_", "path"),
    [
        ({"lib": "/usr/lib"}, "/lib/file"),  # of this host, and not of the one that looks
        ({"lib": "./usr//lib/"}, "/lib/file"),
        ({"etc/x": "/etc/alternatives/x", "etc/alternatives/x": "../../lib/file", "lib": "usr/lib"}, "/etc/x"),
    ],
)
def test_links_of_root_are_followed(root, links_, path):
    for name, to in links_.items():
        link(root / name, to)
    assert Host(str(root)).read_text(path) == "it"


@ROOT
@pytest.mark.parametrize(
    "links_",
    [
        {"home/a/x": ("/usr/lib/file", USER)},
        {"etc/x": ("/home/a/y", 0), "home/a/y": ("/usr/lib/file", USER)},  # root's leads to a user's
        {"etc/x": ("/home/a/y/file", 0), "home/a/y": ("/usr/lib", USER)},
        {"etc/x": ("x", 0)},  # and one that leads nowhere
        {"etc/x": ("y/file", 0), "etc/y": ("z", 0), "etc/z": ("y", 0)},
    ],
)
def test_links_of_users_are_not_followed_wherever_they_stand(root, links_):
    for name, (to, uid) in links_.items():
        link(root / name, to, uid)
    with pytest.raises((ControlError, ObservationError)):
        Host(str(root)).read_text("/" + next(iter(links_)))


@ROOT
def test_pipe_behind_a_link_keeps_nobody_waiting(root):
    os.mkfifo(root / "home/a/pipe")
    link(root / "etc/x", "/home/a/pipe")
    for path in ("/etc/x", "/home/a/pipe"):
        with pytest.raises(ControlError):
            forked_work.run_apart(lambda path=path: Host(str(root)).read_text(path), forked_work.WorkLimits(seconds=5))


@ROOT
def test_directory_that_a_user_may_only_pass_is_passed_by_a_link_too(root):
    """Proscribe reads homes on a network as their users, to whom /home itself may be closed (0711)."""
    for place in (root, *root.parents):
        place.chmod(place.stat().st_mode | 0o011)
    (root / "usr").chmod(0o711)
    link(root / "etc/x", "/usr/lib/file")
    user = User("somebody", USER, USER, "/")
    assert forked_work.run_apart(lambda: Host(str(root)).read_text("/etc/x"), user=user) == "it"
