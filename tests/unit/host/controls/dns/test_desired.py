"""The names that a plan blocks, and the verdict of each service."""

import pytest
from proscribe.host.controls.dns.desired import Desired, collect, service_verdicts
from proscribe.host.system import Host
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, WAIVED, Finding, Verdict

A, B, C = "a.org", "b.org", "c.org"
FOUND = Finding("name", "", manager="made", path="/etc/made.conf")
LEFT = {"x.a.org": "it is this host's own name", "b.org": "needed"}


def said(id_: str, detail: str) -> Finding:
    return FOUND._replace(id=id_, detail=detail)


def against(*findings: Finding, drifted: bool = True) -> Verdict:
    return Verdict("dns/s", NONCOMPLIANT, findings, drifted=drifted)


OWN_NAME = said("x.a.org", "not blocked: it is this host's own name")
NEEDED = said(B, "not blocked: needed")
NOT_SHOWN = "report only: the catalogue does not restrict it by itself"
WAIVER = Verdict("dns/s", WAIVED, (said("Service", "not blocked, by waiver"),), waiver="w1")


@pytest.mark.parametrize(
    ("entry", "names", "left", "blocked", "reasons", "expected"),
    [
        ({}, [A, B], {}, {A, B}, ("", ""), Verdict("dns/s", COMPLIANT)),
        ({}, [A, B], {}, {A, B}, ("", "silent"), Verdict("dns/s", UNKNOWN, reason="silent")),
        ({}, [A, B], {}, {A}, ("", ""), against(said(B, "not blocked"))),
        ({}, [A, B, C], {}, set(), ("", ""), against(said(A, "not blocked, and 2 more of 3 names"))),
        ({"mode": "audit"}, [A], {}, set(), ("x", ""), against(said(A, "not blocked: x"), drifted=False)),
        ({}, [A, B], LEFT, {A}, ("", ""), against(OWN_NAME, NEEDED, drifted=False)),
        ({}, [A, B], LEFT, set(), ("", ""), against(said(A, "not blocked"), OWN_NAME, NEEDED)),
        ({}, [C], LEFT, {C}, ("", ""), Verdict("dns/s", COMPLIANT)),
        ({}, [], {}, set(), ("", ""), Verdict("dns/s", NOT_APPLICABLE, reason="no name of it can be blocked here")),
        ({"mode": "waived", "waiver": "w1"}, [], {}, set(), ("", ""), WAIVER),
        ({"mode": "report"}, [], {}, set(), ("", ""), Verdict("dns/s", NOT_APPLICABLE, reason=NOT_SHOWN)),
    ],
)
def test_service_has_a_verdict(entry, names, left, blocked, reasons, expected):
    services = {"s": {"name": "Service", "mode": "enforce", **entry}}
    desired = Desired({"s": names} if names else {}, left, frozenset())
    section = {"mode": "enforce", "services": services, "settings": {}}
    assert service_verdicts(section, desired, blocked, FOUND, *reasons) == [expected]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"10.0.0.1 A.org b.org # c.org", [(A, "10.0.0.1"), (B, "10.0.0.1")]),
        (b"fe80::1\ta.org", [(A, "fe80::1")]),
        (b"# 10.0.0.1 a.org\n\n10.0.0.1", []),
        *((address + b" a.org", []) for address in (b"127.1.2.3", b"0.0.0.0", b"::")),
    ],
)
def test_hosts_lines_with_a_real_address_leave_names_open(tmp_path, line, found):
    entry = {"name": "S", "mode": "enforce", "domains": [A, B, C], "allow": []}
    plan = {"controls": {"dns": {"mode": "enforce", "services": {"s": entry}, "settings": {}}}}
    left = collect(Host(str(tmp_path)), plan, b"\xff\n" + line, canaries=False).left
    assert left == {name: f"a line of the host's own says {address}" for name, address in found}
