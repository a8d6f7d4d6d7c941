"""Python packages on made trees: where they are looked for, by which name, and who may take them off."""

from pathlib import Path

import pytest
from fake_tools import DONE, Tools
from hypothesis import given
from hypothesis import strategies as st
from made_users import ALICE, everywhere, put
from proscribe.host.controls.apps.systems import pip, pip_removal, pipx, site_packages
from proscribe.host.system import ControlError, Host, Result

IDS = {"telethon", "Signalbot.cli-tool"}
NOT_OWNED = Result(1, "", "")


def distribution(
    root: Path, directory: str, entry: str, name: str, version: str = "1.0", installer: str = "pip"
) -> None:
    file = "METADATA" if entry.endswith(".dist-info") else "PKG-INFO"
    put(root, f"{directory}/{entry}/{file}", f"Name: {name}\nVersion: {version}\n\nName: no\n")
    put(root, f"{directory}/{entry}/INSTALLER", f"{installer}\n")


def test_metadata_that_is_not_there_or_no_text_is_no_package(root):
    directory = "/usr/local/lib/python3.13/site-packages"
    put(root, f"{directory}/telethon-1.0.dist-info/RECORD")
    assert everywhere(pip, Host(str(root)), IDS) == ([], "")
    put(root, f"{directory}/telethon-1.0.dist-info/METADATA").write_bytes(b"\xff\x00Name: telethon")
    assert everywhere(pip, Host(str(root)), IDS) == ([], "")


@given(st.text())
def test_any_metadata_is_read_without_an_error(text):
    assert all(isinstance(value, str) for value in site_packages.parse(text).values())


@given(
    st.text(alphabet=st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=60)
)
def test_any_name_in_a_directory_is_read_without_an_error(tmp_path_factory, name):
    root = tmp_path_factory.mktemp("names")
    directory = root / "usr/lib/python3/dist-packages"
    directory.mkdir(parents=True)
    try:
        (directory / f"{name}.dist-info").mkdir()
    except OSError:
        return
    assert everywhere(pip, Host(str(root)), IDS) == ([], "")


def test_no_directory_is_read_where_no_package_is_queried(root, monkeypatch):
    host = Host(str(root))
    monkeypatch.setattr(host, "list", lambda path: pytest.fail(path))
    assert pip.query(host, set()) == pipx.query(host, set()) == ([], "")
    assert pip.query_of(host, ALICE, set()) == pipx.query_of(host, ALICE, set()) == ([], "")


@pytest.mark.parametrize(
    ("path", "result"),
    [
        ("/usr/lib/python3/dist-packages/x", ("/usr", "python3")),
        ("/lib/python3.9", ("", "python3.9")),
        ("/a/lib/python3.9/b/lib/python3.10/x", ("/a/lib/python3.9/b", "python3.10")),
        ("/usr/lib/python3.x/x", None),
        ("python3.9", None),
    ],
)
def test_the_python_that_a_path_is_for(path, result):
    if result:
        assert pip_removal.interpreter(path) == result
    else:
        with pytest.raises(ControlError, match=f"^{path} is in no directory of a Python$"):
            pip_removal.interpreter(path)


OWNED = Result(0, "python3-telethon: /usr/lib/x\n", "")


@pytest.mark.parametrize(
    ("installer", "answer", "reason"),
    [
        ("x" * 41, (), f"pip did not install it ({'x' * 40!r} did)"),
        ("a\x1b", (), "pip did not install it (nothing says who did)"),
        ("pip", ("python3.13", Result(1, "", "No module named pip")), "python3.13 has no pip"),
        ("pip", ("dpkg-query", OWNED), "it belongs to the dpkg package python3-telethon"),
    ],
)
def test_distribution_of_another_installer_stays(root, installer, answer, reason):
    put(root, "usr/bin/dpkg-query", mode=0o755)
    host = Host(str(root), Tools(*filter(None, [answer]), ("dpkg-query", NOT_OWNED), ("", DONE)))
    distribution(root, "/usr/local/lib/python3.13/dist-packages", "telethon-1.0.dist-info", "telethon", "1", installer)
    actions, ((_, why),) = pip.removal(host, everywhere(pip, host, IDS)[0])
    assert actions == [] and why.startswith(reason)


def test_environment_of_pipx_goes_where_it_is_the_packages_own(root):
    put(root, "usr/bin/pipx", mode=0o755)
    host = Host(str(root), Tools(("", DONE)))
    own = "/home/alice/.local/share/pipx"
    for place in (f"{own}/venvs/telethon", f"{own}/venvs/notifier", "/opt/pipx/venvs/Telethon"):
        distribution(root, f"{place}/lib/python3.13/site-packages", "telethon-1.0.dist-info", "telethon")
    actions, refused = pipx.removal(host, everywhere(pipx, host, IDS)[0])
    assert [(package.handles, "came along with 'notifier'" in why) for package, why in refused] == [
        (("notifier",), True)
    ]
    assert [(item.name, item.how, item.tool, item.place) for action in actions for item in action.takes] == [
        ("Telethon", "system", "/usr/bin/pipx", "/opt/pipx"),
        ("telethon", "", "/usr/bin/pipx", own),
    ]
