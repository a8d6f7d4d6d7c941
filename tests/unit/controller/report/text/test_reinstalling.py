"""One command on its host installs again what was removed; a host adds nothing but names to that command.

Each row is what a host answers, and the line that somebody pastes.
"""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.report.text.package_commands import COMMANDS
from proscribe.controller.report.text.reinstalling import command, has_command, without_command
from proscribe.model.removed import Removed, read


def removed(manager: str, id_: str, name: str = "", **more: str) -> Removed:
    return Removed(**{"manager": manager, "id": id_, "version": "1.0", "scope": "system", "name": name or id_, **more})


WECHAT = removed("dpkg", "wechat", "wechat:i386", how="apt-get", mark="auto")
ALICE = "user:alice"
AS_ALICE = (
    "systemd-run --quiet --pipe --wait --collect --property=KillSignal=SIGKILL --property=RuntimeMaxSec=3600"
    " --uid=alice -- env"
)
APART = "</dev/null 2>&1 | cat -v"
STORE = "/nix/store/" + 32 * "a"


@pytest.mark.parametrize(
    ("packages", "line"),
    [
        ([], ""),
        ([WECHAT], "apt-get install wechat:i386 && apt-mark auto wechat:i386"),
        (
            [WECHAT, removed("dpkg", "tim", how="apt-get", mark="manual")],
            "apt-get install tim wechat:i386 && apt-mark auto wechat:i386",
        ),
        ([removed("rpm", "wechat", "wechat.x86_64", how="dnf")], "dnf install wechat.x86_64"),
        ([removed("rpm", "wechat", "wechat.noarch", how="zypper")], "zypper install wechat.noarch"),
        ([removed("pacman", "signal", mark="auto")], "pacman -S signal && pacman -D --asdeps signal"),
        (
            [removed("flatpak", "org.x.App", "app/org.x.App/x86_64/stable", place="default", source="flathub")],
            "flatpak install --assumeyes --installation=default flathub app/org.x.App/x86_64/stable",
        ),
        (
            [removed("flatpak", "org.x.App", "app/org.x.App/x86_64/stable", scope=ALICE)],
            f"{AS_ALICE} flatpak install --assumeyes --user app/org.x.App/x86_64/stable {APART}",
        ),
        ([removed("snap", "signal", how="classic", source="")], "snap install --classic signal"),
        ([removed("snap", "a"), removed("snap", "bb", source="latest/edge")], "snap install --channel=latest/edge bb"),
        (
            [removed("pip", "x-y", tool="/usr/bin/python3", how="user", scope=ALICE)],
            f"{AS_ALICE} PIP_BREAK_SYSTEM_PACKAGES=1 /usr/bin/python3 -m pip install --user x-y==1.0 {APART}",
        ),
        (  # what pipx and uv take one by one
            [removed("uv", name, tool="/usr/bin/uv", place="/t") for name in ("xa", "xb")],
            "env UV_TOOL_DIR=/t /usr/bin/uv tool install xa==1.0; env UV_TOOL_DIR=/t /usr/bin/uv tool install xb==1.0",
        ),
        (
            [removed("pipx", "x-y", "X_y", tool="pipx", place="/opt/pipx", how="system", version="claims/any")],
            "env PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin pipx install X_y",
        ),
        (
            [removed("npm", "@a/b", tool="/h/a b/bin/npm", place="/h/a b", scope=ALICE)],
            f"{AS_ALICE} 'PATH=/h/a b/bin:/usr/local/bin:/usr/bin:/bin' '/h/a b/bin/npm' install --global"
            f" --prefix '/h/a b' @a/b@1.0 {APART}",
        ),
        (
            [removed("nix", "signal", f"{STORE}-signal-1.0", how="env", tool="/n/nix-env", place="/p", scope=ALICE)],
            f"{AS_ALICE} /n/nix-env --profile /p --install {STORE}-signal-1.0 {APART}",
        ),
        ([removed("conda", "x", tool="/c/bin/conda", place="/c")], "/c/bin/conda install --yes --prefix /c x=1.0"),
        ([removed("brew_cask", "x", tool="/b/brew", scope=ALICE)], f"{AS_ALICE} /b/brew install --cask x {APART}"),
        (
            [removed("guix", "x", tool="/g/guix", place="/p", scope=ALICE)],
            f"{AS_ALICE} /g/guix package --profile=/p --install=x {APART}",
        ),
        # no front that installs by name
        (
            [removed("dpkg", "tim", how="dpkg"), removed("rpm", "tim", "tim.noarch", how="rpm"), removed("mine", "x")],
            "",
        ),
    ],
)
def test_one_line_brings_back_what_was_removed(packages: list[Removed], line: str) -> None:
    assert command([read(one._asdict()) for one in packages]) == line
    assert len(packages) == len(without_command(packages)) + sum(map(has_command, packages))


@pytest.mark.parametrize(
    "hostile",
    [
        removed("dpkg", "openssh-server-", how="apt-get"),  # apt removes it
        removed("dpkg", "wechat", "openssh-server", how="apt-get"),
        removed("dpkg", "wechat", "wechat; reboot", how="apt-get"),
        removed("dpkg", "wechat", how="sh"),
        removed("rpm", "wechat", "https://example.org/x.rpm", how="dnf"),
        removed("rpm", "@core", "@core.noarch", how="dnf"),
        removed("flatpak", "org.x.App", "app/org.x.App/x86_64/stable", source="https://example.org/repo"),
        removed("pip", "wechat", "git+https://example.org/x", tool="python3"),
        removed("pip", "wechat", tool="python3 -c import"),
        removed("nix", "wechat", "/nix/store/../../etc-wechat", how="env", tool="/n", place="/p"),
        removed("guix", "wechat", tool="/g", place="; reboot"),
    ],
)
def test_a_hosts_word_is_a_name_or_nothing(hostile: Removed) -> None:
    assert command([hostile]) == "" and without_command([hostile]) == [hostile]


@given(st.dictionaries(st.sampled_from(Removed._fields), st.text(max_size=30)), st.sampled_from(sorted(COMMANDS)))
def test_no_answer_becomes_another_command(given_: dict[str, str], manager: str) -> None:
    """Whatever a host answers: the line has the words of one command, and no shell sees any other."""
    _, _, _, commands, _ = COMMANDS[manager]
    try:
        package = read({**WECHAT._asdict(), "mark": "", "how": next(iter(commands)), **given_, "manager": manager})
    except ValueError:
        return
    line = command([package])
    if line:
        assert line.isprintable() and ";" not in shlex.split(line) and "&&" not in shlex.split(line)
        around = len([*AS_ALICE.split(), *APART.split()]) if package.user else 0
        assert len(shlex.split(line)) <= len(commands[package.how].split()) + around
