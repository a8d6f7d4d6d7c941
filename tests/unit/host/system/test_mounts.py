"""The mounts of a host: file systems that may never answer, and disks."""

import os

import pytest
from file_hosts import make_host
from proscribe.host.system import Host
from proscribe.host.system.budget import ReadBudget
from proscribe.host.system.mounts import (
    Mount,
    find_entry_on_mount,
    find_remote_type,
    is_appimage_mount,
    is_remote_type,
    read_mount_id,
    read_mounts,
)

MOUNTINFO = r"""28 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
29 28 254:1 /@home /home rw - ext4 /dev/vda1 rw
34 28 0:44 /@ /data rw - btrfs /dev/vdb rw,subvolid=5,subvol=/@
35 28 0:44 /@/x /again rw - btrfs /dev/vdb rw,subvolid=5,subvol=/@
30 28 0:40 / /tmp rw shared:3 master:4 - tmpfs tmpfs rw
31 28 0:41 / /media/a\040disk\134040\777\048\04 rw - vfat /dev/sdb1 rw
32 28 0:42 / /srv/nfs rw - nfs4 server:/dev/x rw
33 28 0:43 / - rw - fuse.sshfs a@x: rw
a line that is none
"""
OF_OTHERS = (
    "nfs nfs3 nfs4 cifs smb smb3 smbfs 9p afs autofs ceph coda gfs2 glusterfs gpfs lustre ncpfs ocfs2 "
    "fuse fuse.sshfs fuseblk"
)


def test_mounts_have_their_kind_and_whether_they_are_disks(tmp_path):
    host = make_host(tmp_path, {"proc/self/mountinfo": MOUNTINFO})
    host.budget = budget = ReadBudget(0, 0)
    assert read_mounts(host) == {
        "/": Mount("ext4", True),
        "/home": Mount("ext4", False),
        "/data": Mount("btrfs", True),
        "/again": Mount("btrfs", False),
        "/tmp": Mount("tmpfs", False),
        "/media/a disk\\040\xff\\048\\04": Mount("vfat", True),
        "/srv/nfs": Mount("nfs4", False),
        "-": Mount("fuse.sshfs", False, is_by_user=True),
    }
    assert host.budget is budget and budget.remaining["bytes read"] == 0
    assert read_mounts(Host(str(tmp_path / "proc"))) == {}


def test_path_is_on_its_nearest_mount():
    table = {"/": Mount("nfs4", False), "/home": Mount("ext4", True), "/home/a/remote": Mount("fuse.sshfs", False)}
    paths = ("/home/a/remote/x/y", "/home/a/remote", "/home/a/remote2", "/home/a", "/srv/x", "/")
    assert [find_remote_type(path, table) for path in paths] == ["fuse.sshfs", "fuse.sshfs", "", "", "", "nfs4"]
    assert find_remote_type("/x", {}) == ""


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/tmp/.mount_QQaBcDeF", True), ("/tmp/.mount_", False), ("/tmp/.mount_x/y", False), ("/home/a/.mount_QQ", False)],
)
def test_mount_of_an_appimage_is_known_by_its_path(path, expected):
    assert is_appimage_mount(path) is expected


def test_mount_point_is_not_here():
    root, proc = os.open("/", os.O_RDONLY), os.open("/proc", os.O_RDONLY)
    try:
        assert find_entry_on_mount(root, "proc") is None
        seen = find_entry_on_mount(proc, "self")
        assert seen is not None and seen.st_ino == os.lstat("/proc/self").st_ino  # a link is itself
        assert read_mount_id(root).startswith(b"mnt_id:") and read_mount_id(root) != read_mount_id(proc)
        with pytest.raises(FileNotFoundError):
            find_entry_on_mount(proc, "none")
    finally:
        os.close(root)
        os.close(proc)
    assert read_mount_id(2**20) == b""


def test_file_systems_of_another_machine_or_a_program_are_remote():
    assert [kind for kind in OF_OTHERS.split() if not is_remote_type(kind)] == []
    assert [kind for kind in ("ext4", "xfs", "btrfs", "tmpfs", "overlay", "vfat", "proc") if is_remote_type(kind)] == []


@pytest.mark.parametrize("line", ["-", "1 1 8:1 - / rw", "1 - 8:1 / /x rw - ext4 /dev/sda1 rw"])
def test_odd_line_of_mounts_hides_no_other(tmp_path, line):
    host = make_host(tmp_path, {"proc/self/mountinfo": f"{line}\n36 35 8:2 / /y rw - nfs4 s:/ rw\n"})
    found = read_mounts(host)
    assert found.pop("/y") == Mount("nfs4", False) and found == ({"/x": Mount("ext4", True)} if "ext4" in line else {})
