"""The made package with which dpkg is tried, as its own readers see it; and what is made of dpkg's answer."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from proscribe.host.controls.apps.blocks.tries import PROGRAMS
from proscribe.host.controls.apps.systems import dpkg_trial
from proscribe.host.system import ControlError, Host, Unseen
from proscribe.host.system.types import Result


class Made(Host):
    """A host whose dpkg answers so."""

    def __init__(self, errors: str, printed: str = "") -> None:
        super().__init__("/nowhere")
        self.answer = Result(2, printed, errors)

    def run(self, argv: Sequence[str], **options: object) -> Result:
        assert argv[-2:] == ["--unpack", "/made.deb"] and options == {"timeout": 30}
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


class WithApt(Host):
    """A host whose apt is configured so."""

    def __init__(self, root: Path, dumped: str = "") -> None:
        super().__init__(str(root))
        self.dumped = dumped
        self.ran: list[Sequence[str]] = []
        for path in dpkg_trial.SHARED:
            (root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def run(self, argv: Sequence[str], **options: object) -> Result:
        assert options == {"timeout": 30}
        self.ran.append(argv)
        return Result(0, self.dumped, dpkg_trial.NOWHERE)

    def has_apt(self) -> WithApt:
        place = Path(self.root) / dpkg_trial.APT_CONFIG.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
        return self


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two directories that a shell searches, in which there can be a dpkg."""
    first, second = tmp_path / "local", tmp_path / "bin"
    first.mkdir()
    second.mkdir()
    monkeypatch.setattr(dpkg_trial, "BEFORE", (str(first),))
    monkeypatch.setattr(dpkg_trial, "PROGRAMS", (str(second), str(tmp_path / "none")))
    (second / "dpkg").touch(mode=0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("dumped", "tried"),
    [
        pytest.param('Dir::Bin::dpkg "{usual}";\n', [], id="the usual one"),
        pytest.param('Dir::Bin::dpkg "{usual}";\nDPkg::Chroot-Directory "/";\n', [], id="at the root"),
        pytest.param('Dir::Bin::dpkg "/opt/dpkg";\n', [("/opt/dpkg, which apt runs,", ["/opt/dpkg"])], id="another"),
        pytest.param(
            'Dir::Bin::dpkg "{usual}";\nDPkg::Options:: "--x";\n',
            [("{usual} --x, which apt runs,", ["{usual}", "--x"])],
            id="the usual one with options",
        ),
    ],
)
def test_what_apt_runs_is_tried_where_it_is_another(
    programs: Path, dumped: str, tried: list[tuple[str, list[str]]]
) -> None:
    usual = str(programs / "bin/dpkg")
    host = WithApt(programs / "root", dumped.replace("{usual}", usual)).has_apt()
    expected = [(said.format(usual=usual), [word.format(usual=usual) for word in argv]) for said, argv in tried]
    assert list(dpkg_trial._roads(host)) == [(usual, [usual]), *expected]


def test_a_dpkg_in_another_root_is_not_known(programs: Path) -> None:
    host = WithApt(programs / "root", 'DPkg::Chroot-Directory "/srv/x";\n').has_apt()
    with pytest.raises(Unseen, match="apt runs dpkg in /srv/x"):
        list(dpkg_trial._roads(host))


def test_every_dpkg_that_installs_it_is_named_and_who_could_see_to_that(programs: Path) -> None:
    host = WithApt(programs / "root")
    usual = programs / "bin/dpkg"
    assert dpkg_trial.open_to(host, "wechat") == f"{usual} installs a made package that the block has to refuse"
    ((*argv, package),) = host.ran
    assert argv == [str(usual), f"--admindir={dpkg_trial.NOWHERE}", "--unpack"]
    assert not os.path.lexists(package), "it was in memory"
    usual.unlink()
    assert dpkg_trial.open_to(host, "wechat") == ""
    (programs / "root/usr/libexec").chmod(0o777)
    assert dpkg_trial.open_to(host, "wechat").startswith("/usr/libexec: it can be changed by others")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only its links are followed")
def test_a_try_depends_on_dpkgs_and_apts_configuration_and_on_what_apt_runs(tmp_path: Path) -> None:
    host = WithApt(tmp_path, 'Dir::Bin::dpkg "/opt/dpkg";\n')
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt/dpkg").symlink_to("real")
    (tmp_path / "etc/dpkg/dpkg.cfg.d/theirs").touch()
    (tmp_path / "etc/apt/apt.conf.d").mkdir(parents=True)
    (tmp_path / "etc/apt/apt.conf.d/50x").touch()
    found = set(dpkg_trial.depends(host))
    assert {
        *(f"{folder}/dpkg" for folder in dpkg_trial.BEFORE),
        *(f"/usr/bin/{tool}" for tool in dpkg_trial.TOOLS),
        "/etc/dpkg/dpkg.cfg.d/theirs",
        "/etc/apt/apt.conf.d/50x",
        "/etc/apt/apt.conf",
        "/root/.dpkg.cfg",
        "/usr/libexec",
    } <= found
    assert "/opt/dpkg" not in found and host.ran == []
    assert {"/opt/dpkg", "/opt/real"} <= set(dpkg_trial.depends(host.has_apt()))
