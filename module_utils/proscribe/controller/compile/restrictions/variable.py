"""The declaration of a restriction: a field of a dataclass whose metadata has the variable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, dataclass, field
from typing import Any, NamedTuple, TypeVar, cast, dataclass_transform

Value = TypeVar("Value")


@dataclass_transform(frozen_default=True)
def declare_settings(settings_class: type[Value]) -> type[Value]:
    """Make a dataclass without generated methods, because only the whole class `Restrictions` has instances.

    Generating the methods would take time at each start.
    """
    return dataclass(frozen=True, init=False, repr=False, eq=False)(settings_class)


class Variable(NamedTuple):
    """A variable of the inventory: its default, the reader of its value, and its meaning for the documentation.

    The reader checks a value and converts it. It raises UnexpectedValue for a wrong value.
    """

    default: Any
    read: Callable[[object], Any]
    meaning: str


def declare_variable(default: object, read: Callable[[object], Value], meaning: str) -> Value:
    """Return a field of a settings class for a variable, whose value is the result of `read`.

    `default` is written as in an inventory; `read` converts it, too. The declared return type is the type of the value,
    as with dataclasses.field.
    """
    return cast(Value, field(metadata={Variable: Variable(default, read, meaning)}))


def get_variable(declaration: Field[Any]) -> Variable:
    """Return the variable that `declare_variable` has put into a field."""
    return cast(Variable, declaration.metadata[Variable])
