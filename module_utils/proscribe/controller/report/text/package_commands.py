"""Commands of package systems that install removed packages again, by their name in findings.

`tests/tool python tests/derived` writes this file from what the package systems declare (declaration.py).
"""

from __future__ import annotations

# Value: patterns of ids and of names, the separator before a version, commands by front end and by mark.
COMMANDS: dict[str, tuple[str, str, str, dict[str, str], dict[str, str]]] = {
    "brew": ("[a-z0-9][a-z0-9@._+-]{0,99}", "{id}", "", {"": "{tool} install --formula {names}"}, {}),
    "brew_cask": ("[a-z0-9][a-z0-9@._+-]{0,99}", "{id}", "", {"": "{tool} install --cask {names}"}, {}),
    "dpkg": (
        "[a-z0-9][a-z0-9+.-]{1,99}",
        "{id}(?<!-)(?::[a-z0-9-]+)?",
        "",
        {"apt-get": "apt-get install {names}"},
        {"auto": "apt-mark auto {names}"},
    ),
    "flatpak": (
        "(?=.{5,255}\\Z)[A-Za-z_][A-Za-z0-9_]*(?:\\.[A-Za-z_][A-Za-z0-9_]*)+\\.[A-Za-z_][A-Za-z0-9_-]*",
        "app/{id}/[A-Za-z0-9_]+/[A-Za-z0-9._-]+",
        "",
        {"": "flatpak install --assumeyes {where} {source} {names}"},
        {},
    ),
    "nix": (
        "[A-Za-z0-9_][A-Za-z0-9+._?=-]{0,99}",
        "/nix/store/[0-9a-z]{32}-{id}(?:-[A-Za-z0-9+._?=-]+)?",
        "",
        {
            "profile": "{tool} --extra-experimental-features nix-command profile install --profile {place} {names}",
            "env": "{tool} --profile {place} --install {names}",
        },
        {},
    ),
    "npm": (
        "(?:@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]{0,99}",
        "{id}",
        "@",
        {"": "env PATH={place}/bin:/usr/local/bin:/usr/bin:/bin {tool} install --global --prefix {place} {names}"},
        {},
    ),
    "pacman": (
        "[A-Za-z0-9@_+][A-Za-z0-9@._+-]{0,99}",
        "{id}",
        "",
        {"": "pacman -S {names}"},
        {"auto": "pacman -D --asdeps {names}"},
    ),
    "pip": (
        "[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?",
        "{id}",
        "==",
        {
            "": "env PIP_BREAK_SYSTEM_PACKAGES=1 {tool} -m pip install {names}",
            "user": "env PIP_BREAK_SYSTEM_PACKAGES=1 {tool} -m pip install --user {names}",
        },
        {},
    ),
    "pipx": (
        "[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?",
        "{id}",
        "==",
        {
            "": "env PIPX_HOME={place} {tool} install {name}",
            "system": "env PIPX_HOME={place} PIPX_BIN_DIR=/usr/local/bin {tool} install {name}",
        },
        {},
    ),
    "rpm": (
        "[A-Za-z0-9][A-Za-z0-9._+-]{0,99}",
        "{id}\\.[a-z0-9_]+",
        "",
        {
            "dnf": "dnf install {names}",
            "dnf5": "dnf5 install {names}",
            "yum": "yum install {names}",
            "microdnf": "microdnf install {names}",
            "zypper": "zypper install {names}",
        },
        {},
    ),
    "snap": (
        "(?=.{2,40}\\Z)(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*",
        "{id}(?:_[a-z0-9]{1,10})?",
        "",
        {"": "snap install --channel={source} {name}", "classic": "snap install --classic --channel={source} {name}"},
        {},
    ),
    "uv": (
        "[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?",
        "{id}",
        "==",
        {"": "env UV_TOOL_DIR={place} {tool} tool install {name}"},
        {},
    ),
}
