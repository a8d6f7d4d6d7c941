"""Chromium's folder of policies: what is said of it, what is corrected in it, and whose files stay."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from made_places import BROWSERS
from proscribe.controls import browser
from proscribe.controls.browser import lenient, matching
from proscribe.controls.browser.rendering import Name
from proscribe.finding import Verdict
from proscribe.host import Host

FOLDER = "etc/chromium/policies/managed"
OWN = FOLDER + "/proscribe.json"

SERVICES = {
    "mail": {"name": "Mail", "mode": "enforce", "domains": ["mail.example", "m.example"], "allow": ["ok.mail.example"]},
    "drive": {"name": "Drive", "mode": "enforce", "urls": ["site.example/drive"]},
    "chat": {"name": "Chat", "mode": "waived", "waiver": "w1", "domains": ["chat.mail.example"]},
    "next": {"name": "Next", "mode": "upcoming", "effective_from": "2030-01-01", "domains": ["next.example"]},
}


def plan(mode: str = "enforce", **settings: Any) -> dict[str, Any]:
    services = {
        id_: {**entry, "mode": mode if entry["mode"] == "enforce" else entry["mode"]} for id_, entry in SERVICES.items()
    }
    section = {"mode": mode, "services": services, "settings": {"browsers": {"dns_over_https": "blocked"}, **settings}}
    return {"browsers": BROWSERS, "controls": {"browser": section}}


class Tree:
    """A made host on which the ban is enforced."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.host = Host(str(root))
        (root / "etc").mkdir()
        (root / "var/lib").mkdir(parents=True)
        self.enforce()

    def enforce(self, of: dict[str, Any] | None = None) -> tuple[list[str], list[str]]:
        changes = browser.enforce(self.host, of or plan())
        for action in changes.actions:
            action.apply()
        return [str(action) for action in changes.actions], [refusal.reason for refusal in changes.refused]

    def put(self, name: str, document: Any, mode: int = 0o644) -> Path:
        file = self.root / FOLDER / name
        file.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
        file.chmod(mode)
        return file

    def verdicts(self, of: dict[str, Any] | None = None) -> dict[str, Verdict]:
        return {v.rule.partition("/")[2]: v for v in browser.observe(self.host, of or plan())}

    def wrong(self) -> dict[str, str]:
        """What is said against each rule that does not hold, of Chromium alone."""
        return {
            rule: f"{finding.id}: {finding.detail}"
            for rule, verdict in self.verdicts().items()
            if verdict.state == "noncompliant"
            for finding in verdict.findings
            if finding.manager.split(",")[0] == "chromium"
        }

    def snapshot(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in self.root.rglob("*") if path.is_file()}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tmp_path.chmod(0o755)
    return Tree(tmp_path)


def test_an_enforced_host_complies_and_is_not_changed_again(tree: Tree) -> None:
    states = {rule: verdict.state for rule, verdict in tree.verdicts().items()}
    assert states == {
        "mail": "compliant",
        "drive": "compliant",
        "chat": "waived",
        "next": "not_applicable",
        "dns-over-https": "compliant",
        "running": "compliant",
        "packaged": "compliant",
        "policy-file": "compliant",
    }
    assert tree.verdicts()["chat"].waiver == "w1"
    assert tree.enforce() == ([], [])


def test_observe_writes_nothing(tree: Tree) -> None:
    before = tree.snapshot()
    tree.put("10-foreign.json", {"URLBlocklist": ["a.example"]})
    tree.verdicts()
    del before[str(tree.root / OWN)], before[str(tree.root / "etc/firefox/policies/policies.json")]
    (tree.root / OWN).unlink()
    (tree.root / "etc/firefox/policies/policies.json").unlink()
    tree.verdicts()
    (tree.root / FOLDER / "10-foreign.json").unlink()
    assert tree.snapshot() == before


def test_what_all_browsers_lack_for_one_reason_is_one_short_finding(tree: Tree) -> None:
    for action in browser.lift(tree.host, plan()).actions:
        action.apply()
    verdicts = tree.verdicts()
    assert [f.manager for f in verdicts["mail"].findings] == ["chromium,google_chrome,firefox"]
    assert tree.wrong() == {
        "mail": "m.example: and 1 more: no policy file",
        "drive": "site.example/drive: no policy file",
        "dns-over-https": "dns-over-https: no policy file",
        "policy-file": "proscribe.json: no policy file",
    }
    assert all(verdict.drifted for verdict in verdicts.values() if verdict.state == "noncompliant")


def test_a_control_that_only_audits_has_not_drifted(tree: Tree) -> None:
    (tree.root / OWN).unlink()
    assert not tree.verdicts(plan("audit"))["mail"].drifted


def tamper_mode(tree: Tree) -> None:
    (tree.root / OWN).chmod(0o600)


def tamper_json(tree: Tree) -> None:
    (tree.root / OWN).write_text("{")


def tamper_key(tree: Tree) -> None:
    document = json.loads((tree.root / OWN).read_text())
    tree.put("proscribe.json", {key.lower(): value for key, value in document.items()})


def tamper_type(tree: Tree) -> None:
    tree.put("proscribe.json", {**json.loads((tree.root / OWN).read_text()), "URLBlocklist": "mail.example"})


def tamper_entry(tree: Tree) -> None:
    tree.put(
        "proscribe.json",
        {**json.loads((tree.root / OWN).read_text()), "URLBlocklist": ["m.example", "site.example/drive"]},
    )


def tamper_more(tree: Tree) -> None:
    document = json.loads((tree.root / OWN).read_text())
    tree.put("proscribe.json", {**document, "URLBlocklist": [*document["URLBlocklist"], "chat.mail.example"]})


def tamper_link(tree: Tree) -> None:
    (tree.root / OWN).rename(tree.root / "etc/elsewhere.json")
    (tree.root / OWN).symlink_to("../../../elsewhere.json")


@pytest.mark.parametrize(
    ("tamper", "wrong"),
    [
        (
            tamper_mode,
            {
                "mail": "mode 600",
                "drive": "mode 600",
                "dns-over-https": "mode 600",
                "policy-file": "mode 600",
            },
        ),
        (
            tamper_json,
            {"mail": "not valid JSON", "drive": "", "dns-over-https": "not valid JSON", "policy-file": "not valid"},
        ),
        (tamper_key, {"mail": "", "drive": "", "dns-over-https": "is not set", "policy-file": "URLBlocklist"}),
        (tamper_type, {"mail": "", "drive": "", "policy-file": "not as the plan has it: URLBlocklist"}),
        (tamper_entry, {"mail": "mail.example: ", "policy-file": "not as the plan has it: URLBlocklist"}),
        (tamper_more, {"policy-file": "not as the plan has it: URLBlocklist"}),
        (tamper_link, {"policy-file": "a link is in its place"}),
    ],
)
def test_what_was_tampered_with_is_said_and_put_right(tree: Tree, tamper: Any, wrong: dict[str, str]) -> None:
    before = (tree.root / OWN).read_bytes()
    tamper(tree)
    found = tree.wrong()
    assert found.keys() == wrong.keys()
    assert [rule for rule, part in wrong.items() if part not in found[rule]] == [], found
    assert tree.enforce() == ([f"write /{OWN}"], [])
    assert tree.wrong() == {}
    assert (tree.root / OWN).read_bytes() == before
    assert not (tree.root / OWN).is_symlink()


@pytest.mark.parametrize(("mode", "said"), [(0o777, "can be changed by others"), (0o700, "cannot be read by users")])
def test_the_rights_on_a_directory_are_reported_and_left_to_its_owner(tree: Tree, mode: int, said: str) -> None:
    (tree.root / FOLDER).chmod(mode)
    assert said in tree.wrong()["policy-file"]
    assert ("mail" in tree.wrong()) == (mode == 0o700)
    actions, refused = tree.enforce()
    assert actions == []
    assert said in refused[0]


FOREIGN_LISTS = {"URLBlocklist": ["games.example"], "URLAllowlist": ["chess.games.example"]}


@pytest.mark.parametrize("name", ["10-organisation.json", "zz-organisation.json", ".hidden", "no-suffix"])
def test_lists_of_the_organisation_stay_and_count(tree: Tree, name: str) -> None:
    file = tree.put(name, FOREIGN_LISTS)
    assert tree.wrong() == {}
    assert tree.enforce() == ([], [])
    for action in browser.lift(tree.host, plan()).actions:
        action.apply()
    assert json.loads(file.read_text()) == FOREIGN_LISTS


def test_a_later_file_that_joins_other_lists_takes_the_effect_away(tree: Tree) -> None:
    tree.put(
        "zz-organisation.json", {**FOREIGN_LISTS, "PolicyListMultipleSourceMergeList": ["ExtensionInstallBlocklist"]}
    )
    said = (
        "zz-organisation.json sets PolicyListMultipleSourceMergeList without URLAllowlist, URLBlocklist,"
        " after proscribe.json"
    )
    wrong = tree.wrong()
    assert said in wrong["mail"]
    assert said in wrong["policy-file"]
    actions, refused = tree.enforce()
    assert actions == [f"write /{OWN}"]  # the list that the organisation wants joined is named in Proscribe's file too
    assert refused == [said]


def test_an_earlier_file_keeps_the_lists_that_it_wants_joined(tree: Tree) -> None:
    tree.put(
        "10-organisation.json", {"PolicyListMultipleSourceMergeList": ["ExtensionInstallBlocklist", "URLBlocklist"]}
    )
    tree.enforce()
    assert json.loads((tree.root / OWN).read_text())["PolicyListMultipleSourceMergeList"] == [
        "ExtensionInstallBlocklist",
        "URLAllowlist",
        "URLBlocklist",
    ]
    assert tree.wrong() == {}


def test_an_earlier_file_is_overridden_and_a_later_one_overrides(tree: Tree) -> None:
    tree.put("10-organisation.json", {"DnsOverHttpsMode": "automatic"})
    assert tree.wrong() == {}
    tree.put("zz-organisation.json", {"DnsOverHttpsMode": "automatic"})
    assert tree.wrong() == {
        "dns-over-https": 'dns-over-https: zz-organisation.json sets DnsOverHttpsMode to "automatic"',
        "policy-file": "proscribe.json: zz-organisation.json overrides DnsOverHttpsMode of proscribe.json",
    }


def test_the_organisations_choice_of_prediction_is_left_to_it(tree: Tree) -> None:
    tree.put("10-organisation.json", {"NetworkPredictionOptions": 0})
    tree.enforce()
    assert "NetworkPredictionOptions" not in json.loads((tree.root / OWN).read_text())
    assert tree.wrong() == {}


@pytest.mark.parametrize(
    ("allowed", "wrong"),
    [
        ("mail.example", {"mail": "mail.example: "}),
        ("https://mail.example", {"mail": "mail.example: "}),
        (".mail.example", {"mail": "mail.example: "}),
        ("forms.mail.example", {"mail": "forms.mail.example: "}),
        ("site.example/drive/public", {"drive": "site.example/drive/public: "}),
        ("ok.mail.example", {}),
        ("deep.ok.mail.example", {}),
        ("example", {}),
        ("site.example", {}),
        ("*", {}),
        ("*.mail.example", {}),
    ],
)
def test_an_exception_of_the_organisation_that_opens_what_is_restricted(
    tree: Tree, allowed: str, wrong: dict[str, str]
) -> None:
    tree.put("10-organisation.json", {"URLAllowlist": [allowed]})
    file_name = f"10-organisation.json allows {allowed}"
    assert tree.wrong() == {rule: said + file_name for rule, said in wrong.items()}


def test_what_the_organisation_blocks_is_not_opened(tree: Tree) -> None:
    tree.put("10-organisation.json", {"URLBlocklist": ["*"], "URLAllowlist": ["corp.example"]})
    tree.enforce()
    assert json.loads((tree.root / OWN).read_text())["URLAllowlist"] == []
    assert tree.wrong() == {}


@pytest.mark.parametrize("name", ["proscribe.json.1234.2026-01-01@00:00:00~", ".proscribe.json.proscribe~", "zz.bak"])
def test_a_copy_of_the_file_is_reported_and_removed(tree: Tree, name: str) -> None:
    tree.put(name, (tree.root / OWN).read_bytes())
    assert tree.wrong() == {"policy-file": f"proscribe.json: {name} beside it is a copy of it, and counts"}
    assert tree.enforce() == ([f"delete /{FOLDER}/{name}"], [])
    tree.put(name, (tree.root / OWN).read_bytes())
    for action in browser.lift(tree.host, plan()).actions:
        action.apply()
    assert not (tree.root / "etc/chromium").exists()


def test_foreign_files_that_chromium_ignores_do_not_count(tree: Tree) -> None:
    tree.put("zz-broken.json", b"{")
    tree.put("zz-private.json", {"DnsOverHttpsMode": "automatic"}, mode=0o600)
    (tree.root / FOLDER / "zz-folder").mkdir()
    assert tree.wrong() == {}


def test_more_entries_than_a_browser_takes_with_the_organisations_are_reported(tree: Tree) -> None:
    tree.put("10-organisation.json", {"URLBlocklist": [f"host{number}.example" for number in range(1500)]})
    assert "1503 entries in URLBlocklist of all files together" in tree.wrong()["policy-file"]


def test_a_plan_with_nothing_to_say_takes_the_files_away(tree: Tree) -> None:
    nothing = plan("upcoming", browsers={})
    nothing["controls"]["browser"]["mode"] = "enforce"
    for entry in nothing["controls"]["browser"]["services"].values():
        entry.update(mode="upcoming", effective_from="2030-01-01")
    assert tree.verdicts(nothing)["policy-file"].state == "noncompliant"
    tree.enforce(nothing)
    assert sorted(str(path.relative_to(tree.root)) for path in tree.root.rglob("*")) == ["etc", "var", "var/lib"]
    assert {verdict.state for verdict in tree.verdicts(nothing).values()} == {"not_applicable"}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become an ordinary user")
def test_an_ordinary_user_sees_the_same() -> None:
    with tempfile.TemporaryDirectory() as directory:  # pytest's own are closed to other users
        os.chmod(directory, 0o755)
        assert seen_by_nobody(Tree(Path(directory)))


def seen_by_nobody(tree: Tree) -> bool:
    """Whether a user without any rights gets the same verdicts as root."""
    before = tree.verdicts()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setuid(65534)
            os.write(writer, b"same" if tree.verdicts() == before else b"different")
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as said:
        return said.read() == b"same"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2,], }', {"a": [1, 2]}),
        ('{"a": "x//y, ]" // comment\n /* another, } */ }', {"a": "x//y, ]"}),
        ('\ufeff{"a": "quote \\" // no comment"}', {"a": 'quote " // no comment'}),
    ],
)
def test_json_as_chromium_reads_it(text: str, value: Any) -> None:
    assert lenient.parse(text.encode()) == value


@pytest.mark.parametrize("text", [b"{", b"", b"\xff", b"[" * 100000])
def test_what_is_no_json_for_chromium_either(text: bytes) -> None:
    with pytest.raises(ValueError, match="."):
        lenient.parse(text)


@pytest.mark.parametrize(
    ("block", "allow", "address", "blocked"),
    [
        (["a.test"], [], ("x.a.test", ""), True),
        (["a.test"], [], ("xa.test", ""), False),
        ([".a.test"], [], ("a.test", ""), False),  # blocks the host alone, so not all of it
        (["https://a.test"], [], ("a.test", ""), False),
        (["a.test:8443"], [], ("a.test", ""), False),
        (["*"], [], ("a.test", ""), True),
        (["*"], ["a.test"], ("x.a.test", ""), False),
        (["a.test/Mail"], [], ("a.test", "/mail"), False),
        (["a.test/p"], ["a.test"], ("a.test", "/p/q"), True),
        (["a.test"], ["a.test"], ("a.test", ""), False),
        (["A.Test"], [], ("a.test", ""), True),
        ([17, None, {}], [], ("a.test", ""), False),
    ],
)
def test_what_chromium_makes_of_lists(
    block: list[Any], allow: list[Any], address: tuple[str, str], blocked: bool
) -> None:
    assert matching.Closest(block, allow).blocked(Name(*address)) is blocked


@pytest.mark.parametrize(
    ("block", "exceptions", "address", "blocked"),
    [
        (["*://*.a.test/*"], [], ("x.a.test", ""), True),
        (["*://*.a.test/*"], [], ("xa.test", ""), False),
        (["*://a.test/*"], [], ("a.test", ""), False),  # blocks the host alone, so not all of it
        (["a.test", "*.a.test", "*://*.a.test:80/*", 17], [], ("a.test", ""), False),
        (["<all_urls>"], [], ("a.test", ""), True),
        (["*://*/*"], ["*://*.a.test/*"], ("b.a.test", ""), False),
        (["*://*.b.a.test/*"], ["*://*.a.test/*"], ("b.a.test", ""), False),
        (["*://*.a.test/*"], ["*://a.test/*"], ("b.a.test", ""), True),
        (["*://*.a.test/Mail*"], [], ("a.test", "/mail"), True),
        (["*://*.a.test/*"], ["https://*.a.test/*"], ("a.test", ""), False),
        (["https://*.a.test/*"], [], ("a.test", ""), False),
    ],
)
def test_what_firefox_makes_of_lists(
    block: list[Any], exceptions: list[Any], address: tuple[str, str], blocked: bool
) -> None:
    assert matching.Unless(block, exceptions).blocked(Name(*address)) is blocked
