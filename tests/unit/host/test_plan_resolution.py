"""The plan of a host at a moment: open hours by its own clock, and members of groups."""

import datetime
import os
import time
from pathlib import Path
from typing import Any

import pytest
from file_hosts import make_host
from hypothesis import given
from hypothesis import strategies as st
from made_plans import make_plan
from proscribe.controller.compile.waivers.hours import DAYS, merge_windows
from proscribe.host import host_operations
from proscribe.host.controls.firewall.exemptions import list_exempted_users
from proscribe.host.plan_resolution import resolve_groups
from proscribe.host.system import Host, User, groups
from proscribe.model.finding import Finding, is_user_restricted, judge_rule
from proscribe.model.plan_hours import resolve_hours

OFFICE = [[day, 540, 1080] for day in range(5)]  # mon-fri 09:00-18:00
WAIVED = {"mode": "waived", "waiver": "w1", "hours": OFFICE, "otherwise": "audit"}
PART = {"waiver": "w2", "users": ["a"]}
CLOSED, OPEN = "2026-11-27 20:00", "2026-11-27 12:00"
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Hong_Kong", "Pacific/Apia")
PASSWD = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\nbob:x:1001:2000::/home/bob:/bin/sh\n"
GROUP = """\
alice:x:1000:
press:x:2000:alice,gone
empty:x:2001:
nested:x:2002:alice,press
broken:x:2003
word:x:word:alice
huge:x:2004:{huge},more
just:x:2006:{huge}
"""


def plan(control: str = "browser", **entries: Any) -> dict[str, Any]:
    return make_plan(control, entries)


def clock(text: str) -> time.struct_time:
    """Return the time of the host's clock: 2026-11-27 is a Friday."""
    return datetime.datetime.strptime(text, "%Y-%m-%d %H:%M").timetuple()  # noqa: DTZ007 - a clock without a zone


def entry(found: Any, id_: str = "a", control: str = "browser") -> dict[str, Any]:
    entry = found["controls"][control]["services"][id_]
    return {key: value for key, value in entry.items() if key not in ("name", "domains", "urls", "allow")}


@pytest.mark.parametrize(
    ("moment", "exceptions", "expected"),
    [
        # a part of it, at hours of its own
        (OPEN, [{**PART, "hours": OFFICE}], {"exceptions": [PART]}),
        (CLOSED, [{**PART, "hours": OFFICE}], {}),
        (CLOSED, [PART], {"exceptions": [PART]}),
        # the whole, at the hours of another waiver
        (OPEN, [{"waiver": "w3", "hours": OFFICE}], {"mode": "waived", "waiver": "w3"}),
        (CLOSED, [{"waiver": "w3", "hours": [[4, 1200, 1440]]}], {"mode": "waived", "waiver": "w3"}),
    ],
)
def test_exception_counts_at_its_hours(moment, exceptions, expected):
    assert entry(resolve_hours(plan(a={"exceptions": exceptions}), clock(moment))) == {"mode": "enforce", **expected}
    # beside a waiver for the whole that is closed at night only
    both = entry(resolve_hours(plan(a={**WAIVED, "otherwise": "enforce", "exceptions": exceptions}), clock(moment)))
    assert both == ({"mode": "waived", "waiver": "w1"} if moment == OPEN else {"mode": "enforce", **expected})


@given(
    st.lists(
        st.tuples(st.sampled_from(DAYS), st.integers(0, 1439), st.integers(1, 1440)).filter(
            lambda row: row[1] % 1440 != row[2] % 1440 or row[1:] == (0, 1440)
        ),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(ZONES),
    st.integers(1_700_000_000, 2_000_000_000),
)
def test_moment_is_open_where_an_interval_covers_it(texts, zone, moment):
    def written(minute):
        return f"{minute // 60:02}:{minute % 60:02}"

    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        now = time.localtime(moment)
    finally:
        os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
        time.tzset()
    minute = now.tm_wday * 1440 + now.tm_hour * 60 + now.tm_min
    expected = any(
        (minute - (DAYS.index(day) * 1440 + begin)) % (7 * 1440) < ((end - begin) % 1440 or 1440)
        for day, begin, end in texts
    )
    given_hours = merge_windows(f"{day} {written(begin)}-{written(end)}" for day, begin, end in texts)
    found = plan(a={**WAIVED, "hours": [list(window) for window in given_hours]})
    assert (entry(resolve_hours(found, now))["mode"] == "waived") is expected
    assert given_hours == sorted(given_hours) and all(0 <= begin < end <= 1440 for _, begin, end in given_hours)


@pytest.fixture
def host(tmp_path):
    groups = GROUP.format(huge=",".join(f"u{number}" for number in range(1000)))
    return make_host(tmp_path, {"etc/passwd": PASSWD, "etc/group": groups})


def test_groups_of_this_machine_are_those_of_its_name_service():
    assert "root" in groups.list_members(Host(), "root")
    with pytest.raises(LookupError, match="no such group"):
        groups.list_members(Host(), "no such group here")


def of(user: str) -> Finding:
    return Finding("appimage", "wechat", scope=f"user:{user}")


def refusals(host: Host, policy: Any, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    class Apps:
        observe = staticmethod(lambda host, plan: [])
        enforce = staticmethod(lambda host, plan: host_operations.Changes())

    monkeypatch.setattr(Host, "privileged", True)
    monkeypatch.setattr(Host, "kernel_name", "Linux")
    monkeypatch.setattr(host_operations, "control", lambda name: Apps)
    (Path(host.root) / "run").mkdir()
    return list(host_operations.change(host, policy, "apps")["refused"])


def test_members_of_a_group_are_users_of_the_reported_waiver(host):
    reported = {"users": ["carol"], "posix_groups": ["press"]}
    compiled = plan("apps", a={"exceptions": [{"waiver": "w1", **reported}]})
    found, _ = resolve_groups(host, {**compiled, "waivers": {"w1": reported, "w2": {"users": []}}})
    assert found["waivers"] == {"w1": {**reported, "users": ["alice", "bob", "carol"]}, "w2": {"users": []}}


def test_packets_of_members_pass_at_their_hours_only(host):
    exception = {"waiver": "w1", "users": [], "posix_groups": ["press"], "hours": OFFICE}
    found = plan("firewall", a={"exceptions": [exception], "networks": ["192.0.2.0/24"]})
    assert list_exempted_users(entry(found, control="firewall")) == []  # nobody, until both are resolved
    for moment, users in ((OPEN, ["alice", "bob"]), (CLOSED, [])):
        now, _ = resolve_groups(host, resolve_hours(found, clock(moment)))
        assert list_exempted_users(entry(now, control="firewall")) == users


@pytest.mark.parametrize("group", ["nosuch", "nested", "huge"])
def test_unknown_group_of_a_waiver_waives_nobody_and_is_named(host, group, monkeypatch):
    policy = plan("apps", a={"exceptions": [{"waiver": "w1", "users": [], "posix_groups": [group]}]}, b={})
    found, (missed,) = resolve_groups(host, policy)
    verdict = judge_rule("apps/a", found["controls"]["apps"]["services"]["a"], [of("alice")])
    assert verdict.state == "noncompliant"
    assert verdict.reason == f"waiver w1 waives nobody for the group {group}: {missed.reason}"
    assert judge_rule("apps/b", found["controls"]["apps"]["services"]["b"], [of("alice")]).reason == ""

    (refused,) = refusals(host, policy, monkeypatch)
    assert refused == {"rule": "apps/a", "subject": f"group:{group}", "reason": verdict.reason}


@pytest.mark.parametrize("group", ["nosuch", "nested"])
def test_unknown_group_of_a_restriction_leaves_the_rule_unknown(host, group, monkeypatch):
    """The rule is not compliant, and nobody is restricted who may not be a member."""
    policy = plan("apps", a={"only": {"posix_groups": [group, "alice"]}})
    found, (missed,) = resolve_groups(host, policy)
    now = entry(found, control="apps")
    said = f"nobody is known for whom the group {group} restricts this: {missed.reason}"
    assert now["only"] == {"users": ["alice"], "unresolved": said} and not is_user_restricted(now, of("bob"))
    assert judge_rule("apps/a", now, [])[1:5] == ("unknown", (), "", said)
    assert judge_rule("apps/a", now, [], "no root")[4] == f"no root; {said}"
    seen = judge_rule("apps/a", now, [of("alice")])
    assert (seen.state, seen.reason, seen.drifted) == ("noncompliant", said, True)

    (refused,) = refusals(host, policy, monkeypatch)
    assert refused == {"rule": "apps/a", "subject": f"group:{group}", "reason": said}


def test_member_that_a_directory_does_not_list_is_restricted_and_not_waived(monkeypatch):
    """SSSD with ignore_group_members lists nobody, and an own group is only in the account's entry."""
    host = Host()
    monkeypatch.setattr(groups, "_find_group", lambda host, name: (60000, []) if name == "contractors" else None)
    monkeypatch.setattr(Host, "list_users", lambda self: [User("daemon", 1, 1, "/usr/sbin"), User("bin", 2, 2, "/bin")])
    monkeypatch.setattr(os, "getgrouplist", lambda name, gid: [gid, 60000] if name == "daemon" else [gid])
    exception = {"waiver": "w1", "users": [], "posix_groups": ["contractors"]}
    section = {"only": {"posix_groups": ["contractors"]}, "exceptions": [exception]}
    found, missed = resolve_groups(host, plan("apps", a=section))
    now = entry(found, control="apps")
    assert (now["only"], missed) == ({"users": ["daemon"]}, [])
    assert now["exceptions"] == [{"waiver": "w1", "users": []}]


def test_service_is_open_at_its_hours():
    for hour, mode in (("08:59", "audit"), ("09:00", "waived"), ("17:59", "waived"), ("18:00", "audit")):
        assert entry(resolve_hours(plan(a=WAIVED), clock(f"2026-11-27 {hour}")))["mode"] == mode
        assert entry(resolve_hours(plan(a=WAIVED), clock(f"2026-11-28 {hour}")))["mode"] == "audit", "on a Saturday"


@pytest.mark.parametrize(
    ("begin", "length", "hours", "minutes"),
    [
        (1806188400, 23, "sun 01:00-04:00", 120),  # 2027-03-28: 02:00 becomes 03:00
        (1806188400, 23, "sun 02:00-03:00", 0),
        (1824933600, 25, "sun 01:00-04:00", 240),  # 2027-10-31: 03:00 becomes 02:00
        (1824933600, 25, "sun 02:00-03:00", 120),
    ],
)
def test_missing_hour_is_not_open_and_the_repeated_hour_counts_twice(monkeypatch, begin, length, hours, minutes):
    found = plan(a={**WAIVED, "hours": [list(window) for window in merge_windows([hours])]})
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Europe/Berlin")
        time.tzset()
        moments = [time.localtime(begin + 60 * minute) for minute in range(length * 60)]
    time.tzset()
    assert moments[0][3:5] == (0, 0)
    assert sum(entry(resolve_hours(found, moment))["mode"] == "waived" for moment in moments) == minutes


@pytest.mark.parametrize(
    ("group", "members"),
    [
        ("press", ["alice", "bob"]),  # bob's own group, and nobody who has no account
        ("alice", ["alice"]),
        ("empty", []),
        ("just", []),  # as many as there may be, of whom none has an account
        *((name, "no such group") for name in ("nosuch", "broken", "pre", "word")),
        ("nested", "'press' is a group"),
        ("huge", "more than 1000 members"),
    ],
)
def test_group_has_its_listed_members_and_those_whose_own_it_is(host, group, members):
    if isinstance(members, str):
        with pytest.raises(LookupError, match=members):
            groups.list_members(host, group)
    else:
        assert groups.list_members(host, group) == members


@pytest.mark.parametrize(
    ("names", "members"), [(["empty", "press"], ["alice", "bob"]), (["empty"], []), (["staff"], ["alice", "ally"])]
)
def test_restriction_is_for_the_members_on_this_host(host, names, members):
    """Root serves everybody; ally and alice are one account."""
    (Path(host.root) / "etc/passwd").write_text(f"{PASSWD}ally:x:1000:1000::/home/ally:/bin/sh\n")
    (Path(host.root) / "etc/group").write_text(f"{GROUP}staff:x:2005:root,ally\n")
    found, missed = resolve_groups(host, plan("apps", a={"only": {"posix_groups": names}}, b={}))
    now = entry(found, control="apps")
    assert (now["only"], missed) == ({"users": members}, []) and "only" not in entry(found, "b", "apps")
    assert [user for user in ("alice", "ally", "bob", "root") if is_user_restricted(now, of(user))] == members
    assert not is_user_restricted(now, Finding("package", "wechat", scope="system"))
