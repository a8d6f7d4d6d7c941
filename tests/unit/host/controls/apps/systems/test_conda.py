"""Environments of conda on made trees: what lies in one is what py-rattler, pixi's library, left of an installation
(see test_apps_real_own_systems.py); answers of `conda remove --dry-run --json` are as its issues 13019 and 6641 show.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_users import ALICE, put
from proscribe.host.controls.apps.systems import conda
from proscribe.host.system import ControlError, Host, Process, Result

IDS = {"rclone", "telegram-desktop"}


def package(root: Path, prefix: str, name: str = "rclone", version: str = "1.70.0", **text: Any) -> str:
    path = f"{prefix}/conda-meta/{name}-{version}-h1_0.json"
    put(root, path, json.dumps({"name": name, "version": version, "build": "h1_0", "files": [f"bin/{name}"], **text}))
    return path


def test_an_environment_anywhere_in_the_home_that_conda_has_listed(root: Path) -> None:
    package(root, "/home/alice/work/env")
    package(root, "/home/bob/env")
    lines = "/home/alice/work/env\n/home/bob/env\n/home/alice/../bob/env\n\n/\n/home/alice\n/home/alice/x\x07y\n"
    put(root, "/home/alice/.conda/environments.txt", lines)
    host = Host(str(root))
    assert [item.handles[0] for item in conda.query_of(host, ALICE, IDS)[0]] == ["/home/alice/work/env"]
    assert conda.owned_directories(host, ALICE) == ["/home/alice/work/env"]


def test_environments_beyond_the_limit_are_reported(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conda, "MOST", 15)
    put(root, "/home/alice/.conda/environments.txt", "".join(f"/home/alice/e{number}\n" for number in range(20)))
    unseen = "more than 15 environments of conda: not all were checked"
    assert conda.query_of(Host(str(root)), ALICE, IDS) == ([], unseen)


@given(st.lists(st.binary()))
def test_a_list_of_environments_never_leaves_the_home(lines: list[bytes]) -> None:
    own = [b"/home/alice/" + line for line in lines]
    for path in conda.parse([*lines, *own], "/home/alice"):
        assert path.startswith("/home/alice/") and path == os.path.normpath(path)


def test_a_huge_file_is_not_read(root: Path) -> None:
    path = package(root, "/home/alice/miniconda3")
    with (root / path.lstrip("/")).open("r+b") as stream:
        stream.truncate(1 << 40)
    assert [item.handles for item in conda.query_of(Host(str(root)), ALICE, IDS)[0]] == [("/home/alice/miniconda3",)]


@given(st.dictionaries(st.sampled_from(["files", "name"]), st.lists(st.text() | st.integers()) | st.text()))
def test_programs_alone_count_up_to_the_limit(text: dict[str, Any]) -> None:
    result = conda.programs_in(text)
    assert len(result) <= conda.MOST_PROGRAMS and all(file.startswith(conda.PROGRAMS) for file in result)


def test_conda_file_identifies_programs_of_its_owner_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = "/home/alice/miniconda3"
    package(root, prefix, files=["bin/rclone", "lib/rclone/helper", "etc/rclone.conf", 5])
    host = Host(str(root))
    program = conda.programs(host, IDS, conda.query_of(host, ALICE, IDS)[0])
    monkeypatch.setattr(Host, "shares_root", lambda self, process: process.pid != 9)
    monkeypatch.setattr(Host, "user_of", lambda self, process: 1001 if process.pid == 8 else 1000)
    assert program(Process(7, f"{prefix}/bin/rclone")) == "rclone"
    assert program(Process(7, f"{prefix}/lib/rclone/helper")) == "rclone"
    assert program(Process(7, f"{prefix}/bin/python3.12")) == ""
    assert program(Process(8, f"{prefix}/bin/rclone")) == ""  # bob's: alice's word is none about his programs
    assert program(Process(9, f"{prefix}/bin/rclone")) == ""  # in a container
    package(root, "/opt/conda", files=["bin/rclone"])
    program = conda.programs(host, IDS, conda.query(host, IDS)[0])
    result = [program(Process(pid, "/opt/conda/bin/rclone")) for pid in (7, 8, 9)]
    assert result == ["rclone", "rclone", ""]  # the host's, of everybody


def answer(*unlink: str, link: Sequence[str] = ()) -> str:
    rows = {
        key: [{"name": name, "version": "1"} for name in names] for key, names in (("UNLINK", unlink), ("LINK", link))
    }
    return json.dumps({"actions": {"FETCH": [], "PREFIX": "/x", **rows}, "dry_run": True, "success": True})


@pytest.mark.parametrize(
    ("text", "rc", "reason"),
    [
        ("Remove packages in environment /x:\n\n" + answer("rclone"), 0, ""),
        (answer("rclone", "backup-suite"), 0, "it would take along backup-suite"),
        (answer("rclone", link=["python"]), 0, "it would take along python (changed)"),
        (answer(), 0, "does not say what its removal would take along"),
        (answer("rclone"), 1, "does not say what its removal would take along"),
        ("{" * 100_000, 0, "does not say what its removal would take along"),
    ],
)
def test_a_removal_is_simulated_and_refused_where_more_would_go(root: Path, text: str, rc: int, reason: str) -> None:
    calls: list[tuple[Sequence[str], Any]] = []

    def run(argv: Sequence[str], **options: Any) -> Result:
        if "--dry-run" not in argv:
            calls.append((argv, options["user"]))
            (root / path.lstrip("/")).unlink()
        return Result(rc, text, "")

    prefix = "/home/alice/miniconda3/envs/chat"
    path = package(root, prefix)
    tool = "/home/alice/miniconda3/bin/conda"
    put(root, tool, mode=0o755)
    host = Host(str(root), run)
    actions, refused = conda.removal(host, conda.query_of(host, ALICE, IDS)[0])
    if reason:
        with pytest.raises(ControlError, match=re.escape(reason) + "$"):
            actions[0].apply()
        assert (calls, refused) == ([], [])
        return
    actions[0].apply()
    assert [(item.name, item.tool, item.place) for item in actions[0].takes] == [("rclone", tool, prefix)]
    assert calls == [([tool, "remove", "--prefix", prefix, "--yes", "--offline", "rclone"], ALICE)]
    assert refused == []


def test_the_hosts_own_conda_is_asked_before_and_once_where_it_does_not_answer(root: Path) -> None:
    calls: list[str] = []

    def run(argv: Sequence[str], **options: Any) -> Result:
        calls.append(argv[-1])
        assert (options["timeout"], options["user"]) == (60, None)
        raise ControlError(f"{argv[0]} did not end within 60 s")

    for name in ("rclone", "telegram-desktop"):
        package(root, "/opt/conda", name)
    put(root, "/opt/conda/bin/conda", mode=0o755)
    host = Host(str(root), run)
    actions, refused = conda.removal(host, conda.query(host, IDS)[0])
    assert (actions, len({why for _, why in refused}), len(refused)) == ([], 1, 2)
    assert calls == ["rclone"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes another user's directory")
def test_root_runs_nothing_of_an_installation_that_users_may_write_to(root: Path) -> None:
    package(root, "/opt/conda")
    put(root, "/opt/conda/bin/conda", mode=0o755)
    host = Host(str(root), lambda argv, **options: pytest.fail(f"root ran {argv}"))
    for change in (
        lambda place: os.chown(place, 1000, 1000),
        lambda place: (os.chown(place, 0, 0), place.chmod(0o777)),
    ):
        change(root / "opt/conda/bin")
        ((_, why),) = conda.removal(host, conda.query(host, IDS)[0])[1]
        assert why == "users may write to /opt/conda/bin, and root runs nothing of theirs"


@given(st.text() | st.just("{") | st.dictionaries(st.just("actions"), st.lists(st.text())).map(json.dumps))
def test_any_answer_is_read(text: str) -> None:
    assert conda.parse_dry_run(text) == ([], [])
