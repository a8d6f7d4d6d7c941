"""What users and hosts wrote is active in no chat, mail or page: parsed as these parse it."""

from __future__ import annotations

import email
import email.policy
import html.parser
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from fleets import answer, run
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from properties import examples
from proscribe.base.chat_text import HOSTS, PRINTED
from proscribe.controller.report import request_news
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.evaluation.reconcile import fleet_report
from proscribe.controller.report.notification import Notification, Quoted, made, notification
from proscribe.controller.report.storage.requests_file import Request
from proscribe.host.programs.guarding import guard
from proscribe.model.finding import NONCOMPLIANT, Finding, Verdict

BENIGN = "Press enquiries come in there"
HOSTILE = [
    "<!channel> please read",
    "<!subteam^S1234|@heads>",
    "<@U012AB3CD>",
    "<users/all>",
    "<https://evil.example/login|the approved report>",
    "[the approved report](https://evil.example/login)",
    "[a][b] and [b]: https://evil.example",
    "![seen](https://evil.example/pixel.png)",
    "<https://evil.example>",
    "https://evil.example/login",
    "www.evil.example",
    "@everyone @here @channel @all",
    "<img src=x onerror=alert(1)><script>alert(1)</script>",
    "&lt;!channel&gt; &#60;img src=x&#62;",
    "``` <!channel> ```",
    "~~~ [a](https://evil.example)",
    "**The request was approved.** __yes__ ~~no~~ ||hidden||",
    "# Approved by head.of.press",
    "a\u2028[b](https://evil.example)",
    "\u202egnihton",
    "\uff1c!channel\uff1e",
]
PIECES = [*"<>&@`[]()!*_~|#:/\\'\"^-=+. \n\ta1", "http://", "www.", "channel", "https://evil.example", "](", "!["]
PIECE = st.one_of(st.sampled_from(PIECES), st.sampled_from(HOSTILE), st.characters())
TEXTS = st.lists(PIECE, max_size=12).map("".join)
HEADERS = {"Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "MIME-Version", "Subject"}


class _Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.found.append(tag)


def active(text: str) -> set[str]:
    """What of a text some chat, page or reader of mail would obey."""
    found = {f"control {one}" for one in re.findall(r"<[^<>\n]+>", text)}  # Slack, Google Chat
    found |= {f"mention {one}" for one in re.findall(r"@\w+", text)}  # Mattermost, Discord, Teams
    found |= {f"address {one}" for one in re.findall(r"\w://\S+|\bwww\.\w", text)}
    tags = _Tags()
    tags.feed(text)
    tags.close()
    found |= {f"tag {one}" for one in tags.found}
    for token in MarkdownIt("js-default", {"html": True, "linkify": False}).parse(text):
        for part in (token, *(token.children or ())):
            if part.type in ("link_open", "image", "html_inline", "html_block"):
                found.add(f"markdown {part.type}")
    return found


def blocks(text: str) -> Iterator[str]:
    """What stands in blocks of its own in a chat."""
    return (one.content for one in MarkdownIt("js-default").parse(text) if one.type == "fence")


def outside(text: str) -> str:
    """What stands outside of them."""
    return re.sub(r"(?ms)^```\n.*?^```$", "", text)


def requested(text: str) -> Notification:
    user, reason = text or "alice", text or BENIGN
    request = Request("web01", "0123456789abcdef", user, "whatsapp", reason, "2026-11-25T02:00:00Z", "r")
    return request_news.notification([request], {}, "./proscribe requests -i inventory/prod")


def reported(text: str) -> Notification:
    collector = Collector(run(["web01"]))
    found = Finding("file", "wechat", path=f"/home/alice/{text}", scope="user:alice")
    collector.answered("web01", answer(Verdict("apps/wechat", NONCOMPLIANT, (found,))))
    fleet = collector.fleet("2026-11-25T02:02:00Z")
    report = fleet_report(run(["web01"]), fleet, "2026-11-25T02:02:00Z")
    message = notification(report, fleet.records, None, "/srv/reports/r1")
    assert message is not None
    return message


def refused(text: str) -> Notification:
    return made("Proscribe: a run was refused", [Quoted([f"others can change /srv/{text}"], PRINTED)], refused=text)


def texts_in(value: object) -> Iterator[str]:
    """Each text of some facts."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for one in value.items() for part in one for text in texts_in(part))
    elif isinstance(value, (list, tuple)):
        yield from (text for part in value for text in texts_in(part))


@pytest.mark.parametrize("text", HOSTILE[:12])
def test_each_of_these_is_obeyed_somewhere_where_nothing_is_done_about_it(text: str) -> None:
    assert active(text)


@pytest.mark.parametrize("make", [requested, refused, reported])
@given(text=TEXTS)
@examples(300)
def test_no_text_of_a_stranger_is_obeyed_where_a_notification_is_shown(make: Any, text: str) -> None:
    try:
        message = make(text)
    except ValueError:  # no host's answer has such a text
        return
    facts = json.loads(json.dumps(message.as_dict()["facts"]))
    assert active(facts["text"]) == set()
    for one in texts_in({key: value for key, value in facts.items() if key != "text"}):
        assert {what for what in active(one) if not what.startswith("address www")} == set()  # hosts may be called so
    mail = email.message_from_string(message.as_dict()["message"], policy=email.policy.default)
    assert mail.get_content_type() == "text/plain" and not mail.is_multipart()
    assert set(mail) == HEADERS


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("make", [requested, reported, refused])
def test_it_is_in_a_block_of_its_own_that_is_marked_and_cut(make: Any, text: str) -> None:
    shown, benign = (str(make(part).facts["text"]) for part in (text * 40, BENIGN))
    (block,) = blocks(shown)
    assert outside(shown) == outside(benign) and {HOSTS, PRINTED} & {*outside(shown).split("\n")}
    assert max(map(len, block.split("\n"))) <= 400 and block.count("\n") == next(blocks(benign)).count("\n")


@pytest.mark.parametrize("text", HOSTILE)
def test_the_alert_of_the_guard_is_as_careful(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    posted: list[bytes] = []
    monkeypatch.setattr(guard, "_post", lambda url, body: posted.append(body))
    monkeypatch.setattr(guard, "_drop_rights", lambda account: None)
    settings: Any = {"account": "proscribe", "alerts": {"webhook": "https://chat.example.org/x"}}
    assert guard.send(settings, "Proscribe: a run was refused", f"others can change /srv/{text}", refused=text)
    facts = json.loads(posted[0])
    assert active(facts["text"]) == set()
    assert all(active(one) <= {"address www.e"} for one in texts_in(facts))
    (block,) = blocks(facts["text"])
    assert "others can change" in block
