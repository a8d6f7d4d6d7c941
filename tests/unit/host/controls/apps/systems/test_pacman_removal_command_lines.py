"""Every command line by which packages go, word for word: with its environment before it, and its seconds behind it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from made_users import ALICE, put
from proscribe.host.controls.apps.systems import (
    brew,
    conda,
    dpkg_removal,
    flatpak_removal,
    npm,
    pacman_removal,
    pip_removal,
    rpm_removal,
    snap,
    uv,
)
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.system import ControlError, Host, Result, User

REMOVAL = {
    "dpkg": dpkg_removal.removal,
    "rpm": rpm_removal.removal,
    "pacman": pacman_removal.removal,
    "flatpak": flatpak_removal.removal,
    "snap": snap.removal,
    "npm": npm.removal,
    "pip": pip_removal.removal,
    "pipx": pip_removal.pipx_removal,
    "uv": uv.removal,
    "brew": brew.removal,
    "brew_cask": brew.removal,
    "conda": conda.removal,
}
HOME = "/home/alice"
TOOLS = f"{HOME}/.local/share/uv/tools"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
APT = (
    "--quiet --option=Dir::State::lists=/nonexistent --option=Dir::Cache::pkgcache= --option=Dir::Cache::srcpkgcache="
    " --option=APT::Default-Release= --option=APT::Get::AutomaticRemove=false --option=APT::Get::Purge=false"
)
DNF = "dnf --disablerepo=* --setopt=clean_requirements_on_remove=False --setopt=disable_excludes=main"
ZYPPER = "zypper --non-interactive --no-refresh --xmlout remove --no-clean-deps"
NPM = "--ignore-scripts --offline --no-audit --no-fund --no-update-notifier --loglevel=error owl [300]"
PIP = (
    "PIP_BREAK_SYSTEM_PACKAGES=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_REQUIRE_VIRTUALENV=0"
    " /usr/bin/python3.11"
)
UV = f"UV_NO_CONFIG=1 UV_OFFLINE=1 UV_NO_PROGRESS=1 UV_PYTHON_DOWNLOADS=never UV_TOOL_DIR={TOOLS}"
BREW = (
    "HOMEBREW_NO_ANALYTICS=1 HOMEBREW_NO_AUTO_UPDATE=1 HOMEBREW_NO_AUTOREMOVE=1 HOMEBREW_NO_ENV_HINTS=1"
    f" HOMEBREW_NO_INSTALL_FROM_API=1 {HOME}/.linuxbrew/bin/brew uninstall"
)
CONDA = f"CONDA_OFFLINE=1 MAMBA_OFFLINE=1 /usr/bin/conda remove --prefix {HOME}/conda --yes --offline"
FLATPAK = "--assumeyes --noninteractive app/owl/x/1 [300]"


def of(manager: str, handle: str, path: str = "/x", owner: User | None = None) -> Package:
    return Package(manager, "owl", "1", (handle,), owner, path)


def in_pythons(home: str, owner: User | None = None) -> Package:
    return of("pip", "", f"{home}/lib/python3.11/site-packages/owl.dist-info", owner)


# What is removed, the tools of the host, and what is run: first to ask, and again where it is done.
CASES: dict[str, tuple[Package, str, list[str]]] = {
    "apt": (
        of("dpkg", "owl:i386"),
        "dpkg apt-get apt-mark",
        [
            "dpkg-query -W -f ${Essential} ${Protected} ${Important} owl:i386",
            f"apt-get --simulate {APT} remove owl:i386",
            "dpkg --print-architecture",
            "apt-mark showauto owl:i386",
            f"apt-get --simulate {APT} remove owl:i386",
            "dpkg --print-architecture",
            f"apt-get --yes {APT} --option=DPkg::Lock::Timeout=60 remove owl:i386 [1800]",
        ],
    ),
    "dpkg": (
        of("dpkg", "owl"),
        "dpkg",
        [
            "dpkg-query -W -f ${Essential} ${Protected} ${Important} owl",
            *["dpkg --simulate --remove owl"] * 2,
            "dpkg --remove owl [1800]",
        ],
    ),
    "dnf": (
        of("rpm", "owl-1.noarch"),
        "rpm dnf",
        [
            *["rpm -e --test -- owl-1.noarch", f"{DNF} --assumeno remove owl-1.noarch [120]"] * 2,
            f"{DNF} --assumeyes remove owl-1.noarch [1800]",
        ],
    ),
    "zypper": (
        of("rpm", "owl-1.noarch"),
        "rpm zypper",
        [*["rpm -e --test -- owl-1.noarch", f"{ZYPPER} --dry-run owl=1 [120]"] * 2, f"{ZYPPER} owl=1 [1800]"],
    ),
    "rpm": (
        of("rpm", "owl-1.noarch"),
        "rpm",
        [*["rpm -e --test -- owl-1.noarch"] * 2, "rpm -e -- owl-1.noarch [1800]"],
    ),
    "pacman": (
        of("pacman", "owl"),
        "pacman",
        [
            "pacman-conf HoldPkg",
            *["pacman --remove --print --print-format %n -- owl"] * 2,
            "pacman --remove --noconfirm -- owl [1800]",
        ],
    ),
    "flatpak": (of("flatpak", "app/owl/x/1"), "flatpak", [f"flatpak uninstall --installation=default {FLATPAK}"]),
    "flatpak of a user": (
        of("flatpak", "app/owl/x/1", owner=ALICE),
        "flatpak",
        [f"flatpak uninstall --user {FLATPAK}"],
    ),
    "snap": (of("snap", "owl_2"), "snap", ["snap save owl_2 [600]", "snap remove owl_2 [600]"]),
    "npm": (
        of("npm", "/usr/local"),
        "npm",
        [f"PATH={PATH} /usr/bin/npm uninstall --global --prefix /usr/local {NPM}"],
    ),
    "npm of a user": (
        of("npm", f"{HOME}/.local", owner=ALICE),
        "npm",
        [f"PATH={HOME}/.local/bin:{PATH} /usr/bin/npm uninstall --global --prefix {HOME}/.local {NPM}"],
    ),
    "pip": (
        in_pythons("/usr/local"),
        "python3.11",
        ["/usr/bin/python3.11 -I -m pip --version [15]", f"{PIP} -I -m pip uninstall --yes owl [300]"],
    ),
    "pip of a user": (
        in_pythons(f"{HOME}/.local", ALICE),
        "python3.11",
        [f"{PIP} -m pip uninstall --yes owl [300]"],
    ),
    "pipx": (
        of("pipx", "owl", "/opt/pipx/venvs/owl/lib/x"),
        "pipx",
        ["PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin USE_EMOJI=0 /usr/bin/pipx uninstall owl [300]"],
    ),
    "uv": (of("uv", "owl", f"{TOOLS}/owl/lib/x", ALICE), "uv", [f"{UV} /usr/bin/uv tool uninstall owl [300]"]),
    "a user's own uv": (
        of("uv", "owl", f"{TOOLS}/owl/lib/x", ALICE),
        "",
        [f"{UV} {HOME}/.local/bin/uv tool uninstall owl [300]"],
    ),
    "brew": (
        of("brew", f"{HOME}/.linuxbrew", owner=ALICE),
        "",
        [f"{BREW} --formula --force owl [300]"],
    ),
    "brew, a cask": (
        of("brew_cask", f"{HOME}/.linuxbrew", owner=ALICE),
        "",
        [f"{BREW} --cask owl [300]"],
    ),
    "conda": (
        of("conda", f"{HOME}/conda", owner=ALICE),
        "conda",
        [f"{CONDA} --dry-run --json owl [60]", f"{CONDA} owl [300]"],
    ),
}
ANSWERS = {
    "${Essential}": "no no ",
    "apt-get --simulate": "Remv owl:i386 [1]\n",
    "--print-architecture": "amd64\n",
    "--assumeno": "Removing: 1 package\n",
    "zypper": '<to-remove><solvable name="owl"/></to-remove>',
    "--print-format": "owl\n",
    "--dry-run --json": '{"actions": {"UNLINK": [{"name": "owl"}]}}',
}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: its own tools are what it runs")
@pytest.mark.parametrize("case", CASES)
def test_what_is_run_to_remove_a_package(root: Path, case: str) -> None:
    package, tools, expected = CASES[case]
    ran: list[str] = []

    def run(argv: Sequence[str], user: User | None = None, **options: Any) -> Result:
        line = " ".join(argv)
        environment: Mapping[str, str] = options.pop("environment", {})
        before = "".join(f"{name}={value} " for name, value in environment.items())
        ran.append(before + line + (f" [{options.pop('timeout')}]" if "timeout" in options else ""))
        assert options == {} and user in (None, package.owner)
        return Result(0, next((said for words, said in ANSWERS.items() if words in line), ""), "")

    for name in tools.split():
        put(root, f"/usr/bin/{name}", mode=0o755)
    for own in (f"{HOME}/.local/bin/uv", f"{HOME}/.linuxbrew/bin/brew") if package.owner and not tools else ():
        put(root, own, mode=0o755)
    put(root, f"{package.path}/INSTALLER", "pip\n")
    (actions, refused) = REMOVAL[package.manager](Host(str(root), run), [package])
    with contextlib.suppress(ControlError):  # it is still there: nothing was really run
        actions[0].apply()
    assert (ran, len(actions), refused) == (expected, 1, [])
