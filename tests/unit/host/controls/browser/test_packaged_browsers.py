"""Flatpaks and snaps that do not see the policy of their place."""

import os
from pathlib import Path

import pytest
from browser_hosts import Tree, section
from described import describe_finding
from file_hosts import make_directories, make_host
from proscribe.host.controls.browser import packaged_browsers
from proscribe.host.controls.browser.packaged_browsers import check_packaged
from proscribe.host.controls.browser.policy_places import PolicyPlace
from proscribe.host.system import Host
from proscribe.model.finding import Finding
from recording import compare, fold

MANAGED = "policies/managed/proscribe.json"
ID, POINT = "org.edge", "org.chromium.Extension"
EDGE = PolicyPlace("edge", "chromium", f"/etc/opt/edge/{MANAGED}", flatpaks=(ID,))
OURS = f"/var/lib/flatpak/extension/{POINT}.proscribe/x86_64/1/{MANAGED}"
CHROMIUM = PolicyPlace("chromium", "chromium", OURS, flatpaks=("org.chromium",))
SNAP = PolicyPlace("snapped", "chromium", f"/etc/chromium-browser/{MANAGED}", snaps=("chromium",))
LOST = PolicyPlace("lost", "firefox", "/etc/lost.json", elsewhere=("snap lost", "flatpak org.lost"))
POLICIES, SYSTEMCONFIG = "x86_64/stable/policies/policies.json", "org.mozilla.firefox.systemconfig"
FIREFOX_POLICIES = f"/var/lib/flatpak/extension/{SYSTEMCONFIG}/{POLICIES}"
FOX = PolicyPlace("fox", "firefox", FIREFOX_POLICIES, flatpaks=("org.mozilla.firefox",))
OTHER = LOST._replace(id="other", elsewhere=("flatpak org.other",))
SYSTEM, ALICE, ROOT = "/var/lib/flatpak", "/home/alice/.local/share/flatpak", "/root/.local/share/flatpak"
SEES, HIDES = "[Context]\nfilesystems=host-etc;\n", "[Context]\nfilesystems=!host-etc;\n"
INSTALLED = {f"{SYSTEM}/app/{ID}/current/active/metadata": SEES}
PROFILES = "/var/lib/snapd/apparmor/profiles"


def make_user_host(root: Path, files: dict[str, str]) -> Host:
    passwd = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n"
    return make_host(root, {"/etc/passwd": passwd, "/root/x": "", "/home/alice/x": "", **files})


def flatpak(place: PolicyPlace, id_: str, scope: str, path: str, detail: str) -> Finding:
    return Finding("flatpak", id_, manager=place.id, scope=scope, path=path, detail=detail)


OWN, GLOBAL, EXTENSIONS = f"{ALICE}/overrides/{ID}", f"{ALICE}/overrides/global", f"{ALICE}/extension"
FIREFOX, OF_SNAP = f"{SYSTEM}/app/org.mozilla.firefox/x", f"{PROFILES}/snap.chromium.a"
CASES: dict[str, dict[str, str]] = {
    "installed": INSTALLED,
    "hidden by users": {**INSTALLED, f"{ROOT}/overrides/{ID}": HIDES, GLOBAL: HIDES},
    "hidden for all, given back by one": {**INSTALLED, f"{SYSTEM}/overrides/global": HIDES, OWN: SEES},
    "a user's own": {f"{SYSTEM}/overrides/{ID}": HIDES, f"{ALICE}/app/{ID}/x": "", f"{ROOT}/app/other/x": ""},
    "extensions with policies of their own": {
        f"{SYSTEM}/app/org.chromium/x": "",
        f"{ROOT}/extension/{POINT}.a/x86_64/1/policies/a": "",
        f"{ALICE}/runtime/{POINT}.b/x86_64/1/0/files/policies/b": "",
        f"{EXTENSIONS}/{POINT}x.c/x86_64/1/policies/c": "",
        f"{EXTENSIONS}/{POINT}.d/x86_64/1/lib/d": "",
    },
    "a user's extension in front of the host's": {FIREFOX: "", f"{EXTENSIONS}/{SYSTEMCONFIG}/{POLICIES}": ""},
    "the same of Chromium": {f"{SYSTEM}/app/org.chromium/x": "", f"{EXTENSIONS}/{POINT}/x86_64/1/a": ""},
    "taken away and given back": {**INSTALLED, GLOBAL: HIDES, OWN: SEES.replace("etc", "etc:ro")},
    "never there": {f"{SYSTEM}/app/{ID}/current/active/metadata": SEES.replace("-etc", ""), OWN: HIDES},
    "all taken away": {**INSTALLED, OWN: "[Context]\nfilesystems=!host:reset;!host;\n"},
    "without a place": {f"{SYSTEM}/app/org.lost/x": "", f"{ALICE}/app/org.other/x": "", "/snap/lost/x": ""},
    "a snap without a plug": {
        "/var/lib/snapd/snap/chromium/x": "",
        OF_SNAP: '"/etc/chromium{,/,/**}" rk,\n  "/etc/chromium-browser{,/,/**}" r\n',
        f"{PROFILES}/snap.other.a": '"/etc/chromium-browser{,/,/**}" rk,\n',
    },
    "a snap with a plug": {"/snap/chromium/x": "", OF_SNAP: '\n"/etc/chromium-browser/{,/,/**}" rk,\n'},
}


def test_packaged_browsers_are_reported_per_scope(tmp_path):
    lines = []
    for number, (case, files) in enumerate(CASES.items()):
        host = make_user_host(tmp_path / f"{number}", files)
        found = check_packaged(host, [EDGE, CHROMIUM, SNAP, LOST, FOX], [OTHER])
        lines += [f"{case}: {found.unseen_reason}".rstrip(), *map(describe_finding, found.findings)]
    compare(Path(__file__).parents[3] / "recorded/controls/browser/packaged.txt", fold("\n".join(lines)))


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
    monkeypatch.setattr(
        packaged_browsers, "run_each_apart", lambda users, _: [(user, [], "it took too long") for user in users]
    )
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
    make_directories(tmp_path, "proc", packager, own)
    (tmp_path / "etc/passwd").write_text(f"alice:x:{os.getuid()}:{os.getgid()}::/home/alice:/bin/sh\n")
    lost = {"id": "b", "family": "chromium", "path": "/b", "present": ["/nowhere"], "elsewhere": [f"{kind} b"]}
    verdict = tree.verdicts({"browsers": [lost], "controls": {"browser": tree.plan["controls"]["browser"]}})["packaged"]
    assert not verdict.drifted  # nothing that enforcing could correct
    reported = [(finding.kind, finding.id, finding.manager) for finding in verdict.findings]
    assert reported == ([(kind, "b", "b")] if packager else [])
