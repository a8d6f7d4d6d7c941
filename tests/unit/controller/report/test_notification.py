"""Notifications of scheduled runs: their content, their bounds, and text of strangers in chats, mails and pages."""

import email
import email.policy
import html.parser
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from fleets import answer, no_policy, run, wechat
from hypothesis import given
from hypothesis import strategies as st
from made_records import make_record, make_rule
from markdown_it import MarkdownIt
from pasts import PACKAGE, Past, bad, good, repaired
from properties import examples
from proscribe.base.chat_text import HOSTS_HEADING, OUTPUT_HEADING
from proscribe.controller.report import notification, request_notification
from proscribe.controller.report.collection.collector import Collector
from proscribe.controller.report.evaluation.reconciliation import make_run_report
from proscribe.controller.report.history import open_history, run_changes
from proscribe.controller.report.storage.requests_file import StoredRequest
from proscribe.host.programs.guarding import guard
from proscribe.model.finding import NONCOMPLIANT, REPAIRED, Finding, RuleVerdict

AT = "2026-11-25T01:00:30Z"
BENIGN = "Press enquiries come in there"
HOSTILE = [
    "<!channel> please read", "<!subteam^S1234|@heads>", "<@U012AB3CD>", "<users/all>",
    "<https://evil.example/login|the approved report>", "[the approved report](https://evil.example/login)",
    "[a][b] and [b]: https://evil.example", "![seen](https://evil.example/pixel.png)", "<https://evil.example>",
    "https://evil.example/login", "www.evil.example", "@everyone @here @channel @all",
    "<img src=x onerror=alert(1)><script>alert(1)</script>", "&lt;!channel&gt; &#60;img src=x&#62;",
    "``` <!channel> ```", "~~~ [a](https://evil.example)", "**The request was approved.** __yes__ ~~no~~ ||hidden||",
    "# Approved by head.of.press", "a\u2028[b](https://evil.example)", "\u202egnihton", "\uff1c!channel\uff1e",
]  # fmt: skip
PIECES = [*"<>&@`[]()!*_~|#:/\\'\"^-=+. \n\ta1", "http://", "www.", "channel", "https://evil.example", "](", "!["]
PIECE = st.one_of(st.sampled_from(PIECES), st.sampled_from(HOSTILE), st.characters())
HEADERS = {"Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "MIME-Version", "Subject"}


def notify_with_history(history, report, records):
    return notification.make_run_notification(
        report, records, notification.read_run_history(history, report), "reports/x"
    )


class NotifiedRuns(Past):
    def notification_of(self, hosts, refused=(), **changes):
        self.run(hosts, **changes)

        def add_errors(record):
            return {**record, "errors": [*record["errors"], *refused]}

        report, records = self.made(hosts, number=self.number, change=add_errors)
        report["rollout"] = changes.get("rollout")
        return notify_with_history(self.history, report, records)


@pytest.fixture
def past(tmp_path):
    return NotifiedRuns(open_history("sqlite", tmp_path))


@pytest.mark.parametrize(("before", "now", "changes", "subject"), [
    (None, repaired(), {}, "1 host corrected for the first time"),
    (bad(), good(), {}, "1 host compliant again"),
    (good(), good(), {"rollout": {"why": "12 of 20 hosts differ"}}, "stopped"),  # though nothing changed
    (good(), good(), {}, None),
])  # fmt: skip
def test_subject_of_a_notification_is_the_change_of_a_run(past, before, now, changes, subject):
    if before:
        past.run({"web01": before})
    sent = past.notification_of({"web01": now}, **changes)
    assert (subject in sent.subject) if subject else sent is None
    assert not changes or "The run was stopped: 12 of 20 hosts differ" in sent.lines


def test_the_notification_of_a_partly_corrected_host_names_what_is_left(past):
    stays = RuleVerdict("dns/x", NONCOMPLIANT, reason="not blocked in /etc/hosts")
    past.run({"web01": answer(wechat(PACKAGE), stays)})
    mended = wechat(PACKAGE)._replace(state=REPAIRED, drifted=False)
    refused = [{"control": "dns", "message": "/etc/hosts was left as it is"}]
    sent = past.notification_of({"web01": answer(mended, stays)}, refused)
    assert sent.subject == "Proscribe: 1 host partly corrected"
    assert "  still not compliant: dns/x: /etc/hosts was left as it is" in sent.lines
    assert sent.facts["hosts"][0]["still_not_in_order"] == 1


def test_a_mail_can_be_read_again_and_a_host_cannot_forge_its_headers():
    message = notification.build_notification("Proscribe: x\nBcc: all@example.org", ["a\x1b[2Jb", "größer"])
    mail = email.message_from_string(message.make_payload()["message"])
    assert (mail["Subject"], mail["Bcc"]) == ("Proscribe: x Bcc: all@example.org", None)
    assert "größer" in mail.get_payload(decode=True).decode()
    assert "\x1b" not in message.facts["text"]


def test_corrections_after_changes_of_the_policy_are_no_repeated_drift(past):
    for policy, again in ((0, []), (1, []), (2, []), (3, []), (3, []), (3, []), (3, ["web01"])):
        sent = past.notification_of({"web01": repaired(digest=f"sha256:{policy:064}")})
        assert sent.facts["again_and_again"] == again and ("Repeated drift" in sent.text) is bool(again)


def test_first_correction_by_a_control_that_no_run_observed_before_is_no_drift(past):
    past.run({"web01": good()}, controls=["dns"])
    for again in ([], [], [], ["web01"]):
        assert past.notification_of({"web01": repaired()}).facts["again_and_again"] == again


def test_a_host_that_had_answered_is_not_said_to_answer_again(past):
    errors = [{"control": "apps", "message": "No space left on device"}]
    past.run({"web01": good()}, change=lambda record: {**record, "state": "error", "errors": errors})
    lines = past.notification_of({"web01": good()}).lines
    subject = "no error any more (before: No space left on device)"
    assert f"  the host: compliant: {subject}; since 2026-11-25 01:00 UTC" in lines


def test_drift_beside_the_end_of_a_waiver_is_a_line_of_its_own(past):
    first, second = (verdict._replace(state=REPAIRED, drifted=False) for verdict in no_policy()[:2])
    past.run({"web01": answer(first._replace(state="waived", waiver="press"), evaluated=[second.rule])})
    past.run({"web01": answer(first, second)})
    report, records = past.made({"web01": answer(first, second)}, number=past.number)
    control, service = first.rule.split("/")
    ended = {"id": "press", "status": "expired", "hosts": ["web01"], "services": [service], "controls": [control]}
    report["waivers"] = [ended]
    sent = notify_with_history(past.history, report, records)
    assert f"  {first.rule}: corrected: waiver press ended: " in sent.text
    assert f"  {second.rule}: corrected: chromium www." in sent.text


WECHAT_RULE = make_rule("apps/wechat", reason="why")


def make_wrong_record(host: str, *rules: Any) -> Any:
    return make_record(host, "noncompliant", *rules, checked_at=AT)


def notify(*records: Any, known_names: notification.RunHistory | None = None) -> Any:
    report: Any = {"run": {"id": "r1", "finished": AT}}
    return notification.make_run_notification(report, records, known_names, "reports/r1")


@pytest.mark.parametrize(
    ("hosts", "listed", "facts", "more"),
    [(20, 20, 20, []), (21, 20, 21, ["... and 1 more host"]), (101, 20, 100, ["... and 81 more hosts"])],
)
def test_notification_lists_twenty_hosts(hosts, listed, facts, more):
    names = [f"web{number}" for number in range(hosts)]
    sent = notify(*(make_wrong_record(name, WECHAT_RULE) for name in names))
    assert sent.subject == f"Proscribe: {hosts} hosts newly not compliant"
    line = "  apps/wechat: noncompliant: why; since 2026-11-25 01:00 UTC"
    shown = [text for name in names[:listed] for text in (name, line)]
    assert sent.lines == (*shown, *more, "", "The whole report: reports/r1/report.html")
    assert [host["host"] for host in sent.facts["hosts"]] == names[:facts]
    assert sent.facts["number_of_hosts"] == hosts


@pytest.mark.parametrize(
    ("rules", "facts", "more"), [(8, 8, []), (9, 9, ["  ... and more: 1 rule"]), (41, 40, ["  ... and more: 33 rules"])]
)
def test_notification_lists_eight_rules_of_a_host(rules, facts, more):
    names = [f"apps/app{number}" for number in range(rules)]
    sent = notify(make_wrong_record("web01", *map(make_rule, names)))
    assert [line.split(":")[0] for line in sent.lines[1:9]] == [f"  {name}" for name in names[:8]]
    assert sent.lines[9:-2] == tuple(more)
    (host,) = sent.facts["hosts"]
    assert [change["rule"] for change in host["changes"]] == names[:facts] and host["number_of_changes"] == rules


@pytest.mark.parametrize(("names", "reason", "text"), [
    ("abc", "why", "dns/a, dns/b, dns/c: noncompliant: why; "),
    ("abcd", "why", "4 dns rules: noncompliant: why; "),
    ("a", None, "dns/a: noncompliant: "),
    ("a", "x" * 160, f"dns/a: noncompliant: {'x' * 160}; "),
    ("a", "x" * 161, f"dns/a: noncompliant: {'x' * 160}...; "),
])  # fmt: skip
def test_rules_of_one_cause_and_long_evidence(names, reason, text):
    lines = notify(make_wrong_record("web01", *(make_rule(f"dns/{name}", reason=reason) for name in names))).lines
    assert lines[:-2] == ("web01", f"  {text}since 2026-11-25 01:00 UTC")


def test_repeated_drift_is_named_by_host():
    hosts = [f"web{number:02}" for number in range(12)]
    begun = ("apps/wechat", "noncompliant", "dpkg wechat 4.0", AT, "")
    changes = [run_changes.IncidentChange(host, *begun) for host in hosts]
    times = {(host, "apps/wechat"): 3 if host < "web11" else 2 for host in hosts}
    records = [make_wrong_record(host, WECHAT_RULE) for host in hosts]
    sent = notify(*records, known_names=notification.RunHistory(changes, times))
    assert "Repeated drift, so something there reverts the correction: " in sent.text
    assert f"the correction: {', '.join(hosts[:10])} and 1 more\n" in sent.text
    assert sent.facts["again_and_again"] == hosts[:11]
    assert sent.text.count("(time 3 in 30 days)") == 11 and sent.text.count("(time 2 in 30 days)") == 1


class _Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.found.append(tag)


def find_active(text: str) -> set[str]:
    """Return the parts of a text that a chat, a page or a mail reader obeys."""
    result = {f"control {item}" for item in re.findall(r"<[^<>\n]+>", text)}  # Slack, Google Chat
    result |= {f"mention {entry}" for entry in re.findall(r"@\w+", text)}  # Mattermost, Discord, Teams
    result |= {f"address {element}" for element in re.findall(r"\w://\S+|\bwww\.\w", text)}
    tags = _Tags()
    tags.feed(text)
    tags.close()
    result |= {f"tag {items_}" for items_ in tags.found}
    for token in MarkdownIt("js-default", {"html": True, "linkify": False}).parse(text):
        for part in (token, *(token.children or ())):
            if part.type in ("link_open", "image", "html_inline", "html_block"):
                result.add(f"markdown {part.type}")
    return result


def find_blocks(text: str) -> Iterator[str]:
    return (item.content for item in MarkdownIt("js-default").parse(text) if item.type == "fence")


def remove_blocks(text: str) -> str:
    return re.sub(r"(?ms)^```\n.*?^```$", "", text)


def make_request_message(text: str) -> notification.Notification:
    user, reason = text or "alice", text or BENIGN
    request = StoredRequest("web01", "0123456789abcdef", user, "whatsapp", reason, "2026-11-25T02:00:00Z", "r")
    return request_notification.make_request_notification([request], {}, "./proscribe requests -i inventory/prod")


def make_report_message(text: str) -> notification.Notification:
    collector = Collector(run(["web01"]))
    result = Finding("file", "wechat", path=f"/home/alice/{text}", scope="user:alice")
    collector.answered("web01", answer(RuleVerdict("apps/wechat", NONCOMPLIANT, (result,))))
    fleet = collector.reconcile_hosts("2026-11-25T02:02:00Z")
    report = make_run_report(run(["web01"]), fleet, "2026-11-25T02:02:00Z")
    message = notification.make_run_notification(report, fleet.records, None, "/srv/reports/r1")
    assert message is not None
    return message


def make_refused_message(text: str) -> notification.Notification:
    lines = notification.QuotedLines([f"others can change /srv/{text}"], OUTPUT_HEADING)
    return notification.build_notification("Proscribe: a run was refused", [lines], refused=text)


def find_texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for item in value.items() for part in item for text in find_texts(part))
    elif isinstance(value, (list, tuple)):
        yield from (text for part in value for text in find_texts(part))


@pytest.mark.parametrize("text", HOSTILE[:12])
def test_hostile_text_is_active_where_it_is_not_escaped(text):
    assert find_active(text)


@pytest.mark.slow
@pytest.mark.parametrize("make", [make_request_message, make_refused_message, make_report_message])
@given(text=st.lists(PIECE, max_size=12).map("".join))
@examples(300)
def test_no_text_of_a_stranger_is_obeyed_where_a_notification_is_shown(make, text):
    try:
        message = make(text)
    except ValueError:  # no host's answer has such a text
        return
    facts = json.loads(json.dumps(message.make_payload()["facts"]))
    assert find_active(facts["text"]) == set()
    for item in find_texts({key: value for key, value in facts.items() if key != "text"}):
        # Hosts may be called www.
        assert [subject for subject in find_active(item) if not subject.startswith("address www")] == []
    mail = email.message_from_string(message.make_payload()["message"], policy=email.policy.default)
    assert mail.get_content_type() == "text/plain" and not mail.is_multipart()
    assert set(mail) == HEADERS


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("make", [make_request_message, make_report_message, make_refused_message])
def test_strangers_text_is_in_a_marked_block_that_is_cut(make, text):
    shown, benign = (str(make(part).facts["text"]) for part in (text * 40, BENIGN))
    (block,) = find_blocks(shown)
    around = remove_blocks(shown)
    assert around == remove_blocks(benign) and {HOSTS_HEADING, OUTPUT_HEADING} & {*around.split("\n")}
    assert max(map(len, block.split("\n"))) <= 400 and block.count("\n") == next(find_blocks(benign)).count("\n")


@pytest.mark.parametrize("text", HOSTILE)
def test_the_alert_of_the_guard_is_as_careful(text, monkeypatch):
    posted: list[bytes] = []
    monkeypatch.setattr(guard, "_submit_alert", lambda url, body: posted.append(body))
    monkeypatch.setattr(guard, "_drop_rights", lambda account: None)
    settings: Any = {"account": "proscribe", "alerts": {"webhook": "https://chat.example.org/x"}}
    assert guard.send_alert(settings, "Proscribe: a run was refused", f"others can change /srv/{text}", refused=text)
    facts = json.loads(posted[0])
    assert find_active(facts["text"]) == set()
    assert all(find_active(item) <= {"address www.e"} for item in find_texts(facts))
    (block,) = find_blocks(facts["text"])
    assert "others can change" in block
