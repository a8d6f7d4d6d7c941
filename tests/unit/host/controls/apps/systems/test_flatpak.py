"""Flatpak apps in test directories: what is deployed where, what a user's home can do to its scan, and what is run."""

import os
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from fake_tools import DONE, Tools
from hypothesis import given
from hypothesis import strategies as st
from made_users import ALICE, everywhere, put, put_link
from proscribe.host.controls.apps.blocks.parts import DIFFERENT_PROBLEM, BlockTrial
from proscribe.host.controls.apps.systems import flatpak
from proscribe.host.controls.apps.systems.flatpak_filters import RemoteFilters
from proscribe.host.controls.apps.systems.flatpak_remotes import FILTER_DIRECTORY, FlatpakRemote, parse_groups
from proscribe.host.controls.apps.systems.package import InstallBlock, Package
from proscribe.host.system import ControlError, Host, Process, ToolResult
from proscribe.model.removal_record import RemovedPackage

WECHAT = "com.tencent.WeChat"
COMMIT = "0123abcd" * 8
SYSTEM = "/var/lib/flatpak/app"
PERSONAL = "/.local/share/flatpak/app"
CONFIG_FILE = "/var/lib/flatpak/repo/config"
FILTERS = RemoteFilters((WECHAT,))
FLATHUB = f"{FILTER_DIRECTORY}/default/flathub.filter"


def deploy(root: Path, installation: str, id_: str = WECHAT) -> Path:
    """Lay what flatpak leaves of an installed app."""
    place = root / installation.lstrip("/") / id_
    put(root, f"{installation}/{id_}/x86_64/stable/{COMMIT}/deploy", f"made\0{COMMIT}\0")
    (place / "x86_64/stable/active").symlink_to(COMMIT)
    (place / "current").symlink_to("x86_64/stable")
    return place


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (f"made\0{COMMIT}\0", COMMIT[:12]),
        (f"made\0{COMMIT}\0appdata-version\0\0004.1\0x\0", "4.1"),
        ("appdata-version\0not valid\0", COMMIT[:12]),
        (None, ""),
    ],
)
@pytest.mark.parametrize(("owner", "place"), [(None, SYSTEM), (ALICE, ALICE.home + PERSONAL), (None, "/usb/app")])
def test_deployed_branch_has_the_version_that_it_states(root, text, version, owner, place):
    """While two are deployed, nobody knows which one runs; a branch that is not active is no app."""
    put(root, "/etc/flatpak/installations.d/a.conf", '[Installation "usb"]\nPath=/usb/\n')
    path = deploy(root, place) / "x86_64/stable"
    put(root, f"{place}/{WECHAT}/x86_64/beta/{COMMIT}/deploy")
    (path / ("ab" * 31)).mkdir()
    if text:
        (path / COMMIT / "deploy").write_text(text)
    else:
        (path / ("ab" * 32)).mkdir()
    handles, at = (f"app/{WECHAT}/x86_64/stable",), f"{place}/{WECHAT}/x86_64/stable"
    app = Package("flatpak", WECHAT, version, handles, owner, at)
    assert everywhere(flatpak, Host(str(root)), {WECHAT}) == ([app], "")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes another user's link")
def test_a_link_at_one_app_hides_only_that_app(root):
    deploy(root, ALICE.home + PERSONAL, "com.qq.QQ")
    put_link(root, f"{ALICE.home}{PERSONAL}/{WECHAT}", "/var")
    result, unseen = everywhere(flatpak, Host(str(root)), {WECHAT, "com.qq.QQ"})
    assert [package.id for package in result] == ["com.qq.QQ"] and "is a link" in unseen


@given(st.text())
def test_any_text_is_read_without_an_error(text):
    assert isinstance(flatpak.parse_app_id(text), str) and isinstance(parse_groups(text, "remote"), list)


def test_a_process_is_known_by_its_sandbox_whatever_its_executable(root):
    for pid, name in (("7", WECHAT), ("8", "org.example.Innocent")):
        put(root, f"proc/{pid}/root/.flatpak-info", f"[Application]\nname={name}\n")
    program = flatpak.make_program_matcher(Host(str(root)), {WECHAT}, [])
    starts = [(7, "/usr/bin/python3.13"), (8, "/app/bin/wechat"), (9, "/usr/bin/gone")]
    assert [program(Process(*start)) for start in starts] == [WECHAT, "", ""]
    assert flatpak.make_program_matcher(Host(str(root)), set(), [])(Process(7, "")) == ""


def test_app_is_removed_as_its_owner_and_data_and_runtimes_stay(root):
    put(root, "/etc/flatpak/installations.d/a.conf", '[Installation "usb"]\nPath=/usb\n')
    put(root, "/usr/bin/flatpak", mode=0o755)
    branch, beta = (f"app/{WECHAT}/x86_64/{name}" for name in ("stable", "beta"))
    tools, app = Tools(("flatpak", DONE)), Package("flatpak", WECHAT, "1", (branch,))
    deploy(root, "/usb/app")
    usb, own = (f"{place}/{branch[4:]}" for place in ("/usb/app", ALICE.home + PERSONAL))
    others = [app._replace(handles=(beta,)), app._replace(owner=ALICE, path=own), app._replace(path=usb)]
    actions, refused = flatpak.plan_removal(Host(str(root), tools), [app, *others])
    assert refused == [] and [(str(action), action.before) for action in actions] == [
        (f"remove {WECHAT} (system)", f"{branch} 1\n{beta} 1\n"),
        (f"remove {WECHAT} (user:alice)", f"{branch} 1\n"),
        (f"remove {WECHAT} (system, installation usb)", f"{branch} 1\n"),
    ]
    assert [action.removed_packages for action in actions] == [
        [RemovedPackage("flatpak", WECHAT, "1", "system", name, place="default") for name in (branch, beta)],
        [RemovedPackage("flatpak", WECHAT, "1", "user:alice", branch)],
        [RemovedPackage("flatpak", WECHAT, "1", "system", branch, place="usb", source="made")],
    ]
    for action in actions:
        action.apply()
    words = "flatpak uninstall {} --assumeyes --noninteractive {}"
    assert [(" ".join(argv), user) for argv, user in tools.ran] == [
        (words.format("--installation=default", f"{branch} {beta}"), None),
        (words.format("--user", branch), ALICE),
        (words.format("--installation=usb", branch), None),
    ]


def remote(root: Path, keys: str = "", name: str = "flathub") -> None:
    put(root, CONFIG_FILE, f'[core]\nmode=bare\n\n[remote "{name}"]\nurl=https://example.org/repo\n{keys}')


@pytest.fixture
def modified(root):
    """A host whose flatpak sets the filter that it is asked for."""
    calls: list[Sequence[str]] = []

    def run(argv: Sequence[str], **options: Any) -> ToolResult:
        calls.append(argv)
        path = argv[3].partition("=")[2]
        remote(root, f"xa.filter={path}\n" if path else "")
        return ToolResult(0, "", "")

    return Host(str(root), run), calls


def test_a_remote_is_filtered_and_let_go(root, modified):
    host, calls = modified
    remote(root)
    assert (FILTERS.find_problem(host, True), FILTERS.find_problem(host, False)) == ("missing", "")
    assert FILTERS.is_applicable(host)
    FILTERS.enforce(host)
    assert (FILTERS.find_problem(host, True), FILTERS.is_in_place(host)) == ("", True)
    assert FILTERS.find_problem(host, False).startswith("left over")
    RemoteFilters(()).lift(host)
    words = "flatpak remote-modify --installation=default {} -- flathub"
    assert [" ".join(argv) for argv in calls] == [words.format(f"--filter={FLATHUB}"), words.format("--no-filter")]
    assert not FILTERS.is_in_place(host) and not (root / "etc/proscribe").exists()
    remote(root, "xa.filter=/etc/gone\n")  # a filter whose file is gone lets nothing in
    assert "deny *\n" in FILTERS.make_desired_text(Host(str(root)))


@pytest.mark.parametrize(
    ("line", "undone"),
    [
        ("allow app/*", True),
        ("  allow app/com.tencent.WeChat  # theirs", True),
        ("allow com.tencent.*/x86_64/stable", True),
        ("allow app/com.tencent.WeChat.Other", False),
        ("allow runtime/*", False),
        ("#allow *", False),
    ],
)
def test_line_that_lets_an_app_in_has_to_be_changed(root, modified, line, undone):
    host, _ = modified
    put(root, "/etc/theirs", line + "\n")
    remote(root, "xa.filter=/etc/theirs\n")
    with pytest.raises(ControlError, match="has to be changed") if undone else nullcontext():
        FILTERS.enforce(host)
    assert ("lets it in" in FILTERS.find_problem(host, True)) is undone


@pytest.mark.parametrize("name", ["../../../etc/cron.d/x", ".hidden", "two words"])
def test_remote_with_an_invalid_name_writes_no_file(root, modified, name):
    host, _ = modified
    remote(root, name=name)
    assert FILTERS.find_problem(host, True) == f"{name}: has a name that no file can have"
    with pytest.raises(ControlError, match="has a name that no file can have"):
        FILTERS.enforce(host)
    assert sorted(path.name for path in (root / "etc").iterdir()) == ["passwd"]


OURS = "/etc/proscribe/flatpak"
INSTALLATIONS = '[Installation "usb"]\nPath=/media/usb/\nDisplayName=a\n[Installation "relative"]\nPath=media\n'
CONFIG = """\
url=before any group
[core]
url=of another group
xa.applied-remotes=known; ;second
[remote "flathub"]
 url = https://example.org/a=b
#url=
xa.filter=/etc/first
xa.filter=/etc/theirs
[other "x"]
url=https://example.org
[remote "bundle"]
url=
[remote "plain"]
url=https://example.org
[remote "flathub"]
more=1
[remote unquoted]
url=x
"""


@pytest.fixture
def host(root):
    put(root, "/etc/flatpak/installations.d/a.conf", INSTALLATIONS + '[Installation "none"]\n')
    put(root, "/etc/flatpak/installations.d/b.conf.old", '[Installation "old"]\nPath=/old\n')
    put(root, "/etc/flatpak/installations.d/c.conf", '[Installation "late"]\nPath=/late\n')
    put(root, "/var/lib/flatpak/repo/config", CONFIG)
    put(root, "/media/usb/repo/config", f'[remote "own"]\nurl=u\nxa.filter={OURS}/usb/own.filter\n')
    put(root, f"{OURS}/usb/own.filter", "# x\n# Instead of: /etc/before\n# Instead of: /etc/other\n")
    put(root, "/etc/theirs", "deny x\nallow app/org.owl/x86_64/stable\n")
    return Host(str(root))


OWN_REMOTE = FlatpakRemote("usb", "own", f"{OURS}/usb/own.filter")
OWLS = RemoteFilters(("org.owl", "org.elk"))


def test_filters_are_shown_with_their_texts(host):
    first = "default flathub: /etc/theirs\ndefault plain: no filter\nusb own: "
    own = "# x\n# Instead of: /etc/before\n# Instead of: /etc/other\n"
    assert OWLS.read_current_text(host) == f"{first}{OURS}/usb/own.filter\n{own}"
    assert OWLS.make_lifted_text(host) == f"{first}/etc/before\n"


def test_wrong_filter_is_named_with_its_remote(host, root):
    problems = ["flathub: missing", "plain: missing", f"own: {DIFFERENT_PROBLEM}"]
    assert OWLS.find_problem(host, True).split("; ") == problems
    assert OWLS.is_in_place(host) and OWLS.find_problem(host, False).startswith("left over")
    put(root, f"{OURS}/usb/own.filter", OWLS.make_filter_text(host, OWN_REMOTE))
    assert OWLS.find_problem(Host(str(root)), True) == "flathub: missing; plain: missing"
    (root / "media/usb/repo/config").unlink()
    assert OWLS.find_problem(Host(str(root)), True) == "missing" and OWLS.is_in_place(Host(str(root)))
    shutil.rmtree(root / f"{OURS}/usb"[1:])
    assert (OWLS.is_in_place(Host(str(root))), OWLS.find_problem(Host(str(root)), False)) == (False, "")


def test_all_parts_of_the_block(host, root):
    filters, rule, trial = flatpak.make_block_parts(InstallBlock({"org.owl", "org.elk"}, "it", {"org.elk": ["1"]}))
    assert filters == RemoteFilters(("org.owl",))
    assert rule.path == "/etc/polkit-1/rules.d/00-proscribe-flatpak.rules"
    assert '["org.owl"]' in rule.make_desired_text(host)
    assert isinstance(trial, BlockTrial) and trial.run_trial(host) == ""
    folders = ["/etc/flatpak/remotes.d", "/usr/share/flatpak/remotes.d"]
    assert list(trial.list_dependencies(host)) == [*folders, "/var/lib/flatpak/repo/config"]
    added = [f"{folder}/new.flatpakrepo" for folder in folders]
    for path in added:
        put(root, path)
    assert all(path in why for path, why in zip(added, trial.run_trial(host).split("; ")))
    assert not flatpak.is_block_applicable(host)
    put(root, "/usr/bin/flatpak", mode=0o755)
    assert flatpak.is_block_applicable(host)
