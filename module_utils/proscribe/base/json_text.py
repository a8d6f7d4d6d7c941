"""JSON on a host, where the module json is loaded only for what needs it: with the regular expressions that it loads in
its turn, it is a tenth of what an observation costs.
"""

from __future__ import annotations

from typing import Any

MIN_ITEMS_FOR_MODULE = 1000  # items, which the module writes faster, with what it costs to load it
BLANKS = " \t\n\r"

# The options of `json.loads` where none is given; attributes that only C code asks for.
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
try:  # what the module json is made of, in every Python that hosts have
    import _json

    _scan_json, _quote_text = _json.make_scanner(_SCANNER_OPTIONS), _json.encode_basestring_ascii
except ImportError:
    pass


def parse_json(text: str | bytes, **options: Any) -> Any:
    """What `json.loads` makes of a text. Raises ValueError."""
    if _scan_json and not options:
        try:
            stripped_text = (text if isinstance(text, str) else str(text, "utf-8", "surrogatepass")).strip(BLANKS)
            document, end = _scan_json(stripped_text, 0)
            if end == len(stripped_text):
                return document
        except (ValueError, StopIteration):
            pass  # the module says what is wrong with it, and knows other encodings
    import json

    return json.loads(text, **options)


def dump_json(document: Any, **options: Any) -> str:
    """What `json.dumps` makes of a value."""
    import json

    return json.dumps(document, **options)


def format_json(document: Any) -> str:
    """As `dump_json`, which is asked only for what is not plain: nearly all that is said is."""
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
