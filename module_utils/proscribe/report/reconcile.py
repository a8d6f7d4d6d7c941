"""The expected hosts times the records that came: one record for every expected host, whatever happened.

Pure. A host is never compliant for want of an answer, an answer for another plan is no answer, and a record that nobody
asked for is told and not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .answer import silent
from .arithmetic import by_rule, summarise

REPORT_SCHEMA = "proscribe/report/1"


class Fleet(NamedTuple):
    """What is known of the expected hosts."""

    records: Sequence[Mapping[str, Any]]  # one for each expected host, in their order
    unexpected: Sequence[str] = ()  # hosts that answered and were not expected
    warnings: Sequence[str] = ()


def reconcile(
    expected: Mapping[str, str], records: Iterable[Mapping[str, Any]], reasons: Mapping[str, str] | None = None
) -> Fleet:
    """Give every expected host its record.

    `expected` maps a host to the digest of its plan; `records` are host records as `answer.read` returns them, in the
    order in which they came; `reasons` says why a host did not answer, where that is known.
    """
    answers: dict[str, Mapping[str, Any]] = {}
    unexpected: list[str] = []
    twice: list[str] = []
    for record in records:
        host = record["host"]
        if host not in expected:
            unexpected.append(host)
        elif host not in answers:
            answers[host] = record
        else:
            twice.append(host)
            # Times are UTC in one spelling, so their order is that of the text; at one time the later comer wins.
            if record["checked_at"] >= answers[host]["checked_at"]:
                answers[host] = record
    unexpected = list(dict.fromkeys(unexpected))
    why = reasons or {}
    return Fleet(
        records=[_settled(host, digest, answers.get(host), why.get(host)) for host, digest in expected.items()],
        unexpected=unexpected,
        warnings=[
            *(f"{host} answered more than once; its last record counts" for host in dict.fromkeys(twice)),
            *(f"{host} answered and was not expected; its record is left out" for host in unexpected),
        ],
    )


def _settled(host: str, digest: str, record: Mapping[str, Any] | None, reason: str | None) -> Mapping[str, Any]:
    if record is None:
        return silent(host, reason or "no answer")
    if record["plan"] != digest:
        told = f"answered for another plan ({record['plan'][:19]}), not for its own ({digest[:19]})"
        return {**silent(host, told), **{key: record[key] for key in ("plan", "checked_at", "platform", "errors")}}
    if not record["rules_evaluated"]:
        return {**record, "reason": "no rule was evaluated"}
    return record


def fleet_report(run: Mapping[str, Any], fleet: Fleet, finished: str) -> dict[str, Any]:
    """The fleet report (report.json) of a run: its facts, its numbers, its rules and waivers.

    `run` is what the compiler said of it, `finished` a UTC time as 2026-11-25T08:00:00Z.
    """
    facts = ("id", "playbook", "started", "mode", "catalog_version", "inventory", "limit", "controls")
    return {
        "schema": REPORT_SCHEMA,
        "run": {
            **{key: run.get(key) for key in facts},
            "finished": finished,
            "expected_hosts": len(fleet.records),
        },
        "summary": summarise(fleet.records),
        "rules": by_rule(fleet.records),
        "waivers": [dict(waiver) for waiver in run.get("waivers", ())],
        "upcoming": [dict(item) for item in run.get("upcoming", ())],
        "unexpected_hosts": list(fleet.unexpected),
        "warnings": [*run.get("warnings", ()), *fleet.warnings],
    }
