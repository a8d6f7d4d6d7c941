"""All controls by name. Each control is a file of this package, which has its DECLARATION."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from ...model.vocabulary import CONTROLS
from .declaration import ControlDeclaration

DECLARATIONS: Mapping[str, ControlDeclaration] = {
    control: import_module(f".{control}", __name__).DECLARATION for control in CONTROLS
}
