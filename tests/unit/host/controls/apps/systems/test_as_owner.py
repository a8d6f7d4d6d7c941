"""Packages that a tool of their owner's removes: which tool, when it is not run, and what it comes to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from made_users import ALICE, put
from proscribe.host.controls.apps.systems.as_owner import OwnTools, not_whole, others_have, removals, uninstall
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.controls.base import Action
from proscribe.host.system import ControlError, Host, Result, Unseen
from proscribe.model.removed import Removed

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
def test_root_runs_no_tool_of_a_users(root: Path) -> None:
    os.chown(put(root, "/usr/local/npm", mode=0o755), ALICE.uid, -1)
    (root / "home/alice/link").symlink_to("/usr")
    os.lchown(root / "home/alice/link", ALICE.uid, ALICE.gid)
    tools = OwnTools(Host(str(root), Tools()))
    assert tools.of(OF_HOST, "npm", ["/usr/local/npm"]) == ""
    assert tools.of(OF_ALICE, "npm", ["/home/alice/link/bin/npm", "/usr/local/npm"]) == "/usr/local/npm"


def test_a_users_own_tool_is_chosen_by_its_place_and_not_run(root: Path) -> None:
    """What it does takes time of others who wait for the host's lock."""
    tools = Tools()
    of = OwnTools(Host(str(root), tools)).of
    put(root, "/opt/npm", mode=0o755)
    assert [of(OF_ALICE, "npm", own=["/gone", *OWN]) for _ in range(2)] == ["/opt/npm", "/opt/npm"]
    (root / "home/alice/profile").symlink_to("/nix")
    os.lchown(root / "home/alice/profile", ALICE.uid, ALICE.gid)
    assert of(OF_ALICE, "npm", own=["~/profile/bin/npm"]) == "/home/alice/profile/bin/npm"  # of nix and guix
    assert of(OF_ALICE, "npm") == "" and tools.ran == []


def test_package_has_an_action_or_a_reason() -> None:
    def item(package: Package) -> Action | str:
        for error in (ControlError, Unseen):
            if package.id == error.__name__:
                raise error("raised")
        return "said" if package.id == "said" else Action("remove", package.id, str)

    packages = [Package("npm", id_) for id_ in ("a", "said", "ControlError", "Unseen", "b")]
    actions, refused = removals(packages, item)
    assert [action.subject for action in actions] == ["a", "b"]
    assert refused == list(zip(packages[1:4], ["said", "raised", "raised"]))


def test_root_removes_nothing_of_the_distributions(root: Path) -> None:
    put(root, "/usr/bin/rpm", mode=0o755)
    host = Host(str(root), lambda argv, **_: Result(0, f"pkg-of-{argv[-1].rpartition('/')[2]}\n", ""))
    assert others_have(host, OF_HOST, "/opt/owl") == "it belongs to the rpm package pkg-of-owl"
    assert others_have(host, OF_ALICE, "/opt/owl") == ""


def test_root_runs_nothing_out_of_a_place_that_users_can_change(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.parametrize(
    ("environment", "tool", "why"),
    [
        ("OWL", "/usr/bin/pipx", ""),
        ("owl", "", "pipx itself is not installed on this host"),
        ("elk", "/usr/bin/pipx", "it came along with 'elk', which pipx installed and nothing restricts"),
    ],
)
def test_an_environment_goes_where_it_is_the_packages_own(environment: str, tool: str, why: str) -> None:
    assert not_whole(OF_HOST._replace(handles=(environment,), id="Owl"), tool, "pipx") == why


class TestUninstalling:
    def test_the_tool_runs_as_the_owner(self, root: Path) -> None:
        tools = Tools("npm")
        place = put(root, OF_ALICE.path)
        host = Host(str(root), lambda argv, **options: (tools(argv, **options), place.unlink())[0])
        action = uninstall(host, OF_ALICE, ["npm", "rm"], "/home/alice", {"A": "b"})
        text = (action.verb, action.subject, action.before, action.after)
        assert text == ("remove", "owl (user:alice) from /home/alice", "owl 1.0\n", "")
        (gone,) = action.takes
        assert gone == Removed("npm", "owl", "1.0", "user:alice", "owl", tool="npm", place="/home/alice", at=gone.at)
        action.apply()
        action.apply()  # it went along with another one
        assert tools.ran == [("npm rm", {"user": ALICE, "environment": {"A": "b"}, "timeout": 300})]

    def test_objection_just_before_the_removal_keeps_the_package(self, root: Path) -> None:
        tools = Tools("npm")
        put(root, OF_ALICE.path)
        action = uninstall(Host(str(root), tools), OF_ALICE, ["npm"], "/opt", why_not=lambda: "more would go")
        with pytest.raises(ControlError, match="^more would go$"):
            action.apply()
        assert tools.ran == []

    def test_package_that_remains_is_an_error(self, root: Path) -> None:
        tools, present = Tools("npm"), [True, True]
        gone = Removed("npm", "owl", "1.0", "system", "owl")
        action = uninstall(Host(str(root), tools), OF_HOST, ["npm"], "/opt", None, gone, lambda: present.pop())
        assert action.takes == (gone,)
        with pytest.raises(ControlError, match="^npm ended well, and owl is still there$"):
            action.apply()
        assert tools.ran[0][1]["environment"] == {} and present == []
        with pytest.raises(ControlError, match="ended with 1"):
            uninstall(Host(str(root), Tools()), OF_HOST, ["npm"], "/opt", still=lambda: True).apply()
