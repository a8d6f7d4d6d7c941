"""Browsers whose policies others set too, and the lift that leaves foreign files unchanged."""

import contextlib
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any

import browser_hosts
import pytest
from browser_hosts import section
from browser_places import BROWSERS
from file_hosts import make_directories
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from kills import is_killed_at
from properties import examples
from proscribe.host.controls import browser
from proscribe.host.controls.browser import browser_forks, chromium_changes
from proscribe.host.system import ControlError, Host, ObservationError
from proscribe.model.plan import PLAN_SCHEMA, add_digest

MANAGED, FIREFOX = "etc/chromium/policies/managed", "etc/firefox/policies/policies.json"
JOINED = {"PolicyListMultipleSourceMergeList": ["URLAllowlist", "URLBlocklist"]}
UNSANDBOXED = 'pref("general.config.sandbox_enabled"'
STEPS = ("mkdir", "rename", "unlink", "rmdir", "fsync", "write")


def plan(browsers: list[dict[str, Any]] = BROWSERS, *domains: str) -> dict[str, Any]:
    mail = {"domains": ["mail.example", *domains], "allow": ["ok.mail.example"]}
    of = section({"mail": mail}, browsers={"dns_over_https": "blocked"})
    return {"browsers": browsers, "controls": {"browser": of}}


class Tree(browser_hosts.Tree):
    def __init__(self, root: Path) -> None:
        super().__init__(root, plan()["controls"]["browser"])
        make_directories(root, "home/alice", "proc")
        (root / "etc/passwd").write_text(f"alice:x:{os.getuid()}:{os.getgid()}::/home/alice:/bin/sh\n")

    def reported(self) -> str:
        """Return a line for each finding, with its rule and state."""
        return "\n".join(
            f"{verdict.rule} {verdict.state} {finding.path} {finding.id} {finding.detail}"
            for verdict in self.verdicts().values()
            for finding in verdict.findings
        )

    def foreign(self) -> dict[str, tuple[int, int, int, int, bytes]]:
        """Everything below but Proscribe's own: kind and mode, owner, time of a file, content."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            seen = path.lstat()
            content = os.readlink(path).encode() if path.is_symlink() else b""
            if stat.S_ISREG(seen.st_mode):
                content = path.read_bytes()
            modified = 0 if stat.S_ISDIR(seen.st_mode) else seen.st_mtime_ns
            found[str(path.relative_to(self.root))] = (seen.st_mode, seen.st_uid, seen.st_gid, modified, content)
        return found


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


CONFLICTS = [
    (  # a later file that says the opposite, with a byte order mark, comments, and a comma too many
        {f"{MANAGED}/zz.json": '\ufeff{"DnsOverHttpsMode": "secure", /* , */ } // read all the same'},
        ["browser/dns-over-https noncompliant", 'zz.json sets DnsOverHttpsMode to "secure"'],
    ),
    # an exception in a hidden file
    ({f"{MANAGED}/.hidden": {"URLAllowlist": ["mail.example"]}}, [".hidden allows mail.example"]),
    (  # more entries than Chromium takes
        {f"{MANAGED}/10.json": {"URLBlocklist": [f"h{n}.example" for n in range(1500)]}},
        ["1501 entries in URLBlocklist of all files together (1500 in 10.json), Chromium takes 1500: shorten the"],
    ),
    (  # a place that Firefox ESR does not read
        {"etc/firefox-esr/policies/policies.json": {"policies": {}}},
        ["/etc/firefox-esr/policies policies without effect: firefox_esr reads /etc/firefox/policies/policies.json"],
    ),
    (  # places that no browser reads
        {"etc/firefox/policies.json": "", "etc/thunderbird/policies.json": "", "etc/opt/brave/policies/x.json": ""},
        [
            f"/etc/{path} {path.rpartition('/')[2]} without effect: {browser} reads /etc/{read}"
            for path, browser, read in (
                ("firefox/policies.json", "firefox", "firefox/policies/policies.json"),
                ("thunderbird/policies.json", "thunderbird", "thunderbird/policies/policies.json"),
                ("opt/brave/policies", "brave", "brave/policies/managed"),
            )
        ],
    ),
]


@pytest.mark.parametrize(("files", "said"), CONFLICTS)
def test_conflict_with_a_foreign_file_is_reported_and_left(files, said, tree):
    for path, content in files.items():
        tree.put(path, content)
    before = tree.foreign()
    tree.enforce()
    text = tree.reported()
    assert [part for part in said if part not in text] == [], text
    tree.lift()
    assert tree.foreign() == before


def test_entry_beyond_chromiums_limit_is_not_blocked(tree):
    # The last file by name comes first in the joined list, so it is Proscribe's own entries that Chromium drops.
    tree.put(f"{MANAGED}/zz.json", {"URLBlocklist": [f"h{n}.example" for n in range(1500)], **JOINED})
    tree.enforce()
    assert tree.verdicts()["mail"].state == "noncompliant"


@pytest.mark.parametrize(
    ("path", "line", "unknown"),
    [
        ("usr/lib/firefox-esr/defaults/pref/a.js", 'pref("general.config.sandbox_enabled", false);', True),
        ("etc/firefox/defaults/pref/a.js", "defaultPref('general.config.sandbox_enabled', false);", True),
        ("usr/lib/firefox-esr/browser/defaults/preferences/a.js", f"{UNSANDBOXED}, false);", True),
        ("etc/firefox/a.js", f"{UNSANDBOXED}, false);", True),
        ("etc/firefox-esr/a.js", f"{UNSANDBOXED}, false);", True),
        ("usr/lib/firefox-esr/defaults/pref/a.js", f"  //{UNSANDBOXED}, false);", False),
        ("etc/firefox-esr/a.json", f"{UNSANDBOXED}, false);", False),
        ("etc/firefox-esr/a.js/b", f"{UNSANDBOXED}, false);", False),  # no file
        ("etc/firefox-esr/a.js", f'{UNSANDBOXED}, true); pref("x", true);', False),
        ("usr/lib/chromium/defaults/pref/a.js", f"{UNSANDBOXED}, false);", False),  # not of Firefox
        ("usr/lib/firefox/defaults/pref/a.js", 'pref("general.config.sandbox_enabled", false);', False),  # no Firefox
    ],
)
def test_script_without_a_sandbox_makes_the_policy_unknown(tree, path, line, unknown):
    tree.put("usr/lib/firefox-esr/firefox-esr")
    tree.put("usr/lib/chromium/chromium")
    there = ["/usr/lib/firefox-esr/firefox-esr", "/usr/lib/firefox/firefox"]
    paths = {"firefox": there, "chromium": ["/usr/lib/chromium/chromium"]}
    browsers = [{**browser, "paths": paths.get(browser["id"], [])} for browser in BROWSERS]
    of = {**plan(), "browsers": browsers}
    tree.enforce(of)
    tree.put(path, f"// un caf\u00e9\n{line}\n".encode("latin-1"))
    verdict = tree.verdicts(of)["policy-file"]
    assert verdict.state == ("unknown" if unknown else "compliant")
    assert (f"/{path} has Firefox run a script" in verdict.reason) is unknown


def test_link_at_our_file_is_replaced_and_its_target_shown_nowhere(tree):
    (tree.root / MANAGED).mkdir(parents=True)
    (tree.root / MANAGED / "proscribe.json").symlink_to("/etc/passwd")
    assert "root:" not in "".join(action.before for action in browser.enforce(tree.host, plan()).actions)
    tree.enforce()
    assert not (tree.root / MANAGED / "proscribe.json").is_symlink() and tree.states() == {"compliant"}


@pytest.mark.parametrize("path", [f"{MANAGED}/proscribe.json", FIREFOX])
def test_directory_at_one_place_keeps_no_policy_from_the_others(tree, path):
    (tree.root / path).mkdir(parents=True)
    with contextlib.suppress(ControlError):
        tree.enforce()
    places = {f"{MANAGED}/proscribe.json", "etc/opt/chrome/policies/managed/proscribe.json", FIREFOX}
    assert {place for place in places if (tree.root / place).is_file()} == places - {path}
    assert tree.verdicts()["mail"].state == "noncompliant"


NAMES = st.sampled_from(
    ["10.json", "zz.json", ".hidden", "no-suffix", "10.json~", "10.json.2026-01-01@00:00:00~", "a b.json", "sub/x.json"]
)
CONTENTS = st.sampled_from(
    [
        b"",
        b"{",
        b"[1]",
        b"\xff\xfe",
        b'\xef\xbb\xbf{"DnsOverHttpsMode": "secure"}\r\n',
        b'{"URLBlocklist": ["a.example",], /* c */ }',
        b'{"URLAllowlist": ["mail.example"]}',
        b'{"PolicyListMultipleSourceMergeList": ["ExtensionInstallBlocklist"]}',
        b'{"policies": {"DisableTelemetry": true, "WebsiteFilter": {"Block": ["*://*.a.example/*"]}}}',
        b' {"policies":\t{}, "other": 1} ',
    ]
)
MODES = st.sampled_from([0o644, 0o600, 0o664, 0o444, 0o755, *([0o000] if os.geteuid() == 0 else [])])
OWNERSHIP = st.sampled_from([(0, 0), (1000, 1000), (0, 12)] if os.geteuid() == 0 else [(os.geteuid(), os.getegid())])
FOREIGN = st.tuples(CONTENTS, MODES, OWNERSHIP) | st.sampled_from(["nothing", "/etc/passwd", "10.json", "."])
FOLDERS = st.dictionaries(NAMES, FOREIGN, max_size=4)


@pytest.fixture(scope="module")
def scratch():
    # In memory, where there is such a place: there nothing waits for a disk.
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as made:
        yield Path(made)


def fresh(scratch: Path) -> Tree:
    shutil.rmtree(scratch)
    scratch.mkdir()
    return Tree(scratch)


def plant(path: Path, foreign: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(foreign, str):
        path.symlink_to(foreign)
        return
    content, mode, owner = foreign
    path.write_bytes(content)
    os.chown(path, *owner)
    path.chmod(mode)
    os.utime(path, ns=(10**18, 10**18 + len(content)))


@pytest.mark.slow
@given(chromium=FOLDERS, firefox=st.none() | FOREIGN, beside=FOLDERS, rights=st.sampled_from([0o755, 0o775, 0o700]))
@examples(120, HealthCheck.function_scoped_fixture)
def test_enforce_and_lift_leave_foreign_files(scratch, chromium, firefox, beside, rights):
    tree = fresh(scratch)
    for name, foreign in chromium.items():
        plant(tree.root / MANAGED / name, foreign)
    for name, foreign in beside.items():
        plant(tree.root / "etc/firefox/policies" / name, foreign)
    if firefox is not None:
        plant(tree.root / FIREFOX, firefox)
    if (tree.root / MANAGED).exists():
        (tree.root / MANAGED).chmod(rights)
    before = tree.foreign()
    tree.enforce()
    now = tree.foreign()
    merged = FIREFOX if not isinstance(firefox, str) else ""
    found = {path: now.get(path) for path in before if path != merged}
    assert found == {path: seen for path, seen in before.items() if path != merged}
    tree.enforce(plan(BROWSERS, "chat.example"))
    tree.lift()
    assert tree.foreign() == before


def sealed_plan(browsers: Any) -> dict[str, Any]:
    of = section({"mail": {"domains": ["mail.example"]}})
    return add_digest({"schema": PLAN_SCHEMA, "contact": "", "browsers": browsers, "controls": {"browser": of}})


def absent(number: int, **more: Any) -> dict[str, Any]:
    name = f"b{number}"
    place = {"id": name, "family": "chromium", "path": f"/etc/{name}/policies/managed/proscribe.json"}
    return {**place, "browsers": [name], "paths": [f"/{name}"], **more}


AHEAD = "of these policy files {} for browsers that are not installed: {}; so that a later installation is covered"
ONE, FIFTEEN = f"1 {AHEAD.format('is', 'b1')}", ", ".join(f"b{number}" for number in range(15))


@pytest.mark.parametrize(
    ("browsers", "there", "note"),
    [
        ([absent(1)], "", ONE),
        ([absent(1), absent(2, browsers=["b1", "b2"])], "", f"2 {AHEAD.format('are', 'b1, b2')}"),
        ([absent(1), absent(2, present=["/etc"])], "", ONE),
        ([absent(1, paths=["/a", "/b1"])], "b1", ""),
        ([absent(1, paths=[])], "", ""),  # nobody knows where it would be
        ([absent(1, flatpaks=["org.b1"])], "var/lib/flatpak/app/org.b1/x", ""),
        ([absent(1, flatpaks=["org.b1"])], "var/lib/flatpak/app/org.b2/x", ONE),
        ([absent(1, snaps=["b1"])], "snap/b1/x", ""),
        ([absent(1, snaps=["b1"])], "var/lib/snapd/snap/b1/x", ""),
        ([absent(number) for number in range(15)], "", f"15 {AHEAD.format('are', FIFTEEN)}"),
        ([absent(number) for number in range(17)], "", f"17 {AHEAD.format('are', f'{FIFTEEN} and 2 more')}"),
        ([absent(1, paths=["/unseen"])], "", ""),  # it may be there
    ],
)
def test_policies_of_browsers_that_are_not_installed_are_explained(tree, monkeypatch, browsers, there, note):
    real = Host.find_entry

    def stat(self: Host, path: str) -> Any:
        if path == "/unseen":
            raise ObservationError("Host is down")
        return real(self, path)

    monkeypatch.setattr(Host, "find_entry", stat)
    if there:
        tree.put(there)
    changes = browser.enforce(tree.host, sealed_plan(browsers))
    assert (changes.notes, len(changes.actions)) == ([note] * bool(note), len(browsers)) and changes.is_independent
    for action in changes.actions:
        action.apply()
    assert browser.enforce(tree.host, sealed_plan(browsers)).notes == []


def test_a_place_that_cannot_be_observed_is_an_action_that_fails(tree, monkeypatch):
    def refuse(*_: Any) -> None:
        raise ObservationError("Host is down")

    monkeypatch.setattr(chromium_changes, "ChromiumPolicyFolder", refuse)
    for work in (browser.enforce, browser.lift):
        first, second = work(tree.host, sealed_plan(BROWSERS)).actions[:2]
        assert (str(first), first.subject < second.subject) == (f"observe {BROWSERS[0]['path']}", True)
        with pytest.raises(ControlError, match="Host is down"):
            first.apply()


def make_tree_with_a_fork(scratch: Path) -> Tree:
    tree = fresh(scratch)
    tree.put(FIREFOX, {"policies": {"DisableTelemetry": True, "WebsiteFilter": {"Block": ["*://*.games.example/*"]}}})
    tree.put(f"{MANAGED}/10.json", {"URLBlocklist": ["a.example"]})
    tree.put("opt/owl/owl", "x" * 200 + "\0/etc/owl/policies\0", 0o755)
    tree.put("usr/share/applications/owl.desktop", "Exec=/opt/owl/owl\nMimeType=x-scheme-handler/http;\n")
    return tree


@pytest.mark.slow
@pytest.mark.parametrize(("act", "again"), [("enforce", True), ("enforce", False), ("lift", False)])
def test_kill_at_any_change_loses_no_foreign_file(scratch, monkeypatch, act, again):
    monkeypatch.setattr(browser_forks, "MIN_BINARY_BYTES", 100)
    step, killed = 0, True
    first = ("var/lib/proscribe", "var/lib/proscribe/.directories.proscribe~")  # may stay after the very first steps
    while killed:
        tree = make_tree_with_a_fork(scratch)
        before = tree.foreign()
        if act == "lift":
            tree.enforce()
        killed = is_killed_at(step, getattr(tree, act), STEPS)
        if again:
            tree.enforce()
            assert tree.states() == {"compliant"}, step
            assert browser.enforce(tree.host, plan()).actions == [], step
        tree.lift()
        assert {path: seen for path, seen in tree.foreign().items() if path not in first} == before, step
        step += 1
    assert step > 10
