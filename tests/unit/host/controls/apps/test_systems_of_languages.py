"""Packages of npm, uv, pip, pipx and conda, and snaps, on test trees: places, names, limits, and who removes them."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from fake_tools import DONE, Tools
from hypothesis import given
from hypothesis import strategies as st
from made_users import ALICE, everywhere, put
from proscribe.host.controls.apps.systems import conda, npm, pip, pip_removal, pipx, site_packages, snap, uv
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.system import ControlError, Host, Process, ToolResult
from proscribe.model.removal_record import RemovedPackage

NPM_IDS = {"wechaty", "@made/telegram"}
HOMES = {"~": "/home/alice", "${HOME}": "/home/alice", "/home/alice": "/home/alice"}
PARTS = st.sampled_from(["..", ".", "", "a", "npm global", "alice", "~", "${HOME}", "=", ";"])
UV_IDS = {"Telethon", "pyrogram"}
TOOLS = "/home/alice/.local/share/uv/tools"
PIP_IDS = {"telethon", "Signalbot.cli-tool"}
CONDA_IDS = {"rclone", "telegram-desktop"}
SNAP_IDS = {"telegram-desktop", "signal-desktop"}
# What snapd says of what is installed; "strict" is no way of its own to install something.
ANSWER = json.dumps({"result": [
    {"name": "slack_work", "version": "1", "confinement": "classic", "tracking-channel": "latest/edge"},
    {"name": "telegram-desktop_work", "version": "4.2", "confinement": "strict"}, {"name": "x", "version": 1}, "y",
]}).encode()  # fmt: skip
snap_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
)


HOME = "/home/alice"
META = f"Name: no\nName: O--W_L\nVersion: {'1' * 64}\n\nName: other\nVersion: 2\n"
NODE, PIP = "lib/node_modules/o-w.l/package.json", "lib/python3.9/site-packages"
CONDA = json.dumps({"version": "2.0", "files": ["bin/a", "sbin/a", "libexec/a", "lib/a", "opt/a", "share/a", "etc/a"]})
PROGRAMS = ("bin/a", "sbin/a", "libexec/a", "lib/a", "opt/a", "share/a")


@pytest.mark.parametrize(
    ("system", "file", "content", "version", "handles"),
    [
        (npm, f"/usr/{NODE}", '{"version": "1.0"}', "1.0", ("/usr",)),
        (npm, f"/usr/local/{NODE}", '{"version": "1 0"}', "", ("/usr/local",)),
        (npm, f"{HOME}/.nvm/versions/node/v20/{NODE}", "[]", "", (f"{HOME}/.nvm/versions/node/v20",)),
        (npm, f"{HOME}/n/m/{NODE}", "{", "", (f"{HOME}/n/m",)),
        (pip, "/usr/lib/python3/dist-packages/o_w.l-1.dist-info/METADATA", META, "1" * 64, ("",)),
        (pip, f"/usr/local/lib64/{PIP}/O.w.L.egg-info/PKG-INFO".replace("/lib/", "/"), META + "1", "1" * 64, ("",)),
        (pip, f"{HOME}/.pyenv/versions/3/{PIP}/o_w_l-1.dist-info/METADATA", META.replace("\n\n", "1\n\n"), "", ("",)),
        (pipx, f"/opt/pipx/venvs/e/{PIP}/o_w_l.dist-info/METADATA", "Name: o-w-l", "", ("e",)),
        (pipx, f"{HOME}/.local/pipx/venvs/e/{PIP}/o_w_l.dist-info/METADATA", META, "1" * 64, ("e",)),
        (conda, "/opt/conda/envs/e/conda-meta/o-w.l-1.0-h0.json", CONDA, "2.0", ("/opt/conda/envs/e", *PROGRAMS)),
        (conda, f"{HOME}/.conda/envs/e/conda-meta/o-w.l-1.0-h0.json", "{", "1.0", (f"{HOME}/.conda/envs/e",)),
        (npm, "/usr/lib/node_modules/o-w.l/folder", "", "", None),  # a directory without a manifest
        (conda, f"{HOME}/.pixi/conda-meta/o-w.l-1.0-h0.json", '{"name": "x"}', "", None),
        (conda, f"{HOME}/.pixi/conda-meta/o-w.l-1.0.json", "{}", "", None),
        (pip, f"{HOME}/.local/{PIP.replace('3.9', '3.x')}/o_w_l-1.dist-info/METADATA", META, "", None),
    ],
)
def test_installed_package_is_seen(root, system, file, content, version, handles):
    put(root, f"{HOME}/.npmrc", "prefix = /x\nprefix = '${HOME}/n/m/'\nprefixes=~/o\n")
    put(root, file, content)
    owner = ALICE if file.startswith(HOME) else None
    path = file if system is conda else file.rpartition("/")[0]
    expected = [] if handles is None else [Package(system.MANAGER, "o-w.l", version, handles, owner, path)]
    assert everywhere(system, Host(str(root)), {"o-w.l", "x"}) == (expected, "")


@given(st.sampled_from([*HOMES, "/home/bob", "/", "", "/home/alice2", "/home"]), st.lists(PARTS, max_size=6))
def test_a_prefix_never_leaves_the_home(start, parts):
    value = "/".join([start, *parts]).rstrip()
    place = os.path.normpath(HOMES.get(start, start) + value[len(start) :].replace("${HOME}", "/home/alice"))
    inside = place.startswith("/home/alice/")
    assert npm.parse_prefix([f"prefix={value}"], "/home/alice") == ([place] if inside else [])


@given(st.text())
def test_no_text_leads_out_of_the_home(text):
    for prefix in npm.parse_prefix([f"prefix=~/{text}", f"prefix=/home/alice/x/{text}", text], "/home/alice"):
        assert prefix == os.path.normpath(prefix) and prefix.startswith("/home/alice/")


@given(st.binary(max_size=200))
def test_any_manifest_is_read_without_an_error(tmp_path_factory, content):
    root = tmp_path_factory.mktemp("manifest")
    put(root, "/usr/lib/node_modules/wechaty/package.json").write_bytes(content)
    assert len(everywhere(npm, Host(str(root)), NPM_IDS)[0]) == 1


def lay_uv_tool(root: Path, name: str, packages: dict[str, str], tools: str = TOOLS) -> None:
    environment = f"{tools}/{name}"
    put(root, f"{environment}/uv-receipt.toml", f'[tool]\nrequirements = [{{ name = "{name}" }}]\n')
    put(root, f"{environment}/bin/{name}", "#!/usr/bin/python3\n", 0o755)
    for package, version in packages.items():
        metadata = f"{environment}/lib/python3.13/site-packages/{package}-{version}.dist-info/METADATA"
        put(root, metadata, f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")


def test_a_tool_and_what_came_along_with_another(root):
    lay_uv_tool(root, "telethon", {"telethon": "1.36.0"})
    lay_uv_tool(root, "sendbox", {"sendbox": "2.0", "pyrogram": "2.1"})
    result, unseen = uv.find_user_packages(Host(str(root)), ALICE, UV_IDS)
    assert [(item.id, item.version, item.scope, item.handles) for item in result] == [
        ("pyrogram", "2.1", "user:alice", ("sendbox",)),
        ("Telethon", "1.36.0", "user:alice", ("telethon",)),
    ]
    assert unseen == "" and uv.find_packages(Host(str(root)), UV_IDS) == ([], "")
    assert uv.list_owned_directories(Host(str(root)), ALICE) == [TOOLS]


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        ("/home/alice/apps/telethon/bin/telethon", True),
        ("/home/bob/apps/telethon/bin/telethon", False),
        ("/home/alice/../bob/apps/telethon/bin/telethon", False),
        ("../../apps/telethon/bin/telethon", False),
        ("/home/alice/telethon", False),
    ],
)
def test_tools_elsewhere_are_found_by_links_to_their_programs(root, target, seen):
    for home in ("alice", "bob"):
        lay_uv_tool(root, "telethon", {"telethon": "1.36.0"}, tools=f"/home/{home}/apps")
    link = root / "home/alice/.local/bin/telethon"
    link.parent.mkdir(parents=True)
    link.symlink_to(target)
    assert len(uv.find_user_packages(Host(str(root)), ALICE, UV_IDS)[0]) == seen
    assert uv.list_owned_directories(Host(str(root)), ALICE) == [TOOLS, *(["/home/alice/apps"] if seen else [])]


def distribution(root: Path, folder: str, entry: str, name: str, version: str = "1.0", installer: str = "pip") -> None:
    put(root, f"{folder}/{entry}/METADATA", f"Name: {name}\nVersion: {version}\n\nName: no\n")
    put(root, f"{folder}/{entry}/INSTALLER", f"{installer}\n")


def test_metadata_that_is_not_there_or_no_text_is_no_package(root):
    place = put(root, "/usr/local/lib/python3.13/site-packages/telethon-1.0.dist-info/RECORD")
    for content in (None, b"\xff\x00Name: telethon"):
        if content:
            place.with_name("METADATA").write_bytes(content)
        assert everywhere(pip, Host(str(root)), PIP_IDS) == ([], "")


@given(st.text())
def test_any_text_is_read_without_an_error(text):
    assert all(isinstance(value, str) for value in site_packages.parse_metadata(text).values())
    assert len(snap.parse_snap_file(text)) == 3


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_any_name_in_a_directory_is_read_without_an_error(tmp_path_factory, name):
    root = tmp_path_factory.mktemp("names")
    with contextlib.suppress(OSError):
        (root / "usr/lib/python3/dist-packages" / f"{name}.dist-info").mkdir(parents=True)
    assert everywhere(pip, Host(str(root)), PIP_IDS) == ([], "")


def test_the_python_that_a_path_is_for_has_its_last_directory():
    path = "/a/lib/python3.9/b/lib/python3.10/x"
    assert pip_removal.find_interpreter(path) == ("/a/lib/python3.9/b", "python3.10")
    with pytest.raises(ControlError, match="^/usr/lib/python3.x/x is in no directory of a Python$"):
        pip_removal.find_interpreter("/usr/lib/python3.x/x")


@pytest.mark.parametrize(
    ("installer", "answer", "reason"),
    [
        ("x" * 41, (), f"pip did not install it ({'x' * 40!r} did)"),
        ("a\x1b", (), "pip did not install it (nothing says who did)"),
        ("pip", ("python3.13", ToolResult(1, "", "No module named pip")), "python3.13 has no pip"),
        ("pip", ("dpkg-query", ToolResult(0, "python3-telethon: /usr/lib/x\n", "")), "it belongs to the dpkg package"),
    ],
)
def test_distribution_of_another_installer_stays(root, installer, answer, reason):
    put(root, "usr/bin/dpkg-query", mode=0o755)
    host = Host(str(root), Tools(*filter(None, [answer]), ("dpkg-query", ToolResult(1, "", "")), ("", DONE)))
    distribution(root, "/usr/local/lib/python3.13/dist-packages", "telethon-1.0.dist-info", "telethon", "1", installer)
    actions, ((_, why),) = pip.plan_removal(host, everywhere(pip, host, PIP_IDS)[0])
    assert actions == [] and why.startswith(reason)


def test_environment_of_pipx_goes_where_it_is_the_packages_own(root):
    put(root, "usr/bin/pipx", mode=0o755)
    host, own = Host(str(root), Tools(("", DONE))), "/home/alice/.local/share/pipx"
    for place in (f"{own}/venvs/telethon", f"{own}/venvs/notifier", "/opt/pipx/venvs/Telethon"):
        distribution(root, f"{place}/lib/python3.13/site-packages", "telethon-1.0.dist-info", "telethon")
    actions, refused = pipx.plan_removal(host, everywhere(pipx, host, PIP_IDS)[0])
    ((package, why),) = refused
    assert package.handles == ("notifier",) and "came along with 'notifier'" in why
    assert [(item.name, item.how, item.tool, item.place) for action in actions for item in action.removed_packages] == [
        ("Telethon", "system", "/usr/bin/pipx", "/opt/pipx"),
        ("telethon", "", "/usr/bin/pipx", own),
    ]


def conda_package(root: Path, prefix: str, name: str = "rclone", version: str = "1.70.0", **text: Any) -> str:
    path = f"{prefix}/conda-meta/{name}-{version}-h1_0.json"
    put(root, path, json.dumps({"name": name, "version": version, "build": "h1_0", "files": [f"bin/{name}"], **text}))
    return path


def test_an_environment_anywhere_in_the_home_that_conda_has_listed(root):
    conda_package(root, "/home/alice/work/env")
    conda_package(root, "/home/bob/env")
    lines = "/home/alice/work/env\n/home/bob/env\n/home/alice/../bob/env\n\n/\n/home/alice\n/home/alice/x\x07y\n"
    put(root, "/home/alice/.conda/environments.txt", lines)
    host = Host(str(root))
    assert [item.handles[0] for item in conda.find_user_packages(host, ALICE, CONDA_IDS)[0]] == ["/home/alice/work/env"]
    assert conda.list_owned_directories(host, ALICE) == ["/home/alice/work/env"]


def test_links_and_environments_beyond_the_limit_are_reported(root, monkeypatch):
    monkeypatch.setattr(conda, "MAX_ENVIRONMENTS", 15)
    put(root, "/home/alice/.conda/environments.txt", "".join(f"/home/alice/e{number}\n" for number in range(20)))
    unseen = "more than 15 environments of conda: not all were checked"
    assert conda.find_user_packages(Host(str(root)), ALICE, CONDA_IDS) == ([], unseen)
    names, read = [f"a{number}" for number in range(2001)], []
    monkeypatch.setattr(Host, "list_directory", lambda self, path: names if path.endswith("bin") else [])
    monkeypatch.setattr(uv, "read_link", lambda host, path: read.append(path) or "")
    unseen = "/home/alice/.local/bin has more than 2000 entries: not all were checked"
    assert uv.find_user_packages(Host(str(root)), ALICE, UV_IDS) == ([], unseen) and len(read) == 2000


@given(st.lists(st.binary()))
def test_a_list_of_environments_never_leaves_the_home(lines):
    for path in conda.parse_environment_list([*lines, *[b"/home/alice/" + line for line in lines]], "/home/alice"):
        assert path.startswith("/home/alice/") and path == os.path.normpath(path)


def test_a_huge_file_is_not_read(root):
    os.truncate(root / conda_package(root, "/home/alice/miniconda3")[1:], 1 << 40)
    (item,) = conda.find_user_packages(Host(str(root)), ALICE, CONDA_IDS)[0]
    assert item.handles == ("/home/alice/miniconda3",)


@given(st.dictionaries(st.sampled_from(["files", "name"]), st.lists(st.text() | st.integers()) | st.text()))
def test_programs_alone_count_up_to_the_limit(text):
    result = conda.list_program_files(text)
    assert len(result) <= conda.MAX_PROGRAMS and all(file.startswith(conda.PROGRAM_PREFIXES) for file in result)


def test_conda_file_identifies_programs_of_its_owner_alone(root, monkeypatch):
    prefix = "/home/alice/miniconda3"
    for place in (prefix, "/opt/conda"):
        conda_package(root, place, files=["bin/rclone", "lib/rclone/helper", "etc/rclone.conf", 5])
    host = Host(str(root))
    # 9 is in a container, 8 is bob's
    monkeypatch.setattr(Host, "has_host_root", lambda self, process: process.pid != 9)
    monkeypatch.setattr(Host, "find_process_uid", lambda self, process: 1001 if process.pid == 8 else 1000)
    program = conda.make_program_matcher(host, CONDA_IDS, conda.find_user_packages(host, ALICE, CONDA_IDS)[0])
    assert [program(Process(pid, f"{prefix}/bin/rclone")) for pid in (7, 8, 9)] == ["rclone", "", ""]
    assert program(Process(7, f"{prefix}/lib/rclone/helper")) == "rclone"
    assert program(Process(7, f"{prefix}/bin/python3.12")) == ""
    program = conda.make_program_matcher(host, CONDA_IDS, conda.find_packages(host, CONDA_IDS)[0])
    assert [program(Process(pid, "/opt/conda/bin/rclone")) for pid in (7, 8, 9)] == ["rclone", "rclone", ""]


def test_what_snapd_does_not_say_files_tell(root, monkeypatch):
    calls: list[Any] = []
    for file in ("telegram-desktop_6380.snap", "telegram-desktop_6389.snap", "core22_1621.snap", "partial", "x.snap"):
        put(root, f"{snap.SNAP_DIRECTORY}/{file}")
    path = "/var/lib/snapd/snaps/telegram-desktop"
    instance = f"{path}_work_x2.snap"
    put(root, instance)
    rows = [("revision 6389", "telegram-desktop", f"{path}_6389.snap"), ("4.2", "telegram-desktop_work", instance)]
    monkeypatch.setattr(Host, "request_resource", lambda *_, **options: calls.append((*_[1:], options)) or ANSWER)
    packages = [Package("snap", "telegram-desktop", version, (handle,), None, file) for version, handle, file in rows]
    assert snap.find_packages(Host(str(root)), SNAP_IDS) == (packages, "")
    assert calls == [("/run/snapd.socket", "/v2/snaps", {"timeout": 10})]


@pytest.mark.slow
@given(
    st.binary()
    | snap_values.map(lambda v: json.dumps(v).encode())
    | snap_values.map(lambda v: json.dumps({"result": v}).encode())
)
def test_any_answer_of_snapd_is_read(answer):
    assert all(isinstance(version, str) for version in snap.parse_snaps(answer).values())


@pytest.mark.parametrize(
    ("exe", "group", "id_"),
    [
        ("/snap/telegram-desktop/6389/usr/bin/Telegram", "", "telegram-desktop"),
        ("/usr/bin/python3", "/user.slice/snap.telegram-desktop.telegram-desktop-5a.scope", "telegram-desktop"),
        ("/usr/bin/python3", "/user.slice/snap.telegram-desktop_work.app-5a.scope", "telegram-desktop"),
        ("/usr/bin/python3", "/user.slice/app-org.gnome.Terminal.slice", ""),
    ],
)
def test_program_has_the_snap_of_its_place_or_group(root, exe, group, id_):
    (root / "proc/7").mkdir()
    (root / "proc/7/root").symlink_to(root)
    put(root, "proc/7/cgroup", f"0::{group}\n")
    put(root, exe)
    program = snap.make_program_matcher(Host(str(root)), SNAP_IDS, [Package("snap", "telegram-desktop")])
    assert program(Process(7, exe)) == id_
    assert snap.make_program_matcher(Host(str(root)), SNAP_IDS, [])(Process(7, exe)) == ""


@pytest.mark.parametrize(("answer", "how", "source"), [(b"", "", ""), (ANSWER, "classic", "latest/edge")])
def test_data_is_saved_before_a_snap_goes(root, monkeypatch, answer, how, source):
    monkeypatch.setattr(Host, "request_resource", lambda *_, **options: answer)
    tools = Tools(("snap", DONE))
    put(root, "usr/bin/snap", mode=0o755)
    [action], refused = snap.plan_removal(Host(str(root), tools), [Package("snap", "slack", "1", ("slack_work",))])
    action.apply()
    assert (str(action), action.before, refused) == ("remove slack_work (system)", "slack_work 1\n", [])
    (gone,) = action.removed_packages
    assert gone == RemovedPackage("snap", "slack", "1", "system", "slack_work", how, source=source)
    assert tools.calls == ["snap save slack_work", "snap remove slack_work"]
