"""`waiver`: new, revoke, list, sign and verify; files are whole or absent."""

import argparse
import datetime
import io
import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from made_policy import NOW, question
from proscribe.controller.cli import CommandError, inventory, waiver
from proscribe.controller.cli.waiver import listing, time_options, waiver_text
from proscribe.controller.cli.waiver import waiver_files as folders
from proscribe.controller.compile.plans.waiver_queries import list_judged_waivers
from proscribe.controller.compile.reading.yaml_file import read_yaml
from proscribe.controller.compile.waivers.document import read_waiver
from proscribe.controller.report.evaluation.lifts import Lift
from proscribe.controller.report.text.wording import describe_time_left
from recording import compare, join_files

NEW = [
    *("new", "--service", "parrot", "--host", "press01", "--reason", "Enquiries"),
    *("--requested-by", "alice", "--approved-by", "head.of.press"),
    *("--approved-on", "2026-11-20T09:00:00+08:00", "--expires", "2026-12-31T18:00:00+08:00"),
]
PRINTABLE = st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" "), max_size=60).map(str.strip)
HALF_PAST_NOON = datetime.datetime(2026, 11, 25, 12, 30, 5, 7, tzinfo=datetime.timezone.utc)
NOON = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.timezone.utc)
END = NOON + datetime.timedelta(days=36, hours=6)
RECORDED = Path(__file__).parents[2] / "recorded/cli"
WORTH = {"is_waiving": True, "status": "active", "why": "", "hosts": ("h1", "h2"), "is_review_overdue": False}


class Words:
    def __init__(self, where):
        self.where = where
        self.question = question(where, {"press01": {}, "press02": {}, "fin01": {}}, press=["press01", "press02"])
        (where / "approvers.yml").write_text("press: {head: head.of.press, deputies: [deputy]}\n")

    def __call__(self, *words, now=NOW):
        parser = argparse.ArgumentParser(prog="waiver", exit_on_error=False)
        waiver.add_arguments(parser)
        arguments = parser.parse_args(words)
        return int(arguments.run_subcommand(arguments, now))

    def file(self, id_="press01-parrot"):
        return self.where / "waivers" / f"{id_}.yml"

    @property
    def statuses(self):
        return {judged.waiver.id: judged.judgement.status for judged in list_judged_waivers(self.question, NOW)}


@pytest.fixture
def words(tmp_path, monkeypatch):
    made = Words(tmp_path / "inventory")
    (tmp_path / "reports/plans").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("PROSCRIBE_REPORTS", str(tmp_path / "reports"))
    monkeypatch.setattr(inventory, "read_compile_input", lambda arguments: made.question)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return made


def test_new_waiver_is_written_as_its_options_say(words, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("PROSCRIBE_CALLED", "/srv/proscribe")
    monkeypatch.setattr(inventory, "list_inventory_options", lambda _: [])
    more = ["--user", " alice,", "--posix-group", "press,photo", "--control", "apps, firewall", "--ticket", "no"]
    more += ["--compensating-control", " a log, read weekly ", "--compensating-control", "another", "--risk"]
    more += ["none: it is read-only", "--requested-on", "2026-11-19T00:00:00Z", "--valid-from", "2026-11-21T00:00:00Z"]
    more += ["--review-by", "2026-12-01T00:00:00Z"]
    who = "alice and the members of press, photo may use parrot, by apps and firewall on 1 host (press01)"
    worth = f"it waives: 36 days left, until 2026-12-31 10:00:00 UTC: {who}; for alice, approved by head.of.press, no"
    assert words(*NEW, *more, "--print") == 0
    shown, printed = capsys.readouterr()
    assert printed == f"{worth}: Enquiries\n" and not (words.where / "waivers").exists()
    compare(RECORDED / "waiver.new.yml", shown)
    assert words(*NEW, *more) == 0
    assert words.file().read_text() == shown and words.file().stat().st_mode & 0o777 == 0o644
    assert capsys.readouterr().out.splitlines() == [
        f"wrote {words.file()}",
        f"{worth}: Enquiries",
        "next: head.of.press signs it, and it is committed:",
        "  /srv/proscribe waiver sign press01-parrot",
    ]
    assert os.listdir(words.file().parent) == ["press01-parrot.yml"] and words.statuses == {"press01-parrot": "active"}


def test_a_file_that_is_there_is_never_overwritten(words):
    words(*NEW)
    before = words.file().read_bytes()
    with pytest.raises(CommandError, match="has this id already"):
        words(*NEW, "--reason", "Another")
    assert words.file().read_bytes() == before
    with pytest.raises(CommandError, match="left as it is"):
        folders.create_waiver_file(words.file(), b"anything")
    assert words.file().read_bytes() == before and len(list(words.file().parent.iterdir())) == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--user", "alice"), "browser policies"),
        (("--hours", "mon-fri 09:00-18:00"), "[browser, firewall, dns] or less beside hours"),
        (("--hours", "mon-fri 9-18", "--control", "dns"), "such as mon-fri 09:00-18:00"),
        (("--hours", "mon,wed 09:00-18:00", "--control", "dns"), "no hours, or proscribe_watch on press01: it is off"),
        (("--id", "../w"), "letters, digits"),
        (("--reason", "two\nlines"), "one line of text"),
        (("--expires", "2026-12-31T18:00:00"), "a time with its zone"),
        (("--expires", "2026-02-30"), "--expires: found '2026-02-30', expected a day of the calendar"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_written(words, more, message):
    with pytest.raises(CommandError) as wrong:
        words(*NEW, *more)
    assert message in str(wrong.value)
    assert str(wrong.value).startswith("--") and ".yml" not in str(wrong.value)  # no file is there to be blamed
    assert not (words.where / "waivers").exists()


def test_at_a_terminal_it_asks_for_what_is_missing(words, monkeypatch, capsys):
    controller, terminal = pty.openpty()
    answers = "|parrot, owl|Enquiries: many|alice|head.of.press|now|30d|group:press, press01|w1|"
    os.write(controller, answers.replace("|", "\n").encode())
    with os.fdopen(terminal, "r", encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert words("new") == 0  # the empty first answer is asked for again
    os.close(controller)
    prompts = capsys.readouterr().err
    assert prompts.count("services (ids of the catalogue, with commas between): ") == 2
    assert prompts.endswith("id, which is also the file's name [press01-parrot]: ")
    made = read_waiver(words.file("w1"))
    assert (made.services, made.groups, made.hosts) == (("parrot", "owl"), ("press",), ("press01",))
    assert made.reason == "Enquiries: many"


@given(PRINTABLE.filter(bool), st.lists(PRINTABLE.filter(bool), max_size=3))
def test_any_text_comes_back_as_it_was(tmp_path_factory, line, items):
    file = tmp_path_factory.getbasetemp() / "any.yml"
    text = waiver_text.format_waiver({"id": "x", "reason": line, "compensating_controls": items})
    file.write_text(text, encoding="utf-8")
    said = read_yaml(file).data
    assert (said["reason"], said.get("compensating_controls", [])) == (line, items)
    general = yaml.safe_load(file.read_text(encoding="utf-8"))  # and to every other reader of YAML
    assert (general["reason"], general.get("compensating_controls", [])) == (line, items)


@pytest.mark.parametrize(
    ("change", "end"),
    [
        (lambda content: content, b"\n"),
        (lambda content: content.rstrip(b"\n"), b"\n"),
        (lambda content: content + b"# a comment at the end\n", b"\n"),
        (lambda content: content.replace(b"\n", b"\r\n"), b"\r\n"),
    ],
    ids=["as it was made", "without a last line break", "with a comment", "with the line breaks of Windows"],
)
def test_a_revocation_is_added_and_the_rest_stays(words, change, end, capsys):
    words(*NEW)
    words.file().write_bytes(before := change(words.file().read_bytes()))
    words.file().chmod(0o640)
    assert words("revoke", "press01-parrot", "--by", "deputy", "--why", 'no: longer "needed"') == 0
    assert "waiver press01-parrot is revoked as of 20" in capsys.readouterr().out
    after = words.file().read_bytes()
    assert after.startswith(before) and end + b"revoked:" + end in after
    revoked = read_waiver(words.file()).revoked
    assert revoked is not None and (revoked.by, revoked.why) == ("deputy", 'no: longer "needed"')
    assert words.statuses == {"press01-parrot": "revoked"} and words.file().stat().st_mode & 0o777 == 0o640
    with pytest.raises(CommandError, match="revoked already"):
        words("revoke", "press01-parrot", "--by", "deputy", "--why", "again")


def test_a_revocation_is_remembered_after_the_file_was_restored(words, capsys):
    words(*NEW)
    before = words.file().read_bytes()
    words("revoke", "press01-parrot", "--by", "deputy", "--why", "over")
    words.file().write_bytes(before)
    assert words.statuses == {"press01-parrot": "revoked"}
    words("list")
    assert "deputy revoked it on 2026-11-25: over. The file was restored" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("id_", "by", "reason"),
    [
        ("press1-parrot", "deputy", "did you mean 'press01-parrot'"),
        ("press01-parrot", "mallory", "mallory may not approve for press (head head.of.press, deputies deputy), which"),
        ("press01-parrot", "alice", "alice may not approve for press"),  # who requested it
    ],
)
def test_only_those_who_may_approve_a_waiver_may_revoke_it(words, id_, by, reason):
    words(*NEW)
    before = words.file().read_bytes()
    with pytest.raises(CommandError, match=re.escape(reason)):
        words("revoke", id_, "--by", by, "--why", "over")
    assert (words.file().read_bytes(), words.statuses) == (before, {"press01-parrot": "active"})


@pytest.mark.parametrize("flow", [False, True], ids=["an ended document", "a mapping in braces"])
def test_a_file_that_takes_no_more_lines_is_left_as_it_is(words, flow):
    words(*NEW)
    content = words.file().read_bytes()
    braces = json.dumps(yaml.safe_load(content), default=datetime.datetime.isoformat).encode()
    words.file().write_bytes(content := braces if flow else content + b"...\n")
    with pytest.raises(CommandError, match="by hand"):
        words("revoke", "press01-parrot", "--by", "deputy", "--why", "over")
    assert words.file().read_bytes() == content


def test_the_list_is_worst_first_and_says_who_may_do_what(words, capsys):
    assert (words("list"), capsys.readouterr().out) == (0, "no waivers in this inventory\n")
    words(*NEW, "--id", "fine", "--user", "alice", "--control", "apps")
    words(*NEW, "--id", "old", "--approved-on", "2026-01-01T00:00:00Z", "--expires", "2026-02-01T00:00:00Z")
    words(*NEW, "--id", "wrong", "--approved-by", "somebody")
    capsys.readouterr()
    assert words("list") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("3 waivers: 1 in force ")
    assert said.index("wrong unauthorised") < said.index("old expired") < said.index("fine active")
    assert "alice may use parrot, by apps on 1 host (press01); for alice, approved by head.of.press" in said
    assert words("list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)["waivers"]
    rows = [(waiver["id"], waiver["status"], waiver["seconds_left"]) for waiver in listed]
    assert rows == [("wrong", "unauthorised", 0), ("old", "expired", 0), ("fine", "active", 3_132_000)]


@pytest.mark.parametrize(("within", "code"), [("36d", 0), ("37d", 1)])
def test_the_exit_code_reports_what_ends_soon(words, capsys, within, code):
    words(*NEW)
    capsys.readouterr()
    assert words("expire-soon", "--within", within) == code
    assert bool(capsys.readouterr().out) is bool(code)  # cron sends no mail for nothing


def test_code_of_a_subcommand_is_that_of_the_command():
    run = argparse.Namespace(run_subcommand=lambda _, now: 7 if now.utcoffset() == datetime.timedelta() else 0)
    assert waiver.run(run) == 7


@pytest.fixture
def key(tmp_path):
    file = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(file)], check=True)
    return file


def trusted(words, key, who="head.of.press"):
    (words.where / "allowed_signers").write_text(f"{who} {key.with_suffix('.pub').read_text()}")


def test_a_signature_covers_the_hosts_that_a_group_comes_to(words, key, capsys):
    sign = ("sign", "press-parrot", "--key", str(key))
    trusted(words, key)
    words(*(word for word in NEW if word not in ("--host", "press01")), "--group", "press", "--id", "press-parrot")
    words(*sign)
    assert read_waiver(words.file("press-parrot")).signed_hosts == ("press01", "press02")
    assert "for 2 hosts (press01, press02) with ED25519 key" in capsys.readouterr().out
    assert words("verify", "press-parrot") == 0
    press = ["press01", "press02", "press03"]
    words.question = question(words.where, {name: {} for name in (*press, "fin01")}, press=press)
    words("list")
    assert "it was signed for 2 hosts, now 3: press03 is new" in " ".join(capsys.readouterr().out.split())
    words(*sign)
    words(*sign)
    assert "signed by head.of.press already" in capsys.readouterr().out
    assert read_waiver(words.file("press-parrot")).signed_hosts == ("press01", "press02", "press03")
    assert words.file("press-parrot").read_text().count("signed_hosts") == 1


@pytest.mark.parametrize(
    ("who", "message"),
    [("", "needs this line:\n  head.of.press namespaces="), ("deputy", "it is by deputy, not by head.of.press")],
)
def test_a_signature_that_would_not_count_is_not_written(words, key, who, message):
    words(*NEW)
    if who:
        trusted(words, key, who)
    with pytest.raises(CommandError) as refused:
        words("sign", "press01-parrot", "--key", str(key))
    assert "nothing was written" in str(refused.value) and message in str(refused.value)
    assert words.statuses == {"press01-parrot": "active"}  # unsigned is fine here; wrongly signed would not be
    if not who:  # with the line that the message gives, it works
        (words.where / "allowed_signers").write_text(str(refused.value).splitlines()[-1] + "\n")
        assert words("sign", "press01-parrot", "--key", str(key)) == 0


def test_verify_reports_a_changed_file_and_its_revocation(words, key, capsys):
    words(*NEW)
    trusted(words, key)
    words("sign", "press01-parrot", "--key", str(key))
    words.file().write_bytes(words.file().read_bytes() + b"# changed\n")
    capsys.readouterr()
    assert words("verify", "--json") == 1
    (waiver,) = json.loads(capsys.readouterr().out)["waivers"]
    assert waiver["signature"].startswith("the signature does not count: it does not fit the file")
    assert (waiver["signed"], waiver["waives"], waiver["status"]) == (False, False, "bad_signature")
    assert waiver["why"]
    assert words("revoke", "press01-parrot", "--by", "deputy", "--why", "over") == 0
    assert "does not matter" in capsys.readouterr().out and words("verify") == 1
    assert "revoked: deputy revoked it on" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("case", "now", "code", "code_of_current"),
    [
        ("signed", NOW, 0, 0),
        ("unsigned", NOW, 1, 1),
        ("signed", datetime.datetime(2027, 1, 5, tzinfo=datetime.timezone.utc), 1, 0),  # it has ended
        ("signed", datetime.datetime(2026, 11, 20, 2, tzinfo=datetime.timezone.utc), 1, 0),  # it begins later
        ("revoked", NOW, 1, 0),
    ],
)
def test_a_pipeline_refuses_a_waiver_that_counts_for_nothing(words, key, case, now, code, code_of_current):
    for host in words.question.hosts:
        host.values["proscribe_waiver_signatures"] = "required"
    trusted(words, key)
    words(*NEW, "--valid-from", "2026-11-20T12:00:00+08:00")
    if case != "unsigned":
        words("sign", "press01-parrot", "--key", str(key))
    if case == "revoked":
        words("revoke", "press01-parrot", "--by", "head.of.press", "--why", "over")
    assert (words("verify", now=now), words("verify", "--current", now=now)) == (code, code_of_current)


@pytest.fixture
def in_hong_kong(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Hong_Kong")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_hong_kong")
@pytest.mark.parametrize(
    ("given", "end", "in_file"),
    [
        ("now", False, "2026-11-25T20:30:05+08:00"),
        ("2026-12-31T18:00:00+09:00", True, "2026-12-31T18:00:00+09:00"),
        ("2026-12-31", False, "2026-12-31T00:00:00+08:00"),
        ("2026-12-31", True, "2026-12-31T23:59:59+08:00"),
        ("1d", True, "2026-11-26T20:30:05+08:00"),
    ],
)
def test_a_time_as_it_stands_in_the_file(given, end, in_file):
    assert time_options.format_time_option(given, "--on", HALF_PAST_NOON, is_end=end) == in_file


FILE = {"id": "w1", "services": ("parrot", "owl"), "controls": ("apps", "browser", "firewall", "dns"), "ticket": ""}
FILE |= dict.fromkeys(("users", "posix_groups", "versions", "paths", "hours"), ())
FILE |= {"requested_by": "alice", "approved_by": "head", "reason": "Enquiries", "starts": NOON, "ends": END}


def judged(**changes):
    """A waiver that waives, but for what differs."""
    waiver = SimpleNamespace(**{**FILE, **{key: value for key, value in changes.items() if key in FILE}})
    worth = SimpleNamespace(**{**WORTH, **{key: value for key, value in changes.items() if key in WORTH}})

    class Judged(tuple[Any, Any]):
        waiver, judgement = property(lambda self: self[0]), property(lambda self: self[1])

    return Judged((waiver, worth))


@pytest.mark.parametrize(
    ("now", "end", "remaining"),
    [
        # A waiver for 90 days has 90 left a second later, and still in the evening.
        ("2026-11-25T10:54:33Z", "2027-02-23T10:54:32Z", "90 days left"),
        ("2026-11-26T00:00:00Z", "2027-02-23T10:54:32Z", "89 days left"),
        ("2027-02-22T22:00:00Z", "2027-02-23T10:54:32Z", "12 hours left"),
    ],
)
def test_list_and_report_count_the_same_days(now, end, remaining):
    at, ends = datetime.datetime.fromisoformat(now), datetime.datetime.fromisoformat(end)
    assert listing.describe_waiver(judged(ends=ends), at).startswith(f"{remaining}, until ")
    of_report = describe_time_left({"status": "active", "expires": end}, now)
    on_last_day = "ends today" if now[:10] == end[:10] else "ends tomorrow"
    assert of_report == (remaining if "day" in remaining else on_last_day)


@pytest.mark.parametrize(
    ("changes", "days", "due"),
    [
        ({}, 36, False),
        ({}, 37, True),
        ({"ends": NOON + datetime.timedelta(days=36)}, 36, True),
        ({"is_waiving": False, "status": "not_yet_valid"}, 37, True),
        *(({"is_waiving": False, "status": status}, 37, False) for status in ("expired", "revoked")),
        ({"is_review_overdue": True}, 1, True),
        ({"is_review_overdue": True, "is_waiving": False, "status": "expired"}, 37, False),
    ],
)
def test_waiver_near_its_end_or_review_is_due(changes, days, due):
    assert listing.is_due_soon(judged(**changes), NOON, datetime.timedelta(days=days)) is due


LISTED = (
    {"id": "press-\x1b[2J", "is_waiving": False, "status": "bad_signature", "why": "x may not approve", "hosts": ()},
    {"ticket": "T-1", "users": ("a", "b", "c", "d"), "ends": NOON + datetime.timedelta(days=30)},
    {"posix_groups": ("g",), "is_review_overdue": True, "ends": NOON + datetime.timedelta(days=30, seconds=1)},
    {"users": ("a",), "posix_groups": ("g", "h"), "services": tuple("abcde"), "hosts": tuple("abcd")},
    {"versions": ("4", "5"), "paths": ("/x",), "hours": ("mon 09:00-18:00",), "controls": ("apps", "dns")},
)


def test_list_is_printed_as_recorded():
    waivers = [judged(**changes) for changes in LISTED]
    shown = {"wide": listing.format_waiver_table(waivers, NOON, 200, False)}
    shown["one that ends soon"] = listing.format_waiver_table(waivers[1:2], NOON, 200, False)
    near = [judged(ends=NOON + datetime.timedelta(hours=25)), judged(ends=NOON + datetime.timedelta(hours=23))]
    shown["two that end soon"] = listing.format_waiver_table(near, NOON, 200, False)
    shown["narrow, in colours"] = listing.format_waiver_table(waivers[:2], NOON, 60, True)
    compare(RECORDED / "waiver.printed.txt", join_files(shown))


def test_a_waiver_has_nothing_to_waive_where_the_ban_of_its_controls_is_lifted():
    lift = Lift("2026-11-25T08:00:00Z", "20261125T075900Z-lift-0001")
    lifts = {"h1": dict.fromkeys(FILE["controls"], lift), "h2": {"dns": lift}, "h3": {"dns": lift}}
    said = ". It has nothing to waive on {}, where the ban is lifted"
    one = said.format("h1") + " (lifted 2026-11-25 08:00 UTC by 20261125T075900Z-lift-0001)"
    cases = [(("apps", "dns"), ["h1", "h2"], said.format("h1, h2")), (("apps",), ["h1"], one)]
    for controls, hosts, where in (*cases, (("browser",), [], "Enquiries")):
        waiver = judged(controls=controls, hosts=("h1", "h2") if hosts else ("h2",))
        assert listing.list_lifted_hosts(waiver, lifts) == hosts
        assert listing.format_waiver_table([waiver], NOON, 500, False, lifts).splitlines()[-1].endswith(where)


def test_link_to_a_waiver_stays_a_link_when_it_is_revoked(words, tmp_path):
    words(*NEW)
    words.file().rename(tmp_path / "press01-parrot.yml")
    words.file().symlink_to(tmp_path / "press01-parrot.yml")
    words("revoke", "press01-parrot", "--by", "deputy", "--why", "over")
    assert words.file().is_symlink() and b"revoked:" in (tmp_path / "press01-parrot.yml").read_bytes()


def test_signature_is_made_and_verified_by_ssh_keygen_itself(words, key, capsys):
    words(*NEW)
    trusted(words, key)
    capsys.readouterr()
    assert words("verify", "--json") == 0
    unsigned = {"id": "press01-parrot", "signature": "not signed", "signed": False, "waives": True, "status": "active"}
    found = json.loads(capsys.readouterr().out)
    assert found == {"schema": "proscribe/waiver-verification/1", "waivers": [{**unsigned, "why": ""}]}
    assert words("sign", f"waivers/{words.file().name}", "--key", str(key)) == words("verify") == 0
    shown = subprocess.run(["ssh-keygen", "-lf", key], capture_output=True, text=True).stdout.split()[1]
    by = f"signed by head.of.press with ED25519 key {shown}"
    assert capsys.readouterr().out.replace("\n  ", " ").splitlines() == [
        f"waiver press01-parrot is {by}; commit {words.file()}.sig",
        f"press01-parrot: {by}; active",
    ]
    words(*(word.replace("press01", "press02") for word in NEW))
    capsys.readouterr()
    for name in ("./press01-parrot.yml.sig", "press01-parrot.yaml"):
        assert words("verify", "--json", name) == 0
        (found,) = json.loads(capsys.readouterr().out)["waivers"]
        assert found == {**unsigned, "signature": by, "signed": True, "why": ""}
    with pytest.raises(CommandError, match="there is no key"):
        words("sign", "press02-parrot", "--key", str(key.with_name("none")))
    signature = f"{words.file()}.sig"
    assert os.stat(signature).st_mode & 0o777 == 0o644
    argv = ["ssh-keygen", "-Y", "verify", "-f", str(words.where / "allowed_signers"), "-I", "head.of.press"]
    argv += ["-n", "proscribe-waiver", "-s", signature]
    subprocess.run(argv, input=words.file().read_bytes(), check=True, capture_output=True)


def test_all_mistakes_of_the_options_are_named_at_once_and_nothing_is_written(words):
    options = "new --service parot,webmail --host press,fin02 --group fin01 --control dsn --reason x --requested-by a"
    options += " --approved-by head.of.press --approved-on yesterday --expires 30x"
    with pytest.raises(CommandError) as refused:
        words(*options.split())
    starts = sorted(line.partition(", expected ")[0] for line in str(refused.value).splitlines())
    assert starts == [
        *("--approved-on: found 'yesterday'", "--control: found 'dsn'", "--expires: found '30x'"),
        *("--group: found 'fin01'", "--host: found 'fin02'", "--host: found 'press'"),
        *("--service: found 'parot'", "--service: found 'webmail'"),
    ]
    ends = {line.split(":")[0]: line[-11:] for line in str(refused.value).splitlines()}
    assert (ends["--approved-on"], ends["--expires"]) == ("00:00+08:00", "such as 90d")
    for hint in ("'webmail' is a category", "--group press", "--host fin01", "you mean 'parrot'?"):
        assert hint in str(refused.value)
    missing = "--reason, --requested-by, --approved-by, --expires, --host, --group or "
    with pytest.raises(CommandError, match=f"^give {missing}"):
        words("new", "--service", "parrot", "--approved-on", "now")
    assert not words.file().parent.exists() or not list(words.file().parent.iterdir())


@pytest.mark.parametrize(
    ("options", "status", "what"),
    [
        (("--approved-by", "head.of.finance"), "unauthorised", "approved_by in {}, or approvers.yml"),
        (("--approved-by", "alice"), "self_approved", "approved_by in {}"),
        (("--expires", "2029-01-01"), "too_long", "expires in {}"),
        (("--approved-on", "2025-11-01", "--expires", "2025-11-02"), "expired", "expires in {}"),
    ],
)
def test_waiver_that_no_signature_helps_asks_for_none(words, options, status, what, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    words(*NEW, *options, "--id", "w")
    printed = capsys.readouterr().out
    assert f"as written it waives nothing ({status.replace('_', ' ')})" in printed and "signs it, and" not in printed
    corrected = f"next: correct {what.format(words.file('w'))}, since no signature helps; then its approver signs it:"
    assert corrected in printed.splitlines()
