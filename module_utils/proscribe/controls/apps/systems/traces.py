"""The package systems that few hosts have, each with the places where it is to be found."""

from __future__ import annotations

from .on_demand import Inner, Traced

CONDA_ROOTS = ("conda", "miniconda", "miniconda3", "anaconda", "anaconda3", "miniforge", "miniforge3", "mambaforge")
CONDA = (
    *("~/.conda", "~/.pixi", "~/micromamba", "~/.local/share/mamba"),
    *(f"{above}/{name}" for above in ("~", "/opt", "/usr/local") for name in CONDA_ROOTS),
)
NIX_PROFILES = "~/.local/state/nix/profiles"
# What stands for /nix where nobody made that: Nix' own (nix help-stores), nix-user-chroot's, nix-portable's.
NIX_STORES = ("~/.local/share/nix/root/nix", "~/.nix", "~/.nix-portable/nix")
HOMEBREW = ("/home/linuxbrew/.linuxbrew", "~/.linuxbrew", "~/homebrew")
WAYDROID = "~/.local/share/waydroid"


def _conda() -> Inner:
    from . import conda

    return conda


def _nix() -> Inner:
    from . import nix

    return nix


def _guix() -> Inner:
    from . import guix

    return guix


def _brew() -> Inner:
    from . import brew

    return brew.FORMULAE


def _brew_cask() -> Inner:
    from . import brew

    return brew.CASKS


def _waydroid() -> Inner:
    from . import waydroid

    return waydroid


TRACED = (
    Traced("conda", "conda", _conda, CONDA),
    Traced("nix", "nix", _nix, ("/nix", "~/.nix-profile", NIX_PROFILES, *NIX_STORES), by_name=True),
    Traced("guix", "guix", _guix, ("/gnu/store", "/var/guix"), by_name=True),
    Traced("brew", "brew", _brew, HOMEBREW),
    Traced("brew_cask", "brew_cask", _brew_cask, HOMEBREW),
    Traced("waydroid", "android", _waydroid, (WAYDROID,)),
)
