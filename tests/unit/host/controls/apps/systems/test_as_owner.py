"""Packages that a tool of their owner removes: which tool, its words, and refusals."""

import json
import os
from collections.abc import Sequence
from typing import Any

import pytest
from fake_tools import absent
from made_users import ALICE, put
from proscribe.host.controls.apps.systems import brew, conda, flatpak, guix, nix, npm, pip, pipx, snap, uv
from proscribe.host.controls.apps.systems.as_owner import OwnTools, others_have, removals, uninstall
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.controls.base import Action
from proscribe.host.system import ControlError, Host, Result, Unseen, User
from proscribe.model.removed import Removed

HOME = "/home/alice"
STORE = f"/nix/store/{'a' * 32}-owl-1"
CONDA = f"{HOME}/miniconda3"
PIP_FOLDER = f"{HOME}/.local/lib/python3.9/site-packages"


def package(manager: str, path: str, *handles: str, owner: User | None = ALICE, id_: str = "owl") -> Package:
    return Package(manager, id_, "1", handles, owner, path)


BREW_OPTIONS = {
    f"HOMEBREW_NO_{key}": "1" for key in ("ANALYTICS", "AUTO_UPDATE", "AUTOREMOVE", "ENV_HINTS", "INSTALL_FROM_API")
}
UV_OPTIONS = {"UV_NO_CONFIG": "1", "UV_OFFLINE": "1", "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"}
NPM_WORDS = "--ignore-scripts --offline --no-audit --no-fund --no-update-notifier --loglevel=error owl"
NIX_OPTIONS = {"NIX_CONFIG": "experimental-features = nix-command\nsubstitute = false"}
CONDA_OPTIONS = {"CONDA_OFFLINE": "1", "MAMBA_OFFLINE": "1"}
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
PIP_OPTIONS = {
    "PIP_BREAK_SYSTEM_PACKAGES": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PIP_REQUIRE_VIRTUALENV": "0",
}
FORMULA, CASK = package("brew", f"{HOME}/b/owl", f"{HOME}/b"), package("brew_cask", f"{HOME}/b/owl", f"{HOME}/b")
UV_TOOL = package("uv", f"{HOME}/t/Owl/lib/python3.13/site-packages/owl", "Owl", id_="Owl")
NPM = package("npm", f"{HOME}/n/lib/node_modules/owl", f"{HOME}/n")
NPM_OF_ROOT = package("npm", "/usr/local/lib/node_modules/owl", "/usr/local", owner=None)
NIX, NIX_ENV = (package("nix", STORE, f"{HOME}/p", how, "") for how in ("profile", "env"))
GUIX = package("guix", STORE, f"{HOME}/p", "profile")
CONDA_ENV = package("conda", f"{CONDA}/envs/e/conda-meta/owl-1-0.json", f"{CONDA}/envs/e")
PIP, PIP_OF_ROOT = package("pip", f"{PIP_FOLDER}/owl-1"), package("pip", "/usr/lib/python3.13/owl-1", owner=None)
PYENV = package("pip", f"{HOME}/.pyenv/versions/3/lib/python3.12/site-packages/owl-1")
PIPX = package("pipx", f"{HOME}/.local/pipx/venvs/owl/lib/x", "owl")
CALLS: list[Any] = [
    (brew.FORMULAE, FORMULA, f"{HOME}/b/bin/brew", "uninstall --formula --force owl", BREW_OPTIONS),
    (brew.CASKS, CASK, f"{HOME}/b/bin/brew", "uninstall --cask owl", BREW_OPTIONS),
    *(
        (uv, UV_TOOL, tool, "tool uninstall Owl", {**UV_OPTIONS, "UV_TOOL_DIR": f"{HOME}/t"})
        for tool in ("/usr/bin/uv", f"{HOME}/.local/bin/uv", f"{HOME}/.cargo/bin/uv")
    ),
    *(
        (npm, NPM, tool, f"uninstall --global --prefix {HOME}/n {NPM_WORDS}", {"PATH": f"{HOME}/n/bin:{SYSTEM_PATH}"})
        for tool in ("/usr/bin/npm", f"{HOME}/n/bin/npm")
    ),
    # Root's npm runs nothing out of a prefix.
    (npm, NPM_OF_ROOT, "/usr/bin/npm", f"uninstall --global --prefix /usr/local {NPM_WORDS}", {"PATH": SYSTEM_PATH}),
    (nix, NIX, f"{HOME}/.nix-profile/bin/nix", f"profile remove --profile {HOME}/p {STORE}", NIX_OPTIONS),
    (nix, NIX_ENV, "/nix/var/nix/profiles/default/bin/nix-env", f"--profile {HOME}/p -e {STORE}", NIX_OPTIONS),
    (guix, GUIX, f"{HOME}/.config/guix/current/bin/guix", f"package --profile={HOME}/p --remove=owl", {}),
    (conda, CONDA_ENV, f"{CONDA}/bin/mamba", f"remove --prefix {CONDA}/envs/e --yes --offline owl", CONDA_OPTIONS),
    (pip, PIP, "/usr/bin/python3.9", "-m pip uninstall --yes owl", PIP_OPTIONS),
    (pip, PIP_OF_ROOT, "/usr/bin/python3.13", "-I -m pip uninstall --yes owl", PIP_OPTIONS),
    (pip, PYENV, f"{HOME}/.pyenv/versions/3/bin/python3.12", "-m pip uninstall --yes owl", PIP_OPTIONS),
]


@pytest.mark.parametrize(("system", "item", "tool", "words", "environment"), CALLS)
def test_tool_of_an_owner_is_called_with_these_words(root, monkeypatch, system, item, tool, words, environment):
    """A lost word asks somebody, goes to the network, or takes more away."""
    put(root, tool, mode=0o755)
    put(root, f"{item.path}/INSTALLER" if system is pip else item.path, "pip\n")
    ran: list[Any] = []

    def run(argv: Sequence[str], **options: Any) -> Result:
        ran.append(([*argv], options))
        return Result(0, json.dumps({"actions": {"UNLINK": [{"name": "owl"}]}}), "")

    for module in (nix, guix):
        monkeypatch.setattr(module, "query_of", lambda *_: ([item], ""))
    ((action,), refused) = system.removal(Host(str(root), run), [item])
    assert refused == [] and [gone.tool for gone in action.takes] == [tool]
    with pytest.raises(ControlError, match="is still there"):
        action.apply()
    argv, options = ran[-1]
    assert argv == [tool, *words.split(" ")]
    assert options == {"user": item.owner, "environment": environment, "timeout": 300}
    if system is conda:
        trial = [*argv[:-1], "--dry-run", "--json", "owl"]
        assert ran[0] == (trial, {"user": ALICE, "environment": environment, "timeout": 60})
    assert len(ran) == 1 + (item in (CONDA_ENV, PIP_OF_ROOT))


@pytest.mark.parametrize(
    ("system", "item", "reason"),
    [
        (brew.FORMULAE, FORMULA, f"Homebrew's own brew is not in {HOME}/b/bin"),
        (brew.FORMULAE, FORMULA._replace(owner=None), f"{HOME}/b is root's, and Homebrew does not run for root"),
        (uv, UV_TOOL, "uv itself is not installed on this host"),
        (npm, NPM, "npm itself is not installed on this host"),
        (nix, NIX_ENV, "nix-env is not installed on this host"),
        (guix, GUIX, "guix itself is not installed on this host"),
        (conda, CONDA_ENV, "neither conda, mamba nor micromamba is there to remove it with"),
        (pipx, PIPX, "pipx itself is not installed on this host"),
        (flatpak, package("flatpak", ""), "flatpak itself is not installed on this host"),
        (snap, package("snap", "", "owl"), "snap itself is not installed on this host"),
    ],
)
def test_package_without_its_tool_stays(root, system, item, reason):
    put(root, item.path or "/x")
    assert system.removal(Host(str(root), absent), [item]) == ([], [(item, reason)])


OF_HOST = Package("npm", "owl", "1.0", ("owl",), path="/opt/owl")
OF_ALICE = OF_HOST._replace(owner=ALICE, path="/home/alice/owl")
OWN = ["~/bin/npm", "/opt/npm"]


class Tools:
    """What runs what, as whom; of a tool's version it says nothing unless the tool is one of these."""

    def __init__(self, *good: str) -> None:
        self.good, self.ran = good, []  # type: ignore[var-annotated]

    def __call__(self, argv: Sequence[str], **options: Any) -> Result:
        self.ran.append((" ".join(argv), options))
        if argv[0] == "/gone":
            raise ControlError("it is gone")
        return Result(0 if argv[0] in self.good else 1, "", "")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives a file away")
def test_root_runs_no_tool_of_a_users(root):
    os.chown(put(root, "/usr/local/npm", mode=0o755), ALICE.uid, -1)
    (root / "home/alice/link").symlink_to("/usr")
    os.lchown(root / "home/alice/link", ALICE.uid, ALICE.gid)
    tools = OwnTools(Host(str(root), Tools()))
    assert tools.of(OF_HOST, "npm", ["/usr/local/npm"]) == ""
    assert tools.of(OF_ALICE, "npm", ["/home/alice/link/bin/npm", "/usr/local/npm"]) == "/usr/local/npm"


def test_a_users_own_tool_is_chosen_by_its_place_and_not_run(root):
    """What it does takes time of others who wait for the host's lock."""
    tools = Tools()
    of = OwnTools(Host(str(root), tools)).of
    put(root, "/opt/npm", mode=0o755)
    assert [of(OF_ALICE, "npm", own=["/gone", *OWN]) for _ in range(2)] == ["/opt/npm", "/opt/npm"]
    (root / "home/alice/profile").symlink_to("/nix")
    os.lchown(root / "home/alice/profile", ALICE.uid, ALICE.gid)
    assert of(OF_ALICE, "npm", own=["~/profile/bin/npm"]) == "/home/alice/profile/bin/npm"  # of nix and guix
    assert of(OF_ALICE, "npm") == "" and tools.ran == []


def test_package_has_an_action_or_a_reason():
    def item(package: Package) -> Action | str:
        for error in (ControlError, Unseen):
            if package.id == error.__name__:
                raise error("raised")
        return "said" if package.id == "said" else Action("remove", package.id, str)

    packages = [Package("npm", id_) for id_ in ("a", "said", "ControlError", "Unseen", "b")]
    actions, refused = removals(packages, item)
    assert [action.subject for action in actions] == ["a", "b"]
    assert refused == list(zip(packages[1:4], ["said", "raised", "raised"]))


def test_root_removes_nothing_of_the_distributions(root):
    put(root, "/usr/bin/rpm", mode=0o755)
    host = Host(str(root), lambda argv, **_: Result(0, f"pkg-of-{argv[-1].rpartition('/')[2]}\n", ""))
    assert others_have(host, OF_HOST, "/opt/owl") == "it belongs to the rpm package pkg-of-owl"
    assert others_have(host, OF_ALICE, "/opt/owl") == ""


def test_root_runs_nothing_out_of_a_place_that_users_can_change(root, monkeypatch):
    host = Host(str(root), Tools())
    put(root, "/opt/own/x")
    put(root, "/opt/open", mode=0o666)
    why = "users may write to {}, and root runs nothing of theirs"
    assert others_have(host, OF_HOST, "/x", ["/opt/own", "/opt/none"]) == ""
    monkeypatch.setattr(host, "changeable", lambda place: "")
    assert others_have(host, OF_HOST, "/x", ["/opt/own", "/opt/open"]) == why.format("/opt/open")
    monkeypatch.setattr(host, "changeable", lambda place: "/opt" if place == "/opt/own" else "")
    assert others_have(host, OF_HOST, "/x", ["/opt/none", "/opt/own"]) == why.format("/opt")
    assert others_have(host, OF_ALICE, "/x", ["/opt/own"]) == ""


def test_uninstall_runs_the_tool_as_the_owner(root):
    tools, place = Tools("npm"), put(root, OF_ALICE.path)
    host = Host(str(root), lambda argv, **options: (tools(argv, **options), place.unlink())[0])
    action = uninstall(host, OF_ALICE, ["npm", "rm"], "/home/alice", {"A": "b"})
    assert (str(action), action.before) == ("remove owl (user:alice) from /home/alice", "owl 1.0\n")
    (gone,) = action.takes
    assert gone == Removed("npm", "owl", "1.0", "user:alice", "owl", tool="npm", place="/home/alice", at=gone.at)
    action.apply()
    action.apply()  # it went along with another one
    assert tools.ran == [("npm rm", {"user": ALICE, "environment": {"A": "b"}, "timeout": 300})]


def test_uninstall_stops_at_an_objection_and_at_a_package_that_remains(root):
    tools, place = Tools("npm"), put(root, OF_ALICE.path)
    host = Host(str(root), tools)
    with pytest.raises(ControlError, match="^more would go$"):
        uninstall(host, OF_ALICE, ["npm"], "/opt", why_not=lambda: "more would go").apply()
    assert tools.ran == [] and place.exists()
    present, gone = [True, True], Removed("npm", "owl", "1.0", "system", "owl")
    action = uninstall(host, OF_HOST, ["npm"], "/opt", None, gone, lambda: present.pop())
    with pytest.raises(ControlError, match="^npm ended well, and owl is still there$"):
        action.apply()
    assert action.takes == (gone,) and tools.ran[0][1]["environment"] == {} and present == []
    with pytest.raises(ControlError, match="ended with 1"):
        uninstall(Host(str(root), Tools()), OF_HOST, ["npm"], "/opt", still=lambda: True).apply()
