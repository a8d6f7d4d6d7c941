"""What the observation of one user may cost: to the last entry, byte and second, and then no more."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from proscribe.host.system import Host, Unseen
from proscribe.host.system.budget import Budget


def test_of_one_file_so_much_is_read_and_no_more(tmp_path: Path) -> None:
    """docs/apps.md has this figure, too."""
    host = Host(str(tmp_path))
    host.budget = Budget()
    (tmp_path / "file").write_bytes(b"x" * 2**20)
    assert len(host.read("/file") or b"") == 2**20
    (tmp_path / "file").write_bytes(b"x" * (2**20 + 1))
    with pytest.raises(Unseen, match=f"^/file is larger than {2**20} bytes"):
        host.read("/file")


@pytest.mark.parametrize("what", ["files", "bytes read"])
def test_the_last_of_it_may_be_spent_and_no_more(what: str) -> None:
    one = Budget(1_200, 1_200, 60)
    one.take(what, 1_000)
    one.take(what, 200)
    assert one.left == {**dict.fromkeys(one.most, 1_200), what: 0}, "each is paid by itself"
    one.take(what, 0)
    with pytest.raises(Unseen, match=f"^over budget: more than 1,200 {what}$"):
        one.take(what, 1)
    with pytest.raises(Unseen, match="over budget"):
        one.take(what, 0)


def test_time_ends_it_whatever_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    one = Budget(seconds=2.5)
    now[0] = 102.5
    one.hold()
    one.take("files", 1)
    now[0] = 102.6
    for work in (one.hold, lambda: one.take("files", 1)):
        with pytest.raises(Unseen, match=r"^over budget: more than 2\.5 s$"):
            work()
