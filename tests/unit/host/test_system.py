"""The door to the operating system: files whole or not at all, hostile homes, and processes that are the ones meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from proscribe.host import system as host_module
from proscribe.host.system import ControlError, Host


def tree(root: Path) -> dict[str, str]:
    """Every path below a directory, with the content of files."""
    return {
        str(path.relative_to(root)): path.read_text() if path.is_file() and not path.is_symlink() else ""
        for path in sorted(root.rglob("*"))
    }


@pytest.fixture
def made(tmp_path: Path) -> Host:
    """A host that is a made tree, with the directories that every host has."""
    for directory in ("etc", "var/lib", "home", "proc"):
        (tmp_path / directory).mkdir(parents=True)
    return Host(str(tmp_path))


class TestKept:
    def test_a_file_gets_another_name_once(self, made: Host, tmp_path: Path) -> None:
        made.write("/etc/a", "ours")
        made.write("/etc/b", "theirs")
        assert made.rename("/etc/a", "b") and not made.rename("/etc/a", "b") and not made.rename("/none/a", "b")
        assert tree(tmp_path / "etc") == {"b": "ours"}
        (tmp_path / "etc/d").mkdir()
        with pytest.raises(ControlError, match="^cannot rename /etc/b: Is a directory$"):
            made.rename("/etc/b", "d")


class TestProcesses:
    def test_what_hides_its_executable_is_counted_but_for_the_first_process(
        self, made: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for pid in ("1", "7", "8"):
            os.mkdir(made.root + f"/proc/{pid}")

        def refuse(path: str) -> str:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(host_module.os, "readlink", refuse)
        assert made.processes() == ([], 2)


class TestTools:
    def test_two_runs_do_not_change_a_host_at_once(self, made: Host) -> None:
        os.makedirs(made.root + "/run")
        with made.exclusive(), pytest.raises(ControlError, match="another run"), made.exclusive(patience=0):
            pass
        with made.exclusive(patience=0):
            pass
