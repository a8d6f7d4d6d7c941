"""The organisation's own Firefox policies: merged into, given back byte for byte, later edits and all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_places import BROWSERS
from properties import examples
from proscribe.controls import browser
from proscribe.controls.browser import firefox, firefox_merge
from proscribe.host import ControlError, Host, Unseen

PATH = "etc/firefox/policies/policies.json"
INSTALLED = "usr/lib/firefox-esr/distribution/policies.json"


def plan(*domains: str, **entry: Any) -> dict[str, Any]:
    service = {"name": "Service", "mode": "enforce", "domains": list(domains), **entry}
    settings = {"browsers": {"dns_over_https": "blocked"}, "tenants": {"google": ["corp.example"]}}
    return {
        "browsers": BROWSERS,
        "controls": {"browser": {"mode": "enforce", "services": {"service": service}, "settings": settings}},
    }


class Tree:
    """A made host."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.host = Host(str(root))
        (root / "etc").mkdir()
        (root / "var/lib").mkdir(parents=True)

    def put(self, path: str, content: bytes | dict[str, Any]) -> bytes:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        file.chmod(0o644)
        return file.read_bytes()

    def read(self, path: str = PATH) -> bytes | None:
        file = self.root / path
        return file.read_bytes() if file.exists() else None

    def policies(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.read() or b"{}")["policies"]
        return found

    def edit(self, **policies: Any) -> None:
        document = json.loads(self.read() or b"{}")
        document["policies"].update(policies)
        self.put(PATH, document)

    def enforce(self, of: dict[str, Any]) -> list[str]:
        changes = browser.enforce(self.host, of)
        for action in changes.actions:
            action.apply()
        assert browser.enforce(self.host, of).actions == []
        return [f"{refusal.subject}: {refusal.reason}" for refusal in changes.refused]

    def lift(self) -> None:
        for action in browser.lift(self.host, plan()).actions:
            action.apply()
        assert browser.lift(self.host, plan()).actions == []
        assert not (self.root / "var/lib/proscribe/browser").exists()

    def verdicts(self, of: dict[str, Any]) -> dict[str, tuple[str, list[str]]]:
        return {
            v.rule.partition("/")[2]: (v.state, [f.detail for f in v.findings if f.manager == "firefox"])
            for v in browser.observe(self.host, of)
        }


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


OWN = {
    "policies": {
        "DisableTelemetry": True,
        "WebsiteFilter": {"Block": ["*://*.games.example/*"], "Exceptions": ["*://chess.games.example/*"]},
        "DNSOverHTTPS": {"Enabled": True, "ProviderURL": "https://dns.corp.example/"},
    }
}


def test_the_merge_keeps_what_the_organisation_has_and_replaces_only_what_is_weaker(tree: Tree) -> None:
    tree.put(PATH, OWN)
    tree.enforce(plan("mail.example"))
    assert tree.policies() == {
        "DisableTelemetry": True,
        "WebsiteFilter": {
            "Block": ["*://*.games.example/*", "*://*.mail.example/*"],
            "Exceptions": ["*://chess.games.example/*"],
        },
        "DNSOverHTTPS": {"Enabled": False, "ProviderURL": "https://dns.corp.example/", "Locked": True},
        "AllowedDomainsForApps": "corp.example",
        "Preferences": firefox.NO_SPECULATION,
    }
    assert {state for state, _ in tree.verdicts(plan("mail.example")).values()} == {"compliant"}


def test_a_stricter_setting_of_the_organisation_stays(tree: Tree) -> None:
    strict = {
        "DNSOverHTTPS": {"Enabled": False, "Locked": True, "Fallback": False},
        "AllowedDomainsForApps": "CORP.example",
    }
    tree.put(PATH, {"policies": strict})
    tree.enforce(plan("mail.example"))
    assert {name: tree.policies()[name] for name in strict} == strict


def test_lift_gives_back_every_byte_and_the_mode(tree: Tree) -> None:
    original = tree.put(PATH, b'{ "policies":\t{"DisableTelemetry" : true} }\r\n\n')
    (tree.root / PATH).chmod(0o640)
    tree.enforce(plan("mail.example"))
    assert (tree.root / PATH).stat().st_mode & 0o777 == 0o644
    assert (
        tree.root / "var/lib/proscribe/browser/etc-firefox-policies-policies.json.original"
    ).stat().st_mode & 0o77 == 0
    tree.lift()
    assert tree.read() == original
    assert (tree.root / PATH).stat().st_mode & 0o777 == 0o640


def test_where_there_was_nothing_nothing_is_left(tree: Tree) -> None:
    tree.enforce(plan("mail.example"))
    tree.lift()
    assert sorted(str(path.relative_to(tree.root)) for path in tree.root.rglob("*")) == ["etc", "var", "var/lib"]


def test_an_edit_of_the_merged_file_survives_the_next_run_and_the_lift(tree: Tree) -> None:
    tree.put(PATH, OWN)
    tree.enforce(plan("mail.example"))
    merged = tree.policies()["WebsiteFilter"]
    block = [entry for entry in merged["Block"] if "games" not in entry] + ["*://*.shop.example/*"]
    tree.edit(DisableTelemetry=False, NewSetting=1, WebsiteFilter={**merged, "Block": block})
    tree.enforce(plan("mail.example", "chat.example"))
    now = tree.policies()
    assert (now["DisableTelemetry"], now["NewSetting"]) == (False, 1)
    assert now["WebsiteFilter"]["Block"] == ["*://*.shop.example/*", "*://*.chat.example/*", "*://*.mail.example/*"]
    tree.lift()
    assert tree.policies() == {
        "DisableTelemetry": False,
        "NewSetting": 1,
        "WebsiteFilter": {"Block": ["*://*.shop.example/*"], "Exceptions": ["*://chess.games.example/*"]},
        "DNSOverHTTPS": {"Enabled": True, "ProviderURL": "https://dns.corp.example/"},
    }


def test_an_edit_is_kept_when_the_lift_comes_right_after_it(tree: Tree) -> None:
    tree.put(PATH, OWN)
    tree.enforce(plan("mail.example"))
    tree.edit(NewSetting=1)
    tree.lift()
    assert tree.policies() == {**OWN["policies"], "NewSetting": 1}


def test_an_edit_of_proscribes_file_becomes_the_organisations_file(tree: Tree) -> None:
    tree.enforce(plan("mail.example"))
    tree.edit(NewSetting=1)
    assert tree.verdicts(plan("mail.example"))["policy-file"][0] == "compliant"
    tree.enforce(plan("chat.example"))
    assert tree.policies()["WebsiteFilter"] == {"Block": ["*://*.chat.example/*"]}
    tree.lift()
    assert json.loads(tree.read() or b"") == {"policies": {"NewSetting": 1}}


def test_another_spelling_of_the_same_is_no_edit(tree: Tree) -> None:
    original = tree.put(PATH, OWN)
    tree.enforce(plan("mail.example"))
    tree.put(PATH, json.dumps(json.loads(tree.read() or b""), indent=8, sort_keys=True).encode())
    tree.enforce(plan("mail.example"))
    tree.lift()
    assert tree.read() == original


def test_a_file_that_replaces_the_merged_one_is_the_new_original(tree: Tree) -> None:
    tree.put(PATH, OWN)
    tree.enforce(plan("mail.example"))
    replaced = tree.put(PATH, b'{"policies": {"DisableTelemetry": false}}')
    verdicts = tree.verdicts(plan("mail.example"))
    assert verdicts["service"][0] == "noncompliant"
    assert verdicts["policy-file"][1] == ["it is the organisation's alone"]
    tree.enforce(plan("mail.example"))
    tree.lift()
    assert tree.read() == replaced


def test_a_replaced_file_stays_when_the_lift_comes_right_after_it(tree: Tree) -> None:
    tree.put(PATH, OWN)
    tree.enforce(plan("mail.example"))
    replaced = tree.put(PATH, b"{}")
    tree.lift()
    assert tree.read() == replaced


@pytest.mark.parametrize("left", [None, b"", b'{"proscribe": "', b"  \n"])
def test_what_somebody_left_of_the_merged_file_is_written_anew_with_the_organisations_part(
    tree: Tree, left: bytes | None
) -> None:
    original = tree.put(PATH, OWN)
    tree.enforce(plan("mail.example"))
    merged = tree.read() or b""
    if left is None:
        (tree.root / PATH).unlink()
    else:
        tree.put(PATH, left if not left.startswith(b"{") else merged[:-40])
    assert tree.verdicts(plan("mail.example"))["service"][0] == "noncompliant"
    tree.enforce(plan("mail.example"))
    assert tree.read() == merged
    tree.lift()
    assert tree.read() == original


def test_an_empty_file_of_the_organisation_is_given_back_empty(tree: Tree) -> None:
    tree.put(PATH, b"")
    tree.enforce(plan("mail.example"))
    tree.lift()
    assert tree.read() == b""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"policies": {"A": 1,}}', "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (b'{"policies": {"A": NaN}}', "not valid JSON"),
        (b'{"policies": {"A": 1e999}}', "not valid JSON"),
        (b"[]", "not an object"),
        (b'{"policies": []}', 'its "policies" is not an object'),
        (b"[" * 100000, "not valid JSON"),
    ],
)
def test_a_broken_file_of_the_organisation_is_reported_and_not_touched(tree: Tree, content: bytes, reason: str) -> None:
    original = tree.put(PATH, content)
    state, details = tree.verdicts(plan("mail.example"))["policy-file"]
    assert state == "noncompliant"
    assert reason in details[0]
    assert tree.verdicts(plan("mail.example"))["service"][0] == "noncompliant"
    assert tree.verdicts(plan("mail.example"))["dns-over-https"][0] == "noncompliant"
    refused = tree.enforce(plan("mail.example"))
    assert len(refused) == 1
    assert reason in refused[0]
    assert tree.read() == original
    tree.lift()
    assert tree.read() == original


def test_a_link_is_left_alone(tree: Tree) -> None:
    tree.put("etc/organisation.json", OWN)
    (tree.root / "etc/firefox/policies").mkdir(parents=True)
    (tree.root / PATH).symlink_to("../../organisation.json")
    assert "a link is in its place" in tree.enforce(plan("mail.example"))[0]
    assert tree.verdicts(plan("mail.example"))["service"][0] == "noncompliant"
    tree.lift()
    assert (tree.root / PATH).is_symlink()


def test_the_policies_of_the_installation_are_not_hidden(tree: Tree) -> None:
    tree.put(INSTALLED, {"policies": {"DisableAppUpdate": True}})
    tree.enforce(plan("mail.example"))
    assert tree.policies()["DisableAppUpdate"] is True
    tree.put(INSTALLED, {"policies": {"DisableAppUpdate": False}})
    assert tree.verdicts(plan("mail.example"))["policy-file"] == (
        "noncompliant",
        ["not as the plan has it: DisableAppUpdate"],
    )
    tree.enforce(plan("mail.example"))
    assert tree.policies()["DisableAppUpdate"] is False
    tree.lift()
    assert tree.read() is None


def test_policies_of_an_installation_that_comes_later_are_taken_in(tree: Tree) -> None:
    tree.enforce(plan("mail.example"))
    tree.put(INSTALLED, {"policies": {"DisableAppUpdate": True}})
    assert tree.verdicts(plan("mail.example"))["policy-file"][0] == "noncompliant"
    tree.enforce(plan("mail.example"))
    assert tree.policies()["DisableAppUpdate"] is True


def test_an_edit_on_top_of_the_installations_policies_keeps_both(tree: Tree) -> None:
    tree.put(INSTALLED, {"policies": {"DisableAppUpdate": True}})
    tree.enforce(plan("mail.example"))
    tree.edit(NewSetting=1)
    tree.lift()
    assert tree.policies() == {"DisableAppUpdate": True, "NewSetting": 1}


def test_an_exception_of_the_organisation_that_opens_what_is_restricted_is_found_and_kept(tree: Tree) -> None:
    tree.put(PATH, {"policies": {"WebsiteFilter": {"Block": ["<all_urls>"], "Exceptions": ["*://*.example/*"]}}})
    tree.enforce(plan("mail.example"))
    assert tree.policies()["WebsiteFilter"]["Exceptions"] == ["*://*.example/*"]
    assert tree.verdicts(plan("mail.example"))["service"][0] == "noncompliant"


def test_the_organisations_own_block_of_everything_is_not_opened(tree: Tree) -> None:
    tree.put(PATH, {"policies": {"WebsiteFilter": {"Block": ["<all_urls>"], "Exceptions": ["*://*.corp.example/*"]}}})
    of = plan("mail.example", allow=["ok.mail.example"])
    tree.enforce(of)
    assert tree.policies()["WebsiteFilter"]["Exceptions"] == ["*://*.corp.example/*"]
    assert {state for state, _ in tree.verdicts(of).values()} == {"compliant"}


def test_more_than_firefox_takes_is_reported(tree: Tree) -> None:
    own = [f"*://*.host{number}.example/*" for number in range(1000)]
    tree.put(PATH, {"policies": {"WebsiteFilter": {"Block": own}}})
    tree.enforce(plan("mail.example"))
    verdicts = tree.verdicts(plan("mail.example"))
    assert verdicts["policy-file"][1] == [
        "1001 entries in WebsiteFilter, 1000 of them the organisation's; Firefox takes 1000, doubles counted (1001"
        " are distinct): shorten the organisation's, or restrict fewer services"
    ]
    assert verdicts["service"][0] == "noncompliant"


def test_a_plan_with_nothing_to_say_any_more_gives_the_file_back(tree: Tree) -> None:
    original = tree.put(PATH, OWN)
    tree.enforce(plan("mail.example"))
    nothing = plan()
    nothing["controls"]["browser"]["settings"] = {}
    assert tree.verdicts(nothing)["policy-file"][0] == "noncompliant"
    tree.enforce(nothing)
    assert tree.read() == original
    assert tree.verdicts(nothing)["policy-file"][0] == "not_applicable"


def test_an_ordinary_user_sees_the_effect_but_not_whose_is_what(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.put(PATH, OWN)
    tree.enforce(plan("mail.example"))
    read = tree.host.read

    def as_user(path: str, *limit: int) -> bytes | None:
        if path.startswith("/var/lib/proscribe/"):
            raise Unseen(f"{path} can only be read by root")
        return read(path, *limit)

    monkeypatch.setattr(tree.host, "read", as_user)
    states = {rule: state for rule, (state, _) in tree.verdicts(plan("mail.example")).items()}
    assert states == {
        "service": "compliant",
        "dns-over-https": "compliant",
        "google-tenants": "compliant",
        "running": "compliant",
        "packaged": "compliant",
        "policy-file": "unknown",
    }
    assert tree.verdicts(plan("chat.example"))["service"][0] == "noncompliant"


def test_a_lost_note_does_not_lose_the_organisations_file(tree: Tree) -> None:
    original = tree.put(PATH, OWN)
    tree.enforce(plan("mail.example"))
    (tree.root / "var/lib/proscribe/browser/etc-firefox-policies-policies.json.note").write_text("{")
    tree.lift()
    assert tree.read() == original


# -- at random --------------------------------------------------------------------------------------------------------

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
)
PATTERNS = st.sampled_from(["*://*.a.example/*", "*://*.b.example/*", "*://*.mail.example/*", "<all_urls>", "nonsense"])
FILTERS = st.fixed_dictionaries(
    {}, optional={"Block": st.lists(PATTERNS, max_size=3), "Exceptions": st.lists(PATTERNS, max_size=2)}
)
POLICIES = st.dictionaries(st.sampled_from(["A", "B", "C"]), VALUES, max_size=3).flatmap(
    lambda rest: st.fixed_dictionaries(
        {},
        optional={
            "WebsiteFilter": FILTERS | VALUES,
            "DNSOverHTTPS": st.dictionaries(st.sampled_from(["Enabled", "Locked"]), st.booleans()) | VALUES,
            "AllowedDomainsForApps": st.sampled_from(["corp.example", "corp.example,consumer_accounts"]) | VALUES,
        },
    ).map(lambda managed: {**rest, **managed})
)
DOCUMENTS = st.fixed_dictionaries({}, optional={"policies": POLICIES, "other": VALUES})
FILES = st.builds(
    lambda document, indent: json.dumps(document, indent=indent).encode(), DOCUMENTS, st.sampled_from([None, 1, 7])
)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


def fresh(place: Path) -> Tree:
    shutil.rmtree(place)
    place.mkdir()
    return Tree(place)


@pytest.mark.slow
@given(original=FILES)
@examples(60)
def test_lift_after_enforce_is_the_original_whatever_it_was(place: Path, original: bytes) -> None:
    tree = fresh(place)
    tree.put(PATH, original)
    tree.enforce(plan("mail.example", "b.example"))
    tree.enforce(plan("mail.example"))
    tree.lift()
    assert tree.read() == original


@given(base=DOCUMENTS, ours=st.lists(PATTERNS, min_size=1, max_size=2, unique=True), later=POLICIES)
def test_taking_out_undoes_the_merge_and_nothing_but_the_merge(
    base: dict[str, Any], ours: list[str], later: dict[str, Any]
) -> None:
    part = {"WebsiteFilter": {"Block": ours}, "DNSOverHTTPS": {}, "AllowedDomainsForApps": "corp.example"}
    merged = firefox_merge.merge(base, part)
    assert firefox_merge.same(firefox_merge.without_ours(merged, base, [merged]), base)
    edits = {key: value for key, value in later.items() if key in ("A", "B", "C")}
    edited = {**merged, "policies": {**merged["policies"], **edits}}
    expected = {**base, "policies": {**base.get("policies", {}), **edits}} if edits else base
    assert firefox_merge.same(firefox_merge.without_ours(edited, base, [merged]), expected)


@pytest.mark.parametrize("survived", range(5))
def test_a_kill_between_any_two_writes_loses_nothing(
    tree: Tree, survived: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.put(PATH, OWN)
    tree.enforce(plan("mail.example"))
    tree.edit(NewSetting=1)
    write, left = tree.host.write, [survived]

    def dying(path: str, content: bytes | str, mode: int = 0o644) -> None:
        if not left[0]:
            raise ControlError("killed")
        left[0] -= 1
        write(path, content, mode)

    with monkeypatch.context() as patch:
        patch.setattr(tree.host, "write", dying)
        for action in browser.enforce(tree.host, plan("chat.example")).actions[2:]:
            if survived < 4:
                with pytest.raises(ControlError):
                    action.apply()
            else:
                action.apply()
    tree.enforce(plan("chat.example"))
    assert "*://*.mail.example/*" not in tree.policies()["WebsiteFilter"]["Block"]
    tree.lift()
    assert tree.policies() == {**OWN["policies"], "NewSetting": 1}
