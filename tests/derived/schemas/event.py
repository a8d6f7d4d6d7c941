"""A line of events.jsonl, of one of the kinds."""

from proscribe.controller.report.exports.event_kinds import ACTION, BETWEEN, GATE, HOST, KINDS, REQUEST, RULE, RUN
from proscribe.model.types.event import (
    ActionEvent,
    BetweenEvent,
    GateEvent,
    HostEvent,
    RequestEvent,
    RuleEvent,
    RunEvent,
)

from .typed import shape_of

OF_KIND = {
    HOST: HostEvent,
    RULE: RuleEvent,
    ACTION: ActionEvent,
    BETWEEN: BetweenEvent,
    REQUEST: RequestEvent,
    GATE: GateEvent,
    RUN: RunEvent,
}


def event():
    return {"type": "object", "oneOf": [_of_kind(kind) for kind in KINDS]}


def _of_kind(kind):
    shape = shape_of(OF_KIND[kind])
    shape["properties"]["kind"] = {"const": kind}
    return shape
