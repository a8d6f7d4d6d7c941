"""Where each install block has its parts, where they are any use, and all that a try of a block depends on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.controls.apps.systems import dpkg, dpkg_trial, pacman, rpm, rpm_trial, snap
from proscribe.host.controls.apps.systems.package import Block, PackageSystem
from proscribe.host.system import Host, Result

LOADER = ["/etc/ld.so.preload", "/etc/ld.so.cache"]
RULES = "/etc/polkit-1/rules.d/00-proscribe"
PACKAGEKIT = "/usr/share/polkit-1/actions/org.freedesktop.packagekit.policy"
DNF = ("/usr/bin/dnf", "/usr/bin/dnf-3", "/usr/bin/dnf5", "/usr/bin/microdnf")
HOOK = "/usr/share/libalpm/hooks/00-proscribe.hook"


def programs(*names: str) -> list[str]:
    folders = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")
    return [*LOADER, *(f"{folder}/{name}" for name in names for folder in folders)]


PARTS: dict[PackageSystem, list[tuple[str, tuple[str, ...]]]] = {
    dpkg: [
        ("/etc/proscribe/restricted-packages", ()),
        ("/etc/proscribe/restricted-paths", ()),
        ("/etc/proscribe/contact", ()),
        ("/usr/libexec/proscribe/dpkg-gate", ()),
        ("/etc/dpkg/dpkg.cfg.d/proscribe", ()),
        (f"{RULES}-packagekit-dpkg.rules", (PACKAGEKIT,)),
        ("/etc/proscribe", ()),
        ("/usr/libexec/proscribe", ()),
        ("a made package", ()),
    ],
    pacman: [
        ("/usr/libexec/proscribe/pacman-gate", ()),
        (HOOK, ()),
        ("/etc/pacman.d/hooks/00-proscribe.hook", ()),
        (f"{RULES}-packagekit-pacman.rules", (PACKAGEKIT,)),
        ("/usr/libexec/proscribe", ()),
        (HOOK, ()),
    ],
    rpm: [
        ("/etc/dnf/dnf.conf", DNF),
        ("package proscribe-guard", ()),
        ("/etc/dnf/protected.d/proscribe.conf", DNF),
        ("/etc/zypp/locks", ("/usr/bin/zypper",)),
        (f"{RULES}-packagekit-rpm.rules", (PACKAGEKIT,)),
        ("a made package", ()),
    ],
    snap: [(f"{RULES}-snap.rules", ("/etc/polkit-1/rules.d", "/usr/share/polkit-1/rules.d"))],
}
DEPENDS: dict[PackageSystem, list[str]] = {
    dpkg: [
        *(path for path, _ in PARTS[dpkg][:5]),
        *("/usr/local/sbin/dpkg", "/usr/local/bin/dpkg"),
        *programs("sh", "timeout", "tr", "grep", "xargs", "awk", "dpkg", "dpkg-deb", "dpkg-query", "readlink"),
        *programs("tar", "sed", "find", "logger", "apt-config")[2:],
        *("/etc/dpkg", "/etc/dpkg/dpkg.cfg.d", "/etc/apt/apt.conf.d", "/etc/dpkg", "/etc/dpkg/dpkg.cfg.d"),
        *("/usr/libexec", "/root/.dpkg.cfg", "/etc/apt/apt.conf"),
    ],
    pacman: [
        *("/usr/libexec/proscribe/pacman-gate", HOOK, "/etc/pacman.conf", "/etc/pacman.d"),
        *("/etc/pacman.d/hooks/00-proscribe.hook", "/opt/00-proscribe.hook"),
        *programs("sh", "pacman", "pacman-conf"),
    ],
    rpm: [
        *(
            f"{folder}/{name}"
            for folder in ("/usr/lib/sysimage/rpm", "/var/lib/rpm")
            for name in ("rpmdb.sqlite", "rpmdb.sqlite-wal", "Packages.db", "Packages")
        ),
        *programs("rpm"),
        *("/etc/rpm", "/etc/popt.d", "/etc/dnf/libdnf5.conf.d", "/usr/share/dnf5/libdnf.conf.d", "/etc/dnf/dnf.conf"),
        *("/etc/zypp/zypp.conf", "/etc/rpmrc", "/etc/popt", "/root/.popt", "/root/.rpmrc", "/root/.rpmmacros"),
    ],
}


def named(system: Any) -> str:
    name: str = system.__name__
    return name.rpartition(".")[2]


@pytest.mark.parametrize("system", DEPENDS, ids=named)
def test_all_that_a_try_depends_on(tmp_path: Path, system: PackageSystem) -> None:
    folders = "/etc/pacman.d/hooks/\n/usr/share/libalpm/hooks/\nnone\n/opt\n"
    trial: Any = system.block_parts(Block({"owl"}))[-1]
    assert list(trial.depends(Host(str(tmp_path), lambda *_, **__: Result(0, folders, "")))) == DEPENDS[system]


@pytest.mark.parametrize(("system", "trial"), [(dpkg, dpkg_trial), (rpm, rpm_trial)], ids=["dpkg", "rpm"])
def test_a_try_is_of_the_first_name_that_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: PackageSystem, trial: Any
) -> None:
    host = Host(str(tmp_path))
    monkeypatch.setattr(trial, "open_to", lambda on, name: f"open to {name}" if on is host else "")
    part: Any = system.block_parts(Block({"owl", "elk"}))[-1]
    assert part.trial(host) == "open to elk"


# -- what a hook of pacman's comes to


class Hooked(Host):
    """A host whose hook's script answers so, and whose pacman takes hooks from these directories."""

    def __init__(self, root: Path, answer: Result) -> None:
        super().__init__(str(root), self.ran)
        self.answer = answer

    def ran(self, argv: Sequence[str], **options: Any) -> Result:
        if argv == ["pacman-conf", "HookDir"]:
            return Result(0, "/opt/\n/usr/share/libalpm/hooks/\n", "")
        assert argv == ["/usr/libexec/proscribe/pacman-gate"]
        assert options == {"stdin": "proscribe-trial\n", "timeout": 30}
        return self.answer


REFUSES = "does not allow proscribe-trial on this host"


@pytest.mark.parametrize(
    ("answer", "hidden", "said"),
    [
        (Result(1, REFUSES, ""), False, ""),
        (Result(1, REFUSES, ""), True, f"/opt/00-proscribe.hook takes the place of {HOOK}"),
        (Result(0, REFUSES, ""), False, "/usr/libexec/proscribe/pacman-gate does not refuse a package"),
        (Result(1, "", REFUSES), False, "/usr/libexec/proscribe/pacman-gate does not refuse a package"),
    ],
)
def test_whether_a_hook_refuses(tmp_path: Path, answer: Result, hidden: bool, said: str) -> None:
    (tmp_path / "opt").mkdir()
    if hidden:
        (tmp_path / "opt/00-proscribe.hook").touch()
    trial: Any = pacman.block_parts(Block({"owl"}))[-1]
    assert trial.trial(Hooked(tmp_path, answer)) == said


def test_what_takes_the_place_of_a_hook_goes(tmp_path: Path) -> None:
    host, part = Host(str(tmp_path)), pacman.block_parts(Block({"owl"}))[2]
    assert part.concerns(host) and part.wrong(host, True) == ""
    (tmp_path / "etc/pacman.d/hooks").mkdir(parents=True)
    (tmp_path / part.path[1:]).touch()
    assert (part.wrong(host, True), part.wrong(host, False)) == (f"takes the place of {HOOK}", "")
    part.enforce(host)
    assert host.stat(part.path) is None
