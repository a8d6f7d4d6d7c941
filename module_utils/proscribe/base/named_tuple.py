"""A `NamedTuple` that is cheaper on a host than that of `typing`.

Loading `typing`, and compiling a constructor for every class, takes longer than observing a control.
"""

from __future__ import annotations

MYPY = False  # mypy treats this name as true, and reads the first branch
if MYPY:
    from typing import NamedTuple as NamedTuple
if not MYPY:
    from operator import itemgetter

    class _NamedTupleMeta(type):
        """The metaclass of NamedTuple: it makes a read-only property of each annotated field."""

        def __new__(mcs, name, bases, body):
            """Create a class with `_fields`, with `_field_defaults`, and with a property for each field."""
            cls = super().__new__(mcs, name, bases, {"__slots__": (), **body})
            cls._fields = tuple(getattr(cls, "__annotations__", ()))
            cls._field_defaults = {field: body[field] for field in cls._fields if field in body}
            for place, field in enumerate(cls._fields):
                setattr(cls, field, property(itemgetter(place)))
            return cls

    class NamedTuple(tuple, metaclass=_NamedTupleMeta):
        """A tuple with named fields."""

        def __new__(cls, *positional, **named):
            """Create a tuple of the given values and of the defaults of the other fields.

            Raises TypeError for an unknown field, and for a field without a value.
            """
            remaining_fields = cls._fields[len(positional) :]
            if len(positional) > len(cls._fields) or named.keys() - remaining_fields:
                raise TypeError(f"{cls.__name__} takes {', '.join(cls._fields)}")
            try:
                remaining_values = [
                    named[field] if field in named else cls._field_defaults[field] for field in remaining_fields
                ]
            except KeyError as error:
                raise TypeError(f"{cls.__name__} needs {error}") from None
            return tuple.__new__(cls, (*positional, *remaining_values))

        def _asdict(self):
            return dict(zip(self._fields, self))

        def _replace(self, **named):
            return type(self)(**{**self._asdict(), **named})

        def __getnewargs__(self):
            return tuple(self)

        def __repr__(self):
            fields = ", ".join(f"{field}={content!r}" for field, content in self._asdict().items())
            return f"{type(self).__name__}({fields})"
