"""A line of events.jsonl, of one of the kinds."""

from proscribe.controller.report.exports.event_kinds import ACTION, BETWEEN, GATE, HOST, KINDS, REQUEST, RULE, RUN
from proscribe.model.types import event as types

from .typed import shape_of

OF_KIND = {HOST: types.HostEvent, RULE: types.RuleEvent, ACTION: types.ActionEvent, BETWEEN: types.BetweenEvent}
OF_KIND |= {REQUEST: types.RequestEvent, GATE: types.GateEvent, RUN: types.RunEvent}


def event():
    return {"type": "object", "oneOf": [_of_kind(kind) for kind in KINDS]}


def _of_kind(kind):
    shape = shape_of(OF_KIND[kind])
    shape["properties"]["kind"] = {"const": kind}
    return shape
