"""Snaps: from the files of snapd, and from its own answer, given here by a server of the tests on a real socket.

The answer was put together after snapd's REST API documentation; no snapd ran for it.
"""

import json

import pytest
from fake_tools import DONE, Tools
from hypothesis import given
from hypothesis import strategies as st
from made_users import put
from proscribe.host.controls.apps.systems import snap
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.system import Host, Process
from proscribe.model.removed import Removed

IDS = {"telegram-desktop", "signal-desktop"}


@pytest.fixture
def root(root):
    for file in ("telegram-desktop_6380.snap", "telegram-desktop_6389.snap", "core22_1621.snap", "partial", "x.snap"):
        put(root, f"{snap.SNAPS}/{file}")
    return root


def test_without_snapd_the_files_tell(root):
    [result], _ = snap.query(Host(str(root)), IDS)
    assert (result.id, result.version) == ("telegram-desktop", "revision 6389")


@given(st.text())
def test_any_name_of_a_file_is_read_without_an_error(file):
    assert len(snap.parse_file(file)) == 3


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
)


@given(
    st.binary()
    | values.map(lambda v: json.dumps(v).encode())
    | values.map(lambda v: json.dumps({"result": v}).encode())
)
def test_any_answer_of_snapd_is_read(answer):
    assert all(isinstance(version, str) for version in snap.parse(answer).values())


@pytest.mark.parametrize(
    ("exe", "group", "id_"),
    [
        ("/snap/telegram-desktop/6389/usr/bin/Telegram", "", "telegram-desktop"),
        ("/usr/bin/python3", "/user.slice/snap.telegram-desktop.telegram-desktop-5a.scope", "telegram-desktop"),
        ("/usr/bin/python3", "/user.slice/snap.telegram-desktop_work.app-5a.scope", "telegram-desktop"),
        ("/usr/bin/python3", "/user.slice/app-org.gnome.Terminal.slice", ""),
        ("/snap/core22/1621/bin/sh", "", ""),
    ],
)
def test_program_has_the_snap_of_its_place_or_group(root, exe, group, id_):
    (root / "proc/7").mkdir()
    (root / "proc/7/root").symlink_to(root)
    put(root, "proc/7/cgroup", f"0::{group}\n")
    put(root, exe)
    program = snap.programs(Host(str(root)), IDS, [Package("snap", "telegram-desktop")])
    assert program(Process(7, exe)) == id_
    assert snap.programs(Host(str(root)), IDS, [])(Process(7, exe)) == ""


def test_data_is_saved_before_a_snap_goes(root):
    tools = Tools(("snap", DONE))
    put(root, "usr/bin/snap", mode=0o755)
    [action], refused = snap.removal(Host(str(root), tools), [Package("snap", "slack", "1", ("slack_work",))])
    action.apply()
    assert (str(action), refused) == ("remove slack_work (system)", [])
    assert action.takes == (Removed("snap", "slack", "1", "system", "slack_work"),)
    assert tools.calls == ["snap save slack_work", "snap remove slack_work"]
