"""How a restriction is declared: a field of a dataclass, which carries its variable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, field
from typing import Any, NamedTuple, TypeVar, cast

Value = TypeVar("Value")


class Variable(NamedTuple):
    """A restriction: what it is when nobody says anything, how a value of it is read, and what it is for."""

    default: Any
    read: Callable[[object], Any]
    meaning: str


def variable(default: object, read: Callable[[object], Value], meaning: str) -> Value:
    """A field for what `read` makes of the variable of that name, which is `default`, as an inventory writes it, where
    it is not set. The type is that of the value, as with dataclasses.field.
    """
    return cast(Value, field(metadata={Variable: Variable(default, read, meaning)}))


def variable_of(declared: Field[Any]) -> Variable:
    """What `variable` has put into a field."""
    return cast(Variable, declared.metadata[Variable])
