"""The store of plans and code for hosts: nothing in it is believed for its name or its place."""

import hashlib
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_plans import make_plan
from properties import examples
from proscribe.model import plan as plans
from proscribe.model.plan_text import serialise_plan
from proscribe.wire import plan_store as stores
from proscribe.wire.plan_store import PlanStore, UntrustedStore
from proscribe.wire.stream import StreamPart, pack_observing_code

PLAN, OTHER = make_plan(), make_plan(contact="mallory")
DIGEST = PLAN["digest"]
SHORT = DIGEST.removeprefix("sha256:")
TEXT = serialise_plan(PLAN)
NOBODY = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make files of somebody else")


@pytest.fixture
def place(tmp_path):
    return tmp_path / "reports" / "plans"


def prepare(place):
    """Prepare a store as a run does; return it with the facts of the run."""
    store = PlanStore(place)
    store.require_directories()
    run = store.prepare_plans({DIGEST: PLAN})
    return PlanStore(place, run["packed"]), run


def test_store_is_for_its_owner_alone(place):
    store, run = prepare(place)
    parts = store.get_prepared_code(run["code"]), store.make_plan_part(digest=DIGEST)
    store.record_host_store("web01", *parts, is_stored=True)
    assert {oct(path.stat().st_mode & 0o777) for path in (place, place / "kept")} == {"0o700"}
    assert {oct(path.stat().st_mode & 0o777) for path in place.rglob("*") if path.is_file()} == {"0o600"}
    assert place.parent.stat().st_mode & 0o727 == 0o700


@pytest.mark.slow
@pytest.mark.parametrize(
    "packed",
    [
        lambda: b"no zlib",
        lambda: zlib.compress(plans.format_canonical(OTHER).encode()),
        lambda: zlib.compress(b"\0" * 500_000_000, 9),  # takes seconds, so none of them is made before it is needed
    ],
    ids=["not packed", "another plan", "half a gigabyte"],
)
def test_packed_plan_that_was_edited_does_not_go_to_hosts(place, packed):
    store, run = prepare(place)
    path = place / f"{SHORT}.plan"
    before = path.read_bytes()
    path.write_bytes(packed())
    assert store.make_plan_part(digest=DIGEST).pack() == before
    assert prepare(place)[1] == run and path.read_bytes() == before


def test_missing_plan_is_made_again_of_the_packed_one(place):
    store, _ = prepare(place)
    path = place / f"{SHORT}.json"
    before = path.read_bytes()
    path.unlink()
    assert store.read_stored_plan(DIGEST) == PLAN and path.read_bytes() == before
    path.unlink()
    (place / f"{SHORT}.plan").write_bytes(zlib.compress(plans.format_canonical({**OTHER, "digest": DIGEST}).encode()))
    with pytest.raises(FileNotFoundError, match="is gone"):
        store.read_stored_plan(DIGEST)


def test_missing_packed_plan_is_packed_again_and_a_missing_plan_is_reported(place):
    store, run = prepare(place)
    (place / f"{SHORT}.plan").unlink()
    assert zlib.decompress(store.make_plan_part(digest=DIGEST).pack()).decode() == TEXT
    for digest in ("sha256:" + "0" * 64, "sha256:gone", f"sha256:../plans/{SHORT}", ""):
        with pytest.raises(FileNotFoundError, match="is gone"):
            store.read_stored_plan(digest)
    (place / f"{run['code']}.code").unlink()
    assert store.get_prepared_code(run["code"]).pack() == pack_observing_code(probe=False)
    with pytest.raises(FileNotFoundError, match="began with is gone"):
        store.get_prepared_code("0" * 64).pack()


@as_root
@pytest.mark.parametrize(
    ("owner", "mode", "who"), [(NOBODY, 0o700, "nobody"), *((0, mode, "") for mode in (0o702, 0o720, 0o1777))]
)
@pytest.mark.parametrize("which", ["reports", "plans", "kept"])
def test_folder_of_another_account_or_that_others_can_write_is_refused(place, which, owner, mode, who):
    store, run = prepare(place)
    code, plan = store.get_prepared_code(run["code"]), store.make_plan_part(digest=DIGEST)
    store.record_host_store("web01", code, plan, is_stored=True)
    folder = {"reports": place.parent, "plans": place, "kept": place / "kept"}[which]
    os.chown(folder, owner, NOBODY)
    folder.chmod(mode)
    if which == "kept":  # it only saves time: as if it were not there
        assert not PlanStore(place).is_stored_on_host("web01", code, plan)
        return
    with pytest.raises(UntrustedStore, match=f"changed by {who}") as refused:
        PlanStore(place).require_directories()
    assert refused.value.path == str(folder) and f"mode {mode:04o}" in refused.value.observed
    assert ("chown" in refused.value.expected, "chmod go-w" in refused.value.expected) == (bool(who), not who)


def make_link(path: Path) -> None:
    path.rename(path.with_name("aside"))
    path.symlink_to("aside")


CHANGES: list[Callable[[Path], object]] = [
    make_link,  # it may lead anywhere
    lambda path: (path.unlink(), os.mkfifo(path)),  # it would hold the run
    lambda path: (path.unlink(), path.mkdir()),
    lambda path: path.chmod(0o602),
    lambda path: path.write_bytes(b"01234567890"),  # more than is read
]


@pytest.mark.parametrize("change", CHANGES)
def test_file_that_others_may_have_made_is_not_read_and_is_replaced(tmp_path, monkeypatch, change):
    monkeypatch.setattr(stores, "MAX_FILE_BYTES", 10)
    tmp_path.chmod(0o700)
    store = PlanStore(tmp_path)
    store.write_note("figures", b"0123456789")
    before = (tmp_path / "figures").stat()
    store.write_note("figures", b"0123456789")
    assert store.read_note("figures") == b"0123456789" and os.path.samestat(before, (tmp_path / "figures").stat())
    change(tmp_path / "figures")
    assert store.read_note("figures") == b""
    store.write_note("figures", b"1")
    assert store.read_note("figures") == (b"" if (tmp_path / "figures").is_dir() else b"1")


@as_root
def test_trusted_account_may_own_the_store(tmp_path):
    (tmp_path / "figures").write_bytes(b"1")
    for path in (tmp_path / "figures", tmp_path):
        os.chown(path, 61234, 61234)
    readers = [PlanStore(tmp_path, trusted=[61234]), PlanStore(tmp_path), PlanStore(tmp_path, trusted=[61235])]
    assert [store.read_note("figures") for store in readers] == [b"1", b"", b""]


@pytest.mark.parametrize("which", ["folder", "mark", "guessed"])
def test_what_was_planted_is_not_written_through(tmp_path, place, monkeypatch, which):
    """Whoever has a file open would change it after it was checked."""
    store, run = prepare(place)
    code, plan, target = store.get_prepared_code(run["code"]), store.make_plan_part(digest=DIGEST), tmp_path / "theirs"
    if which == "folder":
        target.mkdir()
        (place / "kept").symlink_to(target)
    else:
        target.write_text("theirs")
        (place / "kept").mkdir(mode=0o700)
        os.link(target, place / "kept/.host-web01.guessed") if which == "guessed" else None
        (place / "kept/host-web01").symlink_to(target) if which == "mark" else None
    monkeypatch.setattr(stores.secrets, "token_hex", lambda size: "guessed")
    store.record_host_store("web01", code, plan, is_stored=True)
    assert store.is_stored_on_host("web01", code, plan) is (which == "mark")
    assert list(target.iterdir()) == [] if which == "folder" else target.read_text() == "theirs"


def test_run_sends_the_code_that_it_began_with_and_packs_nothing_twice(place, monkeypatch):
    """Also where the checkout is updated meanwhile."""
    store, run = prepare(place)
    began, packed = pack_observing_code(probe=False), store.make_plan_part(digest=DIGEST).pack()
    files = {path.name: path.stat().st_ino for path in place.iterdir()}
    assert set(files) == {f"{run['code']}.code", f"{SHORT}.json", f"{SHORT}.plan"}
    monkeypatch.setattr(stores.zlib, "compress", lambda *_: pytest.fail("packed again"))
    assert prepare(place)[1] == run and store.make_plan_part(digest=DIGEST).pack() == packed
    assert {path.name: path.stat().st_ino for path in place.iterdir()} == files
    monkeypatch.setattr(stores, "pack_observing_code", lambda probe: b"the new code")
    assert store.get_prepared_code(run["code"]).pack() == began


@as_root
def test_file_of_another_account_is_made_anew(place):
    store, run = prepare(place)
    for path in place.iterdir():
        os.chown(path, NOBODY, NOBODY)
    prepare(place)
    assert {path.stat().st_uid for path in place.iterdir()} == {0}


def test_place_that_cannot_be_written_packs_code_again_and_refuses_a_plan(tmp_path):
    # Each host would fail for a plan that is nowhere, after the run has begun.
    for place in (tmp_path / "not-there" / "plans", tmp_path / "plans"):
        store = PlanStore(place)
        packed = store.get_prepared_code(store.prepare_plans({})["code"]).pack()
        assert packed == PlanStore().make_code_part(probe=False).pack()
        with pytest.raises(UntrustedStore, match="No such file"):
            store.prepare_plans({DIGEST: PLAN})
    assert list(tmp_path.iterdir()) == [], "only `require` makes it, which refuses a place that others can change"


def test_file_that_could_not_be_put_in_place_leaves_nothing(place, monkeypatch):
    store, _ = prepare(place)
    before = sorted(path.name for path in place.iterdir())

    def full(*paths, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    store.write_note("figures", b"1")
    assert sorted(path.name for path in place.iterdir()) == before and store.read_note("figures") == b""


def test_plan_is_small_on_its_way_to_a_host():
    assert len(PlanStore().make_plan_part(text="x" * 100_000).pack()) < 1_000


@pytest.mark.parametrize("host", ["web01", "a/b", "..", "x" * 100])
def test_host_that_keeps_the_code_is_noted_until_there_is_another(place, host):
    fresh, run = prepare(place)
    parts = fresh.get_prepared_code(run["code"]), fresh.make_plan_part(digest=DIGEST)
    for _ in range(2):  # to ask, and to note that nothing is kept, makes nothing
        assert not fresh.is_stored_on_host(host, *parts)
        fresh.record_host_store(host, *parts, is_stored=False)
    assert not (place / "kept").exists()
    code, plan, other = (StreamPart(letter * 64, bytes) for letter in "abc")
    store, _ = prepare(place)
    assert not store.is_stored_on_host(host, code, plan)
    store.record_host_store(host, code, plan, is_stored=True)
    store.record_host_store("other", code, plan, is_stored=True)
    assert store.is_stored_on_host(host, code, plan) and not store.is_stored_on_host("another", code, plan)
    assert not store.is_stored_on_host(host, other, plan) and not store.is_stored_on_host(host, code, other)
    store.record_host_store(host, code, plan, is_stored=False)
    assert not store.is_stored_on_host(host, code, plan) and store.is_stored_on_host("other", code, plan)
    store.record_host_store("other", code, other, is_stored=True)
    assert store.is_stored_on_host("other", code, other) and not store.is_stored_on_host("other", code, plan)
    assert not PlanStore().is_stored_on_host(host, code, plan)


@examples(30)  # each makes a store
@given(st.binary(max_size=200))
def test_file_of_the_store_is_sent_only_where_it_fits_its_name(tmp_path_factory, junk):
    place = tmp_path_factory.mktemp("made") / "plans"
    store, run = prepare(place)
    for path in place.iterdir():
        path.write_bytes(junk)
    assert hashlib.sha256(store.get_prepared_code(run["code"]).pack()).hexdigest() == run["code"]
    with pytest.raises(OSError):
        store.make_plan_part(digest=DIGEST).pack()


def test_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    (tmp_path / "plans").mkdir(0o700)
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != tmp_path)
    with pytest.raises(UntrustedStore, match="cannot write"):
        PlanStore(tmp_path / "plans").require_directories()


@pytest.mark.parametrize(("kind", "problem"), [("link", "a link"), ("file", "no directory"), ("none", "")])
def test_file_in_the_place_of_a_store_is_reported(tmp_path, kind, problem):
    place = tmp_path / "plans"
    if kind == "link":
        place.symlink_to(tmp_path)
    elif kind == "file":
        place.touch()
    with pytest.raises(UntrustedStore if problem else FileNotFoundError) as wrong, PlanStore(place)._open_directory():
        pass
    if isinstance(wrong.value, UntrustedStore):
        assert (wrong.value.path, wrong.value.observed) == (str(place), problem)
