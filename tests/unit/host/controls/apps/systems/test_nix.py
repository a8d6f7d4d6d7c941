"""Profiles of Nix on made trees: the manifests are what Nix 2.26 wrote (see test_apps_real_own_systems.py), those of
older versions as its manual has them.
"""

import contextlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_users import ALICE, BOB, put
from proscribe.host.controls.apps.systems import nix, store_paths
from proscribe.host.system import Host, Process, Unseen

IDS = {"telegram-desktop", "rclone"}
DIGESTS = ("a3rx158y96c5vjhma3d6zhghkdh69ljc", "0q315rkwi25qkx3gj040sg6lj3aakxqr", "6y86mhm7a4jl2pngn6d77rr36habgl8z")
TELEGRAM = f"/nix/store/{DIGESTS[0]}-telegram-desktop-5.2.3"
HELLO = f"/nix/store/{DIGESTS[1]}-hello-2.12.1"
ENVIRONMENT = f"/nix/store/{DIGESTS[2]}-user-environment"
OWN = "/home/alice/.local/state/nix/profiles"


def version3(*paths: str) -> str:
    elements = {f"one{n}": {"active": True, "priority": 5, "storePaths": [path]} for n, path in enumerate(paths)}
    return json.dumps({"elements": elements, "version": 3})


def env(*paths: str) -> str:
    rows = [
        f'{{ meta = {{ description = "a \\"outPath = \\" of {HELLO}"; }}; name = "x"; out = {{ outPath = "{path}"; }};'
        f' outPath = "{path}"; outputs = [ "out" ]; system = "x86_64-linux"; type = "derivation"; }}'
        for path in paths
    ]
    return f"[ {' '.join(rows)} ]"


def profile(root: Path, place: str, manifest: str, name: str = "manifest.json", generation: int = 3) -> None:
    """A profile with its generations, the newest of which counts."""
    directory, _, base = place.rpartition("/")
    put(root, f"{ENVIRONMENT}/{name}", manifest)
    (root / directory.lstrip("/")).mkdir(parents=True, exist_ok=True)
    old = root / f"{place}-{generation - 1}-link".lstrip("/")
    old.symlink_to(f"/nix/store/{DIGESTS[1]}-user-environment")
    (root / f"{place}-{generation}-link".lstrip("/")).symlink_to(ENVIRONMENT)
    (root / place.lstrip("/")).symlink_to(f"{base}-{generation}-link")


def test_a_profile_that_a_user_goes_by_elsewhere(root):
    profile(root, "/home/alice/my/profile", version3(TELEGRAM))
    (root / "home/alice/.nix-profile").symlink_to("/home/alice/my/profile")
    assert [item.handles[0] for item in nix.query_of(Host(str(root)), ALICE, IDS)[0]] == ["/home/alice/my/profile"]
    (root / "home/alice/.nix-profile").unlink()
    for target in ("/home/bob/profile", "../my/profile", "/home/alice/../alice/my/profile"):
        (root / "home/alice/.nix-profile").symlink_to(target)
        assert nix.query_of(Host(str(root)), ALICE, IDS) == ([], "")
        (root / "home/alice/.nix-profile").unlink()


@pytest.mark.parametrize("own", [".local/share/nix/root/nix", ".nix", ".nix-portable/nix"])
def test_a_store_of_a_users_own_is_seen_and_left(root, own):
    profile(root, f"{OWN}/profile", "")
    (root / ENVIRONMENT.lstrip("/")).rename(root / "gone")
    own = f"/home/alice/{own}"
    put(root, f"{own}{ENVIRONMENT[len('/nix') :]}/manifest.json", version3(TELEGRAM))
    host = Host(str(root), lambda argv, **options: pytest.fail("it was run"))
    (item,) = nix.query_of(host, ALICE, IDS)[0]
    assert (item.path, item.handles) == (own + TELEGRAM[len("/nix") :], (f"{OWN}/profile", "profile", own))
    assert f"{own}/store" in nix.owned_directories(host, ALICE)
    ((_, why),) = nix.removal(host, [item])[1]
    assert why == f"{own} is used as /nix, and Nix removes it only in its user's view of the disk"


def test_a_profile_whose_store_is_nowhere_is_unknown(root):
    profile(root, f"{OWN}/profile", "")
    (root / ENVIRONMENT.lstrip("/")).rename(root / "gone")
    packages, unseen = nix.query_of(Host(str(root)), ALICE, IDS)
    assert packages == [] and unseen.startswith(f"{OWN}/profile leads into a store")


def test_more_profiles_than_anybody_has_are_unseen_and_hide_nothing_of_others(root):
    (root / OWN.lstrip("/")).mkdir(parents=True)
    for number in range(store_paths.MOST_PROFILES + 1):
        (root / f"{OWN}/p{number}".lstrip("/")).touch()
    profile(root, "/nix/var/nix/profiles/per-user/bob/profile", version3(TELEGRAM))
    host = Host(str(root))
    assert nix.query_of(host, ALICE, IDS) == ([], f"{OWN} has more than 200 profiles")
    assert [item.scope for item in nix.query_of(host, BOB, IDS)[0]] == ["user:bob"]


@pytest.mark.parametrize("manifest", ["{", "[" * 100_000, "\x00", "1" * 5000 + "x"])
def test_manifest_that_cannot_be_read_is_unknown(root, manifest):
    profile(root, f"{OWN}/profile", manifest)
    assert nix.query_of(Host(str(root)), ALICE, IDS) == ([], "a manifest.json of a profile of Nix cannot be read")
    os.truncate(root / f"{ENVIRONMENT}/manifest.json".lstrip("/"), 1 << 40)
    assert "is larger than" in nix.query_of(Host(str(root)), ALICE, IDS)[1]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just(TELEGRAM),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["elements", "storePaths", "x"]), inner),
)


@given(values)
def test_any_json_is_read(value):
    assert set(nix.parse(json.dumps(value).encode())) <= {TELEGRAM}


@given(st.binary())
def test_anything_else_is_unseen_or_nothing(content):
    with contextlib.suppress(Unseen):
        assert nix.parse(content) == []
    assert nix.parse_env(content) == []


@pytest.mark.parametrize(
    ("base", "result"),
    [
        ("rclone-1.70.0-man", ("rclone", "1.70.0-man")),
        ("signal-desktop", ("signal-desktop", "")),
        ("a-b-1c", ("a-b", "1c")),
        ("-1", ("", "1")),
    ],
)
def test_the_name_of_a_store_path(base, result):
    assert store_paths.split(f"{DIGESTS[0]}-{base}") == result


@pytest.mark.parametrize(
    ("exe", "inside", "id_"),
    [
        (f"{TELEGRAM}/bin/.telegram-desktop-wrapped", True, "telegram-desktop"),
        (f"{HELLO}/bin/hello", True, ""),
        (f"/home/alice{TELEGRAM}/bin/x", True, ""),
        (f"{TELEGRAM}/bin/telegram-desktop", False, ""),  # in a container the path says little
    ],
)
def test_nix_store_program(root, exe, inside, id_, monkeypatch):
    monkeypatch.setattr(Host, "shares_root", lambda self, process: inside)
    assert nix.programs(Host(str(root)), IDS, [])(Process(7, exe)) == id_


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only its links are followed")
def test_package_of_nix_env_is_one_of_the_host(root):
    profile(root, "/nix/var/nix/profiles/default", "", "unused", generation=7)
    put(root, f"/nix/store/{DIGESTS[0]}-env-manifest.nix", env(TELEGRAM))
    manifest = root / f"{ENVIRONMENT}/manifest.nix".lstrip("/")
    manifest.symlink_to(f"/nix/store/{DIGESTS[0]}-env-manifest.nix")  # as nix-env has it
    assert [(item.scope, item.handles[1]) for item in nix.query(Host(str(root)), IDS)[0]] == [("system", "env")]
    manifest.unlink()
    manifest.symlink_to("/etc/passwd")
    os.lchown(manifest, ALICE.uid, ALICE.gid)
    packages, unseen = nix.query(Host(str(root)), IDS)
    assert packages == [] and unseen
