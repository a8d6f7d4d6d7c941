"""A service's file, from the kinds that its reader checks it by (controller/compile/catalogue/schema.py)."""

from proscribe.controller.compile.catalogue import schema
from proscribe.controller.compile.catalogue.schema import SERVICE
from proscribe.controller.compile.reading.document_schema import GroupSchema, ListSchema, OptionalSchema, TextSchema
from proscribe.controller.compile.reading.grammar import PatternCheck, WordCheck

from .shapes import FLAG, TEXT, about, keyed, listed, matching, one_of, shut


def service():
    shape = shape_of(SERVICE)
    shape["properties"]["id"]["description"] = "Id of the service, and name of its file without the suffix"
    return shape


def shape_of(kind):
    if isinstance(kind, GroupSchema):
        properties = {key: shape_of(one) for key, one in kind.keys.items()}
        return {**shut(keyed(properties, required=kind.required)), "minProperties": 1}
    if isinstance(kind, ListSchema):
        unique = {"uniqueItems": True} if kind.has_unique_items else {}
        return {**listed(shape_of(kind.item_schema), kind.min_items), **unique}
    if isinstance(kind, OptionalSchema):
        return shape_of(kind.schema)
    if isinstance(kind, TextSchema):
        return _of_text(kind)
    raise TypeError(f"no shape is known for {kind!r}")


def _of_text(kind):
    if kind == schema.FLAG:
        return FLAG
    check = kind.text_check
    if isinstance(check, WordCheck):
        return one_of(check.words)
    if isinstance(check, PatternCheck):
        return about(matching(check.pattern), check.expected)
    # A check in Python: its first sentence is all that can be said of it here.
    return about(TEXT, (check.__doc__ or "").partition("\n")[0])
