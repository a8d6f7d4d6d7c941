"""The budget of the observation of a user: entries, bytes and seconds."""

import time

import pytest
from proscribe.host.system import Host, Unseen
from proscribe.host.system.budget import Budget


def test_file_of_a_user_is_read_up_to_its_limit(tmp_path):
    """docs/apps.md has this figure, too."""
    host = Host(str(tmp_path))
    host.budget = Budget()
    (tmp_path / "file").write_bytes(b"x" * 2**20)
    assert len(host.read("/file") or b"") == 2**20
    (tmp_path / "file").write_bytes(b"x" * (2**20 + 1))
    with pytest.raises(Unseen, match=f"^/file is larger than {2**20} bytes"):
        host.read("/file")


@pytest.mark.parametrize("kind", ["files", "bytes read"])
def test_budget_may_be_spent_to_its_end_and_no_further(kind):
    budget = Budget(1_200, 1_200, 60)
    budget.take(kind, 1_000)
    budget.take(kind, 200)
    assert budget.left == {**dict.fromkeys(budget.most, 1_200), kind: 0}, "each is paid by itself"
    budget.take(kind, 0)
    with pytest.raises(Unseen, match=f"^over budget: more than 1,200 {kind}$"):
        budget.take(kind, 1)
    with pytest.raises(Unseen, match="over budget"):
        budget.take(kind, 0)


def test_budget_ends_with_its_time(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    budget = Budget(seconds=2.5)
    now[0] = 102.5
    budget.hold()
    budget.take("files", 1)
    now[0] = 102.6
    for work in (budget.hold, lambda: budget.take("files", 1)):
        with pytest.raises(Unseen, match=r"^over budget: more than 2\.5 s$"):
            work()


def test_user_has_3_million_files_256_mib_and_15_seconds():
    """docs/apps.md promises these figures."""
    before, budget, after = time.monotonic(), Budget(), time.monotonic()
    assert budget.left == budget.most == {"files": 3_000_000, "bytes read": 2**28}
    assert budget.seconds == 15.0 and before + 15 <= budget.end <= after + 15
