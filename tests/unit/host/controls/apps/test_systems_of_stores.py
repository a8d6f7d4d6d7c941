"""Profiles of Nix and Guix, Homebrew and Waydroid on test trees, in the layouts that they or their sources have."""

import contextlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_users import ALICE, BOB, everywhere, put, put_link
from proscribe.host.controls.apps.systems import brew, guix, nix, store_paths, waydroid
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.controls.apps.systems.package_systems import ON_DEMAND
from proscribe.host.system import Host, ObservationError, Process

IDS = {"telegram-desktop", "rclone"}
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes what another user owns")
DIGESTS = ("a3rx158y96c5vjhma3d6zhghkdh69ljc", "0q315rkwi25qkx3gj040sg6lj3aakxqr", "6y86mhm7a4jl2pngn6d77rr36habgl8z")
TELEGRAM = f"/nix/store/{DIGESTS[0]}-telegram-desktop-5.2.3"
HELLO = f"/nix/store/{DIGESTS[1]}-hello-2.12.1"
ENVIRONMENT = f"/nix/store/{DIGESTS[2]}-user-environment"
OWN = "/home/alice/.local/state/nix/profiles"
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just(TELEGRAM),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["elements", "storePaths", "x"]), inner),
)
COMMON = "/home/linuxbrew/.linuxbrew"


def version3(path: str) -> str:
    return json.dumps({"elements": {"x": {"active": True, "priority": 5, "storePaths": [path]}}, "version": 3})


def env(path: str) -> str:
    description = f'meta = {{ description = "a \\"outPath = \\" of {HELLO}"; }}; name = "x"'
    return f'[ {{ {description}; out = {{ outPath = "{path}"; }}; outPath = "{path}"; outputs = [ "out" ]; }} ]'


def lay_nix_profile(root: Path, place: str, manifest: str, name: str = "manifest.json", generation: int = 3) -> None:
    directory, _, base = place.rpartition("/")
    put(root, f"{ENVIRONMENT}/{name}", manifest)
    (root / directory.lstrip("/")).mkdir(parents=True, exist_ok=True)
    old = root / f"{place}-{generation - 1}-link".lstrip("/")
    old.symlink_to(f"/nix/store/{DIGESTS[1]}-user-environment")
    (root / f"{place}-{generation}-link".lstrip("/")).symlink_to(ENVIRONMENT)
    (root / place.lstrip("/")).symlink_to(f"{base}-{generation}-link")


def test_a_profile_that_a_user_goes_by_elsewhere(root):
    lay_nix_profile(root, "/home/alice/my/profile", version3(TELEGRAM))
    for target, places in (
        ("/home/alice/my/profile", ["/home/alice/my/profile"]),
        *((target, []) for target in ("/home/bob/profile", "../my/profile", "/home/alice/../alice/my/profile")),
    ):
        own = put_link(root, "home/alice/.nix-profile", target, os.getuid())
        packages, unseen = nix.find_user_packages(Host(str(root)), ALICE, IDS)
        assert ([item.handles[0] for item in packages], unseen) == (places, "")
        own.unlink()


@pytest.mark.parametrize("own", [".local/share/nix/root/nix", ".nix", ".nix-portable/nix"])
def test_a_store_of_a_users_own_is_seen_and_left(root, own):
    lay_nix_profile(root, f"{OWN}/profile", "")
    (root / ENVIRONMENT.lstrip("/")).rename(root / "gone")
    own = f"/home/alice/{own}"
    put(root, f"{own}{ENVIRONMENT[len('/nix') :]}/manifest.json", version3(TELEGRAM))
    host = Host(str(root), lambda argv, **options: pytest.fail("it was run"))
    (item,) = nix.find_user_packages(host, ALICE, IDS)[0]
    handles = (f"{OWN}/profile", "profile", own)
    assert item == Package("nix", "telegram-desktop", "5.2.3", handles, ALICE, own + TELEGRAM[len("/nix") :])
    assert f"{own}/store" in nix.list_owned_directories(host, ALICE)
    ((_, why),) = nix.plan_removal(host, [item])[1]
    assert why == f"{own} is used as /nix, and Nix removes it only in its user's view of the disk"


def test_a_profile_whose_store_is_nowhere_is_unknown(root):
    lay_nix_profile(root, f"{OWN}/profile", "")
    (root / ENVIRONMENT.lstrip("/")).rename(root / "gone")
    packages, unseen = nix.find_user_packages(Host(str(root)), ALICE, IDS)
    assert packages == [] and unseen.startswith(f"{OWN}/profile leads into a store")


def test_more_profiles_than_anybody_has_are_unseen_and_hide_nothing_of_others(root):
    (root / OWN.lstrip("/")).mkdir(parents=True)
    for number in range(store_paths.MAX_PROFILES + 1):
        (root / f"{OWN}/p{number}".lstrip("/")).touch()
    lay_nix_profile(root, "/nix/var/nix/profiles/per-user/bob/profile", version3(TELEGRAM))
    host = Host(str(root))
    assert nix.find_user_packages(host, ALICE, IDS) == ([], f"{OWN} has more than 200 profiles")
    assert [item.scope for item in nix.find_user_packages(host, BOB, IDS)[0]] == ["user:bob"]


@pytest.mark.parametrize("manifest", ["{", "[" * 100_000, "\x00", "1" * 5000 + "x"])
def test_manifest_that_cannot_be_read_is_unknown(root, manifest):
    lay_nix_profile(root, f"{OWN}/profile", manifest)
    unread = "a manifest.json of a profile of Nix cannot be read"
    assert nix.find_user_packages(Host(str(root)), ALICE, IDS) == ([], unread)
    assert nix.parse_manifest(version3("/nix/store/telegram-desktop").encode()) == [], "no path of a store"
    os.truncate(root / f"{ENVIRONMENT}/manifest.json".lstrip("/"), 1 << 40)
    assert "is larger than" in nix.find_user_packages(Host(str(root)), ALICE, IDS)[1]


@given(values)
def test_any_json_is_read(value):
    assert set(nix.parse_manifest(json.dumps(value).encode())) <= {TELEGRAM}


@given(st.binary())
def test_anything_else_is_unseen_or_nothing(content):
    with contextlib.suppress(ObservationError):
        assert nix.parse_manifest(content) == []
    assert nix.parse_env_manifest(content) == [] and all(len(entry) == 4 for entry in guix.parse_manifest(content))


def test_the_name_of_a_store_path():
    bases = {"rclone-1.70.0-man": ("rclone", "1.70.0-man"), "signal-desktop": ("signal-desktop", "")}
    bases |= {"a-b-1c": ("a-b", "1c"), "-1": ("", "1")}
    assert {base: store_paths.split_store_name(f"{DIGESTS[0]}-{base}") for base in bases} == bases


@root_only
def test_package_of_nix_env_is_one_of_the_host(root):
    lay_nix_profile(root, "/nix/var/nix/profiles/default", "", "unused", generation=7)
    put(root, f"/nix/store/{DIGESTS[0]}-env-manifest.nix", env(TELEGRAM))
    manifest = root / f"{ENVIRONMENT}/manifest.nix".lstrip("/")
    manifest.symlink_to(f"/nix/store/{DIGESTS[0]}-env-manifest.nix")  # as nix-env has it
    handles = ("/nix/var/nix/profiles/default", "env", "")
    item = Package("nix", "telegram-desktop", "5.2.3", handles, None, TELEGRAM)
    assert nix.find_packages(Host(str(root)), IDS) == ([item], "")
    manifest.unlink()
    put_link(root, f"{ENVIRONMENT}/manifest.nix", "/etc/passwd")
    packages, unseen = nix.find_packages(Host(str(root)), IDS)
    assert packages == [] and unseen


ROWS = {system.MANAGER: system for system in ON_DEMAND}
GUIX_STORE = "/gnu/store/0q315rkwi25qkx3gj040sg6lj3aakxqr"
GUIX_TELEGRAM = f"{GUIX_STORE}-telegram-desktop-4.9.1"
PROFILE = "/var/guix/profiles/per-user/alice/guix-profile"
PROPAGATED = f'(("rclone" "1.6" "out" "{GUIX_STORE}-rclone-1.6" (propagated-inputs ()) (search-paths ())))'
VERSION_3 = f"""(manifest
  (version 3)
  (packages
    (("hello" "2.12.1" "out" "{GUIX_STORE}-hello-2.12.1"
      (propagated-inputs {PROPAGATED})
      (search-paths (("PATH" ("bin" "sbin") ":" directory #f)))
      (properties))
     ("telegram-desktop" "4.9.1" "out" "{GUIX_TELEGRAM}"
      (propagated-inputs ())
      (search-paths ())
      (properties (transformations (with-input . "a=b \\"(\\" "))
                  (provenance (repository (version 0) (url "https://example.org"))))))))
"""
VERSION_4 = f"""(manifest (version 4) (packages (("a" "1" "out" "{GUIX_STORE}-a-1" (propagated-inputs
 ((repeated "rclone" "1" "out" "{GUIX_STORE}-rclone-1")))) (repeated "b" "1" "out" "{GUIX_STORE}-b-1")
 ("telegram-desktop" "4.9.1" "out" "{GUIX_TELEGRAM}"))))"""
VERSION_0 = f'(manifest (version 0) (packages (("telegram-desktop" "4.9.1" "out" "{GUIX_TELEGRAM}"))))'


def lay_guix_profile(root: Path, manifest: str, place: str = PROFILE) -> None:
    directory, _, base = place.rpartition("/")
    (root / directory.lstrip("/")).mkdir(parents=True)
    put(root, f"{GUIX_STORE}-profile/manifest", manifest)
    (root / place.lstrip("/")).symlink_to(f"{base}-12-link")
    (root / f"{place}-12-link".lstrip("/")).symlink_to(f"{GUIX_STORE}-profile")


@pytest.mark.parametrize("manifest", [VERSION_0, VERSION_3, VERSION_4])
@pytest.mark.parametrize("place", [PROFILE, "/home/alice/.guix-extra-profiles/chat/chat"])
def test_package_of_a_profile_counts_without_its_inputs(root, manifest, place):
    lay_guix_profile(root, manifest, place)
    host, handles = Host(str(root)), (place, "profile")
    item = Package("guix", "telegram-desktop", "4.9.1", handles, ALICE, GUIX_TELEGRAM)
    assert everywhere(ROWS["guix"], host, IDS) == ([item], "")
    assert guix.find_user_packages(host, ALICE, set()) == guix.find_packages(host, IDS) == ([], "")


def test_the_packages_of_a_whole_home(root):
    place = "/var/guix/profiles/per-user/alice/guix-home"
    lay_guix_profile(root, "", place)
    (root / f"{GUIX_STORE}-profile/manifest".lstrip("/")).unlink()
    put_link(root, f"{GUIX_STORE}-profile/profile", f"{GUIX_STORE}-home-profile", os.getuid())
    put(root, f"{GUIX_STORE}-home-profile/manifest", VERSION_3)
    result = guix.find_user_packages(Host(str(root)), ALICE, IDS)[0]
    assert [item.handles for item in result] == [(place, "home")]
    assert "guix home" in guix.plan_removal(Host(str(root)), result)[1][0][1]


@pytest.mark.parametrize("text", ["{", "\x00" * 10, "(packages)", " "])
def test_damaged_manifest_is_unknown(root, text):
    lay_guix_profile(root, text)
    unread = f"{GUIX_STORE}-profile/manifest is no manifest of Guix"
    assert guix.find_user_packages(Host(str(root)), ALICE, IDS) == ([], unread)
    os.truncate(root / f"{GUIX_STORE}-profile/manifest".lstrip("/"), 1 << 40)
    assert "is larger than" in guix.find_user_packages(Host(str(root)), ALICE, IDS)[1]


@given(st.text(alphabet=st.sampled_from('()" \\a.;')))
def test_any_text_is_read(text):
    assert all(len(entry) == 4 for entry in guix.parse_manifest(text.encode()))


@pytest.mark.parametrize(
    ("system", "exe", "inside", "id_"),
    [
        (nix, f"{TELEGRAM}/bin/.telegram-desktop-wrapped", True, "telegram-desktop"),
        (nix, f"{HELLO}/bin/hello", True, ""),
        (nix, f"/home/alice{TELEGRAM}/bin/x", True, ""),
        (nix, f"{TELEGRAM}/bin/telegram-desktop", False, ""),  # in a container the path says little
        (guix, f"{GUIX_TELEGRAM}/bin/x", True, "telegram-desktop"),
        (guix, "/gnu/store/x/bin/telegram-desktop", True, ""),
    ],
)
def test_program_in_a_store_has_the_package_of_its_path(root, system, exe, inside, id_, monkeypatch):
    monkeypatch.setattr(Host, "has_host_root", lambda self, process: inside)
    assert system.make_program_matcher(Host(str(root)), IDS, [])(Process(7, exe)) == id_


def formula(root: Path, prefix: str, name: str = "rclone", *versions: str, room: str = "Cellar") -> str:
    for version in versions or ("1.70.0",):
        put(root, f"{prefix}/{room}/{name}/{version}/INSTALL_RECEIPT.json", "{}")
    return f"{prefix}/{room}/{name}"


@pytest.mark.parametrize(
    ("system", "room", "place"),
    [("brew", "Cellar", ".linuxbrew"), ("brew", "Cellar", "homebrew"), ("brew_cask", "Caskroom", ".linuxbrew")],
)
def test_formulae_and_casks_of_a_users_own(root, system, room, place):
    prefix = f"/home/alice/{place}"
    path = formula(root, prefix, "rclone", "1.69.0", "1.70.0", room=room)
    formula(root, prefix, "jq", room=room)
    put(root, f"{prefix}/{room}/telegram/.metadata/x")  # of a cask that is gone
    result, unseen = everywhere(ROWS[system], Host(str(root)), {"rclone", "telegram"})
    assert result == [Package(system, "rclone", "1.70.0", (prefix,), ALICE, path)]
    assert unseen == "" and f"{prefix}/{room}" in ROWS[system].list_owned_directories(Host(str(root)), ALICE)


@root_only
@pytest.mark.parametrize(("uid", "scopes"), [(0, ["system"]), (1000, ["user:alice"]), (1001, ["user:bob"])])
def test_the_common_place_is_the_one_who_installed_it(root, uid, scopes):
    formula(root, COMMON)
    (root / "home/linuxbrew").chmod(0o755)
    os.chown(root / COMMON.lstrip("/"), uid, uid)
    assert [element.scope for element in everywhere(ROWS["brew"], Host(str(root)), {"rclone"})[0]] == scopes


def test_formula_identifies_programs_of_its_owner_alone(root, monkeypatch):
    path, host = formula(root, "/home/alice/.linuxbrew"), Host(str(root))
    (own,) = brew.FORMULAE.find_user_packages(host, ALICE, {"rclone"})[0]
    monkeypatch.setattr(Host, "has_host_root", lambda self, process: process.pid != 9)
    monkeypatch.setattr(Host, "find_process_uid", lambda self, process: 1001 if process.pid == 8 else 1000)
    for package, ids in ((own, ["rclone", "", ""]), (own._replace(owner=None), ["rclone", "rclone", ""])):
        program = brew.FORMULAE.make_program_matcher(host, {"rclone"}, [package])
        assert [program(Process(pid, f"{path}/1.70.0/bin/rclone")) for pid in (7, 8, 9)] == ids
        assert program(Process(7, f"{path}-extra/1/bin/x")) == ""


def test_an_android_app_is_seen_by_its_data_and_reported_with_who_can_remove_it(root):
    for name in ("com.tencent.mm", "com.android.settings"):
        (root / f"home/alice/.local/share/waydroid/data/data/{name}").mkdir(parents=True)
    host = Host(str(root))
    result, unseen = everywhere(ROWS["waydroid"], host, {"com.tencent.mm", "com.whatsapp"})
    place = "/home/alice/.local/share/waydroid/data/data/com.tencent.mm"
    app = Package("waydroid", "com.tencent.mm", "", (), ALICE, place)
    finding = ("package", "com.tencent.mm", "waydroid", "", "user:alice", place)
    assert (result, app.make_finding()[:6]) == ([app], finding)
    actions, ((refused, why),) = waydroid.plan_removal(host, result)
    assert (unseen, actions, refused) == ("", [], app) and "waydroid app remove com.tencent.mm" in why
    assert waydroid.list_owned_directories(host, ALICE) == ["/home/alice/.local/share/waydroid"]
