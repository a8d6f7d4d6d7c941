"""The JSON Schemas of docs/schema: each from what reads its format, or from what makes it."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable

from ..part import Part
from .event import event
from .export import export
from .plan import plan
from .quarantine_list import quarantine_list
from .record import record
from .report import report
from .service import service
from .shapes import Shape
from .waiver import waiver

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMAS: dict[str, Callable[[], Shape]] = {
    "event": event,
    "export": export,
    "host-record": record,
    "plan": plan,
    "quarantine-list": quarantine_list,
    "report": report,
    "service": service,
    "waiver": waiver,
}


def written(name: str) -> str:
    schema = {"$schema": DIALECT, "$id": f"{name}.schema.json", **SCHEMAS[name]()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


DERIVED = tuple(Part(f"docs/schema/{name}.schema.json", functools.partial(written, name)) for name in SCHEMAS)
