"""Environments of conda on made trees: what lies in one is what py-rattler, pixi's library, left of an installation
(see test_apps_real_own_systems.py); answers of `conda remove --dry-run --json` are as its issues 13019 and 6641 show.
"""

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


def test_an_environment_anywhere_in_the_home_that_conda_has_listed(root):
    package(root, "/home/alice/work/env")
    package(root, "/home/bob/env")
    lines = "/home/alice/work/env\n/home/bob/env\n/home/alice/../bob/env\n\n/\n/home/alice\n/home/alice/x\x07y\n"
    put(root, "/home/alice/.conda/environments.txt", lines)
    host = Host(str(root))
    assert [item.handles[0] for item in conda.query_of(host, ALICE, IDS)[0]] == ["/home/alice/work/env"]
    assert conda.owned_directories(host, ALICE) == ["/home/alice/work/env"]


def test_environments_beyond_the_limit_are_reported(root, monkeypatch):
    monkeypatch.setattr(conda, "MOST", 15)
    put(root, "/home/alice/.conda/environments.txt", "".join(f"/home/alice/e{number}\n" for number in range(20)))
    unseen = "more than 15 environments of conda: not all were checked"
    assert conda.query_of(Host(str(root)), ALICE, IDS) == ([], unseen)


@given(st.lists(st.binary()))
def test_a_list_of_environments_never_leaves_the_home(lines):
    own = [b"/home/alice/" + line for line in lines]
    for path in conda.parse([*lines, *own], "/home/alice"):
        assert path.startswith("/home/alice/") and path == os.path.normpath(path)


def test_a_huge_file_is_not_read(root):
    path = package(root, "/home/alice/miniconda3")
    with (root / path.lstrip("/")).open("r+b") as stream:
        stream.truncate(1 << 40)
    assert [item.handles for item in conda.query_of(Host(str(root)), ALICE, IDS)[0]] == [("/home/alice/miniconda3",)]


@given(st.dictionaries(st.sampled_from(["files", "name"]), st.lists(st.text() | st.integers()) | st.text()))
def test_programs_alone_count_up_to_the_limit(text):
    result = conda.programs_in(text)
    assert len(result) <= conda.MOST_PROGRAMS and all(file.startswith(conda.PROGRAMS) for file in result)


def test_conda_file_identifies_programs_of_its_owner_alone(root, monkeypatch):
    prefix = "/home/alice/miniconda3"
    for place in (prefix, "/opt/conda"):
        package(root, place, files=["bin/rclone", "lib/rclone/helper", "etc/rclone.conf", 5])
    host = Host(str(root))
    monkeypatch.setattr(Host, "shares_root", lambda self, process: process.pid != 9)  # 9 is in a container
    monkeypatch.setattr(Host, "user_of", lambda self, process: 1001 if process.pid == 8 else 1000)  # 8 is bob's
    program = conda.programs(host, IDS, conda.query_of(host, ALICE, IDS)[0])
    assert [program(Process(pid, f"{prefix}/bin/rclone")) for pid in (7, 8, 9)] == ["rclone", "", ""]
    assert program(Process(7, f"{prefix}/lib/rclone/helper")) == "rclone"
    assert program(Process(7, f"{prefix}/bin/python3.12")) == ""
    program = conda.programs(host, IDS, conda.query(host, IDS)[0])
    assert [program(Process(pid, "/opt/conda/bin/rclone")) for pid in (7, 8, 9)] == ["rclone", "rclone", ""]


def answer(*unlink: str, link: Sequence[str] = ()) -> str:
    rows = {
        key: [{"name": name, "version": "1"} for name in names] for key, names in (("UNLINK", unlink), ("LINK", link))
    }
    return json.dumps({"actions": {"FETCH": [], "PREFIX": "/x", **rows}, "dry_run": True, "success": True})


@pytest.mark.parametrize(
    ("text", "rc", "reason"),
    [
        (answer("rclone", "backup-suite"), 0, "it would take along backup-suite"),
        (answer("rclone", *"abcd", link=["e", "f"]), 0, "it would take along a, b, c, d, e (changed)"),
        (answer(), 0, "does not say what its removal would take along"),
        (answer("rclone"), 1, "does not say what its removal would take along"),
        ("{" * 100_000, 0, "does not say what its removal would take along"),
    ],
)
def test_removal_that_takes_more_along_is_refused(root, text, rc, reason):
    def run(argv: Sequence[str], **options: Any) -> Result:
        assert "--dry-run" in argv
        return Result(rc, f"Remove packages in environment /x:\n\n{text}", "")

    package(root, "/home/alice/miniconda3/envs/chat")
    put(root, "/home/alice/miniconda3/bin/conda", mode=0o755)
    host = Host(str(root), run)
    (action,), refused = conda.removal(host, conda.query_of(host, ALICE, IDS)[0])
    with pytest.raises(ControlError, match=re.escape(reason) + "$"):
        action.apply()
    assert refused == []


def test_conda_of_the_host_that_does_not_answer_is_asked_once(root):
    calls: list[Any] = []

    def run(argv: Sequence[str], **options: Any) -> Result:
        calls.append((argv[-1], options["timeout"], options["user"]))
        raise ControlError(f"{argv[0]} did not end within 60 s")

    for name in ("rclone", "telegram-desktop"):
        package(root, "/opt/conda", name)
    put(root, "/opt/conda/bin/conda", mode=0o755)
    host = Host(str(root), run)
    actions, refused = conda.removal(host, conda.query(host, IDS)[0])
    assert (actions, len(refused), calls) == ([], 2, [("rclone", 60, None)])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes another user's directory")
def test_root_runs_nothing_of_an_installation_that_users_may_write_to(root):
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
def test_any_answer_is_read(text):
    assert conda.parse_dry_run(text) == ([], [])
