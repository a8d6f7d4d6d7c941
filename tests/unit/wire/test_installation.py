"""Paths of the code in a checkout and in a collection."""

import importlib.util
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from proscribe.wire import installation

PROJECT = Path(__file__).resolve().parents[3]
INSIDE = "ansible_collections/acme/no_chat/plugins/module_utils/proscribe/wire"


def load_from(directory):
    directory.mkdir(parents=True)
    place = shutil.copy(installation.__file__, directory / "installation.py")
    spec = importlib.util.spec_from_file_location("elsewhere", place)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("file", "collection"),
    [
        (f"/x/{INSIDE}/installation.py", "acme.no_chat"),
        ("/x/module_utils/proscribe/wire/installation.py", ""),
        (f"/x/{INSIDE.replace('plugins', 'other')}/installation.py", ""),
        (f"/x/{INSIDE}/deeper/installation.py", ""),
    ],
)
def test_name_of_a_collection_is_read_from_its_path(file, collection):
    assert installation.find_collection(file) == collection


def test_paths_of_a_checkout_are_below_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert (installation.COLLECTION, installation.PROJECT_DIRECTORY) == ("", PROJECT)
    assert installation.locate_reports({}) == PROJECT / "reports" and installation.locate_user_project() is None
    assert installation.qualify_name("dns_filter") == "dns_filter"
    assert installation.name_playbook("audit") == f"{PROJECT}/playbooks/audit.yml"
    assert list(installation.make_launcher_command("python3")) == [f"{PROJECT}/proscribe"]
    assert (PROJECT / "catalog", f"{PROJECT}/ansible.cfg") == (installation.CATALOGUE, installation.CONFIGURATION_PATH)
    assert installation.is_playbook("playbooks/audit.yml", str(PROJECT))
    monkeypatch.chdir(PROJECT)
    assert installation.is_playbook("playbooks/audit.yml")
    assert not installation.is_playbook("audit.yml", str(tmp_path)) and not installation.is_playbook("acme.ban.audit")


def test_reports_of_a_checkout_that_is_not_writable_are_in_the_state_directory(monkeypatch, tmp_path):
    here = load_from(tmp_path / "checkout/module_utils/proscribe/wire")
    assert here.locate_reports({}) == here.PROJECT_DIRECTORY / "reports" == tmp_path / "checkout/reports"
    assert here.locate_reports({}, tmp_path / "named") == tmp_path / "named"
    assert here.locate_reports({"PROSCRIBE_REPORTS": "/mnt"}, tmp_path / "named") == Path("/mnt")
    seen = []
    monkeypatch.setattr(here.os, "access", lambda *words: seen.append(words))  # says None
    assert here.locate_reports({"XDG_STATE_HOME": "/state", "HOME": "/home/a"}) == Path("/state/proscribe/reports")
    assert here.locate_reports({"HOME": "/home/a"}) == Path("/home/a/.local/state/proscribe/reports")
    for home in ("/home/b", ""):
        accounts = {os.getuid(): SimpleNamespace(pw_dir=home)} if home else {}
        monkeypatch.setattr(here, "pwd", SimpleNamespace(getpwuid=accounts.__getitem__))
        assert here.locate_reports({}) == Path(f"{home or '/'}/.local/state/proscribe/reports")
    (here.PROJECT_DIRECTORY / "reports").symlink_to("nowhere")
    here.locate_reports({"HOME": "/home/a"})
    assert seen == [(here.PROJECT_DIRECTORY, os.W_OK)] * 4 + [(here.PROJECT_DIRECTORY / "reports", os.W_OK)]
    assert here.locate_reports({}, tmp_path / "named") == tmp_path / "named"


def test_paths_of_a_collection_are_below_it_and_reports_are_not(monkeypatch, tmp_path):
    here = load_from(tmp_path / INSIDE)
    root, user = tmp_path / "ansible_collections/acme/no_chat", tmp_path / "team"
    user.mkdir()
    monkeypatch.chdir(user)
    assert ("acme.no_chat", root, root / "catalog") == (here.COLLECTION, here.PROJECT_DIRECTORY, here.CATALOGUE)
    assert here.locate_reports({}) == user / "reports" and here.locate_user_project() == user, "never in the collection"
    assert here.locate_reports({"PROSCRIBE_REPORTS": "elsewhere"}) == user / "elsewhere"
    assert here.qualify_name("dns_filter") == "acme.no_chat.dns_filter"
    assert here.name_playbook("audit") == "acme.no_chat.audit"
    assert here.make_launcher_command("python3") == ("python3", f"{root}/plugins/module_utils/proscribe_command.py")
    assert here.is_playbook("acme.no_chat.audit.yaml") and here.is_playbook(f"{root}/playbooks/own.yml")
    assert here.is_playbook("acme.no_chat.audit") and here.is_playbook("acme.no_chat.audit.yml")
    assert not here.is_playbook("acme.other.audit") and not here.is_playbook("site.yml", str(user))


def test_collection_that_is_a_link_has_the_name_of_the_link(tmp_path):
    source = load_from(tmp_path / "checkout/plugins/module_utils/proscribe/wire")
    assert source.COLLECTION == ""
    place = tmp_path / "ansible_collections/acme"
    place.mkdir(parents=True)
    (place / "ban").symlink_to(tmp_path / "checkout")
    assert source.find_collection(str(place / "ban/plugins/module_utils/proscribe/wire/installation.py")) == "acme.ban"


def test_path_behind_a_link_is_below_the_directory_of_the_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real").mkdir()
    assert installation.is_below(f"{tmp_path}/link/x.yml:3", tmp_path / "link")
    assert installation.is_below(f"{tmp_path}/real/x.yml:3", tmp_path / "link")
    assert not installation.is_below(f"{tmp_path}/linked/x.yml:3", tmp_path / "link")
