"""Statuses of waivers and their effect in plans."""

import dataclasses
import datetime
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.base.duration import format_moment
from proscribe.controller.compile.plans.waiver_queries import list_judged_waivers
from proscribe.controller.compile.waivers import approvers, committed_revocations, document, waiver_status
from proscribe.controller.compile.waivers.person_names import describe_other_script, is_same_person
from proscribe.controller.compile.waivers.waiver import Revocation
from proscribe.controller.compile.waivers.waiver_status import JudgementContext, WaiverRules
from proscribe.controller.report.history import open_history, waiver_history
from proscribe.wire.plan_store import PLANS_DIRECTORY
from waiver_cases import CASES, OPEN, SHUT, SIGNED, on
from waiver_organisation import NOW, OURS, ZONES, Keys, Organisation, at


@pytest.mark.parametrize("case", CASES + SIGNED, ids=[case.shows for case in CASES + SIGNED])
def test_a_case_has_its_status_in_the_report_and_its_effect_in_every_plan(organisation, keys, monkeypatch, case):
    file = organisation.waiver(**case.waiver)
    organisation.approvers(case.approvers)
    organisation.variables = case.variables
    if case.signing:
        keys.follow(case.signing, file, monkeypatch)
    run = organisation.run(case.now)
    (waiver,) = run["waivers"]
    assert (waiver["status"], waiver["waives"]) == (case.status, case.status == "active"), waiver["why"]
    assert case.why in waiver["why"]
    assert organisation.opened(now=case.now) == case.opened
    assert organisation.opened("signal", case.now) == {}
    assert waiver["status"] == "active" or waiver["why"], "what waives nothing says why"
    if case.status == "active":  # whichever hosts a run is for
        assert organisation.status(case.now, "press02") == organisation.status(case.now, "lab01") == "active"
    # A warning for everything that somebody may rely on in error; what was taken back on purpose is only listed.
    assert bool(run["warnings"]) == (case.status not in ("active", "revoked") or waiver["review_overdue"])
    verb = "still waives, but" if case.status == "active" else f"waives nothing ({case.status.replace('_', ' ')}):"
    assert run["warnings"] in ([], [f"waiver w1 {verb} {waiver['why']} [{file}]"])


def test_the_worst_comes_first(organisation):
    changes = {"good": {}, "alike": {}, "overdue": {"review_by": "2026-11-20T00:00:00Z"}}
    changes |= {"mallory": {"approved_by": "mallory"}, "later": {"valid_from": "2026-12-01T00:00:00Z"}}
    changes |= {"over": {"expires": "2026-11-20T00:00:00Z"}}
    for id_, changed in changes.items():
        organisation.waiver(f"{id_}.yml", id=id_, **changed)
    judged = list_judged_waivers(organisation.question(), at(NOW))[::-1]  # of what is alike, its id says the order
    judged.sort(key=lambda one: waiver_status.rank_by_urgency(*one))
    assert [waiver.id for waiver, _ in judged] == ["mallory", "over", "later", "overdue", "alike", "good"]
    assert {standing.status for _, standing in judged} <= set(waiver_status.STATUSES)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    organisation = Organisation(tmp_path_factory.mktemp("good"))
    waiver = document.read_waiver(organisation.waiver())
    register = {"press": approvers.Authority("head.of.press")}
    return waiver, JudgementContext(organisation.question().groups, register, WaiverRules(), lambda host: "")


MOMENTS = st.integers(0, 10).map(lambda hours: at(NOW) + datetime.timedelta(hours=hours))


@given(MOMENTS, MOMENTS, MOMENTS, MOMENTS, MOMENTS)
def test_a_waiver_waives_from_its_first_moment_until_just_before_its_last(good, now, approved, start, end, revoked):
    waiver, context = good
    taken_back = Revocation(revoked, "x", "y")
    changed = dataclasses.replace(waiver, approved_on=approved, valid_from=start, expires=end, revoked=taken_back)
    judgement = waiver_status.judge_waiver(changed, context, now)
    assert judgement.is_waiving == (max(approved, start) <= now < min(end, revoked))


def test_zones_of_hosts_outside_the_run_are_asked_for(organisation):
    names: list[str] = []
    question = organisation.question("press02")
    question = type(question)(**{**vars(question), "zone_of": lambda name: names.append(name) or ZONES.get(name, "")})
    organisation.waiver(hosts=None, zones=["internet"])
    (judged,) = list_judged_waivers(question, at(NOW))
    assert judged.judgement.hosts == ("fin01", "press01")
    assert "press02" not in names


# -- growing groups
GROUP = {"hosts": None, "groups": ["desks"], "signed_hosts": ["press01"]}
FROZEN = {"waiver_groups": "frozen"}
NOT_LISTED = {**GROUP, "signed_hosts": None}


@pytest.fixture
def grown(organisation):
    organisation.groups["desks"] = frozenset({"press01", "press02"})
    return organisation


def read_warnings(organisation: Organisation) -> list[str]:
    return [text for text in organisation.run(NOW)["warnings_to_print"] if "waiver w1" in text]


@pytest.mark.parametrize(
    ("waiver", "variables", "opened", "warning"),
    [
        (GROUP, {}, ["press01", "press02"], "still waives, but it was signed for 1 host, now 2: press02 is new"),
        (GROUP, FROZEN, ["press01"], "signed for 1 host, now 2: it does not open press02 (proscribe_waiver_groups"),
        ({**GROUP, "signed_hosts": ["press01", "press02"]}, FROZEN, ["press01", "press02"], ""),
        ({**GROUP, "signed_hosts": ["press01", "press02", "left01"]}, {}, ["press01", "press02"], ""),
        ({**GROUP, "hosts": ["press02"]}, FROZEN, ["press01", "press02"], ""),
        (NOT_LISTED, FROZEN, [], "waives nothing (no hosts): its file does not say"),
        ({**NOT_LISTED, "hosts": ["press02"]}, FROZEN, ["press02"], "it does not open press01: its file does not say"),
        (NOT_LISTED, {}, ["press01", "press02"], ""),
        ({**GROUP, "groups": None, "zones": ["internal"]}, FROZEN, [], "waives nothing (no hosts): it was signed"),
    ],
)
def test_waiver_for_a_group_opens_signed_or_all_hosts(grown, waiver, variables, opened, warning):
    grown.waiver(**waiver)
    grown.variables = variables
    assert grown.opened() == on(*opened)
    texts = read_warnings(grown)
    assert len(texts) == bool(warning) and all(warning in text for text in texts)


def test_the_signature_covers_the_hosts(grown, key_folder):
    grown.variables = {"waiver_groups": "frozen", "waiver_signatures": "required"}
    keys = Keys(key_folder, grown.inventory)
    keys.allow("head.of.press", keys.make("head"), OURS)
    keys.sign(grown.waiver(**GROUP), keys.make("head"))
    assert grown.opened() == on("press01")
    grown.waiver(**{**GROUP, "signed_hosts": ["press01", "press02"]})
    assert grown.status() == "bad_signature" and grown.opened() == {}


def test_growth_since_the_last_run_is_printed_where_the_file_says_nothing(organisation):
    organisation.groups["desks"] = frozenset({"press01"})
    organisation.waiver(hosts=None, groups=["desks"])
    run = organisation.run(NOW)["id"]
    organisation.groups["desks"] = frozenset({"press01", "press02"})
    (text,) = read_warnings(organisation)
    assert text.startswith(f"waiver w1 opens 1 host more than in run {run}: press02") and "sign it again" in text
    assert read_warnings(organisation) == []  # it was printed


# -- persons
ALICE = "Alice Wong <alice@example.org>"
ONE_PERSON = [
    (ALICE, "alice@example.org"),
    (ALICE, "alice"),
    (ALICE, "Alice Wong"),
    (ALICE, "ALICE@Example.ORG"),
    (ALICE, "A. W. <alice+approvals@example.org>"),
    *(("alice@example.org", "alice"), ("alice", "alice@example.org")),
    ("alice", "EXAMPLE\\alice"),
    ("alice.wong", "Alice Wong"),
    ("alice", "\uff41lice"),  # fullwidth
    ("alice", "al\u0131ce"),  # without a dot
    ("alice", "a\u0301lice"),  # with an accent that is a mark
    ("alice", "a\u034flice"),  # with a mark that nobody sees
    ("alice", "alice\u3164"),  # with a letter that nobody sees
    ("alice", "\u0430lice"),  # Cyrillic a
    ("alice", "\u0430\u04cf\u0456\u0441\u0435"),  # all of it Cyrillic
    ("nikos", "\u03bdik\u03bfs"),  # Greek nu and omicron
    ("陳大文", "陳大文 <chan@example.org>"),
]
TWO_PERSONS = [
    (ALICE, "Bob Wong <bob@example.org>"),
    ("alice", "alicia"),
    ("alice@example.org", "alice@example.net"),
    ("chan.tai.man", "陳大文"),
    ("陳大文", "李小明"),
    ("\u0438\u0432\u0430\u043d", "\u0431\u043e\u0440\u0438\u0441"),  # both Cyrillic
]
OTHER_SCRIPTS = [
    ("\u0431\u043e\u0440\u0438\u0441", "CYRILLIC"),
    ("\u03b1\u03bb\u03b5\u03be\u03b7\u03c2", "GREEK"),
    ("b\u043eb", "CYRILLIC"),
    ("bob\u5de5", "CJK"),  # within a word
]


def judged(organisation: Organisation, approver: str, requester: str) -> tuple[str, str]:
    organisation.approvers({"press": {"head": approver, "deputies": ["somebody.else"]}})
    organisation.waiver(requested_by=requester, approved_by=approver)
    (waiver,) = organisation.run(NOW)["waivers"]
    assert organisation.opened() == (OPEN if waiver["status"] == "active" else SHUT)
    return waiver["status"], waiver["why"]


@pytest.mark.parametrize(("approver", "requester"), ONE_PERSON)
def test_approval_of_own_request_by_another_spelling_is_refused(organisation, approver, requester):
    assert judged(organisation, approver, requester)[0] == "self_approved"


@pytest.mark.parametrize(("approver", "requester"), TWO_PERSONS)
def test_two_persons_are_two(organisation, approver, requester):
    assert judged(organisation, approver, requester) == ("active", "")


@pytest.mark.parametrize(("requester", "script"), OTHER_SCRIPTS)
def test_a_name_in_another_script_than_the_approvers_is_refused(organisation, requester, script):
    status, why = judged(organisation, "head.of.press", requester)
    assert status == "self_approved" and script in why and requester in why


def test_unseen_letters_make_no_other_person_and_east_asian_names_are_taken():
    unseen = "\u115f\u1160\u17b4\u17b5\u3164\uffa0"
    assert all(is_same_person("alice", f"al{letter}ice") for letter in unseen)
    names = ("陳大文", "ひらがな", "カタカナ", "한글", "ㄅㄆ", "Ａlice", "\u02b0", "ª", "º")
    assert [describe_other_script(name, ["chan"]) for name in names] == [""] * 9
    assert describe_other_script("\u0438\u0432", ["chan", "\u0438"]) == "", "an approver's name has such letters"


# -- signatures by the real ssh-keygen
@pytest.fixture
def keys(organisation, key_folder):
    return Keys(key_folder, organisation.inventory)


@pytest.mark.parametrize(
    ("now", "status"),
    [
        ("2026-10-25T00:59:59Z", "active"),
        ("2026-10-25T01:00:01Z", "bad_signature"),  # 02:00:01, the second time: the key has ended
        ("2026-10-25T01:30:00Z", "bad_signature"),  # 02:30 again
    ],
)
def test_a_key_ends_once_where_an_hour_comes_twice(organisation, keys, now, status, monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        file = organisation.waiver(approved_on="2026-10-01T00:00:00Z", requested_on=None, valid_from=None)
        keys.allow("head.of.press", keys.make("head"), OURS, 'valid-before="20261025010000Z"')
        keys.sign(file, keys.make("head"))
        assert organisation.status(now) == status
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("certified", "options", "status"),
    [
        ("head.of.press", (), "active"),  # so that the others show something
        ("mallory", (), "bad_signature"),
        ("head.of.press,mallory", (), "active"),
        ("head.of.press", ("-V", "20250101:20251231"), "bad_signature"),
        ("", (), "bad_signature"),  # for everybody
    ],
)
def test_a_certificate_signs_for_whom_its_authority_named_and_while_it_is_valid(
    organisation, keys, tmp_path, certified, options, status
):
    file = organisation.waiver()
    authority, key = keys.make("authority"), tmp_path / "certified"
    shutil.copy(keys.make("head"), key)
    shutil.copy(f"{keys.make('head')}.pub", f"{key}.pub")
    names = ("-n", certified) if certified else ()
    argv = ["ssh-keygen", "-q", "-s", str(authority), "-I", "x", *names, *options, f"{key}.pub"]
    subprocess.run(argv, check=True, capture_output=True)
    keys.allow("*", authority, "cert-authority", OURS)
    keys.sign(file, Path(f"{key}-cert.pub"))
    assert organisation.status() == status


@pytest.mark.parametrize("made_for", ["git", "proscribe-export"])
def test_a_signature_for_another_purpose_is_none_where_the_key_may_sign_for_all(organisation, keys, made_for):
    file = organisation.waiver()
    keys.allow("head.of.press", keys.make("head"))
    keys.sign(file, keys.make("head"), made_for)
    assert organisation.status() == "bad_signature"
    keys.sign(file, keys.make("head"))
    (waiver,) = organisation.run()["waivers"]
    assert (waiver["status"], waiver["approved_by"]) == ("active", "head.of.press")
    assert "ED25519 key SHA256:" in waiver["signed_with"]


def test_unsigned_needs_no_keygen(organisation, monkeypatch, tmp_path):
    organisation.waiver()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert organisation.opened() == OPEN
    assert organisation.run()["waivers"][0]["signed_with"] == ""


REVOKED = {"on": "2026-11-20T09:00:00+08:00", "by": "head.of.press", "why": "no longer needed"}
ENVIRONMENT = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
WHY = "head.of.press revoked it on 2026-11-20: no longer needed. The file was restored without that"


class Signed:
    """The made waiver, signed by the head of press, and its bytes as they were signed."""

    def __init__(self, organisation: Organisation, keys: Keys) -> None:
        self.organisation, self.keys = organisation, keys
        organisation.variables = {"waiver_signatures": "required"}
        self.key = keys.make("head")
        keys.allow("head.of.press", self.key, OURS)
        self.file = organisation.waiver()
        keys.sign(self.file, self.key)
        self._old = self.file.read_bytes(), Path(f"{self.file}.sig").read_bytes()

    def revoke(self, **changes: str) -> None:
        self.organisation.waiver(revoked={**REVOKED, **changes})

    def restore(self) -> None:
        for path, content in zip((self.file, Path(f"{self.file}.sig")), self._old, strict=True):
            path.write_bytes(content)

    def git(self, *words: str) -> str:
        settings = ("user.name=a", "user.email=a@example.org", "commit.gpgSign=false", "init.defaultBranch=main")
        argv = ["git", *(part for setting in settings for part in ("-c", setting)), *words]
        pipes: Any = {"check": True, "capture_output": True, "text": True}
        return subprocess.run(argv, cwd=self.organisation.inventory, env=ENVIRONMENT, **pipes).stdout  # type: ignore[no-any-return]

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def commit_revocation(self) -> None:
        self.git("init", "-q")
        self.commit("a waiver")
        self.revoke()
        self.commit("revoke it")

    @property
    def reports(self) -> Path:
        return self.organisation.root / "reports"

    def record(self, now: str) -> None:
        result: Any = self.organisation.run(now)
        run = {"inventory": [str(self.organisation.inventory)], "finished": format_moment(at(now)), "whole": True}
        history = open_history("sqlite", self.reports)
        assert history is not None
        with history.database.open_for_writing() as session:
            waiver_history.store_waivers(session, cast("Any", {"run": run, "waivers": result["waivers"]}))


@pytest.fixture
def signed(organisation, key_folder):
    return Signed(organisation, Keys(key_folder, organisation.inventory))


def check_refused(signed: Signed, now: str = "2026-11-26T08:00:00+00:00") -> str:
    """Check that the waiver waives nothing, and return why."""
    assert signed.organisation.opened(now=now) == SHUT
    run = signed.organisation.run(now)
    (waiver,) = run["waivers"]
    assert waiver["status"] == "revoked" and not waiver["waives"]
    (warning,) = [text for text in run["warnings"] if "w1" in text]
    assert warning.startswith(f"waiver w1 waives nothing: {waiver['why']}")
    return str(waiver["why"])


def test_a_revocation_that_a_run_has_seen_is_remembered_after_the_old_bytes_came_back(signed):
    assert signed.organisation.opened() == OPEN
    signed.revoke()
    signed.organisation.run()
    signed.restore()
    assert check_refused(signed).startswith(WHY)
    assert check_refused(signed, "2026-12-20T08:00:00+00:00").startswith(WHY)  # each run remembers it again


def test_the_history_remembers_where_the_plan_store_is_new(signed):
    signed.revoke()
    signed.record(NOW)
    shutil.rmtree(signed.reports / PLANS_DIRECTORY)
    signed.restore()
    assert check_refused(signed).startswith(WHY)


def test_memories_of_the_reports_that_a_question_names_count(signed, monkeypatch):
    signed.revoke()
    signed.organisation.run()
    signed.restore()
    monkeypatch.setenv("PROSCRIBE_REPORTS", str(signed.reports / "elsewhere"))
    question = signed.organisation.question()
    named = dataclasses.replace(question, reports=signed.reports)
    judged = [list_judged_waivers(requested, at(NOW))[0].judgement for requested in (question, named)]
    assert [judgement.status for judgement in judged] == ["active", "revoked"]


@pytest.mark.parametrize("hidden", ["", "reset file", "merge", "replace", "graft"])
def test_the_history_of_git_remembers_where_no_run_came_between(signed, hidden):
    signed.commit_revocation()
    # The merge results in the file before the revocation: git leaves the revocation out of a short log.
    if hidden == "merge":
        signed.git("checkout", "-q", "-b", "side", "HEAD~1")
        signed.git("commit", "-q", "--allow-empty", "-m", "nothing")
        signed.git("merge", "-q", "-s", "ours", "-m", "merge", "main")
    elif hidden == "replace":
        signed.git("replace", "--graft", "HEAD")
    elif hidden == "graft":
        info = signed.organisation.inventory / ".git/info"
        info.mkdir(exist_ok=True)
        (info / "grafts").write_text(signed.git("rev-parse", "HEAD"))
    signed.restore()
    if hidden != "reset file":  # there the old bytes are not committed
        signed.git("add", "-A")
        signed.git("commit", "-q", "--allow-empty", "-m", "restore it")
    assert check_refused(signed).startswith(WHY)


def test_commits_are_read_since_the_last_one_and_up_to_a_limit(signed, monkeypatch):
    folder = signed.organisation.waivers
    assert committed_revocations.read_committed(folder, "") == (folder, "", (), "")
    signed.git("init", "-q")
    assert committed_revocations.read_committed(folder, "") == (folder, "", (), "")
    signed.commit_revocation()
    (folder / "large.yml").write_text(f"# {'x' * (1 << 20)}\n{signed.file.read_text()}")
    (folder / "other.yml").write_text("revoked: [\n")
    signed.commit("one that is too large, and one that is no waiver")
    head = signed.git("rev-parse", "HEAD").strip()
    revoked = ("w1", "head.of.press", "2026-11-20T01:00:00Z", "no longer needed")
    for since in ("", "0" * 40, signed.git("rev-parse", "HEAD~2").strip()):
        assert committed_revocations.read_committed(folder, since) == (folder, head, (revoked,), "")
    for since in (head, signed.git("rev-parse", "HEAD~1").strip()):
        assert committed_revocations.read_committed(folder, since) == (folder, head, (), "")
    for name, most, what in (("COMMITS", 3, "commits"), ("VERSIONS", 4, "versions of files")):
        monkeypatch.setattr(committed_revocations, f"MAX_{name}", most)
        assert committed_revocations.read_committed(folder, "").revocations
        monkeypatch.setattr(committed_revocations, f"MAX_{name}", most - 1)
        with pytest.raises(ValueError, match=f"more than {most - 1} {what}"):
            committed_revocations.read_committed(folder, "")
        monkeypatch.undo()


def test_revocation_in_git_is_remembered_after_its_history_was_rewritten(signed):
    signed.commit_revocation()
    signed.restore()
    assert check_refused(signed).startswith(WHY)
    signed.git("reset", "-q", "--hard", "HEAD~1")
    assert check_refused(signed).startswith(WHY)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda git: (git / "HEAD").write_text("nonsense"),
        lambda git: shutil.rmtree(git / "objects"),
        lambda git: (git / "config").write_text("[core\n"),
    ],
)
def test_a_repository_that_git_cannot_read_stops_no_run(signed, spoil):
    signed.git("init", "-q")
    signed.commit("a waiver")
    spoil(signed.organisation.inventory / ".git")
    assert signed.organisation.opened() == OPEN
    (problem,) = signed.organisation.run()["warnings"]
    assert problem.startswith(f"git did not read the commits of {signed.organisation.waivers} (")
