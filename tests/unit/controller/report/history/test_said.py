"""What is remembered while a run is written into the history: enough, and never without end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from proscribe.controller.report.history import incident_groups, said
from proscribe.controller.report.history.incident_groups import Bundles
from proscribe.controller.report.history.said import Said
from proscribe.model.finding import Finding


class Queried:
    """A session of a history with some bundles, and the bundles that it is asked for in each query."""

    def __init__(self, bundles: dict[str, dict[str, str]]) -> None:
        self.bundles = bundles
        self.queries: list[list[str]] = []
        self.written: list[Any] = []

    def rows(self, query: str, values: Any) -> Iterator[tuple[str, str, str]]:
        assert query.count(":") == len(values)
        self.queries.append(list(values.values()))
        for id_ in values.values():
            yield from ((id_, rule, evidence) for rule, evidence in self.bundles.get(id_, {}).items())

    def many(self, _: str, rows: Any) -> None:
        self.written.append(list(rows))


def test_what_is_too_much_is_forgotten_and_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incident_groups, "MOST", 2)
    session: Any = Queried({"a": {"apps/x": "1"}, "b": {}, "c": {}})
    bundles = Bundles(session)
    for ids in (["a", "b"], ["a", "c"], ["a"]):
        bundles.load(ids)
    assert session.queries == [["a", "b"], ["c"], ["a"]]
    with pytest.raises(KeyError):
        bundles.rules("c")


def record(*rules: Any, state: str = "noncompliant", **more: Any) -> Any:
    return {"state": state, "reason": None, "errors": [], "rules": list(rules), **more}


def rule(name: str, state: str = "noncompliant", reason: str | None = None, found: tuple[str, ...] = ()) -> Any:
    return {
        "rule": name,
        "state": state,
        "reason": reason,
        "findings": [Finding("package", one, "dpkg", "4.0").as_dict() for one in found],
    }


def test_rules_that_many_hosts_list_are_read_once_as_long_as_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    rules, others = [rule("apps/x")], [rule("apps/y")]
    of = Said()
    first = of.of(record(*rules), ["apps"], False)
    of.of(record(*others), ["apps"], False)
    assert of.of(record(*rules), ["apps"], False) is first
    assert of.of(record(*rules), ["apps", "dns"], False) is not first
    monkeypatch.setattr(said, "REMEMBERED", 1)
    of.of(record(rule("apps/z")), ["apps"], False)
    again = of.of(record(*rules), ["apps"], False)
    assert again is not first and again == first


@pytest.mark.parametrize(
    ("one", "stored"),
    [
        (rule("apps/x", found=("a",)), "dpkg a 4.0"),
        (rule("apps/x", found=("a", "b", "c")), "dpkg a 4.0 and 2 more"),
        (rule("apps/x", reason="w" * 301), "w" * 300),
        (rule("apps/x", reason="a\x1bb\n"), "a\N{REPLACEMENT CHARACTER}b "),
        (rule("apps/x"), ""),
        (rule("apps/x", "not_applicable", "no such program"), ""),
    ],
)
def test_what_is_kept_of_a_rule(one: Any, stored: str) -> None:
    assert Said().of(record(one, rule("dns/x")), ["apps"], True) == {"apps/x": (one["state"], stored)}


@pytest.mark.parametrize(
    ("said_of_host", "about_host", "stored"),
    [
        (record(state="unknown", reason="no answer"), True, ("unknown", "no answer")),
        (record(state="unknown"), True, ("unknown", "unknown")),
        (record(state="error", errors=[{"message": "a"}, {"message": "b"}]), True, ("error", "a; b")),
        (record(state="unknown", reason="no answer"), False, None),
        (record(state="noncompliant"), True, None),
        (record(rule("apps/x"), state="error"), True, ("error", "error")),
        (record(rule("apps/x"), state="unknown"), True, None),
        (record(rule("apps/x", "error"), state="error"), True, None),
    ],
)
def test_a_host_is_kept_where_it_is_worse_than_its_rules(said_of_host: Any, about_host: bool, stored: Any) -> None:
    assert Said().of(said_of_host, ["dns"], about_host) == ({"": stored} if stored else {})
