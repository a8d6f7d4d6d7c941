"""The organisation's own Firefox policies: merged into, given back byte for byte, later edits and all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import made_browser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_browser import section
from made_places import BROWSERS
from properties import examples
from proscribe.host.controls import browser
from proscribe.host.controls.base import Changes
from proscribe.host.controls.browser import firefox, firefox_merge
from proscribe.host.controls.browser.rendering import Name, Rules
from proscribe.host.system import ControlError, Unseen

PATH = "etc/firefox/policies/policies.json"
INSTALLED = "usr/lib/firefox-esr/distribution/policies.json"


def plan(*domains: str, **entry: Any) -> dict[str, Any]:
    service = {"domains": list(domains), **entry}
    settings = {"browsers": {"dns_over_https": "blocked"}, "tenants": {"google": ["corp.example"]}}
    return {"browsers": BROWSERS, "controls": {"browser": section({"service": service}, **settings)}}


class Tree(made_browser.Tree):
    """A made host, whose plan restricts mail.example."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, plan("mail.example")["controls"]["browser"])

    def content(self) -> bytes | None:
        return self.host.read(f"/{PATH}")

    def policies(self) -> dict[str, Any]:
        return dict(self.read(PATH)["policies"])

    def edit(self, **policies: Any) -> None:
        self.put(PATH, {**self.read(PATH), "policies": {**self.policies(), **policies}})

    def enforce(self, of: dict[str, Any] | None = None) -> Changes:
        changes = super().enforce(of)
        assert browser.enforce(self.host, of or self.plan).actions == []
        return changes

    def lift(self) -> None:
        super().lift()
        assert browser.lift(self.host, self.plan).actions == []
        assert not (self.root / "var/lib/proscribe/browser").exists()

    def details(self, rule: str) -> list[str]:
        verdict = self.verdicts()[rule]
        assert verdict.state == "noncompliant"
        return [finding.detail for finding in verdict.findings if finding.manager == "firefox"]


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
    tree.enforce()
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
    assert tree.states() == {"compliant"}


def test_a_stricter_setting_of_the_organisation_stays(tree: Tree) -> None:
    strict = {
        "DNSOverHTTPS": {"Enabled": False, "Locked": True, "Fallback": False},
        "AllowedDomainsForApps": "CORP.example",
    }
    tree.put(PATH, {"policies": strict})
    tree.enforce()
    assert {name: tree.policies()[name] for name in strict} == strict


STATE = "var/lib/proscribe/browser/etc-firefox-policies-policies.json"


@pytest.mark.parametrize("original", [b'{ "policies":\t{"DisableTelemetry" : true} }\r\n\n', b""])
def test_lift_gives_back_every_byte_and_the_mode(tree: Tree, original: bytes) -> None:
    tree.put(PATH, original, 0o640)
    tree.enforce()
    assert (tree.root / PATH).stat().st_mode & 0o777 == 0o644
    assert (tree.root / f"{STATE}.original").stat().st_mode & 0o77 == 0
    tree.lift()
    assert tree.content() == original
    assert (tree.root / PATH).stat().st_mode & 0o777 == 0o640


def test_where_there_was_nothing_nothing_is_left(tree: Tree) -> None:
    tree.enforce()
    tree.lift()
    assert sorted(str(path.relative_to(tree.root)) for path in tree.root.rglob("*")) == ["etc", "var", "var/lib"]


def test_an_edit_of_the_merged_file_survives_the_next_run_and_the_lift(tree: Tree) -> None:
    tree.put(PATH, OWN)
    tree.enforce()
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
    tree.enforce()
    tree.edit(NewSetting=1)
    tree.lift()
    assert tree.policies() == {**OWN["policies"], "NewSetting": 1}


def test_an_edit_of_proscribes_file_becomes_the_organisations_file(tree: Tree) -> None:
    tree.enforce()
    tree.edit(NewSetting=1)
    assert tree.verdicts()["policy-file"].state == "compliant"
    tree.enforce(plan("chat.example"))
    assert tree.policies()["WebsiteFilter"] == {"Block": ["*://*.chat.example/*"]}
    tree.lift()
    assert tree.read(PATH) == {"policies": {"NewSetting": 1}}


def test_another_spelling_of_the_same_is_no_edit(tree: Tree) -> None:
    original = tree.put(PATH, OWN)
    tree.enforce()
    tree.put(PATH, json.dumps(tree.read(PATH), indent=8, sort_keys=True).encode())
    tree.enforce()
    tree.lift()
    assert tree.content() == original


def test_a_file_that_replaces_the_merged_one_is_the_new_original(tree: Tree) -> None:
    tree.put(PATH, OWN)
    tree.enforce()
    replaced = tree.put(PATH, b'{"policies": {"DisableTelemetry": false}}')
    assert tree.verdicts()["service"].state == "noncompliant"
    assert tree.details("policy-file") == ["it is the organisation's alone"]
    tree.enforce()
    tree.lift()
    assert tree.content() == replaced


def test_a_replaced_file_stays_when_the_lift_comes_right_after_it(tree: Tree) -> None:
    tree.put(PATH, OWN)
    tree.enforce()
    replaced = tree.put(PATH, b"{}")
    tree.lift()
    assert tree.content() == replaced


@pytest.mark.parametrize("left", [None, b"", b'{"proscribe": "', b"  \n"])
def test_what_somebody_left_of_the_merged_file_is_written_anew_with_the_organisations_part(
    tree: Tree, left: bytes | None
) -> None:
    original = tree.put(PATH, OWN)
    tree.enforce()
    merged = tree.content() or b""
    if left is None:
        (tree.root / PATH).unlink()
    else:
        tree.put(PATH, left if not left.startswith(b"{") else merged[:-40])
    assert tree.verdicts()["service"].state == "noncompliant"
    tree.enforce()
    assert tree.content() == merged
    tree.lift()
    assert tree.content() == original


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
    verdicts = tree.verdicts()
    assert {verdicts[rule].state for rule in ("policy-file", "service", "dns-over-https")} == {"noncompliant"}
    assert reason in tree.details("policy-file")[0]
    (refusal,) = tree.enforce().refused
    assert reason in refusal.reason
    assert tree.content() == original
    tree.lift()
    assert tree.content() == original


def test_a_link_is_left_alone(tree: Tree) -> None:
    tree.put("etc/organisation.json", OWN)
    (tree.root / "etc/firefox/policies").mkdir(parents=True)
    (tree.root / PATH).symlink_to("../../organisation.json")
    assert "a link is in its place" in tree.enforce().refused[0].reason
    assert tree.verdicts()["service"].state == "noncompliant"
    tree.lift()
    assert (tree.root / PATH).is_symlink()


def test_the_policies_of_the_installation_are_not_hidden(tree: Tree) -> None:
    tree.put(INSTALLED, {"policies": {"DisableAppUpdate": True}})
    tree.enforce()
    assert tree.policies()["DisableAppUpdate"] is True
    tree.put(INSTALLED, {"policies": {"DisableAppUpdate": False}})
    assert tree.details("policy-file") == ["not as the plan has it: DisableAppUpdate is true instead of false"]
    tree.enforce()
    assert tree.policies()["DisableAppUpdate"] is False
    tree.lift()
    assert tree.content() is None


def test_policies_of_an_installation_that_comes_later_are_taken_in(tree: Tree) -> None:
    tree.enforce()
    tree.put(INSTALLED, {"policies": {"DisableAppUpdate": True}})
    assert tree.verdicts()["policy-file"].state == "noncompliant"
    tree.enforce()
    assert tree.policies()["DisableAppUpdate"] is True


def test_an_edit_on_top_of_the_installations_policies_keeps_both(tree: Tree) -> None:
    tree.put(INSTALLED, {"policies": {"DisableAppUpdate": True}})
    tree.enforce()
    tree.edit(NewSetting=1)
    tree.lift()
    assert tree.policies() == {"DisableAppUpdate": True, "NewSetting": 1}


def test_the_organisations_own_block_of_everything_is_not_opened(tree: Tree) -> None:
    tree.put(PATH, {"policies": {"WebsiteFilter": {"Block": ["<all_urls>"], "Exceptions": ["*://*.corp.example/*"]}}})
    of = plan("mail.example", allow=["ok.mail.example"])
    tree.enforce(of)
    assert tree.policies()["WebsiteFilter"]["Exceptions"] == ["*://*.corp.example/*"]
    assert tree.states(of) == {"compliant"}


def test_more_than_firefox_takes_is_reported(tree: Tree) -> None:
    own = [f"*://*.host{number}.example/*" for number in range(1000)]
    tree.put(PATH, {"policies": {"WebsiteFilter": {"Block": own}}})
    tree.enforce()
    assert tree.details("policy-file") == [
        "1001 entries in WebsiteFilter, 1000 of them the organisation's; Firefox takes 1000, doubles counted (1001"
        " are distinct): shorten the organisation's, or restrict fewer services"
    ]
    assert tree.verdicts()["service"].state == "noncompliant"


def test_a_plan_with_nothing_to_say_any_more_gives_the_file_back(tree: Tree) -> None:
    original = tree.put(PATH, OWN)
    tree.enforce()
    nothing = plan()
    nothing["controls"]["browser"]["settings"] = {}
    assert tree.verdicts(nothing)["policy-file"].state == "noncompliant"
    tree.enforce(nothing)
    assert tree.content() == original
    assert tree.verdicts(nothing)["policy-file"].state == "not_applicable"


def test_an_ordinary_user_sees_the_effect_but_not_whose_is_what(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.put(PATH, OWN)
    tree.enforce()
    read = tree.host.read

    def as_user(path: str, *limit: int) -> bytes | None:
        if path.startswith("/var/lib/proscribe/"):
            raise Unseen(f"{path} can only be read by root")
        return read(path, *limit)

    monkeypatch.setattr(tree.host, "read", as_user)
    assert {rule: verdict.state for rule, verdict in tree.verdicts().items()} == {
        "service": "compliant",
        "dns-over-https": "compliant",
        "google-tenants": "compliant",
        "running": "compliant",
        "packaged": "compliant",
        "policy-file": "unknown",
    }
    assert tree.verdicts(plan("chat.example"))["service"].state == "noncompliant"


def test_a_lost_note_does_not_lose_the_organisations_file(tree: Tree) -> None:
    original = tree.put(PATH, OWN)
    tree.enforce()
    (tree.root / f"{STATE}.note").write_text("{")
    tree.lift()
    assert tree.content() == original


# -- the link to a page for requests, for which Firefox has one place: the menu Help -----------------------------------

URL = "https://help.example.org/ask"
MENU = {"Title": "Request an exception", "URL": URL}


def said(**rules: Any) -> dict[str, Any]:
    made = Rules(block=(Name("parrot.example"),), **rules)
    place: Any = None  # no setting is managed, so none is about a place
    return firefox.policies(made, place, firefox.lists(made))


@pytest.mark.parametrize(("url", "expected"), [(URL, MENU), ("", None)])
def test_it_is_there_where_the_organisation_has_a_page(url: str, expected: Any) -> None:
    assert said(request_url=url).get("SupportMenu") == expected


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        ({}, MENU),
        ({"SupportMenu": {}}, MENU),
        ({"SupportMenu": {"Title": "Ours", "URL": "https://x"}}, {"Title": "Ours", "URL": "https://x"}),
    ],
)
def test_an_entry_of_the_organisations_own_stays(theirs: dict[str, Any], expected: Any) -> None:
    merged = firefox_merge.merge({"policies": theirs}, said(request_url=URL))
    assert merged["policies"]["SupportMenu"] == expected


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
    tree.enforce()
    tree.lift()
    assert tree.content() == original


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
    tree.enforce()
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


@pytest.mark.parametrize("original", [OWN, None], ids=["merged", "Proscribe's alone"])
def test_lift_after_somebody_deleted_the_file_is_the_original(tree: Tree, original: object) -> None:
    before = tree.put(PATH, original) if original else None
    tree.enforce()
    (tree.root / PATH).unlink()
    tree.lift()
    assert tree.content() == before
