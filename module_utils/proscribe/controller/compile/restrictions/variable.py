"""How a restriction is declared: a field of a dataclass, which carries its variable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, dataclass, field
from typing import Any, NamedTuple, TypeVar, cast, dataclass_transform

Value = TypeVar("Value")


@dataclass_transform(frozen_default=True)
def declare_settings(settings_class: type[Value]) -> type[Value]:
    """A class of restrictions, of which nothing but the whole, `Restrictions`, is made: it has no methods of its own,
    whose making would take time at each start.
    """
    return dataclass(frozen=True, init=False, repr=False, eq=False)(settings_class)


class Variable(NamedTuple):
    """A restriction: what it is when nobody says anything, how a value of it is read, and what it is for."""

    default: Any
    read: Callable[[object], Any]
    meaning: str


def declare_variable(default: object, read: Callable[[object], Value], meaning: str) -> Value:
    """A field for what `read` makes of the variable of that name, which is `default`, as an inventory writes it, where
    it is not set. The type is that of the value, as with dataclasses.field.
    """
    return cast(Value, field(metadata={Variable: Variable(default, read, meaning)}))


def get_variable(declaration: Field[Any]) -> Variable:
    """What `declare_variable` has put into a field."""
    return cast(Variable, declaration.metadata[Variable])
