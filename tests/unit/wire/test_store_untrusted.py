"""The store's limits and errors, and the packed code that is kept beside the file that Python keeps compiled."""

from __future__ import annotations

import json
import lzma
import os
import pickle
import re
from pathlib import Path

import pytest
from proscribe.wire import store as stores
from proscribe.wire import stream
from proscribe.wire.store import Store, Untrusted


def test_what_is_not_to_be_trusted_says_so_in_every_process() -> None:
    """Ansible's workers hand it on, pickled."""
    error = Untrusted("/x", "a link", "a directory")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "/x: found a link, expected a directory"
    assert (again.path, again.found, again.expected) == ("/x", "a link", "a directory")


def test_so_many_bytes_of_a_file_are_read_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "LARGEST", 10)
    store = Store(tmp_path)
    for content in (b"0123456789", b"01234567890"):
        (tmp_path / "name").write_bytes(content)
        assert store.noted("name") == (content if len(content) == 10 else b"")


def test_a_store_that_may_not_be_opened_is_not_said_to_be_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who follows that advice deletes what other runs have kept."""
    store = Store(tmp_path)

    def refuse(*what: object, **how: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError) as wrong, store._open():
        pass
    assert not isinstance(wrong.value, Untrusted)


@pytest.mark.parametrize("place", ["/proc/reports", "/sys/reports", "file/reports", "file"])
def test_where_nothing_can_be_written_it_is_said_where_reports_may_go(tmp_path: Path, place: str) -> None:
    """Such as of a collection, in a project that is read-only; also for root, and of a directory that is there."""
    (tmp_path / "file").touch()
    reports = tmp_path / place
    with pytest.raises(Untrusted) as wrong:
        Store(reports / "plans").require()
    said = str(wrong.value)
    assert said.startswith(f"{reports}: found a place in which ") and "cannot write (" in said
    assert "PROSCRIBE_REPORTS, or in proscribe_reports" in said and "Errno" not in said


def test_so_it_is_where_only_the_plans_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plans").mkdir(0o700)
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != tmp_path)
    with pytest.raises(Untrusted, match="cannot write"):
        Store(tmp_path / "plans").require()


@pytest.mark.parametrize(("kind", "found"), [("link", "a link"), ("file", "no directory"), ("none", "")])
def test_what_is_in_the_place_of_a_store_is_reported(tmp_path: Path, kind: str, found: str) -> None:
    place = tmp_path / "plans"
    if kind == "link":
        place.symlink_to(tmp_path)
    elif kind == "file":
        place.touch()
    with pytest.raises(Untrusted if found else FileNotFoundError) as wrong, Store(place)._open():
        pass
    if isinstance(wrong.value, Untrusted):
        fields = (wrong.value.path, wrong.value.found, wrong.value.expected)
        assert fields == (str(place), found, "a directory; delete what is there, and one is made")


@pytest.mark.parametrize("probe", [False, True])
def test_the_packed_code_is_put_together_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, probe: bool) -> None:
    """It takes seconds, in each of the processes that Ansible starts."""
    place = tmp_path / "cache" / "stream"
    monkeypatch.setattr(stream, "_cache", lambda kind: place.with_suffix(f".{kind}"))
    made: list[bool] = []

    def put_together(probed: bool) -> bytes:
        made.append(probed)
        return b"packed"

    monkeypatch.setattr(stream, "_put_together", put_together)
    monkeypatch.setattr(stream.tempfile, "tempdir", "/nonexistent")  # another file system: nothing is renamed out of it
    assert [stream.packed_code(probe) for _ in range(3)] == [b"packed"] * 3 and made == [probe]
    (file,) = (tmp_path / "cache").iterdir()
    assert file.name == ("stream.probe" if probe else "stream.observe")
    assert file.stat().st_mode & 0o777 == 0o644 and file.read_bytes()[32:] == b"packed"
    file.write_bytes(b"x" + file.read_bytes()[1:])
    assert stream.packed_code(probe) == b"packed" and len(made) == 2, "of other sources"
    file.chmod(0o666)
    assert stream.packed_code(probe) == b"packed" and len(made) == 3, "that others can have written"


def test_a_python_that_keeps_nothing_compiled_puts_it_together_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_cache", lambda kind: None)
    monkeypatch.setattr(stream, "_put_together", lambda probe: b"packed")
    assert stream.packed_code(False) == b"packed"


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    """It leads to what some other run has put there."""
    (tmp_path / "other").write_bytes(b"another plan")
    (tmp_path / "name").symlink_to("other")
    assert Store(tmp_path).noted("name") == b"" and Store(tmp_path).noted("other") == b"another plan"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a directory away")
def test_an_account_that_is_trusted_may_own_the_store(tmp_path: Path) -> None:
    (tmp_path / "name").write_bytes(b"noted")
    for path in (tmp_path / "name", tmp_path):
        os.chown(path, 61234, 61234)
    assert Store(tmp_path, trusted=[61234]).noted("name") == b"noted"
    assert Store(tmp_path).noted("name") == b"" == Store(tmp_path, trusted=[61235]).noted("name")


# -- the code that is sent ---------------------------------------------------------------------------------------------


CALLED_BY_THE_LOADER = (
    ("host.run", "compliance_state"),
    ("host.system", "Host"),
    ("host.cache", "def keep"),
    ("model.plan", "def known"),
)


@pytest.mark.parametrize("probe", [False, True])
def test_of_what_changes_a_host_or_probes_it_nothing_is_sent_that_was_not_asked_for(probe: bool) -> None:
    by_module = json.loads(lzma.decompress(stream.packed_code(probe)))["texts"]
    texts = "\n".join(by_module.values())
    made = {name for name in stream.CHANGING | stream.PROBING if re.search(rf"^def {name}\(", texts, re.MULTILINE)}
    assert made == (set(stream.PROBING) if probe else set())
    for module, name in CALLED_BY_THE_LOADER:
        text = by_module[f"proscribe.{module}"]
        assert re.search(rf"\b{name}\b", text), "the loader asks for it, the last but one only where it is to be cached"


def test_a_source_that_is_another_file_is_another_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As large and as old as the one before: after a rename, the old code would be sent for ever."""
    made: list[bool] = []
    monkeypatch.setattr(stream, "_cache", lambda kind: tmp_path / "cache" / kind)
    monkeypatch.setattr(stream, "_put_together", lambda probe: made.append(probe) or b"packed")
    monkeypatch.setattr(stream, "sources_hash", stream.sources_hash.__wrapped__)  # each time as another process would
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, ns=(1, 1))
        monkeypatch.setattr(stream, "_files", lambda name=name: {"proscribe.x": str(tmp_path / name)})
        assert stream.packed_code(False) == stream.packed_code(False) == b"packed"
    assert len(made) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file away")
def test_who_runs_it_may_have_written_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user of a checkout that is another one's."""
    made: list[bool] = []
    monkeypatch.setattr(stream, "_cache", lambda kind: tmp_path / "cache" / kind)
    monkeypatch.setattr(stream, "_put_together", lambda probe: made.append(probe) or b"packed")
    stream.packed_code(False)
    os.chown(tmp_path / "cache" / "observe", 61234, 61234)
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: 61234)
        stream.packed_code(False)
        assert len(made) == 1
    stream.packed_code(False)
    assert len(made) == 2
