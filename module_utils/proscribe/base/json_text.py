"""JSON on a host, where the module json is loaded only for what needs it: with the regular expressions that it loads in
its turn, it is a tenth of what an observation costs.
"""

from __future__ import annotations

from typing import Any

MANY = 1000  # items, which the module writes faster, with what it costs to load it
BLANKS = " \t\n\r"

# The options of `json.loads` where none is given; attributes that only C code asks for.
_PLAIN: Any = type(
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

_scanned: Any = None
_quoted: Any = None
try:  # what the module json is made of, in every Python that hosts have
    import _json

    _scanned, _quoted = _json.make_scanner(_PLAIN), _json.encode_basestring_ascii
except ImportError:
    pass


def from_json(text: str | bytes, **options: Any) -> Any:
    """What `json.loads` makes of a text. Raises ValueError."""
    if _scanned and not options:
        try:
            plain = (text if isinstance(text, str) else str(text, "utf-8", "surrogatepass")).strip(BLANKS)
            value, end = _scanned(plain, 0)
            if end == len(plain):
                return value
        except (ValueError, StopIteration):
            pass  # the module says what is wrong with it, and knows other encodings
    import json

    return json.loads(text, **options)


def to_json(value: Any, **options: Any) -> str:
    """What `json.dumps` makes of a value."""
    import json

    return json.dumps(value, **options)


def written(value: Any) -> str:
    """As `to_json`, which is asked only for what is not plain: nearly all that is said is."""
    kind = type(value)
    if kind is str and _quoted:
        return str(_quoted(value))
    if kind is int:
        return str(value)
    if value is None or kind is bool:
        return {None: "null", True: "true", False: "false"}[value]
    if (kind is list or kind is tuple) and len(value) < MANY:
        return "[" + ", ".join(map(written, value)) + "]"
    if kind is dict and len(value) < MANY and all(type(key) is str for key in value):
        return "{" + ", ".join([f"{written(key)}: {written(item)}" for key, item in value.items()]) + "}"
    return to_json(value)
