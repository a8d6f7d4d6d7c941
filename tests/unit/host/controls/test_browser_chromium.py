"""Chromium's folder of policies: what is said of it, what is corrected in it, and whose files stay."""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import made_browser
import pytest
from made_browser import section
from made_places import BROWSERS
from proscribe.host.controls.browser import chromium_json

FOLDER = "etc/chromium/policies/managed"
OWN = FOLDER + "/proscribe.json"
MERGE = "PolicyListMultipleSourceMergeList"

SERVICES = {
    "mail": {"domains": ["mail.example", "m.example"], "allow": ["ok.mail.example"]},
    "drive": {"urls": ["site.example/drive"]},
    "chat": {"mode": "waived", "waiver": "w1", "domains": ["chat.mail.example"]},
    "next": {"mode": "upcoming", "effective_from": "2030-01-01", "domains": ["next.example"]},
}
SECTION = section(SERVICES, browsers={"dns_over_https": "blocked"})


class Tree(made_browser.Tree):
    """A made host on which the ban is enforced."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, SECTION)
        self.enforce()

    def corrected(self) -> tuple[list[str], list[str]]:
        """What an enforcing run does, and what it refuses."""
        changes = self.enforce()
        return [str(action) for action in changes.actions], [refusal.reason for refusal in changes.refused]

    def beside(self, name: str, content: Any, mode: int = 0o644) -> None:
        """A file in the folder of Proscribe's own."""
        self.put(f"{FOLDER}/{name}", content, mode)

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
    assert tree.corrected() == ([], [])


def test_observe_writes_nothing(tree: Tree) -> None:
    before = tree.snapshot()
    tree.beside("10-foreign.json", {"URLBlocklist": ["a.example"]})
    tree.verdicts()
    del before[str(tree.root / OWN)], before[str(tree.root / "etc/firefox/policies/policies.json")]
    (tree.root / OWN).unlink()
    (tree.root / "etc/firefox/policies/policies.json").unlink()
    tree.verdicts()
    (tree.root / FOLDER / "10-foreign.json").unlink()
    assert tree.snapshot() == before


def test_what_all_browsers_lack_for_one_reason_is_one_short_finding(tree: Tree) -> None:
    tree.lift()
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
    services = {**SERVICES, "mail": {**SERVICES["mail"], "mode": "audit"}}
    audited = {"browsers": BROWSERS, "controls": {"browser": {**section(services), "mode": "audit"}}}
    assert tree.verdicts(audited)["mail"].state == "noncompliant" and not tree.verdicts(audited)["mail"].drifted


def link(tree: Tree) -> None:
    (tree.root / OWN).rename(tree.root / "etc/elsewhere.json")
    (tree.root / OWN).symlink_to("../../../elsewhere.json")


def changed(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Tree], object]:
    """Proscribe's own file with something else in it."""
    return lambda tree: tree.put(OWN, change(tree.read(OWN)))


NOT_AS_PLANNED = "not as the plan has it: URLBlocklist"
ONE_LESS = f"{NOT_AS_PLANNED} is without 1 of 3 entries"
MODE_600 = dict.fromkeys(("mail", "drive", "dns-over-https", "policy-file"), "mode 600")
BROKEN = {"mail": "not valid JSON", "drive": "", "dns-over-https": "not valid JSON", "policy-file": "not valid"}
LOWERED = {"mail": "", "drive": "", "dns-over-https": "is not set", "policy-file": "URLBlocklist"}


@pytest.mark.parametrize(
    ("tamper", "wrong"),
    [
        pytest.param(lambda tree: (tree.root / OWN).chmod(0o600), MODE_600, id="its mode"),
        pytest.param(lambda tree: tree.put(OWN, "{"), BROKEN, id="no JSON"),
        pytest.param(changed(lambda of: {key.lower(): of[key] for key in of}), LOWERED, id="other names"),
        pytest.param(
            changed(lambda of: {**of, "URLBlocklist": "mail.example"}),
            {"mail": "", "drive": "", "policy-file": NOT_AS_PLANNED},
            id="no list",
        ),
        pytest.param(
            changed(lambda of: {**of, "URLBlocklist": ["m.example", "site.example/drive"]}),
            {"mail": f"mail.example: {ONE_LESS}", "policy-file": f"proscribe.json: {ONE_LESS}"},
            id="an entry less",
        ),
        pytest.param(
            changed(lambda of: {**of, "URLBlocklist": [*of["URLBlocklist"], "chat.mail.example"]}),
            {"policy-file": NOT_AS_PLANNED},
            id="an entry more",
        ),
        pytest.param(link, {"policy-file": "a link is in its place"}, id="a link"),
    ],
)
def test_what_was_tampered_with_is_reported_and_corrected(tree: Tree, tamper: Any, wrong: dict[str, str]) -> None:
    before = (tree.root / OWN).read_bytes()
    tamper(tree)
    found = tree.wrong()
    assert found.keys() == wrong.keys()
    assert [rule for rule, part in wrong.items() if part not in found[rule]] == [], found
    assert tree.corrected() == ([f"write /{OWN}"], [])
    assert tree.wrong() == {}
    assert (tree.root / OWN).read_bytes() == before
    assert not (tree.root / OWN).is_symlink()


@pytest.mark.parametrize(("mode", "said"), [(0o777, "can be changed by others"), (0o700, "cannot be read by users")])
def test_the_rights_on_a_directory_are_reported_and_left_to_its_owner(tree: Tree, mode: int, said: str) -> None:
    (tree.root / FOLDER).chmod(mode)
    assert said in tree.wrong()["policy-file"]
    assert ("mail" in tree.wrong()) == (mode == 0o700)
    actions, refused = tree.corrected()
    assert actions == []
    assert said in refused[0]


ALICE = 71001
# By path and the rights of alice (user::, user:alice:, group::, mask::, other::), as the kernel has it (acl(5)).
READ, ENTER, WRITE = 4, 5, 7


def acl(path: Path, usual: int, hers: int, mask: int) -> None:
    """Give a file or a directory an ACL that changes nothing of its mode."""
    nobody = 2**32 - 1
    entries = [(1, 7 if usual == ENTER else 6, nobody), (2, hers, ALICE), (4, usual, nobody), (16, mask, nobody)]
    packed = b"".join(struct.pack("<HHI", *entry) for entry in [*entries, (32, usual, nobody)])
    try:
        os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + packed)
    except OSError as error:
        pytest.skip(f"the file system has no ACLs: {error}")


@pytest.mark.parametrize("path", [OWN, "etc/firefox/policies/policies.json"])
def test_an_acl_that_stops_a_user_from_reading_the_policy_is_corrected(tree: Tree, path: str) -> None:
    acl(tree.root / path, READ, 0, READ)
    assert (tree.root / path).stat().st_mode & 0o777 == 0o644
    verdicts = tree.verdicts()
    assert verdicts["policy-file"].state == verdicts["mail"].state == "noncompliant"
    assert "an ACL beside its mode" in verdicts["policy-file"].findings[0].detail
    assert tree.corrected()[0] == [f"write /{path}"]
    assert tree.verdicts()["policy-file"].state == "compliant"


@pytest.mark.parametrize(
    ("hers", "mask", "said"),
    [
        (0, ENTER, "cannot be read by users (an ACL): setfacl -b"),
        (WRITE, WRITE, "can be changed by others"),
        (WRITE, ENTER, ""),
        (ENTER, ENTER, ""),
    ],
)
def test_an_acl_of_a_directory_is_reported_and_left(tree: Tree, hers: int, mask: int, said: str) -> None:
    acl(tree.root / FOLDER, ENTER, hers, mask)
    assert said in tree.wrong().get("policy-file", "") and ("policy-file" in tree.wrong()) is bool(said)
    assert tree.corrected()[0] == []


def test_a_link_leads_through_directories_that_count_as_well(tree: Tree) -> None:
    """Whoever can rename one of them can put another policy in its place."""
    hers = tree.root / "home/alice"
    hers.mkdir(parents=True)
    (tree.root / "etc/chromium").rename(hers / "chromium")
    (tree.root / "etc/chromium").symlink_to("/home/alice/chromium")
    assert tree.wrong() == {}
    hers.chmod(0o777)
    assert "/home/alice can be changed by others" in tree.wrong()["policy-file"]
    assert "put a directory there instead" in tree.wrong()["policy-file"] and "mail" not in tree.wrong()
    hers.chmod(0o770)
    assert "mail" in tree.wrong()
    hers.chmod(0o700)
    wrong = tree.wrong()
    assert "/home/alice cannot be read by users" in wrong["policy-file"] and "mail" in wrong


def fifo(tree: Tree) -> None:
    os.mkfifo(tree.root / FOLDER / "zz.json")


def huge(tree: Tree) -> None:
    with open(tree.root / FOLDER / "zz.json", "wb") as stream:
        stream.truncate(65 * 1024 * 1024)


@pytest.mark.parametrize(("put", "said"), [(fifo, "is not a regular file"), (huge, "is larger than")])
def test_what_browsers_take_from_an_odd_file_is_unknown(tree: Tree, put: Callable[[Tree], None], said: str) -> None:
    put(tree)
    verdicts = tree.verdicts()
    assert {verdicts[rule].state for rule in ("mail", "policy-file", "dns-over-https")} == {"unknown"}
    assert "take from zz.json beside it" in verdicts["mail"].reason and said in verdicts["mail"].reason
    assert tree.corrected() == ([], [])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a link of a user's")
def test_what_a_user_may_put_behind_a_link_is_unknown_and_a_users_file_behind_roots_link_is_loose(tree: Tree) -> None:
    link = tree.root / FOLDER / "zz.json"
    link.symlink_to("/home/alice/policy.json")
    os.chown(link, ALICE, ALICE, follow_symlinks=False)
    assert tree.verdicts()["mail"].state == "unknown"
    link.unlink()
    link.symlink_to("/home/alice/policy.json")
    (tree.root / "home/alice").mkdir(parents=True)
    os.chown(tree.root / "home/alice", ALICE, ALICE)
    assert "zz.json beside it is a link to /home/alice/policy.json, and /home/alice can" in tree.wrong()["policy-file"]
    tree.put("home/alice/policy.json", {"URLAllowlist": ["mail.example"]})
    assert "zz.json allows mail.example" in tree.wrong()["mail"]


def test_a_file_that_only_some_users_can_read_counts(tree: Tree) -> None:
    tree.beside("zz.json", {"URLAllowlist": ["mail.example"]}, mode=0o640)
    assert "zz.json allows mail.example" in tree.wrong()["mail"]


def test_a_file_that_puts_the_policies_of_accounts_first_is_reported(tree: Tree) -> None:
    tree.beside("zz.json", {"CloudPolicyOverridesPlatformPolicy": True})
    assert "zz.json sets CloudPolicyOverridesPlatformPolicy" in tree.wrong()["policy-file"]
    tree.beside("zz.json", {"CloudPolicyOverridesPlatformPolicy": False})
    assert tree.wrong() == {}


FOREIGN_LISTS = {"URLBlocklist": ["games.example"], "URLAllowlist": ["chess.games.example"]}


@pytest.mark.parametrize("name", ["10-organisation.json", "zz-organisation.json", ".hidden", "no-suffix"])
def test_lists_of_the_organisation_stay_and_count(tree: Tree, name: str) -> None:
    tree.beside(name, FOREIGN_LISTS)
    assert tree.wrong() == {}
    assert tree.corrected() == ([], [])
    tree.lift()
    assert tree.read(f"{FOLDER}/{name}") == FOREIGN_LISTS


def test_a_later_file_that_joins_other_lists_takes_the_effect_away(tree: Tree) -> None:
    tree.beside("zz-organisation.json", {**FOREIGN_LISTS, MERGE: ["ExtensionInstallBlocklist"]})
    said = f"zz-organisation.json sets {MERGE} without URLAllowlist, URLBlocklist, after proscribe.json"
    wrong = tree.wrong()
    assert said in wrong["mail"]
    assert said in wrong["policy-file"]
    actions, refused = tree.corrected()
    assert actions == [f"write /{OWN}"]  # the list that the organisation wants joined is named in Proscribe's file too
    assert refused == [said]


def test_an_earlier_file_keeps_the_lists_that_it_wants_joined(tree: Tree) -> None:
    tree.beside("10-organisation.json", {MERGE: ["ExtensionInstallBlocklist", "URLBlocklist"]})
    tree.enforce()
    assert tree.read(OWN)[MERGE] == ["ExtensionInstallBlocklist", "URLAllowlist", "URLBlocklist"]
    assert tree.wrong() == {}


def test_an_earlier_file_is_overridden_and_a_later_one_overrides(tree: Tree) -> None:
    tree.beside("10-organisation.json", {"DnsOverHttpsMode": "automatic"})
    assert tree.wrong() == {}
    tree.beside("zz-organisation.json", {"DnsOverHttpsMode": "automatic"})
    assert tree.wrong() == {
        "dns-over-https": 'dns-over-https: zz-organisation.json sets DnsOverHttpsMode to "automatic"',
        "policy-file": "proscribe.json: zz-organisation.json overrides DnsOverHttpsMode of proscribe.json",
    }


def test_the_organisations_choice_of_prediction_is_left_to_it(tree: Tree) -> None:
    tree.beside("10-organisation.json", {"NetworkPredictionOptions": 0})
    tree.enforce()
    assert "NetworkPredictionOptions" not in tree.read(OWN)
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
    tree.beside("10-organisation.json", {"URLAllowlist": [allowed]})
    file_name = f"10-organisation.json allows {allowed}"
    assert tree.wrong() == {rule: said + file_name for rule, said in wrong.items()}


def test_what_the_organisation_blocks_is_not_opened(tree: Tree) -> None:
    tree.beside("10-organisation.json", {"URLBlocklist": ["*"], "URLAllowlist": ["corp.example"]})
    tree.enforce()
    assert tree.read(OWN)["URLAllowlist"] == []
    assert tree.wrong() == {}


@pytest.mark.parametrize("name", ["proscribe.json.1234.2026-01-01@00:00:00~", ".proscribe.json.proscribe~", "zz.bak"])
def test_a_copy_of_the_file_is_reported_and_removed(tree: Tree, name: str) -> None:
    tree.beside(name, (tree.root / OWN).read_bytes())
    assert tree.wrong() == {"policy-file": f"proscribe.json: {name} beside it is a copy of it, and counts"}
    assert tree.corrected() == ([f"delete /{FOLDER}/{name}"], [])
    tree.beside(name, (tree.root / OWN).read_bytes())
    tree.lift()
    assert not (tree.root / "etc/chromium").exists()


def test_foreign_files_that_chromium_ignores_do_not_count(tree: Tree) -> None:
    tree.beside("zz-broken.json", b"{")
    tree.beside("zz-private.json", {"DnsOverHttpsMode": "automatic"}, mode=0o600)
    (tree.root / FOLDER / "zz-folder").mkdir()
    assert tree.wrong() == {}


def test_a_plan_with_nothing_to_say_takes_the_files_away(tree: Tree) -> None:
    later = {id_: {**entry, "mode": "upcoming", "effective_from": "2030-01-01"} for id_, entry in SERVICES.items()}
    nothing = {"browsers": BROWSERS, "controls": {"browser": section(later)}}
    assert tree.verdicts(nothing)["policy-file"].state == "noncompliant"
    tree.enforce(nothing)
    assert sorted(str(path.relative_to(tree.root)) for path in tree.root.rglob("*")) == ["etc", "var", "var/lib"]
    assert tree.states(nothing) == {"not_applicable"}


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
        ('{"a": "\\x41\\v\\\\x42\\u0043", "b": "two\nlines"}', {"a": "A\v\\x42C", "b": "two\nlines"}),
        ('\ufeff{"a": "quote \\" // no comment"}', {"a": 'quote " // no comment'}),
    ],
)
def test_json_as_chromium_reads_it(text: str, value: Any) -> None:
    assert chromium_json.parse(text.encode()) == value


@pytest.mark.parametrize("text", [b"{", b"", b"\xff", b"[" * 100000])
def test_what_is_no_json_for_chromium_either(text: bytes) -> None:
    with pytest.raises(ValueError, match="."):
        chromium_json.parse(text)
