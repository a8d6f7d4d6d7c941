"""The quarantine's moves, killed with SIGKILL at each of their steps: the next run completes them, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from made_quarantine import (
    FILE,
    ITEMS,
    TREE,
    enforced,
    folders,
    in_two_file_systems,
    killed_at,
    lifted,
    made_host,
    picture,
)
from proscribe.host.system import Host

pytestmark = pytest.mark.parametrize("two", [False, True], ids=["one file system", "two file systems"])
MOST = 100  # steps; a run has far fewer


def contents(root: Path) -> set[bytes]:
    return {fields[-1] for fields in picture(root).values()}


def killed_at_each_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, two: bool, begin: Callable[[Host], Callable[[], object]]
) -> Iterator[tuple[Host, dict[str, Any], str]]:
    """Hosts on which what `begin` returns was killed at its first step, its second, and so on, until it came through;
    each with what was there before it began, and with the name of the step.
    """
    for step in range(1, MOST):
        root = tmp_path / str(step)
        root.mkdir()
        with monkeypatch.context() as patch:
            if two:
                in_two_file_systems(patch, root)
            host = made_host(root)
            before = picture(root)
            name = killed_at(step, begin(host))
            assert contents(root) >= {fields[-1] for fields in before.values()}, name
            yield host, before, name
        if not name:
            return


def completed(host: Host, path: str, name: str) -> None:
    """The next run takes it, and leaves nothing else."""
    enforced(host, path)
    assert host.stat(path) is None, name
    assert [folder.endswith(".unfinished") for folder in folders(host)] == [False], name
    assert not list((Path(host.root) / "home").glob("**/.proscribe*")), name


@pytest.mark.slow
@pytest.mark.parametrize("path", [TREE, FILE], ids=["tree", "file"])
@pytest.mark.parametrize("then", ["lift", "enforce"])
def test_restoring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, two: bool, path: str, then: str) -> None:
    def begin(host: Host) -> Callable[[], object]:
        enforced(host, path)
        return lambda: lifted(host)

    steps = set()
    for host, before, name in killed_at_each_step(tmp_path, monkeypatch, two, begin):
        if then == "enforce":
            completed(host, path, name)
        lifted(host)
        assert picture(Path(host.root)) == before, name
        assert host.list(ITEMS) == []
        steps.add(name)
    assert {"opened", "unsealed", "placed", "dropped"} <= steps
