"""The ways in which a restricted app reaches a host, and what is done about each. docs/coverage.md shows this table.

Nothing on a host reads it. A row says only what a test shows; what is left open stands in its last field.
"""

from __future__ import annotations

from ...tuples import NamedTuple


class Way(NamedTuple):
    """One way in; "" is no. Each field says by what."""

    way: str
    seen: str
    removed: str
    gated: str
    left: str  # what is not covered, and why


WAYS = (
    Way(
        "deb packages: apt, graphical fronts, `dpkg -i`",
        "dpkg's database",
        "apt, simulated first; refused where more would go",
        "dpkg's `pre-invoke` hook, by name and by Provides; from a file also by the catalogue's paths in it; polkit "
        "for users of PackageKit",
        "`dpkg-deb -x` unpacks without dpkg: the walk sees what comes of it. Without `/proc` the gate lets all pass",
    ),
    Way(
        "rpm packages: dnf, dnf5, zypper, `rpm -i`",
        "rpm's database",
        "the host's own front end, simulated first",
        "a guard package that conflicts, protected in dnf and locked in zypper; their own exclusions before it; polkit "
        "for users of PackageKit",
        "`rpm --nodeps` and `--force` pass: seen by the next run",
    ),
    Way(
        "Arch packages: `pacman -S`, `pacman -U`",
        "pacman's database",
        "pacman, simulated first",
        "a transaction hook, by name; polkit for users of PackageKit",
        "root with `--hookdir`: seen by the next run",
    ),
    Way(
        "flatpaks of the system, and of further installations",
        "where flatpak deploys them",
        "flatpak",
        "a filter on each remote; polkit for users",
        "a bundle or a new remote that root adds: seen by the next run",
    ),
    Way(
        "flatpaks of a user's own",
        "every home",
        "flatpak, as that user",
        "",
        "flatpak asks nobody there: the next run removes it. Not found where FLATPAK_USER_DIR points elsewhere",
    ),
    Way(
        "snaps",
        "snapd, and the folder of snaps where it is down",
        "snapd, which keeps a snapshot of the data",
        "polkit: users manage no snaps at all",
        "root: no snap can be kept out by its name alone",
    ),
    Way(
        "pip and pipx",
        "the host's and every user's installed distributions",
        "pip or pipx itself, as the owner",
        "",
        "neither asks anybody; virtual environments that a user makes are not looked into",
    ),
    Way(
        "uv: `uv tool install`",
        "every user's tools, also where UV_TOOL_DIR points elsewhere in the home: by the links to their programs",
        "uv, as the owner; refused where it came along with another tool",
        "",
        "uv asks nobody; what `uvx` and `uv run` use from uv's cache, and projects' environments, are not looked into",
    ),
    Way(
        "npm, globally installed",
        "the host's and every user's prefix",
        "npm itself, as the owner",
        "",
        "npm asks nobody; a project's own `node_modules` are not looked into",
    ),
    Way(
        "conda, mamba, micromamba, pixi: environments below the usual directories, and those that "
        "`~/.conda/environments.txt` lists",
        "`conda-meta` in each; programs that run by the package's list of files",
        "conda, mamba or micromamba, as the owner, simulated first; refused where more would go",
        "",
        "conda asks nobody. What pixi alone installed stays: reported. Environments made by py-rattler; conda, mamba "
        "and micromamba could not be had and were not run: a script in conda's place answered as its issues show it",
    ),
    Way(
        "nix: `nix profile`, `nix-env`",
        "the manifests of the host's and every user's profiles; programs that run by their place in the store, also of "
        "`nix run` and `nix shell`",
        "Nix, as the owner of the profile, by the store path; it stays in the store until that is collected",
        "",
        "Nix asks nobody. A store below a home that stands for `/nix` (nix-user-chroot, nix-portable) is seen and "
        "left; what home-manager installs is seen when it runs; what nixpkgs has Electron run (Signal, Element) is "
        "seen as a package, and not as it runs",
    ),
    Way(
        "guix: `guix install`, `guix home`",
        "the manifests of every user's profiles; programs that run by their place in the store",
        "Guix, as the owner of the profile; refused for `guix home`, whose configuration lists it",
        "",
        "Guix asks nobody. Not run: Debian 13 has none; manifests as Guix' source writes them",
    ),
    Way(
        "brew: Homebrew on Linux, formulae and casks (`brew_cask`)",
        "its directories in `/home/linuxbrew` and in homes; programs that run by their place there",
        "Homebrew, as the owner, without what the formula needed; it refuses what others need",
        "",
        "Homebrew asks nobody. Not run: it comes from the network alone; layout as documented",
    ),
    Way(
        "waydroid: Android apps",
        "every user's apps, by their data; launchers, by the app's id",
        "the launcher is moved into the quarantine; the app stays, with who can remove it",
        "",
        "a store inside Android asks nobody, and what runs there is not recognised. Waydroid makes the launcher again "
        "at its next start, if the app is still there. Not run: it needs Android's images",
    ),
    Way(
        "AppImages",
        "the file scan, by magic bytes and name, in the service's own script too",
        "moved into the quarantine, if what is in them says that they are the app",
        "",
        "known by their name alone, or packed with zstd (Python 3.14 can read it; not run), lzo or lz4, or of type 1: "
        "reported, they stay; a foreign name in a folder where nobody keeps programs is not recognised",
    ),
    Way(
        "unpacked archives and vendors' trees in `/opt`, `/usr/local`, `/srv`, `/tmp`, media, homes",
        "the file scan, by the program's name with the rest of an app around it, or a path where only root can write",
        "what shows by its content that it is the app's own is moved into the quarantine; the rest stays",
        "execution control, where asked for, by the catalogue's paths",
        "what is known by a name, a path or a desktop entry alone is reported and stays; renamed directories are not "
        "recognised",
    ),
    Way(
        "tools in one file: ngrok, cloudflared, frp, chisel, mihomo, xray, sing-box, rclone and others written in Go",
        "the file scan, by name and by what Go has written into them (`markers` of the catalogue)",
        "moved into the quarantine",
        "",
        "under a foreign name, packed (upx), or without Go's build information; tools in other languages have no such "
        "mark",
    ),
    Way(
        "Windows programs in a Wine prefix",
        "the file scan, by the catalogue's Windows paths",
        "the program is moved into the quarantine, if another part of it lies beside it",
        "",
        "a prefix on a network or FUSE mount is not entered",
    ),
    Way(
        "web apps in a window of their own, and their launchers",
        "desktop entries with a restricted address; browsers' web-app folders",
        "the entry, and the pictures in the app's folder, are moved into the quarantine",
        "browser, dns and firewall close the site itself",
        "an id that is not in the catalogue says nothing",
    ),
    Way(
        "autostart entries and user services",
        "desktop entries and units, by what they start",
        "moved into the quarantine, unless a package owns them",
        "",
        "what a script in between starts is seen when it runs",
    ),
    Way(
        "programs in containers: distrobox, toolbox, podman, incus",
        "desktop entries and the scripts of `distrobox-export`, by what they start in there",
        "moved into the quarantine where the catalogue has the program's path, or the entry's name has the app's id",
        "",
        "what is installed inside is not looked at: the storage of a user's containers is closed; a program that runs "
        "there is reported, not ended. A launcher known by the program's name alone is told and stays",
    ),
    Way(
        "programs that run",
        "`/proc/PID/exe`: by path, package or sandbox, also of removed files",
        "ended: TERM, then KILL after `proscribe_end_grace`; users are told (`proscribe_user_notice`)",
        "",
        "known by name alone, in a container, or run by an interpreter: told, not ended",
    ),
    Way(
        "browsers that no policy reaches, copies of browsers at home",
        "the walk and the packages",
        "",
        "",
        "reported only, by default (`proscribe_unmanaged_browsers`); dns and firewall hold",
    ),
)
HEAD = Way("way in", "seen by", "removed by", "kept out by", "left open, and why")


def table() -> str:
    """The ways in Markdown."""
    lines = ["| " + " | ".join(cell or "-" for cell in row) + " |" for row in (HEAD, *WAYS)]
    return "\n".join([lines[0], "|" + " --- |" * len(HEAD), *lines[1:]]) + "\n"
