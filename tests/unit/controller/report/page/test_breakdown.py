"""What the page has of many hosts, and of a host that says much: in its table, and in its data."""

from __future__ import annotations

import json
from typing import Any

from proscribe.controller.report.page.breakdown import break_down
from proscribe.controller.report.page.data import script_data
from proscribe.controller.report.page.hosts import hosts
from proscribe.model.finding import STATES, Finding
from watched_hosts import ENDED, watched

FINISHED = "2026-11-25T00:31:00Z"
FOUND = Finding("package", "wechat", "dpkg", "4.0", "user:alice").as_dict()


def rule(name: str, state: str = "noncompliant", reason: str | None = None, *found: Any) -> Any:
    return {"rule": name, "state": state, "waiver": None, "reason": reason, "findings": list(found)}


def record(host: str, state: str = "compliant", *rules: Any, **more: Any) -> Any:
    facts = {"schema": "proscribe/host/1", "host": host, "state": state, "plan": "sha256:1", "checked_at": FINISHED}
    facts |= {"platform": {}, "rules_evaluated": 3, "rules_not_applicable": 1, "duration_ms": None}
    return {**facts, "errors": [], "rules": list(rules), **more}


def broken(*records: Any, departments: Any = None, since: Any = None, settings: Any = ()) -> Any:
    return break_down(records, departments or {}, since or {}, FINISHED, settings)


def data(breakdown: Any, **more: Any) -> Any:
    return json.loads("".join(script_data(breakdown, FINISHED, **more)))


def test_a_row_says_why_and_what_stands_beside_it() -> None:
    platform = {"os": "debian", "version": "12"}
    rules = (rule("apps/wechat", "noncompliant", None, FOUND), rule("dns/x", "unknown", "needs root"))
    one = record("web01", "noncompliant", *rules, platform=platform, reason="it said so")
    (row,) = hosts(broken(one, departments={"press": ["web01"], "it": ["web01", "web02"]})).rows
    assert row.why == ["it said so", "apps/wechat: dpkg wechat 4.0 (alice)", "dns/x (unknown): needs root"]
    assert row.side == ["press, it", "debian 12", "2026-11-25 00:31 UTC"]
    (row,) = hosts(broken(record("web01", "unknown", checked_at=None))).rows
    assert (row.why, row.side) == ([], [])


def test_the_data_of_a_host_that_says_much_has_an_end() -> None:
    ended = [{**ENDED, "program": f"/opt/p{one}"} for one in range(60)]
    attempts = {f"apps/x{one:02}": one % 7 for one in range(12)}
    of = data(broken(record("web01", watch=watched(ended=ended)["watch"], attempts=attempts)))
    (host,) = of["hosts"]
    assert len(host[16]) == len(set(host[16])) <= 50
    rules = [of["texts"][number] for number in host[14][::2]]
    assert (
        list(zip(rules, host[14][1::2], strict=True))
        == sorted(attempts.items(), key=lambda one: (-one[1], one[0]))[:10]
    )


def test_the_data_of_a_host_has_all_that_its_record_says() -> None:
    controls = {
        "apps": {"mode": "enforce", "state": "noncompliant"},
        "browser": {"mode": "audit", "state": None},
        "firewall": {"mode": "off", "state": None},
        "dns": {"mode": None, "state": "compliant"},
    }
    one = record(
        "web01", "noncompliant",
        rule("apps/wechat", "noncompliant", None, FOUND), rule("browser/quic", "unknown", "<x>"),
        platform={"os": "debian", "version": "12"}, reason="said", duration_ms=12, controls=controls,
        errors=[{"control": "apps", "message": "locked"}], actions=[{"control": "apps", "action": "end 311"}],
    )  # fmt: skip
    since = {("web01", "apps/wechat"): "2026-11-20T00:00:00Z", ("web01", ""): "2026-11-21T00:00:00Z"}
    since[("web01", "browser/quic")] = "2026-11-26T00:00:00Z"  # which is not known to this run
    of = data(broken(one, departments={"press": ["web01"]}, since=since, settings=["browser/quic"]))
    texts = of["texts"]

    def said(numbers: Any) -> list[str]:
        return [texts[number] for number in numbers]

    (host,) = of["hosts"]
    assert host[:4] == ["web01", STATES.index("noncompliant"), [0, 1, 2], [0]]  # the error is a part, too
    assert said([host[5], host[6], host[9]]) == [FINISHED, "said", "sha256:1"]
    assert host[7:9] == [3, 1] and host[10] == 12
    assert [said(of[name][host[place]]) for name, place in (("platforms", 4), ("errors", 11), ("actions", 12))] == [
        ["os", "debian", "version", "12"], ["apps", "locked"], ["apps", "end 311"]
    ]  # fmt: skip
    assert {key: texts[number] for key, number in host[13].items()} == {
        "0": since["web01", "apps/wechat"],
        **dict.fromkeys(("-1", "2"), since["web01", ""]),
    }
    assert said(of["controls"][host[15]]) == [
        "apps", "enforced: noncompliant", "browser", "only audited: not checked in this run", "firewall", "off"
    ]  # fmt: skip
    assert [(texts[name], state, waiver, setting) for name, state, waiver, _, _, setting in of["rules"]] == [
        ("apps/wechat", STATES.index("noncompliant"), -1, 0), ("browser/quic", STATES.index("unknown"), -1, 1)
    ]  # fmt: skip
    assert of["groups"] == [["apps", "locked"], ["apps/wechat", ""], ["browser/quic", "<x>"]]
    (finding,) = of["findings"]
    assert [texts[number] if number >= 0 else "" for number in finding] == [FOUND[key] or "" for key in Finding._fields]
    assert (of["departments"], of["states"], of["finished"]) == (["press"], list(STATES), FINISHED)
    assert of["fields"] == list(Finding._fields) and texts[of["rules"][1][3]] == "<x>"


def test_evidence_beyond_what_the_page_has_room_for_is_left_out_and_no_rule() -> None:
    rules = [rule(f"apps/x{one}", "noncompliant", None, {**FOUND, "id": f"x{one}"}) for one in range(3)]
    size = sum(len(str(value)) for value in FOUND.values() if value) - len("wechat") + len("x0")
    for most, left in ((0, 0), (size - 1, 0), (size, 1), (2 * size, 2), (10**6, 3)):
        found = data(broken(record("web01", "noncompliant", *rules)), most=most)["rules"]
        assert [one[4] is not None for one in found] == [True] * left + [False] * (3 - left)
    assert len(data(broken(record("web01", "noncompliant", *rules)))["findings"]) == 3
