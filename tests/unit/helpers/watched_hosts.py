"""Made hosts that keep themselves in line, and users who request something between two runs."""

import fleets
from fleets import WECHAT, wechat

INCIDENT = {
    "control": "apps", "cause": "package wechat", "rules": ["apps/wechat"], "rules_left_out": 0,
    "first": "2026-11-23T08:00:00Z", "last": "2026-11-24T03:00:00Z", "times": 3, "corrected": 3,
    "users": ["alice", "bob"],
}  # fmt: skip
POLICY = {  # one file for many rules
    **INCIDENT, "control": "browser", "cause": "policy /etc/opt/chrome/policies/managed/proscribe.json",
    "rules": ["browser/wechat", "browser/gmail"], "rules_left_out": 194,
}  # fmt: skip
ENDED = {
    "rule": "apps/telegram", "program": "/home/alice/Telegram/Telegram", "user": "alice",
    "first": "2026-11-24T09:00:00Z", "last": "2026-11-24T11:00:00Z", "times": 7,
}  # fmt: skip
FROZEN = {"until": "2026-11-25T06:00:00Z", "reason": "a demonstration", "by": "root"}
REQUEST = {
    "id": "0123456789abcdef", "user": "alice", "service": "whatsapp", "reason": "answers readers there",
    "at": "2026-11-24T10:00:00Z",
}  # fmt: skip


def watch(*incidents, **changes):
    return {
        "every": 300, "renewed": "2026-11-24T00:30:00Z", "stale": False, "last": "2026-11-25T00:27:00Z",
        "since": "2026-11-20T00:00:00Z", "incidents": list(incidents), "ended": [], "left_out": {}, **changes,
    }  # fmt: skip


def watched(*incidents, answer=None, **changes):
    return {**(answer or fleets.clean_answer()), "watch": watch(*incidents, **changes)}


def asking(*requests, answer=None, left_out=0):
    return {**(answer or fleets.clean_answer()), "requests": list(requests), "requests_left_out": left_out}


# One host of each kind; each is compliant now but for "open".
HOSTS = {
    "closed": watched(INCIDENT, ended=[ENDED]), "once": watched({**INCIDENT, "times": 1, "corrected": 1, "users": []}),
    "frozen": watched(frozen=FROZEN), "stale": watched(stale=True, renewed="2026-11-01T00:00:00Z"),
    "unobserved": watched(last=None, renewed=None, since=None), "late": watched(last="2026-11-23T00:27:00Z"),
    "quiet": watched(), "asking": asking(REQUEST),
    "open": watched({**INCIDENT, "corrected": 2}, answer=fleets.answer(wechat(WECHAT), evaluated=["apps/line"])),
    "plain": fleets.clean_answer(),
}  # fmt: skip
