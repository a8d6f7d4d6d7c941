"""The directory of the tests' Debian roots, which no audit of the machine finds."""

from pathlib import Path

import machine
import pytest
import root_directory

MOUNT = "22 1 254:0 / {} rw - {} /dev/vda rw\n"


@pytest.mark.parametrize(
    ("mounts", "shared"),
    [
        (MOUNT.format("/", "ext4"), True),
        (MOUNT.format("/", "overlay") + MOUNT.format("/srv/checkout", "ext4"), False),
        (MOUNT.format("/", "overlay") + MOUNT.format("/var", "ext4"), True),
        (MOUNT.format("/", "ext4") + MOUNT.format("/var/cache", "overlay"), False),
        (None, True),
    ],
    ids=["a machine", "a container", "a container with a volume", "an overlay of its own", "no Linux"],
)
def test_roots_are_in_the_checkout_only_where_the_machine_is_an_overlay(tmp_path, monkeypatch, mounts, shared):
    monkeypatch.setattr(root_directory, "MOUNTS", tmp_path / "mountinfo")
    if mounts is not None:
        (tmp_path / "mountinfo").write_text(mounts)
    expected = Path("/var/cache/proscribe-tests") if shared else machine.CACHE / "roots"
    assert root_directory.find_directory() == expected


def test_directory_of_roots_is_closed_to_users(tmp_path):
    for _ in range(2):
        root_directory.make(tmp_path / "cache/roots")
        assert (tmp_path / "cache/roots").stat().st_mode & 0o777 == 0o700
        (tmp_path / "cache/roots").chmod(0o755)
