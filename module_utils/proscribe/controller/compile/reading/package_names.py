"""Spelling of names in package systems, by their key in the catalogue.

`tests/tool python tests/derived` writes this file from what the package systems declare (declaration.py).
"""

from __future__ import annotations

# Value: a regular expression that matches a whole name, and its description for error messages.
NAMES: dict[str, tuple[str, str]] = {
    "apt": (
        r"[a-z0-9][a-z0-9+.-]{1,99}",
        "a Debian package name: lower case letters, digits, + . -",
    ),
    "flatpak": (
        r"(?=.{5,255}\Z)[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+\.[A-Za-z_][A-Za-z0-9_-]*",
        "a flatpak application id such as org.example.App, without branch or architecture",
    ),
    "pacman": (
        r"[A-Za-z0-9@_+][A-Za-z0-9@._+-]{0,99}",
        "a pacman package name: letters, digits, @ . _ + -",
    ),
    "rpm": (
        r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}",
        "an rpm package name: letters, digits, . _ + -",
    ),
    "snap": (
        r"(?=.{2,40}\Z)(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*",
        "a snap name: lower case letters, digits, single hyphens",
    ),
    "npm": (
        r"(?:@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]{0,99}",
        "an npm name, @scope/name or name",
    ),
    "pip": (
        r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?",
        "a PyPI name: letters, digits, . _ -",
    ),
    "brew": (
        r"[a-z0-9][a-z0-9@._+-]{0,99}",
        "a Homebrew formula, without tap: lower case letters, digits, @ . _ + -",
    ),
    "brew_cask": (
        r"[a-z0-9][a-z0-9@._+-]{0,99}",
        "a Homebrew cask token: lower case letters, digits, @ . _ + -",
    ),
    "conda": (
        r"[a-z0-9_][a-z0-9._-]{0,99}",
        "a conda package name in lower case: letters, digits, . _ -, without channel",
    ),
    "guix": (
        r"[a-z0-9][a-z0-9+._-]{0,99}",
        "a Guix package name, without version: letters, digits, + . _ -",
    ),
    "nix": (
        r"[A-Za-z0-9_][A-Za-z0-9+._?=-]{0,99}",
        "a Nix package's name as its store path has it (pname), without version: letters, digits, + . _ ? = -",
    ),
    "android": (
        r"(?=.{3,255}\Z)[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)+",
        "an Android application id such as org.example.app",
    ),
}
# The catalogue may not name a package of these systems that the guard list protects.
GUARDED: tuple[str, ...] = (
    "apt",
    "brew",
    "conda",
    "guix",
    "nix",
    "pacman",
    "rpm",
)
