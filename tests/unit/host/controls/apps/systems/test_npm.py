"""Packages of npm in test directories: which prefixes are scanned, what a manifest may hold, and how npm is called."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_users import ALICE, BOB, everywhere, put
from proscribe.host.controls.apps.systems import npm
from proscribe.host.system import ControlError, Host, Result

IDS = {"wechaty", "@made/telegram"}


def package(root: Path, prefix: str, id_: str = "wechaty", manifest: str = '{"version": "1.2.3"}') -> str:
    path = f"{prefix}/lib/node_modules/{id_}"
    put(root, f"{path}/package.json", manifest)
    return path


HOMES = {"~": "/home/alice", "${HOME}": "/home/alice", "/home/alice": "/home/alice"}
PARTS = st.sampled_from(["..", ".", "", "a", "npm global", "alice", "~", "${HOME}", "=", ";"])


@given(st.sampled_from([*HOMES, "/home/bob", "/", "", "/home/alice2", "/home"]), st.lists(PARTS, max_size=6))
def test_a_prefix_never_leaves_the_home(start: str, parts: list[str]) -> None:
    """What is below the home is found where it is, and nothing else ever."""
    value = "/".join([start, *parts]).rstrip()
    place = os.path.normpath(HOMES.get(start, start) + value[len(start) :].replace("${HOME}", "/home/alice"))
    inside = place.startswith("/home/alice/")
    assert npm.parse([f"prefix={value}"], "/home/alice") == ([place] if inside else [])


@given(st.text())
def test_no_text_leads_out_of_the_home(text: str) -> None:
    for prefix in npm.parse([f"prefix=~/{text}", f"prefix=/home/alice/x/{text}", text], "/home/alice"):
        assert prefix == os.path.normpath(prefix) and prefix.startswith("/home/alice/")


@given(st.binary(max_size=200))
def test_any_manifest_is_read_without_an_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    root = tmp_path_factory.mktemp("manifest")
    (root / package(root, "/usr").lstrip("/") / "package.json").write_bytes(content)
    assert len(everywhere(npm, Host(str(root)), IDS)[0]) == 1


def test_a_directory_without_a_manifest_is_no_package(root: Path) -> None:
    (root / "usr/lib/node_modules/wechaty").mkdir(parents=True)
    (root / "usr/lib/node_modules/@made").mkdir()
    assert everywhere(npm, Host(str(root)), IDS) == ([], "")


def test_npm_is_asked_as_the_owner_of_the_prefix(root: Path) -> None:
    calls: list[tuple[str, str, str, Any, str]] = []

    def run(argv: Sequence[str], **options: Any) -> Result:
        if argv[0] == "dpkg-query":
            owned = argv[-1].startswith("/usr/lib/")
            return Result(0, f"node-wechaty: {argv[-1]}\n", "") if owned else Result(1, "", "")
        prefix = argv[argv.index("--prefix") + 1]
        calls.append((argv[0], prefix, argv[-1], options["user"], options["environment"]["PATH"].split(":")[0]))
        return Result(0, "", "")

    host = Host(str(root), run)
    nvm = "/home/bob/.nvm/versions/node/v22.1.0"
    for tool in ("usr/bin/npm", "usr/bin/dpkg-query", f"{nvm}/bin/npm"):
        put(root, tool, mode=0o755)
    for prefix in ("/usr", "/usr/local", "/home/alice/.npm-global", nvm):
        package(root, prefix)
    actions, refused = npm.removal(host, everywhere(npm, host, IDS)[0])
    assert [(item.path, why) for item, why in refused] == [
        ("/usr/lib/node_modules/wechaty", "it belongs to the dpkg package node-wechaty")
    ]
    assert [(item.scope, item.name, item.tool, item.place) for action in actions for item in action.takes] == [
        ("system", "wechaty", "/usr/bin/npm", "/usr/local"),
        ("user:alice", "wechaty", "/usr/bin/npm", "/home/alice/.npm-global"),
        ("user:bob", "wechaty", f"{nvm}/bin/npm", nvm),
    ]
    for action in actions:
        with pytest.raises(ControlError, match="is still there"):
            action.apply()
    assert calls == [
        ("/usr/bin/npm", "/usr/local", "wechaty", None, "/usr/sbin"),
        ("/usr/bin/npm", "/home/alice/.npm-global", "wechaty", ALICE, "/home/alice/.npm-global/bin"),
        (f"{nvm}/bin/npm", nvm, "wechaty", BOB, f"{nvm}/bin"),
    ]
    assert json.dumps(list(map(str, actions)))


def test_packages_without_npm_are_refused(root: Path) -> None:
    package(root, "/home/alice/.npm-global")
    host = Host(str(root))
    assert [why for _, why in npm.removal(host, everywhere(npm, host, IDS)[0])[1]] == [
        "npm itself is not installed on this host"
    ]
