"""All package systems.

`tests/tool python tests/derived` writes this file from what the package systems declare (declaration.py).
"""

from __future__ import annotations

from . import dpkg, flatpak, npm, pacman, pip, pipx, rpm, snap, uv
from .on_demand_system import OnDemandSystem, PackageSystemCore
from .package import PackageSystem


def _load_brew() -> PackageSystemCore:
    from . import brew

    return brew.FORMULAE


def _load_brew_cask() -> PackageSystemCore:
    from . import brew

    return brew.CASKS


def _load_conda() -> PackageSystemCore:
    from . import conda

    return conda


def _load_guix() -> PackageSystemCore:
    from . import guix

    return guix


def _load_nix() -> PackageSystemCore:
    from . import nix

    return nix


def _load_waydroid() -> PackageSystemCore:
    from . import waydroid

    return waydroid


ON_DEMAND: tuple[OnDemandSystem, ...] = (
    OnDemandSystem(
        "brew",
        "brew",
        _load_brew,
        (
            "/home/linuxbrew/.linuxbrew",
            "~/.linuxbrew",
            "~/homebrew",
        ),
    ),
    OnDemandSystem(
        "brew_cask",
        "brew_cask",
        _load_brew_cask,
        (
            "/home/linuxbrew/.linuxbrew",
            "~/.linuxbrew",
            "~/homebrew",
        ),
    ),
    OnDemandSystem(
        "conda",
        "conda",
        _load_conda,
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
    OnDemandSystem(
        "guix",
        "guix",
        _load_guix,
        (
            "/gnu/store",
            "/var/guix",
        ),
        has_named_directories=True,
    ),
    OnDemandSystem(
        "nix",
        "nix",
        _load_nix,
        (
            "/nix",
            "~/.nix-profile",
            "~/.local/state/nix/profiles",
            "~/.local/share/nix/root/nix",
            "~/.nix",
            "~/.nix-portable/nix",
        ),
        has_named_directories=True,
    ),
    OnDemandSystem(
        "waydroid",
        "android",
        _load_waydroid,
        ("~/.local/share/waydroid",),
    ),
)
# An account without a home directory may have packages of these systems.
NAMED_DIRECTORY_SYSTEMS = tuple(system for system in ON_DEMAND if system.has_named_directories)
HOST_WIDE_SYSTEMS: tuple[PackageSystem, ...] = (
    dpkg,
    flatpak,
    pacman,
    rpm,
    snap,
)
SYSTEMS: tuple[PackageSystem, ...] = (
    *HOST_WIDE_SYSTEMS,
    npm,
    pip,
    pipx,
    uv,
    *ON_DEMAND,
)
