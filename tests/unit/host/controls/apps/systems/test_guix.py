"""Profiles of Guix on made trees. Debian has no guix any more, so none was run: the manifests are written here as its
source writes them (guix/profiles.scm, manifest->gexp).
"""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_users import ALICE, everywhere, put
from proscribe.host.controls.apps.systems import guix
from proscribe.host.controls.apps.systems.registry import ON_DEMAND
from proscribe.host.system import Host, Process

ROWS = {system.MANAGER: system for system in ON_DEMAND}
IDS = {"telegram-desktop", "rclone"}
STORE = "/gnu/store/0q315rkwi25qkx3gj040sg6lj3aakxqr"
TELEGRAM = f"{STORE}-telegram-desktop-4.9.1"
PROFILE = "/var/guix/profiles/per-user/alice/guix-profile"
PROPAGATED = f'(("rclone" "1.6" "out" "{STORE}-rclone-1.6" (propagated-inputs ()) (search-paths ())))'
VERSION_3 = f"""(manifest
  (version 3)
  (packages
    (("hello" "2.12.1" "out" "{STORE}-hello-2.12.1"
      (propagated-inputs {PROPAGATED})
      (search-paths (("PATH" ("bin" "sbin") ":" directory #f)))
      (properties))
     ("telegram-desktop" "4.9.1" "out" "{TELEGRAM}"
      (propagated-inputs ())
      (search-paths ())
      (properties (transformations (with-input . "a=b \\"(\\" "))
                  (provenance (repository (version 0) (url "https://example.org"))))))))
"""
VERSION_4 = f"""(manifest (version 4) (packages (("a" "1" "out" "{STORE}-a-1" (propagated-inputs
 ((repeated "rclone" "1" "out" "{STORE}-rclone-1")))) (repeated "b" "1" "out" "{STORE}-b-1")
 ("telegram-desktop" "4.9.1" "out" "{TELEGRAM}"))))"""
VERSION_0 = f'(manifest (version 0) (packages (("telegram-desktop" "4.9.1" "out" "{TELEGRAM}"))))'


def profile(root: Path, manifest: str, place: str = PROFILE) -> None:
    directory, _, base = place.rpartition("/")
    (root / directory.lstrip("/")).mkdir(parents=True)
    put(root, f"{STORE}-profile/manifest", manifest)
    (root / place.lstrip("/")).symlink_to(f"{base}-12-link")
    (root / f"{place}-12-link".lstrip("/")).symlink_to(f"{STORE}-profile")


@pytest.mark.parametrize("manifest", [VERSION_0, VERSION_3, VERSION_4])
@pytest.mark.parametrize("place", [PROFILE, "/home/alice/.guix-extra-profiles/chat/chat"])
def test_package_of_a_profile_counts_without_its_inputs(root, manifest, place):
    profile(root, manifest, place)
    result, unseen = everywhere(ROWS["guix"], Host(str(root)), IDS)
    assert [(*item.finding()[:6], item.handles) for item in result] == [
        ("package", "telegram-desktop", "guix", "4.9.1", "user:alice", TELEGRAM, (place, "profile"))
    ]
    assert unseen == ""
    assert guix.query_of(Host(str(root)), ALICE, set()) == guix.query(Host(str(root)), IDS) == ([], "")


def test_the_packages_of_a_whole_home(root):
    place = "/var/guix/profiles/per-user/alice/guix-home"
    profile(root, "", place)
    (root / f"{STORE}-profile/manifest".lstrip("/")).unlink()
    (root / f"{STORE}-profile/profile".lstrip("/")).symlink_to(f"{STORE}-home-profile")
    put(root, f"{STORE}-home-profile/manifest", VERSION_3)
    result = guix.query_of(Host(str(root)), ALICE, IDS)[0]
    assert [item.handles for item in result] == [(place, "home")]
    ((_, why),) = guix.removal(Host(str(root)), result)[1]
    assert "guix home" in why


@pytest.mark.parametrize("text", ["{", "\x00" * 10, "(packages)", " "])
def test_damaged_manifest_is_unknown(root, text):
    profile(root, text)
    assert guix.query_of(Host(str(root)), ALICE, IDS) == ([], f"{STORE}-profile/manifest is no manifest of Guix")
    os.truncate(root / f"{STORE}-profile/manifest".lstrip("/"), 1 << 40)
    assert "is larger than" in guix.query_of(Host(str(root)), ALICE, IDS)[1]


@given(st.text(alphabet=st.sampled_from('()" \\a.;')) | st.text())
def test_any_text_is_read(text):
    for entry in guix.parse(text.encode("utf-8", "replace")):
        assert len(entry) == 4


@pytest.mark.parametrize(
    ("path", "id_"), [(f"{TELEGRAM}/bin/x", "telegram-desktop"), ("/gnu/store/x/bin/telegram-desktop", "")]
)
def test_guix_store_program(root, path, id_, monkeypatch):
    monkeypatch.setattr(Host, "shares_root", lambda self, process: True)
    assert guix.programs(Host(str(root)), IDS, [])(Process(7, path)) == id_
