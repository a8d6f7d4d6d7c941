"""The JSON Schemas of docs/schema: each from the type of its documents, or from what reads its format."""

import functools
import json

from proscribe.controller.report.exports.event_texts import MAX_LINE_BYTES
from proscribe.model.types.export import Manifest
from proscribe.model.types.quarantine import QuarantineList
from proscribe.model.types.record import HostRecord
from proscribe.model.types.report import FleetReport

from ..part import Part, read_rows
from .event import event
from .plan import plan
from .service import service
from .typed import shape_of
from .waiver import waiver


def record():
    """A host record. Each says why there is no answer that counts, but none that a host makes."""
    shape = shape_of(HostRecord)
    return {**shape, "required": [*shape["required"], "reason"]}


DIALECT = "https://json-schema.org/draft/2020-12/schema"
# The name of a schema, what its documents are called, and what they are.
ABOUT = read_rows(
    f"""
event | Event | A line of events.jsonl: a JSON object in ASCII, at most {MAX_LINE_BYTES:,} bytes. A text that was cut
    ends with `...`. A key that ends with _left_out counts the items that were left out.
export | Export | manifest.json of ./proscribe export: the content of a policy export, and the parts that it lacks
host-record | Host record | A line of hosts.jsonl: the state of an expected host, with the evidence
plan | Plan | Compiled policy of all hosts that share it, in reports/plans/<digest>.json
quarantine-list | Quarantine list | Output of ./proscribe quarantine list --format json: the quarantines of the selected
    hosts
report | Fleet report | report.json: the expected hosts of a run, reconciled with the host records that the run received
service | Service | catalog/<category>/<id>.yml: a service of the catalogue. docs/catalogue.md describes each key. The
    program that reads the file also checks facts that no pattern can express. For example, a network has to be public,
    and no other service may claim the same name.
waiver | Waiver | waivers/<id>.yml of an inventory: an approved exception. docs/waivers.md describes each key. The
    program that reads the file also checks two facts: the order of the times, and that each control can apply the
    limits such as users.
"""
)
SHAPES = {"event": event, "host-record": record, "plan": plan, "service": service, "waiver": waiver}
TYPES = {"export": Manifest, "quarantine-list": QuarantineList, "report": FleetReport}
SCHEMAS = {name: (title, about, SHAPES.get(name)) for name, title, about in ABOUT}


def schema(name):
    title, description, shape = SCHEMAS[name]
    head = {"$schema": DIALECT, "$id": f"{name}.schema.json", "title": title, "description": description}
    return {**head, **(shape() if shape else shape_of(TYPES[name]))}


def written(name):
    return json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"


DERIVED = tuple(Part(f"docs/schema/{name}.schema.json", functools.partial(written, name)) for name in SCHEMAS)
