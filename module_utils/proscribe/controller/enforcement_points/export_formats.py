"""All export formats by name, loaded from `formats/`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from . import formats
from .format_declaration import ExportFormat
from .format_names import list_format_names


def _load_formats() -> Mapping[str, ExportFormat]:
    """Return the `FORMAT` of each module in `formats/`.

    Raises ValueError if its name is not that of the module.
    """
    formats_by_name = {}
    for name in list_format_names():
        export_format = import_module(f".{name}", formats.__name__).FORMAT
        if export_format.name != name:
            raise ValueError(f"formats/{name}.py declares {export_format.name!r}: a format is called as its module is")
        formats_by_name[name] = export_format
    return formats_by_name


EXPORT_FORMATS: Mapping[str, ExportFormat] = _load_formats()
