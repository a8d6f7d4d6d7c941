"""Cases of waivers: changes to the test organisation, and the status and openings that follow."""

from typing import Any, NamedTuple

from waiver_organisation import APPROVERS, NOW, OURS, Signing

CONTROLS = ("apps", "browser", "firewall", "dns")
OPEN = {"press01": CONTROLS}
SHUT = {}


class Case(NamedTuple):
    """Changes to the test organisation, and the expected status."""

    shows: str
    status: str
    waiver: dict[str, Any] = {}
    now: str = NOW
    opens: dict[str, tuple[str, ...]] | None = None  # where that is not its service on its host, once it is active
    variables: dict[str, Any] = {}
    approvers: dict[str, Any] | None = APPROVERS
    why: str = ""
    signing: Signing | None = None

    @property
    def opened(self):
        """Return the open controls by host."""
        usual = OPEN if self.status == "active" else SHUT
        return usual if self.opens is None else self.opens


AUTUMN = {"requested_on": None, "approved_on": "2026-10-01T00:00:00Z", "valid_from": None}
YEAR = {"approved_on": "2026-11-01T00:00:00Z", "valid_from": None, "review_by": "2027-10-01T00:00:00Z"}
LEAP = {**AUTUMN, "approved_on": "2028-01-01T00:00:00Z", "expires": "2028-02-29T12:00:00Z"}
BOTH = {"hosts": ["press01", "fin01"]}
BY_BOTH = {"approved_by": "head.of.both"}  # who may approve for press and for finance
EVERY = {"press": APPROVERS["press"], "finance": APPROVERS["finance"], "lab": {"head": "head.of.both"}}
NO_HOST = {"hosts": None}
ALL = {**NO_HOST, "groups": ["all"], **BY_BOTH}
ZONE = {**NO_HOST, "zones": ["internet"]}
SHARED = {"hosts": ["shared01"]}  # in two departments
EVERYBODY = ["fin01", "lab01", "press01", "press02", "shared01"]
BLANKET = {"waiver_blanket": True}
EARLY, LATE = {**AUTUMN, "expires": "2026-10-25T02:30:00+02:00"}, {**AUTUMN, "expires": "2026-10-25T02:30:00+01:00"}
DEPUTY = "deputy.of.press"
MALLORY = {"approved_by": "mallory"}
DESKTOPS = {**NO_HOST, "groups": ["desktops"]}
TAKEN_BACK = {"on": "2026-11-20T09:00:00+08:00", "by": "head.of.press", "why": "no longer needed"}
REVOKED = {"revoked": TAKEN_BACK}
REQUIRED = {"waiver_signatures": "required"}


def on(*hosts):
    """Return every control of these hosts."""
    return dict.fromkeys(hosts, CONTROLS)


CASES = [
    Case("a good one opens its service on its host and nowhere else", "active"),
    # -- the clock
    Case("the second before it begins", "not_yet_valid", now="2026-11-01T15:59:59+00:00"),
    Case("the second it begins", "active", now="2026-11-01T16:00:00+00:00"),
    Case("the second before it ends", "active", now="2026-12-31T09:59:59+00:00"),
    Case("the second it ends, which is out already", "expired", now="2026-12-31T10:00:00+00:00"),
    Case("the second before it ends, said in New York", "active", now="2026-12-31T04:59:59-05:00"),
    Case("1 January is the next year's", "expired", {"expires": "2027-01-01T00:00:00Z"}, "2027-01-01T00:00:00Z"),
    Case("on a leap day", "active", LEAP, "2028-02-29T11:59:59Z"),
    Case("02:30 of summer time, where Berlin has that hour twice", "expired", EARLY, "2026-10-25T01:00:00Z"),
    Case("02:30 of winter time is an hour later", "active", LATE, "2026-10-25T01:00:00Z"),
    Case("before the approval", "not_yet_valid", {"valid_from": "2026-10-01T00:00:00Z"}, "2026-10-31T00:00:00Z"),
    Case("without valid_from it begins with the approval", "active", {"valid_from": None}, "2026-11-01T01:00:00Z"),
    # -- how long
    Case("365 days", "active", {**YEAR, "expires": "2027-11-01T00:00:00Z"}),
    Case("365 days and a second", "too_long", {**YEAR, "expires": "2027-11-01T00:00:01Z"}, why="2027-11-01 00:00:00"),
    Case("longer than the organisation permits", "too_long", variables={"waiver_max_days": 30}),
    # -- taken back
    Case("revoked", "revoked", REVOKED, why="head.of.press revoked it on 2026-11-20: no longer needed"),
    Case("revoked from tomorrow on", "active", {"revoked": {**TAKEN_BACK, "on": "2026-11-26T08:00:00Z"}}),
    Case("the second it is revoked", "revoked", {"revoked": {**TAKEN_BACK, "on": NOW}}),
    Case("revoked counts more than expired", "revoked", REVOKED, "2027-06-01T00:00:00Z"),
    Case("revoked, and nobody may approve", "revoked", REVOKED, approvers=None),
    # -- the review
    Case("the review is due in a second", "active", now="2026-12-02T00:59:59Z"),
    Case("the review is overdue", "active", now="2026-12-02T01:00:00Z", why="review was due on 2026-12-02"),
    Case("a review puts it off by a month", "active", {"reviewed_on": "2026-12-01T00:00:00Z"}, "2026-12-20T00:00:00Z"),
    # -- who approved it
    Case("nobody is registered", "unauthorised", approvers=None, why="approvers.yml"),
    Case("a deputy approved it", "active", {"approved_by": "deputy.of.press"}),
    Case("somebody who may not", "unauthorised", {"approved_by": "mallory"}, why="may not approve for press"),
    Case("the head of another department", "unauthorised", {"approved_by": "head.of.finance"}, why="for press"),
    Case("nearly the head", "unauthorised", {"approved_by": "Head.of.press"}, why="did you mean 'head.of.press'"),
    Case("requested and approved by one", "self_approved", {"requested_by": "head.of.press"}),
    Case("a host of no department", "unauthorised", {"hosts": ["lab01"]}, why="lab01 not in any department"),
    Case("two departments, somebody of both", "active", {**BOTH, **BY_BOTH}, opens=on("press01", "fin01")),
    Case("a host in two departments, the head of one", "unauthorised", SHARED, why="for finance"),
    Case("a host in two departments, somebody of both", "active", {**SHARED, **BY_BOTH}, opens=on("shared01")),
    Case("a group with one of another department", "unauthorised", DESKTOPS, why="for finance"),
    # -- how much
    Case("every host, by the group all", "blanket", ALL, approvers=EVERY),
    Case("every host, if permitted", "active", ALL, NOW, on(*EVERYBODY), approvers=EVERY, variables=BLANKET),
    Case("a group without a host", "no_hosts", {"hosts": None, "groups": ["empty"]}),
    Case("two controls of four", "active", {"controls": ["dns", "browser"]}, opens={"press01": ("browser", "dns")}),
    Case("another service", "active", {"services": ["slack"]}, opens=SHUT),
    Case("a zone narrows a group", "active", {**ZONE, "groups": ["press"], **BY_BOTH}),
    Case("a zone alone is all its hosts", "unauthorised", ZONE, why="for finance"),
    Case("a zone alone, approved for all its hosts", "active", {**ZONE, **BY_BOTH}, opens=on("fin01", "press01")),
    # -- signatures, as far as there is none
    Case("unsigned, where it has to be signed", "unsigned", variables=REQUIRED, why="w1.yml.sig"),
    Case("unsigned, and nobody looks", "active", variables={"waiver_signatures": "off"}),
    Case("unsigned answer to a request", "unsigned", {"request": "00c0ffee00c0ffee"}, why="w1.yml.sig"),
]


def signed(shows, status, waiver=None, mode="", why="", **how):
    """Build a case of a signed waiver."""
    variables = {"waiver_signatures": mode} if mode else {}
    return Case(shows, status, waiver or {}, variables=variables, why=why, signing=Signing(**how))


SIGNED = [
    signed("signed by its approver", "active", mode="required"),
    signed("signed by a deputy who approved it", "active", {"approved_by": DEPUTY}, "required", allow=DEPUTY),
    signed("one byte changed", "bad_signature", why="changed after it was signed", after="changed"),
    signed("one byte changed, and nobody looks", "active", mode="off", after="changed"),
    signed("signed by who requested it", "bad_signature", why="not by head.of.press", allow="chan.tai.man"),
    signed("signed with a key for any purpose", "active", options=()),
    signed("signed with a key of several people", "active", allow="somebody,head.of.press"),
    signed("signed within its time", "active", options=(OURS, 'valid-after="20260101"', 'valid-before="20270101"')),
    signed("with a key for files", "bad_signature", why="not permitted for use in", options=('namespaces="file"',)),
    signed("signed with a key of nobody's", "bad_signature", why="no such key of head.of.press for waivers", allow=""),
    signed("with a key that has expired", "bad_signature", why="expired", options=(OURS, 'valid-before="20261101"')),
    signed("with a key of next month", "bad_signature", why="not yet valid", options=(OURS, 'valid-after="20261201"')),
    signed("signed for something else", "bad_signature", namespace="git", options=()),
    signed("a signature taken off", "unsigned", mode="required", after="taken off"),
    signed("a signature taken off, which is optional", "active", after="taken off"),
    signed("half a signature", "bad_signature", after="damaged"),
    signed("nobody says whose key is whose", "bad_signature", why="allowed_signers", after="alone"),
    signed("nothing to check it with", "bad_signature", why="openssh-client", after="no tool"),
    signed("signed, and revoked after that", "revoked", REVOKED, "required", after="changed"),
    signed("well signed by somebody who may not approve", "unauthorised", MALLORY, "required", allow="mallory"),
    signed("well signed, and over", "expired", mode="required")._replace(now="2026-12-31T10:00:00Z"),
]
