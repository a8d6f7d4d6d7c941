"""Files and directories of the controller are written completely or not at all."""

import ctypes
import errno
import os
from types import SimpleNamespace

import pytest
from proscribe.controller import files


def read_directory(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_error_of_a_full_disk_names_the_file():
    with (
        pytest.raises(OSError) as error,
        files.open_named_file(os.open("/dev/full", os.O_WRONLY), "/r/hosts.jsonl") as stream,
    ):
        stream.write("x")
    assert error.value.filename == "/r/hosts.jsonl"


def test_failed_write_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "w1.yml"
    path.write_bytes(b"before")

    def report_full_disk(descriptor):
        new, _ = sorted(os.listdir(tmp_path))
        assert new.startswith(".") and os.fstat(descriptor).st_size == len(b"after"), "hidden, and written by now"
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", report_full_disk)
    for write, content in ((files.write_file, b"before"), (files.create_file, b"before")):
        with pytest.raises(OSError, match="No space left on device") as error:
            write(path, b"after")
        assert error.value.filename == str(path) and read_directory(tmp_path) == {"w1.yml": content}
    with pytest.raises(FileNotFoundError) as missing_error:
        files.write_file(tmp_path / "nowhere/w1.yml", b"x")
    assert missing_error.value.filename == str(tmp_path / "nowhere/w1.yml")


def test_existing_file_is_replaced_only_on_request(tmp_path):
    path = tmp_path / "w1.yml"
    files.create_file(path, b"first")
    with pytest.raises(FileExistsError):
        files.create_file(path, b"other")
    assert read_directory(tmp_path) == {"w1.yml": b"first"} and path.stat().st_mode & 0o777 == 0o644
    with pytest.raises(ZeroDivisionError), files.replace_file(path, 0o640) as stream:
        stream.write(str(1 // 0))
    assert read_directory(tmp_path) == {"w1.yml": b"first"}
    files.write_file(path, b"second", 0o640)
    assert read_directory(tmp_path) == {"w1.yml": b"second"} and path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("before", [b"", b"before"])
def test_file_is_on_the_disk_before_it_has_its_name_and_the_name_after_it(tmp_path, monkeypatch, before):
    path = tmp_path / "w1.yml"
    if before:
        files.create_file(path, before)
    synced = []

    def fsync(descriptor):
        status = os.fstat(descriptor)
        synced.append((status.st_ino, status.st_size, path.read_bytes() if path.exists() else b""))

    monkeypatch.setattr(os, "fsync", fsync)
    (files.write_file if before else files.create_file)(path, b"content")
    assert synced[0] == (path.stat().st_ino, 7, before) and len(synced) == 2
    assert synced[1] == (tmp_path.stat().st_ino, tmp_path.stat().st_size, b"content")


@pytest.mark.parametrize(
    ("error_number", "is_exchanged"),
    [(errno.ENOSYS, True), (errno.EINVAL, True), (errno.EPERM, True), (errno.EROFS, False), (None, True), (0, True)],
)
def test_directories_are_exchanged_or_stay(tmp_path, monkeypatch, error_number, is_exchanged):
    def load_library(name, use_errno=False):
        def renameat2(*_):
            ctypes.set_errno(error_number if use_errno else 0)
            return -1

        return SimpleNamespace(renameat2=renameat2) if error_number else SimpleNamespace()

    first, second = tmp_path / "first", tmp_path / "second"
    for directory in (first, second):
        directory.mkdir()
        files.fill_directory(directory, {directory.name: b"x"})
    if error_number != 0:  # 0: the real system call
        monkeypatch.setattr(ctypes, "CDLL", load_library)
    if is_exchanged:
        files.place_directory(first, second)
        assert os.listdir(first) == ["second"] and os.listdir(second) == ["first"]
    else:
        with pytest.raises(OSError, match="Read-only") as error:
            files.place_directory(first, second)
        assert error.value.filename == str(second)
        assert os.listdir(first) == ["first"] and os.listdir(second) == ["second"]
    assert sorted(os.listdir(tmp_path)) == ["first", "second"]


def test_directory_has_its_path_again_if_the_new_directory_cannot_be_placed(tmp_path, monkeypatch):
    first, second, rename = tmp_path / "first", tmp_path / "second", os.rename
    second.mkdir()
    files.fill_directory(second, {"earlier": b"x"})
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())  # this library has no renameat2

    def report_full_disk(source, target):
        if source == first:
            raise OSError(errno.ENOSPC, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", report_full_disk)
    with pytest.raises(OSError, match="No space"):
        files.place_directory(first, second)
    assert os.listdir(second) == ["earlier"] and os.listdir(tmp_path) == ["second"]
