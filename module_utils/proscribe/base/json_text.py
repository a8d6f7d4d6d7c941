"""JSON on a host, without loading the module json where that is possible.

The module json loads the regular expressions. Together they are a tenth of the time of an observation.
"""

from __future__ import annotations

from typing import Any

# values with more items are written faster by the module json, even with the time to load it
MIN_ITEMS_FOR_MODULE = 1000
BLANKS = " \t\n\r"

# The default options of `json.loads`. Only C code reads these attributes.
_SCANNER_OPTIONS: Any = type(
    "Options",
    (),
    {
        "strict": True,
        "object_hook": None,
        "object_pairs_hook": None,
        "parse_float": float,
        "parse_int": int,
        "parse_constant": {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}.__getitem__,
    },
)

_scan_json: Any = None
_quote_text: Any = None
try:  # the C part of the module json, in every Python that hosts have
    import _json

    _scan_json, _quote_text = _json.make_scanner(_SCANNER_OPTIONS), _json.encode_basestring_ascii
except ImportError:
    pass


def parse_json(text: str | bytes, **options: Any) -> Any:
    """Parse a JSON text as `json.loads` does, without the module json if possible.

    `options` are those of `json.loads`; with options the module json is used. Raises ValueError.
    """
    if _scan_json and not options:
        try:
            stripped_text = (text if isinstance(text, str) else str(text, "utf-8", "surrogatepass")).strip(BLANKS)
            document, end = _scan_json(stripped_text, 0)
            if end == len(stripped_text):
                return document
        except (ValueError, StopIteration):
            pass  # the module json has a message for the error, and reads other encodings
    import json

    return json.loads(text, **options)


def dump_json(document: Any, **options: Any) -> str:
    """Format a value as `json.dumps` does, with its options."""
    import json

    return json.dumps(document, **options)


def format_json(document: Any) -> str:
    """Format a value as `json.dumps` does, without the module json if possible.

    The module json is loaded only for large values, and for values of other types, such as float. Both are rare.
    """
    kind = type(document)
    if kind is str and _quote_text:
        return str(_quote_text(document))
    if kind is int:
        return str(document)
    if document is None or kind is bool:
        return {None: "null", True: "true", False: "false"}[document]
    if (kind is list or kind is tuple) and len(document) < MIN_ITEMS_FOR_MODULE:
        return "[" + ", ".join(map(format_json, document)) + "]"
    if kind is dict and len(document) < MIN_ITEMS_FOR_MODULE and all(type(key) is str for key in document):
        return "{" + ", ".join([f"{format_json(key)}: {format_json(member)}" for key, member in document.items()]) + "}"
    return dump_json(document)
