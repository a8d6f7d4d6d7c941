"""Which commit of the policy repository a host runs: signed, on its branch, and never behind the last good one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from proscribe.host.programs.pulling import commits
from proscribe.host.programs.pulling.commits import Checkout, Problem

# The history of the repository, each with all that it comes after; `side` left main after `one`.
PAST = {"one": {"one"}, "two": {"one", "two"}, "three": {"one", "two", "three"}, "side": {"one", "side"}}
UNSIGNED = "three"


class Made(Checkout):
    """A checkout whose git answers for that history."""

    def __init__(self, good: str, signed: bool = True, first: str = "") -> None:
        super().__init__("/nowhere", {"repository": "/r", "branch": "main", "signed": signed, "first_commit": first})
        self.last = good

    def git(self, *words: str, timeout: float = 120, bounded: bool = False) -> bytes:
        if words[:2] == ("cat-file", "commit"):
            return words[2].encode()
        assert words[:2] == ("merge-base", "--is-ancestor"), words
        if words[2] not in PAST[words[3]]:
            raise Problem("it is not")
        return b""

    def good(self) -> str:
        return self.last


@pytest.fixture(autouse=True)
def signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every commit but one has the signature of a signer."""

    def verify(raw: bytes, commit: str, signers: str) -> None:
        assert raw == commit.encode() and signers == commits.SIGNERS
        if commit == UNSIGNED:
            raise Problem("it is not signed")

    monkeypatch.setattr(commits, "verify", verify)


@pytest.mark.parametrize(
    ("commit", "good", "more", "refused"),
    [
        pytest.param("two", "", {}, "", id="the first one"),
        pytest.param("two", "one", {}, "", id="a newer one"),
        pytest.param("two", "two", {}, "", id="the same again"),
        pytest.param("three", "two", {}, "no good signature (it is not signed)", id="without a signature"),
        pytest.param("three", "two", {"signed": False}, "", id="without one, where none is demanded"),
        pytest.param("one", "two", {}, "goes back behind the last good one", id="an older one"),
        pytest.param("side", "two", {}, "or comes from another branch", id="of another branch"),
        pytest.param("two", "", {"first": "one"}, "", id="after the first that is named"),
        pytest.param("one", "", {"first": "one"}, "", id="the first that is named"),
        pytest.param("one", "", {"first": "two"}, "does not come after, two, the first commit", id="before it"),
        pytest.param("side", "one", {"first": "two"}, "does not come after, two, the first commit", id="beside it"),
        pytest.param("two", "side", {"first": "two"}, "", id="a first one that is named anew begins another history"),
        pytest.param("", "one", {}, "what was fetched is no commit", id="no commit at all"),
    ],
)
def test_a_commit_is_run_or_refused(commit: str, good: str, more: dict[str, Any], refused: str) -> None:
    try:
        Made(good, **more)._judge(commit)
    except Problem as problem:
        assert refused and refused in str(problem)
    else:
        assert not refused


def test_what_is_refused_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every night more of it would fill the disk."""
    one = Made("two")
    forgotten: list[str] = []
    monkeypatch.setattr(one, "prepare", lambda: None)
    monkeypatch.setattr(one, "_commit", lambda name: "one")
    judging = ("cat-file", "merge-base")
    monkeypatch.setattr(one, "git", lambda *words, **named: Made.git(one, *words) if words[0] in judging else b"")
    monkeypatch.setattr(one, "_forget_fetched", lambda: forgotten.append("fetched"))
    with pytest.raises(Problem, match="goes back"):
        one.fetch()
    assert forgotten == ["fetched"]
    monkeypatch.setattr(one, "_commit", lambda name: "two")
    assert one.fetch() == "two" and forgotten == ["fetched"]
