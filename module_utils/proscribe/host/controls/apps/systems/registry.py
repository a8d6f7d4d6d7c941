"""All package systems.

`tests/tool python tests/derived` writes this file from what the package systems declare (declaration.py).
"""

from __future__ import annotations

from . import dpkg, flatpak, npm, pacman, pip, pipx, rpm, snap, uv
from .on_demand import Inner, OnDemand
from .package import PackageSystem


def _brew() -> Inner:
    from . import brew

    return brew.FORMULAE


def _brew_cask() -> Inner:
    from . import brew

    return brew.CASKS


def _conda() -> Inner:
    from . import conda

    return conda


def _guix() -> Inner:
    from . import guix

    return guix


def _nix() -> Inner:
    from . import nix

    return nix


def _waydroid() -> Inner:
    from . import waydroid

    return waydroid


ON_DEMAND: tuple[OnDemand, ...] = (
    OnDemand(
        "brew",
        "brew",
        _brew,
        (
            "/home/linuxbrew/.linuxbrew",
            "~/.linuxbrew",
            "~/homebrew",
        ),
    ),
    OnDemand(
        "brew_cask",
        "brew_cask",
        _brew_cask,
        (
            "/home/linuxbrew/.linuxbrew",
            "~/.linuxbrew",
            "~/homebrew",
        ),
    ),
    OnDemand(
        "conda",
        "conda",
        _conda,
        (
            "~/.conda",
            "~/.pixi",
            "~/micromamba",
            "~/.local/share/mamba",
            "~/conda",
            "~/miniconda",
            "~/miniconda3",
            "~/anaconda",
            "~/anaconda3",
            "~/miniforge",
            "~/miniforge3",
            "~/mambaforge",
            "/opt/conda",
            "/opt/miniconda",
            "/opt/miniconda3",
            "/opt/anaconda",
            "/opt/anaconda3",
            "/opt/miniforge",
            "/opt/miniforge3",
            "/opt/mambaforge",
            "/usr/local/conda",
            "/usr/local/miniconda",
            "/usr/local/miniconda3",
            "/usr/local/anaconda",
            "/usr/local/anaconda3",
            "/usr/local/miniforge",
            "/usr/local/miniforge3",
            "/usr/local/mambaforge",
        ),
    ),
    OnDemand(
        "guix",
        "guix",
        _guix,
        (
            "/gnu/store",
            "/var/guix",
        ),
        by_name=True,
    ),
    OnDemand(
        "nix",
        "nix",
        _nix,
        (
            "/nix",
            "~/.nix-profile",
            "~/.local/state/nix/profiles",
            "~/.local/share/nix/root/nix",
            "~/.nix",
            "~/.nix-portable/nix",
        ),
        by_name=True,
    ),
    OnDemand(
        "waydroid",
        "android",
        _waydroid,
        ("~/.local/share/waydroid",),
    ),
)
# Of these also an account without a home may have something.
BY_NAME = tuple(system for system in ON_DEMAND if system.by_name)
OF_THE_HOST: tuple[PackageSystem, ...] = (
    dpkg,
    flatpak,
    pacman,
    rpm,
    snap,
)
SYSTEMS: tuple[PackageSystem, ...] = (
    *OF_THE_HOST,
    npm,
    pip,
    pipx,
    uv,
    *ON_DEMAND,
)
