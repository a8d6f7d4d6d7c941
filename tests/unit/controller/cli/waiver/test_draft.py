"""A request becomes the draft of a waiver: what answers it already, what a waiver would open, what is filled in."""

import argparse
import dataclasses
import re
from types import SimpleNamespace
from typing import Any

import pytest
from made_policy import NOW
from proscribe.controller.cli import CommandError, inventory
from proscribe.controller.cli.waiver import request_status
from proscribe.controller.cli.waiver.draft import fill_in_options
from proscribe.controller.cli.waiver.request_status import RequestStatus, WaiverEffect
from proscribe.controller.compile.inventory.reports_folder import ReportsPlace
from proscribe.controller.compile.waivers.approvers import Authority
from proscribe.controller.compile.waivers.refusals import RequestRefusal
from proscribe.controller.report.storage.requests_file import StoredRequest
from refusals import make_refusal

ID = "0f3a9c5d7e1b2846"
REQUEST = StoredRequest("press01", ID, "wong", "parrot", "Press calls", "2026-11-22T04:00:00Z")
OPENS = WaiverEffect("wong", ("apps", "firewall"), ("apps", "browser", "firewall"), ("browser",))
LISTS = ("services", "hosts", "groups", "zones", "users", "controls")
TEXTS = ("reason", "requested_by", "requested_on", "approved_by", "approved_on", "expires", "id")
OUT = "closed, because --control leaves"
WHOLE = "because what they refuse they refuse to a whole host; --whole-host opens them for everybody there"
ALONE = "whole host: a waiver for wong alone would leave it out of reach. --whole-host opens it for everybody there"
ONE_CLOSED = WaiverEffect("wong", (), ("browser",), ("browser",))
TWO_CLOSED = WaiverEffect("wong", (), ("browser", "dns"))
PARTLY_OPEN = WaiverEffect("wong", ("apps", "firewall"), ("apps", "browser", "dns"), ("browser",), True)
NO = RequestRefusal(ID, "press01", "wong", "parrot", "use the desk", "head", "2026-11-25T04:00:00Z")
UNSIGNED = {"is_waiving": False, "status": "bad_signature", "why": "no key"}
REVOKED = {"is_waiving": False, "status": "revoked", "why": "over"}
FOR_ALL = "A waiver would open apps and dns for everybody on the host. One for wong alone would leave it out of reach"
STAYS = "would stay closed, being for a whole host"


def standing(effect=OPENS, **changed):
    own = {name: changed.pop(name) for name in tuple(changed) if name in RequestStatus._fields}
    made = RequestStatus(REQUEST._replace(**changed), ("press",), ("head", "other"), "open", "", "", effect, 365)
    return made._replace(**own)


def options(**given):
    lists = {name: [] for name in LISTS}
    return argparse.Namespace(**{**lists, **dict.fromkeys(TEXTS), "whole_host": False, **given})


DRAFT = dict.fromkeys(("groups", "zones"), [])
DRAFT |= {"services": ["parrot"], "hosts": ["press01"], "users": ["wong"], "controls": ["apps", "firewall"]}
DRAFT |= {"reason": "Press calls", "requested_by": "wong", "requested_on": "2026-11-22T04:00:00Z", "expires": "90d"}
DRAFT |= {"approved_by": "head", "approved_on": "2026-11-25T04:00:00Z", "id": "press01-wong-parrot-0f3a"}
GIVEN = {name: f"my {name}" for name in TEXTS}
CUT = f"{'x' * 89}._-{'y' * 93}"  # where an id of a hundred characters would begin with a dot


@pytest.mark.parametrize(
    ("given", "request_", "draft"),
    [
        ({}, {}, {}),
        (GIVEN, {}, GIVEN),
        ({"whole_host": True}, {}, {"users": [], "controls": []}),
        ({"controls": ["apps,dns"]}, {}, {"controls": ["apps", "dns"]}),
        ({}, {"at": "2027-01-01T00:00:00Z"}, {"requested_on": "2026-11-25T04:00:00Z"}),
        ({}, {"approvers": (), "max_days": 7}, {"approved_by": "", "expires": "7d"}),
        ({}, {"host": "--._p+\u00fc1"}, {"hosts": ["--._p+\u00fc1"], "id": "p-1-wong-parrot-0f3a"}),
        ({}, {"id": "-._x"}, {"id": "press01-wong-parrot--._x"}),
        ({}, {"service": CUT, "id": "0f3._-"}, {"services": [CUT], "id": f"{'y' * 93}-0f3"}),
        ({}, {"service": "x" * 99}, {"services": ["x" * 99], "id": f"{'x' * 95}-0f3a"}),
    ],
)
def test_draft_is_as_the_request_has_it_where_no_option_says_else(given, request_, draft):
    arguments = options(**given)
    fill_in_options(arguments, standing(**request_), NOW)
    assert vars(arguments) == {**DRAFT, "whole_host": arguments.whole_host, **draft}


@pytest.mark.parametrize(
    ("opens", "given", "remarks"),
    [
        (OPENS, {}, [f"browser stays closed for wong, {WHOLE}"]),
        (OPENS, {"controls": ["firewall"]}, [f"apps and browser stay closed for wong, {WHOLE}"]),
        (OPENS, {"whole_host": True}, []),
        (OPENS, {"whole_host": True, "controls": ["apps", "firewall"]}, [f"browser stays {OUT} it out"]),
        (OPENS, {"whole_host": True, "controls": ["apps"]}, [f"browser and firewall stay {OUT} them out"]),
        (WaiverEffect("wong", ("apps",), ("apps",)), {}, []),
    ],
)
def test_draft_shows_its_approver_which_controls_stay_closed(opens, given, remarks):
    assert fill_in_options(options(**given), standing(opens), NOW) == remarks


@pytest.mark.parametrize(
    ("changed", "given", "said"),
    [
        *(({"state": state, "answer": "W-1"}, {}, "has a waiver already: W-1") for state in ("drafted", "waived")),
        *(({}, {name: ["x"]}, "names the service, the host and the user") for name in LISTS[:-1]),
        ({"user": "a,b"}, {}, "found the user 'a,b', expected one user"),
        ({"effect": WaiverEffect("wong", (), ())}, {}, "nothing restricts parrot on press01"),
        ({"effect": ONE_CLOSED}, {}, f"browser closes parrot on press01, and it does so for a {ALONE}"),
        ({"effect": TWO_CLOSED}, {}, f"browser and dns close parrot on press01, and they do so for a {ALONE}"),
        ({"effect": PARTLY_OPEN}, {}, f"{ALONE}; --control apps,firewall drafts what can be opened for wong alone"),
    ],
)
def test_request_that_is_not_drafted_is_refused_with_a_reason(changed, given, said):
    with pytest.raises(CommandError, match=re.escape(said)):
        fill_in_options(options(**given), standing(**changed), NOW)


def judged(id_="W-1", **changed):
    """A waiver that answers the request, and what it is worth, but for what differs."""
    waiver = {"id": id_, "request": ID, "services": ("parrot",), "users": ("wong",), "posix_groups": (), "ends": NOW}
    worth = {"is_waiving": True, "status": "active", "why": "so it is", "hosts": ("press01",)}
    for key, value in changed.items():
        (waiver if key in waiver else worth)[key] = value
    return SimpleNamespace(**waiver), SimpleNamespace(**worth)


@dataclasses.dataclass
class Inventory:
    hosts: list[Any]
    groups: dict[str, Any] = dataclasses.field(default_factory=dict)


class Fleet:
    def __init__(self, folder, patch):
        self.waivers, self.refusals, self.modes, self.compiled_hosts = [], [], {}, []
        self.register = {"press": Authority("head")}
        self.departments = {"press": ["press01"], "finance": ["fin01"], "all": ["press01", "fin01"]}
        self.services = {"parrot": ["program"]}
        self.requests = [REQUEST]
        hosts = [SimpleNamespace(name=name) for name in ("press01", "fin01", "other")]
        patch.setattr(inventory, "read_compile_input", lambda arguments: Inventory(hosts))
        patch.setattr(inventory, "locate_reports", lambda arguments: ReportsPlace(folder, ""))
        patch.setattr(request_status.requests_file, "read_requests", lambda reports: self.requests)
        patch.setattr(request_status, "compile_hosts", self.compiled)
        patch.setattr(request_status, "find_approver_folders", lambda question, restrictions: [*restrictions])
        patch.setattr(request_status, "read_approver_list", lambda folders, groups: self.register)
        patch.setattr(request_status, "list_departments", lambda question, restrictions: self.departments)
        patch.setattr(request_status, "list_program_identifiers", lambda service: service)

    def compiled(self, question, now):
        self.compiled_hosts = names = [host.name for host in question.hosts]
        controls = {name: {"services": {"parrot": {"mode": mode}}} for name, mode in self.modes.items()}
        return SimpleNamespace(
            plans={"digest": {"controls": {**controls, "empty": {"services": {}}}}},
            hosts=dict.fromkeys(names, "digest"),
            restrictions={name: SimpleNamespace(waiver_max_days=30) for name in names},
            catalogues={name: SimpleNamespace(services=self.services) for name in names},
            waivers=self.waivers,
            refusals=self.refusals,
        )

    def found(self):
        return request_status.list_requests(argparse.Namespace(), NOW)


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    return Fleet(tmp_path, monkeypatch)


BY_W1 = ("waived", "waived by W-1 until 2026-11-25 04:00:00 UTC", "W-1")
OTHERS = [{"request": "x"}, {"hosts": ("fin01",)}, {"services": ("owl",)}, {"users": ("x",)}]
OTHERS.append({"users": (), "posix_groups": ("g",)})


@pytest.mark.parametrize(
    ("waivers", "refusals", "answer"),
    [
        ([judged("W-0", **UNSIGNED), judged()], [NO], BY_W1),
        *(([judged(**wider)], [], BY_W1) for wider in ({"users": ()}, {"posix_groups": ("g",)})),
        ([judged(**UNSIGNED)], [], ("drafted", "W-1 is bad signature: no key", "W-1")),
        ([judged(**UNSIGNED)], [NO], ("refused", "refused by head on 2026-11-25: use the desk", "")),
        ([judged(**REVOKED)], [], ("ended", "W-1: over", "W-1")),
        ([judged("W-0", **REVOKED), judged(**UNSIGNED)], [], ("drafted", "W-1 is bad signature: no key", "W-1")),
        *(([], [NO._replace(**{key: "x"})], ("open", "", "")) for key in ("host", "user", "service", "id")),
        *(([judged(**other)], [], ("open", "", "")) for other in OTHERS),
    ],
)
def test_request_is_answered_only_by_a_waiver_or_refusal_that_is_about_it(fleet, waivers, refusals, answer):
    fleet.waivers, fleet.refusals = waivers, refusals
    (found,) = fleet.found()
    assert found == RequestStatus(REQUEST, ("press", "all"), ("head",), *answer, WaiverEffect("wong", (), ()), 30)
    assert found.time == NOW.replace(day=22)


@pytest.mark.parametrize(
    ("register", "approvers"),
    [
        ({"finance": Authority("x")}, ()),
        ({"press": Authority("a"), "all": Authority("b", ("a",))}, ("a", "b")),
        ({"press": Authority("a"), "all": Authority("a")}, ("a",)),
        ({"press": Authority(""), "all": Authority("b")}, ("b",)),
    ],
)
def test_approver_for_all_departments_of_a_host_comes_first(fleet, register, approvers):
    fleet.register = register
    assert [one.approvers for one in fleet.found()] == [approvers]


ALL = ("apps", "browser", "firewall", "dns")


@pytest.mark.parametrize(
    ("modes", "services", "opens"),
    [
        *((dict.fromkeys(ALL, mode), {"parrot": 1}, (("apps", "firewall"), ALL, ("browser", "dns"), False))
          for mode in ("enforce", "upcoming")),
        *((dict.fromkeys(ALL, mode), {"parrot": 1}, (("apps", "firewall"), ALL, (), False))
          for mode in ("audit", "waived")),
        (dict.fromkeys(ALL, "report"), {"parrot": 1}, ((), (), (), False)),
        ({"dns": "enforce"}, {"parrot": 0}, ((), ("dns",), ("dns",), True)),
        ({"apps": "enforce"}, {}, (("apps",), ("apps",), (), True)),
    ],
)  # fmt: skip
def test_controls_that_a_waiver_would_open_are_those_that_close(fleet, modes, services, opens):
    fleet.modes, fleet.services = modes, services
    assert [one.effect for one in fleet.found()] == [("wong", *opens)]


def test_waiting_requests_come_first_and_chosen_hosts_alone_are_compiled(fleet):
    states = {"1": "waived", "2": "refused", "3": "open", "4": "drafted", "5": "ended", "6": "open", "7": "open"}
    fleet.waivers = [judged(request="1"), judged(request="4", **UNSIGNED), judged(request="5", **REVOKED)]
    fleet.refusals = [NO._replace(id="2")]
    fleet.requests = [REQUEST._replace(id=id_) for id_ in states]
    fleet.requests[5] = fleet.requests[5]._replace(at="2026-11-21T00:00:00Z")
    fleet.requests[6] = fleet.requests[6]._replace(host="gone")
    fleet.requests += [REQUEST._replace(id="9"), REQUEST._replace(id="8")]
    listed = fleet.found()
    assert [one.request.id for one in listed] == ["6", "3", "8", "9", "4", "1", "2", "5"]
    assert fleet.compiled_hosts == ["press01"]
    fleet.requests = fleet.requests[6:7]
    assert fleet.found() == []


@pytest.mark.parametrize(
    ("user", "closed", "web_only", "useless", "said"),
    [
        (("apps",), (), False, False, "A waiver would open apps for wong"),
        (("apps",), ("browser",), False, False, f"A waiver would open apps for wong; browser {STAYS}"),
        (("apps",), ("browser",), True, True, FOR_ALL),
        (("apps",), ("dns",), False, True, FOR_ALL),
        (("firewall",), ("dns",), False, False, f"A waiver would open firewall for wong; dns {STAYS}"),
        ((), (), False, True, FOR_ALL),
    ],
)
def test_waiver_that_leaves_a_service_out_of_reach_is_useless(user, closed, web_only, useless, said):
    opens = WaiverEffect("wong", user, ("apps", "dns"), closed, web_only)
    assert (opens.is_useless, str(opens)) == (useless, said)
    assert str(opens._replace(host_controls=())) == "Nothing restricts it there, so a waiver would open nothing"


def test_a_request_is_chosen_by_its_id(fleet, monkeypatch):
    listed = [standing(), standing(id="x"), standing(id="x", host="fin01", user="li")]
    assert request_status.find_request(ID, listed) is listed[0]
    both = r"2 requests have this id \(li on fin01, wong on press01\); choose"
    for id_, said in (("y", "there is no request 'y' in this inventory"), ("x", both)):
        with pytest.raises(CommandError, match=said):
            request_status.find_request(id_, listed)
    broken = make_refusal(ValueError("requests.jsonl is broken"))
    monkeypatch.setattr(request_status.requests_file, "read_requests", broken)
    with pytest.raises(CommandError, match="requests.jsonl is broken; the next run makes it anew"):
        fleet.found()
