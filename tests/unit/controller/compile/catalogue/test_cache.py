"""The catalogue as an earlier run noted it: the same as a load of its files, or not believed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_catalogue import GOOD, OWN, Made
from properties import examples
from proscribe.controller.compile.catalogue import cache
from proscribe.controller.compile.catalogue.cache import Catalogues, state
from proscribe.controller.compile.catalogue.loading import Catalogue, load
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.wire import installation, stream
from proscribe.wire.store import Store

NOBODY = 65534
LIST = "---\nid: birds\nname: Birds\nservice: parrot\nkind: domains\nchecked: 2026-11-01\nsources: [a test]\n"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make files of somebody else")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write = Made(tmp_path)
    write(LIST, "feeds/birds.yml")
    write("a.example.org\nb.example.org\n", "feeds/birds.txt")
    write("---\namends: parrot\nadd:\n  domains: [c.example.org]\nsources: [a test]\n", "amends/parrot.yml")
    write("A note.\n", "instant_messaging/README.md")
    return write(GOOD)


def loaded(store: Store, *directories: Path) -> Catalogue:
    """As a run does: load, and note what had to be loaded."""
    catalogues = Catalogues(store)
    found = catalogues.load(directories)
    catalogues.note_down()
    return found


def noted(store: Store, *directories: Path) -> bool:
    """Whether a run would take these directories from a note."""
    now = state(directories)
    note = store.noted(cache._name(directories))
    return bool(now) and cache._read(note, now) is not None


def note_of(store: Store, directory: Path) -> Path:
    assert store.directory
    return store.directory / cache._name([directory])


# -- the same as a load


@pytest.mark.parametrize("more", [(), ("own",)], ids=["the project's", "with an organisation's"])
def test_what_was_noted_is_what_a_load_gives(more, store, directory, monkeypatch) -> None:
    directories = (OWN, *(directory for _ in more))
    fresh = load(directories)
    assert loaded(store, *directories) == fresh
    monkeypatch.setattr(cache, "load", lambda _: pytest.fail("loaded again"))
    again = loaded(store, *directories)
    assert again == fresh  # a list is no tuple
    assert repr(again) == repr(fresh)  # and the order is the same
    assert again.release == fresh.release and isinstance(again.release, type(fresh.release))


CHANGES: dict[str, Callable[[Path], object]] = {
    "a value": lambda root: rewrite(root / "instant_messaging/parrot.yml", "Parrot", "Carrot"),
    "a list": lambda root: rewrite(root / "feeds/birds.txt", "b.example", "d.example"),
    "an amendment": lambda root: rewrite(root / "amends/parrot.yml", "c.example", "d.example"),
    "one amendment less": lambda root: (root / "amends/parrot.yml").unlink(),
    "one service more": lambda root: (root / "instant_messaging/owl.yml").write_text(
        GOOD.replace("parrot", "owl").replace("Parrot", "Owl")
    ),
    "a release": lambda root: (root / "release.yml").write_text(
        "---\nschema: proscribe/catalog/1\nversion: 2026.11.1\nreleased: 2026-11-02\n"
    ),
}


def rewrite(path: Path, old: str, new: str) -> None:
    """Change a file so that neither its size nor its time shows it."""
    before, text = path.stat(), path.read_text()
    assert old in text and len(old) == len(new)
    path.write_text(text.replace(old, new))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_changes_is_loaded_anew(change, store, directory) -> None:
    before = loaded(store, directory)
    assert noted(store, directory)
    change(directory)
    assert loaded(store, directory) == load([directory]) != before
    assert noted(store, directory)


def test_the_place_is_part_of_it(store, directory, tmp_path) -> None:
    loaded(store, directory)
    other = shutil.copytree(directory, tmp_path / "other")
    assert loaded(store, other).services["parrot"].file == str(other / "instant_messaging/parrot.yml")


def test_what_nobody_reads_changes_nothing(store, directory) -> None:
    loaded(store, directory)
    (directory / "instant_messaging/README.md").write_text("Another note.\n")
    assert noted(store, directory)


# -- mistakes


def test_a_mistake_has_its_message_whatever_was_noted(store, directory) -> None:
    loaded(store, directory)
    rewrite(directory / "instant_messaging/parrot.yml", "enforce: true", "enforce: trie")
    for _ in range(2):
        with pytest.raises(PolicyErrors) as cached:
            loaded(store, directory)
        with pytest.raises(PolicyErrors) as fresh:
            load([directory])
        assert str(cached.value) == str(fresh.value)
        assert f"{directory}/instant_messaging/parrot.yml:7: enforce" in str(cached.value)


# -- links, pipes, and a writer in between


def test_a_link_is_loaded_each_time_for_where_it_leads_may_change(store, directory, tmp_path) -> None:
    hidden = directory / "instant_messaging/.owl"
    hidden.write_text(GOOD.replace("parrot", "owl").replace("Parrot", "Owl"))
    (directory / "instant_messaging/owl.yml").symlink_to(hidden)
    assert "owl" in loaded(store, directory).services
    assert not noted(store, directory)
    outside = tmp_path / "owl"
    hidden.rename(outside)
    hidden.symlink_to(outside)
    with pytest.raises(PolicyErrors, match="not a link out of it"):
        loaded(store, directory)


def test_a_pipe_does_not_hold_the_run(directory) -> None:
    os.mkfifo(directory / "instant_messaging/owl.yml")
    assert state([directory]) == b""


def test_a_directory_that_is_missing_is_reported_by_the_load(store, tmp_path) -> None:
    assert state([tmp_path / "gone"]) == b""
    with pytest.raises(PolicyErrors, match="a directory that can be read"):
        loaded(store, tmp_path / "gone")


def test_what_is_written_during_a_load_is_not_noted(store, directory, monkeypatch) -> None:
    def while_somebody_writes(directories):
        found = load(directories)
        rewrite(directory / "instant_messaging/parrot.yml", "Parrot", "Carrot")
        return found

    monkeypatch.setattr(cache, "load", while_somebody_writes)
    assert loaded(store, directory).services["parrot"].name == "Parrot"
    monkeypatch.undo()
    assert loaded(store, directory).services["parrot"].name == "Carrot"


# -- what is not believed


def damaged(note: bytes, content: bytes) -> bytes:
    """A note of the same state, with a right hash over something else."""
    return b"\n".join([note.split(b"\n")[0], hashlib.sha256(content).hexdigest().encode(), content])


UNUSABLE = [
    b"",
    b"[]",
    b"{}",
    b"null",
    b'{"services": [[1]]}',
    b"[" * 100_000,
    b"\xff",
    b'{"services": 1, "browsers": 2}',
]


@pytest.mark.parametrize("content", UNUSABLE, ids=range(len(UNUSABLE)))
def test_a_note_that_is_no_catalogue_is_loaded_anew(content, store, directory) -> None:
    fresh = loaded(store, directory)
    path = note_of(store, directory)
    path.write_bytes(damaged(path.read_bytes(), content))
    assert not noted(store, directory)
    assert loaded(store, directory) == fresh
    assert noted(store, directory)


@examples(30)
@given(junk=st.binary(max_size=200), cut=st.integers(min_value=0))
def test_a_damaged_note_is_loaded_anew(junk, cut, tmp_path_factory) -> None:
    root = tmp_path_factory.mktemp("made")
    store = Store(root / "plans")
    store.require()
    directory = Made(root)(GOOD)
    fresh = loaded(store, directory)
    path = note_of(store, directory)
    whole = path.read_bytes()
    cut %= len(whole)
    for content in (junk, whole[:cut], whole[:cut] + b"?" + whole[cut + 1 :]):
        path.write_bytes(content)
        assert loaded(store, directory) == fresh


def mallorys(note: bytes) -> bytes:
    """The note of a catalogue without its service, as sound as one of ours."""
    data = json.loads(note.split(b"\n", 2)[2])
    return damaged(note, json.dumps({**data, "services": []}).encode())


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: os.chmod(path, 0o666), id="others can write it"),
        pytest.param(lambda path: os.chown(path, NOBODY, NOBODY), id="somebody else's", marks=as_root),
        pytest.param(lambda path: path.rename(f"{path}.real") and path.symlink_to(f"{path}.real"), id="a link"),
    ],
)
def test_a_note_that_others_could_have_made_is_not_read(spoil, store, directory) -> None:
    loaded(store, directory)
    path = note_of(store, directory)
    path.write_bytes(mallorys(path.read_bytes()))
    assert not loaded(store, directory).services  # so that the test can fail: it is believed as it is
    spoil(path)
    assert set(loaded(store, directory).services) == {"parrot"}


def test_the_notes_are_only_so_many(store, tmp_path) -> None:
    write = Made(tmp_path)
    for number in range(3 * cache.MOST):
        loaded(store, write(GOOD, directory=f"catalog{number}"))
    assert store.directory and len(list(store.directory.iterdir())) <= cache.MOST


# -- the code that reads


def test_all_code_that_a_load_runs_is_part_of_the_state() -> None:
    names = "[m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'proscribe']"
    module = "proscribe.controller.compile.catalogue.loading"
    program = f"import pathlib, sys; from {module} import load; load([pathlib.Path(sys.argv[1])])"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; print(*{names}, sep='\\n')", OWN],
        env={**os.environ, "PYTHONPATH": str(installation.CODE)},
        capture_output=True,
        text=True,
        check=True,
    )
    hashed = {Path(path).resolve() for path in (*cache.code(), *stream.sources())}
    run = {Path(line).resolve() for line in done.stdout.splitlines()}
    # An empty package says nothing.
    assert {path for path in run - hashed if "\nimport" in path.read_text() or "def " in path.read_text()} == set()
    assert len(run) > 20


def test_other_code_loads_anew(store, directory, tmp_path, monkeypatch) -> None:
    loaded(store, directory)
    other = tmp_path / "schema.py"
    other.write_text("# another one\n")
    before = cache.code()
    monkeypatch.setattr(cache, "code", lambda: [*before, str(other)])
    assert not noted(store, directory)
