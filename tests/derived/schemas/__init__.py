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
event | Event | A line of events.jsonl: ASCII, at most {MAX_LINE_BYTES:,} bytes; a cut text ends with ... or has a count
export | Export | manifest.json of ./proscribe export: what is in it, and what not
host-record | Host record | A line of hosts.jsonl: what is known of one expected host
plan | Plan | The compiled policy of the hosts that share it, in reports/plans/<digest>.json
quarantine-list | Quarantine list | What ./proscribe quarantine list --format json prints: the quarantines of the hosts
    that were asked
report | Fleet report | report.json: the expected hosts of a run reconciled with the host records that came
service | Service | catalog/<category>/<id>.yml. docs/catalogue.md says what each key means; the reader also checks what
    no pattern says, such as that a network is public and that no other service claims the same
waiver | Waiver | waivers/<id>.yml of an inventory: an approved exception. docs/waivers.md says what each key means; the
    reader also checks the order of the times, and which controls can be narrowed
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
