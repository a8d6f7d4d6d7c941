"""The shapes that JSON Schemas are put together from."""

TEXT = {"type": "string"}
FLAG = {"type": "boolean"}


def one_of(words):
    return {"enum": list(words)}


def matching(pattern):
    """A text that is all of it as the code's own pattern has it, in the words of ECMA 262."""
    # Python's \Z, and its fullmatch, have the end of the text where a schema has $.
    return {"type": "string", "pattern": f"^(?:{pattern.pattern})$".replace(r"\Z", "$")}


def about(shape, description):
    return {**shape, "description": description}


def maybe(shape):
    if "enum" in shape:
        return {**shape, "enum": [*shape["enum"], None]}
    return {**shape, "type": [shape["type"], "null"]}


def listed(item, least=0):
    return {"type": "array", "items": item, **({"minItems": least} if least else {})}


def by(values, names=None):
    return {"type": "object", **({"propertyNames": names} if names else {}), "additionalProperties": values}


def keyed(properties, required=None):
    """A mapping with these keys, of which all are required, or those that are named."""
    needed = list(properties if required is None else required)
    return {"type": "object", "properties": dict(properties), **({"required": needed} if needed else {})}


def shut(shape):
    return {**shape, "additionalProperties": False}
