"""Whether the block of the rpm family is in effect: by its settings, and by what rpm says of a made package."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.controls.apps.systems import rpm_trial
from proscribe.host.controls.apps.systems.rpm_conflicts import GUARD
from proscribe.host.controls.apps.systems.rpm_trial import DNF, DNF5, ZYPP, open_to
from proscribe.host.system import ControlError, Host, Result, Unseen

REFUSED = Result(1, "", f"error: Failed dependencies:\n\twechat conflicts with {GUARD}-1-1.noarch\n")


class Made(Host):
    """A tree in which rpm answers so."""

    def __init__(self, root: Path, answer: Result | None = REFUSED) -> None:
        super().__init__(str(root), self.answers)
        self.answer = answer
        self.requested: list[bytes] = []

    def answers(self, argv: Sequence[str], **options: Any) -> Result:
        *words, path = argv
        assert options == {"timeout": 30}
        assert words == ["rpm", "-i", "--test", "--nosignature"], "which changes nothing"
        self.requested.append(Path(path).read_bytes())
        if self.answer is None:
            raise ControlError("rpm did not end within 30 s")
        return self.answer

    def has(self, path: str, text: str) -> Made:
        place = Path(self.root + path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return self


@pytest.mark.parametrize(
    ("path", "text", "key"),
    [
        (DNF, "[main]\ndisable_excludes=all\n", "disable_excludes"),
        (DNF, "[main]\n protected_packages = dnf \n", "protected_packages"),
        (f"{DNF5[0]}/10.conf", "disable_excludes=*", "disable_excludes"),
        (f"{DNF5[1]}/10.conf", "protected_packages=a", "protected_packages"),
        (ZYPP, "locksfile.apply = no", "locksfile.apply"),
        (ZYPP, "locksfile.path=/tmp/locks", "locksfile.path"),
        (DNF, "disable_excludes=", None),
        (DNF, "# disable_excludes=all", None),
        (DNF, "locksfile.apply = no", None),  # which only zypper reads
        (ZYPP, "disable_excludes=all", None),
        (ZYPP, "locksfile.apply = TRUE\nlocksfile.path = /etc/zypp/locks", None),
        *((ZYPP, f"locksfile.apply = {harmless}", None) for harmless in ("yes", "true", "1", "On")),
        (f"{DNF5[0]}/10.conf", "", None),
    ],
)
def test_a_setting_that_lets_go_of_the_block(tmp_path: Path, path: str, text: str, key: str | None) -> None:
    said = open_to(Made(tmp_path).has(path, text), "wechat")
    assert said.startswith(f"{path} sets {key}, ") if key else said == ""


def test_all_settings_that_do_are_named_and_what_rpm_lets_in(tmp_path: Path) -> None:
    host = Made(tmp_path, Result(0, "", "")).has(DNF, "disable_excludes=all").has(ZYPP, "locksfile.path=/x")
    first, second, third = open_to(host, "wechat").split("; ")
    assert DNF in first and ZYPP in second and "installs" in third
    assert b"wechat" in host.requested[0]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        Result(1, "", "error: no space left"),
        Result(1, "", f"error: {GUARD} is damaged"),
        Result(1, "", "x conflicts with another-1-1"),
    ],
)
def test_another_answer_is_none(tmp_path: Path, answer: Result | None) -> None:
    with pytest.raises(Unseen):
        open_to(Made(tmp_path, answer), "wechat")


@pytest.mark.parametrize("folder", DNF5)
def test_a_try_depends_on_all_that_it_reads(tmp_path: Path, folder: str) -> None:
    host = Made(tmp_path).has(f"{folder}/10.conf", "").has("/etc/rpm/macros", "").has("/usr/bin/rpm", "")
    os.chmod(tmp_path / "usr/bin/rpm", 0o755)
    found = list(rpm_trial.depends(host))
    read = [DNF, ZYPP, f"{folder}/10.conf", "/etc/rpm/macros", "/usr/bin/rpm", "/etc/rpmrc", "/etc/popt", "/etc/popt.d"]
    read += [f"/root/{name}" for name in (".popt", ".rpmrc", ".rpmmacros")]
    assert set(read) <= set(found)
    assert any(path.startswith(("/var/lib/rpm", "/usr/lib/sysimage/rpm")) for path in found)
