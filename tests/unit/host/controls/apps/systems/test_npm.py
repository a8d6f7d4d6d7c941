"""Packages of npm in test directories: which prefixes are scanned, what a manifest may hold, and how npm is called."""

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from made_users import everywhere, put
from proscribe.host.controls.apps.systems import npm
from proscribe.host.system import Host

IDS = {"wechaty", "@made/telegram"}


def package(root: Path, prefix: str, id_: str = "wechaty", manifest: str = '{"version": "1.2.3"}') -> str:
    path = f"{prefix}/lib/node_modules/{id_}"
    put(root, f"{path}/package.json", manifest)
    return path


HOMES = {"~": "/home/alice", "${HOME}": "/home/alice", "/home/alice": "/home/alice"}
PARTS = st.sampled_from(["..", ".", "", "a", "npm global", "alice", "~", "${HOME}", "=", ";"])


@given(st.sampled_from([*HOMES, "/home/bob", "/", "", "/home/alice2", "/home"]), st.lists(PARTS, max_size=6))
def test_a_prefix_never_leaves_the_home(start, parts):
    """What is below the home is found where it is, and nothing else ever."""
    value = "/".join([start, *parts]).rstrip()
    place = os.path.normpath(HOMES.get(start, start) + value[len(start) :].replace("${HOME}", "/home/alice"))
    inside = place.startswith("/home/alice/")
    assert npm.parse([f"prefix={value}"], "/home/alice") == ([place] if inside else [])


@given(st.text())
def test_no_text_leads_out_of_the_home(text):
    for prefix in npm.parse([f"prefix=~/{text}", f"prefix=/home/alice/x/{text}", text], "/home/alice"):
        assert prefix == os.path.normpath(prefix) and prefix.startswith("/home/alice/")


@given(st.binary(max_size=200))
def test_any_manifest_is_read_without_an_error(tmp_path_factory, content):
    root = tmp_path_factory.mktemp("manifest")
    (root / package(root, "/usr").lstrip("/") / "package.json").write_bytes(content)
    assert len(everywhere(npm, Host(str(root)), IDS)[0]) == 1


def test_a_directory_without_a_manifest_is_no_package(root):
    (root / "usr/lib/node_modules/wechaty").mkdir(parents=True)
    (root / "usr/lib/node_modules/@made").mkdir()
    assert everywhere(npm, Host(str(root)), IDS) == ([], "")
