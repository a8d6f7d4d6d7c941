"""Firefox's policy file, and the file of its default preferences."""

import functools
import json
import os
from pathlib import Path
from typing import Any

import pytest
from browser_hosts import Tree, section
from browser_places import FIREFOX
from described import describe_fields
from fake_tools import refuse
from proscribe.host.controls.browser import firefox, firefox_changes
from proscribe.host.controls.browser.firefox_file import FirefoxPolicyFile
from proscribe.host.controls.browser.site_rules import NO_RULES, BrowserRules, make_rules
from proscribe.host.system import ObservationError
from recording import compare, fold

MAIL = {"domains": ["mail.example"], "extensions": {"firefox": ["vpn@example", "b@example"]}}
CLOSED = dict.fromkeys(("dns_over_https", "extensions", "proxy_extensions", "quic"), "blocked")
RULES = make_rules(section({"mail": MAIL}, browsers=CLOSED, tenants={"microsoft": ["t-1"]}))
PATH = FIREFOX.path[1:]
FILTER = {"WebsiteFilter": {"Exceptions": ["*://mail.example/*", "*://*.x.mail.example/*", "<all_urls>", "nonsense"]}}
OURS = (firefox.render_alone(RULES, FIREFOX) or b"").decode()
RECORDED = Path(__file__).parents[3] / "recorded/controls/browser/firefox_file.txt"
STORED = "/var/lib/proscribe/browser/etc-firefox-policies-policies.json"
FOLDER = "etc/firefox/defaults/pref"
FILE = f"{FOLDER}/proscribe.js"
DEBUGGING_CLOSED = section(browsers={"remote_debugging": "blocked"})
DEBUGGING_OPEN = section(browsers={"dns_over_https": "blocked"})


def own(**policies: Any) -> dict[str, Any]:
    return {"policies": policies}


def edited(tree: Tree, **policies: Any) -> None:
    document = tree.read(PATH)
    tree.put(PATH, {**document, "policies": {**document["policies"], **policies}})


def carried_out(tree: Tree, of: BrowserRules | None = RULES) -> list[tuple[str, str, str]]:
    """Enforce some rules, or (None) lift. Return the actions as they stand in a diff."""
    lift = functools.partial(firefox_changes.lift, tree.host, FIREFOX)
    changes = lift() if of is None else firefox_changes.enforce(tree.host, FIREFOX, of)
    assert list(changes.refusals) == []
    for action in changes.actions:
        action.apply()
    return [(str(action), action.before, action.after) for action in changes.actions]


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path, section())


WITH_A_WRONG_TYPE = {**FILTER, "ExtensionSettings": {"*": {"allowed_types": "x"}}}
LETTING = {"ExtensionSettings": {"o@example": {}, "p@example": {"allowed_permissions": ["proxy"]}}}
EMPTIED = {"Preferences": {}, "WebsiteFilter": {}, "ExtensionSettings": {"*": {"installation_mode": "removed"}}}
CASES: dict[str, tuple[Any, bool, dict[str, Any]]] = {  # the file, whether ours is merged into it, a later edit
    "no file": (None, False, {}),
    "ours": (None, True, {}),
    "no object": ("[1]", False, {}),
    "the organisation's, with exceptions and a wrong type": (own(**WITH_A_WRONG_TYPE), False, {}),
    "the same with ours": (own(**WITH_A_WRONG_TYPE), True, {}),
    "extensions that may have a proxy": (own(**LETTING), True, {}),
    "ours, emptied by hand": (None, True, EMPTIED),
}


def test_policy_file_has_an_effect(tmp_path):
    lines = []
    for number, (case, (document, enforced, edit)) in enumerate(CASES.items()):
        (tmp_path / f"{number}").mkdir()
        tree = Tree(tmp_path / f"{number}", section())
        if document:
            tree.put(PATH, document)
        if enforced:
            carried_out(tree)
            edited(tree, **edit)
        seen = FirefoxPolicyFile(tree.host, FIREFOX, RULES).make_observation()._replace(effect=None)._asdict()
        lines += [f"{case}:", *describe_fields(seen)]
    compare(RECORDED, fold("\n".join(lines)))


def test_without_a_file_ours_is_written_corrected_and_deleted(tree):
    assert carried_out(tree) == [(f"write {FIREFOX.path}", "", OURS)] and carried_out(tree) == []
    (tree.root / PATH).chmod(0o600)
    assert carried_out(tree) == [(f"write {FIREFOX.path}", OURS, OURS)]
    assert carried_out(tree, NO_RULES) == [(f"delete {FIREFOX.path}", OURS, "")]
    assert carried_out(tree, NO_RULES) == carried_out(tree, None) == []
    assert not (tree.root / "var/lib/proscribe/browser").exists()


@pytest.mark.parametrize("edit", [False, True])
def test_the_organisations_file_comes_back_as_it_was(tree, edit):
    theirs = tree.put(PATH, '{"policies": {"A": 1}} ', 0o640).decode()
    os.utime(tree.root / PATH, ns=(1, 1_600_000_000_000_000_000))
    before = (tree.root / PATH).stat()
    ((said, old, new),) = carried_out(tree)
    assert (said, old, json.loads(new)["policies"]["A"]) == (f"write {FIREFOX.path}", theirs, 1)
    assert tree.host.read_text(f"{STORED}.original") == theirs and (tree.root / PATH).stat().st_mode & 0o777 == 0o644
    modes = [(tree.root / f"{STORED[1:]}.{name}").stat().st_mode & 0o777 for name in ("original", "note")]
    assert modes == [0o600, 0o600]
    if edit:
        edited(tree, B=2)
        carried_out(tree, make_rules(section({"mail": MAIL})))
    (restored,) = carried_out(tree, None)
    now = (tree.root / PATH).stat()
    assert (now.st_mode, now.st_uid, now.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert (now.st_mtime_ns == before.st_mtime_ns) is not edit
    if edit:
        assert tree.read(PATH) == {"policies": {"A": 1, "B": 2}}
    else:
        assert restored == (f"restore {FIREFOX.path}", new, theirs)


def test_partial_policy_file_and_note_are_deleted(tree):
    left = f"{FIREFOX.path.rpartition('/')[0]}/.policies.json.proscribe~"
    for unfinished in (True, False):
        tree.host.make_directories(FIREFOX.path.rpartition("/")[0])
        if unfinished:
            tree.put(left[1:], "{")
        tree.put(f"{STORED}.note"[1:], "{", 0o600)
        assert carried_out(tree, None) == [(f"delete {FIREFOX.path}", "", ""), (f"delete {STORED}.note", "", "")]
        assert carried_out(tree, None) == [] and not (tree.root / "etc/firefox").exists()


def test_exception_that_opens_a_blocked_address_is_refused(tree):
    mail = {"domains": ["mail.example"], "urls": ["ok.mail.example/in"], "allow": ["ok.mail.example"]}
    (refusal,) = firefox_changes.enforce(tree.host, FIREFOX, make_rules(section({"mail": mail}))).refusals
    assert (refusal.rule, refusal.subject) == ("browser/policy-file", "ok.mail.example")
    assert "without opening ok.mail.example/in" in refusal.reason


@pytest.fixture
def preferences_tree(tmp_path):
    preferences_tree = Tree(tmp_path, DEBUGGING_CLOSED)
    preferences_tree.enforce()
    return preferences_tree


def reported(preferences_tree: Tree) -> tuple[str, str, bool]:
    verdict = preferences_tree.verdicts()["remote-debugging"]
    return verdict.state, next((finding.detail for finding in verdict.findings), ""), verdict.drifted


def test_another_file_with_the_preference_is_reported_and_stays(preferences_tree):
    content = preferences_tree.put(f"{FOLDER}/own.js", 'pref("remote.policy.disabled", false, locked);\n')
    path = f"/{FOLDER}/own.js has the preference remote.policy.disabled"
    assert reported(preferences_tree)[0] == "noncompliant" and path in reported(preferences_tree)[1]
    changes = preferences_tree.enforce()
    assert changes.actions == []
    assert [refusal.rule for refusal in changes.refusals] == ["browser/remote-debugging"]
    preferences_tree.lift()
    assert (preferences_tree.root / FOLDER / "own.js").read_bytes() == content


def test_a_file_that_the_plan_no_longer_has_is_reported_and_deleted(preferences_tree):
    preferences_tree.plan["controls"]["browser"] = DEBUGGING_OPEN
    assert "not in the plan any more" in preferences_tree.verdicts()["policy-file"].findings[-1].detail
    preferences_tree.enforce()
    assert not (preferences_tree.root / FILE).exists()
    assert preferences_tree.verdicts()["policy-file"].state == "compliant"


def test_a_file_that_cannot_be_seen_is_unknown(preferences_tree, monkeypatch):
    refuse(monkeypatch, "read_file", {f"/{FILE}": ObservationError("it cannot be read")})
    assert reported(preferences_tree)[0] == "unknown"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (Path.unlink, f"/{FILE} is missing"),
        (lambda file: file.write_text("//"), f"/{FILE} is not as the plan has it"),
        (lambda file: file.chmod(0o600), f"/{FILE}: "),
    ],
)
def test_changed_preferences_are_reported_and_written_again(preferences_tree, change, why):
    change(preferences_tree.root / FILE)
    state, detail, drifted = reported(preferences_tree)
    assert (state, drifted, detail.startswith(why)) == ("noncompliant", True, True)
    assert [str(action) for action in preferences_tree.enforce().actions] == [f"write /{FILE}"]
    assert reported(preferences_tree) == ("compliant", "", False) and preferences_tree.enforce().actions == []
    lines = (preferences_tree.root / FILE).read_text().splitlines()
    assert lines[1:] == ['pref("remote.policy.disabled", true, locked);']
    preferences_tree.lift()
    assert not (preferences_tree.root / "etc/firefox").exists()
