"""The causes of wrong rules, in words."""

from typing import Any

from proscribe.host.watch.causes import by_cause


def make_finding(kind: str, path: str = "", id_: str = "", detail: str | None = None) -> dict[str, Any]:
    return {"kind": kind, "path": path, "id": id_, **({} if detail is None else {"detail": detail})}


FILE, UNIT = make_finding("policy", "/etc/x.json", "x", "is missing"), make_finding("unit", "", "dnsmasq")


def test_rules_with_the_same_findings_have_one_cause():
    rules = {"browser/b": [FILE, UNIT], "browser/a": [UNIT, FILE, FILE], "dns/a": [FILE, UNIT], "apps/a": [UNIT]}
    rules |= {"apps/b": [], "apps/c": [], "apps/d": [FILE]}
    record = {"rules": [{"rule": rule, "findings": findings} for rule, findings in rules.items()]}
    assert by_cause(record, [*rules][:-1]) == [
        ("policy /etc/x.json, and 1 more", ["browser/b", "browser/a"]),
        ("policy /etc/x.json: is missing, and 1 more", ["dns/a"]),
        ("unit dnsmasq", ["apps/a"]),
        ("", ["apps/b", "apps/c"]),
    ]
