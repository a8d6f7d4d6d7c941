"""Flatpaks and snaps that do not see the policy of their place."""

import os
from pathlib import Path

import pytest
from browser_hosts import Tree, section
from file_hosts import make_host
from proscribe.host.controls.browser import packaged
from proscribe.host.controls.browser.packaged import UNPLACED, check_packaged
from proscribe.host.controls.browser.places import Place
from proscribe.host.system import Host
from proscribe.model.finding import Finding

MANAGED = "policies/managed/proscribe.json"
ID, POINT = "org.edge", "org.chromium.Extension"
EDGE = Place("edge", "chromium", f"/etc/opt/edge/{MANAGED}", flatpaks=(ID,))
OURS = f"/var/lib/flatpak/extension/{POINT}.proscribe/x86_64/1/{MANAGED}"
CHROMIUM = Place("chromium", "chromium", OURS, flatpaks=("org.chromium",))
SNAP = Place("snapped", "chromium", f"/etc/chromium-browser/{MANAGED}", snaps=("chromium",))
LOST = Place("lost", "firefox", "/etc/lost.json", elsewhere=("snap lost", "flatpak org.lost"))
POLICIES, SYSTEMCONFIG = "x86_64/stable/policies/policies.json", "org.mozilla.firefox.systemconfig"
FIREFOX_POLICIES = f"/var/lib/flatpak/extension/{SYSTEMCONFIG}/{POLICIES}"
FOX = Place("fox", "firefox", FIREFOX_POLICIES, flatpaks=("org.mozilla.firefox",))
OTHER = LOST._replace(id="other", elsewhere=("flatpak org.other",))
SYSTEM, ALICE, ROOT = "/var/lib/flatpak", "/home/alice/.local/share/flatpak", "/root/.local/share/flatpak"
SEES, HIDES = "[Context]\nfilesystems=host-etc;\n", "[Context]\nfilesystems=!host-etc;\n"
INSTALLED = {f"{SYSTEM}/app/{ID}/current/active/metadata": SEES}
PROFILES = "/var/lib/snapd/apparmor/profiles"
CONNECT = "snap connections chromium, then snap connect the one for /etc/chromium-browser/policies/managed"


def make_user_host(root: Path, files: dict[str, str]) -> Host:
    passwd = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n"
    return make_host(root, {"/etc/passwd": passwd, "/root/x": "", "/home/alice/x": "", **files})


def flatpak(place: Place, id_: str, scope: str, path: str, detail: str) -> Finding:
    return Finding("flatpak", id_, manager=place.id, scope=scope, path=path, detail=detail)


def beside(scope: str, path: str) -> Finding:
    return flatpak(CHROMIUM, "org.chromium", scope, path, f"it brings policies of its own beside {OURS}")


def instead(place: Place, path: str) -> Finding:
    return flatpak(place, place.flatpaks[0], "user:alice", path, f"the flatpak takes it instead of {place.path}")


def hidden(scope: str, path: str) -> Finding:
    return flatpak(EDGE, ID, scope, path, f"it hides the host's /etc from the flatpak, and {EDGE.path} with it")


def snap(place: Place, name: str, path: str, detail: str) -> Finding:
    return Finding("snap", name, manager=place.id, scope="system", path=path, detail=detail)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (INSTALLED, []),
        (
            {**INSTALLED, f"{ROOT}/overrides/{ID}": HIDES, f"{ALICE}/overrides/global": HIDES},
            [hidden("user:root", f"{ROOT}/overrides/{ID}"), hidden("user:alice", f"{ALICE}/overrides/global")],
        ),
        (
            {**INSTALLED, f"{SYSTEM}/overrides/global": HIDES, f"{ALICE}/overrides/{ID}": SEES},
            [hidden("system", f"{SYSTEM}/overrides/global")],
        ),
        (
            {f"{SYSTEM}/overrides/{ID}": HIDES, f"{ALICE}/app/{ID}/x": "", f"{ROOT}/app/other/x": ""},
            [hidden("user:alice", f"{SYSTEM}/overrides/{ID}")],
        ),
        (
            {
                f"{SYSTEM}/app/org.chromium/x": "",
                f"{ROOT}/extension/{POINT}.a/x86_64/1/policies/a": "",
                f"{ALICE}/runtime/{POINT}.b/x86_64/1/0/files/policies/b": "",
                f"{ALICE}/extension/{POINT}x.c/x86_64/1/policies/c": "",
                f"{ALICE}/extension/{POINT}.d/x86_64/1/lib/d": "",
            },
            [beside("user:root", f"{ROOT}/extension/{POINT}.a"), beside("user:alice", f"{ALICE}/runtime/{POINT}.b")],
        ),
        (  # a user's extension in front of the host's
            {f"{SYSTEM}/app/org.mozilla.firefox/x": "", f"{ALICE}/extension/{SYSTEMCONFIG}/{POLICIES}": ""},
            [instead(FOX, f"{ALICE}/extension/{SYSTEMCONFIG}")],
        ),
        (
            {f"{SYSTEM}/app/org.chromium/x": "", f"{ALICE}/extension/{POINT}/x86_64/1/a": ""},
            [instead(CHROMIUM, f"{ALICE}/extension/{POINT}")],
        ),
        (  # taken away and given back
            {**INSTALLED, f"{ALICE}/overrides/global": HIDES, f"{ALICE}/overrides/{ID}": SEES.replace("etc", "etc:ro")},
            [],
        ),
        (
            {f"{SYSTEM}/app/{ID}/current/active/metadata": SEES.replace("-etc", ""), f"{ALICE}/overrides/{ID}": HIDES},
            [],
        ),
        (
            {**INSTALLED, f"{ALICE}/overrides/{ID}": "[Context]\nfilesystems=!host:reset;!host;\n"},
            [hidden("user:alice", f"{ALICE}/overrides/{ID}")],
        ),
        (
            {f"{SYSTEM}/app/org.lost/x": "", f"{ALICE}/app/org.other/x": "", "/snap/lost/x": ""},
            [
                snap(LOST, "lost", "", UNPLACED),
                flatpak(LOST, "org.lost", "system", f"{SYSTEM}/app/org.lost", UNPLACED),
                flatpak(OTHER, "org.other", "user:alice", f"{ALICE}/app/org.other", UNPLACED),
            ],
        ),
        (
            {
                "/var/lib/snapd/snap/chromium/x": "",
                f"{PROFILES}/snap.chromium.a": '"/etc/chromium{,/,/**}" rk,\n  "/etc/chromium-browser{,/,/**}" r\n',
                f"{PROFILES}/snap.other.a": '"/etc/chromium-browser{,/,/**}" rk,\n',
            },
            [snap(SNAP, "chromium", f"{PROFILES}/snap.chromium.a", f"no plug lets it see {SNAP.path}: {CONNECT}")],
        ),
        ({"/snap/chromium/x": "", f"{PROFILES}/snap.chromium.a": '\n"/etc/chromium-browser/{,/,/**}" rk,\n'}, []),
    ],
)
def test_packaged_browsers_are_reported_per_scope(tmp_path, files, found):
    assert check_packaged(make_user_host(tmp_path, files), [EDGE, CHROMIUM, SNAP, LOST, FOX], [OTHER]) == (found, "")


def test_unseen_home_hides_no_finding_of_other_users(tmp_path, monkeypatch):
    made = make_user_host(tmp_path, {**INSTALLED, f"{ROOT}/overrides/{ID}": HIDES, "/snap/chromium/x": ""})
    (tmp_path / f"{ALICE}/overrides"[1:]).mkdir(parents=True)
    (tmp_path / f"{ALICE}/overrides/{ID}"[1:]).mkdir()
    (tmp_path / f"{ALICE}/app"[1:]).write_text("")
    (finding,), unseen = check_packaged(made, [EDGE, SNAP], [])
    assert finding.scope == "user:root"
    snapd = f"whether the snap chromium sees {SNAP.path} is only known to snapd: snap connections chromium"
    first, *others = unseen.split("; ")
    assert first == snapd and [ALICE in item for item in others] == [True] * len(others) and others
    monkeypatch.setattr(packaged, "each", lambda users, _: [(user, [], "it took too long") for user in users])
    assert check_packaged(made, [EDGE, SNAP], []) == ([finding], f"{snapd}; alice: it took too long")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, whose links are followed")
@pytest.mark.parametrize(
    ("place", "link", "target", "detail"),
    [
        (EDGE, EDGE.path, "x", "it is a link, which the flatpak does not take over"),
        (EDGE, "/etc/opt", "/elsewhere", "it leads to /elsewhere, which the flatpak does not see"),
        (EDGE, "/etc/opt/edge", "../edge", ""),
        (CHROMIUM, OURS, "x", "it is a link, which the flatpak does not take over"),
        (CHROMIUM, f"{SYSTEM}/extension", "/elsewhere", ""),
    ],
)
def test_links_on_the_way_to_a_policy(tmp_path, place, link, target, detail):
    made = make_user_host(tmp_path, {f"{SYSTEM}/app/org.chromium/x": "", **INSTALLED})
    (tmp_path / link[1:]).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / link[1:]).symlink_to(target)
    found = [flatpak(place, place.flatpaks[0], "system", link, detail)] if detail else []
    assert check_packaged(made, [place], []) == (found, "")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a link of a user's")
def test_link_in_a_home_is_not_followed_and_unseen(tmp_path):
    made = make_user_host(tmp_path, {**INSTALLED, f"{ALICE}/overrides/x": ""})
    link = tmp_path / f"{ALICE}/overrides/{ID}"[1:]
    link.symlink_to("/etc/passwd")
    os.lchown(link, 1000, 1000)
    found, unseen = check_packaged(made, [EDGE], [])
    assert found == [] and f"{ALICE}/overrides/{ID} is a link that uid 1000" in unseen


@pytest.mark.parametrize("packager", ["", "var/lib/flatpak", "usr/bin/flatpak", "snap", "var/lib/snapd/snap"])
def test_installed_packager_makes_an_unplaced_browser_a_finding(tmp_path, packager):
    tree = Tree(tmp_path, section(browsers={"quic": "blocked"}))
    kind = "snap" if "snap" in packager else "flatpak"
    own = "home/alice/.local/share/flatpak/app/b" if kind == "flatpak" else f"{packager}/b"
    for path in ("proc", packager, own):
        (tmp_path / path).mkdir(parents=True, exist_ok=True)
    (tmp_path / "etc/passwd").write_text(f"alice:x:{os.getuid()}:{os.getgid()}::/home/alice:/bin/sh\n")
    lost = {"id": "b", "family": "chromium", "path": "/b", "present": ["/nowhere"], "elsewhere": [f"{kind} b"]}
    verdict = tree.verdicts({"browsers": [lost], "controls": {"browser": tree.plan["controls"]["browser"]}})["packaged"]
    assert not verdict.drifted  # nothing that enforcing could correct
    reported = [(finding.kind, finding.id, finding.manager) for finding in verdict.findings]
    assert reported == ([(kind, "b", "b")] if packager else [])
