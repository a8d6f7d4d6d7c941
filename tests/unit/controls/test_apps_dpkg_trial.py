"""The made package with which dpkg is tried, as its own readers see it; and what is made of dpkg's answer."""

from __future__ import annotations

import io
import os
import re
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from proscribe.controls.apps.blocks.tries import PROGRAMS
from proscribe.controls.apps.systems import dpkg_trial
from proscribe.host import ControlError, Host, Unseen
from proscribe.host.types import Result

NAMES = ["wechat", "w" * 700]  # of one block of the archive, and of more


def members(package: bytes) -> dict[str, bytes]:
    """The members of a package (ar(5)), by name."""
    assert package.startswith(b"!<arch>\n")
    found, at = {}, 8
    while at < len(package):
        head = package[at : at + 60].decode("ascii")
        size = int(head[48:58])
        assert head.endswith("`\n")
        found[head[:16].strip()] = package[at + 60 : at + 60 + size]
        at += 60 + size + size % 2
    return found


@pytest.mark.parametrize("restricted", NAMES)
def test_the_package_provides_what_is_restricted_and_has_nothing_in_it(restricted: str) -> None:
    package = members(dpkg_trial.archive(restricted))
    assert list(package) == ["debian-binary", "control.tar", "data.tar"]
    with tarfile.open(fileobj=io.BytesIO(package["control.tar"])) as control:
        (file,) = control.getmembers()
        content = control.extractfile(file)
        assert content is not None and f"Provides: {restricted}\n" in content.read().decode()
    assert len(package["control.tar"]) % 512 == 0, "in whole blocks"
    with tarfile.open(fileobj=io.BytesIO(package["data.tar"])) as data:
        assert data.getmembers() == []


class Made(Host):
    """A host whose dpkg answers so."""

    def __init__(self, errors: str, printed: str = "") -> None:
        super().__init__("/nowhere")
        self.answer = Result(2, printed, errors)

    def run(self, argv: Sequence[str], **options: object) -> Result:
        assert argv[-2:] == ["--unpack", "/made.deb"]
        if not self.answer.err and not self.answer.out:
            raise ControlError("dpkg did not end within 30 s")
        return self.answer


@pytest.mark.parametrize(
    ("errors", "passes"),
    [
        (f"Proscribe {dpkg_trial.REFUSED}(wechat)", False),
        (f"dpkg: error: cannot create {dpkg_trial.NOWHERE}/lock", True),
        (f"Proscribe {dpkg_trial.REFUSED}\ndpkg: error: {dpkg_trial.NOWHERE}", False),
    ],
)
def test_a_dpkg_passes_that_comes_as_far_as_its_database(errors: str, passes: bool) -> None:
    assert dpkg_trial._passes(Made(errors), ["/usr/bin/dpkg"], "/made.deb") is passes


@pytest.mark.parametrize(
    ("errors", "printed", "said"),
    [
        ("a" * 500 + "\nthe\nend", "", "it ended with 2: " + "a" * 192 + " the end"),
        ("", "what it prints", "it ended with 2: what it prints"),
        ("", "", "dpkg did not end within 30 s"),
    ],
)
def test_what_ends_before_is_unknown_with_the_end_of_what_it_said(errors: str, printed: str, said: str) -> None:
    with pytest.raises(Unseen) as unseen:
        dpkg_trial._passes(Made(errors, printed), ["/usr/bin/dpkg"], "/made.deb")
    assert str(unseen.value).endswith(said)


def test_a_try_depends_on_every_program_that_the_script_runs() -> None:
    script = (Path(dpkg_trial.__file__).parents[3] / "programs/dpkg_block.sh").read_text()
    code = "\n".join(line for line in script.splitlines() if not line.lstrip().startswith("#"))
    before = r"(?:^|[|;(!]|&&|-exec|\$\(|\b(?:then|do|else|if|while|timeout \d+|xargs(?: -\S+)*)\b)\s*"
    words = set(re.findall(before + r"([a-z][a-z-]+)\b", code, re.MULTILINE)) - {"echo", "install", "which"}
    runs = {word for word in words if any(os.access(f"{folder}/{word}", os.X_OK) for folder in PROGRAMS)}
    assert {"dpkg-deb", "logger", "tar"} <= runs <= set(dpkg_trial.TOOLS)
