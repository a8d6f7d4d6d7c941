"""Links of root's are followed, step by step; one of a user's never, also where he swaps it in at the last moment."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from proscribe.host import ControlError, Host, Unseen

USER = 61235
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes what another user owns")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in ("etc/alternatives", "usr/lib", "home/a"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "usr/lib/file").write_text("it")
    return tmp_path


def link(path: Path, to: str, uid: int = 0) -> None:
    path.symlink_to(to)
    os.lchown(path, uid, uid)


@needs_root
@pytest.mark.parametrize(
    ("links", "path"),
    [
        ({"lib": "usr/lib"}, "/lib/file"),
        ({"lib": "/usr/lib"}, "/lib/file"),  # of this host, and not of the one that looks
        ({"lib": "./usr//lib/"}, "/lib/file"),
        ({"etc/x": "../usr/lib/file"}, "/etc/x"),
        ({"etc/x": "/etc/alternatives/x", "etc/alternatives/x": "../../lib/file", "lib": "usr/lib"}, "/etc/x"),
        ({"etc/x": "../../../../../usr/lib/file"}, "/etc/x"),
    ],
)
def test_links_of_root_are_followed(root, links, path):
    if "../../../../.." in str(links):  # above the top there is only the top, on a host that is one
        links = {name: os.path.relpath(root / "usr/lib/file", root / "etc") for name in links}
    for name, to in links.items():
        link(root / name, to)
    assert Host(str(root)).text(path) == "it"


@needs_root
@pytest.mark.parametrize(
    "links",
    [
        {"home/a/x": ("/usr/lib/file", USER)},
        {"etc/x": ("/home/a/y", 0), "home/a/y": ("/usr/lib/file", USER)},  # root's leads to a user's
        {"etc/x": ("/home/a/y/file", 0), "home/a/y": ("/usr/lib", USER)},
        {"etc/x": ("x", 0)},  # and one that leads nowhere
        {"etc/x": ("y/file", 0), "etc/y": ("z", 0), "etc/z": ("y", 0)},
    ],
)
def test_links_of_users_are_not_wherever_they_stand(root, links):
    for name, (to, uid) in links.items():
        link(root / name, to, uid)
    with pytest.raises((ControlError, Unseen)):
        Host(str(root)).text("/" + next(iter(links)))


def test_what_a_link_leads_to_may_be_missing(root):
    (root / "etc/x").symlink_to("/nowhere/x")
    os.lchown(root / "etc/x", 0, 0) if os.geteuid() == 0 else None
    with contextlib.suppress(ControlError):  # who is not root made it himself
        assert Host(str(root)).text("/etc/x") is None


@contextlib.contextmanager
def swapping(place: Path) -> Iterator[None]:
    """In a directory of a user's, `x` is now a link that root made, now one that he made."""
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            for name in ("good", "bad"):
                os.rename(place / name, place / "x")
                os.rename(place / "x", place / name)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@needs_root
@pytest.mark.parametrize(
    ("good", "bad", "read"),
    [
        ("../../usr/lib/file", "../../etc/secret", lambda host: host.text("/home/a/x")),
        ("../../usr/lib", "../../etc", lambda host: host.text("/home/a/x/file")),
        (
            "../../usr/lib/file",
            "../../etc/secret",
            lambda host: host.target("/home/a/x").replace("/etc/secret", "secret"),
        ),
    ],
    ids=["the file itself", "a directory on the way", "where it leads"],
)
def test_a_link_that_is_swapped_after_it_was_looked_at_leads_nowhere(
    root: Path, good: str, bad: str, read: Callable[[Host], str | None]
) -> None:
    """An open file is asked whose it is, and what it says; by its name it may be another one each time."""
    (root / "etc/secret").write_text("secret")
    (root / "etc/file").write_text("secret")
    home = root / "home/a"
    link(home / "good", good)
    link(home / "bad", bad, USER)
    os.chown(home, USER, USER)
    host = Host(str(root))
    seen: dict[str | None, int] = {}
    with swapping(home):
        for _ in range(6_000):
            try:
                said = read(host)
            except (ControlError, Unseen) as error:
                said = type(error).__name__
            seen[said] = seen.get(said, 0) + 1
    assert "secret" not in seen
    assert {"it", "/usr/lib/file"} & seen.keys() and "ControlError" in seen, "both links have had their turn"
