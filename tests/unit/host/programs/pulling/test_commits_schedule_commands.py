"""Every command line by which a host gets its commits, and has them checked: git's, and those of ssh-keygen."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.programs.pulling import commits
from proscribe.host.programs.pulling.commits import Checkout, Problem

COMMIT = "a1" * 20
PARSED = "rev-parse --verify --quiet refs/proscribe/{}^{{commit}}"


class Ran:
    """The programs that were run, with how long they may take; each answers as the first row says that fits it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, state: Path, *answers: tuple[str, int, bytes]) -> None:
        self.state, self.answers = state, answers
        self.lines: list[tuple[str, float]] = []
        self.bounded: list[str] = []
        self.files: list[tuple[bytes, bytes]] = []
        monkeypatch.setattr(commits, "ended", self)

    def __call__(self, argv: Sequence[str], timeout: float, **more: Any) -> tuple[int, str, bytes]:
        repository = f"git --git-dir={self.state}/repository --work-tree={self.state}/checkout "
        line = " ".join(argv).removeprefix(repository)
        if argv[0] == "ssh-keygen":
            given, signed = Path(argv[argv.index("-s") + 1]), Path(more.get("stdin", os.devnull))
            self.files.append((given.read_bytes(), signed.read_bytes()))
            line = line.replace(str(given), "SIGNATURE")
        self.lines.append((line, timeout))
        self.bounded += [line.split()[0]] * bool(more.get("bounded"))
        code, printed = next(((code, said) for words, code, said in self.answers if words in line), (0, b""))
        return code, f"said {code}" if code else "", printed


def checkout(state: Path, **more: Any) -> Checkout:
    return Checkout(str(state), {"repository": "https://x/y", "branch": "main", "signed": False, **more})


@pytest.mark.parametrize("good", [True, False])
def test_what_could_not_be_fetched_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good: bool) -> None:
    (tmp_path / "repository/objects").mkdir(parents=True)
    ran = Ran(monkeypatch, tmp_path, ("fetch ", 128, b""), ("good^", 0 if good else 1, b"b2\n" if good else b""))
    with pytest.raises(Problem, match=r"^the repository could not be fetched \(git fetch: said 128\)$"):
        checkout(tmp_path).fetch()
    assert (tmp_path / "repository").exists() is good
    assert [line for line, _ in ran.lines[2:]] == [
        PARSED.format("good"),
        *["update-ref -d refs/proscribe/fetched", "repack -a -d -q", "prune --expire=now"] * good,
    ]


def test_a_repository_that_cannot_be_begun_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Ran(monkeypatch, tmp_path, ("git init", 1, b""))
    with pytest.raises(Problem, match="^git init: said 1$"):
        checkout(tmp_path).prepare()


def test_the_last_good_one_and_who_comes_after_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = Ran(monkeypatch, tmp_path, ("good^", 0, b"b2\n"))
    one = checkout(tmp_path, first_commit="f1")
    one.keep(COMMIT)
    assert one.good() == "b2"
    one._judge(COMMIT)
    assert [line for line, _ in ran.lines] == [
        f"update-ref refs/proscribe/good {COMMIT}",
        *[PARSED.format("good")],
        f"merge-base --is-ancestor f1 {COMMIT}",
        PARSED.format("good"),
        "merge-base --is-ancestor f1 b2",
        f"merge-base --is-ancestor b2 {COMMIT}",
    ]


@pytest.mark.parametrize(
    ("repository", "scheme"),
    [
        ("/srv/policy.git", "file"),
        ("file:///srv/policy.git", "file"),
        ("https://x/y", "https"),
        ("ssh://git@x/y", "ssh"),
        ("git@x:y.git", "ssh"),
        ("http://x/y", None),
        ("git://x/y", None),
        ("ext://x", None),
    ],
)
def test_the_one_way_by_which_a_repository_is_fetched(repository: str, scheme: str | None) -> None:
    if scheme:
        assert commits.scheme_of(repository) == scheme
        return
    with pytest.raises(Problem, match=f"^the repository '{repository}' is fetched by none of https, ssh and file$"):
        commits.scheme_of(repository)


# -- signatures

SIGNATURE = b"-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\nAAAA\n-----END SSH SIGNATURE-----"
UNSIGNED = b"tree 1\nauthor a <a> 1 +0000\nmergetag object 2\n of it\nencoding x\n\nmessage\n\ngpgsig none\n"
CHECK = "ssh-keygen -Y verify -n git -I {} -s SIGNATURE -f /signers"


def signed(header: bytes = b"gpgsig") -> tuple[bytes, str]:
    """A commit with a signature among its headers, and its name."""
    raw = UNSIGNED.replace(b"encoding", header + b" " + SIGNATURE.replace(b"\n", b"\n ") + b"\nencoding")
    return raw, hashlib.sha1(b"commit %d\0" % len(raw) + raw).hexdigest()


@pytest.mark.parametrize("header", [b"gpgsig", b"gpgsig-sha256"])
def test_a_signature_is_checked_for_each_signer_until_one_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: bytes
) -> None:
    ran = Ran(monkeypatch, tmp_path, ("find-principals", 0, b"ann\nbob\neve\n"), ("-I ann", 255, b""))
    commits.verify(*signed(header), "/signers")
    assert ran.lines == [
        ("ssh-keygen -Y find-principals -s SIGNATURE -f /signers", 60),
        (CHECK.format("ann"), 60),
        (CHECK.format("bob"), 60),
    ]
    assert ran.files == [(SIGNATURE + b"\n", content) for content in (b"", UNSIGNED, UNSIGNED)]


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([("find-principals", 255, b"")], "none of the signers has made it, or their key is not good now: said 255"),
        ([("find-principals", 0, b"ann\n"), ("verify", 255, b"")], "said 255"),
        ([("find-principals", 0, b"")], ""),
    ],
)
def test_what_no_signer_made_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: list[tuple[str, int, bytes]], why: str
) -> None:
    Ran(monkeypatch, tmp_path, *answers)
    with pytest.raises(Problem) as wrong:
        commits.verify(*signed(), "/signers")
    assert str(wrong.value) == why or not why


# -- files


def test_whatever_it_is_is_removed_and_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "kept/inner").mkdir(parents=True)
    (tmp_path / "folder/inner").mkdir(parents=True)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("kept")
    for name in ("folder", "file", "link", "none"):
        commits.remove(str(tmp_path / name))
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["kept", "kept/inner"]
