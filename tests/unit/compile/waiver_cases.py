"""Cases of waivers: what differs from a made organisation, and what comes of it. The tests run them all."""

from __future__ import annotations

from typing import Any, NamedTuple

from made_waivers import APPROVERS, NOW, OURS, Signing
from proscribe.plan import CONTROLS

OPEN = {"press01": CONTROLS}
SHUT: dict[str, tuple[str, ...]] = {}


class Case(NamedTuple):
    """What differs from the made organisation, and what comes of it."""

    shows: str
    status: str
    opened: dict[str, tuple[str, ...]]
    waiver: dict[str, Any] = {}
    now: str = NOW
    variables: dict[str, Any] = {}
    approvers: dict[str, Any] | None = APPROVERS
    why: str = ""
    signing: Signing | None = None


AUTUMN = {"requested_on": None, "approved_on": "2026-10-01T00:00:00Z", "valid_from": None}
YEAR = {"approved_on": "2026-11-01T00:00:00Z", "valid_from": None, "review_by": "2027-10-01T00:00:00Z"}
LEAP = {
    "requested_on": None,
    "approved_on": "2028-01-01T00:00:00Z",
    "valid_from": None,
    "expires": "2028-02-29T12:00:00Z",
}
BOTH = {"hosts": ["press01", "fin01"]}
EVERY = {"press": APPROVERS["press"], "finance": APPROVERS["finance"], "lab": {"head": "head.of.both"}}
TAKEN_BACK = {"on": "2026-11-20T09:00:00+08:00", "by": "head.of.press", "why": "no longer needed"}

CASES = [
    Case("a good one opens its service on its host and nowhere else", "active", OPEN),
    # -- the clock
    Case("the second before it begins", "not_yet_valid", SHUT, now="2026-11-01T15:59:59+00:00"),
    Case("the second it begins", "active", OPEN, now="2026-11-01T16:00:00+00:00"),
    Case("the second before it ends", "active", OPEN, now="2026-12-31T09:59:59+00:00"),
    Case("the second it ends, which is out already", "expired", SHUT, now="2026-12-31T10:00:00+00:00"),
    Case("the second after it ends", "expired", SHUT, now="2026-12-31T10:00:01+00:00"),
    Case("the second it ends, said in Hong Kong", "expired", SHUT, now="2026-12-31T18:00:00+08:00"),
    Case("the second before it ends, said in New York", "active", OPEN, now="2026-12-31T04:59:59-05:00"),
    Case("31 December is not 1 January", "active", OPEN, {"expires": "2026-12-31T23:59:59Z"}, "2026-12-31T23:59:58Z"),
    Case("1 January is the next year's", "expired", SHUT, {"expires": "2027-01-01T00:00:00Z"}, "2027-01-01T00:00:00Z"),
    Case("on a leap day", "active", OPEN, LEAP, "2028-02-29T11:59:59Z"),
    Case("on a leap day, over", "expired", SHUT, LEAP, "2028-02-29T12:00:00Z"),
    Case(
        "02:30 of summer time, in the night when Berlin has that hour twice",
        "expired",
        SHUT,
        {**AUTUMN, "expires": "2026-10-25T02:30:00+02:00"},
        "2026-10-25T01:00:00Z",
    ),
    Case(
        "02:30 of winter time is an hour later",
        "active",
        OPEN,
        {**AUTUMN, "expires": "2026-10-25T02:30:00+01:00"},
        "2026-10-25T01:00:00Z",
    ),
    Case(
        "nothing is waived before the approval",
        "not_yet_valid",
        SHUT,
        {"valid_from": "2026-10-01T00:00:00Z"},
        "2026-10-31T00:00:00Z",
    ),
    Case(
        "without valid_from it begins with the approval", "active", OPEN, {"valid_from": None}, "2026-11-01T01:00:00Z"
    ),
    # -- how long
    Case("365 days", "active", OPEN, {**YEAR, "expires": "2027-11-01T00:00:00Z"}),
    Case(
        "365 days and a second",
        "too_long",
        SHUT,
        {**YEAR, "expires": "2027-11-01T00:00:01Z"},
        why="2027-11-01 00:00:00",
    ),
    Case("longer than the organisation permits", "too_long", SHUT, variables={"waiver_max_days": 30}),
    Case("ten years", "too_long", SHUT, {"expires": "2036-12-31T00:00:00Z"}),
    # -- taken back
    Case(
        "revoked",
        "revoked",
        SHUT,
        {"revoked": TAKEN_BACK},
        why="head.of.press revoked it on 2026-11-20: no longer needed",
    ),
    Case(
        "revoked from tomorrow on: today it still holds",
        "active",
        OPEN,
        {"revoked": {**TAKEN_BACK, "on": "2026-11-26T08:00:00Z"}},
    ),
    Case("the second it is revoked", "revoked", SHUT, {"revoked": {**TAKEN_BACK, "on": NOW}}),
    Case("revoked counts more than expired", "revoked", SHUT, {"revoked": TAKEN_BACK}, "2027-06-01T00:00:00Z"),
    Case("revoked, and nobody may approve", "revoked", SHUT, {"revoked": TAKEN_BACK}, approvers=None),
    # -- the review
    Case("the review is due in a second", "active", OPEN, now="2026-12-02T00:59:59Z"),
    Case(
        "the review is overdue: it still waives",
        "active",
        OPEN,
        now="2026-12-02T01:00:00Z",
        why="review was due on 2026-12-02",
    ),
    Case(
        "a review puts it off by a month",
        "active",
        OPEN,
        {"reviewed_on": "2026-12-01T00:00:00Z"},
        "2026-12-20T00:00:00Z",
    ),
    # -- who approved it
    Case("nobody is registered", "unauthorised", SHUT, approvers=None, why="approvers.yml"),
    Case("a deputy approved it", "active", OPEN, {"approved_by": "deputy.of.press"}),
    Case(
        "somebody approved it who may not",
        "unauthorised",
        SHUT,
        {"approved_by": "mallory"},
        why="may not approve for press",
    ),
    Case(
        "the head of another department approved it",
        "unauthorised",
        SHUT,
        {"approved_by": "head.of.finance"},
        why="for press",
    ),
    Case(
        "a name that is nearly the head's",
        "unauthorised",
        SHUT,
        {"approved_by": "Head.of.press"},
        why="did you mean 'head.of.press'",
    ),
    Case("requested and approved by one", "self_approved", SHUT, {"requested_by": "head.of.press"}),
    Case("requested and approved by one, in capitals", "self_approved", SHUT, {"requested_by": "HEAD.of.Press"}),
    Case("a host of no department", "unauthorised", SHUT, {"hosts": ["lab01"]}, why="lab01 not in any department"),
    Case("one host of two is of no department", "unauthorised", SHUT, {"hosts": ["press01", "lab01"]}),
    Case("two departments, the head of one", "unauthorised", SHUT, BOTH),
    Case(
        "two departments, somebody of both",
        "active",
        {"press01": CONTROLS, "fin01": CONTROLS},
        {**BOTH, "approved_by": "head.of.both"},
    ),
    Case(
        "a host in two departments, the head of one", "unauthorised", SHUT, {"hosts": ["shared01"]}, why="for finance"
    ),
    Case(
        "a host in two departments, somebody of both",
        "active",
        {"shared01": CONTROLS},
        {"hosts": ["shared01"], "approved_by": "head.of.both"},
    ),
    Case(
        "a group with one host of another department",
        "unauthorised",
        SHUT,
        {"hosts": None, "groups": ["desktops"]},
        why="for finance",
    ),
    # -- how much
    Case(
        "every host, by the group all",
        "blanket",
        SHUT,
        {"hosts": None, "groups": ["all"], "approved_by": "head.of.both"},
        approvers=EVERY,
    ),
    Case(
        "every host, one by one",
        "blanket",
        SHUT,
        {"hosts": ["press01", "press02", "shared01", "fin01", "lab01"], "approved_by": "head.of.both"},
        approvers=EVERY,
    ),
    Case(
        "every host, where that is permitted",
        "active",
        dict.fromkeys(["fin01", "lab01", "press01", "press02", "shared01"], CONTROLS),
        {"hosts": None, "groups": ["all"], "approved_by": "head.of.both"},
        approvers=EVERY,
        variables={"waiver_blanket": True},
    ),
    Case("a group without a host", "no_hosts", SHUT, {"hosts": None, "groups": ["empty"]}),
    Case("two controls of four", "active", {"press01": ("browser", "dns")}, {"controls": ["dns", "browser"]}),
    Case("another service", "active", SHUT, {"services": ["slack"]}),
    Case(
        "a zone narrows a group",
        "active",
        OPEN,
        {"hosts": None, "groups": ["press"], "zones": ["internet"], "approved_by": "head.of.both"},
    ),
    Case(
        "a zone alone is all its hosts", "unauthorised", SHUT, {"hosts": None, "zones": ["internet"]}, why="for finance"
    ),
    Case(
        "a zone alone, approved for all its hosts",
        "active",
        {"fin01": CONTROLS, "press01": CONTROLS},
        {"hosts": None, "zones": ["internet"], "approved_by": "head.of.both"},
    ),
    Case("a zone that nothing is in", "no_hosts", SHUT, {"zones": ["moon"]}),
    # -- signatures, as far as there is none
    Case("unsigned, where that is permitted", "active", OPEN, variables={"waiver_signatures": "optional"}),
    Case(
        "unsigned, where it has to be signed",
        "unsigned",
        SHUT,
        variables={"waiver_signatures": "required"},
        why="w1.yml.sig",
    ),
    Case("unsigned, and nobody looks", "active", OPEN, variables={"waiver_signatures": "off"}),
]

REQUIRED = {"waiver_signatures": "required"}
SIGNED = [
    Case("signed by its approver", "active", OPEN, variables=REQUIRED, signing=Signing()),
    Case("signed where nobody has to", "active", OPEN, signing=Signing()),
    Case(
        "signed by a deputy who approved it",
        "active",
        OPEN,
        {"approved_by": "deputy.of.press"},
        variables=REQUIRED,
        signing=Signing(allow="deputy.of.press"),
    ),
    Case(
        "one byte changed", "bad_signature", SHUT, why="changed after it was signed", signing=Signing(after="changed")
    ),
    Case(
        "one byte changed, and nobody looks",
        "active",
        OPEN,
        variables={"waiver_signatures": "off"},
        signing=Signing(after="changed"),
    ),
    Case(
        "signed by who requested it",
        "bad_signature",
        SHUT,
        why="by chan.tai.man, not by head.of.press",
        signing=Signing(allow="chan.tai.man"),
    ),
    Case("signed with a key of nobody's", "bad_signature", SHUT, why="no such key", signing=Signing(allow="")),
    Case(
        "signed with a key that has expired",
        "bad_signature",
        SHUT,
        why="expired",
        signing=Signing(options=(OURS, 'valid-before="20261101"')),
    ),
    Case(
        "signed with a key that is not valid yet",
        "bad_signature",
        SHUT,
        why="not yet valid",
        signing=Signing(options=(OURS, 'valid-after="20261201"')),
    ),
    Case("signed for something else", "bad_signature", SHUT, signing=Signing(namespace="git")),
    Case("a signature taken off", "unsigned", SHUT, variables=REQUIRED, signing=Signing(after="taken off")),
    Case("a signature taken off, which is optional", "active", OPEN, signing=Signing(after="taken off")),
    Case("half a signature", "bad_signature", SHUT, signing=Signing(after="damaged")),
    Case(
        "nobody says whose key is whose", "bad_signature", SHUT, why="allowed_signers", signing=Signing(after="alone")
    ),
    Case("nothing to check it with", "bad_signature", SHUT, why="openssh-client", signing=Signing(after="no tool")),
    Case(
        "signed, and revoked after that",
        "revoked",
        SHUT,
        {"revoked": TAKEN_BACK},
        variables=REQUIRED,
        signing=Signing(after="changed"),
    ),
    Case(
        "well signed by somebody who may not approve",
        "unauthorised",
        SHUT,
        {"approved_by": "mallory"},
        variables=REQUIRED,
        signing=Signing(allow="mallory"),
    ),
    Case("well signed, and over", "expired", SHUT, now="2026-12-31T10:00:00Z", variables=REQUIRED, signing=Signing()),
]


class Mistake(NamedTuple):
    """A waiver that no run takes, and what every word says of it."""

    shows: str
    message: str
    waiver: dict[str, Any] = {}
    twice: bool = False
    approvers: Any = APPROVERS


MISTAKES = [
    Mistake("an unknown service", "services[0]: found 'whatsap', expected", {"services": ["whatsap"]}),
    Mistake("an unknown host", "hosts[0]: found 'press1', expected", {"hosts": ["press1"]}),
    Mistake("a group that got another name", "groups[0]: found 'media', expected", {"groups": ["media"]}),
    Mistake("an unknown control", "controls[0]: found 'firewal', expected", {"controls": ["firewal"]}),
    Mistake("a key that is nearly one", "expire", {"expire": "2026-12-31T18:00:00+08:00"}),
    Mistake("no end", "expires: found nothing", {"expires": None}),
    Mistake("a day for an end", "expires: found", {"expires": "2026-12-31"}),
    Mistake("an end without its zone", "expires: found", {"expires": "2026-12-31T18:00:00"}),
    Mistake("an end as elsewhere", "expires: found", {"expires": "2015/10/21"}),
    Mistake("29 February of a year without one", "expires: found", {"expires": "2027-02-29T12:00:00Z"}),
    Mistake("an end before the start", "expires: found", {"expires": "2026-11-01T00:00:00Z"}),
    Mistake("an id that is not the file's name", "id: found 'w2', expected", {"id": "w2"}),
    Mistake("an id twice", "id: found 'w1', expected an id that", twice=True),
    Mistake("a user, for a control that knows none", "users", {"users": ["alice"], "controls": ["dns"]}),
    Mistake("a register for a group that got another name", "media: found 'media'", approvers={"media": {"head": "x"}}),
    Mistake("a register that names nobody", "press.head: found", approvers={"press": {}}),
]
