"""Programs whose mounts show other files (real namespaces: integration/test_dns_private_view_real.py)."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_users import put, tree
from proscribe.host.controls.dns import private_files, private_mounts
from proscribe.host.system import Host
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, UNKNOWN

# proc_pid_mountinfo(5): id, parent, device, root, mount point, options, optional fields, "-", type, source, options
ROOT = "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
OVER = "90 21 8:1 /home/alice/hosts /etc/hosts rw,relatime master:1 - ext4 /dev/sda1 rw\n"
FUSE = "91 21 0:55 / /etc rw,nosuid - fuse.own own rw,user_id=1000\n"
CONTAINER = "300 299 0:77 / / rw - overlay overlay rw,lowerdir=/x\n"
SECTION = {"mode": "enforce"}
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: what others see is only shown to root")


@given(st.text(alphabet=st.sampled_from("-/ \\0478a\n:"), max_size=300))
def test_any_list_is_read(text):
    for place, mounted in private_files.parse_mounts(text).items():
        assert isinstance(place, str) and len(mounted) == 3


class Machine:
    """A made host with one program of alice's, 77, in a namespace of its own; its root is another directory."""

    def __init__(self, root: Path, mounts: str, ours: str = ROOT) -> None:
        self.root, self.view, self.mounts = root, root / "view", mounts
        put(root, "etc/hosts", "127.0.0.1 localhost\n0.0.0.0 wechat.com\n")
        put(root, "etc/resolv.conf", "nameserver 192.0.2.53\n")
        put(root, "etc/nsswitch.conf", "hosts: files dns\n")
        put(root, "usr/bin/browser")
        put(root, "proc/self/mountinfo", ours)
        self.link("proc/self/ns/mnt", "mnt:[1]")
        for name in ("hosts", "resolv.conf", "nsswitch.conf"):
            self.put(f"view/etc/{name}", (root / "etc" / name).read_text())
        self.start(77, 2)

    def start(self, pid: int, namespace: int, uid: int = 1000) -> None:
        self.put(f"proc/{pid}/mountinfo", self.mounts)
        self.put(f"proc/{pid}/status", f"Name:\tx\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n")
        self.link(f"proc/{pid}/ns/mnt", f"mnt:[{namespace}]")
        self.link(f"proc/{pid}/exe", "/usr/bin/browser")
        self.link(f"proc/{pid}/root", str(self.view))

    def put(self, path: str, text: str) -> None:
        put(self.root, path, text)

    def link(self, path: str, target: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).unlink(missing_ok=True)
        (self.root / path).symlink_to(target)

    def state(self) -> tuple[str, str]:
        verdict = private_mounts.observe_private_views(Host(str(self.root)), SECTION)
        return verdict.state, "".join(finding.detail for finding in verdict.findings) or verdict.reason


@root_only
@pytest.mark.parametrize(
    ("mounts", "own", "state", "detail"),
    [
        (ROOT, "another", COMPLIANT, ""),  # nothing mounted over it: the kernel's word counts, and costs less
        (ROOT + OVER, "another", NONCOMPLIANT, "pid 77 sees another /etc/hosts than the host has"),
        (ROOT + OVER, "", COMPLIANT, ""),  # a copy with the same lines is as good
        (ROOT + FUSE, "", NONCOMPLIANT, "pid 77 sees another /etc/hosts, /etc/resolv.conf, /etc/nsswitch.conf than"),
        (CONTAINER, "another", COMPLIANT, ""),  # it runs no program of the host's
        ("", "another", COMPLIANT, ""),  # it has ended
    ],
)
def test_private_view_with_other_files_counts(tmp_path, mounts, own, state, detail):
    machine = Machine(tree(tmp_path), mounts)
    if own:
        machine.put("view/etc/hosts", own)
    found = machine.state()
    assert (found[0], found[1].startswith(detail) if detail else found[1] == "") == (state, True), found


@root_only
@pytest.mark.parametrize("kind", ["missing", "link", "huge"])
def test_special_file_in_a_private_view_counts_as_different(tmp_path, kind):
    machine = Machine(tree(tmp_path), ROOT + OVER)
    place = machine.view / "etc/hosts"
    if kind == "huge":
        os.truncate(place, 1 << 40)
    else:
        place.unlink()
    if kind == "link":  # to the very file of the host's: what it leads to in there, only the program knows
        place.symlink_to(tmp_path / "etc/hosts")
    assert machine.state()[0] == NONCOMPLIANT


@root_only
def test_a_process_that_has_just_ended_has_no_view(tmp_path):
    machine = Machine(tree(tmp_path), ROOT + FUSE)
    machine.link("proc/1/ns/mnt", "mnt:[1]")
    os.unlink(tmp_path / "proc/77/ns/mnt")
    assert machine.state() == (COMPLIANT, "")


@root_only
def test_a_finding_says_whose_program_it_is_and_how_many_there_are(tmp_path):
    """A service of the system stands in between: it is passed over, and nothing after it is."""
    machine = Machine(tree(tmp_path), ROOT + OVER)
    machine.put("view/etc/hosts", "another")
    machine.start(78, 3, uid=999)
    machine.start(79, 4)
    machine.start(80, 5, uid=1001)
    machine.start(81, 4)  # the same view as 79: one program of each is enough
    verdict = private_mounts.observe_private_views(Host(str(tmp_path)), SECTION)
    first, second = verdict.findings
    detail = "pid 77 and 1 more sees another /etc/hosts than the host has"
    assert tuple(first) == ("process", "browser", "", "", "user:alice", "/usr/bin/browser", detail)
    assert (second.scope, second.detail) == ("user:bob", "pid 80 sees another /etc/hosts than the host has")
    assert not verdict.drifted, "nothing is ended for it"


@root_only
@pytest.mark.parametrize(("views", "all_of_them"), [(2, True), (3, False), (5, False)])
def test_views_are_limited_per_user(tmp_path, monkeypatch, views, all_of_them):
    monkeypatch.setattr(private_mounts, "MAX_VIEWS_PER_USER", 2)
    machine = Machine(tree(tmp_path), ROOT + OVER)  # the same lines as the host's: compliant where all was checked
    for number in range(1, views):
        machine.start(77 + number, 2 + number)
    machine.start(90, 90, uid=1001)
    unseen: list[str] = []
    found = [(user, process.pid) for user, process in private_mounts._iterate_views(Host(str(tmp_path)), unseen)]
    assert found == [("alice", 77), ("alice", 78), ("bob", 90)]
    too_many = "alice has more than 2 views of the file system: not all were checked"
    assert unseen == ([] if all_of_them else [too_many])
    assert machine.state() == ((COMPLIANT, "") if all_of_them else (UNKNOWN, too_many))
    machine.put("view/etc/hosts", "another")
    assert machine.state()[0] == NONCOMPLIANT, "what was seen counts although not all was"


@root_only
def test_a_view_that_cannot_be_checked_hides_no_other(tmp_path):
    machine = Machine(tree(tmp_path), ROOT + OVER)
    machine.start(78, 3, uid=1001)
    (tmp_path / "proc/77/mountinfo").unlink()
    (tmp_path / "proc/77/mountinfo").mkdir()
    machine.put("view/etc/hosts", "another")
    assert machine.state() == (NONCOMPLIANT, "pid 78 sees another /etc/hosts than the host has")


def test_an_ordinary_user_cannot_tell(tmp_path, monkeypatch):
    monkeypatch.setattr(Host, "privileged", False)
    machine = Machine(tree(tmp_path), ROOT)
    assert machine.state() == (UNKNOWN, "which files the programs of other users see is only shown to root")


@root_only
def test_mount_over_the_target_of_a_link_counts(tmp_path):
    """As over systemd-resolved's stub, to which /etc/resolv.conf leads."""
    stub = "92 21 8:1 /home/alice/own /run/resolve/stub.conf rw - ext4 /dev/sda1 rw\n"
    machine = Machine(tree(tmp_path), ROOT + stub)
    machine.put("run/resolve/stub.conf", "nameserver 127.0.0.53\n")
    machine.link("etc/resolv.conf", "../run/resolve/stub.conf")
    machine.put("view/run/resolve/stub.conf", "nameserver 203.0.113.9\n")
    assert machine.state() == (NONCOMPLIANT, "pid 77 sees another /etc/resolv.conf than the host has")


@root_only
def test_endless_list_of_mounts_is_unknown(tmp_path):
    state, why = Machine(tree(tmp_path), ROOT + OVER * (private_files.MAX_TABLE_BYTES // len(OVER) + 1)).state()
    assert state == UNKNOWN and "/proc/77/mountinfo is larger than" in why


@root_only
@pytest.mark.parametrize(("namespace", "state"), [(1, COMPLIANT), (2, COMPLIANT), (3, NONCOMPLIANT)])
def test_views_of_this_program_and_the_first_process_are_the_hosts(tmp_path, namespace, state):
    machine = Machine(tree(tmp_path), ROOT + FUSE)
    machine.link("proc/1/ns/mnt", "mnt:[2]")  # the program itself may have PrivateTmp=
    machine.link("proc/77/ns/mnt", f"mnt:[{namespace}]")
    assert machine.state()[0] == state


@root_only
def test_view_with_another_root_is_another_one(tmp_path):
    machine = Machine(tree(tmp_path), ROOT + FUSE)
    machine.start(78, 2)
    machine.start(79, 2)
    machine.link("proc/79/root", "/elsewhere")
    assert [process.pid for _, process in private_mounts._iterate_views(Host(str(tmp_path)), [])] == [77, 79]
