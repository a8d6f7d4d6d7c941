"""The catalogue as an earlier run noted it: the same as a load of its files, or not believed."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_catalogue import GOOD, Made
from properties import examples
from proscribe.controller.compile.catalogue import cache
from proscribe.controller.compile.catalogue.cache import Catalogues, state
from proscribe.controller.compile.catalogue.loading import Catalogue, load
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.wire.store import Store

NOBODY = 65534
LIST = "---\nid: birds\nname: Birds\nservice: parrot\nkind: domains\nchecked: 2026-11-01\nsources: [a test]\n"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make files of somebody else")


@pytest.fixture
def directory(tmp_path):
    write = Made(tmp_path)
    write(LIST, "feeds/birds.yml")
    write("a.example.org\nb.example.org\n", "feeds/birds.txt")
    write("---\namends: parrot\nadd:\n  domains: [c.example.org]\nsources: [a test]\n", "amends/parrot.yml")
    write("A note.\n", "instant_messaging/README.md")
    return write(GOOD)


def load_and_note(store: Store, *directories: Path) -> Catalogue:
    catalogues = Catalogues(store)
    found = catalogues.load(directories)
    catalogues.note_down()
    return found


def is_noted(store: Store, *directories: Path) -> bool:
    now = state(directories)
    note = store.noted(cache._name(directories))
    return bool(now) and cache._read(note, now) is not None


def find_note(store: Store, directory: Path) -> Path:
    assert store.directory
    return store.directory / cache._name([directory])


def test_unread_file_keeps_the_note_of_a_catalogue(store, directory):
    load_and_note(store, directory)
    (directory / "instant_messaging/README.md").write_text("Another note.\n")
    assert is_noted(store, directory)


def rewrite(path: Path, old: str, new: str) -> None:
    """Change a file so that neither its size nor its time shows it."""
    before, text = path.stat(), path.read_text()
    assert old in text and len(old) == len(new)
    path.write_text(text.replace(old, new))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


OWL = GOOD.replace("parrot", "owl").replace("Parrot", "Owl")
RELEASE = "---\nschema: proscribe/catalog/1\nversion: 2026.11.1\nreleased: 2026-11-02\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda root: rewrite(root / "instant_messaging/parrot.yml", "Parrot", "Carrot"),
        lambda root: rewrite(root / "feeds/birds.txt", "b.example", "d.example"),
        lambda root: rewrite(root / "amends/parrot.yml", "c.example", "d.example"),
        lambda root: (root / "amends/parrot.yml").unlink(),
        lambda root: (root / "instant_messaging/owl.yml").write_text(OWL),
        lambda root: (root / "release.yml").write_text(RELEASE),
    ],
    ids=["value", "list", "amendment", "amendment gone", "service added", "release"],
)
def test_changed_catalogue_is_loaded_anew(change, store, directory):
    before = load_and_note(store, directory)
    change(directory)
    assert load_and_note(store, directory) == load([directory]) != before
    assert is_noted(store, directory)


def test_catalogue_with_a_link_is_never_noted(store, directory, tmp_path):
    hidden = directory / "instant_messaging/.owl"
    hidden.write_text(OWL)
    (directory / "instant_messaging/owl.yml").symlink_to(hidden)
    assert "owl" in load_and_note(store, directory).services and not is_noted(store, directory)
    hidden.rename(tmp_path / "owl")
    hidden.symlink_to(tmp_path / "owl")
    with pytest.raises(PolicyErrors, match="not a link out of it"):
        load_and_note(store, directory)


def test_a_pipe_does_not_hold_the_run(directory):
    os.mkfifo(directory / "instant_messaging/owl.yml")
    assert state([directory]) == b""


def damage_note(note: bytes, content: bytes) -> bytes:
    return b"\n".join([note.split(b"\n")[0], hashlib.sha256(content).hexdigest().encode(), content])


UNUSABLE = [b"", b"[]", b"{}", b'{"services": [[1]]}', b"[" * 100_000, b"\xff", b'{"services": 1, "browsers": 2}']


@pytest.mark.parametrize("content", UNUSABLE, ids=range(7))
def test_a_note_that_is_no_catalogue_is_loaded_anew(content, store, directory):
    fresh = load_and_note(store, directory)
    path = find_note(store, directory)
    path.write_bytes(damage_note(path.read_bytes(), content))
    assert not is_noted(store, directory)
    assert load_and_note(store, directory) == fresh
    assert is_noted(store, directory)


@examples(30)
@given(junk=st.binary(max_size=200), cut=st.integers(min_value=0))
def test_a_damaged_note_is_loaded_anew(junk, cut, tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    store = Store(root / "plans")
    store.require()
    directory = Made(root)(GOOD)
    fresh = load_and_note(store, directory)
    path = find_note(store, directory)
    whole = path.read_bytes()
    cut %= len(whole)
    for content in (junk, whole[:cut], whole[:cut] + b"?" + whole[cut + 1 :]):
        path.write_bytes(content)
        assert load_and_note(store, directory) == fresh


def forge_note(note: bytes) -> bytes:
    """The note of a catalogue without its service, as sound as one of ours."""
    data = json.loads(note.split(b"\n", 2)[2])
    return damage_note(note, json.dumps({**data, "services": []}).encode())


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: os.chmod(path, 0o666), id="others can write it"),
        pytest.param(lambda path: os.chown(path, NOBODY, NOBODY), id="somebody else's", marks=as_root),
        pytest.param(lambda path: path.rename(f"{path}.real") and path.symlink_to(f"{path}.real"), id="a link"),
    ],
)
def test_a_note_that_others_could_have_made_is_not_read(spoil, store, directory):
    load_and_note(store, directory)
    path = find_note(store, directory)
    path.write_bytes(forge_note(path.read_bytes()))
    assert not load_and_note(store, directory).services  # so that the test can fail: it is believed as it is
    spoil(path)
    assert set(load_and_note(store, directory).services) == {"parrot"}
