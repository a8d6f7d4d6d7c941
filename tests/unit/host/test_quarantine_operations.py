"""The quarantine while a real user links, exchanges, writes and shares its files, in a process of their own, at a step
that the test chooses: a loop would need luck.
"""

import contextlib
import ctypes
import os
import shutil
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from made_quarantine import ITEMS, enforced, in_two_file_systems
from proscribe.host.controls.apps.quarantine import manifest, move_completion, move_in, restoration
from proscribe.host.quarantine_operations import run_quarantine_operation
from proscribe.host.system import ControlError, Host

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to act with the rights of several users")

MALLORY, BOB = 12345, 23456
APPS, PROGRAM = "/home/mallory/apps", "/home/mallory/apps/program"
CONTENT = b"\x7fELF" + b"program" * 900
EVIL = b"\x7fELF" + b"hostile" * 900
CAPABILITY = "security.capability"
BIND_SERVICE = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)  # cap_net_bind_service=ep
ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2)
AT_FDCWD, AT_SYMLINK_FOLLOW = -100, 0x400

Act = Callable[[], object]


@pytest.fixture
def host(tmp_path):
    for above in [tmp_path, *tmp_path.parents]:
        if above.stat().st_uid == 0 and "pytest" in str(above):
            above.chmod(above.stat().st_mode | 0o011)  # the users have to reach what is theirs
    for folder in ("etc", "run", "var/lib", "home/mallory/apps", "home/bob"):
        (tmp_path / folder).mkdir(parents=True)
    users = {"mallory": MALLORY, "bob": BOB}
    lines = [f"{name}:x:{uid}:{uid}::/home/{name}:/bin/sh\n" for name, uid in users.items()]
    (tmp_path / "etc/passwd").write_text("".join(lines))
    for name, uid in users.items():
        os.chown(tmp_path / "home" / name, uid, uid)
    os.chown(tmp_path / APPS[1:], MALLORY, MALLORY)
    put(tmp_path / PROGRAM[1:], MALLORY, 0o755)
    return Host(str(tmp_path), lambda argv, **options: None)


@pytest.fixture(params=["one file system", "two file systems"])
def two(request, monkeypatch, tmp_path):
    if request.param == "two file systems":
        in_two_file_systems(monkeypatch, tmp_path)
    return bool(request.param == "two file systems")


def put(path: Path, owner: int, mode: int, content: bytes = CONTENT) -> None:
    path.write_bytes(content)
    os.chown(path, owner, owner)
    path.chmod(mode)


def owner_and_mode(path: Path) -> tuple[int, int]:
    seen = path.lstat()
    return seen.st_uid, stat.S_IMODE(seen.st_mode)


def has_privileges(path: Path) -> bool:
    return CAPABILITY in os.listxattr(path) or bool(path.stat().st_mode & stat.S_ISGID)


def as_user(uid: int, act: Act) -> None:
    """Do something with a user's rights alone. The test fails where the user cannot: then it would show nothing."""
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            act()
            os._exit(0)
        except BaseException as error:
            os.write(2, f"{error!r}\n".encode())
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def at(monkeypatch: pytest.MonkeyPatch, step: str, act: Act) -> None:
    """Act once, when the quarantine comes to that step."""
    waiting = [act]

    def reached(name: str) -> None:
        if name == step and waiting:
            waiting.pop()()

    monkeypatch.setattr(manifest, "mark_step", reached)


def exchange(first: Path, second: Path) -> None:
    check(ctypes.CDLL(None, use_errno=True).renameat2(AT_FDCWD, bytes(first), AT_FDCWD, bytes(second), EXCHANGE))


def link_open(descriptor: int, path: Path) -> None:
    """Give a file that is open one more name, wherever it is by now."""
    opened = f"/proc/self/fd/{descriptor}".encode()
    check(ctypes.CDLL(None, use_errno=True).linkat(AT_FDCWD, opened, AT_FDCWD, bytes(path), AT_SYMLINK_FOLLOW))


def check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def shared_with(uid: int) -> bytes:
    """Return an access list as the kernel has it: entries of tag, permissions and id."""
    nobody = 0xFFFFFFFF
    entries = ((1, 7, nobody), (2, 7, uid), (4, 5, nobody), (0x10, 7, nobody), (0x20, 0, nobody))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def restore_all(host: Host) -> list[str]:
    """Restore all that is stored, as an operator does, and return the reasons of failures."""
    answer = run_quarantine_operation(host, "restore", [item.id for item in manifest.list_entries(host)])
    return [outcome["why"] for outcome in answer["outcomes"] if not outcome["done"]]


@pytest.mark.parametrize("moment", ["before", "just before it is sealed"])
def test_other_name_of_a_moved_file_keeps_its_owner_and_its_mode(host, monkeypatch, moment, two):
    """A user gives the program one more name. That name is not ours; the manifest counts it."""
    root = Path(host.root)
    other, chown = root / "home/mallory/other", os.chown
    descriptor = os.open(root / PROGRAM[1:], os.O_RDONLY)

    def link_first(*arguments, **options):
        if not other.exists():
            as_user(MALLORY, lambda: link_open(descriptor, other))
        chown(*arguments, **options)

    if moment == "before":
        as_user(MALLORY, lambda: link_open(descriptor, other))
    with monkeypatch.context() as patch:
        patch.setattr(os, "chown", link_first)
        enforced(host, PROGRAM)
    os.close(descriptor)
    assert owner_and_mode(other) == (MALLORY, 0o755)
    (item,) = manifest.list_entries(host)
    assert item.shared == (0 if two else 1) and not host.find_entry(PROGRAM) and restore_all(host) == []
    assert owner_and_mode(root / PROGRAM[1:]) == owner_and_mode(other) == (MALLORY, 0o755)


@pytest.mark.parametrize("owner", [BOB, 0])
def test_restore_gives_nothing_to_another_users_name_of_the_file(host, owner):
    """The file could be written by all, so mallory could link it as a program. Its owner has closed it since."""
    root = Path(host.root)
    letter = root / "home/bob/letter"
    put(letter, owner, 0o666, b"dear")
    (root / PROGRAM[1:]).unlink()
    as_user(MALLORY, lambda: os.link(letter, root / PROGRAM[1:]))
    enforced(host, PROGRAM)
    as_user(owner, lambda: letter.chmod(0o600))
    assert restore_all(host) == [] and owner_and_mode(letter) == (owner, 0o600)
    assert os.path.samefile(letter, root / PROGRAM[1:])


@pytest.mark.parametrize(
    "written", ["nothing", "before it is moved", "before it is sealed", "after it is sealed", "while it is restored"]
)
@pytest.mark.parametrize("privilege", ["capability", "group"])
def test_privileges_come_back_only_to_the_content_that_had_them(host, two, monkeypatch, privilege, written):
    """Root gave them to a program. The kernel takes them from a file that is written to, and so does a restore."""
    root = Path(host.root)
    program = root / PROGRAM[1:]
    own = root / "home/mallory/own"  # the same, where Proscribe does nothing
    for path in (program, own):
        put(path, MALLORY, 0o755)
        if privilege == "capability":
            os.setxattr(path, CAPABILITY, BIND_SERVICE)
        else:
            os.chown(path, MALLORY, BOB)
            path.chmod(0o2755)
    descriptors = [os.open(path, os.O_RDWR) for path in (program, own)]

    def write():
        as_user(MALLORY, lambda: [os.pwrite(descriptor, EVIL, 0) for descriptor in descriptors])

    comes_back = written == "nothing"
    steps = {"before it is moved": "written", "before it is sealed": "moved", "after it is sealed": "sealed"}
    with monkeypatch.context() as patch:
        at(patch, steps.get(written, ""), write)
        enforced(host, PROGRAM)
    with monkeypatch.context() as patch:
        at(patch, "unsealed" if written == "while it is restored" else "", write)
        if written != "while it is restored":
            os.close(descriptors.pop(0))
        answer = run_quarantine_operation(host, "restore", [item.id for item in manifest.list_entries(host)])
    if two and written == "while it is restored":  # what is open is the original, and a copy comes back
        comes_back = program.read_bytes() == CONTENT
    assert has_privileges(program) is comes_back
    assert ("without its privileges" not in answer["actions"][0]) is comes_back
    assert has_privileges(own) is (written == "nothing")
    for descriptor in descriptors:
        os.close(descriptor)
    assert program.read_bytes() == (CONTENT if comes_back else EVIL)
    assert owner_and_mode(program)[0] == MALLORY and program.stat().st_mode & 0o777 == 0o755


def test_program_cannot_be_written_while_it_is_summed(host, monkeypatch):
    """The program had one more name when it was taken. So it still belongs to the user, who opens it again."""
    root = Path(host.root)
    program, other = root / PROGRAM[1:], root / "home/mallory/other"
    os.setxattr(program, CAPABILITY, BIND_SERVICE)
    as_user(MALLORY, lambda: os.link(program, other))
    enforced(host, PROGRAM)
    place = os.open(other, os.O_PATH)
    as_user(MALLORY, other.unlink)
    pread, tries = os.pread, 0

    def write():
        with contextlib.suppress(PermissionError):
            os.pwrite(os.open(f"/proc/self/fd/{place}", os.O_WRONLY), EVIL, 0)

    def write_then(*arguments):
        nonlocal tries
        content, tries = pread(*arguments), tries + 1
        if tries == 1:
            as_user(MALLORY, write)
        return content

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", write_then)
        restored = manifest.list_entries(host)
        assert [restoration.restore_entry(host, item) for item in restored] == [""] and tries
    os.close(place)
    assert has_privileges(program) and program.read_bytes() == CONTENT


@pytest.mark.parametrize("shares", ["file", "directory", "directory of a group"])
def test_restored_file_is_shared_with_no_more_accounts_than_before(host, two, shares):
    """A directory's default access list gives a copy what its original never had."""
    root = Path(host.root)
    program = root / PROGRAM[1:]
    program.chmod(0o660)
    as_user(MALLORY, lambda: os.setxattr(program, "user.note", b"mine"))
    if shares == "file":
        as_user(MALLORY, lambda: os.setxattr(program, ACCESS, shared_with(BOB)))
    elif shares == "directory of a group":
        (root / APPS[1:]).chmod(0o2775)
    else:
        as_user(MALLORY, lambda: os.setxattr(root / APPS[1:], DEFAULT, shared_with(BOB)))
        shutil.copy(program, root / "home/mallory/apps/naive")
        assert ACCESS in os.listxattr(root / "home/mallory/apps/naive")  # it happens to an ordinary copy
    before = {name: os.getxattr(program, name) for name in os.listxattr(program)}
    mode = program.stat().st_mode
    enforced(host, PROGRAM)
    (item,) = manifest.list_entries(host)
    stored = root / ITEMS[1:] / item.id / manifest.CONTENT_NAME
    assert owner_and_mode(stored) == (0, 0o600)  # of a list nothing counts but the mask, which is the mode's group
    assert restore_all(host) == []
    assert {name: os.getxattr(program, name) for name in os.listxattr(program)} == before
    assert program.stat().st_mode == mode and program.read_bytes() == CONTENT


@pytest.mark.parametrize("mode", [0o700, 0o777])
def test_directory_of_root_is_not_taken_for_the_one_of_a_copy(host, monkeypatch, tmp_path, mode):
    """A user may rename what stands in a directory of his, and root's directory with it."""
    root = Path(host.root)
    in_two_file_systems(monkeypatch, tmp_path)
    enforced(host, PROGRAM)
    (item,) = manifest.list_entries(host)
    data = root / "home/mallory/apps/data"
    (data / move_completion.COPY_NAME).mkdir(parents=True)
    (data / move_completion.COPY_NAME / "page").write_text("root's own")
    (data / manifest.CONTENT_NAME).write_text("root's own")
    data.chmod(mode)
    hold = root / APPS[1:] / (manifest.HOLD_PREFIX + item.id)
    as_user(MALLORY, lambda: data.rename(hold))
    (why,) = restore_all(host)
    assert "is somebody else's" in why and (hold / move_completion.COPY_NAME / "page").read_text() == "root's own"
    assert (hold / manifest.CONTENT_NAME).read_text() == "root's own"
    as_user(MALLORY, lambda: hold.rename(data))
    enforced(host)  # completes what was begun
    assert (data / manifest.CONTENT_NAME).read_text() == "root's own"
    assert restore_all(host) == [] and (root / PROGRAM[1:]).read_bytes() == CONTENT


@pytest.mark.parametrize("owner", [0, BOB, MALLORY])
@pytest.mark.parametrize("moment", ["before", "while it is open"])
def test_exchanged_directory_gets_nothing_unless_it_is_the_users(host, monkeypatch, two, owner, moment):
    def act():
        as_user(MALLORY, lambda: exchange(apps, theirs))

    root = Path(host.root)
    apps, theirs = root / APPS[1:], root / "home/mallory/theirs"
    theirs.mkdir()
    os.chown(theirs, owner, owner)
    enforced(host, PROGRAM)
    with monkeypatch.context() as patch:
        act() if moment == "before" else at(patch, "opened", act)
        reasons = restore_all(host)
    if moment == "before" and owner != MALLORY:
        (why,) = reasons
        assert "mallory" in why and os.listdir(apps) == []
        act()
        assert restore_all(host) == []
    contents = [path.read_bytes() for path in (root / "home/mallory").glob("*/program")]
    assert contents == [CONTENT] and (moment == "before" or os.listdir(apps) == [])


@pytest.mark.parametrize("target", ["bob's directory", "a link to /etc", "another program of bob's"])
def test_program_that_is_exchanged_while_it_is_taken_stays(host, monkeypatch, two, target):
    root = Path(host.root)
    apps, theirs = root / APPS[1:], root / "home/mallory/theirs"
    first, second = apps, theirs
    if target == "a link to /etc":
        as_user(MALLORY, lambda: theirs.symlink_to(root / "etc"))
        put(root / "etc/program", 0, 0o755, b"root's own")
    elif target == "bob's directory":
        theirs.mkdir()
        put(theirs / "program", BOB, 0o755, b"bob's own")
        os.chown(theirs, BOB, BOB)
    else:
        first, second = root / PROGRAM[1:], apps / "other"
        put(second, BOB, 0o755, b"bob's own")
    seen = (root / PROGRAM[1:]).stat()
    taking = move_in.MoveRequest(PROGRAM, ["made"], "file", identity=(seen.st_dev, seen.st_ino))
    before = sorted((path.name, path.stat().st_ino, *owner_and_mode(path)) for path in root.glob("**/*program*"))
    as_user(MALLORY, lambda: exchange(first, second))
    with pytest.raises(ControlError):
        move_in.make_move_action(host, taking).apply()
    as_user(MALLORY, lambda: exchange(first, second))
    with monkeypatch.context() as patch:
        at(patch, "written", lambda: as_user(MALLORY, lambda: exchange(first, second)))
        if first == apps:
            move_in.make_move_action(host, taking).apply()  # by its directory, which is open: the right one moves
            (item,) = manifest.list_entries(host)
            as_user(MALLORY, lambda: exchange(first, second))
            assert not host.find_entry(PROGRAM) and restore_all(host) == []
        else:
            with pytest.raises(ControlError, match="exchanged while it was being taken"):
                move_in.make_move_action(host, taking).apply()
            as_user(MALLORY, lambda: exchange(first, second))
    after = sorted((path.name, path.stat().st_ino, *owner_and_mode(path)) for path in root.glob("**/*program*"))
    assert two or after == before
    assert (root / PROGRAM[1:]).read_bytes() == CONTENT and manifest.list_entries(host) == []


def test_concurrent_restores_and_runs_lose_and_double_no_program(host):
    """Two operators and an enforcing run on the same path, again and again, while another one lists."""
    root = Path(host.root)
    rest = root / "home/mallory/rest"
    put(rest, MALLORY, 0o755, b"rest")
    enforced(host, PROGRAM, "/home/mallory/rest")
    resting = next(item.id for item in manifest.list_entries(host) if item.path != PROGRAM)

    def fresh():
        return Host(host.root, lambda argv, **options: None)

    def restore():
        ids = [item.id for item in manifest.list_entries(fresh()) if item.id != resting]
        run_quarantine_operation(fresh(), "restore", ids)

    def take():
        other = fresh()
        with other.lock_host():
            enforced(other, PROGRAM)

    def list_all():
        listed = run_quarantine_operation(fresh(), "list", [])
        ids = [item["id"] for item in listed["quarantined"]]
        assert resting in ids and listed["broken"] == [] and len(ids) <= 2, listed

    children = []
    for act in (restore, restore, take, list_all):
        child = os.fork()
        if not child:
            status = 1
            try:
                for _ in range(25):
                    act()
                status = 0
            except BaseException as error:
                os.write(2, f"{act.__name__}: {error!r}\n".encode())
            os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0, 0]
    stored = [item for item in manifest.list_entries(host) if item.path == PROGRAM]
    assert len(stored) + (root / PROGRAM[1:]).exists() == 1
    assert restore_all(host) == [] and not move_completion.make_complete_actions(host)
    assert (root / PROGRAM[1:]).read_bytes() == CONTENT and rest.read_bytes() == b"rest"


def test_large_attributes_fill_no_quarantine_and_fail_no_later_run(host, monkeypatch, tmp_path):
    """A tmpfs takes hundreds of MiB of them, and the file system of the quarantine a few KiB."""
    root = Path(host.root)
    in_two_file_systems(monkeypatch, tmp_path)
    inode = (root / PROGRAM[1:]).stat().st_ino
    listed, read = os.listxattr, os.getxattr

    def many(path):
        """As if the program were on a tmpfs."""
        return [f"user.{count}" for count in range(2_000)] if os.stat(path).st_ino == inode else listed(path)

    def large(path, name):
        return b"x" * 60_000 if os.stat(path).st_ino == inode else read(path, name)

    with monkeypatch.context() as patch:
        patch.setattr(os, "listxattr", many)
        patch.setattr(os, "getxattr", large)
        enforced(host, PROGRAM)
    (item,) = manifest.list_entries(host)
    assert (root / ITEMS[1:] / item.id / "manifest.json").stat().st_size < 1024**2
    assert item.at_rest and run_quarantine_operation(host, "list", [])["broken"] == []
    assert restore_all(host) == [] and (root / PROGRAM[1:]).read_bytes() == CONTENT
