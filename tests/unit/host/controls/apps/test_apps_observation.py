"""A user's places of package systems: they cost a bounded amount, and hide nothing of other users."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from made_host import plan
from made_users import ALICE, BOB, put, tree, untried
from proscribe.host.controls.apps.apps_observation import observe_apps
from proscribe.host.controls.apps.systems.package_systems import ON_DEMAND
from proscribe.host.system import Host

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes other users' files")

HOME = "/home/alice"
UV = ".local/share/uv/tools/telethon/lib/python3.13/site-packages/telethon-1.dist-info/METADATA"
CONDA = "miniconda3/conda-meta/telethon-1-0.json"
NIX = ".local/state/nix/profiles"
PLACES = (
    *(UV, CONDA, ".conda/environments.txt", f"{NIX}/profile", f"{NIX}/profile-1-link", ".linuxbrew/Cellar/telethon"),
    *(".local/share/waydroid/data/data", ".local/bin/telethon", ".local/share/applications/waydroid.x.desktop"),
)
PACKAGES = {key: ["telethon"] for key in ("pip", *(system.CATALOGUE_KEY for system in ON_DEMAND))}
SECTION = plan(telegram={"packages": {**PACKAGES, "android": ["org.telegram.messenger"]}})["controls"]["apps"]


def many(place: Path) -> None:
    for number in range(3000):
        (place.parent / f"telethon-{number}-0.json").write_text("")


MADE: dict[str, Callable[[Path], object]] = {
    "huge": lambda place: (place.touch(), os.truncate(place, 1 << 30)),
    "a pipe": os.mkfifo,
    "a link": lambda place: place.symlink_to("/etc/shadow"),
    "deep": lambda place: place.write_text('{"a":' * 150_000),
    "many": many,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("path", [*PLACES, *untried(PLACES)])
def test_a_users_places_cost_a_bounded_amount_and_hide_nothing_of_others(tmp_path, path, kind):
    root = tree(tmp_path)
    place = root / f"{HOME}/{path}".lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    MADE[kind](place)
    for path_of_user in (root / HOME.lstrip("/")).rglob("*"):
        os.lchown(path_of_user, ALICE.uid, ALICE.gid)
    put(root, f"{BOB.home}/{UV}", "Metadata-Version: 2.1\nName: telethon\nVersion: 1\n")
    began = time.process_time(), os.times().children_user
    seen = observe_apps(Host(str(root)), SECTION)
    assert time.process_time() - began[0] + os.times().children_user - began[1] < 20
    assert ("uv", "user:bob") in [(package.manager, package.scope) for _, package in seen.packages]
    assert all(package.scope in ("user:alice", "user:bob") for _, package in seen.packages)
    assert all(reason.startswith("alice: ") for reason in seen.unseen_reasons.get("telegram", "").split("; ") if reason)
