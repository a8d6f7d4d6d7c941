"""The collection straight in a collections path: as an installation leaves it, whole, and in nobody else's place."""

import contextlib
import ctypes
import errno
import io
import json
import os
import stat
import tarfile
from types import SimpleNamespace

import pytest
from proscribe.controller.cli import Refused
from proscribe.controller.cli.collection import placing
from proscribe.controller.cli.collection.full_names import Names

NAMES = Names("proscribe.ban", *[frozenset[str]()] * 4)
FIRST = {"README.md": b"one", "plugins/modules/a.py": b"a = 1\n"}
SECOND = {"README.md": b"two", "roles/b/tasks/main.yml": b"[]\n"}
NO_COLLECTION = "found a directory without the MANIFEST.json and FILES.json of a collection"
ACME = '{"collection_info": {"namespace": "acme", "name": "ban"}}'


def archive(files):
    listing = [{"name": one, "chksum_sha256": placing.hashlib.sha256(text).hexdigest()} for one, text in files.items()]
    manifest = {"collection_info": {"namespace": "proscribe", "name": "ban"}}
    metadata = {"MANIFEST.json": manifest, "FILES.json": {"files": listing}}
    made = {**{path: json.dumps(content).encode() for path, content in metadata.items()}, **files}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for path, content in made.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), 0o600
            tar.addfile(member, io.BytesIO(content))
        empty = tarfile.TarInfo("docs")
        empty.type, empty.mode = tarfile.DIRTYPE, 0o700
        tar.addfile(empty)
    return packed.getvalue()


def contents(target):
    found = {str(one.relative_to(target)): one.read_bytes() for one in target.rglob("*") if one.is_file()}
    return {name: content for name, content in found.items() if not name.endswith(".json")}


def place(directory, files):
    target = placing.target_of(directory, NAMES)
    placing.place(archive(files), target)
    return target


@pytest.mark.parametrize("exchanges", [True, False], ids=["in one step", "where the system cannot exchange"])
def test_collection_is_placed_and_replaced_whole(tmp_path, monkeypatch, exchanges):
    if not exchanges:
        monkeypatch.setattr(placing, "_exchanged", lambda *_: False)
    target = place(tmp_path, FIRST)
    assert target == tmp_path / "ansible_collections/proscribe/ban" and contents(target) == FIRST
    assert (target / "docs").is_dir()
    modes = [(path.is_dir(), path.stat().st_mode & 0o777) for path in target.rglob("*")]
    assert {*modes} == {(True, 0o755), (False, 0o644)}, "every account can read it"
    (target / "plugins/modules/__pycache__").mkdir()
    (target / "plugins/modules/__pycache__/a.pyc").touch()  # a run has imported it
    assert contents(place(tmp_path / "ansible_collections", SECOND)) == SECOND
    assert os.listdir(target.parent) == ["ban"], "nothing stays beside it"


@pytest.mark.parametrize(
    ("number", "there"),
    [(errno.ENOSYS, SECOND), (errno.EINVAL, SECOND), (errno.EPERM, SECOND), (errno.EROFS, FIRST), (None, SECOND)],
)
def test_a_system_that_cannot_exchange_moves_and_one_that_fails_leaves_the_old_one(
    tmp_path, monkeypatch, number, there
):
    def library(name, use_errno=False):
        def renameat2(*_):
            ctypes.set_errno(number if number and use_errno else 0)
            return -1

        return SimpleNamespace(renameat2=renameat2) if number else SimpleNamespace()

    target = place(tmp_path, FIRST)
    monkeypatch.setattr(placing.ctypes, "CDLL", library)
    with contextlib.nullcontext() if there == SECOND else pytest.raises(Refused, match=f"{target}: Read-only"):
        place(tmp_path, SECOND)
    assert contents(target) == there and os.listdir(target.parent) == ["ban"]


def test_where_it_cannot_be_placed_the_old_one_stays(tmp_path, monkeypatch):
    target, rename = place(tmp_path, FIRST), os.rename

    def fails_for_the_new_one(source, to):
        if to == target and source.name != "before":
            raise OSError(28, "No space left on device", str(to))
        rename(source, to)

    monkeypatch.setattr(placing, "_exchanged", lambda *_: False)
    monkeypatch.setattr(placing.os, "rename", fails_for_the_new_one)
    with pytest.raises(Refused, match="No space left"):
        place(tmp_path, SECOND)
    assert contents(target) == FIRST and os.listdir(target.parent) == ["ban"]


def a_link(target):
    target.rename(target.with_name("elsewhere"))
    target.symlink_to("elsewhere")


def a_pipe(target):
    (target / "MANIFEST.json").unlink()
    os.mkfifo(target / "MANIFEST.json")


def a_file(target):
    target.rename(target.with_name("elsewhere"))
    target.touch()


def moved_and_linked(name):
    def change(target):
        (target / name).rename(target.with_name("elsewhere"))
        (target / name).symlink_to(target.with_name("elsewhere"))

    return change


def a_socket(target):
    (target / "README.md").unlink()
    os.mknod(target / "README.md", stat.S_IFSOCK)


OTHERS = {
    a_link: "found a link",
    a_file: "found no directory",
    a_pipe: NO_COLLECTION,
    lambda target: (target / "MANIFEST.json").unlink(): NO_COLLECTION,
    lambda target: (target / "MANIFEST.json").write_text("[" * 100_000): NO_COLLECTION,
    lambda target: (target / "FILES.json").write_text('["files"]'): NO_COLLECTION,
    moved_and_linked("MANIFEST.json"): NO_COLLECTION,
    moved_and_linked("README.md"): "found the file README.md with changes",
    a_socket: "found the file README.md with changes",
    lambda target: (target / "MANIFEST.json").write_text(ACME): "found the collection acme.ban",
    lambda target: (target / "plugins/ours.py").touch(): "found the file plugins/ours.py, which the .* not have",
    lambda target: (target / "README.md").write_text("ours"): "found the file README.md with changes",
    lambda target: (target / "linked").symlink_to("plugins"): "found the file linked, which the .* not have",
}


@pytest.mark.parametrize(("change", "message"), OTHERS.items())
def test_foreign_files_in_the_place_are_left(tmp_path, change, message):
    target = place(tmp_path, FIRST)
    change(target)
    before = sorted(map(str, tmp_path.rglob("*")))
    with pytest.raises(Refused, match=f"{message}, expected nothing, or the collection proscribe.ban"):
        place(tmp_path, SECOND)
    assert sorted(map(str, tmp_path.rglob("*"))) == before


def test_the_collections_path_has_to_be_there(tmp_path):
    with pytest.raises(Refused, match="--directory: found '.*nosuch', expected a directory that is there"):
        placing.target_of(tmp_path / "nosuch", NAMES)
