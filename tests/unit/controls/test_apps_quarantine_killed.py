"""The quarantine's moves, killed with SIGKILL at each of their steps: the next run completes them, nothing is lost."""

from __future__ import annotations

from pathlib import Path

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
from proscribe.controls.apps.quarantine import manifest, unfinished

pytestmark = pytest.mark.parametrize("two", [False, True], ids=["one file system", "two file systems"])
MOST = 100  # steps; a run has far fewer


def contents(root: Path) -> set[bytes]:
    return {fields[-1] for fields in picture(root).values()}


@pytest.mark.slow
@pytest.mark.parametrize("path", [TREE, FILE], ids=["tree", "file"])
def test_taking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, two: bool, path: str) -> None:
    steps = []
    for step in range(1, MOST):
        root = tmp_path / str(step)
        root.mkdir()
        with monkeypatch.context() as patch:
            if two:
                in_two_file_systems(patch, root)
            host = made_host(root)
            before = picture(root)
            name = killed_at(step, lambda host=host: enforced(host, path))  # type: ignore[misc]
            assert contents(root) >= {fields[-1] for fields in before.values()}, name
            assert host.stat(path) is not None or list(folders(host)), name
            for item in manifest.begun(host):
                assert unfinished.observe(host, "enforce")[0].drifted, item
            enforced(host, path)
            assert host.stat(path) is None, name
            assert [folder.endswith(".unfinished") for folder in folders(host)] == [False], name
            assert not list((root / "home").glob("**/.proscribe*")), name
            lifted(host)
            assert picture(root) == before, name
        if not name:
            break
        steps.append(name)
    assert {"folder made", "written", "moved", "sealed", "kept"} <= set(steps)
    assert not two or {"hold made", "copied", "compared", "original gone", "hold gone"} <= set(steps)


@pytest.mark.slow
@pytest.mark.parametrize("path", [TREE, FILE], ids=["tree", "file"])
@pytest.mark.parametrize("then", ["lift", "enforce"])
def test_restoring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, two: bool, path: str, then: str) -> None:
    steps = []
    for step in range(1, MOST):
        root = tmp_path / str(step)
        root.mkdir()
        with monkeypatch.context() as patch:
            if two:
                in_two_file_systems(patch, root)
            host = made_host(root)
            before = picture(root)
            enforced(host, path)
            name = killed_at(step, lambda host=host: lifted(host))  # type: ignore[misc]
            assert contents(root) >= {fields[-1] for fields in before.values()}, name
            if then == "enforce":
                enforced(host, path)
                assert host.stat(path) is None, name
                assert [folder.endswith(".unfinished") for folder in folders(host)] == [False], name
                assert not list((root / "home").glob("**/.proscribe*")), name
            lifted(host)
            assert picture(root) == before, name
            assert host.list(ITEMS) == []
        if not name:
            break
        steps.append(name)
    assert {"opened", "unsealed", "placed", "dropped"} <= set(steps)
